"""llm-comply on mutants: it is run against a server on loopback that answers as each mutant would.

It sends the same few requests each time. They are recorded once on the conforming server; the mutant is applied to
these answers, and llm-comply is run again on what came out.
"""

from __future__ import annotations

import http.client
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from conformance.proving.mutants import reaction
from conformance.proving.mutants.mutant import Mutant
from conformance.proving.mutants.scene import Scene
from conformance.reference.settings import FIRST_TOKEN
from conformance.running import run as running
from conformance.settings.options import Options
from conformance.transcript.exchange import Credential, Ending, Exchange, Piece, Request, Response, Transcript
from tests.studies.bench import tools
from tests.studies.bench.tools import Said

from .sample import Run

LIMIT = 60.0
"""Seconds after which it is ended."""


class Stand:
    """Asks a server and keeps the answers, or answers from what was kept."""

    def __init__(self, target: str) -> None:
        """`target`: base URL of the conforming server, without `/v1`."""
        self._target = urlsplit(target)
        self.kept: dict[bytes, Exchange] = {}
        """Body of a request to what came of it, in the order in which they were sent."""
        self.changed: dict[str, Exchange] = {}
        """Exchanges that are answered otherwise, by name."""

    def answer(self, method: str, path: str, headers: http.client.HTTPMessage, body: bytes) -> Exchange:
        """What came of this request, or comes of it now."""
        kept = self.kept.get(body)
        if kept is None:
            kept = self.kept[body] = self._ask(method, path, headers, body)
        return self.changed.get(kept.name, kept)

    def _ask(self, method: str, path: str, headers: http.client.HTTPMessage, body: bytes) -> Exchange:
        number = len(self.kept) + 1
        connection = http.client.HTTPConnection(self._target.hostname or "", self._target.port)
        connection.request(method, path, body, {"Host": self._target.netloc, **_without(headers, "host")})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        own = headers.get("authorization") == f"Bearer {FIRST_TOKEN}"
        request = Request(
            method, f"{self._target.geturl()}{path}", tuple(headers.items()), body,
            Credential.OWN if own else Credential.NEVER_ISSUED,
        )  # fmt: skip
        pieces = tuple(Piece(0.0, len(event) + 2) for event in content.split(b"\n\n") if event)
        if sum(piece.length for piece in pieces) != len(content):  # it is no stream
            pieces = (Piece(0.0, len(content)),) if content else ()
        response = Response(
            answer.status, tuple(answer.getheaders()), content, answer.reason, headers_at=0.0, pieces=pieces
        )
        return Exchange(f"sent-{number}", request, response, Ending.COMPLETE, float(number), 0.01)


def _without(headers: http.client.HTTPMessage, name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() != name}


def octets(exchange: Exchange) -> bytes:
    """An answer as it travels; one that did not come to its end breaks off."""
    response = exchange.response
    if response is None:
        return exchange.head
    head = f"HTTP/1.1 {response.status} {response.reason}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in response.headers if name.lower() != "connection")
    head += "Connection: close\r\n\r\n"
    body = response.body
    if (response.header("transfer-encoding") or "").lower() == "chunked":
        start, parts = 0, []
        for piece in response.pieces or ():
            part, start = body[start : start + piece.length], start + piece.length
            parts.append(b"%x\r\n%b\r\n" % (len(part), part))
        body = b"".join(parts) + (b"0\r\n\r\n" if exchange.ending is Ending.COMPLETE else b"")
    return head.encode("latin-1", "replace") + body + b"x" * response.excess


@contextmanager
def standing(stand: Stand) -> Iterator[str]:
    """Serve it on loopback; gives its base URL, without `/v1`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            self.wfile.write(octets(stand.answer("POST", self.path, self.headers, body)))
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass  # the terminal is for what was measured

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def tried(program: str, target: str, mutants: Iterable[Mutant]) -> Run:
    """How many requests it sends, and for each mutant after how many it is killed.

    Args:
        program: the command's path.
        target: base URL of the conforming server, without `/v1`.
        mutants: which ones.

    Raises:
        Unusable: it cannot be driven.
    """
    stand = Stand(target)
    with standing(stand) as url:
        known = _said(program, url)
        sent = dict(stand.kept)
        options = running.of_reference(f"{target}/v1", Options())
        scene = Scene.of(Transcript(tuple(sent.values()), {**options.recorded(), "suite": "llm-comply"}))
        found: dict[str, int | None] = {}
        for mutant in mutants:
            stand.changed = reaction.applied(mutant, scene)
            found[mutant.name] = first_new(_said(program, url), known) if stand.changed else None
            stand.kept = dict(sent)  # it may have asked for more
    return Run(len(sent), found)


def first_new(said: Said, known: Said) -> int | None:
    """The number of the first test that says what it did not say of the conforming server; None: none does."""
    told = {complaint.partition(":")[0] for complaint in tools.additional(said, [known])}
    return next((number for number, test in enumerate(said.tests, 1) if test in told), None)


def _said(program: str, url: str) -> Said:
    with tempfile.TemporaryDirectory() as folder:
        return tools.llm_comply(program, f"{url}/v1", Path(folder), limit=LIMIT)
