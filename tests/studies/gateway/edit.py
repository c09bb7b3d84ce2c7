"""Edits a JSON object in its text: what is not named stays as it was, to the last octet."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def spans(text: str) -> tuple[list[tuple[str, int, int]], int]:
    """The members of the object that a text is (name, start and end of the value), and where its brace closes.

    Raises:
        ValueError: the text is no JSON object.
    """
    found: list[tuple[str, int, int]] = []
    place = _after_space(text, _expect(text, _after_space(text, 0), "{"))
    if text[place : place + 1] != "}":
        while True:
            name, place = scanstring(text, _expect(text, place, '"'))
            start = _after_space(text, _expect(text, _after_space(text, place), ":"))
            end = _DECODER.raw_decode(text, start)[1]
            found.append((name, start, end))
            place = _after_space(text, end)
            if text[place : place + 1] != ",":
                break
            place = _after_space(text, place + 1)
    if _after_space(text, _expect(text, place, "}")) != len(text):
        raise ValueError("something follows the object")
    return found, place


def replaced(text: str, values: Mapping[str, Any]) -> str:
    """The text with these members' values; a member that is not there stays away.

    Raises:
        ValueError: the text is no JSON object.
    """
    for name, start, end in reversed(spans(text)[0]):
        if name in values:
            text = f"{text[:start]}{_written(values[name])}{text[end:]}"
    return text


def added(text: str, name: str, value: Any) -> str:
    """The text with one member more, behind the others; the value is replaced where the member is there.

    Raises:
        ValueError: the text is no JSON object.
    """
    found, close = spans(text)
    if any(name == other for other, _, _ in found):
        return replaced(text, {name: value})
    end = found[-1][2] if found else close
    return f"{text[:end]}{',' if found else ''}{json.dumps(name)}:{_written(value)}{text[end:]}"


def _after_space(text: str, place: int) -> int:
    matched = _SPACE.match(text, place)
    return matched.end() if matched else place


def _expect(text: str, place: int, sign: str) -> int:
    if text[place : place + 1] != sign:
        raise ValueError(f"no {sign} at character {place}")
    return place + 1


def _written(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
