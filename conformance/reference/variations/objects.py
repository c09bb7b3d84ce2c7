"""JSON answers: what the documented members may look like, and what may stand beside them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.reference.behaviour import Behaviour
from conformance.reference.conditions import Object, prompt
from conformance.reference.decision import Decision, ObjectKind, Serve
from conformance.reference.fault import Variation, withholding
from conformance.reference.incoming import Incoming
from conformance.reference.making import (
    ALL_KINDS,
    APPROVALS,
    COMPLETION,
    ERRORS,
    JSON_ANSWERS,
    SERVED,
    added,
    at_path,
    on_bytes,
    on_json,
    on_objects,
    together,
)
from conformance.reference.transmission import Out

_NULL = "design: `null` equals absent wherever a member is optional"
_EXTRA = "Legitimate: null members left out; unknown members added, anywhere"
_JSON = "RFC 8259: white space, escapes and the order of members say nothing"
_INTEGER = "Legitimate: `100.0` is an integer to JSON Schema"
_UUID = "Facts: a UUID, of any version and letter case (RFC 9562)"
_ID = "Facts: `id` is a string"
_CUT = "completion.content: null is allowed where the answer was cut"


def _floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _backwards(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _backwards(value[name]) for name in reversed(value)}
    return [_backwards(item) for item in value] if isinstance(value, list) else value


def _with_id(make: Callable[[str], str]) -> Behaviour:
    return on_objects(lambda _, value: at_path(value, "/id", make), SERVED)


def _uuids(make: Callable[[str], str]) -> Behaviour:
    """Every UUID in answers that were served, written otherwise."""

    def change(_: Incoming, value: Object) -> Object:
        for path in ("/kitemesh/execution_id", "/kitemesh/approval_id"):
            value = at_path(value, path, make)
        for member in ("message", "delta"):
            value = at_path(value, f"/choices/*/{member}/tool_calls/*/id", make)
        return value

    return on_objects(change, SERVED)


def _version_7() -> Behaviour:
    """Identifiers of version 7, those of executions and approvals alike."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if not isinstance(decision, Serve):
            return decision
        execution = decision.execution_id if decision.resolution else _uuid7(incoming.at)
        waiting = decision.approval
        if waiting is not None:
            calls = tuple(replace(call, id=_uuid7(incoming.at)) for call in waiting.calls)
            waiting = replace(waiting, id=_uuid7(incoming.at), execution_id=execution, calls=calls)
        return replace(decision, execution_id=execution, approval=waiting)

    return Behaviour(decide=decide)


def _uuid7(seconds: float) -> str:
    value = (int(seconds * 1000) << 80) | (uuid.uuid4().int & ((1 << 80) - 1))
    value = value & ~(0xF << 76) | (7 << 76)
    return str(uuid.UUID(int=value & ~(0x3 << 62) | (0x2 << 62)))


