"""From a decision to JSON objects: pure builders, one for each documented kind of answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from conformance.reference.decision import Call, PendingCalls, Refuse, Serve

Object = dict[str, Any]


def error(decision: Refuse) -> Object:
    """The standard error object (O)."""
    return {
        "error": {
            "message": decision.message,
            "type": decision.type,
            "code": decision.code,
            "request_id": decision.request_id,
        }
    }


def completion(decision: Serve) -> Object:
    """The standard answer (S)."""
    message = {"role": "assistant", "content": decision.text}
    return {
        "id": decision.id,
        "object": "chat.completion",
        "created": decision.created,
        "model": decision.model,
        "choices": [{"index": 0, "message": message, "finish_reason": decision.finish_reason}],
        "usage": {
            "prompt_tokens": decision.prompt_tokens,
            "completion_tokens": len(decision.tokens),
            "total_tokens": decision.prompt_tokens + len(decision.tokens),
        },
        "kitemesh": _charged(decision),
    }


def approval(decision: Serve, waiting: PendingCalls) -> Object:
    """The answer that waits for approval (S)."""
    message = {"role": "assistant", "content": None, "tool_calls": [_call(call) for call in waiting.calls]}
    return {
        "id": decision.id,
        "object": "chat.completion",
        "created": decision.created,
        "model": decision.model,
        "choices": [{"index": 0, "message": message, "finish_reason": decision.finish_reason}],
        "kitemesh": _waiting(waiting),
    }


def chunks(decision: Serve, tokens_each: int) -> list[Object]:
    """A text stream (S, C): one chunk opens it, then `tokens_each` tokens a chunk, and one closes it.

    Tokens are whole words, so no character is ever split between two chunks (chunk.text-intact).
    """
    texts = [
        "".join(decision.tokens[start : start + tokens_each]) for start in range(0, len(decision.tokens), tokens_each)
    ]
    return [
        _chunk(decision, {"role": "assistant", "content": ""}),
        *(_chunk(decision, {"content": text}) for text in texts),
        {**_chunk(decision, {}, decision.finish_reason), "kitemesh": _charged(decision)},
    ]


def approval_chunks(decision: Serve, waiting: PendingCalls) -> list[Object]:
    """A stream that ends by waiting for approval (S): calls, reason and approval in one chunk.

    The documented calls have no `index`; the clients that people use join fragments by it, so it is added.
    """
    calls = [{"index": index, **_call(call)} for index, call in enumerate(waiting.calls)]
    return [
        _chunk(decision, {"role": "assistant", "content": None}),
        {
            **_chunk(decision, {"tool_calls": calls}, decision.finish_reason),
            "kitemesh": {**_waiting(waiting), "request_id": decision.request_id},
        },
    ]


def timestamp(seconds: float) -> str:
    """Unix seconds as RFC 3339 in UTC, with milliseconds and `Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _chunk(decision: Serve, delta: Object, finish_reason: str | None = None) -> Object:
    return {
        "id": decision.id,
        "object": "chat.completion.chunk",
        "created": decision.created,
        "model": decision.model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }


def _call(call: Call) -> Object:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _charged(decision: Serve) -> Object:
    return {
        "execution_id": decision.execution_id,
        "credits_charged": decision.credits_charged,
        "request_id": decision.request_id,
    }


def _waiting(waiting: PendingCalls) -> Object:
    return {
        "approval_id": waiting.id,
        "execution_id": waiting.execution_id,
        "expires_at": timestamp(waiting.expires),
    }
