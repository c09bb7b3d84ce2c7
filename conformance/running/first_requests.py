"""The first requests of a recording: is it the API that answers? Nothing else is sent before that is known.

Its two requests are probes of the run like any other, so that a target that is judged gets no extra request.
`judging.preflight` knows what their answers mean; here they are only sent. A refused request is sent again, because
another replica may accept it; and where there is no API at the address, the same request is sent to a similar address.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.judging import preflight
from conformance.probes.flow import Flow, Phase
from conformance.transcript.exchange import TIMED_OUT, Exchange
from conformance.wire.recorder import PAUSE, Recorder
from conformance.wire.weather import Trouble, TroubleKind

SOON = 0.2
"""Seconds after which a refused request is sent again."""
PATIENCE = 2.5
"""Times as long as later on is waited where the first requests meet a passing trouble: the target may be starting."""


@dataclass(slots=True)
class Asking:
    """Why a request is sent again; None: the answer stands. Later on, what `later` says."""

    later: Callable[[Exchange], Trouble | None]
    patience: float
    """Factor on the waits."""
    once: bool = False
    """True: the opening sends nothing again."""

    def __call__(self, exchange: Exchange) -> Trouble | None:
        """For the recorder."""
        trouble = self.later(exchange)
        if exchange.note.phase != Phase.OPENING or exchange.note.round > 1:
            return trouble
        if self.once:
            return None
        status = exchange.status or 0
        if exchange.ending in TIMED_OUT or (0 < status < 500 and status not in (408, 429)):
            trouble = None  # a page or a refusal tells what is there, and silence was waited for
        if trouble is None:
            return Trouble(TroubleKind.ERROR, SOON * self.patience) if preflight.may_pass(exchange) else None
        wait = PAUSE * PATIENCE * self.patience * 2.0 ** (exchange.note.attempt - 1)
        return Trouble(TroubleKind.ERROR, wait if trouble.seconds is None else trouble.seconds)


@dataclass(slots=True)
class FirstRequests:
    """Sends the first requests."""

    flows: Sequence[Flow]
    """Those of the opening: the minimal request, then the one without a token."""
    asking: Asking
    another: Callable[[str], Awaitable[Recorder]]
    """A recorder that asks at another base URL."""
    kept: dict[str, Any]
    """The run's options, as a transcript keeps them; it is told what address was found."""

    async def settle(self, recorder: Recorder, url: str) -> tuple[Recorder, bool]:
        """Send them.

        Args:
            recorder: asks at the URL.
            url: the base URL.

        Returns:
            The recorder to go on with, and whether to go on: False where no requirement can be judged.
        """
        await self._send(recorder)
        rule = self._rule(recorder)
        if rule is None or rule.id not in preflight.ASKED_ELSEWHERE or recorder.stopped:
            return recorder, rule is None
        for other in preflight.alternatives(url):
            if len(recorder.exchanges) >= preflight.MOST:
                break
            asked = await self._ask(other)
            if not asked.exchanges:  # a budget is spent
                break
            answer = preflight.FirstReply(asked.exchanges[-1])
            if preflight.stands_for(url, other) and preflight.speaks(answer):
                self.kept["moved"] = {"from": url, "to": other, "came": self._came(recorder)}
                await self._send_rest(asked)
                return asked, self._rule(asked) is None
            recorder.exchanges += [preflight.noted(e, len(recorder.exchanges)) for e in asked.exchanges]
            if preflight.speaks(answer):
                break
        return recorder, self._rule(recorder) is None

    async def _send(self, recorder: Recorder) -> None:
        await recorder.together(self.flows[:1])
        await self._send_rest(recorder)

    async def _send_rest(self, recorder: Recorder) -> None:
        # Where the first one was not taken, it may have been sent again and again already.
        self.asking.once = not preflight.served(recorder.exchanges)
        await recorder.together(self.flows[1:])
        self.asking.once = False

    async def _ask(self, base: str) -> Recorder:
        recorder = await self.another(base)
        self.asking.once = True
        await recorder.together(self.flows[:1])
        self.asking.once = False
        return recorder

    def _rule(self, recorder: Recorder) -> preflight.Situation | None:
        seen = preflight.seen_in(recorder.exchanges, self.kept)
        found = preflight.situation(seen) if seen else None
        return found[0] if found else None

    def _came(self, recorder: Recorder) -> str:
        seen = preflight.seen_in(recorder.exchanges, self.kept)
        return seen.bearing.came if seen else ""
