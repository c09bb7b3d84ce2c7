"""How a check is written: a requirement's id, what it looks at, and a generator of findings.

`@each` is for requirements on one exchange at a time: it is given a selection and judges each reading of it.
`@over_all` is for those that compare exchanges. Both put the check into `CHECKS`. A check yields `Finding`s; where it
yields none for an exchange, the exchange holds; where it cannot judge one, it yields that reading's `unjudged(…)`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from conformance.contract.catalogue import load
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.reading import Reading
from conformance.evidence.select import Selected, Selection, when

JudgeOne = Callable[[Reading], Iterator[Finding | Unjudged]]
Check = Callable[[Evidence], Iterator[Item]]

CHECKS: Final[dict[str, Check]] = {}
"""Requirement id to its check; filled by the decorators when the area modules are imported."""
ONE: Final[dict[str, tuple[Selection, JudgeOne]]] = {}
"""Requirement id to selection and judge, for those of `@each`: others may run them on a narrower choice."""
REPEATED: Final[list[Callable[[Evidence], Iterable[str]]]] = []
"""Each gives the names of flows to record again: what followed an act cannot be judged yet (`acts`), or the
flow led to nothing."""

TRIES = 3
BREACHES = 2
"""A requirement that a model can break by chance fails only if this many of up to `TRIES` tries show it."""


def _register(requirement: str, check: Check) -> None:
    if requirement in CHECKS:
        raise ValueError(f"{requirement} has two checks")
    CHECKS[requirement] = lambda evidence: (
        item.breaking(requirement) if isinstance(item, Finding) else item for item in check(evidence)
    )


def each(
    requirement: str, select: Selection, *, cut: bool = False, at_once: JudgeOne | None = None
) -> Callable[[JudgeOne], JudgeOne]:
    """Registers a judge of single readings.

    Where the catalogue says that a model's whim can fail the requirement, two of up to three tries must show the
    breach; answers that were cut do not count, unless `cut` is true (contract, "Answers that excuse").
    `at_once`: a second judge, for the part of such a requirement that chance cannot break.
    """
    whim = load()[requirement].whim

    def decorate(judge: JudgeOne) -> JudgeOne:
        selection = select.unless(_cut) if whim and not cut else select
        ONE[requirement] = (selection, judge)
        if whim:
            _register(requirement, lambda evidence: _run_whim(evidence, selection, judge, at_once))
        else:
            _register(requirement, lambda evidence: judge_each(selection(evidence), judge))
        return judge

    return decorate


_cut = when(lambda reading: reading.cut_short, "the answer was cut by a limit or a filter")


def forget(requirement: str) -> None:
    """Take the check of a requirement out of the registry."""
    del CHECKS[requirement]
    ONE.pop(requirement, None)


def over_all(requirement: str) -> Callable[[Check], Check]:
    """Registers a check that looks at all the evidence."""

    def decorate(check: Check) -> Check:
        _register(requirement, check)
        return check

    return decorate


def judge_each(selected: Selected, judge: JudgeOne) -> Iterator[Item]:
    """The items of one judge on all that was selected."""
    for reading in selected:
        if isinstance(reading, Unjudged):
            yield reading
            continue
        items = list(judge(reading))
        if not any(isinstance(item, Unjudged) for item in items):
            yield Judged(reading.name)
        yield from items


def _run_whim(evidence: Evidence, selection: Selection, judge: JudgeOne, at_once: JudgeOne | None) -> Iterator[Item]:
    """Findings only where two of up to three tries of one probe show the breach."""
    yield from selection.unjudged(evidence)
    tries: dict[str, list[tuple[Reading, list[Finding]]]] = defaultdict(list)
    for reading in selection.readings(evidence):
        if at_once is not None:
            yield from at_once(reading)
        items = list(judge(reading))
        if blocked := [item for item in items if isinstance(item, Unjudged)]:
            yield from blocked
            continue
        tries[reading.note.probe].append((reading, [item for item in items if isinstance(item, Finding)]))
    for made in tries.values():
        shown = [findings for _, findings in made if findings]
        if len(shown) == 1 and len(made) == 1:
            yield Unjudged("one try shows a breach, which may be chance; it was not tried again", made[0][0].name)
            continue
        for reading, findings in made:
            yield Judged(reading.name)
            if len(shown) >= BREACHES:
                yield from findings


def breaches(requirement: str, reading: Reading) -> list[Finding]:
    """What a requirement of `@each` finds in one reading; nothing where it does not judge that one."""
    selection, judge = ONE[requirement]
    if reading not in selection.readings(reading.evidence):
        return []
    return [item for item in judge(reading) if isinstance(item, Finding)]


def broken_elsewhere(evidence: Evidence, requirement: str, here: Callable[[Reading], bool]) -> bool:
    """True where an exchange of another kind breaks a requirement too: then the fault does not belong to this kind."""
    key = f"findings of {requirement}"
    if key not in evidence.memo:
        found = [item.exchange for item in CHECKS[requirement](evidence) if isinstance(item, Finding)]
        evidence.memo[key] = [evidence.by_name[name] for name in found if name in evidence.by_name]
    return any(not here(reading) for reading in evidence.memo[key])


def suspects(evidence: Evidence) -> set[str]:
    """Names of the flows to try again: chance or trouble after an act was seen, but not yet often enough to decide.

    Or a link of a chain failed.
    """
    flows = {reading.note.flow for reading in evidence.last if reading.note.flow and reading.failed_in_chain}
    flows.update(name for doubts in REPEATED for name in doubts(evidence))
    for requirement, (select, judge) in ONE.items():
        if not load()[requirement].whim:
            continue
        made: dict[str, list[bool]] = defaultdict(list)
        flow_of: dict[str, str] = {}
        for reading in select.readings(evidence):
            if not reading.note.flow:
                continue
            items = list(judge(reading))
            if not any(isinstance(item, Unjudged) for item in items):
                made[reading.note.probe].append(any(isinstance(item, Finding) for item in items))
                flow_of[reading.note.probe] = reading.note.flow
        for probe, shown in made.items():
            if 1 <= sum(shown) < BREACHES and len(shown) < TRIES:
                flows.add(flow_of[probe])
    return flows
