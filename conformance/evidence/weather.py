"""The weather of a recording: which answers are caused by an outage or a limit, not by the request.

Source: contract, "Weather". An answer is *foul* where an outage may have caused it: 502, 503, 504 and their
like, no connection, a reset, a body that is cut. Foul answers belong to one *spell* as long as no request that was sent
after one of them was served before the next one came. An answer that shares its spell with another request's foul
answer belongs to the weather. So does a connection that broke when the target stopped answering: a gateway that waits
until its server is back gives no other request a foul answer. One that is foul alone, in a calm moment, several times,
with requests served in between, is caused by the request: it *recurs*.

Pure: the same transcript has the same weather tomorrow.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import accumulate, pairwise
from statistics import median
from typing import TYPE_CHECKING

from conformance.contract.classify import Due
from conformance.evidence.timeline import Timeline
from conformance.probes.flow import Phase
from conformance.transcript.exchange import Ending, Exchange

if TYPE_CHECKING:
    from conformance.evidence.reading import Reading

RECURS = 2
"""Foul answers in calm moments, with requests served in between, that show that the request causes them."""
CHANCE = 0.01
"""A request recurs only where the probability that chance alone explains it is below this."""
SELDOM = 0.001
"""The share of accidents that is assumed where none was seen."""
OUTAGE = 3
"""This many foul answers in a row are reported as an outage."""
MAINTAINED = 0.5
"""After this many seconds of 503 the server process may be a new one."""
_BROKEN_OFF = frozenset({Ending.CUT, Ending.RESET})
CUTS = 5
"""The fewest answers of a kind that show whether most of them are cut."""
MOST_TOLD = 6
"""The most requests that are named as under way."""
_WORDS = {
    Ending.REFUSED: "no connection",
    Ending.RESET: "reset connections",
    Ending.CUT: "answers cut off",
    Ending.TIMED_OUT_CONNECTING: "no connection in time",
}
STILL = 0.5
"""Seconds without an answer to anybody, behind a connection that broke, from which on the target stood still."""
HELD = 2
"""Requests that are refused at once in fine weather, and waited meanwhile."""
INSTANT = 0.002
"""Seconds by which two clocks may differ within one recording."""


@dataclass(frozen=True, slots=True)
class Spell:
    """Foul answers that came together."""

    readings: tuple[Reading, ...]
    """In the order of their ends."""
    still: float = 0.0
    """Seconds for which nobody was answered behind a connection that broke: a gateway may wait for its server."""

    @property
    def began(self) -> float:
        """Unix seconds."""
        return self.readings[0].ended if self.still else min(reading.started for reading in self.readings)

    @property
    def ended(self) -> float:
        """Unix seconds."""
        return self.readings[-1].ended

    @property
    def seconds(self) -> float:
        """How long it was, as far as it was seen."""
        return self.ended - self.began + self.still

    @property
    def broken(self) -> tuple[Reading, ...]:
        """Those whose connection broke: they were under way when it began."""
        broken = [r for r in self.readings if r.exchange.ending in _BROKEN_OFF]
        # What is valid brings a target down less often.
        return tuple(sorted(broken, key=lambda reading: reading.due is Due.ACCEPT))

    @property
    def lasts(self) -> bool:
        """True for an outage that is worth reporting: two answers in a row may be an accident."""
        return self.bad and (len(self.readings) >= OUTAGE or self.still > 0)

    @property
    def maintains(self) -> bool:
        """True for a lasting 503, such as a maintenance page; overload refuses single requests."""
        return self.lasts and self.seconds >= MAINTAINED and any(r.status == 503 for r in self.readings)

    @property
    def bad(self) -> bool:
        """True where more than one request met it: bad weather, whatever was asked."""
        return len({_probe(r) for r in self.readings}) > 1 or self.still > 0


def told(spell: Spell, since: float) -> str:
    """An outage in a sentence: what came, for how long, from when, and what was under way when it began.

    Args:
        spell: bad.
        since: when the recording began, in Unix seconds.
    """
    met = Counter(_met(r) for r in spell.readings)
    what = " and ".join(f"{word} ({count})" if len(met) > 1 else word for word, count in met.most_common(3))
    clock = datetime.fromtimestamp(spell.began, UTC).strftime("%H:%M:%S")
    asked = len({_probe(r) for r in spell.readings if r.note.phase != Phase.WEATHER})
    sentence = (
        f"The target did not serve for {spell.seconds:.1f} s from {clock} UTC, {spell.began - since:.1f} s "
        f"into the run ({what}); {asked} {'request was' if asked == 1 else 'requests were'} asked again"
    )
    broken = [reading.name for reading in spell.broken[:MOST_TOLD]]
    return sentence + (f". Under way when it began: {', '.join(broken)}" if broken else "")


def suspects(weather: Weather) -> tuple[str, ...]:
    """The exchanges that were under way when the target last stopped accepting connections."""
    gone = [s for s in weather.spells if s.bad and any(_refused(r.exchange) for r in s.readings)]
    return tuple(reading.name for reading in gone[-1].broken[:MOST_TOLD]) if gone else ()


def _refused(exchange: Exchange) -> bool:
    """True where the target accepted no connection; a proxy may not have asked it."""
    return exchange.ending is Ending.REFUSED and not exchange.of_proxy


def _probe(reading: Reading) -> str:
    """The request that it answers, in any try."""
    return reading.note.probe or reading.name


def _met(reading: Reading) -> str:
    ending, status = reading.exchange.ending, reading.status
    # What was cut off came with any status, which says nothing of the outage.
    return _WORDS.get(ending) or (f"status {status}" if status is not None else str(ending))


class Weather:
    """The spells of a recording, and what was served when."""

    def __init__(self, readings: Iterable[Reading]) -> None:
        readings = list(readings)
        self._reached = _Served(r for r in readings if _whole(r) and not r.waits)
        self._served = _Served(r for r in readings if _whole(r))
        self._timeline = Timeline(readings)
        gathered = self._gathered(sorted((r for r in readings if r.foul), key=lambda r: r.ended))
        stands = _Standstill(readings if gathered else ())
        self.spells = tuple(spell if spell.bad else replace(spell, still=stands.behind(spell)) for spell in gathered)
        self._spell_of = {id(reading): spell for spell in self.spells for reading in spell.readings}
        self._cuts: dict[bool, bool] = {}
        self._tries: dict[str, list[Reading]] = defaultdict(list)
        for reading in readings:
            self._tries[_probe(reading)].append(reading)

    def _gathered(self, foul: Sequence[Reading]) -> tuple[Spell, ...]:
        spells: list[list[Reading]] = []
        for reading in foul:
            if spells and not self.served_between(spells[-1][-1].ended, reading.ended):
                spells[-1].append(reading)
            else:
                spells.append([reading])
        return tuple(Spell(tuple(spell)) for spell in spells)

    def served_between(self, after: float, before: float) -> bool:
        """True where a request was sent after the one moment and served before the other (Unix seconds).

        Approvals do not count: a gateway asks for those itself, whether its model can be reached or not.
        """
        return self._reached.between(after, before)

    def went_down_between(self, after: float, before: float) -> bool:
        """True where a process may have ended between the two moments (Unix seconds), with what it kept in memory."""
        return any(after <= spell.ended and spell.began <= before for spell in self._restarts)

    @cached_property
    def _restarts(self) -> tuple[Spell, ...]:
        return tuple(spell for spell in self.spells if spell.bad and (self._breaks(spell) or spell.maintains))

    def _breaks(self, spell: Spell) -> bool:
        return any(r.status != 503 and self.fell_on(r) for r in spell.readings)

    def fell_on(self, reading: Reading) -> bool:
        """True where this answer belongs to the weather: others met it too, and the request does not cause it."""
        spell = self._spell_of.get(id(reading))
        if spell is None or not spell.bad or self.recurs(reading):
            return False
        # A server that cuts most of its answers of a kind does so by itself: no outage lasts for a whole run.
        broken = reading.status is not None and reading.exchange.ending in _BROKEN_OFF
        return not broken or not self._cut_as_a_rule(reading.streamed)

    def _cut_as_a_rule(self, stream: bool) -> bool:
        """True where most answers with status 200, those that are streams or the others, were cut."""
        if stream not in self._cuts:
            answered = [r for tries in self._tries.values() for r in tries if r.accepted and r.streamed is stream]
            cut = sum(1 for r in answered if r.exchange.ending in _BROKEN_OFF)
            self._cuts[stream] = len(answered) >= CUTS and 2 * cut > len(answered)
        return self._cuts[stream]

    def recurs(self, reading: Reading) -> bool:
        """True where the request of this answer causes a foul one whenever it is sent in a calm moment.

        So often that it is not an accident: where the target sheds load now and then, a request meets it three times.
        """
        calm = self._only_foul.get(_probe(reading), ())
        apart = 1 + sum(self.served_between(one.ended, other.started) for one, other in pairwise(calm))
        return bool(calm) and apart >= RECURS and len(self._tries) * self._accidents**apart < CHANCE

    @cached_property
    def _only_foul(self) -> dict[str, list[Reading]]:
        """The calm tries of each request that met nothing but foul answers in them."""
        calm = {probe: [r for r in tries if not r.foul or self._by_itself(r)] for probe, tries in self._tries.items()}
        return {probe: tries for probe, tries in calm.items() if tries and all(r.foul for r in tries)}

    @cached_property
    def _accidents(self) -> float:
        """The share of foul answers, not met with others, to requests that were answered properly in another try.

        Those aside that came while a request was under way which may have brought them about.
        """
        suspected = {probe for probe, calm in self._only_foul.items() if len(calm) >= RECURS}
        passing = {probe for probe, tries in self._tries.items() if not all(r.foul for r in tries)}
        began = [(_probe(spell.readings[0]), set(map(_probe, spell.readings))) for spell in self.spells]
        accidents = sum(1 for first, met in began if first in passing and met.isdisjoint(suspected))
        return max(accidents / sum(map(len, self._tries.values())), SELDOM)

    def _by_itself(self, reading: Reading) -> bool:
        """True where nothing else was under way, and the spell began with this answer: nothing before it was foul.

        A target that accepts no connection has received no request that could have caused it.
        """
        spell = self._spell_of[id(reading)]
        taken = reading.exchange.ending is not Ending.REFUSED
        return taken and spell.readings[0] is reading and not self._timeline.beside(reading)

    def separate(self, tries: Sequence[Reading]) -> int:
        """How many of these tries of one request, in this order, had something served since the try before."""
        return 1 + sum(self._served.between(one.ended, other.started) for one, other in pairwise(tries))


class _Served:
    """When requests were served."""

    def __init__(self, readings: Iterable[Reading]) -> None:
        times = sorted((r.started, r.ended) for r in readings)
        self._starts = [started for started, _ in times]
        # The earliest end of what was begun at each start or later: it never falls, so that it can be searched.
        self._earliest = list(accumulate((ended for _, ended in reversed(times)), min))[::-1]

    def between(self, after: float, before: float) -> bool:
        """True where one began after the one moment and ended before the other."""
        first = bisect_left(self._starts, after - INSTANT)
        return first < len(self._starts) and self._earliest[first] <= before + INSTANT


class _Standstill:
    """When nobody was answered."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._ends = sorted(reading.ended for reading in readings)
        self._refused = [reading for reading in readings if reading.refused_status]
        self._quick = bool(self._refused) and median(r.ended - r.started for r in self._refused) < STILL / 5

    def behind(self, spell: Spell) -> float:
        """Seconds for which nobody was answered once the connections of this spell broke; 0 where somebody was.

        Those who waited have to be such as no model holds up.
        """
        if not self._quick or any(reading.exchange.ending not in _BROKEN_OFF for reading in spell.readings):
            return 0.0
        next_ = bisect_right(self._ends, spell.ended + INSTANT)
        if next_ == len(self._ends) or self._ends[next_] < spell.ended + STILL:
            return 0.0
        until = self._ends[next_]
        held = {_probe(r) for r in self._refused if r.started < spell.ended + STILL / 2 and r.ended >= until}
        return until - spell.ended if len(held) >= HELD else 0.0


def _whole(reading: Reading) -> bool:
    """True for a request that was served, to the end of its answer."""
    return reading.accepted and reading.whole and not reading.failed_within
