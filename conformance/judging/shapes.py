"""The shapes of a run's answers: which members each kind of answer had, and of which types.

A shape holds no value of the target, only the names of members, so that two runs can be compared for drift without
their transcripts. Elements of arrays are one place (`/choices/*/index`). All is bounded, as the target chose the names.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from conformance.evidence.evidence import Evidence
from conformance.evidence.reading import Reading

KINDS = ("completion", "approval", "chunk", "approval-chunk", "error")
MEMBERS = 120
"""Places of one kind that are kept: those in most answers first."""
_SEEN = 2000
"""Places of one kind that are counted."""
_NODES = 2000
"""Values of one answer that are looked at."""
_DEEP = 8
_NAME = 60
"""Characters of a member's name."""


@dataclass(frozen=True, slots=True)
class Member:
    """One place in the answers of a kind."""

    place: str
    """JSON Pointer with `*` for any index."""
    types: tuple[str, ...]
    """null, boolean, number, string, array, object; sorted."""
    answers: int
    """How many answers had it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """All answers of one kind."""

    kind: str
    answers: int
    members: tuple[Member, ...]
    """Sorted by place."""
    left: int = 0
    """Places that are not kept."""


def shapes(evidence: Evidence) -> tuple[Shape, ...]:
    """The shape of each kind of answer that the evidence holds, in the order of `KINDS`."""
    found: dict[str, list[Any]] = defaultdict(list)
    for reading in evidence.last:
        for kind, value in _answers(reading):
            found[kind].append(value)
    return tuple(_shape(kind, found[kind]) for kind in KINDS if kind in found)


def _answers(reading: Reading) -> Iterator[tuple[str, Any]]:
    """The JSON objects of an answer, each with its kind; none of what excuses itself or was left."""
    if reading.response is None or not reading.known or reading.excuse is not None:
        return
    if reading.taken and reading.streamed:
        for chunk in reading.chunks:
            if chunk.error:
                yield "error", chunk.value
            else:
                yield "approval-chunk" if chunk.brings_calls or chunk.approves else "chunk", chunk.value
    elif (value := reading.object) is not None and reading.status is not None:
        if reading.accepted:
            yield "approval" if reading.waits else "completion", value
        elif reading.status >= 400:
            yield "error", value


def _shape(kind: str, values: list[Any]) -> Shape:
    counts: Counter[str] = Counter()
    types: dict[str, set[str]] = defaultdict(set)
    for value in values:
        of_answer: dict[str, set[str]] = defaultdict(set)
        for place, type_ in _places(value):
            of_answer[place].add(type_)
        for place, seen in of_answer.items():
            if place in counts or len(counts) < _SEEN:
                counts[place] += 1
                types[place] |= seen
    kept = sorted(counts, key=lambda place: (-counts[place], place))[:MEMBERS]
    members = tuple(Member(place, tuple(sorted(types[place])), counts[place]) for place in sorted(kept))
    return Shape(kind, len(values), members, len(counts) - len(kept))


def _places(value: Any) -> Iterator[tuple[str, str]]:
    """Each place below a value with its type, breadth first."""
    nodes: list[tuple[str, Any, int]] = [("", value, 0)]
    for place, node, depth in nodes:  # grows while it is read
        if place:
            yield place, _type(node)
        if depth >= _DEEP:
            continue
        inner: Iterator[tuple[str, Any]] = iter(())
        if isinstance(node, dict):
            inner = ((_step(name), v) for name, v in node.items())
        elif isinstance(node, list):
            inner = (("*", v) for v in node)
        for step, below in islice(inner, max(0, _NODES - len(nodes))):
            nodes.append((f"{place}/{step}", below, depth + 1))


def _step(name: str) -> str:
    """A member's name as a step of a pointer, bounded, in printable ASCII."""
    short = name if len(name) <= _NAME else name[:_NAME] + "…"
    return re.sub(r"[^\x20-\x7e]", lambda m: json.dumps(m[0])[1:-1], short.replace("~", "~0").replace("/", "~1"))


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
    return "number"
