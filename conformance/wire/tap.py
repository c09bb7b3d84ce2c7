"""What comes of one answer, as it comes: its pieces with their times, clean of secrets before anything is kept."""

from __future__ import annotations

from collections.abc import Callable

from conformance.transcript import framing
from conformance.transcript.exchange import Piece, Response
from conformance.transcript.redaction import Redactor, mask_credentials, mask_head

SHOWN = 60
"""Octets shown of what is not HTTP."""
LONGEST_ERROR = 400
"""Characters of `Exchange.error`."""


class Tap:
    """What has come of one answer."""

    def __init__(self, redactor: Redactor, timer: Callable[[], float]) -> None:
        self.pieces: list[Piece] = []
        self.length = 0
        self.lines = 0
        """Line ends; of CRLF both octets count."""
        self._redactor = redactor
        self._body = redactor.stream()
        self._clean: list[bytes] = []
        self._tail = b""
        self._headers_at = 0.0
        self._timer = timer
        self._zero = timer()

    def now(self) -> float:
        """Seconds since the start, in whole microseconds."""
        return round(self._timer() - self._zero, 6)

    def begin(self) -> None:
        """The header section is there."""
        self._headers_at = self.now()

    def add(self, data: bytes) -> None:
        """A piece of the body is there."""
        self.pieces.append(Piece(self.now(), len(data)))
        self.length += len(data)
        self.lines += data.count(b"\n") + data.count(b"\r")
        self._clean.append(self._body.feed(data))

    def held_line_end(self, marker: bytes, data: bytes) -> bool:
        """True where the octets up to the end of the newest piece hold the marker and, right after it, a line end."""
        seen = self._tail + data
        self._tail = seen[-len(marker) :]
        return marker + b"\n" in seen or marker + b"\r" in seen

    def response(self, head: framing.Head) -> Response:
        """All of it as a value."""
        headers, held = self._redactor.headers(
            tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.fields)
        )
        self._clean.append(self._body.finish())
        return Response(
            status=head.status,
            headers=mask_credentials(headers),
            body=b"".join(self._clean),
            reason=self._redactor.text(head.reason.decode("latin-1")),
            http_version=f"HTTP/{head.version}",
            headers_at=self._headers_at,
            pieces=tuple(self.pieces),
            redacted=tuple(self._body.marks),
            redacted_headers=held,
        )


def behind(redactor: Redactor, number: int, octets: bytes) -> str:
    """What came after an end, in words."""
    count = f"{number} octet{'' if number == 1 else 's'}"
    return f"{count} came after the end: {shown(redactor, octets)!r}"[:LONGEST_ERROR]


def shown(redactor: Redactor, octets: bytes) -> bytes:
    """The first of the octets, without secrets, and without the beginning of one that did not come whole."""
    return mask_head(redactor.octets(octets)[: redactor.undecided(octets)])[:SHOWN]
