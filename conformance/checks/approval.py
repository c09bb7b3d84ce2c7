"""Area approval: answers that wait for a decision on tool calls, in JSON and as streams.

Each rule is a function of a reading that can be run under another requirement's name: `resume.further-round` runs them
all over the approvals that resumes lead to. The rules here judge those of chat completions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from conformance.checks import envelope
from conformance.checks.check import REPEATED, TRIES, broken_elsewhere, each, over_all
from conformance.checks.chunk import carries_approval, chunk_faults, id_changes
from conformance.checks.completion import choice_types, choice_values
from conformance.checks.stream import done_missing
from conformance.evidence.approvals import given
from conformance.evidence.evidence import Evidence, Reading, Words
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.json_text import read_json
from conformance.evidence.json_values import ABSENT, get, moment, optional, utc, uuid
from conformance.evidence.place import Place
from conformance.evidence.select import (
    Selected,
    failed,
    on_chat,
    served_streams,
    standard,
    text_streams,
    waiting,
    waiting_streams,
    whole_streams,
)
from conformance.probes.approvals import ASKED_ANEW

Rule = Callable[[Reading], Iterator[Finding | Unjudged]]


def on_chat_waiting(evidence: Evidence) -> Selected:
    """Approvals of chat completions, JSON and streams."""
    yield from on_chat(waiting(evidence))
    yield from on_chat(waiting_streams(evidence))


@each("approval.envelope", on_chat_waiting)
def envelope_(reading: Reading) -> Iterator[Finding]:
    """`id`, `object`, `created`, `model` and `choices` as in every other answer or chunk."""
    if not reading.asked.stream:
        yield from _json_envelope(reading)
        return
    for chunk in reading.chunks:
        if not carries_approval(chunk):
            continue
        for name, faults in (
            ("chunk.schema", chunk_faults(chunk)),
            ("chunk.created", envelope.created(reading, chunk.value)),
            ("chunk.model-echo", envelope.model(reading, chunk.value)),
        ):
            for message, expected, observed, pointer in faults:
                yield reading.finding(message, expected, observed, chunk.at(pointer), yields_to=(name,))
                return


def _json_envelope(reading: Reading) -> Iterator[Finding]:
    body = reading.object
    for wrong in envelope.members("completion", body, ("id", "object", "model")):
        yield wrong.found(reading, "completion.schema")
    if isinstance(body, dict) and "created" not in body:
        yield reading.finding(
            "`created` is absent", "the member `created`", ABSENT, Place("/created"), yields_to=("completion.schema",)
        )
    for wrong in envelope.created(reading, body):
        yield wrong.found(reading, "completion.created")
    for wrong in envelope.model(reading, body):
        yield wrong.found(reading, "completion.model-echo")
    for wrong in choice_types(body):
        yield wrong.found(reading, "completion.schema")
    for wrong in choice_values(body):
        yield wrong.found(reading, "completion.choices")


@each("approval.finish-reason", on_chat_waiting)
def finish_reason(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`tool_calls`. Its absence from a stream is approval.stream's."""
    if not reading.asked.stream:
        reason = get(reading.object, "choices", 0, "finish_reason")
        if reason != "tool_calls":
            yield reading.finding(
                "an answer that waits for a decision finishes otherwise",
                '"tool_calls"',
                reason,
                Place("/choices/0/finish_reason"),
            )
        return
    reasons = [(chunk, reason) for chunk in reading.chunks for index, reason in chunk.finishes() if index == 0]
    if not reasons:
        yield reading.unjudged("the stream has no `finish_reason`", by="approval.stream")
    elif not any(reason == "tool_calls" for _, reason in reasons):
        chunk, reason = reasons[-1]
        yield reading.finding(
            "a stream that waits for a decision finishes otherwise",
            '"tool_calls"',
            reason,
            chunk.at("/choices/0/finish_reason"),
            yields_to=("chunk.finish-reason",),
        )


@each("approval.content-null", waiting)
def content_null(reading: Reading) -> Iterator[Finding]:
    """`content: null` (absent is as good: null equals absent)."""
    content = optional(reading.object, "choices", 0, "message", "content")
    if content is not ABSENT:
        yield reading.finding("`content` is not null", "null", content, Place("/choices/0/message/content"))


@over_all("approval.tool-call-id")
def tool_call_id(evidence: Evidence) -> Iterator[Item]:
    """A UUID of its own for each call."""
    seen: dict[str, Reading] = {}
    for reading in on_chat_waiting(evidence):
        if isinstance(reading, Unjudged):
            yield reading
            continue
        if any(no_objects(reading)) or not reading.calls:
            by = "approval.tool-call-shape" if any(no_objects(reading)) else _without_calls(reading)
            yield reading.unjudged("no call is there that could have an id", by=by)
            continue
        yield Judged(reading.name)
        findings = list(call_ids(reading))
        yield from findings
        for call in reading.calls if not findings else ():
            value = uuid(call.get("id"))
            if value is None:
                continue
            earlier = seen.setdefault(value, reading)
            if earlier is not reading and earlier.asked.prompt != reading.asked.prompt:
                yield reading.finding(
                    f"a call has the id of one of {earlier.name}", "a UUID of its own", value, Place(words="tool_calls")
                )
                break


