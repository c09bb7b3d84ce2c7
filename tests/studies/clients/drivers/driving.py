"""What the programs in Python share: a client does all scenarios in all ways, once, against the server that it finds.

The one argument is JSON: {"scenarios": {id: prompt or null}, "told": DIR, "deadline": seconds}. What a user of the
client would see is written to a file of its own in DIR after the deadline, and to standard output in the end: that is
`{"role", "content", "finish", "calls"}`, or `{"raised": {…}}` for an exception, or `{"hangs": true}` for nothing.
The exit status is 1 where anything but a refusal raised; whoever still waits is waited for.

Run by the client's own interpreter, so this imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

Job = dict[str, Any]
Told = dict[str, Any]
Way = Callable[[Job], Told]


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


def drive(package: str, ways: Mapping[str, Way]) -> None:
    """Do all scenarios in all ways."""
    order = json.loads(sys.argv[1])
    base, began = os.environ["KITEMESH_URL"], time.time()
    told: dict[str, dict[str, Told]] = {scenario: {} for scenario in order["scenarios"]}
    threads = []
    for scenario, prompt in order["scenarios"].items():
        for name, way in ways.items():
            job = {
                "base": base, "token": os.environ["KITEMESH_TOKEN"], "model": os.environ["KITEMESH_MODEL"],
                "messages": [] if prompt is None else [{"role": "user", "content": prompt}],
                "max_tokens": 1000 + len(threads),  # so that no request looks like another one's second try
            }  # fmt: skip
            threads.append(threading.Thread(target=_do, args=(way, job, told[scenario], name), daemon=True))
            threads[-1].start()
    until = time.monotonic() + order["deadline"]
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    known = {scenario: {name: done.get(name, {"hangs": True}) for name in ways} for scenario, done in told.items()}
    found = {"base": base, "began": began, "ended": time.time(), "version": {package: version(package)}, "told": known}
    path = Path(order["told"]) / f"{os.getpid()}-{package}-{began}.json"
    path.write_text(json.dumps(found, default=str), encoding="utf-8")
    for thread in threads:
        thread.join()
    for scenario, by_way in told.items():
        for name in ways:
            print(scenario, name, json.dumps(_without_ids(by_way[name]), default=str))
            if order["scenarios"][scenario] is not None and "raised" in by_way[name]:
                error = by_way[name]["raised"]
                print(f"{scenario}, {name}: {error['type']}: {error['line']}", file=sys.stderr)
    sys.stdout.flush()
    failed = any(
        "raised" in one for name, done in told.items() if order["scenarios"][name] is not None for one in done.values()
    )
    os._exit(int(failed))


def _do(way: Way, job: Job, told: dict[str, Told], name: str) -> None:
    try:
        told[name] = way(job)
    except Exception as error:
        told[name] = raised(error)


def _without_ids(told: Told) -> Told:
    """Without what differs from run to run."""
    calls = [{k: v for k, v in call.items() if k != "id"} for call in told.get("calls", ())]
    return {**told, **({"calls": calls} if "calls" in told else {})}
