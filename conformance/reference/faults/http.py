"""Faults of area http: framing, JSON as such, and content codings."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable
from http import HTTPStatus

from conformance.reference.behaviour import Behaviour, Headers
from conformance.reference.conditions import (
    When,
    all_of,
    always,
    chat,
    every,
    has_request_id,
    message_count,
    non_ascii,
    resume,
    unless,
)
from conformance.reference.decision import ObjectKind, Refuse
from conformance.reference.fault import Fault, of
from conformance.reference.incoming import Incoming
from conformance.reference.making import (
    ALL_KINDS,
    COMPLETION,
    ERRORS,
    HANG,
    JSON_ANSWERS,
    STREAMS,
    TEXT_STREAM,
    heads,
    on_bytes,
    together,
    transmits,
    with_field,
)
from conformance.reference.transmission import Abort, Close, End, Hang, Out, Piece, Raw, content_length

_BOM = b"\xef\xbb\xbf"


def _longer(octets: int, end: Piece, kinds: Iterable[ObjectKind], when: When = always) -> Behaviour:
    """Content-Length announces more than comes; then the body ends like this."""

    def change(incoming: Incoming, status: int, headers: Headers) -> tuple[int, Headers]:
        return status, [
            (name, str(int(value) + octets) if name == "Content-Length" else value) for name, value in headers
        ]

    kinds = tuple(kinds)
    return together(heads(change, kinds, when), transmits(lambda incoming, pieces: [*pieces, end], kinds, when))


def _cut(pieces: list[Piece], kept: float) -> list[Piece]:
    """So much of the body's octets, as they are; Content-Length is written from them."""
    body = b"".join(piece.data for piece in pieces if isinstance(piece, Out))
    return [Out(body[: int(len(body) * kept)])]


def _half(end: Piece, kinds: Iterable[ObjectKind], when: When = always) -> Behaviour:
    """Half of a body, whose whole length is announced."""
    kinds = tuple(kinds)

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        incoming.memory["announced"] = content_length(pieces)
        return [*_cut(pieces, 0.5), end]

    def change(incoming: Incoming, status: int, headers: Headers) -> tuple[int, Headers]:
        announced = str(incoming.memory["announced"])
        return status, [(name, announced if name == "Content-Length" else value) for name, value in headers]

    return together(transmits(emit, kinds, when), heads(change, kinds, when))


def _breaks_off(end: Piece, kinds: Iterable[ObjectKind]) -> Behaviour:
    """A stream ends after `[DONE]` like this, without the last chunk of the chunked coding."""
    return transmits(lambda incoming, pieces: [*pieces, end], kinds)


