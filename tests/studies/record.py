"""What `record` costs whoever is behind it: time to the first event, streams at a time, memory.

The reference server, the recorder and the clients are processes of their own. Each round asks both ways in turn, so
that whatever else the machine does falls on both alike. Run it by `nox -s record`; it writes reports/record.md.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from conformance.reference.serving import in_process
from conformance.reference.settings import DEFAULT_MODEL, FIRST_TOKEN, Settings

ROUNDS = 400
STREAMS = 200
REPORT = Path(__file__).parents[2] / "reports" / "record.md"
BODY = {"model": DEFAULT_MODEL, "stream": True, "messages": [{"role": "user", "content": "Count from 1 to 60."}]}
HEADERS = {"Authorization": f"Bearer {FIRST_TOKEN}"}
CODE = "import sys; from conformance.commands.main import main; sys.exit(main())"


def asking(url: str) -> httpx.AsyncClient:
    """A client of its own."""
    return httpx.AsyncClient(base_url=url, headers=HEADERS, limits=httpx.Limits(max_connections=None), timeout=120)


async def first_event(client: httpx.AsyncClient) -> float:
    """Seconds to the first octet of a stream's body."""
    times: list[float] = []
    begun = time.perf_counter()
    async with client.stream("POST", "/chat/completions", json=BODY) as answer:
        async for _ in answer.aiter_raw():
            times.append(time.perf_counter() - begun)
    return times[0]


async def whole(client: httpx.AsyncClient) -> bool:
    """True where a stream came to its end."""
    text = b""
    async with client.stream("POST", "/chat/completions", json=BODY) as answer:
        async for octets in answer.aiter_raw():
            text += octets
    return text.endswith(b"data: [DONE]\n\n")


async def compared(straight: str, passed: str) -> tuple[list[float], list[float]]:
    """Times to the first event, straight and through the recorder."""
    times: tuple[list[float], list[float]] = ([], [])
    limits = httpx.Limits(max_connections=None)
    clients = [
        httpx.AsyncClient(base_url=url, headers=HEADERS, limits=limits, timeout=60) for url in (straight, passed)
    ]
    for number in range(ROUNDS + 20):
        for which, client in enumerate(clients):
            took = await first_event(client)
            if number >= 20:
                times[which].append(took)
    for client in clients:
        await client.aclose()
    return times


async def crowd(url: str) -> tuple[int, float]:
    """How many of `STREAMS` streams at a time came to their end, and how long all of them took."""
    limits = httpx.Limits(max_connections=None)
    clients = [
        httpx.AsyncClient(base_url=url, headers=HEADERS, limits=limits, timeout=120) for _ in range(STREAMS // 10)
    ]
    begun = time.perf_counter()
    ended = await asyncio.gather(*(whole(clients[n // 10]) for n in range(STREAMS)), return_exceptions=True)
    took = time.perf_counter() - begun
    for client in clients:
        await client.aclose()
    return sum(one is True for one in ended), took


def memory(process: subprocess.Popen[str]) -> float:
    """MB of the recorder and its judge, resident."""
    there = psutil.Process(process.pid)
    return sum(one.memory_info().rss for one in (there, *there.children(recursive=True))) / 2**20


def percentile(times: list[float], share: float) -> float:
    """Milliseconds."""
    return 1000 * sorted(times)[min(len(times) - 1, int(share * len(times)))]


def main() -> None:
    """Measure, and write the report."""
    with in_process(Settings(token_interval=0.005)) as server, tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-u", "-c", CODE, "record", f"{server}/v1", "--output", folder]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        found = re.search(r"Listening at (\S+) for", process.stdout.readline())
        assert found is not None
        passed, straight = found[1], f"{server}/v1"
        before = memory(process)
        times = asyncio.run(compared(straight, passed))
        alone = asyncio.run(crowd(straight))
        through = [asyncio.run(crowd(passed)) for _ in range(5)]
        after = memory(process)
        process.send_signal(signal.SIGTERM)
        process.communicate()
        results = json.loads((Path(folder) / "results.json").read_text())
    rows = [(f"{share:.0%}", *(percentile(t, share) for t in times)) for share in (0.5, 0.9, 0.99)]
    added = [through_ - straight_ for straight_, through_ in zip(*times, strict=True)]
    ended = [one for one, _ in through]
    lines = [
        "# What `record` costs",
        "",
        f"Measured by `nox -s record` on {platform.machine()}, Python {platform.python_version()}: {ROUNDS} streams",
        f"each way, in turn. The server, the recorder and the clients share {os.cpu_count()} processors (load average "
        f"{os.getloadavg()[0]:.1f}).",
        "",
        "| time to the first event, ms | straight | through `record` | added |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {name} | {a:.2f} | {b:.2f} | {b - a:.2f} |" for name, a, b in rows),
        "",
        f"Median of what a stream waited longer than the one before it: {1000 * statistics.median(added):.2f} ms.",
        "",
        f"- {STREAMS} streams at a time, five times: {', '.join(map(str, ended))} came to their end, in "
        f"{', '.join(f'{took:.1f}' for _, took in through)} s; straight {alone[0]} in {alone[1]:.1f} s.",
        f"- Memory of the recorder and its judge: {before:.0f} MB at the start, {after:.0f} MB behind "
        f"{len(times[1]) + STREAMS * 5:,} streams.",
        f"- Verdict on what passed: {results['verdict']}, {sum(len(r['findings']) for r in results['requirements'])} "
        "findings.",
        "",
    ]
    REPORT.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
