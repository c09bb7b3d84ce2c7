"""What makes an approval complete, in JSON and as a stream: on chat completions, and as a further round of a resume."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.checks.check import broken_elsewhere
from conformance.checks.rules import envelope
from conformance.checks.rules.calls import argument_types, call_ids, carries_approval, no_objects, one_index_for_two
from conformance.checks.rules.ending import done_missing
from conformance.checks.rules.ids import id_changes
from conformance.evidence.answer import Words
from conformance.evidence.finding import Finding, Unjudged
from conformance.evidence.json_values import ABSENT, get, moment, utc, uuid
from conformance.evidence.place import Place
from conformance.evidence.reading import Reading

Rule = Callable[[Reading], Iterator[Finding | Unjudged]]


def envelope_(reading: Reading) -> Iterator[Finding]:
    """`id`, `object`, `created`, `model` and `choices` as in every other answer or chunk."""
    if not reading.asked.stream:
        yield from _json_envelope(reading)
        return
    for chunk in reading.chunks:
        if not carries_approval(chunk):
            continue
        for name, faults in (
            ("chunk.schema", envelope.chunk_faults(chunk)),
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
    for wrong in envelope.choice_types(body):
        yield wrong.found(reading, "completion.schema")
    for wrong in envelope.choice_values(body):
        yield wrong.found(reading, "completion.choices")


def finish_reason(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`tool_calls`. Its absence from a stream is approval.stream's."""
    if not reading.asked.stream:
        reason = get(reading.object, "choices", 0, "finish_reason")
        if reason != "tool_calls":
            yield reading.finding(
                "an answer that waits for a decision has another `finish_reason`",
                '"tool_calls"',
                reason,
                Place("/choices/0/finish_reason"),
            )
        return
    reasons = [(chunk, reason) for chunk in reading.chunks for index, reason in chunk.finishes if index == 0]
    if not reasons:
        yield reading.unjudged("the stream has no `finish_reason`", by="approval.stream")
    elif not any(reason == "tool_calls" for _, reason in reasons):
        chunk, reason = reasons[-1]
        yield reading.finding(
            "a stream that waits for a decision has another `finish_reason`",
            '"tool_calls"',
            reason,
            chunk.at("/choices/0/finish_reason"),
            yields_to=("chunk.finish-reason",),
        )


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
                "a tool call has no function name",
                "a non-empty string",
                name,
                Place(words=f"tool_calls/{number}/function/name"),
            )
            return


def _uuid_rule(member: str) -> Rule:
    def rule(reading: Reading) -> Iterator[Finding | Unjudged]:
        if reading.asked.stream and not reading.kitemesh:
            yield reading.unjudged("no chunk has a `kitemesh` object", by="approval.stream")
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
    elif reading.clock_known and expires <= reading.clock - 1:
        yield reading.finding(
            "`expires_at` has passed already", f"later than {utc(reading.clock)}", value, Place("/kitemesh/expires_at")
        )


def in_json(reading: Reading) -> bool:
    """True for an approval in JSON."""
    return not reading.streamed and bool(get(reading.object, "choices", 0, "message", "tool_calls"))


def stream(reading: Reading) -> Iterator[Finding | Unjudged]:
    """The calls, `finish_reason` and the approval's `kitemesh`, then `[DONE]`."""
    if not reading.streamed:
        if not broken_elsewhere(reading.evidence, "stream.media-type", in_json):
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
            "the stream asks for an approval but has no tool call",
            "`delta.tool_calls`",
            Words("none in any chunk"),
            Place(words="the whole stream"),
        )
    if not any(chunk.finishes for chunk in reading.chunks):
        yield reading.finding(
            "the stream of an approval has no `finish_reason`",
            '"tool_calls"',
            Words("none in any chunk"),
            Place(words="the whole stream"),
            yields_to=("chunk.finish-once",),
        )
    if not reading.kitemesh:
        yield reading.finding(
            "the stream has tool calls but no approval",
            "`kitemesh.approval_id`",
            reading.kitemesh or ABSENT,
            Place(words="the whole stream"),
        )
    yield from one_index_for_two(reading)


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
"""What makes a streamed approval complete, by requirement."""
