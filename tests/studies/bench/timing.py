"""Measuring by turns: what one moment of a noisy machine does to one candidate it does to the others too."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Clock = Callable[[], float]
WALL: Clock = time.perf_counter
CPU: Clock = time.process_time
"""For what only computes: what else runs on the machine then counts less."""


def seconds(work: Callable[[], object], clock: Clock = WALL) -> float:
    """Time of one call, in seconds."""
    gc.collect()
    started = clock()
    work()
    return clock() - started


def by_turns(
    candidates: Mapping[str, Callable[[], object]], repetitions: int, clock: Clock = WALL
) -> dict[str, list[float]]:
    """Times in seconds of each candidate, which take turns; every other round goes the other way round."""
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(repetitions):
        for name in list(candidates)[:: 1 if turn % 2 == 0 else -1]:
            taken[name].append(seconds(candidates[name], clock))
    return taken


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios: a slow moment of the machine that met both cancels out.

    Raises:
        ValueError: not as many of one as of the other.
    """
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


def median(figures: Sequence[float]) -> float:
    """The median."""
    return statistics.median(figures)
