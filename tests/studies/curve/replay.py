"""Schemathesis on the conforming server, and then its own checks on the answers of mutants.

A run by its command line, in this process, in which each case is kept with its answer. Mutants are applied to what was
kept, and `case.validate_response` says what Schemathesis makes of the changed answers. What it sends while it checks
(requests without a token) is kept too, and answered from what was kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import requests
import schemathesis
from requests.adapters import HTTPAdapter
from schemathesis.cli import schemathesis as command
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.transport.requests import RequestsTransport
from urllib3 import HTTPHeaderDict, HTTPResponse

from conformance.proving.mutants.mutant import Mutant
from conformance.proving.mutants.scene import Scene
from conformance.reference.settings import FIRST_TOKEN
from conformance.running import run as running
from conformance.settings.options import Options
from conformance.transcript.exchange import Credential, Ending, Exchange, Piece, Request, Response, Transcript
from tests.studies.bench.tools import SCHEMA, STREAM_EVENTS, plain

from .sample import Run

VERSION = schemathesis.__version__
AUTHORIZATION = f"Bearer {FIRST_TOKEN}"
UNREAD = frozenset({"the answer could not be read"})
"""What is said where the client fails, or Schemathesis looks for what was not kept: it counts as a complaint."""


class Unkept(Exception):
    """Schemathesis sends what it did not send to the conforming server."""


def arguments(url: str, seed: int, seconds: int) -> list[str]:
    """Its command line, by its guide to benchmarking: bounded by the clock, no stop, no shrinking, no health checks."""
    return [
        *("run", str(SCHEMA), "--url", url, "--header", f"Authorization: {AUTHORIZATION}", "--seed", str(seed)),
        *("--max-time", str(seconds), "--continue-on-failure", "--no-shrink", "--suppress-health-check", "all"),
        *("--generation-database", "none", "--no-color"),
    ]


def shown(seconds: int) -> str:
    """The same for a page, without what differs from run to run."""
    words = " ".join(f"'{word}'" if " " in word else word for word in arguments("URL", 0, seconds))
    plainly = words.replace(str(SCHEMA), "schemas/openapi.yaml").replace(FIRST_TOKEN, "TOKEN")
    return f"schemathesis {plainly.replace('--seed 0', '--seed N')}"


@dataclass(slots=True)
class Sent:
    """One request: its case, and the answer."""

    case: schemathesis.Case
    answer: schemathesis.Response
    exchange: Exchange
    parent: Sent | None = None
    """Where Schemathesis sent it while it checked an answer: of which case."""
    more: list[Sent] = field(default_factory=list)
    """What it sent while it checked this answer."""


def recorded(url: str, seed: int, seconds: int) -> list[Sent]:
    """All that a run sends, in its order.

    Args:
        url: of the server, without `/v1`.
        seed: Schemathesis'.
        seconds: how long it may take.
    """
    kept: list[Sent] = []
    send = RequestsTransport.send

    def keep(transport: RequestsTransport, case: schemathesis.Case, **how: Any) -> schemathesis.Response:
        answer = send(transport, case, **how)
        # The session is that of the run; what a check sends has none.
        parent = None if how.get("session") else next((one for one in reversed(kept) if one.parent is None), None)
        made = Sent(case, answer, _exchange(len(kept), answer), parent)
        if parent is not None:
            parent.more.append(made)
        kept.append(made)
        return answer

    with tempfile.TemporaryDirectory() as folder, chdir(folder), mock.patch.object(RequestsTransport, "send", keep):
        Path("schemathesis.toml").write_text(f"max-stream-events = {STREAM_EVENTS}\n", encoding="utf-8")
        with redirect_stdout(StringIO()), suppress(SystemExit):
            command(arguments(url, seed, seconds), standalone_mode=False)
    return kept


def _exchange(number: int, answer: schemathesis.Response) -> Exchange:
    """As the suite's own recordings have it."""
    sent = answer.request
    token = sent.headers.get("Authorization")
    credential = Credential.NONE if token is None else Credential.NEVER_ISSUED
    body = sent.body.encode() if isinstance(sent.body, str) else sent.body or b""
    request = Request(
        sent.method or "",
        sent.url or "",
        tuple(sent.headers.items()),
        body,
        Credential.OWN if token == AUTHORIZATION else credential,
    )
    headers = tuple((name, value) for name, values in answer.headers.items() for value in values)
    ends = [part for part in answer.content.split(b"\n\n") if part]
    pieces = tuple(Piece(0.01 * (n + 1), len(part) + 2) for n, part in enumerate(ends))
    if sum(piece.length for piece in pieces) != len(answer.content):  # it is no stream
        pieces = (Piece(0.01, len(answer.content)),) if answer.content else ()
    response = Response(answer.status_code, headers, answer.content, answer.message, headers_at=0.0, pieces=pieces)
    return Exchange(f"sent-{number + 1}", request, response, Ending.COMPLETE, float(number), answer.elapsed)


