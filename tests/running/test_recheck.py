"""What is recorded once more, against the reference server: smaller bodies, several faults, whims, budgets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from checks.exchanges import chat_stream, events_of, judged, with_events

from conformance.judging import judge as judging
from conformance.judging.result import Result
from conformance.judging.verdict import State
from conformance.probes.flow import AGAIN, SMALLER, Phase
from conformance.reference.app import create_app
from conformance.reference.behaviour import CONFORMING, Behaviour
from conformance.reference.faults import by_id
from conformance.reference.making import together
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_MODEL, Settings
from conformance.report.vectors import vectors
from conformance.running import recheck, run
from conformance.settings.options import Options
from conformance.settings.vectors import loads, replayed
from conformance.transcript.exchange import Exchange
from conformance.wire.recorder import ATTEMPTS

SETTINGS = Settings(token_interval=0.0)
AREAS = ("accept", "reject")


def recorded(behaviour: Behaviour, areas: tuple[str, ...] = AREAS, **options: Any) -> Result:
    with in_thread(create_app(SETTINGS, behaviour)) as url:
        told = Options(url=f"{url}/v1", model=DEFAULT_MODEL, token=SETTINGS.tokens[0], only=areas, **options)
        transcript = asyncio.run(run.record(replayed(told).checked(), 7, patience=0.1))
    return judging.judge(transcript)


@cache
def of_fault(fault: str) -> Result:
    """A run against one fault, as it is."""
    return recorded(by_id(fault).behaviour)


def findings(report: Result, requirement: str) -> list[tuple[Any, Any]]:
    """(finding, request's body) of each finding of the requirement."""
    bodies = {exchange.name: exchange.request.body or b"null" for exchange in report.transcript}
    return [(found, json.loads(bodies[found.exchange])) for found in report.verdict[requirement].findings]


def test_the_finding_shows_the_smallest_body_that_fails() -> None:
    report = of_fault("rich-role-accepted")
    smallest = [body for finding, body in findings(report, "reject.generated") if finding.shrunk_from]
    assert smallest
    for body in smallest:
        # It looks at no role from the second message on.
        assert len(body["messages"]) <= 4
        assert set(body) == {"model", "messages"}
    assert report.verdict["reject.generated"].state is State.FAILED
    assert [o.requirement.id for o in report.verdict.outcomes if o.state is State.FAILED] == ["reject.generated"]


def test_several_faults_are_all_told_each_with_its_smallest_body() -> None:
    faults = [by_id(name).behaviour for name in ("rich-mode-accepted", "rich-content-accepted")]
    report = recorded(_both(*faults))
    found = findings(report, "reject.generated")
    kinds = {f.exchange.split("-stream")[0].split("-json")[0] for f, _ in found}
    assert any(kind.startswith("generated-mode") for kind in kinds)
    assert any(kind.startswith("generated-content") for kind in kinds)


def test_a_fault_that_many_bodies_show_keeps_no_other_from_being_shrunk() -> None:
    both = together(by_id("rich-temperature-accepted").behaviour, by_id("error-code-integer").behaviour)
    report = recorded(both, (*AREAS, "error"))
    # All refusals break error.schema, more bodies than are sent again; fixed probes show it as well.
    generated = {f.exchange for f in report.verdict["error.schema"].findings if f.exchange.startswith("generated-")}
    assert len(generated) > recheck.GENERATED_AGAIN
    assert any(finding.shrunk_from for finding, _ in findings(report, "reject.generated"))


def test_a_transcript_that_is_judged_again_says_the_same_of_smaller_bodies() -> None:
    report = of_fault("rich-mode-accepted")
    again = judging.judge(report.transcript)
    assert again.verdict == report.verdict
    assert any(exchange.note.round == SMALLER for exchange in report.transcript)


def test_what_does_not_fail_again_is_told_unshrunk() -> None:
    report = recorded(_once(by_id("rich-mode-accepted").behaviour))
    found = findings(report, "reject.generated")
    assert [f.intermittent for f, _ in found] == [True] * len(found) != []
    assert not any(f.shrunk_from for f, _ in found)
    assert not any(exchange.note.round == SMALLER for exchange in report.transcript)


def test_a_breach_that_shows_only_when_the_flow_is_sent_once_more_is_intermittent() -> None:
    """A stream that runs into the next second, of a server that stamps each chunk: it is not to be shrunk."""

    def late(one: Exchange) -> Exchange:
        *others, last, done = events_of(one)
        return with_events(one, [*others, {**last, "created": last["created"] + 1}, done])

    good = chat_stream("g", probe="g", flow="g", phase="generated")
    repeated = late(chat_stream("g#4", probe="g", flow="g", phase="generated", round=AGAIN))
    verdict = judged(good, repeated)
    (finding,) = verdict["chunk.created-stable"].findings
    assert finding.intermittent
    verdict = judged(late(good), repeated)
    assert [finding.intermittent for finding in verdict["chunk.created-stable"].findings] == [False]


def test_a_generated_body_that_tells_nothing_new_is_not_asked_again_after_three_server_errors() -> None:
    """A slow target that fails on many bodies would be asked each of them six times and more."""
    report = recorded(by_id("role-unknown-500").behaviour, (*AREAS, "error"))
    assert report.verdict["error.no-server-error"].state is State.FAILED
    failing = {
        exchange.note.probe
        for exchange in report.transcript
        if exchange.note.phase == Phase.GENERATED and exchange.status == 500 and exchange.note.attempt == ATTEMPTS
    }
    assert failing
    assert not [e.name for e in report.transcript if e.note.probe in failing and e.note.round == AGAIN]
    assert not any(finding.intermittent for outcome in report.verdict.outcomes for finding in outcome.findings)


def test_a_budget_binds_the_search_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recheck, "EACH", 3)
    report = recorded(by_id("rich-mode-accepted").behaviour)
    smaller = [exchange for exchange in report.transcript if exchange.note.round == SMALLER]
    searches = {exchange.note.flow for exchange in smaller}
    assert 0 < len(smaller) <= 3 * len(searches)
    assert any("Shrinking reached its limits" in note for note in report.notes)


