"""What follows an act of the suite's: a client that leaves, a hostile or large body, requests that collide.

The first answer stays evidence (contract, "Asking again washes nothing out"): where a server error, a reset or silence
follows an act, the act is done once more in a calm moment, and if the same follows again, the requirement that speaks
of the act is broken, however soon the server recovers. An accident is told from that by how often requests meet trouble
that follow no act: a target which fails now and then, whatever is asked, is not laid to the act.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import comb

from conformance.contract.classify import Due
from conformance.contract.excuses import EXCUSING
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Judged
from conformance.evidence.reading import Reading
from conformance.transcript.exchange import NO_ANSWER, TIMED_OUT, Ending

TRIES = 3
"""Rounds in which an act is done, at the most."""
CHANCE = 0.001
"""What follows an act is laid to it where mere accident would bring it about more seldom than this."""
_AREAS = ("robust", "isolation")
"""Areas of the probes that are acts, or follow one."""


def failed(reading: Reading) -> bool:
    """A server error that excuses nothing, a broken connection, or silence.

    Not an answer that came and that no client can read: of it http.complete speaks, and nothing else.
    """
    if reading.unreadable:
        return False
    ending = reading.exchange.ending
    if reading.status is None or ending in (Ending.RESET, *TIMED_OUT):
        return ending in NO_ANSWER and not reading.done
    return reading.status >= 500 and not shed(reading)


def shed(reading: Reading) -> bool:
    """True where the answer tells of load, a quota or a proxy."""
    return reading.status in EXCUSING or (reading.status is not None and reading.excuse is not None)


def unserved(reading: Reading) -> bool:
    """The same of a request that deserves to be served: a refusal is trouble, too."""
    return failed(reading) or not (reading.taken or reading.status is None or shed(reading))


@dataclass(frozen=True, slots=True)
class Act:
    """Something that was done to the target in one round, and what came of it."""

    did: Reading
    followed: tuple[Reading, ...]
    """First answers, the act's own among them where it has one that counts; not those that tell of load, nor those that
    cannot be read."""
    troubled: tuple[Reading, ...]
    """Those of them that met trouble."""
    calm: bool
    """A minimal request was served right before, and nothing else was under way."""


def kin(reading: Reading) -> list[Reading]:
    """The first attempts of the same flow and round."""
    key = "first attempts by flow"
    memo = reading.evidence.memo
    if key not in memo:
        made: dict[tuple[str, int], list[Reading]] = defaultdict(list)
        for other in reading.evidence.all:
            if other.note.attempt == 1 and other.note.flow:
                made[other.note.flow, other.note.round].append(other)
        memo[key] = dict(made)
    found: list[Reading] = memo[key].get((reading.note.flow, reading.note.round), [])
    return found


def act(did: Reading, *own: Reading, trouble: Callable[[Reading], bool] = failed) -> Act:
    """The act with what followed it: `own` answers, judged by `trouble`, and fair requests of its flow, sent later."""
    later = [r for r in kin(did) if r.started >= did.ended and r is not did and r.due is Due.ACCEPT and r not in own]
    troubled = [r for r in own if trouble(r)] + [r for r in later if unserved(r)]
    followed = [r for r in (*own, *later) if r in troubled or not (shed(r) or r.unreadable)]
    return Act(did, tuple(followed), tuple(troubled), is_calm(did))


def is_calm(did: Reading) -> bool:
    """True where the last request of its flow before it was a fair one that was served."""
    probes = [r for r in kin(did) if r.ended <= did.started and r.due is Due.ACCEPT]
    if not probes:
        return False
    before = max(probes, key=lambda r: r.started)
    tries = before.evidence.attempts.get((before.note.probe, before.note.round), [before])
    return tries[-1].accepted


def judged(evidence: Evidence, acts: Iterable[Act], tell: Callable[[Act], Finding]) -> Iterator[Item]:
    """The items of one requirement on acts: a finding for each that trouble follows again and again."""
    for tries in _tries(acts):
        shown = [one for one in tries if one.troubled]
        for one in tries:
            if not one.followed and any(r.unreadable for r in kin(one.did)):
                yield one.did.unjudged("what came right after it cannot be read", by="http.complete")
            elif not one.followed:
                yield one.did.unjudged("what came right after it tells of load", excused=True)
            elif not one.troubled:
                yield Judged(one.did.name)
        if not shown:
            continue
        worst = next((one for one in reversed(shown) if one.calm), shown[-1])
        if _conclusive(evidence, tries):
            yield Judged(worst.did.name)
            yield tell(worst)
        else:
            yield worst.did.unjudged(_reason(worst, tries))


def doubts(acts: Iterable[Act]) -> set[str]:
    """The flows whose act is to be done once more: trouble followed it, by accident or not."""
    flows = set()
    for tries in _tries(acts):
        calm = [one for one in tries if one.calm]
        disproved = bool(calm) and not calm[-1].troubled
        shown = any(one.troubled for one in tries)
        over = len(tries) >= TRIES or disproved or _conclusive(tries[0].did.evidence, tries)
        if shown and not over and tries[0].did.note.flow:
            flows.add(tries[0].did.note.flow)
    return flows


def _tries(acts: Iterable[Act]) -> list[list[Act]]:
    """The acts of each probe, by round."""
    made: dict[str, list[Act]] = defaultdict(list)
    for one in acts:
        made[one.did.note.probe or one.did.name].append(one)
    return [sorted(tries, key=lambda one: one.did.note.round) for tries in made.values()]


def _conclusive(evidence: Evidence, tries: list[Act]) -> bool:
    """Trouble followed twice, once at least in a calm moment, and accident does not explain it."""
    shown = [one for one in tries if one.troubled]
    if len(shown) < 2 or not any(one.calm for one in shown):
        return False
    followed, troubled = (
        sum(map(len, parts)) for parts in zip(*((o.followed, o.troubled) for o in tries), strict=True)
    )
    return tail(troubled, followed, accidents(evidence)) < CHANCE


def _reason(shown: Act, tries: list[Act]) -> str:
    seen = shown.troubled[0]
    told = f"status {seen.status}" if seen.status is not None else str(seen.exchange.ending)
    if len(tries) < 2:
        return f"{told} followed it once, which may be an accident; it was not done again"
    if sum(bool(one.troubled) for one in tries) < 2:
        return f"{told} followed it once, and not when it was done again"
    if not any(one.calm for one in tries):
        return f"{told} followed it, and no calm moment came in which to do it again"
    return f"{told} followed it, as it comes now and then whatever is asked"


def tail(least: int, of: int, rate: float) -> float:
    """The probability that so many of so many fail, or more, where each fails with the rate (binomial)."""
    return sum(comb(of, k) * rate**k * (1 - rate) ** (of - k) for k in range(least, of + 1))


def accidents(evidence: Evidence) -> float:
    """The share of fair requests that meet trouble at first where they follow no act, and are served when asked again.

    Estimated with care: a run that has seen few requests, or none in trouble, does not show that none ever is.
    """
    met, of = _accidents(evidence)
    return (met + 0.5) / (of + (25 if met else 100))


def by_accident(reading: Reading) -> bool:
    """True for a request whose attempts, of all rounds, fail as any other's do on a target that fails now and then."""
    evidence = reading.evidence
    if not _accidents(evidence)[0]:
        return False
    probe = reading.note.probe or reading.name
    tries = [r for (name, _), made in evidence.attempts.items() if name == probe for r in made]
    return tail(sum(map(failed, tries)), len(tries), accidents(evidence)) >= CHANCE


def _accidents(evidence: Evidence) -> tuple[int, int]:
    """How many such requests met trouble, of how many."""
    key = "accidents"
    if key not in evidence.memo:
        fair = [tries for tries in evidence.attempts.values() if _ordinary(tries[0])]
        met = sum(1 for tries in fair if failed(tries[0]) and any(r.accepted for r in tries[1:]))
        evidence.memo[key] = met, len(fair)
    found: tuple[int, int] = evidence.memo[key]
    return found


def _ordinary(reading: Reading) -> bool:
    """True for the first attempt of a fair request that neither is an act nor follows one: resumes may do so."""
    note, asked = reading.note, reading.asked
    return reading.due is Due.ACCEPT and note.attempt == 1 and note.area not in _AREAS and not asked.resume
