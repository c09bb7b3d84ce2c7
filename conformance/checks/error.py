"""Area error: every 4xx and 5xx, whatever brought it about."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from conformance.checks.auth import told
from conformance.checks.check import each, over_all
from conformance.checks.evidence import Evidence, Reading, Words
from conformance.checks.finding import Finding, Item, Judged, Unjudged
from conformance.checks.member import ABSENT, get, optional, text
from conformance.checks.select import Selected
from conformance.contract import schemas
from conformance.contract.classify import Due
from conformance.contract.excuses import EXCUSING
from conformance.wire.exchange import Ending

COMMON = frozenset({400, 401, 404, 409, 422})
MEMBERS = ("message", "type", "code", "request_id")


def _errors(evidence: Evidence) -> Iterator[Reading]:
    """Last attempts that were answered 4xx or 5xx, with a body that is known.

    Without the preflights in a browser's recording: whoever refuses one (often by 400 and plain text) has no caller of
    the API before him, and nobody gets to read why.
    """
    return (r for r in evidence.last if r.status is not None and r.status >= 400 and r.known and not _preflight(r))


def _preflight(reading: Reading) -> bool:
    return reading.exchange.request.method == "OPTIONS"


def _bodies(evidence: Evidence, common: bool) -> Selected:
    for reading in _errors(evidence):
        if (reading.status in COMMON) is not common:
            continue
        if common and reading.page and evidence.passes_elsewhere(reading):
            yield reading.unjudged("a page of an intermediary, on a request that passes elsewhere", excused=True)
            continue
        if not reading.whole or (reading.response is not None and reading.response.excess):
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
            yield reading.unjudged("the body is no JSON", by=by)
        else:
            yield reading


def _of_streamed_errors(reading: Reading) -> str:
    """The requirement that speaks of an error that comes as an event stream."""
    named = ("stream.refusal-as-json", "auth.stream-refused-as-json")
    return reading.asked.requirement if reading.asked.requirement in named else "error.media-type"


def _wrong(reading: Reading, requirement: str) -> Iterator[Finding]:
    """What is wrong with the error object."""
    if not reading.body:
        yield reading.finding(
            requirement,
            "an error without a body",
            "the standard error object",
            Words(f"{told(reading)}, empty body"),
            "body",
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
            requirement,
            f"`{name}` of the error object is {'absent' if error.missing else 'wrong'}",
            f'{{"error": {{{", ".join(MEMBERS)}}}}}, all strings',
            seen,
            place or "/",
        )


@each("error.schema", lambda evidence: _in_json(evidence, True))
def schema(reading: Reading) -> Iterator[Finding]:
    """The standard error object with 400, 401, 404, 409 and 422."""
    yield from _wrong(reading, "error.schema")


@each("error.media-type", lambda evidence: _bodies(evidence, True))
def media_type(reading: Reading) -> Iterator[Finding | Unjudged]:
    """As `application/json`."""
    if not reading.body:
        yield reading.unjudged("an empty body", by="error.schema")
    elif reading.media_type == "text/event-stream" and _of_streamed_errors(reading) != "error.media-type":
        yield reading.unjudged("the error comes as an event stream", by=_of_streamed_errors(reading))
    elif reading.media_type != "application/json":
        yield reading.finding(
            "error.media-type",
            "the error is not called application/json",
            "application/json",
            Words(reading.media_type or "no media type"),
            "header Content-Type",
        )


@each("error.schema-elsewhere", lambda evidence: _bodies(evidence, False))
def schema_elsewhere(reading: Reading) -> Iterator[Finding | Unjudged]:
    """The same with every other 4xx and 5xx."""
    if reading.exchange.request.method == "HEAD":
        yield reading.unjudged("HEAD has no body")
    elif reading.body and reading.media_type == "application/json" and not reading.json.ok:
        yield reading.unjudged("the body is no JSON", by="http.json")
    elif reading.body and (reading.media_type != "application/json" or not reading.json.ok):
        yield reading.finding(
            "error.schema-elsewhere",
            f"a {reading.status} without the standard error object",
            "the standard error object in application/json",
            told(reading),
            "header Content-Type",
        )
    else:
        yield from _wrong(reading, "error.schema-elsewhere")


def _successes(evidence: Evidence) -> Iterator[Reading]:
    return (r for r in evidence.last if r.taken and r.known and not r.left)


@each("error.status", _successes)
def status(reading: Reading) -> Iterator[Finding | Unjudged]:
    """No error object with a 2xx. An error within a stream, once chunks were sent, is a failed answer and no breach."""
    if reading.streamed:
        first = reading.chunks[0] if reading.chunks else None
        if first is not None and first.error:
            if reading.due in (Due.REFUSE, Due.AUTHENTICATE):
                yield reading.unjudged("a request to be refused, answered 200", by=reading.asked.requirement)
                return
            yield reading.finding(
                "error.status",
                "a 200 whose stream holds nothing but an error",
                "a 4xx or 5xx",
                first.value.get("error"),
                first.place,
                span=(first.event.offset, first.event.end - first.event.offset),
            )
        return
    error = optional(reading.object, "error")
    if error is not ABSENT:
        yield reading.finding(
            "error.status", f"a {reading.status} with an error object", "a 4xx or 5xx", error, "/error"
        )


@over_all("error.no-server-error")
def no_server_error(evidence: Evidence) -> Iterator[Item]:
    """No request is answered 5xx again and again while others succeed."""
    tried_anew = {probe for (probe, _), tries in evidence.attempts.items() if (tries[-1].status or 500) < 500}
    for (probe, _), tries in evidence.attempts.items():
        last = tries[-1]
        if last.status is None or last.left:
            continue
        if last.status < 500 or (last.exchange.request.method == "PUT" and last.status == 501):
            yield Judged(last.name)
            continue
        if last.asked.edge or last.note.area == "robust":
            yield last.unjudged("hostile input", by="robust.json-edges")
        elif any(r.sharing_request_id for r in tries):
            yield last.unjudged("two requests with one request_id", by="isolation.same-request-id")
        elif not all(r.status is not None and r.status >= 500 for r in tries) or (evidence.own and len(tries) < 2):
            yield last.unjudged(f"status {last.status}, but not again and again", excused=True)
        elif not evidence.served_meanwhile(tries[0], last):
            yield last.unjudged(f"status {last.status}, and nothing was served meanwhile", excused=True)
        elif last.status in EXCUSING and (not evidence.own or probe in tried_anew):
            # Load and intermediaries pass; a body that brings it about does so when it is tried anew, too.
            yield last.unjudged(f"status {last.status}", excused=True)
        else:
            yield Judged(last.name)
            yield last.finding(
                "error.no-server-error",
                f"a request is answered by a server error {len(tries)} times in {len(tries)}",
                _EXPECTED.get(last.due, "an answer below 500"),
                told(last),
                "status",
            )


_EXPECTED = {Due.ACCEPT: "status 200", Due.REFUSE: "a 4xx error", Due.AUTHENTICATE: "status 401"}


def _echoing(evidence: Evidence) -> Selected:
    for reading in _errors(evidence):
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
            "error.request-id-echo",
            "the error's `request_id` is not the request's",
            f'"{reading.asked.request_id}"',
            value,
            "/error/request_id",
        )


_INTERNALS = re.compile(
    r"""
      Traceback\ \(most\ recent\ call\ last\)
    | File\ \\?"[^"\n]{1,200}\\?",\ line\ \d+
    | ^\s*at\ [\w$.<>\ ]{1,120}\ ?\([^()\n]{1,200}:\d+(:\d+)?\)
    | \bat\ [\w$.<>/]{1,120}\ ?\([^()\n]{1,200}\.(js|ts|mjs|cjs|java|kt|scala|cs|rb|php):\d+
    | \bgoroutine\ \d+\ \[
    | panicked\ at\ ['"]?
    | (?<![\w.:/-])/(usr|home|opt|srv|var|app|root|etc|tmp|workspace|build|code|src)/
      [\w.+@-]+(/[\w.+@-]+)*\.(py|js|ts|rb|go|rs|java|php|so|pyc|c|cpp|sql)\b
    | (site-packages|dist-packages|node_modules)/
    | \b[A-Za-z]:\\\\?[\w.\\ -]{1,120}\.(py|cs|dll|js|exe)\b
    | \b[\w./-]{1,120}\.(py|go|rs|rb|java|php|cs)(:|",?\ line\ |,\ line\ )\d+
    | (?-i: \bSELECT\b .{1,200}? \bFROM\b .{1,200}? \b(WHERE|LIMIT|ORDER\ BY|JOIN)\b )
    | (?-i: \bINSERT\ INTO\b .{1,200}? \bVALUES\b )
    | (?-i: \bUPDATE\b\ \S{1,60}\ \bSET\b .{1,200}? \bWHERE\b )
    | (?-i: \bDELETE\ FROM\b\ \S{1,60}\ \bWHERE\b )
    | \bselect\ [\w.*",\ ]{1,120}\ from\ [\w."]{1,60}\ (where|limit|order\ by|join)\ [\w."]{1,60}
      \ ?(=|<|>|in\b|is\b|like\b|\$|\?|%s|:)
    | \b(psycopg2?|sqlalchemy|asyncpg|pymysql|sqlite3|pymongo|org\.hibernate|java\.lang|java\.sql|com\.mysql)\b
      [\w.]*(Error|Exception)
    """,
    re.VERBOSE | re.MULTILINE | re.IGNORECASE | re.DOTALL,
)
_MARKS = (
    *("traceback", '", line ', "(", "goroutine", "panicked", "packages/", "node_modules/", ".py", ".js", ".ts", ".rb"),
    *(".go", ".rs", ".java", ".php", ".so", ".c", ".sql", ".exe", ".dll", "select", "insert", "update", "delete"),
    *("psycopg", "sqlalchemy", "asyncpg", "pymysql", "sqlite3", "pymongo", ".hibernate", "java.", ".mysql"),
)
"""Every match of `_INTERNALS` holds one of these, in some letter case: hardly any text does, and to look is cheap."""
_LOOKED_AT = 200_000


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


def _may_show_internals(text_: str) -> bool:
    """False where no match of `_INTERNALS` can be."""
    # Beyond ASCII a letter may be another one's only other case (the long s): such a text is looked through.
    lower = text_.lower()
    return not text_.isascii() or any(mark in lower for mark in _MARKS)


@each("error.no-internals", _telling)
def no_internals(reading: Reading) -> Iterator[Finding]:
    """No stack trace, source path or query that the request did not hold."""
    body = reading.body[:_LOOKED_AT].decode("utf-8", "replace")
    # In JSON a stack trace's line ends and quotes are escaped; both spellings are looked at.
    plain = body.replace("\\n", "\n").replace('\\"', '"').replace("\\/", "/")
    fields = reading.response.headers if reading.response else ()
    places = [("the body", body), ("the body", plain), *((f"header {name}", value) for name, value in fields)]
    for place, told_ in places:
        if not _may_show_internals(told_):
            continue
        sent = (reading.exchange.request.body or b"").decode("utf-8", "replace")
        for match in _INTERNALS.finditer(told_):
            if match.group(0) in sent or json.dumps(match.group(0))[1:-1] in sent:
                continue
            where = f"character {match.start()}" if place == "the body" else place
            yield reading.finding(
                "error.no-internals",
                "an error shows the server's inside",
                "no stack trace, source path or query",
                match.group(0)[:120],
                where,
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
        yield reading.unjudged("the 429 bears no error object", by="error.schema-elsewhere")
        return
    for member, wanted in (("type", "rate_limit_error"), ("code", "rate_limit_exceeded")):
        seen = text(reading.error, member)
        if seen != wanted:
            yield reading.finding(
                "error.rate-limit",
                f"the 429 has another error {member}",
                f'"{wanted}"',
                get(reading.error, member),
                f"/error/{member}",
            )
    if reading.response is not None and not (reading.response.header("retry-after") or "").strip():
        yield reading.finding(
            "error.rate-limit",
            "the 429 does not say when to come again",
            "Retry-After: seconds, or a date",
            Words("no such header field"),
            "header Retry-After",
        )
