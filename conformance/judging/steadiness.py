"""How often a target fails by chance: server errors outside outages that a retry gets past and no requirement covers.

It is reported as a remark and changes no verdict. Each request counts once, by its first answer, so that one
that always fails (error.no-server-error) counts no more than another. Outages and limits are left out:
failures of several requests with nothing served in between.

Source: contract, "Asking again washes nothing out" and "Weather".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from conformance.checks.check import CHECKS
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding
from conformance.evidence.reading import Reading

TOLD_ABOVE = 0.01
"""Share of failures above which they are reported."""
OUTAGE = 3
"""Requests that fail one after the other, with nothing served in between, in an outage."""
_Z = 1.959964
"""Standard deviations to each side that hold 95 % of a normal distribution."""


def remark(evidence: Evidence) -> str:
    """A sentence on server errors outside outages; empty where they are few, or nothing was served at all."""
    if not any(map(_fails, evidence.all)):
        return ""
    asked = list(_in_calm(evidence))
    failed = Counter(first.status for first in asked if _fails(first))
    count = failed.total()
    if not asked or count / len(asked) <= TOLD_ABOVE or not any(reading.taken for reading in evidence.all):
        return ""
    low, high = wilson(count, len(asked))
    statuses = ", ".join(f"{status} {_times(number)}" for status, number in sorted(failed.items(), key=str))
    return (
        f"Outside outages, {count} of {len(asked)} requests ({count / len(asked):.1%}) were first answered with a "
        f"server error ({statuses}), while others were served; the 95 % interval of that rate is {low:.1%} to "
        f"{high:.1%} (Wilson)."
    )


def wilson(count: int, total: int) -> tuple[float, float]:
    """The bounds of the 95 % score interval of a rate (E. B. Wilson, 1927)."""
    rate, weight = count / total, _Z**2 / total
    middle = (rate + weight / 2) / (1 + weight)
    reach = _Z * math.sqrt(rate * (1 - rate) / total + weight / total / 4) / (1 + weight)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _in_calm(evidence: Evidence) -> Iterator[Reading]:
    """The first answers to requests that no requirement reports as failing, and that were not in an outage."""
    blamed = {item.exchange for item in CHECKS["error.no-server-error"](evidence) if isinstance(item, Finding)}
    out = set(_in_outages(evidence))
    for tries in evidence.attempts.values():
        first = tries[0]
        hostile = first.asked.edge or first.note.area == "robust" or first.left
        if first.status is None or hostile or first.name in out or any(r.name in blamed for r in tries):
            continue
        yield first


def _in_outages(evidence: Evidence) -> Iterator[str]:
    """Names of the exchanges that fell into an outage or a limit."""
    over = sorted((reading for reading in evidence.all if reading.asked.endpoint), key=lambda reading: reading.ended)
    for down, readings in groupby(over, key=lambda reading: _fails(reading) or reading.status in (None, 429)):
        together = list(readings)
        if down and len({reading.note.probe or reading.name for reading in together}) >= OUTAGE:
            yield from (reading.name for reading in together)


def _fails(reading: Reading) -> bool:
    """True for a server error; 501 says that a method is not known."""
    return reading.status is not None and reading.status >= 500 and reading.status != 501


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
