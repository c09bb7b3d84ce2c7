"""The one schema registry: what is wrong with a JSON value, by the schema of its kind.

The schemas are files, so that anybody can use them with any validator. This module reads them once, puts the shared
definitions where they are referred to (following references on every validation takes three times as long), and
validates with jsonschema, in three points stricter or quieter than it does by itself:

- `format` asserts, for `uuid` and `date-time`, by two functions of `predicates`.
- NaN and the infinities are not numbers: JSON has none (RFC 8259, section 6), but Python's reader lets them in, and NaN
  passes every comparison with a bound.
- Messages hold no value from the instance. It may be huge, hostile or nested so deeply that printing it fails.

The schemas keep to keywords whose failure has one place (no `anyOf`, `oneOf`, `not`), so that one fault is one error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from conformance.contract.predicates import ASSERTIONS, FORMATS, Holds, is_date_time, is_number, is_uuid, predicate

_SUFFIX = ".schema.json"
_NO_KIND = frozenset({"shared", "config", "soak"})
"""What others refer to, and what a file of the user's is checked by (in editors): nothing that travels is of them."""
_MOST_ERRORS = 1000
"""More than a request's 500 messages can have one each; a hostile answer may hold a million broken items."""


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
    """Where the keyword is in the schema, with shared definitions in place of the references to them."""
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
    validator, holds = _compiled(name)
    if holds(instance):
        return []
    found = [
        SchemaError(
            pointer=_pointer(error.absolute_path),
            keyword=str(error.validator),
            message=error.message,
            schema_pointer=_pointer(error.absolute_schema_path),
            missing=getattr(error, "missing", ""),
        )
        for error in islice(validator.iter_errors(instance), _MOST_ERRORS)
    ]
    return sorted(found, key=lambda error: (error.pointer, error.schema_pointer, error.missing))


def is_valid(name: str, instance: Any) -> bool:
    """Whether the instance holds; stops at the first breach. Raises KeyError where there is no such schema."""
    return _compiled(name)[1](instance)


def schema(name: str) -> dict[str, Any]:
    """The schema as its file has it, references and all; a fresh copy. Raises KeyError where there is none."""
    if name not in names() and name not in _NO_KIND:
        raise KeyError(name)
    document: dict[str, Any] = json.loads((schema_dir() / f"{name}{_SUFFIX}").read_text(encoding="utf-8"))
    return document


def whole(name: str) -> dict[str, Any]:
    """The schema with the shared definitions in place of references, so that it needs no other file.

    Raises KeyError where there is none.
    """
    document = schema(name)
    return {"$schema": document["$schema"], **_resolved(document)}


@cache
def names() -> tuple[str, ...]:
    """The names of the schemas, sorted: `approval`, `chunk`, `completion`, …"""
    found = (path.name.removesuffix(_SUFFIX) for path in schema_dir().glob(f"*{_SUFFIX}"))
    return tuple(sorted(name for name in found if name not in _NO_KIND))


def schema_dir() -> Path:
    """The folder of the schema files: inside the installed package, else beside it in a source tree."""
    return _data_dir("schemas")


def fixture_dir() -> Path:
    """The folder of the fixtures, too."""
    return _data_dir("fixtures")


def _data_dir(name: str) -> Path:
    package = Path(__file__).resolve().parent.parent
    inside = package / f"_{name}"
    return inside if inside.is_dir() else package.parent / name


