"""What is recorded again when the phases are over: whims, what failed, and smaller bodies of what failed.

A whim (`~` in the contract) is tried up to three times. A flow that showed a breach is recorded again alone: what
does not show again is reported as intermittent. A generated body that failed twice is shrunk to the smallest that still
fails, within limits of requests and time. Judging is handed in as functions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from conformance.evidence.finding import Finding
from conformance.probes.acts import SETTLED
from conformance.probes.flow import AGAIN, SMALLER, WHIMS, Flow, Phase
from conformance.probes.generated import Drawn, drawn, flow
from conformance.probes.plan import Plan
from conformance.transcript.exchange import TIMED_OUT, Exchange, ProbeNote, Transcript
from conformance.wire.recorder import ATTEMPTS, Recorder

FIXED_AGAIN = 8
"""The most flows of fixed probes that are recorded again."""
UNSETTLED_AGAIN = 24
"""The most flows that are recorded again because of the weather."""
ACTS = (Phase.CONCURRENT, Phase.HOSTILE, Phase.LEAVING)
"""The phases of acts that are repeated in a calm moment."""
RESTLESS = 3
"""Times that there was none, after which no more are repeated."""
GENERATED_AGAIN = 36
"""The most generated bodies that are sent again."""
SEARCHES = 12
"""The most bodies that are shrunk: one for each requirement and rule."""
SEARCHES_AT_ONCE = 4
EACH = 48
"""The most requests for one search."""
ALL = 240
"""The most requests for all searches together."""
SECONDS = 60.0
"""After which no smaller body is sent any more."""


@dataclass(frozen=True, slots=True)
class Judging:
    """What is known only by judging."""

    findings: Callable[[Transcript], Sequence[Finding]]
    """The findings that a verdict would show."""
    doubtful: Callable[[Transcript], Iterable[str]]
    """Names of the flows whose whim did not come."""
    unsettled: Callable[[Transcript], Iterable[str]]
    """Names of the flows that tell nothing yet because of the weather, or because a decision of theirs was lost."""
    shows: Callable[[Transcript, str, str], bool]
    """Whether the exchange of this name breaks the requirement of this id."""


@dataclass(slots=True)
class Recheck:
    """Records again; one owner of what that may cost."""

    recorder: Recorder
    plan: Plan
    kept: Mapping[str, Any]
    """The run's options, as a transcript keeps them."""
    judging: Judging
    requests: int = 0
    """Smaller bodies that were sent."""
    cut: list[str] = field(default_factory=list)
    """Probes whose search met a limit."""
    _begun: float = 0.0

    async def whims(self, chosen: Sequence[Flow]) -> None:
        """Try again what depends on a model's whim and did not come."""
        by_name = {flow.name: flow for flow in chosen}
        for round_ in WHIMS:
            for name in sorted(set(self.judging.doubtful(self._transcript())) & set(by_name)):
                if by_name[name].phase in ACTS and self._restless():
                    continue
                # Alone: beside another one a blocked server would fail both.
                await self.recorder.together([by_name[name]], round_)

    def _restless(self) -> bool:
        """True where there was no calm moment to repeat an act in, several times: there will not be one."""
        settled = [e for e in self.recorder.exchanges if e.note.probe.endswith(SETTLED)]
        latest = {(e.note.probe, e.note.round): e.status == 200 for e in settled}
        return len(latest) >= RESTLESS and not any(latest.values())

    async def unsettled(self, chosen: Sequence[Flow]) -> None:
        """Record again, alone, what bad weather left without an answer of its own."""
        names = set(self.judging.unsettled(self._transcript()))
        for one in [one for one in chosen if one.name in names][:UNSETTLED_AGAIN]:
            await self.recorder.together([one], AGAIN)

    async def failures(self, chosen: Sequence[Flow]) -> None:
        """Record again what failed, and shrink those generated bodies that fail again."""
        if self.recorder.stopped:
            return
        notes = {exchange.name: exchange.note for exchange in self.recorder.exchanges}
        tried = {note.flow for note in notes.values() if note.round > 1}
        seen = self.judging.findings(self._transcript())
        failed = {notes[f.exchange].flow for f in seen if f.exchange in notes} - tried
        again = [one for one in chosen if one.name in failed]
        for one in [one for one in again if one.phase is not Phase.GENERATED][:FIXED_AGAIN]:
            await self.recorder.together([one], AGAIN)
        # What shows nothing but faults that fixed probes show as well can wait: it is not shrunk.
        fixed = _broken_by_fixed(seen, notes)
        telling = {notes[f.exchange].flow for f in seen if f.exchange in notes and f.requirement not in fixed}
        # Nor is it sent again where it was asked as often as anything is, one time after another.
        seldom = {notes[f.exchange].flow for f in seen if f.exchange in notes and notes[f.exchange].attempt < ATTEMPTS}
        generated = [one for one in again if one.phase is Phase.GENERATED and one.name in telling | seldom]
        generated.sort(key=lambda one: one.name not in telling)
        # Each of these is one request, which cannot disturb another: that is what they were made for.
        await self.recorder.together(generated[:GENERATED_AGAIN], AGAIN)
        if again:
            await self._shrink()

    async def _shrink(self) -> None:
        """A search for each requirement that fixed probes do not break, and each rule, where a body failed twice."""
        self._begun = time.monotonic()
        slots = asyncio.Semaphore(min(SEARCHES_AT_ONCE, self.plan.concurrency))
        searches = [(requirement, item) for (requirement, _), item in self._failing().items()][:SEARCHES]
        await asyncio.gather(*(self._search(requirement, item, slots) for requirement, item in searches))

    def _failing(self) -> dict[tuple[str, str], Drawn]:
        """(requirement, rule) to the first body that failed twice."""
        exchanges = {exchange.name: exchange for exchange in self.recorder.exchanges}
        twice = {exchange.note.probe for exchange in exchanges.values() if exchange.note.round == AGAIN}
        items = {item.name: item for item in drawn(self.plan) if item.name in twice}
        findings = [f for f in self.judging.findings(self._transcript()) if f.exchange in exchanges]
        fixed = _broken_by_fixed(findings, {name: exchange.note for name, exchange in exchanges.items()})
        found: dict[tuple[str, str], Drawn] = {}
        for finding in findings:
            exchange = exchanges[finding.exchange]
            item = items.get(exchange.note.probe)
            # What takes several at once does not show in one request; what hangs would hang each time.
            alone = not finding.requirement.startswith("isolation.") and exchange.ending not in TIMED_OUT
            if item is not None and alone and not finding.intermittent and finding.requirement not in fixed:
                found.setdefault((finding.requirement, item.breach), item)
        return found

    async def _search(self, requirement: str, item: Drawn, slots: asyncio.Semaphore) -> None:
        # Hypothesis shrinks by calling a function: its searches run in threads, their requests on this loop.
        from conformance.probes.shrinking import Enough, shrink

        loop = asyncio.get_running_loop()
        sent = 0

        def fails(name: str, octets: bytes) -> bool:
            nonlocal sent
            over = time.monotonic() - self._begun > SECONDS
            if over or sent >= EACH or self.requests >= ALL or self.recorder.stopped:
                raise Enough
            sent += 1
            self.requests += 1
            try:
                return asyncio.run_coroutine_threadsafe(self._fails(requirement, item, name, octets), loop).result()
            except (CancelledError, RuntimeError):  # the run was interrupted
                raise Enough from None

        async with slots:
            if not await asyncio.to_thread(shrink, item, fails):
                self.cut.append(item.name)

    async def _fails(self, requirement: str, item: Drawn, name: str, octets: bytes) -> bool:
        await self.recorder.together([flow(item, name, octets)], SMALLER)
        exchanges = self.recorder.exchanges
        sent = [exchange for exchange in exchanges if exchange.note.probe == name]
        beside = [e for e in exchanges if e.note.phase == Phase.OPENING or e.note.probe == item.twin]
        with suppress(IndexError):
            return self.judging.shows(self._transcript([*beside, *sent]), sent[-1].name, requirement)
        return False

    def _transcript(self, exchanges: Sequence[Exchange] | None = None) -> Transcript:
        made = self.recorder.exchanges if exchanges is None else exchanges
        return Transcript(tuple(sorted(made, key=lambda exchange: exchange.started)), self.kept)


def _broken_by_fixed(findings: Iterable[Finding], notes: Mapping[str, ProbeNote]) -> set[str]:
    """The requirements that fixed probes break."""
    drawn_in = (Phase.GENERATED, Phase.REPLAY)
    return {f.requirement for f in findings if f.exchange in notes and notes[f.exchange].phase not in drawn_in}
