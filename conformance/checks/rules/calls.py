"""The rules of tool calls, in a JSON answer and in a stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from conformance.evidence.answer import Words
from conformance.evidence.finding import Finding
from conformance.evidence.json_values import ABSENT, get, uuid
from conformance.evidence.place import Place
from conformance.evidence.reading import Reading
from conformance.evidence.stream import Chunk


def carries_approval(chunk: Chunk) -> bool:
    """True for a chunk that has tool calls or the approval."""
    return chunk.approves or bool(chunk.calls)


def carries_calls(reading: Reading) -> bool:
    """True where any chunk has tool calls."""
    return any(chunk.calls for chunk in reading.chunks)


def no_objects(reading: Reading) -> Iterator[tuple[Place, Any]]:
    """Place and value of each `tool_calls` that is not an array, and of each item that is not an object."""
    chunks = [(chunk, choice) for chunk in reading.chunks for _, choice in chunk.choices]
    if reading.asked.stream:
        sources = [(replace(chunk.place, words="/tool_calls"), get(at, "delta", "tool_calls")) for chunk, at in chunks]
    else:
        pointer = "/choices/0/message/tool_calls"
        sources = [(Place(pointer), get(reading.object, "choices", 0, "message", "tool_calls"))]
    for place, value in sources:
        if isinstance(value, list):
            wrong = [(n, item) for n, item in enumerate(value) if not isinstance(item, dict)]
            for n, item in wrong:
                yield Place(f"{place.pointer}/{n}") if place.pointer else replace(place, words=f"/tool_calls/{n}"), item
        elif value is not ABSENT and value is not None:
            yield place, value


def call_ids(reading: Reading) -> Iterator[Finding]:
    """Calls without a UUID, or two with the same."""
    values = [uuid(call.get("id")) for call in reading.calls]
    for number, (call, value) in enumerate(zip(reading.calls, values, strict=True)):
        if value is None:
            yield reading.finding(
                "a tool call's id is not a UUID", "a UUID", get(call, "id"), Place(words=f"tool_calls/{number}/id")
            )
            return
    if twice := [value for value, count in Counter(values).items() if count > 1]:
        yield reading.finding(
            "two tool calls share an id", "a UUID of its own for each", twice[0], Place(words="tool_calls")
        )


def argument_types(reading: Reading) -> Iterator[Finding]:
    """`arguments` that is not a string: never a model's chance."""
    for number, call in enumerate(reading.calls):
        value = get(call, "function", "arguments")
        if not isinstance(value, str):
            yield reading.finding(
                "`arguments` is not a string", "a string", value, Place(words=f"tool_calls/{number}/function/arguments")
            )
            return


def one_index_for_two(reading: Reading) -> Iterator[Finding]:
    """Two calls with the same `index`: every client joins them into one."""
    ids: dict[int, str] = {}
    for chunk in reading.chunks:
        for call in chunk.calls:
            index, id_ = call.get("index"), call.get("id")
            if not isinstance(index, int) or isinstance(index, bool) or not isinstance(id_, str) or not id_:
                continue
            if ids.setdefault(index, id_) != id_:
                yield reading.finding(
                    "two tool calls share an `index`",
                    "an `index` for each call",
                    Words(f"index {index} for {ids[index]!r} and {id_!r}"[:160]),
                    chunk.place,
                )
                return
