"""Proving the suite: run it against servers of which it is known what they break, and see what it says.

One server process serves the conforming server, every fault and every variation, each below a path of its own. This
side records several of them at once in one event loop and judges each as it is over; no pytest is involved. A recording
waits for seconds (an approval has to expire) and computes for less than one, so that many go well together. On a
machine with several cores the targets are shared out to several processes: recording costs thrice what serving does.
"""

from __future__ import annotations

import asyncio
import difflib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import MappingProxyType

from starlette.types import ASGIApp

from conformance.contract.catalogue import Level, Side
from conformance.judging import judge as judging
from conformance.proving import examples
from conformance.proving.proof import Case, Proof, TargetKind, TrialServer, examined, tried_again
from conformance.reference.app import PREFIX, create_many
from conformance.reference.behaviour import Behaviour
from conformance.reference.client_faults import CLIENT_FAULTS, ClientFault
from conformance.reference.fault import Fault, Variation
from conformance.reference.faults import FAULTS
from conformance.reference.process import in_process
from conformance.reference.settings import Settings
from conformance.reference.variations import VARIATIONS, WARNED
from conformance.running import garbage as cycles
from conformance.running import run
from conformance.settings.options import Options, UsageError
from conformance.settings.version import VERSION
from conformance.transcript.exchange import Transcript
from conformance.wire.limits import Limits

_BLOCKED = "whatever is asked while it is blocked gets no answer, and the suite asks many things at once"
KNOCK_ONS: Mapping[str, str] = MappingProxyType(
    {"loop-blocked": _BLOCKED, "loop-blocked-json": _BLOCKED, "loop-blocked-named": _BLOCKED}
)
"""Fault id to the reason why more than `proof.FREE_KNOCK_ONS` other requirements fail with it."""
UNPROVOKED: Mapping[str, str] = MappingProxyType(
    {"error.rate-limit": "of the servers without a fault, only the conforming one has a rate limit"}
)
"""Requirement id to the reason why no variation exercises it."""

CONFORMING = TrialServer("conforming", TargetKind.CONFORMING, "The reference server as it is, with a rate limit.")
_CONFORMING = Behaviour(adjust=lambda settings: replace(settings, rate_limit_every=RATE_LIMIT_EVERY))
RATE_LIMIT_EVERY = 97
"""Every n-th request to the conforming server is answered 429, so that error.rate-limit is exercised."""

SEED = 1
JOBS = 16
"""Targets that are recorded at once, in all."""
AGAIN, AGAIN_JOBS = 24, 4
"""The most targets with a problem that are tried again, and how many of them at once."""
VARIATIONS_APART = 4
PROCESSES = 3
"""Processes that record, where there are so many cores: one that serves keeps up with as many."""
LIMITS = Limits(first_byte=3.0, idle=3.0, total=30.0)
"""A fault that hangs does so for 30 s: these are long enough to tell it from one that is slow."""
PATIENCE = 0.1
"""Factor on the waits before a request is sent again: nothing passes by itself here."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one target."""

    case: Case
    example: Transcript | None = None
    """Of a fault that was caught, where examples are asked for: the fewest exchanges that show the breach."""
    transcript: Transcript | None = None
    """Of the conforming server, too: all of it."""


@dataclass(frozen=True, slots=True)
class Work:
    """How targets are to be recorded."""

    url: str
    """Of the server process; each target lies below it."""
    seed: int = SEED
    jobs: int = JOBS
    with_examples: bool = False
    """Whether examples are to be found."""


class Examples:
    """Gathers the examples of a proof as its targets are over."""

    def __init__(self) -> None:
        self._collection = examples.Collection()
        self._caught: set[str] = set()

    def add(self, found: Trial) -> None:
        """What came of one target."""
        target = found.case.target
        if found.transcript is not None:
            side = Side.CLIENT if found.transcript.options.get("side") == Side.CLIENT else Side.SERVER
            self._collection.conforming[side] = found.transcript
        if target.requirement is not None and found.case.caught:
            self._caught.add(target.requirement)
            if found.example is not None:
                self._collection.add(target.id, target.requirement, found.example)

    def write(self, folder: Path) -> str:
        """Write those that are new, or that are no longer judged as they were; gives a sentence about it.

        Raises:
            OSError: a file cannot be written.
        """
        written = self._collection.write(folder)
        without = sorted(id_ for id_ in self._caught if not examples.path_of(id_, folder).exists())
        said = f"{len(written)} examples were written to {folder}; what else is there still says what it should."
        return said if not without else f"{said} None is small enough of: {', '.join(without)}."


