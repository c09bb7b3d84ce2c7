"""Part `record`: what the proxy costs whoever is behind it: time to the first event, streams at a time, memory.

The reference server, the proxy and the clients are processes of their own. Streams are asked for straight and through
the proxy in turn, so that whatever else the machine does falls on both alike.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from conformance.reference.process import in_process
from conformance.reference.settings import DEFAULT_MODEL, FIRST_TOKEN, Settings

from . import timing
from .server import COMMAND, ROOT
from .table import Part, Row

NAME = "record"
WANTED = 2.0
"""Milliseconds that the proxy may add to the first event, at the 99th percentile."""
STREAMS = 200
"""At a time."""
MOST_MEMORY = 256
"""MiB of the proxy and its judge: what is kept has a bound (`recording.keeping`), and so has what is under way."""
BODY = {"model": DEFAULT_MODEL, "stream": True, "messages": [{"role": "user", "content": "Count from 1 to 60."}]}
HEADERS = {"Authorization": f"Bearer {FIRST_TOKEN}"}


def measure(fast: bool) -> Part:
    """Measure; `fast`: a few streams."""
    streams, crowds, many = (20, 1, 20) if fast else (400, 5, STREAMS)
    load = os.getloadavg()[0]
    with in_process(Settings(token_interval=0.005)) as server, passing(f"{server}/v1") as (url, process):
        before = memory(process)
        straight, through = asyncio.run(first_events(f"{server}/v1", url, streams))
        alone = [asyncio.run(crowd(f"{server}/v1", many)) for _ in range(crowds)]
        behind = [asyncio.run(crowd(url, many)) for _ in range(crowds)]
        after = memory(process)
    load = max(load, os.getloadavg()[0])
    rows = [_latency(straight, through, share) for share in (0.5, 0.9, 0.99)]
    ended = [count for count, _ in behind]
    taken, least = [seconds for _, seconds in behind], [seconds for _, seconds in alone]
    rows += [
        Row(f"{many} streams at a time, through record: ended whole", f"{min(ended)} of {many}",
            f"straight {min(count for count, _ in alone)}", None, "all of them", min(ended) == many, crowds),
        Row(f"time that {many} streams at a time take", f"{timing.median(taken):.2f} s",
            f"straight {timing.median(least):.2f} s", timing.ratio(taken, least), repetitions=crowds),
        Row("memory of record and its judge, resident", f"{after:.0f} MiB", f"before any stream {before:.0f} MiB",
            after / before, f"≤ {MOST_MEMORY} MiB", after <= MOST_MEMORY),
    ]  # fmt: skip
    notes = (
        f"{streams} streams each way, in turn; the server, the proxy, its judge and the clients share the processors, "
        f"and others did: the load average was up to {load:.1f}",
        "added is what a percentile through record lies above the same percentile straight",
    )
    data = {"straight_s": straight, "through_s": through, "straight_crowd": alone, "through_crowd": behind}
    return Part(NAME, "Passing traffic on (record)", tuple(rows), notes, data)


def _latency(straight: list[float], through: list[float], share: float) -> Row:
    ours, theirs = percentile(through, share), percentile(straight, share)
    limit = share == 0.99
    return Row(
        f"time to the first event, {share:.0%} of streams: {ours - theirs:.2f} ms added",
        f"{ours:.2f} ms",
        f"straight {theirs:.2f} ms",
        ours / theirs,
        f"≤ {WANTED:g} ms added" if limit else "",
        ours - theirs <= WANTED if limit else None,
        len(straight),
    )


@contextmanager
def passing(server: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`record` in front of a server; gives its URL.

    Raises:
        RuntimeError: it does not say where it listens, or what passed did not conform.
    """
    with tempfile.TemporaryDirectory() as folder:
        words = [COMMAND[0], "-u", *COMMAND[1:], "record", server, "--output", folder]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environ)
        assert process.stdout is not None  # it was asked for
        try:
            found = re.search(r"Listening at (\S+) for", line := process.stdout.readline())
            if found is None:
                raise RuntimeError(f"record does not listen: {line}")
            yield found[1], process
            process.send_signal(signal.SIGTERM)
            process.communicate()
            failed = [
                row["id"]
                for row in json.loads((Path(folder) / "results.json").read_text(encoding="utf-8"))["requirements"]
                if row["outcome"] == "failed"
            ]
            if failed:
                raise RuntimeError(f"what passed breaks {', '.join(failed)}")
        finally:
            process.kill()
            process.wait()


def _asking(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers=HEADERS, limits=httpx.Limits(max_connections=None), timeout=120)


async def first_events(straight: str, through: str, streams: int) -> tuple[list[float], list[float]]:
    """Seconds to the first octet of each stream's body, straight and through the proxy, in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    async with _asking(straight) as one, _asking(through) as other:
        for number in range(streams + 20):
            for which in (0, 1) if number % 2 else (1, 0):
                taken = await _first_event((one, other)[which])
                if number >= 20:  # connections are there, and code is warm
                    times[which].append(taken)
    return times


async def _first_event(client: httpx.AsyncClient) -> float:
    begun, first = time.perf_counter(), 0.0
    async with client.stream("POST", "/chat/completions", json=BODY) as answer:
        async for _ in answer.aiter_raw():
            first = first or time.perf_counter() - begun
    return first


async def crowd(url: str, streams: int) -> tuple[int, float]:
    """How many of so many streams at a time came to their end, and seconds that all of them took."""
    clients = [_asking(url) for _ in range(max(1, streams // 10))]
    begun = time.perf_counter()
    ended = await asyncio.gather(*(_whole(clients[n % len(clients)]) for n in range(streams)), return_exceptions=True)
    taken = time.perf_counter() - begun
    for client in clients:
        await client.aclose()
    return sum(one is True for one in ended), taken


async def _whole(client: httpx.AsyncClient) -> bool:
    text = b""
    async with client.stream("POST", "/chat/completions", json=BODY) as answer:
        async for octets in answer.aiter_raw():
            text += octets
    return text.endswith(b"data: [DONE]\n\n")


def memory(process: subprocess.Popen[str]) -> float:
    """MiB of the proxy and its judge, resident."""
    there = psutil.Process(process.pid)
    return float(sum(one.memory_info().rss for one in (there, *there.children(recursive=True))) / 2**20)


def percentile(times: list[float], share: float) -> float:
    """Milliseconds."""
    return 1000 * sorted(times)[min(len(times) - 1, int(share * len(times)))]
