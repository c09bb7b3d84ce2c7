"""The weather: how the target is doing as a whole, apart from what any one request meets.

Behind an answer that may be an outage's (502, 503, 504, no connection, a reset, a cut stream) or a server error, one
question decides: is a minimal request served that was sent after it? If so, the weather is fine, and the answer is one
more try of that request. If not, there is an outage: nothing else is sent until such a request is served, the tries
that fell into it do not count, and they are made again. Other requests that are served answer the question as well, so
that a minimal one is sent only where nothing else is under way; one at a time asks for all.

An outage ends the run once it has lasted `down_for` seconds, and `HOPELESS` answers of bad weather end a run in which
nothing was ever served. Who answers for so long, each time with a failure of its own, is not down: it is judged by
that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from conformance.transcript.exchange import PROXY_ERROR, PROXY_STOPS, Ending, Exchange

HOPELESS = 10
"""Answers of bad weather after which a target that never served anything is asked no more."""
MOST_OUTAGES = 20
"""Outages after which nothing more is sent: what brings one about was tried often enough by then."""
BY_CHANCE = 2
"""Minimal requests in vain that are not yet an outage: a target that turns away one in three does so by chance."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 2.0
"""Seconds between two requests that ask whether an outage is over; each pause is twice the one before."""


class TroubleKind(Enum):
    """What an answer that is not an answer to the request tells of."""

    LIMIT = "a limit"
    """429: too many requests."""
    OUTAGE = "an outage"
    """502, 503, 504 and their like, no connection, one that broke."""
    ERROR = "an error"
    """Any other server error, or an answer that failed."""
    INTERFERENCE = "interference"
    """A page, or a refusal of the token, where such requests are served else: a firewall's, or a lock's."""
    REPLICA = "a replica"
    """An approval that waits is not known, perhaps not yet (contract, "Left open …")."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a request is asked again."""

    kind: TroubleKind
    seconds: float | None = None
    """For which the target asks to be left alone; None: it does not say."""


class Sky(Enum):
    """What a minimal request met with."""

    FINE = "served"
    ODD = "answered, but not served"
    """It tells that somebody is there, and no more: some servers never serve a minimal request."""
    FAILING = "answered with a failure of the server"
    """Bad weather at first; how the target answers from now on, where that lasts longer than an outage may."""
    FOUL = "an outage"


class Down(Exception):
    """The target is down for longer than it may be. The message says so."""


class WeatherWatch:
    """Knows whether the weather is fine. To be used in one event loop; one owner, the recorder."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[tuple[Exchange, Sky, float | None]]],
        down_for: float,
        tell: Callable[[Exchange, str, bool], None],
    ) -> None:
        """Take what sends a minimal request, for how many seconds an outage may last, and who is told of one.

        `ask` gives the exchange, what it says, and the seconds for which the target asks to be left alone, if it does.
        `tell` gets an exchange with which an outage begins or ends, what to say, and whether it begins.
        """
        self._ask = ask
        self._down_for = down_for
        self._tell = tell
        self._served = float("-inf")
        """When the latest of all requests that were served was begun."""
        self._fell = float("-inf")
        """When the latest answer of bad weather came to a minimal request."""
        self._fine = asyncio.Event()
        self._fine.set()
        self._asking = asyncio.Lock()
        self._foul_in_all = 0
        self._began = self._pause = 0.0
        self._patience_ends = 0.0
        self._over = False
        """Nothing is sent any more, so nobody waits any more."""
        self.settled = False
        """Minimal requests go on meeting failures of the server's own: that is not weather any more."""
        self._bad = False
        """There is an outage."""
        self._outages = 0
        self.in_vain = 0
        """Minimal requests that met the latest outage: one may be an accident."""

    async def fine(self) -> None:
        """Wait until there is no outage."""
        await self._fine.wait()

    def served(self, sent: float) -> None:
        """A request was served that was begun then (by the loop's clock)."""
        self._served = max(self._served, sent)

    def doubt(self) -> None:
        """Let everybody wait: nothing more is to be sent until it is known what the weather is (`after` asks)."""
        if not self._over:  # a question that was under way at the end may still be answered
            self._fine.clear()

    def give_up(self) -> None:
        """Let everybody go on who waits, now and later: nothing is sent any more."""
        self._over = True
        self._fine.set()

    async def behind(self, ended: float, exchange: Exchange) -> bool:
        """Wait for fine weather after an answer that may be an outage's; gives whether it was fine all along.

        Args:
            ended: when the answer was over, by the loop's clock.
            exchange: the answer.

        Raises:
            Down: the outage lasts too long.
        """
        self._count(exchange)
        while self._served < ended:
            async with self._asking:
                if self._served >= ended:
                    break
                now = asyncio.get_running_loop().time()
                asked, sky, leave_alone = await self._ask()
                lasted = self.settled or (self._bad and now >= self._patience_ends)
                self.settled = sky is Sky.FAILING and lasted
                if sky in (Sky.FINE, Sky.ODD) or self.settled:
                    if sky is Sky.FINE:
                        self.served(now)
                    self._clear_up(asked)
                    break
                await self._wait_out(asked, leave_alone)
        self._clear_up(exchange)
        return self._fell < ended

    def _clear_up(self, exchange: Exchange) -> None:
        self._fine.set()
        if self._bad:
            self._bad = False
            lasted = asyncio.get_running_loop().time() - self._began
            self._tell(exchange, f"the target serves again after {lasted:.1f} s", False)

    def _count(self, exchange: Exchange) -> None:
        self._foul_in_all += 1
        if self._served == float("-inf") and self._foul_in_all >= HOPELESS:
            raise Down(f"the target serves nothing: {self._foul_in_all} requests met {said(exchange)}")

    async def _wait_out(self, asked: Exchange, leave_alone: float | None) -> None:
        """One step of an outage: note it, and wait before the next question."""
        now = asyncio.get_running_loop().time()
        self.doubt()
        if not self._bad:
            self._bad = True
            self.in_vain = 0
            self._began, self._pause = now, FIRST_PAUSE
            self._patience_ends = now + self._down_for
            self._tell(asked, f"{_who(asked)} ({said(asked)})", True)
        elif self.in_vain == BY_CHANCE:
            self._outages += 1
            if self._outages > MOST_OUTAGES:
                raise Down(f"the target went down {self._outages} times")
        self._fell = now
        self.in_vain += 1
        self._count(asked)
        pause = self._pause if leave_alone is None else max(self._pause, leave_alone)
        if leave_alone is not None:
            self._patience_ends = max(self._patience_ends, now + leave_alone + FIRST_PAUSE)
        if now >= self._patience_ends:
            lasted = f"for {now - self._began:.0f} s"
            if asked.of_proxy:
                raise Down(f"{PROXY_STOPS} {lasted} ({said(asked)})")
            raise Down(f"the target was down {lasted} and did not come back ({said(asked)})")
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        await asyncio.sleep(min(pause, max(0.0, self._patience_ends - now)))


def _who(exchange: Exchange) -> str:
    return "the proxy lets nothing through" if exchange.of_proxy else "the target does not serve"


def said(exchange: Exchange) -> str:
    """What an exchange of bad weather met with, in a few words."""
    if exchange.of_proxy:
        return exchange.error.removeprefix(f"{PROXY_ERROR}: ")
    if exchange.status is not None and exchange.ending in (Ending.COMPLETE, Ending.LEFT):
        return f"status {exchange.status}"
    if exchange.ending is Ending.REFUSED:
        return "it accepts no connection"
    return exchange.error or f"the connection was {exchange.ending}"
