"""A picture of a stream: when its events came, and which of them break a requirement. Geometry only, no markup.

Across, 0 is when the request was sent and 100 the end of the exchange. Down, the staircase counts events. A template
draws it as SVG in per cent, so that shapes and text keep their size on every screen.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding
from conformance.evidence.reading import Reading
from conformance.report.location import offence
from conformance.transcript.exchange import TIMED_OUT, Ending
from conformance.transcript.sse import Event

SHOWN = 12
"""Streams that are drawn."""
_BREACHES = 4
"""Breaches that are told of one stream."""
_TOGETHER = 12.0
"""Per cent of the width within which breaches share one flag, so that numbers have room on a phone."""
_STEPS = 400
"""Places across at which events are told apart."""

_ENDINGS = {
    Ending.COMPLETE: "end of body",
    Ending.CUT: "connection closed before the end",
    Ending.RESET: "connection reset",
    Ending.TOO_LARGE: "stopped at the suite's size limit",
    Ending.LEFT: "the suite left on purpose",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened."""

    at: float
    """Seconds after the request was sent."""
    x: float
    """Per cent of the width."""


@dataclass(frozen=True, slots=True)
class MarkedBreach:
    """One finding in this stream."""

    requirement: str
    message: str
    place: str
    number: int
    moment: Moment | None
    """None: it has no moment of its own, such as a wrong header field."""


@dataclass(frozen=True, slots=True)
class MergedMarks:
    """The numbers of breaches that stand too close together for a number each."""

    x: float
    """Of the first, in per cent of the width."""
    last: float
    """The same of the last."""
    numbers: str
    """`2, 3`"""


@dataclass(frozen=True, slots=True)
class DrawnStream:
    """A stream as it is drawn."""

    name: str
    events: int
    octets: int
    seconds: float
    headers: Moment | None
    first: Moment | None
    """The first event."""
    done: tuple[Moment, ...]
    end: Moment
    ending: str
    whole: bool
    """True where the body ended as it should, or the suite left on purpose."""
    breaches: tuple[MarkedBreach, ...]
    more_breaches: int
    flags: tuple[MergedMarks, ...]
    ticks: tuple[float, ...]
    """Where events came, in per cent of the width; those that fall together once."""
    stairs: tuple[tuple[float, float], ...]
    """(across, down) in per cent: the corners of the line that counts events, from the lower left."""


def streams(evidence: Evidence) -> list[Reading]:
    """Every answer that was read as an event stream and whose times are known, in the order of the recording."""
    return [
        reading
        for reading in evidence.all
        if reading.response is not None
        and reading.streamed
        and reading.taken
        and reading.response.pieces is not None
        and reading.body is reading.response.body
    ]


def timelines(readings: Sequence[Reading], findings: Iterable[Finding], most: int = SHOWN) -> list[DrawnStream]:
    """The streams worth drawing: one for each broken requirement first, then others with findings, then of each area.

    Args:
        readings: what `streams` gave.
        findings: of all requirements, the weightiest first.
        most: how many are drawn.
    """
    by_name = {reading.name: reading for reading in readings}
    found: dict[str, list[Finding]] = {}
    leading: dict[str, str] = {}
    for finding in findings:
        if finding.exchange in by_name:
            found.setdefault(finding.exchange, []).append(finding)
            leading.setdefault(finding.requirement, finding.exchange)
    broken = _varied(r for r in readings if r.name in found)
    names = dict.fromkeys([*leading.values(), *broken, *_varied(r for r in readings if r.name not in found)])
    return [_timeline(by_name[name], found.get(name, ())) for name in [*names][:most]]


def _varied(readings: Iterable[Reading]) -> list[str]:
    """Names of streams: the longest of each area first, then the second of each, and so on."""
    ranks: Counter[str] = Counter()
    ranked = []
    for reading in sorted(readings, key=lambda r: (-len(r.events), r.name)):
        ranked.append((ranks[reading.note.area], -len(reading.events), reading.name))
        ranks[reading.note.area] += 1
    return [name for _, _, name in sorted(ranked)]


