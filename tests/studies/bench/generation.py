"""Part `generation`: bodies drawn in a second, valid ones and ones with a single breach, as octets to be sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis.strategies import SearchStrategy

from conformance.contract.schema.shape import documented
from conformance.probes import generated, strategies
from conformance.probes.flow import encode
from conformance.probes.plan import Plan
from conformance.probes.rules import rules_of
from conformance.reference.settings import DEFAULT_MODEL

from . import timing
from .table import Part, Row

NAME = "generation"
VALID, INVALID = 400, 300
"""Wanted, bodies a second."""
FIRST_SEED = 500


@dataclass(slots=True)
class Drawn:
    """A way to draw bodies, and how many it drew in all its turns."""

    what: str
    draw: Callable[[int], int]
    """Takes a seed, gives the number of bodies."""
    counts: list[int]

    def turn(self) -> None:
        """Draw once more, by another seed: nothing that is cached may be met."""
        self.counts.append(self.draw(FIRST_SEED + len(self.counts)))


def measure(fast: bool) -> Part:
    """Measure; `fast`: a twentieth of the bodies, twice."""
    repetitions, share = (2, 20) if fast else (5, 1)
    ways = (
        Drawn("natural", lambda seed: natural(seed, 200 // share), []),
        Drawn("unusual", lambda seed: unusual(seed, 100 // share), []),
        Drawn("rich", lambda seed: rich(seed, 100 // share), []),
        Drawn("invalid", lambda seed: invalid(seed, max(1, 12 // share)), []),
        Drawn("deep run", lambda seed: flows(seed, "standard" if fast else "deep"), []),
    )
    natural(0, 2), unusual(0, 2), invalid(0, 1)  # so that nobody's turn pays for imports
    taken = timing.by_turns({way.what: way.turn for way in ways}, repetitions, timing.CPU)
    rates = {way.what: [n / s for n, s in zip(way.counts, taken[way.what], strict=True)] for way in ways}
    rows = (
        rated("valid bodies: natural conversations", rates["natural"], VALID),
        rated("valid bodies: unusual ones, up to 25 messages", rates["unusual"], None),
        rated("valid bodies: those that breaches are made on", rates["rich"], VALID),
        rated("breaches on them", rates["invalid"], INVALID),
        rated("all bodies of a deep run", rates["deep run"], None),
    )
    notes = (
        "seconds are of CPU time; each turn has a seed of its own; bodies are counted as octets, ready to be sent",
    )
    return Part(NAME, "Generating", rows, notes, {"bodies_per_second": rates})


def rated(what: str, rates: list[float], wanted: int | None) -> Row:
    """A row of bodies a second."""
    rate = timing.median(rates)
    return Row(
        what,
        f"{rate:,.0f} a second",
        wanted=f"≥ {wanted} a second" if wanted else "",
        met=rate >= wanted if wanted else None,
        repetitions=len(rates),
    )


def plan(seed: int, depth: str = "deep") -> Plan:
    """A plan that nothing was drawn for yet."""
    return Plan(DEFAULT_MODEL, seed, depth)


def natural(seed: int, count: int) -> int:
    """Draw natural conversations; gives how many."""
    return _encoded(strategies.natural_bodies(plan(seed)), count, seed)


def unusual(seed: int, count: int) -> int:
    """Draw other valid bodies; gives how many."""
    return _encoded(strategies.unusual_bodies(plan(seed)), count, seed)


def _encoded(bodies: SearchStrategy[Any], count: int, seed: int) -> int:
    return len([encode(body) for body in strategies.Draws(bodies, count, seed).collect()])


def rich(seed: int, count: int) -> int:
    """Draw valid streams of three messages beyond ASCII; gives how many."""
    return _encoded(strategies.rich_bodies(plan(seed), stream=True), count, seed)


def invalid(seed: int, rounds: int) -> int:
    """Draw rounds of breaches, every rule's; gives the number of broken bodies."""
    body = strategies.Draws(strategies.rich_bodies(plan(seed), stream=True), 1, seed).collect()[0]
    drawn = [
        strategies.Draws(strategies.breaches(rule), 2 * rounds, seed).collect()
        for rule in rules_of(documented()).shared
    ]
    return len([encode(breach.apply(body)) for breaches in drawn for breach in breaches])


def flows(seed: int, depth: str) -> int:
    """Draw all that a run generates; gives the number of bodies."""
    return sum(1 for _ in generated.flows(plan(seed, depth)))
