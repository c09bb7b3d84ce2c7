"""Whatever a server does comes back as an exchange that says so."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from wire.raw_server import Act, RawServer, Script, answer, chunk, chunked

from conformance.transcript.exchange import Credential, Ending, Exchange, Headers, ProbeNote
from conformance.transcript.redaction import Redactor
from conformance.wire.client import Client
from conformance.wire.limits import Limits
from conformance.wire.outgoing import Outgoing

TOKEN = "km_live_0123456789abcdef"
LIMITS = Limits(connect=5, first_byte=5, idle=5, total=10)
"""Never reached, on a busy machine either."""
IMPATIENT = Limits(connect=0.2, first_byte=0.2, idle=0.2, total=0.7)
JSON = b'{"id": "chatcmpl_1"}'


def outgoing(name: str = "probe", **changes: Any) -> Outgoing:
    values: dict[str, Any] = {
        "name": name,
        "method": "POST",
        "path": "/chat/completions",
        "headers": (
            ("Authorization", f"Bearer {TOKEN}"),
            ("Content-Type", "application/json"),
            ("accept-encoding", "identity"),
        ),
        "body": b'{"stream": false}',
        "credential": Credential.OWN,
        "note": ProbeNote(area="accept", probe=name),
    }
    return Outgoing(**{**values, **changes})


@asynccontextmanager
async def playing(
    *scripts: Script, limits: Limits = LIMITS, concurrency: int = 4, greet: bool = False, extra: Headers = ()
) -> AsyncIterator[tuple[RawServer, Client]]:
    async with (
        RawServer(*scripts, greet=greet) as server,
        Client(
            server.url, concurrency=concurrency, limits=limits, redactor=Redactor([TOKEN]), extra_headers=extra
        ) as client,
    ):
        yield server, client


def once(*steps: tuple[float, bytes | Act], limits: Limits = LIMITS, greet: bool = False, **changes: Any) -> Exchange:
    """One exchange with a server that plays these steps."""

    async def run() -> Exchange:
        async with playing(steps, limits=limits, greet=greet) as (_, client):
            return await client.exchange(outgoing(**changes))

    return asyncio.run(run())


def test_what_is_recorded_is_what_was_sent() -> None:
    async def run() -> None:
        extra = (("User-Agent", "suite"), ("Content-Type", "text/plain"))
        async with playing([(0, answer(JSON))], extra=extra) as (server, client):
            before = time.time()
            exchange = await client.exchange(outgoing())
            head, _, body = server.requests[0].partition(b"\r\n\r\n")
            line, *fields = head.decode().split("\r\n")
            assert line == "POST /v1/chat/completions HTTP/1.1"
            sent = tuple(tuple(item.split(": ", 1)) for item in fields)
            hidden = ("Authorization", f"Bearer {'*' * len(TOKEN)}")
            masked = tuple((name, "*****") if name == "User-Agent" else (name, value) for name, value in sent[2:])
            assert exchange.request.headers == (sent[0], hidden, *masked)  # the caller's own field is masked too
            assert [name for name, _ in sent] == [
                "Host", "Authorization", "Content-Type", "accept-encoding", "User-Agent", "Content-Length",
            ]  # fmt: skip
            assert sent[1] == ("Authorization", f"Bearer {TOKEN}")
            assert sent[2] == ("Content-Type", "application/json")
            assert body == exchange.request.body == b'{"stream": false}'
            assert exchange.request.url == f"{server.url}/chat/completions"
            assert exchange.request.credential is Credential.OWN
            assert exchange.note == ProbeNote(area="accept", probe="probe")
            assert before - 0.001 <= exchange.started <= time.time()
            assert exchange.server_ip == "127.0.0.1"

    asyncio.run(run())


def test_complete_answer() -> None:
    exchange = once((0, answer(JSON, "Content-Type: application/json", "X-Two: a", "x-two: b")))
    response = exchange.response
    assert exchange.ending is Ending.COMPLETE
    assert exchange.error == ""
    assert response is not None
    assert (response.status, response.reason, response.http_version) == (200, "OK", "HTTP/1.1")
    assert response.headers[1:] == (("Content-Type", "application/json"), ("X-Two", "a"), ("x-two", "b"))
    assert response.header("X-Two") == "a, b"
    assert response.body == JSON
    assert response.pieces is not None
    assert [piece.length for piece in response.pieces] == [len(JSON)]
    assert response.headers_at is not None
    assert 0 < response.headers_at <= response.pieces[0].at <= exchange.finished
    assert exchange.finished == round(exchange.finished, 6)
    assert response.excess == 0


def test_pieces_have_their_arrival_times() -> None:
    steps = [(0.0, chunked(b"data: 1\n\n", end=b"")), (0.3, chunk(b"data: 2\n\n")), (0.3, b"0\r\n\r\n")]
    exchange = once(*steps)
    assert exchange.ending is Ending.COMPLETE
    assert exchange.response is not None
    assert exchange.response.pieces is not None
    first, second = exchange.response.pieces
    # Of two arrivals the first may be late and the second not: what is sure is how long each took from the start.
    assert first.at < second.at < exchange.finished
    assert second.at >= 0.29
    assert exchange.finished >= 0.59


def test_interim_answers_are_no_answers() -> None:
    limits = Limits(first_byte=0.3, idle=0.05, total=1)
    exchange = once(
        (0, b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        (0.1, b"HTTP/1.1 100 Continue\r\n\r\n" + answer(JSON)),
        limits=limits,
    )
    assert exchange.ending is Ending.COMPLETE
    assert exchange.response is not None
    assert (exchange.response.status, exchange.response.body, exchange.response.excess) == (200, JSON, 0)


NO_ANSWER: list[tuple[str, Script, Ending]] = [
    ("closed at once", [(0, Act.CLOSE)], Ending.RESET),
    ("reset at once", [(0, Act.RESET)], Ending.RESET),
    ("half a header section", [(0, b"HTTP/1.1 200 OK\r\nContent-Le"), (0, Act.CLOSE)], Ending.RESET),
    ("nothing", [], Ending.TIMED_OUT_FIRST_BYTE),
    ("header section stalls", [(0, b"HTTP/1.1 200 OK\r\n")], Ending.TIMED_OUT_IDLE),
    ("head trickles", [(0.06, octet) for octet in [b"HTTP/1.1 200 OK\r\n"] + [b"a"] * 30], Ending.TIMED_OUT_TOTAL),
    ("another protocol, closed", [(0, b"SSH-2.0-OpenSSH_9.9\r\n"), (0, Act.CLOSE)], Ending.GARBAGE),
    ("another protocol, silent", [(0, b"SSH-2.0-OpenSSH_9.9\r\n")], Ending.GARBAGE),
    ("a body without a head", [(0, b'{"id": 1}\r\n\r\n'), (0, Act.CLOSE)], Ending.GARBAGE),
    ("malformed status line", [(0, b"HTTP/1.1 two hundred\r\n\r\n")], Ending.GARBAGE),
    ("status 099", [(0, b"HTTP/1.1 099 No\r\n\r\n")], Ending.GARBAGE),
    ("two lengths", [(0, answer(b"", "Content-Length: 7"))], Ending.GARBAGE),
    ("endless header section", [(0, b"HTTP/1.1 200 OK\r\n" + b"X-Pad: 12345678\r\n" * 6000)], Ending.TOO_LARGE),
    ("endless interim answers", [(0, b"HTTP/1.1 103 Hints\r\nA: 12345678\r\n\r\n" * 3000)], Ending.TOO_LARGE),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "ending"), [item[1:] for item in NO_ANSWER], ids=[item[0] for item in NO_ANSWER])
def test_no_answer(steps: Script, ending: Ending) -> None:
    exchange = once(*steps, limits=IMPATIENT)
    assert exchange.response is None
    assert exchange.ending is ending
    assert exchange.error
    assert exchange.status is None


BROKEN: list[tuple[str, Script, Ending, bytes]] = [
    ("too short", [(0, answer(JSON, length=99)), (0, Act.CLOSE)], Ending.CUT, JSON),
    ("chunks end early", [(0, chunked(b"data: 1\n\n", end=b"")), (0, Act.CLOSE)], Ending.CUT, b"data: 1\n\n"),
    ("cut within a chunk", [(0, chunked(end=b"9\r\ndata")), (0, Act.CLOSE)], Ending.CUT, b"data"),
    ("reset midstream", [(0, chunked(b"data: 1\n\n", end=b"")), (0.05, Act.RESET)], Ending.RESET, b"data: 1\n\n"),
    ("no chunk", [(0, chunked(b"data: 1\n\n", end=b"zz\r\n"))], Ending.GARBAGE, b"data: 1\n\n"),
    ("stalls", [(0, chunked(b"data: 1\n\n", end=b""))], Ending.TIMED_OUT_IDLE, b"data: 1\n\n"),
    ("too short, open", [(0, answer(JSON, length=99))], Ending.TIMED_OUT_IDLE, JSON),
    ("without end", [(0, chunked(end=b"")), *[(0.06, chunk(b"a"))] * 30], Ending.TIMED_OUT_TOTAL, b"a"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "ending", "body"), [item[1:] for item in BROKEN], ids=[item[0] for item in BROKEN]
)  # fmt: skip
def test_broken_body(steps: Script, ending: Ending, body: bytes) -> None:
    exchange = once(*steps, limits=IMPATIENT)
    assert exchange.ending is ending
    assert exchange.error
    assert exchange.response is not None
    assert exchange.response.status == 200
    assert exchange.response.body.startswith(body)
    assert exchange.response.pieces is not None
    assert sum(piece.length for piece in exchange.response.pieces) == len(exchange.response.body)


def test_body_that_ends_with_the_connection() -> None:
    exchange = once((0, b"HTTP/1.0 200 OK\r\n\r\n" + JSON), (0.02, Act.CLOSE))
    assert exchange.ending is Ending.COMPLETE
    assert exchange.response is not None
    assert (exchange.response.body, exchange.response.http_version) == (JSON, "HTTP/1.0")


def test_endless_body_stops_at_the_limit() -> None:
    limits = Limits(first_byte=1, idle=1, total=5, body=200_000)
    exchange = once((0, chunked(end=b"")), *[(0.0, chunk(b"x" * 10_000))] * 2000, limits=limits)
    assert exchange.ending is Ending.TOO_LARGE
    assert exchange.response is not None
    assert len(exchange.response.body) == limits.kept
    assert exchange.error == "more than 200000 octets of body"
    assert exchange.response.pieces is not None
    assert sum(piece.length for piece in exchange.response.pieces) == limits.kept


@pytest.mark.parametrize("delay", [None, 0.02])
def test_octets_behind_content_length(delay: float | None) -> None:
    """They are counted, and the connection serves no other exchange."""
    first = [(0.0, answer(JSON, length=10))] if delay is None else [(0.0, answer(JSON[:10])), (delay, JSON[10:])]

    async def run() -> None:
        async with playing(first, [(0, answer(b"{}"))]) as (server, client):
            exchange = await client.exchange(outgoing("first"))
            if delay is not None:
                await asyncio.sleep(2 * delay)
            second = await client.exchange(outgoing("second"))
            assert exchange.ending is Ending.COMPLETE
            assert exchange.response is not None
            assert exchange.response.body == JSON[:10]
            if delay is None:
                assert exchange.response.excess == len(JSON) - 10
            assert second.response is not None
            assert second.response.body == b"{}"
            assert second.response.excess == 0
            assert server.connections == 2

    asyncio.run(run())


def test_octets_behind_the_last_chunk_spoil_the_connection() -> None:
    async def run() -> None:
        async with playing([(0, chunked(b"data: 1\n\n") + b"more")], [(0, answer(b"{}"))]) as (server, client):
            first = await client.exchange(outgoing("first"))
            second = await client.exchange(outgoing("second"))
            assert first.ending is second.ending is Ending.COMPLETE
            assert second.response is not None
            assert second.response.body == b"{}"
            assert server.connections == 2

    asyncio.run(run())


def test_connections_are_used_again() -> None:
    async def run() -> None:
        async with playing([(0, answer(JSON))], [(0, chunked(b"data: 1\n\n"))]) as (server, client):
            for number in range(5):
                exchange = await client.exchange(outgoing(str(number)))
                assert exchange.ending is Ending.COMPLETE
            assert server.connections == 1
            assert len(server.requests) == 5

    asyncio.run(run())


@pytest.mark.parametrize("act", [Act.CLOSE, Act.RESET])
def test_stale_connection_is_no_fault(act: Act) -> None:
    """A server may close an idle connection; if it does so just as we send, we send again."""

    async def run() -> None:
        async with playing([(0, answer(JSON))], [(0, act)], [(0, answer(b"{}"))]) as (server, client):
            await client.exchange(outgoing("first"))
            exchange = await client.exchange(outgoing("second"))
            assert exchange.ending is Ending.COMPLETE
            assert exchange.response is not None
            assert exchange.response.body == b"{}"
            assert server.connections == 2
            assert len(server.requests) == 3

    asyncio.run(run())


def test_request_that_makes_the_server_hang_up_is_blamed_after_one_more_try() -> None:
    async def run() -> None:
        async with playing([(0, answer(JSON))], [(0, Act.CLOSE)]) as (server, client):
            await client.exchange(outgoing("first"))
            exchange = await client.exchange(outgoing("second"))
            assert exchange.ending is Ending.RESET
            assert len(server.requests) == 3

    asyncio.run(run())


def test_first_connection_is_not_tried_twice() -> None:
    async def run() -> None:
        async with playing([(0, Act.CLOSE)]) as (server, client):
            assert (await client.exchange(outgoing())).ending is Ending.RESET
            assert server.connections == 1

    asyncio.run(run())


def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def send_to(url: str, limits: Limits = LIMITS) -> Exchange:
    async with Client(url, concurrency=1, limits=limits, redactor=Redactor([TOKEN])) as client:
        return await client.exchange(outgoing())


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_no_connection(host: str) -> None:
    exchange = asyncio.run(send_to(f"http://{host}:{unused_port()}/v1"))
    assert (exchange.ending, exchange.response) == (Ending.REFUSED, None)
    assert exchange.error.startswith("ConnectError: ")


def test_connection_that_nobody_accepts() -> None:
    async def run() -> Exchange:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            address = listener.getsockname()
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(address)
            try:
                return await send_to(f"http://127.0.0.1:{address[1]}/v1", Limits(connect=0.2))
            finally:
                for filler in fillers:
                    filler.close()

    assert asyncio.run(run()).ending is Ending.TIMED_OUT_CONNECTING


@pytest.mark.parametrize(
    ("steps", "ending"),
    [([(0.0, b"HTTP/1.1 400 Bad Request\r\n\r\n"), (0.0, Act.CLOSE)], Ending.TLS), ([], Ending.TIMED_OUT_CONNECTING)],
    ids=["plain HTTP", "silent"],
)
def test_tls_that_fails(steps: Script, ending: Ending) -> None:
    async def run() -> Exchange:
        async with RawServer(steps, greet=True) as server:
            return await send_to(server.url.replace("http:", "https:"), IMPATIENT)

    exchange = asyncio.run(run())
    assert (exchange.ending, exchange.response) == (ending, None)
    assert exchange.error


def test_redirect_is_recorded_and_not_followed() -> None:
    async def run() -> None:
        for location in ("/elsewhere", "http://[bad", "http://\xff\x00"):
            script = [(0.0, answer(b"", f"Location: {location.rstrip(chr(0))}", status="307 Temporary Redirect"))]
            async with playing(script) as (server, client):
                exchange = await client.exchange(outgoing())
                assert exchange.status == 307
                assert exchange.ending is Ending.COMPLETE
                assert len(server.requests) == 1

    asyncio.run(run())


def test_no_cookie_is_kept() -> None:
    async def run() -> None:
        async with playing([(0, answer(JSON, "Set-Cookie: session=1; Path=/"))]) as (server, client):
            await client.exchange(outgoing("first"))
            await client.exchange(outgoing("second"))
            assert b"cookie" not in server.requests[1].lower()

    asyncio.run(run())


def test_environment_leads_the_token_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{unused_port()}")
    assert once((0, answer(JSON))).ending is Ending.COMPLETE


def test_content_coding_is_not_undone() -> None:
    packed = gzip.compress(JSON)
    exchange = once((0, answer(packed, "Content-Encoding: gzip")))
    assert exchange.response is not None
    assert exchange.response.body == packed


def test_token_in_the_answer_is_redacted_and_marked() -> None:
    body = json.dumps({"echo": TOKEN, "again": f"Bearer {TOKEN}"}).encode()
    parts = [body[at : at + 7] for at in range(0, len(body), 7)]
    exchange = once(
        (0, chunked(end=b"").replace(b"\r\n\r\n", b"\r\nX-Echo: " + TOKEN.encode() + b"\r\n\r\n", 1)),
        *[(0.002, chunk(part)) for part in parts],
        (0, b"0\r\n\r\n"),
    )
    response = exchange.response
    assert exchange.ending is Ending.COMPLETE
    assert response is not None
    assert response.body == body.replace(TOKEN.encode(), b"*" * len(TOKEN))
    assert response.redacted == tuple(
        (at, len(TOKEN)) for at in (body.find(TOKEN.encode()), body.rfind(TOKEN.encode()))
    )
    assert response.redacted_headers == ("X-Echo",)
    assert response.header("x-echo") == "*" * len(TOKEN)
    assert response.pieces is not None
    assert [piece.length for piece in response.pieces] == [len(part) for part in parts]
    assert TOKEN not in repr(exchange)


@pytest.mark.parametrize("head", [f"HELLO {TOKEN}\r\n\r\n", f"HTTP/1.1 200 OK\r\n bad {TOKEN}: x\r\n\r\n"])
def test_token_stays_out_of_the_error(head: str) -> None:
    exchange = once((0, head.encode()))
    assert exchange.ending is Ending.GARBAGE
    assert TOKEN not in repr(exchange)
    assert TOKEN[:12] not in exchange.error


def test_token_stays_out_of_the_recorded_request() -> None:
    exchange = once((0, answer(JSON)), path=f"/chat/completions?key={TOKEN}", body=TOKEN.encode())
    assert TOKEN not in repr(exchange)
    assert exchange.request.body == b"*" * len(TOKEN)


def test_leaving_after_some_pieces() -> None:
    async def run() -> None:
        steps = [(0.0, chunked(end=b"")), *[(0.01, chunk(b"data: x\n\n"))] * 30]
        async with playing(steps) as (server, client):
            exchange = await client.exchange(outgoing(leave_after=3))
            assert exchange.ending is Ending.LEFT
            assert exchange.response is not None
            assert exchange.response.pieces is not None
            assert len(exchange.response.pieces) == 3
            await asyncio.wait_for(server.left.wait(), 0.5)

    asyncio.run(run())


def test_leaving_before_any_piece_and_too_late() -> None:
    assert once((0, answer(JSON)), leave_after=0).ending is Ending.LEFT
    assert once((0, answer(JSON)), leave_after=2).ending is Ending.COMPLETE


def test_leaving_before_an_answer_has_begun() -> None:
    async def run() -> None:
        async with playing([(1.0, chunked(end=b"")), *[(0.05, chunk(b"x"))] * 30]) as (server, client):
            exchange = await client.exchange(outgoing(leave_after=-1))
            assert exchange.ending is Ending.LEFT
            assert exchange.response is None
            assert exchange.error == ""
            await asyncio.wait_for(server.left.wait(), 5)

    asyncio.run(run())


def test_leaving_early_an_answer_that_began_at_once() -> None:
    exchange = once((0, answer(JSON)), leave_after=-1)
    assert exchange.ending is Ending.LEFT
    assert exchange.status == 200


def test_leaving_at_octets() -> None:
    steps = [(0.0, chunked(end=b"")), *[(0.02, chunk(b"data: %d\n\n" % n)) for n in range(20)]]
    exchange = once(*steps, leave_after=1000, leave_at=b"data: 5")
    assert exchange.ending is Ending.LEFT
    assert exchange.response is not None
    assert exchange.response.body.endswith(b"data: 5\n\n")


@pytest.mark.parametrize("cut", [1, 8, 11, 12, 13])
def test_a_stream_that_stays_open_behind_its_end(cut: int) -> None:
    end = b"data: [DONE]\n\n"
    steps = [(0.0, chunked(end=chunk(end[:cut]))), (0.01, chunk(end[cut:])), *[(0.05, chunk(b": ping\n\n"))] * 20]
    exchange = once(*steps, settle=(b"[DONE]", 0.12))
    assert exchange.ending is Ending.TIMED_OUT_IDLE
    assert exchange.error == "no end within 0.12 s after [DONE]"
    assert exchange.response is not None
    assert exchange.response.body.startswith(end)


def test_the_same_octets_in_a_text_are_no_end() -> None:
    text = b'data: {"content":"[DONE]"}\n\n'
    steps = [(0.0, chunked(text, end=b"")), (0.2, chunk(b"data: [DONE]\n\n")), (0.0, b"0\r\n\r\n")]
    assert once(*steps, settle=(b"[DONE]", 0.1)).ending is Ending.COMPLETE


def test_slow_reader() -> None:
    exchange = once((0, answer(b"x" * 4000)), pause=0.01, limits=Limits())
    assert exchange.ending is Ending.COMPLETE
    assert exchange.response is not None
    assert exchange.response.pieces is not None
    assert max(piece.length for piece in exchange.response.pieces) <= 512
    assert exchange.response.pieces[-1].at >= 0.07


def test_slow_reader_holds_nobody_up() -> None:
    async def run() -> None:
        async with playing([(0, answer(b"x" * 20_000))], concurrency=2) as (_, client):
            slow = asyncio.create_task(client.exchange(outgoing("slow", pause=0.005)))
            await asyncio.sleep(0.01)
            quick = await client.exchange(outgoing("quick"))
            assert not slow.done()
            assert quick.ending is Ending.COMPLETE
            assert (await slow).ending is Ending.COMPLETE

    asyncio.run(run())


def test_no_more_than_the_concurrency_at_once() -> None:
    async def run() -> None:
        async with playing([(0.1, answer(JSON))], concurrency=12) as (server, client):
            exchanges = await asyncio.gather(*(client.exchange(outgoing(str(number))) for number in range(24)))
            assert {exchange.ending for exchange in exchanges} == {Ending.COMPLETE}
            assert 2 <= server.busiest <= 12
            assert server.connections <= 12

    asyncio.run(run())


def test_waiting_for_a_slot_is_not_counted() -> None:
    async def run() -> None:
        async with playing([(0.05, answer(JSON))], concurrency=1) as (_, client):
            exchanges = await asyncio.gather(*(client.exchange(outgoing(str(number))) for number in range(3)))
            starts = [exchange.started for exchange in exchanges]
            assert all(later - earlier >= 0.045 for earlier, later in itertools.pairwise(starts))
            for earlier, later in itertools.pairwise(exchanges):
                assert earlier.started + earlier.finished <= later.started + 0.005

    asyncio.run(run())


def test_cancellation_passes_and_closes_the_connection() -> None:
    async def run() -> None:
        steps = [(0.0, chunked(end=b"")), *[(0.01, chunk(b"data: x\n\n"))] * 100]
        async with playing(steps, [(0, answer(JSON))]) as (server, client):
            task = asyncio.create_task(client.exchange(outgoing("first")))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(server.left.wait(), 0.5)
            assert (await client.exchange(outgoing("second"))).ending is Ending.COMPLETE

    asyncio.run(run())


def test_answer_before_the_request_was_read() -> None:
    """A server may refuse a large body early; what it said is kept if it got through."""
    exchange = once((0, answer(JSON, "Connection: close", status="413 Content Too Large")), greet=True)
    assert exchange.status == 413


@pytest.mark.parametrize(
    "make",
    [
        lambda: outgoing(headers=(("Authorization", f"Bearer {TOKEN}\n"),)),
        lambda: outgoing(headers=(("X-Bad", "\u20ac"),)),
        lambda: outgoing(headers=(("Content-Length", "1"),)),
        lambda: outgoing(path="/\x00"),
        lambda: outgoing(method="PO ST"),
    ],
)
def test_requests_that_are_no_http_are_the_callers_fault(make: Callable[[], Outgoing]) -> None:
    async def run() -> None:
        async with playing([(0, answer(JSON))]) as (_, client):
            with pytest.raises(ValueError, match=r".") as caught:
                await client.exchange(make())
            assert TOKEN not in str(caught.value)
            assert caught.value.__cause__ is None or TOKEN not in str(caught.value.__cause__)

    asyncio.run(run())


@pytest.mark.parametrize(
    "url", ["ftp://host/v1", "host/v1", "http://", "http://user:pw@host/v1", "http://host/v1?a=b", "http://host:x/"]
)
def test_base_url_is_checked(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        Client(url, concurrency=1, limits=LIMITS, redactor=Redactor())


def test_limits_scale_with_the_time_out() -> None:
    assert Limits.scaled(120) == Limits()
    assert Limits.scaled(4) == Limits(connect=4, first_byte=4, idle=2, total=20, waiting=6)
    assert (Limits().opening, Limits.scaled(6).opening, Limits().knock) == (40, 2, 10)
    for wrong in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            Limits.scaled(wrong)
