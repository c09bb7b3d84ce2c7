"""What a proof of the suite says: for each server with a known fault or variation, what the suite made of it.

A *fault* is a server that breaks one requirement: the suite has to blame just that one. A *variation* differs from the
reference server and breaks nothing: the suite has to find nothing. One that is *warned* breaks a SHOULD with good
reason: the suite has to say just that. The *conforming* server has to pass everything.

Values and pure functions only: `examined` turns a verdict into a `Case`, the rest counts.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from conformance.contract.catalogue import Catalogue
from conformance.judging.verdict import Conclusion, Outcome, State, Verdict

FREE_KNOCK_ONS = 3
"""Failed requirements besides the one to be blamed that need no written reason."""


class TargetKind(StrEnum):
    """What a server was made to show."""

    CONFORMING = "conforming"
    FAULT = "fault"
    WARNED = "warned"
    VARIATION = "variation"


class Problem(StrEnum):
    """What the suite got wrong on one server. Each fails the proof."""

    MISSED = "missed"
    """A fault, and no requirement failed."""
    WRONGLY_BLAMED = "wrongly blamed"
    """A fault, and other requirements failed than the one that it breaks."""
    FALSE_ALARM = "false alarm"
    """A requirement failed that the server does not break, though that was not a fault's doing."""
    NOT_EXERCISED = "not exercised"
    """A requirement was not judged on a server without a fault, and no reason for that is written down."""
    KNOCK_ONS = "knock-ons without a reason"
    """More than `FREE_KNOCK_ONS` other requirements failed too, and no reason for that is written down."""
    NOT_ACCOUNTED_FOR = "not accounted for"
    """With all that failed known, a gate would still not pass: what a fault hides is not accounted for."""
    SUITE_ERROR = "suite error"
    """The suite itself went wrong."""


@dataclass(frozen=True, slots=True)
class TrialServer:
    """A server to try the suite on."""

    id: str
    kind: TargetKind
    summary: str
    requirement: str | None = None
    """The one that it breaks; None: it breaks none."""
    source: str = ""
    """Where the fault was seen, or the words that make the variation legitimate."""
    unexercised: Mapping[str, str] = field(default_factory=dict)
    """Requirement id to the reason why it cannot be exercised there."""
    knock_ons: str = ""
    """The reason why more than `FREE_KNOCK_ONS` other requirements fail with it; empty where they must not."""

    @property
    def key(self) -> str:
        """Unique among all targets: a fault and a variation may bear the same id."""
        return f"{self.kind}-{self.id}"


@dataclass(frozen=True, slots=True)
class Failure:
    """A requirement that failed."""

    requirement: str
    level: str
    message: str
    """What its first finding says."""
    place: str
    """The exchange that shows it, and where in it."""
    observed: str


@dataclass(frozen=True, slots=True)
class Case:
    """What the suite made of one server."""

    target: TrialServer
    failures: tuple[Failure, ...] = ()
    """In the catalogue's order."""
    open: tuple[tuple[str, str], ...] = ()
    """Requirement id and reason of what was not judged, where no reason was known before."""
    errors: tuple[tuple[str, str], ...] = ()
    """Requirement id (empty: the whole run) and message of what went wrong in the suite."""
    hidden: str = ""
    """Of a fault: why a gate that knows all that failed would still not pass; empty where it would."""
    requests: int = 0
    seconds: float = 0.0
    passing: tuple[str, ...] = ()
    """What was wrong at a first try and was not at a second one, with few servers at a time: told, not counted."""

    @property
    def caught(self) -> bool:
        """True for a fault that was blamed on the requirement that it breaks."""
        return self.target.requirement in {failure.requirement for failure in self.failures}

    @property
    def knock_ons(self) -> tuple[Failure, ...]:
        """Of a fault that was caught: the other requirements that failed."""
        return tuple(f for f in self.failures if f.requirement != self.target.requirement) if self.caught else ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What the suite got wrong here; empty where all is as it has to be."""
        found = []
        if self.target.requirement is not None:
            if not self.caught:
                found.append(Problem.WRONGLY_BLAMED if self.failures else Problem.MISSED)
            if self.target.kind is TargetKind.WARNED and self.knock_ons:
                found.append(Problem.FALSE_ALARM)
            elif len(self.knock_ons) > FREE_KNOCK_ONS and not self.target.knock_ons:
                found.append(Problem.KNOCK_ONS)
            if self.hidden:
                found.append(Problem.NOT_ACCOUNTED_FOR)
        else:
            if self.failures:
                found.append(Problem.FALSE_ALARM)
            if self.open:
                found.append(Problem.NOT_EXERCISED)
        if self.errors:
            found.append(Problem.SUITE_ERROR)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Proof:
    """What the suite made of all of them."""

    cases: tuple[Case, ...]
    """In the order of the targets."""
    seed: int
    seconds: float
    version: str
    """Of the suite."""

    @property
    def holds(self) -> bool:
        """True where the suite got every target right, and there was one."""
        return bool(self.cases) and not any(case.problems for case in self.cases)


def tried_again(first: Case, second: Case) -> Case:
    """What two tries of one target say together: the second one counts, and what only the first one showed is told."""
    gone = (
        {f.requirement for f in first.failures} - {f.requirement for f in second.failures} - {second.target.requirement}
    )
    told = [problem.value for problem in first.problems if problem not in second.problems]
    if not told:
        return second
    return replace(
        second, passing=(*told, *sorted(gone), *(id_ for id_, _ in first.open if id_ not in dict(second.open)))
    )


def examined(target: TrialServer, verdict: Verdict, requests: int, seconds: float) -> Case:
    """What a verdict says of a target. What was not judged counts only where there was no fault."""
    unjudged = (State.NOT_EXERCISED, State.BLOCKED, State.NOT_SELECTED, State.NOT_APPLICABLE)
    open_ = [
        (outcome.requirement.id, outcome.reason)
        for outcome in verdict.outcomes
        if target.requirement is None and outcome.state in unjudged
        if outcome.requirement.id not in target.unexercised
    ]
    errors = [(o.requirement.id, o.reason) for o in verdict.outcomes if o.state is State.ERROR]
    failures = [_failure(outcome) for outcome in verdict.outcomes if outcome.state is State.FAILED]
    conclusion, sentence = verdict.setting_aside({failure.requirement for failure in failures})
    hidden = sentence if target.requirement is not None and conclusion is Conclusion.INCONCLUSIVE else ""
    return Case(target, tuple(failures), tuple(open_), tuple(errors), hidden, requests, seconds)


def _failure(outcome: Outcome) -> Failure:
    steady = sorted(outcome.findings, key=lambda finding: finding.intermittent)
    first = steady[0]
    place = f"{first.exchange}: {first.place}" if first.place else first.exchange
    requirement = outcome.requirement
    return Failure(requirement.id, requirement.level.value, first.message, place, first.observed[:200])


@dataclass(frozen=True, slots=True)
class AreaProof:
    """The faults of one area, or of all."""

    area: str
    faults: int
    caught: int
    missed: int
    wrongly_blamed: int
    knock_ons: int
    """Requirements that failed besides the right one, over all its caught faults."""


def rows(proof: Proof, catalogue: Catalogue) -> list[AreaProof]:
    """One row for each area that has faults, in the catalogue's order."""
    by_area: dict[str, list[Case]] = {area: [] for area in catalogue.areas}
    for case in faults(proof):
        by_area[catalogue[case.target.requirement or ""].area].append(case)
    return [_row(area, cases) for area, cases in by_area.items() if cases]


