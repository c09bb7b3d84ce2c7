"""State mutants: each is served, recorded and judged, since what a run asks next depends on what a resume is answered.

One server process serves all of them, each below a path of its own. Only the flows that lead to resumes are recorded:
such a server answers everything else as the conforming one does. For the same reason a mutant of a cell which no resume
of a depth is in need not be recorded there: it is the conforming server.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from starlette.types import ASGIApp

from conformance.contract.approval_states import Transition
from conformance.evidence.decisions import transition
from conformance.evidence.evidence import Evidence
from conformance.judging import judge as judging
from conformance.proving.mutants import curve
from conformance.proving.mutants.blame import Rule
from conformance.proving.mutants.recording import flows_like
from conformance.proving.mutants.trial import Fate, Result, Trial, trial_of
from conformance.proving.prove import LIMITS, PATIENCE
from conformance.reference.app import PREFIX, create_many
from conformance.reference.process import in_process
from conformance.reference.settings import Settings
from conformance.reference.states import FORMS, MUTANTS, StateMutant
from conformance.running import garbage, run
from conformance.settings.options import Depth, Options
from conformance.transcript.exchange import Transcript

GROUP = "state"
AREAS = ("approval", "resume")
"""The areas whose flows lead to resumes."""
AT_ONCE = 24
"""Mutants that are recorded at once, in all: a recording waits for seconds until an approval has expired."""
Cell = tuple[Transition, bool]
"""A cell of the table, and whether a stream is asked for."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the mutants are served, and what is known of them."""

    url: str
    cells: Mapping[Depth, frozenset[Cell]]
    """The cells that the resumes of each depth are in."""
    orders: Mapping[Depth, curve.Order]
    """In which order a whole run of each depth sends its requests."""
    seed: int
    complete: bool = False
    """Whether each is judged at a deeper depth too, though a shallower one caught it."""
    at_once: int = AT_ONCE

    def reached(self, mutant: StateMutant, depth: Depth) -> bool:
        """Whether a resume of this depth meets what the mutant does otherwise."""
        return any((mutant.cell, streamed) in self.cells[depth] for streamed in FORMS[mutant.form])


def serve_all(settings: Settings) -> ASGIApp:
    """The application of the server process (a factory of `serving.in_process`)."""
    return create_many(settings, {_key(mutant): mutant.behaviour for mutant in MUTANTS})


def _key(mutant: StateMutant) -> str:
    return mutant.name.replace("/", ".")


def cells(transcript: Transcript) -> frozenset[Cell]:
    """The cells that the resumes of a recording are in."""
    readings = Evidence(transcript).all
    return frozenset((cell, one.asked.stream) for one in readings if (cell := transition(one)) is not None)


def try_all(
    wanted: Callable[[str], bool],
    *,
    orders: Mapping[Depth, curve.Order],
    seed: int,
    processes: int | None = None,
    complete: bool = False,
) -> list[Result]:
    """Try every mutant whose name is wanted, on all cores; gives what came of them in their order.

    Args:
        wanted: whether a mutant of this name is.
        orders: the depths, each with the order in which a whole run sends its requests.
        seed: of the recordings.
        processes: how many; None: one for each core.
        complete: whether each is judged at a deeper depth too, though a shallower one caught it.
    """
    chosen = [number for number, mutant in enumerate(MUTANTS) if wanted(mutant.name)]
    if not chosen:
        return []
    processes = min(processes or os.cpu_count() or 1, len(chosen))
    with in_process(Settings(), factory=f"{__name__}:{serve_all.__name__}") as url:
        met = asyncio.run(_cells(url, orders, seed))
        stage = Stage(url, met, orders, seed, complete, max(1, AT_ONCE // processes))
        shares = [(chosen[start::processes], stage) for start in range(processes)]
        if processes == 1:
            made = list(map(_share, shares))
        else:
            with multiprocessing.get_context("spawn").Pool(processes, _begin) as pool:
                made = pool.map(_share, shares, chunksize=1)
    found = {result.name: result for results in made for result in results}
    return [found[MUTANTS[number].name] for number in chosen]


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says when to stop


def _share(share: tuple[Sequence[int], Stage]) -> list[Result]:
    numbers, stage = share
    with garbage.looked_for_seldom():
        return asyncio.run(_try_each([MUTANTS[number] for number in numbers], stage))


async def _try_each(mutants: Sequence[StateMutant], stage: Stage) -> list[Result]:
    places = asyncio.Semaphore(stage.at_once)

    async def one(mutant: StateMutant) -> Result:
        async with places:
            return await _tried(mutant, stage)

    return await asyncio.gather(*map(one, mutants))


async def _tried(mutant: StateMutant, stage: Stage) -> Result:
    rule = rule_of(mutant)
    trials: dict[Depth, Trial] = {}
    settled: Trial | None = None
    for depth in stage.cells:
        like = flows_like(depth)
        if settled is not None and not (stage.complete and like is depth):
            trials[depth] = replace(settled, judged=False)
        elif like in trials:
            trials[depth] = replace(trials[like], judged=False)
        elif not stage.reached(mutant, depth):
            trials[depth] = Trial(Fate.FREE if rule.free else Fate.THROUGH, reached=False)
        else:
            trials[depth] = trial = await _judged(mutant, rule, stage, depth)
            settled = trial if trial.fate is Fate.RIGHT else None
    return Result(mutant.name, GROUP, mutant.state, mutant.outcome, rule.blamed, rule.free, trials)


def rule_of(mutant: StateMutant) -> Rule:
    """What may be blamed for it."""
    return Rule(f"{GROUP}/{mutant.state}", mutant.cell.ask, mutant.outcome, " ".join(mutant.requirements),
                " ".join(mutant.beside), mutant.reason, traits=mutant.form)  # fmt: skip


async def _cells(url: str, depths: Iterable[Depth], seed: int) -> dict[Depth, frozenset[Cell]]:
    """The cells that the resumes of each depth are in, as the conforming server shows."""
    alike = list(dict.fromkeys(map(flows_like, depths)))
    made = await asyncio.gather(*(_recorded(url, depth, seed) for depth in alike))
    met = {depth: cells(one) for depth, one in zip(alike, made, strict=True)}
    return {depth: met[flows_like(depth)] for depth in depths}


async def _recorded(url: str, depth: Depth, seed: int) -> Transcript:
    options = run.of_reference(f"{url}/v1", Options(depth=depth, only=AREAS))
    return await run.record(options, seed, patience=PATIENCE, limits=LIMITS, again=False)


async def _judged(mutant: StateMutant, rule: Rule, stage: Stage, depth: Depth) -> Trial:
    made = await _recorded(f"{stage.url}{PREFIX}{_key(mutant)}", depth, stage.seed)
    # What those flows show is judged by every requirement, as in a run that was not narrowed.
    trial = trial_of(rule, judging.judge(made, chosen={"only": ()}, opinions=False).verdict, made)
    return replace(trial, shown=curve.earliest(trial.shown, stage.orders, depth))
