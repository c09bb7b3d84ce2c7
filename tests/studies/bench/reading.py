"""Part `judging`, its half that reads: the SSE reader beside httpx-sse, on one typical chat stream.

Both get the same bytes: httpx-sse decodes them as httpx does (incremental UTF-8), splits them with its own line decoder
and feeds its event decoder, as `EventSource.iter_sse` does.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Sequence
from functools import partial

from httpx_sse import ServerSentEvent
from httpx_sse._decoders import SSEDecoder, SSELineDecoder

from conformance.transcript.sse import Event, Reader

from . import timing
from .table import Row

CHUNKS = 1000
WANTED = 1.25


def chat_stream(chunks: int = CHUNKS, end: bytes = b"\n") -> list[bytes]:
    """A stream of so many chunks, the last of which closes it, and its `[DONE]`; one event a piece."""
    words = ("Voici ", "le ", "résumé ", "du ", "document, ", "partie ")
    pieces = []
    for number in range(chunks):
        last = number == chunks - 1
        delta = {} if last else {"content": words[number % 6]}
        chunk = {
            "id": "chatcmpl_123",
            "object": "chat.completion.chunk",
            "created": 1712345678,
            "model": "group:123e4567-e89b-12d3-a456-426614174000",
            "choices": [
                {
                    "index": 0,
                    "delta": {"role": "assistant", **delta} if number == 0 else delta,
                    "finish_reason": "stop" if last else None,
                }
            ],
        }
        pieces.append(b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + end + end)
    return [*pieces, b"data: [DONE]" + end + end]


def ours(pieces: Sequence[bytes]) -> list[Event]:
    """Read with the suite's reader."""
    reader = Reader()
    events: list[Event] = []
    for piece in pieces:
        events += reader.feed(piece, 0.0)
    reader.close()
    return events


def theirs(pieces: Sequence[bytes]) -> list[ServerSentEvent]:
    """Read as httpx and httpx-sse do."""
    text = codecs.getincrementaldecoder("utf-8")(errors="replace")
    lines, decoder = SSELineDecoder(), SSEDecoder()
    events = []
    for piece in pieces:
        for line in lines.decode(text.decode(piece)):
            event = decoder.decode(line.rstrip("\n"))
            if event is not None:
                events.append(event)
    return events


def rows(repetitions: int) -> list[Row]:
    """One row for each way of ending lines and of cutting the stream."""
    made = []
    for title, end in (("LF", b"\n"), ("CRLF", b"\r\n")):
        pieces = chat_stream(end=end)
        for cut, fed in (("in one piece", [b"".join(pieces)]), ("a piece an event", pieces)):
            ways: dict[str, Callable[[], object]] = {"ours": partial(ours, fed), "theirs": partial(theirs, fed)}
            taken = timing.by_turns(ways, repetitions, timing.CPU)
            ratio = timing.ratio(taken["ours"], taken["theirs"])
            mine, other = (timing.median(taken[name]) * 1e6 / len(pieces) for name in ("ours", "theirs"))
            made.append(
                Row(
                    f"SSE reader, {title}, {cut}", f"{mine:.2f} µs an event", f"httpx-sse {other:.2f} µs", ratio,
                    f"≤ {WANTED:g} × httpx-sse", ratio <= WANTED, repetitions,
                )
            )  # fmt: skip
    return made
