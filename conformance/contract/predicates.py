"""A schema made into one function that says whether an instance holds, and nothing more.

jsonschema says what is wrong and where; for that it goes through generators at every step, which took a fifth of all
judging. Nearly every instance holds, so `schemas` asks here first. What a keyword asserts is in `ASSERTIONS` once,
for both; the keywords that lead into an instance (`properties`, `items`, …) are short and stand on both sides, and a
test holds them together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

Holds = Callable[[Any], bool]

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

# date-time of RFC 3339, section 5.6; "T" and "Z" may be lower case, says the note there
_DATE_TIME = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"[Tt](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})(?:\.[0-9]+)?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<offset_hour>[0-9]{2}):(?P<offset_minute>[0-9]{2}))"
)
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID of any version, in any letter case (RFC 9562, section 4)."""
    return _UUID.fullmatch(text) is not None


def is_date_time(text: str) -> bool:
    """Whether the text is a date-time of RFC 3339 (section 5.6): a real date, with `Z` or an offset.

    A leap second is taken where it can stand: at the end of a day in UTC, whichever day (section 5.7; the suite knows
    no table of them).
    """
    matched = _DATE_TIME.fullmatch(text)
    if not matched:
        return False
    part = {key: int(value) for key, value in matched.groupdict(default="0").items() if key != "sign"}
    if not 1 <= part["month"] <= 12 or not 1 <= part["day"] <= _days(part["year"], part["month"]):
        return False
    if part["hour"] > 23 or part["minute"] > 59 or part["offset_hour"] > 23 or part["offset_minute"] > 59:
        return False
    if part["second"] < 60:
        return True
    offset = part["offset_hour"] * 60 + part["offset_minute"]
    utc = part["hour"] * 60 + part["minute"] + (offset if matched["sign"] == "-" else -offset)
    return part["second"] == 60 and utc % (24 * 60) == 24 * 60 - 1


def _days(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and leap else _DAYS[month - 1]


def is_number(instance: object) -> bool:
    """Whether it is a number; NaN and the infinities are none (RFC 8259, section 6)."""
    if isinstance(instance, float):
        return math.isfinite(instance)
    return isinstance(instance, int) and not isinstance(instance, bool)


def _is_integer(instance: object) -> bool:
    if isinstance(instance, float):
        return instance.is_integer()
    return isinstance(instance, int) and not isinstance(instance, bool)


def _same(value: Any, instance: Any) -> bool:
    """Equality of JSON values for the scalars that the schemas name; Python's own takes True for 1."""
    return bool(instance == value) and isinstance(instance, bool) is isinstance(value, bool)


_TYPES: Mapping[str, Holds] = {
    "null": lambda instance: instance is None,
    "boolean": lambda instance: isinstance(instance, bool),
    "integer": _is_integer,
    "number": is_number,
    "string": lambda instance: isinstance(instance, str),
    "array": lambda instance: isinstance(instance, list),
    "object": lambda instance: isinstance(instance, dict),
}
FORMATS: Mapping[str, Callable[[str], bool]] = {"uuid": is_uuid, "date-time": is_date_time}

ASSERTIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "type": lambda types, x: any(_TYPES[type_](x) for type_ in ([types] if isinstance(types, str) else types)),
    "enum": lambda values, x: any(_same(value, x) for value in values),
    "const": _same,
    "pattern": lambda pattern, x: not isinstance(x, str) or re.search(pattern, x) is not None,
    "format": lambda name, x: not isinstance(x, str) or FORMATS[name](x),
    "minLength": lambda least, x: not isinstance(x, str) or len(x) >= least,
    "minimum": lambda least, x: not is_number(x) or x >= least,
    "maximum": lambda most, x: not is_number(x) or x <= most,
    "minItems": lambda least, x: not isinstance(x, list) or len(x) >= least,
    "maxItems": lambda most, x: not isinstance(x, list) or len(x) <= most,
}
"""Keyword to whether an instance holds by its value. All but the first three let instances of other types pass."""

_SILENT = frozenset({"title", "description", "examples", "$comment", "$defs", "then"})
"""Keywords that assert nothing by themselves (`then`: nothing that `if` does not see to)."""


def predicate(schema: Mapping[str, Any]) -> Holds:
    """Whether an instance holds by a schema without references.

    Raises:
        KeyError: the schema has a keyword that is not known here.
    """
    asserting = [keyword for keyword in schema if keyword not in _SILENT]
    # What leads into the instance comes last: it takes longest.
    asserting.sort(key=lambda keyword: keyword not in ASSERTIONS)
    parts = tuple(_part(keyword, schema[keyword], schema) for keyword in asserting)
    return parts[0] if len(parts) == 1 else partial(_all, parts)


def _all(parts: Iterable[Holds], instance: Any) -> bool:
    # A loop, as everywhere here: `all` with a generator takes twice as long.
    for part in parts:  # noqa: SIM110
        if not part(instance):
            return False
    return True


def _any(parts: Iterable[Holds], instance: Any) -> bool:
    for part in parts:  # noqa: SIM110
        if part(instance):
            return True
    return False


def _part(keyword: str, value: Any, schema: Mapping[str, Any]) -> Holds:
    match keyword:
        case "type":
            kinds = tuple(_TYPES[type_] for type_ in ([value] if isinstance(value, str) else value))
            return kinds[0] if len(kinds) == 1 else partial(_any, kinds)
        case "enum" if all(isinstance(one, str) for one in value):
            return partial(_is_one_of, frozenset(value))
        case "required":
            return partial(_has, frozenset(value))
        case "properties":
            return partial(_members, tuple((name, predicate(member)) for name, member in value.items()))
        case "items":
            return partial(_each, predicate(value))
        case "contains":
            return partial(_contains, predicate(value), schema.get("minItems", 0))
        case "allOf":
            return partial(_all, tuple(predicate(one) for one in value))
        case "if":
            return partial(_then, predicate(value), predicate(schema.get("then", {})))
        case _:
            return partial(ASSERTIONS[keyword], value)


def _is_one_of(words: frozenset[str], instance: Any) -> bool:
    return isinstance(instance, str) and instance in words


def _has(names: frozenset[str], instance: Any) -> bool:
    return not isinstance(instance, dict) or instance.keys() >= names


def _members(members: Iterable[tuple[str, Holds]], instance: Any) -> bool:
    if isinstance(instance, dict):
        for name, holds in members:
            if name in instance and not holds(instance[name]):
                return False
    return True


def _each(holds: Holds, instance: Any) -> bool:
    if isinstance(instance, list):
        for item in instance:
            if not holds(item):
                return False
    return True


def _contains(holds: Holds, least: int, instance: Any) -> bool:
    # `minItems`, where it is present, already reports an empty array
    if not isinstance(instance, list) or (not instance and least):
        return True
    return any(holds(item) for item in instance)


def _then(condition: Holds, consequence: Holds, instance: Any) -> bool:
    return not condition(instance) or consequence(instance)
