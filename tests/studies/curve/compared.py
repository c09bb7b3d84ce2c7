"""Several runs of a tool as one curve, and two tools held against each other, as the guide to benchmarking asks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import median
from typing import Any

from conformance.proving.mutants import curve

from .sample import Run


def killed(run: Run, requests: int) -> int:
    """How many mutants are killed after so many requests."""
    return sum(1 for place in run.places.values() if place is not None and place <= requests)


def document(runs: Sequence[Run], kinds: Mapping[str, str]) -> dict[str, Any]:
    """What several runs of a tool show, as JSON values: medians, and each run's end.

    Args:
        runs: one for each seed.
        kinds: name of a mutant to its kind.
    """
    ends = [max([run.requests, *(place or 0 for place in run.places.values())]) for run in runs]
    found = [sorted(place for place in run.places.values() if place is not None) for run in runs]
    by_kind = {
        kind: median(sum(run.places.get(name) is not None for name in kinds if kinds[name] == kind) for run in runs)
        for kind in dict.fromkeys(kinds.values())
    }
    return {
        "requests": [run.requests for run in runs],
        "killed": [len(places) for places in found],
        "curve": [[step, median(bisect_right(places, step) for places in found)] for step in curve.steps(max(ends))],
        "by_kind": by_kind,
    }


def held_against(ours: Sequence[int], theirs: Sequence[int]) -> dict[str, float]:
    """Mann and Whitney's U of two lists of results, its exact two-sided p, and Vargha and Delaney's A12.

    Args:
        ours: a result for each run.
        theirs: the same of the other tool.
    """
    both = [*ours, *theirs]
    observed = _u(ours, theirs)
    middle = len(ours) * len(theirs) / 2
    draws = [frozenset(chosen) for chosen in combinations(range(len(both)), len(ours))]
    as_far = sum(
        abs(_u([both[n] for n in chosen], [one for n, one in enumerate(both) if n not in chosen]) - middle)
        >= abs(observed - middle)
        for chosen in draws
    )
    return {
        "u": observed,
        "pairs": len(ours) * len(theirs),
        "p": round(as_far / len(draws), 4),
        "a12": round(observed / (2 * middle), 4),
    }


def _u(ours: Sequence[int], theirs: Sequence[int]) -> float:
    return sum((one > other) + (one == other) / 2 for one in ours for other in theirs)
