"""The one schema registry: what is wrong with a JSON value, by the schema of its kind.

The schemas are files, so that anybody can use them with any validator. This module reads them once, puts the shared
definitions where they are referred to (following references on every validation takes three times as long), and
validates with jsonschema, in three points stricter or quieter than it does by itself:

- `format` asserts, for `uuid` and `date-time`, by the two functions below.
- NaN and the infinities are no numbers: JSON has none (RFC 8259, section 6), but Python's reader lets them in, and NaN
  passes every comparison with a bound.
- Messages hold no value from the instance. It may be huge, hostile or nested so deeply that printing it fails.

The schemas keep to keywords whose failure has one place (no `anyOf`, `oneOf`, `not`), so that one fault is one error.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

_SUFFIX = ".schema.json"
_SHARED = "shared"
_MOST_ERRORS = 1000
"""More than a request's 500 messages can have one each; a hostile answer may hold a million broken items."""
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

# date-time of RFC 3339, section 5.6; "T" and "Z" may be lower case, says the note there
_DATE_TIME = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"[Tt](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})(?:\.[0-9]+)?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<offset_hour>[0-9]{2}):(?P<offset_minute>[0-9]{2}))"
)
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class SchemaError:
    """One breach of a schema at one place of the instance."""

    pointer: str
    """JSON Pointer (RFC 6901) to the value; for `required`, to the object that lacks the member."""
    keyword: str
    """The schema keyword that the value breaks."""
    message: str
    """What is asked for, without the value itself."""
    schema_pointer: str
    """Where the keyword stands in the schema, with shared definitions in place of the references to them."""
    missing: str = ""
    """For `required`: the name of the absent member."""


def errors(name: str, instance: Any) -> list[SchemaError]:
    """What is wrong with the instance, ordered by place; empty where it is valid, the first thousand where it is not.

    Args:
        name: one of `names()`.
        instance: a JSON value as Python's `json` gives it.

    Raises:
        KeyError: there is no such schema.
    """
    found = [
        SchemaError(
            pointer=_pointer(error.absolute_path),
            keyword=str(error.validator),
            message=error.message,
            schema_pointer=_pointer(error.absolute_schema_path),
            missing=getattr(error, "missing", ""),
        )
        for error in islice(_validator(name).iter_errors(instance), _MOST_ERRORS)
    ]
    return sorted(found, key=lambda error: (error.pointer, error.schema_pointer, error.missing))


def is_valid(name: str, instance: Any) -> bool:
    """Whether the instance holds; stops at the first breach. Raises KeyError where there is no such schema."""
    return next(iter(_validator(name).iter_errors(instance)), None) is None


def schema(name: str) -> dict[str, Any]:
    """The schema as its file has it, references and all; a fresh copy. Raises KeyError where there is none."""
    if name not in names() and name != _SHARED:
        raise KeyError(name)
    document: dict[str, Any] = json.loads((schema_dir() / f"{name}{_SUFFIX}").read_text(encoding="utf-8"))
    return document


@cache
def names() -> tuple[str, ...]:
    """The names of the schemas, sorted: `approval`, `chunk`, `completion`, …"""
    found = (path.name.removesuffix(_SUFFIX) for path in schema_dir().glob(f"*{_SUFFIX}"))
    return tuple(sorted(name for name in found if name != _SHARED))


def schema_dir() -> Path:
    """The folder of the schema files: inside the installed package, else beside it in a source tree."""
    return _data_dir("schemas")


def fixture_dir() -> Path:
    """The folder of the fixtures, likewise."""
    return _data_dir("fixtures")


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


def _data_dir(name: str) -> Path:
    package = Path(__file__).resolve().parent.parent
    inside = package / f"_{name}"
    return inside if inside.is_dir() else package.parent / name


