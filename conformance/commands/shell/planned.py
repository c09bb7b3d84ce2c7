"""What a run would send, as lines: its flows by phase, and what each is for."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from conformance.probes.flow import NEARLY, Flow

WIDTH = 80
_NUMBER = re.compile(r"-\d+$")


def lines(flows: Sequence[Flow]) -> Iterator[str]:
    """The lines: those that differ only in the value that they send are one; flows are in the order of their phases."""
    phase = ""
    rows: dict[str, list[Flow]] = {}
    for flow in flows:
        rows.setdefault(_NUMBER.sub("", flow.name.partition(NEARLY)[0]), []).append(flow)
    for name, alike in rows.items():
        if alike[0].phase != phase:
            phase = alike[0].phase
            yield f"{phase}:"
        count = sum(flow.at_most for flow in alike)
        areas = ", ".join(dict.fromkeys([alike[0].area, *sorted(alike[0].covers)]))
        told = f"{name}, {count} request{'s' if count > 1 else ''}: {areas}"
        yield from textwrap.wrap(
            told, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False, break_long_words=False
        )
