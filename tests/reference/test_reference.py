"""The reference server keeps the contract, and each seam does what it says."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from conformance.contract import schemas
from conformance.reference import model
from conformance.reference.app import create_app, create_many
from conformance.reference.behaviour import CONFORMING, Behaviour, Leniency, Replay
from conformance.reference.decision import Decision, PendingCalls, Resolution, Serve
from conformance.reference.incoming import Endpoint, Incoming, read
from conformance.reference.intake import CRASH, refuse
from conformance.reference.process import in_process
from conformance.reference.quota import Quota
from conformance.reference.serving import in_thread
from conformance.reference.settings import (
    DEFAULT_APPROVAL_PROMPT,
    DEFAULT_MODEL,
    FIRST_TOKEN,
    SECOND_TOKEN,
    Settings,
)
from conformance.reference.store import Settlement, Store
from conformance.reference.transmission import Abort, Close, End, Hang, Out, Piece, Raw, joined

CHAT = Endpoint.COMPLETIONS.value
RESUME = Endpoint.RESUME.value
QUICK = Settings(token_interval=0.001)
HELLO: list[Any] = [{"role": "user", "content": "Reply with just this word: Ζέφυρος"}]
ASK_FOR_TOOLS: list[Any] = [{"role": "user", "content": DEFAULT_APPROVAL_PROMPT}]
UNKNOWN_UUID = "00000000-0000-4000-8000-000000000000"


class Caller:
    """Sends requests to one server."""

    def __init__(self, base: str, token: str = FIRST_TOKEN) -> None:
        self.base = base
        self.client = httpx.Client(
            base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=10, trust_env=False
        )

    def chat(self, messages: list[Any] = HELLO, **members: Any) -> httpx.Response:
        return self.client.post(CHAT.lstrip("/"), json={"model": DEFAULT_MODEL, "messages": messages, **members})

    def resume(self, approval_id: object, **members: Any) -> httpx.Response:
        body = {"model": DEFAULT_MODEL, "messages": ASK_FOR_TOOLS, "approval_id": approval_id, **members}
        return self.client.post(RESUME.lstrip("/"), json=body)

    def raw(self, body: bytes, **headers: str) -> httpx.Response:
        return self.client.post(CHAT.lstrip("/"), content=body, headers={"Content-Type": "application/json", **headers})

    def approval(self) -> tuple[str, list[str], str]:
        """An approval that waits: its id, its calls' ids, its execution."""
        answer = self.chat(ASK_FOR_TOOLS).json()
        calls = [call["id"] for call in answer["choices"][0]["message"]["tool_calls"]]
        return answer["kitemesh"]["approval_id"], calls, answer["kitemesh"]["execution_id"]


@contextmanager
def serving(settings: Settings = QUICK, behaviour: Behaviour = CONFORMING) -> Iterator[Caller]:
    with in_thread(create_app(settings, behaviour)) as base:
        caller = Caller(base)
        with caller.client:
            yield caller


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with serving() as caller:
        yield caller


def minimal(**members: Any) -> bytes:
    return json.dumps({"model": DEFAULT_MODEL, "messages": HELLO, **members}).encode()


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    """The chunks of a stream, whose framing has to be exact."""
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert b"\r" not in answer.content
    *blocks, done, rest = answer.content.split(b"\n\n")
    assert done == b"data: [DONE]"
    assert rest == b""
    return [json.loads(block.removeprefix(b"data: ")) for block in blocks]


def holds(name: str, instance: object) -> None:
    assert [str(error) for error in schemas.errors(name, instance)] == []


