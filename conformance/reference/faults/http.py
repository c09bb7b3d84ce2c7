"""Faults of area http: framing, JSON as such, and content codings."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable

from conformance.reference.behaviour import Behaviour, Context, Headers, Kind
from conformance.reference.fault import Fault
from conformance.reference.faults.making import (
    ERRORS,
    HANG,
    JSON_ANSWERS,
    TEXT_STREAM,
    When,
    always,
    both,
    chat,
    has_request_id,
    heads,
    message_count,
    non_ascii,
    on_bytes,
    resume,
    together,
    transmits,
    unless,
    with_field,
)
from conformance.reference.transmission import Abort, Close, Hang, Out, Piece, Raw, content_length

_COMPLETION = (Kind.COMPLETION,)
_BOM = b"\xef\xbb\xbf"


def _longer(octets: int, end: Piece, kinds: Iterable[Kind], when: When = always) -> Behaviour:
    """Content-Length announces more than comes; then the body ends like this."""

    def change(context: Context, status: int, headers: Headers) -> tuple[int, Headers]:
        return status, [
            (name, str(int(value) + octets) if name == "Content-Length" else value) for name, value in headers
        ]

    kinds = tuple(kinds)
    return together(heads(change, kinds, when), transmits(lambda context, pieces: [*pieces, end], kinds, when))


def _cut(pieces: list[Piece], kept: float) -> list[Piece]:
    """So much of the body's octets, as they are; Content-Length is written from them."""
    body = b"".join(piece.data for piece in pieces if isinstance(piece, Out))
    return [Out(body[: int(len(body) * kept)])]


def _half(end: Piece, kinds: Iterable[Kind], when: When = always) -> Behaviour:
    """Half of a body, whose whole length is announced."""
    kinds = tuple(kinds)

    def emit(context: Context, pieces: list[Piece]) -> list[Piece]:
        context.memory["announced"] = content_length(pieces)
        return [*_cut(pieces, 0.5), end]

    def change(context: Context, status: int, headers: Headers) -> tuple[int, Headers]:
        announced = str(context.memory["announced"])
        return status, [(name, announced if name == "Content-Length" else value) for name, value in headers]

    return together(transmits(emit, kinds, when), heads(change, kinds, when))


def _breaks_off(end: Piece, kinds: Iterable[Kind]) -> Behaviour:
    """A stream ends behind `[DONE]` like this, without the last chunk of the chunked coding."""
    return transmits(lambda context, pieces: [*pieces, end], kinds)


def _excess(context: Context, pieces: list[Piece]) -> list[Piece]:
    """More octets than Content-Length says, and the end of the connection, so that no other answer suffers."""
    return [*pieces, Raw(b"\n}"), Close()]


def _not_a_number(context: Context, body: bytes) -> bytes:
    return re.sub(rb'("credits_charged":)[0-9.]+', rb"\1NaN", body)


def _latin_1(context: Context, body: bytes) -> bytes:
    """In Latin-1 where that can hold it, with `?` for the rest."""
    return body.decode().encode("latin-1", "replace")


def _single_quotes(context: Context, body: bytes) -> bytes:
    return body.replace(b'"', b"'")


def _raw_tab(context: Context, body: bytes) -> bytes:
    return body.replace(b'"content":"', b'"content":"\t')


def _coded(
    name: str, encode: Callable[[bytes], bytes], kinds: Iterable[Kind], when: When = always, told: str = ""
) -> Behaviour:
    """The body is coded, whatever was offered."""
    kinds = tuple(kinds)
    return together(
        on_bytes(lambda context, body: encode(body), kinds, when),
        with_field("Content-Encoding", told or name, kinds, when),
    )


def _coded_stream(context: Context, pieces: list[Piece]) -> list[Piece]:
    """One gzip stream through all events; each is flushed, so that nothing is held back."""
    machine = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    coded: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Out):
            coded.append(Out(machine.compress(piece.data) + machine.flush(zlib.Z_SYNC_FLUSH), piece.delay))
    return [*coded, Out(machine.flush())]


