"""The breaches of a schema: for each keyword at each place, the values that break it and nothing else.

The table of operators proposes; here is asked, of the schema itself, which of that is a breach of just this keyword,
and nothing that a server may take all the same. And of the table's careless validators is asked which few of these
values are enough to find every one of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.contract.schema.openness import Openness
from conformance.contract.schema.operators import TABLE, Schema, types_of
from conformance.contract.schema.samples import sample
from conformance.contract.schema.shape import Endpoint, Place
from conformance.contract.schema.validator import Validator


@dataclass(frozen=True, slots=True)
class Miss:
    """One value that breaks a keyword."""

    kind: str
    """What is wrong with it, such as `off-by-one`."""
    value: Any


@dataclass(frozen=True, slots=True)
class Broken:
    """One keyword at one place, and what breaks it."""

    id: str
    """What probes call it; unique in its shape."""
    place: Place
    keyword: str
    """The keyword that the schema error names."""
    requirement: str
    """Which requirement speaks of it."""
    member: str
    """For `required`: the member that is missing."""
    misses: tuple[Miss, ...]
    """The plainest first; none is needed for `required`. For `contains`: (member, values that items get by turns)."""
    telling: tuple[int, ...]
    """Which of them, by index, find every careless validator of this keyword that any of them finds."""


def broken(endpoint: Endpoint) -> Iterator[Broken]:
    """Every keyword that a body can break, in the order of the schema; the body's own type aside."""
    by_path = {place.path: place for place in endpoint.places}
    for place in endpoint.places:
        schema, name = place.schema, place.name
        for member in schema.get("required", ()):
            inner = by_path[(*place.path, member)]
            yield Broken(f"{inner.name}-missing", place, "required", inner.requirement, member, (), ())
        if place.path and types_of(schema):
            keyword = "type" if "type" in schema else "enum" if "enum" in schema else "const"
            yield _of(f"{name}-type", place, keyword, "type")
        for keyword, value in schema.items():
            if keyword in ("enum", "pattern", "format", "minimum", "maximum"):
                yield _of(f"{name}-{keyword}", place, keyword, keyword)
            elif keyword == "minItems" and value > 0:
                yield _of(f"{name}-empty" if value == 1 else f"{name}-few", place, keyword, keyword)
            elif keyword == "maxItems":
                yield _of(f"{name}-many", place, keyword, keyword)
            elif keyword == "contains":
                own = value.get("x-requirement", place.requirement)
                misses = tuple(Miss(kind, bad) for kind, bad in TABLE[keyword].breaks(value, schema, None))
                yield Broken(
                    f"no-{value.get('x-name', name)}", place, keyword, own, "", misses, tuple(range(len(misses)))
                )


def _of(id_: str, place: Place, keyword: str, operator: str) -> Broken:
    schema = {key: value for key, value in place.schema.items() if key != "contains"}
    legal = sample(schema, "array" if "array" in types_of(schema) else None)
    misses = _breaking(TABLE[operator].breaks(schema.get(operator), schema, legal), schema, place, keyword)
    careless = [Validator(weaker) for _, weaker in TABLE[operator].weaker(schema.get(operator), schema)]
    return Broken(id_, place, keyword, place.requirement, "", misses, _telling(misses, careless))


def _breaking(proposed: Iterator[tuple[str, Any]], schema: Schema, place: Place, keyword: str) -> tuple[Miss, ...]:
    """Those of the values that break the keyword alone and are not left open, each once."""
    validator, openness = Validator(schema), Openness(schema)
    kept: dict[str, Miss] = {}
    for kind, value in proposed:
        told: list[str] = []
        openness.without_tolerated(value, told)
        if told or (value is None and not place.required):
            continue
        found = validator.errors(value)
        if [(error.keyword, error.pointer) for error in found] == [(keyword, "")]:
            kept.setdefault(json.dumps(value), Miss(kind, value))
    return tuple(kept.values())


def _telling(misses: Sequence[Miss], careless: Sequence[Validator]) -> tuple[int, ...]:
    """The plainest, then always the one that finds most of the validators that are still to be found."""
    taken_by = [{number for number, each in enumerate(careless) if each.is_valid(miss.value)} for miss in misses]
    chosen = list(range(min(1, len(misses))))
    left = set().union(*taken_by).difference(*(taken_by[number] for number in chosen))
    while left:
        chosen.append(max(range(len(misses)), key=lambda number: (len(taken_by[number] & left), -number)))
        left -= taken_by[chosen[-1]]
    return tuple(chosen)
