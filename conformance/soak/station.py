"""A worker's recording: the client, the windows that wait for judging, and what has been found since the last account.

All of it lives in one asyncio loop, in a thread of its own. It knows nothing of Locust: whoever drives it asks for one
turn after another and gets the times of each.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from conformance.contract import classify
from conformance.running import run
from conformance.settings.options import Options
from conformance.settings.version import VERSION
from conformance.soak import asking
from conformance.soak.account import Account
from conformance.soak.apart import Apart
from conformance.soak.markers import REQUESTS, Key, Marker
from conformance.soak.window import WindowResult
from conformance.transcript import sse
from conformance.transcript.exchange import Exchange
from conformance.transcript.redaction import Redactor
from conformance.wire.client import Client
from conformance.wire.limits import Limits
from conformance.wire.pace import Pace
from conformance.wire.patience import Patience
from conformance.wire.reach import route
from conformance.wire.recorder import Budget, Judgement, Recorder

WINDOW = 100
"""Exchanges that are judged together."""
HEAVY = 4 * 2**20
"""Octets of answers after which a window is judged before it is full."""
WAITING = 2
"""Windows that may wait for the judge; then the users wait."""
STALE = 2.0
"""Seconds after which a window is judged though it is not full."""

JSON, STREAM, FIRST_EVENT, REFUSAL, OTHER = (
    "JSON answer", "stream, to its end", "stream, to its first event", "refusal", "excused or unexpected",
)  # fmt: skip
ROWS = (JSON, STREAM, FIRST_EVENT, REFUSAL, OTHER)
"""The rows of the table of times."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is told before it begins."""

    key: Key
    worker: int
    users: int
    """That it may have to bear."""
    max_requests: int | None = None
    max_credits: float | None = None


@dataclass(frozen=True, slots=True)
class Time:
    """One time, for the statistics."""

    row: str
    seconds: float
    octets: int


@dataclass(frozen=True, slots=True)
class TurnOutcome:
    """What came of one turn of a user."""

    times: tuple[Time, ...] = ()
    over: bool = False
    """True: nothing more is sent."""


class _Everybody(Pace):
    """Lets every user ask at any time: how many there are is what a soak is about, so a 429 makes nobody else wait."""

    def complain(self, sent: float, seconds: float | None = None, *, of_rate: bool = True) -> None:
        """Change nothing: the user who got the 429 waits, as it says."""


