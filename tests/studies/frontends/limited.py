"""The reference server under `uvicorn --limit-concurrency`: connections beyond the limit, idle ones too, get a 503."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from conformance.judging import judge as judging
from conformance.judging.result import Result
from conformance.running import run

from .judging import options
from .programs import Program, free_port, running

LIMITS = (1, 2, 3, 4, 8, 9, 16)
"""Small ones, and those around the eight connections that a run holds open; of 64 all are far below."""
CONCURRENCIES = (1, 8, 64)
_ROOT = Path(__file__).resolve().parents[3]


def judge(limit: int, concurrency: int, seed: int) -> tuple[Result, float]:
    """Run the suite once; gives its report, and the seconds that recording took."""
    application = f"{__package__}.upstream:plain"
    words = ("-m", "uvicorn", "--factory", "--app-dir", str(_ROOT), "--host", "127.0.0.1", "--port", "@port@")
    limited = ("--limit-concurrency", str(limit), "--log-level", "critical", application)
    uvicorn = Program("uvicorn", (sys.executable,), (*words, *limited), ("-m", "uvicorn", "--version"))
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="uvicorn-") as folder, running(uvicorn, "", Path(folder), port):
        began = time.monotonic()
        transcript = asyncio.run(run.record(options(f"http://127.0.0.1:{port}", concurrency=concurrency), seed))
        return judging.judge(transcript), time.monotonic() - began
