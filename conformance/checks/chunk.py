"""Area chunk: the objects in a stream.

Chunks with empty `choices` (usage, annotations) are judged by stream.json-data alone. Chunks that carry an approval are
judged by approval.envelope where their `created`, `model` or schema is concerned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from conformance.checks.check import each, judge_each, over_all
from conformance.checks.rules import envelope
from conformance.checks.rules.calls import carries_approval, carries_calls
from conformance.checks.rules.ids import id_changes, repeated
from conformance.evidence.answer import Words
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Unjudged
from conformance.evidence.json_values import ABSENT, get, objects, optional, show
from conformance.evidence.reading import Reading
from conformance.evidence.select import legible_streams, readable_streams, transcoded, when
from conformance.evidence.stream import Chunk
from conformance.probes.accept import WORD

GROWING = 3
"""Growing pieces that show a server sending all the text so far again and again."""


def judged_chunks(reading: Reading) -> list[Chunk]:
    """The chunks that are neither empty of choices, nor errors, nor those of an approval."""
    return [c for c in reading.chunks if not (c.without_choices or c.error or carries_approval(c))]


def _first(
    reading: Reading,
    faults: Callable[[Chunk], Iterator[envelope.Wrong]],
    yields_to: tuple[str, ...] = (),
    member: str = "",
) -> Iterator[Finding]:
    """The first fault of a stream: the following chunks would only repeat it.

    `member`: the one that the faults lie in; a chunk whose value is that of the chunk before need not be looked at.
    """
    before: Any = object()
    for chunk in judged_chunks(reading):
        if member:
            value = chunk.value.get(member, ABSENT)
            if value == before and type(value) is type(before):
                continue
            before = value
        for message, expected, observed, pointer in faults(chunk):
            yield reading.finding(message, expected, observed, chunk.at(pointer), span=chunk.span, yields_to=yields_to)
            return


@each("chunk.schema", legible_streams)
def schema(reading: Reading) -> Iterator[Finding]:
    """Every documented member with its type."""
    yield from _first(reading, envelope.chunk_faults)


@each("chunk.created", readable_streams)
def created(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`created` in integer Unix seconds, near the present."""
    if not any("created" in chunk.value for chunk in judged_chunks(reading)):
        yield reading.unjudged("no chunk has `created`", by="chunk.schema")
    yield from _first(reading, lambda chunk: envelope.created(reading, chunk.value), member="created")


@each("chunk.model-echo", readable_streams)
def model_echo(reading: Reading) -> Iterator[Finding | Unjudged]:
    """The request's `model`, repeated."""
    if not any(isinstance(chunk.value.get("model"), str) for chunk in judged_chunks(reading)):
        yield reading.unjudged("no chunk has `model`", by="chunk.schema")
    general = ("isolation.answers",)
    yield from _first(reading, lambda chunk: envelope.model(reading, chunk.value), general, "model")


_with_id = readable_streams.unless(when(lambda r: r.answer_id is None, "no chunk has an `id`", by="chunk.schema"))


@over_all("chunk.id-stable")
def id_stable(evidence: Evidence) -> Iterator[Item]:
    """One `id` through a stream, and no two streams share it (an execution that goes on may)."""
    yield from judge_each(_with_id(evidence), id_changes)
    readings = _with_id.readings(evidence)
    for earlier, later in repeated(readings, {r.name: r.answer_id or "" for r in readings}):
        yield later.finding(
            f"the `id` of {earlier.name} is used again",
            "an `id` of its own",
            later.answer_id,
            later.chunks[0].at("/id"),
        )


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

    The documented chunk of an approval has no role, so where that chunk comes first nothing is missing.
    """
    first = next((chunk for chunk in reading.chunks if chunk.choices), None)
    if first is None:
        return
    for chunk in reading.chunks:
        for index, choice in chunk.choices:
            role = optional(choice, "delta", "role")
            if role == "assistant" or (role is ABSENT and (chunk is not first or carries_approval(chunk))):
                continue
            place = chunk.at(f"/choices/{index}/delta/role")
            if role is ABSENT:
                yield reading.finding("the first chunk has no role", '"assistant"', role, place)
            else:
                yield reading.finding("the role is not `assistant`", '"assistant"', role, place)
            return


@each("chunk.content", readable_streams)
def content(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`delta.content` is text or null; with `finish_reason` `stop` the whole is not empty."""
    spoken: set[int] = set()
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
        spoken.update(index for index, _ in chunk.contents)
        stopped.update(index for index, reason in chunk.finishes if reason == "stop")
    if reading.waits or carries_calls(reading):
        return
    if stopped - spoken:
        yield reading.finding(
            "a finished answer without text",
            "text, with `finish_reason` `stop`",
            Words("no content in any chunk"),
            reading.chunks[-1].place,
        )


