"""One run: record, judge, report. The only module that connects all parts.

Recording needs a judgement now and then (does this answer excuse itself, does it ask for an approval, must this
be tried again because chance may explain it); it is passed in from here as functions, so that no module imports
against the direction.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from conformance.evidence.approvals import SHARED_WITHIN
from conformance.judging import preflight
from conformance.judging.selecting import CATALOGUE, known_failures, selected_ids
from conformance.probes.catalogue import count, flows, opening, scout
from conformance.probes.flow import Flow, Phase
from conformance.probes.plan import Plan
from conformance.probes.refusals import NEVER_ISSUED, tokens
from conformance.running import first_requests
from conformance.running.enough import Enough
from conformance.running.recheck import Judging, Recheck
from conformance.running.watching import Watch
from conformance.settings.options import Depth, Options
from conformance.settings.vectors import replayed
from conformance.settings.version import VERSION
from conformance.transcript.exchange import Exchange, Headers, Transcript
from conformance.transcript.redaction import Redactor
from conformance.wire.client import Client
from conformance.wire.limits import Limits
from conformance.wire.pace import Pace
from conformance.wire.patience import Patience
from conformance.wire.progress import Progress, Tell
from conformance.wire.reach import route
from conformance.wire.recorder import Budget, Judgement, Recorder

if TYPE_CHECKING:
    from conformance.reference.process import Starting
    from conformance.report.report import Report

_ASIDE = ThreadPoolExecutor(1, "aside")
"""Makes flows and loads what comes later while a recording waits, of all runs one after the other: Hypothesis takes a
library that another thread has half loaded for a whole one.
"""
REFERENCE_WAIT = 10.0
"""Seconds that may be waited for an approval of the embedded reference server to expire."""
EMBEDDED_PATIENCE = 0.1
"""Factor on waits at the embedded reference server: it is one process, and never ill."""


class Stop:
    """Ends a recording from another thread, as Ctrl-C does; what was recorded by then is judged."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = False
        self._end: Callable[[], object] | None = None

    def ask(self) -> None:
        """End the recording, or keep it from starting."""
        with self._lock:
            self._asked = True
            if self._end is not None:
                self._end()

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """In a task: cancel it once it is asked for, while the context lasts."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # it is called in one
        cancel = task.cancel
        with self._lock:
            self._end = lambda: loop.call_soon_threadsafe(cancel)
            if self._asked:
                self._end()
        try:
            yield
        finally:
            with self._lock:
                self._end = None


def run(
    options: Options,
    progress: Tell | None = None,
    stop: Stop | None = None,
    server: Starting | None = None,
    *,
    named: Collection[str] | None = None,
) -> Report:
    """Record a run and judge it; without a URL against the reference server, which is started for it.

    Args:
        options: need not be checked.
        progress: called for each exchange.
        stop: asked from another thread it ends the recording.
        server: the reference server, where it was started already.
        named: as of `record`.

    Raises:
        UsageError: an option is wrong; nothing was sent.
    """
    options = replayed(options).checked()
    options.of_one_version()
    selected_ids(options)
    known = known_failures(options)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    started = time.time()
    if options.url is None:
        with reference(options, server) as told:
            transcript = _recorded(told, seed, progress, stop, named)
    else:
        transcript = _recorded(options, seed, progress, stop, named)
    if progress:
        progress(Progress("judging", len(transcript), len(transcript), 0.0))
    # They were loaded while the recording waited, and not before the first request (`_load`).
    from conformance.judging import judge as judging
    from conformance.report import report, without_bodies

    judged = judging.judge(transcript, known=known)
    result = replace(judged, started=started, ended=time.time(), options=options)
    return report.Report.of(result if options.bodies else without_bodies.result(result))


def _load(selected: Collection[str] | None) -> None:
    """Load what comes after the recording."""
    from conformance.checks import sdk
    from conformance.judging import judge  # noqa: F401
    from conformance.report import report, without_bodies  # noqa: F401

    if selected is None or any(CATALOGUE[id_].costly for id_ in selected):
        sdk.load()


def _recorded(
    options: Options, seed: int, progress: Tell | None, stop: Stop | None, named: Collection[str] | None
) -> Transcript:
    """A recording by an event loop of its own.

    It is not the result of a task: of that, `asyncio.run` asks for the repr (python/cpython#112559), which would spell
    out every octet of the transcript and take several times its memory.
    """
    made: list[Transcript] = []

    async def keep() -> None:
        with stop.heeded() if stop else nullcontext():
            made.append(await record(options, seed, progress, again=named is None, named=named))

    try:
        asyncio.run(keep())
    except KeyboardInterrupt:
        if not made:  # else it was interrupted, and kept what there was
            raise
    return made[0]


@contextmanager
def reference(options: Options, server: Starting | None = None) -> Iterator[Options]:
    """The options to run against the embedded reference server, which is started here where `server` is not given."""
    from conformance.reference.process import starting
    from conformance.reference.settings import EMBEDDED

    with starting(EMBEDDED) if server is None else nullcontext(server) as started:
        yield replace(of_reference(f"{started.url}/v1", options), embedded=True)


def of_reference(url: str, options: Options) -> Options:
    """The options to run against a reference server, by its base URL."""
    from conformance.reference.settings import (
        DEFAULT_APPROVAL_PROMPT,
        DEFAULT_EXPIRING_PROMPT,
        DEFAULT_MODEL,
        FIRST_TOKEN,
        SECOND_TOKEN,
    )

    return replace(
        options,
        url=url,
        model=DEFAULT_MODEL,
        token=FIRST_TOKEN,
        second_token=SECOND_TOKEN,
        approval_prompt=DEFAULT_APPROVAL_PROMPT if options.approvals else None,
        expiring_prompt=DEFAULT_EXPIRING_PROMPT,
        wait_expiry=max(options.wait_expiry, REFERENCE_WAIT),
    )


def plan_of(options: Options, seed: int) -> Plan:
    """The plan for the probes, from the options."""
    return Plan(
        model=options.model or "",
        seed=seed,
        depth=str(options.depth),
        modes=options.modes,
        approval_prompt=options.approval_prompt if options.approvals else None,
        approvals=options.approvals,
        expiring_prompt=options.expiring_prompt,
        execute=options.execute,
        second_token=options.second_token is not None,
        wait_expiry=options.wait_expiry,
        examples=options.examples,
        replay=options.vectors,
        concurrency=options.concurrency,
    )


def planned(options: Options) -> list[Flow]:
    """The flows that a run sends, in the order of their phases."""
    if options.url is None:
        from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT

        options = replace(
            options, approval_prompt=DEFAULT_APPROVAL_PROMPT, second_token="x", wait_expiry=REFERENCE_WAIT
        )
    return flows(plan_of(options, options.seed or 0), selected_ids(options))


# --- recording


async def record(
    options: Options,
    seed: int,
    progress: Tell | None = None,
    *,
    patience: float | None = None,
    limits: Limits | None = None,
    again: bool = True,
    named: Collection[str] | None = None,
) -> Transcript:
    """Record a run against `options.url`.

    Args:
        options: checked, with a URL, a model and a token.
        seed: of the words and the generated bodies.
        progress: called for each exchange.
        patience: factor on the waits before a request is sent again; None: 1, and less where nothing passes by itself.
        limits: of time and size, where not those of `options.timeout`.
        again: whether what failed is recorded again to tell intermittent breaches.
        named: names of the fixed flows that are sent beside the first requests; None: all that is selected.
    """
    secrets = tokens(options.token or "", options.second_token or "")
    way = route.of(options, os.environ)
    # The tokens that nobody issued are as secret: one tells the real one but for its end, and both are somebody's.
    redactor = Redactor([*(s for s in secrets.values() if s), NEVER_ISSUED.removeprefix("Bearer "), *way.secrets()])
    kept: dict[str, Any] = {**options.recorded(), "suite": VERSION, "seed": seed, "reach": way.recorded()}
    patience = patience if patience is not None else EMBEDDED_PATIENCE if options.embedded else 1.0
    if patience != 1.0:
        kept["shared_within"] = SHARED_WITHIN * patience
    plan = replace(plan_of(options, seed), patience=patience)
    selected = selected_ids(options)
    chosen = opening(plan)

    def wanted(drawn: bool) -> list[Flow]:
        if named is None:
            return flows(plan, selected, drawn=drawn)
        return [] if drawn else [f for f in flows(plan, drawn=False) if f.phase is Phase.OPENING or f.name in named]

    watch = Watch(kept, patience)
    budget = Budget(options.max_requests, options.max_credits, options.max_minutes)

    def told(exchange: Exchange, note: str) -> None:
        if progress:
            planned = max(count(chosen)[0], budget.requests)
            progress(Progress(exchange.note.phase, budget.requests, planned, budget.credits, note))

    limits = limits or Limits.scaled(options.timeout)
    bearing = Patience(limits, options.concurrency)
    pace = Pace(options.concurrency, options.rate)
    asking = first_requests.Asking(watch.trouble, patience)
    interrupted = False
    recheck: Recheck | None = None
    async with AsyncExitStack() as stack:

        async def asks(base: str) -> Recorder:
            client = Client(
                base,
                concurrency=options.concurrency,
                limits=limits,
                redactor=redactor,
                route=way,
                extra_headers=options.headers,
            )
            return Recorder(
                await stack.enter_async_context(client),
                Judgement(watch.answer, asking, watch.credits),
                base_headers(),
                secrets,
                budget,
                pace,
                bearing,
                scout(plan),
                options.down_for * patience,
                patience,
                options.depth is Depth.QUICK,
                told,
            )

        aside = partial(asyncio.get_running_loop().run_in_executor, _ASIDE)
        making = aside(wanted, False)
        recorder = await asks(options.url or "")
        try:
            go_on = True
            if options.preflight:
                recorder, go_on = await first_requests.FirstRequests(chosen, asking, asks, kept).settle(
                    recorder, options.url or ""
                )
            fixed = await making
            if go_on:
                chosen = fixed
                drawing = aside(wanted, True)
                loading = aside(_load, selected)
                rest = [flow for flow in fixed if not options.preflight or flow.phase is not Phase.OPENING]
                async with _watched(recorder, kept, options):
                    if options.first:
                        drawn = await drawing
                        names = {flow.name for flow in flows(plan, options.first) if flow.phase is not Phase.RECOVER}
                        await recorder.run([flow for flow in (*rest, *drawn) if flow.name in names])
                        await recorder.run([flow for flow in (*rest, *drawn) if flow.name not in names])
                    else:
                        await recorder.run(rest, drawing)
                    chosen = [*fixed, *await drawing]
                    await loading
                    recheck = Recheck(recorder, plan, kept, _judging())
                    await recheck.whims(chosen)
                    await recheck.unsettled(chosen)
                    if again:
                        await recheck.failures(chosen)
        except asyncio.CancelledError:
            interrupted = True
        exchanges = tuple(sorted(map(recorder.client.settled, recorder.exchanges), key=lambda e: e.started))
    kept.update(stopped=recorder.stopped, interrupted=interrupted, remark=bearing.remark())
    if recheck is not None and recheck.requests:
        kept["shrinking"] = {"requests": recheck.requests, "cut": recheck.cut}
    if recorder.client.agreed:
        kept["tls"] = recorder.client.agreed
    kept["settled"] = preflight.settled(Transcript(exchanges, kept))
    return Transcript(exchanges, kept, f"kitemesh-conformance {VERSION}")


def _judging() -> Judging:
    from conformance.judging import judge as judging

    return Judging(judging.findings, judging.doubtful, judging.unsettled, judging.shows)


@asynccontextmanager
async def _watched(recorder: Recorder, kept: Mapping[str, Any], options: Options) -> AsyncIterator[None]:
    """While it lasts, the recording is stopped once as many requirements failed as `--max-failures` allows."""
    if options.max_failures is None:
        yield
        return
    from conformance.judging import judge as judging

    known = known_failures(options)
    enough = Enough(recorder, kept, options.max_failures, lambda transcript: judging.failed(transcript, known))
    looking = asyncio.create_task(enough.stop())
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


def base_headers() -> Headers:
    """The header fields of every request. They ask for no content coding, so that events keep their arrival times."""
    return (
        ("User-Agent", f"kitemesh-conformance/{VERSION}"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
    )


__all__ = [
    "CATALOGUE",
    "Stop",
    "Watch",
    "base_headers",
    "known_failures",
    "planned",
    "record",
    "reference",
    "run",
    "selected_ids",
]
