"""Trying many mutants, and pairs of them, on all cores: each process reads the recordings once."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from conformance.proving.mutants.mutant import Mutant
from conformance.proving.mutants.pairs import Pair, try_pairs
from conformance.proving.mutants.recording import Recordings
from conformance.proving.mutants.trial import Result, Stage, tried

T = TypeVar("T")
AT_ONCE = 20
"""Mutants, or pairs of them, that a process takes at a time."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be tried of the mutants of some recordings."""

    numbers: Sequence[int]
    """Which mutants, by their place in the enumeration."""
    pairs: int = 0
    """How many random pairs."""
    seed: int = 1
    """Of the pairs."""
    complete: bool = False
    """Whether each is judged at `standard` too, though `quick` caught it."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What a process holds."""

    stage: Stage
    mutants: Sequence[Mutant]
    complete: bool

    @staticmethod
    def of(recordings: Recordings, complete: bool) -> Worker:
        """Read the recordings."""
        stage = Stage.of(recordings)
        return Worker(stage, list(stage.mutants()), complete)

    def results(self, numbers: Iterable[int]) -> list[Result]:
        """What comes of these mutants."""
        return [tried(self.mutants[number], self.stage, complete=self.complete) for number in numbers]

    def pairs(self, share: tuple[str, int]) -> list[Pair]:
        """What comes of so many pairs that are drawn by this seed."""
        return try_pairs(self.stage, self.mutants, seed=share[0], count=share[1])


def try_all(recordings: Recordings, work: Work, *, processes: int | None = None) -> tuple[list[Result], list[Pair]]:
    """Try them; gives what came of the mutants in their order, and of the pairs."""
    shares = [work.numbers[start : start + AT_ONCE] for start in range(0, len(work.numbers), AT_ONCE)]
    pairs = [(f"{work.seed}-{start}", min(AT_ONCE, work.pairs - start)) for start in range(0, work.pairs, AT_ONCE)]
    processes = processes or os.cpu_count() or 1
    if processes == 1:
        here = Worker.of(recordings, work.complete)
        return _flat(map(here.results, shares)), _flat(map(here.pairs, pairs))
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, _begin, (pickle.dumps(recordings), work.complete)) as pool:
        return _flat(pool.imap(_results, shares)), _flat(pool.imap(_pairs, pairs))


def _flat(made: Iterable[list[T]]) -> list[T]:
    return list(chain.from_iterable(made))


# --- in a process of its own

_worker: Worker


def _begin(recordings: bytes, complete: bool) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says when to stop
    _worker = Worker.of(pickle.loads(recordings), complete)
    # Each verdict leaves a ring of readings behind. They are looked for once a share, and never among what stays.
    gc.freeze()
    gc.disable()


def _results(numbers: Sequence[int]) -> list[Result]:
    made = _worker.results(numbers)
    gc.collect()
    return made


def _pairs(share: tuple[str, int]) -> list[Pair]:
    made = _worker.pairs(share)
    gc.collect()
    return made
