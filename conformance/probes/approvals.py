"""Chains of approvals and resumes (areas approval and resume).

Each chain asks for approvals of its own, since a resume uses one up. What need not be approved is denied, and no
approval is left waiting at a chain's end: `_settle` denies what a further round brings. Without an approval prompt the
target is never led to ask for one, and nothing is sent but resumes of an approval that it never gave.

Two things cost requests only where a target is in the wrong, or in doubt. Where something is served that ought to have
been refused, the approval is gone, and what comes next gets a new one: no hole hides another one. Where an approval
that waits is said to be unknown, the decision is asked for again after a while (that is the recorder's), then a few
times on new connections, so that replicas which do not share their approvals show as what they are.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from conformance.probes.accept import MINIMAL, PAIRED, UNUSUAL_IDS, with_unusual_id
from conformance.probes.flow import (
    RESUME,
    Answer,
    Compose,
    Flow,
    Phase,
    Send,
    Steps,
    WaitingApproval,
    approve,
    deny,
    encode,
)
from conformance.probes.plan import Plan
from conformance.probes.refusals import on_resume
from conformance.probes.rules import Rule, among_more, numbered, rules_of, sent

COVERS = frozenset({"approval", "resume", "completion", "kitemesh", "stream", "chunk", "http", "error"})
MOST_ROUNDS = 4
FEW = 4
"""Tokens: less than any answer to a decision takes, so that the stream is cut."""
REASON = f"not needed for this test {PAIRED}"
EXPIRY_MARGIN = 2.0
"""Seconds after `expires_at` before the late resume is sent."""
LATER = 2.5
"""Seconds until all replicas of a target have to know an approval, and a little more (`evidence.approvals`)."""
SHORT_LIVED = 60.0
"""An approval that expires sooner than this many seconds is not kept waiting."""
DECIDED_ANEW = 4
"""Times that a decision on an approval which is said to be unknown is asked for again on new connections."""
ASKED_IN_ALL = 3
"""Times that an approval is asked for in a later round."""
ASKED_ANEW = "-asked-"
"""Lies between the name of a request for an approval and the number of the time that it is asked for."""
DECISIONS = ("approved_tool_execution_ids", "denied_tools")
"""The members of a resume that decide on calls."""
DOUBTS = 2
"""Approvals that are asked for in addition, by a chain whose decision was first answered 404 and then taken."""

Chain = Generator[Send | Sequence[Send], Any, Any]
Breach = tuple[Rule, int]
"""A rule, and which of its bad values."""
BEHIND = 500
"""The place behind all messages."""
TURNS, STREAMED_TURNS = 1, 0
"""How many values of each rule a run sends to resume beside those that it sends in any case."""


@dataclass(frozen=True, slots=True)
class Paused:
    """A request that was paused, and what waits."""

    body: dict[str, Any]
    approval: WaitingApproval

    @property
    def streamed(self) -> dict[str, Any]:
        """The fields of a resume that goes on in the form in which it was paused."""
        return {"stream": True} if self.body.get("stream") else {}


def flows(plan: Plan) -> Iterator[Flow]:
    """The chains; those that need a waiting approval only where there is a prompt for one.

    A target without approvals need not have the endpoint: what its router says of an unknown path is not judged.
    """
    if not plan.approvals:
        return
    more = 0 if plan.quick else 2 + len(UNUSUAL_IDS)
    yield Flow(
        "resume-unknown",
        "resume",
        Phase.CALM,
        lambda r: _unknown(plan, r),
        True,
        2 + more,
        covers=frozenset({"error"}),
    )
    if plan.approval_prompt is None:
        return
    in_json = sum(map(len, _breaches(plan, streamed=False))) + 3
    streamed = sum(map(len, _breaches(plan, streamed=True))) + 2
    yield Flow("approval-json", "approval", Phase.CALM, lambda r: _refuse_then_decide(plan, r), False,
               in_json + 14, 4, COVERS)  # fmt: skip
    yield Flow("approval-stream", "approval", Phase.CALM, lambda r: _decide_streamed(plan, r), True, 14, 3, COVERS)
    yield Flow("approval-deny", "approval", Phase.CALM, lambda r: _deny_two(plan, r), False, streamed + 28, 4, COVERS)
    yield Flow("approval-quick", "approval", Phase.CALM, lambda r: _deny_one(plan, r), True, 3, 2, COVERS)
    yield Flow("resume-race", "resume", Phase.CONCURRENT, lambda r: _race(plan, r), False, 5, 2, COVERS)
    yield Flow("resume-race-stream", "resume", Phase.CONCURRENT, lambda r: _race(plan, r, stream=True), False, 6, 2,
               COVERS)  # fmt: skip
    if plan.wait_expiry > 0:
        yield Flow("resume-expired", "resume", Phase.CALM, lambda r: _expired(plan, r), False, 5, 1, COVERS, waits=True)


def _unknown(plan: Plan, round_: int) -> Steps:
    """Resumes of an approval that the target never gave, in JSON and as a stream, and with unusual ids."""
    compose = Compose(plan, round_)
    source = plan.source("approval-unknown", round_)
    never = WaitingApproval(str(uuid.UUID(int=source.getrandbits(128), version=4)),
                     (str(uuid.UUID(int=source.getrandbits(128), version=4)),))  # fmt: skip
    for name, fields in (("resume-unknown", {}), ("resume-unknown-stream", {"stream": True})):
        body = compose.resume(name, compose.body(name), never, **deny(never), **fields)
        yield Send(name, encode(body), RESUME, twin=MINIMAL)
    if plan.quick:
        return
    for name, fields in (("resume-unknown-approved", {}), ("resume-unknown-approved-stream", {"stream": True})):
        body = compose.resume(name, compose.body(name), never, **approve(never), **fields)
        yield Send(name, encode(body), RESUME, twin=MINIMAL)
    for kind in UNUSUAL_IDS:
        name = f"resume-unknown-id-{kind}"
        body = {**compose.resume(name, compose.body(name), never, **deny(never)),
                **with_unusual_id(plan, kind, name)}  # fmt: skip
        yield Send(name, encode(body), RESUME, twin=MINIMAL)


# --- what chains are made of


def _asking(compose: Compose, name: str, *, asking: str | None = None, **fields: Any) -> tuple[Send, dict[str, Any]]:
    """A request that leads to an approval, and its body. `asking`: another prompt than the plan's."""
    prompt = f"{asking or compose.plan.approval_prompt}\n(Reference: {compose.word(name)}.)"
    body = compose.body(name, prompt=prompt, **fields)
    return Send(name, encode(body), served=True), body