def refused(answer: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error: dict[str, Any] = answer.json()["error"]
    holds("error", answer.json())
    assert code is None or error["code"] == code
    return error


# --- the standard answer


def test_completion(caller: Caller) -> None:
    answer = caller.chat(metadata={"request_id": "req_é_1", "mode": "auto"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    holds("completion", body)
    assert body["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "Ζέφυρος"}, "finish_reason": "stop"}
    ]
    assert body["kitemesh"]["request_id"] == "req_é_1"
    assert body["usage"] == {"prompt_tokens": 6, "completion_tokens": 1, "total_tokens": 7}
    assert abs(body["created"] - time.time()) < 5


def test_identifiers_are_fresh(caller: Caller) -> None:
    first, second = caller.chat().json(), caller.chat().json()
    assert first["id"] != second["id"]
    assert first["kitemesh"]["execution_id"] != second["kitemesh"]["execution_id"]
    assert first["kitemesh"]["request_id"].startswith("req_")


def test_last_user_message_is_the_prompt(caller: Caller) -> None:
    conversation = [
        {"role": "user", "content": "Reply with just this word: first"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "reply with just this word: "}, {"text": "第二"}]},
        {"role": "tool", "content": "x"},
        {"role": "system", "content": []},
    ]
    assert caller.chat(conversation).json()["choices"][0]["message"]["content"] == "第二"


@pytest.mark.parametrize(
    ("limits", "said"),
    [({"max_tokens": 3}, 3), ({"max_tokens": 5, "max_completion_tokens": 2}, 2), ({"max_completion_tokens": 4.0}, 4)],
)
def test_output_limit(caller: Caller, limits: dict[str, Any], said: int) -> None:
    counting = [{"role": "user", "content": "Count from 1 to 60, one number per line"}]
    body = caller.chat(counting, **limits).json()
    assert body["usage"]["completion_tokens"] == said
    assert body["choices"][0]["finish_reason"] == "length"
    assert len(body["choices"][0]["message"]["content"].split()) == said


def test_every_optional_field(caller: Caller) -> None:
    members: dict[str, Any] = {
        "stream": False,
        "max_tokens": 200000,
        "max_completion_tokens": 1,
        "temperature": 2,
        "metadata": {"mode": "synth", "other": [1]},
        "unknown": {"x": None},
    }
    assert caller.chat(**members).status_code == 200
    assert caller.chat(stream=None, max_tokens=None, temperature=None, metadata=None).status_code == 200
    assert caller.chat(metadata={"request_id": None, "mode": None}).status_code == 200


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"messages": HELLO * 500}, 200),
        ({"messages": HELLO * 501}, 422),
        ({"messages": []}, 422),
        ({"messages": [{"role": "system", "content": "x"}]}, 422),
        ({"messages": [None, *HELLO]}, 422),
        ({"messages": [*HELLO, {"role": "robot", "content": ""}]}, 422),
        ({"messages": [*HELLO, {"role": "user", "content": 5}]}, 422),
        ({"messages": [*HELLO, {"role": "user", "content": ["x"]}]}, 422),
        ({"messages": [{"role": "user", "content": " "}]}, 200),
        ({"messages": [{"role": "user", "content": []}, {"role": "tool"}]}, 200),
        ({"temperature": 0}, 200),
        ({"temperature": 2.0}, 200),
        ({"temperature": 2.0001}, 422),
        ({"temperature": True}, 422),
        ({"temperature": "1"}, 422),
        ({"max_tokens": 1}, 200),
        ({"max_tokens": 1.0}, 200),
        ({"max_tokens": True}, 422),
        ({"max_tokens": 0}, 422),
        ({"max_tokens": 200001}, 422),
        ({"max_completion_tokens": 1.5}, 422),
        ({"stream": 1}, 422),
        ({"stream": "yes"}, 422),
        ({"metadata": []}, 422),
        ({"metadata": {"mode": "other"}}, 422),
        ({"metadata": {"request_id": 7}}, 422),
        ({"model": "group:x"}, 422),
        ({"model": f"{DEFAULT_MODEL}\n"}, 422),
        ({"model": None}, 422),
    ],
)
def test_limits_and_types(caller: Caller, members: dict[str, Any], status: int) -> None:
    members = {"stream": False, **members}
    answer = caller.client.post(CHAT, json={"model": DEFAULT_MODEL, "messages": HELLO, **members})
    assert answer.status_code == status, answer.text
    if status != 200:
        refused(answer, status, "invalid_request")


# --- the stream


def test_stream(caller: Caller) -> None:
    counting = [{"role": "user", "content": "Count from 1 to 60, one number per line"}]
    answer = caller.chat(counting, stream=True, metadata={"request_id": "r1"})
    chunks = events(answer)
    for chunk in chunks:
        holds("chunk", chunk)
    assert len({chunk["id"] for chunk in chunks}) == len({chunk["created"] for chunk in chunks}) == 1
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert deltas[-1] == {}
    assert "".join(delta.get("content", "") for delta in deltas) == "".join(f"{n}\n" for n in range(1, 61))
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert len(chunks) > 30
    assert chunks[-1]["kitemesh"]["request_id"] == "r1"
    assert uuid.UUID(chunks[-1]["kitemesh"]["execution_id"])
    assert answer.headers["cache-control"] == "no-store"