@each("chunk.appends", readable_streams)
def appends(reading: Reading) -> Iterator[Finding]:
    """What is new, not all the text so far again: each piece does not begin with the one before, nor the last with all.

    A model may well say 1, 10, 100, 1000, or ha, ha: the text so far has words, or is the fresh word asked for.
    """
    pieces = [(chunk, text) for chunk in reading.chunks for index, text in chunk.contents if index == 0 and text]
    texts = [text for _, text in pieces]
    growing = 0
    for before, after in pairwise(texts):
        growing = growing + 1 if len(after) > len(before) and after.startswith(before) else 0
    so_far = "".join(texts[:-1])
    # Counted at the stream's end.
    if growing >= GROWING and _has_words(texts[-1]):
        message = "pieces repeat the text so far"
    elif so_far and _repeats(reading, so_far, texts[-1]):
        message = "the last piece repeats the whole text"
    else:
        return
    chunk, text = pieces[-1]
    place = chunk.at("/choices/0/delta/content")
    yield reading.finding(message, "only the new text", text, place)


def _has_words(text: str) -> bool:
    return len(text.split()) >= GROWING


def _repeats(reading: Reading, so_far: str, last: str) -> bool:
    if _has_words(so_far):
        return last.strip().startswith(so_far.strip())
    return _is_the_word(reading, so_far) and last.startswith(so_far)


def _is_the_word(reading: Reading, text: str) -> bool:
    """True for the fresh word that the prompt asks for: who says it twice sets it apart."""
    asked = WORD.match(reading.asked.prompt)
    return asked is not None and text.lower() == asked.group(1).lower()


def _finishes_unknown(reading: Reading) -> Unjudged | None:
    """An unknown `finish_reason` stands before a second one of its choice: chunk.finish-reason judges it."""
    finished: set[int] = set()
    for chunk in reading.chunks:
        for index, reason in chunk.finishes:
            if not _is_known(reason):
                return reading.unjudged("a `finish_reason` is unknown", by="chunk.finish-reason")
            if index in finished:
                return None
            finished.add(index)
    return None


def _is_known(reason: object) -> bool:
    return isinstance(reason, str) and reason in envelope.FINISH_REASONS


def _approval_unfinished(reading: Reading) -> Unjudged | None:
    chosen = any(chunk.choices for chunk in reading.chunks)
    if not reading.waits or not chosen or any(chunk.finishes for chunk in reading.chunks):
        return None
    return reading.unjudged("the stream of an approval never finishes", by="approval.stream")


@each("chunk.finish-once", legible_streams.unless(_finishes_unknown, _approval_unfinished))
def finish_once(reading: Reading) -> Iterator[Finding]:
    """Exactly one non-null `finish_reason` for each choice, and a choice in every answer."""
    last, choices, finished = reading.chunks[-1], set[int](), set[int]()
    for chunk in reading.chunks:
        choices.update(index for index, _ in chunk.choices)
        for index, reason in chunk.finishes:
            if index in finished:
                place = chunk.at(f"/choices/{index}/finish_reason")
                yield reading.finding("a second `finish_reason`", "one for each choice", reason, place)
                return
            finished.add(index)
    if not choices:
        yield reading.finding(
            "the stream has no choice",
            "an answer: a choice with its `finish_reason`",
            Words(f"{len(reading.chunks)} events without a choice"),
            last.place,
            # Other `choices` than empty ones are wrong in themselves.
            yields_to=() if all(chunk.without_choices for chunk in reading.chunks) else ("chunk.schema",),
        )
    elif missing := sorted(choices - finished):
        yield reading.finding(
            f"choice {missing[0]} never finishes",
            "one `finish_reason` that is not null",
            Words("none"),
            last.place,
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
        finished.update(index for index, reason in chunk.finishes if _is_known(reason))


@each("chunk.finish-reason", readable_streams)
def finish_reason(reading: Reading) -> Iterator[Finding]:
    """The values of completion.finish-reason; `tool_calls` only where tool calls are there."""
    for chunk in reading.chunks:
        for index, reason in chunk.finishes:
            place = chunk.at(f"/choices/{index}/finish_reason")
            if not _is_known(reason):
                known = f"null, {', '.join(envelope.FINISH_REASONS)}"
                yield reading.finding("`finish_reason` is not one of the known values", known, reason, place)
                return
            if reason == "tool_calls" and not carries_calls(reading) and not reading.waits:
                yield reading.finding(
                    "`tool_calls` without a tool call", "`tool_calls` exactly when tool calls are there", reason, place
                )
                return


_SURROGATE = re.compile("[\ud800-\udfff]")


@each("chunk.text-intact", readable_streams.unless(transcoded))
def text_intact(reading: Reading) -> Iterator[Finding]:
    """No character is split between chunks: no U+FFFD on both sides of a border, no lone surrogate."""
    pieces = [(chunk, text) for chunk in reading.chunks for index, text in chunk.contents if index == 0]
    for number, (chunk, text) in enumerate(pieces):
        before = pieces[number - 1][1] if number else ""
        lone = not text.isascii() and _SURROGATE.search(text) is not None
        if lone or (before.endswith("\ufffd") and text.startswith("\ufffd")):
            what = "a lone surrogate" if lone else "U+FFFD on both sides of a border"
            yield reading.finding(
                "a character is split between chunks",
                "whole characters",
                Words(f"{what}: {show(before[-12:])} then {show(text[:12])}"),
                chunk.at("/choices/0/delta/content"),
            )
            return
