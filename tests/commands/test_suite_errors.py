"""Through the command line: a failure of the suite is exit code 3 and never a pass; signals leave reports behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from conformance.checks import registry
from conformance.commands.main import main
from conformance.probes.flow import Flow, Phase, Steps
from conformance.reference.settings import DEFAULT_MODEL
from conformance.running import run
from conformance.transcript.exchange import Transcript
from conformance.wire.patience import Patience

QUICK = ("run", "--depth", "quick", "--only", "sdk", "--output", "reports")


def _raise(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("the suite's own fault")


def _break_a_check(patch: pytest.MonkeyPatch) -> None:
    checks = registry.checks(run.CATALOGUE)
    patch.setattr(registry, "checks", lambda catalogue: {**checks, "sdk.openai-completion": _raise})


def _break_a_probe(patch: pytest.MonkeyPatch) -> None:
    def steps(round_: int) -> Steps:
        _raise()
        yield []

    flows = run.flows
    broken = Flow("broken", "sdk", Phase.CALM, steps)
    patch.setattr(run, "flows", lambda *arguments, **which: [*flows(*arguments, **which), broken])


def _break_the_recorder(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Patience, "note", _raise)


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KITEMESH_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("break_it", [_break_a_check, _break_a_probe, _break_the_recorder])
def test_a_failure_of_the_suite_is_its_own(
    break_it: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    break_it(monkeypatch)
    code = main(QUICK)
    out, err = capsys.readouterr()
    assert code == 3
    assert "the suite's own fault" in (out + err).replace("\n", " ")
    assert "Traceback" not in out + err
    assert "NONCONFORMANT" not in out
    results = Path("reports/results.json")
    if break_it is _break_a_check:
        told = json.loads(results.read_text(encoding="utf-8"))
        assert told["verdict"] == "error"
        states = {r["id"]: r["outcome"] for r in told["requirements"]}
        assert states["sdk.openai-completion"] == "error"
        assert "failed" not in states.values()
    else:
        assert not results.exists()  # nothing is known, so nothing is told


@contextmanager
def silent() -> Iterator[socket.socket]:
    """A server that accepts and never answers: it is enough that the system accepts for it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        yield listener


def _command(port: int, *more: str) -> tuple[list[str], dict[str, str]]:
    target = [f"http://127.0.0.1:{port}/v1", "--model", DEFAULT_MODEL, "--output", "reports", *more]
    environ = {**os.environ, "KITEMESH_TOKEN": "km_secret_token"}
    return [sys.executable, "-m", "conformance.commands.main", "run", *target], environ


@pytest.mark.parametrize(
    ("number", "as_a_job"),
    [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGTERM, True)],
    ids=["ctrl-c", "sigterm", "sigterm-in-the-background"],
)
def test_a_signal_leaves_the_reports_of_what_was_done(number: signal.Signals, as_a_job: bool) -> None:
    # A script's job in the background ignores Ctrl-C, and so do the tests where they are one.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN if as_a_job else signal.default_int_handler)
    with silent() as listener:
        command, environ = _command(listener.getsockname()[1])
        process = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        )
        signal.signal(signal.SIGINT, handler)
        try:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(60)
                assert connection.recv(1)  # the first request is under way
                process.send_signal(number)
                out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 2, out + err
    assert "interrupted, exit code 2" in out
    assert "Traceback" not in out + err
    written = {path.name for path in Path("reports").iterdir()}
    assert {"report.html", "results.json", "transcript.har", "summary.md"} <= written


def test_a_silent_target_ends_soon_and_the_time_out_shortens_it() -> None:
    with silent() as listener:
        command, environ = _command(listener.getsockname()[1], "--depth", "quick", "--timeout", "4")
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 6, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "no answer within 0.333 s" in said
    assert "--timeout" in said


def test_nobody_spells_a_whole_transcript_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # `asyncio.run` of Python 3.11 takes the repr of what its task gives: several times the memory of what travelled.
    spelled: list[Transcript] = []
    monkeypatch.setattr(Transcript, "__repr__", lambda self: spelled.append(self) or "")
    assert main(["run", "--only", "auth.missing-header"]) == 0
    assert not spelled