# --- what it says


@dataclass(frozen=True, slots=True)
class Replay:
    """What a run sent, with what Schemathesis says of the conforming server's answers."""

    sent: list[Sent]
    scene: Scene
    known: list[frozenset[str]]

    @staticmethod
    def of(sent: list[Sent], url: str) -> Replay:
        """Ask it about the answers as they came."""
        options = running.of_reference(f"{url}/v1", Options())
        scene = Scene.of(Transcript(tuple(one.exchange for one in sent), {**options.recorded(), "suite": VERSION}))
        return Replay(sent, scene, [complaints(one, sent, {}) for one in sent])

    def killed(self, mutant: Mutant) -> int | None:
        """After how many requests it says something of the mutant that it does not say otherwise; None: never."""
        number = {one.exchange.name: place for place, one in enumerate(self.sent)}
        for subject in self.scene.having(mutant.kind, mutant.trait):
            after = mutant.change(subject, self.scene)
            if after is None or after == subject.exchange:
                continue
            place = number[after.name]
            if complaints(self.sent[place], self.sent, {after.name: after}) - self.known[place]:
                return place + 1
        return None


def complaints(one: Sent, sent: list[Sent], changed: Mapping[str, Exchange]) -> frozenset[str]:
    """What Schemathesis says of an answer; of one to a request of a check, what that check says.

    Args:
        one: the request.
        sent: all of the run.
        changed: answers that are other than they were, by the name of the exchange.
    """
    asked = one.parent or one
    try:
        answer = _read(asked, changed)
        with _answering(asked, sent, changed):
            asked.case.validate_response(answer, headers={"Authorization": AUTHORIZATION})
    except FailureGroup as group:
        failures = (one for one in group.exceptions if isinstance(one, Failure))
        return frozenset(plain(f"{one.operation}: {type(one).__name__}: {one.message}") for one in failures)
    except (requests.RequestException, Unkept):
        return UNREAD
    return frozenset()


@contextmanager
def _answering(asked: Sent, sent: list[Sent], changed: Mapping[str, Exchange]) -> Iterator[None]:
    """Answer what a check sends by what was kept; a request without a valid token as any such request was."""
    more = iter(asked.more)
    refused = (one for one in sent if one.parent is not None and one.exchange.status == 401)

    def send(transport: RequestsTransport, case: schemathesis.Case, **how: Any) -> schemathesis.Response:
        found = next(more, None)
        if found is not None:
            return _read(found, changed)
        token = {**case.headers, **(how.get("headers") or {})}.get("Authorization")
        alike = next(refused, None) if token != AUTHORIZATION else None
        if alike is None:
            raise Unkept
        return alike.answer

    with mock.patch.object(RequestsTransport, "send", send):
        yield


def _read(one: Sent, changed: Mapping[str, Exchange]) -> schemathesis.Response:
    """An answer as the client that Schemathesis has reads it.

    Raises:
        requests.RequestException: it fails.
    """
    exchange = changed.get(one.exchange.name)
    if exchange is None:
        return one.answer
    response = exchange.response
    if response is None or exchange.ending is not Ending.COMPLETE:
        raise requests.ConnectionError
    headers = HTTPHeaderDict()
    for name, value in response.headers:
        headers.add(name, value)
    raw = HTTPResponse(
        BytesIO(response.body), headers, response.status, 11, reason=response.reason or None, preload_content=False,
        request_method=exchange.request.method,
    )  # fmt: skip
    read = HTTPAdapter().build_response(one.answer.request, raw)
    return schemathesis.Response.from_requests(read, verify=True)


def tried(sent: list[Sent], url: str, mutants: Iterable[Mutant]) -> Run:
    """How many requests a run sent, and for each mutant after how many it is killed.

    Args:
        sent: what it sent.
        url: to what, without `/v1`. Nothing is sent there any more.
        mutants: which ones.
    """
    replay = Replay.of(sent, url)
    return Run(len(sent), {mutant.name: replay.killed(mutant) for mutant in mutants})
