"""The rule of every refusal (contract, "Refused"): judged by the status; area error judges the object."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.contract.catalogue import load
from conformance.evidence.finding import Finding, Unjudged
from conformance.evidence.place import STATUS
from conformance.evidence.reading import Reading
from conformance.evidence.select import server_error, when

error_as_success = when(
    lambda r: r.taken and r.opens_with_error and not r.streamed,
    "an error object with a success status",
    by="error.status",
)
"""A 2xx that opens with an error: error.status judges it."""


def _twin_not_accepted(reading: Reading) -> Unjudged | None:
    twin = reading.evidence.twin_of(reading)
    if reading.taken or (twin is not None and twin.accepted):
        return None
    excuse = twin is not None and bool(twin.excuse)
    by = twin.asked.requirement if twin is not None and not excuse else None
    if twin is not None and twin.unreadable:
        by = "http.complete"
    return reading.unjudged("the same request without its fault was not accepted", by=by, excused=excuse)


def _too_large(reading: Reading) -> Unjudged | None:
    large = reading.status == 413 and len(reading.exchange.request.body or b"") > 8_192
    return reading.unjudged("refused for its size", excused=True) if large else None


UNLESS = (server_error, error_as_success, _twin_not_accepted, _too_large)
"""Answers that do not show whether a request was refused because of its content."""


def refused(reading: Reading, expected: str = "a 4xx error") -> Iterator[Finding]:
    """The rule: an invalid request is refused, by a status that says so."""
    unknown = reading.status == 404
    if reading.taken:
        message = f"an invalid request is accepted: {reading.asked.reason}"
    elif not reading.refused_status or (unknown and not names_something(reading)):
        why = " (404 means an unknown identifier, and there is none)" if unknown else ""
        message = f"an invalid request is not refused as invalid: {reading.asked.reason}{why}"
    else:
        return
    yield reading.finding(message, expected, reading.told, STATUS)


def names_something(reading: Reading) -> bool:
    """True where 404 may answer: the breach is in an identifier, malformed or unknown."""
    id_ = reading.asked.requirement
    of_an_identifier = ("/model", "model", "/approval_id", "approval_id")
    return bool(id_ and load()[id_].not_found) or reading.asked.reason.startswith(of_an_identifier)
