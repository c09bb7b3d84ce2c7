# The reader of event streams: bytes in, events out (WHATWG HTML, sections 9.2.5 and 9.2.6); no socket, no clock.
#
# Strategy. Line ends are ASCII, so the bytes are split before anything is decoded: `bytes.splitlines` knows LF, CR and
# CRLF and nothing else (`str.splitlines` would break at U+2028 too). An unfinished line waits in `_tail` for its end. A
# CR at the end of a piece ends its line at once, so that no event waits for an LF that may never come; an LF that opens
# the next piece is then the other half of that line end. A line adds to the block that is open, or it is blank and
# closes the block, which is dispatched if it had a data line. Whatever is unusual on the way, allowed or not, becomes a
# `Note` with its byte offset: the reader never judges and never raises. Events, notes and offsets are the same however
# the bytes were cut; only the times differ. Memory is bounded: a line or an event beyond the limit makes the reader
# stop, and of each kind of note only the first hundred are kept.
"""Reader of server-sent events that keeps what other readers hide: offsets, times, raw bytes, oddities."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import repeat
from types import MappingProxyType
from typing import Final, NamedTuple

BOM: Final = b"\xef\xbb\xbf"
MAX_LINE: Final = 8 * 2**20
MAX_EVENT: Final = 16 * 2**20
NOTES_OF_A_KIND: Final = 100
_RETRY_DIGITS: Final = 640  # int() takes as many under every setting of sys.set_int_max_str_digits
_DETAIL: Final = 120
_LF: Final = 0x0A
_CR: Final = 0x0D


class Oddity(StrEnum):
    """What a stream may hold beside plain `data: …` lines with LF ends. Some are legitimate, some are faults."""

    CR_LINE_END = "cr-line-end"
    """Legitimate. Noted once a stream, at the first."""
    CRLF_LINE_END = "crlf-line-end"
    """Legitimate. Noted once a stream, at the first."""
    BOM = "bom"
    """At the very start: legitimate."""
    BOM_INSIDE = "bom-inside"
    """At the start of another line, whose field is therefore not recognised (it is not noted as unknown, too)."""
    COMMENT = "comment"
    """Legitimate."""
    UNKNOWN_FIELD = "unknown-field"
    """A line with or without a colon whose name is none of data, event, id, retry. The standard ignores it."""
    LINE_WITHOUT_COLON = "line-without-colon"
    """A known name alone on its line: legitimate, its value is empty. (`retry` alone is BAD_RETRY.)"""
    NO_DATA = "no-data"
    """A block with `event`, `id` or `retry` and no data line: not dispatched. (Comments alone are not noted here.)"""
    EMPTY_DATA = "empty-data"
    """A block whose only data line is empty: dispatched, with the empty string as its data."""
    NUL_IN_ID = "nul-in-id"
    """The standard ignores the field."""
    BAD_RETRY = "bad-retry"
    """Anything but ASCII digits (or more than 640 of them): ignored."""
    INVALID_UTF8 = "invalid-utf8"
    """The first place in a line, in a comment or an unknown field too."""
    CUT_CHARACTER = "cut-character"
    """The body ends within a character."""
    UNTERMINATED = "unterminated"
    """The body ends without the blank line that its last block needs; that block is `Stream.pending`."""
    TRAILING_COMMENT = "trailing-comment"
    """The body ends with comments and no blank line: against the grammar, but no event is lost."""
    TOO_LONG = "too-long"
    """A line or an event above the reader's limit: nothing behind it was read."""


@dataclass(frozen=True, slots=True)
class Note:
    """One oddity of a stream."""

    kind: Oddity
    offset: int
    """Octets from the start of the body."""
    detail: str
    """The line (of a block: its first field line) as a Python literal, 120 characters at most. For INVALID_UTF8 and
    CUT_CHARACTER a bytes literal that begins up to 20 octets before the place; empty for line ends."""


