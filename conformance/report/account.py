"""What every report is made from, as the reports see it. `conformance.judging.judge.Report` is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from conformance.judging.gate import Gate
from conformance.judging.verdict import Verdict
from conformance.transcript.exchange import Exchange, Transcript

EMBEDDED = "the embedded reference server"
"""What is judged where no target is named."""
_ENDPOINTS = ("/chat/completions", "/chat/resume")


class Told(Protocol):
    """What the run was told."""

    @property
    def model(self) -> str | None:
        """The group that was asked for."""

    @property
    def depth(self) -> str:
        """How much was sent."""

    @property
    def url(self) -> str | None:
        """Base URL; None: the embedded reference server."""

    def recorded(self) -> dict[str, Any]:
        """The options as JSON values, without secrets."""


class Account(Protocol):
    """A run that has come to its end."""

    @property
    def options(self) -> Told:
        """What the run was told."""

    @property
    def transcript(self) -> Transcript:
        """What travelled."""

    @property
    def verdict(self) -> Verdict:
        """What was concluded."""

    @property
    def gate(self) -> Gate:
        """Whether it may pass, given the failures that are known."""

    @property
    def started(self) -> float:
        """Unix seconds."""

    @property
    def ended(self) -> float:
        """Unix seconds."""

    @property
    def interrupted(self) -> bool:
        """True: somebody stopped it before its end."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Things to tell: what budgets cut off, hints."""

    @property
    def suspects(self) -> tuple[str, ...]:
        """Names of the exchanges that were under way when the target went down."""

    @property
    def seed(self) -> int:
        """Of everything that was drawn at random."""

    @property
    def excused(self) -> tuple[int, int]:
        """Excused exchanges, of all judged ones."""

    @property
    def credits(self) -> float:
        """What the answers said that they cost."""

    def exit_code(self) -> int:
        """The exit code of the command line."""


class Advance(Protocol):
    """How far a recording has come. `conformance.running.run.Progress` is one."""

    @property
    def phase(self) -> str:
        """A `probes.flow.Phase`, or `judging`."""

    @property
    def done(self) -> int:
        """Requests finished."""

    @property
    def planned(self) -> int:
        """Requests planned at most."""

    @property
    def credits(self) -> float:
        """Charged so far."""

    @property
    def note(self) -> str:
        """What the run waits for, where it waits."""


def suspected(account: Account) -> list[Exchange]:
    """The exchanges that were under way when the target went down, those that have to be looked into first."""
    known = exchanges_by_name(account.transcript)
    return [known[name] for name in account.suspects if name in known]


def ca_bundle(transcript: Transcript) -> str:
    """The file of certificates that the recording trusted (`--ca-bundle`); empty: those of the machine."""
    told = transcript.options.get("ca_bundle")
    return told if isinstance(told, str) else ""


def exchanges_by_name(transcript: Transcript) -> Mapping[str, Exchange]:
    """The exchanges that findings name."""
    return {exchange.name: exchange for exchange in transcript}


def target_url(account: Account) -> str:
    """The base URL that was judged: as told, else as the transcript's first request shows it, else empty."""
    for exchange in account.transcript:
        path = exchange.request.url.partition("?")[0]
        for endpoint in _ENDPOINTS:
            if path.endswith(endpoint):
                return path.removesuffix(endpoint)
    return account.options.url or ""


def target_model(account: Account) -> str | None:
    """The group that was asked for: as told, else as recorded (the reference server's own); None: not known."""
    recorded = account.transcript.options.get("model")
    return account.options.model or (recorded if isinstance(recorded, str) else None)


def embedded(account: Account) -> bool:
    """True where the embedded reference server was judged."""
    return account.transcript.own and account.transcript.options.get("embedded") is True


def target_name(account: Account) -> str:
    """What was judged, for a person: its base URL, or the embedded reference server; empty where it is not known."""
    return EMBEDDED if embedded(account) else target_url(account)
