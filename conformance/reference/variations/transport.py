"""HTTP: header fields, framing of bodies, connections."""

from __future__ import annotations

import calendar
import gzip
import time
import zlib
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from conformance.reference.behaviour import Behaviour, Headers
from conformance.reference.decision import ObjectKind, Refuse
from conformance.reference.fault import Variation, withholding
from conformance.reference.incoming import Incoming
from conformance.reference.making import (
    ALL_KINDS,
    JSON_ANSWERS,
    SERVED,
    STREAMS,
    at_path,
    data_of,
    on_headers,
    on_objects,
    rewritten,
    set_to,
    together,
    transmits,
    with_field,
    with_headers,
)
from conformance.reference.transmission import Close, End, Out, Piece, Raw

_HTTP = "RFC 9110 and RFC 9112 (contract, source H)"
_CLOCK = "Answers that excuse: the server's clock is its `Date` header where there is one"
_DATE = _CLOCK + ", in any form that RFC 9110 lets a recipient read"
_SKEW = 600.0  # seconds
_JSON_KINDS = (*JSON_ANSWERS, ObjectKind.ERROR)


def imf_fixdate(seconds: float) -> str:
    """A date as HTTP prefers it (RFC 9110, section 5.6.7)."""
    return formatdate(seconds, usegmt=True)


def rfc_850(seconds: float) -> str:
    """A date in the first of its obsolete forms."""
    return time.strftime("%A, %d-%b-%y %H:%M:%S GMT", time.gmtime(seconds))


def asctime(seconds: float) -> str:
    """A date in the second of its obsolete forms, which names no zone."""
    return time.asctime(time.gmtime(seconds))


def zoneless(seconds: float) -> str:
    """A date as mail has it, in UTC and of no zone: `-0000`. Python's `formatdate` and Ruby's `rfc2822` write it."""
    return formatdate(seconds)


def by_hand(
    *,
    clock: float | None = None,
    version: str = "1.1",
    chunked: bool = False,
    reason: bool = True,
    colon: str = ": ",
    dated: Callable[[float], str] = imf_fixdate,
) -> Behaviour:
    """The whole answer written past the HTTP library: delimited by the connection's end, or chunked.

    `clock`: seconds by which the server's Date is ahead; None: no Date is sent. `reason`: whether there is a reason
    phrase. `colon`: what stands between a field's name and its value. `dated`: writes Unix seconds as a date.
    """

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        status = HTTPStatus(incoming.decision.status if isinstance(incoming.decision, Refuse) else 200)
        lines = [f"HTTP/{version} {status.value} {status.phrase if reason else ''}"]
        media_type = "text/event-stream" if incoming.stream else "application/json"
        told = {"Content-Type": media_type, "Cache-Control": "no-store", "Connection": "close"}
        if clock is not None:
            told["Date"] = dated(incoming.at + clock)
        if isinstance(incoming.decision, Refuse):
            told.update(incoming.decision.headers)
        if chunked:
            told["Transfer-Encoding"] = "chunked"
        lines += [f"{name}{colon}{value}" for name, value in told.items()]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        outs = [piece for piece in pieces if isinstance(piece, Out)]
        # A chunk extension and a trailer field: rare, and part of the coding (RFC 9112, section 7.1).
        frame = _as_chunk if chunked else bytes
        raws: list[Piece] = [Raw(frame(piece.data), piece.delay) for piece in outs if piece.data]
        end = [Raw(b"0\r\nX-Trailer: end\r\n\r\n")] if chunked else []
        return [Raw(head), *raws, *end, Close()]

    return Behaviour(emit=emit)


def _as_chunk(data: bytes) -> bytes:
    return b"%X;of=answer\r\n%s\r\n" % (len(data), data)


def _lower(_: Incoming, headers: Headers) -> Headers:
    return [(name.lower(), value) for name, value in headers]


def _upper(_: Incoming, headers: Headers) -> Headers:
    return [(name.upper(), value) for name, value in headers]


