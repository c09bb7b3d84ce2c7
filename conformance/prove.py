"""Proving the suite: run it against servers of which it is known what they break, and see what it says.

One server process serves the conforming server, every fault and every liberty, each below a path of its own. This side
records several of them at once in one event loop and judges each as it is over; no pytest is involved. A recording
waits for seconds (an approval has to expire) and computes for less than one, so that many go well together. On a
machine with several cores the targets are shared out to two processes: recording costs thrice what serving does.
"""

from __future__ import annotations

import asyncio
import difflib
import gc
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from multiprocessing.connection import Connection, wait
from types import MappingProxyType

from starlette.types import ASGIApp

import conformance
from conformance import run
from conformance.examples import breaking
from conformance.options import Options, UsageError
from conformance.proof import Case, Kind, Proof, Target, examined
from conformance.reference.app import PREFIX, create_many
from conformance.reference.behaviour import Behaviour
from conformance.reference.fault import Fault, Liberty
from conformance.reference.faults import FAULTS
from conformance.reference.liberties import LIBERTIES
from conformance.reference.serving import in_process
from conformance.reference.settings import (
    DEFAULT_APPROVAL_PROMPT,
    DEFAULT_MODEL,
    FIRST_TOKEN,
    SECOND_TOKEN,
    Settings,
)
from conformance.wire.exchange import Transcript
from conformance.wire.limits import Limits

KNOCK_ONS: Mapping[str, str] = MappingProxyType({})
"""Fault id to the reason why more than `proof.FREE_KNOCK_ONS` other requirements fail with it."""
UNPROVOKED: Mapping[str, str] = MappingProxyType(
    {"error.rate-limit": "of the servers without a fault, only the conforming one has a rate limit"}
)
"""Requirement id to the reason why no liberty exercises it."""

CONFORMING = Target("conforming", Kind.CONFORMING, "The reference server as it is, with a rate limit.")
_CONFORMING = Behaviour(adjust=lambda settings: replace(settings, rate_limit_every=RATE_LIMIT_EVERY))
RATE_LIMIT_EVERY = 97
"""Every so manieth request to the conforming server is answered 429, so that error.rate-limit is exercised."""

SEED = 1
JOBS = 24
"""Targets that are recorded at once, in all."""
PROCESSES = 2
"""Processes that record, where there are so many cores."""
APPROVAL_TTL = 6.0
"""Seconds until an approval expires: longer than a slow machine takes for the longest chain of resumes."""
LIMITS = Limits(first_byte=3.0, idle=3.0, total=30.0)
"""A fault that hangs does so for 30 s: these are long enough to tell it from one that is slow."""
PATIENCE = 0.1
"""Factor on the waits before a request is sent again: nothing passes by itself here."""
_COLLECT_EVERY = 50_000
"""Objects after which Python looks for cycles. By default it does for each 700, for a tenth of the whole time."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one target."""

    case: Case
    example: Transcript | None = None
    """Of a fault that was caught, where examples are asked for: the fewest exchanges that show the breach."""
    transcript: Transcript | None = None
    """Of the conforming server, likewise: all of it."""


@dataclass(frozen=True, slots=True)
class Work:
    """How targets are to be recorded."""

    url: str
    """Of the server process; each target lies below it."""
    seed: int = SEED
    jobs: int = JOBS
    examples: bool = False
    """Whether examples are to be found."""


Tell = Callable[[Found], None]
"""Told of each target as it is over."""


# --- targets


def behaviours() -> dict[str, Behaviour]:
    """Every server that can be served, by the id of its target.

    Raises:
        ValueError: two have the same id.
    """
    made = {CONFORMING.id: _CONFORMING}
    for one in (*FAULTS, *LIBERTIES):
        if one.id in made:
            raise ValueError(f"two servers are called {one.id}")
        made[one.id] = one.behaviour
    return made


def serve_all(settings: Settings) -> ASGIApp:
    """The application of the server process (a factory of `serving.in_process`)."""
    return create_many(settings, behaviours())


def targets(faults: Sequence[Fault] = FAULTS, liberties: Sequence[Liberty] = LIBERTIES) -> list[Target]:
    """The conforming server, the faults, the liberties."""
    return [
        CONFORMING,
        *(
            Target(f.id, Kind.FAULT, f.summary, f.requirement, f.seen_in, knock_ons=KNOCK_ONS.get(f.id, ""))
            for f in faults
        ),
        *(
            Target(one.id, Kind.LIBERTY, one.summary, None, one.source, {**UNPROVOKED, **one.unexercised})
            for one in liberties
        ),
    ]


def chosen(known: Sequence[Target], patterns: Sequence[str]) -> list[Target]:
    """Those of the targets that any pattern names, in their order; all where there is no pattern.

    Args:
        known: the targets to choose from.
        patterns: ids of faults and liberties, requirement ids, areas, globs over these, or a kind: `conforming`,
            `fault`, `liberty`.

    Raises:
        UsageError: a pattern names none.
    """
    if not patterns:
        return list(known)
    wanted: set[str] = set()
    for pattern in patterns:
        named = {target.id for target in known if any(fnmatchcase(name, pattern) for name in _names(target))}
        if not named:
            raise UsageError(_nobody(known, pattern))
        wanted |= named
    return [target for target in known if target.id in wanted]


