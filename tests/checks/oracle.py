"""What the contract says of an answer, told once more, plainly: a second opinion for tests that change answers.

`answer`, `approval`, `stream` and `error` give the level of the worst breach that they see: MUST, SHOULD or FINE; or
UNSURE where the contract can be read in two ways, or two tries would be needed to tell. Written from the tables
"Facts" and "Requirements" of the contract, with nothing but Python: no schema, and no function of the checks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

FINE, SHOULD, UNSURE, MUST = "fine", "should", "unsure", "must"
_ORDER = (FINE, SHOULD, UNSURE, MUST)
FINISHED = ("stop", "length", "tool_calls", "content_filter")
_HEX = re.compile("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def worst(levels: Iterator[str]) -> str:
    """The worst of several levels."""
    return max((FINE, *levels), key=_ORDER.index)


def _whole(value: Any) -> bool:
    """An integer to JSON Schema: 1.0 is one, true is none."""
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value % 1 == 0)


def _at_least_zero(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _is_uuid(value: Any) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _envelope(value: Any, kind: str, model: str, now: float) -> Iterator[str]:
    """`id`, `object`, `created` and `model`."""
    if not isinstance(value.get("id"), str) or value.get("object") != kind or value.get("model") != model:
        yield MUST
    if not _whole(value.get("created")) or abs(value["created"] - now) > 300:
        yield MUST


def _choices(value: Any) -> list[Any] | None:
    """The choices, where they are an array of objects with messages."""
    choices = value.get("choices")
    if not isinstance(choices, list) or not choices:
        return None
    return choices if all(isinstance(c, dict) and isinstance(c.get("message"), dict) for c in choices) else None


def answer(value: Any, model: str, request_id: str, now: float) -> str:
    """A standard answer in JSON."""
    return worst(_answer(value, model, request_id, now))


def _answer(value: Any, model: str, request_id: str, now: float) -> Iterator[str]:
    if not isinstance(value, dict) or (choices := _choices(value)) is None:
        yield MUST
        return
    yield from _envelope(value, "chat.completion", model, now)
    for number, choice in enumerate(choices):
        message, reason = choice["message"], choice.get("finish_reason")
        if not _whole(choice.get("index")) or choice["index"] != number or message.get("role") != "assistant":
            yield MUST
        if reason not in FINISHED or (reason == "tool_calls") != bool(message.get("tool_calls")):
            yield MUST
        content = message.get("content")
        if not isinstance(content, str) and (content is not None or reason == "stop"):
            yield MUST
        if content == "" and reason == "stop":
            yield UNSURE
    usage = value.get("usage")
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    if not isinstance(usage, dict) or not all(_whole(usage.get(name)) and usage[name] >= 0 for name in names):
        yield MUST
    elif usage["total_tokens"] != usage["prompt_tokens"] + usage["completion_tokens"]:
        yield MUST if usage["total_tokens"] < usage["prompt_tokens"] + usage["completion_tokens"] else SHOULD
    extension = value.get("kitemesh")
    if not isinstance(extension, dict):
        yield MUST
        return
    if not _is_uuid(extension.get("execution_id")) or not _at_least_zero(extension.get("credits_charged")):
        yield MUST
    if extension.get("request_id") != request_id:
        yield MUST
    if extension.get("approval_id") is not None:
        yield SHOULD


def _calls(calls: Any) -> Iterator[str]:
    if not isinstance(calls, list) or not calls or not all(isinstance(call, dict) for call in calls):
        yield MUST
        return
    if len({str(call.get("id")).lower() for call in calls}) < len(calls):
        yield MUST
    for call in calls:
        function = call.get("function")
        if not _is_uuid(call.get("id")) or call.get("type") != "function" or not isinstance(function, dict):
            yield MUST
            continue
        name, arguments = function.get("name"), function.get("arguments")
        if not isinstance(name, str) or not name.strip() or not isinstance(arguments, str):
            yield MUST
        elif not _is_object(arguments):
            yield UNSURE


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _waiting(extension: Any, now: float) -> Iterator[str]:
    """The `kitemesh` of an approval."""
    if not isinstance(extension, dict):
        yield MUST
        return
    expires = extension.get("expires_at")
    if not _is_uuid(extension.get("approval_id")) or not _is_uuid(extension.get("execution_id")):
        yield MUST
    if (
        not isinstance(expires, str)
        or not _TIME.fullmatch(expires)
        or datetime.fromisoformat(expires.upper()).timestamp() <= now
    ):
        yield MUST


def approval(value: Any, model: str, now: float) -> str:
    """An approval answer in JSON."""
    return worst(_approval(value, model, now))


def _approval(value: Any, model: str, now: float) -> Iterator[str]:
    if not isinstance(value, dict) or (choices := _choices(value)) is None:
        yield MUST
        return
    yield from _envelope(value, "chat.completion", model, now)
    yield from _waiting(value.get("kitemesh"), now)
    choice, message = choices[0], choices[0]["message"]
    if not _whole(choice.get("index")) or choice["index"] != 0 or message.get("role") != "assistant":
        yield MUST
    if choice.get("finish_reason") != "tool_calls":
        yield MUST
    yield from _calls(message.get("tool_calls"))
    if message.get("content") is not None:
        yield SHOULD


def stream(events: list[Any], model: str, request_id: str, now: float, waits: bool) -> str:
    """A stream's events, each a JSON value or the text `[DONE]`; `waits`: it asks for an approval."""
    return worst(_stream(events, model, request_id, now, waits))


