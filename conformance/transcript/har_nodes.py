"""A HAR file as JSON values that know their place, so that a message can name it; and what every entry has."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from conformance.transcript.exchange import (
    Headers,
)
from conformance.transcript.redaction import mask_credentials

_T = TypeVar("_T", bound=StrEnum)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS: Mapping[type[object], str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "an integer",
    bool: "true or false",
}


class HarError(ValueError):
    """A transcript that cannot be read, in one sentence that says where and why."""


def body_of(content: Node) -> bytes | None:
    """The content's octets; None where its text was left out."""
    text = content.get("text")
    if text is None:
        return None
    encoding = content.text("encoding", "")
    if encoding == "base64":
        return text.octets()
    if encoding:
        raise HarError(f"`{content.place}.encoding` of the transcript is unknown: {encoding[:50]!r}.")
    return utf8(str(text.of(str).value))


def utf8(text: str) -> bytes:
    """The text's octets; JSON may hold lone surrogates, and then so does a foreign text."""
    return text.encode("utf-8", "surrogatepass")


def fields_of(message: Node) -> Headers:
    """The header fields, credentials masked."""
    return mask_credentials(raw_fields(message))


def raw_fields(message: Node) -> Headers:
    """The header fields as they stand, without the pseudo-header fields of HTTP/2 (RFC 9113, section 8.3)."""
    nodes = [node.of(dict) for node in message.member("headers").items()]
    pairs = ((latin1(node.text("name")), latin1(node.text("value"))) for node in nodes)
    return tuple(pair for pair in pairs if not pair[0].startswith(":"))


def latin1(text: str) -> str:
    """The text, or where it is more than Latin-1 its UTF-8 octets read as Latin-1, as they travelled."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return utf8(text).decode("latin-1")
    return text


def started(entry: Node) -> float:
    """When the request was sent, in Unix seconds."""
    text = entry.text("startedDateTime")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // timedelta(microseconds=1) / 1_000_000
    except (ValueError, OverflowError):
        place = f"{entry.place}.startedDateTime"
        raise HarError(f"`{place}` of the transcript is not an ISO 8601 time: {text[:50]!r}.") from None


class Node:
    """A value of the file and the place where it stands, for messages."""

    def __init__(self, value: Any, place: str) -> None:
        self.value = value
        self.place = place

    def of(self, kind: type[object]) -> Node:
        """Itself, where it is of the type; a boolean is not a number."""
        if not isinstance(self.value, kind) or (kind is not bool and isinstance(self.value, bool)):
            raise HarError(f"`{self.place}` of the transcript must be {_KINDS[kind]}.")
        return self

    def get(self, name: str) -> Node | None:
        """A member of an object; None where it is absent or null."""
        value = self.value.get(name)
        return None if value is None else Node(value, f"{self.place}.{name}")

    def member(self, name: str) -> Node:
        """A member of an object that has to be there."""
        found = self.get(name)
        if found is None:
            raise HarError(f"`{self.place}` of the transcript has no member `{name}`.")
        return found

    def items(self) -> list[Node]:
        """Those of an array."""
        self.of(list)
        return [Node(value, f"{self.place}[{index}]") for index, value in enumerate(self.value)]

    def pairs(self) -> list[tuple[Node, Node]]:
        """Those of an array of arrays of two."""
        rows = [row.items() for row in self.items()]
        if any(len(row) != 2 for row in rows):
            raise HarError(f"`{self.place}` of the transcript must be an array of pairs.")
        return [(row[0], row[1]) for row in rows]

    def flag(self, name: str, default: bool) -> bool:
        """A boolean member."""
        found = self.get(name)
        return default if found is None else bool(found.of(bool).value)

    def text(self, name: str, default: str | None = None) -> str:
        """A string member."""
        found = self.get(name) if default is not None else self.member(name)
        return default or "" if found is None else str(found.of(str).value)

    def natural(self) -> int:
        """Itself as an integer from 0."""
        if self.of(int).value < 0:
            raise HarError(f"`{self.place}` of the transcript must not be negative.")
        return int(self.value)

    def seconds(self) -> float:
        """Itself, milliseconds from 0, as seconds in whole microseconds."""
        value = self.value
        try:
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
                return round(value * 1000) / 1_000_000
        except OverflowError:  # an integer beyond what a float holds
            pass
        raise HarError(f"`{self.place}` of the transcript must be milliseconds, 0 or more.")

    def choice(self, kind: type[_T]) -> _T:
        """Itself as a member of an enumeration of strings."""
        self.of(str)
        try:
            return kind(self.value)
        except ValueError:
            raise HarError(f"`{self.place}` of the transcript has an unknown value: {self.value[:50]!r}.") from None

    def octets(self) -> bytes:
        """Itself, a string in base64, as octets."""
        self.of(str)
        try:
            return base64.b64decode(self.value, validate=True)
        except ValueError:
            raise HarError(f"`{self.place}` of the transcript is not base64.") from None
