"""The pace of a run, on a clock of its own: no second is waited for."""

from __future__ import annotations

import asyncio
import math
import random
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from conformance.wire import pace
from conformance.wire.pace import Pace


class _Skipping(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer, so that waiting takes no time."""

    def __init__(self) -> None:
        super().__init__(selectors.DefaultSelector())
        self._skipped = 0.0

    def time(self) -> float:
        return super().time() + self._skipped

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            self._skipped += max(0.0, self._scheduled[0].when() - self.time())
        super()._run_once()  # type: ignore[misc]


def play(story: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    with asyncio.Runner(loop_factory=_Skipping) as runner:
        return runner.run(story())


async def send(pace_: Pace, target: Callable[[float], float | None], seconds: float = 0.01) -> tuple[int, float]:
    """One request, again while the target refuses it; gives how often it was sent, and when it was served.

    `target` takes the time and gives None, or the seconds that its `Retry-After` says.
    """
    clock = asyncio.get_running_loop().time
    count = 0
    while True:
        count += 1
        async with pace_:
            sent = clock()
            refused = target(sent)
            await asyncio.sleep(seconds)
        if refused is None:
            pace_.served()
            return count, clock()
        pace_.complain(sent, refused)


def window(count: int, seconds: float) -> Callable[[float], float | None]:
    """No more than so many in so many seconds; else `Retry-After`, in whole seconds."""
    passed: list[float] = []

    def target(at: float) -> float | None:
        if len(passed) >= count and passed[-count] > at - seconds:
            return math.ceil(passed[-count] + seconds - at)
        passed.append(at)
        return None

    return target


@pytest.mark.parametrize(("count", "seconds"), [(10, 1.0), (5, 1.0), (60, 60.0), (2, 1.0)])
@pytest.mark.parametrize("at_once", [1, 8, 64])
def test_a_limit_of_requests_costs_no_more_than_half_as_long_again(count: int, seconds: float, at_once: int) -> None:
    async def story() -> tuple[int, float]:
        pace_, target = Pace(at_once), window(count, seconds)
        began = asyncio.get_running_loop().time()
        made = await asyncio.gather(*(send(pace_, target) for _ in range(300)))
        return sum(n for n, _ in made), max(at for _, at in made) - began

    sent, took = play(story)
    assert took <= 1.5 * 300 / (count / seconds)
    assert sent <= 300 * 1.35 + 2 * at_once


def test_no_limit_costs_nothing() -> None:
    async def story() -> tuple[float, int]:
        pace_ = Pace(8)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(send(pace_, lambda at: None) for _ in range(80)))
        return asyncio.get_running_loop().time() - began, pace_.at_once

    took, at_once = play(story)
    assert took == pytest.approx(0.1, abs=0.09)
    assert at_once == 8


def test_what_one_is_told_to_wait_all_wait() -> None:
    async def story() -> float:
        pace_ = Pace(8)
        clock = asyncio.get_running_loop().time
        pace_.complain(clock(), 5.0)
        began = clock()
        await send(pace_, lambda at: None)
        return clock() - began

    assert play(story) >= 5.0


def test_a_complaint_halves_how_many_are_under_way_down_to_one_and_calm_raises_it() -> None:
    async def story() -> list[int]:
        pace_ = Pace(8)
        seen = []
        for _ in range(5):
            await asyncio.sleep(2 * pace.BURST)
            now = asyncio.get_running_loop().time()
            pace_.complain(now)
            pace_.complain(now)  # it is the same complaint
            seen.append(pace_.at_once)
        for _ in range(pace.CALM):
            pace_.served()
        return [*seen, pace_.at_once]

    assert play(story) == [4, 2, 1, 1, 1, 2]


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_limit_of_connections_slows_no_run_down_to_a_crawl(limit: int) -> None:
    """It answers 503 without `Retry-After`: what has to fall is how many are open, not how many are sent a second."""

    async def story() -> tuple[int, float]:
        pace_ = Pace(8)
        clock = asyncio.get_running_loop().time

        async def one() -> int:
            count = 0
            while True:
                count += 1
                async with pace_:
                    sent = clock()
                    shed = pace_.at_once > limit  # idle connections are open as well
                    await asyncio.sleep(0.01)
                if not shed:
                    pace_.served()
                    return count
                pace_.complain(sent, of_rate=False)
                await asyncio.sleep(0.4)

        began = clock()
        made = [await one() for _ in range(300)]
        return sum(made), clock() - began

    sent, took = play(story)
    assert took < 40
    assert sent < 1.1 * 300


def test_a_limit_that_is_gone_is_forgotten() -> None:
    async def story() -> tuple[float, float]:
        pace_ = Pace(8)
        target = window(5, 1.0)
        for _ in range(20):
            await send(pace_, target)
        slow = pace_.rate
        for _ in range(400):
            await send(pace_, lambda at: None)
        return slow or 0.0, pace_.rate or 0.0

    slow, fast = play(story)
    assert 0 < slow < 8
    assert fast > 30


def test_a_rate_that_is_given_is_kept() -> None:
    async def story() -> float:
        pace_ = Pace(8, rate=4)
        clock = asyncio.get_running_loop().time
        began = clock()
        await asyncio.gather(*(send(pace_, lambda at: None) for _ in range(40)))
        return clock() - began

    assert play(story) == pytest.approx(39 / 4, rel=0.05)


def test_alone_means_that_nothing_else_is_under_way() -> None:
    async def story() -> list[str]:
        pace_, told = Pace(8), []

        async def other(name: str) -> None:
            async with pace_:
                told.append(f"{name} begins")
                await asyncio.sleep(1)
                told.append(f"{name} ends")

        first = asyncio.ensure_future(other("one"))
        await asyncio.sleep(0.1)

        async def lone() -> None:
            async with pace_.alone():
                told.append("alone")
                await asyncio.sleep(1)
                told.append("not alone")

        second = asyncio.ensure_future(lone())
        await asyncio.sleep(0.1)
        third = asyncio.ensure_future(other("two"))
        await asyncio.gather(first, second, third)
        return told

    assert play(story) == ["one begins", "one ends", "alone", "not alone", "two begins", "two ends"]


@pytest.mark.parametrize("inside", [lambda p: p.__aenter__(), lambda p: p.turn()])
def test_who_is_cancelled_while_it_waits_holds_nothing(inside: Callable[[Pace], Awaitable[None]]) -> None:
    async def story() -> int:
        pace_ = Pace(1)
        pace_.complain(asyncio.get_running_loop().time(), 60.0)
        task = asyncio.ensure_future(inside(pace_))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return pace_._busy

    assert play(story) == 0


def test_what_was_saved_up_is_begun_together_though_the_target_limits_its_rate() -> None:
    async def story() -> list[float]:
        pace_, target = Pace(8), window(5, 1.0)
        for _ in range(30):
            await send(pace_, target)
        assert pace_.rate is not None
        pace_.at_once = 1
        began: list[float] = []

        async def one() -> None:
            async with pace_:
                began.append(asyncio.get_running_loop().time())
                await asyncio.sleep(0.01)

        await pace_.save_up(4)
        await asyncio.gather(*(one() for _ in range(6)))
        return [at - began[0] for at in began]

    began = play(story)
    assert began[1] == pytest.approx(0, abs=0.005)
    assert began[3] < 0.1
    assert began[5] - began[4] > 0.1


def test_a_rate_that_is_given_is_kept_by_what_is_to_be_begun_together() -> None:
    async def story() -> float:
        pace_ = Pace(8, rate=4)
        clock = asyncio.get_running_loop().time
        began = clock()
        await pace_.save_up(8)
        await asyncio.gather(*(send(pace_, lambda at: None) for _ in range(8)))
        return clock() - began

    assert play(story) == pytest.approx(7 / 4, rel=0.05)


def test_load_that_is_shed_slows_a_run_only_where_it_proves_to_be_a_limit() -> None:
    async def story() -> tuple[float | None, float | None]:
        pace_ = Pace(8)
        for _ in range(3):
            for _ in range(9):
                await send(pace_, lambda at: None, 0.2)
            pace_.complain(asyncio.get_running_loop().time(), of_rate=False)
        shed = pace_.rate
        pace_.slow()
        return shed, pace_.rate

    shed, limit = play(story)
    assert shed is None
    assert limit == pytest.approx(pace.SPARED * 5, rel=0.05)


async def _shed(
    pace_: Pace, count: int, target: Callable[[float], float | None], told: float | None = None
) -> tuple[int, float]:
    """So many requests, one after the other, to a target that says 503; gives how many were shed.

    `told`: the seconds that its `Retry-After` says.
    """
    clock, shed, began = asyncio.get_running_loop().time, 0, asyncio.get_running_loop().time()
    for _ in range(count):
        async with pace_:
            sent = clock()
            refused = target(sent)
            await asyncio.sleep(0.002)
        if refused is None:
            pace_.served()
        else:
            shed += 1
            pace_.complain(sent, told, of_rate=False)
    return shed, clock() - began


def test_a_limit_that_is_told_by_503_slows_a_run() -> None:
    async def story() -> tuple[int, float]:
        return await _shed(Pace(1), 600, window(10, 1.0))

    shed, took = play(story)
    assert shed <= 0.25 * 600
    assert took <= 1.5 * 600 / 10


def test_what_is_shed_at_random_slows_a_run_no_more_than_for_a_few_trials() -> None:
    async def story() -> tuple[int, float]:
        source = random.Random(5)
        return await _shed(Pace(1), 2000, lambda at: 1.0 if source.random() < 0.3 else None)

    shed, took = play(story)
    assert shed > 500
    assert took <= 60


@pytest.mark.parametrize("seed", range(5))
def test_what_is_shed_at_random_is_waited_for_by_itself_once_that_shows(seed: int) -> None:
    """`Retry-After: 1` with one answer in three: when all keep to it, the next is shed as often."""

    async def story() -> tuple[int, float]:
        source = random.Random(seed)
        return await _shed(Pace(8), 1200, lambda at: 1.0 if source.random() < 1 / 3 else None, 1.0)

    shed, took = play(story)
    assert shed > 300
    assert took <= 180


@pytest.mark.parametrize("seconds", [1.0, 2.0, 10.0])
def test_a_limit_that_is_told_by_503_is_waited_for_though_retry_after_says_too_little(seconds: float) -> None:
    async def story() -> tuple[int, float]:
        return await _shed(Pace(1), 400, window(round(10 * seconds), seconds), 1.0)

    shed, took = play(story)
    assert shed <= 0.25 * 400
    assert took <= 1.5 * 400 / 10


def test_an_outage_is_waited_for_by_all_each_time() -> None:
    async def story() -> list[int]:
        pace_, down, met = Pace(8), [20.0, 40.0, 60.0, 80.0], []
        for start in down:
            await asyncio.sleep(max(0.0, start - asyncio.get_running_loop().time() % 1000))
            began = asyncio.get_running_loop().time()
            shed, _ = await _shed(pace_, 40, lambda at, began=began: 1.0 if at < began + 5.5 else None, 1.0)
            met.append(shed)
        return met

    assert max(play(story)) <= 7
