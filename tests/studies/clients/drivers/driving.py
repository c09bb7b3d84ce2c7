"""What the drivers in Python share: jobs on standard input, what came of them on standard output, JSON both.

in:  {"deadline": seconds, "jobs": [{"base": URL, "token": …, "model": …, "messages": […]}, …]}
out: {"versions": {package: version}, "told": [{way: told, …}, …]}, in the order of the jobs.

`told` is what a user of the client would see: `{"role", "content", "finish", "calls"}`, or `{"raised": {…}}` for an
exception, or `{"hangs": true}` where nothing came within the deadline. Run by the client's own interpreter, so this
imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

Job = dict[str, Any]
Told = dict[str, Any]
Way = Callable[[Job], Told]
AT_ONCE = 6


def raised(error: BaseException) -> Told:
    """An exception as its user sees it."""
    lines = str(error).strip().splitlines()
    return {
        "raised": {
            "type": type(error).__name__,
            "line": lines[0] if lines else "",
            "status": getattr(error, "status_code", None),
            "code": getattr(error, "code", None),
        }
    }


def within(deadline: float, way: Way, job: Job) -> Told:
    """What a client tells, in a thread that is left behind where it takes longer than the deadline (seconds)."""
    told: list[Told] = []

    def work() -> None:
        try:
            told.append(way(job))
        except Exception as error:
            told.append(raised(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(deadline)
    return told[0] if told else {"hangs": True}


def drive(package: str, ways: Mapping[str, Way]) -> None:
    """Do all jobs in all ways."""
    order = json.load(sys.stdin)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [
            {name: pool.submit(within, order["deadline"], way, job) for name, way in ways.items()}
            for job in order["jobs"]
        ]
        told = [{name: future.result() for name, future in one.items()} for one in waiting]
    json.dump({"versions": {package: version(package)}, "told": told}, sys.stdout, default=str)
    sys.stdout.flush()
    os._exit(0)  # threads that hang would hold the process
