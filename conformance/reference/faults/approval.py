"""Faults that break a requirement of the area approval: what a new chat answers when tools wait."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from conformance.reference.behaviour import Behaviour
from conformance.reference.conditions import (
    Object,
    When,
    all_of,
    approval,
    approval_json,
    approval_stream,
    chat,
    further_round,
    has,
)
from conformance.reference.decision import ObjectKind, Serve
from conformance.reference.fault import Fault, of
from conformance.reference.identifiers import fresh_uuid
from conformance.reference.incoming import Endpoint, Incoming
from conformance.reference.making import HANG, OTHER_MODEL, Change, as_json, drop, each, ending, last, like, put, shapes
from conformance.reference.transmission import Hang

_FINISH = "/choices/0/finish_reason"
_CALLS = "/choices/0/delta/tool_calls"


def _in_json(incoming: Incoming) -> bool:
    return incoming.kind is ObjectKind.APPROVAL


def _calls(change: Callable[[list[Object]], list[Object]], when: When = approval) -> Behaviour:
    """Changes the calls of an approval, wherever they stand."""

    def shape(incoming: Incoming, objects: list[Object]) -> list[Object]:
        for one in objects:
            for choice in one["choices"]:
                bearer = choice.get("message") or choice.get("delta")
                if bearer and "tool_calls" in bearer:
                    bearer["tool_calls"] = change(bearer["tool_calls"])
        return objects

    return shapes(shape, when=when)


def _each_call(change: Change, when: When = approval) -> Behaviour:
    return _calls(lambda calls: [change(call) for call in calls], when)


def _second_call(change: Change, when: When = approval) -> Behaviour:
    return _calls(lambda calls: [*calls[:1], *(change(call) for call in calls[1:])], when)


def _same_ids(calls: list[Object]) -> list[Object]:
    return [{**call, "id": calls[0]["id"]} for call in calls]


def _kitemesh(change: Change, when: When = approval) -> Behaviour:
    """Changes the approval's own object."""

    def shape(incoming: Incoming, objects: list[Object]) -> list[Object]:
        return [{**one, "kitemesh": change(one["kitemesh"])} if one.get("kitemesh") else one for one in objects]

    return shapes(shape, when=when)


def _moment(say: Callable[[datetime], Any]) -> Change:
    """Says the time of expiry in another way."""
    return put("/expires_at", lambda old: say(datetime.fromisoformat(old)))


def _in_chunks(change: Callable[[list[Object]], list[Object]], when: When = approval_stream) -> Behaviour:
    return shapes(lambda incoming, objects: change(objects), when=when)


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


def _with_approval_id(when: When, value: Callable[[Incoming], str]) -> Behaviour:
    """Adds an `approval_id` to the `kitemesh` of answers that wait for nothing."""

    def shape(incoming: Incoming, objects: list[Object]) -> list[Object]:
        return [put("/kitemesh/approval_id", value(incoming))(one) if one.get("kitemesh") else one for one in objects]

    return shapes(shape, when=when)


def _standard(incoming: Incoming) -> bool:
    return incoming.kind is ObjectKind.COMPLETION and incoming.endpoint is Endpoint.COMPLETIONS


def _standard_stream(incoming: Incoming) -> bool:
    return incoming.kind is ObjectKind.CHUNK and incoming.endpoint is Endpoint.COMPLETIONS


def _after_resume(incoming: Incoming) -> bool:
    return incoming.kind in (ObjectKind.COMPLETION, ObjectKind.CHUNK) and incoming.endpoint is Endpoint.RESUME


def _resumed_id(incoming: Incoming) -> str:
    decision = incoming.decision
    return decision.resolution.approval_id if isinstance(decision, Serve) and decision.resolution else ""


def _without_hyphens(old: str) -> str:
    return old.replace("-", "")


def _name_outside(call: Object) -> Object:
    return {**drop("/function/name")(call), "name": call["function"]["name"]}


def _values(arguments: str) -> str:
    return json.dumps(list(json.loads(arguments).values()))


