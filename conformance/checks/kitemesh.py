"""Area kitemesh: the extension object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.checks.check import each, over_all
from conformance.checks.rules.ids import repeated
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.json_values import ABSENT, get, number, optional, uuid
from conformance.evidence.place import Place
from conformance.evidence.reading import Reading
from conformance.evidence.select import answers, readable_streams, standard, text_streams, when


@each("kitemesh.present", answers)
def present(reading: Reading) -> Iterator[Finding]:
    """`kitemesh` on standard and approval answers."""
    extension = optional(reading.object, "kitemesh")
    if not isinstance(extension, dict):
        yield reading.finding("there is no `kitemesh` object", "the object `kitemesh`", extension, Place("/kitemesh"))


_extended = standard.unless(
    when(
        lambda r: not isinstance(get(r.object, "kitemesh"), dict),
        "there is no `kitemesh` object",
        by="kitemesh.present",
    )
)
"""Standard answers with a `kitemesh` object."""


@each("kitemesh.execution-id", _extended)
def execution_id(reading: Reading) -> Iterator[Finding]:
    """`kitemesh.execution_id` is a UUID."""
    value = get(reading.object, "kitemesh", "execution_id")
    if uuid(value) is None:
        yield reading.finding("`execution_id` is not a UUID", "a UUID", value, Place("/kitemesh/execution_id"))


def _without_execution(reading: Reading) -> Unjudged | None:
    if _execution(reading) is not None or reading.asked.stream:
        return None
    by = "kitemesh.present" if not reading.kitemesh else "kitemesh.execution-id"
    return reading.unjudged("there is no `execution_id`", by=by)


def _execution(reading: Reading) -> str | None:
    return uuid(reading.kitemesh.get("execution_id"))


_executions = (answers | readable_streams).unless(_without_execution).where(_execution)


@over_all("kitemesh.execution-unique")
def execution_unique(evidence: Evidence) -> Iterator[Item]:
    """Each new execution has an id of its own; a resumed one keeps it."""
    yield from _executions.unjudged(evidence)
    readings = sorted(_executions.readings(evidence), key=lambda reading: reading.exchange.started)
    if len(readings) < 2:
        return
    value_of = {reading.name: _execution(reading) or "" for reading in readings}
    yield from (Judged(reading.name) for reading in readings)
    for earlier, later in repeated(readings, value_of):
        if later.asked.resume or earlier.asked.resume:
            continue
        yield later.finding(
            f"the `execution_id` of {earlier.name} is used again",
            "an `execution_id` of its own",
            value_of[later.name],
            Place("/kitemesh/execution_id"),
        )


@each("kitemesh.credits-charged", _extended)
def credits_charged(reading: Reading) -> Iterator[Finding]:
    """`kitemesh.credits_charged` is a non-negative number."""
    value = get(reading.object, "kitemesh", "credits_charged")
    charged = number(value)
    if charged is None or charged < 0:
        yield reading.finding(
            "`credits_charged` is not a non-negative number",
            "a number, 0 or more",
            value,
            Place("/kitemesh/credits_charged"),
        )


@each("kitemesh.request-id-echo", _extended.where(lambda r: r.asked.request_id is not None))
def request_id_echo(reading: Reading) -> Iterator[Finding]:
    """`metadata.request_id`, repeated. An empty one may count as none: then the server's own id comes in its place."""
    value = get(reading.object, "kitemesh", "request_id")
    if not reading.asked.request_id and isinstance(value, str):
        return
    if value != reading.asked.request_id:
        yield reading.finding(
            "`request_id` is not the one in the request",
            f'"{reading.asked.request_id}"',
            value,
            Place("/kitemesh/request_id"),
            yields_to=("isolation.answers",),
        )


@each("kitemesh.request-id", _extended.where(lambda r: "request_id" not in r.asked.metadata))
def request_id(reading: Reading) -> Iterator[Finding]:
    """A `request_id` also where none was sent."""
    value = get(reading.object, "kitemesh", "request_id")
    if not isinstance(value, str) or not value.strip():
        yield reading.finding(
            "there is no `request_id`", "a `request_id` of the server's own", value, Place("/kitemesh/request_id")
        )


def _extends_chunks(reading: Reading) -> bool:
    return any(optional(chunk.value, "kitemesh") is not ABSENT for chunk in reading.chunks)


@each("kitemesh.stream", text_streams.where(_extends_chunks))
def stream(reading: Reading) -> Iterator[Finding]:
    """On chunks of a text stream: the execution's UUID and the echoed `request_id`."""
    asked = reading.asked.request_id
    seen: dict[str, Any] = {}
    for chunk in (chunk for chunk in reading.chunks if "kitemesh" in chunk.value):
        extension = optional(chunk.value, "kitemesh")
        if extension is not ABSENT and not isinstance(extension, dict):
            yield reading.finding("`kitemesh` is not an object", "an object, or none", extension, chunk.at("/kitemesh"))
            return
        for member in ("execution_id", "request_id"):
            value = optional(chunk.value, "kitemesh", member)
            if value is ABSENT:
                continue
            seen.setdefault(member, value)
            place = chunk.at(f"/kitemesh/{member}")
            if member == "execution_id" and uuid(value) is None:
                yield reading.finding("`execution_id` is not a UUID", "a UUID", value, place)
                return
            if member == "execution_id" and uuid(value) != uuid(seen[member]):
                yield reading.finding("`execution_id` changes within the stream", f'"{seen[member]}"', value, place)
                return
            if member == "request_id" and asked and value != asked:
                yield reading.finding(
                    "`request_id` is not the one in the request",
                    f'"{asked}"',
                    value,
                    place,
                    yields_to=("isolation.answers",),
                )
                return
    for member in ("execution_id", *(["request_id"] if asked else [])):
        if member not in seen:
            yield reading.finding(
                f"no chunk's `kitemesh` has `{member}`", f"`kitemesh.{member}`", ABSENT, Place(f"/kitemesh/{member}")
            )