def _pointer(path: Iterable[str | int]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


@cache
def _compiled(name: str) -> tuple[Draft202012Validator, Holds]:
    """What tells what is wrong, and what only tells whether anything is."""
    resolved = _resolved(schema(name))
    return _Validator(resolved, format_checker=_FORMATS), predicate(resolved)


def _resolved(node: Any) -> Any:
    """The schema with each reference replaced by what it refers to; what is next to a reference stays.

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


def _required(_validator: Any, members: list[str], instance: Any, _schema: Mapping[str, Any]) -> _Errors:
    if isinstance(instance, dict):
        for member in members:
            if member not in instance:
                error = ValidationError(f"must have the member {member!r}")
                error.missing = member  # type: ignore[attr-defined]  # the only way to hand it on
                yield error


def _contains(validator: Any, wanted: Any, instance: Any, schema: Mapping[str, Any]) -> _Errors:
    # `minItems`, where it is present, already reports an empty array: one fault, one error
    if not isinstance(instance, list) or (not instance and schema.get("minItems", 0)):
        return
    _, holds = _prebuilt(validator, wanted)
    if not any(holds(item) for item in instance):
        yield ValidationError(f"must contain an item {_item_in_words(wanted)}")


def _item_in_words(wanted: Mapping[str, Any]) -> str:
    """What `contains` asks for, in words where it fixes members; else as JSON."""
    members = wanted.get("properties", {})
    if not members or any("const" not in member for member in members.values()):
        return f"that matches {json.dumps(wanted)}"
    return "with " + " and ".join(f"the {name} {json.dumps(member['const'])}" for name, member in members.items())


def _pattern(_validator: Any, pattern: str, instance: Any, schema: Mapping[str, Any]) -> _Errors:
    if not ASSERTIONS["pattern"](pattern, instance):
        examples = schema.get("examples")
        yield ValidationError(
            f"must be of the form of {json.dumps(examples[0])}" if examples else f"must match {pattern}"
        )


def _properties(validator: Any, members: Mapping[str, Any], instance: Any, _schema: Mapping[str, Any]) -> _Errors:
    if isinstance(instance, dict):
        for name, member in members.items():
            inner, holds = _prebuilt(validator, member)
            if name in instance and not holds(instance[name]):
                for error in inner.iter_errors(instance[name]):
                    error.path.appendleft(name)
                    error.schema_path.appendleft(name)
                    yield error


def _items(validator: Any, each: Any, instance: Any, _schema: Mapping[str, Any]) -> _Errors:
    if isinstance(instance, list):
        inner, holds = _prebuilt(validator, each)
        for number, item in enumerate(instance):
            if holds(item):
                continue
            for error in inner.iter_errors(item):
                error.path.appendleft(number)
                yield error


_PREBUILT: dict[int, tuple[Any, Holds]] = {}


def _prebuilt(validator: Any, subschema: Any) -> tuple[Any, Holds]:
    """What `_compiled` gives, of a subschema and built once: jsonschema builds one at every step of every validation.

    Keyed by the identity of the subschema, which lives as long as the process (`_compiled` keeps it).
    """
    built = _PREBUILT.get(id(subschema))
    if built is None:
        built = _PREBUILT[id(subschema)] = validator.evolve(schema=subschema), predicate(subschema)
    return built


def _asserting(keyword: str, words: Callable[[Any], str]) -> _Keyword:
    """A keyword that leads nowhere: what `words` make of its value is said of an instance that does not hold."""
    asserts = ASSERTIONS[keyword]

    def told(_validator: Any, value: Any, instance: Any, _schema: Mapping[str, Any]) -> _Errors:
        if not asserts(value, instance):
            yield ValidationError(words(value))

    return told


def _types_in_words(types: str | list[str]) -> str:
    return " or ".join(_TYPE_WORDS[type_] for type_ in ([types] if isinstance(types, str) else types))


_WORDS: Mapping[str, Callable[[Any], str]] = {
    "type": lambda types: f"must be {_types_in_words(types)}",
    "enum": lambda values: f"must be one of {', '.join(json.dumps(value) for value in values)}",
    "const": lambda value: f"must be {json.dumps(value)}",
    "format": "must be a {}".format,
    "minLength": "must have {} or more characters".format,
    "minimum": "must be at least {}".format,
    "maximum": "must be at most {}".format,
    "minItems": "must have {} or more items".format,
    "maxItems": "must have {} or fewer items".format,
}


def _formats() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, is_one in FORMATS.items():
        checker.checks(name)(lambda instance, is_one=is_one: not isinstance(instance, str) or is_one(instance))
    return checker


_FORMATS = _formats()
_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "required": _required,
        "contains": _contains,
        "pattern": _pattern,
        "properties": _properties,
        "items": _items,
        **{keyword: _asserting(keyword, words) for keyword, words in _WORDS.items()},
    },
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", lambda _, instance: is_number(instance)),
)

__all__ = [
    "SchemaError",
    "errors",
    "fixture_dir",
    "is_date_time",
    "is_uuid",
    "is_valid",
    "names",
    "schema",
    "schema_dir",
    "whole",
]
