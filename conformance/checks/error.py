"""Area error: every 4xx and 5xx, whatever brought it about."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks import internals
from conformance.checks.auth import told
from conformance.checks.check import each, over_all
from conformance.checks.resuming import race_errors
from conformance.contract import schemas
from conformance.contract.classify import Due
from conformance.contract.excuses import EXCUSING
from conformance.evidence.evidence import Evidence, Reading, Words
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.json_values import ABSENT, get, optional, text
from conformance.evidence.place import NOWHERE, STATUS, Place
from conformance.evidence.select import UNREAD, Selected
from conformance.probes.flow import Phase
from conformance.transcript.exchange import Ending

COMMON = frozenset({400, 401, 404, 409, 422})
MEMBERS = ("message", "type", "code", "request_id")


def _errors(evidence: Evidence) -> Selected:
    """All that was answered 4xx or 5xx, with a body that is known: asking again washes no answer's form out.

    Without the preflights in a browser's recording: whoever refuses one (often by 400 and plain text) has no caller of
    the API before him, and nobody gets to read why.
    """
    for reading in evidence.all:
        if not reading.asked.endpoint or reading.status is None or reading.status < 400 or _preflight(reading):
            continue
        if reading.known:
            yield reading
        elif reading.coded_away:
            yield reading.unjudged("the body is coded in a way that is not read here", by=UNREAD)


def _preflight(reading: Reading) -> bool:
    return reading.exchange.request.method == "OPTIONS"


def _bodies(evidence: Evidence, common: bool) -> Selected:
    for reading in _errors(evidence):
        if isinstance(reading, Unjudged):
            if (evidence.by_name[reading.exchange or ""].status in COMMON) is common:
                yield reading
        elif (reading.status in COMMON) is not common:
            continue
        elif common and reading.page and evidence.passes_elsewhere(reading):
            yield reading.unjudged("a page of an intermediary, on a request that passes elsewhere", excused=True)
        elif not reading.whole or reading.cut_by_length:
            yield reading.unjudged("the body is not whole", by="http.complete")
        else:
            yield reading


def _in_json(evidence: Evidence, common: bool) -> Selected:
    """Those whose body can be read as JSON by the layers below."""
    for reading in _bodies(evidence, common):
        if isinstance(reading, Unjudged):
            yield reading
        elif reading.media_type == "text/event-stream" or reading.looks_streamed:
            yield reading.unjudged("the error comes as an event stream", by=_of_streamed_errors(reading))
        elif reading.body and not reading.json.ok:
            by = "http.json" if reading.media_type == "application/json" else "error.media-type"
            yield reading.unjudged("the body is not JSON", by=by)
        else:
            yield reading


def _of_streamed_errors(reading: Reading) -> str:
    """The requirement that speaks of an error that comes as an event stream."""
    named = ("stream.refusal-as-json", "auth.stream-refused-as-json")
    return reading.asked.requirement if reading.asked.requirement in named else "error.media-type"


def _wrong(reading: Reading) -> Iterator[Finding]:
    """What is wrong with the error object."""
    if not reading.body:
        yield reading.finding(
            "an error without a body",
            "the standard error object",
            Words(f"{told(reading)}, empty body"),
            Place(words="body"),
        )
        return
    for error in schemas.errors("error", reading.json.value)[:1]:
        place = f"{error.pointer}/{error.missing}" if error.missing else error.pointer
        steps = place.split("/")[1:]
        seen = get(reading.json.value, *steps) if steps else reading.json.value
        if error.missing:
            seen = ABSENT
        name = place.strip("/").replace("/", ".") or "the body"
        yield reading.finding(
            f"`{name}` of the error object is {'absent' if error.missing else 'wrong'}",
            f'{{"error": {{{", ".join(MEMBERS)}}}}}, all strings',
            seen,
            Place(place or "/"),
        )


@each("error.schema", lambda evidence: _in_json(evidence, True))
def schema(reading: Reading) -> Iterator[Finding]:
    """The standard error object with 400, 401, 404, 409 and 422."""
    yield from _wrong(reading)


@each("error.media-type", lambda evidence: _bodies(evidence, True))
def media_type(reading: Reading) -> Iterator[Finding | Unjudged]:
    """As `application/json`."""
    if not reading.body:
        yield reading.unjudged("an empty body", by="error.schema")
    elif reading.media_type == "text/event-stream" and _of_streamed_errors(reading) != "error.media-type":
        yield reading.unjudged("the error comes as an event stream", by=_of_streamed_errors(reading))
    elif reading.media_type != "application/json":
        yield reading.finding(
            "the error is not called application/json",
            "application/json",
            Words(reading.media_type or "no media type"),
            Place(header="Content-Type"),
        )


@each("error.schema-elsewhere", lambda evidence: _bodies(evidence, False))
def schema_elsewhere(reading: Reading) -> Iterator[Finding | Unjudged]:
    """The same with every other 4xx and 5xx."""
    if reading.exchange.request.method == "HEAD":
        yield reading.unjudged("HEAD has no body")
    elif reading.body and reading.media_type == "application/json" and not reading.json.ok:
        yield reading.unjudged("the body is not JSON", by="http.json")
    elif reading.body and (reading.media_type != "application/json" or not reading.json.ok):
        yield reading.finding(
            f"a {reading.status} without the standard error object",
            "the standard error object in application/json",
            told(reading),
            Place(header="Content-Type"),
        )
    else:
        yield from _wrong(reading)


def _successes(evidence: Evidence) -> Selected:
    for reading in evidence.last:
        if reading.taken and not reading.left and reading.known:
            yield reading
        elif reading.taken and not reading.left and reading.coded_away:
            yield reading.unjudged("the body is coded in a way that is not read here", by=UNREAD)


@each("error.status", _successes)
def status(reading: Reading) -> Iterator[Finding | Unjudged]:
    """No error object with a 2xx. An error within a stream, once chunks were sent, is a failed answer and no breach."""
    if not reading.opens_with_error:
        return
    if not reading.streamed:
        yield reading.finding(
            f"a {reading.status} with an error object",
            "a 4xx or 5xx",
            optional(reading.object, "error"),
            Place("/error"),
        )
    elif reading.due in (Due.REFUSE, Due.AUTHENTICATE):
        yield reading.unjudged("a request to be refused, answered 200", by=reading.asked.requirement)
    else:
        first = reading.chunks[0]
        yield reading.finding(
            f"a {reading.status} whose stream opens with an error",
            "a 4xx or 5xx",
            optional(first.value, "error"),
            first.place,
            span=first.span,
        )


@over_all("error.no-server-error")
def no_server_error(evidence: Evidence) -> Iterator[Item]:
    """No request is answered 5xx again and again while others succeed in between."""
    yield from race_errors(evidence)
    for tries in evidence.attempts.values():
        last = tries[-1]
        if last.status is None or last.left or last.note.phase == Phase.WEATHER:
            continue
        if last.status < 500 or (last.exchange.request.method == "PUT" and last.status == 501):
            yield Judged(last.name)
        elif last.asked.edge or last.note.area == "robust":
            yield last.unjudged("hostile input", by="robust.json-edges")
        elif any(r.sharing_request_id for r in tries):
            yield last.unjudged("two requests with one request_id", by="isolation.same-request-id")
        elif why := _may_pass(tries):
            yield last.unjudged(f"status {last.status}, {why}", excused=True)
        else:
            yield Judged(last.name)
            yield last.finding(
                f"a request is answered by a server error {len(tries)} times in {len(tries)}",
                _EXPECTED.get(last.due, "an answer below 500"),
                told(last),
                STATUS,
            )


def _may_pass(tries: list[Reading]) -> str:
    """Why the server errors of these tries may be an outage's, or an accident's; empty: the request brings them about.

    Load and intermediaries excuse themselves (502, 503, …) unless the request brings them about in calm moments too.
    """
    evidence, last = tries[-1].evidence, tries[-1]
    if not all(r.status is not None and r.status >= 500 for r in tries) or (evidence.own and len(tries) < 2):
        return "but not again and again"
    if not evidence.own:
        return "" if evidence.served_meanwhile(tries[0], last) and last.status not in EXCUSING else "in a recording"
    if evidence.weather.separate(tries) < 2:
        return "and nothing was served between the tries"
    if last.status in EXCUSING and not evidence.weather.recurs(last):
        return "which may be the weather's"
    return ""


_EXPECTED = {Due.ACCEPT: "status 200", Due.REFUSE: "a 4xx error", Due.AUTHENTICATE: "status 401"}


def _echoing(evidence: Evidence) -> Selected:
    for reading in _errors(evidence):
        if isinstance(reading, Unjudged):
            yield reading
            continue
        if reading.status not in (400, 422) or reading.asked.edge or not reading.asked.request_id:
            continue
        if reading.asked.parsed.problem or reading.asked.parsed.oddities:
            continue
        if not isinstance(get(reading.error, "request_id"), str):
            yield reading.unjudged("the error object has no `request_id`", by="error.schema")
        else:
            yield reading


@each("error.request-id-echo", _echoing)
def request_id_echo(reading: Reading) -> Iterator[Finding]:
    """The request's `metadata.request_id` in a 400 or 422 to a body that could be read."""
    value = get(reading.error, "request_id")
    if value != reading.asked.request_id:
        yield reading.finding(
            "the error's `request_id` is not the request's",
            f'"{reading.asked.request_id}"',
            value,
            Place("/error/request_id"),
        )