def _stream(events: list[Any], model: str, request_id: str, now: float, waits: bool) -> Iterator[str]:
    if events.count("[DONE]") != 1 or events[-1] != "[DONE]":
        yield MUST
    chunks = [event for event in events if event != "[DONE]"]
    if not chunks or not all(isinstance(chunk, dict) for chunk in chunks):
        yield MUST
        return
    # Chunks with empty `choices` are judged by stream.json-data alone.
    judged = [chunk for chunk in chunks if chunk.get("choices") != []]
    for chunk in judged:
        yield from _envelope(chunk, "chat.completion.chunk", model, now)
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not all(isinstance(c, dict) for c in choices):
            yield MUST
            return
        if not all(isinstance(c.get("delta"), dict) and _whole(c.get("index")) and c["index"] >= 0 for c in choices):
            yield MUST
            return
    if len({json.dumps(chunk.get("id")) for chunk in judged}) > 1:
        yield MUST
    if len({json.dumps(chunk.get("created")) for chunk in judged}) > 1:
        yield SHOULD
    yield from _deltas(judged, waits)
    if waits:
        yield from _streamed_approval(chunks, request_id, now)
        return
    told = [chunk["kitemesh"] for chunk in chunks if isinstance(chunk.get("kitemesh"), dict)]
    if any(not isinstance(chunk.get("kitemesh", {}), dict | None) for chunk in chunks):
        yield UNSURE
    ids = [extension["execution_id"] for extension in told if extension.get("execution_id") is not None]
    asked = [extension["request_id"] for extension in told if extension.get("request_id") is not None]
    if told and (not ids or not all(map(_is_uuid, ids)) or not asked or any(id_ != request_id for id_ in asked)):
        yield SHOULD
    if any(extension.get("approval_id") is not None for extension in told):
        yield SHOULD


def _deltas(chunks: list[Any], waits: bool) -> Iterator[str]:
    """Roles, content and the end of each choice."""
    ended: dict[int, int] = {}
    texts: dict[int, str] = {}
    stopped: set[int] = set()
    for number, chunk in enumerate(chunks):
        for choice in chunk["choices"]:
            index, delta, reason = int(choice["index"]), choice["delta"], choice.get("finish_reason")
            ended.setdefault(index, 0)
            role, content = delta.get("role"), delta.get("content")
            opening = number == 0 and not delta.get("tool_calls") and not _approves(chunk)
            if (role is None and opening) or (role is not None and role != "assistant"):
                yield SHOULD
            if content is not None and not isinstance(content, str):
                yield MUST
                continue
            if ended[index] and (content or delta.get("tool_calls")):
                yield MUST
            texts[index] = texts.get(index, "") + (content or "")
            if reason is not None:
                ended[index] += 1
                if reason not in FINISHED or (reason == "tool_calls" and not waits):
                    yield MUST
                if reason == "stop":
                    stopped.add(index)
    if any(count != 1 for count in ended.values()) or not ended:
        yield MUST
    if not waits and any(not texts[index] for index in stopped):
        yield MUST


def _approves(chunk: Any) -> bool:
    return isinstance(chunk.get("kitemesh"), dict) and chunk["kitemesh"].get("approval_id") is not None


def _streamed_approval(chunks: list[Any], request_id: str, now: float) -> Iterator[str]:
    calls: list[Any] = []
    for chunk in chunks:
        for choice in chunk.get("choices") or []:
            found = choice["delta"].get("tool_calls")
            if found is None:
                continue
            if not isinstance(found, list):
                yield MUST
                return
            calls += found
    yield from _calls(calls)
    indexes = [call.get("index") for call in calls if isinstance(call, dict)]
    if any(index is not None and not _whole(index) for index in indexes):
        yield UNSURE
    reasons = [c.get("finish_reason") for chunk in chunks for c in chunk.get("choices") or []]
    if "tool_calls" not in [reason for reason in reasons if isinstance(reason, str)]:
        yield MUST
    told = [chunk["kitemesh"] for chunk in chunks if isinstance(chunk.get("kitemesh"), dict)]
    joined = {key: value for extension in told for key, value in extension.items() if value is not None}
    yield from _waiting(joined, now)
    if joined.get("request_id") != request_id:
        yield SHOULD


def error(value: Any, request_id: str, *, denies: bool = False) -> str:
    """The object of a 401 (`denies`) or 422."""
    found = value.get("error") if isinstance(value, dict) else None
    if not isinstance(found, dict):
        return MUST
    if not all(isinstance(found.get(member), str) for member in ("message", "type", "code", "request_id")):
        return MUST
    if denies:
        known = found["type"] == found["code"] == "authentication_error"
        return FINE if known else SHOULD
    return FINE if found["request_id"] == request_id else SHOULD
