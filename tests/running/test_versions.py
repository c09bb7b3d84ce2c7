"""Over HTTP/2 a server gets the same verdict as over HTTP/1.1, and what breaks over one of them alone is told."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from judging.preflight.playing import Stage
from wire.h2_bridge import Bridge

from conformance.judging.result import Result
from conformance.judging.verdict import State
from conformance.probes import hostile
from conformance.reference.app import create_app
from conformance.reference.behaviour import CONFORMING, Behaviour
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, FIRST_TOKEN, SECOND_TOKEN, Settings
from conformance.running import run
from conformance.settings.options import Depth, Options


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits as short as they can be."""
    monkeypatch.setattr(run, "record", functools.partial(run.record, patience=0.001))
    monkeypatch.setattr(hostile, "RECOVERS", 0.01)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


@contextmanager
def served(stage: Stage, behaviour: Behaviour = CONFORMING, *, breaks: bool = False) -> Iterator[str]:
    """The base URL of the reference server over both versions."""
    app = create_app(Settings(), behaviour)
    with in_thread(app) as behind:
        bridge = Bridge(app, behind, breaks=breaks)
        opened = bridge.open()
        url = stage.call(opened.__aenter__())
        try:
            yield f"{url}/v1"
        finally:
            stage.call(opened.__aexit__(None, None, None))


def judged(url: str, version: str, *only: str) -> Result:
    return run.run(
        Options(
            url=url,
            model=DEFAULT_MODEL,
            token=FIRST_TOKEN,
            second_token=SECOND_TOKEN,
            approval_prompt=DEFAULT_APPROVAL_PROMPT,
            depth=Depth.QUICK,
            http=(version,),
            only=only,
            seed=1,
        )
    )


def states(result: Result) -> dict[str, State]:
    return {outcome.requirement.id: outcome.state for outcome in result.verdict.outcomes}


def failed(result: Result) -> set[str]:
    return {id_ for id_, state in states(result).items() if state is State.FAILED}


def test_the_same_exchanges_show_the_same(stage: Stage) -> None:
    with served(stage) as url:
        first, second = (judged(url, version) for version in ("1.1", "2"))
    assert [result.exit_code() for result in (first, second)] == [0, 0], second.findings
    assert states(first) == states(second)
    assert {e.note.probe for e in first.transcript} == {e.note.probe for e in second.transcript}
    spoken = [{e.response.http_version for e in result.transcript if e.response} for result in (first, second)]
    assert spoken == [{"HTTP/1.1"}, {"HTTP/2"}]


@pytest.mark.parametrize("fault", ["stream-done-absent", "request-id-missing", "unknown-token-served"])
def test_a_fault_is_found_over_both(stage: Stage, fault: str) -> None:
    from conformance.reference.faults import FAULTS

    chosen = next(one for one in FAULTS if one.id == fault)
    with served(stage, chosen.behaviour) as url:
        found = [failed(judged(url, version, chosen.requirement)) for version in ("1.1", "2")]
    assert found[0] == found[1]
    assert chosen.requirement in found[1]


def test_what_breaks_over_one_alone_is_told(stage: Stage, bare: None, monkeypatch, capsys) -> None:
    from conformance.commands.main import main

    monkeypatch.setenv("KITEMESH_TOKEN", FIRST_TOKEN)
    with served(stage, breaks=True) as url:
        words = ["run", url, "--model", DEFAULT_MODEL, "--only", "http.complete", "--max-requests", "30"]
        code = main([*words, "--http", "1.1,2"])
    out = " ".join(capsys.readouterr().out.split())
    assert code == 1
    assert "Over HTTP/2 alone: http.complete: the stream was closed before the body's end" in out
    assert "Over HTTP/1.1 alone" not in out
