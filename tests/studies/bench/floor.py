"""The floor of a recording: the same requests, in the same chains, through a bare httpx client.

What it keeps of a recording: the octets and header fields of each request; that a chain waits for its predecessors'
answers; what is in flight together; the order of the phases; how many requests are under way at most; the waits that a
probe asks for (an approval has to expire); slow reading and leaving. What it leaves out is all that is ours: drawing,
redacting, noting times, judging.

A resume has to name the approval that *this* server gave, or it would be refused sooner than the recorded one was: the
UUIDs of an answer that later requests of the chain repeat are put in place of the recorded ones.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import httpx

from conformance.contract.classify import CHAT
from conformance.probes.flow import Phase, Send
from conformance.probes.refusals import tokens
from conformance.running import run
from conformance.transcript.exchange import Exchange
from conformance.wire.attempt import SLOW_READ, SLOW_READS

from .trace import Chain, Recorded

_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ALONE = (Phase.OPENING, Phase.CONCURRENT, Phase.LEAVING, Phase.RECOVER)
"""Phases whose chains go one after another."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to send."""

    name: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    delay: float
    """Seconds to wait before it."""
    pause: float
    """Seconds to wait before each read; 0: reads as fast as it can."""
    leave_after: int | None
    """Pieces of the body after which it leaves."""
    given: tuple[bytes, ...] = ()
    """UUIDs of the recorded answer, where a later request of the chain repeats one."""


@dataclass(frozen=True, slots=True)
class Line:
    """The calls of one chain: the inner ones are in flight together."""

    phase: Phase
    round: int
    waits: bool
    steps: tuple[tuple[Call, ...], ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to."""

    seconds: float
    statuses: Mapping[str, int]
    """By the request's name."""


def lines(recorded: Recorded) -> list[Line]:
    """What to send, from a recording."""
    attempts: dict[str, list[Exchange]] = {}
    for exchange in recorded.transcript:
        note = exchange.note
        attempts.setdefault(f"{note.probe}#{note.round}", []).append(exchange)
    secrets = tokens(recorded.options.token or "", recorded.options.second_token or "")
    return [_line(chain, attempts, secrets) for chain in recorded.chains]


def _line(chain: Chain, attempts: Mapping[str, Sequence[Exchange]], secrets: Mapping[str, str]) -> Line:
    steps = []
    for position, step in enumerate(chain.steps):
        later = b"".join(send.body for after in chain.steps[position + 1 :] for send in after)
        calls = []
        for send in step:
            answered = attempts.get(f"{send.name}#{chain.round}", [])
            calls.append(_call(send, secrets, answered[-1] if answered else None, later))
        steps.append(tuple(calls))
        # Asked again because the answer excused itself: the wait is the server's wish.
        for send, call in zip(step, calls, strict=True):
            excused = attempts.get(f"{send.name}#{chain.round}", [])[:-1]
            steps += [(replace(call, name=exchange.name, delay=_asked_for(exchange)),) for exchange in excused]
    return Line(chain.phase, chain.round, chain.waits, tuple(steps))


def _call(send: Send, secrets: Mapping[str, str], answered: Exchange | None, later: bytes) -> Call:
    headers = [*run.base_headers(), *send.headers]
    if send.authorization is not None:
        headers.append(("Authorization", send.authorization.format(**secrets)))
    body = answered.response.body if answered and answered.response else b""
    given = tuple(_UUID.findall(body))
    name = answered.name if answered else send.name
    return Call(
        name, send.method, send.endpoint or CHAT, tuple(headers), send.body, send.delay, send.pause,
        send.leave_after, given if any(uuid in later for uuid in given) else (),
    )  # fmt: skip


def _asked_for(excused: Exchange) -> float:
    """Seconds that an answer asked to wait for."""
    wait = excused.response.header("retry-after") if excused.response else None
    return float(wait) if wait and wait.isdigit() else 0.0


def replay(script: Sequence[Line], base: str, concurrency: int) -> Replayed:
    """Send it all, and say how long that took: from before the client is made until after it is closed."""
    started = time.perf_counter()
    statuses = asyncio.run(_replay(script, base, concurrency))
    return Replayed(time.perf_counter() - started, statuses)


async def _replay(script: Sequence[Line], base: str, concurrency: int) -> dict[str, int]:
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(timeout=None, trust_env=False, limits=limits) as client:
        sender = _Sender(client, base, asyncio.Semaphore(concurrency), {})
        waiting: list[asyncio.Task[None]] = []
        first = [line for line in script if line.round == 1]
        for phase in Phase:
            if phase is Phase.RECOVER:
                await asyncio.gather(*waiting)
            here = [line for line in first if line.phase is phase]
            waiting += [asyncio.create_task(sender.line(line)) for line in here if line.waits]
            prompt = [line for line in here if not line.waits]
            if phase in ALONE:
                for line in prompt:
                    await sender.line(line)
            else:
                await asyncio.gather(*map(sender.line, prompt))
        for line in script:
            if line.round > 1:
                await sender.line(line)
        return sender.statuses


@dataclass(slots=True)
class _Sender:
    client: httpx.AsyncClient
    base: str
    slots: asyncio.Semaphore
    statuses: dict[str, int]

    async def line(self, line: Line) -> None:
        """One chain, from its first request to its end."""
        swaps: dict[bytes, bytes] = {}
        for step in line.steps:
            await asyncio.gather(*(self._send(call, swaps) for call in step))

    async def _send(self, call: Call, swaps: dict[bytes, bytes]) -> None:
        if call.delay:
            await asyncio.sleep(call.delay)
        body = call.body
        for old, new in swaps.items():
            body = body.replace(old, new)
        request = httpx.Request(call.method, self.base + call.path, headers=list(call.headers), content=body)
        async with self.slots:
            answer = await self.client.send(request, stream=True)
            try:
                octets = await _read(answer, call)
            finally:
                await answer.aclose()
        self.statuses[call.name] = answer.status_code
        if call.given:
            came = _UUID.findall(octets)
            if len(came) == len(call.given):
                swaps.update(zip(call.given, came, strict=True))


async def _read(answer: httpx.Response, call: Call) -> bytes:
    """The body, read as the recording read it."""
    pieces: list[bytes] = []
    if call.leave_after is not None and call.leave_after <= 0:
        return b""
    async for piece in answer.aiter_raw(SLOW_READ if call.pause else None):
        pieces.append(piece)
        if call.leave_after is not None and len(pieces) >= call.leave_after:
            break
        if call.pause and len(pieces) < SLOW_READS:
            await asyncio.sleep(call.pause)
    return b"".join(pieces)
