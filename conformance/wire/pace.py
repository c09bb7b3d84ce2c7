"""The pace of a run: how many requests may be under way, how many are begun in a second, and when nobody may ask.

One owner for all requests, since what a target says to one it says to all: `Retry-After` pauses everything; an answer
that says "too many" (429, 503, no connection) halves how many may be under way, and answers without a complaint raise
that again, one by one (additive increase, multiplicative decrease). A 503 after such a raise is blamed on the one more
that was under way: it is taken back, and tried the later the more often it was too much. A limit of requests a second
shows by complaints that come back although fewer are under way: then requests are spaced by what the target was seen to
serve, a little faster as long as it does not complain. A 503 tells of such a limit only where many of the answers are
503, and fewer of them once requests are spaced: load may be shed at random, too. Then it does no good that everybody
waits where one is told to: it shows by the next request, which has waited, has nothing beside it, and is shed as well,
while the one after it is served. From then on each that is shed waits for itself. The raise is slow at first and the
faster the longer nobody complained, so that a limit is met seldom, and one that is gone is forgotten.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LEAST = 1
"""Requests that may be under way after any number of complaints."""
CALM, LONGEST_CALM = 8, 256
"""Answers without a complaint after which one more may be under way again: at first, and where that was too much."""
BURST = 1.0
"""Seconds in which several complaints are one."""
SLOWEST = 1 / 60
"""Requests a second, after any number of complaints."""
SHEDDING = 3.0
"""The same where 503 does not say for how long: it may be shed at random, however slow a run is."""
SPARED = 0.9
"""Share of what the target served that is asked of it after a complaint."""
SEEN, LEAST_SEEN = 20, 4
"""The answers that show how many per second were served recently: the most and the fewest."""
SELDOM = 80
"""Answers between two complaints from which on they are too seldom to slow a run."""
SHARE, SHARE_HELPED = 0.25, 0.05
"""Share of the latest answers that complain by 503, from which on a run goes more slowly, and up to which it helped."""
TRIALS = 4
"""Times that this is tried in vain: a target that sheds as much however slow a run is, sheds at random."""
IN_VAIN = 3
"""Pauses that were kept in vain, one after the other, from which on not everybody waits any more."""
FORGET = 3.0
"""Seconds without a complaint after which the rate rises by two hundredths for each answer, then by the square."""


class Pace:
    """Who may send, and when. To be used in one event loop; `async with pace:` around each request."""

    def __init__(self, at_once: int, rate: float | None = None) -> None:
        """Take how many requests may be under way, and how many may be begun in a second (None: any number)."""
        self.at_once = at_once
        self.rate: float | None = rate
        """Requests a second; None: not limited."""
        self.limited = False
        """The target limited how many requests it takes in a time."""
        self._most = at_once
        self._given = rate
        self._busy = 0
        self._calm = 0
        self._calm_needed = CALM
        self._raised = 0
        """Times since the latest complaint that counted that one more was let be under way."""
        self._served = 0
        """Answers without a complaint since the latest complaint that counted."""
        self._latest: deque[float] = deque(maxlen=SEEN)
        """When the latest of them came."""
        self._shed: deque[tuple[float, bool]] = deque(maxlen=SEEN)
        """Of the latest answers: when they came, and whether they complained by 503."""
        self._trials = 0
        """Times that a run was slowed by them, each time in vain."""
        self._complained = float("-inf")
        """When that was."""
        self._paused_until = float("-inf")
        self._begun = 0
        """Requests that were begun since the latest pause."""
        self._met = False
        """The first of them was shed, and nothing was served since."""
        self._in_vain = 0
        """Pauses after which it was, and the next one was served."""
        self._last = float("-inf")
        """When the latest request was begun."""
        self._turn = asyncio.Lock()
        self._lone = False
        self._saved = 0
        """Requests that may be begun without a distance."""
        self._before: tuple[float, int] | None = None
        """Of the latest complaint that counted: seconds since the one before, and what was served in between."""
        self._free = asyncio.Condition()

    async def __aenter__(self) -> None:
        async with self._free:
            await self._free.wait_for(lambda: self._busy < self._most_now and not self._lone)
            self._busy += 1
        try:
            await self.turn()
        except BaseException:
            await self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        await self._leave()

    async def _leave(self) -> None:
        async with self._free:
            self._busy -= 1
            self._free.notify_all()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Nothing else is under way inside: waits until the others are done, and lets none begin."""
        async with self._free:
            await self._free.wait_for(lambda: not self._lone)
            self._lone = True
            try:
                await self._free.wait_for(lambda: self._busy == 0)
            except BaseException:
                self._lone = False
                self._free.notify_all()
                raise
        try:
            await self.turn()
            yield
        finally:
            async with self._free:
                self._lone = False
                self._free.notify_all()

    async def turn(self) -> None:
        """Wait until one more request may be begun: pauses and the rate, not how many are under way."""
        clock = asyncio.get_running_loop().time
        async with self._turn:  # one at a time, so that each keeps the distance that holds when it begins
            distance = 0.0 if self._saved else self._distance
            while (left := max(self._paused_until, self._last + distance) - clock()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(left)
            self._last = clock()
            self._begun += 1
            self._saved = max(0, self._saved - 1)

    async def save_up(self, count: int) -> None:
        """Wait for as long as so many requests take at this rate: they may be begun together then.

        What shows only where several are under way would never show of a target that limits how many it takes in a
        time. Two at least may be under way, whatever it complained of. Where the caller gave the rate, it holds for
        these, too.
        """
        if self._given is not None:
            return
        clock = asyncio.get_running_loop().time
        async with self._turn:
            while (left := max(self._paused_until, self._last + count * self._distance) - clock()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(left)
            self._saved = count

    @property
    def _most_now(self) -> int:
        """Requests that may be under way now: two at least of those that are to be begun together."""
        return max(self.at_once, min(2, self._saved, self._most))

    @property
    def sheds_at_random(self) -> bool:
        """Whether the target answers by 503, and says for how long, to whom it might as well have served."""
        return self._in_vain >= IN_VAIN

    @property
    def _distance(self) -> float:
        """Seconds from the begin of one request to that of the next."""
        return 0.0 if self.rate is None else 1 / self.rate

    def complain(self, sent: float, seconds: float | None = None, *, of_rate: bool = True) -> None:
        """The target said that it is too much.

        Args:
            sent: when the request was begun, by the loop's clock: what was under way at an earlier complaint says
                nothing new.
            seconds: for which it asks not to be asked: all wait, unless it sheds at random; None: it does not say.
            of_rate: that it is too much in a time; False: a 503, by which load may be shed at random, or connections be
                counted; `slow` may tell later that it is too much in a time.
        """
        now = asyncio.get_running_loop().time()
        if not of_rate:
            self._note_pause_in_vain(sent)
        if seconds and (of_rate or not self.sheds_at_random):
            self._paused_until, self._begun = max(self._paused_until, now + seconds), 0
        self._calm = 0
        if not of_rate:
            self._shed.append((now, True))
            self._slow_by_share()
        if sent < self._complained or now - self._complained < BURST:
            return
        back = not of_rate and self._raised > 0
        if back:
            self.at_once -= 1
            self._calm_needed = min(LONGEST_CALM, 2 * self._calm_needed)
        else:
            self.at_once = max(LEAST, self.at_once // 2)
        again = not back and self._served and self._complained > float("-inf")
        self._before = (now - self._complained, self._served) if again else None
        self._complained, self._served, self._raised = now, 0, 0
        if of_rate:
            self.slow()

    def slow(self, slowest: float = SLOWEST) -> None:
        """Space requests: by what was served before the latest complaint, then by less each time that one comes.

        Args:
            slowest: requests a second that are left in any case.
        """
        if self._before is None:
            return
        (quiet, served), self._before = self._before, None
        if served >= SELDOM:
            return  # to pause now and then costs less than to go slowly
        self.limited = True
        if self.rate is None:
            self.rate = max(slowest, SPARED * served / quiet)
        else:
            # Met after a slow raise, the limit is near what was served of late; met at once again, it is far below.
            near = min(self.rate, self._of_late())
            self.rate = max(min(slowest, self.rate), SPARED * near if quiet > FORGET else self.rate / 2)

    def _note_pause_in_vain(self, sent: float) -> None:
        """Note a 503 to who had waited as it was told, and had nothing beside it."""
        waited = self._paused_until > float("-inf") and self._begun == 1 and sent >= self._last
        if not waited or self.at_once > LEAST or self.sheds_at_random:
            return
        if self._met:
            self._in_vain = 0  # two at once: it takes longer than it said
        self._met = True

    def _slow_by_share(self) -> None:
        """Ask for less a second than was served of late, where many of the latest answers complain."""
        span = self._shed[-1][0] - self._shed[0][0]
        shed = sum(one for _, one in self._shed)
        if len(self._shed) < SEEN or shed < SHARE * SEEN or self._trials > TRIALS or not span:
            return
        self._shed.clear()
        self._trials += 1
        if self._trials > TRIALS:
            self.rate, self.limited = self._given, False
        else:
            slower = max(SHEDDING, SPARED * (SEEN - shed) / span)
            self.rate, self.limited = min(slower, self.rate or slower), True

    def _of_late(self) -> float:
        """Requests a second that were served in the last seconds."""
        span = asyncio.get_running_loop().time() - self._latest[0]
        return len(self._latest) / span if len(self._latest) > LEAST_SEEN and span > 0 else float("inf")

    def served(self) -> None:
        """An answer came that does not complain."""
        now = asyncio.get_running_loop().time()
        if self._met:
            self._met = False
            self._in_vain += 1
        self._latest.append(now)
        self._shed.append((now, False))
        settled = self._trials > TRIALS and self.sheds_at_random  # both ways of waiting were in vain
        if len(self._shed) == SEEN and sum(shed for _, shed in self._shed) <= SHARE_HELPED * SEEN and not settled:
            self._trials = 0
        self._served += 1
        self._calm += 1
        if self._calm >= self._calm_needed and self.at_once < self._most:
            if self._raised:  # the one before was not too much
                self._calm_needed = max(CALM, self._calm_needed // 2)
            self.at_once, self._calm, self._raised = self.at_once + 1, 0, self._raised + 1
        if self.rate is not None and self.limited:
            quiet = now - self._complained
            self.rate += 0.01 * (1 + (quiet / FORGET) ** 2)
            if self._given is not None:
                self.rate = min(self.rate, self._given)