class Event(NamedTuple):
    """One dispatched event, or the unfinished last one.

    A named tuple, because making a frozen dataclass of this size takes longer than all the rest of the reading.
    """

    data: str
    """The values of the data lines, joined by LF; invalid UTF-8 replaced by U+FFFD."""
    name: str
    """The event type; empty where none was given, which means `message`."""
    id: str | None
    """The id field of this very block; None where it has none (earlier ones are carried on in `last_id`)."""
    retry: int | None
    """The retry field of this very block, in milliseconds."""
    number: int
    """Counts dispatched events from 0; for the pending one, the number that it would have had."""
    offset: int
    """Of the first octet of the block's first field line."""
    end: int
    """Just after the octet that dispatched the event. Where the blank line ends with CRLF that is its CR, because an
    event must not wait for the LF: the LF lies between this event and the next. The body's end for the pending one."""
    data_offset: int
    """Of the first data line's value (after the colon and the optional space); `end` where there is no data line."""
    at: float
    """When the octet before `end` arrived."""
    first_at: float
    """When the octet at `offset` arrived."""
    raw_data: tuple[bytes, ...]
    """What follows `data` on each data line, as sent: `: [DONE]`, `:[DONE]`; empty for a line without colon."""
    last_id: str
    """The last event ID, as the standard keeps it over blocks, those that are not dispatched too; empty: none."""
    reconnection: int | None
    """The reconnection time in force, in milliseconds, also kept over blocks; None: none was ever given."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A whole body, read."""

    events: tuple[Event, ...]
    pending: Event | None
    """Fields after the last blank line. The standard throws them away."""
    notes: tuple[Note, ...]
    """In the order in which they were found: the first hundred of each kind."""
    dropped: Mapping[Oddity, int]
    """How many more of each kind there were."""
    size: int
    """Octets."""
    stopped: bool
    """True where the reader gave up at a limit of size (TOO_LONG)."""

    def noted(self, *kinds: Oddity) -> tuple[Note, ...]:
        """The notes of these kinds."""
        return tuple(note for note in self.notes if note.kind in kinds)


