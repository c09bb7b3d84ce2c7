"""Finds for each requirement the flows that it needs (`conformance/probes/shown.json`).

First the conforming server is recorded with every flow. For each requirement, the cheapest flows are taken that have an
exchange of each kind on which it is judged: of an endpoint, a form, and an answer. Where all that it is judged on are
flows of its own area, such as the values of one member, it needs them all. Then each fault of the requirement is
recorded with what it needs so far. A fault that is not caught is recorded with all that the requirement is judged on,
or with everything, and the flows are added by which it is found.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from conformance.contract.catalogue import Side
from conformance.evidence.evidence import Evidence
from conformance.evidence.reading import Reading
from conformance.judging.judge import judge
from conformance.judging.selecting import CATALOGUE
from conformance.judging.verdict import State
from conformance.probes import catalogue, shown
from conformance.probes.flow import Flow, Phase
from conformance.probes.plan import Plan
from conformance.proving import prove
from conformance.proving.proof import TargetKind, TrialServer
from conformance.running import run
from conformance.settings.options import Depth, Options
from conformance.transcript.exchange import Transcript

Table = dict[str, set[str]]
"""Requirement id to families."""
MOST_OWN = 120
"""Requests up to which a requirement needs all flows of its own area."""
LONGEST = 8
"""Requests up to which a chain is taken for a kind of exchange."""
PROVES = 12
"""The most flows of a fault that are looked at one by one."""

_wanted: contextvars.ContextVar[Collection[str]] = contextvars.ContextVar("families")


@dataclass
class Measured:
    """What the conforming server showed."""

    judged: dict[str, dict[str, set[tuple[str, ...]]]] = field(default_factory=lambda: defaultdict(dict))
    """Requirement id to family to the kinds of the exchanges that it is judged on there."""
    cost: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Family to its requests at most."""
    areas: dict[str, str] = field(default_factory=dict)
    """Family to its area."""
    twins: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Family to those that its requests have their twins in."""
    basic: set[str] = field(default_factory=set)
    """Families that need neither an approval nor a second request at the same time."""


@lru_cache(maxsize=4)
def _made(plan: Plan, drawn: bool | None) -> tuple[Flow, ...]:
    """All flows of a plan, made once: every server gets the same."""
    fixed = () if drawn else catalogue.FIXED
    makers = (*fixed, *(() if drawn is False else catalogue.DRAWN))
    return tuple(flow for make in makers for flow in make(plan) if flow.quick or not plan.quick)


def _chosen(plan: Plan, selected: object = None, *, drawn: bool | None = None) -> list[Flow]:
    """In the place of `run.flows`: the families that this recording is to have."""
    order, wanted = list(Phase), _wanted.get()
    first = (flow for flow in _made(plan, drawn) if flow.phase is Phase.OPENING or shown.family(flow) in wanted)
    return sorted(first, key=lambda flow: order.index(flow.phase))


def _every(plan: Plan) -> tuple[Flow, ...]:
    return _made(plan, None)


def _options(url: str, target: TrialServer, quick: bool, only: str | None = None) -> Options:
    told = replace(prove.options(url, target), depth=Depth.QUICK if quick else Depth.STANDARD)
    return told if only is None else replace(told, only=(only,))


async def recorded(
    url: str, target: TrialServer, families: Collection[str], quick: bool, only: str | None = None
) -> Transcript:
    """What a target answers to these families."""
    _wanted.set(families)
    again = (only or "").startswith("isolation.")
    told = _options(url, target, quick, only)
    return await run.record(told, prove.SEED, patience=prove.PATIENCE, limits=prove.LIMITS, again=again)


def plain(plan: Plan) -> Measured:
    """What is known of the flows before anything is sent."""
    made = Measured()
    for flow in _every(plan):
        made.areas[shown.family(flow)] = flow.area
        made.cost[shown.family(flow)] += flow.at_most
    bare = replace(plan, approval_prompt=None, concurrency=1)
    made.basic = {shown.family(flow) for flow in _every(bare)}
    return made


def learn(made: Measured, plan: Plan, transcript: Transcript) -> None:
    """Take in what the conforming server answered."""
    named = {flow.name: shown.family(flow) for flow in _every(plan)}
    evidence = Evidence(transcript)
    readings = {reading.name: reading for reading in evidence.all}
    probes = {exchange.note.probe: named.get(exchange.note.flow) for exchange in transcript}
    for exchange in transcript:
        if (family := named.get(exchange.note.flow)) is None:
            continue
        if (twin := probes.get(exchange.note.twin or "")) and twin != family:
            made.twins[family].add(twin)
    for outcome in judge(transcript, opinions=False).verdict.outcomes:
        for name in outcome.judged:
            family = named.get(readings[name].note.flow)
            if family and readings[name].status != 429:  # which request meets the limit is chance
                made.judged[outcome.requirement.id].setdefault(family, set()).add(kind_of(readings[name]))


def kind_of(reading: Reading) -> tuple[str, ...]:
    """What kind of exchange it is: those of one kind are judged alike."""
    if reading.status == 200:
        answer = "waits" if reading.waits else "served"
    else:
        answer = "refused"
    return (reading.asked.endpoint, str(reading.asked.stream), answer)


def at_first(made: Measured) -> Table:
    """What each requirement needs by the kinds of exchanges."""
    return {
        id_: _closed(made, _of_kinds(made, id_, by_family), CATALOGUE[id_].area)
        for id_, by_family in made.judged.items()
    }


def _of_kinds(made: Measured, id_: str, by_family: Mapping[str, set[tuple[str, ...]]]) -> set[str]:
    if _all_its_own(made, id_):
        return set(by_family)
    cheap = {family: kinds for family, kinds in by_family.items() if made.cost[family] <= LONGEST}
    by_family = cheap or by_family  # a kind that long chains alone show is not worth them
    missing = set().union(*by_family.values())
    chosen: set[str] = set()
    basic = {family: kinds for family, kinds in by_family.items() if family in made.basic}
    for among in (basic, by_family):  # without an approval something is to be judged, too
        reachable = missing & set().union(*among.values(), set())
        while reachable:
            best = min(among, key=lambda f: (made.cost[f] / (len(among[f] & reachable) or 1e-9), f))
            chosen.add(best)
            missing -= among[best]
            reachable -= among[best]
    return chosen


def _all_its_own(made: Measured, id_: str) -> bool:
    """Whether a requirement is judged on flows of its own area alone, and not too many: it needs them all."""
    by_family = made.judged[id_]
    own = all(made.areas[family] == CATALOGUE[id_].area for family in by_family)
    return own and sum(made.cost[family] for family in by_family) <= MOST_OWN


def _closed(made: Measured, families: Iterable[str], area: str = "") -> set[str]:
    """The families with those of their twins; for requirements of the area sdk, which judge beside them, of any."""
    judged_beside = area == "sdk"
    found: set[str] = set()
    open_ = list(families)
    while open_:
        family = open_.pop()
        if family not in found:
            found.add(family)
            # Of a long chain nothing but a request is a twin; whoever is not judged beside it does without.
            open_ += (twin for twin in made.twins[family] if made.cost[twin] <= LONGEST or judged_beside)
    return found


def caught(transcript: Transcript, requirement: str) -> bool:
    """Whether a recording shows that a requirement is broken, judged alone."""
    result = judge(transcript, chosen={"only": (requirement,)}, opinions=False)
    return result.verdict[requirement].state is State.FAILED


def proving_families(made: Measured, plan: Plan, transcript: Transcript, requirement: str) -> set[str]:
    """The cheapest families by which a fault is found in a recording; empty where it is not."""
    result = judge(transcript, chosen={"only": (requirement,)}, opinions=False)
    if result.verdict[requirement].state is not State.FAILED:
        return set()
    named = {flow.name: shown.family(flow) for flow in _every(plan)}
    notes = {exchange.name: exchange.note for exchange in transcript}
    showing = {named.get(notes[finding.exchange].flow) for finding in result.verdict[requirement].findings}
    families = sorted((family for family in showing if family), key=lambda family: (made.cost[family], family))

    def suffice(some: Iterable[str]) -> bool:
        return caught(_part(transcript, named, _closed(made, some)), requirement)

    for family in families[:PROVES]:
        if suffice([family]):
            return _closed(made, [family])
    # Several together: what shows it, what else is of its area (an act of which another flow shows the harm), or all.
    area = [family for family, of in made.areas.items() if of == CATALOGUE[requirement].area]
    for some in (families, [*families, *area], [*made.areas]):
        if suffice(some):
            return _closed(made, _fewer(some, suffice))
    return set()


def _fewer(families: Sequence[str], suffice: Callable[[Iterable[str]], bool]) -> list[str]:
    """Those of the families that are needed, if each that can be spared is left out in turn."""
    needed = list(dict.fromkeys(families))
    size = max(1, len(needed) // 2)
    while size:
        for start in range(0, len(needed), size):
            fewer = needed[:start] + needed[start + size :]
            if fewer and suffice(fewer):
                needed = fewer
        size //= 2
    return needed


def _part(transcript: Transcript, named: Mapping[str, str], families: Collection[str]) -> Transcript:
    kept = (e for e in transcript if e.note.phase == Phase.OPENING or named.get(e.note.flow) in families)
    return Transcript(tuple(kept), dict(transcript.options), transcript.creator)


def faults_of(wanted: Collection[str], most: int | None) -> Iterator[TrialServer]:
    """The faults of requirements, those for which somebody is warned among them; of each so many, spread evenly."""
    broken = (TargetKind.FAULT, TargetKind.WARNED)
    for id_ in wanted:
        faults = [target for target in prove.targets() if target.kind in broken and target.requirement == id_]
        step = 1 if most is None else max(1, -(-len(faults) // most))
        yield from faults[::step]


async def of_conforming(url: str, quick: bool) -> tuple[Plan, Measured]:
    """What the conforming server shows at a depth, on servers that run (`prove.serve_all`)."""
    vars(run)["flows"] = _chosen  # what `run.record` takes its flows from
    plan = run.plan_of(_options(url, prove.CONFORMING, quick), prove.SEED)
    made = plain(plan)
    learn(made, plan, await recorded(url, prove.CONFORMING, {shown.family(f) for f in _every(plan)}, quick))
    return plan, made


async def of_standard(url: str, jobs: int, most: int | None, told: Callable[[str], None]) -> Table:
    """The table for a run that is not quick."""
    plan, made = await of_conforming(url, quick=False)
    needed = at_first(made)
    slots = asyncio.Semaphore(jobs)
    left: list[TrialServer] = []
    done = 0

    async def first(target: TrialServer) -> None:
        nonlocal done
        id_ = target.requirement or ""
        async with slots:
            if not caught(await recorded(url, target, needed[id_], False, id_), id_):
                left.append(target)
            done += 1
            if done % 50 == 0:
                told(f"{done} faults")

    async def then(target: TrialServer) -> None:
        id_ = target.requirement or ""
        async with slots:
            found: set[str] = set()
            for families in (_closed(made, made.judged[id_]), set(made.areas)):
                transcript = await recorded(url, target, families, False, id_)
                if found := proving_families(made, plan, transcript, id_):
                    break
            needed[id_] |= found
            told(f"{target.id} ({id_}): {', '.join(sorted(found)) or 'not found'}")

    # Where every flow that a requirement is judged on is needed, its faults tell nothing more.
    targets = list(faults_of([id_ for id_ in needed if not _all_its_own(made, id_)], most))
    told(f"{len(targets)} faults")
    await asyncio.gather(*(first(target) for target in targets))
    told(f"{len(left)} are not caught by one exchange of each kind")
    await asyncio.gather(*(then(target) for target in left))
    known = {requirement.id for requirement in CATALOGUE.of(Side.SERVER)}
    return {id_: needed[id_] for id_ in needed if id_ in known}


async def of_quick(url: str, standard: Table) -> Table:
    """The table for a quick run: one flow for each kind of exchange, and what of its flows finds faults elsewhere."""
    _, made = await of_conforming(url, quick=True)
    there = made.areas.keys()
    return {
        id_: _closed(made, families | (standard.get(id_, set()) & there)) for id_, families in at_first(made).items()
    }
