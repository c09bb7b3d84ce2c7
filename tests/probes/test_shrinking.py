"""Shrinking, without a network: the target is a function of the body."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from conformance.contract.classify import CHAT, Due, classify
from conformance.contract.schema.shape import documented
from conformance.probes.generated import Drawn, drawn
from conformance.probes.plan import Plan
from conformance.probes.rules import rules_of
from conformance.probes.shrinking import Enough, shrink

MODEL = "group:123e4567-e89b-42d3-a456-426614174000"
ITEMS = {item.name: item for item in drawn(Plan(model=MODEL, seed=3, depth="deep", examples=160))}
OPTIONS = {"stream", "max_tokens", "max_completion_tokens", "temperature", "metadata"}


class Target:
    """Remembers what it was sent."""

    def __init__(self, fails: Callable[[Any], bool]) -> None:
        self.fails = fails
        self.sent: list[tuple[str, bytes]] = []

    def __call__(self, name: str, octets: bytes) -> bool:
        self.sent.append((name, octets))
        return self.fails(json.loads(octets))

    def smallest(self, item: Drawn) -> Any:
        failing = [octets for _, octets in self.sent if self.fails(json.loads(octets))]
        return json.loads(min([*failing, item.octets(item.name)], key=lambda octets: (len(octets), octets)))


def shrunk(item: Drawn, fails: Callable[[Any], bool]) -> tuple[Any, Target]:
    assert fails(json.loads(item.octets(item.name))), "the body that is to be shrunk does not fail"
    target = Target(fails)
    assert shrink(item, target)
    return target.smallest(item), target


def first(kind: str, fails: Callable[[Any], bool]) -> Drawn:
    return next(i for i in ITEMS.values() if i.breach == kind and fails(json.loads(i.octets(i.name))))


def test_a_breach_that_always_fails_is_shrunk_to_one_message_without_options() -> None:
    body, target = shrunk(ITEMS["generated-role-enum-stream-1"], lambda body: True)
    assert len(body["messages"]) == 2
    assert not OPTIONS & set(body)
    assert body["messages"][0]["role"] in rules_of(documented()).by_id["role-enum"].values
    assert len(target.sent) < 12


@pytest.mark.parametrize(
    ("name", "fails", "kept"),
    [
        ("generated-role-enum-stream-1", lambda b: b.get("stream") is True, {"stream"}),
        ("generated-role-enum-stream-1", lambda b: len(b["messages"]) >= 4, set()),
        ("generated-mode-enum-plain-1", lambda b: b.get("temperature") is not None, {"metadata", "temperature"}),
        ("generated-content-type-stream-1", lambda b: not json.dumps(b, ensure_ascii=False).isascii(), set()),
    ],
)
def test_what_a_failure_does_not_need_is_shrunk_away(name: str, fails: Callable[[Any], bool], kept: set[str]) -> None:
    body, target = shrunk(ITEMS[name], fails)
    assert OPTIONS & set(body) == kept
    assert len(target.sent) < 60
    small = sum(len(str(m)) for m in body["messages"] if isinstance(m, dict))
    assert small < 300


def test_a_value_is_shrunk_to_the_border_where_it_fails() -> None:
    item = first("max-tokens-maximum", lambda body: body["max_tokens"] > 200_001)
    body, _ = shrunk(item, lambda body: body["max_tokens"] > 200_001)
    assert body["max_tokens"] == 200_002


@pytest.mark.parametrize("kind", ["natural", "unusual"])
def test_valid_bodies_are_shrunk_too(kind: str) -> None:
    item = first(kind, lambda body: "temperature" in body and len(body["messages"]) > 1)
    body, _ = shrunk(item, lambda body: "temperature" in body and len(body["messages"]) > 1)
    assert len(body["messages"]) <= 3
    assert OPTIONS & set(body) == {"temperature"}


def test_smaller_bodies_deserve_what_the_first_one_does() -> None:
    for name in ("generated-role-enum-stream-1", "generated-model-pattern-plain-1", "generated-natural-1"):
        item = ITEMS[name]
        due = Due.REFUSE if item.twin else Due.ACCEPT
        _, target = shrunk(item, lambda body: len(body["messages"]) > 1 or "max_tokens" in body)
        for _, octets in target.sent:
            asked = classify("POST", CHAT, {"content-type": "application/json"}, octets, model=MODEL)
            assert asked.due is due, octets


def test_nothing_is_sent_twice_and_every_name_is_new() -> None:
    _, target = shrunk(ITEMS["generated-temperature-maximum-stream-1"], lambda body: len(body["messages"]) == 4)
    names = [name for name, _ in target.sent]
    without_ids = [json.dumps({**json.loads(octets), "metadata": None}) for _, octets in target.sent]
    assert len(set(names)) == len(names)
    assert len(set(without_ids)) >= len(names) - 4, "what differs in its metadata only is another body"


def test_enough_ends_the_search() -> None:
    sent = 0

    def fails(name: str, octets: bytes) -> bool:
        nonlocal sent
        if sent == 5:
            raise Enough
        sent += 1
        return len(json.loads(octets)["messages"]) >= 4

    assert not shrink(ITEMS["generated-role-enum-stream-1"], fails)
    assert sent == 5


def test_a_body_that_cannot_be_smaller_stays() -> None:
    naturals = [item for item in ITEMS.values() if item.breach == "natural"]
    item = min(naturals, key=lambda item: len(item.octets(item.name)))
    whole = {**json.loads(item.octets(item.name)), "metadata": None}
    body, _ = shrunk(item, lambda body: {**body, "metadata": None} == whole)
    assert {**body, "metadata": None} == whole
