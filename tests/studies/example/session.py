"""Records a session of `watch` as text: its screen each time that it does something else."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from conformance.reference.app import create_app
from conformance.reference.behaviour import CONFORMING, Behaviour
from conformance.reference.serving import in_thread
from conformance.reference.settings import Settings
from conformance.report import rounds, terminal
from conformance.report.rounds import Doing, Seen
from conformance.running.rounds import Rounds
from conformance.running.run import of_reference
from conformance.settings.options import Depth, Options

MOST = 60.0
"""Seconds that a round may take."""


def recorded(port: int, seed: int, faulty: Behaviour, better: Behaviour = CONFORMING) -> str:
    """The text of a session in which a server is mended once.

    Args:
        port: on loopback.
        seed: of the runs.
        faulty: the server at first.
        better: the server as it is started again.
    """
    url = f"http://127.0.0.1:{port}/v1"
    options = replace(of_reference(url, Options(depth=Depth.QUICK, seed=seed)).checked(), down_for=2.0)
    held = io.StringIO()
    screen = terminal.console(held)
    began, latest = time.monotonic(), Seen()

    def show(seen: Seen) -> None:
        nonlocal latest
        if (seen.doing, seen.number) != (latest.doing, latest.number):
            screen.rule(f"after {time.monotonic() - began:.1f} s", characters="-")
            screen.print(rounds.screen(seen, url))
        latest = seen

    def until(true: Callable[[], bool]) -> None:
        while not true():
            if time.monotonic() > began + 2 * MOST:
                raise RuntimeError("the session did not go as it should")
            time.sleep(0.05)

    made = Rounds(options, show, lambda report: None)
    thread = threading.Thread(target=made.follow, daemon=True)
    screen.print(f"$ kitemesh-conformance watch {url} --model 'group:<uuid>' --depth quick")
    with in_thread(create_app(Settings(), faulty), port):
        thread.start()
        until(lambda: latest.number == 1 and latest.doing is Doing.RESTING)
    until(lambda: latest.doing is Doing.WAITING)
    with in_thread(create_app(Settings(), better), port):
        until(lambda: latest.number == 2 and latest.doing is Doing.RESTING)
        made.events.put(("quit", None))
        thread.join()
    return "\n".join(line.rstrip() for line in held.getvalue().split("\n"))
