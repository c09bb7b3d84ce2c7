"""The numbers and the reasons that summaries show, counted once for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from conformance.contract.catalogue import Level, load
from conformance.judging.verdict import Exit, Outcome, State, Verdict

UNJUDGED = (State.BLOCKED, State.NOT_EXERCISED, State.NOT_SELECTED, State.NOT_APPLICABLE)


WEIGHT = (Exit.SUITE_ERROR, Exit.INTERRUPTED, Exit.USAGE, Exit.NONCONFORMANT, Exit.INCONCLUSIVE, Exit.CONFORMANT)
"""Exit codes, the weightiest first."""


@dataclass(frozen=True, slots=True)
class AreaTally:
    """What came of the requirements of one area, or of all."""

    area: str
    passed: int
    failed: int
    """MUSTs."""
    warned: int
    """Failed SHOULDs."""
    blocked: int
    open: int
    """Not exercised."""
    left_out: int
    """Not selected or not applicable."""
    errors: int

    @property
    def judged(self) -> int:
        """How many came to a yes or a no."""
        return self.passed + self.failed + self.warned


def rows(verdict: Verdict) -> list[AreaTally]:
    """One row an area of which anything was selected, in the catalogue's order."""
    areas: dict[str, list[Outcome]] = {}
    for outcome in verdict.outcomes:
        areas.setdefault(outcome.requirement.area, []).append(outcome)
    chosen = {id_: all_ for id_, all_ in areas.items() if any(one.state is not State.NOT_SELECTED for one in all_)}
    return [_row(area, outcomes) for area, outcomes in chosen.items()]


def total(verdict: Verdict) -> AreaTally:
    """All areas in one row."""
    return _row("all", verdict.outcomes)


def broken(verdict: Verdict) -> list[Outcome]:
    """The failed requirements, MUST first, then in the order in which they are best mended."""
    place = load().in_order_of_mending
    failed = [outcome for outcome in verdict.outcomes if outcome.state is State.FAILED]
    return sorted(failed, key=lambda o: (o.requirement.level is not Level.MUST, place(o.requirement.area)))


def unjudged(verdict: Verdict) -> Mapping[tuple[State, str], list[Outcome]]:
    """What was not judged, by state and reason; the states in the order of `UNJUDGED`."""
    groups: dict[tuple[State, str], list[Outcome]] = {}
    for state in UNJUDGED:
        for outcome in verdict.outcomes:
            if outcome.state is state:
                groups.setdefault((state, outcome.reason), []).append(outcome)
    return groups


def names(outcomes: Collection[Outcome], verdict: Verdict) -> str:
    """The ids, joined by commas; where all of an area are among them, the area in one word: `resume.* (17)`."""
    given = Counter(outcome.requirement.area for outcome in outcomes)
    whole = Counter(outcome.requirement.area for outcome in verdict.outcomes)
    words: dict[str, None] = {}
    for outcome in outcomes:
        area = outcome.requirement.area
        is_whole = given[area] == whole[area] > 1
        words[f"{area}.* ({whole[area]})" if is_whole else outcome.requirement.id] = None
    return ", ".join(words)


def errors(verdict: Verdict) -> list[Outcome]:
    """The requirements on which the suite itself failed."""
    return [outcome for outcome in verdict.outcomes if outcome.state is State.ERROR]


def weightiest(codes: Collection[int]) -> Exit:
    """The exit code for several things that ended with codes of their own."""
    return next(code for code in WEIGHT if code in codes)


def _row(area: str, outcomes: Iterable[Outcome]) -> AreaTally:
    states: Counter[State] = Counter()
    failed: Counter[Level] = Counter()
    for outcome in outcomes:
        states[outcome.state] += 1
        if outcome.state is State.FAILED:
            failed[outcome.requirement.level] += 1
    return AreaTally(
        area=area,
        passed=states[State.PASSED],
        failed=failed[Level.MUST],
        warned=failed[Level.SHOULD],
        blocked=states[State.BLOCKED],
        open=states[State.NOT_EXERCISED],
        left_out=states[State.NOT_SELECTED] + states[State.NOT_APPLICABLE],
        errors=states[State.ERROR],
    )
