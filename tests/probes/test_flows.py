"""Which flows a plan brings."""

import uuid
from collections import Counter
from typing import Any

import pytest

from conformance.probes import catalogue
from conformance.probes.flow import Answer, Flow, Send, WaitingApproval
from conformance.running.run import plan_of
from conformance.settings.options import Depth, Options
from conformance.wire.recorder import credential_of

BAD = ("never-issued", "nearly-own", "other-middle")
MODEL = "group:123e4567-e89b-42d3-a456-426614174000"


def flows(**options: object) -> list[Flow]:
    return catalogue.flows(plan_of(Options(url="http://127.0.0.1/v1", model=MODEL, **options), 1))  # type: ignore[arg-type]


def test_nothing_is_sent_to_resume_where_the_target_has_no_approvals() -> None:
    """Its answer would be that of any router to an unknown path, and error.schema would be blamed for it."""
    assert "resume-unknown" in {flow.name for flow in flows()}
    assert not [flow.name for flow in flows(approvals=False) if flow.area in ("approval", "resume")]


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, {"never-issued": 1, "nearly-own": 2, "other-middle": 2}),
        ({"approvals": False}, {"never-issued": 1, "nearly-own": 2, "other-middle": 2}),
        ({"approval_prompt": "Create a ticket."}, {"never-issued": 1, "nearly-own": 3, "other-middle": 3}),
        ({"depth": Depth.QUICK}, {"other-middle": 1}),
        ({"depth": Depth.QUICK, "approval_prompt": "Create a ticket."}, {"other-middle": 1}),
    ],
)
def test_a_run_sends_three_bad_tokens_in_all(options: dict[str, Any], sent: dict[str, int]) -> None:
    chosen = flows(**options)
    asked = [next(flow.steps(1)) for flow in chosen if flow.area == "auth"]
    for chain in [flow.steps(1) for flow in chosen if flow.name == "approval-approve"]:
        given = WaitingApproval(str(uuid.uuid4()), (str(uuid.uuid4()),))
        send = next(chain)
        while isinstance(send, Send):
            send = chain.send(Answer(send.name, 200, approval=given) if send.served else Answer(send.name, 422))
        asked += send
    bad = Counter(str(credential_of(one.authorization)) for one in asked if isinstance(one, Send))
    assert {credential: bad[credential] for credential in bad if credential in BAD} == sent


@pytest.mark.parametrize(("round_", "asked"), [(1, 2), (2, 6)])
def test_an_approval_that_does_not_come_is_asked_for_anew_only_in_a_later_round(round_: int, asked: int) -> None:
    """At first it is not known whether the prompt leads to any. One is asked for in JSON, and one as a stream."""
    chosen = flows(approval_prompt="Create a ticket.")
    chain = next(flow for flow in chosen if flow.name == "approval-approve").steps(round_)
    names = []
    send = next(chain)
    while isinstance(send, Send):
        names.append(send.name)
        try:
            send = chain.send(Answer(send.name, 200))
        except StopIteration:
            break
    assert len(names) == len(set(names)) == asked
