"""One request to send, and how; and the same as it travels."""

from __future__ import annotations

from dataclasses import dataclass, field

from conformance.transcript.exchange import Credential, Headers, ProbeNote


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request to send."""

    name: str
    method: str
    path: str
    """Joined to the client's base URL, such as `/chat/completions`."""
    headers: Headers
    """Sent in this order, after Host; the client adds Content-Length. All but Host, Content-Length and
    Transfer-Encoding are the caller's business."""
    body: bytes
    credential: Credential = Credential.UNSTATED
    note: ProbeNote = field(default_factory=ProbeNote)
    leave_after: int | None = None
    """Close the connection after this many pieces of the body; 0: as soon as the header section is there; -1: a moment
    after the request was sent, where no answer has begun by then."""
    leave_at: bytes | None = None
    """Close it earlier, at the first piece that holds these octets."""
    fresh: bool = False
    """Use a connection of its own: what must not be carried out twice is never sent again behind the caller's back."""
    answer_within: float | None = None
    """Seconds within which the header section has to be complete, or the suite leaves, which blames nobody."""
    pause: float = 0.0
    """Seconds to wait before each read, which then takes `SLOW_READ` octets: a slow reader."""
    settle: tuple[bytes, float] | None = None
    """Octets after which the body ought to end, such as `[DONE]`, and the seconds that it has for that. They count
    where a line ends behind them (a model may well write the same octets inside a JSON text). A body that goes on for
    longer is left as timed out while idle, whatever still comes."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request, as it travels."""

    octets: bytes
    """All of it in HTTP/1.1."""
    url: str
    headers: Headers
    """Those of the request itself: what is for a proxy alone is left out."""
    target: str
    """Path and query."""
    body: bytes