FAULTS: tuple[Fault, ...] = (
    *of("approval.envelope",
        Fault("approval-id-of-answer-missing", "leaves `id` out of the JSON answer",
              each(drop("/id"), when=approval_json)),
        Fault("approval-object-wrong", "calls the JSON answer `chat.approval`",
              each(put("/object", "chat.approval"), when=approval_json), seen_in="object-wrong"),
        Fault("approval-created-ms", "gives `created` of the JSON answer in milliseconds",
              each(put("/created", lambda old: old * 1000), when=approval_json), seen_in="created-ms"),
        Fault("approval-created-missing", "leaves `created` out of the JSON answer",
              each(drop("/created"), when=approval_json), seen_in="created-missing"),
        Fault("approval-model-other", "names another group in the JSON answer",
              each(put("/model", OTHER_MODEL), when=approval_json), seen_in="model-wrong"),
        Fault("approval-role-missing", "leaves the role out of the JSON answer",
              each(drop("/choices/0/message/role"), when=approval_json), seen_in="role-dropped"),
        Fault("approval-choice-from-one", "counts the choices of the JSON answer from 1",
              each(put("/choices/0/index", 1), when=approval_json)),
        Fault("approval-stream-object-wrong", "calls the chunk with the approval `chat.completion`",
              each(put("/object", "chat.completion"), when=approval_stream, at=last), seen_in="object-wrong"),
        Fault("approval-stream-id-missing", "leaves `id` out of the chunk with the approval",
              each(drop("/id"), when=approval_stream, at=last)),
        Fault("approval-stream-created-fraction",
              "streams the approval in its only chunk, with a fraction in `created`",
              _in_chunks(lambda objects: [put("/created", lambda old: old + 0.5)(objects[-1])]),
              seen_in="created-nonint"),
        Fault("approval-stream-model-other", "names another group in the chunk with the approval",
              each(put("/model", OTHER_MODEL), when=approval_stream, at=last), seen_in="model-wrong"),
        Fault("approval-stream-model-null", "gives null as `model` of the chunk with the approval",
              each(put("/model", None), when=approval_stream, at=last), seen_in="model-null"),
        Fault("approval-stream-index-string", "gives the `index` of the choice with the approval as a string",
              each(put("/choices/0/index", "0"), when=approval_stream, at=last)),
    ),
    *of("approval.finish-reason",
        Fault("approval-finish-stop", "sends `stop` with the calls of the JSON answer",
              each(put(_FINISH, "stop"), when=approval_json), seen_in="finish-stop-tools"),
        Fault("approval-finish-stop-stream", "sends `stop` with the calls of the stream",
              each(put(_FINISH, "stop"), when=approval_stream, at=last), seen_in="finish-stop-tools"),
        Fault("approval-finish-null", "sends null with the calls of the JSON answer",
              each(put(_FINISH, None), when=approval_json), seen_in="finish-missing"),
        Fault("approval-finish-tool-use", "sends `tool_use` with the calls of the JSON answer",
              each(put(_FINISH, "tool_use"), when=approval_json), seen_in="finish-unknown"),
    ),
    *of("approval.content-null",
        Fault("approval-content-empty", 'sends "" as the content',
              each(put("/choices/0/message/content", ""), when=approval_json)),
        Fault("approval-content-text", "sends a question as the content",
              each(put("/choices/0/message/content", "May these tools run?"), when=approval_json)),
        Fault("approval-content-text-with-metadata", "sends a blank as the content where the request has metadata",
              each(put("/choices/0/message/content", " "), when=all_of(approval_json, has("metadata")))),
        Fault("approval-content-text-further", "sends a question as the content of a further round",
              each(put("/choices/0/message/content", "May this run, too?"), when=all_of(further_round, _in_json))),
    ),
    *of("approval.tool-call-id",
        Fault("call-id-missing", "leaves the ids of the calls out", _each_call(drop("/id")), seen_in="tool-id-missing"),
        Fault("call-id-missing-stream", "leaves the id of the second call out of the stream",
              _second_call(drop("/id"), approval_stream), seen_in="tool-id-missing"),
        Fault("call-id-shared", "gives both calls one id", _calls(_same_ids)),
        Fault("call-id-shared-stream", "gives both calls one id, in the stream", _calls(_same_ids, approval_stream)),
        Fault("call-id-of-openai", "gives ids such as `call_1`, in the JSON answer",
              _each_call(put("/id", lambda old: f"call_{old[:8]}"), approval_json)),
        Fault("call-id-without-hyphens", "writes the UUIDs of the calls without hyphens, in the stream",
              _each_call(put("/id", _without_hyphens), approval_stream)),
    ),
    *of("approval.tool-call-shape",
        Fault("call-type-missing", "leaves `type` out", _each_call(drop("/type"))),
        Fault("call-type-tool", "gives `tool` as the type of the second call", _second_call(put("/type", "tool"))),
        Fault("call-name-empty", 'gives "" as the name of the function', _each_call(put("/function/name", ""))),
        Fault("call-name-missing-stream", "leaves the name of the function out of the stream",
              _each_call(drop("/function/name"), approval_stream)),
        Fault("call-name-outside", "puts the name beside `function`, in the JSON answer",
              _each_call(_name_outside, approval_json)),
    ),
    *of("approval.arguments",
        Fault("arguments-object", "sends the arguments as an object",
              _each_call(put("/function/arguments", json.loads)), seen_in="args-object"),
        Fault("arguments-object-stream", "sends the arguments as an object, in the stream",
              _each_call(put("/function/arguments", json.loads), approval_stream), seen_in="args-object"),
        Fault("arguments-absent", "leaves the arguments out", _each_call(drop("/function/arguments")),
              seen_in="args-absent"),
        Fault("arguments-null-second", "sends null as arguments of the second call",
              _second_call(put("/function/arguments", None)), seen_in="args-absent"),
        Fault("arguments-python", "writes the arguments as Python does",
              _each_call(put("/function/arguments", lambda old: repr(json.loads(old)))), seen_in="args-invalid"),
        Fault("arguments-cut", "breaks the arguments off before the end, in the JSON answer",
              _each_call(put("/function/arguments", lambda old: old[:-1]), approval_json), seen_in="args-invalid"),
        Fault("arguments-array", "sends the values of the arguments as an array",
              _each_call(put("/function/arguments", _values)), seen_in="args-invalid"),
        Fault("arguments-empty", 'sends "" as arguments of the second call',
              _second_call(put("/function/arguments", "")), seen_in="args-invalid"),
    ),
    *of("approval.id",
        Fault("approval-id-missing", "leaves `approval_id` out of the JSON answer",
              _kitemesh(drop("/approval_id"), approval_json)),
        Fault("approval-id-missing-stream", "leaves `approval_id` out of the stream",
              _kitemesh(drop("/approval_id"), approval_stream)),
        Fault("approval-id-prefixed", "puts `apr_` before the UUID of the approval",
              _kitemesh(put("/approval_id", lambda old: f"apr_{old}"))),
        Fault("approval-id-without-hyphens", "writes the UUID of the approval without hyphens, in the JSON answer",
              _kitemesh(put("/approval_id", _without_hyphens), approval_json)),
        Fault("approval-id-number", "gives a number as `approval_id`, in the stream",
              _kitemesh(put("/approval_id", 4711), approval_stream)),
    ),
    *of("approval.execution-id",
        Fault("approval-execution-missing", "leaves `execution_id` out of the JSON answer",
              _kitemesh(drop("/execution_id"), approval_json)),
        Fault("approval-execution-missing-stream", "leaves `execution_id` out of the stream",
              _kitemesh(drop("/execution_id"), approval_stream)),
        Fault("approval-execution-null", "gives null as `execution_id` in both modes",
              _kitemesh(put("/execution_id", None))),
        Fault("approval-execution-number", "gives a number as `execution_id` of the JSON answer",
              _kitemesh(put("/execution_id", 4711), approval_json)),
        Fault("approval-execution-cut", "leaves the last digit of the execution's UUID out of the stream",
              _kitemesh(put("/execution_id", lambda old: old[:-1]), approval_stream)),
    ),
    *of("approval.expires-at",
        Fault("expires-missing", "leaves `expires_at` out", _kitemesh(drop("/expires_at"))),
        Fault("expires-missing-stream", "leaves `expires_at` out of the stream",
              _kitemesh(drop("/expires_at"), approval_stream)),
        Fault("expires-unix", "gives `expires_at` in Unix seconds", _kitemesh(_moment(lambda at: int(at.timestamp())))),
        Fault("expires-local", "gives `expires_at` without an offset",
              _kitemesh(_moment(lambda at: at.replace(tzinfo=None).isoformat()))),
        Fault("expires-http-date", "gives `expires_at` as an HTTP date, in the JSON answer",
              _kitemesh(_moment(lambda at: format_datetime(at, usegmt=True)), approval_json)),
        Fault("expires-with-blank", "writes `expires_at` with a blank and ` UTC`, in the stream",
              _kitemesh(_moment(lambda at: f"{at:%Y-%m-%d %H:%M:%S} UTC"), approval_stream)),
        Fault("expires-before-now", "gives a moment in the past as `expires_at`, and holds the approval longer",
              _kitemesh(_moment(lambda at: "2024-02-29T12:00:00.000Z"))),
    ),
    *of("approval.stream",
        Fault("approval-stream-as-json", "answers with JSON where an approval should be streamed",
              as_json(chat, waiting=True), seen_in="json-for-stream"),
        Fault("approval-stream-done-missing", "sends no `[DONE]` behind the approval", ending(when=approval_stream),
              seen_in="done-missing"),
        Fault("approval-stream-done-missing-open",
              "sends no `[DONE]` behind the approval and keeps the connection open",
              ending(Hang(HANG), when=approval_stream), seen_in="done-missing"),
        Fault("approval-stream-calls-missing", "streams the approval without its calls", _in_chunks(_without_calls),
              seen_in="finish-tools-empty"),
        Fault("approval-stream-finish-missing", "streams the calls without a reason",
              each(put(_FINISH, None), when=approval_stream), seen_in="finish-missing"),
        Fault("approval-stream-kitemesh-missing", "streams the calls without the approval",
              each(drop("/kitemesh"), when=approval_stream)),
        Fault("approval-stream-index-zero", "gives both calls of the stream the `index` 0",
              _each_call(put("/index", 0), approval_stream), seen_in="tool-index-zero"),
    ),
    *of("approval.stream-single",
        Fault("approval-stream-calls-apart", "sends the calls in a chunk before that of the approval",
              _in_chunks(_calls_apart)),
        Fault("approval-stream-kitemesh-apart", "sends the approval behind the chunk with the calls",
              _in_chunks(_kitemesh_apart)),
        Fault("approval-stream-fragments", "sends the calls in fragments", _in_chunks(_in_fragments)),
        Fault("approval-stream-calls-apart-further",
              "sends the calls of a further round in a chunk before that of the approval",
              shapes(lambda incoming, objects: _calls_apart(objects), when=all_of(further_round, lambda c: c.stream))),
    ),
    *of("approval.stream-request-id",
        Fault("approval-stream-request-id-missing", "leaves `request_id` out of the chunk with the approval",
              _kitemesh(drop("/request_id"), approval_stream)),
        Fault("approval-stream-request-id-other", "makes a `request_id` up for the chunk with the approval",
              _kitemesh(put("/request_id", lambda old: f"req_{fresh_uuid()}"), approval_stream)),
        Fault("approval-stream-request-id-cut", "cuts `request_id` to eight characters",
              _kitemesh(put("/request_id", lambda old: str(old)[:8]), approval_stream)),
    ),
    *of("approval.only-when-waiting",
        Fault("waiting-for-nothing", "sends an `approval_id` with standard answers",
              _with_approval_id(_standard, lambda incoming: fresh_uuid())),
        Fault("waiting-for-nothing-stream", "sends an `approval_id` in the last chunk of text streams",
              _with_approval_id(_standard_stream, lambda incoming: fresh_uuid())),
        Fault("waiting-after-resume", "repeats the `approval_id` in the answer that the resume brought to an end",
              _with_approval_id(_after_resume, _resumed_id)),
    ),
)  # fmt: skip
