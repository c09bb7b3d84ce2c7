"""Strict JSON (RFC 8259) as an answer must be: UTF-8, no BOM, no NaN, nothing after the value."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

BOM = b"\xef\xbb\xbf"
MOST_VALUES = 200_000
"""The most values that are read of one text, counted by separators: a million empty lists take 70 MB."""


@dataclass(frozen=True, slots=True)
class JsonText:
    """Octets, read as JSON."""

    value: Any = None
    problem: str = ""
    """Why it is not strict JSON; empty where it is."""
    offset: int = 0
    """Offset of the problem, in octets."""

    @property
    def ok(self) -> bool:
        """True where it is strict JSON."""
        return not self.problem


class _NotANumber(ValueError):
    pass


def _refuse(literal: str) -> Any:
    raise _NotANumber(literal)


def _integer(digits: str) -> int | float:
    # Python refuses to read integers of thousands of digits; as a float such a number stays a number, out of any range.
    return int(digits) if len(digits) < _SHORT else float(digits)


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=_integer)
_QUICK = json.JSONDecoder(parse_constant=_refuse)
"""Reads integers in C; for texts that are too short to hold one that Python refuses."""
_SHORT = 1_000
"""Characters; also the digits from which `_integer` takes an integer for a float."""


def read_text(text: str) -> JsonText:
    """The value of the text of one event, as `read_json` reads its octets; nearly all are short and right."""
    if len(text) < _SHORT:
        with suppress(ValueError, RecursionError):
            return JsonText(_QUICK.decode(text))
    return read_json(text.encode("utf-8", "surrogatepass"))


def read_json(body: bytes) -> JsonText:
    """The value of octets that are strict JSON, or why they are not. Never raises."""
    if body.startswith(BOM):
        return JsonText(problem="a byte order mark at the start")
    if len(body) > MOST_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        return JsonText(problem=f"more than {MOST_VALUES} values, too many to read")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        return JsonText(problem="octets that are not UTF-8", offset=error.start)
    try:
        return JsonText(_DECODER.decode(text))
    except _NotANumber as error:
        place = max(body.find(str(error).encode()), 0)
        return JsonText(problem=f"the literal {error}, which JSON does not have", offset=place)
    except RecursionError:
        return JsonText(problem="nesting too deep to read")
    except json.JSONDecodeError as error:
        if not text.strip():
            return JsonText(problem="an empty body")
        what = "octets after the JSON value" if error.msg == "Extra data" else f"malformed JSON ({error.msg})"
        return JsonText(problem=what, offset=len(text[: error.pos].encode()))
    except ValueError as error:
        return JsonText(problem=f"malformed JSON ({error})"[:200])
