"""Each reader behind one face: pieces of a stream in, what its user is told out.

A user is told, of each event, its data, its type (`message` where none was given), the last event ID and the
reconnection time in force. Where a reader tells the id or the retry of an event's own block only, its user carries
them on from event to event, as the standard does; so do these faces.
"""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import httpx_sse
import sseclient
from openai._streaming import SSEDecoder

from conformance import __version__
from conformance.transcript.sse import Reader

Pieces = Sequence[bytes]
PARSER = Path(__file__).parent / "parser.mjs"
PARSER_TIME = 120
"""Seconds that the JavaScript reader may take for all streams."""


class Told(NamedTuple):
    """One event, as a user sees it."""

    data: str
    name: str
    last_id: str
    reconnection: object
    """A whole number or None, of a reader that follows the standard; others hand on what was sent."""


class Outcome(NamedTuple):
    """What one reader made of one stream in one way of cutting it."""

    told: tuple[Told, ...]
    error: str = ""
    """The exception that ended the reading, with its first line."""


def outcome(events: Iterator[Told]) -> Outcome:
    """All that is told, until the end or an exception."""
    told: list[Told] = []
    try:
        told.extend(events)
    except Exception as error:  # whatever a reader raises is what its user would see
        return Outcome(tuple(told), f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
    return Outcome(tuple(told))


def _carried(events: Iterable[tuple[str, str | None, str | None, object]]) -> Iterator[Told]:
    last_id, reconnection = "", None
    for data, name, id_, retry in events:
        last_id = last_id if id_ is None else id_
        reconnection = reconnection if retry is None else retry
        yield Told(data, name or "message", last_id, reconnection)


def ours(pieces: Pieces) -> Iterator[Told]:
    """The suite's own reader."""
    reader = Reader()
    for piece in pieces:
        for event in reader.feed(piece):
            yield Told(event.data, event.name or "message", event.last_id, event.reconnection)
    reader.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces


def with_httpx_sse(pieces: Pieces) -> Iterator[Told]:
    """httpx-sse, on a response of httpx."""
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=_Body(pieces))
    events = httpx_sse.EventSource(response).iter_sse()
    return _carried((event.data, event.event, event.id, event.retry) for event in events)


def with_sseclient(pieces: Pieces) -> Iterator[Told]:
    """sseclient-py, which hands retry on as the text that was sent."""
    for told in _carried(
        (event.data, event.event, event.id, event.retry) for event in sseclient.SSEClient(iter(pieces)).events()
    ):
        sent = told.reconnection
        plain = isinstance(sent, str) and sent.isascii() and sent.isdigit()
        yield told._replace(reconnection=int(sent)) if plain and isinstance(sent, str) else told


def with_openai(pieces: Pieces) -> Iterator[Told]:
    """The decoder inside the official `openai` client."""
    events = SSEDecoder().iter_bytes(iter(pieces))
    return _carried((event.data, event.event, event.id, event.retry) for event in events)


OURS = "kitemesh-conformance"
IN_PYTHON: dict[str, Callable[[Pieces], Iterator[Told]]] = {
    OURS: ours,
    "httpx-sse": with_httpx_sse,
    "sseclient-py": with_sseclient,
    "openai": with_openai,
}
"""By the name of the distribution."""
PARSER_NAME = "eventsource-parser"


def version_of(name: str) -> str:
    """The version of a reader in Python."""
    return __version__ if name == OURS else version(name)


def with_parser(
    streams: Sequence[Sequence[Pieces]], modules: Path, node: str = "node"
) -> tuple[str, list[list[Outcome]]]:
    """The npm package `eventsource-parser`, behind a `TextDecoder` as its page shows it.

    Args:
        streams: of each stream, the ways in which it is cut.
        modules: the directory `node_modules` that it lies in.
        node: the program.

    Returns:
        Its version, and for each stream and each way what its user is told.

    Raises:
        RuntimeError: the program failed.
        subprocess.TimeoutExpired: it took too long.
    """
    asked = [
        {"body": b64encode(b"".join(ways[0])).decode(), "ways": [[len(piece) for piece in way] for way in ways]}
        for ways in streams
    ]
    done = subprocess.run(
        [node, str(PARSER), str(modules)],
        input=json.dumps(asked).encode(),
        capture_output=True,
        timeout=PARSER_TIME,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{PARSER_NAME} failed: {done.stderr.decode(errors='replace')[-500:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return str(answer["version"]), [
        [_outcome(stream["made"][at]) for at in stream["ways"]] for stream in answer["streams"]
    ]


def _outcome(made: dict[str, Any]) -> Outcome:
    told = (Told(e["data"], e["event"] or "message", e["id"], e["retry"]) for e in made["events"])
    return Outcome(tuple(told), str(made["error"]))