def _pause(compose: Compose, name: str, **fields: Any) -> Chain:
    """Leads to an approval. Gives what was paused, or None where nothing waits.

    In a later round it is known that approvals come, so that a model which calls no tool has a whim, and is asked anew.
    """
    for number in range(1, 1 + (1 if compose.round == 1 else ASKED_IN_ALL)):
        send, body = _asking(compose, name if number == 1 else f"{name}{ASKED_ANEW}{number}", **fields)
        answer: Answer = yield send
        if answer.approval is not None:
            return Paused(body, answer.approval)
        if not answer.served:
            break
    return None


def _resume(
    compose: Compose, name: str, paused: Paused, decision: dict[str, Any], *, escaped: bool = False, **fields: Any
) -> Send:
    """A resume that nobody need serve."""
    body = compose.resume(name, paused.body, paused.approval, **decision, **fields)
    return Send(name, encode(body, escaped=escaped), RESUME)


def _decide(compose: Compose, name: str, paused: Paused, decision: dict[str, Any], **fields: Any) -> Chain:
    """A decision that has to be taken; gives its answer.

    Where the approval is still unknown after the recorder's second try, the same is asked for on a few new connections:
    none of them is served by a target that lost it, one of them as a rule by replicas that do not share it.
    """
    send = replace(_resume(compose, name, paused, decision, **fields), served=True)
    answer: Answer = yield send
    return (yield from _ask_anew(send, answer))


def _decide_with(
    compose: Compose,
    name: str,
    paused: Paused,
    decision: dict[str, Any],
    options: dict[str, Any],
    *,
    escaped: bool = False,
    **fields: Any,
) -> Chain:
    """The same with documented members that no other resume has; without them where that is refused.

    Gives what was decided at last, and its answer.
    """
    bare = _resume(compose, name, paused, decision, **fields)
    whole = {member: value for member, value in {**json.loads(bare.body), **options}.items() if value is not None}
    send = replace(bare, body=encode(whole, escaped=escaped), served=True)
    answer = yield from _ask_anew(send, (yield send))
    if answer.refused and answer.status != 404:
        send = replace(bare, name=f"{name}-bare", served=True)
        answer = yield from _ask_anew(send, (yield send))
    return send, answer


