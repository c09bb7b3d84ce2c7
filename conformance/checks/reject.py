"""Area reject: invalid requests are refused. Of the refusal's object, area error speaks."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.check import each
from conformance.checks.rules.refusal import UNLESS, refused
from conformance.contract.catalogue import load
from conformance.contract.classify import Due
from conformance.evidence.finding import Finding, Unjudged
from conformance.evidence.place import STATUS, Place
from conformance.evidence.reading import Reading
from conformance.evidence.select import Selection, barred, last, refusal_excused, server_error, to_be_refused, when


def _fixed(requirement: str) -> Selection:
    """Requests of the fixed probes that have to be refused by this requirement."""
    return to_be_refused(requirement).among(lambda r: not r.generated).unless(barred)


for _id in load().basic("reject"):
    each(_id, _fixed(_id).unless(*UNLESS))(refused)

_generated = last.where(lambda r: r.due is Due.REFUSE and r.generated)
each("reject.generated", _generated.unless(refusal_excused, *UNLESS))(refused)

_another_method = when(lambda r: r.exchange.request.method != "PUT", "a method other than PUT")


def _fails(reading: Reading) -> Unjudged | None:
    return None if reading.status == 501 else server_error(reading)


@each("reject.method", _fixed("reject.method").unless(_another_method, _fails))
def method(reading: Reading) -> Iterator[Finding]:
    """PUT: 404, 405 (with `Allow`) or 501 (RFC 9110, sections 15.5.6 and 15.6.2)."""
    if reading.status not in (404, 405, 501):
        yield reading.finding("PUT is not refused as a method", "404, 405 or 501", reading.told, STATUS)
    elif (
        reading.status == 405
        and reading.fields_known
        and reading.response is not None
        and reading.response.header("allow") is None
    ):
        yield reading.finding("a 405 without `Allow`", "Allow: POST", reading.told, Place(header="Allow"))


@each("reject.media-type", _fixed("reject.media-type").unless(server_error))
def media_type(reading: Reading) -> Iterator[Finding]:
    """A body that is not `application/json`: 415, 400 or 422."""
    if reading.status not in (400, 415, 422):
        message = f"a body is not refused for its {reading.asked.reason}"
        yield reading.finding(message, "415, 400 or 422", reading.told, STATUS)
