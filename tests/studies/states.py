"""The share of the state mutants that the suite kills and blames right.

    python -m studies.states [--only GLOB] [--every N] [--due] [--seed N] [--jobs N]

Serves each mutant of `conformance.reference.states`, records a standard run, and judges it. A mutant with a reason must
not be blamed at all; any other must be blamed on one of the requirements that it names. `--due`: only those.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from dataclasses import replace
from fnmatch import fnmatchcase

from starlette.types import ASGIApp

from conformance.judging.verdict import State
from conformance.proving import prove
from conformance.proving.proof import TargetKind, TrialServer
from conformance.reference.app import create_many
from conformance.reference.serving import in_process
from conformance.reference.settings import Settings
from conformance.reference.states import MUTANTS, StateMutant
from conformance.running import garbage, run

MANY = 2
"""More requirements than these at once are told even where the right one is among them."""


def key_of(mutant: StateMutant) -> str:
    """The name of its path."""
    return mutant.name.replace("/", ".")


def serve_all(settings: Settings) -> ASGIApp:
    """The application of the server process."""
    return create_many(settings, {key_of(mutant): mutant.behaviour for mutant in MUTANTS})


async def failed_on(url: str, mutant: StateMutant, seed: int) -> list[str]:
    """The requirements that a run finds broken."""
    target = TrialServer(key_of(mutant), TargetKind.FAULT, mutant.name)
    options = prove.options(url, target)
    options = replace(options, url=f"{url}{prove.PREFIX}{key_of(mutant)}/v1")
    transcript = await run.record(options, seed, patience=prove.PATIENCE, limits=prove.LIMITS)
    outcomes = run.judge(transcript).verdict.outcomes
    return [outcome.requirement.id for outcome in outcomes if outcome.state is State.FAILED]


async def measure(url: str, mutants: list[StateMutant], seed: int, jobs: int) -> Counter[str]:
    """How many come to which end; tells of each that is not blamed right."""
    places, ends = asyncio.Semaphore(jobs), Counter[str]()

    async def one(mutant: StateMutant) -> None:
        async with places:
            failed = await failed_on(url, mutant, seed)
        right = not failed if mutant.reason else bool(mutant.requirements & set(failed))
        end = (
            ("let through" if mutant.reason else "killed") if right else "survived" if not failed else "blamed wrongly"
        )
        ends[end] += 1
        if not right or len(failed) > MANY:
            allowed = ", ".join(sorted(mutant.requirements)) or mutant.reason
            print(f"{end}: {mutant.name}: {', '.join(failed)} (may be: {allowed})", flush=True)

    await asyncio.gather(*(one(mutant) for mutant in mutants))
    return ends


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="*")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--due", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=12)
    asked = parser.parse_args()
    among = [mutant for mutant in MUTANTS if not (asked.due and mutant.reason)]
    mutants = [mutant for mutant in among if fnmatchcase(mutant.name, asked.only)][:: asked.every]
    with in_process(Settings(), factory="studies.states:serve_all") as url, garbage.looked_for_seldom():
        ends = asyncio.run(measure(url, mutants, asked.seed, asked.jobs))
    print(dict(ends))


if __name__ == "__main__":
    main()
