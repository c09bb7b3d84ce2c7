"""Requests that the documentation leaves open: each way in which a server may take them otherwise."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

from conformance.reference.behaviour import Behaviour
from conformance.reference.conditions import When, always, request_id_is, resume, sent, sent_messages, streamed
from conformance.reference.decision import Decision, Refuse, Serve
from conformance.reference.fault import Variation
from conformance.reference.incoming import Incoming
from conformance.reference.intake import UNKNOWN_APPROVAL, Refusal, refuse
from conformance.reference.making import ERRORS, reads, reads_document, refuses, set_to, sets, speaks, together
from conformance.reference.model import text_of, tokens
from conformance.reference.settings import DEFAULT_MODEL

_OPEN = "Left open by the documentation: "
_BAD = Refusal(400, "invalid_request_error", "invalid_value")
_UNPROCESSABLE = Refusal(422, "invalid_request_error", "invalid_request")
_KNOWN = frozenset({"model", "messages", "stream", "max_tokens", "max_completion_tokens", "temperature", "metadata"})
_KNOWN_ON_RESUME = _KNOWN | {"approval_id", "approved_tool_execution_ids", "denied_tools"}
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TOP = ("stream", "max_tokens", "max_completion_tokens", "temperature", "metadata")


def _any_message(holds: Callable[[dict[str, Any]], bool]) -> When:
    return lambda incoming: any(holds(message) for message in sent_messages(incoming))


def _any_part(holds: Callable[[dict[str, Any]], bool]) -> When:
    def when(message: dict[str, Any]) -> bool:
        content = message.get("content")
        return isinstance(content, list) and any(holds(part) for part in content if isinstance(part, dict))

    return _any_message(when)


def _unnatural(incoming: Incoming) -> bool:
    """True where system messages do not come first, or user and assistant do not take turns from user to user."""
    roles = [str(message.get("role")) for message in sent_messages(incoming)]
    while roles and roles[0] == "system":
        roles.pop(0)
    turns: list[str] = []
    for role in roles:
        # Calls and their results belong to the assistant's turn.
        side = "assistant" if role == "tool" else role
        if not (side == "assistant" and turns and turns[-1] == "assistant"):
            turns.append(side)
    if any(a == b == "assistant" for a, b in pairwise(roles)):
        return True
    return len(turns) % 2 == 0 or any(side != ("user", "assistant")[i % 2] for i, side in enumerate(turns))


def _bare_tool(incoming: Incoming) -> bool:
    """True where a tool message answers no call of an assistant message before it."""
    called: set[object] = set()
    for message in sent_messages(incoming):
        if message.get("role") == "assistant":
            called |= {call.get("id") for call in message.get("tool_calls") or [] if isinstance(call, dict)}
        elif message.get("role") == "tool" and message.get("tool_call_id") not in called:
            return True
    return False


def _unknown_fields(incoming: Incoming) -> bool:
    document = sent(incoming)
    known = _KNOWN_ON_RESUME if resume(incoming) else _KNOWN
    metadata = document.get("metadata")
    return bool(
        set(document) - known
        or (isinstance(metadata, dict) and set(metadata) - {"request_id", "mode"})
        or any(set(message) - {"role", "content"} for message in sent_messages(incoming))
    )


def _nulls(incoming: Incoming) -> bool:
    document = sent(incoming)
    metadata = document.get("metadata")
    return any(document.get(name, ...) is None for name in (*_TOP, "approved_tool_execution_ids", "denied_tools")) or (
        isinstance(metadata, dict) and None in metadata.values()
    )


def _float_limits(incoming: Incoming) -> bool:
    document = sent(incoming)
    return any(isinstance(document.get(name), float) for name in ("max_tokens", "max_completion_tokens"))


def _uuids(incoming: Incoming) -> list[str]:
    document = sent(incoming)
    found = [str(document.get("model")).removeprefix("group:")]
    if resume(incoming):
        found.append(str(document.get("approval_id")))
        found += map(str, document.get("approved_tool_execution_ids") or [])
        found += [str(item.get("tool_execution_id")) for item in document.get("denied_tools") or []]
    return found


def _undecided(incoming: Incoming) -> bool:
    record = incoming.record
    if record is None:
        return False
    named = {id_.lower() for id_ in _uuids(incoming)[2:]}
    return not {call.id for call in record.approval.calls} <= named


def _other_conversation(incoming: Incoming) -> bool:
    """True for a resume whose model or messages are not those of the paused request."""
    record = incoming.record
    paused = incoming.memory.get("paused", {}).get(record.approval.id) if record else None
    return paused is not None and paused != _conversation(incoming)


def _conversation(incoming: Incoming) -> str:
    document = sent(incoming)
    return json.dumps([document.get("model"), document.get("messages")], sort_keys=True)


def _remembering() -> Behaviour:
    """Keeps each paused conversation, a further round's too."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if isinstance(decision, Serve) and decision.approval:
            incoming.memory.setdefault("paused", {})[decision.approval.id] = _conversation(incoming)
        return decision

    return Behaviour(decide=decide)


