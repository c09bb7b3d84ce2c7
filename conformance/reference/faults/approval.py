"""Faults that break a requirement of the area approval: what a new chat answers when tools wait."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from conformance.reference.behaviour import Behaviour, Context, Kind
from conformance.reference.decision import Serve
from conformance.reference.fault import Fault
from conformance.reference.faults.making_streams import (
    Change,
    Object,
    When,
    all_of,
    approval,
    approval_json,
    approval_stream,
    as_json,
    chunks,
    drop,
    ending,
    further_round,
    last,
    like,
    put,
    shaped,
    silent_instead_of_done,
    with_metadata,
)
from conformance.reference.identifiers import fresh_uuid
from conformance.reference.incoming import Endpoint

_MADE_UP = "made up"
_OTHER_MODEL = "group:9b2d1c0e-3f4a-4b5c-8d6e-7f8091a2b3c4"
_FINISH = "/choices/0/finish_reason"
_CALLS = "/choices/0/delta/tool_calls"


def _in_json(context: Context) -> bool:
    return context.kind is Kind.APPROVAL


def _calls(change: Callable[[list[Object]], list[Object]], when: When = approval) -> Behaviour:
    """Changes the calls of an approval, wherever they stand."""

    def shape(context: Context, objects: list[Object]) -> list[Object]:
        for each in objects:
            for choice in each["choices"]:
                bearer = choice.get("message") or choice.get("delta")
                if bearer and "tool_calls" in bearer:
                    bearer["tool_calls"] = change(bearer["tool_calls"])
        return objects

    return shaped(shape, when)


def _each_call(change: Change, when: When = approval) -> Behaviour:
    return _calls(lambda calls: [change(call) for call in calls], when)


def _second_call(change: Change, when: When = approval) -> Behaviour:
    return _calls(lambda calls: [*calls[:1], *(change(call) for call in calls[1:])], when)


def _same_ids(calls: list[Object]) -> list[Object]:
    return [{**call, "id": calls[0]["id"]} for call in calls]


def _kitemesh(change: Change, when: When = approval) -> Behaviour:
    """Changes the approval's own object."""

    def shape(context: Context, objects: list[Object]) -> list[Object]:
        return [{**each, "kitemesh": change(each["kitemesh"])} if each.get("kitemesh") else each for each in objects]

    return shaped(shape, when)


def _moment(say: Callable[[datetime], Any]) -> Change:
    """Says the time of expiry in another way."""
    return put("/expires_at", lambda old: say(datetime.fromisoformat(old)))


def _in_chunks(change: Callable[[list[Object]], list[Object]], when: When = approval_stream) -> Behaviour:
    return shaped(lambda context, objects: change(objects), when)


def _calls_apart(objects: list[Object]) -> list[Object]:
    """The calls in one chunk; the reason and the approval in the next."""
    opening, closing = objects
    return [opening, like(closing, closing["choices"][0]["delta"]), put("/choices/0/delta", {})(closing)]


def _kitemesh_apart(objects: list[Object]) -> list[Object]:
    """The calls and the reason in one chunk; the approval in the next, which has no choice."""
    opening, closing = objects
    alone = {**like(closing), "choices": [], "kitemesh": closing["kitemesh"]}
    return [opening, drop("/kitemesh")(closing), alone]


def _in_fragments(objects: list[Object]) -> list[Object]:
    """Each call in fragments, as OpenAI streams them; then the reason with the approval."""
    opening, closing = objects
    parts = [opening]
    for call in closing["choices"][0]["delta"]["tool_calls"]:
        arguments = call["function"]["arguments"]
        half = len(arguments) // 2
        begun = {**call, "function": {**call["function"], "arguments": arguments[:half]}}
        rest = {"index": call["index"], "function": {"arguments": arguments[half:]}}
        parts += [like(closing, {"tool_calls": [begun]}), like(closing, {"tool_calls": [rest]})]
    return [*parts, put("/choices/0/delta", {})(closing)]


def _without_calls(objects: list[Object]) -> list[Object]:
    return [objects[0], drop(_CALLS)(objects[1])]


def _with_approval_id(when: When, value: Callable[[Context], str]) -> Behaviour:
    """Adds an `approval_id` to the `kitemesh` of answers that wait for nothing."""

    def shape(context: Context, objects: list[Object]) -> list[Object]:
        return [
            put("/kitemesh/approval_id", value(context))(each) if each.get("kitemesh") else each for each in objects
        ]

    return shaped(shape, when)


