"""What `--only` sends: of what answers show no refusals, and enough to find each fault of a requirement alone."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from conformance.contract.catalogue import Side, load
from conformance.judging.judge import judge
from conformance.judging.verdict import State
from conformance.probes.catalogue import count, flows
from conformance.probes.flow import Phase
from conformance.probes.plan import Plan
from conformance.proving import prove
from conformance.proving.proof import TargetKind, TrialServer
from conformance.reference.process import in_process
from conformance.reference.settings import Settings
from conformance.running import run
from conformance.settings.options import Depth, Options

SAMPLE = os.environ.get("KITEMESH_ALONE", "16")
"""How many faults of what answers show are tried, or `all` of them; or the start of the ids that they break."""
AT_ONCE = 6
ANSWERS = ("completion.", "kitemesh.", "stream.", "chunk.", "approval.")
SELDOM = {"error.rate-limit"}
"""Nothing that a run sends brings a limit about."""


def plan(depth: Depth = Depth.STANDARD) -> Plan:
    return run.plan_of(run.of_reference("http://127.0.0.1/v1", Options(depth=depth)), 1)


def names(*selected: str) -> set[str]:
    return {flow.name for flow in flows(plan(), set(selected))}


def test_the_end_of_a_stream_takes_few_requests() -> None:
    assert count(flows(plan(), {"stream.done"}))[0] <= 18


def test_every_kind_of_answer_is_there() -> None:
    assert {"accept-minimal", "accept-everything-stream", "stream-cut", "stream-long", "approval-approve",
            "approval-deny", "approval-mix"} <= names("stream.done")  # fmt: skip
    assert {"accept-everything", "accept-500-messages", "completion-output-limit"} <= names("completion.usage")


def test_answers_of_another_form_are_not() -> None:
    assert "accept-everything" not in names("stream.done")
    assert "accept-everything" not in names("approval.stream")
    assert {"accept-everything", "accept-everything-stream"} <= names("kitemesh.execution-id")
    assert {"accept-everything", "stream-cut"} <= names("stream.done", "completion.usage")


def test_what_is_refused_is_sent_where_a_requirement_speaks_of_it() -> None:
    refused = "stream-refusal-model-missing"
    assert refused not in names("stream.done")
    assert refused in names("stream.refusal-as-json")
    assert refused in names("stream.done", "stream.refusal-as-json")
    assert refused in names("stream.done", "http.json")


def test_bodies_are_drawn_where_they_show_something() -> None:
    for selected in ({"stream.done"}, {"resume.race"}, {"robust.recovers"}):
        assert flows(plan(), selected, drawn=True) == []
    assert flows(plan(), {"reject.generated"}, drawn=True) != []


# --- each requirement alone, and its faults


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    with in_process(Settings(), factory="conformance.proving.prove:serve_all") as url:
        yield url


Wanted = list[tuple[TrialServer, str]]


def states(url: str, wanted: Wanted, depth: Depth = Depth.STANDARD, *, alone: bool = True) -> dict[str, State]:
    """By target and requirement, what comes of the requirement where it alone is selected, or in a whole run."""

    async def one(target: TrialServer, id_: str, slots: asyncio.Semaphore) -> State:
        async with slots:
            told = replace(prove.options(url, target), only=(id_,) if alone else (), depth=depth)
            again = id_.startswith("isolation.")
            made = await run.record(told, prove.SEED, patience=prove.PATIENCE, limits=prove.LIMITS, again=again)
            return judge(made, opinions=False).verdict[id_].state

    async def each() -> list[State]:
        slots = asyncio.Semaphore(AT_ONCE)
        return await asyncio.gather(*(one(target, id_, slots) for target, id_ in wanted))

    return {f"{target.id} {id_}": state for (target, id_), state in zip(wanted, asyncio.run(each()), strict=True)}


def sample() -> Wanted:
    broken = (TargetKind.FAULT, TargetKind.WARNED)
    known = [t for t in prove.targets() if t.kind in broken and t.requirement not in SELDOM]
    of = ANSWERS if SAMPLE == "all" or SAMPLE.isdigit() else SAMPLE
    known = [t for t in known if (t.requirement or "").startswith(of)]
    if SAMPLE.isdigit():
        known = random.Random(1).sample(known, int(SAMPLE))
    return [(target, target.requirement or "") for target in known]


@pytest.mark.parametrize("depth", [Depth.STANDARD, Depth.QUICK])
def test_each_requirement_alone_is_exercised(servers: str, depth: Depth) -> None:
    ids = [one.id for one in load().of(Side.SERVER) if one.id.startswith(ANSWERS)]
    ids = [id_ for id_ in ids if depth is Depth.STANDARD or load()[id_].quick]
    came = states(servers, [(prove.CONFORMING, id_) for id_ in ids], depth)
    assert {what: state for what, state in came.items() if state is not State.PASSED} == {}


def test_a_fault_is_found_by_what_its_requirement_alone_sends(servers: str) -> None:
    missed = sample()
    for _ in range(2):  # a busy machine stretches what takes time
        came = states(servers, missed)
        missed = [(target, id_) for target, id_ in missed if came[f"{target.id} {id_}"] is not State.FAILED]
    whole = states(servers, missed, alone=False)  # what a whole run does not find either is no matter of --only
    assert [what for what, state in whole.items() if state is State.FAILED] == []


def test_the_first_requests_are_always_sent() -> None:
    every = [flow.name for flow in flows(plan()) if flow.phase is Phase.OPENING]
    for id_ in ("stream.done", "completion.usage", "resume.race"):
        assert [flow.name for flow in flows(plan(), {id_}) if flow.phase is Phase.OPENING] == every
