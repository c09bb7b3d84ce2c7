"""One request and its answer, as frozen values.

Everything that a check may look at is here and nothing else, so that a transcript from a file, or one that another
client recorded, is judged by the same functions as a live run. Secrets never get into these values:
they are redacted as the bytes arrive (see `redaction`), at the same length, and `Response.redacted` says where.

Times. `Exchange.started` is Unix seconds (UTC); every other time is in seconds after it, rounded to microseconds so
that writing to HAR and reading back loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

Headers = tuple[tuple[str, str], ...]
"""Header fields in the order sent, names as spelled, values decoded as Latin-1."""


class Credential(StrEnum):
    """Whose token a request had. The token itself is redacted, so this must be noted."""

    OWN = "own"
    SECOND = "second"
    NONE = "none"
    EMPTY = "empty"
    """`Bearer` with nothing after it."""
    NEVER_ISSUED = "never-issued"
    """A token that shares nothing with the real one."""
    NEARLY_OWN = "nearly-own"
    """A token that was never issued either, and differs from the real one only at its end."""
    OTHER_MIDDLE = "other-middle"
    """A token that was never issued either, and differs from the real one only in its middle."""
    OTHER_SCHEME = "other-scheme"
    UNSTATED = "unstated"
    """Recorded by another client: browsers strip the header from a HAR, so its absence says nothing."""


class Ending(StrEnum):
    """How an exchange ended."""

    COMPLETE = "complete"
    """The body ended as its framing says."""
    CUT = "cut"
    """The connection was closed before the end that the framing announced."""
    RESET = "reset"
    """The connection broke (reset, closed without an answer) before any byte of an answer or in its midst."""
    REFUSED = "refused"
    """No connection could be made: refused, no route, unknown host."""
    TLS = "tls"
    """The TLS handshake failed."""
    GARBAGE = "garbage"
    """The answer is not HTTP, or is framed in a way that clients refuse."""
    TIMED_OUT_CONNECTING = "timed-out-connecting"
    TIMED_OUT_FIRST_BYTE = "timed-out-first-byte"
    TIMED_OUT_IDLE = "timed-out-idle"
    TIMED_OUT_TOTAL = "timed-out-total"
    TOO_LARGE = "too-large"
    """The suite stopped reading at its size limit."""
    LEFT = "left"
    """The suite left on purpose, or was interrupted; of a client that was recorded: the client left."""
    UNSTATED = "unstated"
    """Recorded by another client, which does not say."""


TIMED_OUT = frozenset(
    {Ending.TIMED_OUT_CONNECTING, Ending.TIMED_OUT_FIRST_BYTE, Ending.TIMED_OUT_IDLE, Ending.TIMED_OUT_TOTAL}
)
PROXY_ERROR = "ProxyError"
"""Begins the error text where it is a proxy that lets nothing through."""
PROXY_STOPS = "the proxy let nothing through"
"""Begins the reason why a recording stopped, where that was it."""
NO_ANSWER = frozenset({Ending.RESET, Ending.REFUSED, Ending.TLS, Ending.GARBAGE}) | TIMED_OUT


class Piece(NamedTuple):
    """A part of the body as it arrived."""

    at: float
    """Seconds after `Exchange.started`."""
    length: int
    """Octets of `Response.body`."""


@dataclass(frozen=True, slots=True)
class Held:
    """Where a request held its token, apart from `Authorization`."""

    url: bool = False
    headers: tuple[str, ...] = ()
    """Names of the fields."""
    body: tuple[tuple[int, int], ...] = ()
    """(offset, length) of each."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was sent."""

    method: str
    url: str
    headers: Headers
    body: bytes | None
    """None: not known (a HAR without the request's text). An empty body is `b""`."""
    credential: Credential = Credential.UNSTATED
    held: Held | None = None
    """None: nobody looked for the token, or it was not known."""


