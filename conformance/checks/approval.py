"""Area approval: answers that wait for a decision on tool calls, in JSON and as streams.

What makes an approval complete (`rules.approval`) is judged here of chat completions; `resume.further-round` runs the
same rules over the approvals that resumes lead to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from conformance.checks.check import REPEATED, TRIES, each, judge_each, over_all
from conformance.checks.rules import approval as rules
from conformance.checks.rules.calls import argument_types, call_ids, carries_approval, no_objects, one_index_for_two
from conformance.evidence.answer import Words
from conformance.evidence.approvals import given
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Unjudged
from conformance.evidence.json_text import read_json
from conformance.evidence.json_values import ABSENT, get, optional, uuid
from conformance.evidence.place import Place
from conformance.evidence.reading import Reading
from conformance.evidence.select import (
    failed,
    on_chat,
    served_streams,
    standard,
    text_streams,
    waiting,
    waiting_streams,
    when,
    whole_streams,
)
from conformance.probes.approvals import ASKED_ANEW

on_chat_waiting = waiting.where(on_chat) | waiting_streams.where(on_chat)
"""Approvals of chat completions, JSON and streams."""


def _has_calls(reading: Reading) -> bool:
    """True where calls are there, well-formed or not."""
    return bool(reading.calls) or any(no_objects(reading))


def _lacks_calls(reading: Reading) -> Unjudged | None:
    return None if reading.calls else reading.unjudged("there is no tool call", by=_without_calls(reading))


def _without_calls(reading: Reading) -> str:
    """The requirement for an approval without calls."""
    return "approval.stream" if reading.asked.stream else "completion.finish-reason"


each("approval.envelope", on_chat_waiting)(rules.envelope_)
each("approval.finish-reason", on_chat_waiting)(rules.finish_reason)
each("approval.id", on_chat_waiting)(rules.approval_id)
each("approval.execution-id", on_chat_waiting)(rules.execution_id)
each("approval.expires-at", on_chat_waiting)(rules.expires_at)
each("approval.tool-call-shape", on_chat_waiting.unless(lambda r: None if _has_calls(r) else _lacks_calls(r)))(
    rules.tool_call_shape
)


@each("approval.content-null", waiting)
def content_null(reading: Reading) -> Iterator[Finding]:
    """`content: null` (absent is as good: null equals absent)."""
    content = optional(reading.object, "choices", 0, "message", "content")
    if content is not ABSENT:
        yield reading.finding("`content` is not null", "null", content, Place("/choices/0/message/content"))


def _without_ids(reading: Reading) -> Unjudged | None:
    misshapen = any(no_objects(reading))
    if reading.calls and not misshapen:
        return None
    by = "approval.tool-call-shape" if misshapen else _without_calls(reading)
    return reading.unjudged("there is no tool call that could have an id", by=by)


_with_ids = on_chat_waiting.unless(_without_ids)


@over_all("approval.tool-call-id")
def tool_call_id(evidence: Evidence) -> Iterator[Item]:
    """A UUID of its own for each call."""
    yield from judge_each(_with_ids(evidence), call_ids)
    seen: dict[str, Reading] = {}
    for reading in sorted((waiting | waiting_streams).readings(evidence), key=lambda r: r.started):
        ids = [] if any(call_ids(reading)) else [value for call in reading.calls if (value := uuid(call.get("id")))]
        for value in ids:
            earlier = seen.setdefault(value, reading)
            if earlier is not reading and earlier.asked.prompt != reading.asked.prompt:
                message = f"a call has the id of a call in {earlier.name}"
                yield reading.finding(message, "a UUID of its own", value, Place(words="tool_calls"))
                break


_with_calls = (waiting | waiting_streams).unless(
    when(lambda r: any(no_objects(r)), "a call is not an object", by="approval.tool-call-shape"),
    _lacks_calls,
    when(lambda r: any(one_index_for_two(r)), "two calls share an index", by="approval.stream"),
)


@each("approval.arguments", _with_calls, at_once=argument_types)
def arguments(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`arguments` hold a JSON object (a model's whim can fail that; that they are a string is judged at once)."""
    for number, call in enumerate(reading.calls):
        value = get(call, "function", "arguments")
        if not isinstance(value, str):
            return
        read = read_json(value.encode("utf-8", "surrogatepass"))
        if not read.ok or not isinstance(read.value, dict):
            yield reading.finding(
                "`arguments` does not hold a JSON object",
                "a JSON object in a string",
                value,
                Place(words=f"tool_calls/{number}/function/arguments"),
            )
            return


