"""Conforming exchanges, made without a network, and what is done to them to break one thing.

`chat`, `chat_stream`, `paused`, `paused_stream`, `resumed`, `refused`, `denied` … give exchanges in which everything
holds (contract, "Facts"); `put`, `without`, `with_body`, `with_events` … give a copy with one change. `judged` gives
the verdict on some of them, with `conformance.judging.judge.judge` as on any transcript.

Ids and words come from the exchange's name, so two exchanges never share one by accident. An exchange is put on the
clock by `transcript`, one after the other; `at` says when it started where that matters.
"""

from __future__ import annotations

import copy
import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from inspect import signature
from typing import Any

from conformance.evidence.finding import Finding
from conformance.judging import judge as judging
from conformance.judging.verdict import State, Verdict
from conformance.transcript.exchange import (
    Credential,
    Ending,
    Exchange,
    Headers,
    Piece,
    ProbeNote,
    Request,
    Response,
    Transcript,
)

MODEL = "group:123e4567-e89b-42d3-a456-426614174000"
OTHER_MODEL = "group:123e4567-e89b-42d3-a456-426614174001"
URL = "https://api.example.com/v1"
CHAT, RESUME = "/chat/completions", "/chat/resume"
NOW = 1_790_000_000
"""Unix seconds at which the first exchange starts."""
STEP = 2.0
"""Seconds between two exchanges that were not told when to start."""
UNPLACED = -1.0
AHEAD = 1_795_372_049
"""Unix seconds by a server's clock that is two months ahead."""
AHEAD_DATES = (
    "Sun, 22 Nov 2026 18:27:29 GMT", "Sun, 22 Nov 2026 18:27:29 -0000", "Sun, 22 Nov 2026 18:27:29 UTC",
    "Sun, 22 Nov 2026 19:27:29 +0100", "Sun, 22 Nov 2026 18:27:29", "Sunday, 22-Nov-26 18:27:29 GMT",
    "Sun Nov 22 18:27:29 2026",
)  # fmt: skip
"""The same as a `Date` in all its forms (RFC 9110, section 5.6.7)."""
OPTIONS: Mapping[str, Any] = {
    "suite": "0", "seed": 1, "model": MODEL, "modes": ["auto", "normal", "orch", "synth"], "second_token": True,
    "wait_expiry": 10.0, "approval_prompt": "Please create a ticket.", "depth": "standard",
}  # fmt: skip
JSON_TYPE = "application/json"
STREAM_TYPE = "text/event-stream"
APPROVAL_PROMPT = "Please create a ticket."
LONG_TASK = "Count from 1 to 60, one number per line. Write every number and nothing else."

Json = Any


# --- names


def identifier(*names: str) -> str:
    """A UUID that depends on nothing but the names."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(names)))


def word(name: str) -> str:
    """A word of twelve letters that depends on nothing but the name."""
    return "".join(chr(ord("a") + octet % 26) for octet in hashlib.sha256(name.encode()).digest()[:12])


# --- requests


def sent(
    name: str, *, prompt: str | None = None, messages: Json = None, request_id: bool = True, **fields: Json
) -> Json:
    """A valid request: one user message that asks for a fresh word, a `request_id`, and the fields given."""
    made: dict[str, Any] = {"model": MODEL}
    made["messages"] = messages or [{"role": "user", "content": prompt or f"Reply with just this word: {word(name)}"}]
    if request_id:
        made["metadata"] = {"request_id": f"req-{name}", **fields.pop("metadata", {})}
    return {**made, **fields}


def octets(value: Json) -> bytes:
    """A JSON value's octets; octets stay as they are."""
    return value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def exchange(
    name: str,
    body: Json,
    response: Response | None,
    *,
    endpoint: str = CHAT,
    method: str = "POST",
    credential: Credential = Credential.OWN,
    authorization: str | None = None,
    content_type: str | None = JSON_TYPE,
    accept_encoding: str = "identity",
    ending: Ending = Ending.COMPLETE,
    at: float = UNPLACED,
    took: float = 0.2,
    error: str = "",
    **note: Any,
) -> Exchange:
    """An exchange: `body` is a JSON value, octets, or None where it is not known; `note` are members of `ProbeNote`."""
    shown = {
        Credential.NONE: None, Credential.EMPTY: "Bearer", Credential.OTHER_SCHEME: "Basic ********",
    }.get(credential, authorization or "Bearer ********")  # fmt: skip
    headers = (
        ("Host", "api.example.com"), ("Accept-Encoding", accept_encoding), ("Content-Type", content_type),
        ("Authorization", shown),
    )  # fmt: skip
    request = Request(
        method,
        URL + endpoint,
        tuple((key, value) for key, value in headers if value is not None),
        None if body is None else octets(body),
        credential,
    )
    kept = {"probe": name, "flow": name, "phase": "calm", **note}
    return Exchange(name, request, response, ending, at, took, error, ProbeNote(**kept))