def test_long_stream_takes_its_time() -> None:
    counting = [{"role": "user", "content": "Count from 1 to 60, one number per line"}]
    with serving(Settings()) as caller:
        body = {"model": DEFAULT_MODEL, "messages": counting, "stream": True}
        started = time.monotonic()
        with caller.client.stream("POST", CHAT, json=body) as answer:
            arrivals = [time.monotonic() - started for _ in answer.iter_raw()]
        assert arrivals[0] < 0.3
        assert 1.0 < arrivals[-1] < 3.0
        assert len([at for at in arrivals if at < 0.9 * arrivals[-1]]) > 20
        started = time.monotonic()
        caller.chat(stream=True)
        assert time.monotonic() - started < 0.3


def test_stream_is_refused_as_json(caller: Caller) -> None:
    refused(caller.chat(stream=True, temperature=3), 422)


def test_generation_stops_when_the_client_leaves() -> None:
    counting = [{"role": "user", "content": "Count from 1 to 1000, one number per line"}]
    seen: list[int] = []

    def note(incoming: Incoming) -> Incoming:
        seen.append(incoming.in_flight)
        return incoming

    with serving(Settings(token_interval=0.01), Behaviour(receive=note)) as caller:
        body = {"model": DEFAULT_MODEL, "messages": counting, "stream": True}
        with caller.client.stream("POST", CHAT, json=body) as answer:
            pieces = answer.iter_raw()  # kept: the response is closed with it
            next(pieces)
            assert caller.chat().status_code == 200  # others are served meanwhile
        time.sleep(0.1)
        caller.chat()
    assert seen == [1, 2, 1]


# --- authentication and HTTP


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer km_never", "Basic a206bQ==", FIRST_TOKEN, "Bearer a b"]
)
@pytest.mark.parametrize("path", [CHAT, RESUME])
def test_unauthenticated(caller: Caller, authorization: str | None, path: str) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    with httpx.Client(base_url=caller.base, trust_env=False) as stranger:
        answer = stranger.post(path, json={"stream": True, "temperature": 9}, headers=headers)
    error = refused(answer, 401, "authentication_error")
    assert error["type"] == "authentication_error"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "km_never" not in answer.text


def test_scheme_in_any_case(caller: Caller) -> None:
    assert caller.raw(minimal(), Authorization=f"bEARER   {SECOND_TOKEN}").status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods(caller: Caller, method: str) -> None:
    answer = caller.client.request(method, CHAT)
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    assert caller.client.head(CHAT).status_code == 405


@pytest.mark.parametrize("path", ["/", "/v1/chat", f"{CHAT}/", "/v1/chat%0a", "/f/none/v1/chat/completions"])
def test_unknown_path(caller: Caller, path: str) -> None:
    refused(caller.client.post(path, json={}), 404, "path_not_found")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_other_media_types(caller: Caller, media_type: str) -> None:
    answer = caller.raw(minimal(metadata={"request_id": "r2"}), **{"Content-Type": media_type})
    assert refused(answer, 415)["request_id"] == "r2"


def test_media_type_parameters(caller: Caller) -> None:
    assert caller.raw(minimal(), **{"Content-Type": "Application/JSON; charset=utf-8"}).status_code == 200


def test_what_is_no_http_is_told_in_the_standard_form(caller: Caller) -> None:
    with connected(caller) as connection:
        connection.sendall(b"NONSENSE\r\n\r\n")
        head, _, body = everything(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    holds("error", json.loads(body))


def test_groups_that_are_not_served() -> None:
    with serving(replace(QUICK, models=("group:1",))) as caller:
        refused(caller.chat(), 404, "model_not_found")


def test_rate_limit() -> None:
    with serving(replace(QUICK, rate_limit_every=3)) as caller:
        answers = [caller.chat(metadata={"request_id": str(n)}) for n in (1, 2, 3, 3, 4, 5, 6)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200, 200, 200, 429]
    error = refused(answers[2], 429, "rate_limit_exceeded")
    assert (error["type"], error["request_id"], answers[2].headers["retry-after"]) == ("rate_limit_error", "3", "1")


# --- bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"{} {}",
        minimal() + b"\0",
        b"\xef\xbb\xbf" + minimal(),
        minimal().decode().encode("utf-16"),
        minimal()[:-1] + b', "x": "\xff"}',
        minimal()[:-1] + b', "temperature": NaN}',
        minimal()[:-1] + b', "temperature": -Infinity}',
        minimal()[:-1] + b', "temperature": 1e400}',
        minimal()[:-1] + b', "max_tokens": ' + b"9" * 400 + b"}",
        minimal()[:-1] + b', "max_tokens": ' + b"9" * 5000 + b"}",
        minimal()[:-1] + rb', "x": "\ud800"}',
        minimal()[:-1] + rb', "\udfff": 1}',
        minimal()[:-1] + b', "x": "\n"}',
        minimal()[:-1] + b', "stream": false, "stream": false}',
        minimal()[:-1] + b', "x": ' + b"[" * 1000 + b"]" * 1000 + b"}",
        minimal()[:-1] + b', "x": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
        minimal()[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[-40:]),
)
def test_bodies_that_cannot_be_read(caller: Caller, body: bytes) -> None:
    refused(caller.raw(body), 400, "invalid_json")


