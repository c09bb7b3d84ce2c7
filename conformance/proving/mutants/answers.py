"""Answer mutants: one operator at one place of one kind of answer, always or in one condition.

The places are those that the recorded answers have, so that a member that the reference server sends is changed without
being named here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from conformance.proving.mutants.mutant import Change, Mutant, thinned
from conformance.proving.mutants.octets import dumps, events, with_body, with_events
from conformance.proving.mutants.scene import ALWAYS, Kind, Scene, Subject
from conformance.proving.mutants.values import ABSENT, Path, at, doubled, operators, placed, places, spelled
from conformance.transcript.exchange import Exchange

TRAITS = {
    Kind.COMPLETION: (
        ALWAYS, "chat", "resume", "first", "later", "with-id", "without-id", "empty-id", "foreign-id", "long-id",
        "mode-auto", "mode-normal", "mode-orch", "mode-synth", "limit", "cut", "temperature", "role-system",
        "role-assistant", "parts", "foreign-text", "concurrent", "after-refusal", "after-abort", "own-fields",
        "approved", "denied",
    ),
    Kind.APPROVAL: (ALWAYS, "chat", "resume", "first", "later", "with-id", "two-calls", "one-call", "own-fields"),
    Kind.STREAM: (
        ALWAYS, "chat", "resume", "first", "with-id", "without-id", "foreign-id", "cut", "limit", "mode-synth",
        "role-assistant", "foreign-text", "concurrent", "after-abort", "denied", "approved",
    ),
    Kind.APPROVAL_STREAM: (ALWAYS, "chat", "resume", "first", "later", "two-calls", "one-call"),
    Kind.ERROR: (
        ALWAYS, "chat", "resume", "first", "with-id", "without-id", "asks-stream", "asks-json", "400", "401-chat",
        "401-resume", "401-stream", "404", "404-stream", "405", "409", "409-stream", "415", "422-chat", "422-resume",
        "422-stream", "429",
    ),
}  # fmt: skip
"""The conditions in which an answer of each kind may be wrong."""

Position = Callable[[int, int], bool]
POSITIONS: dict[Kind, dict[str, Position]] = {
    Kind.STREAM: {
        "every": lambda number, count: True,
        "first": lambda number, count: number == 0,
        "second": lambda number, count: number == 1 < count - 1,
        "last-but-one": lambda number, count: 1 < number == count - 2,
        "last": lambda number, count: number == count - 1,
    },
    Kind.APPROVAL_STREAM: {
        "first": lambda number, count: number == 0,
        "last": lambda number, count: number == count - 1,
    },
}
"""Which chunks of a stream are changed: number from 0, and how many there are."""


def enumerate_all(scenes: Sequence[Scene]) -> Iterator[Mutant]:
    """Every answer mutant of what these recordings hold."""
    for kind in Kind:
        if kind.streamed:
            for position in POSITIONS[kind]:
                found = _operators(chunk for scene in scenes for chunk in _chunks(scene, kind, position))
                yield from _of(kind, found, partial(_in_chunks, position), f"{position}:")
        else:
            found = _operators(value for scene in scenes for value in _bodies(scene, kind))
            yield from _of(kind, found, _in_body, "")


def _of(
    kind: Kind, found: dict[Path, list[str]], change: Callable[[Path, str], Change], prefix: str
) -> Iterator[Mutant]:
    for trait in TRAITS[kind]:
        yield from thinned(
            Mutant("answer", kind, prefix + spelled(path), name, trait, change(path, name))
            for path, names in found.items()
            for name in names
        )


def _operators(values: Iterable[Any]) -> dict[Path, list[str]]:
    """For each place the names of the operators that change any of the values there."""
    found: dict[Path, list[str]] = {}
    for value in values:
        for path in places(value):
            if any(isinstance(step, int) and step > 1 for step in path):
                continue
            names = found.setdefault(path, [])
            names += [name for name, _ in operators(path, at(value, path)) if name not in names]
    for path, names in found.items():
        names.append("anothers")
        if isinstance(path[-1], str):
            names += ["doubled-alike", "doubled-before", "doubled-behind"]
    return found


def changed(document: Any, path: Path, name: str, others: Any) -> Any:
    """The document after one operator; itself where the operator does not apply. `others`: another one of its kind."""
    value = at(document, path)
    if value is ABSENT:
        return document
    if name == "anothers":
        other = at(others, path)
        return document if other is ABSENT else placed(document, path, other)
    if name.startswith("doubled-") and name != "doubled":
        other = value if name == "doubled-alike" else None
        return doubled(document, path, other, behind=name != "doubled-before")
    found = dict(operators(path, value))
    if name not in found or (found[name] is ABSENT and not isinstance(path[-1], str)):
        return document
    after = placed(document, path, found[name])
    return document if dumps(after) == dumps(document) else after


def _bodies(scene: Scene, kind: Kind) -> Iterator[Any]:
    for subject in scene.having(kind, ALWAYS):
        yield body_of(subject.exchange)


def body_of(exchange: Exchange) -> Any:
    """A JSON answer's value."""
    return json.loads(exchange.response.body) if exchange.response else None


def _chunks(scene: Scene, kind: Kind, position: str) -> Iterator[Any]:
    holds = POSITIONS[kind][position]
    for subject in scene.having(kind, ALWAYS):
        assert subject.exchange.response is not None
        values = [value for out in events(subject.exchange.response) if (value := out.value) is not None]
        yield from (value for number, value in enumerate(values) if holds(number, len(values)))


def another(subject: Subject, scene: Scene) -> Exchange | None:
    """The answer of the same kind before this one, or the one behind where it is the first."""
    alike = [one.exchange for one in scene.having(subject.kind, ALWAYS)]
    place = next((n for n, one in enumerate(alike) if one.name == subject.exchange.name), 0)
    if len(alike) < 2:
        return None
    return alike[place - 1] if place else alike[1]


def _in_body(path: Path, name: str) -> Change:
    def change(subject: Subject, scene: Scene) -> Exchange | None:
        before = body_of(subject.exchange)
        other = another(subject, scene) if name == "anothers" else None
        after = changed(before, path, name, body_of(other) if other is not None else None)
        same = after is before or (name == "anothers" and after == before)
        return None if same else with_body(subject.exchange, dumps(after))

    return change


def _in_chunks(position: str, path: Path, name: str) -> Change:
    def change(subject: Subject, scene: Scene) -> Exchange | None:
        holds = POSITIONS[subject.kind][position]
        assert subject.exchange.response is not None
        outs = events(subject.exchange.response)
        count = len(outs) - 1  # the last is [DONE]
        other = another(subject, scene) if name == "anothers" else None
        others = _values(other) if other is not None else []
        made, touched = [], False
        for number, out in enumerate(outs):
            if number < count and holds(number, count):
                before = out.value
                beside = next((v for n, v in enumerate(others) if holds(n, len(others))), None)
                after = changed(before, path, name, beside)
                if after is not before and not (name == "anothers" and after == before):
                    touched, out = True, out.with_value(after)
            made.append(out)
        return with_events(subject.exchange, made) if touched else None

    return change


def _values(exchange: Exchange) -> list[Any]:
    assert exchange.response is not None
    return [value for out in events(exchange.response) if (value := out.value) is not None]
