"""Chains of approvals and resumes (areas approval and resume).

Each chain asks for approvals of its own, since a resume uses one up. What need not be approved is denied, and no
approval is left waiting at a chain's end: `_settle` denies what a further round brings. Without an approval prompt the
target is never led to ask for one, and nothing is sent but resumes of an approval that it never gave.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from conformance.probes.accept import MINIMAL
from conformance.probes.flow import (
    RESUME,
    Answer,
    Approval,
    Compose,
    Flow,
    Phase,
    Send,
    Steps,
    approve,
    deny,
    encode,
)
from conformance.probes.plan import Plan
from conformance.probes.refusals import on_resume
from conformance.probes.rules import BY_ID, RESUME_RULES, RULES, Rule

COVERS = frozenset({"approval", "resume", "completion", "kitemesh", "stream", "chunk", "http", "error"})
SHARED_RULES = (
    "model-pattern", "messages-empty", "role-enum", "stream-type", "max-tokens-maximum", "temperature-maximum",
    "mode-enum",
)  # fmt: skip
MOST_ROUNDS = 4
REASON = "not needed for this test"
EXPIRY_MARGIN = 2.0
"""Seconds after `expires_at` before the late resume is sent."""

Chain = Generator[Send | Sequence[Send], Any, Any]


def flows(plan: Plan) -> Iterator[Flow]:
    """The chains; those that need a waiting approval only where there is a prompt for one.

    A target without approvals need not have the endpoint: what its router says of an unknown path is not judged.
    """
    if not plan.approvals:
        return
    yield Flow(
        "resume-unknown", "resume", Phase.CALM, lambda r: _unknown(plan, r), True, 1, covers=frozenset({"error"})
    )
    if plan.approval_prompt is None:
        return
    refusals = len(RESUME_RULES) + len(SHARED_RULES) + 4
    yield Flow("approval-json", "approval", Phase.CALM, lambda r: _refuse_then_decide(plan, r), False,
               refusals + 5, 4, COVERS)  # fmt: skip
    yield Flow("approval-stream", "approval", Phase.CALM, lambda r: _decide_streamed(plan, r), True, 3, 3, COVERS)
    yield Flow("approval-deny", "approval", Phase.CALM, lambda r: _deny_two(plan, r), False, 8, 4, COVERS)
    yield Flow("approval-quick", "approval", Phase.CALM, lambda r: _deny_one(plan, r), True, 2, 2, COVERS)
    yield Flow("resume-race", "resume", Phase.CONCURRENT, lambda r: _race(plan, r), False, 5, 2, COVERS)
    if plan.wait_expiry > 0:
        yield Flow("resume-expired", "resume", Phase.CALM, lambda r: _expired(plan, r), False, 2, 1, COVERS, waits=True)


def _unknown(plan: Plan, round_: int) -> Steps:
    """A resume of an approval that the target never gave."""
    compose = Compose(plan, round_)
    source = plan.source("approval-unknown", round_)
    never = Approval(str(uuid.UUID(int=source.getrandbits(128), version=4)),
                     (str(uuid.UUID(int=source.getrandbits(128), version=4)),))  # fmt: skip
    body = compose.resume("resume-unknown", compose.body("resume-unknown"), never, **deny(never))
    yield Send("resume-unknown", encode(body), RESUME, twin=MINIMAL)


def _paused(compose: Compose, name: str, *, asking: str | None = None, **fields: Any) -> tuple[Send, dict[str, Any]]:
    """A request that leads to an approval, and its body. `asking`: another prompt than the plan's."""
    prompt = f"{asking or compose.plan.approval_prompt}\n(Reference: {compose.word(name)}.)"
    body = compose.body(name, prompt=prompt, **fields)
    return Send(name, encode(body), served=True), body


def _resume(
    compose: Compose, name: str, paused: dict[str, Any], approval: Approval, decision: dict[str, Any], **fields: Any
) -> Send:
    return Send(name, encode(compose.resume(name, paused, approval, **decision, **fields)), RESUME, served=True)


def _decision(plan: Plan, approval: Approval) -> dict[str, Any]:
    return approve(approval) if plan.execute else deny(approval)


def _settle(
    compose: Compose, name: str, paused: dict[str, Any], answer: Answer, *, reason: str | None = None, **fields: Any
) -> Chain:
    """Denies whatever further rounds an answer brings, so that nothing is left waiting."""
    for number in range(1, MOST_ROUNDS):
        if answer.approval is None:
            return
        further = f"{name}-further-{number}"
        answer = yield _resume(compose, further, paused, answer.approval, deny(answer.approval, reason), **fields)


def _refuse_then_decide(plan: Plan, round_: int) -> Steps:
    """Everything that must be refused, on an approval that waits; then the decision, which must still be taken."""
    compose = Compose(plan, round_)
    send, paused = _paused(compose, "approval-json")
    answer: Answer = yield send
    if (approval := answer.approval) is None:
        return
    final = "resume-decide"
    yield on_resume(compose, paused, approval, deny(approval))
    yield [_broken(compose, rule, paused, approval, final) for rule in RESUME_RULES]
    yield _broken(compose, BY_ID["approval-id-type"], paused, approval, final, 1)
    yield [_broken(compose, BY_ID[id_], paused, approval, final) for id_ in SHARED_RULES]
    decision = _resume(compose, final, paused, approval, _decision(plan, approval))
    answer = yield decision
    yield from _settle(compose, final, paused, answer, reason=REASON)
    if answer.served:
        again: Answer = yield Send("resume-replay", decision.body, RESUME)
        if again.approval is not None and again.approval != answer.approval:
            yield from _settle(compose, "resume-replay", paused, again)


