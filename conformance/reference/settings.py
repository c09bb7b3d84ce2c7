"""What the reference server is started with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

FIRST_TOKEN = "km_reference_first"
SECOND_TOKEN = "km_reference_second"
DEFAULT_MODEL = "group:123e4567-e89b-42d3-a456-426614174000"
DEFAULT_APPROVAL_PHRASE = "create a ticket"
DEFAULT_BRIEF_PHRASE = "for a moment only"
DEFAULT_APPROVAL_PROMPT = "Please create a ticket about the fresh word below and assign it. Do not ask back."
"""A prompt that leads to two waiting calls and, once the ticket is approved, to a further round."""


DEFAULT_EXPIRING_PROMPT = "Please create a ticket about the fresh word below, and wait for a moment only."
"""A prompt that leads to an approval which expires within seconds."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every value has a default that suits a run of the suite on loopback.

    Raises:
        ValueError: a value that no server could be started with.
    """

    tokens: tuple[str, ...] = (FIRST_TOKEN, SECOND_TOKEN)
    """Bearer tokens that were issued; each is a caller of its own."""
    models: tuple[str, ...] | None = None
    """Groups that are served; None: every well-formed one."""
    latency: float = 0.0
    """Seconds before the first byte of an answer."""
    token_interval: float = 0.02
    """Seconds that the pretended model takes for one token of a stream."""
    chunk_tokens: int = 2
    """Tokens in one chunk of a stream."""
    approval_phrase: str = DEFAULT_APPROVAL_PHRASE
    """A prompt that holds it (in any case) asks for tools, which wait for approval."""
    approval_ttl: float = 600.0
    """Seconds until an approval expires."""
    brief_phrase: str = DEFAULT_BRIEF_PHRASE
    """A prompt that holds it (in any case) leads to an approval that expires after `brief_ttl`."""
    brief_ttl: float = 4.0
    """Seconds; short, so that a run can wait for it."""
    approval_capacity: int = 10_000
    """Approvals that are remembered; beyond it the oldest is forgotten."""
    rate_limit_every: int | None = None
    """Every n-th authenticated request is answered 429, once; None: no limit."""
    crosstalk_every: int | None = None
    """Every n-th answer is given the text of an earlier one; only `rare.create` heeds it. None: none is."""
    max_body: int = 8 * 1024 * 1024
    """Octets of a request's body."""
    max_depth: int = 200
    """Levels of nesting in a request's body."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.tokens or not all(self.tokens):
            raise ValueError("at least one token is needed, and none may be empty")
        if self.rate_limit_every is not None and self.rate_limit_every < 2:
            raise ValueError("rate_limit_every must be 2 or more")
        if self.crosstalk_every is not None and self.crosstalk_every < 2:
            raise ValueError("crosstalk_every must be 2 or more")
        if min(self.chunk_tokens, self.approval_capacity, self.max_body, self.max_depth) < 1:
            raise ValueError("chunk_tokens, approval_capacity, max_body and max_depth must be 1 or more")
        if min(self.latency, self.token_interval, self.approval_ttl, self.brief_ttl) < 0:
            raise ValueError("latency, token_interval, approval_ttl and brief_ttl must not be negative")

    def to_json(self) -> str:
        """The settings as one line of JSON, for a server in another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The settings that `to_json` wrote.

        Raises:
            ValueError: the text is not JSON, or a value cannot work.
            TypeError: a member is unknown.
        """
        members = json.loads(text)
        for name in ("tokens", "models"):
            if members.get(name) is not None:
                members[name] = tuple(members[name])
        return cls(**members)


EMBEDDED = Settings(rate_limit_every=500, brief_ttl=1.0)
"""Of the server that a run without a URL judges: it limits once in a whole run, and nobody waits long for an expiry."""
