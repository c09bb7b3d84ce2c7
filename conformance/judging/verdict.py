"""Outcomes and the verdict: the only place that decides. Every report, exit code and badge reads these values.

`decide` takes what the checks yielded and gives one `Outcome` a requirement and one `Verdict` for the run. It is pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum

from conformance.contract.catalogue import Bars, Catalogue, Level, Requirement, Side
from conformance.evidence.finding import Finding, Item, Judged, Unjudged


class State(StrEnum):
    """The state of a requirement after a run."""

    PASSED = "passed"
    FAILED = "failed"
    BLOCKED = "blocked"
    """Another failure made it impossible to judge."""
    NOT_EXERCISED = "not-exercised"
    NOT_SELECTED = "not-selected"
    """An option left it out."""
    NOT_APPLICABLE = "not-applicable"
    """The target was declared to lack the capability."""
    ERROR = "error"
    """The suite itself went wrong."""


class Conclusion(StrEnum):
    """The verdict on a run."""

    CONFORMANT = "conformant"
    NONCONFORMANT = "nonconformant"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


class Exit(IntEnum):
    """Exit codes of the command line. The first that applies is given, in this order: 3, 2, 4, 1, 6, 0."""

    CONFORMANT = 0
    NONCONFORMANT = 1
    INTERRUPTED = 2
    SUITE_ERROR = 3
    USAGE = 4
    INCONCLUSIVE = 6


EXIT_OF = {
    Conclusion.CONFORMANT: Exit.CONFORMANT,
    Conclusion.NONCONFORMANT: Exit.NONCONFORMANT,
    Conclusion.INCONCLUSIVE: Exit.INCONCLUSIVE,
    Conclusion.ERROR: Exit.SUITE_ERROR,
}

UNSEEN = "no exchange of this run shows it"
"""The reason where nothing better is known."""
EXCUSED_SHARE = 0.25
"""Above this share of excused exchanges a run is inconclusive (contract, "Answers that excuse")."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one requirement, and why."""

    requirement: Requirement
    state: State
    exchanges: int = 0
    """How many exchanges it was judged on."""
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    """Why it was not judged, where it was not."""
    blocked_by: tuple[str, ...] = ()
    excused: bool = False
    """True: it was not exercised because of an excuse."""
    judged: frozenset[str] = field(default=frozenset(), repr=False)
    """Names of the exchanges that it was judged on."""


@dataclass(frozen=True, slots=True)
class RequirementSelection:
    """What the options left to judge."""

    strict: bool = False
    selected: frozenset[str] | None = None
    """Ids; None: all."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Capability that the target was declared to lack: why (the option)."""
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Requirement id that an option of this run leaves out: why."""
    partial: bool = False
    """True: an option narrowed the run in a way that no single requirement shows (`--depth quick`)."""
    beyond: Mapping[str, str] = field(default_factory=dict)
    """Requirement id that the profile of the target does not have: why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a run."""

    conclusion: Conclusion
    sentence: str
    """One sentence for a person: what was concluded and why."""
    scope: str
    """`full` or `partial`."""
    outcomes: tuple[Outcome, ...]
    """In the catalogue's order, one a requirement."""
    strict: bool = False
    """True: a failed SHOULD counts as much as a failed MUST."""
    excused: tuple[int, int] = (0, 0)
    """How many exchanges were excused, out of how many."""
    trouble: str = ""
    """Why the whole run is inconclusive, where it is."""

    def setting_aside(self, known: Collection[str]) -> tuple[Conclusion, str]:
        """What would be concluded if these failures did not count, nor what they block; and the sentence for it.

        What was not exercised, excused or in error counts as ever.

        Args:
            known: ids of failed requirements.
        """
        return _conclude(self.outcomes, self.strict, self.excused, self.trouble, frozenset(known))

    def counts(self, outcome: Outcome) -> bool:
        """True for a failure that makes the run nonconformant: of a MUST, or of any where the run is strict."""
        return outcome.state is State.FAILED and (self.strict or outcome.requirement.level is Level.MUST)

    def __getitem__(self, requirement: str) -> Outcome:
        """The outcome of a requirement id; KeyError where there is none."""
        for outcome in self.outcomes:
            if outcome.requirement.id == requirement:
                return outcome
        raise KeyError(requirement)

    def from_outside(self) -> list[Requirement]:
        """The requirements of extensions that were left to judge: KiteMesh's contract does not have them."""
        left_out = (State.NOT_SELECTED, State.NOT_APPLICABLE)
        return [o.requirement for o in self.outcomes if o.requirement.extension and o.state not in left_out]

    def by_state(self) -> dict[State, int]:
        """The number of requirements in each state."""
        counts = dict.fromkeys(State, 0)
        for outcome in self.outcomes:
            counts[outcome.state] += 1
        return counts

    @property
    def exit_code(self) -> Exit:
        """The command line's exit code for this verdict."""
        return EXIT_OF[self.conclusion]


