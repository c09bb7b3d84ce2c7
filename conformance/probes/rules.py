"""The table of rules: each breaks one keyword of the request schema at one place, and nothing else.

A rule takes a valid body and gives a copy with a single breach. Message rules keep the valid user messages and put the
bad one among them, so that the breach is the only one. `values` are the borders that the fixed probes send; strategies
for generated ones are in `conformance.probes.strategies`.

Left out on purpose, because reasonable servers differ: identifiers that a lenient UUID reader takes (no hyphens,
braces, white space around), `null` in optional fields, `1.0` for an integer (contract, "Left open …").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.contract.classify import CHAT, RESUME

_UUID = "123e4567-e89b-12d3-a456-426614174000"

Body = dict[str, Any]
Spot = int
"""Which message is broken: an index into the messages of the valid body, before which the bad one is put."""


class _Missing:
    def __repr__(self) -> str:
        return "absent"


MISSING = _Missing()
"""The breach is that the member is absent."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One breach of one keyword at one place."""

    id: str
    place: str
    """JSON Pointer to where the schema error lies; `*` stands for an index."""
    keyword: str
    requirement: str
    """Which requirement judges it on chat completions."""
    values: tuple[Any, ...]
    """Bad values at the border of what is valid; the first is the plainest."""
    apply: Callable[[Body, Any, Spot], Body]
    """(valid body, bad value, spot) to a body with the one breach."""
    endpoint: str = CHAT
    """`/chat/resume`: the rule breaks a member that only resume has."""


def _at(body: Body, path: tuple[str, ...], value: Any) -> Body:
    """A copy of the body with the value at the path; objects on the way are made where they are missing."""
    first, *rest = path
    copy = dict(body)
    if rest:
        inner = copy.get(first)
        copy[first] = _at(inner if isinstance(inner, dict) else {}, tuple(rest), value)
    elif value is MISSING:
        copy.pop(first, None)
    else:
        copy[first] = value
    return copy


def _member(*path: str) -> Callable[[Body, Any, Spot], Body]:
    return lambda body, value, spot: _at(body, path, value)


def _messages(make: Callable[[Any], Any]) -> Callable[[Body, Any, Spot], Body]:
    """Puts a bad message among the valid ones, which stay as they are."""

    def apply(body: Body, value: Any, spot: Spot) -> Body:
        messages = list(body["messages"])
        messages.insert(min(spot, len(messages)), make(value))
        # A body at the limit of 500 would get a second breach by one message more: another than the last gives way.
        if len(messages) > 500:
            del messages[0 if spot else 1]
        return {**body, "messages": messages}

    return apply


def _without_users(body: Body, roles: Any, spot: Spot) -> Body:
    """Every user message gets another role (by turns), so that texts, count and content forms stay."""
    messages = [
        {**m, "role": roles[i % len(roles)]} if m.get("role") == "user" else m for i, m in enumerate(body["messages"])
    ]
    return {**body, "messages": messages}


def many_messages(count: int, last: Any) -> list[Any]:
    """So many short messages in natural order, the given one last; an even count opens with a system message."""
    system = [{"role": "system", "content": "Be brief."}] if count % 2 == 0 else []
    turns = count - len(system) - 1
    return system + [{"role": ("user", "assistant")[i % 2], "content": f"{i}"} for i in range(turns)] + [last]


def _too_many(body: Body, count: Any, spot: Spot) -> Body:
    return {**body, "messages": many_messages(count, body["messages"][-1])}


def _denials(make: Callable[[str, Any], Any]) -> Callable[[Body, Any, Spot], Body]:
    """Breaks one denial: the last of those there are, or a new one of the waiting calls."""

    def apply(body: Body, value: Any, spot: Spot) -> Body:
        denied = list(body.get("denied_tools", []))
        approved = list(body.get("approved_tool_execution_ids", []))
        call = denied.pop()["tool_execution_id"] if denied else approved.pop() if approved else _UUID
        copy = {**body, "denied_tools": [*denied, make(call, value)]}
        if "approved_tool_execution_ids" in body:
            copy["approved_tool_execution_ids"] = approved
        return copy

    return apply