def _ask_anew(send: Send, answer: Answer) -> Chain:
    for number in range(1, DECIDED_ANEW + 1):
        if answer.status != 404:
            break
        answer = yield replace(send, name=f"{send.name}-anew-{number}")
    return answer


def _settle(
    compose: Compose,
    name: str,
    paused: Paused,
    answer: Answer,
    *,
    reason: str | None = None,
    twice: bool = False,
    **fields: Any,
) -> Chain:
    """Denies whatever further rounds an answer brings, so that nothing is left waiting.

    `twice`: the first of them is denied or approved, by turns, and decided a second time.
    """
    doubted = answer if answer.doubted else None
    for number in range(1, MOST_ROUNDS):
        if answer.approval is None:
            break
        further, which = Paused(paused.body, answer.approval), f"{name}-further-{number}"
        approved = (
            twice and number == 1 and compose.plan.execute and (compose.plan.seed + ("stream" in fields)) % 2 == 0
        )
        decision = _mixed(compose.plan, further.approval) if approved else deny(further.approval, reason)
        send = replace(_resume(compose, which, further, decision, **fields), served=True)
        answer = yield from _ask_anew(send, (yield send))
        if twice and number == 1:
            yield from _replay(compose, f"{which}-replay", send, further, answer)
        doubted = doubted or (answer if answer.doubted else None)
    if doubted is not None and doubted.served:
        yield from _doubt(compose, name)


def _doubt(compose: Compose, name: str) -> Chain:
    """A few approvals more, after one that was unknown at first: once may be replication, and may be luck."""
    for number in range(1, DOUBTS + 1):
        paused = yield from _pause(compose, f"{name}-doubt-{number}")
        if paused is None:
            return
        which = f"{name}-doubt-decide-{number}"
        answer = yield from _decide(compose, which, paused, deny(paused.approval))
        while answer.approval is not None and which.count("-on") < MOST_ROUNDS:
            which, paused = f"{which}-on", Paused(paused.body, answer.approval)
            answer = yield from _decide(compose, which, paused, deny(paused.approval))


def _still_waiting(compose: Compose, paused: Paused, answers: Iterable[Answer]) -> Chain:
    """What the next requests are to be sent on: a new approval where one of these ought to have been refused."""
    served = [answer for answer in answers if answer.served]
    for answer in served:
        yield from _settle(compose, answer.name, paused, answer, **paused.streamed)
    if not served:
        return paused
    return (yield from _pause(compose, f"{served[0].name}-renewed", **paused.streamed))


def _refuse(compose: Compose, paused: Paused, groups: Iterable[Sequence[Breach]], twin: str, **base: Any) -> Chain:
    """Breaches that have to be refused, group by group; gives what waits afterwards, or None.

    The groups are those of one requirement each: in a group one hole may hide another of the same requirement.
    """
    for group in groups:
        # What expires soon has to be decided before it does.
        few = (
            {rule.id: (rule, which) for rule, which in reversed(group)}.values()
            if _expires_soon(paused.approval)
            else group
        )
        sends = [_broken(compose, rule, paused, twin, which, **base) for rule, which in few]
        paused = yield from _still_waiting(compose, paused, (yield sends))
        if paused is None:
            return None
    return paused


def _broken(compose: Compose, rule: Rule, paused: Paused, twin: str, which: int = 0, approving: bool = False) -> Send:
    streamed = paused.streamed
    name = "resume-refuse-" + ("stream-" if streamed else "") + numbered(rule.id, rule, which)
    decision = approve(paused.approval) if approving else deny(paused.approval)
    valid = compose.resume(name, paused.body, paused.approval, **decision, **streamed)
    valid = among_more(valid) if streamed else valid
    # By turns before the prompt and behind it: a server may look at one message of them.
    broken = rule.apply(valid, rule.values[which], BEHIND if which % 2 else 0)
    return Send(name, encode(broken), RESUME, twin=twin, breach=rule.id)


def _breaches(plan: Plan, *, streamed: bool) -> tuple[tuple[Breach, ...], ...]:
    """Every rule with its values whose turn it is: of the approval's id, of the decision, of what both endpoints share.

    No stream can be asked for by a value of `stream` that is wrong.
    """
    rules = rules_of(plan.shape)
    where, turns = ("resume-stream", STREAMED_TURNS) if streamed else ("resume", TURNS)
    groups: dict[str, list[Breach]] = defaultdict(list)
    for rule in (*rules.of_resume, *rules.shared):
        if streamed and rule.place == "/stream":
            continue
        group = groups[rule.requirement if rule.endpoint == RESUME else "shared"]
        group.extend((rule, which) for which in sent(plan, rule, turns, where=where))
    return tuple(tuple(group) for group in groups.values())


