"""What a run would send, as lines: its flows by phase, and what each is for."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Sequence

from conformance.probes import shown
from conformance.probes.flow import Flow

WIDTH = 80
MOST = 6
"""The most requirements that are named as what a flow is for."""


def lines(flows: Sequence[Flow], selected: Collection[str] | None, *, quick: bool) -> Iterator[str]:
    """The lines.

    Args:
        flows: in the order of their phases.
        selected: ids of the requirements that are judged; None: all.
        quick: whether it is a quick run.
    """
    phase = ""
    rows: dict[str, list[Flow]] = {}
    for flow in flows:
        rows.setdefault(shown.family(flow), []).append(flow)
    for family, alike in rows.items():
        if alike[0].phase != phase:
            phase = alike[0].phase
            yield f"{phase}:"
        count = sum(flow.at_most for flow in alike)
        told = f"{family}, {count} request{'s' if count > 1 else ''}: "
        told += _purposes(shown.purposes(alike[0], selected, quick=quick), alike[0].area)
        yield from textwrap.wrap(
            told, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False, break_long_words=False
        )


def _purposes(ids: Sequence[str], area: str) -> str:
    """What a flow is for; one that no requirement needs shows more of the same to its area's."""
    if not ids:
        return f"more for {area}"
    return ", ".join(ids) if len(ids) <= MOST else f"{', '.join(ids[:MOST])} and {len(ids) - MOST} more"
