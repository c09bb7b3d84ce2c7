"""Drives flows over the recording client: phases, concurrency, budgets, and asking again where an answer excuses.

What needs a judgement is handed in as functions (`Judgement`), so that nothing here knows what an answer means. Every
attempt is kept as an exchange of its own; a flow receives the answer of the last one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from conformance.contract.classify import CHAT, RESUME
from conformance.probes.flow import Answer, Flow, Phase, Send, single
from conformance.transcript.exchange import Credential, Ending, Exchange, Headers, ProbeNote
from conformance.wire.client import Client
from conformance.wire.outgoing import Outgoing
from conformance.wire.pace import SHEDDING, Pace
from conformance.wire.patience import Patience
from conformance.wire.weather import BY_CHANCE, Down, Sky, Trouble, TroubleKind, WeatherWatch, said

ATTEMPTS = 3
"""Times that a request is sent in fine weather while its answers excuse themselves (contract, "Answers that …")."""
MOST_ATTEMPTS = 8
"""The same, those in bad weather included."""
LIMITED_ATTEMPTS = 5
"""The most times that a request is sent while it meets a limit."""
SUSPECTS = 8
"""The most requests that are named as under way when an outage began."""
PAUSE = 0.4
"""Seconds before a request is sent for the second time; twice that before the third."""
FIRST = 0.01
"""Seconds by which what mostly waits is begun before the rest of its phase."""
DONE = b"[DONE]"
"""Behind these octets a stream ought to end."""


class Stopped(Exception):
    """Nothing more is sent. The message says why."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What recording has to know of an exchange, handed in by whoever may judge."""

    answer: Callable[[Exchange], Answer]
    trouble: Callable[[Exchange], Trouble | None]
    """Why the request is to be sent again; None: the answer stands."""
    credits: Callable[[Exchange], float]
    """Credits that the answer says were charged."""


@dataclass(slots=True)
class Budget:
    """What a run may spend."""

    max_requests: int | None = None
    max_credits: float | None = None
    max_minutes: float | None = None
    requests: int = 0
    credits: float = 0.0
    begun: float = field(default_factory=time.monotonic)

    def take(self) -> None:
        """Take one request. Raises Stop where the budget is spent."""
        if self.max_requests is not None and self.requests >= self.max_requests:
            raise Stopped(f"stopped after {self.requests} requests, as --max-requests says")
        if self.max_credits is not None and self.credits >= self.max_credits:
            raise Stopped(f"stopped after {self.credits:g} credits, as --max-credits says")
        if self.max_minutes is not None and time.monotonic() - self.begun >= 60 * self.max_minutes:
            raise Stopped(f"stopped after {self.max_minutes:g} minutes, as --max-minutes says")
        self.requests += 1


