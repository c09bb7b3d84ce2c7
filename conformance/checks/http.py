"""Area http: every exchange, whatever was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.checks.check import each
from conformance.evidence.answer import Words
from conformance.evidence.finding import Finding, Unjudged
from conformance.evidence.place import Place
from conformance.evidence.reading import Reading
from conformance.evidence.select import UNREAD, every, when
from conformance.transcript import framing
from conformance.transcript.exchange import TIMED_OUT, Ending

_answered = every.where(lambda r: r.response is not None and not r.left)
"""Every attempt that brought an answer, but those that the suite left on purpose."""

_unreadable = every.where(lambda r: r.unreadable and r.evidence.heard)
"""What no client can read; where nothing was ever heard, nobody there speaks HTTP."""


def _accident(reading: Reading) -> Unjudged | None:
    if reading.fell:
        return reading.unjudged(f"status {reading.status}, during an outage", excused=True)
    if reading.exchange.ending is Ending.RESET and not _broken_again(reading):
        return reading.unjudged("the connection was reset", excused=True)
    return None


_untold = when(lambda r: r.exchange.ending is Ending.UNSTATED, "the transcript does not say how the body ended")
_framed = _unreadable | _answered.unless(_untold, _accident)


def _broken_again(reading: Reading) -> bool:
    """True where every try of the request broke off: then it is not an accident of the network."""
    tries = reading.tries
    return len(tries) > 1 and all(r.exchange.ending in (Ending.RESET, Ending.CUT) for r in tries)


@each("http.complete", _framed)
def complete(reading: Reading) -> Iterator[Finding]:
    """The answer is framed soundly, and its body ends as the framing says (RFC 9112, sections 2 to 8)."""
    response, ending = reading.response, reading.exchange.ending
    if response is None:
        yield _of_head(reading)
        return
    size = len(response.body)
    declared = response.header("content-length")
    place = Place(byte=size)
    if ending in (Ending.CUT, Ending.RESET):
        of_stream = reading.evidence.own and response.http_version == "HTTP/2"
        end = "the end of the stream (END_STREAM)" if of_stream else "the final chunk of the chunked coding"
        yield reading.finding(
            f"the {'stream' if of_stream else 'connection'} was closed before the body's end",
            f"{declared} octets, as Content-Length says" if declared else end,
            Words(_broken_off(reading, of_stream)),
            place,
        )
    elif response.excess:
        end = f"the {declared} octets that Content-Length says" if declared else "the end of the body"
        yield reading.finding(
            "more octets came after the end of the body",
            f"nothing after {end}, before the next request",
            Words(reading.exchange.error or f"{response.excess} octets more"),
            place,
        )
    elif ending is Ending.GARBAGE:
        yield reading.finding(
            "the body's framing is broken",
            f"a body framed as {_standard(reading)} requires",
            Words(reading.exchange.error or "octets that are not HTTP"),
            place,
        )
    elif ending is Ending.TOO_LARGE and not reading.streamed:
        yield reading.finding(
            "the body is larger than the suite's size limit",
            "the end of the body within the limit, far above what a short prompt needs",
            Words(reading.exchange.error or "more than the limit"),
            place,
        )
    elif ending in TIMED_OUT and not reading.streamed:
        yield reading.finding(
            "the body never ended",
            f"{declared} octets" if declared else "the end of the body",
            Words(f"{size} octets, then nothing until the time limit ({ending})"),
            place,
        )


def _standard(reading: Reading) -> str:
    """What the framing is held to: that of HTTP/2, or that of HTTP/1.1."""
    return "RFC 9113" if "HTTP/2" in reading.exchange.error else "RFC 9112"


def _broken_off(reading: Reading, of_stream: bool) -> str:
    how = f"the connection {'was reset' if reading.exchange.ending is Ending.RESET else 'closed'}"
    if not reading.evidence.own and reading.exchange.error:
        return f"{how}, as the recorder says: {reading.exchange.error[:120]}"
    return f"{reading.exchange.error if of_stream else how} after {len(reading.body)} octets"


def _of_head(reading: Reading) -> Finding:
    """What is wrong with a header section that clients refuse."""
    head = reading.exchange.head
    read = framing.read_head(head) if head else None
    why = read.why if isinstance(read, framing.Malformed) else "the header section is malformed, and clients refuse it"
    seen = repr(read.lines) if isinstance(read, framing.Malformed) and read.lines else reading.exchange.error
    return reading.finding(
        why,
        f"an answer framed as {_standard(reading)} requires",
        Words(seen or "octets that are not HTTP"),
        Place(words="header"),
    )


def _in_json(reading: Reading) -> bool:
    """True for a body that is called JSON, and one that is not known."""
    bodiless = reading.response is not None and reading.response.status in (204, 304)
    return not reading.known or (reading.media_type == "application/json" and not bodiless)


def _of_another_layer(reading: Reading) -> Unjudged | None:
    """Framing, codings, streams and empty errors have requirements of their own."""
    if not reading.body_is_there:
        return reading.unjudged("the transcript has the answer without its body")
    if not reading.known:
        return reading.unjudged("the answer's body has a content coding that the suite does not read", by=UNREAD)
    if not reading.whole:
        return reading.unjudged("the body is incomplete", by="http.complete")
    if reading.cut_by_length:
        return reading.unjudged("the body is cut by a wrong length", by="http.complete")
    if not reading.body and (reading.status or 0) >= 400:
        return reading.unjudged("an empty body", by="error.schema")
    if reading.looks_streamed and (reading.taken or reading.asked.stream):
        by = "stream.media-type" if reading.asked.stream else "completion.media-type"
        return reading.unjudged("an event stream with the media type application/json", by=by)
    return None


@each("http.json", _answered.where(_in_json).unless(_of_another_layer))
def strict_json(reading: Reading) -> Iterator[Finding | Unjudged]:
    """JSON that is UTF-8 and strict wherever the answer says `application/json` (RFC 8259)."""
    if reading.json.ok and reading.transcoded:
        yield reading.unjudged("the transcript has text, not the octets that travelled")
    elif not reading.json.ok:
        yield reading.finding(
            f"the body is not strict JSON: {reading.json.problem}",
            "one JSON value in UTF-8, nothing else",
            Words(_around(reading.body, reading.json.offset)),
            Place(byte=reading.json.offset),
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


def _offered(reading: Reading) -> str | None:
    """The request's Accept-Encoding; None where it has none, so that any coding may be used."""
    fields = [value for name, value in reading.exchange.request.headers if name.lower() == "accept-encoding"]
    return ", ".join(fields) if fields else None


@each("http.encoding", _answered.where(lambda r: r.falsely_coded or _offered(r) is not None))
def encoding(reading: Reading) -> Iterator[Finding]:
    """No content coding that `Accept-Encoding` did not offer, nor one that was not applied (RFC 9110, 8.4, 12.5.3)."""
    if reading.falsely_coded:
        yield reading.finding(
            "the answer names a content coding that its body does not have",
            f"a body in {', '.join(reading.codings)}, or no Content-Encoding",
            Words(f"the body begins with {(reading.response.body if reading.response else b'')[:40]!r}"),
            Place(header="Content-Encoding"),
        )
        return
    offered = _offered(reading)
    offers = _offers(offered) if offered is not None else {"*": 1.0}
    for coding in reading.codings:
        if not any(offers.get(name, 0) > 0 for name in (coding, coding.removeprefix("x-"), "*")):
            yield reading.finding(
                "the answer has a content coding that the request did not offer",
                f"no content coding other than: {offered}",
                Words(coding),
                Place(header="Content-Encoding"),
            )
            return
