"""Which flows show what: for each requirement the fewest that exercise it and prove its faults.

`shown.json` is measured, not written by hand: `nox -s shown` records the conforming server and every fault of the
reference server, and keeps for each requirement one flow for each kind of answer that it is judged on, and those by
which its faults are found. Flows that differ only in which value they send are one family.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

from conformance.probes.flow import NEARLY, Flow, Phase

FILE = Path(__file__).with_name("shown.json")
_NUMBER = re.compile(r"-\d+$")
_BROKEN = "stream-refusal-"
"""Streams that are refused are of the area stream, and numbered by their values as those of the area reject are."""


def family(flow: Flow) -> str:
    """The name of a flow without the number of its value, where it bears one."""
    name = flow.name.partition(NEARLY)[0]
    by_value = flow.phase is Phase.GENERATED or flow.area == "reject" or name.startswith(_BROKEN)
    return _NUMBER.sub("", name) if by_value else name


@cache
def table(quick: bool) -> Mapping[str, frozenset[str]]:
    """Requirement id to the families that it needs: of those that a quick run has, or of all."""
    known = json.loads(FILE.read_text(encoding="utf-8"))["quick" if quick else "standard"]
    return {id_: frozenset(families) for id_, families in known.items()}


def families(selected: Collection[str], *, quick: bool) -> frozenset[str]:
    """The families that the selected requirements need together."""
    known = table(quick)
    return frozenset().union(*(known.get(id_, ()) for id_ in selected))


def purposes(flow: Flow, selected: Collection[str] | None, *, quick: bool) -> list[str]:
    """Ids of the requirements, of those selected, that a flow is needed for."""
    name = family(flow)
    return [id_ for id_, needed in table(quick).items() if name in needed and (selected is None or id_ in selected)]
