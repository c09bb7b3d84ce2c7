"""Area http: every exchange, whatever was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.checks.check import each
from conformance.checks.evidence import Evidence, Reading, Words
from conformance.checks.finding import Finding, Unjudged
from conformance.checks.select import UNREAD, Selected
from conformance.wire.exchange import TIMED_OUT, Ending


def _answered(evidence: Evidence) -> Selected:
    """Every attempt that brought an answer, but those that the suite left on purpose."""
    for reading in evidence.all:
        if reading.response is None or reading.left:
            continue
        yield reading


def _framed(evidence: Evidence) -> Selected:
    for reading in _answered(evidence):
        if isinstance(reading, Reading) and reading.exchange.ending is Ending.UNSTATED:
            yield reading.unjudged("the transcript does not tell how the body ended")
        elif isinstance(reading, Reading) and reading.fell:
            yield reading.unjudged(f"status {reading.status}, in an outage", excused=True)
        elif isinstance(reading, Reading) and reading.exchange.ending is Ending.RESET and not _broken_again(reading):
            yield reading.unjudged("the connection was reset", excused=True)
        else:
            yield reading


def _broken_again(reading: Reading) -> bool:
    """True where every try of the request broke off: then it is no accident of the network."""
    tries = reading.evidence.attempts.get((reading.note.probe or reading.name, reading.note.round), [])
    return len(tries) > 1 and all(r.exchange.ending in (Ending.RESET, Ending.CUT) for r in tries)


@each("http.complete", _framed)
def complete(reading: Reading) -> Iterator[Finding]:
    """The body ends as its framing says (RFC 9112, section 8)."""
    response, ending = reading.response, reading.exchange.ending
    if response is None:
        return
    size = len(response.body)
    declared = response.header("content-length")
    place = f"byte {size}"
    if ending in (Ending.CUT, Ending.RESET):
        expected = f"{declared} octets, as Content-Length says" if declared else "the final chunk of the chunked coding"
        yield reading.finding(
            "http.complete",
            "the connection was closed before the body's end",
            expected,
            Words(f"the connection {'was reset' if ending is Ending.RESET else 'closed'} after {size} octets"),
            place,
        )
    elif response.excess:
        yield reading.finding(
            "http.complete",
            "more octets came than Content-Length says",
            f"{declared} octets, as Content-Length says",
            Words(f"{response.excess} octets more"),
            place,
        )
    elif ending is Ending.GARBAGE:
        yield reading.finding(
            "http.complete",
            "the body's framing is broken",
            "a body framed as RFC 9112 asks",
            Words(reading.exchange.error or "octets that are no HTTP"),
            place,
        )
    elif ending is Ending.TOO_LARGE and not reading.streamed:
        yield reading.finding(
            "http.complete",
            "the body goes on beyond the suite's limit of size",
            "the end of the body within the limit, far above what a short prompt needs",
            Words(reading.exchange.error or "more than the limit"),
            place,
        )
    elif ending in TIMED_OUT and not reading.streamed:
        yield reading.finding(
            "http.complete",
            "the body never ended",
            f"{declared} octets" if declared else "the end of the body",
            Words(f"{size} octets, then nothing until the time limit ({ending})"),
            place,
        )


def _json_bodies(evidence: Evidence) -> Selected:
    for reading in _answered(evidence):
        if isinstance(reading, Unjudged):
            yield reading
        elif not reading.known:
            yield reading.unjudged("the answer's body is not there, or coded in a way that is not read here", by=UNREAD)
        elif reading.media_type != "application/json" or (reading.response and reading.response.status in (204, 304)):
            continue
        elif not reading.whole:
            yield reading.unjudged("the body is not whole", by="http.complete")
        elif reading.response and reading.response.excess:
            yield reading.unjudged("the body is cut by a wrong length", by="http.complete")
        elif not reading.body and (reading.status or 0) >= 400:
            yield reading.unjudged("an empty body", by="error.schema")
        elif reading.looks_streamed:
            by = "stream.media-type" if reading.asked.stream else "completion.media-type"
            yield reading.unjudged("an event stream called application/json", by=by)
        else:
            yield reading


@each("http.json", _json_bodies)
def strict_json(reading: Reading) -> Iterator[Finding]:
    """JSON that is UTF-8 and strict wherever the answer says `application/json` (RFC 8259)."""
    if not reading.json.ok:
        yield reading.finding(
            "http.json",
            f"the body is no strict JSON: {reading.json.problem}",
            "one JSON value in UTF-8, nothing else",
            Words(_around(reading.body, reading.json.offset)),
            f"byte {reading.json.offset}",
            span=(reading.json.offset, 1),
        )


def _around(body: bytes, offset: int) -> str:
    if not body:
        return "an empty body"
    start = max(offset - 20, 0)
    return f"… {body[start : offset + 40]!r} …" if start else repr(body[: offset + 60])


def _offers(offered: str) -> dict[str, float]:
    """The codings of an Accept-Encoding field with their weights (RFC 9110, section 12.5.3)."""
    found: dict[str, float] = {}
    for part in offered.split(","):
        name, *parameters = part.split(";")
        weight = next((m.group(1) for p in parameters if (m := re.fullmatch(r"\s*q=([0-9.]+)\s*", p))), "1")
        if name.strip():
            try:
                found[name.strip().lower()] = float(weight)
            except ValueError:
                found[name.strip().lower()] = 1.0
    return found


def _negotiated(evidence: Evidence) -> Selected:
    for reading in _answered(evidence):
        if isinstance(reading, Unjudged):
            continue
        if any(name.lower() == "accept-encoding" for name, _ in reading.exchange.request.headers):
            yield reading


@each("http.encoding", _negotiated)
def encoding(reading: Reading) -> Iterator[Finding]:
    """No content coding that `Accept-Encoding` did not offer (RFC 9110, section 12.5.3)."""
    offered = ", ".join(v for k, v in reading.exchange.request.headers if k.lower() == "accept-encoding")
    used = reading.response.header("content-encoding") if reading.response else None
    for coding in (used or "").lower().split(","):
        coding = coding.strip()
        if not coding or coding == "identity":
            continue
        alias, offers = coding.removeprefix("x-"), _offers(offered)
        if not any(offers.get(name, 0) > 0 for name in (coding, alias, "*")):
            yield reading.finding(
                "http.encoding",
                "the answer is coded in a way that the request did not offer",
                f"no content coding but of: {offered}",
                Words(coding),
                "header Content-Encoding",
            )
