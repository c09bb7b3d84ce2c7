"""The life of an approval: the states that it can be in, what a resume may ask of it, and what is due then.

One table, `TRANSITIONS`, says it for every pair of a state and a question. The reference server decides by it, and
`reference.states` breaks it one cell at a time; whoever judges a recording can read each resume as one of its cells.

Source: contract, area resume. A resume whose body breaks the schema, or that comes without a good token, is refused
before its approval is looked for: it is in no cell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """What has become of an approval, as its own caller or another one finds it."""

    WAITING = "waiting"
    FURTHER = "further"
    """It waits, and an answer to a resume asked for it."""
    APPROVED = "approved"
    """Spent by a decision that approved a call at least."""
    DENIED = "denied"
    """Spent by a decision that denied every call."""
    PARTLY = "partly"
    """Resumed by a decision that left calls open."""
    EXPIRED = "expired"
    ANOTHERS = "another's"
    """It waits for another caller."""
    UNKNOWN = "unknown"
    """No answer ever gave it."""


class Ask(StrEnum):
    """What a resume decides."""

    APPROVE = "approve"
    """All calls."""
    DENY = "deny"
    """All calls."""
    MIX = "mix"
    """Each call once, some of them approved and the others denied."""
    PART = "part"
    """Calls are left undecided."""
    CONFLICT = "conflict"
    """A call is both approved and denied."""
    FOREIGN = "foreign"
    """A call of another approval is decided."""


class Owed(StrEnum):
    """What is due to a resume."""

    ANSWER = "answer"
    """A standard answer, or a further approval."""
    REFUSAL = "refusal"
    """4xx."""
    NO_SECOND_RUN = "no second run"
    """4xx, or the first answer again."""
    ANYTHING = "anything"
    """The documentation leaves it open."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One cell of the table."""

    state: State
    ask: Ask
    owed: Owed
    then: State
    """The state after a conforming server's answer."""
    in_json: str = ""
    """The requirement that judges it in JSON; empty where none does, see `why_not`."""
    streamed: str = ""
    """The same where a stream is asked for."""
    why_not: str = ""
    """Why no requirement judges it."""

    def requirement(self, stream: bool) -> str:
        """The requirement that judges this transition in this form; empty where none does."""
        return self.streamed if stream else self.in_json


DECIDING = (Ask.APPROVE, Ask.DENY, Ask.MIX)
"""What decides each of the waiting calls once."""
_WAITING = (State.WAITING, State.FURTHER)
_LEFT_OPEN = "Left open: calls left undecided on resume"
_TWICE_WRONG = "refused for two reasons: neither of them is shown"
_NOT_SENT = "not sent: the first round shows what is refused"
_REFUSED = {
    State.EXPIRED: "resume.expired",
    State.ANOTHERS: "resume.other-caller",
    State.UNKNOWN: "resume.approval-unknown",
}


def ask(approved: Collection[str], denied: Collection[str], waiting: Collection[str] | None) -> Ask:
    """What a decision asks, by the ids of the calls that it approves, that it denies, and that wait.

    Args:
        approved: ids in the spelling of `waiting`.
        denied: likewise.
        waiting: all calls of the approval; None where it is unknown, and so no call is foreign or left open.
    """
    approves, denies = set(approved), set(denied)
    if approves & denies:
        return Ask.CONFLICT
    if waiting is not None and not approves | denies <= set(waiting):
        return Ask.FOREIGN
    if waiting is not None and approves | denies < set(waiting):
        return Ask.PART
    if approves and denies:
        return Ask.MIX
    return Ask.APPROVE if approves else Ask.DENY


def spent(asked: Ask) -> State:
    """The state of an approval after a decision on it was served."""
    return {Ask.DENY: State.DENIED, Ask.PART: State.PARTLY}.get(asked, State.APPROVED)


def _transitions() -> Iterator[Transition]:
    for state in State:
        for asked in Ask:
            yield _transition(state, asked)


def _transition(state: State, asked: Ask) -> Transition:
    if state is State.PARTLY or (state in _WAITING and asked is Ask.PART):
        after = State.PARTLY
        return Transition(state, asked, Owed.ANYTHING, after, why_not=_LEFT_OPEN)
    if state in _WAITING and asked in DECIDING:
        judged_by = "resume.deny" if asked is Ask.DENY else "resume.approve"
        return Transition(state, asked, Owed.ANSWER, spent(asked), judged_by, "resume.stream")
    if state is State.FURTHER and asked not in DECIDING:
        # A client that sends all decisions of an execution again names calls of the round before.
        return Transition(state, asked, Owed.REFUSAL, state, why_not=_NOT_SENT)
    if state in _WAITING:
        judged_by = {Ask.CONFLICT: "resume.conflict", Ask.FOREIGN: "resume.foreign-call"}[asked]
        return Transition(state, asked, Owed.REFUSAL, state, judged_by, judged_by)
    owed = Owed.NO_SECOND_RUN if state in (State.APPROVED, State.DENIED) else Owed.REFUSAL
    if asked not in DECIDING:
        return Transition(state, asked, owed, state, why_not=_TWICE_WRONG)
    judged_by = _REFUSED.get(state, "resume.replay")
    return Transition(state, asked, owed, state, judged_by, judged_by)


TRANSITIONS: Mapping[tuple[State, Ask], Transition] = MappingProxyType(
    {(each.state, each.ask): each for each in _transitions()}
)
"""By state and question, every pair of them."""


def judged(state: State) -> list[Transition]:
    """The transitions out of a state that a requirement judges."""
    return [each for each in TRANSITIONS.values() if each.state is state and not each.why_not]
