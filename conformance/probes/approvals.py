"""Chains of approvals and resumes (areas approval and resume).

What they drive follows from the table of approvals (`contract.approval_states`). For each decision that has to be
served there is a chain, with one approval in JSON and one as a stream. While they wait, each is asked what has to be
refused, whatever the table has; then comes the decision, and behind it every decision once more, in both forms. What a
decision leads to is decided in the same way. So each transition is driven in both forms, and each pair of which the
second shows what the first one did.

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
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from conformance.contract.approval_states import DECIDING, Ask, Owed, State, Transition, ask, judged
from conformance.probes.accept import ESCAPED, GREETING, MANY_WORDS, MINIMAL, UNUSUAL_IDS, mode, with_unusual_id
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
from conformance.probes.rules import RAW_RULES, Rule, among_more, many_messages, numbered, quickly, rules_of

COVERS = frozenset({"approval", "resume", "completion", "kitemesh", "stream", "chunk", "http", "error"})
MOST_ROUNDS = 4
REASON = f"{MANY_WORDS} {GREETING}"
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
APPROVING = (Ask.APPROVE, Ask.MIX, Ask.CONFLICT)
"""The questions that approve a call."""
PAUSED = {
    Ask.APPROVE: ("approval-json", "approval-stream"),
    Ask.DENY: ("approval-deny", "approval-deny-stream"),
    Ask.MIX: ("approval-mix", "approval-mix-stream"),
}
"""The probes that lead to an approval in JSON and as a stream, by what is decided."""
DECIDED = {Ask.APPROVE: "resume-decide", Ask.DENY: "resume-deny", Ask.MIX: "resume-mix"}
"""The probes that decide it, in JSON."""
BROKEN = {Ask.APPROVE: False, Ask.DENY: True}
"""Which approvals get bodies that break the schema: by what is decided in the end, whether it is the streamed one."""
QUICK = frozenset(
    {"role-enum", "model-pattern", "max-tokens-minimum", "max-completion-tokens-minimum", "temperature-maximum",
     "mode-enum", "approved-item-format", "denied-id-format"}
)  # fmt: skip
"""Rules that a quick run breaks on resume."""
DOUBTS = 2
"""Approvals that are asked for in addition, by a chain whose decision was first answered 404 and then taken."""

Chain = Generator[Send | Sequence[Send], Any, Any]
Breach = tuple[Rule, int]
"""A rule, and which of its bad values."""
BEHIND = 500
"""The place behind all messages."""
FAR = 120
"""Messages, and parts of one message, in whose last a resume is broken: a server may look at the first few only."""


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
    unknown = 2 if plan.quick else 2 * len(judged(State.UNKNOWN)) + len(UNUSUAL_IDS)
    yield Flow("resume-unknown", "resume", Phase.CALM, lambda r: _unknown(plan, r), True, unknown,
               covers=frozenset({"error"}))  # fmt: skip
    if plan.approval_prompt is None:
        return
    if plan.quick:
        streamed = partial(_chain, plan, asked=Ask.APPROVE, forms=(True,))
        yield Flow("approval-quick", "approval", Phase.CALM, lambda r: _decide_one(plan, r), True, 6, 4, COVERS)
        yield Flow("approval-stream", "approval", Phase.CALM, streamed, True, 5 + len(QUICK), 3, COVERS)
        return
    for asked in DECIDING if plan.execute else (Ask.APPROVE, Ask.DENY):
        chain = partial(_chain, plan, asked=asked, forms=plan.forms)
        yield Flow(f"approval-{asked}", "approval", Phase.CALM, chain, False, *_counts(plan, asked), COVERS)
    if plan.answers:
        return
    yield Flow("resume-race", "resume", Phase.CONCURRENT, lambda r: _race(plan, r), False, 5, 2, COVERS)
    yield Flow("resume-race-stream", "resume", Phase.CONCURRENT, lambda r: _race(plan, r, stream=True), False, 6, 2,
               COVERS)  # fmt: skip
    if plan.wait_expiry > 0:
        yield Flow("resume-expired", "resume", Phase.CALM, lambda r: _expired(plan, r), False,
                   1 + 2 * len(_driven(plan, State.EXPIRED)), 1, COVERS, waits=True)  # fmt: skip


def _counts(plan: Plan, asked: Ask) -> tuple[int, int]:
    """The most requests of a chain, and how many of them a model answers."""
    rounds = 2 if plan.execute and asked is not Ask.DENY else 1
    served = len(plan.forms) * (1 + rounds)
    if plan.answers:
        return served, served
    each = 1 + len(_unfair(plan)) + rounds * (1 + 2 * len(_driven(plan, State.APPROVED)))
    broken = sum(map(len, _breaches(plan, streamed=BROKEN[asked]))) + 4 if asked in BROKEN else 0
    broken += FAR_DOWN if BROKEN.get(asked) is False else 0
    return 2 * each + broken, served


def _driven(plan: Plan, state: State) -> list[Transition]:
    """The transitions out of a state that are judged, and that may be asked for."""
    return [cell for cell in judged(state) if plan.execute or cell.ask not in APPROVING]


def _unfair(plan: Plan) -> list[Transition]:
    """What has to be refused while an approval waits."""
    cells = [*_driven(plan, State.WAITING), *(_driven(plan, State.ANOTHERS) if plan.second_token else ())]
    return [cell for cell in cells if cell.owed is Owed.REFUSAL]


def _unknown(plan: Plan, round_: int) -> Steps:
    """Resumes of an approval that the target never gave, in JSON and as a stream, and with unusual ids."""
    compose = Compose(plan, round_)
    source = plan.source("approval-unknown", round_)
    never, *calls = (str(uuid.UUID(int=source.getrandbits(128), version=4)) for _ in range(3))
    approval = WaitingApproval(never, tuple(calls))

    def send(name: str, asked: Ask, **fields: Any) -> Send:
        body = {**compose.resume(name, compose.body(name), approval, **_deciding(asked, approval)), **fields}
        return Send(name, encode(body), RESUME, twin=MINIMAL)

    for cell in judged(State.UNKNOWN):
        if cell.ask is Ask.DENY or not plan.quick:
            name = _named("resume-unknown", cell.ask)
            yield send(name, cell.ask)
            yield send(f"{name}-stream", cell.ask, stream=True)
    for kind in UNUSUAL_IDS if not plan.quick else ():
        name = f"resume-unknown-id-{kind}"
        yield send(name, Ask.DENY, **with_unusual_id(plan, kind, name))


# --- decisions


def _named(name: str, asked: Ask) -> str:
    """The name of a probe that decides otherwise than to deny."""
    return name if asked is Ask.DENY else f"{name}-{asked}"


def _deciding(asked: Ask, approval: WaitingApproval, reason: str | None = None) -> dict[str, Any]:
    """The members of a resume that decide on each call once; where there is but one, a mixed decision approves it."""
    if asked is Ask.DENY:
        return deny(approval, reason)
    if asked is Ask.APPROVE or len(approval.calls) < 2:
        return approve(approval)
    first, *others = approval.calls
    return {**approve(replace(approval, calls=(first,))), **deny(replace(approval, calls=tuple(others)), reason)}


def _conflicting(own: WaitingApproval, *, streamed: bool) -> dict[str, Any]:
    """Decides a call both ways; where the resume is streamed, the last of several only."""
    denied = deny(own)["denied_tools"]
    return {**approve(own), "denied_tools": denied[-1:] if streamed else denied}


def _foreign(own: WaitingApproval, others: WaitingApproval, *, approving: bool, streamed: bool) -> dict[str, Any]:
    """Decides on calls of another approval: beside its own, or in a stream in the place of the last one or of all."""
    if approving:
        return {"approved_tool_execution_ids": [*(() if streamed else own.calls), *others.calls]}
    denied = deny(own)["denied_tools"]
    return {"denied_tools": [*(denied[:-1] if streamed else denied), *deny(others)["denied_tools"]]}


def _approving(plan: Plan) -> Ask:
    """Approves all calls, or one and denies the others, as the seed says; none where nothing may be executed."""
    if not plan.execute:
        return Ask.DENY
    return Ask.MIX if plan.seed % 2 else Ask.APPROVE


def _asked_by(body: dict[str, Any], approval: WaitingApproval) -> Ask:
    denied = [item["tool_execution_id"] for item in body.get("denied_tools", [])]
    return ask(body.get("approved_tool_execution_ids", []), denied, approval.calls)


# --- what chains are made of


def _asking(
    compose: Compose, name: str, *, asking: str | None = None, before: Sequence[Any] = (), **fields: Any
) -> tuple[Send, dict[str, Any]]:
    """A request that leads to an approval, and its body.

    `asking`: another prompt than the plan's. `before`: messages before it.
    """
    prompt = f"{asking or compose.plan.approval_prompt}\n(Reference: {compose.word(name)}.)"
    body = compose.body(name, messages=[*before, {"role": "user", "content": prompt}], **fields)
    return Send(name, encode(body), served=True), body


def _pause_among(compose: Compose, name: str, before: Sequence[Any], **fields: Any) -> Chain:
    """The same behind other messages, which every resume then bears, too; alone where nothing comes of that."""
    paused = (yield from _pause(compose, name, before=before, **fields)) if before else None
    return paused or (yield from _pause(compose, f"{name}-alone" if before else name, **fields))


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
    if options and answer.refused and answer.status != 404:
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
    first: Ask | None = None,
    options: dict[str, Any] | None = None,
    **fields: Any,
) -> Chain:
    """Denies whatever further rounds an answer brings, so that nothing is left waiting.

    `first`: how the first of them is decided, and then a second time. `options`: what else stands in that decision.
    """
    doubted = answer if answer.doubted else None
    for number in range(1, MOST_ROUNDS):
        if answer.approval is None:
            break
        further, which = Paused(paused.body, answer.approval), f"{name}-further-{number}"
        asked = first if first is not None and number == 1 else Ask.DENY
        decided, others = _deciding(asked, further.approval, reason), options if number == 1 else None
        send, answer = yield from _decide_with(compose, which, further, decided, others or {}, **fields)
        if first is not None and number == 1 and not (compose.plan.quick or compose.plan.answers):
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
    """Every rule of the approval's id, of the decision, and of what both endpoints share, with its telling values.

    The plainest goes to both forms, and in a deep run each; else to one of them, and in the next run to the other. No
    stream can be asked for by a value of `stream` that is wrong. A quick run sends one value of a few rules.
    """
    rules = rules_of(plan.shape)
    groups: dict[str, list[Breach]] = defaultdict(list)
    for rule in (*rules.of_resume, *rules.shared):
        in_json_only = rule.place == "/stream"
        if streamed and in_json_only:
            continue
        group = groups[rule.requirement if rule.endpoint == RESUME else "shared"]
        if plan.quick:
            if rule.id in QUICK:
                group.append((rule, quickly(plan, rule)))
            continue
        group.extend(
            (rule, which)
            for number, which in enumerate(rule.certain)
            if number == 0 or in_json_only or plan.depth == "deep" or (number + plan.seed) % 2 == streamed
        )
    return tuple(tuple(group) for group in groups.values())


FAR_DOWN = 2 + len(RAW_RULES)
"""Requests of `_far_down`."""


def _far_down(compose: Compose, paused: Paused, twin: str) -> list[Send]:
    """Bodies that are not an object, and breaches in the last of many messages and of many parts."""
    rules = rules_of(compose.plan.shape).by_id

    def resume(name: str, messages: list[Any]) -> dict[str, Any]:
        return {**compose.resume(name, paused.body, paused.approval, **deny(paused.approval)), "messages": messages}

    last = paused.body["messages"][-1]
    parts = [{"type": "text", "text": f"{number} "} for number in range(FAR)]
    broken = {
        "message-type": [*many_messages(FAR, last), rules["message-type"].values[0], last],
        "part-type": [{"role": "user", "content": [*parts, rules["part-type"].values[0]]}, last],
    }
    sends = []
    for id_, messages in broken.items():
        name = f"resume-refuse-{id_}-far"
        sends.append(Send(name, encode(resume(name, messages)), RESUME, twin=twin, breach=id_))
    for raw in RAW_RULES:
        name = f"resume-refuse-body-{raw.id}"
        body = encode(resume(name, paused.body["messages"]))
        sends.append(Send(name, raw.make(body), RESUME, twin=twin, breach=f"body-{raw.id}"))
    return sends


def _later(plan: Plan, approval: WaitingApproval) -> float:
    """Seconds to wait until every replica has to know an approval; none where it would expire meanwhile."""
    return 0.0 if _expires_soon(approval) else LATER * plan.patience


def _expires_soon(approval: WaitingApproval) -> bool:
    return approval.expires_in is not None and approval.expires_in < SHORT_LIVED


# --- the chains


def _chain(plan: Plan, round_: int, asked: Ask, forms: Sequence[bool] = (False, True)) -> Steps:
    """Everything that must be refused while an approval waits, then this decision, which must still be taken.

    `forms`: whether the approval is streamed; of two, calls of the one cannot be decided in the other.
    """
    compose = Compose(plan, round_)
    waiting: dict[bool, Paused] = {}
    for streamed in forms:
        form = {"stream": True} if streamed else {}
        paused = yield from _pause_among(compose, PAUSED[asked][streamed], _before(plan, asked, streamed), **form)
        if paused is not None:
            waiting[streamed] = paused
    delay = max((_later(plan, paused.approval) for paused in waiting.values()), default=0.0)
    left: list[Paused] = []
    for streamed, paused in waiting.items():
        if plan.quick and not plan.answers:
            breaches = _breaches(plan, streamed=streamed)
            paused = yield from _refuse(compose, paused, breaches, _decision_of(asked, paused), approving=plan.execute)
        elif not plan.answers:
            other = waiting.get(not streamed)
            paused, delay = (yield from _refuse_unfair(compose, asked, paused, other, delay)), 0.0
            if paused is not None and BROKEN.get(asked) is streamed:
                paused = yield from _refuse_broken(compose, asked, paused)
        if paused is not None:
            left.append(paused)
    for paused in left:
        yield from _decide_twice(compose, asked, paused)


def _before(plan: Plan, asked: Ask, streamed: bool) -> list[Any]:
    """What stands before the prompt that leads to an approval: content of every form, or as many as there may be."""
    if asked is Ask.DENY and not plan.quick:
        texts = [{"type": "text", "text": f"{word} "} for word in MANY_WORDS.split()]
        return [{"role": "system", "content": MANY_WORDS * 12}, {"role": "user", "content": texts * 7},
                {"role": "assistant", "content": None}, {"role": "user", "content": GREETING},
                {"role": "assistant", "content": [{"type": "text", "text": GREETING}]}]  # fmt: skip
    return many_messages(500, {})[:-1] if asked is Ask.MIX and streamed else []


def _decision_of(asked: Ask, paused: Paused) -> str:
    """The name of the probe that decides it."""
    return DECIDED[asked] + ("-stream" if paused.streamed else "")


def _refuse_unfair(compose: Compose, asked: Ask, paused: Paused, other: Paused | None, delay: float) -> Chain:
    """Decisions that ought to be refused, one after the other; gives what waits afterwards, or None."""
    kind = "-stream" if paused.streamed else ""
    for cell in _unfair(compose.plan):
        own, strangers = paused.approval, cell.state is State.ANOTHERS
        if strangers:
            decision = _deciding(cell.ask, own)
        elif cell.ask is Ask.CONFLICT:
            decision = _conflicting(own, streamed=bool(kind))
        elif other is not None:
            approving = asked is Ask.APPROVE and compose.plan.execute
            decision = _foreign(own, other.approval, approving=approving, streamed=bool(kind))
        else:
            continue
        what = _named("other-caller", cell.ask) if strangers else str(cell.ask)
        send = _resume(compose, f"resume-{what}-then-{asked}{kind}", paused, decision, **paused.streamed)
        whose = "Bearer {second}" if strangers else "Bearer {token}"
        answer: Answer = yield replace(send, authorization=whose, delay=delay)
        paused, delay = (yield from _still_waiting(compose, paused, [answer])), 0.0
        if paused is None:
            return None
    return paused


def _refuse_broken(compose: Compose, asked: Ask, paused: Paused) -> Chain:
    """Strangers, and bodies that break the schema; gives what waits afterwards, or None."""
    plan, streamed = compose.plan, bool(paused.streamed)
    strangers = on_resume(compose, paused.body, paused.approval, deny(paused.approval), stream=streamed)
    paused = yield from _still_waiting(compose, paused, (yield strangers))
    if paused is None:
        return None
    approving = streamed and plan.execute
    breaches, final = _breaches(plan, streamed=streamed), _decision_of(asked, paused)
    paused = yield from _refuse(compose, paused, breaches, final, approving=approving)
    if paused is None or streamed or _expires_soon(paused.approval):
        return paused
    return (yield from _still_waiting(compose, paused, (yield _far_down(compose, paused, final))))


def _decide_twice(compose: Compose, asked: Ask, paused: Paused) -> Chain:
    """The decision, what it leads to, and each of them a second time.

    A decision that was refused is asked for again on an approval that has seen nothing else. So it shows whether the
    refusals before it were at fault, or it is the decision itself.
    """
    plan, name, form = compose.plan, _decision_of(asked, paused), paused.streamed
    wanted = Ask.DENY if not plan.execute else Ask.MIX if plan.quick else asked
    reason = REASON if not form else None
    decided = _deciding(wanted, paused.approval, reason)
    options = _documented(plan, asked, name, compose.round, streamed=bool(form))
    send, answer = yield from _decide_with(compose, name, paused, decided, options, escaped=not form, **form)
    further = Ask.DENY if wanted is not Ask.APPROVE else _approving(plan)
    others = _quick_further(plan) if plan.quick else None
    yield from _settle(compose, name, paused, answer, reason=reason, first=further, options=others, **form)
    if _refused(answer):
        again = yield from _pause(compose, f"{name}-untouched-approval", **form)
        if again is not None:
            which = f"{name}-untouched"
            decided = _deciding(wanted, again.approval, reason)
            answer_again = yield from _decide(compose, which, again, decided, **form)
            yield from _settle(compose, which, again, answer_again, **form)
    if not plan.answers:
        yield from _replay(compose, f"{name}-replay", send, paused, answer)


def _refused(answer: Answer) -> bool:
    return answer.refused and not answer.excused


def _documented(plan: Plan, asked: Ask, name: str, round_: int, *, streamed: bool) -> dict[str, Any]:
    """Optional members: each at its borders and inside, and some so that the answer is cut.

    A model may not be able to say as little as a single token: then the decision is sent without.
    """
    metadata: dict[str, Any] = {}
    if asked is not Ask.MIX:
        turn = 2 * (asked is Ask.DENY) + streamed
        metadata = {"request_id": plan.request_id(name, round_) + ESCAPED, **mode(plan, turn)}
    members: dict[tuple[Ask, bool], dict[str, Any]] = {
        (Ask.APPROVE, False): {"temperature": 2, "max_completion_tokens": 200_000},
        (Ask.APPROVE, True): {"temperature": 1e-4, "max_tokens": 1024, "max_completion_tokens": 1024},
        (Ask.DENY, False): {"stream": False, "temperature": 0, "max_tokens": 200_000, "max_completion_tokens": 1,
                            "approved_tool_execution_ids": []},
        (Ask.DENY, True): {"temperature": 1.99995, "max_tokens": 1},
        (Ask.MIX, False): {"temperature": 0.7, "max_tokens": 1024},
    }  # fmt: skip
    return {**members.get((asked, streamed), {}), "metadata": metadata}


def _quick_further(plan: Plan) -> dict[str, Any]:
    """What stands beside a quick run's denial in a further round, where it decides on nothing else; no id among it."""
    return {"temperature": 0, "max_tokens": 200_000, "approved_tool_execution_ids": [], "metadata": mode(plan, 3)}


