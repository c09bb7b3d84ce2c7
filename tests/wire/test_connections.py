"""No more connections than allowed, what comes behind an end, and answers that come while the request goes out."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from wire.raw_server import RawServer, Step, answer, chunk, chunked
from wire.test_client import JSON, LIMITS, TOKEN, outgoing, playing

from conformance.transcript.exchange import Ending, Exchange
from conformance.transcript.redaction import Redactor
from conformance.wire.client import Client
from conformance.wire.limits import Limits
from conformance.wire.outgoing import Outgoing
from conformance.wire.reach.route import Route

LARGE = b" " * 2**20


class Counting:
    """A server that answers each request, and counts the connections that are open; those beyond `most` are reset."""

    def __init__(self, most: int, *, sound: bool) -> None:
        self.open = 0
        self.reset = 0
        self.requests = 0
        self._most = most
        self._sound = sound

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self.open >= self._most:
            self.reset += 1
            writer.transport.abort()
            return
        self.open += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                self.requests += 1
                await asyncio.sleep(0.001)
                writer.write(self._answer())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()

    def _answer(self) -> bytes:
        match self.requests % 7:
            case 1:
                return answer(JSON, "Connection: close")
            case 2:
                return chunked(b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n")
            case 3 if not self._sound:
                return answer(JSON) + b"\r\n"
            case 4 if not self._sound:
                return answer(JSON).replace(b"Content-Length", b"Content-Length ")
        return answer(JSON)


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    concurrency: int,
    limits: Limits,
    pem: Path | None = None,
) -> AsyncIterator[Client]:
    """A client of a server; with `pem`, a certificate and its key, in TLS."""
    serving = trusting = None
    if pem is not None:
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(pem)
        trusting = ssl.create_default_context(cafile=str(pem))
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)  # else the kernel takes in what nobody has read
    bound.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(serve, sock=bound, ssl=serving)
    port = bound.getsockname()[1]
    try:
        async with Client(
            f"http{'s' if pem else ''}://127.0.0.1:{port}/v1",
            concurrency=concurrency,
            limits=limits,
            redactor=Redactor([TOKEN]),
            route=Route(context=trusting),
        ) as client:
            yield client
    finally:
        server.close()


@pytest.mark.parametrize("sound", [True, False])
@pytest.mark.parametrize("concurrency", [1, 2, 3, 8])
def test_never_more_connections_than_the_concurrency(concurrency: int, sound: bool) -> None:
    """Whatever is asked for: connections of their own, slow readers, streams that are left, faulty answers."""
    kinds = [
        {}, {"fresh": True}, {}, {"pause": 0.001}, {"leave_after": 1}, {"fresh": True}, {"leave_after": 0}, {},
    ]  # fmt: skip

    async def run() -> None:
        counting = Counting(concurrency, sound=sound)
        async with listening(counting.serve, concurrency, LIMITS) as client:
            for round_ in range(3):
                sent = [outgoing(f"{round_}-{n}", **kinds[n % len(kinds)]) for n in range(40)]
                exchanges = await asyncio.gather(*map(client.exchange, sent))
                assert {e.ending for e in exchanges} <= {Ending.COMPLETE, Ending.LEFT, Ending.GARBAGE}
        assert counting.reset == 0

    asyncio.run(run())


def test_one_connection_serves_all_of_a_sound_server() -> None:
    async def run() -> None:
        async with RawServer([(0, answer(JSON))]) as server:
            async with Client(server.url, concurrency=1, limits=LIMITS, redactor=Redactor([TOKEN])) as client:
                for number in range(5):
                    await client.exchange(outgoing(f"a{number}"))
                await client.exchange(outgoing("own", fresh=True))
                for number in range(5):
                    await client.exchange(outgoing(f"b{number}"))
            assert server.connections == 2

    asyncio.run(run())


BEHIND: list[tuple[str, bytes, bytes]] = [
    ("the last chunk twice", chunked(b"data: 1\n\n"), b"0\r\n\r\n"),
    ("a line end behind chunks", chunked(b"data: 1\n\n"), b"\r\n"),
    ("a line end behind a length", answer(JSON), b"\r\n"),
    ("a second answer", answer(JSON), answer(b"{}")),
    ("a body behind 204", b"HTTP/1.1 204 No Content\r\n\r\n", b"{}"),
    ("a body behind 304", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", b"{}"),
]


async def two_exchanges(first: list[Step], *, pause: float = 0.0) -> tuple[Exchange, Exchange, RawServer]:
    async with RawServer(first, [(0.0, answer(b"{}"))]) as server:
        async with Client(server.url, concurrency=1, limits=LIMITS, redactor=Redactor([TOKEN])) as client:
            one = await client.exchange(outgoing("one"))
            await asyncio.sleep(pause)
            other = await client.exchange(outgoing("other"))
        return client.settled(one), client.settled(other), server


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("sound", "behind"), [row[1:] for row in BEHIND], ids=[row[0] for row in BEHIND])
def test_octets_behind_an_end_belong_to_the_exchange_before(sound: bytes, behind: bytes, late: bool) -> None:
    steps: list[Step] = [(0.0, sound), (0.01, behind)] if late else [(0.0, sound + behind)]
    one, other, server = asyncio.run(two_exchanges(steps, pause=0.1 if late else 0.0))
    assert one.ending is other.ending is Ending.COMPLETE
    assert one.response is not None
    assert one.response.excess == len(behind)
    assert one.error.startswith(f"{len(behind)} octets came after the end: ")
    assert other.response is not None
    assert (other.response.body, other.response.excess, other.error) == (b"{}", 0, "")
    assert server.connections == 2


def test_octets_that_cross_the_next_request_belong_to_the_exchange_before() -> None:
    """They come when the next request is under way: it is sent once more, on another connection."""

    async def run() -> None:
        crossed = [(0.0, b"0\r\n\r\n" + answer(b"[]"))]
        async with playing([(0.0, chunked(b"data: 1\n\n"))], crossed, [(0.0, answer(b"{}"))]) as (server, client):
            one = await client.exchange(outgoing("one"))
            other = await client.exchange(outgoing("other"))
            one = client.settled(one)
        assert one.response is not None
        assert one.response.excess == 5
        assert other.response is not None
        assert (other.response.body, server.connections) == (b"{}", 2)

    asyncio.run(run())


HARMLESS: list[tuple[str, list[Step]]] = [
    ("a line end on a connection that closes", [(0.0, answer(JSON, "Connection: close") + b"\r\n")]),
    ("chunks twice on a connection that closes", [
        (0.0, chunked(b"data: 1\n\n").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1) + b"0\r\n\r\n")]),
    ("a farewell to an idle client", [
        (0.0, answer(JSON)), (0.01, answer(b"", "Connection: close", status="408 Request Timeout"))]),
    ("a farewell that lies there as the end is read", [
        (0.0, answer(JSON) + answer(b"", "Connection: close", status="408 Request Timeout"))]),
    ("such a farewell with another status", [
        (0.0, answer(JSON) + answer(b"{}", "Connection: close", status="503 Service Unavailable"))]),
    ("a farewell with another status", [
        (0.0, answer(JSON)), (0.01, answer(b"{}", "Connection: close", status="503 Service Unavailable"))]),
]  # fmt: skip


@pytest.mark.parametrize("steps", [row[1] for row in HARMLESS], ids=[row[0] for row in HARMLESS])
def test_what_does_no_harm_behind_an_end_is_not_counted(steps: list[Step]) -> None:
    one, other, _ = asyncio.run(two_exchanges(steps, pause=0.1))
    assert one.response is not None
    assert (one.response.excess, one.error) == (0, "")
    assert other.response is not None
    assert other.response.body == b"{}"


def test_a_length_that_cuts_a_body_is_told_though_the_connection_closes() -> None:
    one, _, _ = asyncio.run(two_exchanges([(0.0, answer(JSON, "Connection: close", length=5))]))
    assert one.response is not None
    assert one.response.excess == len(JSON) - 5


async def exchange_with(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    sent: Outgoing,
    limits: Limits,
    pem: Path | None = None,
) -> Exchange:
    async with listening(serve, 1, limits, pem) as client:
        return await client.exchange(sent)


REFUSAL = answer(b'{"error":{}}', "Connection: close", status="413 Content Too Large")


@pytest.mark.parametrize("attempt", range(5))
def test_an_early_answer_is_read_whatever_becomes_of_the_write(attempt: int) -> None:
    """As a proxy does: it refuses by the header section, closes, and the kernel resets what still comes."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(REFUSAL)
        await writer.drain()
        writer.close()

    exchange = asyncio.run(exchange_with(refuse, outgoing(body=LARGE), LIMITS))
    assert (exchange.status, exchange.ending) == (413, Ending.COMPLETE), exchange.error


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for loopback and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    key, certificate, both = (tmp_path_factory.mktemp("tls") / name for name in ("key", "certificate", "both"))
    order = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, *order, *named, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both