def _cut(content: Any, reason: str) -> Behaviour:
    """An answer that was cut before anything was said, to one kind of prompt."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if not isinstance(decision, Serve) or decision.approval or "مرحبا" not in prompt(incoming):
            return decision
        return replace(decision, tokens=(), finish_reason=reason)

    def shape(incoming: Incoming, value: Object) -> Object:
        if isinstance(incoming.decision, Serve) and incoming.decision.tokens:
            return value
        if content is ...:
            return at_path(value, "/choices/0/message", lambda m: {k: v for k, v in m.items() if k != "content"})
        return at_path(value, "/choices/0/message/content", lambda _: content)

    return together(Behaviour(decide=decide), on_objects(shape, COMPLETION))


def _two_choices(_: Incoming, value: Object) -> Object:
    second = at_path({**value["choices"][0], "index": 1}, "/message/content", lambda text: f"Or: {text}")
    return {**value, "choices": [*value["choices"], second]}


def _rated(credits: float) -> Behaviour:
    return on_objects(
        lambda _, value: at_path(value, "/kitemesh/credits_charged", lambda _: credits),
        (ObjectKind.COMPLETION, ObjectKind.CHUNK),
    )


_DETAILS: Object = {
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": None},
    "completion_tokens_details": {"reasoning_tokens": 0, "accepted_prediction_tokens": 0},
    "cost": 0.000012,
}
_EXTRAS: Object = {
    "service_tier": "default",
    "system_fingerprint": "fp_44709d6fcb",
    "warnings": [],
    "error": None,
    "x_debug": {"nested": [1, None, {"deep": True}]},
    "provider": "Étoile",
}

VARIATIONS: tuple[Variation, ...] = (
    Variation("json-pretty", "JSON with white space before, within and behind it.", _JSON,
              on_json(lambda value: f" \r\n\t{json.dumps(value, indent=2)}\n\n", (*JSON_ANSWERS, ObjectKind.ERROR))),
    Variation("json-escaped", "Every character beyond ASCII, and slashes, escaped.", _JSON,
              on_json(lambda value: json.dumps(value).replace("/", "\\/"), (*JSON_ANSWERS, ObjectKind.ERROR))),
    Variation("json-members-backwards", "Members in the opposite order.", _JSON,
              on_objects(lambda _, value: _backwards(value), ALL_KINDS)),
    Variation("json-leading-white-space", "JSON answers that begin with white space, sent early to keep a proxy awake.",
              _JSON, on_bytes(lambda data: b"\n" * 40 + data, JSON_ANSWERS)),
    Variation("json-kept-alive", "White space while the model thinks, then the JSON.", _JSON,
              Behaviour(
                  emit=lambda incoming, pieces: (
                      [Out(b" "), Out(b"\n", 0.05), *pieces] if incoming.kind in JSON_ANSWERS else pieces
                  ),
                  head=lambda incoming, status, headers: (status, [h for h in headers if h[0] != "Content-Length"]),
              )),
    Variation("integers-as-floats", "Every integer written with `.0`.", _INTEGER,
              on_objects(lambda _, value: _floats(value), SERVED)),
    Variation("extra-members-everywhere", "Members that nobody documented, at every level.", _EXTRA,
              together(
                  added(_EXTRAS, SERVED),
                  added(
                      {"logprobs": None, "stop_reason": None, "content_filter_results": {}}, SERVED, at="/choices/*"
                  ),
                  added(
                      {"refusal": None, "annotations": [], "audio": None, "function_call": None},
                      SERVED,
                      at="/choices/*/message",
                  ),
                  added(_DETAILS, COMPLETION, at="/usage"),
                  added({"region": "eu", "approvals": [], "trace": None}, SERVED, at="/kitemesh"),
                  added(
                      {
                          "param": None,
                          "details": [{"loc": ["body", "x"], "msg": "y"}],
                          "doc_url": "https://a.example/e",
                      },
                      ERRORS,
                      at="/error",
                  ),
                  added({"status": 0, "detail": None, "timestamp": "2026-01-01T00:00:00Z"}, ERRORS),
              )),
    Variation("tool-calls-null", "`tool_calls: null` on answers without calls.", _NULL,
              added({"tool_calls": None}, COMPLETION, at="/choices/*/message")),
    Variation("tool-calls-empty", "`tool_calls: []` on answers without calls.",
              "completion.finish-reason: no call is there",
              added({"tool_calls": []}, COMPLETION, at="/choices/*/message")),
    Variation("approval-members-null", "`approval_id: null` and `expires_at: null` where nothing waits.", _NULL,
              added(
                  {"approval_id": None, "expires_at": None}, (ObjectKind.COMPLETION, ObjectKind.CHUNK), at="/kitemesh"
              )),
    Variation("approval-usage-null", "`usage: null` and `credits_charged: null` while an approval waits.", _NULL,
              together(
                  added({"usage": None}, APPROVALS), added({"credits_charged": None}, APPROVALS, at="/kitemesh")
              )),
    Variation("approval-usage-counted", "`usage`, `credits_charged` and `request_id` while an approval waits, too.",
              "Facts: the documented example has no `usage`; nothing forbids it",
              together(
                  added({"usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}}, APPROVALS),
                  on_objects(
                      lambda incoming, value: at_path(
                          value, "/kitemesh", lambda k: {**k, "credits_charged": 1, "request_id": incoming.request_id}
                      ),
                      (ObjectKind.APPROVAL,),
                  ),
              )),
    Variation("two-choices", "Two choices in each answer.", "completion.choices: at least one choice, counted from 0",
              on_objects(_two_choices, COMPLETION)),
    Variation("credits-nothing", "Nothing is charged.", "kitemesh.credits-charged: a non-negative number", _rated(0)),
    Variation("credits-fractional", "A fraction of a credit, in exponent notation.",
              "kitemesh.credits-charged: a non-negative number", _rated(2.5e-7)),
    Variation("ids-bare-uuids", "`id` is a bare UUID.", _ID,
              _with_id(lambda id_: str(uuid.uuid5(uuid.NAMESPACE_OID, id_)))),
    Variation("ids-digits", "`id` is a string of digits.", _ID,
              _with_id(lambda id_: str(uuid.uuid5(uuid.NAMESPACE_OID, id_).int % 10**18))),
    Variation("ids-long-and-odd", "`id` is long and holds spaces, quotes, slashes and letters beyond ASCII.", _ID,
              _with_id(lambda id_: f'réponse «{id_}» / "#1" ' + "x" * 300)),
    Variation("uuids-upper", "UUIDs in upper case.", _UUID, _uuids(str.upper)),
    Variation("uuids-version-7", "UUIDs of version 7, the first digits of which are alike.", _UUID, _version_7()),
    *withholding(
        Variation("cut-content-null", "A content filter cuts one answer: `content: null`.", _CUT,
                  _cut(None, "content_filter")),
        Variation("cut-content-absent", "A content filter cuts one answer: no `content`.", f"{_CUT}; {_NULL}",
                  _cut(..., "content_filter")),
        Variation("cut-content-empty", "One answer ends by `length` before a word is said.", _CUT, _cut("", "length")),
    ),
)  # fmt: skip
