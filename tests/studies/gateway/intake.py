"""Reads a request's body and judges it: by `schemas/`, and by the rules of contract.md that no schema tells."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

Json = dict[str, Any]

SCHEMAS = Path(__file__).resolve().parents[3] / "schemas"
DEEP = 100
"""Levels of nesting."""
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
OWN_MEMBERS = ("metadata", "max_completion_tokens", "approval_id", "approved_tool_execution_ids", "denied_tools")
"""Members that are for KiteMesh and stay here; the limit goes on as `max_tokens`, which every server knows."""


class Refusal(Exception):
    """An error answer: the status, and what the error object says."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str = "invalid_request",
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.kind, self.headers = status, message, code, kind, headers or {}


@dataclass(frozen=True, slots=True)
class Decision:
    """What a resume decides; ids in small letters."""

    approval_id: str
    approved: frozenset[str]
    denied: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ask:
    """A body that passed."""

    body: Json = field(repr=False)
    model: str
    prompt: str
    stream: bool
    request_id: str
    decision: Decision | None = None


def _validators() -> dict[str, Draft202012Validator]:
    loaded = {name: json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
              for name in ("shared", "request", "resume-request")}  # fmt: skip
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in loaded.values()
    )
    checker = FormatChecker(())
    checker.checks("uuid")(lambda value: not isinstance(value, str) or UUID.fullmatch(value) is not None)
    return {
        name: Draft202012Validator(schema, registry=registry, format_checker=checker) for name, schema in loaded.items()
    }


VALIDATORS = _validators()


def members(octets: bytes) -> Json:
    """The JSON object that a body is.

    Raises:
        Refusal: it is none, or none that can be passed on.
    """
    try:
        value = json.loads(octets.decode(), parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise Refusal(400, "The body is no JSON text in UTF-8.", "invalid_json") from None
    if not isinstance(value, dict):
        raise Refusal(400, "The body is no JSON object.")
    if _deeper(value, DEEP):
        raise Refusal(400, f"The body is nested more than {DEEP} levels deep.")
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Refusal(400, "A text in the body holds half a character (a lone surrogate).", "invalid_json") from None
    return value


def _deeper(value: Any, most: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    items = value.values() if isinstance(value, dict) else value
    return most == 0 or any(_deeper(item, most - 1) for item in items)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(digits: str) -> float:
    if math.isinf(value := float(digits)):
        raise ValueError(f"{digits[:20]} is too large")
    return value


def given_request_id(body: Json) -> str | None:
    """`metadata.request_id`, where it is text."""
    metadata = body.get("metadata")
    value = metadata.get("request_id") if isinstance(metadata, dict) else None
    return value if isinstance(value, str) else None


def judged(body: Json, resume: bool, request_id: str) -> Ask:
    """The body as a question.

    Raises:
        Refusal: it breaks a rule.
    """
    found = VALIDATORS["resume-request" if resume else "request"].iter_errors(body)
    if (error := min(found, key=lambda e: list(map(str, e.absolute_path)), default=None)) is not None:
        place = "/".join(map(str, error.absolute_path)) or "the body"
        raise Refusal(400, f"{place}: breaks the rule {error.validator!r} of the request schema.")
    decision = _decision(body) if resume else None
    prompt = [text_of(message.get("content")) for message in body["messages"] if message["role"] == "user"][-1]
    return Ask(body, body["model"], prompt, bool(body.get("stream")), request_id, decision)


def _decision(body: Json) -> Decision:
    approved = frozenset(value.lower() for value in body.get("approved_tool_execution_ids") or ())
    denied = frozenset(item["tool_execution_id"].lower() for item in body.get("denied_tools") or ())
    if approved & denied:
        raise Refusal(400, "One call is both approved and denied.")
    return Decision(body["approval_id"].lower(), approved, denied)


def text_of(content: Any) -> str:
    """The text of a message's content, whichever form it has."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""


def question(ask: Ask, model: str, note: str = "", most_tokens: int | None = None) -> bytes:
    """The body for the upstream: plain texts, its own model's name, one limit of tokens.

    `note` is added to the prompt. `most_tokens`: what the upstream can do at the most; None: all that is asked for.
    """
    body = {name: value for name, value in ask.body.items() if name not in OWN_MEMBERS and value is not None}
    limit = ask.body.get("max_completion_tokens") or ask.body.get("max_tokens")
    if limit is not None:
        body["max_tokens"] = int(min(limit, most_tokens or limit))
    messages = [_plain(message) for message in body["messages"]]
    if note:
        last = max(number for number, message in enumerate(messages) if message["role"] == "user")
        content = messages[last]["content"]
        noted = f"{content}\n{note}" if isinstance(content, str) else [*content, {"type": "text", "text": note}]
        messages[last] = {**messages[last], "content": noted}
    return json.dumps({**body, "model": model, "messages": messages}).encode()


def _plain(message: Json) -> Json:
    content = message.get("content")
    if isinstance(content, list) and any(part.get("type") != "text" for part in content):
        return message
    return {**message, "content": text_of(content)}
