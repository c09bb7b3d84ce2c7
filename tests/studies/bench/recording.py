"""Part `run`: a standard run against the reference server, beside the floor of the same requests.

For each latency the recording, the whole command (start-up, recording, judging, reports) and the floor take turns. Each
round has a seed of its own, so that nothing drawn before is used again; the floor sends just what that round recorded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.settings.options import Options

from . import floor, server, timing, trace
from .table import Part, Row

NAME = "run"
LATENCIES = (0.0, 0.05, 0.2)
WANTED = {0.0: 2.5, 0.2: 1.3}
"""Latency in seconds to the most that a run may take, as a multiple of the floor."""
FIRST_SEED = 100


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of each, in seconds."""

    recording: float
    whole: float
    floor: float
    requests: int
    differing: int
    """Requests that the server answered by another status in the floor's turn."""


def measure(fast: bool) -> Part:
    """Measure; `fast`: one round at two latencies."""
    latencies, repetitions = (LATENCIES[::2], 1) if fast else (LATENCIES, 5)
    rows: list[Row] = []
    data = {}
    differing = 0
    for latency in latencies:
        with server.served(latency) as options:
            rounds = [one_round(options, FIRST_SEED + number) for number in range(repetitions)]
        rows += compared(rounds, latency)
        data[f"{latency * 1000:g} ms"] = [
            {"recording": r.recording, "whole": r.whole, "floor": r.floor, "requests": r.requests} for r in rounds
        ]
        differing = max([differing, *(r.differing for r in rounds)])
    notes = (
        "the floor sends the same octets and header fields in the same chains, 8 at a time, through a bare httpx "
        "client; what the contract makes everybody wait for (an approval expires after 4 s, its late resume is sent "
        "2 s later; a slow reader takes 3 s; streams are paced) is in both",
        f"at most {differing} answers of a round had another status in the floor's turn",
        "the whole run is the command: interpreter, imports, drawing, recording, judging and all six reports",
    )
    return Part(NAME, "Recording and running, against the reference server", tuple(rows), notes, data)


def one_round(options: Options, seed: int) -> Round:
    """Each of the three once."""
    recorded = trace.record(options, seed)
    script = floor.lines(recorded)
    replayed = floor.replay(script, options.url or "", options.concurrency)
    with tempfile.TemporaryDirectory() as output:
        whole = timing.seconds(lambda: server.command(options, seed, Path(output)))
    return Round(recorded.seconds, whole, replayed.seconds, len(recorded.transcript), differences(recorded, replayed))


def differences(recorded: trace.Recorded, replayed: floor.Replayed) -> int:
    """Requests whose status differs between a recording and its replay, or that one of them lacks."""
    mine = {exchange.name: exchange.status for exchange in recorded.transcript}
    return sum(mine.get(name) != replayed.statuses.get(name) for name in {*mine, *replayed.statuses})


def compared(rounds: Sequence[Round], latency: float) -> list[Row]:
    """The rows of one latency."""
    floors = [r.floor for r in rounds]
    limit = WANTED.get(latency)
    requests = timing.median([r.requests for r in rounds])
    made = []
    for what, taken in (("recording", [r.recording for r in rounds]), ("whole run", [r.whole for r in rounds])):
        ratio = timing.ratio(taken, floors)
        made.append(
            Row(
                f"{what}, {latency * 1000:g} ms of added latency",
                f"{timing.median(taken):.2f} s for {requests:g} requests",
                f"floor {timing.median(floors):.2f} s",
                ratio,
                f"≤ {limit:g} × the floor" if limit else "",
                ratio <= limit if limit else None,
                len(rounds),
            )
        )
    return made
