"""Drives flows over the recording client: phases, concurrency, budgets, and asking again where an answer excuses.

What needs a judgement is handed in as functions (`Judgement`), so that nothing here knows what an answer means. Every
attempt is kept as an exchange of its own; a flow receives the answer of the last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from conformance.contract.classify import CHAT, RESUME
from conformance.probes.flow import Answer, Flow, Phase, Send
from conformance.wire.client import Client, Outgoing
from conformance.wire.exchange import Credential, Ending, Exchange, Headers, ProbeNote
from conformance.wire.patience import Patience

ATTEMPTS = 3
"""Times that a request is sent at the most while its answers excuse themselves (contract, "Answers that excuse")."""
DONE = b"[DONE]"
"""Behind these octets a stream ought to end."""


class Stop(Exception):
    """Nothing more is sent. The message says why."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What recording has to know of an exchange, handed in by whoever may judge."""

    answer: Callable[[Exchange], Answer]
    ask_again: Callable[[Exchange], float | None]
    """Seconds to wait before the request is sent once more; None: the answer stands."""
    credits: Callable[[Exchange], float]
    """Credits that the answer says were charged."""


@dataclass(slots=True)
class Budget:
    """What a run may spend."""

    max_requests: int | None = None
    max_credits: float | None = None
    requests: int = 0
    credits: float = 0.0

    def take(self) -> None:
        """Take one request. Raises Stop where the budget is spent."""
        if self.max_requests is not None and self.requests >= self.max_requests:
            raise Stop(f"stopped after {self.requests} requests, as --max-requests says")
        if self.max_credits is not None and self.credits >= self.max_credits:
            raise Stop(f"stopped after {self.credits:g} credits, as --max-credits says")
        self.requests += 1


