"""What is derived from the schemas as legal is legal, and what as broken is broken, with nothing of it left open."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.contract.classify import CHAT, Asked, Due, classify
from conformance.contract.schema.breaches import broken
from conformance.contract.schema.shape import RESUME, documented
from conformance.contract.schema.values import Spelt, borders, inside, natural, written

MODEL = "group:123e4567-e89b-42d3-a456-426614174000"
SCHEMA = documented()[CHAT]


def asked(**members: Any) -> Asked:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], **members}
    octets = written(json.dumps(body, ensure_ascii=False).encode())
    return classify("POST", CHAT, {"content-type": "application/json"}, octets, model=MODEL)


@pytest.mark.parametrize("member", SCHEMA.optional)
def test_legal_values_have_to_be_accepted(member: str) -> None:
    schema = SCHEMA.members[member]
    for value in (*inside(schema), *borders(schema)):
        found = asked(**{member: value})
        assert found.due is Due.ACCEPT, (value, found.reason)
    assert all(value in inside(schema) for value in natural(schema))


def test_ends_of_ranges_and_no_others_are_borders() -> None:
    found = {member: borders(SCHEMA.members[member]) for member in SCHEMA.optional}
    assert {member: values for member, values in found.items() if values} == {
        "max_tokens": [1, 200_000], "max_completion_tokens": [1, 200_000], "temperature": [0, 2],
    }  # fmt: skip
    for member, values in found.items():
        assert all(asked(**{member: value}).requirement == "accept.limits" for value in values)
        inner = [asked(**{member: value}).requirement for value in inside(SCHEMA.members[member])]
        assert set(inner) <= {"accept.optional-fields", "accept.metadata"}


def test_fractions_are_tiny_long_and_written_with_exponents() -> None:
    found = inside(SCHEMA.members["temperature"])
    numbers = [value for value in found if isinstance(value, float)]
    assert any(0 < value < 1e-6 for value in numbers)
    assert any(len(repr(value)) >= 16 for value in numbers)
    spelt = [
        json.dumps({"temperature": value}, ensure_ascii=False).encode() for value in found if isinstance(value, Spelt)
    ]
    assert b'{"temperature": 1e0}' in [written(body) for body in spelt]
    assert b'{"temperature": 0.50}' in [written(body) for body in spelt]


def test_a_body_without_a_spelling_of_its_own_stays_as_it_is() -> None:
    assert written(b'{"a": 1}') == b'{"a": 1}'
    text = json.dumps({"a": "\ue000 and \ue000"}, ensure_ascii=False).encode()
    assert json.loads(text)


def test_every_keyword_that_a_body_can_break_has_misses_or_needs_none() -> None:
    for endpoint in (CHAT, RESUME):
        found = list(broken(documented()[endpoint]))
        assert len({one.id for one in found}) == len(found)
        for one in found:
            assert one.misses or one.keyword == "required", one.id
            assert len({miss.kind for miss in one.misses}) == len(one.misses), one.id


def misses(id_: str) -> list[Any]:
    return next([miss.value for miss in one.misses] for one in broken(documented()[RESUME]) if one.id == id_)


@pytest.mark.parametrize(
    ("id_", "wanted"),
    [
        ("role-enum", ["User", "USER", "developer", "function", "users", "user ", " user", "user\n", "uѕеr", "use"]),
        ("mode-enum", ["Auto", "automatic", "auto\n", "default", "autos"]),
        ("model-pattern", ["groups:", "Group:", "123e4567-e89b-12d3-a456-426614174000", "group:group:"]),
        ("stream-type", ["true", 1, 0, "false"]),
        ("max-tokens-maximum", [200_001, 2**32 + 1]),
        ("temperature-maximum", [2.1, 2.000001, 3]),
        ("temperature-minimum", [-0.1, -1e-6]),
        ("max-tokens-type", ["1024", True, 1024.5, [1024]]),
        ("messages-type", [{"role": "user", "content": "Hello"}]),
        ("message-type", [[{"role": "user", "content": "Hello"}]]),
        ("content-type", [{"type": "text", "text": "Hello"}]),
        ("approved-type", ["123e4567-e89b-12d3-a456-426614174000"]),
    ],
)
def test_near_misses_are_what_a_slightly_wrong_server_takes(id_: str, wanted: list[Any]) -> None:
    found = misses(id_)
    for value in wanted:
        if id_ == "model-pattern":
            assert any(str(one).startswith(value) for one in found), value
        else:
            assert any(one == value and type(one) is type(value) for one in found), value


@pytest.mark.parametrize("id_", ["model-pattern", "approval-id-format", "approved-item-format", "denied-id-format"])
def test_no_miss_is_another_spelling_of_an_identifier(id_: str) -> None:
    for value in misses(id_):
        digits = str(value).lower().strip().removeprefix("group:").strip().removeprefix("urn:").removeprefix("uuid:")
        digits = digits.replace("-", "").strip("{}()")
        assert (
            len(digits) != 32 or not all(digit in "0123456789abcdef" for digit in digits) or "group:" not in str(value)
        )