def _approved_item(body: Body, value: Any, spot: Spot) -> Body:
    return {**body, "approved_tool_execution_ids": [*body.get("approved_tool_execution_ids", []), value]}


def _tokens(member: str) -> list[Rule]:
    requirement = f"reject.{member.replace('_', '-').replace('max-completion', 'max-completion')}"
    name = member.replace("_", "-")
    return [
        Rule(f"{name}-type", f"/{member}", "type", requirement, (True, "16", 1.5, [16], {}), _member(member)),
        Rule(f"{name}-minimum", f"/{member}", "minimum", requirement, (0, -1), _member(member)),
        Rule(f"{name}-maximum", f"/{member}", "maximum", requirement, (200_001,), _member(member)),
    ]


RULES: tuple[Rule, ...] = (
    Rule("model-missing", "", "required", "reject.model", (MISSING,), _member("model")),
    Rule("model-type", "/model", "type", "reject.model", (None, 5, ["group:" + _UUID], {}, True), _member("model")),
    Rule("model-pattern", "/model", "pattern", "reject.model",
         ("gpt-4", _UUID, "group:not-a-uuid", "group:", "", f"user:{_UUID}", f"group:{_UUID[:-1]}",
          f"group:{_UUID[:-1]}g", f"group:{_UUID}0"), _member("model")),
    Rule("messages-missing", "", "required", "reject.messages", (MISSING,), _member("messages")),
    Rule("messages-type", "/messages", "type", "reject.messages", (None, "Hello", {}, 5, True), _member("messages")),
    Rule("messages-empty", "/messages", "minItems", "reject.messages", ([],), _member("messages")),
    Rule("messages-many", "/messages", "maxItems", "reject.messages", (501,), _too_many),
    Rule("no-user", "/messages", "contains", "reject.no-user-message",
         (("assistant",), ("system",), ("system", "assistant")), _without_users),
    Rule("message-type", "/messages/*", "type", "reject.message-shape", (None, "Hello", 5, [], True),
         _messages(lambda v: v)),
    Rule("role-missing", "/messages/*", "required", "reject.message-shape", (MISSING,),
         _messages(lambda v: {"content": "Hello"})),
    Rule("role-type", "/messages/*/role", "enum", "reject.message-shape", (None, 5, ["user"], {}),
         _messages(lambda v: {"role": v, "content": "Hello"})),
    Rule("role-enum", "/messages/*/role", "enum", "reject.message-shape",
         ("robot", "", "moderator", "User"), _messages(lambda v: {"role": v, "content": "Hello"})),
    Rule("content-type", "/messages/*/content", "type", "reject.message-shape", (5, {"text": "Hello"}, True, 1.5),
         _messages(lambda v: {"role": "user", "content": v})),
    Rule("part-type", "/messages/*/content/*", "type", "reject.message-shape", ("Hello", 5, None, ["Hello"]),
         _messages(lambda v: {"role": "user", "content": [{"type": "text", "text": "Hello"}, v]})),
    Rule("stream-type", "/stream", "type", "reject.stream-type", ("true", 1, 0, "false", [], {}), _member("stream")),
    *_tokens("max_tokens"),
    *_tokens("max_completion_tokens"),
    Rule("temperature-type", "/temperature", "type", "reject.temperature", ("1", True, [1], {}),
         _member("temperature")),
    Rule("temperature-minimum", "/temperature", "minimum", "reject.temperature", (-0.1, -0.0001, -1),
         _member("temperature")),
    Rule("temperature-maximum", "/temperature", "maximum", "reject.temperature", (2.1, 2.0001, 3),
         _member("temperature")),
    Rule("metadata-type", "/metadata", "type", "reject.metadata", ("x", [], 5, True), _member("metadata")),
    Rule("mode-type", "/metadata/mode", "enum", "reject.metadata", (5, True, ["auto"], {}),
         _member("metadata", "mode")),
    Rule("mode-enum", "/metadata/mode", "enum", "reject.metadata", ("turbo", "", "automatic", "AUTO"),
         _member("metadata", "mode")),
    Rule("request-id-type", "/metadata/request_id", "type", "reject.metadata", (5, {}, True, ["x"]),
         _member("metadata", "request_id")),
)  # fmt: skip
"""Breaches of what both endpoints share."""

