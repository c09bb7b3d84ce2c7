"""What a client asks of a face is recorded as it came: whose token, where it stood, what was answered, how it ended."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import httpx
import pytest

from conformance.client import faces, listening
from conformance.client.listening import TOKEN, Heard, served
from conformance.reference.settings import DEFAULT_MODEL
from conformance.transcript import har_reader, har_writer
from conformance.transcript.exchange import Credential, Ending, Exchange, Transcript

BODY = {"model": DEFAULT_MODEL, "messages": [{"role": "user", "content": "Reply with just this word: kite"}]}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def asked(face: str, *, headers: dict[str, str] | None = None, query: str = "", **body: Any) -> list[Exchange]:
    """What was recorded of one request."""
    heard = Heard(face)
    with served(faces.one(face), heard) as url:
        try:
            httpx.post(
                f"{url}/chat/completions{query}",
                json={**BODY, **body},
                headers=BEARER if headers is None else headers,
                timeout=1.0,
            )
        except httpx.HTTPError:
            pass
    return heard.exchanges()


@pytest.mark.parametrize(
    "face",
    ["plain", "http-1-0", "early-hints", "chunk-extensions-and-trailers", "close-delimited", "no-reason-phrase"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_recorded_however_it_is_sent(face, stream):
    (made,) = asked(face, stream=stream)
    assert made.status == 200
    assert made.ending is Ending.COMPLETE
    assert b"kite" in made.response.body
    assert sum(piece.length for piece in made.response.pieces) == len(made.response.body)
    assert (made.name, made.note.flow) == (f"{face}-1", face)
    assert made.request.url.endswith("/v1/chat/completions")
    assert json.loads(made.request.body)["model"] == DEFAULT_MODEL


@pytest.mark.parametrize(
    ("face", "stream", "status", "ending"),
    [
        ("stream-cut", True, 200, Ending.CUT),
        ("stream-ends-early", True, 200, Ending.COMPLETE),
        ("drops", False, None, Ending.RESET),
        ("hangs-before", False, None, Ending.LEFT),
        ("hangs-within", True, 200, Ending.LEFT),
        ("hangs-after", False, 200, Ending.LEFT),
        ("refuses-all-by-422", False, 422, Ending.COMPLETE),
    ],
)
def test_how_it_ended_is_told(face, stream, status, ending):
    (made,) = asked(face, stream=stream)
    assert (made.status, made.ending) == (status, ending)


@pytest.mark.parametrize(
    ("headers", "credential"),
    [
        (BEARER, Credential.OWN),
        ({"Authorization": f"bearer {TOKEN}"}, Credential.OWN),
        ({}, Credential.NONE),
        ({"Authorization": "Bearer"}, Credential.EMPTY),
        ({"Authorization": "Bearer km_other"}, Credential.NEVER_ISSUED),
        ({"Authorization": f"Basic {TOKEN}"}, Credential.OTHER_SCHEME),
        ({"Authorization": TOKEN}, Credential.OTHER_SCHEME),
    ],
)
def test_whose_token_it_was_is_told(headers, credential):
    (made,) = asked("plain", headers=headers)
    assert made.request.credential is credential


def test_the_token_is_masked_and_where_it_stood_is_kept():
    headers = {**BEARER, "X-Api-Key": TOKEN}
    (made,) = asked("plain", headers=headers, query=f"?key={TOKEN}", user=TOKEN)
    held = made.request.held
    assert held.url
    assert [name.lower() for name in held.headers] == ["x-api-key"]
    ((at, length),) = held.body
    assert made.request.body[at : at + length] == b"*" * len(TOKEN)
    written = har_writer.dumps(Transcript((made,), {"suite": "0"}))
    assert TOKEN not in written
    assert har_reader.load(written).exchanges[0] == made


def test_a_request_that_is_too_large_is_recorded_without_its_body(monkeypatch):
    monkeypatch.setattr(listening, "LARGEST_REQUEST", 100)
    (made,) = asked("plain")
    assert made.request.body is None
    assert made.status == 200


def test_no_more_is_recorded_than_is_kept(monkeypatch):
    monkeypatch.setattr(listening, "MOST_EXCHANGES", 2)
    heard = Heard("plain")
    with served(faces.one("plain"), heard) as url:
        for _ in range(3):
            assert httpx.post(f"{url}/chat/completions", json=BODY, headers=BEARER).status_code == 200
    assert heard.flooded
    assert len(heard.exchanges()) == 2


def test_sockets_that_a_client_leaves_open_do_not_keep_the_server():
    heard = Heard("plain")
    left = []
    started = time.monotonic()
    with served(faces.one("plain"), heard) as url:
        port = int(url.split(":")[2].split("/")[0])
        for octets in (b"", b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"):
            left.append(socket.create_connection(("127.0.0.1", port)))
            left[-1].sendall(octets)
        time.sleep(0.2)
    assert time.monotonic() - started < 5
    for one in left:
        one.close()
    (made,) = heard.exchanges()
    assert (made.ending, made.request.body) == (Ending.LEFT, None)
