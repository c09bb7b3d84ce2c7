"""Every way to a target shows the same octets: by proxies, sockets and given addresses, in TLS and without."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from judging.preflight.playing import Certificates
from wire.proxies import Proxy, Socks
from wire.raw_server import RawServer, Script, answer, chunk, chunked
from wire.test_client import IMPATIENT, JSON, LIMITS, TOKEN, outgoing

from conformance.settings.options import Options
from conformance.transcript.exchange import Ending, Exchange
from conformance.transcript.redaction import Redactor
from conformance.wire.client import Client
from conformance.wire.limits import Limits
from conformance.wire.reach import route
from conformance.wire.reach.route import Route
from conformance.wire.transport import asks_for_certificate

HOST = "example.com"
"""What the certificate `other-name` is for; the proxies find it on loopback."""
LOGIN = "someone:pw-hush-hush-7"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificates, is not installed")
    return Certificates(tmp_path_factory.mktemp("certificates"))


WAYS = ("http", "http, login", "https", "socks5", "socks5, login", "resolve", "directly")


@asynccontextmanager
async def reached(
    way: str, certificates: Certificates, *scripts: Script, secure: bool = False, limits: Limits = LIMITS
) -> AsyncIterator[tuple[RawServer, Proxy | None, Client]]:
    """A server that plays scripts, the proxy on the way to it, and a client that goes that way."""
    context = certificates.context("other-name") if secure else None
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(RawServer(*scripts, context=context))
        base = f"http{'s' if secure else ''}://{HOST}:{server.port}/v1"
        told = Options(url=base, ca_bundle=str(certificates.of("other-name")) if secure else None)
        proxy = None
        if way == "resolve":
            told = replace(told, resolve=(f"{HOST}:{server.port}:127.0.0.1",))
        elif way == "directly":
            base = base.replace(HOST, "127.0.0.1")
            told = replace(told, url=base, server_name=HOST if secure else None)
        else:
            scheme, _, wants = way.partition(", ")
            kind = Socks if scheme == "socks5" else Proxy
            login = LOGIN if wants else ""
            proxy = kind(login, certificates.context("good") if scheme == "https" else None)
            await stack.enter_async_context(proxy.open())
            place = f"{login}@127.0.0.1" if login else "127.0.0.1"
            told = replace(told, proxy=f"{scheme}://{place}:{proxy.port}")
        way_there = route.of(told, {})
        if scheme_is_https(way):
            trusting = ssl.create_default_context(cafile=str(certificates.of("good")))
            way_there = replace(way_there, proxy_context=trusting)
        client = Client(base, concurrency=2, limits=limits, redactor=Redactor([TOKEN]), route=way_there)
        yield server, proxy, await stack.enter_async_context(client)


def scheme_is_https(way: str) -> bool:
    return way.partition(",")[0] == "https"


def once(way: str, certificates: Certificates, script: Script, *, secure: bool, limits: Limits = LIMITS) -> Exchange:
    async def run() -> Exchange:
        async with reached(way, certificates, script, secure=secure, limits=limits) as (_, _, client):
            return await client.exchange(outgoing())

    return asyncio.run(run())


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("way", WAYS)
class TestEveryOctet:
    """What HTTP/1.1 shows is seen by every way."""

    def test_an_answer_and_the_connection_serves_again(
        self, way: str, secure: bool, certificates: Certificates
    ) -> None:
        async def run() -> None:
            async with reached(way, certificates, [(0, answer(JSON))], secure=secure) as (server, proxy, client):
                first = await client.exchange(outgoing("first"))
                second = await client.exchange(outgoing("second"))
                assert [e.ending for e in (first, second)] == [Ending.COMPLETE] * 2, first.error
                assert first.response is not None
                assert first.response.body == JSON
                assert server.connections == 1
                assert server.requests[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\nHost: ")
                assert TOKEN.encode() in server.requests[0]
                assert (first.server_ip == "127.0.0.1") == (proxy is None)
                if proxy is not None:
                    assert proxy.asked[0] == f"{HOST}:{server.port}"
                    assert (TOKEN.encode() in proxy.read) is not secure
                names = {name.lower() for name, _ in first.request.headers}
                assert "proxy-authorization" not in names
                assert b"roxy-" not in server.requests[0]
                assert client.agreed.get("version", "").startswith("TLSv1.") is secure

        asyncio.run(run())

    def test_what_comes_after_the_end(self, way: str, secure: bool, certificates: Certificates) -> None:
        exchange = once(way, certificates, [(0, answer(JSON) + b"behind")], secure=secure)
        assert exchange.response is not None
        assert exchange.response.excess == 6

    def test_a_header_section_that_clients_refuse(self, way: str, secure: bool, certificates: Certificates) -> None:
        malformed = answer(JSON).replace(b"Content-Length", b"Content-Length ")
        exchange = once(way, certificates, [(0, malformed)], secure=secure)
        assert exchange.ending is Ending.GARBAGE
        assert b"Content-Length :" in exchange.head

    def test_each_chunk_is_a_piece(self, way: str, secure: bool, certificates: Certificates) -> None:
        stream = chunked(b"data: 1\n\n", b"data: 22\n\n", b"data: 333\n\n")
        exchange = once(way, certificates, [(0, stream)], secure=secure)
        assert exchange.response is not None
        assert [piece.length for piece in exchange.response.pieces or ()] == [9, 10, 11]

    def test_silence_runs_into_the_limit(self, way: str, secure: bool, certificates: Certificates) -> None:
        limits = replace(IMPATIENT, connect=5, total=5)
        exchange = once(way, certificates, [(3, answer(JSON))], secure=secure, limits=limits)
        assert exchange.ending is Ending.TIMED_OUT_FIRST_BYTE

    def test_a_slow_reader_and_one_that_leaves(self, way: str, secure: bool, certificates: Certificates) -> None:
        long = [(0.0, chunked(*[b"x" * 1000] * 8))]
        endless = [(0.0, chunked(b"data: 1\n\n", end=b"")), *[(0.02, chunk(b"data: 2\n\n"))] * 200]

        async def run() -> None:
            async with reached(way, certificates, long, endless, secure=secure) as (server, _, client):
                slow = await client.exchange(outgoing("slow", pause=0.005))
                assert slow.ending is Ending.COMPLETE
                left = await client.exchange(outgoing("left", leave_after=2))
                assert left.ending is Ending.LEFT
                async with asyncio.timeout(5):
                    await server.left.wait()

        asyncio.run(run())


def test_a_proxy_that_wants_a_login_gets_none_that_was_not_given(certificates: Certificates) -> None:
    async def run() -> Exchange:
        async with reached("http, login", certificates, [(0, answer(JSON))], secure=True) as (_, proxy, client):
            assert proxy is not None
            proxy._login = "another:login"
            return await client.exchange(outgoing())

    exchange = asyncio.run(run())
    assert exchange.ending is Ending.REFUSED
    assert exchange.error == "ProxyError: it answers 407 Proxy Authentication Required"


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(JSON))

    async def run() -> Exchange:
        server = await asyncio.start_unix_server(serve, path)
        told = Options(url="http://example.com/v1", unix_socket=str(path))
        way = route.of(told, {"HTTP_PROXY": "http://127.0.0.1:9"})
        assert way.told == "HTTP_PROXY is set and was not used, because --unix-socket says where to connect to"
        async with Client(
            "http://example.com/v1", concurrency=1, limits=LIMITS, redactor=Redactor([TOKEN]), route=way
        ) as client:
            exchange = await client.exchange(outgoing())
        server.close()
        return exchange

    exchange = asyncio.run(run())
    assert exchange.ending is Ending.COMPLETE, exchange.error
    assert exchange.server_ip == ""
    assert exchange.request.url == "http://example.com/v1/chat/completions"


def test_an_address_of_ipv6_and_a_deep_path() -> None:
    async def run() -> None:
        try:
            server = await RawServer([(0, answer(JSON))], host="::1").__aenter__()
        except OSError:
            pytest.skip("this machine has no ::1")
        base = server.url.replace("/v1", "/a/b/c/d/v1")
        async with Client(base, concurrency=1, limits=LIMITS, redactor=Redactor([TOKEN])) as client:
            exchange = await client.exchange(outgoing())
        await server.__aexit__(None, None, None)
        assert exchange.ending is Ending.COMPLETE
        assert exchange.server_ip == "::1"
        head = server.requests[0].decode()
        assert head.startswith(f"POST /a/b/c/d/v1/chat/completions HTTP/1.1\r\nHost: [::1]:{server.port}\r\n")

    asyncio.run(run())


def test_without_a_name_that_fits_nothing_is_sent(certificates: Certificates) -> None:
    async def run() -> None:
        async with RawServer([(0, answer(JSON))], context=certificates.context("other-name")) as server:
            told = Options(url=server.url, ca_bundle=str(certificates.of("other-name")))
            for changes, ending in (({}, Ending.TLS), ({"insecure": True, "ca_bundle": None}, Ending.COMPLETE)):
                way = route.of(replace(told, **changes), {})  # type: ignore[arg-type]
                async with Client(
                    server.url, concurrency=1, limits=LIMITS, redactor=Redactor([TOKEN]), route=way
                ) as client:
                    assert (await client.exchange(outgoing())).ending is ending
            assert len(server.requests) == 1

    asyncio.run(run())


def test_a_client_certificate(certificates: Certificates) -> None:
    async def run() -> None:
        async with RawServer([(0, answer(JSON))], context=certificates.context("client")) as server:
            pem = str(certificates.of("good"))
            for given, shown in ((pem, True), (None, False)):
                way = route.of(Options(url=server.url, ca_bundle=pem, client_cert=given), {})
                async with Client(
                    server.url, concurrency=1, limits=LIMITS, redactor=Redactor([TOKEN]), route=way
                ) as client:
                    exchange = await client.exchange(outgoing())
                    assert (exchange.ending is Ending.COMPLETE) is shown
                    if shown:
                        assert client.agreed["subject"] == "commonName=localhost"
                        assert client.agreed["names"] == ["127.0.0.1"]
                        assert client.agreed["expires"].endswith("Z")

    asyncio.run(run())


def record(kind: int, octets: bytes) -> bytes:
    """A record of TLS."""
    return bytes([kind, 3, 3]) + len(octets).to_bytes(2, "big") + octets


HELLO, ASKS, DONE = (bytes([kind]) + b"\0\0\2ab" for kind in (2, 13, 14))
"""Messages of a handshake."""


@pytest.mark.parametrize(
    ("octets", "asked"),
    [
        (record(22, HELLO + ASKS + DONE), True),
        (record(22, HELLO) + record(22, ASKS[:3]) + record(22, ASKS[3:] + DONE), True),
        (record(22, HELLO + DONE), False),
        (record(22, HELLO + ASKS[:3]), False),
        (record(22, HELLO) + record(20, b"\1") + record(22, ASKS), False),  # sealed: it only looks like one
        (record(22, HELLO) + record(23, ASKS), False),  # TLS 1.3
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (b"\x16\3\3", False),
        (b"", False),
    ],
)
def test_whether_a_handshake_asks_for_a_client_certificate(octets: bytes, asked: bool) -> None:
    assert asks_for_certificate(octets) is asked


def test_a_route_without_arguments_is_direct() -> None:
    assert route.of(Options(), {"HTTPS_PROXY": "http://127.0.0.1:9"}) == Route()
