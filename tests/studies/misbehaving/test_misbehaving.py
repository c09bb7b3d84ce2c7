"""A target that misbehaves can neither hang, exhaust nor fool the suite: the table of cases, each in its own process.

What most of them cost is waiting, so many are under way at once; those that cost work and memory, few.

With `KITEMESH_MISBEHAVING` set to a file's name (the nox session `misbehaving`), the large and long cases run too, and
the table of what was measured is written there.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
from made_up import REPORTS

from conformance.reference.process import in_process
from conformance.reference.settings import FIRST_TOKEN, SECOND_TOKEN, Settings

from .cases import CASES, SIZE, Case
from .running import Came, play, table, warm

TABLE = os.environ.get("KITEMESH_MISBEHAVING", "")
CHOSEN = [case for case in CASES if TABLE or not case.big]
WAITING, WORKING = 12, 2
"""Cases at a time: of those that mostly wait for a time limit, and of those that mostly read."""
MOST_MEMORY = 300.0
"""MB, the server of the case included."""
SLACK, SHARE = 15.0, 3.0
"""Seconds, and times the stated limit, that a busy machine may take on top of it."""


def _certificate(directory: Path) -> str:
    """A self-signed certificate for loopback and its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    key, certificate, both = (directory / name for name in ("key.pem", "certificate.pem", "both.pem"))
    order = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([openssl, *order, *named, *files], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return str(both)


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def came(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Came]]]:
    """Case id to what comes of it; all that were selected are under way at once, as many as the machine bears."""
    cases = [_params(item).get("case") for item in request.session.items]
    selected = {case.id for case in cases if isinstance(case, Case)}
    chosen = [case for case in CHOSEN if case.id in selected]
    context = _forking()
    directory = tmp_path_factory.mktemp("misbehaving")
    pem = _certificate(directory) if any(case.tls for case in chosen) else ""
    with in_process(Settings(token_interval=0.0)) as url, ExitStack() as stack:
        port = int(url.rsplit(":", 1)[1])
        # A process of its own for each, so that its peak of memory is its own.
        pools = {
            works: stack.enter_context(ProcessPoolExecutor(count, mp_context=context, max_tasks_per_child=1))
            for works, count in ((False, WAITING), (True, WORKING))
        }
        assert pools[False].submit(warm).result()
        futures = {}
        for case in sorted(chosen, key=lambda case: -case.waits):
            reports = directory / case.id
            reports.mkdir()
            futures[case.id] = pools[case in SIZE].submit(play, case.id, port, pem, str(reports))
        yield futures
        for pool in pools.values():
            pool.shutdown(cancel_futures=True)
    done = [(case, futures[case.id].result()) for case in CHOSEN if case.id in futures and _came(futures[case.id])]
    if TABLE:
        Path(TABLE).parent.mkdir(parents=True, exist_ok=True)
        Path(TABLE).write_text(table(done), encoding="utf-8")


def _forking() -> ForkServerContext:
    """A context whose processes are forked from one that has imported everything: that takes longer than a case."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["studies.misbehaving.warmed"])
    with pytest.MonkeyPatch.context() as patch:
        # The server of forks is given no path of this process, and passes over what it cannot import.
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [os.environ["PYTHONPATH"], *sys.path])))
        forkserver.ensure_running()
    return context


def _params(item: pytest.Item) -> dict[str, object]:
    callspec = getattr(item, "callspec", None)
    return dict(callspec.params) if callspec is not None else {}


def _came(future: Future[Came]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


@pytest.mark.parametrize("case", CHOSEN, ids=lambda case: case.id)
def test_misbehaviour(case: Case, came: dict[str, Future[Came]], tmp_path_factory: pytest.TempPathFactory) -> None:
    if case.host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    result = came[case.id].result()
    assert result.errors == ()
    assert (result.exit, result.verdict) == (case.exit, VERDICTS[case.exit]), result.words[:2000]
    assert case.finds <= set(result.failed)
    if case.only:
        assert set(result.failed) == case.finds
    for words in case.says:
        assert words in result.words
    assert result.seconds <= case.within * SHARE + SLACK
    assert result.peak < MOST_MEMORY
    if case.most_requests is not None:
        assert result.requests <= case.most_requests
    assert result.elsewhere == 0, "somebody was asked whom the target named"
    assert set(result.reports) - {"badge.svg"} == REPORTS
    assert FIRST_TOKEN not in result.words
    assert SECOND_TOKEN not in result.words


VERDICTS = {0: "conformant", 1: "nonconformant", 6: "inconclusive"}


def test_ids_are_unique() -> None:
    assert len({case.id for case in CASES}) == len(CASES)
