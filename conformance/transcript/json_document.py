"""A JSON document too large to be held at once, read list by list.

Strategy. The document is walked by hand along the few members that lead to its long lists (`log.entries`); the elements
of those are given one by one, as octets, and everything else is kept as what is left of the document. Inside of an
element only strings and brackets are looked at, so that its JSON is read (and refused) by whoever takes it. A string
longer than `LONGEST` is left out, with nothing in its place: a film that was recorded beside an API costs no memory.

Octets in, octets out: nothing here knows what the document is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

BLOCK = 256 * 1024
"""Octets that are read at a time."""
LONGEST = 16 * 2**20
"""Octets of a string that is kept."""
MOST = 48 * 2**20
"""Octets of one element that are kept."""
DEEPEST = 10_000
"""Levels of brackets."""

Path = tuple[str, ...]

_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_NOT_A_BRACKET = re.compile(rb'[^"{}\[\]]*+')
_LITERAL = re.compile(rb"[^,\]}\s]*+")
_SPACE = re.compile(rb"[ \t\r\n]*+")


class Malformed(ValueError):
    """The document is not JSON; the message is a clause that says why."""


class Ended(Malformed):
    """The document ends too early."""


class Element(NamedTuple):
    """One element of a list."""

    path: Path
    """Of the list."""
    octets: bytes
    """Empty where it is too large."""
    shortened: bool
    """True where something in it was too long to be kept."""


class Document:
    """A document, whose octets `read` gives; to be iterated over once."""

    def __init__(self, read: Callable[[int], bytes], lists: Collection[Path]) -> None:
        """Take the source, which gives `b""` at its end, and the lists by the names of the members that lead there."""
        self.rest = bytearray()
        """The document without the elements of the lists; whole once all of them were given."""
        self._read = read
        self._lists = frozenset(lists)
        self._ways = frozenset(path[:length] for path in self._lists for length in range(len(path)))
        self._held = b""
        self._at = 0
        self._kept: bytearray | None = self.rest
        self._shortened = False

    def __iter__(self) -> Iterator[Element]:
        yield from self._walk(())
        if self._next():
            raise Malformed("more follows after its end")

    def _walk(self, path: Path) -> Iterator[Element]:
        """The value that follows, whose members may lead to a list."""
        first = self._next()
        if path in self._lists and first == b"[":
            yield from self._elements(path)
        elif path in self._ways and first == b"{":
            self._take(b"{")
            while self._next() != b"}":
                name = self._name()
                self._take(b":")
                yield from self._walk((*path, name))
                if self._next() == b",":
                    self._take(b",")
                elif self._next() != b"}":
                    raise self._missing("a comma or a bracket")
            self._take(b"}")
        else:
            self._value()

    def _elements(self, path: Path) -> Iterator[Element]:
        self._take(b"[", shown=b"")
        self._kept = None
        comma = True
        while (first := self._next()) != b"]":
            if first == b",":
                if comma:
                    raise Malformed("a value is missing")
                comma = True
                self._take(b",")
                continue
            if not comma:
                raise Malformed("a comma is missing")
            comma = False
            self._kept, self._shortened = bytearray(), False
            self._value()
            octets = b"" if self._kept is None else bytes(self._kept)
            self._kept = None
            yield Element(path, octets, self._shortened)
        self._kept = self.rest
        self._take(b"]", shown=b"[]")

    def _next(self) -> bytes:
        """The next octet that is not white space; empty at the end."""
        while True:
            self._at = _SPACE.match(self._held, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._held):
                return self._held[self._at : self._at + 1]
            if not self._more():
                return b""

    def _more(self) -> bool:
        block = self._read(BLOCK)
        self._held = self._held[self._at :] + block
        self._at = 0
        return bool(block)

    def _take(self, wanted: bytes, *, shown: bytes | None = None) -> None:
        found = self._next()
        if not found:
            raise Ended("it ends too early")
        if found != wanted:
            raise self._missing(f"{wanted.decode()!r}")
        self._at += 1
        self._keep(wanted if shown is None else shown)

    def _keep(self, octets: bytes) -> None:
        if self._kept is None:
            return
        self._kept += octets
        if len(self._kept) > MOST:
            if self._kept is self.rest:
                raise Malformed("what surrounds its entries is too large")
            self._kept, self._shortened = None, True

    def _missing(self, what: str) -> Malformed:
        try:
            (self._held[self._at :] + self._read(4)).decode("utf-8")
        except UnicodeDecodeError as error:
            if error.start == 0:
                return Malformed("it is not UTF-8")
        return Malformed(f"{what} is missing")

    def _name(self) -> str:
        if self._next() != b'"':
            raise self._missing("the name of a member") if self._next() else Ended("it ends too early")
        before = len(self.rest)
        self._string()
        return self.rest[before + 1 : -1].decode("utf-8", "replace")

    def _value(self) -> None:
        first = self._next()
        if first == b'"':
            self._string()
        elif first in (b"{", b"["):
            self._brackets()
        elif not first:
            raise Ended("it ends too early")
        else:
            self._literal()

    def _literal(self) -> None:
        begun = False
        while True:
            end = _LITERAL.match(self._held, self._at).end()  # type: ignore[union-attr]
            begun = begun or end > self._at
            self._keep(self._held[self._at : end])
            self._at = end
            if end < len(self._held) or not self._more():
                break
        if not begun:
            raise Malformed("a value is missing")

    def _brackets(self) -> None:
        depth = 0
        while True:
            end = _NOT_A_BRACKET.match(self._held, self._at).end()  # type: ignore[union-attr]
            self._keep(self._held[self._at : end])
            self._at = end
            if end == len(self._held):
                if not self._more():
                    raise Ended("it ends too early")
                continue
            mark = self._held[end]
            if mark == 0x22:
                self._string()
                continue
            depth += 1 if mark in b"{[" else -1
            if depth > DEEPEST:
                raise Malformed("its JSON is nested too deeply")
            self._at += 1
            self._keep(self._held[end : end + 1])
            if not depth:
                return

    def _string(self) -> None:
        """A string, from quote to quote."""
        self._at += 1
        self._keep(b'"')
        begun = len(self._kept) if self._kept is not None else 0
        kept = True
        while True:
            end = _STRING.match(self._held, self._at).end()  # type: ignore[union-attr]
            if kept:
                self._keep(self._held[self._at : end])
            self._at = end
            if kept and self._kept is not None and len(self._kept) - begun > LONGEST:
                del self._kept[begun:]
                kept, self._shortened = False, True
            if end < len(self._held) and self._held[end] == 0x22:
                break
            if not self._more():
                raise Ended("it ends within a string")
        self._at += 1
        self._keep(b'"')