def _gzipped() -> Behaviour:
    """Compresses JSON where the request offers gzip, which is to be seen by clients that do."""

    def offered(incoming: Incoming) -> bool:
        return "gzip" in (incoming.header("accept-encoding") or "")

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        return [Out(gzip.compress(data_of(pieces)))] if offered(incoming) else pieces

    def told(incoming: Incoming, headers: Headers) -> Headers:
        return [*headers, ("Content-Encoding", "gzip")] if offered(incoming) else headers

    return together(transmits(emit, _JSON_KINDS), on_headers(told, _JSON_KINDS))


def _interim(*lines: str) -> Behaviour:
    """Interim answers before the final one (RFC 9110, section 15.2)."""
    head: Piece = Raw("".join(f"HTTP/1.1 {line}\r\n\r\n" for line in lines).encode())
    return transmits(lambda _, pieces: [head, *pieces], ALL_KINDS)


def _closing_unannounced(_: Incoming, pieces: list[Piece]) -> list[Piece]:
    return [*pieces, End(), Close()]


def _skewed(seconds: float) -> Behaviour:
    """A server whose clock is wrong, everywhere alike."""

    def later(stamp: Any) -> Any:
        # Milliseconds and Z, as the conforming server writes it.
        moment = time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")
        shifted = time.gmtime(_seconds(moment) + seconds)
        return time.strftime("%Y-%m-%dT%H:%M:%S", shifted) + stamp[19:]

    def told(_: Incoming, value: Any) -> Any:
        value = at_path(value, "/created", lambda created: created + int(seconds))
        return at_path(value, "/kitemesh/expires_at", later)

    return together(on_objects(told, SERVED), by_hand(clock=seconds))


def _seconds(moment: time.struct_time) -> float:
    return float(calendar.timegm(moment))


def _slices(data: bytes, size: int) -> list[Piece]:
    # A moment between them keeps them apart on the wire.
    return [Out(data[at : at + size], 0.0005) for at in range(0, len(data), size)]


_GATEWAY = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Origin, Accept-Encoding",
    "Via": "1.1 edge-7 (gateway)",
    "Server": "gateway",
    "Server-Timing": "edge;dur=1.2, origin;dur=4.5",
    "Set-Cookie": "__route=a3f; Path=/; Max-Age=1800; HttpOnly; Secure",
    "X-Request-Id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "X-RateLimit-Limit-Requests": "10000",
    "X-RateLimit-Remaining-Requests": "9999",
    "X-RateLimit-Reset-Requests": "6ms",
    "Access-Control-Allow-Origin": "*",
    "Alt-Svc": 'h3=":443"; ma=86400',
    "CF-Cache-Status": "DYNAMIC",
    "X-Empty": "",
    "X-Latin": "d\xe9j\xe0 vu",
    "Content-Language": "fr",
    "ETag": 'W/"5-3a"',
}


