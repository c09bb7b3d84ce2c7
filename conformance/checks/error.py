"""Area error: every 4xx and 5xx, whatever brought it about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from conformance.checks import internals
from conformance.checks.check import each, judge_each, over_all
from conformance.checks.resuming import race_errors
from conformance.contract import schemas
from conformance.contract.catalogue import Exchanges, load
from conformance.contract.classify import Due, is_usual
from conformance.contract.excuses import EXCUSING
from conformance.contract.http_date import read_http_date
from conformance.evidence.answer import Words
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Unjudged
from conformance.evidence.json_values import ABSENT, get, optional, text
from conformance.evidence.place import NOWHERE, STATUS, Place
from conformance.evidence.reading import Reading
from conformance.evidence.select import UNREAD, Selection, every, last, media_type_unknown, when
from conformance.probes.flow import Phase

COMMON = frozenset({400, 401, 404, 409, 422})
MEMBERS = ("message", "type", "code", "request_id")


def _is_error(reading: Reading) -> bool:
    """True for a 4xx or 5xx of an endpoint, but a refused preflight in a browser's recording.

    Whoever refuses one (often by 400 and plain text) has no caller of the API before him, and nobody reads why.
    """
    failed = reading.status is not None and reading.status >= 400 and bool(reading.asked.endpoint)
    return failed and reading.exchange.request.method != "OPTIONS" and (reading.known or reading.coded_away)


_coded = when(lambda r: r.coded_away, "the body has a content coding that the suite does not read", by=UNREAD)
_not_whole = when(lambda r: not r.whole or r.cut_by_length, "the body is incomplete", by="http.complete")
_page = when(
    lambda r: r.page and r.evidence.passes_elsewhere(r),
    "a page from an intermediary, for a request that is served elsewhere",
    excused=True,
)
_errors = every.where(_is_error).unless(_coded)
"""All that was answered 4xx or 5xx, with a body that is known: asking again washes no answer's form out."""
_common = _errors.among(lambda r: r.status in COMMON).unless(_page, _not_whole)
_others = _errors.among(lambda r: r.status not in COMMON).unless(_not_whole)


def _streamed(reading: Reading) -> bool:
    return reading.media_type == "text/event-stream" or reading.looks_streamed


def _no_json(reading: Reading) -> Unjudged | None:
    """The layers below speak of a body that is not JSON."""
    if _streamed(reading):
        return reading.unjudged("the error comes as an event stream", by=_of_streamed_errors(reading))
    if not reading.body or reading.json.ok:
        return None
    by = "http.json" if reading.media_type == "application/json" else "error.media-type"
    return reading.unjudged("the body is not JSON", by=by)


def _of_streamed_errors(reading: Reading) -> str:
    """The requirement for an error that comes as an event stream."""
    id_ = reading.asked.requirement
    return id_ if id_ and load()[id_].shown_by is Exchanges.REFUSED_STREAMS else "error.media-type"


def _wrong(reading: Reading) -> Iterator[Finding]:
    """What is wrong with the error object."""
    if not reading.body:
        yield reading.finding(
            "an error without a body",
            "the standard error object",
            Words(f"{reading.told}, empty body"),
            Place(words="body"),
        )
        return
    for error in schemas.errors("error", reading.json.value):
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


@each("error.schema", _common.unless(_no_json))
def schema(reading: Reading) -> Iterator[Finding]:
    """The standard error object with 400, 401, 404, 409 and 422."""
    yield from _wrong(reading)


def _of_another_requirement(reading: Reading) -> Unjudged | None:
    if not reading.body:
        return reading.unjudged("an empty body", by="error.schema")
    by = _of_streamed_errors(reading)
    if reading.media_type != "text/event-stream" or by == "error.media-type":
        return None
    return reading.unjudged("the error comes as an event stream", by=by)


@each("error.media-type", _common.unless(_of_another_requirement, media_type_unknown))
def media_type(reading: Reading) -> Iterator[Finding]:
    """As `application/json`."""
    if reading.media_type != "application/json":
        yield reading.finding(
            "the error's media type is not application/json",
            "application/json",
            Words(reading.media_type or "no media type"),
            Place(header="Content-Type"),
        )


