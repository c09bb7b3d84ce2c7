"""Part `files`: what it takes to judge a large recording of which little is the target's.

Each file is judged in a process of its own, which says its peak. Run as a module it is that process:
`python -m tests.studies.bench.files FILE`.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from conformance.commands.main import main

from . import timing
from .memory import apart, most
from .server import ROOT
from .table import Part, Row

NAME = "files"
SIZE = 150
"""MiB of a file."""
WANTED = 300
"""MiB that judging it may take; of what is judged there is next to nothing."""
RECORDINGS = ROOT / "fixtures" / "recordings"
HOST = "api.example.com"
"""Whose exchanges are judged."""


def measure(fast: bool) -> Part:
    """Measure; `fast`: small files, once each."""
    size, repetitions = (8, 1) if fast else (SIZE, 3)
    rows, data = [], {}
    for what, made in (("a HAR with a film of another host", har), ("a cassette, most of another host", cassette)):
        with tempfile.TemporaryDirectory() as folder:
            file = made(Path(folder), size)
            taken = [judged(file) for _ in range(repetitions)]
        seconds, peaks = [one for one, _ in taken], [peak for _, peak in taken]
        data[what] = {"seconds": seconds, "peak_mib": peaks}
        peak = timing.median(peaks)
        rows.append(
            Row(f"judging {what}, {size} MiB: peak memory", f"{peak:.0f} MiB, in {timing.median(seconds):.1f} s", "",
                None, f"≤ {WANTED} MiB", peak <= WANTED, repetitions)
        )  # fmt: skip
    return Part(NAME, "Large recordings", tuple(rows), (), data)


def har(folder: Path, size: int) -> Path:
    """A HAR of so many MiB, three entries of it apart one answer with a film."""
    whole = json.loads((RECORDINGS / "two-hosts.har").read_text(encoding="utf-8"))
    entries = whole["log"]["entries"]
    film = json.loads(json.dumps(entries[0]))
    film["request"] = {**film["request"], "method": "GET", "url": "https://cdn.example.com/film.mp4"}
    film["request"].pop("postData", None)
    text = base64.b64encode(os.urandom(1 << 20)).decode() * (size * 3 // 4)
    film["response"]["content"] = {"size": len(text), "mimeType": "video/mp4", "encoding": "base64", "text": text}
    whole["log"]["entries"] = [*entries[:1], film, *entries[1:]]
    file = folder / "film.har"
    file.write_text(json.dumps(whole), encoding="utf-8")
    return file


def cassette(folder: Path, size: int) -> Path:
    """A cassette of so many MiB: the interactions of a small one, and pages of another host."""
    small = (RECORDINGS / "vcrpy.yaml").read_text(encoding="utf-8")
    head, _, tail = small.partition("interactions:\n")
    file = folder / "pages.yaml"
    with file.open("w", encoding="utf-8") as out:
        out.write(f"{head}interactions:\n")
        for page in _pages(size << 20):
            out.write(page)
        out.write(tail)
    return file


def _pages(octets: int) -> Iterator[str]:
    text = ("x" * 70 + "\n\n        ") * 4_000
    page = (
        "- request:\n    body: ''\n    headers: {}\n    method: GET\n    uri: https://files.example.com/page\n"
        f"  response:\n    body:\n      string: '{text}'\n    headers:\n      Content-Type:\n      - text/plain\n"
        "    status:\n      code: 200\n      message: OK\n"
    )
    yield from (page for _ in range(octets // len(page)))


def judged(file: Path) -> tuple[float, float]:
    """Judge it in a process of its own: seconds, and its peak in MiB.

    Raises:
        RuntimeError: it was not judged.
    """
    begun = time.perf_counter()
    kilobytes = int(apart(__name__, str(file)))
    return time.perf_counter() - begun, kilobytes / 1024


def _main(arguments: Sequence[str]) -> None:
    told = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(told):
        code = main(["judge", arguments[0], "--host", HOST, "--output", folder])
        files = sorted(path.name for path in Path(folder).iterdir())
    if "results.json" not in files:
        sys.exit(f"exit code {code}: {told.getvalue()[-500:]}")
    print(most())


if __name__ == "__main__":
    _main(sys.argv[1:])
