"""Pairs of mutants: a server with two faults. At least one is caught, and nothing is blamed that neither breaks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from conformance.judging import judge as judging
from conformance.judging.verdict import State
from conformance.proving.mutants import reaction
from conformance.proving.mutants.blame import Rule, rule_of
from conformance.proving.mutants.mutant import Mutant
from conformance.proving.mutants.trial import Stage
from conformance.settings.options import Depth

PAIRS = 300


@dataclass(frozen=True, slots=True)
class Pair:
    """What came of two mutants together."""

    names: tuple[str, str]
    failed: tuple[str, ...]
    caught: bool
    """A requirement failed that one of them breaks."""
    added: tuple[str, ...]
    """What failed though neither breaks it."""


def try_pairs(
    stage: Stage, mutants: Sequence[Mutant], *, seed: int | str, count: int, depth: Depth = Depth.STANDARD
) -> list[Pair]:
    """Try so many random pairs of these mutants that change different places and that a depth reaches."""
    draw = random.Random(seed)
    made: list[Pair] = []
    while len(made) < count:
        one, other = draw.sample(mutants, 2)
        rules = rule_of(one), rule_of(other)
        if (one.kind, one.place) == (other.kind, other.place) or one.repeats or other.repeats:
            continue
        if any(rule is None or rule.free for rule in rules):
            continue
        found = _tried(stage, (one, other), [rule for rule in rules if rule is not None], depth)
        if found is not None:
            made.append(found)
    return made


_ORDER = ("request", "answer", "stream", "transport")
"""Values are changed before events, and events before what carries them."""


def _go_together(both: tuple[Mutant, Mutant]) -> bool:
    """True for two that one answer can have: an operator needs an answer that it can read."""
    return both[0].group != "request" and both[0].group != both[1].group


def _tried(stage: Stage, both: tuple[Mutant, Mutant], rules: Sequence[Rule], depth: Depth) -> Pair | None:
    scene = stage.scenes[depth]
    both = (both[0], both[1]) if _ORDER.index(both[0].group) <= _ORDER.index(both[1].group) else (both[1], both[0])
    touched = reaction.applied(both[0], scene)
    alone = reaction.applied(both[1], scene)
    if not touched or not alone or (set(touched) & set(alone) and not _go_together(both)):
        return None
    for subject in scene.having(both[1].kind, both[1].trait):
        before = touched.get(subject.exchange.name)
        after = both[1].change(subject if before is None else replace(subject, exchange=before), scene)
        if after is not None:
            touched[after.name] = after
    verdict = judging.judge(reaction.transcript(both[0], scene, touched, ()), opinions=False).verdict
    failed = tuple(outcome.requirement.id for outcome in verdict.outcomes if outcome.state is State.FAILED)
    return Pair(
        names=(both[0].name, both[1].name),
        failed=failed,
        caught=any(rule.blames(id_) for rule in rules for id_ in failed),
        added=tuple(id_ for id_ in failed if not any(rule.allows(id_) for rule in rules)),
    )
