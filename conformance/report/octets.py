r"""Octets as text that can be looked at: a window of them, with some marked.

What is not UTF-8 is shown octet by octet (`\xff`), what cannot be seen as escapes, and only a line feed breaks a line.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from conformance.transcript.excerpt import visible

Kind = Literal["text", "mark", "lack", "left"]


class Part(NamedTuple):
    """A run of what is shown."""

    kind: Kind
    """`mark`: the offending octets; `lack`: a place where something is missing; `left`: says what was left out."""
    text: str


def readable(octets: bytes) -> str:
    """The octets as text of several lines."""
    return lines(octets.decode("utf-8", "backslashreplace"))


def lines(text: str) -> str:
    """The text with everything escaped that cannot be seen, but for its line feeds."""
    return "\n".join(map(visible, text.split("\n")))


def whole(body: bytes, most: int, span: tuple[int, int] | None = None, missing: str = "") -> tuple[Part, ...]:
    """The first `most` octets of a body, those of `span` among them marked."""
    return _window(body, 0, _border(body, most), span, missing, most)


def around(body: bytes, span: tuple[int, int], missing: str, beside: int, most: int) -> tuple[Part, ...]:
    """The octets of `span`, marked, `most` of them at most, between `beside` others on each side."""
    start, length = span
    end = start + min(length, most)
    first = 0 if start - beside < beside // 4 else _border(body, start - beside)
    last = len(body) if end + beside + beside // 4 > len(body) else max(_border(body, end + beside), end)
    return _window(body, first, last, span, missing, most)


def _window(
    body: bytes, first: int, last: int, span: tuple[int, int] | None, missing: str, most: int
) -> tuple[Part, ...]:
    parts = [Part("left", f"… {_count(first)} before … ")] if first else []
    if span is None or not first <= span[0] <= last:
        parts.append(Part("text", readable(body[first:last])))
    else:
        start, length = span
        end = min(start + length, last)
        parts.append(Part("text", readable(body[first:start])))
        if length == 0:
            parts.append(Part("lack", f"{visible(missing)} is missing here" if missing else _here(start, body)))
        elif length > most:
            tail = _border(body, start + most)
            tail = tail if tail > start else start + most
            parts.append(Part("mark", readable(body[start:tail])))
            parts.append(Part("left", f" … {_count(start + length - tail)} more of it … "))
            end = start + length
        else:
            parts.append(Part("mark", readable(body[start:end])))
        parts.append(Part("text", readable(body[end:last])))
        last = max(last, end)
    if last < len(body):
        parts.append(Part("left", f" … {_count(len(body) - last)} more"))
    return tuple(part for part in parts if part.text)


def _here(at: int, body: bytes) -> str:
    return "the body ends here" if at >= len(body) else "here"


def _border(body: bytes, at: int) -> int:
    """The place, moved back by up to three octets to where a character of UTF-8 begins."""
    at = min(max(at, 0), len(body))
    for back in range(4):
        if at - back <= 0 or at == len(body) or body[at - back] & 0xC0 != 0x80:
            return at - back
    return at


def _count(octets: int) -> str:
    return f"{octets:,} octet{'' if octets == 1 else 's'}"
