"""Schemathesis beside our own checks: it is asked about its own cases only, and changes no outcome."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cache

import pytest

from conformance.contract.classify import CHAT, Due, classify
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding
from conformance.judging import judge as judging
from conformance.judging import second_opinion
from conformance.judging.result import Result
from conformance.probes import coverage, flow
from conformance.probes.plan import Plan
from conformance.reference.app import create_app
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_MODEL, Settings
from conformance.running import run
from conformance.settings.options import Options
from conformance.transcript.exchange import Transcript
from conformance.wire.limits import Limits

SETTINGS = Settings(token_interval=0.0)


@cache
def judged() -> Result:
    """A run at depth deep, without other generated bodies."""
    with in_thread(create_app(SETTINGS)) as url:
        options = Options(url=f"{url}/v1", model=DEFAULT_MODEL, token=SETTINGS.tokens[0], depth="deep", examples=0)
        told = replace(options, only=("reject", "accept")).checked()
        transcript = asyncio.run(run.record(told, 1, limits=Limits.scaled(10), again=False))
    return judging.judge(transcript)


def test_the_cases_are_what_the_contract_says_they_are() -> None:
    assert len(coverage.cases()) > 80
    for case in coverage.cases():
        asked = classify("POST", CHAT, {"content-type": "application/json"}, coverage.octets(case, DEFAULT_MODEL),
                         model=DEFAULT_MODEL)  # fmt: skip
        assert asked.due is (Due.ACCEPT if coverage.is_positive(case) else Due.REFUSE), asked.reason


def test_only_a_deep_run_sends_them() -> None:
    model = DEFAULT_MODEL
    assert list(coverage.flows(Plan(model=model, seed=1))) == []
    sends = [next(made.steps(1)) for made in coverage.flows(Plan(model=model, seed=1, depth="deep"))]
    assert [send.name for send in sends if isinstance(send, flow.Send)] == [
        f"coverage-{number}" for number in range(1, len(coverage.cases()) + 1)
    ]


def test_of_a_conforming_server_it_finds_nothing_wrong() -> None:
    report = judged()
    said = second_opinion.opinions(Evidence(report.transcript))
    assert len(said) > 80
    assert set(said.values()) == {()}
    assert not any("Schemathesis" in note for note in report.notes)


@pytest.fixture
def evidence() -> Evidence:
    return Evidence(judged().transcript)


def _wrong(evidence: Evidence, number: int, status: int) -> Evidence:
    """The same transcript with another status on one case."""
    name = f"coverage-{number}"
    changed = [
        replace(e, response=replace(e.response, status=status)) if e.name == name and e.response else e
        for e in (reading.exchange for reading in evidence.all)
    ]
    return Evidence(Transcript(tuple(changed), evidence.options))


def test_it_objects_to_a_breach_that_is_served(evidence: Evidence) -> None:
    negative = next(n for n, case in enumerate(coverage.cases(), 1) if not coverage.is_positive(case))
    name = f"coverage-{negative}"
    changed = _wrong(evidence, negative, 200)
    said = second_opinion.opinions(changed)
    assert said[name]
    finding = Finding("reject.generated", name, "accepted", "a 4xx error", "status 200")
    told = second_opinion.told({"reject.generated": [finding]}, said)["reject.generated"]
    assert isinstance(told[0], Finding)
    assert told[0].second_opinion.startswith("Schemathesis fails it too: ")
    assert second_opinion.alone([finding], said) == []
    assert [name for name, _ in second_opinion.alone([], said)] == [name]


def test_what_it_alone_objects_to_is_a_remark_and_fails_nothing(evidence: Evidence, monkeypatch) -> None:
    monkeypatch.setattr(second_opinion, "opinions", lambda evidence: {"coverage-1": ("Too long",), "coverage-2": ()})
    report = judging.judge(Transcript(tuple(r.exchange for r in evidence.all), evidence.options))
    assert [note for note in report.notes if "Schemathesis" in note] == [
        "Schemathesis alone objects to 1 answer, which no requirement covers: Too long (coverage-1)."
    ]
    assert report.verdict == judged().verdict


def test_a_finding_says_that_it_disagrees(evidence: Evidence) -> None:
    finding = Finding("stream.done", "coverage-1", "no [DONE]", "data: [DONE]", "the end")
    told = second_opinion.told({"stream.done": [finding]}, second_opinion.opinions(evidence))["stream.done"]
    assert isinstance(told[0], Finding)
    assert told[0].second_opinion == "Schemathesis finds nothing wrong with it"


def test_of_a_body_that_is_none_of_its_cases_nothing_is_said(evidence: Evidence) -> None:
    one = next(r.exchange for r in evidence.all if r.name == "coverage-1")
    for changed in (
        replace(one, request=replace(one.request, body=b"{}")),
        replace(one, name="coverage-0", note=replace(one.note, probe="coverage-0")),
        replace(one, name="coverage-x", note=replace(one.note, probe="coverage-x")),
    ):
        assert second_opinion.opinions(Evidence(Transcript((changed,), evidence.options))) == {}