def _no_json_elsewhere(reading: Reading) -> bool:
    return bool(reading.body) and reading.media_type == "application/json" and not reading.json.ok


_head = when(lambda r: r.exchange.request.method == "HEAD", "HEAD has no body")


_not_json_elsewhere = when(_no_json_elsewhere, "the body is not JSON", by="http.json")


@each("error.schema-elsewhere", _others.unless(_head, _not_json_elsewhere, media_type_unknown))
def schema_elsewhere(reading: Reading) -> Iterator[Finding]:
    """The same with every other 4xx and 5xx."""
    if reading.body and (reading.media_type != "application/json" or not reading.json.ok):
        yield reading.finding(
            f"a {reading.status} without the standard error object",
            "the standard error object in application/json",
            reading.told,
            Place(header="Content-Type"),
        )
    else:
        yield from _wrong(reading)


_successes = last.where(lambda r: r.taken and not r.left and (r.known or r.coded_away)).unless(_coded)


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
        yield reading.unjudged("a request that must be refused, answered with 200", by=reading.asked.requirement)
    else:
        first = reading.chunks[0]
        yield reading.finding(
            f"a {reading.status} whose stream opens with an error",
            "a 4xx or 5xx",
            optional(first.value, "error"),
            first.place,
            span=first.span,
        )


def _answered(evidence: Evidence) -> Iterator[Reading]:
    """The last try of each request that was answered, those aside that only looked how the target does."""
    for tries in evidence.attempts.values():
        if tries[-1].status is not None and not tries[-1].left and tries[-1].note.phase != Phase.WEATHER:
            yield tries[-1]


def _breaks(reading: Reading) -> bool:
    """True for a server error, 501 to PUT aside."""
    return reading.failed_to_serve and (reading.exchange.request.method, reading.status) != ("PUT", 501)


def _another_speaks(reading: Reading) -> Unjudged | None:
    """Other requirements judge server errors that hostile input or a repeated `request_id` causes."""
    if not _breaks(reading):
        return None
    if reading.asked.edge or reading.note.area == "robust":
        return reading.unjudged("hostile input", by="robust.json-edges")
    if any(tried.sharing_request_id for tried in reading.tries):
        return reading.unjudged("two requests with one request_id", by="isolation.same-request-id")
    return None


def _may_pass(reading: Reading) -> Unjudged | None:
    """A server error that an outage or an accident may have caused, not the request.

    Load and intermediaries excuse themselves (502, 503, …) unless the request brings them about in calm moments too.
    """
    why = _why_it_may_pass(reading) if _breaks(reading) else ""
    return reading.unjudged(f"status {reading.status}, {why}", excused=True) if why else None


def _why_it_may_pass(reading: Reading) -> str:
    evidence, tries = reading.evidence, reading.tries
    if not all(tried.failed_to_serve for tried in tries) or (evidence.own and len(tries) < 2):
        return "but not every time"
    if not evidence.own:
        return _why_it_may_pass_recorded(reading, evidence.same_requests(reading))
    if evidence.weather.separate(tries) < 2:
        return "and nothing was served between the tries"
    if reading.status in EXCUSING and not evidence.weather.recurs(reading):
        return "which may be an outage"
    return ""


def _why_it_may_pass_recorded(reading: Reading, tries: Sequence[Reading]) -> str:
    """The same in a recording of somebody else's, where a request was sent again by chance, if at all."""
    if len(tries) < 2:
        return "once, in a recording"
    if not all(tried.failed_to_serve for tried in tries):
        return "but not every time"
    separate = reading.evidence.weather.separate(sorted(tries, key=lambda r: r.started)) > 1
    return "" if separate and reading.status not in EXCUSING else "in a recording"


def _again_and_again(reading: Reading) -> Iterator[Finding]:
    if _breaks(reading):
        times = len(reading.tries if reading.evidence.own else reading.evidence.same_requests(reading))
        message = f"a request is answered with a server error {times} times out of {times}"
        yield reading.finding(message, _EXPECTED.get(reading.due, "an answer below 500"), reading.told, STATUS)


_to_answer = Selection(_answered).unless(_another_speaks, _may_pass)


