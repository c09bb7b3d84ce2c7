"""jsonschema's keywords with words of ours: they do what its own do, only their messages differ.

Loaded where something does not hold (`validator`), for jsonschema is slow to load.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from conformance.contract.schema.formats import FORMATS
from conformance.contract.schema.validator import holds, quick

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
    part = _part(validator, wanted)
    if not any(part.holds(item) for item in instance):
        yield ValidationError(f"must contain an item {_item_in_words(wanted)}")


def _item_in_words(wanted: Mapping[str, Any]) -> str:
    """What `contains` asks for, in words where it fixes members; else as JSON."""
    members = wanted.get("properties", {})
    if not members or any("const" not in member for member in members.values()):
        return f"that matches {json.dumps(wanted)}"
    return "with " + " and ".join(f"the {name} {json.dumps(member['const'])}" for name, member in members.items())


def _properties(validator: Any, members: Mapping[str, Any], instance: Any, _schema: Mapping[str, Any]) -> _Errors:
    if isinstance(instance, dict):
        for name, member in members.items():
            if name not in instance:
                continue
            part = _part(validator, member)
            if not part.holds(instance[name]):
                for error in part.stock.iter_errors(instance[name]):
                    error.path.appendleft(name)
                    error.schema_path.appendleft(name)
                    yield error


def _items(validator: Any, each: Any, instance: Any, _schema: Mapping[str, Any]) -> _Errors:
    if isinstance(instance, list):
        part = _part(validator, each)
        for number, item in enumerate(instance):
            if part.holds(item):
                continue
            for error in part.stock.iter_errors(item):
                error.path.appendleft(number)
                yield error


class _Part:
    """A subschema, made ready once: jsonschema does it at every step of every validation."""

    def __init__(self, validator: Any, subschema: Any) -> None:
        self.subschema = subschema  # held, so that nothing else gets its identity
        self.stock = validator.evolve(schema=subschema)
        self.quick = quick(subschema)

    def holds(self, instance: Any) -> bool:
        return holds(self.quick, lambda: self.stock, instance)


_PARTS: dict[int, _Part] = {}


def _part(validator: Any, subschema: Any) -> _Part:
    part = _PARTS.get(id(subschema))
    if part is None:
        part = _PARTS[id(subschema)] = _Part(validator, subschema)
    return part


def _reworded(keyword: str, words: Callable[[Any, Mapping[str, Any]], str]) -> _Keyword:
    """A keyword that leads nowhere: what `words` make of its value is said of an instance that does not hold."""
    asserts = Draft202012Validator.VALIDATORS[keyword]

    def told(validator: Any, value: Any, instance: Any, schema: Mapping[str, Any]) -> _Errors:
        try:
            broken = any(asserts(validator, value, instance, schema))
        except (ValueError, RecursionError):
            broken = True  # jsonschema's own words show the instance, and this one cannot be shown
        if broken:
            yield ValidationError(words(value, schema))

    return told


def _is_number(_: Any, instance: object) -> bool:
    if isinstance(instance, float):
        return math.isfinite(instance)
    return isinstance(instance, int) and not isinstance(instance, bool)


def _types_in_words(types: str | list[str]) -> str:
    return " or ".join(_TYPE_WORDS[type_] for type_ in ([types] if isinstance(types, str) else types))


def _form_in_words(pattern: str, schema: Mapping[str, Any]) -> str:
    examples = schema.get("examples")
    return f"must be of the form of {json.dumps(examples[0])}" if examples else f"must match {pattern}"


_WORDS: Mapping[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "type": lambda types, _: f"must be {_types_in_words(types)}",
    "enum": lambda values, _: f"must be one of {', '.join(json.dumps(value) for value in values)}",
    "const": lambda value, _: f"must be {json.dumps(value)}",
    "pattern": _form_in_words,
    "format": lambda name, _: f"must be a {name}",
    "minLength": lambda least, _: f"must have {least} or more characters",
    "minimum": lambda least, _: f"must be at least {least}",
    "maximum": lambda most, _: f"must be at most {most}",
    "minItems": lambda least, _: f"must have {least} or more items",
    "maxItems": lambda most, _: f"must have {most} or fewer items",
}


def _formats() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, is_one in FORMATS.items():
        checker.checks(name)(lambda instance, is_one=is_one: not isinstance(instance, str) or is_one(instance))
    return checker


_FORMATS = _formats()
_Stock: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "required": _required,
        "contains": _contains,
        "properties": _properties,
        "items": _items,
        **{keyword: _reworded(keyword, words) for keyword, words in _WORDS.items()},
    },
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number),
)


def validator(schema: Mapping[str, Any]) -> Any:
    """Jsonschema's validator of a schema, with these keywords."""
    return _Stock(schema, format_checker=_FORMATS)
