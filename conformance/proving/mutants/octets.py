"""Answers written anew: JSON bodies and events changed, all else as it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from conformance.transcript.exchange import Exchange, Piece, Response


@dataclass(frozen=True, slots=True)
class Raw:
    """JSON text that stands in the place of a value as it is."""

    text: str


_MARK = "\ue000{}\ue001"


def dumps(value: Any) -> bytes:
    """JSON text as the reference server writes it; a `Raw` as it is."""
    raws: list[str] = []

    def marked(one: Any) -> str:
        raws.append(one.text)
        return _MARK.format(len(raws) - 1)

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=marked)
    for number, raw in enumerate(raws):
        text = text.replace(f'"{_MARK.format(number)}"', raw)
    return text.encode("utf-8", "surrogatepass")


def with_body(exchange: Exchange, body: bytes, pieces: Sequence[Piece] | None = None) -> Exchange:
    """Another body, framed as it should be; without `pieces` it comes in one, when all of the old one was there."""
    response = exchange.response
    assert response is not None  # only answers are changed
    if pieces is None:
        at = response.pieces[-1].at if response.pieces else exchange.finished
        pieces = (Piece(at, len(body)),) if body else ()
    headers = tuple((n, str(len(body)) if n.lower() == "content-length" else v) for n, v in response.headers)
    return replace(exchange, response=replace(response, body=body, pieces=tuple(pieces), headers=headers))


def with_header(exchange: Exchange, name: str, value: str | None) -> Exchange:
    """A header field set, in the place of those of its name; None: absent."""
    response = exchange.response
    assert response is not None  # only answers are changed
    kept = [(n, v) for n, v in response.headers if n.lower() != name.lower()]
    made = (*kept, (name, value)) if value is not None else tuple(kept)
    return replace(exchange, response=replace(response, headers=tuple(made)))


def with_status(exchange: Exchange, status: int) -> Exchange:
    """Another status, and the rest as it was."""
    assert exchange.response is not None  # only answers are changed
    return replace(exchange, response=replace(exchange.response, status=status, reason=""))


@dataclass(frozen=True, slots=True)
class Out:
    """An event of a stream, with its blank line, and when it came."""

    data: bytes
    at: float

    @property
    def value(self) -> Any:
        """Its data as JSON; None where they are none."""
        try:
            return json.loads(self.data.removeprefix(b"data: "))
        except ValueError:
            return None

    def with_value(self, value: Any) -> Out:
        """The same event with other data."""
        return replace(self, data=b"data: " + dumps(value) + b"\n\n")


def events(response: Response) -> list[Out]:
    """The events of a stream of the reference server, each with the time of the piece that completed it."""
    ends = list(accumulate(piece.length for piece in response.pieces or ()))
    found: list[Out] = []
    start = number = 0
    while start < len(response.body):
        end = response.body.find(b"\n\n", start) + 2
        end = end if end > 1 else len(response.body)
        while number < len(ends) - 1 and ends[number] < end:
            number += 1
        found.append(Out(response.body[start:end], response.pieces[number].at if response.pieces else 0.0))
        start = end
    return found


def with_events(exchange: Exchange, outs: Sequence[Out]) -> Exchange:
    """A stream of these events; none comes before the one in front of it."""
    times = accumulate((out.at for out in outs), max)
    pieces = [Piece(at, len(out.data)) for at, out in zip(times, outs, strict=True) if out.data]
    return with_body(exchange, b"".join(out.data for out in outs), pieces)