class Station:
    """Records turns, and has them judged. All but `memory` is to be called in one event loop."""

    def __init__(self, options: Options, orders: Orders, memory: Callable[[int | None], int] = lambda pid: 0) -> None:
        """Take checked options with a URL, what to do, and what tells the memory of this process and of another."""
        self._options = options
        self._orders = orders
        self._memory = memory
        self._account = Account(orders.worker)
        self._flows: dict[str, list[Exchange]] = {}
        self._window: list[Exchange] = []
        self._octets = 0
        self._since = 0.0
        self._next = 0
        self._judging: set[asyncio.Task[None]] = set()
        self._pending = 0
        """Windows that are being judged, or wait for it."""
        self._room = asyncio.Condition()
        self._ended = False
        """The last account is being given: what comes now is neither counted nor judged."""
        self.failed = ""
        """What went wrong in the suite itself."""
        self.peak = 0
        """The most exchanges that were kept at one time."""
        self._kept: dict[str, Any] = {**options.recorded(), "suite": VERSION}
        self._apart = Apart(orders.key, orders.worker, self._kept)

    async def open(self) -> None:
        """Get ready to send."""
        options, orders = self._options, self._orders
        # What was judged is dropped, so that large answers have no share of memory that they could use up.
        limits = replace(Limits.scaled(options.timeout), large_of_a_kind=2**60)
        secrets = {"token": options.token or ""}
        way = route.of(options, os.environ)
        watch = run.Watch(self._kept, 1.0)
        self._client = Client(
            options.url or "",
            concurrency=orders.users,
            limits=limits,
            redactor=Redactor([secrets["token"], *way.secrets()]),
            route=way,
            extra_headers=options.headers,
        )
        self._budget = Budget(orders.max_requests, orders.max_credits)
        self._recorder = Recorder(
            self._client,
            Judgement(watch.answer, watch.trouble, watch.credits),
            run.base_headers(),
            secrets,
            self._budget,
            _Everybody(orders.users),
            Patience(limits, orders.users),
            told=self._told,
        )
        await self._apart.start()
        self._clock = asyncio.create_task(self._judge_stale())

    async def turn(self) -> TurnOutcome:
        """One turn of one user: ask, wait for the answer, and hand it to the judge."""
        await self._wait_for_room()
        if self._recorder.stopped or self.failed:
            return TurnOutcome(over=True)
        marker = Marker(self._orders.worker, self._next)
        self._next += 1
        if self._next >= REQUESTS:
            self._recorder.stopped = f"stopped after {REQUESTS} requests of one worker: there are no more words"
        flow = asking.flow(self._orders.key, marker, self._options.model or "")
        self._flows[flow.name] = []
        try:
            await self._recorder.together([flow])
        except Exception as error:
            self.failed = self.failed or f"{type(error).__name__}: {error}"
        finally:
            # In a turn that is cancelled, too: what was counted has to be judged.
            exchanges = self._flows.pop(flow.name)
            self._take(exchanges)
        return TurnOutcome(
            tuple(time for exchange in exchanges for time in _times(exchange)), bool(self._recorder.stopped)
        )

    async def account(self, *, final: bool = False) -> dict[str, Any]:
        """What is new since the last account, as a message; the final one waits for all judging."""
        if final:
            self._ended = True
            for exchanges in self._flows.values():
                self._take(exchanges)
                exchanges.clear()
            self._submit()
            await asyncio.gather(*self._judging)
        told = self._account
        told.memory = self._memory(self._apart.pid)
        told.stopped = self.failed or self._recorder.stopped
        told.remark = self._recorder.patience.remark()
        told.final = final
        if self.failed:
            told.errors["isolation.answers"] = self.failed
        message = told.message()
        self._account = Account(self._orders.worker, examples=told.examples, forgotten=told.forgotten)
        return message

    async def close(self) -> None:
        """Close the connections and end the judge."""
        self._clock.cancel()
        for task in self._judging:
            task.cancel()
        await self._client.aclose()
        await asyncio.to_thread(self._apart.close)

    # --- windows

    def _told(self, exchange: Exchange, note: str) -> None:
        """An exchange is over: keep it with its turn, and nowhere else."""
        if note:
            return
        self._recorder.exchanges.clear()
        if self._ended:
            return
        self._account.requests += 1
        # `credits` is a running sum, of which the account tells what is new.
        self._account.credits += self._recorder.judgement.credits(exchange)
        if exchange.note.flow in self._flows:
            self._flows[exchange.note.flow].append(exchange)
        self.peak = max(self.peak, len(self._window) + sum(map(len, self._flows.values())))

    def _take(self, exchanges: list[Exchange]) -> None:
        if not exchanges:
            return
        if not self._window:
            self._since = time.monotonic()
        self._window += exchanges
        self._octets += sum(len(e.response.body) for e in exchanges if e.response)
        if len(self._window) >= WINDOW or self._octets >= HEAVY:
            self._submit()

    def _submit(self) -> None:
        if not self._window:
            return
        window, self._window, self._octets = self._window, [], 0
        classify.forget()
        self._pending += 1
        task = asyncio.create_task(self._judge(window))
        self._judging.add(task)
        task.add_done_callback(self._judging.discard)

    async def _judge(self, window: list[Exchange]) -> None:
        try:
            found: WindowResult = await self._apart.judge(window)
            self._account.add(found)
        except Exception as error:
            self.failed = self.failed or f"{type(error).__name__}: {error}"
        finally:
            self._pending -= 1
            async with self._room:
                self._room.notify_all()

    async def _wait_for_room(self) -> None:
        if self._pending <= WAITING:
            return
        begun = time.monotonic()
        async with self._room:
            await self._room.wait_for(lambda: self._pending <= WAITING)
        self._account.held += time.monotonic() - begun

    async def _judge_stale(self) -> None:
        while True:
            await asyncio.sleep(STALE / 4)
            if self._window and time.monotonic() - self._since > STALE and not self._pending:
                self._submit()


def _times(exchange: Exchange) -> list[Time]:
    response = exchange.response
    octets = len(response.body) if response else 0
    if response is None or response.status != 200:
        row = REFUSAL if response is not None and response.status in (400, 422) else OTHER
        return [Time(row, exchange.finished, octets)]
    if not (response.header("content-type") or "").lower().startswith("text/event-stream"):
        return [Time(JSON, exchange.finished, octets)]
    events = sse.read(response.body, response.pieces).events
    first = [Time(FIRST_EVENT, events[0].at, len(events[0].data))] if events else []
    return [*first, Time(STREAM, exchange.finished, octets)]
