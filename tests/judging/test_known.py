"""A baseline that names what a fault breaks lets the gate pass: what the fault hides is laid to it."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest

from conformance.judging import gate as decision
from conformance.judging import judge as judging
from conformance.judging.baseline import Baseline
from conformance.reference.app import PREFIX, create_many
from conformance.reference.faults import by_id
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, FIRST_TOKEN, SECOND_TOKEN, Settings
from conformance.running import run
from conformance.settings.options import Options
from conformance.transcript.exchange import Transcript

FAULTS = ("stream-json-lines", "approval-id-missing", "call-id-of-openai", "expires-before-now")
"""Faults that end chains early, each in another way; `prove` holds every fault to the same."""


@pytest.fixture(scope="module")
def recorded() -> dict[str, Transcript]:
    """A run against each, all at once."""
    servers = {fault: by_id(fault).behaviour for fault in FAULTS}

    async def record(url: str) -> list[Transcript]:
        told = [
            Options(
                url=f"{url}{PREFIX}{fault}/v1",
                model=DEFAULT_MODEL,
                token=FIRST_TOKEN,
                second_token=SECOND_TOKEN,
                approval_prompt=DEFAULT_APPROVAL_PROMPT,
                examples=1,
            )
            for fault in FAULTS
        ]
        return await asyncio.gather(*(run.record(options, 1, patience=0.1, again=False) for options in told))

    with in_thread(create_many(Settings(token_interval=0.001), servers)) as url:
        return dict(zip(FAULTS, asyncio.run(record(url)), strict=True))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_gate_that_knows_every_failure_passes(recorded: dict[str, Transcript], fault: str) -> None:
    today = date(2026, 9, 21)
    report = judging.judge(recorded[fault])
    first = decision.decide(report.verdict, recorded[fault], Baseline("none", ()), today=today)
    assert not first.passed
    entries = tuple(decision.present(report.verdict, recorded[fault], first))
    gate = decision.decide(report.verdict, recorded[fault], Baseline("known", entries), today=today)
    assert gate.passed, gate.sentence