_in_stream = whole_streams.where(on_chat).where(lambda r: r.waits or r.failed_within)
"""Streams that ask for an approval; one that failed may have been about to."""
_in_json = served_streams.where(on_chat).where(rules.in_json).judgeable()
"""Answers that ask for one in JSON where a stream was asked for."""

each("approval.stream", _in_stream.unless(lambda r: None if r.waits else failed(r)) | _in_json)(rules.stream)

_whole_approvals = waiting_streams.unless(
    when(
        lambda r: (
            not (r.calls and any(chunk.approves for chunk in r.chunks) and any(chunk.finishes for chunk in r.chunks))
        ),
        "a part of the approval is missing",
        by="approval.stream",
    )
)


@each("approval.stream-single", _whole_approvals)
def stream_single(reading: Reading) -> Iterator[Finding]:
    """Calls, `finish_reason` and `kitemesh` in one chunk."""
    told = [chunk for chunk in reading.chunks if chunk.approves]
    joined = [c for c in told if c.calls and c.finishes]
    if not joined or sum(1 for chunk in reading.chunks if chunk.calls) > 1:
        count = sum(1 for c in reading.chunks if carries_approval(c) or c.finishes)
        yield reading.finding(
            "the approval is spread over several chunks",
            "calls, `finish_reason` and `kitemesh` in one chunk",
            Words(f"{count} chunks"),
            told[0].place,
        )


_asked_with_id = waiting_streams.where(lambda r: r.asked.request_id).unless(
    when(lambda r: not any(chunk.approves for chunk in r.chunks), "no chunk has the approval", by="approval.stream")
)


@each("approval.stream-request-id", _asked_with_id)
def stream_request_id(reading: Reading) -> Iterator[Finding]:
    """`metadata.request_id`, repeated in that chunk."""
    told = next(chunk for chunk in reading.chunks if chunk.approves)
    value = optional(told.value, "kitemesh", "request_id")
    if value != reading.asked.request_id:
        yield reading.finding(
            "`request_id` is not the one in the request",
            f'"{reading.asked.request_id}"',
            value,
            told.at("/kitemesh/request_id"),
        )


@each("approval.only-when-waiting", standard | text_streams)
def only_when_waiting(reading: Reading) -> Iterator[Finding]:
    """No `approval_id` on an answer that waits for nothing."""
    value: Any = reading.kitemesh.get("approval_id", ABSENT)
    if value is not ABSENT:
        yield reading.finding(
            "an answer that waits for nothing has an `approval_id`",
            "no `approval_id`",
            value,
            Place("/kitemesh/approval_id"),
        )


def _without_approval(evidence: Evidence) -> set[str]:
    """The flows whose prompt brought no approval, though it did elsewhere: a model may call its tool or not."""
    prompts = tuple(
        prompt
        for name in ("approval_prompt", "expiring_prompt")
        if isinstance(prompt := evidence.options.get(name), str) and prompt
    )
    if not prompts or not given(evidence):
        return set()
    asked: dict[str, list[Reading]] = defaultdict(list)
    for reading in evidence.last:
        if reading.note.flow and not reading.asked.resume and reading.asked.prompt.startswith(prompts):
            asked[reading.note.flow].append(reading)
    return {flow for flow, readings in asked.items() if _came_to_nothing(readings)}


def _came_to_nothing(readings: list[Reading]) -> bool:
    """True where the last answer to a request of the latest round waits for nothing, and another round may be made."""
    latest = max(reading.note.round for reading in readings)
    last = {r.note.probe.partition(ASKED_ANEW)[0]: r for r in readings if r.note.round == latest}
    return latest < TRIES and any(r.accepted and not r.waits and not r.failed_within for r in last.values())


REPEATED.append(_without_approval)
