"""Every tool on the same sample of mutants, by every seed."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import click

from conformance.proving.mutants.recording import LIMITED_EVERY
from conformance.proving.mutants.trial import Stage
from conformance.reference.serving import in_process
from conformance.reference.settings import Settings
from conformance.settings.options import Depth
from conformance.settings.version import VERSION
from tests.studies.bench import tools

from . import comply, replay, sample
from .compared import document, held_against, killed
from .sample import Run

LLM_COMPLY = "llm-comply"


def measured(program: str, count: int, seeds: Sequence[int], seconds: int, processes: int | None) -> dict[str, Any]:
    """Try every tool by every seed; gives what `curve.json` holds (format 1).

    Raises:
        Unusable: llm-comply cannot be driven.
    """
    _told("recording the conforming server")
    recordings = sample.recorded(seeds[0])
    every = list(Stage.of(recordings).mutants())
    drawn = sample.drawn(every, count)
    names = [mutant.name for mutant in drawn]
    by_depth: dict[Depth, list[Run]] = {depth: [] for depth in sample.DEPTHS}
    for seed in seeds:
        _told(f"ours, seed {seed}")
        again = recordings if seed == seeds[0] else sample.recorded(seed)
        for depth, run in sample.ours(again, names, processes=processes).items():
            by_depth[depth].append(run)
    # What changes no answer is the conforming server: by the first seed, for all alike.
    counted = set(by_depth[sample.DEPTHS[0]][0].places)
    kinds = {mutant.name: sample.kind(mutant) for mutant in drawn if mutant.name in counted}
    theirs = []
    for seed in seeds:
        _told(f"Schemathesis, seed {seed}")
        # Each in a process of its own, as from a shell: what it registers and remembers stays there.
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            theirs.append(pool.submit(_schemathesis, pickle.dumps(recordings), list(kinds), seed, seconds).result())
    _told(LLM_COMPLY)
    with in_process(Settings()) as url:
        once = comply.tried(program, url, [mutant for mutant in drawn if mutant.name in counted])
    found = [
        *(
            {"name": str(depth), "version": VERSION, "command": _ours(depth), "seeds": list(seeds),
             **document(_only(runs, kinds), kinds)}
            for depth, runs in by_depth.items()
        ),
        {"name": "Schemathesis", "version": replay.VERSION, "seeds": list(seeds),
         "command": replay.shown(seconds), **document(theirs, kinds)},
        {"name": LLM_COMPLY, "version": tools.llm_comply_version(program), "seeds": [],
         "command": "llm-comply --format openai-chat -u URL -k TOKEN -m MODEL --json",
         **document([once], kinds)},
    ]  # fmt: skip
    standard = by_depth[Depth.STANDARD]
    sent = min(run.requests for run in (*standard, *theirs))
    return {
        "format": 1,
        "sample": {
            "mutants": len(kinds),
            "of": sum(1 for mutant in every if not sample.free(mutant)),
            "seed": sample.SEED,
            "by_kind": dict(Counter(kinds.values())),
        },
        "tools": found,
        "compared": {
            "requests": sent,
            **held_against(
                [killed(run, sent) for run in _only(standard, kinds)], [killed(run, sent) for run in theirs]
            ),
        },
    }


def _schemathesis(recordings: bytes, names: Sequence[str], seed: int, seconds: int) -> Run:
    wanted = frozenset(names)
    mutants = [mutant for mutant in Stage.of(pickle.loads(recordings)).mutants() if mutant.name in wanted]
    with in_process(Settings(rate_limit_every=LIMITED_EVERY[Depth.STANDARD])) as url:
        sent = replay.recorded(url, seed, seconds)
    return replay.tried(sent, url, mutants)


def _only(runs: Sequence[Run], kinds: dict[str, str]) -> list[Run]:
    """The runs with the mutants that count."""
    return [Run(run.requests, {name: run.places.get(name) for name in kinds}) for run in runs]


def _ours(depth: Depth) -> str:
    return f"kitemesh-conformance run URL --depth {depth} --seed N"


def _told(what: str) -> None:
    click.echo(f"{what} …", err=True)