def _names(target: Target) -> Iterator[str]:
    yield target.id
    yield target.kind.value
    if target.requirement is not None:
        yield target.requirement
        yield target.requirement.partition(".")[0]


def _nobody(known: Sequence[Target], pattern: str) -> str:
    if pattern in run.CATALOGUE or pattern in run.CATALOGUE.areas:
        return f"--only: no fault breaks {pattern!r}; the requirement is known, but nothing proves its check."
    near = difflib.get_close_matches(pattern, sorted({name for target in known for name in _names(target)}), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "name a fault, a liberty, a requirement or an area."
    return f"--only knows nothing called {pattern!r}: {hint}"


# --- proving


def prove(
    wanted: Sequence[Target],
    *,
    seed: int = SEED,
    jobs: int = JOBS,
    processes: int | None = None,
    examples: bool = False,
    told: Tell = lambda found: None,
) -> Proof:
    """Start the servers, try each target, and say what the suite made of it.

    Args:
        wanted: the targets, at least one.
        seed: of the words and the generated bodies, the same for all.
        jobs: targets at once, in all.
        processes: that record; None: two where there are two cores and enough targets.
        examples: whether to find the exchanges that show a breach, for `told`.
        told: called in this thread for each target as it is over.
    """
    started = time.monotonic()
    with in_process(Settings(approval_ttl=APPROVAL_TTL), factory="conformance.prove:serve_all") as url:
        found = examine(wanted, Work(url, seed, jobs, examples), processes=processes, told=told)
    cases = tuple(one.case for one in found)
    return Proof(cases, seed, time.monotonic() - started, conformance.__version__)


def examine(
    wanted: Sequence[Target], work: Work, *, processes: int | None = None, told: Tell = lambda found: None
) -> list[Found]:
    """Try each target on a server that runs already; gives what came of them in their order."""
    if processes is None:
        processes = min(PROCESSES, os.cpu_count() or 1, max(1, len(wanted) // 8))
    by_id: dict[str, Found] = {}

    def keep(found: Found) -> None:
        by_id[found.case.target.id] = found
        told(found)

    if processes == 1:
        with _collecting_seldom():
            asyncio.run(_examine_all(wanted, work, keep))
    else:
        _in_processes(wanted, work, processes, keep)
    return [by_id[target.id] for target in wanted]


async def _examine_all(wanted: Sequence[Target], work: Work, keep: Tell) -> None:
    places = asyncio.Semaphore(work.jobs)

    async def one(target: Target) -> None:
        async with places:
            keep(await _examine(target, work))

    await asyncio.gather(*(one(target) for target in wanted))


async def _examine(target: Target, work: Work) -> Found:
    """Record and judge one target. An exception is the suite's own fault, and told as such."""
    started = time.monotonic()
    try:
        transcript = await run.record(
            options(work.url, target), work.seed, patience=PATIENCE, limits=LIMITS, again=False
        )
        report = run.judge(transcript)
    except Exception as error:
        what = ("", f"{type(error).__name__}: {error}")
        return Found(Case(target, errors=(what,), seconds=time.monotonic() - started))
    case = examined(target, report.verdict, len(transcript), time.monotonic() - started)
    if not work.examples:
        return Found(case)
    if target.kind is Kind.CONFORMING:
        return Found(case, transcript=transcript)
    if target.requirement is None or not case.caught:
        return Found(case)
    return Found(case, breaking(transcript, target.requirement))


def options(url: str, target: Target) -> Options:
    """How a target is recorded: as `run` does without a URL."""
    return Options(
        url=f"{url}{PREFIX}{target.id}/v1",
        model=DEFAULT_MODEL,
        token=FIRST_TOKEN,
        second_token=SECOND_TOKEN,
        approval_prompt=DEFAULT_APPROVAL_PROMPT,
        wait_expiry=APPROVAL_TTL + 2,
    )


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Look for cycles among objects seldom while the context lasts, and never among those that are there already."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


# --- in several processes


def _in_processes(wanted: Sequence[Target], work: Work, processes: int, keep: Tell) -> None:
    """Share the targets out, each process every so manieth, and hand on what they find.

    Raises:
        RuntimeError: one of them ended early.
    """
    context = multiprocessing.get_context("spawn")
    share = replace(work, jobs=max(1, work.jobs // processes))
    workers = []
    pipes: dict[Connection, int] = {}
    try:
        for number in range(processes):
            mine = wanted[number::processes]
            here, there = context.Pipe(duplex=False)
            worker = context.Process(target=_work, args=(mine, share, there), daemon=True)
            worker.start()
            there.close()  # so that the end of the process is the end of the pipe
            workers.append(worker)
            pipes[here] = len(mine)
        while pipes:
            for pipe in wait(list(pipes)):
                assert isinstance(pipe, Connection)  # for the type checker: nothing else was given
                try:
                    keep(pipe.recv())
                except EOFError:
                    raise RuntimeError("a process that records ended early; its standard error says why") from None
                pipes[pipe] -= 1
                if not pipes[pipe]:
                    del pipes[pipe]
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def _work(mine: Sequence[Target], work: Work, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says when to stop
    with _collecting_seldom():
        asyncio.run(_examine_all(mine, work, pipe.send))
