r"""Reads one answer as RFC 9112 frames it: octets in, a header section and pieces of body out. No socket, no clock.

What clients refuse is refused here, and nothing else. Where the standard lets, or bids, a recipient accept what a
sender must not send, it is accepted: obsolete line folding (section 5.2: replaced by a space), one length given several
times (section 6.3: taken once), a status line without a reason and its space. Strict clients such as Node's refuse the
rest: a line that ends in a bare LF, a name that is not a token (white space before the colon makes it none), a line
without a colon, control characters in a value, and every ambiguity about where the body ends.

    status-line   = "HTTP/1." ( "0" / "1" ) SP 3DIGIT [ SP reason-phrase ] CRLF       (section 4)
    field-line    = token ":" OWS field-value OWS CRLF                                (section 5)
    chunk         = 1*HEXDIG [ BWS ";" chunk-ext ] CRLF chunk-data CRLF               (section 7.1)
    chunked-body  = *chunk 1*"0" [ BWS ";" chunk-ext ] CRLF *( field-line CRLF ) CRLF

A fault is a value, not an exception: what was read before it stays readable. `kept` makes of a header section that is
refused the little that shows why, and the same reader finds the same fault in it: so a recording can be judged offline.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

Fields = tuple[tuple[bytes, bytes], ...]

LONGEST_LINE = 4096
"""Octets of a line between chunks."""
SHOWN = 400
"""The most octets that are kept of what follows the end."""
LONGEST_KEPT = 400
"""Octets that are kept of a line which is refused."""

_BEGIN = b"HTTP/"
_BLANK_LINE = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")


@dataclass(frozen=True, slots=True)
class Malformed:
    """Why an answer, or its header section, cannot be read."""

    why: str
    lines: bytes = b""
    """The lines that show it, as they came."""


@dataclass(frozen=True, slots=True)
class Head:
    """A header section."""

    version: str
    """`1.0` or `1.1`."""
    status: int
    reason: bytes
    fields: Fields
    """Names as spelled, values without the white space around them."""
    length: int | None
    """Octets of the body, as Content-Length says; None without it."""
    chunked: bool

    def options(self) -> frozenset[bytes]:
        """The options of the Connection field, in lower case (RFC 9110, section 7.6.1)."""
        return frozenset(_elements(self.fields, b"connection"))

    @property
    def keeps(self) -> bool:
        """True where the connection may serve another exchange (RFC 9112, section 9.3)."""
        options = self.options()
        return b"close" not in options and (self.version == "1.1" or b"keep-alive" in options)


def read_head(octets: bytes) -> Head | Malformed:
    """The header section, up to its blank line, or why clients refuse it."""
    if not octets.startswith(_BEGIN):
        return Malformed("the answer is not HTTP", octets[:LONGEST_KEPT])
    lines = _lines(octets)
    first = next(lines)
    status = _STATUS_LINE.fullmatch(first.removesuffix(b"\r\n"))
    if status is None:
        return Malformed(_BARE if _STATUS_LINE.fullmatch(first[:-1]) else "the status line is malformed", first)
    fields: list[tuple[bytes, bytes]] = []
    raw: list[bytes] = []
    """The lines of each field, as they came."""
    for line in lines:
        if fault := _line_fault(line, begun=bool(fields)):
            return Malformed(fault, raw[-1] + line if fields and line[:1] in b" \t" else line)
        if line[:1] in b" \t":
            name, value = fields[-1]
            fields[-1], raw[-1] = (name, (value + b" " + line.strip(b" \t\r\n")).strip(b" ")), raw[-1] + line
        else:
            name, _, value = line.partition(b":")
            fields.append((name, value.strip(b" \t\r\n")))
            raw.append(line)
    version = status[1].decode("ascii")
    if fault := _framing_fault(version, tuple(fields)):
        framing = (b"content-length", b"transfer-encoding")
        return Malformed(fault, b"".join(r for (n, _), r in zip(fields, raw, strict=True) if n.lower() in framing))
    codings, lengths = (_elements(tuple(fields), name) for name in (b"transfer-encoding", b"content-length"))
    length = int(lengths[0]) if lengths else None
    return Head(version, int(status[2]), status[3] or b"", tuple(fields), length, bool(codings))


def kept(octets: bytes) -> bytes:
    """Of a header section that is refused, what shows why: the status line and the lines at fault."""
    fault = read_head(octets)
    if isinstance(fault, Head) or not octets.startswith(_BEGIN):
        return octets[:LONGEST_KEPT]
    first = next(_lines(octets))
    lines = (first,) if fault.lines == first else (first, *_each(fault.lines))
    return b"".join(map(_shortened, lines)) + b"\r\n"


def _lines(octets: bytes) -> Iterator[bytes]:
    """The lines with their ends, without the blank one after the last."""
    for line in _each(octets):
        if line in (b"\r\n", b"\n"):
            return
        yield line


def _each(octets: bytes) -> list[bytes]:
    return re.findall(rb"[^\n]*\n|[^\n]+", octets)


def _shortened(line: bytes) -> bytes:
    """The line, where it is very long only its beginning, what is not allowed in it, and its end."""
    if len(line) <= LONGEST_KEPT:
        return line
    wrong = _CONTROL.search(line)
    end = b"\r\n" if line.endswith(b"\r\n") else line[-1:]
    return line[: LONGEST_KEPT // 2] + (wrong[0] if wrong and wrong.end() < len(line) - 1 else b"") + end


def _line_fault(line: bytes, *, begun: bool) -> str:
    """Why clients refuse a field line; empty where they do not. `begun`: one came before, which it may continue."""
    if not line.endswith(b"\r\n"):
        return _BARE
    line = line[:-2]
    if line[:1] in (b" ", b"\t"):
        if not begun:
            return "white space comes before the first header field"
        return _CONTROLS if _CONTROL.search(line) else ""
    name, colon, value = line.partition(b":")
    if not colon:
        return "a line of the header section has no colon"
    if not _TOKEN.fullmatch(name):
        if name.strip(b" \t") != name and _TOKEN.fullmatch(name.strip(b" \t")):
            return "white space comes before the colon of a header field"
        return "the name of a header field is not a token"
    return _CONTROLS if _CONTROL.search(value) else ""


_BARE = "a line of the header section ends in a bare LF"
_CONTROLS = "a header field holds a control character"


def _framing_fault(version: str, fields: Fields) -> str:
    """Why nobody can tell where the body ends (RFC 9112, sections 6.1 and 6.3); empty where it is told soundly."""
    codings = _elements(fields, b"transfer-encoding")
    lengths = _elements(fields, b"content-length")
    told = {name.lower() for name, _ in fields}
    if b"transfer-encoding" in told:
        if codings.count(b"chunked") > 1:
            return "Transfer-Encoding names chunked more than once"
        if codings != [b"chunked"]:
            return "Transfer-Encoding names a coding other than chunked, which no request offered"
        if b"content-length" in told:
            return "there are both Content-Length and Transfer-Encoding"
        return "an answer of HTTP/1.0 has Transfer-Encoding" if version == "1.0" else ""
    if b"content-length" in told:
        if not lengths or not all(_LENGTH.fullmatch(length) for length in lengths):
            return "Content-Length is not a number"
        if len({int(length) for length in lengths}) > 1:
            return "Content-Length has several values that differ"
    return ""


def _elements(fields: Fields, wanted: bytes) -> list[bytes]:
    """The elements of all fields of that name, as one list, in lower case (RFC 9110, section 5.6.1)."""
    values = b",".join(value for name, value in fields if name.lower() == wanted)
    return [element for part in values.split(b",") if (element := part.strip(b" \t").lower())]


_FAREWELL = re.compile(rb"HTTP/1\.[01] (?:408\b|.*?\r\nconnection: *close\r\n)", re.IGNORECASE | re.DOTALL)


def is_farewell(octets: bytes) -> bool:
    """Whether this is what a server may say to an idle client before it closes (RFC 9110, section 15.5.9)."""
    return _FAREWELL.match(octets) is not None


class _Place(Enum):
    """Where the next octet of a chunked body lies."""

    SIZE = 1
    DATA = 2
    DATA_END = 3
    TRAILER = 4


class AnswerReader:
    """One answer, as far as it has come: the final one, after any number of interim ones."""

    def __init__(self, method: str, largest_head: int) -> None:
        """Take the request's method, and the octets that the header sections may have, interim ones included."""
        self.head: Head | None = None
        """The final header section, once it is complete and can be read."""
        self.fault: Malformed | None = None
        """Why nothing more is read."""
        self.octets = b""
        """What came of the header section, while it is incomplete or where it is refused."""
        self.too_large = False
        """The header section passed its limit."""
        self.complete = False
        """The body ended as its framing says."""
        self.behind = b""
        """The first octets after the end."""
        self.excess = 0
        """How many there are."""
        self._method = method
        self._largest = largest_head
        self._heads = 0
        """Octets of header sections so far."""
        self._searched = 0
        self._left: int | None = None
        """Octets of the body, or of the chunk, still to come; None: up to the end of the connection."""
        self._place = _Place.SIZE
        self._line = b""
        self._trailer = 0

    @property
    def begun(self) -> bool:
        """True once an octet of the final answer came."""
        return bool(self.octets) or self.head is not None

    @property
    def refused(self) -> bool:
        """True where it is the header section that cannot be read."""
        return self.fault is not None and self.head is None

    @property
    def reusable(self) -> bool:
        """True where the connection may serve another exchange."""
        return self.complete and self.head is not None and self.head.keeps and self.head.status != 101

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next octets; give the pieces of body in them, one a chunk."""
        if self.fault is not None or self.too_large:
            return []
        if self.head is None:
            data = self._feed_head(data)
        if self.head is None or not data:
            return []
        if self.complete:
            self._add_behind(data)
            return []
        return list(self._feed_chunked(data) if self.head.chunked else self._feed_plain(data))

    def close(self) -> list[bytes]:
        """The server closed its side: the end of a body that nothing else ends. No piece comes of it."""
        if self.head is not None and not self.head.chunked and self._left is None:
            self.complete = True
        return []

    def _feed_head(self, data: bytes) -> bytes:
        """Take octets of the header sections; give those after the final one."""
        self.octets += data
        while self.octets:
            if not self.octets.startswith(_BEGIN[: len(self.octets)]):
                self.fault = Malformed("the answer is not HTTP", self.octets[:LONGEST_KEPT])
                return b""
            blank = _BLANK_LINE.search(self.octets, self._searched)
            if blank is None:
                self._searched = max(0, len(self.octets) - 2)
                self.too_large = self._heads + len(self.octets) > self._largest
                return b""
            self._heads += blank.end()
            self._searched = 0
            if self._heads > self._largest:
                self.too_large = True
                return b""
            head = read_head(self.octets[: blank.end()])
            if isinstance(head, Malformed):
                self.fault, self.octets = head, self.octets[: blank.end()]
                return b""
            rest = self.octets[blank.end() :]
            if head.status >= 200 or head.status == 101:  # nobody asked to switch: as good as a final one
                self._begin_body(head)
                return rest
            self.octets = rest
        return b""

    def _begin_body(self, head: Head) -> None:
        self.head, self.octets = head, b""
        if self._method == "HEAD" or head.status in (101, 204, 304):
            self.complete = True
        elif not head.chunked:
            self._left = head.length
            self.complete = head.length == 0

    def _add_behind(self, data: bytes) -> None:
        self.excess += len(data)
        self.behind = (self.behind + data)[:SHOWN]

    def _feed_plain(self, data: bytes) -> Iterator[bytes]:
        if self._left is None:
            yield data
            return
        yield data[: self._left]
        rest = data[self._left :]
        self._left -= min(len(data), self._left)
        self.complete = not self._left
        if rest:
            self._add_behind(rest)

    def _feed_chunked(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data) and not self.complete and self.fault is None:
            if self._place is _Place.DATA:
                assert self._left is not None
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._place = _Place.DATA_END
                yield piece
                continue
            end = data.find(b"\n", at) + 1
            self._line += data[at : end or len(data)]
            at = end or len(data)
            if end:
                line, self._line = self._line, b""
                self._take_line(line)
            elif len(self._line) > LONGEST_LINE or (self._place is _Place.DATA_END and self._line not in b"\r"):
                self._take_line(self._line)
        if self.complete and at < len(data):
            self._add_behind(data[at:])

    def _take_line(self, line: bytes) -> None:
        """A line between chunks, with its end."""
        match self._place:
            case _Place.SIZE:
                size = _CHUNK_SIZE.fullmatch(line.removesuffix(b"\r\n")) if line.endswith(b"\r\n") else None
                if size is None or len(line) > LONGEST_LINE:
                    self.fault = Malformed("the size of a chunk is malformed", line)
                    return
                self._left = int(size[1], 16)
                self._place = _Place.DATA if self._left else _Place.TRAILER
            case _Place.DATA_END:
                if line != b"\r\n":
                    self.fault = Malformed("a chunk is not as long as its size says", line)
                self._place = _Place.SIZE
            case _:
                self._trailer += len(line)
                if line == b"\r\n":
                    self.complete = True
                elif self._trailer > self._largest:
                    self.fault = Malformed("the trailer section has no end", line)
                elif fault := _line_fault(line, begun=self._trailer > len(line)):
                    self.fault = Malformed(fault.replace("header", "trailer"), line)