class Reader:
    """Reads one stream: `feed` it pieces as they arrive, then `close` it.

    `max_line` is in octets without the line end; `max_event` bounds the field lines of one block together, too.
    """

    def __init__(self, *, max_line: int = MAX_LINE, max_event: int = MAX_EVENT) -> None:
        self.notes: list[Note] = []
        self.counts: dict[Oddity, int] = {}
        """How often each kind was found, kept in `notes` or not."""
        self.size = 0
        self.stopped = False
        self._max_line = max(max_line, len(BOM))  # the start of a BOM must not look like a long line
        self._max_event = max_event
        self._at = 0.0
        self._offset = 0  # of the line that comes next, or waits in the tail
        self._tail = bytearray()
        self._tail_at = 0.0
        self._known_ends = {b"\n"}
        self._after_cr = False
        self._number = 0
        self._last_id = ""
        self._reconnection: int | None = None
        # The block that is open:
        self._start = -1  # offset of its first field line; -1: none yet
        self._opening = b""  # that line
        self._first_at = 0.0
        self._length = 0
        self._data_offset = -1
        self._raw: list[bytes] = []
        self._values: list[str] = []
        self._name: str | None = None
        self._id: str | None = None
        self._retry: int | None = None
        self._comment: tuple[int, bytes] | None = None  # the first since the last blank line

    def feed(self, data: bytes, at: float = 0.0) -> list[Event]:
        """Take the next piece, which arrived at `at` (seconds), and give the events that it completed."""
        events: list[Event] = []
        self.size += len(data)
        if self.stopped or not data:
            return events
        self._at = first_at = at
        if self._after_cr:
            self._after_cr = False
            if data[0] == _LF:
                self._note_end(b"\r\n", self._offset - 1)
                self._offset += 1
                data = data[1:]
            else:
                self._note_end(b"\r", self._offset - 1)
        if self._tail:
            if len(self._tail) >= len(BOM) and _LF not in data and _CR not in data:
                self._wait(data)  # no copy of the whole line for each piece of it
                return events
            first_at = self._tail_at
            data = bytes(self._tail) + data
            self._tail.clear()
        # stream        = [ bom ] *event
        if not self._offset and data.startswith(BOM):
            self._note(Oddity.BOM, 0, BOM)
            self._offset = len(BOM)
            data = data[len(BOM) :]
            first_at = at
        # event         = *( comment / field ) end-of-line
        lines, ends, tail = _split(data)
        offset = self._offset
        behind = offset + len(data)
        for line, end in zip(lines, ends):  # noqa: B905 (repeated ends never run out)
            if line:
                if not self._line(line, offset, first_at):
                    return events
            elif self._raw:
                event = self._take_block(offset + 1, at)
                if not event.data:
                    self._note(Oddity.EMPTY_DATA, event.offset, self._opening)
                self._number += 1
                events.append(event)
            else:
                # "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty
                # string and return." Each data line adds an LF to that buffer, an empty one too: so none was there.
                if self._name is not None or self._id is not None or self._retry is not None:
                    self._note(Oddity.NO_DATA, self._start, self._opening)
                self._empty_block()
            offset += len(line) + len(end)
            if end not in self._known_ends and not (end == b"\r" and offset == behind):
                self._note_end(end, offset - len(end))
            first_at = at
        self._offset = offset
        if tail:
            self._tail_at = first_at
            self._wait(tail)
        else:
            self._after_cr = data[-1:] == b"\r"  # the next piece tells whether that is half of a CRLF
        return events

    def close(self) -> Event | None:
        """The body has ended. Gives the block that was left without its blank line, which is not to be dispatched."""
        if self._after_cr:
            self._after_cr = False
            self._note_end(b"\r", self._offset - 1)
        if self._tail:
            self._line(bytes(self._tail), self._offset, self._tail_at, ended=False)
            self._tail.clear()
        if self._start >= 0:
            self._note(Oddity.UNTERMINATED, self._start, self._opening)
            return self._take_block(self.size, self._at)
        if self._comment:
            self._note(Oddity.TRAILING_COMMENT, *self._comment)
            self._empty_block()
        return None

    def _line(self, line: bytes, offset: int, at: float, ended: bool = True) -> bool:
        """Read a line that is not blank. False: it goes beyond a limit, and the reader has stopped.

        A last line that broke off (`ended` false) could have become anything: it is read for what it is so far, and
        nothing but its bytes is noted.
        """
        if len(line) > self._max_line:
            return self._stop(line, offset)
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            cut = not ended and error.end == len(line) and error.reason == "unexpected end of data"
            kind = Oddity.CUT_CHARACTER if cut else Oddity.INVALID_UTF8
            self._note(kind, offset + error.start, line[max(0, error.start - 20) :])
            text = line.decode(errors="replace")
        oddity: Oddity | None = None
        # comment       = colon *any-char end-of-line
        if text[0] == ":":
            self._comment = self._comment or (offset, line)
            oddity = Oddity.COMMENT
        else:
            if self._start < 0:
                self._start, self._opening, self._first_at, self._length = offset, line, at, 0
            self._length += len(line)
            if self._length > self._max_event:
                return self._stop(line, offset)
            # field         = 1*name-char [ colon [ space ] *any-char ] end-of-line
            if text[:5] == "data:":
                skip = 6 if text[5:6] == " " else 5
                self._add_data(line[4:], text[skip:], offset + skip)
            else:
                oddity = self._other_field(text, offset)
        if oddity and ended:
            self._note(oddity, offset, line)
        return True

    def _add_data(self, raw: bytes, value: str, offset: int) -> None:
        if not self._raw:
            self._data_offset = offset
        self._raw.append(raw)
        self._values.append(value)

    def _other_field(self, text: str, offset: int) -> Oddity | None:
        name, colon, value = text.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":  # without a colon, or it would not be here
                self._add_data(b"", "", offset + 4)
            case "event":
                self._name = value
            case "id" if "\0" in value:
                return Oddity.NUL_IN_ID
            case "id":
                self._id = self._last_id = value
            case "retry" if value.isascii() and value.isdigit() and len(value) <= _RETRY_DIGITS:
                self._retry = self._reconnection = int(value)
            case "retry":
                return Oddity.BAD_RETRY
            case _:
                return Oddity.BOM_INSIDE if name.startswith("\ufeff") else Oddity.UNKNOWN_FIELD
        return None if colon else Oddity.LINE_WITHOUT_COLON

    def _take_block(self, end: int, at: float) -> Event:
        fields = (
            "\n".join(self._values),
            self._name or "",
            self._id,
            self._retry,
            self._number,
            self._start,
            end,
            self._data_offset if self._raw else end,
            at,
            self._first_at,
            tuple(self._raw),
            self._last_id,
            self._reconnection,
        )
        self._empty_block()
        return tuple.__new__(Event, fields)  # what Event(*fields) does, without its detour through keywords

    def _empty_block(self) -> None:
        self._start = -1
        self._raw.clear()
        self._values.clear()
        self._name = self._id = self._retry = self._comment = None

    def _wait(self, part: bytes) -> None:
        self._tail += part
        if len(self._tail) > self._max_line:
            self._stop(bytes(self._tail), self._offset)

    def _stop(self, line: bytes, offset: int) -> bool:
        # Shows no more of the line than every way of cutting it has brought by now.
        self._note(Oddity.TOO_LONG, offset, line[: self._max_line])
        self.stopped = True
        self._tail.clear()
        self._empty_block()
        return False

    def _note_end(self, end: bytes, offset: int) -> None:
        if end not in self._known_ends:
            self._known_ends.add(end)
            self._note(Oddity.CR_LINE_END if end == b"\r" else Oddity.CRLF_LINE_END, offset, b"")

    def _note(self, kind: Oddity, offset: int, line: bytes) -> None:
        self.counts[kind] = count = self.counts.get(kind, 0) + 1
        if count <= NOTES_OF_A_KIND:
            self.notes.append(Note(kind, offset, _literal(line) if line else ""))


