"""jsonschema-rs, which says whether a value holds, and jsonschema, which says what is wrong, never differ."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conformance.contract.schema.formats import is_date_time, is_uuid
from conformance.contract.schema.validator import Validator

UUID = "123e4567-e89b-42d3-a456-426614174000"
TIME = "2026-06-08T16:20:00.000Z"
NUMBERS = [
    math.nan, math.inf, -math.inf, 0, -0.0, 0.0, 1, 1.0, 1.5, 2, 2.0000001, 200_000, 200_001, 1e300, 5e-324,
    True, False, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400, -(10**400), 10**4_000, "1", None, [1], {"a": 1},
]  # fmt: skip
RANGES: list[dict[str, Any]] = [
    {"type": "integer"}, {"type": "number"}, {"type": ["integer", "null"]}, {"type": "boolean"},
    {"type": "integer", "minimum": 1, "maximum": 200_000}, {"type": "number", "minimum": 0, "maximum": 2},
    {"enum": [0, 1, "1", None, True]}, {"const": 1}, {"const": 0},
]  # fmt: skip


def agree(schema: dict[str, Any], value: Any) -> bool:
    """Both say the same; what they say."""
    validator = Validator(schema)
    holds = validator.is_valid(value)
    assert holds is validator._stock.is_valid(value), (schema, value)
    assert holds is not bool(validator.errors(value))
    return holds


@pytest.mark.parametrize("schema", RANGES, ids=str)
def test_of_numbers(schema: dict[str, Any]) -> None:
    for value in NUMBERS:
        agree(schema, value)
        agree({"type": "object", "properties": {"a": schema}}, {"a": value})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_in_json_is_none(value: float) -> None:
    for schema in ({"type": "number"}, {"type": "integer"}, {"type": "number", "minimum": 0, "maximum": 2}):
        assert not agree(schema, value)


def spoilt(text: str) -> st.SearchStrategy[str]:
    """The text with one or two characters changed, left out or put in."""
    change = st.tuples(
        st.integers(0, len(text)), st.integers(0, 1), st.sampled_from(["", *"0123456789-:TtZz.+ \naAfFgG{}", "\u0661"])
    )

    def apply(changes: list[tuple[int, int, str]]) -> str:
        made = text
        for at, gone, new in changes:
            made = made[:at] + new + made[at + gone :]
        return made

    return st.lists(change, max_size=2).map(apply)


@settings(max_examples=400, deadline=None)
@given(st.one_of(spoilt(UUID), spoilt(UUID.upper()), spoilt(f"{{{UUID}}}"), spoilt(UUID.replace("-", ""))))
@example(f"urn:uuid:{UUID}")
def test_of_uuids(text: str) -> None:
    assert agree({"type": "string", "format": "uuid"}, text) is is_uuid(text)


@settings(max_examples=400, deadline=None)
@given(st.one_of(spoilt(TIME), spoilt("2026-06-30T23:59:60Z"), spoilt("1990-12-31T15:59:60-08:00")))
@example("2-26-06-08T16:20:00Z")
def test_of_times(text: str) -> None:
    assert agree({"type": "string", "format": "date-time"}, text) is is_date_time(text)


@pytest.mark.parametrize(
    "value",
    ["\ud800", ["\ud800"], {"\ud800": 1}, {"a": "\udfff"}, "a\n", "a\0"],
    ids=ascii,
)
def test_of_what_hardly_is_json(value: Any) -> None:
    member = {"type": "object", "properties": {"a": {"type": "string"}}}
    pattern = {"type": "string", "pattern": "^a(?!\\n)$"}
    for schema in ({"type": "string"}, pattern, {"type": "array"}, {"type": "integer"}, member, {"enum": ["a", "b"]}):
        agree(schema, value)


def test_of_deep_nesting() -> None:
    deep: Any = "x"
    for _ in range(5_000):
        deep = [deep]
    for schema in ({"type": "array"}, {"type": "string"}, {"items": {"items": {"type": "array"}}}):
        validator = Validator(schema)
        assert validator.is_valid(deep) is (schema != {"type": "string"})
        assert bool(validator.errors(deep)) is (schema == {"type": "string"})
