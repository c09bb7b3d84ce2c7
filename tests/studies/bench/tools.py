"""Other people's tools, driven by their command lines, and what each says of a server.

A tool's *complaint* is one of its failures with all that varies by chance taken out. What it says of the conforming
server is no finding; on a faulty one every complaint beyond those counts, whatever it is about, which favours the tool.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.reference.settings import DEFAULT_MODEL, FIRST_TOKEN

from .server import ROOT

SCHEMA = ROOT / "schemas" / "openapi.yaml"
STREAM_EVENTS = 10_000
"""Events of a stream that Schemathesis reads; by default it leaves after a few."""
_VARYING = (
    (re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"), "<uuid>"),
    (re.compile(r"(?<![A-Za-z])[0-9a-f]{16,}"), "<hex>"),
    (re.compile(r"(chatcmpl|req)_\S+"), r"\1_<id>"),
    (re.compile(r"-?\d+(\.\d+)?"), "<number>"),
)


class Unusable(Exception):
    """A tool could not be driven; the message says why."""


@dataclass(frozen=True, slots=True)
class Said:
    """What came of one run of a tool."""

    seconds: float
    requests: int
    complaints: frozenset[str]
    crashed: int = 0
    """Errors of the tool's own."""
    tests: tuple[str, ...] = ()
    """llm-comply's tests that sent a request, in their order; a complaint begins with the name of its test."""


def plain(text: str) -> str:
    """A message without what varies by chance."""
    for pattern, instead in _VARYING:
        text = pattern.sub(instead, text)
    return " ".join(text.split())


def additional(said: Said, baseline: Iterable[Said]) -> frozenset[str]:
    """Complaints that no run against the conforming server brought up."""
    return said.complaints - frozenset().union(*(known.complaints for known in baseline))


def _run(command: list[str], folder: Path, limit: float) -> float:
    """Run a tool in a folder; gives the seconds that it took.

    Raises:
        Unusable: it cannot be started, or took longer than `limit` seconds.
    """
    started = time.perf_counter()
    try:
        with (folder / "output.txt").open("wb") as output:
            subprocess.run(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, timeout=limit, check=False)
    except OSError as error:
        raise Unusable(f"it cannot be started ({error.strerror})") from None
    except subprocess.TimeoutExpired:
        raise Unusable(f"it took more than {limit:g} s") from None
    return time.perf_counter() - started


# --- Schemathesis


def schemathesis(base: str, folder: Path, *, seed: int, workers: int, examples: int, limit: float) -> Said:
    """`st run` on our own description of the API, with its default phases.

    Args:
        base: of the server, without `/v1`, which stands in the description.
        folder: an empty one, for its configuration and report.
        seed: for what it draws.
        workers: requests that it may send at a time.
        examples: its `--max-examples`.
        limit: seconds after which it is ended.

    Raises:
        Unusable: it did not end, or left no report.
    """
    (folder / "schemathesis.toml").write_text(f"max-stream-events = {STREAM_EVENTS}\n", encoding="utf-8")
    events = folder / "events.ndjson"
    command = [
        *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
        *("run", str(SCHEMA), "--url", base, "--header", f"Authorization: Bearer {FIRST_TOKEN}"),
        *("--workers", str(workers), "--max-examples", str(examples), "--seed", str(seed)),
        *("--continue-on-failure", "--generation-database", "none", "--no-color"),
        *("--report", "ndjson", "--report-ndjson-path", str(events)),
    ]
    seconds = _run(command, folder, limit)
    if not events.exists():
        raise Unusable(f"it wrote no report: {(folder / 'output.txt').read_text(errors='replace')[-300:]}")
    with events.open(encoding="utf-8") as lines:
        return schemathesis_said(map(json.loads, lines), seconds)


def schemathesis_said(events: Iterable[dict[str, Any]], seconds: float) -> Said:
    """What its report (one JSON event a line) says."""
    requests = crashed = 0
    complaints: set[str] = set()
    for event in events:
        crashed += "NonFatalError" in event or "FatalError" in event
        recorder = event.get("ScenarioFinished", {}).get("recorder", {})
        requests += len(recorder.get("interactions", {}))
        for checks in recorder.get("checks", {}).values():
            for check in checks:
                if failure := (check.get("failure_info") or {}).get("failure"):
                    complaints.add(plain(f"{failure['operation']}: {failure['type']}: {failure['message']}"))
    return Said(seconds, requests, frozenset(complaints), crashed)


# --- llm-comply


def llm_comply(program: str, base: str, folder: Path, *, limit: float) -> Said:
    """`llm-comply` with its tests of OpenAI's chat completions.

    Args:
        program: the command's path.
        base: of the server, with `/v1`.
        folder: an empty one, for its output.
        limit: seconds after which it is ended.

    Raises:
        Unusable: it cannot be started, did not end, or printed no results.
    """
    command = [program, "--format", "openai-chat", "-u", base, "-k", FIRST_TOKEN, "-m", DEFAULT_MODEL, "--json"]
    seconds = _run(command, folder, limit)
    output = (folder / "output.txt").read_text(encoding="utf-8", errors="replace")
    try:
        return llm_comply_said(json.loads(output), seconds)
    except (ValueError, KeyError, TypeError):
        raise Unusable(f"it printed no results: {output[-300:]}") from None


def llm_comply_version(program: str) -> str:
    """The version that `llm-comply --version` tells."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


def llm_comply_said(printed: dict[str, Any], seconds: float) -> Said:
    """What its JSON output says. Each of its tests that is not skipped is one request."""
    ran = [result for result in printed["results"] if result["status"] != "skipped"]
    complaints = {plain(f"{result['id']}: {error}") for result in ran for error in result.get("errors", [])}
    return Said(seconds, len(ran), frozenset(complaints), tests=tuple(result["id"] for result in ran))