class Slots:
    """How many requests may be under way at once: fewer when the target says that it is too many, then slowly more."""

    LEAST = 2
    CALM = 8
    """Answers without a complaint after which one more is allowed again."""
    WINDOW = 1.0
    """Seconds in which several complaints are one."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._wanted = most
        self._busy = 0
        self._calm = 0
        self._halved_at = float("-inf")
        self._free = asyncio.Condition()

    async def __aenter__(self) -> None:
        async with self._free:
            await self._free.wait_for(lambda: self._busy < self.most)
            self._busy += 1

    async def __aexit__(self, *_: object) -> None:
        async with self._free:
            self._busy -= 1
            self._calm += 1
            if self._calm >= self.CALM and self.most < self._wanted:
                self.most, self._calm = self.most + 1, 0
                self._free.notify(2)
            else:
                self._free.notify()

    def halve(self) -> None:
        """Allow half as many from now on."""
        now = asyncio.get_running_loop().time()
        self._calm = 0
        if now - self._halved_at >= self.WINDOW:
            self.most = max(min(self.LEAST, self._wanted), self.most // 2)
            self._halved_at = now


@dataclass(slots=True)
class Recorder:
    """Records flows. One owner of what changes during a run."""

    client: Client
    judgement: Judgement
    base_headers: Headers
    secrets: Mapping[str, str]
    """`token`, and `second` where there is one."""
    budget: Budget
    slots: Slots
    patience: Patience
    quick: bool = False
    """True: the first answer has to begin sooner than the limits say (`Limits.opening`)."""
    told: Callable[[Exchange, str], None] = lambda exchange, note: None
    """Called after each exchange, with a remark or an empty text."""
    exchanges: list[Exchange] = field(default_factory=list)
    stopped: str = ""

    async def run(self, flows: Sequence[Flow]) -> None:
        """Record the flows phase by phase. A Stop ends it and is told."""
        waiting: list[asyncio.Task[None]] = []
        try:
            for phase in Phase:
                chosen = [flow for flow in flows if flow.phase is phase]
                if phase is Phase.RECOVER:
                    await asyncio.gather(*waiting)
                waiting += [asyncio.create_task(self.together([flow])) for flow in chosen if flow.waits]
                prompt = [flow for flow in chosen if not flow.waits]
                if phase in (Phase.OPENING, Phase.CONCURRENT, Phase.RECOVER):
                    # A concurrent flow sends many at once by itself; beside another one its requests would queue. The
                    # first and the last requests have nothing beside them, which tells general faults from crosstalk.
                    for flow in prompt:
                        await self.together([flow])
                else:
                    await self.together(prompt)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def together(self, flows: Iterable[Flow], round_: int = 1) -> None:
        """Record flows side by side. Does nothing once the run was stopped."""
        if self.stopped:
            return
        tasks = [asyncio.ensure_future(self._drive(flow, round_)) for flow in flows]
        try:
            for task in asyncio.as_completed(tasks):
                await task
        except Stop as stop:
            self.stopped = self.stopped or str(stop)
        finally:
            # What is under way when a budget is spent is let finish; nothing new is sent, as every step asks `stopped`.
            if tasks:
                if not self.stopped:
                    for task in tasks:
                        task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _drive(self, flow: Flow, round_: int) -> None:
        """One flow, from its first request to its end."""
        steps = flow.steps(round_)
        try:
            wanted = next(steps)
            while True:
                if isinstance(wanted, Send):
                    got: Answer | list[Answer] = await self._send(flow, wanted, round_, None)
                else:
                    group = wanted[0].name if len(wanted) > 1 else None
                    got = list(await asyncio.gather(*(self._send(flow, send, round_, group) for send in wanted)))
                wanted = steps.send(got)
        except StopIteration:
            return

    async def _send(self, flow: Flow, send: Send, round_: int, group: str | None) -> Answer:
        """One request, again while its answer excuses itself."""
        if send.delay:
            await asyncio.sleep(send.delay)
        attempt = 1
        while True:
            async with self.slots:
                if self.stopped:
                    raise Stop(self.stopped)
                self.budget.take()
                exchange = await self.client.exchange(self._outgoing(flow, send, round_, attempt, group))
            # A flow goes on from the whole answer, such as to the approval at its end, whatever is kept of it.
            self._keep(exchange)
            wait = self.judgement.ask_again(exchange) if attempt < ATTEMPTS else None
            if wait is None:
                if exchange.response is not None and attempt < ATTEMPTS:
                    self.patience.served()
                return self.judgement.answer(exchange)
            worth, why = self.patience.wait(wait, asyncio.get_running_loop().time(), exchange)
            if why:
                raise Stop(why)
            if not worth:
                return self.judgement.answer(exchange)
            if exchange.status == 429:
                self.slots.halve()
            self.told(exchange, f"waiting {wait:.1f} s: {exchange.status or exchange.ending}")
            await asyncio.sleep(wait)
            attempt += 1

    def _keep(self, exchange: Exchange) -> None:
        self.exchanges.append(self.patience.kept(exchange, lambda part: self._lacks(part, exchange)))
        self.budget.credits += self.judgement.credits(exchange)
        self.told(exchange, "")
        if why := self.patience.note(exchange, DONE):
            raise Stop(why)
        if self.patience.heard:
            return
        if exchange.ending is Ending.TLS or (exchange.ending is Ending.REFUSED and exchange.note.attempt >= ATTEMPTS):
            raise Stop(f"the target cannot be reached: {exchange.error or exchange.ending}")

    def _lacks(self, part: Exchange, whole: Exchange) -> bool:
        """Whether the part of an exchange does not tell of the approval that the whole asks for."""
        asked = self.judgement.answer(whole).approval
        return asked is not None and self.judgement.answer(part).approval != asked

    def _outgoing(self, flow: Flow, send: Send, round_: int, attempt: int, group: str | None) -> Outgoing:
        probe = send.name
        name = probe + (f"#{round_}" if round_ > 1 else "") + (f"~{attempt}" if attempt > 1 else "")
        own = {name.lower() for name, _ in send.headers}
        headers = [*(field for field in self.base_headers if field[0].lower() not in own), *send.headers]
        if send.authorization is not None:
            headers.append(("Authorization", send.authorization.format(**self.secrets)))
        note = ProbeNote(
            area=flow.area,
            phase=str(flow.phase),
            flow=flow.name,
            twin=send.twin,
            group=group,
            attempt=attempt,
            round=round_,
            probe=probe,
            breach=send.breach,
            left_after=send.leave_after,
            slow=send.pause > 0,
        )
        return Outgoing(
            name,
            send.method,
            send.endpoint or CHAT,
            tuple(headers),
            send.body,
            credential_of(send.authorization),
            note,
            leave_after=send.leave_after,
            answer_within=self.patience.answer_within(self.quick) if flow.phase is Phase.OPENING else None,
            fresh=send.endpoint == RESUME,
            pause=send.pause,
            settle=None if send.pause else (DONE, self.patience.behind_done()),
        )


def credential_of(authorization: str | None) -> Credential:
    """Whose token a template of the Authorization field stands for."""
    if authorization is None:
        return Credential.NONE
    if "{token}" in authorization:
        return Credential.OWN
    if "{second}" in authorization:
        return Credential.SECOND
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return Credential.OTHER_SCHEME
    return Credential.NEVER_ISSUED if rest.strip() else Credential.EMPTY