def _standard(context: Context) -> bool:
    return context.kind is Kind.COMPLETION and context.endpoint is Endpoint.COMPLETIONS


def _standard_stream(context: Context) -> bool:
    return context.kind is Kind.CHUNK and context.endpoint is Endpoint.COMPLETIONS


def _after_resume(context: Context) -> bool:
    return context.kind in (Kind.COMPLETION, Kind.CHUNK) and context.endpoint is Endpoint.RESUME


def _resumed_id(context: Context) -> str:
    decision = context.decision
    return decision.resolution.approval_id if isinstance(decision, Serve) and decision.resolution else ""


def _without_hyphens(old: str) -> str:
    return old.replace("-", "")


def _name_outside(call: Object) -> Object:
    return {**drop("/function/name")(call), "name": call["function"]["name"]}


def _values(arguments: str) -> str:
    return json.dumps(list(json.loads(arguments).values()))


FAULTS: tuple[Fault, ...] = (
    # approval.envelope
    Fault(
        "approval-id-of-answer-missing",
        "leaves `id` out of the JSON answer",
        "approval.envelope",
        _MADE_UP,
        chunks(drop("/id"), when=approval_json),
    ),
    Fault(
        "approval-object-wrong",
        "calls the JSON answer `chat.approval`",
        "approval.envelope",
        "object-wrong",
        chunks(put("/object", "chat.approval"), when=approval_json),
    ),
    Fault(
        "approval-created-ms",
        "gives `created` of the JSON answer in milliseconds",
        "approval.envelope",
        "created-ms",
        chunks(put("/created", lambda old: old * 1000), when=approval_json),
    ),
    Fault(
        "approval-created-missing",
        "leaves `created` out of the JSON answer",
        "approval.envelope",
        "created-missing",
        chunks(drop("/created"), when=approval_json),
    ),
    Fault(
        "approval-model-other",
        "names another group in the JSON answer",
        "approval.envelope",
        "model-wrong",
        chunks(put("/model", _OTHER_MODEL), when=approval_json),
    ),
    Fault(
        "approval-role-missing",
        "leaves the role out of the JSON answer",
        "approval.envelope",
        "role-dropped",
        chunks(drop("/choices/0/message/role"), when=approval_json),
    ),
    Fault(
        "approval-choice-from-one",
        "counts the choices of the JSON answer from 1",
        "approval.envelope",
        _MADE_UP,
        chunks(put("/choices/0/index", 1), when=approval_json),
    ),
    Fault(
        "approval-stream-object-wrong",
        "calls the chunk with the approval `chat.completion`",
        "approval.envelope",
        "object-wrong",
        chunks(put("/object", "chat.completion"), when=approval_stream, at=last),
    ),
    Fault(
        "approval-stream-id-missing",
        "leaves `id` out of the chunk with the approval",
        "approval.envelope",
        _MADE_UP,
        chunks(drop("/id"), when=approval_stream, at=last),
    ),
    Fault(
        "approval-stream-created-fraction",
        "streams the approval in its only chunk, with a fraction in `created`",
        "approval.envelope",
        "created-nonint",
        _in_chunks(lambda objects: [put("/created", lambda old: old + 0.5)(objects[-1])]),
    ),
    Fault(
        "approval-stream-model-other",
        "names another group in the chunk with the approval",
        "approval.envelope",
        "model-wrong",
        chunks(put("/model", _OTHER_MODEL), when=approval_stream, at=last),
    ),
    Fault(
        "approval-stream-model-null",
        "gives null as `model` of the chunk with the approval",
        "approval.envelope",
        "model-null",
        chunks(put("/model", None), when=approval_stream, at=last),
    ),
    Fault(
        "approval-stream-index-string",
        "gives the `index` of the choice with the approval as a string",
        "approval.envelope",
        _MADE_UP,
        chunks(put("/choices/0/index", "0"), when=approval_stream, at=last),
    ),
    # approval.finish-reason
    Fault(
        "approval-finish-stop",
        "sends `stop` with the calls of the JSON answer",
        "approval.finish-reason",
        "finish-stop-tools",
        chunks(put(_FINISH, "stop"), when=approval_json),
    ),
    Fault(
        "approval-finish-stop-stream",
        "sends `stop` with the calls of the stream",
        "approval.finish-reason",
        "finish-stop-tools",
        chunks(put(_FINISH, "stop"), when=approval_stream, at=last),
    ),
    Fault(
        "approval-finish-null",
        "sends null with the calls of the JSON answer",
        "approval.finish-reason",
        "finish-missing",
        chunks(put(_FINISH, None), when=approval_json),
    ),
    Fault(
        "approval-finish-tool-use",
        "sends `tool_use` with the calls of the JSON answer",
        "approval.finish-reason",
        "finish-unknown",
        chunks(put(_FINISH, "tool_use"), when=approval_json),
    ),
    # approval.content-null
    Fault(
        "approval-content-empty",
        'sends "" as the content',
        "approval.content-null",
        _MADE_UP,
        chunks(put("/choices/0/message/content", ""), when=approval_json),
    ),
    Fault(
        "approval-content-text",
        "sends a question as the content",
        "approval.content-null",
        _MADE_UP,
        chunks(put("/choices/0/message/content", "May these tools run?"), when=approval_json),
    ),
    Fault(
        "approval-content-text-with-metadata",
        "sends a blank as the content where the request has metadata",
        "approval.content-null",
        _MADE_UP,
        chunks(put("/choices/0/message/content", " "), when=all_of(approval_json, with_metadata)),
    ),
    Fault(
        "approval-content-text-further",
        "sends a question as the content of a further round",
        "approval.content-null",
        _MADE_UP,
        chunks(put("/choices/0/message/content", "May this run, too?"), when=all_of(further_round, _in_json)),
    ),
    # approval.tool-call-id
    Fault(
        "call-id-missing",
        "leaves the ids of the calls out",
        "approval.tool-call-id",
        "tool-id-missing",
        _each_call(drop("/id")),
    ),
    Fault(
        "call-id-missing-stream",
        "leaves the id of the second call out of the stream",
        "approval.tool-call-id",
        "tool-id-missing",
        _second_call(drop("/id"), approval_stream),
    ),
    Fault("call-id-shared", "gives both calls one id", "approval.tool-call-id", _MADE_UP, _calls(_same_ids)),
    Fault(
        "call-id-shared-stream",
        "gives both calls one id, in the stream",
        "approval.tool-call-id",
        _MADE_UP,
        _calls(_same_ids, approval_stream),
    ),
    Fault(
        "call-id-of-openai",
        "gives ids such as `call_1`, in the JSON answer",
        "approval.tool-call-id",
        _MADE_UP,
        _each_call(put("/id", lambda old: f"call_{old[:8]}"), approval_json),
    ),
    Fault(
        "call-id-without-hyphens",
        "writes the UUIDs of the calls without hyphens, in the stream",
        "approval.tool-call-id",
        _MADE_UP,
        _each_call(put("/id", _without_hyphens), approval_stream),
    ),
    # approval.tool-call-shape
    Fault("call-type-missing", "leaves `type` out", "approval.tool-call-shape", _MADE_UP, _each_call(drop("/type"))),
    Fault(
        "call-type-tool",
        "gives `tool` as the type of the second call",
        "approval.tool-call-shape",
        _MADE_UP,
        _second_call(put("/type", "tool")),
    ),
    Fault(
        "call-name-empty",
        'gives "" as the name of the function',
        "approval.tool-call-shape",
        _MADE_UP,
        _each_call(put("/function/name", "")),
    ),
    Fault(
        "call-name-missing-stream",
        "leaves the name of the function out of the stream",
        "approval.tool-call-shape",
        _MADE_UP,
        _each_call(drop("/function/name"), approval_stream),
    ),
    Fault(
        "call-name-outside",
        "puts the name beside `function`, in the JSON answer",
        "approval.tool-call-shape",
        _MADE_UP,
        _each_call(_name_outside, approval_json),
    ),
    # approval.arguments
    Fault(
        "arguments-object",
        "sends the arguments as an object",
        "approval.arguments",
        "args-object",
        _each_call(put("/function/arguments", json.loads)),
    ),
    Fault(
        "arguments-object-stream",
        "sends the arguments as an object, in the stream",
        "approval.arguments",
        "args-object",
        _each_call(put("/function/arguments", json.loads), approval_stream),
    ),
    Fault(
        "arguments-absent",
        "leaves the arguments out",
        "approval.arguments",
        "args-absent",
        _each_call(drop("/function/arguments")),
    ),
    Fault(
        "arguments-null-second",
        "sends null as arguments of the second call",
        "approval.arguments",
        "args-absent",
        _second_call(put("/function/arguments", None)),
    ),
    Fault(
        "arguments-python",
        "writes the arguments as Python does",
        "approval.arguments",
        "args-invalid",
        _each_call(put("/function/arguments", lambda old: repr(json.loads(old)))),
    ),
    Fault(
        "arguments-cut",
        "breaks the arguments off before the end, in the JSON answer",
        "approval.arguments",
        "args-invalid",
        _each_call(put("/function/arguments", lambda old: old[:-1]), approval_json),
    ),
    Fault(
        "arguments-array",
        "sends the values of the arguments as an array",
        "approval.arguments",
        "args-invalid",
        _each_call(put("/function/arguments", _values)),
    ),
    Fault(
        "arguments-empty",
        'sends "" as arguments of the second call',
        "approval.arguments",
        "args-invalid",
        _second_call(put("/function/arguments", "")),
    ),
    # approval.id
    Fault(
        "approval-id-missing",
        "leaves `approval_id` out of the JSON answer",
        "approval.id",
        _MADE_UP,
        _kitemesh(drop("/approval_id"), approval_json),
    ),
    Fault(
        "approval-id-missing-stream",
        "leaves `approval_id` out of the stream",
        "approval.id",
        _MADE_UP,
        _kitemesh(drop("/approval_id"), approval_stream),
    ),
    Fault(
        "approval-id-prefixed",
        "puts `apr_` before the UUID of the approval",
        "approval.id",
        _MADE_UP,
        _kitemesh(put("/approval_id", lambda old: f"apr_{old}")),
    ),
    Fault(
        "approval-id-without-hyphens",
        "writes the UUID of the approval without hyphens, in the JSON answer",
        "approval.id",
        _MADE_UP,
        _kitemesh(put("/approval_id", _without_hyphens), approval_json),
    ),
    Fault(
        "approval-id-number",
        "gives a number as `approval_id`, in the stream",
        "approval.id",
        _MADE_UP,
        _kitemesh(put("/approval_id", 4711), approval_stream),
    ),
    # approval.execution-id
    Fault(
        "approval-execution-missing",
        "leaves `execution_id` out of the JSON answer",
        "approval.execution-id",
        _MADE_UP,
        _kitemesh(drop("/execution_id"), approval_json),
    ),
    Fault(
        "approval-execution-missing-stream",
        "leaves `execution_id` out of the stream",
        "approval.execution-id",
        _MADE_UP,
        _kitemesh(drop("/execution_id"), approval_stream),
    ),
    Fault(
        "approval-execution-null",
        "gives null as `execution_id` in both modes",
        "approval.execution-id",
        _MADE_UP,
        _kitemesh(put("/execution_id", None)),
    ),
    Fault(
        "approval-execution-number",
        "gives a number as `execution_id` of the JSON answer",
        "approval.execution-id",
        _MADE_UP,
        _kitemesh(put("/execution_id", 4711), approval_json),
    ),
    Fault(
        "approval-execution-cut",
        "leaves the last digit of the execution's UUID out of the stream",
        "approval.execution-id",
        _MADE_UP,
        _kitemesh(put("/execution_id", lambda old: old[:-1]), approval_stream),
    ),
    # approval.expires-at
    Fault(
        "expires-missing", "leaves `expires_at` out", "approval.expires-at", _MADE_UP, _kitemesh(drop("/expires_at"))
    ),
    Fault(
        "expires-missing-stream",
        "leaves `expires_at` out of the stream",
        "approval.expires-at",
        _MADE_UP,
        _kitemesh(drop("/expires_at"), approval_stream),
    ),
    Fault(
        "expires-unix",
        "gives `expires_at` in Unix seconds",
        "approval.expires-at",
        _MADE_UP,
        _kitemesh(_moment(lambda at: int(at.timestamp()))),
    ),
    Fault(
        "expires-local",
        "gives `expires_at` without an offset",
        "approval.expires-at",
        _MADE_UP,
        _kitemesh(_moment(lambda at: at.replace(tzinfo=None).isoformat())),
    ),
    Fault(
        "expires-http-date",
        "gives `expires_at` as an HTTP date, in the JSON answer",
        "approval.expires-at",
        _MADE_UP,
        _kitemesh(_moment(lambda at: format_datetime(at, usegmt=True)), approval_json),
    ),
    Fault(
        "expires-with-blank",
        "writes `expires_at` with a blank and ` UTC`, in the stream",
        "approval.expires-at",
        _MADE_UP,
        _kitemesh(_moment(lambda at: f"{at:%Y-%m-%d %H:%M:%S} UTC"), approval_stream),
    ),
    Fault(
        "expires-before-now",
        "gives a moment in the past as `expires_at`, and holds the approval longer",
        "approval.expires-at",
        _MADE_UP,
        _kitemesh(_moment(lambda at: "2024-02-29T12:00:00.000Z")),
    ),
    # approval.stream
    Fault(
        "approval-stream-as-json",
        "answers with JSON where an approval should be streamed",
        "approval.stream",
        "json-for-stream",
        as_json(lambda decision, endpoint: decision.approval is not None and endpoint is Endpoint.COMPLETIONS),
    ),
    Fault(
        "approval-stream-done-missing",
        "sends no `[DONE]` behind the approval",
        "approval.stream",
        "done-missing",
        ending(when=approval_stream),
    ),
    Fault(
        "approval-stream-done-missing-open",
        "sends no `[DONE]` behind the approval and keeps the connection open",
        "approval.stream",
        "done-missing",
        silent_instead_of_done(approval_stream),
    ),
    Fault(
        "approval-stream-calls-missing",
        "streams the approval without its calls",
        "approval.stream",
        "finish-tools-empty",
        _in_chunks(_without_calls),
    ),
    Fault(
        "approval-stream-finish-missing",
        "streams the calls without a reason",
        "approval.stream",
        "finish-missing",
        chunks(put(_FINISH, None), when=approval_stream),
    ),
    Fault(
        "approval-stream-kitemesh-missing",
        "streams the calls without the approval",
        "approval.stream",
        _MADE_UP,
        chunks(drop("/kitemesh"), when=approval_stream),
    ),
    Fault(
        "approval-stream-index-zero",
        "gives both calls of the stream the `index` 0",
        "approval.stream",
        "tool-index-zero",
        _each_call(put("/index", 0), approval_stream),
    ),
    # approval.stream-single
    Fault(
        "approval-stream-calls-apart",
        "sends the calls in a chunk before that of the approval",
        "approval.stream-single",
        _MADE_UP,
        _in_chunks(_calls_apart),
    ),
    Fault(
        "approval-stream-kitemesh-apart",
        "sends the approval behind the chunk with the calls",
        "approval.stream-single",
        _MADE_UP,
        _in_chunks(_kitemesh_apart),
    ),
    Fault(
        "approval-stream-fragments",
        "sends the calls in fragments",
        "approval.stream-single",
        _MADE_UP,
        _in_chunks(_in_fragments),
    ),
    Fault(
        "approval-stream-calls-apart-further",
        "sends the calls of a further round in a chunk before that of the approval",
        "approval.stream-single",
        _MADE_UP,
        shaped(lambda context, objects: _calls_apart(objects), all_of(further_round, lambda c: c.stream)),
    ),
    # approval.stream-request-id
    Fault(
        "approval-stream-request-id-missing",
        "leaves `request_id` out of the chunk with the approval",
        "approval.stream-request-id",
        _MADE_UP,
        _kitemesh(drop("/request_id"), approval_stream),
    ),
    Fault(
        "approval-stream-request-id-other",
        "makes a `request_id` up for the chunk with the approval",
        "approval.stream-request-id",
        _MADE_UP,
        _kitemesh(put("/request_id", lambda old: f"req_{fresh_uuid()}"), approval_stream),
    ),
    Fault(
        "approval-stream-request-id-cut",
        "cuts `request_id` to eight characters",
        "approval.stream-request-id",
        _MADE_UP,
        _kitemesh(put("/request_id", lambda old: str(old)[:8]), approval_stream),
    ),
    # approval.only-when-waiting
    Fault(
        "waiting-for-nothing",
        "sends an `approval_id` with standard answers",
        "approval.only-when-waiting",
        _MADE_UP,
        _with_approval_id(_standard, lambda context: fresh_uuid()),
    ),
    Fault(
        "waiting-for-nothing-stream",
        "sends an `approval_id` in the last chunk of text streams",
        "approval.only-when-waiting",
        _MADE_UP,
        _with_approval_id(_standard_stream, lambda context: fresh_uuid()),
    ),
    Fault(
        "waiting-after-resume",
        "repeats the `approval_id` in the answer that the resume brought to an end",
        "approval.only-when-waiting",
        _MADE_UP,
        _with_approval_id(_after_resume, _resumed_id),
    ),
)