def _timeline(reading: Reading, findings: Sequence[Finding]) -> DrawnStream:
    seconds = max(reading.exchange.finished, *(event.at for event in reading.events), 1e-6)
    events = reading.events
    steps = sorted({round(_STEPS * event.at / seconds) for event in events})
    breaches = _breaches(reading, findings, seconds)
    return DrawnStream(
        name=reading.name,
        events=len(events),
        octets=len(reading.body),
        seconds=seconds,
        headers=_moment(reading.response.headers_at if reading.response else None, seconds),
        first=_moment(events[0].at if events else None, seconds),
        done=tuple(Moment(event.at, _x(event.at, seconds)) for event in reading.done[:_BREACHES]),
        end=Moment(reading.exchange.finished, _x(reading.exchange.finished, seconds)),
        ending=_ENDINGS.get(reading.exchange.ending, _silence(reading.exchange.ending)),
        whole=reading.whole or reading.left,
        breaches=breaches,
        more_breaches=len(findings) - len(breaches),
        flags=_flags(breaches),
        ticks=tuple(round(100 * step / _STEPS, 2) for step in steps),
        stairs=_stairs(events, seconds),
    )


def _silence(ending: Ending) -> str:
    return "given up waiting" if ending in TIMED_OUT else ending.value


def _x(at: float, seconds: float) -> float:
    return round(min(max(100 * at / seconds, 0.0), 100.0), 2)


def _moment(at: float | None, seconds: float) -> Moment | None:
    return None if at is None else Moment(at, _x(at, seconds))


def _stairs(events: Sequence[Event], seconds: float) -> tuple[tuple[float, float], ...]:
    """At each place across where events came: a step up to how many there were by then."""
    counts: dict[int, int] = {}
    for event in events:
        step = round(_STEPS * event.at / seconds)
        counts[step] = counts.get(step, 0) + 1
    corners = [(0.0, 100.0)]
    for step, count in zip(sorted(counts), accumulate(counts[step] for step in sorted(counts)), strict=True):
        x = round(100 * step / _STEPS, 2)
        corners += [(x, corners[-1][1]), (x, round(100 - 100 * count / len(events), 2))]
    return (*corners, (100.0, corners[-1][1]))


def _breaches(reading: Reading, findings: Sequence[Finding], seconds: float) -> tuple[MarkedBreach, ...]:
    """The first of each requirement, numbered as they are told."""
    first: Mapping[str, Finding] = {finding.requirement: finding for finding in reversed(findings)}
    chosen = [finding for finding in findings if first[finding.requirement] is finding][:_BREACHES]
    return tuple(
        MarkedBreach(finding.requirement, finding.message, str(finding.place), number, _when(finding, reading, seconds))
        for number, finding in enumerate(chosen, 1)
    )


def _flags(breaches: Sequence[MarkedBreach]) -> tuple[MergedMarks, ...]:
    flags: list[MergedMarks] = []
    for breach in sorted(breaches, key=lambda b: (b.moment.x if b.moment else 0.0, b.number)):
        if breach.moment is None:
            continue
        x = breach.moment.x
        if flags and x - flags[-1].last < _TOGETHER:
            flags[-1] = MergedMarks(flags[-1].x, x, f"{flags[-1].numbers}, {breach.number}")
        else:
            flags.append(MergedMarks(x, x, str(breach.number)))
    return tuple(flags)


def _when(finding: Finding, reading: Reading, seconds: float) -> Moment | None:
    where = offence(finding, reading)
    if where.event is not None:
        return _moment(where.event.at, seconds)
    if where.request or where.span is None or reading.response is None or not reading.response.pieces:
        return None
    if where.span[0] >= len(reading.body):
        return _moment(reading.exchange.finished, seconds)
    held = 0
    for piece in reading.response.pieces:
        held += piece.length
        if held > where.span[0]:
            return _moment(piece.at, seconds)
    return None


def duration(seconds: float) -> str:
    """A time for people: `12 ms`, `1.4 s`."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 0.9995:
        return f"{seconds * 1000:.{1 if seconds < 0.00995 else 0}f} ms"
    return f"{seconds:.{2 if seconds < 9.995 else 1}f} s"
