"""Ways in which servers in the field tell of an error by an event of a stream.

Before any chunk such an event is an error with a 2xx status; after chunks it tells of a failed answer, and breaks
nothing (contract, "Failed answers").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Object = dict[str, Any]
Told = Callable[[Object], Object]
"""The event that tells of the error, from a chunk of the stream."""

_UPSTREAM: Object = {"code": 502, "message": "Upstream error: the provider closed the connection."}


def _bare(like: Object) -> Object:
    """The standard error object."""
    request_id = like.get("kitemesh", {}).get("request_id", "")
    told = {"message": "The model was interrupted.", "type": "server_error", "code": "upstream_interrupted"}
    return {"error": {**told, "request_id": request_id}}


def _empty(like: Object) -> Object:
    return {"id": like["id"], "choices": [], "error": _UPSTREAM}


def _null(like: Object) -> Object:
    return {**_envelope(like), "choices": None, "error": _UPSTREAM}


def _finishing(like: Object) -> Object:
    """OpenRouter's: the error is next to a choice that it ends."""
    choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "error"}
    return {**_envelope(like), "provider": "Upstream", "choices": [choice], "error": _UPSTREAM}


def _in_choice(like: Object) -> Object:
    choice = {"index": 0, "delta": {}, "finish_reason": "error", "error": _UPSTREAM}
    return {**_envelope(like), "choices": [choice]}


def _text(like: Object) -> Object:
    return {"error": "an error was encountered while running the model"}


def _envelope(like: Object) -> Object:
    return {name: like[name] for name in ("id", "object", "created", "model")}


FORMS: Mapping[str, Told] = {
    "bare": _bare,
    "empty-choices": _empty,
    "null-choices": _null,
    "finishing-choice": _finishing,
    "in-choice": _in_choice,
    "text": _text,
}
"""Name to form."""
