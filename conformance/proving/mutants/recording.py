"""Recordings of the conforming reference server: what mutants are applied to.

One for each depth, and further ones with other seeds: what a run sends again (a retry, a second round of what a model's
whim may have caused) is taken from those, so that it has words and ids of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from conformance.reference.process import in_process
from conformance.reference.settings import Settings
from conformance.running import run
from conformance.settings.options import Depth, Options
from conformance.transcript.exchange import Transcript

SEED = 1
LIMITED_EVERY: Mapping[Depth, int] = {Depth.QUICK: 31, Depth.STANDARD: 97, Depth.DEEP: 97}
"""Every n-th request is answered 429, so that each depth sees what error.rate-limit speaks of."""


@dataclass(frozen=True, slots=True)
class Recordings:
    """The recordings of the conforming server."""

    of: Mapping[Depth, Transcript]
    again: Mapping[Depth, tuple[Transcript, ...]]
    """With other seeds: where what is sent again comes from. `deep` takes those of `standard`."""


def record(depths: Iterable[Depth] = tuple(Depth), seed: int = SEED) -> Recordings:
    """Record the conforming server at these depths, and twice more with other seeds."""
    depths = tuple(depths)
    spare = sorted({flows_like(depth) for depth in depths})

    async def all_of_them() -> Recordings:
        wanted = [(depth, seed) for depth in depths]
        wanted += [(depth, seed + more) for depth in spare for more in MORE]
        made = dict(zip(wanted, await asyncio.gather(*(_recorded(*one) for one in wanted)), strict=True))
        again = {depth: tuple(made[flows_like(depth), seed + more] for more in MORE) for depth in depths}
        return Recordings({depth: made[depth, seed] for depth in depths}, again)

    return asyncio.run(all_of_them())


MORE = (1, 2)
"""What is added to the seed of further recordings."""


def flows_like(depth: Depth) -> Depth:
    """The depth whose fixed flows are the same, and that costs least."""
    return Depth.STANDARD if depth is Depth.DEEP else depth


async def _recorded(depth: Depth, seed: int) -> Transcript:
    with in_process(Settings(rate_limit_every=LIMITED_EVERY[depth])) as url:
        options = run.of_reference(f"{url}/v1", Options(depth=depth))
        return await run.record(options, seed, again=False)
