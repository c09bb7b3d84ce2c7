"""Over HTTP/2 the same is recorded, and what a server does wrong is an ending here too."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from judging.preflight.playing import Certificates
from wire.h2_server import H2Server, Script, answer, close, data, go_away, headers, ping, raw, reset
from wire.proxies import Proxy
from wire.raw_server import RawServer
from wire.raw_server import answer as answer_of_http1
from wire.test_client import IMPATIENT, JSON, LIMITS, TOKEN, outgoing

from conformance.settings.options import Options
from conformance.transcript import har_reader, har_writer
from conformance.transcript.exchange import Ending, Exchange, Transcript
from conformance.transcript.redaction import Redactor
from conformance.wire.client import Client
from conformance.wire.limits import Limits
from conformance.wire.outgoing import Outgoing
from conformance.wire.reach import route
from conformance.wire.reach.route import Route

SPOKEN = Route(http="2")


@asynccontextmanager
async def playing(
    *scripts: Script, limits: Limits = LIMITS, concurrency: int = 2, window: int = 65535
) -> AsyncIterator[tuple[H2Server, Client]]:
    async with (
        H2Server(*scripts, window=window) as server,
        Client(server.url, concurrency=concurrency, limits=limits, redactor=Redactor([TOKEN]), route=SPOKEN) as client,
    ):
        yield server, client


def once(*scripts: Script, limits: Limits = LIMITS, **changes: object) -> Exchange:
    async def run() -> Exchange:
        async with playing(*scripts, limits=limits) as (_, client):
            return await client.exchange(outgoing(**changes))

    return asyncio.run(run())


def test_what_is_sent_and_what_comes() -> None:
    async def run() -> None:
        async with playing(answer(JSON, ("x-two", "a"), ("x-two", "b"))) as (server, client):
            exchange = await client.exchange(outgoing())
            response = exchange.response
            assert exchange.ending is Ending.COMPLETE
            assert response is not None
            assert (response.status, response.reason, response.http_version) == (200, "", "HTTP/2")
            assert response.header("x-two") == "a, b"
            assert response.header(":status") is None
            assert response.body == JSON
            assert [piece.length for piece in response.pieces or ()] == [len(JSON)]
            head, body = server.requests[0]
            assert body == exchange.request.body
            assert head[":method"] == "POST"
            assert head[":path"] == "/v1/chat/completions"
            assert head[":authority"] == f"127.0.0.1:{server.port}"
            assert head["authorization"] == f"Bearer {TOKEN}"
            assert head["content-length"] == str(len(body))
            assert not {"host", "connection", "transfer-encoding"} & set(head)
            assert TOKEN not in str(exchange)
            again = har_reader.load(har_writer.dumps(Transcript((exchange,), {"suite": "x"})))
            assert again.exchanges[0] == exchange

    asyncio.run(run())


def test_one_connection_serves_all_and_a_ping_is_answered() -> None:
    async def run() -> None:
        pinged = [(0.0, ping), *answer(JSON)]
        async with playing(pinged, concurrency=1) as (server, client):
            for number in range(5):
                assert (await client.exchange(outgoing(f"a{number}"))).ending is Ending.COMPLETE
            assert server.connections == 1
            await client.exchange(outgoing("own", fresh=True))
            assert server.connections == 2

    asyncio.run(run())


def test_each_frame_is_a_piece_with_its_time() -> None:
    stream: Script = [
        (0.0, headers("200", ("content-type", "text/event-stream"))),
        (0.0, data(b"data: 1\n\n")),
        (0.2, data(b"data: 22\n\n")),
        (0.0, data(b"", end=True)),
    ]
    exchange = once(stream)
    assert exchange.ending is Ending.COMPLETE
    assert exchange.response is not None
    first, second = exchange.response.pieces or ()
    assert (first.length, second.length) == (9, 10)
    assert second.at - first.at > 0.15


def test_interim_answers_and_trailers_are_not_the_answer() -> None:
    trailers: Script = [
        (0.0, headers("103", ("link", "</a>"))),
        (0.0, headers("200")),
        (0.0, data(b"{}")),
        (0.0, lambda s: s.state.send_headers(s.number, [("x-sum", "1")], end_stream=True)),
    ]
    exchange = once(trailers)
    assert exchange.ending is Ending.COMPLETE
    assert exchange.status == 200
    assert exchange.response is not None
    assert exchange.response.header("x-sum") is None


BROKEN: list[tuple[str, Script, Ending, str]] = [
    ("a reset before the answer", [(0.0, reset(2))], Ending.RESET, "reset the stream (RST_STREAM, INTERNAL_ERROR)"),
    ("a reset in its midst", [(0.0, headers()), (0.0, data(b"{")), (0.0, reset(2))], Ending.CUT, "INTERNAL_ERROR"),
    ("closed before the answer", [(0.0, close)], Ending.RESET, "closed without an answer"),
    ("closed in its midst", [(0.0, headers()), (0.0, data(b"{")), (0.0, close)], Ending.CUT, "the end of the stream"),
    ("gone away", [(0.0, go_away(0))], Ending.RESET, "GOAWAY, NO_ERROR"),
    (
        "a body shorter than its length",
        [(0.0, headers("200", ("content-length", "9"))), (0.0, data(b"{}", end=True))],
        Ending.GARBAGE,
        "clients refuse this HTTP/2",
    ),
    (
        "octets without a frame",
        [(0.0, raw(b"\0\0\4\1\4\0\0\0\1????"))],
        Ending.GARBAGE,
        "clients refuse this HTTP/2",
    ),
    ("a frame beyond all limits", [(0.0, raw(b"\xff\xff\xff\0\0\0\0\0\1"))], Ending.GARBAGE, "clients refuse"),
    ("HTTP/1.1", [(0.0, raw(b"HTTP/1.1 200 OK\r\n\r\n"))], Ending.GARBAGE, "it answers in HTTP/1.1"),
]


@pytest.mark.parametrize(("script", "ending", "words"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_a_server_breaks(script: Script, ending: Ending, words: str) -> None:
    exchange = once(script)
    assert exchange.ending is ending, exchange.error
    assert words in exchange.error


def test_what_came_before_a_fault_is_kept() -> None:
    exchange = once([(0.0, headers()), (0.0, data(b'{"a":')), (0.0, raw(b"\xff\xff\xff\0\0\0\0\0\1"))])
    assert exchange.ending is Ending.GARBAGE
    assert exchange.response is not None
    assert exchange.response.body == b'{"a":'


def test_a_connection_that_was_closed_while_idle_is_no_fault() -> None:
    async def run() -> None:
        closing = [*answer(JSON), (0.05, go_away(1)), (0.0, close)]
        async with playing(closing, answer(JSON), concurrency=1) as (server, client):
            await client.exchange(outgoing("first"))
            await asyncio.sleep(0.2)
            assert (await client.exchange(outgoing("second"))).ending is Ending.COMPLETE
            assert server.connections == 2

    asyncio.run(run())


def test_a_request_that_a_used_connection_refuses_is_sent_on_another() -> None:
    async def run() -> None:
        async with playing(answer(JSON), [(0.0, reset(7))], answer(JSON), concurrency=1) as (server, client):
            await client.exchange(outgoing("first"))
            again = await client.exchange(outgoing("second"))
            assert again.ending in (Ending.COMPLETE, Ending.RESET)
            assert server.connections <= 2

    asyncio.run(run())


@pytest.mark.parametrize("window", [65535, 1000])
def test_a_body_goes_out_as_the_server_takes_it(window: int) -> None:
    async def run() -> None:
        body = b" " * 300_000
        async with playing(answer(JSON), window=window) as (server, client):
            exchange = await client.exchange(outgoing(body=body))
            assert exchange.ending is Ending.COMPLETE
            assert server.requests[0][1] == body

    asyncio.run(run())


def test_the_limits_hold() -> None:
    silent = once([(3.0, headers())], limits=replace(IMPATIENT, connect=5, total=5))
    assert silent.ending is Ending.TIMED_OUT_FIRST_BYTE
    idle = once([(0.0, headers()), (3.0, data(b"x"))], limits=replace(IMPATIENT, connect=5, first_byte=5, total=9))
    assert idle.ending is Ending.TIMED_OUT_IDLE
    large = once([(0.0, headers()), *[(0.0, data(b"x" * 1000))] * 30], limits=replace(LIMITS, body=5000))
    assert large.ending is Ending.TOO_LARGE
    head = once([(0.0, headers("200", ("x", "y" * 9000)))], limits=replace(LIMITS, header_section=4096))
    assert head.ending is Ending.TOO_LARGE


def test_an_endless_ping_is_not_an_answer() -> None:
    pings: Script = [(0.05, ping)] * 100
    exchange = once(pings, limits=replace(IMPATIENT, connect=5, total=5))
    assert exchange.ending is Ending.TIMED_OUT_FIRST_BYTE


def test_a_flood_of_pings_runs_into_the_limit() -> None:
    """Also where the socket always has more to read."""
    flood: Script = [(0.0, raw(b"\0\0\x08\6\1\0\0\0\0abcdefgh" * 5_000))] * 100
    exchange = once(flood, limits=replace(IMPATIENT, connect=5, total=0.5))
    assert exchange.ending in (Ending.TIMED_OUT_FIRST_BYTE, Ending.TIMED_OUT_TOTAL)


def test_what_goes_away_in_good_order_is_read_to_its_end() -> None:
    graceful: Script = [
        (0.0, headers()),
        (0.0, raw(b"\0\0\x08\7\0\0\0\0\0\0\0\0\1\0\0\0\0")),
        (0.1, data(b"{}")),
        (0.1, data(b"", end=True)),
        (0.0, close),
    ]

    async def run() -> None:
        async with playing(graceful, answer(JSON), concurrency=1) as (server, client):
            exchange = await client.exchange(outgoing("first"))
            assert exchange.ending is Ending.COMPLETE, exchange.error
            assert exchange.response is not None
            assert exchange.response.body == b"{}"
            assert (await client.exchange(outgoing("second"))).ending is Ending.COMPLETE
            assert server.connections == 2

    asyncio.run(run())


def test_a_slow_reader_and_one_that_leaves() -> None:
    async def run() -> None:
        long: Script = [(0.0, headers()), *[(0.0, data(b"x" * 100))] * 20, (0.0, data(b"", end=True))]
        endless: Script = [(0.0, headers()), *[(0.02, data(b"data: 1\n\n"))] * 200]
        async with playing(long, endless, answer(JSON)) as (server, client):
            slow = await client.exchange(outgoing("slow", pause=0.002))
            assert slow.ending is Ending.COMPLETE
            left = await client.exchange(outgoing("left", leave_after=2))
            assert left.ending is Ending.LEFT
            async with asyncio.timeout(5):
                await server.left.wait()
            assert (await client.exchange(outgoing("after"))).ending is Ending.COMPLETE

    asyncio.run(run())


def test_a_secret_that_comes_back_is_masked() -> None:
    exchange = once(answer(f'{{"t": "{TOKEN}"}}'.encode(), ("x-token", TOKEN)))
    assert TOKEN not in str(exchange)
    assert exchange.response is not None
    assert exchange.response.redacted


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificates, is not installed")
    return Certificates(tmp_path_factory.mktemp("certificates"))


def _to(url: str, pem: Path, **changes: object) -> Route:
    return route.of(replace(Options(url=url, ca_bundle=str(pem), http=("2",)), **changes), {})  # type: ignore[arg-type]


async def _asked(url: str, way: Route, sent: Outgoing) -> Exchange:
    async with Client(url, concurrency=1, limits=LIMITS, redactor=Redactor([TOKEN]), route=way) as client:
        return await client.exchange(sent)


def test_over_tls_and_through_a_proxy(certificates: Certificates) -> None:
    async def run() -> None:
        pem = certificates.of("other-name")
        async with (
            H2Server(answer(JSON), context=certificates.context("other-name")) as server,
            Proxy().open() as proxy,
        ):
            direct = await _asked(server.url, _to(server.url, pem, server_name="example.com"), outgoing())
            url = server.url.replace("127.0.0.1", "example.com")
            through = await _asked(url, _to(url, pem, proxy=f"http://127.0.0.1:{proxy.port}"), outgoing())
            assert [e.ending for e in (direct, through)] == [Ending.COMPLETE] * 2
            assert proxy.asked == [f"example.com:{server.port}"]
            assert TOKEN.encode() not in proxy.read

    asyncio.run(run())


def test_a_server_that_does_not_speak_it_is_told_so(certificates: Certificates) -> None:
    async def run() -> None:
        pem = certificates.of("good")
        async with RawServer([(0, answer_of_http1(JSON))], context=certificates.context("good")) as server:
            exchange = await _asked(server.url, _to(server.url, pem), outgoing())
            assert exchange.ending is Ending.TLS
            assert exchange.error == "no HTTP/2: the handshake agreed on no protocol"
            assert not server.requests

    asyncio.run(run())