def _later(plan: Plan, approval: WaitingApproval) -> float:
    """Seconds to wait until every replica has to know an approval; none where it would expire meanwhile."""
    return 0.0 if _expires_soon(approval) else LATER * plan.patience


def _expires_soon(approval: WaitingApproval) -> bool:
    return approval.expires_in is not None and approval.expires_in < SHORT_LIVED


# --- the chains


def _refuse_then_decide(plan: Plan, round_: int) -> Steps:
    """Everything that must be refused, on an approval that waits; then the decision, which must still be taken."""
    compose = Compose(plan, round_)
    paused = yield from _pause(compose, "approval-json")
    if paused is None:
        return
    final = "resume-decide"
    delay = _later(plan, paused.approval)
    strangers = on_resume(compose, paused.body, paused.approval, deny(paused.approval))
    answers = yield [replace(send, delay=delay) for send in strangers]
    paused = yield from _still_waiting(compose, paused, answers)
    if paused is not None:
        paused = yield from _refuse(compose, paused, _breaches(plan, streamed=False), final)
    if paused is None:
        return
    decide = _decision if _mixes_in_streams(plan) else _mixed
    decision = _resume(compose, final, paused, decide(plan, paused.approval))
    answer = yield replace(decision, served=True)
    answer = yield from _ask_anew(decision, answer)
    yield from _settle(compose, final, paused, answer, reason=REASON, twice=True, escaped=True)
    if _refused(answer):
        yield from _decide_untouched(compose, "resume-decide-untouched", decide)
    yield from _replay(compose, "resume-replay", decision, paused, answer)


def _refused(answer: Answer) -> bool:
    return answer.refused and not answer.excused


def _decide_untouched(
    compose: Compose, name: str, decide: Callable[[Plan, WaitingApproval], dict[str, Any]], **fields: Any
) -> Chain:
    """A decision that was refused again, on an approval that has seen nothing else; in JSON, unless a field says so.

    So it shows whether the refusals before it were at fault, or the stream, or it is the decision itself.
    """
    paused = yield from _pause(compose, f"{name}-approval", **fields)
    if paused is not None:
        answer = yield from _decide(compose, name, paused, decide(compose.plan, paused.approval), **fields)
        yield from _settle(compose, name, paused, answer, **fields)


def _decision(plan: Plan, approval: WaitingApproval) -> dict[str, Any]:
    return approve(approval) if plan.execute else deny(approval)


def _replay(compose: Compose, name: str, decision: Send, paused: Paused, answer: Answer) -> Chain:
    """What was decided a second time, where it was taken: as it was and the other way round, each in both forms.

    All under one `request_id`, so that whoever repeats the first answer repeats the id that was asked for. What is
    served once more is not sent in other ways: it is known then.
    """
    if not answer.served:
        return
    same = json.loads(decision.body)
    bodies = {name: same}
    undecided = {member: value for member, value in same.items() if member not in DECISIONS}
    if same.get("approved_tool_execution_ids"):
        bodies[f"{name}-denied"] = {**undecided, **deny(paused.approval)}
    elif compose.plan.execute:
        bodies[f"{name}-approved"] = {**undecided, **_approving(compose.plan, paused.approval)}
    other_form = {f"{which}-other-form": {**body, "stream": not body.get("stream", False)}
                  for which, body in bodies.items()}  # fmt: skip
    for which, body in {**bodies, **other_form}.items():
        again: Answer = yield Send(which, encode(body), RESUME)
        if again.approval is not None and not _same_approval(again, answer):
            yield from _settle(compose, which, paused, again, **paused.streamed)
        if again.served:
            return


def _same_approval(one: Answer, other: Answer) -> bool:
    return one.approval is not None and other.approval is not None and (
        one.approval.approval_id == other.approval.approval_id
    )  # fmt: skip


def _decide_streamed(plan: Plan, round_: int) -> Steps:
    """A paused stream, and its resume as a stream."""
    compose = Compose(plan, round_)
    paused = yield from _pause(compose, "approval-stream", stream=True)
    if paused is None:
        return
    name = "resume-decide-stream"
    decide = _mixed if _mixes_in_streams(plan) else _decision
    decided = decide(plan, paused.approval)
    options = {"temperature": 1, "max_tokens": 1024, "max_completion_tokens": 1024}
    decision, answer = yield from _decide_with(compose, name, paused, decided, options, stream=True)
    yield from _settle(compose, name, paused, answer, twice=True, stream=True)
    if _refused(answer):
        yield from _decide_untouched(compose, "resume-decide-in-json", decide)
    yield from _replay(compose, "resume-replay-stream", decision, paused, answer)