def _literal(line: bytes) -> str:
    head = line[: 4 * _DETAIL]
    try:
        shown = repr(codecs.utf_8_decode(head, "strict", len(head) == len(line))[0])
    except UnicodeDecodeError:
        shown = repr(head)
    return shown if len(shown) <= _DETAIL else shown[: _DETAIL - 1] + "…"


def _split(data: bytes) -> tuple[list[bytes], Iterable[bytes], bytes]:
    """Lines without their ends, the end of each, and what has no end yet."""
    # end-of-line   = ( cr lf / cr / lf )
    if _CR not in data:
        lines = data.split(b"\n")
        return lines, repeat(b"\n"), lines.pop()
    if data.count(b"\r") == data.count(b"\r\n") == data.count(b"\n"):
        lines = data.split(b"\r\n")
        return lines, repeat(b"\r\n"), lines.pop()
    lines = data.splitlines()
    ends = [ended[len(line) :] for line, ended in zip(lines, data.splitlines(keepends=True), strict=True)]
    return lines, ends, b"" if ends[-1] else lines.pop()


def read(body: bytes, pieces: Iterable[tuple[float, int]] | None = None) -> Stream:
    """Read a whole body. `pieces` are (seconds, octets) as it arrived; without them every time is 0.0."""
    reader = Reader()
    events: list[Event] = []
    position, at = 0, 0.0
    for at, length in pieces or ():
        events += reader.feed(body[position : position + length], at)
        position += length
    events += reader.feed(body[position:], at)
    pending = reader.close()
    dropped = {kind: count - NOTES_OF_A_KIND for kind, count in reader.counts.items() if count > NOTES_OF_A_KIND}
    return Stream(tuple(events), pending, tuple(reader.notes), MappingProxyType(dropped), reader.size, reader.stopped)