def _unknown_approval_first() -> Behaviour:
    """An unknown approval is told before any other fault of the resume."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if not isinstance(decision, Refuse) or not resume(incoming) or incoming.record is not None:
            return decision
        if decision.code in ("invalid_request", "contradictory_decision") and "approval_id" in incoming.document:
            return refuse(incoming, UNKNOWN_APPROVAL, "There is no such approval.")
        return decision

    return Behaviour(decide=decide)


def _unlimited_streams() -> Behaviour:
    """Output limits are heeded in JSON answers alone."""

    def change(incoming: Incoming) -> Incoming:
        limits = ("max_tokens", "max_completion_tokens")
        return incoming.with_document({k: v for k, v in sent(incoming).items() if k not in limits})

    return reads(change, lambda incoming: streamed(incoming) and not incoming.errors)


def _leniently_read() -> Behaviour:
    """JSON read as most libraries do: a BOM, names twice, lone surrogates and NaN pass (not as the temperature)."""

    def receive(incoming: Incoming) -> Incoming:
        if not incoming.reading.fault:
            return incoming
        try:
            document = json.loads(incoming.body.decode("utf-8-sig"))
            if not isinstance(document, dict):
                return incoming
            temperature = document.pop("temperature", None)
            document = _mended(document)
            if temperature is not None:
                document["temperature"] = temperature
            return incoming.with_document(document)
        except (ValueError, RecursionError):
            return incoming

    return Behaviour(receive=receive)


def _mended(value: Any) -> Any:
    if isinstance(value, dict):
        return {_mended(name): _mended(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _request_ids(form: str, refusal: Refusal, message: str) -> Behaviour:
    """A `request_id` has to be of a form, a regular expression; what is not is told nowhere."""
    other = request_id_is(rf"(?!(?:{form})\Z)[\s\S]*")
    own = sets("/error/request_id", lambda incoming, _: f"req_{incoming.nth}", ERRORS, other)
    return together(refuses(other, refusal, f"metadata.request_id: {message}"), own)


def _without_empty_id(document: dict[str, Any]) -> dict[str, Any] | None:
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("request_id") != "":
        return None
    return {**document, "metadata": {name: value for name, value in metadata.items() if name != "request_id"}}


def _request_ids_once(incoming: Incoming) -> bool:
    """True where another body has brought the same `metadata.request_id`."""
    request_id = incoming.reading.request_id
    if request_id is None:
        return False
    body = hashlib.sha256(incoming.path.encode() + incoming.body).hexdigest()
    return bool(incoming.memory.setdefault("request ids", {}).setdefault(request_id, body) != body)


def _idempotent() -> Behaviour:
    """The same body with the same `metadata.request_id` gets the first answer again, a decision too."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        request_id = incoming.reading.request_id
        if request_id is None or (isinstance(decision, Refuse) and decision.status != 409):
            return decision
        key = hashlib.sha256(f"{incoming.path} {incoming.token} ".encode() + incoming.body).hexdigest()
        answers: dict[str, Decision] = incoming.memory.setdefault("answers", {})
        return answers.setdefault(key, decision)

    return Behaviour(decide=decide)


def _undecided_count_as_approved() -> Behaviour:
    """Calls left undecided count as approved."""

    def receive(incoming: Incoming) -> Incoming:
        record = incoming.record
        if record is None or incoming.errors or not _undecided(incoming):
            return incoming
        named = {id_.lower() for id_ in _uuids(incoming)[2:]}
        left = [call.id for call in record.approval.calls if call.id not in named]
        document = sent(incoming)
        approved = [*(document.get("approved_tool_execution_ids") or []), *left]
        return incoming.with_document({**document, "approved_tool_execution_ids": approved})

    return Behaviour(receive=receive)


