"""What `--only` sends: enough to exercise each requirement alone and to find its faults, and not much more."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import pytest

from conformance.contract.catalogue import Requirement, Side, load
from conformance.evidence.evidence import Evidence
from conformance.judging.judge import judge
from conformance.judging.verdict import State
from conformance.probes import catalogue, shown
from conformance.probes.plan import Plan
from conformance.proving import prove
from conformance.proving.proof import TargetKind, TrialServer
from conformance.reference.process import in_process
from conformance.reference.settings import Settings
from conformance.running import run
from conformance.settings.options import Depth, Options
from conformance.transcript.exchange import Transcript

ANEW = "the flows have changed: nox -s shown measures anew which of them each requirement needs"
SERVER = tuple(load().of(Side.SERVER))
SPEAKS_OF_WHAT_COMES_SELDOM = {"error.rate-limit": "nothing that a run sends brings a limit about"}
AT_ONCE = 6
SAMPLE = int(os.environ.get("KITEMESH_SHOWN", "24"))
"""How many faults are tried."""


def plan(quick: bool = False) -> Plan:
    told = run.of_reference("http://127.0.0.1/v1", Options(depth=Depth.QUICK if quick else Depth.STANDARD))
    return run.plan_of(told, 1)


def known_families(quick: bool) -> set[str]:
    return {
        shown.family(flow)
        for make in (*catalogue.FIXED, *catalogue.DRAWN)
        for flow in make(plan(quick))
        if flow.quick or not quick
    }


@pytest.mark.parametrize("quick", [False, True])
def test_the_table_names_flows_that_there_are(quick: bool) -> None:
    named = frozenset().union(*shown.table(quick).values())
    assert named <= known_families(quick), ANEW


@pytest.mark.parametrize("quick", [False, True])
def test_the_table_has_every_requirement(quick: bool) -> None:
    due = {one.id for one in SERVER if one.quick or not quick} - SPEAKS_OF_WHAT_COMES_SELDOM.keys()
    assert due <= shown.table(quick).keys(), ANEW


def test_what_is_not_selected_is_not_sent() -> None:
    every = {flow.name for flow in catalogue.flows(plan())}
    for id_ in ("accept.minimal", "stream.done", "reject.model", "reject.generated"):
        assert {flow.name for flow in catalogue.flows(plan(), {id_})} < every | {"approval-quick"}


def test_an_end_of_a_stream_takes_a_dozen_requests() -> None:
    assert catalogue.count(catalogue.flows(plan(), {"stream.done"}))[0] <= 12


def test_all_generated_bodies_of_a_kind_are_sent_where_they_are_wanted() -> None:
    def drawn(selected: set[str] | None, word: str) -> set[str]:
        return {flow.name for flow in catalogue.flows(plan(), selected) if flow.name.startswith(f"generated-{word}")}

    assert drawn({"accept.generated"}, "natural") == drawn(None, "natural") != set()
    assert drawn({"accept.generated"}, "temperature") == set()
    assert drawn({"reject.generated"}, "temperature") == drawn(None, "temperature") != set()
    assert drawn({"stream.done"}, "") == set()


# --- each requirement alone, and its faults


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    with in_process(Settings(), factory="conformance.proving.prove:serve_all") as url:
        yield url


async def _alone(url: str, target: TrialServer, id_: str, depth: Depth, slots: asyncio.Semaphore) -> Transcript:
    async with slots:
        told = replace(prove.options(url, target), only=(id_,), depth=depth)
        return await run.record(told, prove.SEED, patience=prove.PATIENCE, again=id_.startswith("isolation."))


def recorded(url: str, wanted: Sequence[tuple[TrialServer, str]], depth: Depth) -> list[Transcript]:
    async def all_() -> list[Transcript]:
        slots = asyncio.Semaphore(AT_ONCE)
        return list(await asyncio.gather(*(_alone(url, target, id_, depth, slots) for target, id_ in wanted)))

    return asyncio.run(all_())


@cache
def of_the_conforming(url: str, depth: Depth) -> dict[str, Transcript]:
    wanted = [one.id for one in SERVER if one.id in shown.table(depth is Depth.QUICK)]
    return dict(zip(wanted, recorded(url, [(prove.CONFORMING, id_) for id_ in wanted], depth), strict=True))


@pytest.mark.parametrize("depth", [Depth.STANDARD, Depth.QUICK])
@pytest.mark.parametrize("requirement", SERVER, ids=lambda one: one.id)
def test_each_requirement_alone_is_exercised(servers: str, requirement: Requirement, depth: Depth) -> None:
    if requirement.id not in shown.table(depth is Depth.QUICK):
        assert requirement.id in SPEAKS_OF_WHAT_COMES_SELDOM or not requirement.quick
        return
    transcript = of_the_conforming(servers, depth)[requirement.id]
    outcome = judge(transcript, opinions=False).verdict[requirement.id]
    assert outcome.state is State.PASSED, outcome.reason
    most = catalogue.count(catalogue.flows(plan(depth is Depth.QUICK), {requirement.id}))[0]
    sent = {exchange.note.probe for exchange in transcript if exchange.note.phase != "weather"}
    assert len(sent) <= most
    judged = {reading.note.flow for reading in Evidence(transcript).all if reading.name in outcome.judged}
    assert judged


def sample() -> list[TrialServer]:
    broken = (TargetKind.FAULT, TargetKind.WARNED)
    faults = [t for t in prove.targets() if t.kind in broken and t.requirement not in SPEAKS_OF_WHAT_COMES_SELDOM]
    seed = os.environ.get("KITEMESH_SHOWN_SEED", "1")
    return random.Random(seed).sample(faults, min(SAMPLE, len(faults)))


@cache
def of_the_faults(url: str) -> dict[str, Transcript]:
    wanted = [(target, target.requirement or "") for target in sample()]
    made = recorded(url, wanted, Depth.STANDARD)
    return {target.key: transcript for (target, _), transcript in zip(wanted, made, strict=True)}


@pytest.mark.parametrize("target", sample(), ids=lambda target: target.id)
def test_a_fault_is_found_by_what_its_requirement_alone_sends(servers: str, target: TrialServer) -> None:
    verdict = judge(of_the_faults(servers)[target.key], opinions=False).verdict
    assert verdict[target.requirement or ""].state is State.FAILED