def _without_calls(reading: Reading) -> str:
    return "approval.stream" if reading.asked.stream else "completion.finish-reason"


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


def no_objects(reading: Reading) -> Iterator[tuple[Place, Any]]:
    """Where and what each `tool_calls` is that is not an array, and each item of one that is not an object."""
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


def _shaped(evidence: Evidence) -> Selected:
    for reading in on_chat_waiting(evidence):
        if isinstance(reading, Reading) and not reading.calls and not any(no_objects(reading)):
            yield reading.unjudged("no call is there", by=_without_calls(reading))
        else:
            yield reading


def _with_calls(evidence: Evidence) -> Selected:
    for reading in on_chat_waiting(evidence):
        if isinstance(reading, Reading) and any(no_objects(reading)):
            yield reading.unjudged("a call is not an object", by="approval.tool-call-shape")
        elif isinstance(reading, Reading) and not reading.calls:
            yield reading.unjudged("no call is there", by=_without_calls(reading))
        elif isinstance(reading, Reading) and any(True for _ in _one_index_for_two(reading)):
            yield reading.unjudged("two calls share an index", by="approval.stream")
        else:
            yield reading


@each("approval.tool-call-shape", _shaped)
def tool_call_shape(reading: Reading) -> Iterator[Finding]:
    """`type` `function` and a non-empty `function.name`."""
    for place, value in no_objects(reading):
        yield reading.finding("a tool call is not an object", "an array of objects", value, place)
        return
    for number, call in enumerate(reading.calls):
        if call.get("type") != "function":
            yield reading.finding(
                "a tool call's type is not `function`",
                '"function"',
                get(call, "type"),
                Place(words=f"tool_calls/{number}/type"),
            )
            return
        name = get(call, "function", "name")
        if not isinstance(name, str) or not name.strip():
            yield reading.finding(
                "a tool call names no function",
                "a non-empty string",
                name,
                Place(words=f"tool_calls/{number}/function/name"),
            )
            return


def argument_types(reading: Reading) -> Iterator[Finding]:
    """`arguments` that is not a string: no whim of a model."""
    for number, call in enumerate(reading.calls):
        value = get(call, "function", "arguments")
        if not isinstance(value, str):
            yield reading.finding(
                "`arguments` is not a string", "a string", value, Place(words=f"tool_calls/{number}/function/arguments")
            )
            return


@each("approval.arguments", _with_calls, whim=True, at_once=argument_types)
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


def _uuid_rule(member: str) -> Rule:
    def rule(reading: Reading) -> Iterator[Finding | Unjudged]:
        if reading.asked.stream and not reading.kitemesh:
            yield reading.unjudged("no chunk has a `kitemesh`", by="approval.stream")
            return
        if not reading.asked.stream and not isinstance(get(reading.object, "kitemesh"), dict):
            yield reading.unjudged("there is no `kitemesh` object", by="kitemesh.present")
            return
        value = reading.kitemesh.get(member, ABSENT)
        if uuid(value) is None:
            yield reading.finding(f"`{member}` is not a UUID", "a UUID", value, Place(f"/kitemesh/{member}"))

    return rule


approval_id = _uuid_rule("approval_id")
execution_id = _uuid_rule("execution_id")
each("approval.id", on_chat_waiting)(approval_id)
each("approval.execution-id", on_chat_waiting)(execution_id)