def _cleans_text() -> Behaviour:
    """Control characters are taken out of what the model says."""
    return speaks(
        lambda _, answer: replace(answer, tokens=tokens(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", answer.text)))
    )


VARIATIONS: tuple[Variation, ...] = (
    Variation("open-content-absent", "A message without `content` is refused.",
              _OPEN + "whether `content` may be absent",
              refuses(_any_message(lambda m: "content" not in m), _UNPROCESSABLE, "messages: content is required.")),
    Variation("open-blank-text", "Blank text is refused.", _OPEN + "blank text",
              refuses(
                  _any_message(lambda m: m.get("content") is not None and not text_of(m).strip()),
                  _BAD,
                  "messages: text content blocks must be non-empty.",
              )),
    Variation("open-order-of-roles", "User and assistant have to take turns, from user to user.",
              _OPEN + "the order of roles",
              refuses(_unnatural, _BAD, "Conversation roles must alternate user/assistant/user/assistant/…")),
    Variation("open-assistant-last", "An assistant message last is refused.", _OPEN + "an assistant message last",
              refuses(
                  lambda i: bool(sent_messages(i)) and sent_messages(i)[-1].get("role") == "assistant",
                  _BAD,
                  "The last message must be of the role user.",
              )),
    Variation("open-system-first", "A system message is taken as the first one only.", _OPEN + "the order of roles",
              refuses(
                  lambda i: any(m.get("role") == "system" for m in sent_messages(i)[1:]),
                  _BAD,
                  "A system message must come first.",
              )),
    Variation("open-tool-needs-call", "A tool message without its call is refused, a well-formed history taken.",
              _OPEN + "a `tool` message without its call",
              refuses(
                  _bare_tool,
                  _BAD,
                  "messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
              )),
    Variation("open-tool-bare-only",
              "A bare tool message is taken, `tool_calls` and `tool_call_id` are unknown fields.",
              _OPEN + "unknown extra fields; accept.roles: whichever it takes",
              refuses(
                  _any_message(lambda m: bool(set(m) - {"role", "content"})),
                  _UNPROCESSABLE,
                  "messages: extra inputs are not permitted.",
              )),
    Variation("open-unknown-fields-422", "Unknown fields are refused by 422.", _OPEN + "unknown extra fields",
              refuses(_unknown_fields, _UNPROCESSABLE, "Extra inputs are not permitted.")),
    Variation("open-unknown-fields-400", "Unknown fields are refused by 400.", _OPEN + "unknown extra fields",
              refuses(_unknown_fields, _BAD, "Unrecognized request argument supplied.")),
    Variation("open-nulls", "`null` in an optional field is refused.", _OPEN + "`null` in an optional field",
              refuses(_nulls, _UNPROCESSABLE, "A field is null.")),
    Variation("open-float-integers", "`1.0` for an integer is refused.", _OPEN + "`1.0` where an integer is asked for",
              refuses(_float_limits, _UNPROCESSABLE, "A limit has to be an integer.")),
    Variation("open-empty-parts", "An empty content array is refused.", _OPEN + "empty content arrays",
              refuses(_any_message(lambda m: m.get("content") == []), _BAD, "content: at least one part is needed.")),
    Variation("open-parts-bare", "Parts without `type` or `text` are refused.",
              _OPEN + "parts without `type` or `text`",
              refuses(
                  _any_part(lambda part: not {"type", "text"} <= set(part)), _BAD, "content: a part has no type."
              )),
    Variation("open-uuid-case", "UUIDs in upper case are refused.",
              _OPEN + "letter case and version of UUIDs in requests",
              refuses(
                  lambda i: any(id_ != id_.lower() for id_ in _uuids(i)), _BAD, "UUIDs are written in lower case."
              )),
    Variation("open-uuid-version", "UUIDs of another version than 4 are refused.",
              _OPEN + "letter case and version of UUIDs in requests",
              refuses(
                  lambda i: not all(_UUID4.fullmatch(id_.lower()) for id_ in _uuids(i)),
                  _BAD,
                  "UUIDs are of version 4.",
              )),
    Variation("open-other-groups-404", "Another group than its own is unknown (404).",
              _OPEN + "groups other than the target's own", set_to(models=(DEFAULT_MODEL,))),
    Variation("open-undecided-refused", "A resume has to decide on every call.",
              _OPEN + "calls left undecided on resume",
              refuses(_undecided, _UNPROCESSABLE, "Every waiting call has to be decided.")),
    Variation("open-undecided-approved", "Calls left undecided count as approved.",
              _OPEN + "calls left undecided on resume", _undecided_count_as_approved()),
    Variation("open-stream-limits", "Output limits are not respected inside a stream.",
              _OPEN + "output limits inside a stream", _unlimited_streams()),
    Variation("open-unknown-approval-first", "An unknown approval is told (404) before a resume's other faults.",
              _OPEN + "whether a resume's other faults are found before its unknown approval",
              _unknown_approval_first()),
    Variation("open-json-leniently", "JSON is read leniently: BOM, names twice, lone surrogates, NaN elsewhere.",
              _OPEN + "NaN and Infinity outside `temperature`; robust.json-edges asks for an answer",
              _leniently_read()),
    Variation("open-nesting", "Nesting of any depth is read.", "robust.json-edges asks for an answer",
              set_to(max_depth=100_000)),
    Variation("open-same-conversation", "A resume has to bring the paused request's own model and messages.",
              "Facts: resume adds members to the request; whether others may be changed is not told",
              together(
                  _remembering(),
                  refuses(
                      _other_conversation,
                      Refusal(409, "conflict_error", "conversation_differs"),
                      "The conversation is not the paused one.",
                  ),
              )),
    Variation("open-controls-dropped", "Control characters do not come back in answers.",
              "accept.unicode-edges asks that they be accepted, no more", _cleans_text()),
    Variation("open-request-id-once", "409 where another body has brought the same `request_id`.",
              "isolation.same-request-id: or answers one of them 4xx; every probe has its own",
              refuses(
                  _request_ids_once,
                  Refusal(409, "conflict_error", "request_id_used"),
                  "This request_id was used before.",
              )),
    Variation("open-request-id-plain", "A `request_id` has to be 1 to 64 printable characters of ASCII.",
              "accept.metadata: a `request_id`; of what form it may be, the documentation does not tell",
              _request_ids(r"[\x21-\x7e]{1,64}", _UNPROCESSABLE, "1 to 64 letters, digits and signs.")),
    Variation("open-request-id-128", "A `request_id` has 128 characters at most.",
              "accept.metadata: a `request_id`; how long it may be, the documentation does not tell",
              _request_ids(r"[\s\S]{0,128}", _UNPROCESSABLE, "at most 128 characters.")),
    Variation("open-request-id-header", "A `request_id` has to fit into a header field: ASCII, and not empty.",
              "accept.metadata: a `request_id`; of what form it may be, the documentation does not tell",
              _request_ids(r"[\x20-\x7e]+", _BAD, "not a value of a header field.")),
    Variation("open-request-id-empty", "An empty `request_id` counts as none: the answer has one of the server's own.",
              "kitemesh.request-id: gives a `request_id` also where none was sent",
              reads_document(_without_empty_id, always)),
    Variation("open-request-id-idempotent", "The same body with the same `request_id` gets its first answer again.",
              "completion.id-unique: each probe has its own prompt and `request_id`, so that no cache answers",
              _idempotent()),
    Variation("open-strict-in-all", "A server that refuses everything that is left open.", _OPEN + "each of them",
              together(
                  refuses(_any_message(lambda m: "content" not in m), _UNPROCESSABLE, "content is required."),
                  refuses(
                      _any_message(lambda m: m.get("content") is not None and not text_of(m).strip()),
                      _BAD,
                      "content is blank.",
                  ),
                  refuses(_unnatural, _BAD, "Roles must alternate."),
                  refuses(_unknown_fields, _UNPROCESSABLE, "Extra inputs are not permitted."),
                  refuses(_nulls, _UNPROCESSABLE, "A field is null."),
                  refuses(_float_limits, _UNPROCESSABLE, "A limit has to be an integer."),
                  refuses(lambda i: any(id_ != id_.lower() for id_ in _uuids(i)), _BAD, "UUIDs in lower case."),
                  refuses(_undecided, _UNPROCESSABLE, "Every waiting call has to be decided."),
                  refuses(_any_part(lambda part: set(part) != {"type", "text"}), _BAD, "parts of text only."),
                  set_to(models=(DEFAULT_MODEL,)),
              )),
)  # fmt: skip
