"""A conforming server behind limits, outages and restarts is conformant; what a body brings about is found as well.

Short ones here; `nox -s frontends` runs the real programs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import ASGIApp

from conformance.judging import judge as judging
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
AT_ONCE = 12


def options(url: str, **told: Any) -> Options:
    given: dict[str, Any] = {"model": DEFAULT_MODEL, "token": SETTINGS.tokens[0], "depth": Depth.QUICK}
    return Options(url=f"{url}/v1", approval_prompt=DEFAULT_APPROVAL_PROMPT, **{**given, **told}).checked()


Story = Callable[[], Awaitable[Transcript]]
"""Records a run; none is told twice."""


def behind(rule: Rule, behaviour: Behaviour = CONFORMING, **told: Any) -> Story:
    """A run against a conforming or a faulty server behind a rule."""

    async def tell() -> Transcript:
        with served(rule, SETTINGS, behaviour) as url:
            return await run.record(options(url, **told), 3)

    return tell


def behind_a_door(prepare: Callable[[Door], None], app: ASGIApp | None = None, **told: Any) -> Story:
    """A run against a server behind a door to which something happens."""

    async def tell() -> Transcript:
        with in_thread(app or create_app(SETTINGS)) as url:
            door = Door(int(url.rpartition(":")[2]))
            await door.open()
            prepare(door)
            try:
                return await run.record(options(f"http://127.0.0.1:{door.address}", **told), 3)
            finally:
                await door.shut()

    return tell


def restarted(at: int, seconds: float, reset: bool) -> Story:
    def prepare(door: Door) -> None:
        door.at, door.then = at, lambda: door.restart(seconds, reset=reset)

    return behind_a_door(prepare)


def forgetful(at: int) -> Story:
    """A restart in which approvals are lost."""
    process = Process(SETTINGS)

    def prepare(door: Door) -> None:
        async def restart() -> None:
            process.start()
            await door.restart(0.5)

        door.at, door.then = at, restart

    return behind_a_door(prepare, process, depth=Depth.STANDARD, only=("resume",))


def gone_for_good(door: Door) -> None:
    door.at, door.then = 30, lambda: door.shut(reset=True)


def crashing(door: Door) -> None:
    door.crash, door.back_after = (lambda octets: b'"messages":[]' in octets), 0.3


def failing(rule: Rule) -> Story:
    return behind(rule, by_id("messages-empty-500").behaviour, only=("reject", "error"))


@pytest.fixture(scope="module")
def reports(request: pytest.FixtureRequest) -> dict[Story, Result]:
    """The reports of all stories that tests were selected with. They mostly wait, so several are told at a time."""
    items = [item for item in request.session.items if item.module is request.module]  # type: ignore[attr-defined]
    stories: list[Story] = [item.callspec.params["story"] for item in items]  # type: ignore[attr-defined]
    turn = asyncio.Semaphore(AT_ONCE)

    async def tell(story: Story) -> Transcript:
        async with turn:
            return await story()

    async def tell_all() -> list[Transcript]:
        return await asyncio.gather(*map(tell, stories))

    return {story: judging.judge(told) for story, told in zip(stories, asyncio.run(tell_all()), strict=True)}


@pytest.fixture
def report(reports: dict[Story, Result], story: Story) -> Result:
    return reports[story]


def must_fail(report: Result) -> list[str]:
    return [o.requirement.id for o in report.verdict.outcomes if report.verdict.counts(o)]


OUTAGES = {
    "maintenance": (behind(down(0.3, 1.8, SHED)), "status 503"),
    "upstream-down": (behind(down(0.2, 1.7, DEAD)), "502"),
    "starting-up": (behind(down(0.0, 1.0, SHED)), "503"),
    "429": (behind(window(20, 1.0, LIMITED)), ""),
    "limit-req": (behind(bucket(20, 2, SHED)), ""),
    "concurrency": (behind(at_once(2, SHED)), ""),
    "sheds-load": (behind(now_and_then(0.05, 5, SHED)), ""),
}


@pytest.mark.parametrize(("story", "told"), OUTAGES.values(), ids=OUTAGES)
def test_outages_and_limits_break_nothing(report: Result, told: str) -> None:
    assert must_fail(report) == []
    assert report.verdict.conclusion is Conclusion.CONFORMANT, report.verdict.sentence
    assert told in " ".join(report.notes)


RESTARTS = [(2, 0.3, True), (5, 1.0, False), (30, 0.3, False), (30, 1.0, True), (50, 0.3, True), (50, 1.0, False)]


@pytest.mark.parametrize("story", [restarted(*how) for how in RESTARTS], ids=map(str, RESTARTS))
def test_a_restart_is_waited_for(report: Result) -> None:
    assert must_fail(report) == []
    assert report.verdict.conclusion is Conclusion.CONFORMANT, report.verdict.sentence


@pytest.mark.parametrize("story", [forgetful(8), forgetful(20)], ids=("8", "20"))
def test_approvals_that_a_restart_forgets_are_no_breach(report: Result) -> None:
    assert [o.requirement.id for o in report.verdict.outcomes if o.state is State.FAILED] == []
    assert report.verdict.conclusion is Conclusion.CONFORMANT, report.verdict.sentence


@pytest.mark.parametrize("story", [behind_a_door(gone_for_good, down_for=1.0)], ids=["gone"])
def test_a_target_that_goes_away_for_good_ends_the_run(report: Result) -> None:
    assert report.verdict.conclusion is not Conclusion.CONFORMANT
    assert "did not come back" in str(report.transcript.options["stopped"])
    assert not any(finding.intermittent for finding in report.findings)


@pytest.mark.parametrize("story", [behind_a_door(crashing, only=("reject", "accept"))], ids=["crash"])
def test_a_body_that_brings_the_process_down_is_named(report: Result) -> None:
    assert "reject.messages" in must_fail(report)
    assert {finding.exchange.partition("~")[0] for finding in report.verdict["reject.messages"].findings} <= {
        "reject-messages-empty"
    }


BAD_WEATHER = {
    "maintenance": failing(down(0.3, 1.3, SHED)),
    "429": failing(window(25, 1.0, LIMITED)),
    "sheds-load": failing(now_and_then(0.05, 5, SHED)),
}


@pytest.mark.parametrize("story", BAD_WEATHER.values(), ids=BAD_WEATHER)
def test_a_body_that_is_answered_by_500_is_found_in_bad_weather_too(report: Result) -> None:
    assert report.verdict["error.no-server-error"].state is State.FAILED


@pytest.mark.parametrize("story", [behind(down(0.0, 1e9, DEAD))], ids=["dead"])
def test_a_target_that_serves_nothing_ends_the_run_after_four_answers(report: Result) -> None:
    assert report.verdict.conclusion is Conclusion.INCONCLUSIVE
    assert len(report.transcript) <= 4
    assert "502" in report.verdict.sentence
