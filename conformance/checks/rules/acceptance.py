"""The rule of every acceptance (contract, "Accepted"): status 200 and no more, so that a missing `usage` does not fail
all of accept.*.
"""

from __future__ import annotations

from collections.abc import Iterator

from conformance.contract.excuses import names_the_model
from conformance.evidence.answer import Words
from conformance.evidence.finding import Finding, Unjudged
from conformance.evidence.json_values import integer
from conformance.evidence.place import STATUS
from conformance.evidence.reading import Reading
from conformance.evidence.select import server_error


def another_success(reading: Reading) -> Unjudged | None:
    """A 2xx other than 200: the requirement on the media type names the status, too."""
    if not reading.taken or reading.accepted:
        return None
    by = "stream.media-type" if reading.asked.stream else "completion.media-type"
    return reading.unjudged(f"status {reading.status}", by=by)


def limit_of_the_model(reading: Reading) -> Unjudged | None:
    """A refusal of a documented limit that names the model, its context or a quota."""
    if not _asks_for_much(reading) or reading.status not in (400, 413, 422):
        return None
    words = names_the_model(reading.object)
    told = f"status {reading.status}, whose error names {words!r}: the model's own limit"
    return reading.unjudged(told, excused=True) if words else None


def _never_let_in(reading: Reading) -> Unjudged | None:
    if reading.status not in (401, 403, 404) or reading.evidence.admitted:
        return None
    return reading.unjudged(f"status {reading.status}: the token, the model or the address may be wrong")


UNLESS = (another_success, server_error, limit_of_the_model, _never_let_in)
"""Answers that do not show whether a request is treated as valid."""


def accepted(reading: Reading) -> Iterator[Finding]:
    """The rule: a request that deserves to be served is answered 200."""
    if not reading.accepted:
        message = f"a valid request is not served ({reading.asked.reason or 'valid'})"
        yield reading.finding(message, "status 200", with_its_words(reading), STATUS)


def with_its_words(reading: Reading) -> Words:
    """What came, and what its error object says."""
    why = reading.error.get("message") if reading.error else None
    return Words(f"{reading.told}: {why[:160]!r}") if isinstance(why, str) else reading.told


MUCH, FEW = 1_024, 16
"""Tokens above and below which a model's own limit may be met."""


def _asks_for_much(reading: Reading) -> bool:
    """True where a limit of the model itself may apply: many tokens, a temperature, a long conversation."""
    body = reading.asked.body
    tokens = [integer(body.get(member)) or 0 for member in ("max_tokens", "max_completion_tokens")]
    long = len(body.get("messages") or ()) > 50 or len(reading.exchange.request.body or b"") > 8_192
    return max(tokens) > MUCH or any(0 < limit < FEW for limit in tokens) or "temperature" in body or long
