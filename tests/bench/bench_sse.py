"""Time the SSE reader against httpx-sse on one typical chat stream.

Run from the repository's root: `python tests/bench/bench_sse.py`. Both sides get the same bytes: httpx-sse decodes them
as httpx does (incremental UTF-8), splits them with its own line decoder and feeds its event decoder, as
`EventSource.iter_sse` does. The two take turns; printed are the best time of each, and the median of the rounds'
ratios, which matters more.
"""

from __future__ import annotations

import codecs
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from httpx_sse import ServerSentEvent
from httpx_sse._decoders import SSEDecoder, SSELineDecoder

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conformance.wire.sse import Event, Reader

CHUNKS = 1000
ROUNDS = 200


def chat_stream(end: bytes = b"\n") -> list[bytes]:
    """A stream of `CHUNKS` chunks and its `[DONE]`, one event a piece."""
    words = ("Voici ", "le ", "résumé ", "du ", "document, ", "partie ")
    pieces = []
    for number in range(CHUNKS):
        chunk = {
            "id": "chatcmpl_123",
            "object": "chat.completion.chunk",
            "created": 1712345678,
            "model": "group:123e4567-e89b-12d3-a456-426614174000",
            "choices": [{"index": 0, "delta": {"content": words[number % 6]}, "finish_reason": None}],
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


def seconds(read: Callable[[Sequence[bytes]], Sequence[object]], pieces: Sequence[bytes]) -> float:
    """Time of one reading."""
    started = time.perf_counter()
    read(pieces)
    return time.perf_counter() - started


def main() -> None:
    """Print microseconds an event and the ratio, for each way of cutting."""
    gc.disable()
    for title, end in (("LF", b"\n"), ("CRLF", b"\r\n")):
        pieces = chat_stream(end)
        for cut, fed in (("one piece", [b"".join(pieces)]), ("a piece an event", pieces)):
            assert [event.data for event in ours(fed)] == [event.data for event in theirs(fed)]
            rounds = [(seconds(ours, fed), seconds(theirs, fed)) for _ in range(ROUNDS)]
            mine, other = (min(times) * 1e6 / len(pieces) for times in zip(*rounds, strict=True))
            ratio = statistics.median(mine / other for mine, other in rounds)
            print(f"{title:5}{cut:18} ours {mine:5.2f} µs  httpx-sse {other:5.2f} µs  ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
