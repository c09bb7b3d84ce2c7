"""What an answer shows as a stream, and what a stream and a JSON answer have in common."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from conformance.evidence.answer import AnswerReading
from conformance.evidence.json_text import JsonText, read_text
from conformance.evidence.json_values import ABSENT, get, objects, optional, text
from conformance.evidence.place import Place
from conformance.transcript import sse

DONE = "[DONE]"
_DONE_LIKE = re.compile(r"[\s\"']*\[?\s*done\s*\]?[\s\"';.]*", re.IGNORECASE)


def tells_of_error(value: Any) -> bool:
    """True for an object with an `error`; beside `choices` an empty one (`""`, `{}`, false) is an extra member."""
    told = optional(value, "error")
    return told is not ABSENT and (bool(told) or not isinstance(get(value, "choices"), list))


class Chunk:
    """One event of a stream that holds a JSON object, looked through once: twenty checks ask for the same few things.

    Nearly all time of judging a long stream is spent on its chunks.
    """

    __slots__ = ("approves", "brings_calls", "calls", "choices", "contents", "error", "event", "finishes", "value")

    def __init__(self, event: sse.Event, value: dict[str, Any]) -> None:
        self.event = event
        self.value = value
        choices: list[tuple[int, dict[str, Any]]] = []
        contents: list[tuple[int, str]] = []
        finishes: list[tuple[int, Any]] = []
        calls: list[dict[str, Any]] = []
        brings_calls = False
        error = "error" in value and tells_of_error(value)
        listed = value.get("choices")
        for choice in listed if isinstance(listed, list) else ():
            if not isinstance(choice, dict):
                continue
            index = choice.get("index")
            if type(index) is not int:
                index = 0
            choices.append((index, choice))
            error = error or ("error" in choice and tells_of_error(choice))
            reason = choice.get("finish_reason")
            if reason is not None:
                finishes.append((index, reason))
            delta = choice.get("delta")
            if not isinstance(delta, dict):
                continue
            content = delta.get("content")
            if content and isinstance(content, str):
                contents.append((index, content))
            if brought := delta.get("tool_calls"):
                brings_calls = True
                calls.extend(call for _, call in objects(brought))
        self.choices = tuple(choices)
        """The choices that are objects, each with the choice index that it names (0 where it names none)."""
        self.contents = tuple(contents)
        """Choice index and text of each piece of content."""
        self.finishes = tuple(finishes)
        """Choice index and `finish_reason` where it is not null."""
        self.calls = tuple(calls)
        """The tool calls, or fragments of them."""
        self.brings_calls = brings_calls
        """True where `delta.tool_calls` holds anything, whatever it is."""
        self.approves = "kitemesh" in value and optional(value, "kitemesh", "approval_id") is not ABSENT
        """True where it has an approval that waits."""
        self.error = error
        """True where the event reports an error, whatever `choices` it has (contract, "Failed answers")."""

    @property
    def without_choices(self) -> bool:
        """True for a chunk with empty `choices`: usage or annotations, judged by stream.json-data alone."""
        return not self.choices and self.value.get("choices") == []

    @property
    def place(self) -> Place:
        """The place of the event."""
        return Place.of(self.event)

    def at(self, pointer: str) -> Place:
        """The place of a value in it."""
        return Place.of(self.event, pointer)

    @property
    def span(self) -> tuple[int, int]:
        """(offset, length) of the event in the body."""
        return self.event.offset, self.event.end - self.event.offset


class StreamReading(AnswerReading):
    """The stream's part of a `Reading`, and what is said in either form."""

    # --- as a stream

    @cached_property
    def stream(self) -> sse.Stream:
        """The body read as an event stream, with arrival times where they are known."""
        response = self.response
        pieces = response.pieces if response and self.body is response.body else None
        return sse.read(self.body, pieces)

    @cached_property
    def events(self) -> tuple[sse.Event, ...]:
        """All events, also an unterminated one where the body ended by itself (stream.framing judges that)."""
        pending = self.stream.pending
        extra = (pending,) if pending is not None and pending.raw_data and self.whole else ()
        return (*self.stream.events, *extra)

    @cached_property
    def done(self) -> tuple[sse.Event, ...]:
        """The `[DONE]` events."""
        return tuple(event for event in self.events if event.data == DONE)

    @cached_property
    def done_like(self) -> tuple[sse.Event, ...]:
        """Events that were meant to be `[DONE]` but are not."""
        return tuple(e for e in self.events if e.data != DONE and len(e.data) < 32 and _DONE_LIKE.fullmatch(e.data))

    @cached_property
    def data_events(self) -> tuple[tuple[sse.Event, JsonText], ...]:
        """The events that should hold a JSON object, each with what it holds."""
        meant = {event.number for event in (*self.done, *self.done_like)}
        return tuple((event, read_text(event.data)) for event in self.events if event.number not in meant)

    @cached_property
    def chunks(self) -> tuple[Chunk, ...]:
        """The events that hold a JSON object."""
        return tuple(Chunk(e, j.value) for e, j in self.data_events if j.ok and isinstance(j.value, dict))

    @property
    def of_chunks(self) -> bool:
        """True for an event stream that was asked for and has chunks."""
        asked = self.asked.stream and not self.asked.edge
        return asked and self.taken and self.streamed and bool(self.chunks)

    @cached_property
    def opens_with_error(self) -> bool:
        """True where the first event of a stream, or a JSON answer, reports an error: a 2xx with one is no success."""
        return bool(self.chunks) and self.chunks[0].error if self.streamed else tells_of_error(self.object)

    @cached_property
    def failed_within(self) -> bool:
        """True where the stream reported an error after chunks and before `[DONE]`: a failed answer, not a breach."""
        end = self.done[0].number if self.done else math.inf
        if not (self.asked.stream and self.taken and self.streamed) or self.opens_with_error:
            return False
        return any(chunk.error and chunk.event.number < end for chunk in self.chunks)

    # --- in either form

    @cached_property
    def waits(self) -> bool:
        """True where the answer, JSON or stream, asks for an approval: tool calls are there, or all else says so."""
        if self.asked.stream:
            calls = any(chunk.brings_calls for chunk in self.chunks)
            told = any(chunk.approves for chunk in self.chunks)
            reasons = {reason for chunk in self.chunks for _, reason in chunk.finishes if isinstance(reason, str)}
            texts = any(chunk.contents for chunk in self.chunks)
            return calls or (told and (not texts or "tool_calls" in reasons))
        message = get(self.object, "choices", 0, "message")
        calls = bool(get(message, "tool_calls"))
        told = optional(self.object, "kitemesh", "approval_id") is not ABSENT
        reason = get(self.object, "choices", 0, "finish_reason")
        return calls or (told and (reason == "tool_calls" or not optional(message, "content")))

    @cached_property
    def cut_short(self) -> bool:
        """True where `finish_reason` is `length` or `content_filter`."""
        if self.asked.stream:
            reasons = [reason for chunk in self.chunks for _, reason in chunk.finishes]
        else:
            reasons = [choice.get("finish_reason") for _, choice in objects(get(self.object, "choices"))]
        return any(reason in ("length", "content_filter") for reason in reasons if isinstance(reason, str))

    @cached_property
    def said(self) -> str:
        """The text of the answer's first choice."""
        if self.asked.stream:
            return "".join(content for chunk in self.chunks for index, content in chunk.contents if index == 0)
        return text(self.object, "choices", 0, "message", "content") or ""

    @property
    def said_at(self) -> Place:
        """The place of the first choice's text."""
        return Place(words="delta.content") if self.asked.stream else Place("/choices/0/message/content")

    @cached_property
    def answer_id(self) -> str | None:
        """The `id` of the answer; in a stream the one that most chunks have (the first of these).

        Chunks with empty `choices` do not count: some servers leave their `id` blank.
        """
        if self.asked.stream:
            named = [c for c in self.chunks if isinstance(c.value.get("id"), str) and not c.error]
            telling = [c for c in named if not c.without_choices] or [c for c in named if c.value["id"]]
            ids = Counter(c.value["id"] for c in telling)
            return ids.most_common(1)[0][0] if ids else None
        return text(self.object, "id")

    @cached_property
    def kitemesh(self) -> dict[str, Any]:
        """The answer's `kitemesh` members; in a stream those of all chunks together. Empty where there are none."""
        sources = [c.value for c in self.chunks] if self.asked.stream else [self.object]
        found: dict[str, Any] = {}
        for source in sources:
            extension = get(source, "kitemesh")
            if isinstance(extension, dict):
                found.update((k, v) for k, v in extension.items() if v is not None)
        return found

    @cached_property
    def calls(self) -> tuple[dict[str, Any], ...]:
        """The tool calls; in a stream joined from their fragments."""
        if not self.asked.stream:
            return tuple(call for _, call in objects(get(self.object, "choices", 0, "message", "tool_calls")))
        return tuple(_joined([call for chunk in self.chunks for call in chunk.calls]))


def _joined(fragments: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Tool calls from their fragments, as a client joins them: by `index`, else by a new `id`, else to the last one."""
    slots: dict[Any, dict[str, Any]] = {}
    latest: Any = None
    for number, fragment in enumerate(fragments):
        index, id_ = fragment.get("index"), fragment.get("id")
        if isinstance(index, int) and not isinstance(index, bool):
            key: Any = ("index", index)
        elif id_ is not None or latest is None:
            key = ("id", id_) if isinstance(id_, str) else ("number", number)
        else:
            key = latest
        latest = key
        call = slots.setdefault(key, {})
        for member, value in fragment.items():
            if member == "function" and isinstance(value, dict):
                function = call.setdefault("function", {})
                if not isinstance(function, dict):
                    continue
                for name, part in value.items():
                    before = function.get(name)
                    if name == "arguments" and isinstance(before, str) and isinstance(part, str):
                        function[name] = before + part
                    elif before is None or before == "":
                        function[name] = part
            elif call.get(member) is None:
                call[member] = value
    yield from slots.values()