@pytest.mark.parametrize(
    "body",
    [
        minimal(x="\0"),
        minimal(x=[[[[]]]], y=10**200, z=-1.5e300),
        minimal() + b" " * 1024 * 1024,
        minimal(x=[[[]]] * 500),
        minimal(x="🙂"),  # an escaped surrogate pair
    ],
    ids=["nul", "deep-enough", "white-space", "broad", "surrogate-pair"],
)
def test_unusual_bodies_that_are_served(caller: Caller, body: bytes) -> None:
    assert caller.raw(body).status_code == 200


def test_text_that_is_served(caller: Caller) -> None:
    for word in ("e\u0301\u0302", "🏳️\u200d🌈", "\u202e\u2066x", "\ufffe\U0010ffff", "\0", "\u2028x"[1:], "नमस्ते"):
        body = caller.chat([{"role": "user", "content": f"Reply with just this word: {word}"}]).json()
        assert body["choices"][0]["message"]["content"] == word


def test_request_id_is_echoed_in_errors(caller: Caller) -> None:
    metadata = {"request_id": "mine"}
    assert refused(caller.chat(temperature=3, metadata=metadata), 422)["request_id"] == "mine"
    for tail in (b', "x": NaN}', b', "x": 1, "x": 2}', rb', "x": "\ud800"}', b', "x": 1e999}'):
        assert refused(caller.raw(minimal(metadata=metadata)[:-1] + tail), 400)["request_id"] == "mine"
    assert refused(caller.chat(temperature=3), 422)["request_id"].startswith("req_")
    assert refused(caller.chat(metadata={"request_id": 5}), 422)["request_id"].startswith("req_")
    surrogate = minimal(metadata={"request_id": "\ud800"})
    assert refused(caller.raw(surrogate), 400)["request_id"].startswith("req_")


def test_errors_show_nothing_of_the_body(caller: Caller) -> None:
    message = refused(caller.chat(metadata={"mode": "sesame", "x": 1}, stream="sesame"), 422)["message"]
    assert "sesame" not in message
    assert "(1 more)" in message


def test_body_that_is_too_large() -> None:
    with serving(replace(QUICK, max_body=1000)) as caller:
        refused(caller.raw(minimal() + b" " * 100_000), 413, "body_too_large")
        assert caller.chat().status_code == 200


def test_a_heavy_body_stops_nobody_else(caller: Caller) -> None:
    heavy = b'{"model": "x", "messages": [' + b",".join([b"1"] * 150_000) + b"]}"
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(caller.raw, heavy)
        time.sleep(0.05)
        started = time.monotonic()
        assert caller.chat().status_code == 200
        assert time.monotonic() - started < 1
        refused(slow.result(), 422)


# --- approvals


def test_approval(caller: Caller) -> None:
    body = caller.chat(ASK_FOR_TOOLS).json()
    holds("approval", body)
    message = body["choices"][0]["message"]
    assert message["content"] is None
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["create_ticket", "notify_team"]
    assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in message["tool_calls"])
    assert body["choices"][0]["finish_reason"] == "tool_calls"
    expires = body["kitemesh"]["expires_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", expires)
    assert 590 < datetime.fromisoformat(expires).timestamp() - time.time() < 601


