"""How many mutants are killed after how many requests.

A mutant is killed where it is blamed right, by the exchange that shows it: of several the one that was sent first. What
is sent again, after an answer that excuses itself or what a model's whim may have caused, comes behind the end of a
recording: such a mutant counts as killed by one request more than the recording has.

A mutant that a shallower depth settles is not judged at a deeper one that sends the same requests. There it is killed
by the same exchanges, at the latest.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence

from conformance.settings.options import Depth
from conformance.transcript.exchange import Exchange

Order = Mapping[str, int]
"""The name of each exchange of a recording, and how many requests were sent up to it and with it."""
Curve = tuple[tuple[int, int], ...]
"""Points: a number of requests, and how many mutants they kill."""
AGAIN = re.compile("[~#]")
"""Stands in a name before the number of an attempt, or of a round."""
COUNTS = (1, 8, 25, 60, 150, 300, 490, 925, 2_000)
"""Numbers of requests that are told."""
STEPS = 30
"""Points of a curve beside those."""


def order(exchanges: Iterable[Exchange]) -> Order:
    """The order of a recording."""
    return {exchange.name: number for number, exchange in enumerate(exchanges, 1)}


def place(names: Collection[str], sent: Order) -> int | None:
    """How many requests are sent until the first of these exchanges; None where there are none."""
    return min((sent.get(name, len(sent) + 1) for name in names), default=None)


def sends(names: Iterable[str], sent: Order) -> bool:
    """Whether any of these is sent, for the first time or again."""
    return any(AGAIN.split(name)[0] in sent for name in names)


def earliest(names: Collection[str], orders: Mapping[Depth, Order], depth: Depth) -> tuple[str, ...]:
    """Of these exchanges the one that is sent first at a depth, and those that are at deeper ones."""
    depths = list(orders)
    deeper = [orders[one] for one in depths[depths.index(depth) :]] if names else []
    return tuple(dict.fromkeys(min(sorted(names), key=lambda n: sent.get(n, len(sent) + 1)) for sent in deeper))


def of(places: Iterable[int | None], requests: int) -> Curve:
    """The curve of mutants that are killed at these places: even steps on a logarithmic scale, `COUNTS`, and the end.

    Args:
        places: of each mutant; None: nothing kills it.
        requests: of the whole run. The last point is one request behind its end where something is killed there.
    """
    found = sorted(one for one in places if one is not None)
    end = max(requests, found[-1] if found else 0)
    return tuple((step, bisect_right(found, step)) for step in steps(end))


def steps(end: int) -> list[int]:
    """The numbers of requests at which a curve has points."""
    return sorted({*(round(end ** (number / STEPS)) for number in range(STEPS + 1)), *(n for n in COUNTS if n < end)})


def at(points: Sequence[Sequence[int]], requests: int) -> int:
    """How many are killed after so many requests, or by the whole run where it sends fewer."""
    return max((killed for step, killed in points if step <= requests), default=0)
