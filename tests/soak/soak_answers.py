"""Made-up exchanges of a soak: what a conforming server answers to what `asking` sends, and ways to break it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import UUID

from conformance.soak import asking
from conformance.soak.markers import Key, Marker
from conformance.transcript.exchange import Credential, Ending, Exchange, Piece, ProbeNote, Request, Response

MODEL = "group:123e4567-e89b-42d3-a456-426614174000"
URL = "http://127.0.0.1:9/v1/chat/completions"
STARTED = 1_790_000_000.0
KEPT = {"suite": "made up", "model": MODEL}


def exchange(
    key: Key,
    number: int,
    *,
    worker: int = 0,
    said: str | None = None,
    id_: str | None = None,
    execution: str | None = None,
    request_id: str | None = None,
    status: int | None = None,
    at: float | None = None,
) -> Exchange:
    """The exchange of a request with the answer that it deserves, but for what is given."""
    marker = Marker(worker, number)
    flow = asking.flow(key, marker, MODEL)
    send = next(flow.steps(1))
    body = json.loads(send.body)
    own = hexadecimal(marker.name)
    told = {
        "id": id_ or f"chatcmpl_{own}",
        "created": int(STARTED),
        "model": MODEL,
        "text": said if said is not None else key.word(marker),
        "kitemesh": {
            "execution_id": execution or str(UUID(own)),
            "credits_charged": 1,
            "request_id": request_id or body["metadata"]["request_id"],
        },
    }
    if status is not None:
        answer = error(status, told["kitemesh"]["request_id"])
    elif "temperature" in body:
        answer = error(422, told["kitemesh"]["request_id"])
    else:
        answer = stream(told) if body.get("stream") else completion(told)
    request = Request("POST", URL, (("Content-Type", "application/json"),), send.body, Credential.OWN)
    started = STARTED + (number * 0.01 if at is None else at)
    note = ProbeNote(area="soak", phase="concurrent", flow=flow.name, probe=flow.name)
    return Exchange(flow.name, request, answer, Ending.COMPLETE, started, 0.2, note=note)


def world(key: Key, numbers: Iterable[int], **changed: Any) -> list[Exchange]:
    """Several of them, which overlap in time."""
    return [exchange(key, number, **changed) for number in numbers]


def edited(one: Exchange, edit: Callable[[bytes], bytes]) -> Exchange:
    """The exchange with another answer's body."""
    assert one.response is not None
    body = edit(one.response.body)
    return replace(one, response=replace(one.response, body=body, pieces=(Piece(0.1, len(body)),)))


def hexadecimal(name: str) -> str:
    """32 digits of a name."""
    return sha256(name.encode()).hexdigest()[:32]


def completion(told: dict[str, Any]) -> Response:
    choice = {"index": 0, "message": {"role": "assistant", "content": told["text"]}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 6, "completion_tokens": 1, "total_tokens": 7}
    kept = {name: told[name] for name in ("id", "created", "model", "kitemesh")}
    return response(200, "application/json", {**kept, "object": "chat.completion", "choices": [choice], "usage": usage})


def stream(told: dict[str, Any]) -> Response:
    kept = {**{name: told[name] for name in ("id", "created", "model")}, "object": "chat.completion.chunk"}

    def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
        return {**kept, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}

    chunks = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": told["text"][:7]}),
        chunk({"content": told["text"][7:]}),
        chunk({}, "stop", kitemesh=told["kitemesh"]),
    ]
    events = [f"data: {json.dumps(one)}\n\n" for one in chunks]
    return response(200, "text/event-stream", "".join([*events, "data: [DONE]\n\n"]))


def error(status: int, request_id: str) -> Response:
    kind = (
        ("rate_limit_error", "rate_limit_exceeded") if status == 429 else ("invalid_request_error", "invalid_request")
    )
    told = {"message": "It is not taken.", "type": kind[0], "code": kind[1], "request_id": request_id}
    return response(status, "application/json", {"error": told}, ("Retry-After", "1"))


def response(status: int, media_type: str, value: object, *more: tuple[str, str]) -> Response:
    body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
    fields = (("Content-Type", media_type), ("Date", "Mon, 21 Sep 2026 14:13:20 GMT"), *more)
    return Response(status, fields, body, headers_at=0.05, pieces=(Piece(0.1, len(body)),))
