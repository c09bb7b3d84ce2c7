"""Area chunk: the objects in a stream.

Chunks with empty `choices` (usage, annotations) are judged by stream.json-data alone. Chunks that carry an approval are
judged by approval.envelope where their `created`, `model` or schema is concerned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise

from conformance.checks import envelope
from conformance.checks.check import each, over_all
from conformance.checks.completion import FINISH_REASONS, repeated
from conformance.contract import schemas
from conformance.evidence.evidence import Chunk, Evidence, Reading, Words
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.json_values import ABSENT, get, objects, optional, show
from conformance.evidence.select import legible_streams, readable_streams

Rule = Callable[[Reading], Iterator[Finding | Unjudged]]
GROWING = 3
"""Growing pieces that show a server sending all the text so far again and again."""


def judged_chunks(reading: Reading) -> Iterator[Chunk]:
    """The chunks that are neither empty of choices, nor errors, nor those of an approval."""
    for chunk in reading.chunks:
        if not chunk.without_choices and not chunk.error and not carries_approval(chunk):
            yield chunk


def carries_approval(chunk: Chunk) -> bool:
    """True for a chunk that brings tool calls, or tells of the approval."""
    return chunk.approves or any(True for _ in chunk.calls())


def chunk_faults(chunk: Chunk) -> Iterator[envelope.Wrong]:
    """The schema's breaches in a chunk that no other requirement speaks of."""
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
        yield envelope.Wrong(f"`{place}` {what}", error.message, seen, place)


def _is_judged_elsewhere(steps: list[str]) -> bool:
    return (
        steps[:1] == ["choices"]
        and len(steps) >= 3
        and (
            steps[2] == "finish_reason"
            or steps[2:4] in (["delta", "content"], ["delta", "role"], ["delta", "tool_calls"])
        )
    )


def _first(
    reading: Reading,
    faults: Callable[[Chunk], Iterator[envelope.Wrong]],
    yields_to: tuple[str, ...] = (),
) -> Iterator[Finding]:
    """The first fault of a stream: the following chunks would only repeat it."""
    for chunk in judged_chunks(reading):
        for message, expected, observed, pointer in faults(chunk):
            yield reading.finding(message, expected, observed, chunk.at(pointer), span=chunk.span, yields_to=yields_to)
            return


@each("chunk.schema", legible_streams)
def schema(reading: Reading) -> Iterator[Finding]:
    """Every documented member with its type."""
    yield from _first(reading, chunk_faults)


