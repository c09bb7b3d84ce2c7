"""`record` passes traffic on as it comes, and judges it while it passes."""

from __future__ import annotations

import asyncio
import json
import pickle
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from conformance.contract.catalogue import Side
from conformance.evidence.finding import Finding
from conformance.judging import judge as judging
from conformance.judging.verdict import State
from conformance.recording import recorder, serving
from conformance.recording.keeping import Kept
from conformance.recording.passing import Way
from conformance.recording.recorder import Log, Recorder, opened
from conformance.reference import faults
from conformance.reference.app import create_app
from conformance.reference.serving import in_thread, listener, url_of
from conformance.reference.settings import DEFAULT_MODEL, FIRST_TOKEN, Settings
from conformance.settings.options import Options
from conformance.soak.apart import Apart
from conformance.soak.window import Judge, WindowResult
from conformance.transcript import har_reader, har_writer
from conformance.transcript.exchange import Credential, Ending, Exchange

BODY = {"model": DEFAULT_MODEL, "messages": [{"role": "user", "content": "Say word."}]}
AUTHORIZATION = {"Authorization": f"Bearer {FIRST_TOKEN}"}


@dataclass
class Recording:
    url: str
    recorder: Recorder
    told: list[tuple[Finding, Exchange]] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None


class Here:
    """`Apart` without a process of its own, which takes more than a second to start: a thread judges."""

    pid = None

    def __init__(self, *given: Any) -> None:
        self._judge = Judge(*given)

    async def start(self) -> None:
        pass

    async def judge(self, exchanges: Sequence[Exchange]) -> WindowResult:
        return await asyncio.to_thread(self._judge.judge, [pickle.loads(pickle.dumps(each)) for each in exchanges])

    def close(self) -> None:
        pass


@contextmanager
def recording(target: str, log: Log | None = None, judge: type = Here, **way: Any) -> Iterator[Recording]:
    """The recorder in a thread, in front of a target's origin."""
    told: list[tuple[Finding, Exchange]] = []
    made = Recorder(Way(target, **way), Kept(), lambda f, e: told.append((f, e)), log or Log())
    ready = threading.Event()
    held: dict[str, Any] = {}

    async def main() -> None:
        held["stop"], held["loop"] = asyncio.Event(), asyncio.get_running_loop()
        await serving.serve(made, bound, None, ready.set, held["stop"])

    with listener(0) as bound, pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "Apart", judge)
        thread = threading.Thread(target=lambda: asyncio.run(main()))
        thread.start()

        def stop() -> None:
            if thread.is_alive():
                held["loop"].call_soon_threadsafe(held["stop"].set)
                thread.join(60)

        assert ready.wait(60)
        try:
            yield Recording(url_of(bound), made, told, stop)
        finally:
            stop()


def origin(url: str) -> str:
    return url.removesuffix("/v1")


@pytest.fixture(scope="module")
def reference() -> Iterator[str]:
    with in_thread(create_app(Settings(token_interval=0.001))) as url:
        yield origin(url)


def test_what_passes_is_as_it_came_and_nothing_is_wrong_with_it(reference: str) -> None:
    with recording(reference, judge=Apart) as made, httpx.Client(base_url=made.url, headers=AUTHORIZATION) as client:
        straight = httpx.post(f"{reference}/v1/chat/completions", json={**BODY, "stream": 1}, headers=AUTHORIZATION)
        refused = client.post("/v1/chat/completions", json={**BODY, "stream": 1})
        answer = client.post("/v1/chat/completions", json=BODY)
        stream = client.post("/v1/chat/completions", json={**BODY, "stream": True})
        bare = client.post("/v1/chat/completions", json=BODY, headers={"Authorization": ""})
        client.get("/v1/models?key=secret-1234")
        made.stop()
        transcript = made.recorder.transcript()
    assert (refused.status_code, set(refused.headers)) == (straight.status_code, set(straight.headers))
    assert answer.json()["object"] == "chat.completion"
    assert stream.text.endswith("data: [DONE]\n\n")
    assert bare.status_code == 401
    # Of the server nothing; of the client the one bad body, and the one request without a token.
    assert [finding.requirement for finding, _ in made.told] == ["client.request-valid", "client.token"]
    exchanges = list(transcript)
    assert [exchange.status for exchange in exchanges] == [422, 200, 200, 401]
    assert [e.response.body for e in exchanges if e.response] == [
        refused.content, answer.content, stream.content, bare.content,
    ]  # fmt: skip
    assert all(exchange.ending is Ending.COMPLETE for exchange in exchanges)
    assert FIRST_TOKEN not in har_writer.dumps(transcript)
    assert len(exchanges[2].response.pieces or ()) > 3  # type: ignore[union-attr]
    assert har_reader.load(har_writer.dumps(transcript)) == transcript
    result = judging.judge(transcript, opinions=False)
    assert not result.findings
    for id_ in ("http.complete", "stream.utf8", "stream.done", "completion.schema", "reject.stream-type"):
        assert result.verdict[id_].state is State.PASSED, id_
    assert result.notes[0] == "5 entries: 4 judged, 1 to other addresses."


