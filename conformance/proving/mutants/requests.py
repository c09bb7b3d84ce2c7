"""Request mutants: the validator of requests with one operator weaker or stronger, everywhere or in one condition.

The operators are those of the schemas' keywords (`contract.schema.operators`). Where the changed validator decides
otherwise on a recorded request, the answer is what such a server would send: a conforming answer of the kind that was
asked for, or a conforming refusal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from zlib import crc32

from conformance.contract.classify import CHAT, RESUME, Due, endpoint_of
from conformance.contract.http_date import read_http_date
from conformance.contract.schema.mutants import SchemaMutant, mutants
from conformance.contract.schema.shape import documented
from conformance.contract.schema.validator import Validator
from conformance.evidence.json_values import get
from conformance.probes.accept import WORD
from conformance.proving.mutants.mutant import Change, Mutant, thinned
from conformance.proving.mutants.octets import Out, dumps, with_body, with_events, with_header, with_status
from conformance.proving.mutants.scene import ALWAYS, Scene, Subject
from conformance.transcript.exchange import Credential, Exchange

TRAITS = (ALWAYS, "asks-json", "asks-stream", "one-message", "several-messages", "limit", "with-id", "without-id")
"""The conditions in which a validator may be wrong."""
UNREAD = object()
"""What a body is that is not JSON; `null` is."""
ENDPOINTS: Mapping[str, str] = {"chat": CHAT, "resume": RESUME}


def enumerate_all() -> Iterator[Mutant]:
    """Every request mutant: of each endpoint's validator by itself."""
    for kind, endpoint in ENDPOINTS.items():
        for changed in mutants(documented()[endpoint].schema):
            place = f"{changed.place or '/'}:{changed.keyword}"
            name = f"{changed.effect}-{changed.operator}{_apart(changed.pointer)}"
            change = _change(endpoint, changed)
            yield from thinned(Mutant("request", kind, place, name, trait, change) for trait in TRAITS)


def _apart(pointer: str) -> str:
    """Where in the schema it was done, where the place in the request does not tell."""
    return f"({pointer.replace('/', '.')})" if "contains" in pointer else ""


def _change(endpoint: str, changed: SchemaMutant) -> Change:
    @lru_cache(maxsize=1)
    def validator() -> Validator:
        return Validator(changed.schema)

    def change(subject: Subject, scene: Scene) -> Exchange | None:
        exchange = subject.exchange
        if not _validated(subject) or endpoint_of(exchange.request.url) != endpoint:
            return None
        body = _read(exchange.request.body or b"")
        holds = _holds(endpoint, exchange.request.body or b"")
        if body is UNREAD or validator().is_valid(body) is holds:
            return None
        return _refused(exchange, body) if holds else _served(exchange, body, scene)

    return change


def _validated(subject: Subject) -> bool:
    """True where token, media type and the form of the body were found right, and it is documented what is due.

    What it leaves open may be decided in either way.
    """
    own = subject.exchange.request.credential is Credential.OWN and subject.due in (Due.ACCEPT, Due.REFUSE)
    return own and subject.exchange.status in (200, 400, 404, 409, 422)


@lru_cache(maxsize=8192)
def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return UNREAD


@lru_cache(maxsize=8192)
def _holds(endpoint: str, body: bytes) -> bool:
    return documented()[endpoint].validator.is_valid(_read(body))


# --- what such a server sends


def _refused(exchange: Exchange, body: Any) -> Exchange:
    error = {
        "message": "The request breaks the schema.",
        "type": "invalid_request_error",
        "code": "invalid_request",
        "request_id": _request_id(exchange, body),
    }
    typed = with_header(with_status(exchange, 422), "Content-Type", "application/json")
    return _framed(typed, dumps({"error": error}))


def _framed(exchange: Exchange, body: bytes) -> Exchange:
    return with_header(
        with_body(with_header(exchange, "Transfer-Encoding", None), body), "Content-Length", str(len(body))
    )


def _request_id(exchange: Exchange, body: Any) -> str:
    asked = get(body, "metadata", "request_id")
    return asked if isinstance(asked, str) else f"req_{_own(exchange)}"


def _own(exchange: Exchange) -> str:
    """Eight digits that no other exchange has."""
    return f"{crc32(exchange.name.encode()):08x}"


def _served(exchange: Exchange, body: Any, scene: Scene) -> Exchange:
    """A conforming answer; to a resume the one that its approval led to, which it may repeat (resume.replay)."""
    id_, execution = _ids(exchange, body, scene)
    assert exchange.response is not None  # it was answered
    date = read_http_date(exchange.response.header("date") or "")
    model = get(body, "model")
    envelope = {
        "id": id_,
        "created": int(exchange.started if date is None else date),
        "model": model if isinstance(model, str) else "",
    }
    extension = {"execution_id": execution, "credits_charged": 1, "request_id": _request_id(exchange, body)}
    text = _text(body)
    ok = with_status(exchange, 200)
    if get(body, "stream") is not True:
        message = {"role": "assistant", "content": text}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        answer = {**envelope, "object": "chat.completion", "choices": choices, "usage": usage, "kitemesh": extension}
        return _framed(with_header(ok, "Content-Type", "application/json"), dumps(answer))
    chunk = {**envelope, "object": "chat.completion.chunk"}
    deltas = [({"role": "assistant", "content": ""}, None), ({"content": text}, None), ({}, "stop")]
    values = [{**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": why}]} for delta, why in deltas]
    values[-1]["kitemesh"] = extension
    outs = [Out(b"data: " + dumps(value) + b"\n\n", exchange.finished) for value in values]
    streamed = with_header(with_header(ok, "Content-Type", "text/event-stream"), "Content-Length", None)
    return with_events(streamed, [*outs, Out(b"data: [DONE]\n\n", exchange.finished)])


def _text(body: Any) -> str:
    """The word that is asked for, where one is."""
    messages = get(body, "messages")
    for message in reversed(messages if isinstance(messages, list) else []):
        content = get(message, "content")
        if get(message, "role") == "user" and isinstance(content, str):
            asked = WORD.match(content)
            return asked.group(1) if asked else "As you wish."
    return "As you wish."


def _ids(exchange: Exchange, body: Any, scene: Scene) -> tuple[str, str]:
    own = _own(exchange)
    fresh = f"chatcmpl_{own}{own}{own}{own}", f"{own}-0000-4000-8000-{own}0000"
    approval = get(body, "approval_id")
    if endpoint_of(exchange.request.url) != RESUME or not isinstance(approval, str):
        return fresh
    wanted = approval.encode()
    for other in scene.transcript:
        if other.status == 200 and endpoint_of(other.request.url) == RESUME and wanted in (other.request.body or b""):
            assert other.response is not None
            found = [json.loads(event[6:]) for event in other.response.body.split(b"\n\n") if event[6:7] == b"{"]
            value = found[-1] if found else json.loads(other.response.body)
            return value["id"], value["kitemesh"]["execution_id"]
    return fresh
