"""Area kitemesh: the extension object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.checks.check import each, over_all
from conformance.checks.completion import repeated
from conformance.evidence.evidence import Evidence, Reading
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.json_values import ABSENT, get, number, optional, uuid
from conformance.evidence.place import Place
from conformance.evidence.select import Selected, answers, readable_streams, standard, text_streams


@each("kitemesh.present", answers)
def present(reading: Reading) -> Iterator[Finding]:
    """`kitemesh` on standard and approval answers."""
    extension = optional(reading.object, "kitemesh")
    if not isinstance(extension, dict):
        yield reading.finding("there is no `kitemesh` object", "the object `kitemesh`", extension, Place("/kitemesh"))


def _extended(evidence: Evidence) -> Selected:
    """Standard answers with a `kitemesh` object."""
    for reading in standard(evidence):
        if isinstance(reading, Unjudged) or isinstance(get(reading.object, "kitemesh"), dict):
            yield reading
        else:
            yield reading.unjudged("there is no `kitemesh` object", by="kitemesh.present")


@each("kitemesh.execution-id", _extended)
def execution_id(reading: Reading) -> Iterator[Finding]:
    """`kitemesh.execution_id` is a UUID."""
    value = get(reading.object, "kitemesh", "execution_id")
    if uuid(value) is None:
        yield reading.finding("`execution_id` is not a UUID", "a UUID", value, Place("/kitemesh/execution_id"))


@over_all("kitemesh.execution-unique")
def execution_unique(evidence: Evidence) -> Iterator[Item]:
    """Each new execution has an id of its own; a resumed one keeps it."""
    readings: list[Reading] = []
    value_of: dict[str, str] = {}
    for reading in (*answers(evidence), *readable_streams(evidence)):
        if isinstance(reading, Unjudged):
            yield reading
        elif (value := uuid(reading.kitemesh.get("execution_id"))) is not None:
            readings.append(reading)
            value_of[reading.name] = value
        elif not reading.asked.stream:
            by = "kitemesh.present" if not reading.kitemesh else "kitemesh.execution-id"
            yield reading.unjudged("there is no `execution_id`", by=by)
    if len(readings) < 2:
        return
    readings.sort(key=lambda r: r.exchange.started)
    yield from (Judged(reading.name) for reading in readings)
    for earlier, later in repeated(readings, value_of):
        if later.asked.resume or earlier.asked.resume:
            continue
        yield later.finding(
            f"the `execution_id` of {earlier.name} comes again",
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


def _with_request_id(evidence: Evidence) -> Selected:
    return (r for r in _extended(evidence) if isinstance(r, Unjudged) or r.asked.request_id)


@each("kitemesh.request-id-echo", _with_request_id)
def request_id_echo(reading: Reading) -> Iterator[Finding]:
    """`metadata.request_id`, repeated."""
    value = get(reading.object, "kitemesh", "request_id")
    if value != reading.asked.request_id:
        yield reading.finding(
            "`request_id` is not the request's",
            f'"{reading.asked.request_id}"',
            value,
            Place("/kitemesh/request_id"),
            yields_to=("isolation.answers",),
        )


def _without_request_id(evidence: Evidence) -> Selected:
    return (r for r in _extended(evidence) if isinstance(r, Unjudged) or "request_id" not in r.asked.metadata)


@each("kitemesh.request-id", _without_request_id)
def request_id(reading: Reading) -> Iterator[Finding]:
    """A `request_id` also where none was sent."""
    value = get(reading.object, "kitemesh", "request_id")
    if not isinstance(value, str) or not value.strip():
        yield reading.finding(
            "there is no `request_id`", "a `request_id` of the server's own", value, Place("/kitemesh/request_id")
        )


def _extended_text_streams(evidence: Evidence) -> Selected:
    for reading in text_streams(evidence):
        if isinstance(reading, Unjudged) or any(isinstance(get(c.value, "kitemesh"), dict) for c in reading.chunks):
            yield reading


@each("kitemesh.stream", _extended_text_streams)
def stream(reading: Reading) -> Iterator[Finding]:
    """On chunks of a text stream: the execution's UUID and the echoed `request_id`."""
    asked = reading.asked.request_id
    seen: dict[str, Any] = {}
    for chunk in reading.chunks:
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
                    "`request_id` is not the request's", f'"{asked}"', value, place, yields_to=("isolation.answers",)
                )
                return
    for member in ("execution_id", *(["request_id"] if asked else [])):
        if member not in seen:
            yield reading.finding(
                f"no chunk's `kitemesh` has `{member}`", f"`kitemesh.{member}`", ABSENT, Place(f"/kitemesh/{member}")
            )