def test_a_fault_is_told_while_traffic_goes_on(tmp_path: Path) -> None:
    app = create_app(Settings(token_interval=0.001), faults.by_id("stream-done-absent").behaviour)
    with in_thread(app) as url, opened(tmp_path) as file, recording(origin(url), Log(file), Apart) as made:
        sent = httpx.post(f"{made.url}/v1/chat/completions", json={**BODY, "stream": True}, headers=AUTHORIZATION)
        assert sent.status_code == 200
        for _ in range(200):
            if made.told:
                break
            threading.Event().wait(0.1)
        assert made.told  # before it is stopped
        lines = [json.loads(line) for line in (tmp_path / "record.jsonl").read_text().splitlines()]
    assert [line["requirement"] for line in lines] == [finding.requirement for finding, _ in made.told]
    assert {line["requirement"] for line in lines} == {"stream.done"}
    assert lines[0]["exchange"] == "request-1"
    result = judging.judge(made.recorder.transcript(), opinions=False)
    assert {finding.requirement for finding in result.findings} == {"stream.done"}


def test_the_openai_client_works_unchanged(reference: str) -> None:
    from openai import OpenAI

    with recording(reference) as made:
        client = OpenAI(base_url=f"{made.url}/v1", api_key=FIRST_TOKEN, max_retries=0)
        messages: Any = [{"role": "user", "content": "Say word."}]
        answer = client.chat.completions.create(model=DEFAULT_MODEL, messages=messages)
        chunks = list(client.chat.completions.create(model=DEFAULT_MODEL, messages=messages, stream=True))
        made.stop()
        transcript = made.recorder.transcript()
    assert answer.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert [exchange.status for exchange in transcript] == [200, 200]
    assert not judging.judge(transcript, opinions=False).findings


SENT_TOKEN = "km_reference_first"


@pytest.mark.parametrize(
    ("query", "fields", "more", "held"),
    [
        ("", {}, {}, (False, (), 0)),
        ("?key=another-secret-1234", {"X-Api-Key": "another-secret-1234"}, {}, (False, (), 0)),
        (f"?key={SENT_TOKEN}", {}, {}, (True, (), 0)),
        ("", {"X-Api-Key": SENT_TOKEN}, {}, (False, ("X-Api-Key",), 0)),
        ("", {}, {"metadata": {"request_id": SENT_TOKEN}}, (False, (), 1)),
    ],
    ids=["nowhere", "another secret", "URL", "field", "body"],
)
def test_where_the_token_stands_besides_its_field_is_kept(reference, query, fields, more, held):
    with recording(reference) as made:
        url = f"{made.url}/v1/chat/completions{query}"
        assert httpx.post(url, json={**BODY, **more}, headers={**AUTHORIZATION, **fields}).status_code == 200
        made.stop()
        transcript = made.recorder.transcript()
    (exchange,) = transcript
    assert exchange.request.held is not None
    found = exchange.request.held
    assert (found.url, tuple(found.headers), len(found.body)) == held or (
        found.url, tuple(name.title() for name in found.headers), len(found.body)) == held  # fmt: skip
    for at, length in found.body:
        assert exchange.request.body[at : at + length] == b"*" * len(SENT_TOKEN)
    outcome = judging.judge(transcript, options=Options(side=Side.CLIENT)).verdict["client.token-nowhere-else"]
    assert (outcome.state is State.FAILED) == any(held)
    assert {f.requirement for f, _ in made.told} == ({"client.token-nowhere-else"} if any(held) else set())
    assert SENT_TOKEN not in har_writer.dumps(transcript)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer"}, {"Authorization": "Bearer testing"}])