Tell = Callable[[Trial], None]
"""Told of each target as it is over."""


# --- targets


def behaviours() -> dict[str, Behaviour]:
    """Every server that can be served, by the key of its target."""
    return {
        CONFORMING.key: _CONFORMING,
        **{_broken(fault, TargetKind.FAULT).key: fault.behaviour for fault in FAULTS},
        **{_broken(fault, TargetKind.WARNED).key: fault.behaviour for fault in WARNED},
        **{_free(variation).key: variation.behaviour for variation in VARIATIONS},
    }


def serve_all(settings: Settings) -> ASGIApp:
    """The application of the server process (a factory of `process.in_process`)."""
    return create_many(settings, behaviours())


def targets() -> list[TrialServer]:
    """The conforming server, the faults, those that are warned, the variations."""
    return [
        CONFORMING,
        *(_broken(fault, TargetKind.FAULT) for fault in FAULTS),
        *(_broken(fault, TargetKind.WARNED) for fault in WARNED),
        *(_free(variation) for variation in VARIATIONS),
    ]


def _broken(fault: Fault, kind: TargetKind) -> TrialServer:
    knock_ons = KNOCK_ONS.get(fault.id, "")
    return TrialServer(fault.id, kind, fault.summary, fault.requirement, fault.seen_in, knock_ons=knock_ons)


def _free(variation: Variation) -> TrialServer:
    unexercised = {**UNPROVOKED, **variation.unexercised}
    return TrialServer(
        variation.id, TargetKind.VARIATION, variation.summary, source=variation.source, unexercised=unexercised
    )


def chosen(known: Sequence[TrialServer], patterns: Sequence[str]) -> list[TrialServer]:
    """Those of the targets that any pattern names, in their order; all where there is no pattern.

    Args:
        known: the targets to choose from.
        patterns: ids of faults and variations, requirement ids, areas, globs over these, or a kind: `conforming`,
            `fault`, `warned`, `variation`.

    Raises:
        UsageError: a pattern names none.
    """
    if not patterns:
        return list(known)
    wanted: set[str] = set()
    for pattern in patterns:
        named = {target.key for target in known if any(fnmatchcase(name, pattern) for name in _names(target))}
        if not named:
            raise UsageError(_nobody(known, pattern))
        wanted |= named
    return [target for target in known if target.key in wanted]


def spread(known: Sequence[TrialServer]) -> list[TrialServer]:
    """A choice that speaks of every requirement and takes minutes.

    The conforming server, of each requirement's faults the plainest and, for a MUST, the last as well, and one in
    `VARIATIONS_APART` of the variations.
    """
    faults: dict[str, list[TrialServer]] = {}
    for target in known:
        if target.kind is TargetKind.FAULT and target.requirement is not None:
            faults.setdefault(target.requirement, []).append(target)
    wanted = {of_one[0].key for of_one in faults.values()}
    wanted |= {of_one[-1].key for id_, of_one in faults.items() if run.CATALOGUE[id_].level is Level.MUST}
    wanted |= {target.key for target in [t for t in known if t.kind is TargetKind.VARIATION][::VARIATIONS_APART]}
    return [target for target in known if target.kind is TargetKind.CONFORMING or target.key in wanted]


def with_conforming(wanted: Sequence[TrialServer]) -> list[TrialServer]:
    """The same and the conforming server, which the examples of what holds come from."""
    return [CONFORMING, *(target for target in wanted if target is not CONFORMING)]


def _names(target: TrialServer) -> Iterator[str]:
    yield target.id
    yield target.kind.value
    if target.requirement is not None:
        yield target.requirement
        yield target.requirement.partition(".")[0]


def _nobody(known: Sequence[TrialServer], pattern: str) -> str:
    if pattern in run.CATALOGUE or pattern in run.CATALOGUE.areas:
        return f"--only: no fault breaks {pattern!r}; the requirement is known, but nothing proves its check."
    return f"--only knows nothing called {pattern!r}: {_hint(pattern, (n for target in known for n in _names(target)))}"


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(set(known)), n=3)
    return f"did you mean {' or '.join(near)}?" if near else "prove.md, which prove --output writes, lists them all."


def faults_of(requirement: str) -> list[tuple[str, str]]:
    """Id and summary of each fault that breaks a requirement, of a server or a client."""
    known: list[Fault | ClientFault] = [*FAULTS, *WARNED, *CLIENT_FAULTS]
    return [(fault.id, fault.summary) for fault in known if fault.requirement == requirement]


