"""Legal values of a schema: those at its borders, and those inside that a slightly strict validator refuses.

What a server may refuse all the same (`x-open`) is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from conformance.contract.schema.openness import Openness
from conformance.contract.schema.operators import LITTLE, Schema, types_of
from conformance.contract.schema.samples import sample
from conformance.contract.schema.validator import Validator

_TOGETHER = 8
_MARK = "\ue000"


class Spelt(str):
    """A number written in a way of its own, such as `1e0`; in a body it stands as a text until `written` puts it in."""

    __slots__ = ()

    @classmethod
    def of(cls, literal: str) -> Spelt:
        """What stands for a literal."""
        return cls(f"{_MARK}{literal}{_MARK}")


def written(body: bytes) -> bytes:
    """A body's octets, with each `Spelt` value as it is spelt."""
    mark = _MARK.encode()
    return body if mark not in body else re.sub(b'"' + mark + b"([^\xee]*)" + mark + b'"', rb"\1", body)


def borders(schema: Schema) -> list[Any]:
    """The values at the ends of every range, each with all else plain; none where there is no range."""
    return _legal(schema, _borders(schema))


def inside(schema: Schema) -> list[Any]:
    """Values inside the ranges: the plainest first, then those of unusual form, length or spelling."""
    return _legal(schema, _inside(schema))


def natural(schema: Schema) -> list[Any]:
    """Values inside the ranges that a caller would ask for every day (`x-natural`)."""
    everyday = Validator(schema.get("x-natural", {}))
    return [value for value in inside(schema) if isinstance(value, Spelt) or everyday.is_valid(value)]


def _borders(schema: Schema) -> Iterator[Any]:
    types = types_of(schema)
    if {"integer", "number"} & set(types):
        yield from (schema[keyword] for keyword in ("minimum", "maximum") if keyword in schema)
    if "array" in types:
        items = schema.get("items", {})
        if "maxItems" in schema:
            yield [sample(items)] * schema["maxItems"]
        yield from ([value] for value in _borders(items))
    if "object" in types:
        plain = sample(schema, "object")
        for name, inner in schema.get("properties", {}).items():
            yield from ({**plain, name: value} for value in _borders(inner))


def _inside(schema: Schema) -> Iterator[Any]:
    types = types_of(schema)
    plain = sample(schema, "array" if "array" in types else None)
    yield plain
    if "enum" in schema:
        yield from schema["enum"]
    elif {"integer", "number"} & set(types):
        least, most = schema.get("minimum", 0), schema.get("maximum", 1_000_000)
        if "number" in types:
            span = most - least
            yield from (least + span / 3, least + LITTLE, most - LITTLE, least + span * 0.123456789012345)
            yield from (float(round(least + span / 2)), round(least + span / 2), least + 1e-9)
            yield from (Spelt.of(literal) for literal in ("1e0", "5E-1", "10e-1", "0.50", "1.000000", "2.5e-1"))
        else:
            yield from (least + 1, most - 1, 2**15, 2**16 + 1, 777)
    elif types == ("boolean",):
        yield from (True, False)
    elif "pattern" not in schema and "format" not in schema and types == ("string",):
        yield from (
            "x",
            "",
            "0",
            "null",
            "a" * 64,
            "a" * 1_500,
            "!#$%&'()*+,-./:;<=>?@[]^_`{|}~",
            '"quoted" \\ \n\t</s>',
        )
        yield from ("äöüßéñ, Привет, 日本語, 👍🏽", " ")
    if "array" in types:
        items = schema.get("items", {})
        yield from ([], [sample(items)] * 2, [sample(items)] * 20)
        # One item shows as much beside others as alone.
        each, most = _legal(items, _inside(items)), min(_TOGETHER, schema.get("maxItems", _TOGETHER))
        yield from (each[first : first + most] for first in range(0, len(each), most))
    if "object" in types:
        members = schema.get("properties", {})
        yield dict(reversed([(name, sample(inner)) for name, inner in members.items()]))
        for name, inner in members.items():
            yield from ({**plain, name: value} for value in _inside(inner))


def _legal(schema: Schema, proposed: Iterator[Any]) -> list[Any]:
    validator, openness = Validator({key: v for key, v in schema.items() if key != "contains"}), Openness(schema)
    kept: list[Any] = []
    for value in proposed:
        read = json.loads(written(json.dumps(value, ensure_ascii=False).encode()))
        legal = validator.is_valid(read) and not any(openness.matters(read))
        if legal and not any(value == other and type(value) is type(other) for other in kept):
            kept.append(value)
    return kept