@over_all("error.no-server-error")
def no_server_error(evidence: Evidence) -> Iterator[Item]:
    """No request is answered 5xx again and again while others succeed in between."""
    yield from race_errors(evidence)
    yield from judge_each(_to_answer(evidence), _again_and_again)


_EXPECTED = {Due.ACCEPT: "status 200", Due.REFUSE: "a 4xx error", Due.AUTHENTICATE: "status 401"}


def _legible_with_id(reading: Reading) -> bool:
    """True for a 400 or 422 to a body that could be read, with a `request_id` in it."""
    asked = reading.asked
    legible = not (asked.edge or asked.parsed.problem or asked.parsed.oddities)
    return reading.status in (400, 422) and bool(asked.request_id) and legible and _is_taken(reading)


def _is_taken(reading: Reading) -> bool:
    """False for an unusual `request_id` that the server may not take, and so not repeat.

    What form a `request_id` may have is open: it is known to be taken where one at least as unusual was served.
    """
    asked = reading.asked.request_id or ""
    if is_usual(asked):
        return True
    bearing = reading.evidence.by_request_id.items()
    return any(_as_unusual(taken, asked) and any(other.accepted for other in others) for taken, others in bearing)


def _as_unusual(taken: str, asked: str) -> bool:
    """True where a server that takes the first `request_id` has no reason to refuse the second."""
    plainer = asked.isascii() or not taken.isascii(), asked.isprintable() or not taken.isprintable()
    return all(plainer) and len(taken) >= len(asked)


_echoing = _errors.where(_legible_with_id).unless(
    when(
        lambda r: not isinstance(get(r.error, "request_id"), str),
        "the error object has no `request_id`",
        by="error.schema",
    )
)


@each("error.request-id-echo", _echoing)
def request_id_echo(reading: Reading) -> Iterator[Finding]:
    """The request's `metadata.request_id` in a 400 or 422 to a body that could be read."""
    value = get(reading.error, "request_id")
    if value != reading.asked.request_id:
        yield reading.finding(
            "the error's `request_id` is not the one in the request",
            f'"{reading.asked.request_id}"',
            value,
            Place("/error/request_id"),
        )


def _tells(reading: Reading) -> bool:
    """True for an error, and a stream that tells of one."""
    if not (reading.asked.endpoint and reading.known and reading.status is not None):
        return False
    return reading.status >= 400 or (reading.streamed and any(chunk.error for chunk in reading.chunks))


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


@each("error.no-internals", every.where(_tells))
def no_internals(reading: Reading) -> Iterator[Finding]:
    """No stack trace, source path or query that the request did not hold."""
    held: internals.Held | None = None
    for place, told_ in _told_texts(reading):
        for inside in internals.shown(told_):
            held = held or internals.Held(reading.text)
            if inside in held:
                continue
            yield reading.finding(
                "an error shows the server's internals",
                "no stack trace, source path or query",
                inside.text[:120],
                place or Place(character=inside.start),
            )
            return


_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
"""Seconds, in whatever spelling clients read."""

_limited = every.where(lambda r: r.status == 429 and r.asked.endpoint and r.known).unless(
    when(lambda r: not r.whole, "the body is incomplete", by="http.complete"),
    when(lambda r: r.error is None, "the 429 has no error object", by="error.schema-elsewhere"),
)


@each("error.rate-limit", _limited)
def rate_limit(reading: Reading) -> Iterator[Finding]:
    """A 429: `rate_limit_error` / `rate_limit_exceeded`, and `Retry-After`."""
    for member, wanted in (("type", "rate_limit_error"), ("code", "rate_limit_exceeded")):
        seen = text(reading.error, member)
        if seen != wanted:
            yield reading.finding(
                f"the 429 has the wrong error {member}",
                f'"{wanted}"',
                get(reading.error, member),
                Place(f"/error/{member}"),
            )
    wait = (reading.response.header("retry-after") or "").strip() if reading.response is not None else "0"
    if reading.fields_known and not _NUMBER.fullmatch(wait) and read_http_date(wait) is None:
        yield reading.finding(
            "the 429 does not say when to try again",
            "Retry-After: seconds, or a date",
            Words(repr(wait[:60]) if wait else "no such header field"),
            Place(header="Retry-After"),
        )