def _telling(evidence: Evidence) -> Iterator[Reading]:
    """Errors, and streams that tell of one."""
    return (
        r
        for r in evidence.all
        if r.asked.endpoint
        and r.known
        and r.status is not None
        and (r.status >= 400 or (r.streamed and any(chunk.error for chunk in r.chunks)))
    )


_ADDRESSES = frozenset(
    {"location", "content-location", "link", "content-security-policy", "content-security-policy-report-only",
     "sourcemap", "x-sourcemap"}
)  # fmt: skip
"""Header fields that name what a page loads: paths to be asked for, not those of sources."""


def _told_texts(reading: Reading) -> Iterator[tuple[Place, str]]:
    """Where an error tells something, and what. Of a stream: what tells of the error, for the rest is a model's."""
    if reading.streamed and reading.taken:
        bodies = [chunk.event.data for chunk in reading.chunks if chunk.error]
    else:
        bodies = [reading.body[: internals.LOOKED_AT].decode("utf-8", "replace")]
    fields = reading.response.headers if reading.response else ()
    told_ = [
        *((NOWHERE, body) for body in bodies),
        *((Place(header=n), v) for n, v in fields if n.lower() not in _ADDRESSES),
    ]
    return ((place, spelled) for place, text_ in told_ for spelled in internals.spellings(text_))


