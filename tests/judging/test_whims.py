"""Which flows are tried again because a model had a whim, and called no tool."""

from __future__ import annotations

from dataclasses import replace

import pytest
from checks.exchanges import APPROVAL_PROMPT, chat, paused, refused, sent

from conformance.judging.judge import doubtful
from conformance.transcript.exchange import Exchange, Transcript

PROMPT = f"{APPROVAL_PROMPT}\n(Reference: word.)"


def asked(flow: str, *, round: int = 1, waits: bool = False, probe: str = "") -> Exchange:
    """A request of this flow that asks for an approval."""
    probe = probe or flow
    name = probe + (f"#{round}" if round > 1 else "")
    made = paused(name) if waits else chat(name, prompt=PROMPT)
    return replace(made, note=replace(made.note, flow=flow, probe=probe, round=round, area="approval"))


def again(*exchanges: Exchange, prompt: str | None = APPROVAL_PROMPT) -> set[str]:
    return set(doubtful(Transcript(exchanges, {"suite": "0", "approval_prompt": prompt})))


def test_a_prompt_that_brings_no_approval_though_it_does_elsewhere_is_tried_again() -> None:
    assert again(asked("a", waits=True), asked("b")) == {"b"}


@pytest.mark.parametrize("prompt", [APPROVAL_PROMPT, None])
def test_a_prompt_that_never_brings_one_is_not(prompt: str | None) -> None:
    assert again(asked("a"), asked("b"), prompt=prompt) == set()


def test_one_that_was_asked_often_enough_is_not() -> None:
    assert again(asked("a", waits=True), *(asked("b", round=n) for n in (1, 2, 3))) == set()


def test_one_that_came_when_it_was_asked_for_anew_is_not() -> None:
    second = [asked("b", round=2), asked("b", round=2, waits=True, probe="b-asked-2")]
    assert again(asked("a", waits=True), asked("b"), *second) == set()
    assert again(asked("a", waits=True), asked("b"), second[0]) == {"b"}


def test_one_that_was_refused_is_not() -> None:
    made = refused("b", sent("b", prompt=PROMPT), 422)
    assert again(asked("a", waits=True), replace(made, note=replace(made.note, flow="b", probe="b"))) == set()
