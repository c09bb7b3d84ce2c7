"""Mutants of the request schemas: every one can be compiled, has a name of its own, and differs where it says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.contract.schema.mutants import Effect, mutants
from conformance.contract.schema.operators import TABLE
from conformance.contract.schema.shape import CHAT, RESUME, documented
from conformance.contract.schema.validator import Validator

MODEL = "group:123e4567-e89b-42d3-a456-426614174000"
USER = {"role": "user", "content": "Hello"}


def body(**members: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [USER], **members}


@pytest.mark.parametrize("endpoint", [CHAT, RESUME])
def test_each_has_a_name_of_its_own_and_can_be_compiled(endpoint: str) -> None:
    schema = documented().documents[endpoint]
    kept = json.dumps(schema)
    made = list(mutants(schema))
    assert [mutant.name for mutant in mutants(schema)] == [mutant.name for mutant in made]
    assert len({mutant.name for mutant in made}) == len(made)
    assert {mutant.keyword for mutant in made} >= TABLE.keys() - {"allOf" if endpoint == CHAT else "", "format"}
    for mutant in made:
        Validator(mutant.schema)
    assert json.dumps(schema) == kept


@pytest.mark.parametrize(
    ("pointer", "keyword", "operator", "effect", "told"),
    [
        ("/properties/messages/items/properties/role", "enum", "takes-any-case", Effect.WEAKER,
         body(messages=[USER, {"role": "User", "content": "Hello"}])),
        ("/properties/model", "pattern", "takes-prefix-missing", Effect.WEAKER, body(model=MODEL[6:])),
        ("/properties/model", "pattern", "takes-newline", Effect.WEAKER, body(model=f"{MODEL}\n")),
        ("/properties/model", "pattern", "takes-one-less", Effect.WEAKER, body(model=MODEL[:-1])),
        ("/properties/temperature", "maximum", "off-by-1e-06", Effect.WEAKER, body(temperature=2.000001)),
        ("/properties/temperature", "maximum", "exclusive", Effect.STRONGER, body(temperature=2)),
        ("/properties/temperature", "type", "refuses-fractions", Effect.STRONGER, body(temperature=0.7)),
        ("/properties/max_tokens", "type", "takes-number-as-text", Effect.WEAKER, body(max_tokens="16")),
        ("/properties/messages", "type", "takes-one-element", Effect.WEAKER, body(messages=USER)),
        ("/properties/messages", "contains", "dropped", Effect.WEAKER,
         body(messages=[{"role": "system", "content": "Hello"}])),
        ("/properties/messages/items/properties/content", "type", "refuses-array", Effect.STRONGER,
         body(messages=[{"role": "user", "content": [{"type": "text", "text": "Hello"}]}])),
        ("/properties/metadata/properties/request_id", "type", "refuses-more-than-32-characters", Effect.STRONGER,
         body(metadata={"request_id": "x" * 33})),
        ("", "required", "dropped-messages", Effect.WEAKER, {"model": MODEL}),
        ("", "required", "demands-temperature", Effect.STRONGER, body()),
        ("/properties/stream", "type", "takes-true-as-text", Effect.WEAKER, body(stream="true")),
    ],
)  # fmt: skip
def test_a_mutant_is_told_by_its_near_miss(
    pointer: str, keyword: str, operator: str, effect: Effect, told: Any
) -> None:
    key = (pointer, keyword, operator, effect)
    (mutant,) = (
        m for m in mutants(documented().documents[CHAT]) if (m.pointer, m.keyword, m.operator, m.effect) == key
    )
    assert documented()[CHAT].validator.is_valid(told) is (effect is Effect.STRONGER)
    assert Validator(mutant.schema).is_valid(told) is (effect is Effect.WEAKER)
    assert Validator(mutant.schema).is_valid(body(stream=True, max_tokens=200, temperature=0))
