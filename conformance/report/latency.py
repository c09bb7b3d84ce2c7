"""How long answers took: distributions over a logarithmic scale of time that they share. Geometry only, no markup."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from conformance.evidence.evidence import Evidence
from conformance.evidence.reading import Reading

_BINS_A_DECADE = 12
_MARKS = (1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin."""

    x: float
    """All in per cent, from the upper left."""
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """How one kind of time was distributed."""

    title: str
    count: int
    p50: float
    """Seconds."""
    p95: float
    least: float
    most: float
    bars: tuple[Bar, ...]
    p50_x: float
    p95_x: float
    marks: tuple[tuple[float, float], ...]
    """(per cent across, seconds) of the scale."""


def distributions(evidence: Evidence) -> list[Distribution]:
    """Of whole JSON answers and of first events, each where there are any, on one scale."""
    answers = [
        r.exchange.finished
        for r in _timed(evidence)
        if r.whole and not r.streamed and r.exchange.finished > 0 and r.media_type.endswith("json")
    ]
    firsts = [r.events[0].at for r in _timed(evidence) if r.streamed and r.events and r.events[0].at > 0]
    given = [("JSON answers, until complete", sorted(answers)), ("Streams, until the first event", sorted(firsts))]
    times = answers + firsts
    if not times:
        return []
    low = math.floor(math.log10(min(times)) * _BINS_A_DECADE)
    high = max(math.floor(math.log10(max(times)) * _BINS_A_DECADE) + 1, low + _BINS_A_DECADE // 2)
    return [_distribution(title, values, low, high) for title, values in given if values]


def _timed(evidence: Evidence) -> list[Reading]:
    """What was served, with times that say something of the server: not read slowly, and recorded by this suite."""
    return [
        reading
        for reading in evidence.last
        if reading.accepted and reading.response and reading.response.pieces and not reading.note.slow
    ]


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of sorted values, of which there is at least one."""
    return values[max(0, math.ceil(share * len(values)) - 1)]


def _distribution(title: str, values: Sequence[float], low: int, high: int) -> Distribution:
    counts = [0] * (high - low)
    for value in values:
        counts[min(max(math.floor(math.log10(value) * _BINS_A_DECADE) - low, 0), high - low - 1)] += 1
    width = 100 / (high - low)
    p50, p95 = percentile(values, 0.50), percentile(values, 0.95)

    def across(seconds: float) -> float:
        return round(min(max((math.log10(seconds) * _BINS_A_DECADE - low) * width, 0.0), 100.0), 2)

    bars = tuple(
        Bar(round(n * width, 2), round(100 - 100 * count / max(counts), 2), round(width, 2), 100 * count / max(counts))
        for n, count in enumerate(counts)
        if count
    )
    marks = [10.0**decade * mark for decade in range(-6, 5) for mark in _MARKS]
    return Distribution(
        title,
        len(values),
        p50,
        p95,
        values[0],
        values[-1],
        bars,
        across(p50),
        across(p95),
        tuple((across(mark), mark) for mark in _thinned(marks, low, high)),
    )


def _thinned(marks: Sequence[float], low: int, high: int) -> list[float]:
    """The marks within the scale; on a long one the decades alone, so that a narrow screen has room."""
    inside = [mark for mark in marks if low + 0.5 <= math.log10(mark) * _BINS_A_DECADE <= high - 0.5]
    if high - low > 2.2 * _BINS_A_DECADE:
        inside = [mark for mark in inside if abs(math.log10(mark) - round(math.log10(mark))) < 1e-9]
    return inside
