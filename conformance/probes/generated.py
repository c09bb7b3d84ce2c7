"""Generated probes: bodies that Hypothesis drew, sent like any other.

For accept.generated, accept.any-valid and reject.generated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from conformance.contract.classify import text_of
from conformance.probes.flow import Flow, Phase, Send, encode, single
from conformance.probes.plan import Plan
from conformance.probes.rules import RAW_RULES

NATURAL = "natural"
UNUSUAL = "unusual"
RAW_GENERATED = ("trailing-object",)
STANDARD = (12, 4, 1)
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


def _named(plan: Plan, name: str, body: Any) -> Any:
    """The body with a `request_id` of its own, where it has one: no two requests may share it by chance."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("request_id"), str):
        return body
    return {**body, "metadata": {**metadata, "request_id": plan.request_id(name)}}


def _escaped(body: Any) -> bytes:
    """Every character beyond ASCII as an escape, those beyond the first plane as two; one is there in any case."""
    messages = [
        *body["messages"][:-1],
        {**body["messages"][-1], "content": f"{text_of(body['messages'][-1]['content'])} 👍"},
    ]
    return json.dumps({**body, "messages": messages}).encode()


def _pretty(body: Any) -> bytes:
    """Indented, members in another order."""
    return json.dumps(dict(reversed(body.items())), ensure_ascii=False, indent=2).encode()


def _spaced(body: Any) -> bytes:
    """With white space of every kind that JSON has, around the value too."""
    return b"\r\n\t " + json.dumps(body, ensure_ascii=False, separators=(" ,\t", " : ")).encode() + b"\n"


SPELLINGS: tuple[Callable[[Any], bytes], ...] = (_spaced, _escaped, _pretty)
"""Ways to write the same JSON."""


@lru_cache(maxsize=8)
def _drawn(plan: Plan) -> tuple[tuple[str, bytes, str, str | None], ...]:
    """(name, octets, note, twin) of each generated body. Cached: many targets may get the same."""
    from conformance.probes import strategies

    natural, unusual, rounds = amounts(plan)
    made: list[tuple[str, bytes, str, str | None]] = []

    def add(name: str, body: Any, note: str, twin: str | None = None) -> None:
        made.append((name, body if isinstance(body, bytes) else encode(_named(plan, name, body)), note, twin))

    seed = plan.source("generated").getrandbits(64)
    for number, body in enumerate(strategies.drawn(strategies.natural_bodies(plan), natural, seed, skip=1), 1):
        add(f"generated-natural-{number}", body, NATURAL)
    for number, body in enumerate(strategies.drawn(strategies.unusual_bodies(plan), unusual, seed + 1, skip=1), 1):
        name = f"generated-unusual-{number}"
        add(name, SPELLINGS[number % len(SPELLINGS)](_named(plan, name, body)), UNUSUAL)
    series = strategies.drawn(strategies.rounds_of_breaches(plan), rounds, seed + 2, skip=2)
    for number, (valid, broken) in enumerate(series, 1):
        for which, body in enumerate(valid, 1):
            add(f"generated-base-{number}-{which}", body, NATURAL)
        for rule, which, body in broken:
            kind = "stream" if which < 2 else "json"
            add(f"generated-{rule.id}-{kind}-{number}", body, rule.id, f"generated-base-{number}-{which + 1}")
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