def _approving(plan: Plan, approval: WaitingApproval) -> dict[str, Any]:
    """Approves all calls, or one and denies the others, as the seed says."""
    return approve(approval) if plan.seed % 2 == 1 else _mixed(plan, approval)


def _mixes_in_streams(plan: Plan) -> bool:
    """Whether it is the stream's calls of which one is approved and the others are denied, or those in JSON."""
    return plan.seed % 2 == 1


def _mixed(plan: Plan, approval: WaitingApproval) -> dict[str, Any]:
    if not plan.execute or len(approval.calls) < 2:
        return _decision(plan, approval)
    first, *others = approval.calls
    return {**approve(replace(approval, calls=(first,))), **deny(replace(approval, calls=tuple(others)))}


def _deny_two(plan: Plan, round_: int) -> Steps:
    """Two approvals side by side: calls of the one cannot be decided in the other; both are denied in the end."""
    compose = Compose(plan, round_)
    (first, body), (second, other) = (
        _asking(compose, "approval-deny"),
        _asking(compose, "approval-deny-stream", stream=True),
    )
    one, two = yield [first, second]
    if one.approval is None or two.approval is None:
        for answer, paused_body in ((one, body), (two, other)):
            if answer.approval is not None:
                left = Paused(paused_body, answer.approval)
                yield from _settle(compose, f"{answer.name}-left", left, answer, **left.streamed)
        return
    delay = max(_later(plan, one.approval), _later(plan, two.approval))
    in_json = yield from _unfair(compose, Paused(body, one.approval), two.approval, delay)
    streamed = yield from _unfair(compose, Paused(other, two.approval), one.approval, 0.0)
    if streamed is not None:
        strangers = on_resume(compose, streamed.body, streamed.approval, deny(streamed.approval), stream=True)
        streamed = yield from _still_waiting(compose, streamed, (yield strangers))
    final = "resume-deny-stream"
    if streamed is not None:
        streamed = yield from _refuse(compose, streamed, _breaches(plan, streamed=True), final, approving=plan.execute)
    if in_json is not None:
        options = _documented(plan, "resume-deny", round_)
        yield from _deny_and_replay(compose, "resume-deny", in_json, REASON, options, escaped=True)
    if streamed is not None:
        # A model may not be able to say so little: then without the limit.
        yield from _deny_and_replay(compose, final, streamed, None, {"max_tokens": FEW})


def _documented(plan: Plan, name: str, round_: int) -> dict[str, Any]:
    """Optional members, at their borders or so that the answer is cut."""
    metadata = {"request_id": plan.request_id(name, round_), **({"mode": plan.modes[0]} if plan.modes else {})}
    limits = {"max_tokens": 200_000, "max_completion_tokens": FEW}
    return {"stream": False, "temperature": 0, **limits, "metadata": metadata, "approved_tool_execution_ids": []}


def _deny_and_replay(
    compose: Compose,
    name: str,
    paused: Paused,
    reason: str | None,
    options: dict[str, Any],
    *,
    escaped: bool = False,
) -> Chain:
    decision = deny(paused.approval, reason)
    send, answer = yield from _decide_with(compose, name, paused, decision, options, escaped=escaped, **paused.streamed)
    yield from _settle(compose, name, paused, answer, **paused.streamed)
    if _refused(answer):
        yield from _decide_untouched(compose, f"{name}-untouched", lambda _, waits: deny(waits), **paused.streamed)
    yield from _replay(compose, f"{name}-replay", send, paused, answer)