def test_max_requests_binds_the_search_too() -> None:
    whole = of_fault("rich-mode-accepted")
    first = sum(1 for exchange in whole.transcript if exchange.note.round < SMALLER)
    report = recorded(by_id("rich-mode-accepted").behaviour, max_requests=first + 2)
    assert len(report.transcript) <= first + 2
    assert any("--max-requests" in note for note in report.notes)
    assert report.verdict["reject.generated"].state is State.FAILED


def test_what_failed_is_replayed_and_no_longer_fails_a_mended_server(tmp_path) -> None:
    broken = of_fault("rich-role-accepted")
    path = tmp_path / "vectors.json"
    path.write_bytes(vectors(broken))
    kept = loads(path.read_bytes())
    assert {vector.breach for vector in kept} & {"role-enum", "role-type"}

    again = recorded(by_id("rich-role-accepted").behaviour, replay=str(path), depth="quick")
    outcome = again.verdict["reject.generated"]
    assert outcome.state is State.FAILED
    assert {f.exchange.split("#")[0] for f in outcome.findings} == {
        f"replay-{vector.breach}-{number}" for number, vector in enumerate(kept, 1)
    }
    mended = recorded(CONFORMING, replay=str(path), depth="quick")
    assert mended.verdict["reject.generated"].state is State.PASSED
    assert mended.verdict["accept.generated"].state is State.NOT_SELECTED


def test_a_run_without_failing_bodies_writes_no_vectors() -> None:
    assert loads(vectors(recorded(CONFORMING))) == ()


def _both(one: Behaviour, other: Behaviour) -> Behaviour:
    """What either lets pass, passes."""
    from conformance.reference.making import together

    return together(one, other)


def _once(behaviour: Behaviour) -> Behaviour:
    """The fault shows only the first time that a body comes."""
    seen: set[bytes] = set()
    lenient: Callable[..., Any] = behaviour.breaches

    def breaches(incoming: Any, errors: Any) -> Any:
        if incoming.body in seen:
            return errors
        seen.add(incoming.body)
        return lenient(incoming, errors)

    return replace(behaviour, breaches=breaches)