def answer(
    body: Json, status: int = 200, media_type: str | None = JSON_TYPE, *headers: tuple[str, str], at: float = 0.1
) -> Response:
    """A response with a JSON value or octets, in one piece."""
    data = octets(body)
    fields: Headers = (("Content-Type", media_type),) if media_type is not None else ()
    length = (("Content-Length", str(len(data))),)
    pieces = (Piece(at, len(data)),) if data else ()
    return Response(status, (*fields, *length, *headers), data, headers_at=at, pieces=pieces)


def streamed(events: Sequence[Json], times: Sequence[float] | None = None, status: int = 200) -> Response:
    """A response that is an event stream; each event is a JSON value, a text (its data) or octets (its whole block)."""
    blocks = [_block(event) for event in events]
    arrived = times or [0.05 + 0.01 * number for number in range(len(blocks))]
    pieces = tuple(Piece(at, len(block)) for at, block in zip(arrived, blocks, strict=True))
    headers = (("Content-Type", STREAM_TYPE), ("Cache-Control", "no-store"), ("Transfer-Encoding", "chunked"))
    return Response(status, headers, b"".join(blocks), headers_at=0.05, pieces=pieces)


def _block(event: Json) -> bytes:
    if isinstance(event, bytes):
        return event
    return b"data: " + (event.encode() if isinstance(event, str) else octets(event)) + b"\n\n"


# --- answers' values


def envelope(name: str, kind: str, model: str = MODEL) -> dict[str, Any]:
    return {"id": f"chatcmpl_{identifier(name)}", "object": kind, "created": NOW, "model": model}


def extension(name: str, execution: str | None = None) -> dict[str, Any]:
    return {"execution_id": execution or identifier(name, "execution"), "credits_charged": 1}


