"""The recorder: what passes is judged in windows while it passes, by the judge of the soak, and at the end as a whole.

Traffic is never held up: judging is done by another process, and what comes faster than it judges is passed on without
being judged, which is told. Nothing here grows with what passes: windows, exchanges that are kept and lines that are
written all have their bounds.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

from conformance.contract.catalogue import load
from conformance.contract.classify import endpoint_of
from conformance.evidence.finding import Finding
from conformance.recording.keeping import Kept, octets
from conformance.recording.passing import Way
from conformance.report import without_bodies
from conformance.settings.version import VERSION
from conformance.soak.apart import Apart
from conformance.soak.markers import Key
from conformance.transcript.account import RECORDING, Account, LeftOut, Why, check_method, check_status
from conformance.transcript.exchange import Ending, Exchange, Transcript
from conformance.transcript.har_foreign import is_whole

WINDOW = 100
"""Exchanges that are judged together."""
HEAVY = 8 * 2**20
"""Octets after which a window is judged before it is full."""
STALE = 2.0
"""Seconds after which a window is judged though it is not full."""
BEHIND = 10
"""How nice the judge is: whoever waits for an answer comes first."""
WAITING = 32 * 2**20
"""Octets that may wait for the judge."""
LINES = 10_000
"""Findings that are written one by one."""
CREATOR = f"kitemesh-conformance record {VERSION}"
JUDGED = tuple(requirement.id for requirement in load() if not requirement.costly)

Tell = Callable[[Finding, Exchange], None]


@dataclass(slots=True)
class Log:
    """`record.jsonl`: a line for each finding, as it is found."""

    file: TextIO | None = None
    bodies: bool = True
    """False: what was observed is told without the content of answers."""
    lines: int = 0

    def write(self, finding: Finding, exchange: Exchange) -> None:
        """Write a finding, while there is room."""
        self.lines += 1
        if self.file is None or self.lines > LINES:
            return
        moment = datetime.fromtimestamp(exchange.started, UTC).isoformat(timespec="milliseconds")
        told = {
            "started": moment,
            "requirement": finding.requirement,
            "level": load()[finding.requirement].level.value,
            "exchange": exchange.name,
            "method": exchange.request.method,
            "url": exchange.request.url,
            "message": finding.message,
            "expected": finding.expected,
            "observed": finding.observed if self.bodies else without_bodies.observed(finding.observed),
            "place": str(finding.place),
        }
        self.file.write(json.dumps(told) + "\n")
        self.file.flush()


@dataclass(slots=True)
class Recorder:
    """Takes what passes; all of it is to be called in one event loop."""

    way: Way
    kept: Kept
    tell: Tell
    log: Log
    account: Account = field(default_factory=Account)
    exchanges: int = 0
    """That were judged."""
    unjudged: int = 0
    """That came faster than they could be judged."""
    broken: Counter[str] = field(default_factory=Counter)
    failed: str = ""
    """What went wrong in the suite itself."""
    _window: list[Exchange] = field(default_factory=list)
    _octets: int = 0
    _waiting: int = 0
    _since: float = 0.0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _apart: Apart | None = None
    _clock: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Have the judge there."""
        self._apart = Apart(Key(VERSION), 0, {}, JUDGED)
        await self._apart.start()
        if hasattr(os, "setpriority") and self._apart.pid:  # not on Windows
            os.setpriority(os.PRIO_PROCESS, self._apart.pid, BEHIND)
        self._clock = asyncio.create_task(self._judge_stale())

    def take(self, exchange: Exchange, why: str) -> None:
        """Take an exchange that is over; `why` it is not to be judged, where it is not."""
        self.account.entries += 1
        if not endpoint_of(exchange.request.url.partition("?")[0]):
            self.account.passed_by(urlsplit(self.way.origin).netloc)
            return
        try:
            exchange = _judgeable(exchange, why)
        except LeftOut as left:
            self.account.leave_out(exchange.name, left)
            return
        size = octets(exchange)
        if self._waiting + size > WAITING:
            self.unjudged += 1
            return
        if not self._window:
            self._since = time.monotonic()
        self._window.append(exchange)
        self._octets += size
        self._waiting += size
        if len(self._window) >= WINDOW or self._octets >= HEAVY:
            self._submit()

    async def close(self) -> None:
        """Judge what is left, and end the judge."""
        self._submit()
        await asyncio.gather(*self._tasks)
        if self._clock is not None:
            self._clock.cancel()
            with suppress(asyncio.CancelledError):
                await self._clock
        if self._apart is not None:
            await asyncio.to_thread(self._apart.close)

    def transcript(self) -> Transcript:
        """What was kept."""
        recorded = {**self.account.recorded(), "target": self.way.origin, "host": urlsplit(self.way.origin).netloc}
        options: dict[str, Any] = {RECORDING: recorded}
        if lost := self.kept.dropped + self.unjudged:
            judged = f"{self.exchanges} were judged while they passed"
            options["remark"] = f"{lost} exchanges were not kept ({judged}); what they showed is in record.jsonl"
        return Transcript(self.kept.exchanges(), options, CREATOR)

    def _submit(self) -> None:
        if not self._window:
            return
        window, size = self._window, self._octets
        self._window, self._octets = [], 0
        task = asyncio.create_task(self._judge(window, size))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _judge(self, window: Sequence[Exchange], size: int) -> None:
        assert self._apart is not None  # says whoever calls
        findings: list[Finding] = []
        try:
            found = await self._apart.judge(window)
            findings = found.findings
            self.exchanges += found.exchanges
            self.broken.update(found.broken)
            if found.errors:
                self.failed = self.failed or str(next(iter(found.errors.items())))
        except Exception as error:
            self.failed = self.failed or f"{type(error).__name__}: {error}"
        finally:
            self._waiting -= size
        by_name = {exchange.name: exchange for exchange in window}
        for finding in findings:
            if finding.exchange in by_name:
                self.log.write(finding, by_name[finding.exchange])
                self.tell(finding, by_name[finding.exchange])
        self.kept.add(window, {finding.exchange for finding in findings})

    async def _judge_stale(self) -> None:
        while True:
            await asyncio.sleep(STALE / 4)
            if self._window and time.monotonic() - self._since > STALE:
                self._submit()


def _judgeable(exchange: Exchange, why: str) -> Exchange:
    """The exchange as it is judged. Raises LeftOut where it says nothing of the target."""
    if why:
        raise LeftOut(Why.SHORTENED, why)
    check_method(exchange.request.method)
    check_status(exchange.status)
    if exchange.ending is Ending.LEFT:
        if exchange.response is None or not is_whole(exchange.response):
            raise LeftOut(Why.CLIENT_LEFT)
        return replace(exchange, ending=Ending.UNSTATED)
    return exchange


def opened(directory: Path) -> TextIO:
    """The file for findings. Raises OSError."""
    return (directory / "record.jsonl").open("w", encoding="utf-8")