def _excess(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
    """More octets than Content-Length says, and the end of the connection, so that no other answer suffers."""
    return [*pieces, Raw(b"\n}"), Close()]


def _behind(octets: bytes, kinds: Iterable[ObjectKind], when: When = always) -> Behaviour:
    """These octets after the end of the body, on a connection that stays open."""
    return transmits(lambda incoming, pieces: [*pieces, End(), Raw(octets)], kinds, when)


def _by_hand(
    change: Callable[[list[str]], list[str]],
    kinds: Iterable[ObjectKind],
    when: When = always,
    *,
    size: str = "",
    line_end: str = "\r\n",
) -> Behaviour:
    """The answer written past the HTTP library, with its header section's lines changed; then the connection closes.

    The last line says how long the body is, or with `size`, a format of a chunk's size, that it is chunked.
    """

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        status = HTTPStatus(incoming.decision.status if isinstance(incoming.decision, Refuse) else 200)
        length = "Transfer-Encoding: chunked" if size else f"Content-Length: {content_length(pieces)}"
        media_type = "text/event-stream" if incoming.stream else "application/json"
        more = incoming.decision.headers if isinstance(incoming.decision, Refuse) else ()
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", "Server: gateway", f"Content-Type: {media_type}"]
        lines += [*(f"{name}: {value}" for name, value in more), length]
        head = line_end.join([*change(lines), "", ""]).encode("latin-1")
        frame = (lambda data: size.format(len(data)).encode() + b"\r\n" + data + b"\r\n") if size else bytes
        body = [Raw(frame(piece.data), piece.delay) for piece in pieces if isinstance(piece, Out) and piece.data]
        return [Raw(head), *body, *([Raw(b"0\r\n\r\n")] if size else []), Close()]

    return transmits(emit, kinds, when)


def _adding(*lines: str) -> Callable[[list[str]], list[str]]:
    return lambda head: [*head, *lines]


def _instead(line: str, number: int) -> Callable[[list[str]], list[str]]:
    """Another line in the place of the one of that number; 0 is the status line, -1 tells the body's length."""

    def change(head: list[str]) -> list[str]:
        head[number] = line
        return head

    return change


def _named(coding: str, kinds: Iterable[ObjectKind], when: When = always) -> Behaviour:
    """Names a content coding, and leaves the body as it is."""
    return with_field("Content-Encoding", coding, kinds, when)


def _not_a_number(body: bytes) -> bytes:
    return re.sub(rb'("credits_charged":)[0-9.]+', rb"\1NaN", body)


def _latin_1(body: bytes) -> bytes:
    """In Latin-1 where that can hold it, with `?` for the rest."""
    return body.decode().encode("latin-1", "replace")


def _single_quotes(body: bytes) -> bytes:
    return body.replace(b'"', b"'")


def _raw_tab(body: bytes) -> bytes:
    return body.replace(b'"content":"', b'"content":"\t')


def _coded(
    name: str, encode: Callable[[bytes], bytes], kinds: Iterable[ObjectKind], when: When = always, told: str = ""
) -> Behaviour:
    """The body is coded, whatever was offered."""
    kinds = tuple(kinds)
    return together(
        on_bytes(lambda body: encode(body), kinds, when),
        with_field("Content-Encoding", told or name, kinds, when),
    )


def _coded_stream(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
    """One gzip stream through all events; each is flushed, so that nothing is held back."""
    machine = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    coded: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Out):
            coded.append(Out(machine.compress(piece.data) + machine.flush(zlib.Z_SYNC_FLUSH), piece.delay))
    return [*coded, Out(machine.flush())]


FAULTS: tuple[Fault, ...] = (
    *of("http.complete",
        Fault("length-too-large", "announces 10 octets more than it sends, and closes",
              _longer(10, Close(), COMPLETION)),
        Fault("length-too-large-error", "announces more than it sends with a refusal, and closes",
              _longer(1, Close(), ERRORS)),
        Fault("length-too-small", "sends two octets more than Content-Length says", transmits(_excess, COMPLETION)),
        Fault("body-half", "closes in the middle of an answer to a longer conversation",
              _half(Close(), COMPLETION, message_count(3))),
        Fault("body-half-reset", "resets the connection in the middle of an answer beyond ASCII",
              _half(Abort(), COMPLETION, non_ascii)),
        Fault("body-half-silent", "falls silent in the middle of resume's answers",
              _half(Hang(HANG), COMPLETION, resume)),
        Fault("stream-truncated", "closes without the last chunk of the chunked coding after `[DONE]`",
              _breaks_off(Close(), TEXT_STREAM), seen_in="stream-truncated"),
        Fault("stream-truncated-approval",
              "closes a stream that waits for approval without the last chunk of the coding",
              _breaks_off(Close(), (ObjectKind.APPROVAL_CHUNK,)), seen_in="stream-truncated"),
        Fault("stream-truncated-long", "breaks off long streams, with no `[DONE]`",
              transmits(
                  lambda incoming, pieces: [*pieces[:12], Close()] if len(pieces) > 20 else pieces, TEXT_STREAM
              ), seen_in="stream-truncated"),
        Fault("last-chunk-twice", "sends the last chunk of a stream twice", _behind(b"0\r\n\r\n", STREAMS),
              seen_in="jomjol/AI-on-the-edge-device#2532"),
        Fault("line-end-behind", "sends a line end behind each JSON answer", _behind(b"\r\n", JSON_ANSWERS),
              seen_in="jomjol/AI-on-the-edge-device#2532"),
        Fault("line-end-behind-error", "sends a line end behind each error", _behind(b"\r\n", ERRORS),
              seen_in="jomjol/AI-on-the-edge-device#2532"),
        Fault("second-answer-behind", "sends another answer behind that to a resume",
              _behind(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", ALL_KINDS, resume)),
        Fault("length-beside-chunked", "sends Content-Length beside the chunked coding with streams",
              _by_hand(_adding("Content-Length: 4096"), STREAMS, size="{:x}"),
              seen_in="timoklimmer/powerproxy-aoai#53"),
        Fault("length-beside-chunked-everywhere", "sends Content-Length beside the chunked coding with every answer",
              _by_hand(_adding("Content-Length: 4096"), ALL_KINDS, size="{:x}"),
              seen_in="timoklimmer/powerproxy-aoai#53"),
        Fault("chunked-twice", "names the chunked coding twice",
              _by_hand(_instead("Transfer-Encoding: chunked, chunked", -1), STREAMS, size="{:x}")),
        Fault("chunked-in-two-fields", "has two fields that name the chunked coding",
              _by_hand(_adding("Transfer-Encoding: chunked"), ALL_KINDS, chat, size="{:x}")),
        Fault("coding-unknown-beside-length", "names a transfer coding that nobody knows, beside a length",
              _by_hand(_adding("Transfer-Encoding: identity"), COMPLETION)),
        Fault("lengths-differ", "gives two lengths that differ with errors",
              _by_hand(_adding("Content-Length: 1"), ERRORS)),
        Fault("length-no-number", "gives a length with a sign",
              _by_hand(lambda head: [*head[:-1], head[-1].replace(": ", ": +")], COMPLETION)),
        Fault("space-before-colon", "puts a space before the colon of a field",
              _by_hand(_instead("Server : gateway", 1), ALL_KINDS)),
        Fault("space-before-colon-now-and-then", "puts a space before the colon in every seventh answer",
              _by_hand(_instead("Server : gateway", 1), ALL_KINDS, every(7))),
        Fault("field-without-colon", "has a field without a colon in its errors",
              _by_hand(_instead("Server", 1), ERRORS)),
        Fault("field-name-no-token", "has a space in the name of a field of approvals",
              _by_hand(_instead("My Server: gateway", 1), (ObjectKind.APPROVAL, ObjectKind.APPROVAL_CHUNK))),
        Fault("field-nul", "has NUL in a field of its streams", _by_hand(_instead("Server: gate\0way", 1), STREAMS)),
        Fault("field-bare-cr", "has a CR in a field of resume's answers",
              _by_hand(_instead("Server: gate\rway", 1), ALL_KINDS, resume)),
        Fault("head-bare-lf", "ends the lines of its header sections in LF", _by_hand(list, ALL_KINDS, line_end="\n")),
        Fault("status-line-malformed", "says the status in words", _by_hand(_instead("HTTP/1.1 OK", 0), COMPLETION)),
        Fault("chunked-http-1-0", "sends streams of HTTP/1.0 in the chunked coding",
              _by_hand(_instead("HTTP/1.0 200 OK", 0), STREAMS, size="{:x}")),
        Fault("chunk-size-prefixed", "writes the sizes of chunks with 0x", _by_hand(list, STREAMS, size="0x{:x}")),
        Fault("chunk-size-padded", "pads the sizes of chunks with spaces", _by_hand(list, ALL_KINDS, size="{:<8x}")),
    ),
    *of("http.json",
        Fault("json-nan", "sends NaN as `credits_charged`", on_bytes(_not_a_number, COMPLETION)),
        Fault("json-bom", "begins its answers with a BOM", on_bytes(lambda body: _BOM + body, COMPLETION),
              seen_in="bom-per-event"),
        Fault("json-bom-error", "begins its refusals with a BOM", on_bytes(lambda body: _BOM + body, ERRORS),
              seen_in="bom-per-event"),
        Fault("json-trailing-nul", "ends its answers with NUL", on_bytes(lambda body: body + b"\0", COMPLETION),
              seen_in="nul-byte"),
        Fault("json-twice", "sends the JSON text of a refusal twice", on_bytes(lambda body: body + body, ERRORS, chat)),
        Fault("json-latin-1", "sends text beyond ASCII in Latin-1", on_bytes(_latin_1, JSON_ANSWERS)),
        Fault("json-single-quotes", "sends refusals as Python writes them",
              on_bytes(_single_quotes, ERRORS, all_of(chat, has_request_id))),
        Fault("json-trailing-comma", "leaves a comma behind the last member of resume's answers",
              on_bytes(lambda body: body[:-1] + b",}", COMPLETION, resume)),
        Fault("json-raw-tab", "does not escape a tab in a string",
              on_bytes(_raw_tab, COMPLETION, unless(has_request_id))),
    ),
    *of("http.encoding",
        Fault("gzip-unasked", "compresses answers by gzip, which nobody offered to take",
              _coded("gzip", gzip.compress, COMPLETION)),
        Fault("gzip-unasked-error", "compresses refusals", _coded("gzip", gzip.compress, ERRORS)),
        Fault("deflate-unasked", "compresses answers to longer conversations by deflate",
              _coded("deflate", zlib.compress, COMPLETION, message_count(3))),
        Fault("gzip-named-only", "names gzip as the coding of plain JSON answers", _named("gzip", JSON_ANSWERS),
              seen_in="open-webui/open-webui#23920"),
        Fault("gzip-named-only-error", "names gzip as the coding of plain errors", _named("GZIP", ERRORS),
              seen_in="open-webui/open-webui#23920"),
        Fault("gzip-named-only-stream", "names gzip as the coding of plain streams", _named("gzip", STREAMS),
              seen_in="open-webui/open-webui#23920"),
        Fault("br-named-only-resume", "names br as the coding of what resumes are answered",
              _named("br", ALL_KINDS, resume)),
        Fault("gzip-twice", "compresses answers by gzip, twice",
              _coded("gzip, gzip", lambda body: gzip.compress(gzip.compress(body)), COMPLETION)),
        Fault("gzip-unasked-stream", "compresses streams",
              together(transmits(_coded_stream, TEXT_STREAM), with_field("Content-Encoding", "gzip", TEXT_STREAM)),
              seen_in="gzip-buffered"),
    ),
)  # fmt: skip
