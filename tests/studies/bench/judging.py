"""Part `judging`: exchanges and megabytes of stream judged in a second, beside the least that could be done with them.

The least is what a script would do: split each stream at its blank lines, and `json.loads` every event and body.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import replace

from conformance.judging import judge as judging
from conformance.running import run
from conformance.running.garbage import looked_for_seldom
from conformance.settings.options import Depth
from conformance.transcript.exchange import Exchange, Piece, Transcript

from . import reading, server, timing
from .table import Part, Row

NAME = "judging"
WANTED = 2000
"""Exchanges a second."""
MOST_TIMES = 5
"""Times as long as json.loads alone that judging long streams may take."""
SEED = 700
STREAMS, CHUNKS = 10, 1000
"""Of the transcript that is all stream: about 2 MB."""


def measure(fast: bool) -> Part:
    """Measure; `fast`: a standard run's transcript and few short streams."""
    repetitions = 2 if fast else 5
    with server.served(0.0) as options:
        standard = asyncio.run(run.record(options, SEED))
        deep = standard if fast else asyncio.run(run.record(replace(options, depth=Depth.DEEP), SEED))
    rows = [judged("a standard run's transcript", standard, repetitions)]
    if not fast:
        rows.append(judged("a deep run's transcript", deep, 3))
    long = streams(standard, 2 if fast else STREAMS, 50 if fast else CHUNKS)
    rows.append(judged_streams(long, repetitions))
    rows += reading.rows(20 if fast else 100)
    notes = (
        "seconds are of CPU time; judging is every check of every requirement and the verdict; beside it "
        "a loop that splits each stream at its blank lines and calls json.loads on every event and every other body",
    )
    return Part(NAME, "Judging and reading", tuple(rows), notes)


def judged(what: str, transcript: Transcript, repetitions: int) -> Row:
    """Exchanges a second."""
    bodies = answered(transcript)
    taken = timing.by_turns({"ours": lambda: ours(transcript), "bare": lambda: bare(bodies)}, repetitions, timing.CPU)
    mine, other = (len(transcript) / timing.median(taken[name]) for name in ("ours", "bare"))
    return Row(
        f"judging {what} ({len(transcript)} exchanges)",
        f"{mine:,.0f} exchanges a second",
        f"json.loads alone {other:,.0f}",
        timing.ratio(taken["ours"], taken["bare"]),
        f"≥ {WANTED} a second",
        mine >= WANTED,
        repetitions,
    )


def judged_streams(transcript: Transcript, repetitions: int) -> Row:
    """Megabytes of stream a second."""
    bodies = answered(transcript)
    size = sum(len(body) for body, _ in bodies) / 1e6
    taken = timing.by_turns({"ours": lambda: ours(transcript), "bare": lambda: bare(bodies)}, repetitions, timing.CPU)
    mine, other = (size / timing.median(taken[name]) for name in ("ours", "bare"))
    return Row(
        f"judging long streams ({len(transcript)} of {size / len(transcript):.2f} MB)",
        f"{mine:.1f} MB a second",
        f"json.loads alone {other:.1f}",
        timing.ratio(taken["ours"], taken["bare"]),
        f"≤ {MOST_TIMES} times",
        timing.median(taken["ours"]) <= MOST_TIMES * timing.median(taken["bare"]),
        repetitions,
    )


def ours(transcript: Transcript) -> None:
    """Judge as the commands do, which tell Python to look for cycles seldom."""
    with looked_for_seldom():
        judging.judge(transcript, opinions=False)


def answered(transcript: Iterable[Exchange]) -> list[tuple[bytes, bool]]:
    """Each body that came, and whether it is a stream."""
    return [
        (e.response.body, (e.response.header("content-type") or "").startswith("text/event-stream"))
        for e in transcript
        if e.response is not None
    ]


def bare(bodies: Iterable[tuple[bytes, bool]]) -> int:
    """Parse every body, and no more; gives the number of JSON texts."""
    parsed = 0
    for body, stream in bodies:
        if not stream:
            parsed += _loads(body)
            continue
        for event in body.split(b"\n\n"):
            if event.startswith(b"data: ") and event != b"data: [DONE]":
                parsed += _loads(event[6:])
    return parsed


def _loads(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def streams(recorded: Transcript, count: int, chunks: int) -> Transcript:
    """So many exchanges of a long stream each, which came a piece an event, 5 ms apart.

    Raises:
        ValueError: the recording has no long stream to take the request of.
    """
    of = next((e for e in recorded if e.note.probe == "stream-long" and e.response), None)
    if of is None or of.response is None:
        raise ValueError("the recording holds no answer to the probe stream-long")
    model = json.loads(of.request.body or b"{}")["model"].encode()
    made = []
    for number in range(count):
        pieces = [
            piece.replace(b"group:123e4567-e89b-12d3-a456-426614174000", model)
            .replace(b"chatcmpl_123", b"chatcmpl_%d" % number)
            .replace(b"1712345678", b"%d" % of.started)
            for piece in reading.chat_stream(chunks)
        ]
        times = tuple(Piece(round(0.01 + 0.005 * place, 6), len(piece)) for place, piece in enumerate(pieces))
        answer = replace(of.response, body=b"".join(pieces), pieces=times)
        name = f"stream-{number}"
        note = replace(of.note, probe=name, flow=name)
        made.append(replace(of, name=name, response=answer, finished=times[-1].at, note=note))
    return Transcript(tuple(made), recorded.options, recorded.creator)