@each("approval.expires-at", on_chat_waiting)
def expires_at(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`expires_at`: RFC 3339 with an offset, later than the server's clock."""
    if not reading.kitemesh:
        by = "approval.stream" if reading.asked.stream else "kitemesh.present"
        yield reading.unjudged("there is no `kitemesh` object", by=by)
        return
    value = reading.kitemesh.get("expires_at", ABSENT)
    expires = moment(value)
    if expires is None:
        yield reading.finding(
            "`expires_at` is not a date-time of RFC 3339",
            "such as 2026-06-08T16:20:00.000Z",
            value,
            Place("/kitemesh/expires_at"),
        )
    elif expires <= reading.clock - 1:
        yield reading.finding(
            "`expires_at` has passed already", f"later than {utc(reading.clock)}", value, Place("/kitemesh/expires_at")
        )


def _whole(evidence: Evidence) -> Selected:
    """Streams that ask for an approval, and answers that ask for one in JSON where a stream was asked for.

    One that failed may have been about to.
    """
    for reading in on_chat(whole_streams(evidence)):
        if isinstance(reading, Unjudged) or reading.waits:
            yield reading
        elif (excused := failed(reading)) is not None:
            yield excused
    yield from (r for r in on_chat(served_streams(evidence)) if isinstance(r, Reading) and _in_json(r))


def _in_json(reading: Reading) -> bool:
    """True for an approval in JSON."""
    return not reading.streamed and bool(get(reading.object, "choices", 0, "message", "tool_calls"))


@each("approval.stream", _whole)
def stream(reading: Reading) -> Iterator[Finding | Unjudged]:
    """The calls, `finish_reason` and the approval's `kitemesh`, then `[DONE]`."""
    if not reading.streamed:
        if not broken_elsewhere(reading.evidence, "stream.media-type", _in_json):
            place, seen = Place(header="Content-Type"), Words(reading.media_type)
            yield reading.finding("the approval is not streamed", "an event stream", seen, place)
        return
    for found in done_missing(reading):
        if isinstance(found, Finding) and broken_elsewhere(reading.evidence, "stream.done", lambda other: other.waits):
            yield reading.unjudged("other streams do not end with [DONE] either", by="stream.done")
        else:
            yield found
    if reading.failed_within or reading.opens_with_error:
        return
    if not reading.calls and not any(no_objects(reading)):
        yield reading.finding(
            "the stream asks for an approval and brings no tool call",
            "`delta.tool_calls`",
            Words("none in any chunk"),
            Place(words="the whole stream"),
        )
    if not any(True for chunk in reading.chunks for _ in chunk.finishes()):
        yield reading.finding(
            "the stream of an approval has no `finish_reason`",
            '"tool_calls"',
            Words("none in any chunk"),
            Place(words="the whole stream"),
            yields_to=("chunk.finish-once",),
        )
    if not reading.kitemesh:
        yield reading.finding(
            "the stream brings tool calls and no approval",
            "`kitemesh.approval_id`",
            reading.kitemesh or ABSENT,
            Place(words="the whole stream"),
        )
    yield from _one_index_for_two(reading)


def _one_index_for_two(reading: Reading) -> Iterator[Finding]:
    """Two calls under one `index` are joined by every client into one."""
    ids: dict[int, str] = {}
    for chunk in reading.chunks:
        for call in chunk.calls():
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


@each("approval.stream-single", waiting_streams)
def stream_single(reading: Reading) -> Iterator[Finding | Unjudged]:
    """Calls, `finish_reason` and `kitemesh` in one chunk."""
    told = [chunk for chunk in reading.chunks if chunk.approves]
    ended = any(True for chunk in reading.chunks for _ in chunk.finishes())
    if not reading.calls or not told or not ended:
        yield reading.unjudged("a part of the approval is missing", by="approval.stream")
        return
    joined = [c for c in told if any(True for _ in c.calls()) and any(True for _ in c.finishes())]
    if not joined or sum(1 for chunk in reading.chunks if any(True for _ in chunk.calls())) > 1:
        count = sum(1 for c in reading.chunks if carries_approval(c) or any(True for _ in c.finishes()))
        yield reading.finding(
            "the approval is spread over several chunks",
            "calls, `finish_reason` and `kitemesh` in one chunk",
            Words(f"{count} chunks"),
            told[0].place,
        )


def _asked_with_id(evidence: Evidence) -> Selected:
    return (r for r in waiting_streams(evidence) if isinstance(r, Unjudged) or r.asked.request_id)


@each("approval.stream-request-id", _asked_with_id)
def stream_request_id(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`metadata.request_id`, repeated in that chunk."""
    told = [chunk for chunk in reading.chunks if chunk.approves]
    if not told:
        yield reading.unjudged("no chunk has the approval", by="approval.stream")
        return
    value = optional(told[0].value, "kitemesh", "request_id")
    if value != reading.asked.request_id:
        yield reading.finding(
            "`request_id` is not the request's",
            f'"{reading.asked.request_id}"',
            value,
            told[0].at("/kitemesh/request_id"),
        )


def _not_waiting(evidence: Evidence) -> Selected:
    yield from standard(evidence)
    yield from text_streams(evidence)


@each("approval.only-when-waiting", _not_waiting)
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


RULES: tuple[tuple[str, Rule], ...] = (
    ("approval.envelope", envelope_),
    ("approval.finish-reason", finish_reason),
    ("approval.tool-call-id", call_ids),
    ("approval.tool-call-shape", tool_call_shape),
    ("approval.arguments", argument_types),
    ("approval.id", approval_id),
    ("approval.execution-id", execution_id),
    ("approval.expires-at", expires_at),
)
"""What makes an approval complete, by requirement."""

STREAM_RULES: tuple[tuple[str, Rule], ...] = (("approval.stream", stream), ("chunk.id-stable", id_changes))
