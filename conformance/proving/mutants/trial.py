"""Trying mutants: apply each to the recordings, judge what comes out, and hold it against the rules of blame.

A mutant that a depth catches and blames right is not judged again at a deeper one that sends what shows it: a finding
on one exchange does not depend on others being there. `complete` judges it at `standard` all the same, so that it is
known which probes of that depth show it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from conformance.judging import judge as judging
from conformance.judging.verdict import State, Verdict
from conformance.proving.mutants import curve, reaction
from conformance.proving.mutants.blame import Rule, rule_of
from conformance.proving.mutants.enumeration import enumerate_all
from conformance.proving.mutants.mutant import Mutant
from conformance.proving.mutants.recording import Recordings
from conformance.proving.mutants.scene import Kind, Scene
from conformance.settings.options import Depth
from conformance.transcript.exchange import Exchange, Transcript


class Fate(StrEnum):
    """What the suite made of a mutant at a depth."""

    RIGHT = "blamed right"
    WRONG = "blamed on something else"
    THROUGH = "let through"
    FREE = "left open"
    """Nothing has to be blamed, and nothing else was."""
    FALSE_ALARM = "false alarm"
    """Nothing has to be blamed, and something was."""
    BROKEN = "suite error"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a mutant at one depth."""

    fate: Fate
    failed: tuple[str, ...] = ()
    """Requirement ids."""
    killers: tuple[str, ...] = ()
    """The probes whose answers showed it."""
    reached: bool = True
    """False where no answer of this depth is one that the mutant changes."""
    judged: bool = True
    """False where a shallower depth had settled it."""
    shown: tuple[str, ...] = ()
    """Where it is blamed right: the exchanges that show it, and of those the first (see `curve.earliest`)."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a mutant."""

    name: str
    group: str
    kind: str
    operator: str
    requirements: str
    """Which may be blamed, as the rule names them."""
    free: str
    """Why nothing has to be blamed; empty where something has."""
    trials: Mapping[Depth, Trial] = field(default_factory=dict)
    """Empty where it changes none of the answers that it speaks of, at any depth: it is the conforming server."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What mutants are tried on: the scene of each depth, and those that further rounds come from."""

    scenes: Mapping[Depth, Scene]
    of_answers: Mapping[Depth, Scene]
    """The same without refusals, for mutants of other answers: judging takes time in proportion to what there is."""
    spare: Mapping[Depth, tuple[Scene, ...]]
    orders: Mapping[Depth, curve.Order]
    """In which order each depth sends its requests."""

    @staticmethod
    def of(recordings: Recordings) -> Stage:
        """Read the recordings."""
        spare = {depth: tuple(map(Scene.of, made)) for depth, made in recordings.again.items()}
        scenes = {depth: Scene.of(made) for depth, made in recordings.of.items()}
        orders = {depth: curve.order(made) for depth, made in recordings.of.items()}
        return Stage(scenes, {depth: scene.of_answers() for depth, scene in scenes.items()}, spare, orders)

    def mutants(self) -> Iterator[Mutant]:
        """All of them."""
        return enumerate_all(tuple(self.scenes.values()))


def tried(mutant: Mutant, stage: Stage, *, complete: bool = False) -> Result:
    """Try one mutant at every depth.

    Raises:
        LookupError: no rule speaks of it.
    """
    rule = rule_of(mutant)
    if rule is None:
        raise LookupError(f"no rule of blame speaks of {mutant.name}")
    trials: dict[Depth, Trial] = {}
    settled: Trial | None = None
    scenes = stage.of_answers if isinstance(mutant.kind, Kind) and mutant.kind is not Kind.ERROR else stage.scenes
    for depth, scene in scenes.items():
        if settled is not None and (depth is Depth.DEEP or not complete):
            if not settled.shown or curve.sends(settled.shown, stage.orders[depth]):
                trials[depth] = replace(settled, judged=False)
                continue
        touched = reaction.applied(mutant, scene)
        if not touched:
            trials[depth] = Trial(Fate.FREE if rule.free else Fate.THROUGH, reached=False)
            continue
        found = _judged(mutant, rule, scene, touched, stage.spare[depth])
        trials[depth] = found = replace(found, shown=curve.earliest(found.shown, stage.orders, depth))
        if found.fate is Fate.RIGHT or rule.free:
            settled = found
    # Where answers of that kind came in that condition, and none is changed, the two servers are one.
    met = any(scene.having(mutant.kind, mutant.trait) for scene in stage.scenes.values())
    alike = met and mutant.group != "request" and not any(trial.reached for trial in trials.values())
    return Result(
        mutant.name, mutant.group, str(mutant.kind), mutant.operator, rule.blamed, rule.free, {} if alike else trials
    )


def _judged(mutant: Mutant, rule: Rule, scene: Scene, touched: Mapping[str, Exchange], spare: Sequence[Scene]) -> Trial:
    whole: Transcript | None = reaction.transcript(mutant, scene, touched, spare)
    found = first = Trial(Fate.THROUGH)
    while whole is not None:
        made = judging.judge(whole, opinions=False)
        before, found = found, trial_of(rule, made.verdict, whole)
        if found.fate is Fate.RIGHT and before is not first:
            found = replace(found, shown=(whole.exchanges[-1].name,))  # what was sent before did not show it
        if found.fate not in (Fate.THROUGH, Fate.WRONG):
            break
        whole = reaction.further_round(mutant, made.evidence, scene, spare)
    return found


def trial_of(rule: Rule, verdict: Verdict, whole: Transcript) -> Trial:
    """What a verdict makes of a mutant of which this rule speaks. It gives all exchanges that show it."""
    failed = [outcome for outcome in verdict.outcomes if outcome.state is State.FAILED]
    ids = tuple(outcome.requirement.id for outcome in failed)
    probes = {exchange.name: exchange.note.probe for exchange in whole}
    killers = sorted({probes.get(finding.exchange, "") for outcome in failed for finding in outcome.findings})
    if any(outcome.state is State.ERROR for outcome in verdict.outcomes):
        fate = Fate.BROKEN
    elif not all(map(rule.allows, ids)):
        fate = Fate.FALSE_ALARM if rule.free else Fate.WRONG
    elif rule.free:
        fate = Fate.FREE
    elif any(map(rule.blames, ids)):
        fate = Fate.RIGHT
    else:
        fate = Fate.WRONG if ids else Fate.THROUGH
    rightly = (outcome for outcome in failed if fate is Fate.RIGHT and rule.blames(outcome.requirement.id))
    shown = {finding.exchange for outcome in rightly for finding in outcome.findings}
    return Trial(fate, ids, tuple(killers), shown=tuple(shown))