def _unfair(compose: Compose, paused: Paused, others: WaitingApproval, delay: float) -> Chain:
    """Decisions that ought to be refused, one after the other; gives what waits afterwards.

    Where the resume is streamed, the fault is in the last of several calls only.
    """
    plan, kind = compose.plan, "-stream" if paused.streamed else ""

    def foreign(own: WaitingApproval) -> dict[str, Any]:
        strange = deny(others)["denied_tools"]
        return {"denied_tools": [*deny(own)["denied_tools"][:-1], *strange] if kind else strange}

    def conflict(own: WaitingApproval) -> dict[str, Any]:
        denied = deny(own)["denied_tools"]
        return {**approve(own), "denied_tools": denied[-1:] if kind else denied}

    def foreign_approved(own: WaitingApproval) -> dict[str, Any]:
        strange = approve(others)["approved_tool_execution_ids"]
        kept = [] if kind else own.calls
        return {"approved_tool_execution_ids": [*kept, *strange]}

    wanted: list[tuple[str, Callable[[WaitingApproval], dict[str, Any]], str]] = [
        ("resume-foreign-call", foreign, "Bearer {token}")
    ]
    if plan.execute:
        # A server that takes a contradiction, or a call of another approval, may well run the tool.
        wanted.append(("resume-foreign-approved", foreign_approved, "Bearer {token}"))
        wanted.append(("resume-conflict", conflict, "Bearer {token}"))
    if plan.second_token:
        wanted.append(("resume-other-caller", deny, "Bearer {second}"))
        if plan.execute:
            wanted.append(("resume-other-caller-approved", partial(_approving, plan), "Bearer {second}"))
    for name, decision, whose in wanted:
        send = _resume(compose, f"{name}{kind}", paused, decision(paused.approval), **paused.streamed)
        answer: Answer = yield replace(send, authorization=whose, delay=delay)
        paused, delay = (yield from _still_waiting(compose, paused, [answer])), 0.0
        if paused is None:
            return None
    return paused


def _deny_one(plan: Plan, round_: int) -> Steps:
    """The shortest chain: an approval, denied without a reason."""
    compose = Compose(plan, round_)
    paused = yield from _pause(compose, "approval-plain")
    if paused is not None:
        _, answer = yield from _decide_with(
            compose, "resume-deny-plain", paused, deny(paused.approval), {"metadata": None}
        )
        yield from _settle(compose, "resume-deny-plain", paused, answer)


def _race(plan: Plan, round_: int, *, stream: bool = False) -> Steps:
    """Several resumes of one approval at the same moment: of two alone, one may come too late to race.

    `stream`: two of them as streams, and one in JSON, of an approval that was asked for under an unusual id; else none
    of these requests has an id.
    """
    compose = Compose(plan, round_)
    of, name = ("approval-race-stream", "resume-race-stream") if stream else ("approval-race", "resume-race")
    asked = {"stream": True, **with_unusual_id(plan, "foreign", of)} if stream else {"request_id": False}
    # Such an id may be refused.
    paused = (yield from _pause(compose, of, **asked)) or (
        (yield from _pause(compose, f"{of}-usual", stream=True)) if stream else None
    )
    if paused is None:
        return
    body = compose.resume(name, paused.body, paused.approval, **deny(paused.approval))
    if not stream:
        del body["metadata"]
    send = Send(name, encode(body), RESUME, served=True)
    streamed = replace(send, body=encode({**body, "stream": True}))
    answers: Sequence[Answer] = yield [
        replace(streamed if stream and side != "c" else send, name=f"{name}-{side}") for side in "abc"
    ]
    settled: set[str] = set()
    for answer in answers:
        if answer.approval is not None and answer.approval.approval_id not in settled:
            settled.add(answer.approval.approval_id)
            yield from _settle(compose, answer.name, paused, answer)


def _expired(plan: Plan, round_: int) -> Steps:
    """A resume after `expires_at`, where waiting for it is allowed."""
    compose = Compose(plan, round_)
    paused = yield from _pause(compose, "approval-expiring", asking=plan.expiring_prompt)
    if paused is None:
        return
    expires_in = paused.approval.expires_in
    wait = None if expires_in is None else expires_in + EXPIRY_MARGIN
    if wait is None or wait > plan.wait_expiry:
        name = "resume-not-waited-for"
        answer = yield from _decide(compose, name, paused, deny(paused.approval))
        yield from _settle(compose, name, paused, answer)
        return
    decisions: dict[str, Callable[[WaitingApproval], dict[str, Any]]] = {
        "resume-expired": deny,
        **({"resume-expired-approved": partial(_approving, plan)} if plan.execute else {}),
    }
    delay = max(wait, 0.0)
    for name, decide in decisions.items():
        forms: dict[str, dict[str, Any]] = {name: {}, f"{name}-stream": {"stream": True}}
        for which, fields in forms.items():
            late = _resume(compose, which, paused, decide(paused.approval), **fields)
            answer = yield replace(late, delay=delay)
            delay = 0.0
            yield from _settle(compose, which, paused, answer, **fields)
            if answer.served:
                return


__all__ = ["MOST_ROUNDS", "flows"]
