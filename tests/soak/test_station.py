"""A worker's recording, without Locust: turns of several users against the reference server, judged as they come."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from conformance.reference.app import create_app
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_MODEL, FIRST_TOKEN, Settings
from conformance.settings.options import Options
from conformance.soak import station
from conformance.soak.account import read
from conformance.soak.markers import Key
from conformance.soak.station import Orders, Station
from conformance.soak.window import Judge

USERS = 6


@pytest.fixture(scope="module")
def url():
    with in_thread(create_app(Settings(token_interval=0.001))) as served:
        yield f"{served}/v1"


class Here:
    """Judges in this process: to start one takes longer than what most of these tests are about."""

    pid = None

    def __init__(self, key, worker, kept):
        self._judge = Judge(key, worker, dict(kept))

    async def start(self): ...

    async def judge(self, exchanges):
        return self._judge.judge(tuple(exchanges))

    def close(self): ...


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(station, "Apart", Here)


def soaked(url, turns, *, token=FIRST_TOKEN, **orders):
    """The accounts of a station at which some users took so many turns, and the station."""

    async def go():
        options = Options(url=url, model=DEFAULT_MODEL, token=token).checked()
        made = Station(options, Orders(Key("k"), 3, USERS, **orders), lambda pid: 5)
        await made.open()
        times = []

        async def user():
            for _ in range(turns):
                turn = await made.turn()
                times.extend(turn.times)
                if turn.over:
                    return

        await asyncio.gather(*(user() for _ in range(USERS)))
        first = await made.account()
        last = await made.account(final=True)
        await made.close()
        return made, [first, last], times

    return asyncio.run(go())


def test_turns_are_recorded_judged_and_dropped(url, monkeypatch):
    monkeypatch.setattr(station, "WINDOW", 20)
    made, messages, times = soaked(url, 20)
    accounts = [read(message) for message in messages]
    assert sum(one.requests for one in accounts) == sum(one.exchanges for one in accounts) == 20 * USERS
    assert sum(one.windows for one in accounts) >= 4
    assert all(one.broken == {} for one in accounts), [one.examples for one in accounts]
    assert accounts[-1].final
    assert accounts[0].memory == 5
    assert made.peak <= 20 + USERS * 2, "no more is kept than a window and what is under way"
    assert made._recorder.exchanges == []
    rows = {time.row for time in times}
    assert rows == {station.JSON, station.STREAM, station.FIRST_EVENT, station.REFUSAL}
    assert FIRST_TOKEN not in repr(messages)


@pytest.mark.skipif(os.name != "posix", reason="a process is killed")
def test_a_judge_ends_with_its_worker(tmp_path):
    program = (
        "import asyncio, os, signal\n"
        "from conformance.soak.apart import Apart\n"
        "from conformance.soak.markers import Key\n"
        "async def go():\n"
        "    judge = Apart(Key('k'), 0, {})\n"
        "    await judge.start()\n"
        "    print(judge.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(go())\n"
    )
    path = tmp_path / "killed.py"
    path.write_text(program, encoding="utf-8")
    # Standard output is shared with the judge, so it ends when both have: else this runs into its time limit.
    killed = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert killed.stdout.strip().isdigit(), "the judge was there"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("cancelled", [False, True])
def test_what_is_counted_is_judged_though_turns_are_under_way_at_the_end(url, monkeypatch, cancelled):
    async def go():
        made = Station(Options(url=url, model=DEFAULT_MODEL, token=FIRST_TOKEN).checked(), Orders(Key("k"), 3, USERS))
        await made.open()
        recorded, end = asyncio.Event(), asyncio.Event()

        async def held(recorder, flows, together=station.Recorder.together):
            await together(recorder, flows)
            recorded.set()
            await end.wait()

        monkeypatch.setattr(station.Recorder, "together", held)
        turn = asyncio.create_task(made.turn())
        await recorded.wait()
        if cancelled:
            turn.cancel()
            await asyncio.wait([turn])
        last = read(await made.account(final=True))
        end.set()
        await asyncio.wait([turn])
        await made.close()
        return last

    last = asyncio.run(go())
    assert last.requests == last.exchanges == 1


@pytest.mark.usefixtures("here")
def test_a_budget_ends_it(url):
    made, messages, _ = soaked(url, 50, max_requests=13)
    assert sum(read(message).requests for message in messages) == 13
    assert "--max-requests" in read(messages[-1]).stopped
    assert made.failed == ""


@pytest.mark.usefixtures("here")
def test_credits_end_it(url):
    _, messages, _ = soaked(url, 50, max_credits=5.0)
    assert 5 <= sum(read(message).credits for message in messages) <= 5 + USERS
    assert "--max-credits" in read(messages[-1]).stopped


@pytest.mark.usefixtures("here")
def test_a_judge_that_dies_is_the_suites_own_fault(url, monkeypatch):
    async def dead(self, exchanges):
        raise RuntimeError("the process that judges ended early")

    monkeypatch.setattr(station.Apart, "judge", dead)
    made, messages, _ = soaked(url, 3)
    assert "ended early" in made.failed
    assert read(messages[-1]).errors