def test_approval_stream(caller: Caller) -> None:
    opening, chunk = events(caller.chat(ASK_FOR_TOOLS, stream=True, metadata={"request_id": "r3"}))
    holds("chunk", opening)
    holds("approval-chunk", chunk)
    assert opening["choices"][0]["delta"] == {"role": "assistant", "content": None}
    calls = chunk["choices"][0]["delta"]["tool_calls"]
    assert [call["index"] for call in calls] == [0, 1]
    assert chunk["kitemesh"]["request_id"] == "r3"
    resumed = caller.resume(chunk["kitemesh"]["approval_id"], denied_tools=[{"tool_execution_id": calls[0]["id"]}])
    assert resumed.status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_rounds(caller: Caller, stream: bool) -> None:
    approval_id, calls, execution_id = caller.approval()
    answer = caller.resume(approval_id.upper(), approved_tool_execution_ids=[calls[0].upper()], stream=stream)
    if stream:
        further = events(answer)[1]
        holds("approval-chunk", further)
        [call] = further["choices"][0]["delta"]["tool_calls"]
    else:
        further = answer.json()
        holds("approval", further)
        [call] = further["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "assign_ticket"
    assert further["kitemesh"]["execution_id"] == execution_id
    second = further["kitemesh"]["approval_id"]
    assert second != approval_id
    refused(caller.resume(approval_id, approved_tool_execution_ids=[calls[0]]), 409, "approval_already_resumed")
    last = caller.resume(second, approved_tool_execution_ids=[call["id"]]).json()
    holds("completion", last)
    assert last["kitemesh"]["execution_id"] == execution_id


@pytest.mark.parametrize("decision", ["denied", "denied with a reason", "undecided", "without a word"])
def test_denial(caller: Caller, decision: str) -> None:
    approval_id, calls, execution_id = caller.approval()
    reason = {"reason": "no"} if decision.endswith("reason") else {"reason": None}
    members: dict[str, Any] = {"denied_tools": [{"tool_execution_id": call, **reason} for call in calls]}
    if decision == "undecided":
        members = {"approved_tool_execution_ids": [], "denied_tools": None}
    elif decision == "without a word":
        members = {}
    body = caller.resume(approval_id, **members).json()
    holds("completion", body)
    assert "nothing was run" in body["choices"][0]["message"]["content"]
    assert body["kitemesh"]["execution_id"] == execution_id


def test_a_refused_resume_leaves_the_approval_usable(caller: Caller) -> None:
    approval_id, calls, _ = caller.approval()
    _, others, _ = caller.approval()
    approved = {"approved_tool_execution_ids": calls}
    refused(caller.resume(approval_id, **approved, temperature=3), 422, "invalid_request")
    refused(caller.resume(approval_id, approved_tool_execution_ids=["x"]), 422, "invalid_request")
    refused(caller.resume(approval_id, denied_tools=[{"reason": "x"}]), 422, "invalid_request")
    refused(caller.resume(approval_id, denied_tools=[None]), 422, "invalid_request")
    refused(caller.resume(None, **approved), 422, "invalid_request")
    refused(caller.resume("x", **approved), 422, "invalid_request")
    refused(caller.resume(UNKNOWN_UUID, **approved), 404, "approval_not_found")
    refused(caller.resume(approval_id, approved_tool_execution_ids=others), 422, "tool_call_not_in_approval")
    both = {**approved, "denied_tools": [{"tool_execution_id": calls[0]}]}
    refused(caller.resume(approval_id, **both), 422, "contradictory_decision")
    other = Caller(caller.base, SECOND_TOKEN)
    refused(other.resume(approval_id, **approved), 404, "approval_not_found")
    other.client.close()
    assert caller.resume(approval_id, **approved).status_code == 200


def test_race(caller: Caller) -> None:
    approval_id, calls, _ = caller.approval()
    together = threading.Barrier(8)

    def resume() -> int:
        with httpx.Client(base_url=caller.base, trust_env=False) as client:
            rival = Caller(caller.base)
            together.wait()
            status = rival.resume(approval_id, denied_tools=[{"tool_execution_id": calls[0]}]).status_code
            rival.client.close()
            client.close()
            return status

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(future.result() for future in [pool.submit(resume) for _ in range(8)])
    assert statuses == [200] + [409] * 7


def test_expiry() -> None:
    with serving(replace(QUICK, approval_ttl=0.05)) as caller:
        approval_id, calls, _ = caller.approval()
        time.sleep(0.1)
        refused(caller.resume(approval_id, approved_tool_execution_ids=calls), 409, "approval_expired")


def test_store_forgets_the_oldest() -> None:
    store = Store(2)
    waiting = [PendingCalls(str(n), "e", (), "t", 0) for n in range(3)]
    for approval in waiting:
        store.add(approval)
    assert store.find("0") is None
    assert len(store) == 2
    first = Serve("a", 1, "m", "r", "e", False)
    for answer in (first, replace(first, id="b")):
        store.settle(Settlement(Resolution("1"), answer, 0))
    record = store.find("1")
    assert record is not None
    assert record.settlement is not None
    assert record.settlement.answer.id == "a"
    store.settle(Settlement(Resolution("0"), first, 0))
    assert store.find("0") is None


# --- many at once


def test_concurrent_requests_stay_apart(caller: Caller) -> None:
    with in_thread(create_app(Settings(latency=0.05, token_interval=0.01))) as base, ThreadPoolExecutor(12) as pool:

        def ask(number: int) -> bool:
            client = Caller(base)
            prompt = [{"role": "user", "content": f"Reply with just this word: w{number}"}]
            answer = client.chat(prompt, metadata={"request_id": f"r{number}"}, stream=number % 2 == 0)
            client.client.close()
            return f"w{number}" in answer.text and f"r{number}" in answer.text and answer.text.count("w") == 1

        assert all(pool.map(ask, range(24)))


# --- the parts


@pytest.mark.parametrize("text", ["1\n2\n3\n", " a  b ", "", "\n", "one"])
def test_tokens_are_the_text(text: str) -> None:
    assert "".join(model.tokens(text)) == text


def test_depth_is_judged_exactly() -> None:
    def nested(levels: int) -> bytes:
        return b'{"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"

    assert not read(nested(20), 20).fault
    assert "deeply" in read(nested(21), 20).fault


def test_bytes_without_a_pause_travel_together() -> None:
    pieces: list[Piece] = [Out(b"a"), Out(b"b"), Out(b"c", 1), Out(b"d"), End(), Out(b"e")]
    assert joined(pieces) == [Out(b"ab"), Out(b"cd", 1), End(), Out(b"e")]


def test_quota_remembers_what_it_turned_away() -> None:
    quota = Quota(2)
    assert [quota.exceeded("/", body) for body in (b"a", b"b", b"b", b"c", b"d")] == [False, True, False, False, True]


def test_settings_travel() -> None:
    settings = Settings(models=(DEFAULT_MODEL,), rate_limit_every=4, latency=0.5)
    assert Settings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(
    "wrong", [{"tokens": ()}, {"tokens": ("",)}, {"rate_limit_every": 1}, {"max_depth": 0}, {"latency": -1}]
)
def test_settings_that_cannot_work(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must|needed"):
        Settings(**wrong)


# --- the seams


def test_seam_receive() -> None:
    def any_token(incoming: Incoming) -> Incoming:
        document = {**incoming.document, "stream": False}
        return incoming.with_header("authorization", f"Bearer {FIRST_TOKEN}").with_document(document)

    with serving(behaviour=Behaviour(receive=any_token)) as caller:
        assert caller.raw(minimal(stream="yes"), Authorization="Basic x").status_code == 200


def test_seam_breaches() -> None:
    with serving(behaviour=Behaviour(breaches=lambda _, found: [])) as caller:
        for body in ({}, {"model": 5, "messages": [None, 5]}, {"messages": "x", "max_tokens": "x", "stream": 1}):
            assert caller.client.post(CHAT, json=body).status_code == 200
        assert caller.client.post(RESUME, json={"denied_tools": [1]}).status_code == 404


def test_seam_decide() -> None:
    def every_third(incoming: Incoming, decision: Decision) -> Decision:
        if incoming.nth % 3 == 0:
            return refuse(incoming, CRASH, "no", ("X-Third", "yes"))
        return replace(decision, tokens=("changed",)) if isinstance(decision, Serve) else decision

    with serving(behaviour=Behaviour(decide=every_third)) as caller:
        answers = [caller.chat() for _ in range(3)]
    assert answers[0].json()["choices"][0]["message"]["content"] == "changed"
    refused(answers[2], 500)
    assert answers[2].headers["x-third"] == "yes"


def test_seam_decide_comes_before_approvals_are_settled() -> None:
    def slow_replica(incoming: Incoming, decision: Decision) -> Decision:
        if incoming.endpoint is Endpoint.RESUME and incoming.memory.setdefault("asked", 0) == 0:
            incoming.memory["asked"] = 1
            return refuse(incoming, CRASH, "not yet")
        return decision

    with serving(behaviour=Behaviour(decide=slow_replica)) as caller:
        approval_id, calls, _ = caller.approval()
        assert [caller.resume(approval_id, approved_tool_execution_ids=calls).status_code for _ in range(3)] == [
            500,
            200,
            409,
        ]


def test_seam_shape_and_head() -> None:
    kinds: list[str] = []

    def shape(incoming: Incoming, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kinds.append(f"{incoming.kind}:{incoming.stream}:{len(objects)}")
        return [{**value, "extra": incoming.nth} for value in objects]

    def head(_: Incoming, status: int, headers: list[tuple[str, str]]) -> tuple[int, list[tuple[str, str]]]:
        return status + 1, [*headers, ("X-Extra", "1")]

    with serving(behaviour=Behaviour(shape=shape, head=head)) as caller:
        answer = caller.chat()
        assert (answer.status_code, answer.headers["x-extra"], answer.json()["extra"]) == (201, "1", 1)
        caller.chat(stream=True)
        caller.chat(ASK_FOR_TOOLS)
        caller.chat(ASK_FOR_TOOLS, stream=True)
        caller.chat(temperature=9)
    assert kinds == [
        "completion:False:1",
        "chunk:True:3",
        "approval:False:1",
        "approval-chunk:True:2",
        "error:False:1",
    ]


@contextmanager
def connected(caller: Caller) -> Iterator[socket.socket]:
    target = urlsplit(caller.base)
    with socket.create_connection((target.hostname or "", target.port or 0), timeout=5) as connection:
        yield connection


def everything(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def exchange(pieces: list[Piece], length: int | None = None, stream: bool = False) -> bytes:
    """The bytes of one answer that is sent as `pieces`, up to the connection's end."""

    def head(_: Incoming, status: int, headers: list[tuple[str, str]]) -> tuple[int, list[tuple[str, str]]]:
        rest = [field for field in headers if length is None or field[0] != "Content-Length"]
        return status, rest if length is None else [*rest, ("Content-Length", str(length))]

    body = minimal(stream=stream)
    behaviour = Behaviour(emit=lambda _, planned: pieces, head=head)
    with serving(behaviour=behaviour) as caller, connected(caller) as connection:
        fields = f"Host: x\r\nAuthorization: Bearer {FIRST_TOKEN}\r\nContent-Type: application/json\r\n"
        request = f"POST {CHAT} HTTP/1.1\r\n{fields}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(request.encode() + body)
        return everything(connection)


def test_seam_emit_cuts_a_stream() -> None:
    received = exchange([Out(b"data: {}\n\n"), Close(delay=0.01)], stream=True)
    assert received.endswith(b"\r\n\r\na\r\ndata: {}\n\n\r\n")


def test_seam_emit_ends_short_of_the_announced_length() -> None:
    assert exchange([Out(b"{}"), Close()], length=9).endswith(b"\r\n\r\n{}")
    assert exchange([Out(b"{}")], length=9).endswith(b"\r\n\r\n{}")


def test_seam_emit_sends_more_than_announced() -> None:
    assert exchange([Out(b"{}"), Raw(b"[]")], length=2).endswith(b"\r\n\r\n{}[]")


def test_seam_emit_sends_bytes_after_the_end() -> None:
    def more(_: Incoming, pieces: list[Piece]) -> list[Piece]:
        return [*pieces, End(), Raw(b"excess")]

    with serving(behaviour=Behaviour(emit=more)) as caller, connected(caller) as connection:
        body = minimal(stream=True)
        fields = f"Host: x\r\nAuthorization: Bearer {FIRST_TOKEN}\r\nContent-Type: application/json\r\n"
        connection.sendall(f"POST {CHAT} HTTP/1.1\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        received = b""
        while not received.endswith(b"0\r\n\r\nexcess"):
            received += connection.recv(65536)


def test_seam_emit_sends_what_is_no_http() -> None:
    assert exchange([Raw(b"\x16\x03"), Close()]) == b"\x16\x03"


def test_seam_emit_closes_without_a_word() -> None:
    assert exchange([Close()]) == b""


def test_seam_emit_resets() -> None:
    with pytest.raises(ConnectionResetError):
        exchange([Abort()])
    with pytest.raises(ConnectionResetError):
        exchange([Out(b"data"), Abort(delay=0.05)])


def test_seam_emit_sends_the_head_alone() -> None:
    received = exchange([Out(b""), Hang(0.05), Close()], length=2)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\n")


def test_seam_emit_hangs() -> None:
    def hang(_: Incoming, pieces: list[Piece]) -> list[Piece]:
        return [*pieces, Hang(0.3)]

    with serving(behaviour=Behaviour(emit=hang)) as caller:
        started = time.monotonic()
        events(caller.chat(stream=True))
        assert 0.3 < time.monotonic() - started < 1
        with pytest.raises(httpx.ReadTimeout):
            caller.client.post(
                CHAT, content=minimal(stream=True), timeout=0.1, headers={"content-type": "application/json"}
            )
        assert caller.chat().status_code == 200


@pytest.mark.parametrize(
    ("leniency", "expected"),
    [
        (Leniency(replay=Replay.AGAIN), 200),
        (Leniency(race_window=9), 200),
        (Leniency(replay=Replay.REPEAT), 200),
        (Leniency(expired=True), 409),
    ],
)
def test_leniency_in_replay(leniency: Leniency, expected: int) -> None:
    with serving(behaviour=Behaviour(leniency=leniency)) as caller:
        approval_id, calls, _ = caller.approval()
        first = caller.resume(approval_id, approved_tool_execution_ids=calls).json()
        again = caller.resume(approval_id, approved_tool_execution_ids=calls, metadata={"request_id": "r"})
        assert again.status_code == expected
        if leniency.replay is Replay.REPEAT:
            assert again.json() == first
            refused(caller.resume(approval_id), 409)
        elif expected == 200:
            assert again.json()["id"] != first["id"]


def test_other_leniencies() -> None:
    leniency = Leniency(
        unknown=True, other_caller=True, expired=True, foreign_call=True, conflict=True, spends_on_refusal=True
    )
    with serving(replace(QUICK, approval_ttl=0), Behaviour(leniency=leniency)) as caller:
        other = Caller(caller.base, SECOND_TOKEN)
        approval_id, calls, _ = caller.approval()
        denied = [{"tool_execution_id": UNKNOWN_UUID}, {"tool_execution_id": calls[0]}]
        assert other.resume(approval_id, approved_tool_execution_ids=calls, denied_tools=denied).status_code == 200
        assert other.resume(UNKNOWN_UUID).status_code == 200
        other.client.close()
    with serving(behaviour=Behaviour(leniency=Leniency(spends_on_refusal=True))) as caller:
        approval_id, calls, _ = caller.approval()
        refused(caller.resume(approval_id, temperature=3), 422)
        refused(caller.resume(approval_id), 404)


def test_seam_adjust() -> None:
    with serving(behaviour=Behaviour(adjust=lambda settings: replace(settings, approval_ttl=0))) as caller:
        approval_id, _, _ = caller.approval()
        refused(caller.resume(approval_id), 409, "approval_expired")


def test_a_failing_behaviour_is_told_as_a_server_error(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Incoming, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
        raise ZeroDivisionError("secret")

    with serving(behaviour=Behaviour(shape=fail)) as caller:
        assert "secret" not in refused(caller.chat(), 500, "server_error")["message"]
        refused(caller.chat(), 500)
    assert "ZeroDivisionError" in caplog.text


def test_many_servers_side_by_side() -> None:
    def numbered(incoming: Incoming, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**value, "nth": incoming.nth} for value in objects]

    behaviours = {"a": Behaviour(shape=numbered), "b": Behaviour(shape=numbered)}
    with in_thread(create_many(QUICK, behaviours)) as base:
        callers = {path: Caller(base + path) for path in ("", "/f/a", "/f/b")}
        answers = [callers[path].chat().json() for path in ("/f/a", "/f/a", "/f/b", "")]
        assert [answer.get("nth") for answer in answers] == [1, 2, 1, None]
        approval_id, calls, _ = callers["/f/a"].approval()
        refused(callers["/f/b"].resume(approval_id), 404, "approval_not_found")
        refused(callers[""].resume(approval_id), 404, "approval_not_found")
        assert callers["/f/a"].resume(approval_id, approved_tool_execution_ids=calls).status_code == 200
        refused(callers[""].client.post("/f/c" + CHAT, json={}), 404, "path_not_found")
        refused(callers[""].client.post("/f/a", json={}), 404, "path_not_found")
        refused(callers[""].client.post("/f/a/v1", json={}), 404, "path_not_found")
        for each in callers.values():
            each.client.close()


# --- serving


def test_a_process_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    with in_process(Settings(tokens=("km_x",), token_interval=0)) as base:
        caller = Caller(base, "km_x")
        assert caller.chat(stream=True).status_code == 200
        refused(caller.raw(minimal(), Authorization=f"Bearer {FIRST_TOKEN}"), 401)
    with pytest.raises(httpx.TransportError):
        caller.chat()
    caller.client.close()
    assert capfd.readouterr() == ("", "")


def test_a_process_that_cannot_start(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="did not start"), in_process(factory="conformance.reference.app:absent"):
        pass
    assert "absent" in capfd.readouterr().err


def test_a_thread_stops_in_the_midst_of_a_stream() -> None:
    counting = [{"role": "user", "content": "Count from 1 to 5000, one number per line"}]
    before = threading.active_count()
    started = time.monotonic()
    with serving(Settings()) as caller:
        body = {"model": DEFAULT_MODEL, "messages": counting, "stream": True}
        request = caller.client.build_request("POST", CHAT, json=body)
        answer = caller.client.send(request, stream=True)
        pieces = answer.iter_raw()
        next(pieces)
    assert time.monotonic() - started < 3
    assert threading.active_count() <= before
