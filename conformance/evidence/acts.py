"""What follows an act of the suite: a client that leaves, a hostile or large body, requests that collide.

The first answer stays evidence (contract, "Asking again washes nothing out"): where a server error, a reset or silence
follows an act, the act is repeated in a calm moment. If the same follows again, the requirement for the act is broken,
even if the server recovers soon. Chance is excluded by how often requests that follow no act meet trouble: the act is
not blamed on a target that now and then fails on any request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import comb
from operator import attrgetter

from conformance.contract.classify import Due
from conformance.contract.excuses import EXCUSING
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Judged
from conformance.evidence.reading import Reading
from conformance.transcript.exchange import NO_ANSWER, TIMED_OUT, Ending

TRIES = 3
"""The most rounds in which an act is done."""
CHANCE = 0.001
"""An act is blamed for what follows where the probability that chance alone causes it is below this."""
_AREAS = ("robust", "isolation")
"""Areas of the probes that are acts, or follow one."""


def failed(reading: Reading) -> bool:
    """A server error that excuses nothing, a broken connection, or silence.

    Not an answer that no client can read: only http.complete judges that.
    """
    if reading.unreadable:
        return False
    ending = reading.exchange.ending
    if reading.status is None or ending in (Ending.RESET, *TIMED_OUT):
        return ending in NO_ANSWER and not reading.done
    return reading.status >= 500 and not shed(reading)


def shed(reading: Reading) -> bool:
    """True where the answer reports load, a quota or a proxy."""
    return reading.status in EXCUSING or (reading.status is not None and reading.excuse is not None)


def unserved(reading: Reading) -> bool:
    """The same for a request that must be served: a refusal is trouble too."""
    return failed(reading) or not (reading.taken or reading.status is None or shed(reading))


@dataclass(frozen=True, slots=True)
class Act:
    """Something that was done to the target in one round, and what followed."""

    did: Reading
    followed: tuple[Reading, ...]
    """First answers, including the act's own where that counts; without those that report load and those that cannot
    be read."""
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
    """True where the request before it in its flow was a fair one that was served, in a round of its own.

    A resume that is refused, as one that comes too late has to be, says nothing of that.
    """
    if did.note.round == 1:
        return False
    fair = (r for r in kin(did) if r.due is Due.ACCEPT and not (r.asked.resume and r.refuses))
    before = max((r for r in fair if r.ended <= did.started), key=lambda r: r.started, default=None)
    if before is None:
        return False
    tries = before.evidence.attempts.get((before.note.probe, before.note.round), [before])
    return tries[-1].accepted


def judged(evidence: Evidence, acts: Iterable[Act], tell: Callable[[Act], Finding]) -> Iterator[Item]:
    """The items of one requirement on acts: a finding for each act that trouble follows repeatedly."""
    for tries in _tries(acts):
        shown = [one for one in tries if one.troubled]
        for one in tries:
            if not one.followed and any(r.unreadable for r in kin(one.did)):
                yield one.did.unjudged("the next answer cannot be read", by="http.complete")
            elif not one.followed:
                yield one.did.unjudged("the next answer shows that the server is under load", excused=True)
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
    """The flows whose act must be repeated: trouble followed it, by chance or not."""
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
    """Trouble followed twice, at least once in a calm moment, and chance does not explain it."""
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
        return f"{told} followed it once, which may be chance; it was not repeated"
    if sum(bool(one.troubled) for one in tries) < 2:
        return f"{told} followed it once, but not when it was repeated"
    if not any(one.calm for one in tries):
        return f"{told} followed it, and there was no calm moment to repeat it"
    return f"{told} followed it, but any request gets that now and then"


def tail(least: int, of: int, rate: float) -> float:
    """The probability that at least `least` of `of` requests fail, if each fails at this rate (binomial)."""
    return sum(comb(of, k) * rate**k * (1 - rate) ** (of - k) for k in range(least, of + 1))


def accidents(evidence: Evidence) -> float:
    """The share of requests that meet trouble at first where they follow no act, and are answered when asked again.

    Estimated with care: a run that has seen few requests, or none in trouble, does not show that none ever is. What is
    to be served and what is to be refused may fail at other rates, so that the higher one counts.
    """
    return max((met + 0.5) / (of + (25 if met else 100)) for met, of in _accidents(evidence))


def by_accident(reading: Reading) -> bool:
    """True for a request whose attempts, in all rounds, fail no more than others on a flaky target."""
    evidence = reading.evidence
    if not any(met for met, _ in _accidents(evidence)):
        return False
    probe = reading.note.probe or reading.name
    tries = [r for (name, _), made in evidence.attempts.items() if name == probe for r in made]
    return tail(sum(map(failed, tries)), len(tries), accidents(evidence)) >= CHANCE


def _accidents(evidence: Evidence) -> list[tuple[int, int]]:
    """How many such requests met trouble, out of how many: of those to be served, and of those to be refused."""
    key = "accidents"
    if key not in evidence.memo:
        counted = []
        for due, answered in ((Due.ACCEPT, attrgetter("accepted")), (Due.REFUSE, attrgetter("refuses"))):
            tried = [tries for tries in evidence.attempts.values() if _ordinary(tries[0], due)]
            met = sum(failed(tries[0]) and any(map(answered, tries[1:])) for tries in tried)
            counted.append((met, len(tried)))
        evidence.memo[key] = counted
    found: list[tuple[int, int]] = evidence.memo[key]
    return found


def _ordinary(reading: Reading, due: Due) -> bool:
    """True for the first attempt of a request that is not an act and does not follow one, as resumes may."""
    note = reading.note
    return reading.due is due and note.attempt == 1 and note.area not in _AREAS and not reading.asked.resume
