"""Part `client`: 100 faces of the server against a client that answers at once.

Such a client is curl. Beside it stands the same program, run as often and as many at a time
against one server that is there already: what is left is the servers and the suite's own work.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

from conformance.client import faces
from conformance.client.listening import Heard, served
from conformance.client.run import Trial, run, variables
from conformance.evidence.faces import FaceKind
from conformance.reference.settings import DEFAULT_MODEL
from conformance.settings.options import Depth, Options

from . import timing
from .table import Part, Row

NAME = "client"
WANTED = 15.0
"""Seconds, on two processors."""
FACES = 100
BODY = json.dumps(
    {"model": DEFAULT_MODEL, "messages": [{"role": "user", "content": "Reply with just this word: kite"}]}
)
COMMAND = (
    "sh", "-c",
    'exec curl -sSf -o /dev/null "$KITEMESH_URL/chat/completions" -H "Authorization: Bearer $KITEMESH_TOKEN" '
    f"-H 'Content-Type: application/json' -d '{BODY}'",
)  # fmt: skip
"""A client that answers at once."""


def measure(fast: bool) -> Part:
    """Measure; `fast`: ten faces, once."""
    if shutil.which("curl") is None:
        return Part(NAME, "Judging a client", (Row(f"{FACES} faces", "curl is not installed"),))
    count, repetitions = (10, 1) if fast else (FACES, 3)
    of_kind = [face for face in faces.of_depth(Depth.DEEP) if face.kind in (FaceKind.PLAIN, FaceKind.VARIATION)]
    trial = Trial(command=COMMAND, faces=tuple(of_kind[:count]))
    load = os.getloadavg()[0]
    taken = timing.by_turns({"ours": lambda: judged(trial), "bare": lambda: bare(count + 1)}, repetitions)
    load = max(load, os.getloadavg()[0])
    seconds = timing.median(taken["ours"])
    row = Row(
        f"{count} faces, a client that answers at once: served, run, judged",
        f"{seconds:.1f} s",
        f"the client as often, on one server {timing.median(taken['bare']):.1f} s",
        timing.ratio(taken["ours"], taken["bare"]),
        f"≤ {WANTED:g} s" if count == FACES else "",
        seconds <= WANTED if count == FACES else None,
        repetitions,
    )
    notes = (f"the client is curl; the load average was up to {load:.1f}, of which others had their part",)
    return Part(NAME, "Judging a client", (row,), notes, taken)


def judged(trial: Trial) -> None:
    """Judge the client.

    Raises:
        RuntimeError: it did not behave as it should, so that its time says nothing.
    """
    report = run(trial, Options())
    if report.findings:
        raise RuntimeError(f"the client breaks {report.findings[0].requirement}: {report.findings[0].observed}")


def bare(times: int) -> None:
    """Run the client as often, as many at a time, on one server."""
    plain = faces.one(faces.PLAIN)
    with served(plain, Heard(plain.id)) as url, ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as places:
        environ = {**os.environ, **variables(url)}
        list(places.map(lambda _: subprocess.run(COMMAND, env=environ, check=True), range(times)))