def _replay(compose: Compose, name: str, decision: Send, paused: Paused, answer: Answer) -> Chain:
    """What was decided a second time, where it was taken: as it was and in each other way, each in both forms.

    All under one `request_id`, so that whoever repeats the first answer repeats the id that was asked for. What is
    served once more is not sent in other ways: it is known then.
    """
    if not answer.served:
        return
    same = json.loads(decision.body)
    own = _asked_by(same, paused.approval)
    bodies = {name: same}
    undecided = {member: value for member, value in same.items() if member not in DECISIONS}
    for cell in _driven(compose.plan, State.APPROVED):
        if compose.plan.quick:
            break
        members = _deciding(cell.ask, paused.approval)
        asked = _asked_by(members, paused.approval)
        if asked not in (own, *(_asked_by(body, paused.approval) for body in bodies.values())):
            bodies[f"{name}-{asked}"] = {**undecided, **members}
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


def _decide_one(plan: Plan, round_: int) -> Steps:
    """The shortest chain: an approval that is approved, and what that leads to or else another one denied."""
    compose, name = Compose(plan, round_), "resume-approve-plain"
    before = [{"role": "user", "content": GREETING}, {"role": "assistant", "content": None}]
    paused = yield from _pause_among(compose, "approval-plain", before)
    if paused is None:
        return
    if plan.execute:
        options = _documented(plan, Ask.APPROVE, name, round_, streamed=False)
        _, answer = yield from _decide_with(compose, name, paused, approve(paused.approval), options)
        yield from _settle(compose, name, paused, answer, options=_quick_further(plan))
        if answer.approval is not None or not answer.served:
            return
        paused = yield from _pause(compose, "approval-plain-again")
    if paused is not None:
        name = "resume-deny-plain"
        _, answer = yield from _decide_with(compose, name, paused, deny(paused.approval), {"metadata": None})
        yield from _settle(compose, name, paused, answer)


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
    delay = max(wait, 0.0)
    for cell in _driven(plan, State.EXPIRED):
        name = _named("resume-expired", cell.ask)
        forms: dict[str, dict[str, Any]] = {name: {}, f"{name}-stream": {"stream": True}}
        for which, fields in forms.items():
            late = _resume(compose, which, paused, _deciding(cell.ask, paused.approval), **fields)
            answer = yield replace(late, delay=delay)
            delay = 0.0
            yield from _settle(compose, which, paused, answer, **fields)
            if answer.served:
                return


__all__ = ["MOST_ROUNDS", "flows"]
