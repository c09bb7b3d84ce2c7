"""Whatever the seed: a server that is wrong about one rule, and only where traits meet, is caught at standard depth.

Offline: the server is a function of the body. `KITEMESH_SEEDS` says how many seeds are tried (nox session `seeds`).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import Any

from conformance.contract.schema.shape import documented
from conformance.probes import generated
from conformance.probes.plan import Plan
from conformance.probes.rules import rules_of

SEEDS = int(os.environ.get("KITEMESH_SEEDS", "12"))
MODEL = "group:123e4567-e89b-42d3-a456-426614174000"
ENOUGH = 0.95
"""Of the seeds, for each rule and trait; of a few of them, all but one."""


def is_stream(body: Any) -> bool:
    return body.get("stream", False) is not False


def has_three(body: Any) -> bool:
    messages = body.get("messages")
    return isinstance(messages, list) and len(messages) >= 3


def is_foreign(body: Any) -> bool:
    return not json.dumps(body, ensure_ascii=False).isascii()


TRAITS = {
    "stream": is_stream,
    "three messages": has_three,
    "not ASCII": is_foreign,
    "three messages, not ASCII": lambda body: has_three(body) and is_foreign(body),
    "all": lambda body: is_stream(body) and has_three(body) and is_foreign(body),
}
LEFT_NOTHING = {
    # The breach takes the messages away, so that a server cannot be wrong by what is in them.
    *((rule, trait) for rule in ("messages-missing", "messages-type", "messages-empty") for trait in list(TRAITS)[1:]),
    # 501 messages are many, whatever they hold.
    ("messages-many", "not ASCII"), ("messages-many", "three messages, not ASCII"), ("messages-many", "all"),
}  # fmt: skip


def test_a_server_that_is_wrong_only_where_traits_meet_is_caught() -> None:
    caught: Counter[tuple[str, str]] = Counter()
    for seed in range(SEEDS):
        plan = Plan(model=MODEL, seed=seed)
        broken = [(item.breach, json.loads(item.octets(item.name))) for item in generated.drawn(plan) if item.broken]
        caught.update({(rule, trait) for rule, body in broken for trait, wrong in TRAITS.items() if wrong(body)})
    wanted = {(rule.id, trait) for rule in rules_of(documented()).shared for trait in TRAITS} - LEFT_NOTHING
    assert {key: caught[key] for key in wanted if caught[key] < min(ENOUGH * SEEDS, SEEDS - 1)} == {}