def decide(
    catalogue: Catalogue,
    items: Mapping[str, Sequence[Item]],
    selection: RequirementSelection,
    *,
    errors: Mapping[str, str] | None = None,
    excused: tuple[int, int] = (0, 0),
    in_vain: Collection[str] = (),
    trouble: str = "",
    unseen: Mapping[str, str] | None = None,
) -> Verdict:
    """The verdict from what the checks yielded.

    Args:
        catalogue: the requirements.
        items: requirement id to what its check yielded; where an id is missing, nothing.
        selection: what the options left to judge.
        errors: requirement id to the message of an exception that its check raised.
        excused: how many exchanges were excused, of how many.
        in_vain: names of the exchanges of a kind that never succeeded; a requirement that takes no capability speaks
            of such plain answers, so it has not passed where it was shown on other kinds alone.
        trouble: why the whole run is inconclusive (the target could not be reached), where it is.
        unseen: requirement id to why no exchange of the run shows it, where that is known.
    """
    errors = errors or {}
    failed = _resolve_blame(catalogue, items, selection)
    outcomes = tuple(
        _outcome(
            requirement,
            items.get(requirement.id, ()),
            selection,
            errors.get(requirement.id),
            failed,
            in_vain,
            (unseen or {}).get(requirement.id, UNSEEN),
        )
        for requirement in catalogue
    )
    outcomes = _behind_what_is_unread(_drop_vain_blocks(outcomes), unseen or {})
    scope = _scope(outcomes, selection)
    conclusion, sentence = _conclude(outcomes, selection.strict, excused, trouble)
    return Verdict(conclusion, sentence, scope, outcomes, selection.strict, excused, trouble)


Kept = tuple[tuple[Finding, ...], frozenset[str]]
"""The findings that a requirement keeps, and the requirements that took the others."""


def _resolve_blame(
    catalogue: Catalogue,
    items: Mapping[str, Sequence[Item]],
    selection: RequirementSelection,
) -> dict[str, Kept]:
    """For each requirement with findings: those that stay its own, and who took the others.

    A requirement absorbs another's findings only with findings that it keeps itself, so the resolution follows the
    edges to their ends; in a circle the one that comes last keeps its own. One that options left out takes nothing, and
    a SHOULD takes nothing from a MUST: a breach must not become a warning.
    """
    findings = {id_: tuple(i for i in found if isinstance(i, Finding)) for id_, found in items.items()}
    judged = {r.id: r.level is Level.MUST for r in catalogue if _applies(r, selection)}
    yielded: dict[str, frozenset[str]] = {}
    """Requirement id to all those that its findings went to, directly or not: none of them may give findings back."""

    def may_take(other: str, id_: str) -> bool:
        fair = other in judged and (judged[other] or not judged.get(id_, False))
        return fair and other != id_ and id_ not in yielded.get(other, ())

    def resolve(id_: str, path: frozenset[str]) -> Kept:
        own: list[Finding] = []
        takers: set[str] = set()
        edges = catalogue[id_].absorbed_by if id_ in catalogue else ()
        for finding in findings.get(id_, ()):
            taken = [
                other
                for other in (*finding.yields_to, *edges)
                if findings.get(other)
                and other not in path
                and may_take(other, id_)
                and resolve(other, path | {id_})[0]
            ]
            if taken:
                takers.update(taken)
            else:
                own.append(finding)
        return tuple(own), frozenset(takers)

    resolved: dict[str, Kept] = {}
    for id_, found in findings.items():
        if found:
            resolved[id_] = resolve(id_, frozenset())
            takers = resolved[id_][1]
            yielded[id_] = takers.union(*(yielded.get(taker, frozenset()) for taker in takers))
    return resolved


