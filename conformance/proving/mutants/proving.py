"""The whole of it: record the conforming server, try the mutants and the pairs, and keep the score."""

from __future__ import annotations

import difflib
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from conformance.proving.mutants import recording, states
from conformance.proving.mutants.pairs import PAIRS
from conformance.proving.mutants.score import Score
from conformance.proving.mutants.trial import Stage
from conformance.proving.mutants.workers import Work, try_all
from conformance.reference.states import MUTANTS
from conformance.settings.options import Depth, UsageError
from conformance.settings.version import VERSION

SEED = recording.SEED


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which mutants are tried, and how."""

    patterns: Sequence[str] = ()
    """Globs over names; none: all."""
    sample: int | None = None
    """So many of them by chance; None: all."""
    seed: int = SEED
    complete: bool = False
    """Whether each is judged at `standard` too, though `quick` caught it: for the kill matrix."""

    def of(self, names: Sequence[str]) -> frozenset[str]:
        """The names of those that are tried.

        Raises:
            UsageError: a pattern names none.
        """
        wanted = list(names)
        if self.patterns:
            for pattern in self.patterns:
                if not any(fnmatchcase(name, pattern) for name in names):
                    raise UsageError(_nobody(pattern, names))
            wanted = [name for name in names if any(fnmatchcase(name, pattern) for pattern in self.patterns)]
        if self.sample is not None and self.sample < len(wanted):
            wanted = random.Random(self.seed).sample(wanted, self.sample)
        return frozenset(wanted)


def _nobody(pattern: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(pattern, names, n=1, cutoff=0.3)
    return f"--only: no mutant is called {pattern!r}; give a glob over names such as {(near or names[:1])[0]!r}."


def prove(
    chosen: Chosen, *, depths: Sequence[Depth] = tuple(Depth), processes: int | None = None
) -> tuple[Score, Mapping[Depth, list[str]]]:
    """Try the mutants; gives the score, and the probes of each depth.

    Raises:
        UsageError: a pattern names no mutant.
    """
    started = time.monotonic()
    recordings = recording.record(depths, chosen.seed)
    stage = Stage.of(recordings)
    enumerated = [mutant.name for mutant in stage.mutants()]
    names = [*enumerated, *(mutant.name for mutant in MUTANTS)]
    wanted = chosen.of(names).__contains__
    numbers = [number for number, name in enumerate(enumerated) if wanted(name)]
    work = Work(numbers, 0 if chosen.patterns else PAIRS, chosen.seed, chosen.complete)
    changed, pairs = try_all(recordings, work, processes=processes)
    served = states.try_all(
        wanted, orders=stage.orders, seed=chosen.seed, processes=processes, complete=chosen.complete
    )
    score = Score(
        results=(*changed, *served),
        pairs=tuple(pairs),
        requests={depth: len(made) for depth, made in recordings.of.items()},
        seed=chosen.seed,
        seconds=time.monotonic() - started,
        version=VERSION,
        enumerated=len(names),
        orders=stage.orders,
    )
    probes = {depth: [exchange.note.probe for exchange in made] for depth, made in recordings.of.items()}
    return score, probes
