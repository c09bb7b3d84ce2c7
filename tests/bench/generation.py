"""Part `generation`: bodies drawn in a second, valid ones and ones with a single breach, as octets to be sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conformance.probes import generated, strategies
from conformance.probes.flow import encode
from conformance.probes.plan import Plan
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
        Drawn("valid", lambda seed: valid(seed, 200 // share), []),
        Drawn("invalid", lambda seed: invalid(seed, max(1, 12 // share)), []),
        Drawn("all flows of a deep run", lambda seed: flows(seed, "standard" if fast else "deep"), []),
    )
    valid(0, 2), invalid(0, 1)  # so that nobody's turn pays for imports
    taken = timing.by_turns({way.what: way.turn for way in ways}, repetitions, timing.CPU)
    rates = {way.what: [n / s for n, s in zip(way.counts, taken[way.what], strict=True)] for way in ways}
    rows = (
        rated("valid bodies", rates["valid"], VALID),
        rated("bodies with one breach (the valid ones that they break are drawn in the same time)",
              rates["invalid"], INVALID),
        rated("bodies of a whole deep run, valid and not, with its flows", rates["all flows of a deep run"], None),
    )  # fmt: skip
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


def valid(seed: int, count: int) -> int:
    """Draw natural conversations and other valid bodies, half of each; gives how many."""
    made = plan(seed)
    bodies = [
        *strategies.drawn(strategies.natural_bodies(made), count // 2, seed),
        *strategies.drawn(strategies.unusual_bodies(made), count - count // 2, seed),
    ]
    return len([encode(body) for body in bodies])


def invalid(seed: int, rounds: int) -> int:
    """Draw rounds of breaches, every rule's; gives the number of broken bodies."""
    series = strategies.drawn(strategies.rounds_of_breaches(plan(seed)), rounds, seed)
    return len([encode(broken[-1]) for _, breaches in series for broken in breaches])


def flows(seed: int, depth: str) -> int:
    """Draw all that a run generates; gives the number of bodies."""
    return sum(1 for _ in generated.flows(plan(seed, depth)))