@pytest.mark.parametrize("attempt", range(3))
def test_an_early_answer_in_tls(pem: Path, attempt: int) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(REFUSAL)
        await writer.drain()
        writer.close()

    exchange = asyncio.run(exchange_with(refuse, outgoing(body=LARGE), LIMITS, pem))
    assert (exchange.status, exchange.ending) == (413, Ending.COMPLETE), exchange.error


def test_connections_in_tls_are_used_again_and_looked_at(pem: Path) -> None:
    """What TLS itself says behind an answer, such as a ticket for a later session, is not an octet of it."""
    counting = Counting(2, sound=True)

    async def run() -> list[Exchange]:
        async with listening(counting.serve, 2, LIMITS, pem) as client:
            sent = [outgoing(str(number), fresh=number % 5 == 0) for number in range(20)]
            return [client.settled(e) for e in await asyncio.gather(*map(client.exchange, sent))]

    exchanges = asyncio.run(run())
    assert {e.ending for e in exchanges} == {Ending.COMPLETE}
    assert {e.response.excess for e in exchanges if e.response} == {0}
    assert counting.reset == 0


def test_an_early_answer_of_a_server_that_reads_on() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(REFUSAL.replace(b"Connection: close\r\n", b""))
        assert b"Content-Length" in head
        while await reader.read(65536):
            pass
        writer.close()

    exchange = asyncio.run(exchange_with(refuse, outgoing(body=LARGE), LIMITS))
    assert (exchange.status, exchange.ending) == (413, Ending.COMPLETE)


