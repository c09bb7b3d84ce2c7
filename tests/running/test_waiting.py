"""What a run does while it waits, and what it does only once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import Any

import pytest

from conformance.checks import registry
from conformance.judging import judge as judging
from conformance.judging.verdict import State
from conformance.probes import catalogue
from conformance.probes.flow import Flow, Phase
from conformance.reference.app import create_app
from conformance.reference.behaviour import CONFORMING, Behaviour
from conformance.reference.faults import by_id
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_MODEL, Settings
from conformance.running import run
from conformance.settings.options import Depth, Options
from conformance.transcript.exchange import Transcript

SETTINGS = Settings(token_interval=0.0)


def recorded(behaviour: Behaviour = CONFORMING, **options: Any) -> Transcript:
    with in_thread(create_app(SETTINGS, behaviour)) as url:
        told = Options(url=f"{url}/v1", model=DEFAULT_MODEL, token=SETTINGS.tokens[0], **options)
        return asyncio.run(run.record(told.checked(), 7, patience=0.1))


@pytest.mark.parametrize("depth", [Depth.QUICK, Depth.STANDARD])
def test_the_first_requests_are_those_of_the_whole(depth: Depth) -> None:
    plan = run.plan_of(Options(url="http://127.0.0.1/v1", model=DEFAULT_MODEL, depth=depth), 1)
    whole = [flow.name for flow in catalogue.flows(plan) if flow.phase is Phase.OPENING]
    assert [flow.name for flow in catalogue.opening(plan)] == whole


def test_drawn_flows_and_the_others_are_the_whole() -> None:
    plan = run.plan_of(Options(url="http://127.0.0.1/v1", model=DEFAULT_MODEL), 1)

    def names(flows: list[Flow]) -> list[str]:
        return [flow.name for flow in flows]

    fixed, drawn = catalogue.flows(plan, drawn=False), catalogue.flows(plan, drawn=True)
    assert sorted(names(fixed) + names(drawn)) == sorted(names(catalogue.flows(plan)))
    assert {flow.phase for flow in drawn} == {Phase.GENERATED}


@pytest.mark.parametrize(("fault", "times"), [(None, 1), ("stream-done-absent", 2)])
def test_the_checks_run_again_only_where_something_was_sent_again(
    fault: str | None, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined: list[int] = []
    examine = registry.examine

    def counted(catalogue_: Any, evidence: Any, ids: Any) -> Any:
        examined.append(len(evidence.all))
        return examine(catalogue_, evidence, ids)

    monkeypatch.setattr(registry, "examine", counted)
    transcript = recorded(CONFORMING if fault is None else by_id(fault).behaviour, only=("stream.done",))
    judging.judge(transcript)
    assert len(examined) == times
    assert examined[-1] == len(transcript)


def test_what_mostly_waits_begins_first() -> None:
    transcript = recorded(only=("stream",), concurrency=1)
    after = [exchange.note.flow for exchange in transcript if exchange.note.phase != Phase.OPENING]
    assert after[0] == "stream-long"


def test_bodies_are_drawn_and_libraries_loaded_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[tuple[str, int]] = []
    made, load = run.flows, run._load

    def flows(*given: Any, **named: Any) -> list[Flow]:
        threads.append(("flows", threading.get_ident()))
        return made(*given, **named)

    def loaded(*given: Any) -> None:
        threads.append(("load", threading.get_ident()))
        load(*given)

    monkeypatch.setattr(run, "flows", flows)
    monkeypatch.setattr(run, "_load", loaded)
    recorded(depth=Depth.QUICK)
    assert [what for what, _ in threads] == ["flows", "flows", "load"]
    assert len({thread for _, thread in threads}) == 1


def test_nothing_heavy_is_loaded_before_the_first_request() -> None:
    heavy = ("jsonschema", "hypothesis", "schemathesis", "openai", "jinja2", "uvicorn", "conformance.checks")
    program = f"import sys; import conformance.running.run, conformance.pytest_session.session; \
print(*(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_embedded_servers_streams_last_long_enough_to_be_judged():
    """However fast a default run is to be, its pace has to show."""
    report = run.run(Options(only=("stream.incremental",)))
    assert report.verdict["stream.incremental"].state is State.PASSED