def _pointer(path: Iterable[str | int]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


@cache
def _validator(name: str) -> Draft202012Validator:
    validator: Draft202012Validator = _Validator(_resolved(schema(name)), format_checker=_FORMATS)
    return validator


def _resolved(node: Any) -> Any:
    """The schema with each reference replaced by what it refers to; what stands beside a reference stays.

    References are `file#/$defs/name` or `file` and never run in a circle. A key on both sides is a description (the
    one beside the reference is nearer) and nothing that asserts: a test of the schemas holds that.
    """
    if isinstance(node, list):
        return [_resolved(item) for item in node]
    if not isinstance(node, dict):
        return node
    beside = {key: _resolved(value) for key, value in node.items() if key not in ("$ref", "$id", "$schema")}
    if "$ref" not in node:
        return beside
    file, _, place = node["$ref"].partition("#")
    target: Any = schema(file.removesuffix(_SUFFIX))
    for step in place.split("/")[1:]:
        target = target[step]
    return {**_resolved(target), **beside}


# The keywords below do what jsonschema's own do; only their messages differ.

_Errors = Iterator[ValidationError]
_Kind = Callable[[object], bool]
_Keyword = Callable[[Any, Any, Any, Mapping[str, Any]], _Errors]
_TYPE_WORDS = {
    "null": "null",
    "boolean": "a boolean",
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "array": "an array",
    "object": "an object",
}


def _type(validator: Any, types: str | list[str], instance: Any, _schema: Mapping[str, Any]) -> _Errors:
    allowed = (types,) if isinstance(types, str) else types
    for type_ in allowed:
        if validator.is_type(instance, type_):
            return
    yield ValidationError(f"must be {' or '.join(_TYPE_WORDS[type_] for type_ in allowed)}")


def _required(_validator: Any, members: list[str], instance: Any, _schema: Mapping[str, Any]) -> _Errors:
    if isinstance(instance, dict):
        for member in members:
            if member not in instance:
                error = ValidationError(f"must have the member {member!r}")
                error.missing = member  # type: ignore[attr-defined]  # the only way to hand it on
                yield error


def _enum(_validator: Any, values: list[Any], instance: Any, _schema: Mapping[str, Any]) -> _Errors:
    if not any(_same(instance, value) for value in values):
        yield ValidationError(f"must be one of {', '.join(json.dumps(value) for value in values)}")


def _const(_validator: Any, value: Any, instance: Any, _schema: Mapping[str, Any]) -> _Errors:
    if not _same(instance, value):
        yield ValidationError(f"must be {json.dumps(value)}")


def _same(instance: Any, value: Any) -> bool:
    """Equality of JSON values for the scalars that the schemas name; Python's own takes True for 1."""
    return isinstance(instance, bool) is isinstance(value, bool) and bool(instance == value)


def _contains(validator: Any, wanted: Any, instance: Any, schema: Mapping[str, Any]) -> _Errors:
    # of an empty array `minItems` speaks already, where it stands beside: one fault, one error
    if not isinstance(instance, list) or (not instance and schema.get("minItems", 0)):
        return
    inner = _prebuilt(validator, wanted)
    if not any(inner.is_valid(item) for item in instance):
        yield ValidationError(f"must contain an item that matches {json.dumps(wanted)}")


def _properties(validator: Any, members: Mapping[str, Any], instance: Any, _schema: Mapping[str, Any]) -> _Errors:
    if isinstance(instance, dict):
        for name, member in members.items():
            if name in instance:
                for error in _prebuilt(validator, member).iter_errors(instance[name]):
                    error.path.appendleft(name)
                    error.schema_path.appendleft(name)
                    yield error


def _items(validator: Any, each: Any, instance: Any, _schema: Mapping[str, Any]) -> _Errors:
    if isinstance(instance, list):
        inner = _prebuilt(validator, each)
        for number, item in enumerate(instance):
            for error in inner.iter_errors(item):
                error.path.appendleft(number)
                yield error


_PREBUILT: dict[int, Any] = {}


def _prebuilt(validator: Any, subschema: Any) -> Any:
    """The validator of a subschema, built once: jsonschema itself builds one at every step of every validation.

    Keyed by the identity of the subschema, which lives as long as the process (`_validator` keeps it).
    """
    built = _PREBUILT.get(id(subschema))
    if built is None:
        built = _PREBUILT[id(subschema)] = validator.evolve(schema=subschema)
    return built


def _asserting(kind: _Kind, asserts: Callable[[Any, Any, Any], bool], words: str) -> _Keyword:
    """A keyword that looks at one kind of instance and says `words`, with the keyword's value, where they fail."""

    def keyword(validator: Any, value: Any, instance: Any, _schema: Mapping[str, Any]) -> _Errors:
        if kind(instance) and not asserts(validator, value, instance):
            yield ValidationError(words.format(value))

    return keyword


def _string(instance: object) -> bool:
    return isinstance(instance, str)


def _array(instance: object) -> bool:
    return isinstance(instance, list)


def _number(instance: object) -> bool:
    if isinstance(instance, float):
        return math.isfinite(instance)
    return isinstance(instance, int) and not isinstance(instance, bool)


def _formats() -> FormatChecker:
    checker = FormatChecker(formats=())
    checker.checks("uuid")(lambda instance: not isinstance(instance, str) or is_uuid(instance))
    checker.checks("date-time")(lambda instance: not isinstance(instance, str) or is_date_time(instance))
    return checker


_FORMATS = _formats()
_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "type": _type,
        "required": _required,
        "enum": _enum,
        "const": _const,
        "contains": _contains,
        "properties": _properties,
        "items": _items,
        "pattern": _asserting(_string, lambda _, pattern, text: re.search(pattern, text) is not None, "must match {}"),
        "format": _asserting(_string, lambda v, name, text: v.format_checker.conforms(text, name), "must be a {}"),
        "minLength": _asserting(_string, lambda _, least, text: len(text) >= least, "must have {} or more characters"),
        "minimum": _asserting(_number, lambda _, least, number: number >= least, "must be at least {}"),
        "maximum": _asserting(_number, lambda _, most, number: number <= most, "must be at most {}"),
        "minItems": _asserting(_array, lambda _, least, items: len(items) >= least, "must have {} or more items"),
        "maxItems": _asserting(_array, lambda _, most, items: len(items) <= most, "must have {} or fewer items"),
    },
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", lambda _, instance: _number(instance)),
)
