"""Where in an exchange a breach is: a value for reports and keys, and its text for people."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.transcript.sse import Event


@dataclass(frozen=True, slots=True)
class Place:
    """A place in an answer, or in a request. Several members may be set at once: a JSON Pointer within an event at a
    byte.
    """

    pointer: str = ""
    """JSON Pointer (RFC 6901) in the event, where one is named, else in the body; `/` is the whole value."""
    event: int | None = None
    """Number of an event of a stream, from 1."""
    byte: int | None = None
    """Offset in the body, from 0."""
    header: str = ""
    """Name of a header field, which may be absent."""
    character: int | None = None
    """Offset in the body's text, in one of the spellings in which it was read."""
    words: str = ""
    """Other places: `status`, `body`, `the whole stream`."""
    request: bool = False
    """True: in the request, not in its answer."""

    @classmethod
    def of(cls, event: Event, pointer: str = "") -> Place:
        """The place of an event, or of a value in it."""
        return cls(pointer, event.number + 1, event.offset)

    def __str__(self) -> str:
        """As `results.json`, the terminal and the pages show it; empty where there is no place."""
        parts = [f"{name} {n}" for name in ("event", "byte", "character") if (n := getattr(self, name)) is not None]
        parts += [self.pointer] if self.pointer else []
        parts += [f"header {self.header}"] if self.header else []
        told = ", ".join(parts) + self.words
        return f"{told} of the request" if self.request else told

    def __bool__(self) -> bool:
        return self != NOWHERE


NOWHERE = Place()
STATUS = Place(words="status")
URL = Place(words="URL", request=True)
"""Where a request goes; of one that should not have been sent at all, too."""