# --- proving


def prove(
    wanted: Sequence[TrialServer],
    *,
    seed: int = SEED,
    jobs: int = JOBS,
    processes: int | None = None,
    with_examples: bool = False,
    told: Tell = lambda found: None,
) -> Proof:
    """Start the servers, try each target, and say what the suite made of it.

    Args:
        wanted: the targets.
        seed: of the words and the generated bodies, the same for all.
        jobs: targets at once, in all.
        processes: that record; None: as many as there are cores for, and targets enough.
        with_examples: whether to find the exchanges that show a breach, for `told`.
        told: called in this thread for each target as it is over, twice for one that is tried again.
    """
    started = time.monotonic()
    if not wanted:
        return Proof((), seed, 0.0, VERSION)
    with in_process(Settings(), factory="conformance.proving.prove:serve_all") as url:
        cases = examine(wanted, Work(url, seed, jobs, with_examples), processes=processes, told=told)
    return Proof(tuple(cases), seed, time.monotonic() - started, VERSION)


def examine(
    wanted: Sequence[TrialServer], work: Work, *, processes: int | None = None, told: Tell = lambda found: None
) -> list[Case]:
    """Try each target on servers that run already; gives what came of them in their order.

    Time is part of what is judged, and a machine that is busy with something else takes its time. So targets with a
    problem are tried again, a few at once, unless there are many.
    """
    cases = _examine_each(wanted, work, processes, told)
    doubtful = [case.target for case in cases if case.problems]
    if not doubtful or len(doubtful) > AGAIN:
        return cases
    second = _examine_each(doubtful, replace(work, jobs=min(work.jobs, AGAIN_JOBS)), 1, told)
    anew = {case.target.key: case for case in second}
    return [tried_again(case, anew[case.target.key]) if case.target.key in anew else case for case in cases]


def _examine_each(wanted: Sequence[TrialServer], work: Work, processes: int | None, told: Tell) -> list[Case]:
    if processes is None:
        processes = min(PROCESSES, os.cpu_count() or 1, max(1, len(wanted) // 8))
    cases: dict[str, Case] = {}

    def keep(found: Trial) -> None:
        cases[found.case.target.key] = found.case
        told(found)

    if processes == 1:
        with cycles.looked_for_seldom():
            asyncio.run(_examine_all(wanted, work, keep))
    else:
        _in_processes(wanted, work, processes, keep)
    return [cases[target.key] for target in wanted]


async def _examine_all(wanted: Sequence[TrialServer], work: Work, keep: Tell) -> None:
    places = asyncio.Semaphore(work.jobs)

    async def one(target: TrialServer) -> None:
        async with places:
            keep(await _examine(target, work))

    await asyncio.gather(*(one(target) for target in wanted))


async def _examine(target: TrialServer, work: Work) -> Trial:
    """Record and judge one target. An exception is the suite's own fault, and is reported as such."""
    started = time.monotonic()
    # The same request alone shows what only concurrency causes.
    again = (target.requirement or "").startswith("isolation.")
    try:
        transcript = await run.record(
            options(work.url, target),
            work.seed,
            patience=PATIENCE,
            limits=LIMITS,
            again=again,
        )
        report = judging.judge(transcript)
    except Exception as error:
        what = ("", f"{type(error).__name__}: {error}")
        return Trial(Case(target, errors=(what,), seconds=time.monotonic() - started))
    case = examined(target, report.verdict, len(transcript), time.monotonic() - started)
    if not work.with_examples:
        return Trial(case)
    if target.kind is TargetKind.CONFORMING:
        return Trial(case, transcript=transcript)
    if target.requirement is None or not case.caught:
        return Trial(case)
    return Trial(case, examples.breaking(transcript, target.requirement))


def options(url: str, target: TrialServer) -> Options:
    """How a target is recorded: as `run` does without a URL."""
    return run.of_reference(f"{url}{PREFIX}{target.key}/v1", Options())


# --- in several processes


def _in_processes(wanted: Sequence[TrialServer], work: Work, processes: int, keep: Tell) -> None:
    """Share the targets out, each process every n-th, and hand on what they find.

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


def _work(mine: Sequence[TrialServer], work: Work, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says when to stop
    with cycles.looked_for_seldom():
        asyncio.run(_examine_all(mine, work, pipe.send))