def _broken(
    compose: Compose, rule: Rule, paused: dict[str, Any], approval: Approval, twin: str, which: int = 0
) -> Send:
    name = f"resume-refuse-{rule.id}" + (f"-{which + 1}" if which else "")
    valid = compose.resume(name, paused, approval, **deny(approval))
    return Send(name, encode(rule.apply(valid, rule.values[which], 0)), RESUME, twin=twin, breach=rule.id)


def _decide_streamed(plan: Plan, round_: int) -> Steps:
    """A paused stream, and its resume as a stream."""
    compose = Compose(plan, round_)
    send, paused = _paused(compose, "approval-stream", stream=True)
    answer: Answer = yield send
    if (approval := answer.approval) is None:
        return
    name = "resume-decide-stream"
    answer = yield _resume(compose, name, paused, approval, _decision(plan, approval), stream=True)
    yield from _settle(compose, name, paused, answer, stream=True)


def _deny_two(plan: Plan, round_: int) -> Steps:
    """Two approvals side by side: calls of the one cannot be decided in the other; both are denied in the end."""
    compose = Compose(plan, round_)
    first, paused = _paused(compose, "approval-deny")
    second, other_paused = _paused(compose, "approval-deny-stream", stream=True)
    one, two = yield [first, second]
    if one.approval is None or two.approval is None:
        for answer, body in ((one, paused), (two, other_paused)):
            yield from _settle(compose, f"{answer.name}-left", body, answer)
        return
    refused = [
        _decide(compose, "resume-foreign-call", paused, one.approval, deny(two.approval)),
        _decide(compose, "resume-conflict", paused, one.approval, {**approve(one.approval), **deny(one.approval)}),
    ]
    if not plan.execute:
        # A server that takes a contradiction may well run the tool.
        refused.pop()
    if plan.second_token:
        other = _decide(compose, "resume-other-caller", paused, one.approval, deny(one.approval))
        refused.append(Send(other.name, other.body, RESUME, authorization="Bearer {second}"))
    for send in refused:
        answer = yield send
        if answer.served:
            yield from _settle(compose, send.name, paused, answer)
    answer, streamed = yield [
        _resume(compose, "resume-deny", paused, one.approval, deny(one.approval, REASON)),
        _resume(compose, "resume-deny-stream", other_paused, two.approval, deny(two.approval), stream=True),
    ]
    yield from _settle(compose, "resume-deny", paused, answer)
    yield from _settle(compose, "resume-deny-stream", other_paused, streamed, stream=True)


def _decide(compose: Compose, name: str, paused: dict[str, Any], approval: Approval, decision: dict[str, Any]) -> Send:
    """A decision that ought to be refused."""
    return Send(name, encode(compose.resume(name, paused, approval, **decision)), RESUME)


def _deny_one(plan: Plan, round_: int) -> Steps:
    """The shortest chain: an approval, denied without a reason."""
    compose = Compose(plan, round_)
    send, paused = _paused(compose, "approval-plain")
    answer: Answer = yield send
    if answer.approval is not None:
        answer = yield _resume(compose, "resume-deny-plain", paused, answer.approval, deny(answer.approval))
        yield from _settle(compose, "resume-deny-plain", paused, answer)


def _race(plan: Plan, round_: int) -> Steps:
    """Several resumes of one approval at the same moment: of two alone, one may come too late to race."""
    compose = Compose(plan, round_)
    send, paused = _paused(compose, "approval-race")
    answer: Answer = yield send
    if (approval := answer.approval) is None:
        return
    body = encode(compose.resume("resume-race", paused, approval, **deny(approval)))
    answers: Sequence[Answer] = yield [Send(f"resume-race-{side}", body, RESUME, served=True) for side in "abc"]
    settled: set[str] = set()
    for answer in answers:
        if answer.approval is not None and answer.approval.approval_id not in settled:
            settled.add(answer.approval.approval_id)
            yield from _settle(compose, answer.name, paused, answer)


def _expired(plan: Plan, round_: int) -> Steps:
    """A resume after `expires_at`, where waiting for it is allowed."""
    compose = Compose(plan, round_)
    send, paused = _paused(compose, "approval-expiring", asking=plan.expiring_prompt)
    answer: Answer = yield send
    if (approval := answer.approval) is None:
        return
    wait = None if approval.expires_in is None else approval.expires_in + EXPIRY_MARGIN
    if wait is None or wait > plan.wait_expiry:
        answer = yield _resume(compose, "resume-not-waited-for", paused, approval, deny(approval))
        yield from _settle(compose, "resume-not-waited-for", paused, answer)
        return
    body = encode(compose.resume("resume-expired", paused, approval, **deny(approval)))
    answer = yield Send("resume-expired", body, RESUME, delay=max(wait, 0.0))
    yield from _settle(compose, "resume-expired", paused, answer)


__all__ = ["MOST_ROUNDS", "RULES", "SHARED_RULES", "flows"]
