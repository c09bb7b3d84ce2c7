"""Runs of the suite against replicas, several side by side in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from conformance.judging import judge as judging
from conformance.judging.result import Result
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, FIRST_TOKEN, SECOND_TOKEN
from conformance.running import run
from conformance.settings.options import Depth, Options

from .replicas import Replicas

APPROVALS = ("approval", "resume")


async def _record(case: Case, only: tuple[str, ...], patience: float) -> Result:
    with in_thread(case.replicas) as url:
        options = Options(
            url=f"{url}/v1",
            model=DEFAULT_MODEL,
            token=FIRST_TOKEN,
            second_token=SECOND_TOKEN,
            approval_prompt=DEFAULT_APPROVAL_PROMPT,
            only=only,
            depth=case.depth,
        )
        return judging.judge(await run.record(options.checked(), case.seed, patience=patience))


@dataclass(frozen=True, slots=True)
class Case:
    """One run."""

    replicas: Replicas
    seed: int
    depth: Depth = Depth.STANDARD


def run_all(cases: Sequence[Case], only: tuple[str, ...] = APPROVALS, patience: float = 1.0) -> list[Result]:
    """The reports of runs against these, in their order."""

    async def all_of_them() -> list[Result]:
        return list(await asyncio.gather(*(_record(case, only, patience) for case in cases)))

    return asyncio.run(all_of_them())
