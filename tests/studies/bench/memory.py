"""Part `memory`: the most memory that recording one exchange takes, by the length of the stream that is sent.

Each length has a process of its own, which records and says its peak; the server runs in this one. Run as a module it
is that process: `python -m tests.studies.bench.memory URL`.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from conformance.reference.serving import in_thread
from conformance.transcript.exchange import Ending
from conformance.transcript.redaction import Redactor
from conformance.wire.client import Client
from conformance.wire.limits import MEBIBYTE, Limits
from conformance.wire.outgoing import Outgoing

from . import timing
from .reading import chat_stream
from .server import ROOT
from .table import Part, Row

NAME = "memory"
SIZES = (1, 4, 16, 64, 256)
"""MiB of stream."""
WANTED = 1.1
"""Times that twice beyond the limit may take of once beyond it."""


def measure(fast: bool) -> Part:
    """Measure; `fast`: three lengths, once each."""
    sizes, repetitions = ((1, 64, 128), 1) if fast else (SIZES, 3)
    peaks: dict[int, list[float]] = {size: [] for size in sizes}
    empty: list[float] = []
    with in_thread(app()) as url:
        for _ in range(repetitions):
            empty.append(peak(f"{url}/0")[0])
            for size in sizes:
                peaks[size].append(peak(f"{url}/{size}")[0])
    limit = Limits().body // MEBIBYTE
    rows = [
        Row(
            f"peak memory of recording {size} MiB of stream",
            f"{timing.median(peaks[size]):.0f} MiB",
            f"with an empty answer {timing.median(empty):.0f} MiB",
            repetitions=repetitions,
        )
        for size in sizes
    ]
    rows.append(flat(peaks, limit))
    notes = (f"the peak is the process's maximum resident set, interpreter and imports included; the suite stops "
             f"reading at {limit} MiB of one answer, and keeps the beginning",)  # fmt: skip
    return Part(NAME, "Memory", tuple(rows), notes, {"peak_mib": peaks, "empty_mib": empty})


def flat(peaks: dict[int, list[float]], limit: int) -> Row:
    """Whether what lies beyond the limit takes no more, from the peaks by length."""
    beyond = sorted(size for size in peaks if size > limit)
    first, last = beyond[0], beyond[-1]
    ratio = timing.ratio(peaks[last], peaks[first])
    return Row(
        f"memory at {last} MiB over memory at {first} MiB (both beyond the limit of {limit} MiB)",
        f"{timing.median(peaks[last]):.0f} MiB",
        f"{timing.median(peaks[first]):.0f} MiB",
        ratio,
        f"flat: ≤ {WANTED:g}",
        ratio <= WANTED,
        len(peaks[first]),
    )


def peak(url: str) -> tuple[float, Ending, int]:
    """Record one answer in a process of its own: its peak in MiB, how the answer ended, and the octets kept.

    Raises:
        RuntimeError: the process failed.
    """
    kilobytes, ending, length = apart(__name__, url).split()
    return int(kilobytes) / 1024, Ending(ending), int(length)


def apart(module: str, argument: str) -> str:
    """What a module of these benchmarks prints, run with an argument in a process of its own.

    Raises:
        RuntimeError: the process failed.
    """
    package = Path(__file__).resolve().parents[module.count(".")]
    paths = [str(package), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", module, argument],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed in a process of its own: {done.stderr[-1000:]}")
    return done.stdout


def app() -> Starlette:
    """Answers `/N` with a stream of N MiB."""
    block = b"".join(chat_stream(300)[:-1])

    async def answer(request: Request) -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            left = request.path_params["size"] * MEBIBYTE
            while left > 0:
                yield block[:left]
                left -= len(block)

        return StreamingResponse(parts(), media_type="text/event-stream")

    return Starlette(routes=[Route("/{size:int}", answer)])


async def _record(url: str) -> tuple[Ending, int]:
    base, _, path = url.rpartition("/")
    async with Client(base, concurrency=1, limits=Limits(), redactor=Redactor(["km_of_the_benchmark"])) as client:
        exchange = await client.exchange(Outgoing("stream", "GET", f"/{path}", (), b""))
    return exchange.ending, len(exchange.response.body) if exchange.response else 0


def _main(arguments: Sequence[str]) -> None:
    ending, length = asyncio.run(_record(arguments[0]))
    print(most(), ending, length)


def most() -> int:
    """The most memory that this process had resident since it began, in KiB.

    Linux' `ru_maxrss` begins with the size of whoever started the process, so that it is no use here.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        peak_ = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak_ // 1024 if sys.platform == "darwin" else peak_
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])


if __name__ == "__main__":
    _main(sys.argv[1:])