RESUME_RULES: tuple[Rule, ...] = (
    Rule("approval-id-missing", "", "required", "resume.approval-id", (MISSING,), _member("approval_id"), RESUME),
    Rule("approval-id-type", "/approval_id", "type", "resume.approval-id", (None, 5, {}, True),
         _member("approval_id"), RESUME),
    Rule("approval-id-format", "/approval_id", "pattern", "resume.approval-id", ("not-a-uuid", "", _UUID[:-1]),
         _member("approval_id"), RESUME),
    Rule("approved-type", "/approved_tool_execution_ids", "type", "resume.decision-shape", ("all", {}, 5, True),
         _member("approved_tool_execution_ids"), RESUME),
    Rule("approved-item-type", "/approved_tool_execution_ids/*", "type", "resume.decision-shape", (5, None, {}, True),
         _approved_item, RESUME),
    Rule("approved-item-format", "/approved_tool_execution_ids/*", "pattern", "resume.decision-shape",
         ("not-a-uuid", ""), _approved_item, RESUME),
    Rule("denied-type", "/denied_tools", "type", "resume.decision-shape", ("all", {}, 5, True),
         _member("denied_tools"), RESUME),
    Rule("denied-item-type", "/denied_tools/*", "type", "resume.decision-shape", (5, None, "not-an-object", []),
         _denials(lambda call, v: call if v == "not-an-object" else v), RESUME),
    Rule("denied-id-missing", "/denied_tools/*", "required", "resume.decision-shape", (MISSING,),
         _denials(lambda call, v: {"reason": "no"}), RESUME),
    Rule("denied-id-type", "/denied_tools/*/tool_execution_id", "type", "resume.decision-shape", (5, None, {}, True),
         _denials(lambda call, v: {"tool_execution_id": v}), RESUME),
    Rule("denied-id-format", "/denied_tools/*/tool_execution_id", "pattern", "resume.decision-shape",
         ("not-a-uuid", ""), _denials(lambda call, v: {"tool_execution_id": v}), RESUME),
    Rule("denied-reason-type", "/denied_tools/*/reason", "type", "resume.decision-shape", (5, {}, True, []),
         _denials(lambda call, v: {"tool_execution_id": call, "reason": v}), RESUME),
)  # fmt: skip
"""Breaches of what resume adds."""

BY_ID = {rule.id: rule for rule in (*RULES, *RESUME_RULES)}


@dataclass(frozen=True, slots=True)
class RawRule:
    """A body that is not a JSON object, made from a valid body's octets."""

    id: str
    make: Callable[[bytes], bytes]
    requirement: str = "reject.body"


RAW_RULES: tuple[RawRule, ...] = (
    RawRule("empty", lambda b: b""),
    RawRule("blank", lambda b: b"  \n"),
    RawRule("cut", lambda b: b[: len(b) // 2]),
    RawRule("cut-last", lambda b: b[:-1]),
    RawRule("array", lambda b: b"[" + b + b"]"),
    RawRule("string", lambda b: b'"Hello"'),
    RawRule("number", lambda b: b"5"),
    RawRule("null", lambda b: b"null"),
    RawRule("true", lambda b: b"true"),
    RawRule("trailing-text", lambda b: b + b" x"),
    RawRule("trailing-object", lambda b: b + b"{}"),
    RawRule("trailing-comma", lambda b: b[:-1] + b",}"),
    RawRule("single-quotes", lambda b: b.replace(b'"', b"'")),
    RawRule("bare-keys", lambda b: b.replace(b'"model"', b"model", 1)),
    RawRule("text", lambda b: b"Hello"),
    RawRule("form", lambda b: b"model=group&messages=Hello"),
)