def test_an_answer_that_breaks_off_with_the_write_was_reset() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(REFUSAL[:-3])
        await writer.drain()
        writer.close()

    exchange = asyncio.run(exchange_with(refuse, outgoing(body=LARGE), LIMITS))
    assert (exchange.status, exchange.ending) == (413, Ending.RESET)


def test_a_slow_line_takes_longer_than_the_first_octet_may() -> None:
    async def crawl(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while left > 0:
            await asyncio.sleep(0.025)
            left -= len(await reader.read(24 * 1024))
        writer.write(answer(JSON))

    limits = Limits(connect=5, first_byte=0.6, idle=5, total=30)
    exchange = asyncio.run(exchange_with(crawl, outgoing(body=LARGE), limits))
    assert exchange.ending is Ending.COMPLETE, exchange.error
    assert exchange.finished > limits.first_byte


def test_a_target_that_reads_nothing_is_left() -> None:
    async def run() -> Exchange:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            listener.bind(("127.0.0.1", 0))
            listener.listen(1)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
            limits = Limits(connect=5, first_byte=0.2, idle=5, total=30)
            async with Client(url, concurrency=1, limits=limits, redactor=Redactor([TOKEN])) as client:
                return await client.exchange(outgoing(body=LARGE))

    exchange = asyncio.run(run())
    assert (exchange.ending, exchange.response) == (Ending.TIMED_OUT_FIRST_BYTE, None)


def test_a_head_that_clients_refuse_is_kept_without_secrets() -> None:
    lines = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=SECRET\r\nX-Echo : " + TOKEN.encode() + b"\r\n\r\n"

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(lines + chunk(b"x"))

    exchange = asyncio.run(exchange_with(refuse, outgoing(), LIMITS))
    assert (exchange.ending, exchange.response, exchange.answered) == (Ending.GARBAGE, None, True)
    assert exchange.head == b"HTTP/1.1 200 OK\r\nX-Echo : " + b"*" * len(TOKEN) + b"\r\n\r\n"
    assert "X-Echo" in exchange.error
    assert "SECRET" not in repr(exchange)


def test_what_came_while_the_suite_itself_was_held_up_still_counts() -> None:
    """Judging, or a busy machine, may hold this process up for longer than a limit."""
    asked, answered = threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            asked.set()
            time.sleep(0.05)
            connection.sendall(answer(JSON))
            answered.set()

    def hold_up() -> None:
        assert answered.wait(5)
        time.sleep(0.3)

    async def run(url: str) -> Exchange:
        limits = Limits(connect=5, first_byte=0.2, idle=0.2, total=30)
        async with Client(url, concurrency=1, limits=limits, redactor=Redactor([TOKEN])) as client:
            under_way = asyncio.create_task(client.exchange(outgoing()))
            await asyncio.to_thread(asked.wait, 5)
            await asyncio.sleep(0)
            hold_up()
            return await under_way

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        exchange = asyncio.run(run(f"http://127.0.0.1:{listener.getsockname()[1]}/v1"))
        server.join()
    assert exchange.ending is Ending.COMPLETE, exchange.error