@each("chunk.created", readable_streams)
def created(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`created` in integer Unix seconds, near the present."""
    if not any("created" in chunk.value for chunk in judged_chunks(reading)):
        yield reading.unjudged("no chunk has `created`", by="chunk.schema")
    yield from _first(reading, lambda chunk: envelope.created(reading, chunk.value))


@each("chunk.model-echo", readable_streams)
def model_echo(reading: Reading) -> Iterator[Finding | Unjudged]:
    """The request's `model`, repeated."""
    if not any(isinstance(chunk.value.get("model"), str) for chunk in judged_chunks(reading)):
        yield reading.unjudged("no chunk has `model`", by="chunk.schema")
    general = ("isolation.answers",)
    yield from _first(reading, lambda chunk: envelope.model(reading, chunk.value), general)


@over_all("chunk.id-stable")
def id_stable(evidence: Evidence) -> Iterator[Item]:
    """One `id` through a stream, and no two streams share it (an execution that goes on may)."""
    readings: list[Reading] = []
    for reading in readable_streams(evidence):
        if isinstance(reading, Unjudged):
            yield reading
            continue
        if reading.answer_id is None:
            yield reading.unjudged("no chunk has an `id`", by="chunk.schema")
            continue
        readings.append(reading)
        yield Judged(reading.name)
        yield from id_changes(reading)
    for earlier, later in repeated(readings, {r.name: r.answer_id or "" for r in readings}):
        yield later.finding(
            f"the `id` of {earlier.name} comes again",
            "an `id` of its own",
            later.answer_id,
            later.chunks[0].at("/id"),
        )


def id_changes(reading: Reading) -> Iterator[Finding]:
    """The first chunk whose `id` is another than the stream's."""
    for chunk in reading.chunks:
        value = chunk.value.get("id")
        if isinstance(value, str) and value != reading.answer_id and not chunk.without_choices:
            yield reading.finding("the `id` changes within a stream", f'"{reading.answer_id}"', value, chunk.at("/id"))
            return


@each("chunk.created-stable", readable_streams)
def created_stable(reading: Reading) -> Iterator[Finding]:
    """One `created` through a stream."""
    values = [(c, c.value["created"]) for c in reading.chunks if "created" in c.value and not c.without_choices]
    for chunk, value in values[1:]:
        if value != values[0][1]:
            yield reading.finding(
                "`created` changes within a stream",
                show(values[0][1]),
                value,
                chunk.at("/created"),
                yields_to=("chunk.created",),
            )
            return


@each("chunk.opens", readable_streams)
def opens(reading: Reading) -> Iterator[Finding]:
    """Opens with `delta.role` `assistant`, and never changes the role.

    The documented chunk of an approval bears no role, so where that chunk comes first nothing is missing.
    """
    first = next((chunk for chunk in reading.chunks if chunk.choices), None)
    if first is None:
        return
    for chunk in reading.chunks:
        for index, choice in chunk.choices:
            role = optional(choice, "delta", "role")
            place = chunk.at(f"/choices/{index}/delta/role")
            if role is ABSENT:
                if chunk is first and not carries_approval(chunk):
                    yield reading.finding("the first chunk names no role", '"assistant"', role, place)
                    return
            elif role != "assistant":
                yield reading.finding("another role than `assistant`", '"assistant"', role, place)
                return


@each("chunk.content", readable_streams)
def content(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`delta.content` is text or null; with `finish_reason` `stop` the whole is not empty."""
    whole: dict[int, str] = defaultdict(str)
    stopped: set[int] = set()
    for chunk in reading.chunks:
        for number, choice in objects(get(chunk.value, "choices")):
            value = optional(choice, "delta", "content")
            if value is not ABSENT and not isinstance(value, str):
                yield reading.finding(
                    "`delta.content` is not text",
                    "a string or null",
                    value,
                    chunk.at(f"/choices/{number}/delta/content"),
                )
                return
        for index, text in chunk.contents():
            whole[index] += text
        stopped.update(index for index, reason in chunk.finishes() if reason == "stop")
    if reading.waits or carries_calls(reading):
        return
    if any(not whole[index] for index in stopped):
        yield reading.finding(
            "a finished answer without text",
            "text, with `finish_reason` `stop`",
            Words("no content in any chunk"),
            reading.chunks[-1].place,
        )


def carries_calls(reading: Reading) -> bool:
    """True where any chunk brings tool calls."""
    return any(True for chunk in reading.chunks for _ in chunk.calls())


@each("chunk.appends", readable_streams, whim=True)
def appends(reading: Reading) -> Iterator[Finding]:
    """What is new, not all the text so far again: each piece does not begin with the one before, nor the last with all.

    A model may well say 1, 10, 100, 1000, or ha, ha: the text so far has words.
    """
    pieces = [(chunk, text) for chunk in reading.chunks for index, text in chunk.contents() if index == 0]
    texts = [text for _, text in pieces]
    growing = 0
    for before, after in pairwise(texts):
        growing = growing + 1 if len(after) > len(before) and after.startswith(before) else 0
    if not texts or len(texts[-1].split()) < GROWING:
        return
    so_far = "".join(texts[:-1]).strip()
    # Counted at the stream's end.
    if growing >= GROWING:
        message = "pieces repeat the text so far"
    elif len(so_far.split()) >= GROWING and texts[-1].strip().startswith(so_far):
        message = "the last piece repeats the whole text"
    else:
        return
    chunk, text = pieces[-1]
    place = chunk.at("/choices/0/delta/content")
    yield reading.finding(message, "the new text alone", text, place)


@each("chunk.finish-once", legible_streams)
def finish_once(reading: Reading) -> Iterator[Finding | Unjudged]:
    """Exactly one non-null `finish_reason` for each choice, and a choice in every answer."""
    if not any(chunk.choices for chunk in reading.chunks):
        yield reading.finding(
            "the stream holds no choice",
            "an answer: a choice with its `finish_reason`",
            Words(f"{len(reading.chunks)} events without a choice"),
            reading.chunks[-1].place,
            # Other `choices` than empty ones are wrong in themselves.
            yields_to=() if all(chunk.without_choices for chunk in reading.chunks) else ("chunk.schema",),
        )
        return
    count: dict[int, int] = defaultdict(int)
    for chunk in reading.chunks:
        for index, _ in chunk.choices:
            count[index] += 0
        for index, reason in chunk.finishes():
            if not (isinstance(reason, str) and reason in FINISH_REASONS):
                yield reading.unjudged("a `finish_reason` is unknown", by="chunk.finish-reason")
                return
            count[index] += 1
            if count[index] > 1:
                yield reading.finding(
                    "a second `finish_reason`",
                    "one for each choice",
                    reason,
                    chunk.at(f"/choices/{index}/finish_reason"),
                )
                return
    if reading.waits and not any(count.values()):
        yield reading.unjudged("the stream of an approval never finishes", by="approval.stream")
        return
    if missing := sorted(index for index, seen in count.items() if not seen):
        yield reading.finding(
            f"choice {missing[0]} never finishes",
            "one `finish_reason` that is not null",
            Words("none"),
            reading.chunks[-1].place,
            # Broken off as if it had ended: [DONE] is missing as well, and for the same reason.
            yields_to=() if reading.done else ("stream.done",),
        )


@each("chunk.finish-last", readable_streams)
def finish_last(reading: Reading) -> Iterator[Finding | Unjudged]:
    """No content follows the `finish_reason`."""
    finished: set[int] = set()
    for chunk in reading.chunks:
        for index, choice in chunk.choices:
            more = optional(choice, "delta", "content") or optional(choice, "delta", "tool_calls")
            if index in finished and more:
                yield reading.finding(
                    "content follows the `finish_reason`",
                    "no content after it",
                    more,
                    chunk.at(f"/choices/{index}/delta"),
                )
                return
        # An unknown value ("" in every chunk, say) is chunk.finish-reason's, and tells of no end.
        finished.update(
            index for index, reason in chunk.finishes() if isinstance(reason, str) and reason in FINISH_REASONS
        )


@each("chunk.finish-reason", readable_streams)
def finish_reason(reading: Reading) -> Iterator[Finding]:
    """The values of completion.finish-reason; `tool_calls` only where tool calls are there."""
    for chunk in reading.chunks:
        for index, reason in chunk.finishes():
            place = chunk.at(f"/choices/{index}/finish_reason")
            if not isinstance(reason, str) or not (isinstance(reason, str) and reason in FINISH_REASONS):
                yield reading.finding(
                    "`finish_reason` is none of the known values", f"null, {', '.join(FINISH_REASONS)}", reason, place
                )
                return
            if reason == "tool_calls" and not carries_calls(reading) and not reading.waits:
                yield reading.finding(
                    "`tool_calls` without a tool call", "`tool_calls` exactly when tool calls are there", reason, place
                )
                return


@each("chunk.text-intact", readable_streams, whim=True)
def text_intact(reading: Reading) -> Iterator[Finding]:
    """No character is split between chunks: no U+FFFD on both sides of a border, no lone surrogate."""
    pieces = [(chunk, text) for chunk in reading.chunks for index, text in chunk.contents() if index == 0]
    for number, (chunk, text) in enumerate(pieces):
        before = pieces[number - 1][1] if number else ""
        lone = any("\ud800" <= character <= "\udfff" for character in text)
        if lone or (before.endswith("\ufffd") and text.startswith("\ufffd")):
            what = "a lone surrogate" if lone else "U+FFFD on both sides of a border"
            yield reading.finding(
                "a character is split between chunks",
                "whole characters",
                Words(f"{what}: {show(before[-12:])} then {show(text[:12])}"),
                chunk.at("/choices/0/delta/content"),
            )
            return


MUST_RULES: tuple[tuple[str, Rule], ...] = (
    ("chunk.schema", schema),
    ("chunk.created", created),
    ("chunk.model-echo", model_echo),
    ("chunk.id-stable", id_changes),
    ("chunk.content", content),
    ("chunk.finish-once", finish_once),
    ("chunk.finish-last", finish_last),
    ("chunk.finish-reason", finish_reason),
)
"""The rules of this area that a stream must hold, by requirement."""
