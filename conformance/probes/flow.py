"""The values of a flow: what to send, what came back, and the chain itself.

A flow's `steps` is a generator function: it yields a `Send`, or several at once to have them in flight together, and
receives an `Answer` for each. The driver (see `conformance.wire.recorder`) opens the sockets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from conformance.contract.classify import CHAT, RESUME
from conformance.probes.plan import Plan

JSON_TYPE = ("Content-Type", "application/json")
WHIMS = (2, 3)
"""The most rounds in which a requirement that chance can break is tried."""
AGAIN = 4
"""The round in which failed flows are recorded again, alone."""
NEARLY = "-near-"
"""Lies between the name of a refusal's probe and the number of the bad value whose turn it is in this run."""
SMALLER = 5
"""The round of smaller bodies of what failed."""


class Phase(StrEnum):
    """The phases of a recording, in their order."""

    OPENING = "opening"
    REPLAY = "replay"
    CALM = "calm"
    CONCURRENT = "concurrent"
    GENERATED = "generated"
    HOSTILE = "hostile"
    LEAVING = "leaving"
    RECOVER = "recover"
    WEATHER = "weather"
    """Minimal requests in between, which ask whether the target serves at all."""


@dataclass(frozen=True, slots=True)
class WaitingApproval:
    """A waiting approval, as an answer described it."""

    approval_id: str
    calls: tuple[str, ...]
    """The ids of the tool calls."""
    execution_id: str | None = None
    expires_in: float | None = None
    """Seconds from the server's clock at the answer to `expires_at`; None: unknown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a flow learns about an exchange."""

    name: str
    status: int | None
    excused: bool = False
    approval: WaitingApproval | None = None
    doubted: bool = False
    """True where a waiting approval was unknown at the first try."""
    during: tuple[float, float] = (0.0, 0.0)
    """When the request started and when its answer ended, in Unix seconds."""

    @property
    def served(self) -> bool:
        """True where the request was accepted."""
        return self.status == 200

    @property
    def refused(self) -> bool:
        """True for a 4xx."""
        return self.status is not None and 400 <= self.status < 500


@dataclass(frozen=True, slots=True)
class Send:
    """One request to send."""

    name: str
    body: bytes
    endpoint: str = CHAT
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = (JSON_TYPE,)
    authorization: str | None = "Bearer {token}"
    """`{token}`, `{near}`, `{middle}` and `{second}` stand for the secrets; None: no header."""
    twin: str | None = None
    """Name of the probe whose body is the same without the breach."""
    breach: str | None = None
    """The rule of a generated breach."""
    delay: float = 0.0
    """Seconds to wait before sending."""
    leave_after: int | None = None
    """Leave after this many pieces of the body; 0: at the header section; -1: before it."""
    leave_at: bytes | None = None
    """Leave earlier, at the piece that holds these octets."""
    fresh: bool = False
    """True: on a separate connection."""
    pause: float = 0.0
    """Seconds to wait between reads."""
    served: bool = False
    """True where a model is expected to answer (for the plan's count)."""


Steps = Generator[Send | Sequence[Send], Any, None]


@dataclass(frozen=True, slots=True)
class Flow:
    """A chain of requests that belong together."""

    name: str
    area: str
    phase: Phase
    steps: Callable[[int], Steps]
    """Takes the round (counts from 1) and gives the generator."""
    quick: bool = False
    """True where `--depth quick` takes it too."""
    at_most: int = 1
    """The most requests that it sends, not counting repeats of excused answers."""
    served: int = 0
    """How many of them a model answers."""
    covers: frozenset[str] = field(default_factory=frozenset)
    """Areas that it serves beyond its own: for --only."""
    waits: bool = False
    """True where it mostly waits: it starts with its phase, and later phases do not wait for it."""


@dataclass(frozen=True, slots=True)
class Compose:
    """Makes bodies and sends for one plan and one round."""

    plan: Plan
    round: int = 1

    def word(self, name: str) -> str:
        """The fresh word of a probe."""
        return self.plan.word(name, self.round)

    def ask(self, name: str) -> str:
        """The cheapest prompt: one word to be repeated."""
        return f"Reply with just this word: {self.word(name)}"

    def body(
        self,
        name: str,
        *,
        prompt: str | None = None,
        messages: list[Any] | None = None,
        request_id: bool = True,
        **fields: Any,
    ) -> dict[str, Any]:
        """A valid body: one user message that asks for a fresh word, a `request_id`, and the fields given."""
        made: dict[str, Any] = {"model": self.plan.model}
        made["messages"] = messages or [{"role": "user", "content": prompt or self.ask(name)}]
        if request_id:
            made["metadata"] = {"request_id": self.plan.request_id(name, self.round), **fields.pop("metadata", {})}
        return {**made, **fields}

    def chat(self, name: str, *, served: bool = True, escaped: bool = False, **fields: Any) -> Send:
        """A valid request to chat completions."""
        return Send(name, encode(self.body(name, **fields), escaped=escaped), served=served)

    def resume(self, name: str, of: Mapping[str, Any], approval: WaitingApproval, **fields: Any) -> dict[str, Any]:
        """A resume's body: the paused request's own fields, the approval, and the decision in `fields`."""
        kept = {key: of[key] for key in ("model", "messages")}
        metadata = {"request_id": self.plan.request_id(name, self.round)}
        return {**kept, "metadata": metadata, "approval_id": approval.approval_id, **fields}


def encode(body: Any, *, escaped: bool = False) -> bytes:
    """A body's octets: compact JSON, UTF-8, characters as themselves.

    `escaped`: those beyond ASCII as escapes, and those beyond the first plane as pairs of them.
    """
    return json.dumps(body, ensure_ascii=escaped, separators=(",", ":")).encode("utf-8", "surrogatepass")


def deny(approval: WaitingApproval, reason: str | None = None) -> dict[str, Any]:
    """The decision that denies every call."""
    extra = {} if reason is None else {"reason": reason}
    return {"denied_tools": [{"tool_execution_id": call, **extra} for call in approval.calls]}


def approve(approval: WaitingApproval) -> dict[str, Any]:
    """The decision that approves every call."""
    return {"approved_tool_execution_ids": list(approval.calls)}


def single(
    area: str,
    phase: Phase,
    name: str,
    make: Callable[[int], Send],
    *,
    quick: bool = False,
    covers: Sequence[str] = (),
    served: bool | None = None,
) -> Flow:
    """A flow of one request."""

    def steps(round_: int) -> Steps:
        yield make(round_)

    counted = make(1).served if served is None else served
    return Flow(name, area, phase, steps, quick, 1, int(counted), frozenset(covers))


__all__ = [
    "AGAIN",
    "CHAT",
    "JSON_TYPE",
    "NEARLY",
    "RESUME",
    "SMALLER",
    "WHIMS",
    "Answer",
    "Compose",
    "Flow",
    "Phase",
    "Send",
    "Steps",
    "WaitingApproval",
    "approve",
    "deny",
    "encode",
    "single",
]  # fmt: skip
