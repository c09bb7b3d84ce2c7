"""Where the value of a JSON Pointer (RFC 6901) is in a JSON text, in octets.

The text is read as Latin-1, so that a character is an octet: all that gives JSON its structure is ASCII.
"""

from __future__ import annotations

import re
from json import JSONDecoder
from typing import NamedTuple

_BLANK = re.compile(r"[ \t\n\r]*")
_BOM = "\xef\xbb\xbf"
_DECODER = JSONDecoder(strict=False, parse_int=str, parse_float=str)


class Located(NamedTuple):
    """The octets of a value."""

    start: int
    end: int
    """Behind its last octet."""
    missing: str
    """The first name or index of the pointer that is not there; empty where all are, and else the octets are those of
    the value that lacks it."""


def locate(text: bytes, pointer: str) -> Located | None:
    """The value that `pointer` names, or the innermost one on the way to it.

    Args:
        text: JSON, with anything after it.
        pointer: `/choices/0/index`; `/` and the empty one mean the whole value.

    Returns:
        None where the octets are not JSON up to there.
    """
    characters = text.decode("latin-1")
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    try:
        at = _behind_blanks(characters, len(_BOM) if characters.startswith(_BOM) else 0)
        for step in steps if pointer != "/" else ():
            inner = _member(characters, at, step) if characters[at] == "{" else _item(characters, at, step)
            if inner is None:
                return Located(at, _end(characters, at), step)
            at = inner
        return Located(at, _end(characters, at), "")
    except (ValueError, IndexError, RecursionError):
        return None


def _member(text: str, at: int, name: str) -> int | None:
    """Where the member's value begins; of several with one name the last, as readers of JSON take it."""
    wanted = {name, name.encode("utf-8", "surrogatepass").decode("latin-1")}
    found = None
    at = _behind_blanks(text, at + 1)
    while text[at] == '"':
        key, at = _DECODER.raw_decode(text, at)
        value = _behind_blanks(text, _behind_blanks(text, at) + 1)  # between them: the colon
        if key in wanted:
            found = value
        at = _behind_blanks(text, _end(text, value))
        if text[at] != ",":
            break
        at = _behind_blanks(text, at + 1)
    return found


def _item(text: str, at: int, index: str) -> int | None:
    """Where the item begins; None where the value is not an array, too."""
    if text[at] != "[" or not (index.isascii() and index.isdigit()):
        return None
    at = _behind_blanks(text, at + 1)
    for _ in range(min(int(index[:9]), len(text))):
        if text[at] == "]":
            return None
        at = _behind_blanks(text, _end(text, at))
        if text[at] != ",":
            return None
        at = _behind_blanks(text, at + 1)
    return None if text[at] == "]" else at


def _behind_blanks(text: str, at: int) -> int:
    matched = _BLANK.match(text, at)
    return matched.end() if matched else at


def _end(text: str, at: int) -> int:
    return _DECODER.raw_decode(text, at)[1]
