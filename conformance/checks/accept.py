"""Area accept: valid requests are served.

"Accepted" looks at status 200 and no more, so that a missing `usage` does not fail all of accept.*. Which requirement a
request belongs to is read off its body (`contract.classify.acceptance`); generated ones have requirements of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.checks.auth import SERVER_ERROR, told
from conformance.checks.check import each, over_all
from conformance.contract.classify import Due
from conformance.contract.excuses import names_the_model
from conformance.evidence.evidence import Evidence, Reading
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.json_values import integer, objects
from conformance.evidence.place import STATUS
from conformance.evidence.select import Selected, with_own_token


def accepted(reading: Reading) -> Iterator[Finding | Unjudged]:
    """The rule: a request that deserves to be served is answered 200."""
    status = reading.status
    if status == 200:
        return
    if status is not None and 200 <= status < 300:
        by = "stream.media-type" if reading.asked.stream else "completion.media-type"
        yield reading.unjudged(f"status {status}", by=by)
    elif status is not None and status >= 500:
        yield reading.unjudged(f"status {status}", by=SERVER_ERROR)
    elif _asks_for_much(reading) and status in (400, 413, 422) and (words := names_the_model(reading.object)):
        yield reading.unjudged(f"status {status}, whose error names {words!r}: the model's own limit", excused=True)
    elif status in (401, 403, 404) and not reading.evidence.admitted:
        yield reading.unjudged(f"status {status}: the token, the model or the address may be wrong")
    else:
        why = reading.error.get("message") if reading.error else None
        seen = told(reading)
        message = f"a valid request is not served ({reading.asked.reason or 'valid'})"
        observed = type(seen)(f"{seen}: {why[:160]!r}") if isinstance(why, str) else seen
        yield reading.finding(message, "status 200", observed, STATUS)


MUCH = 1_024
"""Tokens above which a model's own limit may be met."""


def _asks_for_much(reading: Reading) -> bool:
    """True where a limit of the model itself may be met: many tokens, a temperature, a long conversation."""
    body = reading.asked.body
    tokens = [integer(body.get(member)) or 0 for member in ("max_tokens", "max_completion_tokens")]
    long = len(body.get("messages") or ()) > 50 or len(reading.exchange.request.body or b"") > 8_192
    return max(tokens) > MUCH or 1 in tokens or "temperature" in body or long


def valid(evidence: Evidence) -> Selected:
    """Requests to chat completions that must be accepted, under the good token as documented."""
    for reading in evidence.last:
        if reading.due is not Due.ACCEPT or reading.asked.resume or not with_own_token(reading) or reading.odd_scheme:
            continue
        if reading.note.area == "robust" or reading.as_client or reading.left:
            continue
        if reading.excuse is not None:
            yield reading.unjudged(reading.excuse, excused=True)
        elif not reading.accepted and reading.sharing_request_id:
            yield reading.unjudged("another request bore the same `request_id`", by="isolation.same-request-id")
        else:
            yield reading


def _named(requirement: str) -> Callable[[Evidence], Selected]:
    """Valid requests that are this requirement's by their body, generated ones aside."""

    def select(evidence: Evidence) -> Selected:
        for reading in valid(evidence):
            known = evidence.by_name[reading.exchange or ""] if isinstance(reading, Unjudged) else reading
            if known.asked.requirement == requirement and not known.generated:
                yield reading

    return select


for _id in (
    "accept.minimal",
    "accept.optional-fields",
    "accept.limits",
    "accept.content-forms",
    "accept.metadata",
    "accept.unicode",
    "accept.unicode-edges",
):
    each(_id, _named(_id))(accepted)


@over_all("accept.roles")
def roles(evidence: Evidence) -> Iterator[Item]:
    """All four roles; for `tool` a bare message or a well-formed history, whichever the server takes."""
    for item in _named("accept.roles")(evidence):
        if isinstance(item, Unjudged):
            yield item
            continue
        found = list(accepted(item))
        if not any(isinstance(f, Unjudged) for f in found):
            yield Judged(item.name)
        yield from found
    yield from _tool_role(evidence)


def _tool_role(evidence: Evidence) -> Iterator[Item]:
    """Breached only where a bare message and a history were both refused."""
    tried: dict[bool, Reading] = {}
    for reading in evidence.last:
        if reading.asked.resume or reading.due is not Due.OPEN or not with_own_token(reading):
            continue
        messages = [m for _, m in objects(reading.asked.body.get("messages"))]
        if not any(m.get("role") == "tool" for m in messages) or reading.asked.edge or reading.generated:
            continue
        if reading.excuse is not None:
            yield reading.unjudged(reading.excuse, excused=True)
            return
        history = any(m.get("tool_calls") for m in messages)
        if history not in tried or reading.accepted:
            tried[history] = reading
    if any(reading.accepted for reading in tried.values()):
        yield from (Judged(reading.name) for reading in tried.values() if reading.accepted)
    elif len(tried) == 2:
        last = tried[True]
        found = list(accepted(last))
        if not any(isinstance(f, Unjudged) for f in found):
            yield Judged(last.name)
        yield from found


@each("accept.generated", lambda evidence: _generated(evidence, natural=True))
def generated(reading: Reading) -> Iterator[Finding | Unjudged]:
    """Generated natural conversations."""
    yield from accepted(reading)


@each("accept.any-valid", lambda evidence: _generated(evidence, natural=False))
def any_valid(reading: Reading) -> Iterator[Finding | Unjudged]:
    """Every other valid body that is not left open."""
    yield from accepted(reading)


NATURAL = "natural"
"""The breach note of a generated body that is a natural conversation."""


def _generated(evidence: Evidence, natural: bool) -> Selected:
    for reading in valid(evidence):
        known = evidence.by_name[reading.exchange or ""] if isinstance(reading, Unjudged) else reading
        if known.generated and (known.note.breach == NATURAL) is natural:
            yield reading