def total(proof: Proof) -> AreaProof:
    """All faults in one row."""
    return _row("all", faults(proof))


def _row(area: str, cases: Iterable[Case]) -> AreaProof:
    cases = tuple(cases)
    return AreaProof(
        area=area,
        faults=len(cases),
        caught=sum(case.caught for case in cases),
        missed=sum(Problem.MISSED in case.problems for case in cases),
        wrongly_blamed=sum(Problem.WRONGLY_BLAMED in case.problems for case in cases),
        knock_ons=sum(len(case.knock_ons) for case in cases),
    )


def faults(proof: Proof) -> list[Case]:
    """The cases of servers that break a requirement, those that are warned among them."""
    return [case for case in proof.cases if case.target.requirement is not None]


def variations(proof: Proof) -> list[Case]:
    """The cases of servers that break nothing, the conforming one aside."""
    return [case for case in proof.cases if case.target.kind is TargetKind.VARIATION]


def median_knock_ons(proof: Proof) -> float:
    """Over the faults that were caught; 0 where there is none."""
    return statistics.median([len(case.knock_ons) for case in faults(proof) if case.caught] or [0])


def most_knock_ons(proof: Proof) -> int:
    """The most that one caught fault has."""
    return max((len(case.knock_ons) for case in faults(proof) if case.caught), default=0)


def unproven(proof: Proof, catalogue: Catalogue) -> list[str]:
    """Requirement ids that no fault of this proof was caught by."""
    shown = {case.target.requirement for case in faults(proof) if case.caught}
    return [requirement.id for requirement in catalogue if requirement.id not in shown]


def document(proof: Proof, catalogue: Catalogue) -> dict[str, Any]:
    """The proof as JSON values (prove.json, format 1), without times of single targets: so that two can be compared."""
    row = total(proof)
    return {
        "format": 1,
        "suite": {"version": proof.version},
        "seed": proof.seed,
        "holds": proof.holds,
        "totals": {
            "targets": len(proof.cases),
            "requests": sum(case.requests for case in proof.cases),
            "seconds": round(proof.seconds, 1),
            "faults": row.faults,
            "caught": row.caught,
            "missed": row.missed,
            "wrongly_blamed": row.wrongly_blamed,
            "knock_ons": {"all": row.knock_ons, "median": median_knock_ons(proof), "most": most_knock_ons(proof)},
            "variations": len(variations(proof)),
            "false_alarms": sum(Problem.FALSE_ALARM in case.problems for case in proof.cases),
            "suite_errors": sum(Problem.SUITE_ERROR in case.problems for case in proof.cases),
            "requirements_without_caught_fault": unproven(proof, catalogue),
        },
        "targets": [_case(case) for case in proof.cases],
    }


def _case(case: Case) -> dict[str, Any]:
    target = case.target
    made: dict[str, Any] = {"id": target.id, "kind": target.kind.value, "summary": target.summary}
    if target.requirement is not None:
        made |= {"requirement": target.requirement, "seen_in": target.source, "caught": case.caught}
        made["knock_ons"] = [failure.requirement for failure in case.knock_ons]
        if target.knock_ons:
            made["knock_ons_because"] = target.knock_ons
    elif target.source:
        made["source"] = target.source
    made["problems"] = [problem.value for problem in case.problems]
    made["failed"] = [
        {"requirement": f.requirement, "level": f.level, "message": f.message, "place": f.place}
        for f in case.failures
    ]  # fmt: skip
    if case.open:
        made["not_exercised"] = dict(case.open)
    if target.unexercised:
        made["not_exercised_because"] = dict(target.unexercised)
    if case.hidden:
        made["not_accounted_for"] = case.hidden
    if case.errors:
        made["errors"] = [{"requirement": id_, "message": message} for id_, message in case.errors]
    if case.passing:
        made["not_seen_again"] = list(case.passing)
    made["requests"] = case.requests
    return made
