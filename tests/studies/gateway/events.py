"""Passes an event stream on, event by event, and edits the JSON objects in it.

Octets in, octets out. An event's lines are kept as they came, with their ends; only the text behind `data:` changes,
and only where it is a JSON object that the edit changes. The grammar is the standard's (WHATWG HTML, section 9.2.5):
a line ends with CRLF, CR or LF, and an empty line ends an event.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_LINE_END = re.compile(rb"\r\n|\r|\n")
_DATA = re.compile(rb"((?:\xef\xbb\xbf)?data(?:: ?|\Z))(.*)", re.DOTALL)
MOST = 16 * 1024 * 1024
"""Octets of one event; more are passed on as they come, unedited."""

Edit = Callable[[str], str]
"""From the text of an event's data to the text that replaces it. A ValueError leaves the event as it is."""


class Passing:
    """One stream. `feed` gives what may leave now, `close` what is left at the end."""

    def __init__(self, edit: Edit) -> None:
        self._edit = edit
        self._lines: list[tuple[bytes, bytes]] = []
        self._rest = b""
        self._after_cr = False

    def feed(self, octets: bytes) -> bytes:
        """Take what came, give the events that are complete."""
        out = b""
        if self._after_cr and octets[:1] == b"\n":  # the other half of a CRLF
            out, octets = self._half(), octets[1:]
        if octets:
            self._after_cr = False
        text = self._rest + octets
        place = 0
        for found in _LINE_END.finditer(text):
            line, place = text[place : found.start()], found.end()
            self._lines.append((line, found[0]))
            if not line:
                out += self._event()
        self._rest = text[place:]
        self._after_cr = self._after_cr or (place == len(text) and text.endswith(b"\r"))
        if len(self._rest) + sum(len(line) for line, _ in self._lines) > MOST:
            out += b"".join(line + end for line, end in self._lines) + self._rest
            self._lines, self._rest = [], b""
        return out

    def close(self) -> bytes:
        """The octets of an event that never ended, edited like the others, without an end."""
        if self._rest:
            self._lines.append((self._rest, b""))
            self._rest = b""
        return self._event()

    def _half(self) -> bytes:
        self._after_cr = False
        if not self._lines:
            return b"\n"
        line, end = self._lines[-1]
        self._lines[-1] = (line, end + b"\n")
        return b""

    def _event(self) -> bytes:
        lines, self._lines = self._lines, []
        found = [_DATA.fullmatch(line) for line, _ in lines]
        texts = [match[2] for match in found if match]
        try:
            edited = self._edit(b"\n".join(texts).decode()).encode().split(b"\n") if texts else []
        except (ValueError, RecursionError):
            edited = texts
        if len(edited) != len(texts):
            edited = texts
        left = iter(edited)
        ends = zip(found, lines, strict=True)
        return b"".join((match[1] + next(left) if match else line) + end for match, (line, end) in ends)
