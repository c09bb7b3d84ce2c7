"""Schemas that are wrong in one keyword at one place: what the suite has to find out about a server that has one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from conformance.contract.schema.operators import TABLE, Schema


class Effect(StrEnum):
    """What becomes of the schema."""

    WEAKER = "weaker"
    """It allows some of what has to be refused."""
    STRONGER = "stronger"
    """It refuses some of what has to be accepted."""


@dataclass(frozen=True, slots=True)
class SchemaMutant:
    """A schema with one operator applied."""

    pointer: str
    """JSON Pointer in the schema, references followed, to the subschema that is changed."""
    place: str
    """JSON Pointer in the instance to what that subschema speaks of; `*` stands for any index."""
    keyword: str
    operator: str
    """What was done to the keyword, such as `takes-any-case`; unique for the keyword and the effect."""
    effect: Effect
    schema: Schema
    """The whole schema, changed at this one place; to be compiled as any other."""

    @property
    def name(self) -> str:
        """Unique in its schema, and the same from run to run."""
        return f"{self.pointer or '/'} {self.keyword} {self.effect} {self.operator}"


def mutants(schema: Schema) -> Iterator[SchemaMutant]:
    """Every schema that comes of one operator at one place, in a fixed order.

    Args:
        schema: a JSON Schema without references (`Shape.schema`). It is not changed. What is wrong inside `contains`
            is a mutant of its own.

    Some mutants differ in nothing but what the documentation leaves open, or in what no request reaches: whoever
    judges them tells those by holding both schemas against the same requests.
    """
    yield from _at(schema, schema, (), "")


def _at(whole: Schema, node: Schema, path: tuple[str, ...], place: str) -> Iterator[SchemaMutant]:
    seen: set[tuple[str, ...]] = set()
    for keyword, value in node.items():
        operator = TABLE.get(keyword)
        if operator is None:
            continue
        for effect, change in ((Effect.WEAKER, operator.weaker), (Effect.STRONGER, operator.stronger)):
            for name, changed in change(value, node):
                if (keyword, effect, name) not in seen:
                    seen.add((keyword, effect, name))
                    pointer = "".join(f"/{step}" for step in path)
                    yield SchemaMutant(pointer, place, keyword, name, effect, _replaced(whole, path, changed))
    for step, inner, below in inner_schemas(node):
        yield from _at(whole, inner, (*path, *step), place + below)


def inner_schemas(node: Schema) -> Iterator[tuple[tuple[str, ...], Schema, str]]:
    """(steps in the schema, subschema, steps in the instance) of what stands directly in a schema."""
    for number, inner in enumerate(node.get("allOf", ())):
        yield ("allOf", str(number)), inner, ""
    for member, inner in node.get("properties", {}).items():
        yield ("properties", member), inner, f"/{member}"
    if "items" in node:
        yield ("items",), node["items"], "/*"
    for member, inner in node.get("contains", {}).get("properties", {}).items():
        # What else is asked of an item there, `items` sees to.
        yield ("contains", "properties", member), inner, f"/*/{member}"


def _replaced(node: Any, path: tuple[str, ...], changed: Schema) -> Any:
    if not path:
        return dict(changed)
    step, *rest = path
    if isinstance(node, Mapping):
        return {**node, step: _replaced(node[step], tuple(rest), changed)}
    number = int(step)
    return [*node[:number], _replaced(node[number], tuple(rest), changed), *node[number + 1 :]]