def completion(name: str, text: str, finish_reason: str = "stop") -> dict[str, Any]:
    """A standard answer."""
    message = {"role": "assistant", "content": text}
    return {
        **envelope(name, "chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
        "kitemesh": {**extension(name), "request_id": f"req-{name}"},
    }


def call(name: str, number: int = 0) -> dict[str, Any]:
    """A tool call."""
    function = {"name": "create_ticket", "arguments": '{"priority":"high"}'}
    return {"id": identifier(name, "call", str(number)), "type": "function", "function": function}


def waiting(name: str) -> dict[str, Any]:
    """The `kitemesh` of an approval."""
    return {
        "approval_id": identifier(name, "approval"),
        "execution_id": identifier(name, "execution"),
        "expires_at": "2027-01-15T08:00:00.000Z",
    }


def approval(name: str, calls: int = 1) -> dict[str, Any]:
    """An approval answer."""
    message = {"role": "assistant", "content": None, "tool_calls": [call(name, n) for n in range(calls)]}
    return {
        **envelope(name, "chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "kitemesh": waiting(name),
    }


def chunk(name: str, delta: Json, finish_reason: str | None = None, **more: Json) -> dict[str, Any]:
    """A chunk with one choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {**envelope(name, "chat.completion.chunk"), "choices": [choice], **more}


def chunks(name: str, texts: Iterable[str]) -> list[Json]:
    """The events of a text stream."""
    return [
        chunk(name, {"role": "assistant", "content": ""}),
        *(chunk(name, {"content": text}) for text in texts),
        chunk(name, {}, "stop", kitemesh={**extension(name), "request_id": f"req-{name}"}),
        "[DONE]",
    ]


def approval_chunks(name: str, calls: int = 1) -> list[Json]:
    """The events of a stream that asks for an approval."""
    delta = {"tool_calls": [{"index": n, **call(name, n)} for n in range(calls)]}
    told = {**waiting(name), "request_id": f"req-{name}"}
    return [
        chunk(name, {"role": "assistant", "content": None}), chunk(name, delta, "tool_calls", kitemesh=told), "[DONE]",
    ]  # fmt: skip


def error_object(name: str, kind: str = "invalid_request_error", code: str = "invalid_request") -> dict[str, Any]:
    """The standard error object, which bears the request's id."""
    return {"error": {"message": "This cannot be served.", "type": kind, "code": code, "request_id": f"req-{name}"}}


# --- conforming exchanges


def chat(name: str, text: str | None = None, *, body: Json = None, **more: Any) -> Exchange:
    """A JSON completion. `more`: members of the request, and keywords of `exchange`."""
    fields, steering = _apart(more)
    asked = sent(name, **fields) if body is None else body
    value = completion(name, text if text is not None else word(name))
    return exchange(name, asked, answer(value), **steering)


def chat_stream(
    name: str,
    texts: Iterable[str] | None = None,
    *,
    body: Json = None,
    times: Sequence[float] | None = None,
    **more: Any,
) -> Exchange:
    """A text stream, in pieces of the word that was asked for."""
    fields, steering = _apart(more)
    asked = sent(name, stream=True, **fields) if body is None else body
    said = list(texts) if texts is not None else [word(name)[:5], word(name)[5:]]
    return exchange(name, asked, streamed(chunks(name, said), times), **steering)


def paused(name: str, calls: int = 1, **more: Any) -> Exchange:
    """A JSON answer that asks for an approval."""
    fields, steering = _apart(more)
    return exchange(name, sent(name, prompt=_ask(name), **fields), answer(approval(name, calls)), **steering)


def paused_stream(name: str, calls: int = 1, **more: Any) -> Exchange:
    """A stream that asks for an approval."""
    fields, steering = _apart(more)
    asked = sent(name, prompt=_ask(name), stream=True, **fields)
    return exchange(name, asked, streamed(approval_chunks(name, calls)), **steering)


def _ask(name: str) -> str:
    return f"{APPROVAL_PROMPT}\n(Reference: {word(name)}.)"


def decision(name: str, of: str, *, approve: bool = False, calls: int = 1, **fields: Json) -> Json:
    """A resume's body: decides the calls of the approval that the exchange `of` asked for."""
    ids = [identifier(of, "call", str(number)) for number in range(calls)]
    decided = {"approved_tool_execution_ids": ids} if approve else {
        "denied_tools": [{"tool_execution_id": id_} for id_ in ids]
    }  # fmt: skip
    body = {**sent(name, prompt=_ask(of)), "approval_id": identifier(of, "approval"), **decided, **fields}
    return {key: value for key, value in body.items() if value is not MISSING}


MISSING = object()
"""As a field of `decision`: the member is left out."""


def resumed(name: str, of: str, *, approve: bool = False, calls: int = 1, body: Json = None, **more: Any) -> Exchange:
    """A resume that is served in JSON, with the paused execution's id."""
    fields, steering = _apart(more)
    asked = decision(name, of, approve=approve, calls=calls, **fields) if body is None else body
    value = completion(name, "As you wish.")
    value["kitemesh"]["execution_id"] = identifier(of, "execution")
    return exchange(name, asked, answer(value), endpoint=RESUME, **steering)


def resumed_stream(name: str, of: str, *, approve: bool = False, calls: int = 1, **more: Any) -> Exchange:
    """A resume that is served as a stream."""
    fields, steering = _apart(more)
    asked = decision(name, of, approve=approve, calls=calls, stream=True, **fields)
    events = chunks(name, ["As you", " wish."])
    events[-2]["kitemesh"]["execution_id"] = identifier(of, "execution")
    return exchange(name, asked, streamed(events), endpoint=RESUME, **steering)


def further(name: str, of: str, **more: Any) -> Exchange:
    """A resume that leads to a further approval."""
    fields, steering = _apart(more)
    value = approval(name)
    value["kitemesh"]["execution_id"] = identifier(of, "execution")
    asked = decision(name, of, approve=True, **fields)
    return exchange(name, asked, answer(value), endpoint=RESUME, **steering)


def refused(name: str, body: Json, status: int = 422, *headers: tuple[str, str], **steering: Any) -> Exchange:
    """A request that is answered by a 4xx with the standard error object."""
    return exchange(name, body, answer(error_object(name), status, JSON_TYPE, *headers), **steering)


def denied(name: str, credential: Credential = Credential.NONE, body: Json = None, **steering: Any) -> Exchange:
    """A request without a good token, answered 401."""
    told = error_object(name, "authentication_error", "authentication_error")
    response = answer(told, 401, JSON_TYPE, ("WWW-Authenticate", "Bearer"))
    return exchange(name, sent(name) if body is None else body, response, credential=credential, **steering)


def limited(name: str, body: Json = None, **steering: Any) -> Exchange:
    """A request that is answered 429."""
    told = error_object(name, "rate_limit_error", "rate_limit_exceeded")
    response = answer(told, 429, JSON_TYPE, ("Retry-After", "1"))
    return exchange(name, sent(name) if body is None else body, response, **steering)


def unanswered(name: str, ending: Ending = Ending.RESET, body: Json = None, **steering: Any) -> Exchange:
    """A request to which no answer came."""
    return exchange(
        name, sent(name) if body is None else body, None, ending=ending, **{"error": "gone", "took": 1.0, **steering}
    )


_STEERING = frozenset(signature(exchange).parameters) | {field.name for field in fields(ProbeNote)}


def _apart(more: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Members of the request, and keywords of `exchange`."""
    fields = {key: value for key, value in more.items() if key not in _STEERING}
    return fields, {key: value for key, value in more.items() if key in _STEERING}


# --- changes


def put(made: Exchange, pointer: str, value: Json, event: int | None = None) -> Exchange:
    """With the value at the JSON Pointer of the answer (of a stream: of the event with this number)."""
    return _edited(made, event, lambda document: placed(document, pointer, value))


def without(made: Exchange, pointer: str, event: int | None = None) -> Exchange:
    """Without the member at the JSON Pointer."""
    return _edited(made, event, lambda document: placed(document, pointer, MISSING))


def placed(document: Json, pointer: str, value: Json) -> Json:
    """A copy of the document with the value at the pointer, or without it where the value is MISSING."""
    if not pointer:
        return value
    made = copy.deepcopy(document)
    *path, last = pointer.split("/")[1:]
    holder = made
    for step in path:
        holder = holder[int(step)] if isinstance(holder, list) else holder[step]
    key: Any = int(last) if isinstance(holder, list) else last
    if value is MISSING:
        del holder[key]
    elif isinstance(holder, list) and key == len(holder):
        holder.append(value)
    else:
        holder[key] = value
    return made


def _edited(made: Exchange, event: int | None, change: Callable[[Json], Json]) -> Exchange:
    if event is None:
        return with_body(made, octets(change(json.loads(body_of(made)))))
    events = events_of(made)
    events[event] = change(events[event])
    return with_events(made, events)


def body_of(made: Exchange) -> bytes:
    """The answer's octets; there has to be one."""
    assert made.response is not None
    return made.response.body


def with_body(made: Exchange, data: bytes) -> Exchange:
    """With another body in one piece, whose length is declared where it was."""
    return with_response(
        made,
        body=data,
        pieces=(Piece(made.response.headers_at or 0.1, len(data)),) if made.response and data else (),
        headers=tuple(
            (key, str(len(data)) if key.lower() == "content-length" else value)
            for key, value in (made.response.headers if made.response else ())
        ),
    )


def events_of(made: Exchange) -> list[Json]:
    """The events of a stream, as `streamed` takes them."""
    data = [block.removeprefix("data: ") for block in body_of(made).decode().split("\n\n") if block]
    return [text if text == "[DONE]" else json.loads(text) for text in data]


def with_events(made: Exchange, events: Sequence[Json], times: Sequence[float] | None = None) -> Exchange:
    """With other events."""
    response = streamed(events, times)
    return with_response(made, body=response.body, pieces=response.pieces)


def with_response(made: Exchange, **changes: Any) -> Exchange:
    """With other members of the response."""
    assert made.response is not None
    return replace(made, response=replace(made.response, **changes))


def with_header(made: Exchange, name: str, value: str | None) -> Exchange:
    """With another value of a header field of the answer, or without it."""
    assert made.response is not None
    kept = tuple((key, old) for key, old in made.response.headers if key.lower() != name.lower())
    return with_response(made, headers=kept if value is None else (*kept, (name, value)))


def with_status(made: Exchange, status: int) -> Exchange:
    """With another status."""
    return with_response(made, status=status)


# --- judging


def transcript(*exchanges: Exchange, options: Mapping[str, Any] | None = None) -> Transcript:
    """The exchanges, one after the other where they do not say when they started."""
    placed_: list[Exchange] = []
    for number, made in enumerate(exchanges):
        started = NOW + (STEP * number if made.started == UNPLACED else made.started)
        placed_.append(replace(made, started=float(started)))
    placed_.sort(key=lambda made: made.started)
    return Transcript(tuple(placed_), {**OPTIONS, **(options or {})}, "tests")


def judged(*exchanges: Exchange, options: Mapping[str, Any] | None = None) -> Verdict:
    """The verdict on these exchanges."""
    return judging.judge(transcript(*exchanges, options=options)).verdict


def failed(verdict: Verdict) -> set[str]:
    """Ids of the requirements that failed."""
    return {outcome.requirement.id for outcome in verdict.outcomes if outcome.state is State.FAILED}


def errors(verdict: Verdict) -> dict[str, str]:
    """Ids of the requirements whose check went wrong itself, and why."""
    return {o.requirement.id: o.reason for o in verdict.outcomes if o.state is State.ERROR}


def findings(requirement: str, *exchanges: Exchange, options: Mapping[str, Any] | None = None) -> tuple[Finding, ...]:
    """What a requirement's outcome on these exchanges tells of breaches."""
    return judged(*exchanges, options=options)[requirement].findings


def notable(verdict: Verdict) -> list[str]:
    """All findings in words, for a failing test's message."""
    return [
        f"{o.requirement.id}: {f.message} [{f.exchange} {f.place}] {f.observed[:80]}"
        for o in verdict.outcomes
        for f in o.findings
    ]


WELL = chat("well", request_id=False)
"""A minimal request that is served: the twin of what must be refused, and the sign that the token is good."""
WELL_STREAM = chat_stream("well-stream")
BROKEN = {**sent("a"), "messages": []}
"""What must be refused."""
PAGE = b"<!DOCTYPE html>\n<html><head><title>Just a moment</title></head><body><h1>Checking you</h1></body></html>"
"""What a firewall shows to a person."""


def again(made: Exchange, attempt: int = 2) -> Exchange:
    """The exchange as a later attempt of its probe."""
    note = replace(made.note, attempt=attempt)
    return replace(made, name=f"{made.note.probe}~{attempt}", note=note)
