"""What comes first, and when enough has failed, against the reference server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from conformance.judging import judge as judging
from conformance.judging.result import Result
from conformance.judging.verdict import State
from conformance.probes.flow import Phase
from conformance.reference.app import create_app
from conformance.reference.behaviour import CONFORMING, Behaviour
from conformance.reference.faults import by_id
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_MODEL, Settings
from conformance.reference.variations import VARIATIONS
from conformance.running import enough, run
from conformance.settings.options import Options
from conformance.transcript.exchange import Transcript

SETTINGS = Settings(token_interval=0.0)


def recorded(behaviour: Behaviour = CONFORMING, **options: Any) -> Result:
    with in_thread(create_app(SETTINGS, behaviour)) as url:
        told = Options(url=f"{url}/v1", model=DEFAULT_MODEL, token=SETTINGS.tokens[0], **options)
        transcript = asyncio.run(run.record(told.checked(), 7, patience=0.1))
    return judging.judge(transcript)


def test_it_stops_soon_after_a_failure_and_tells_what_was_not_judged() -> None:
    told = {"only": ("auth", "stream", "reject"), "concurrency": 1}
    whole = recorded(by_id("stream-done-absent").behaviour, **told)
    some = recorded(by_id("stream-done-absent").behaviour, **told, max_failures=1)
    assert some.verdict["stream.done"].state is State.FAILED
    assert len(some.transcript) < len(whole.transcript)
    reasons = {o.reason for o in some.verdict.outcomes if o.state is State.NOT_EXERCISED}
    assert "the recording ended before: stopped after 1 failure, as --max-failures says" in reasons


@pytest.mark.parametrize(
    ("fault", "most"),
    [
        ("stream-done-absent", 2),  # one failure is not two
        ("challenge-missing", 1),  # a warning is not a failure
    ],
)
def test_it_does_not_stop_before(fault: str, most: int) -> None:
    report = recorded(by_id(fault).behaviour, only=("auth", "stream.done"), max_failures=most)
    assert any(outcome.state is State.FAILED for outcome in report.verdict.outcomes)
    assert report.transcript.options["stopped"] == ""


def test_a_known_failure_does_not_count(tmp_path) -> None:
    known = tmp_path / "known.toml"
    known.write_text('[[known]]\nrequirement = "stream.done"\nreason = "known"\n')
    report = recorded(by_id("stream-done-absent").behaviour, only=("stream",), max_failures=1, baseline=str(known))
    assert report.transcript.options["stopped"] == ""


def test_what_failed_last_time_is_sent_first() -> None:
    report = recorded(only=("auth", "stream"), first=("stream.done",), concurrency=1)
    kinds = [b'"stream":true' in (e.request.body or b"") for e in report.transcript if e.note.phase != Phase.OPENING]
    assert kinds[0]
    assert False in kinds
    usual = recorded(only=("auth", "stream"), concurrency=1)
    assert sorted(e.name for e in report.transcript) == sorted(e.name for e in usual.transcript)


def test_half_a_flow_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the role `tool` one of two requests has to be served: the first one's refusal alone is not a failure."""
    needs_call = next(variation for variation in VARIATIONS if variation.id == "open-tool-needs-call")
    looked: list[set[str]] = []

    def spy(transcript: Transcript, known: object = None) -> list[str]:
        looked.append({exchange.name for exchange in transcript})
        return []

    monkeypatch.setattr(judging, "failed", spy)
    monkeypatch.setattr(enough, "EVERY", 0.001)
    whole = recorded(needs_call.behaviour, only=("accept",), max_failures=1, concurrency=1)
    both = {"accept-tool-bare", "accept-tool-history"}
    assert both <= {exchange.name for exchange in whole.transcript}
    assert {len(both & names) for names in looked} == {0, 2}
