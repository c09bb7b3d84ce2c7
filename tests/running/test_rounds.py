"""`watch`: what begins a round, what is judged in it, and how a server that it started ends."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up import MODEL, World

from conformance.judging.verdict import State
from conformance.reference.app import create_app
from conformance.reference.behaviour import CONFORMING
from conformance.reference.faults import by_id
from conformance.reference.serving import in_thread
from conformance.reference.settings import Settings
from conformance.report import rounds as shown
from conformance.report.rounds import Doing, Seen
from conformance.running import rounds
from conformance.running import run as reference_run
from conformance.running.rounds import Rounds
from conformance.running.started import Started, listens
from conformance.settings.options import Depth, Options, UsageError

SETTINGS = Settings(token_interval=0.0)
SOON = 20.0
"""Seconds that anything here may take on a busy machine."""


def until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


@contextmanager
def port(number: int = 0) -> Iterator[int]:
    """Somebody listens there."""
    with socket.create_server(("127.0.0.1", number)) as listening:
        yield listening.getsockname()[1]


class Watched:
    """A watch of a made-up target, in a thread."""

    def __init__(self, number: int, monkeypatch: pytest.MonkeyPatch, failing: tuple[str, ...] = ()) -> None:
        self.world = World()
        self.seen: list[Seen] = []
        self.kept: list[Any] = []
        monkeypatch.setattr(rounds, "run", lambda options, progress, stop, named: self.world.run(options))
        monkeypatch.setattr(rounds, "LOOK", 0.02)
        options = Options(url=f"http://127.0.0.1:{number}/v1", model=MODEL, token="km_secret_token")
        self.rounds = Rounds(options, self.seen.append, self.kept.append)
        self._thread = threading.Thread(target=self.rounds.follow, args=(failing,), daemon=True)

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.rounds.events.put(("quit", None))
        self._thread.join(SOON)
        assert not self._thread.is_alive()

    @property
    def only(self) -> list[tuple[str, ...]]:
        return [options.only for options in self.world.asked]

    def rested(self, runs: int) -> Seen:
        """What is shown once so many runs are over."""
        until(lambda: len(self.only) >= runs and self.seen[-1].doing is Doing.RESTING)
        return self.seen[-1]


def test_a_first_round_judges_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    with port() as number, Watched(number, monkeypatch) as watched:
        watched.rested(1)
    assert watched.only == [()]
    assert len(watched.kept) == 1


def test_what_failed_last_is_judged_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with port() as number, Watched(number, monkeypatch, ("stream.done",)) as watched:
        seen = watched.rested(2)
    assert watched.only == [("stream.done",), ()]
    assert seen.mended == ("stream.done",)
    assert seen.failing == ()


def test_a_verdict_is_not_shown_before_everything_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    with port() as number, Watched(number, monkeypatch, ("stream.done",)) as watched:
        last = watched.rested(2)
    early = [seen for seen in watched.seen if seen.report is not None and seen.doing is Doing.ALL]
    told = {str(line) for seen in early for line in shown.lines(seen, Seen())}
    assert "no verdict yet" in told
    assert not any("CONFORMANT" in line for line in told)
    assert any("CONFORMANT" in str(line) for line in shown.lines(last, Seen()))


def test_a_change_of_a_file_begins_a_round_that_tells_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    with port() as number, Watched(number, monkeypatch) as watched:
        watched.world.broken = {"stream.done": 1}
        watched.rounds.events.put(("files", "server.js"))
        until(lambda: watched.seen and watched.seen[-1].failing == ("stream.done",))
        first = watched.rested(1)
        watched.world.broken = {"auth.challenge": 1}
        watched.rounds.events.put(("files", "server.js"))
        until(lambda: watched.seen and watched.seen[-1].failing == ("auth.challenge",))
        seen = watched.rested(1)
    assert first.newly == ("stream.done",)
    assert (seen.newly, seen.mended, seen.why) == (("auth.challenge",), ("stream.done",), "server.js changed")
    text = "\n".join(str(line) for line in shown.lines(seen, Seen()))
    assert "mended: stream.done" in text
    assert "Next: mend auth.challenge" in text


def test_a_port_that_comes_back_begins_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    with port() as number:
        pass
    with Watched(number, monkeypatch) as watched:
        until(lambda: watched.seen and watched.seen[-1].doing is Doing.WAITING)
        assert watched.only == []
        with port(number):
            watched.rested(1)
        until(lambda: watched.seen and watched.seen[-1].doing is Doing.WAITING)
        with port(number):
            watched.rested(2)
            assert watched.seen[-1].why == "the server is back"


def test_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with port() as number, Watched(number, monkeypatch, ("stream.done",)) as watched:
        watched.world.broken = {"stream.done": 1}
        watched.rested(2)
        watched.rounds.events.put(("failed", None))
        watched.rested(3)
        watched.rounds.events.put(("all", None))
        watched.rested(4)
    assert watched.only == [("stream.done",), (), ("stream.done",), ()]


def test_what_the_suite_refuses_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UsageError("No.")

    with port() as number:
        watched = Watched(number, monkeypatch)
        monkeypatch.setattr(rounds, "run", refuse)
        with watched:
            until(lambda: watched.seen and watched.seen[-1].problem == "No.")


def test_a_key_while_nobody_listens_waits_for_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with port() as number:
        pass
    with Watched(number, monkeypatch) as watched:
        until(lambda: watched.seen and watched.seen[-1].doing is Doing.WAITING)
        watched.rounds.events.put(("all", None))
        with port(number):
            seen = watched.rested(1)
    assert (watched.only, seen.number) == ([()], 1)


def test_a_server_that_ended_is_told_with_its_status_and_is_started_by_a_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with port() as number:
        pass
    watched = Watched(number, monkeypatch)
    watched.rounds.server = Started(f"{sys.executable} -c 'print(1); raise SystemExit(3)'", tmp_path / "server.log")
    with watched:
        until(lambda: watched.seen and watched.seen[-1].doing is Doing.GONE)
        assert "exit status is 3" in watched.seen[-1].problem
        assert "server.log" in watched.seen[-1].problem
        before = len(watched.seen)
        watched.rounds.events.put(("all", None))
        until(lambda: any(seen.doing is Doing.WAITING for seen in watched.seen[before:]))
        until(lambda: watched.seen[-1].doing is Doing.GONE)


def test_a_few_requests_show_whether_what_failed_fails_still() -> None:
    broken, whole = (create_app(SETTINGS, behaviour) for behaviour in (by_id("usage-negative").behaviour, CONFORMING))
    with in_thread(broken) as url, in_thread(whole) as other:
        options = reference_run.of_reference(f"{url}/v1", Options(depth=Depth.QUICK))
        report = reference_run.run(options)
        named = rounds.showing(report)["completion.usage"]
        alone = replace(options, only=("completion.usage",))
        again = reference_run.run(alone, named=named)
        mended = reference_run.run(replace(alone, url=f"{other}/v1"), named=named)
    assert again.verdict["completion.usage"].state is State.FAILED
    assert mended.verdict["completion.usage"].state is State.PASSED
    assert len(again.transcript) <= 8 < len(report.transcript)


# --- a server that it starts

PARENT = "import subprocess,sys,time; p=subprocess.Popen([sys.executable,'-c','import time; time.sleep(600)']); \
print(p.pid, flush=True); time.sleep(600)"


def test_a_server_ends_with_its_children(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    server = Started(f"{sys.executable} {tmp_path / 'parent.py'}", tmp_path / "server.log")
    server.start()
    until(lambda: server.log.read_text().strip())
    child = int(server.log.read_text())
    os.kill(child, 0)
    server.stop()
    until(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2])


def test_a_server_that_ends_by_itself_is_seen(tmp_path: Path) -> None:
    server = Started(f"{sys.executable} -c 'raise SystemExit(3)'", tmp_path / "server.log")
    server.start()
    until(lambda: server.ended == 3)
    server.stop()


@pytest.mark.parametrize("command", ["", "'", "/nowhere/at/all"])
def test_what_cannot_be_started_is_told(tmp_path: Path, command: str) -> None:
    with pytest.raises(UsageError, match="--start"):
        Started(command, tmp_path / "server.log").start()


def test_whether_somebody_listens() -> None:
    with port() as number:
        assert listens(f"http://127.0.0.1:{number}/v1")
    assert not listens(f"http://127.0.0.1:{number}/v1")