@each("error.no-internals", _telling)
def no_internals(reading: Reading) -> Iterator[Finding]:
    """No stack trace, source path or query that the request did not hold."""
    held: internals.Held | None = None
    for place, told_ in _told_texts(reading):
        for inside in internals.shown(told_):
            held = held or internals.Held((reading.exchange.request.body or b"").decode("utf-8", "replace"))
            if inside in held:
                continue
            yield reading.finding(
                "an error shows the server's inside",
                "no stack trace, source path or query",
                inside.text[:120],
                place or Place(character=inside.start),
            )
            return


def _limited(evidence: Evidence) -> Iterator[Reading]:
    return (r for r in evidence.all if r.status == 429 and r.asked.endpoint and r.known)


@each("error.rate-limit", _limited)
def rate_limit(reading: Reading) -> Iterator[Finding | Unjudged]:
    """A 429: `rate_limit_error` / `rate_limit_exceeded`, and `Retry-After`."""
    if reading.exchange.ending not in (Ending.COMPLETE, Ending.UNSTATED):
        yield reading.unjudged("the body is not whole", by="http.complete")
        return
    if reading.error is None:
        yield reading.unjudged("the 429 has no error object", by="error.schema-elsewhere")
        return
    for member, wanted in (("type", "rate_limit_error"), ("code", "rate_limit_exceeded")):
        seen = text(reading.error, member)
        if seen != wanted:
            yield reading.finding(
                f"the 429 has another error {member}",
                f'"{wanted}"',
                get(reading.error, member),
                Place(f"/error/{member}"),
            )
    if reading.response is not None and not (reading.response.header("retry-after") or "").strip():
        yield reading.finding(
            "the 429 does not say when to come again",
            "Retry-After: seconds, or a date",
            Words("no such header field"),
            Place(header="Retry-After"),
        )
