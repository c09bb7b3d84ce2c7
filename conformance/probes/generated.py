"""Generated probes: bodies that Hypothesis drew, sent like any other.

For accept.generated, accept.any-valid and reject.generated.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from conformance.probes.flow import Flow, Phase, Send, encode, single
from conformance.probes.plan import Plan
from conformance.probes.rules import RAW_RULES

NATURAL = "natural"
UNUSUAL = "unusual"
BASES = 3
RAW_GENERATED = ("cut-last", "trailing-object", "number", "single-quotes")
STANDARD = (14, 5, 1)
"""Natural bodies, unusual ones, and rounds of breaches at standard depth."""
DEEP = (160, 60, 24)


def amounts(plan: Plan) -> tuple[int, int, int]:
    """How many natural bodies, unusual bodies and rounds of breaches the plan asks for."""
    if plan.quick:
        return 0, 0, 0
    natural, unusual, rounds = DEEP if plan.depth == "deep" else STANDARD
    if plan.examples is None:
        return natural, unusual, rounds
    # About a fifth of the examples are valid, as at the depths of themselves.
    from conformance.probes.rules import RULES

    share = plan.examples // (len(RULES) + 8)
    return (0, 0, 0) if plan.examples == 0 else (max(1, share * 6), max(1, share * 2), max(1, share))


@lru_cache(maxsize=8)
def _drawn(plan: Plan) -> tuple[tuple[str, bytes, str, str | None], ...]:
    """(name, octets, note, twin) of each generated body. Cached: many targets may get the same."""
    from conformance.probes import strategies

    natural, unusual, rounds = amounts(plan)
    made: list[tuple[str, bytes, str, str | None]] = []

    def add(name: str, body: Any, note: str, twin: str | None = None) -> None:
        made.append((name, body if isinstance(body, bytes) else encode(body), note, twin))

    seed = plan.source("generated").getrandbits(64)
    for number, body in enumerate(strategies.drawn(strategies.natural_bodies(plan), natural, seed, skip=1), 1):
        add(f"generated-natural-{number}", body, NATURAL)
    for number, body in enumerate(strategies.drawn(strategies.unusual_bodies(plan), unusual, seed + 1, skip=1), 1):
        add(f"generated-unusual-{number}", body, UNUSUAL)
    series = strategies.drawn(strategies.rounds_of_breaches(plan, BASES), rounds, seed + 2, skip=2)
    for number, (valid, broken) in enumerate(series, 1):
        for which, body in enumerate(valid, 1):
            add(f"generated-base-{number}-{which}", body, NATURAL)
        for rule, which, body in broken:
            add(f"generated-{rule.id}-{number}", body, rule.id, f"generated-base-{number}-{which + 1}")
        base = encode(valid[0])
        for raw in RAW_RULES:
            if raw.id in RAW_GENERATED:
                add(f"generated-body-{raw.id}-{number}", raw.make(base), f"body-{raw.id}", f"generated-base-{number}-1")
    return tuple(made)


def flows(plan: Plan) -> Iterator[Flow]:
    """One flow for each generated body."""
    if amounts(plan) == (0, 0, 0):
        return
    for name, body, note, twin in _drawn(plan):
        served = twin is None
        covers = ("accept",) if served else ("reject", "stream")
        area = "accept" if served else "reject"
        send = Send(name, body, twin=twin, breach=note, served=served)
        yield single(area, Phase.GENERATED, name, lambda _, send=send: send, covers=(*covers, "error", "http"))  # type: ignore[misc]
