"""Area reject: invalid requests are refused. Of the refusal's object, area error speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.checks.auth import told
from conformance.checks.blame import REJECT
from conformance.checks.check import each
from conformance.checks.stream import refused
from conformance.contract.classify import Due
from conformance.evidence.evidence import Evidence, Reading
from conformance.evidence.finding import Finding, Unjudged
from conformance.evidence.place import STATUS, Place
from conformance.evidence.select import Selected, barred, due_by


def _fixed(requirement: str) -> Callable[[Evidence], Selected]:
    def select(evidence: Evidence) -> Selected:
        for reading in due_by(evidence, Due.REFUSE, requirement):
            known = evidence.by_name[reading.exchange or ""] if isinstance(reading, Unjudged) else reading
            if known.generated:
                continue
            if isinstance(reading, Reading) and barred(reading):
                yield reading.unjudged(f"status {reading.status} came to valid requests too: none was ever served")
            else:
                yield reading

    return select


for _id in REJECT:
    each(_id, _fixed(_id))(refused)


def _generated(evidence: Evidence) -> Selected:
    for reading in evidence.last:
        if reading.due is not Due.REFUSE or not reading.generated:
            continue
        if (excuse := reading.excuses_refusal) is not None:
            yield reading.unjudged(excuse, excused=True)
        else:
            yield reading


@each("reject.generated", _generated)
def generated(reading: Reading) -> Iterator[Finding | Unjudged]:
    """Every payload with a single generated breach of the request schema."""
    yield from refused(reading)


@each("reject.method", _fixed("reject.method"))
def method(reading: Reading) -> Iterator[Finding | Unjudged]:
    """PUT: 404, 405 (with `Allow`) or 501 (RFC 9110, sections 15.5.6 and 15.6.2)."""
    if reading.exchange.request.method != "PUT":
        yield reading.unjudged("another method than PUT")
        return
    if reading.status not in (404, 405, 501):
        if reading.status is not None and reading.status >= 500:
            yield reading.unjudged(f"status {reading.status}", by="error.no-server-error")
            return
        yield reading.finding("PUT is not refused as a method", "404, 405 or 501", told(reading), STATUS)
    elif reading.status == 405 and reading.response is not None and reading.response.header("allow") is None:
        yield reading.finding("a 405 without `Allow`", "Allow: POST", told(reading), Place(header="Allow"))


@each("reject.media-type", _fixed("reject.media-type"))
def media_type(reading: Reading) -> Iterator[Finding | Unjudged]:
    """A body that is not `application/json`: 415, 400 or 422."""
    if reading.status is not None and reading.status >= 500:
        yield reading.unjudged(f"status {reading.status}", by="error.no-server-error")
    elif reading.status not in (400, 415, 422):
        yield reading.finding(
            f"a body is not refused for its {reading.asked.reason}", "415, 400 or 422", told(reading), STATUS
        )