def test_a_token_that_may_be_a_word_is_not_looked_for(reference, headers):
    with recording(reference) as made:
        messages = [{"role": "user", "content": "Say testing."}]
        httpx.post(f"{made.url}/v1/chat/completions", json={**BODY, "messages": messages}, headers=headers)
        made.stop()
        (exchange,) = made.recorder.transcript()
    assert exchange.request.held is None


def test_the_clients_side_is_judged_while_traffic_goes_on(reference):
    with recording(reference) as made:
        sent = httpx.post(f"{made.url}/v1/chat/completions", json={**BODY, "temperature": 3}, headers=AUTHORIZATION)
        assert sent.status_code == 422
        made.stop()
    assert [finding.requirement for finding, _ in made.told] == ["client.request-valid"]


# --- who leaves, and who dies ----------------------------------------------------------------------------------------


@contextmanager
def raw(answer: bytes, *, waits: float = 0.0) -> Iterator[str]:
    """A server that sends these octets to each connection, and closes it."""
    bound = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = bound.accept()
            except OSError:
                return
            with connection:
                request = b""
                while not request.endswith(b"}"):  # what is left unread when it closes would reset the connection
                    request += connection.recv(65536)
                connection.sendall(answer)
                ended.wait(waits)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        ended.set()
        bound.close()
        thread.join(5)


CHUNK = b'data: {"id": "c"}\n\n'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
CUT = HEAD + b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK)


def test_a_target_that_dies_in_mid_answer_is_felt_by_the_client_and_is_a_breach() -> None:
    with raw(CUT) as target, recording(target) as made:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{made.url}/v1/chat/completions", json={**BODY, "stream": True}, headers=AUTHORIZATION)
        made.stop()
        (exchange,) = made.recorder.transcript()
    assert exchange.ending is Ending.CUT
    assert exchange.response is not None
    assert exchange.response.body == CHUNK
    assert {finding.requirement for finding, _ in made.told} == {"http.complete"}


def test_a_client_that_leaves_is_no_fault_of_the_target() -> None:
    with raw(CUT, waits=20) as target, recording(target) as made:
        url = f"{made.url}/v1/chat/completions"
        with httpx.stream("POST", url, json={**BODY, "stream": True}, headers=AUTHORIZATION) as answer:
            assert next(answer.iter_raw()) == CHUNK
        for _ in range(100):
            if made.recorder.account.entries:
                break
            threading.Event().wait(0.05)
        made.stop()
    assert made.recorder.account.recorded()["left_out"] == {
        "broken off by the client": {"count": 1, "told": ["request-1"]}
    }
    assert not made.told


def test_a_target_that_is_not_there_is_told_by_502() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    with recording(f"http://127.0.0.1:{port}") as made:
        answer = httpx.post(f"{made.url}/v1/chat/completions", json=BODY, headers=AUTHORIZATION)
        made.stop()
        (exchange,) = made.recorder.transcript()
    assert answer.status_code == 502
    assert (exchange.response, exchange.ending) == (None, Ending.REFUSED)
    assert exchange.request.body is None  # nobody read it
    assert not made.told


def test_header_fields_for_the_target_alone() -> None:
    seen: list[dict[bytes, bytes]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(dict(scope["headers"]))
        await send({"type": "http.response.start", "status": 204, "headers": [(b"X-Way", b"1")]})
        await send({"type": "http.response.body", "body": b""})

    with in_thread(app) as url, recording(url, fields=(("X-Gate", "open"),)) as made:
        fields = {"X-Gate": "shut", "Connection": "x"}
        answer = httpx.post(f"{made.url}/v1/chat/completions", content=b"{}", headers=fields)
        made.stop()
        (exchange,) = made.recorder.transcript()
    assert answer.headers["x-way"] == "1"
    assert seen[0][b"x-gate"] == b"open"
    assert b"open" not in repr(exchange.request.headers).encode()
    assert seen[0][b"host"] == url.partition("//")[2].encode()
    assert exchange.request.credential is Credential.NONE


def test_what_is_kept_has_a_bound(reference: str) -> None:
    with recording(reference) as made:
        made.recorder.kept.newest = 2
        with httpx.Client(base_url=made.url, headers=AUTHORIZATION) as client:
            for _ in range(5):
                assert client.post("/v1/chat/completions", json=BODY).status_code == 200
        made.stop()
    transcript = made.recorder.transcript()
    assert [exchange.name for exchange in transcript] == ["request-4", "request-5"]
    assert transcript.options["remark"].startswith("3 exchanges were not kept (5 were judged while they passed)")
