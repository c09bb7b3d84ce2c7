"""Operators on JSON values: what a server may send in the place of the right value."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from conformance.proving.mutants.octets import Raw, dumps

ABSENT: Any = object()
"""In the place of a value: the member is not there."""

Step = str | int
Path = tuple[Step, ...]


def operators(path: Path, value: Any) -> Iterator[tuple[str, Any]]:
    """Name and new value of each operator for a value of this type at this path.

    Which ones there are does not depend on the value itself, so that names are stable: some may leave it as it is.
    Those that take another answer's value, or that double a member, are not values: see `answers`.
    """
    if isinstance(path[-1], str):
        yield "absent", ABSENT
    if value is not None:
        yield "null", None
    yield from _other_types(value)
    if isinstance(value, str):
        yield from _texts(path, value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _numbers(value)
    elif isinstance(value, list):
        if value:
            yield "empty", []
            yield "items-null", [None, *value[1:]]
            yield "items-text", ["x", *value[1:]]
            yield "one-more", [*value, value[-1]]
        if len(value) > 1:
            yield "one-less", value[:-1]
            yield "reversed", value[::-1]
    elif isinstance(value, dict) and value:
        yield "empty", {}


def _other_types(value: Any) -> Iterator[tuple[str, Any]]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, bool):
        yield "true", True
        yield "false", False
    if not number:
        yield "number", 7
    if not isinstance(value, str):
        yield "text", "x"
    if number:
        yield "as-text", str(value)
    if not isinstance(value, list):
        yield "array", []
        yield "listed", [value]
    if not isinstance(value, dict):
        yield "object", {}


def _texts(path: Path, value: str) -> Iterator[tuple[str, Any]]:
    yield "empty", ""
    yield "cut", value[:-1]
    yield "space-before", f" {value}"
    yield "space-behind", f"{value} "
    yield "newline-behind", f"{value}\n"
    yield "case", value.upper() if value != value.upper() else value.lower()
    for other in WORDS.get(_member(path), ()):
        yield f"other-{other}", other
    for name, made in OTHERS.get(_member(path), {}).items():
        yield name, made(value)


def _member(path: Path) -> str:
    """The last step that is a name."""
    return next((step for step in reversed(path) if isinstance(step, str)), "")


WORDS: Mapping[str, Sequence[str]] = {
    "object": ("chat.completion", "chat.completion.chunk", "text_completion", "response"),
    "role": ("user", "system", "tool", "model", "ai"),
    "finish_reason": ("stop", "length", "tool_calls", "content_filter", "function_call", "end_turn", "eos", "null"),
    "type": ("tool", "custom", "function_call"),
}
"""Other words of a member: documented elsewhere, or used by another API."""

_Make = Callable[[str], Any]
_UUID: Mapping[str, _Make] = {"not-hex": lambda v: f"g{v[1:]}", "bare": lambda v: v.replace("-", "")}
OTHERS: Mapping[str, Mapping[str, _Make]] = {
    "execution_id": {**_UUID, "prefixed": lambda v: f"exec_{v}"},
    "approval_id": {**_UUID, "prefixed": lambda v: f"appr_{v}"},
    "id": {**_UUID, "prefixed": lambda v: f"call_{v}"},
    "model": {
        "other": lambda v: f"{v[:-1]}{'2' if v.endswith('1') else '1'}",
        "bare": lambda v: v.removeprefix("group:"),
        "named": lambda v: "gpt-4o",
    },
    "request_id": {"other": lambda v: f"{v}-2", "cut-to-32": lambda v: v[:32]},
    "expires_at": {
        "past": lambda v: f"2020{v[4:]}",
        "without-zone": lambda v: v.removesuffix("Z"),
        "spaced": lambda v: v.replace("T", " "),
        "date-alone": lambda v: v[:10],
        "offset-without-colon": lambda v: v.replace("Z", "+0000"),
        "offset": lambda v: v.replace("Z", "+00:00"),
        "no-such-month": lambda v: f"{v[:5]}13{v[7:]}",
    },
    "arguments": {
        "broken": lambda v: v[:-1],
        "in-array": lambda v: f"[{v}]",
        "twice-encoded": json.dumps,
        "text-alone": lambda v: "x",
    },
    "content": {"doubled": lambda v: v + v},
}
"""Further values of a member: nearly right ones."""


def _numbers(value: int | float) -> Iterator[tuple[str, Any]]:
    yield "zero", 0
    yield "negative", -value
    yield "one-more", value + 1
    yield "one-less", max(0, value - 1)
    yield "half", value + 0.5
    yield "thousandfold", value * 1000 if value else 1000
    yield "huge", 10**22
    if isinstance(value, int):
        yield "as-float", Raw(f"{value}.0")
        yield "as-exponent", Raw(f"{value}e0")


def at(document: Any, path: Path) -> Any:
    """The value at a path; `ABSENT` where there is none."""
    for step in path:
        if isinstance(step, int):
            if not (isinstance(document, list) and step < len(document)):
                return ABSENT
        elif not (isinstance(document, dict) and step in document):
            return ABSENT
        document = document[step]
    return document


def placed(document: Any, path: Path, value: Any) -> Any:
    """The document with another value at a path that it has."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(document, dict):
        changed = {k: (placed(v, rest, value) if k == step else v) for k, v in document.items()}
        return {k: v for k, v in changed.items() if v is not ABSENT}
    changed_items = [placed(v, rest, value) if i == step else v for i, v in enumerate(document)]
    return [v for v in changed_items if v is not ABSENT]


def doubled(document: Any, path: Path, other: Any, *, behind: bool) -> Any:
    """The document with a member twice: `other` in front of the right value, or behind it."""
    value = at(document, path)
    first, second = (value, other) if behind else (other, value)
    name = json.dumps(path[-1])
    return placed(document, path, Raw(f"{dumps(first).decode()},{name}:{dumps(second).decode()}"))


def places(document: Any, path: Path = ()) -> Iterator[Path]:
    """The path to every member and item, but those inside of text."""
    if isinstance(document, dict):
        steps: Iterable[tuple[Step, Any]] = document.items()
    elif isinstance(document, list):
        steps = enumerate(document)
    else:
        return
    for step, value in steps:
        yield (*path, step)
        yield from places(value, (*path, step))


def spelled(path: Path) -> str:
    """A path as names show it."""
    return ".".join(map(str, path))