@dataclass(slots=True)
class Recorder:
    """Records flows. One owner of what changes during a run."""

    client: Client
    judgement: Judgement
    base_headers: Headers
    secrets: Mapping[str, str]
    """`token`, `near` and `middle` (never issued, and as secret), and `second` where there is one."""
    budget: Budget
    pace: Pace
    patience: Patience
    scout: Callable[[int], Send] | None = None
    """Makes the n-th minimal request that asks whether the target serves; None: nobody asks (a soak)."""
    down_for: float = 10.0
    """Seconds for which an outage may last."""
    hurry: float = 1.0
    """Factor on the pauses before a request is sent again."""
    quick: bool = False
    """True: the first answer has to begin sooner than the limits say (`Limits.opening`)."""
    told: Callable[[Exchange, str], None] = lambda exchange, note: None
    """Called after each exchange, with a remark or an empty text."""
    exchanges: list[Exchange] = field(default_factory=list)
    stopped: str = ""
    _weather: WeatherWatch = field(init=False)
    _scouts: int = 0
    _serves_minimal: bool = False
    """A minimal request was served at some time."""
    _under_way: dict[str, float] = field(default_factory=dict)
    """Name of each request that is under way, to when it was begun."""
    _driven: set[str] = field(default_factory=set)
    """Names of the flows that have begun and not ended."""

    def __post_init__(self) -> None:
        self._weather = WeatherWatch(self._ask, self.down_for, self._told_weather)

    async def run(self, flows: Sequence[Flow], drawn: Awaitable[Sequence[Flow]] | None = None) -> None:
        """Record the flows phase by phase. A Stop ends it and is told.

        Args:
            flows: in any order.
            drawn: those of generated bodies, which may still be in the making.
        """
        waiting: list[asyncio.Task[None]] = []
        try:
            for phase in Phase:
                if phase is Phase.GENERATED and drawn is not None:
                    flows = [*flows, *await drawn]
                chosen = [flow for flow in flows if flow.phase is phase]
                if phase is Phase.RECOVER:
                    await asyncio.gather(*waiting)
                begun = [asyncio.create_task(self.together([flow])) for flow in chosen if flow.waits]
                waiting += begun
                if begun:  # so that their first requests come before those of all others
                    await asyncio.wait(begun, timeout=FIRST)
                prompt = [flow for flow in chosen if not flow.waits]
                if phase in (Phase.OPENING, Phase.CONCURRENT, Phase.LEAVING, Phase.RECOVER):
                    # A concurrent flow sends many at once by itself; beside another one its requests would queue. The
                    # first and the last requests have nothing beside them, which tells general faults from crosstalk.
                    for flow in prompt:
                        await self.together([flow])
                elif phase is Phase.CALM:  # the longest chains first: they wait now and then, and the others go on
                    await self.together(sorted(prompt, key=lambda flow: -flow.at_most))
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
        except Stopped as stop:
            self.stop(str(stop))
        finally:
            # What is under way when a budget is spent is let finish; nothing new is sent, as every step asks `stopped`.
            if tasks:
                if not self.stopped:
                    for task in tasks:
                        task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self, why: str) -> None:
        """Let nothing new be sent; what is under way ends."""
        self.stopped = self.stopped or why
        self._weather.give_up()

    def ended(self) -> list[Exchange]:
        """The exchanges of the flows that have ended."""
        return [exchange for exchange in self.exchanges if exchange.note.flow not in self._driven]

    async def _drive(self, flow: Flow, round_: int) -> None:
        """One flow, from its first request to its end."""
        steps = flow.steps(round_)
        self._driven.add(flow.name)
        try:
            wanted = next(steps)
            while True:
                if isinstance(wanted, Send):
                    got: Answer | list[Answer] = await self._send(flow, wanted, round_, None)
                else:
                    group = wanted[0].name if len(wanted) > 1 else None
                    if group and flow.phase is Phase.CONCURRENT:
                        await self.pace.save_up(len(wanted))
                    got = list(await asyncio.gather(*(self._send(flow, send, round_, group) for send in wanted)))
                wanted = steps.send(got)
        except StopIteration:
            return
        finally:
            self._driven.discard(flow.name)

    async def _send(self, flow: Flow, send: Send, round_: int, group: str | None) -> Answer:
        """One request, again while its answer excuses itself; what falls into bad weather does not count."""
        if send.delay:
            await asyncio.sleep(send.delay)
        attempt = tries = limited = 0
        suspect = shed = False
        while True:
            attempt += 1
            await self._weather.fine()
            if suspect or shed:
                async with self.pace.alone():
                    exchange, trouble = await self._once(flow, send, round_, attempt, group, connections=1)
                    fine = await self._fine_behind(exchange, trouble, alone=True)
                # Alone it is clear: a target that goes down after it does so because of it.
                tries = max(tries + 1, attempt) if suspect else tries + fine
            else:
                async with self.pace:
                    # It may have turned bad while this one queued.
                    await self._weather.fine()
                    exchange, trouble = await self._once(flow, send, round_, attempt, group)
                fine = await self._fine_behind(exchange, trouble)
                tries += fine
            if trouble is None:
                return self.judgement.answer(exchange)
            match trouble.kind:
                case TroubleKind.REPLICA:
                    over = False  # it is asked once: no further answer is such a trouble
                case TroubleKind.LIMIT:
                    limited += 1
                    over = limited >= LIMITED_ATTEMPTS
                case _:
                    suspect = not fine and exchange.ending in (Ending.RESET, Ending.CUT)
                    # A 503 may count connections, idle ones too: no request is blamed for it that had others beside it.
                    shed = exchange.status == 503 and tries >= ATTEMPTS - 1
                    over = tries >= ATTEMPTS
            if over or attempt >= MOST_ATTEMPTS:
                return self.judgement.answer(exchange)
            # Who says 0 s, does not know either: it may be less than a second, and the limit may still hold.
            wait = trouble.seconds or PAUSE * self.hurry * 2.0 ** (attempt - 1)
            worth, why = self.patience.wait(wait, asyncio.get_running_loop().time(), exchange)
            if why:
                raise Stopped(why)
            if not worth:
                return self.judgement.answer(exchange)
            self.told(exchange, f"waiting {wait:.1f} s: {said(exchange)}")
            await asyncio.sleep(wait)

    async def _fine_behind(self, exchange: Exchange, trouble: Trouble | None, *, alone: bool = False) -> bool:
        """Whether the weather was fine when this answer came; where it was not, it is by the time that this returns.

        `alone`: nothing else was under way.
        """
        if (
            trouble is None
            or trouble.kind not in (TroubleKind.OUTAGE, TroubleKind.ERROR)
            or not self._asks_behind(exchange)
        ):
            return True
        if self._weather.settled and _fails_itself(exchange, trouble):
            return True
        if exchange.status == 503 and self.pace.sheds_at_random and not alone:
            return True  # the last try is made alone: soon enough to ask
        try:
            fine = await self._weather.behind(asyncio.get_running_loop().time(), exchange)
        except Down as down:
            raise Stopped(str(down)) from None
        if not fine and exchange.status == 503:
            if trouble.seconds is None:
                self.pace.slow(SHEDDING)
            elif self._weather.in_vain > BY_CHANCE:  # though each of these minimal requests waited as it was told
                self.pace.slow()
        return fine

    def _asks_behind(self, exchange: Exchange) -> bool:
        """Whether a minimal request tells what an answer that may be an outage's is."""
        return self.scout is not None and self.patience.heard and exchange.note.phase != Phase.OPENING

    async def _ask(self) -> tuple[Exchange, Sky, float | None]:
        """Ask by a minimal request whether the target serves. It needs no slot: nothing may hold it up."""
        assert self.scout is not None
        self._scouts += 1
        send = self.scout(self._scouts)
        flow = single(Phase.WEATHER, Phase.WEATHER, Phase.WEATHER, lambda _: send)
        await self.pace.turn()
        exchange, trouble = await self._once(flow, send, 1, self._scouts, None)
        if trouble is None:
            return exchange, Sky.FINE if self.judgement.answer(exchange).served else Sky.ODD, None
        # Who never serves a minimal request, and says so by an error of its own, is not waited for.
        own = trouble.kind is TroubleKind.ERROR and not self._serves_minimal
        odd = own or trouble.kind is TroubleKind.INTERFERENCE
        failing = Sky.FAILING if _fails_itself(exchange, trouble) else Sky.FOUL
        return exchange, Sky.ODD if odd else failing, trouble.seconds

    def _told_weather(self, exchange: Exchange, words: str, began: bool) -> None:
        """Tell that an outage began, with what was under way, or that it is over."""
        if began:
            broken = [e.name for e in self.exchanges[-SUSPECTS:] if e.ending in (Ending.RESET, Ending.CUT)]
            names = list(dict.fromkeys([*broken, *(name for name in self._under_way)]))[:SUSPECTS]
            words += f"; under way: {', '.join(names)}" if names else ""
        self.told(exchange, words)

    async def _once(
        self,
        flow: Flow,
        send: Send,
        round_: int,
        attempt: int,
        group: str | None,
        connections: int | None = None,
    ) -> tuple[Exchange, Trouble | None]:
        """Send once, keep what came, and let pace and weather know.

        `connections`: the most that may be open, idle ones too; None: as many as may be under way.
        """
        clock = asyncio.get_running_loop().time
        if self.stopped:
            raise Stopped(self.stopped)
        self.budget.take()
        self.client.allow(connections or self.pace.at_once)
        outgoing, sent = self._outgoing(flow, send, round_, attempt, group), clock()
        self._under_way[outgoing.name] = sent
        try:
            exchange = await self.client.exchange(outgoing)
        finally:
            del self._under_way[outgoing.name]
        # A flow goes on from the whole answer, such as to the approval at its end, whatever is kept of it.
        self._keep(exchange)
        trouble = self.judgement.trouble(exchange)
        if trouble is None:
            self.pace.served()
            answer = self.judgement.answer(exchange)
            if answer.served and answer.approval is None:
                self._weather.served(sent)
                self._serves_minimal = self._serves_minimal or flow.phase in (Phase.OPENING, Phase.WEATHER)
            if exchange.response is not None:
                self.patience.served()
        elif exchange.ending is Ending.REFUSED and self._asks_behind(exchange):
            self._weather.doubt()
        elif trouble.kind is TroubleKind.LIMIT or exchange.status == 503:
            # A 503 may be shed at random: with who can be asked, it is asked first whether it is a limit.
            self.pace.complain(sent, trouble.seconds, of_rate=trouble.kind is TroubleKind.LIMIT or self.scout is None)
        return exchange, trouble

    def _keep(self, exchange: Exchange) -> None:
        self.exchanges.append(self.patience.kept(exchange, lambda part: self._lacks(part, exchange)))
        self.budget.credits += self.judgement.credits(exchange)
        self.told(exchange, "")
        if why := self.patience.note(exchange, DONE):
            raise Stopped(why)
        if self.patience.heard:
            return
        if exchange.ending is Ending.TLS or (exchange.ending is Ending.REFUSED and exchange.note.attempt >= ATTEMPTS):
            raise Stopped(f"the target cannot be reached: {exchange.error or exchange.ending}")

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
            leave_at=send.leave_at,
            answer_within=self.patience.answer_within(self.quick) if flow.phase is Phase.OPENING else None,
            fresh=send.fresh or send.endpoint == RESUME,
            pause=send.pause,
            settle=None if send.pause else (DONE, self.patience.behind_done()),
        )


def _fails_itself(exchange: Exchange, trouble: Trouble) -> bool:
    """Whether the server answered, and failed at it: an error of its own, or an answer that it did not end."""
    return trouble.kind is TroubleKind.ERROR or (
        exchange.status == 200 and exchange.ending in (Ending.CUT, Ending.RESET)
    )


def credential_of(authorization: str | None) -> Credential:
    """Whose token a template of the Authorization field stands for."""
    if authorization is None:
        return Credential.NONE
    if "{token}" in authorization:
        return Credential.OWN
    if "{near}" in authorization:
        return Credential.NEARLY_OWN
    if "{middle}" in authorization:
        return Credential.OTHER_MIDDLE
    if "{second}" in authorization:
        return Credential.SECOND
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return Credential.OTHER_SCHEME
    return Credential.NEVER_ISSUED if rest.strip() else Credential.EMPTY
