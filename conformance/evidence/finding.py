"""What a check says: values that a check yields, one for each thing that it looked at.

A check is a pure generator over the evidence of a run. For every exchange that it can judge it yields either findings,
or `Judged`; for one that it cannot, `Unjudged` with the reason. Counting, blame and outcomes are not its business: see
`conformance.judging.verdict`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from conformance.evidence.place import NOWHERE, Place


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of one requirement in one exchange."""

    requirement: str
    """Its id. A check does not say it: whoever runs the check stamps it (`conformance.checks.check`)."""
    exchange: str
    """Name of the exchange that shows it."""
    message: str
    """One line, without the target's own text."""
    expected: str
    observed: str
    """May hold the target's text: bounded, and to be escaped by whoever shows it."""
    place: Place = NOWHERE
    span: tuple[int, int] | None = None
    """(offset, length) of the offending octets in the answer's body, where they can be told."""
    yields_to: tuple[str, ...] = ()
    """Requirements that speak of the same fault more generally: where one of them failed, this finding is theirs."""
    asked: str = ""
    """JSON Pointer of the member of the *request* that breaks the schema, where it is to be refused for that."""
    intermittent: bool = False
    """True: the same request, sent once more alone, did not show it again."""
    second_opinion: str = ""
    """What Schemathesis says of the same answer, where it was asked."""
    shrunk_from: str = ""
    """Name of the exchange with the larger body that showed it first; this one's was shrunk from it."""

    def breaking(self, requirement: str) -> Finding:
        """This finding, stamped with the requirement that it breaks."""
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
    """The requirement whose breach stands in the way."""
    excused: bool = False
    """True: an excuse stood in the way (a rate limit, an intermediary, the network)."""


Item = Finding | Judged | Unjudged