def _applies(requirement: Requirement, selection: RequirementSelection) -> bool:
    """True where options left the requirement to judge."""
    chosen = selection.selected is None or requirement.id in selection.selected
    return chosen and requirement.capability not in selection.absent and requirement.id not in selection.beyond


def _outcome(
    requirement: Requirement,
    items: Sequence[Item],
    selection: RequirementSelection,
    error: str | None,
    failed: Mapping[str, Kept],
    in_vain: Collection[str],
    unseen: str,
) -> Outcome:
    id_ = requirement.id
    if selection.selected is not None and id_ not in selection.selected:
        return Outcome(requirement, State.NOT_SELECTED, reason="left out by --only or --skip")
    if (capability := requirement.capability) is not None and capability in selection.absent:
        return Outcome(requirement, State.NOT_APPLICABLE, reason=selection.absent[capability])
    if id_ in selection.beyond:
        return Outcome(requirement, State.NOT_APPLICABLE, reason=selection.beyond[id_])
    if error is not None:
        return Outcome(requirement, State.ERROR, reason=error)
    judged = {item.exchange for item in items if isinstance(item, (Judged, Finding))}
    own, takers = failed.get(id_, ((), frozenset()))
    if own:
        return Outcome(requirement, State.FAILED, len(judged), own, judged=frozenset(judged))
    if takers:
        names = tuple(sorted(takers))
        return Outcome(
            requirement,
            State.BLOCKED,
            0,
            reason=f"its breaches are already reported by {', '.join(names)}",
            blocked_by=names,
        )
    unjudged = [item for item in items if isinstance(item, Unjudged)]
    vain = [item for item in unjudged if item.excused and item.exchange in in_vain]
    if judged and vain and requirement.capability is None and judged.isdisjoint(in_vain):
        reason = f"no plain answer of this kind succeeded: {vain[0].reason}"
        return Outcome(requirement, State.NOT_EXERCISED, reason=reason, excused=True)
    if judged:
        return Outcome(requirement, State.PASSED, len(judged), judged=frozenset(judged))
    if id_ in selection.withheld:
        return Outcome(requirement, State.NOT_SELECTED, reason=selection.withheld[id_])
    blockers = sorted({item.blocked_by for item in unjudged if item.blocked_by})
    if blockers:
        return Outcome(requirement, State.BLOCKED, reason=_because_of(blockers), blocked_by=tuple(blockers))
    excuses = [item for item in unjudged if item.excused]
    reason = (excuses or unjudged)[0].reason if unjudged else unseen
    return Outcome(requirement, State.NOT_EXERCISED, reason=reason, excused=bool(excuses))


def _because_of(blockers: Iterable[str]) -> str:
    return f"cannot be judged because of {', '.join(blockers)}"


