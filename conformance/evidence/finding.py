"""The values that a check yields, one for each exchange that it looked at.

A check is a pure generator over the evidence of a run. For every exchange that it can judge it yields either findings,
or `Judged`; for one that it cannot, `Unjudged` with the reason. Counting, blame and outcomes are decided elsewhere: see
`conformance.judging.verdict`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from conformance.evidence.place import NOWHERE, Place


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of one requirement in one exchange."""

    requirement: str
    """Its id. A check leaves it empty: the code that runs the check sets it (`conformance.checks.check`)."""
    exchange: str
    """Name of the exchange that shows it."""
    message: str
    """One line, without the target's own text."""
    expected: str
    observed: str
    """May contain the target's text: its length is bounded, and whoever shows it must escape it."""
    place: Place = NOWHERE
    span: tuple[int, int] | None = None
    """(offset, length) of the offending octets in the body of what `place` is in, where they are known."""
    yields_to: tuple[str, ...] = ()
    """More general requirements for the same fault: where one of them failed, this finding is counted there."""
    asked: str = ""
    """JSON Pointer of the member of the *request* that breaks the schema, where the request must be refused for it."""
    intermittent: bool = False
    """True: the same request, sent again alone, did not show it."""
    second_opinion: str = ""
    """What Schemathesis says about the same answer, where it was asked."""
    shrunk_from: str = ""
    """Name of the exchange with the larger body that first showed it, and from which this body was shrunk."""

    def breaking(self, requirement: str) -> Finding:
        """This finding, with the requirement that it breaks."""
        return replace(self, requirement=requirement)


@dataclass(frozen=True, slots=True)
class Judged:
    """The check looked at this exchange and could say yes or no."""

    exchange: str


@dataclass(frozen=True, slots=True)
class Unjudged:
    """The check could not judge this exchange (or, with no exchange, anything)."""

    reason: str
    exchange: str | None = None
    blocked_by: str | None = None
    """The requirement whose breach prevents it."""
    excused: bool = False
    """True: an excuse prevented it (a rate limit, an intermediary, the network)."""


Item = Finding | Judged | Unjudged
