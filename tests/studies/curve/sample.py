"""The sample of mutants that every tool is tried on, and what ours makes of it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conformance.proving.mutants import recording
from conformance.proving.mutants.blame import rule_of
from conformance.proving.mutants.mutant import Mutant
from conformance.proving.mutants.recording import Recordings
from conformance.proving.mutants.score import places
from conformance.proving.mutants.trial import Stage
from conformance.proving.mutants.workers import Work, try_all
from conformance.settings.options import Depth

DEPTHS = (Depth.QUICK, Depth.STANDARD)
"""Of ours. A deep run sends what no other tool has an equal of."""
SEED = 1
"""Of the choice."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of one tool by one seed."""

    requests: int
    places: dict[str, int | None]
    """Mutant to the number of requests after which it is killed; None: it is not."""


def kind(mutant: Mutant) -> str:
    """What the sample is balanced by, as reports/proof.md spells it."""
    return f"{mutant.group} of {mutant.kind}"


def drawn(mutants: Iterable[Mutant], count: int, seed: int = SEED) -> list[Mutant]:
    """So many of those that something has to be blamed for, of each kind in proportion.

    Mutants of a state are not among them: those have to be served, which takes a run of each tool for each of them.
    """
    fair = [mutant for mutant in mutants if not free(mutant)]
    random.Random(seed).shuffle(fair)
    fair.sort(key=kind)
    return [fair[place * len(fair) // count] for place in range(min(count, len(fair)))]


def free(mutant: Mutant) -> bool:
    """Whether nothing has to be blamed for it."""
    rule = rule_of(mutant)
    return rule is None or bool(rule.free)


def recorded(seed: int) -> Recordings:
    """The conforming server at the depths that are tried."""
    return recording.record(DEPTHS, seed)


def ours(recordings: Recordings, names: Sequence[str], *, processes: int | None = None) -> dict[Depth, Run]:
    """What our runs make of these mutants; those that change no answer of either are left out."""
    stage = Stage.of(recordings)
    wanted = frozenset(names)
    numbers = [number for number, mutant in enumerate(stage.mutants()) if mutant.name in wanted]
    results, _ = try_all(recordings, Work(numbers, complete=True), processes=processes)
    found = [result for result in results if result.trials]
    return {
        depth: Run(len(sent), {result.name: places(result, depth, sent) for result in found})
        for depth, sent in stage.orders.items()
    }
