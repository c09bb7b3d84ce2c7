"""The members that every answer and chunk has, judged in one place for all kinds: `id`, `object`, `created`, `model`.

Each function yields what is wrong in the object of an answer or chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from conformance.contract import schemas
from conformance.evidence.finding import Finding
from conformance.evidence.json_values import get, integer, objects, utc
from conformance.evidence.place import Place
from conformance.evidence.reading import Reading
from conformance.evidence.stream import Chunk

CLOCK_TOLERANCE = 300.0
"""Seconds that `created` may differ from the server's clock (contract, completion.created)."""

_FAR = 10**15
"""Seconds beyond any real clock; above them arithmetic with floats fails."""


class Wrong(NamedTuple):
    """What is wrong at one place."""

    message: str
    expected: str
    observed: Any
    pointer: str

    def found(self, reading: Reading, *yields_to: str) -> Finding:
        """The finding on an answer in JSON."""
        return reading.finding(self.message, self.expected, self.observed, Place(self.pointer), yields_to=yields_to)


def created(reading: Reading, body: Any) -> Iterator[Wrong]:
    """`created` is integer Unix seconds near the present. An absent one is judged by the schema requirement."""
    if not isinstance(body, dict) or "created" not in body:
        return
    value = body["created"]
    seconds = integer(value)
    now = reading.clock
    if seconds is not None and abs(seconds) > _FAR and reading.clock_known:
        yield Wrong("`created` is far from the server's clock", f"about {now:.0f}", value, "/created")
        return
    if seconds is None:
        yield Wrong("`created` is not an integer", "integer Unix seconds", value, "/created")
        return
    if not reading.clock_known:
        return
    # The answer may have been made at any time between the request and its end, by a clock of whole seconds.
    dated = reading.date is not None
    early = min(reading.exchange.started, now) - CLOCK_TOLERANCE if not dated else now - CLOCK_TOLERANCE
    late = max(now, reading.ended) + CLOCK_TOLERANCE if not dated else now + CLOCK_TOLERANCE
    if dated:
        # `Date` tells when the head was sent; a stream's later chunks may be made as long after it as it lasts.
        late += reading.exchange.finished
        early -= reading.exchange.finished
    if not early - 1 <= seconds <= late + 1:
        unit = " (milliseconds?)" if abs(seconds / 1000 - now) < 86_400 else ""
        yield Wrong(
            f"`created` is far from the server's clock{unit}",
            f"Unix seconds within {CLOCK_TOLERANCE:.0f} s of {utc(now)} ({now:.0f})",
            value,
            "/created",
        )


def model(reading: Reading, body: Any) -> Iterator[Wrong]:
    """`model` is the request's. One that is not a string is judged by the schema requirement."""
    value = get(body, "model")
    asked = reading.asked.model
    if isinstance(value, str) and asked is not None and value != asked:
        yield Wrong("`model` is not the one in the request", f'"{asked}"', value, "/model")


def members(schema: str, body: Any, mine: tuple[str, ...]) -> Iterator[Wrong]:
    """Breaches of the schema at the top-level members named in `mine`, absent ones included."""
    for error in schemas.errors(schema, body):
        top = error.pointer.split("/")[1] if error.pointer else error.missing
        if top not in mine or error.pointer.count("/") > 1:
            continue
        if error.missing:
            yield Wrong(
                f"`{error.missing}` is absent",
                f"the member `{error.missing}`",
                get(body, error.missing),
                "/" + error.missing,
            )
        else:
            yield Wrong(f"`{top}` is wrong", error.message, get(body, top), error.pointer)


FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter")


def choice_types(body: object) -> Iterator[Wrong]:
    """What is absent or has the wrong type in `choices`."""
    choices = get(body, "choices")
    if not isinstance(choices, list):
        yield Wrong("`choices` is not an array", "an array of one choice or more", choices, "/choices")
        return
    for number, choice in enumerate(choices):
        where = f"/choices/{number}"
        if not isinstance(choice, dict):
            yield Wrong("a choice is not an object", "an object", choice, where)
            continue
        if integer(choice.get("index")) is None:
            yield Wrong("`index` is not an integer", "an integer", get(choice, "index"), f"{where}/index")
        message = get(choice, "message")
        if not isinstance(message, dict):
            yield Wrong("a choice has no message", "an object", message, f"{where}/message")
        elif not isinstance(message.get("role"), str):
            yield Wrong("`role` is not a string", '"assistant"', get(message, "role"), f"{where}/message/role")


def choice_values(body: object) -> Iterator[Wrong]:
    """What is wrong with the number of choices, their `index` and their `message.role`, where the types are right."""
    choices = get(body, "choices")
    if choices == []:
        yield Wrong("there is no choice", "one choice or more", choices, "/choices")
    for number, choice in objects(choices):
        index, role = integer(choice.get("index")), get(choice, "message", "role")
        if index is not None and index != number:
            expected = f"{number}"
            yield Wrong("the choices are not counted from 0", expected, index, f"/choices/{number}/index")
        if isinstance(role, str) and role != "assistant":
            where = f"/choices/{number}/message/role"
            yield Wrong("the message's role is not `assistant`", '"assistant"', role, where)


def chunk_faults(chunk: Chunk) -> Iterator[Wrong]:
    """Breaches of the schema in a chunk that no other requirement judges."""
    for error in schemas.errors("chunk", chunk.value):
        place = f"{error.pointer}/{error.missing}" if error.missing else error.pointer
        steps = place.split("/")[1:]
        if not error.missing and (steps[:1] in (["created"], ["kitemesh"], ["usage"]) or _is_judged_elsewhere(steps)):
            continue
        if error.missing and steps[0] in ("kitemesh", "usage"):
            continue
        if _is_judged_elsewhere(steps):
            continue
        seen = get(chunk.value, *(int(s) if s.isdigit() else s for s in steps))
        what = "is absent" if error.missing else "is wrong"
        yield Wrong(f"`{place}` {what}", error.message, seen, place)


def _is_judged_elsewhere(steps: list[str]) -> bool:
    return (
        steps[:1] == ["choices"]
        and len(steps) >= 3
        and (
            steps[2] == "finish_reason"
            or steps[2:4] in (["delta", "content"], ["delta", "role"], ["delta", "tool_calls"])
        )
    )