FAULTS: tuple[Fault, ...] = (
    # complete
    Fault("length-too-large", "announces 10 octets more than it sends, and closes", "http.complete", "made up",
          _longer(10, Close(), _COMPLETION)),
    Fault("length-too-large-error", "announces more than it sends with a refusal, and closes", "http.complete",
          "made up", _longer(1, Close(), ERRORS)),
    Fault("length-too-small", "sends two octets more than Content-Length says", "http.complete", "made up",
          transmits(_excess, _COMPLETION)),
    Fault("body-half", "closes in the midst of an answer to a longer conversation", "http.complete", "made up",
          _half(Close(), _COMPLETION, message_count(3))),
    Fault("body-half-reset", "resets the connection in the midst of an answer beyond ASCII", "http.complete",
          "made up", _half(Abort(), _COMPLETION, non_ascii)),
    Fault("body-half-silent", "falls silent in the midst of resume's answers", "http.complete", "made up",
          _half(Hang(HANG), _COMPLETION, resume)),
    Fault("stream-truncated", "closes without the last chunk of the chunked coding after `[DONE]`", "http.complete",
          "stream-truncated", _breaks_off(Close(), TEXT_STREAM)),
    Fault("stream-truncated-approval", "closes a stream that waits for approval without the last chunk of the coding",
          "http.complete", "stream-truncated", _breaks_off(Close(), (Kind.APPROVAL_CHUNK,))),
    Fault("stream-truncated-long", "breaks off long streams, with no `[DONE]`", "http.complete", "stream-truncated",
          transmits(lambda context, pieces: [*pieces[:12], Close()] if len(pieces) > 20 else pieces, TEXT_STREAM)),
    # json
    Fault("json-nan", "sends NaN as `credits_charged`", "http.json", "made up", on_bytes(_not_a_number, _COMPLETION)),
    Fault("json-bom", "begins its answers with a BOM", "http.json", "bom-per-event",
          on_bytes(lambda context, body: _BOM + body, _COMPLETION)),
    Fault("json-bom-error", "begins its refusals with a BOM", "http.json", "bom-per-event",
          on_bytes(lambda context, body: _BOM + body, ERRORS)),
    Fault("json-trailing-nul", "ends its answers with NUL", "http.json", "nul-byte",
          on_bytes(lambda context, body: body + b"\0", _COMPLETION)),
    Fault("json-twice", "sends the JSON text of a refusal twice", "http.json", "made up",
          on_bytes(lambda context, body: body + body, ERRORS, chat)),
    Fault("json-latin-1", "sends text beyond ASCII in Latin-1", "http.json", "made up",
          on_bytes(_latin_1, JSON_ANSWERS)),
    Fault("json-single-quotes", "sends refusals as Python writes them", "http.json", "made up",
          on_bytes(_single_quotes, ERRORS, both(chat, has_request_id))),
    Fault("json-trailing-comma", "leaves a comma behind the last member of resume's answers", "http.json", "made up",
          on_bytes(lambda context, body: body[:-1] + b",}", _COMPLETION, resume)),
    Fault("json-raw-tab", "does not escape a tab in a string", "http.json", "made up",
          on_bytes(_raw_tab, _COMPLETION, unless(has_request_id))),
    # encoding
    Fault("gzip-unasked", "compresses answers by gzip, which nobody offered to take", "http.encoding", "made up",
          _coded("gzip", gzip.compress, _COMPLETION)),
    Fault("gzip-unasked-error", "compresses refusals", "http.encoding", "made up",
          _coded("gzip", gzip.compress, ERRORS)),
    Fault("deflate-unasked", "compresses answers to longer conversations by deflate", "http.encoding", "made up",
          _coded("deflate", zlib.compress, _COMPLETION, message_count(3))),
    Fault("gzip-unasked-stream", "compresses streams", "http.encoding", "gzip-buffered",
          together(transmits(_coded_stream, TEXT_STREAM), with_field("Content-Encoding", "gzip", TEXT_STREAM))),
)  # fmt: skip