@dataclass(frozen=True, slots=True)
class Response:
    """The answer. `body` is without the transfer coding; a content coding is kept."""

    status: int
    headers: Headers
    body: bytes
    reason: str = ""
    http_version: str = "HTTP/1.1"
    headers_at: float | None = None
    """Seconds until the header section was complete; None: not known."""
    pieces: tuple[Piece, ...] | None = None
    """None: not known (recorded by another client)."""
    excess: int = 0
    """Octets that arrived after the body's end, before the next request."""
    redacted: tuple[tuple[int, int], ...] = ()
    """(offset, length) of each secret that the body held."""
    redacted_headers: tuple[str, ...] = ()
    """Names of the header fields that held a secret."""
    decoded: bool = False
    """True: the client that recorded it had already removed the content coding (foreign HAR)."""
    body_known: bool = True
    """False: the client that recorded it left the text out, and `body` says nothing (foreign HAR)."""
    transcoded: bool = False
    """True: the client that recorded it kept text, so that `body` is not what travelled (foreign HAR)."""
    headers_known: bool = True
    """False: the client that recorded it left the header section out: no field that is absent says anything."""

    def header(self, name: str) -> str | None:
        """The field's value, several joined by `, ` (RFC 9110, section 5.3); None where it is absent."""
        wanted = name.lower()
        values = [value for key, value in self.headers if key.lower() == wanted]
        return ", ".join(values) if values else None

    def first(self, octets: int) -> Response:
        """This answer with no more than the first octets of its body."""
        if len(self.body) <= octets:
            return self
        pieces: list[Piece] = []
        left = octets
        for piece in self.pieces or ():
            if left <= 0:
                break
            pieces.append(Piece(piece.at, min(piece.length, left)))
            left -= piece.length
        return replace(
            self,
            body=self.body[:octets],
            pieces=None if self.pieces is None else tuple(pieces),
            redacted=tuple((at, length) for at, length in self.redacted if at + length <= octets),
        )

    def ends(self, octets: int) -> Response:
        """This answer without the middle of its body: about this many octets at each end, cut between events."""
        head = self.body.rfind(b"\n\n", 0, octets) + 2
        tail = self.body.find(b"\n\n", len(self.body) - octets) + 2
        if not 2 <= head < tail or tail < 2:
            return self
        pieces: list[Piece] = []
        start = 0
        for piece in self.pieces or ():
            end = start + piece.length
            kept = max(0, min(end, head) - start) + max(0, end - max(start, tail))
            if kept:
                pieces.append(Piece(piece.at, kept))
            start = end
        marks = [(at, n) for at, n in self.redacted if at + n <= head]
        marks += [(at - tail + head, n) for at, n in self.redacted if at >= tail]
        return replace(
            self,
            body=self.body[:head] + self.body[tail:],
            pieces=None if self.pieces is None else tuple(pieces),
            redacted=tuple(marks),
        )


@dataclass(frozen=True, slots=True)
class ProbeNote:
    """What the suite knew when it sent the request: names and relations, never the judgement itself."""

    area: str = ""
    phase: str = ""
    """A `probes.flow.Phase`; empty in a foreign transcript."""
    flow: str = ""
    """The chain of requests that this one belongs to."""
    twin: str | None = None
    """Name of the exchange whose body is the same without the breach."""
    group: str | None = None
    """Requests of one group were in flight together."""
    attempt: int = 1
    """Counts from 1; higher where an answer excused itself and was asked again."""
    round: int = 1
    """Counts from 1; higher where the whole flow was tried again (a model's whim, or to tell intermittent faults)."""
    probe: str = ""
    """The exchange's name without attempt and round."""
    breach: str | None = None
    """The named rule of a generated breach."""
    left_after: int | None = None
    """The suite left after this many pieces at most, on purpose; 0: at the header section; -1: before it."""
    slow: bool = False
    """The suite read slowly, on purpose."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer."""

    name: str
    """Unique in its transcript."""
    request: Request
    response: Response | None
    ending: Ending
    started: float
    """Unix seconds, UTC."""
    finished: float
    """Seconds after `started`."""
    error: str = ""
    """The error text of the transport, where it failed."""
    note: ProbeNote = field(default_factory=ProbeNote)
    server_ip: str = ""
    head: bytes = b""
    """Of a header section that clients refuse, and of what is not HTTP, what shows why (see `framing.kept`); empty
    where the header section could be read, or none came."""
    timed: bool = True
    """False: the client that recorded it does not say when, and `started` gives no more than the order."""

    @property
    def answered(self) -> bool:
        """True where an answer in HTTP came, whether or not it could be read."""
        return self.response is not None or self.head.startswith(b"HTTP/")

    @property
    def of_proxy(self) -> bool:
        """True where a proxy let nothing through, so that the target was not asked."""
        return self.ending is Ending.REFUSED and self.error.startswith(f"{PROXY_ERROR}: ")

    @property
    def streams(self) -> bool:
        """True where the answer is called an event stream."""
        kind = self.response.header("content-type") if self.response else None
        return (kind or "").lower().lstrip().startswith("text/event-stream")

    @property
    def status(self) -> int | None:
        """The status code, None where no answer came."""
        return self.response.status if self.response else None


@dataclass(frozen=True, slots=True)
class Transcript:
    """The exchanges of a run, in the order in which they started, and the run's options."""

    exchanges: tuple[Exchange, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    """JSON values only: target, model, depth, seed, declared absences, what was cut off and why."""
    creator: str = ""

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self.exchanges)

    def __len__(self) -> int:
        return len(self.exchanges)

    @property
    def own(self) -> bool:
        """True where this suite recorded it (times, endings and probe notes are known)."""
        return bool(self.options.get("suite"))