def _drop_vain_blocks(outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    """Name only blockers that lead to a failure; without one, the requirement was not exercised."""
    by_id = {outcome.requirement.id: outcome for outcome in outcomes}

    def settle(outcome: Outcome) -> Outcome:
        if outcome.state is not State.BLOCKED:
            return outcome
        blockers = tuple(b for b in outcome.blocked_by if _roots(b, by_id, frozenset({outcome.requirement.id})))
        if blockers:
            return replace(outcome, blocked_by=blockers)
        reason = f"{outcome.reason}, which was not judged itself"
        return replace(outcome, state=State.NOT_EXERCISED, blocked_by=(), reason=reason)

    return tuple(settle(outcome) for outcome in outcomes)


def _behind_what_is_unread(outcomes: tuple[Outcome, ...], unseen: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Block what was not shown, for no reason of its own, where answers came that no client can read."""
    barred = (o.requirement.id for o in outcomes if o.requirement.bars is Bars.ANSWER and o.state is State.FAILED)
    by = next(barred, None)
    if by is None:
        return outcomes
    return tuple(
        replace(o, state=State.BLOCKED, reason=_because_of((by,)), blocked_by=(by,))
        if o.state is State.NOT_EXERCISED and not o.excused and o.requirement.id not in unseen
        else o
        for o in outcomes
    )


def _roots(id_: str, by_id: Mapping[str, Outcome], path: frozenset[str]) -> frozenset[str]:
    """The requirements that failed (or whose check did) at the end of a chain of blocks."""
    outcome = by_id.get(id_)
    if outcome is None or id_ in path:
        return frozenset()
    if outcome.state in (State.FAILED, State.ERROR):
        return frozenset({id_})
    if outcome.state is not State.BLOCKED:
        return frozenset()
    return frozenset().union(*(_roots(blocker, by_id, path | {id_}) for blocker in outcome.blocked_by))


def _scope(outcomes: Iterable[Outcome], selection: RequirementSelection) -> str:
    # Whoever leaves an extension out leaves nothing of the contract out.
    left_out = (o for o in outcomes if o.state is State.NOT_SELECTED and not o.requirement.extension)
    narrowed = selection.partial or any(left_out)
    return "partial" if narrowed else "full"


def _conclude(
    outcomes: Sequence[Outcome],
    strict: bool,
    excused: tuple[int, int],
    trouble: str,
    known: frozenset[str] = frozenset(),
) -> tuple[Conclusion, str]:
    def ids(states: set[State], level: Level | None) -> list[Outcome]:
        return [o for o in outcomes if o.state in states and (level is None or o.requirement.level is level)]

    def unknown(found: list[Outcome]) -> list[Outcome]:
        return [o for o in found if o.requirement.id not in known]

    target = "client" if outcomes and all(o.requirement.side is Side.CLIENT for o in outcomes) else "target"
    if broken := ids({State.ERROR}, None):
        return Conclusion.ERROR, f"The suite itself failed on {_names(broken)}; this says nothing about the {target}."
    must = unknown(ids({State.FAILED}, Level.MUST))
    should = unknown(ids({State.FAILED}, Level.SHOULD))
    if must:
        return Conclusion.NONCONFORMANT, f"The {target} breaks {_count(must, 'MUST')}: {_names(must)}."
    if should and strict:
        return Conclusion.NONCONFORMANT, f"The {target} breaks {_count(should, 'SHOULD')} (--strict): {_names(should)}."
    if trouble:
        return Conclusion.INCONCLUSIVE, trouble
    judged = ids({State.PASSED, State.FAILED}, None)
    if not judged:
        return Conclusion.INCONCLUSIVE, f"Nothing was judged, so nothing is known about the {target}."
    count, total = excused
    if total and count / total > EXCUSED_SHARE:
        return (
            Conclusion.INCONCLUSIVE,
            f"{count} of {total} exchanges were excused (rate limits, intermediaries, the network): too many to judge.",
        )
    by_id = {outcome.requirement.id: outcome for outcome in outcomes}
    counts_not = known | {o.requirement.id for o in should}
    open_ = [
        o
        for o in ids({State.NOT_EXERCISED, State.BLOCKED}, Level.MUST)
        if not (o.state is State.BLOCKED and _roots(o.requirement.id, by_id, frozenset()) <= counts_not)
        and not _needless(o, outcomes)
    ]
    if open_:
        return Conclusion.INCONCLUSIVE, f"{_count(open_, 'MUST')} could not be judged: {_names(open_)}."
    warned = f", with {_count(should, 'warning', 'warnings')}: {_names(should)}" if should else ""
    beside = ", known failures aside" if known else ""
    return Conclusion.CONFORMANT, f"The {target} meets every MUST that was selected{beside}{warned}."


def _needless(outcome: Outcome, outcomes: Iterable[Outcome]) -> bool:
    """True for a conditional requirement whose condition never came about, though its area was judged."""
    idle = outcome.requirement.conditional and outcome.state is State.NOT_EXERCISED and not outcome.excused
    area = outcome.requirement.area
    return idle and any(o.state is State.PASSED and o.requirement.area == area for o in outcomes)


def _names(outcomes: Sequence[Outcome], most: int = 4) -> str:
    shown = ", ".join(o.requirement.id for o in outcomes[:most])
    return shown if len(outcomes) <= most else f"{shown} and {len(outcomes) - most} more"


def _count(outcomes: Sequence[Outcome], one: str, many: str | None = None) -> str:
    return f"{len(outcomes)} {one if len(outcomes) == 1 else many or one}"
