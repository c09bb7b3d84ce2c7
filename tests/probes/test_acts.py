"""Acts are done in a calm moment when they are done once more."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from conformance.probes.catalogue import flows
from conformance.probes.flow import Answer, Send
from conformance.probes.plan import Plan

PLAN = Plan("group:123e4567-e89b-42d3-a456-426614174000", 1)
ACTS = [
    flow
    for flow in flows(PLAN)
    if flow.name.startswith(("robust-disconnect", "robust-nan", "robust-large"))
    or flow.name in ("isolation-same-request-id", "isolation-slow-reader")
]


def sent(name: str, round_: int, status: int) -> list[list[str]]:
    """The names that a flow sends, step by step, where each answer has this status."""
    steps = next(flow for flow in ACTS if flow.name == name).steps(round_)
    told: list[list[str]] = []
    answer: Answer | list[Answer] | None = None
    try:
        while True:
            wanted: Send | Sequence[Send] = steps.send(answer)
            several = [wanted] if isinstance(wanted, Send) else list(wanted)
            told.append([send.name for send in several])
            answers = [Answer(send.name, status) for send in several]
            answer = answers[0] if isinstance(wanted, Send) else answers
    except StopIteration:
        return told


@pytest.mark.parametrize("name", [flow.name for flow in ACTS])
def test_a_minimal_request_comes_before_an_act_that_is_repeated(name: str) -> None:
    first, again = sent(name, 1, 200), sent(name, 2, 200)
    assert [name.endswith("-before") for (name, *_) in again] == [True] + [False] * (len(again) - 1)
    assert again[1] == first[0]
    assert [set(step) <= set(other) for step, other in zip(first[1:], again[2:], strict=False)] == [True] * (
        len(first) - 1
    )


def test_of_several_acts_each_is_followed_by_one_request_and_all_by_both_kinds() -> None:
    followers = [sent(flow.name, 1, 200)[-1] for flow in ACTS if flow.name.startswith("robust-disconnect")]
    assert {len(step) for step in followers} == {1}
    assert {name.rpartition("-next")[2] for (name,) in followers} == {"", "-stream"}


@pytest.mark.parametrize("name", [flow.name for flow in ACTS])
def test_without_a_calm_moment_the_act_is_not_repeated(name: str) -> None:
    again = [probe for step in sent(name, 2, 500) for probe in step]
    assert [probe.rpartition("-")[2] for probe in again] == ["before", "settled"]


@pytest.mark.parametrize("name", [flow.name for flow in ACTS if flow.name.startswith("robust")])
def test_minimal_requests_follow_a_repeated_act_at_once(name: str) -> None:
    *_, last = sent(name, 2, 200)
    assert last == [f"{name}-next", f"{name}-next-stream"]
