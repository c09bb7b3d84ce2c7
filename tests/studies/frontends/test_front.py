"""A conforming server behind limits, outages and restarts is conformant; what a body brings about is found as well.

Short ones here; `nox -s frontends` runs the real programs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import ASGIApp

from conformance.judging.result import Result
from conformance.judging.verdict import Conclusion, State
from conformance.reference.app import create_app
from conformance.reference.behaviour import CONFORMING, Behaviour
from conformance.reference.faults import by_id
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, Settings
from conformance.running import run
from conformance.settings.options import Depth, Options
from conformance.transcript.exchange import Transcript

from .front import (
    LIMITED,
    NGINX_502,
    NGINX_503,
    Door,
    Instead,
    Process,
    Rule,
    at_once,
    bucket,
    down,
    now_and_then,
    served,
    window,
)

SETTINGS = Settings(token_interval=0.002)
SHED = Instead(503, NGINX_503)
DEAD = Instead(502, NGINX_502)


def options(url: str, **told: Any) -> Options:
    given: dict[str, Any] = {"model": DEFAULT_MODEL, "token": SETTINGS.tokens[0], "depth": Depth.QUICK}
    return Options(url=f"{url}/v1", approval_prompt=DEFAULT_APPROVAL_PROMPT, **{**given, **told}).checked()


def behind(rule: Rule, behaviour: Behaviour = CONFORMING, **told: Any) -> Result:
    with served(rule, SETTINGS, behaviour) as url:
        return run.judge(asyncio.run(run.record(options(url, **told), 3)))


def behind_a_door(story: Callable[[Door], None], app: ASGIApp | None = None, **told: Any) -> Result:
    async def play(port: int) -> Transcript:
        door = Door(port)
        await door.open()
        story(door)
        try:
            return await run.record(options(f"http://127.0.0.1:{door.address}", **told), 3)
        finally:
            await door.shut()

    with in_thread(app or create_app(SETTINGS)) as url:
        return run.judge(asyncio.run(play(int(url.rpartition(":")[2]))))


def must_fail(report: Result) -> list[str]:
    return [o.requirement.id for o in report.verdict.outcomes if report.verdict.counts(o)]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (down(0.3, 1.8, SHED), "status 503"),
        (down(0.2, 1.7, DEAD), "502"),
        (down(0.0, 1.0, SHED), "503"),
        (window(20, 1.0, LIMITED), ""),
        (bucket(20, 2, SHED), ""),
        (at_once(2, SHED), ""),
        (now_and_then(0.05, 5, SHED), ""),
    ],
    ids=["maintenance", "upstream-down", "starting-up", "429", "limit-req", "concurrency", "sheds-load"],
)
def test_outages_and_limits_break_nothing(rule: Rule, told: str) -> None:
    report = behind(rule)
    assert must_fail(report) == []
    assert report.verdict.conclusion is Conclusion.CONFORMANT, report.verdict.sentence
    assert told in " ".join(report.notes)


@pytest.mark.parametrize(
    ("at", "seconds", "reset"),
    [(2, 0.3, True), (5, 1.0, False), (30, 0.3, False), (30, 1.0, True), (50, 0.3, True), (50, 1.0, False)],
)
def test_a_restart_is_waited_for(at: int, seconds: float, reset: bool) -> None:
    def story(door: Door) -> None:
        door.at, door.then = at, lambda: door.restart(seconds, reset=reset)

    report = behind_a_door(story)
    assert must_fail(report) == []
    assert report.verdict.conclusion is Conclusion.CONFORMANT, report.verdict.sentence


@pytest.mark.parametrize("at", [8, 20])
def test_approvals_that_a_restart_forgets_are_no_breach(at: int) -> None:
    process = Process(SETTINGS)

    def story(door: Door) -> None:
        async def restart() -> None:
            process.start()
            await door.restart(0.5)

        door.at, door.then = at, restart

    report = behind_a_door(story, process, depth=Depth.STANDARD, only=("resume",))
    assert [o.requirement.id for o in report.verdict.outcomes if o.state is State.FAILED] == []
    assert report.verdict.conclusion is Conclusion.CONFORMANT, report.verdict.sentence


def test_a_target_that_goes_away_for_good_ends_the_run() -> None:
    def story(door: Door) -> None:
        door.at, door.then = 30, lambda: door.shut(reset=True)

    report = behind_a_door(story, down_for=1.0)
    assert report.verdict.conclusion is not Conclusion.CONFORMANT
    assert "did not come back" in str(report.transcript.options["stopped"])
    assert not any(finding.intermittent for finding in report.findings)


def test_a_body_that_brings_the_process_down_is_named() -> None:
    def story(door: Door) -> None:
        door.crash, door.back_after = (lambda octets: b'"messages":[]' in octets), 0.3

    report = behind_a_door(story, only=("reject", "accept"))
    assert "reject.messages" in must_fail(report)
    assert {finding.exchange.partition("~")[0] for finding in report.verdict["reject.messages"].findings} <= {
        "reject-messages-empty"
    }


@pytest.mark.parametrize("rule", [down(0.3, 1.3, SHED), window(25, 1.0, LIMITED), now_and_then(0.05, 5, SHED)])
def test_a_body_that_is_answered_by_500_is_found_in_bad_weather_too(rule: Rule) -> None:
    report = behind(rule, by_id("messages-empty-500").behaviour, only=("reject", "error"))
    assert report.verdict["error.no-server-error"].state is State.FAILED


def test_a_target_that_serves_nothing_ends_the_run_after_four_answers() -> None:
    report = behind(down(0.0, 1e9, DEAD))
    assert report.verdict.conclusion is Conclusion.INCONCLUSIVE
    assert len(report.transcript) <= 4
    assert "502" in report.verdict.sentence