def _gzipped_streams() -> Behaviour:
    """The same for streams, of which each event is flushed, so that it can be read as it comes."""

    def offered(incoming: Incoming) -> bool:
        return incoming.stream and "gzip" in (incoming.header("accept-encoding") or "")

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        if not offered(incoming):
            return pieces
        machine = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        packed = [
            rewritten(piece, lambda data: machine.compress(data) + machine.flush(zlib.Z_SYNC_FLUSH)) for piece in pieces
        ]
        return [*packed, Out(machine.flush())]

    def head(incoming: Incoming, status: int, headers: Headers) -> tuple[int, Headers]:
        coded = [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")] if offered(incoming) else []
        return status, [*headers, *coded]

    return Behaviour(emit=emit, head=head)


VARIATIONS: tuple[Variation, ...] = (
    Variation("header-names-lower", "Names of header fields in lower case, as behind HTTP/2.", _HTTP,
              on_headers(_lower)),
    Variation("header-names-upper", "Names of header fields in upper case.", _HTTP, on_headers(_upper)),
    Variation("header-fields-of-a-gateway", "Many more header fields, an empty and a Latin-1 one among them.", _HTTP,
              with_headers(_GATEWAY)),
    Variation("charset-in-every-answer", "`charset` in the media type, upper case, no space before it.", _HTTP,
              together(
                  with_headers({"Content-Type": "application/json;charset=UTF-8"}, _JSON_KINDS),
                  with_headers({"Content-Type": "text/event-stream; charset=utf-8"}, STREAMS),
              )),
    Variation("media-type-in-odd-case", "Media types in mixed case, with a quoted parameter.", _HTTP,
              together(
                  with_headers({"Content-Type": 'Application/JSON; Charset="utf-8"'}, _JSON_KINDS),
                  with_headers({"Content-Type": "Text/Event-Stream;charset=utf-8"}, STREAMS),
              )),
    Variation("no-cache-control", "No Cache-Control at all.", _HTTP, with_field("cache-control", None)),
    Variation("cache-control-no-cache", "`no-cache, max-age=0, must-revalidate, private` on everything.",
              "stream.not-cached: `max-age` above 0 invites caches, 0 does not",
              with_headers({"Cache-Control": "private, no-cache, max-age=0, must-revalidate, no-transform"})),
    Variation("cache-control-twice", "Two Cache-Control fields.",
              "RFC 9110, section 5.3: fields of one name are one list",
              on_headers(lambda _, headers: [*headers, ("Cache-Control", "no-cache"), ("cache-control", "private")])),
    Variation("json-chunked", "JSON answers and errors in the chunked coding, without Content-Length.", _HTTP,
              with_field("content-length", None)),
    Variation("json-in-small-pieces", "JSON answers byte by byte in groups of seven.", _HTTP,
              together(
                  with_field("content-length", None),
                  transmits(lambda _, pieces: _slices(data_of(pieces), 7), _JSON_KINDS),
              )),
    Variation("closes-every-connection", "Closes each connection behind its answer, and says so.", _HTTP,
              with_headers({"Connection": "close"})),
    Variation("closes-unannounced", "Closes each connection behind its complete answer without `Connection: close`.",
              "RFC 9112, section 9.3: either side may close an idle connection at any time",
              transmits(_closing_unannounced, ALL_KINDS)),
    Variation("close-delimited", "HTTP/1.1 without Content-Length or chunks: the body ends with the connection.",
              "RFC 9112, section 6.3, rule 8", by_hand(clock=0.0)),
    Variation("http-1-0", "Answers as HTTP/1.0.", "RFC 9112, section 2.5 and 6.3", by_hand(clock=0.0, version="1.0")),
    Variation("chunk-extensions-and-trailers",
              "The chunked coding with chunk extensions, upper-case sizes and a trailer field.",
              "RFC 9112, section 7.1", by_hand(clock=0.0, chunked=True)),
    Variation("no-reason-phrase", "No reason phrase, and no space behind the colon of a header field.",
              "RFC 9112, sections 4 and 5", by_hand(clock=0.0, reason=False, colon=":")),
    Variation("early-hints", "103 Early Hints before each answer.",
              "RFC 9110, section 15.2: any number of interim answers",
              _interim("103 Early Hints\r\nLink: </style.css>; rel=preload")),
    Variation("processing", "100 Continue and twice 102 Processing before each answer.", "RFC 9110, section 15.2",
              _interim("100 Continue", "102 Processing", "102 Processing")),
    Variation("no-date", "No Date field.", _CLOCK, by_hand()),
    Variation("date-rfc-850", "Date in RFC 850's form.", _DATE, by_hand(clock=0.0, dated=rfc_850)),
    Variation("date-asctime", "Date in asctime's form.", _DATE, by_hand(clock=0.0, dated=asctime)),
    Variation("date-zoneless", "Date with the zone `-0000`.", _DATE, by_hand(clock=0.0, dated=zoneless)),
    Variation("clock-fast", "A clock ten minutes fast: Date, created and expires_at alike.", _CLOCK, _skewed(_SKEW)),
    Variation("clock-slow", "A clock ten minutes slow: Date, created and expires_at alike.", _CLOCK, _skewed(-_SKEW)),
    Variation("gzip-where-offered", "gzip where the request offers it.", "http.encoding", _gzipped()),
    *withholding(
        Variation("body-limit-64-kib", "413 above 64 KiB.",
                  "robust.large-body: 200 or a 4xx; Refused: 413 is not a refusal of a breach",
                  set_to(max_body=64 * 1024)),
    ),
    Variation("gzip-streams-where-offered", "Streams in gzip, where the request offers it.",
              "http.encoding: no content coding that the request's `Accept-Encoding` did not offer",
              _gzipped_streams()),
)  # fmt: skip
