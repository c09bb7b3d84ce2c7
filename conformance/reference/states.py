"""State mutants: the reference server with one cell of the table of approvals changed to another outcome.

`contract.approval_states` says what is due to each resume. A mutant breaks that in one state, for one question, in one
form or in both, and keeps to everything else. So the mutants are enumerated, none is made up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from conformance.contract.approval_states import TRANSITIONS, Ask, Owed, State, Transition
from conformance.reference.asked import resolution
from conformance.reference.behaviour import Behaviour, Headers, Leniency, Replay
from conformance.reference.decision import APPROVAL, Decision, Refuse, Serve
from conformance.reference.identifiers import fresh_uuid
from conformance.reference.incoming import Endpoint, Incoming
from conformance.reference.intake import (
    CONTRADICTION,
    CRASH,
    EXPIRED,
    FOREIGN_CALL,
    SETTLED,
    UNKNOWN_APPROVAL,
    Intake,
    Refusal,
    ask_of,
    refuse,
    state_of,
)
from conformance.reference.making import data_of
from conformance.reference.quota import Quota
from conformance.reference.settings import Settings
from conformance.reference.transmission import Out, Piece


@dataclass(frozen=True, slots=True)
class StateMutant:
    """The reference server with another outcome in one cell."""

    cell: Transition
    form: str
    """One of `FORMS`."""
    outcome: str
    requirements: tuple[str, ...]
    """Those that may be blamed."""
    beside: tuple[str, ...]
    """Those that may fail beside one of them."""
    behaviour: Behaviour
    reason: str = ""
    """Why nothing can be blamed; empty where something has to be."""

    @property
    def name(self) -> str:
        """Unique and stable, and of the form that all mutants' names have."""
        return f"state/{self.state}/{self.cell.ask}/{self.outcome}@{self.form}"

    @property
    def state(self) -> str:
        """The state, as a word for names."""
        return self.cell.state.replace("'", "")


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One way to answer a resume otherwise."""

    name: str
    change: Callable[[Incoming, Decision], Decision]
    blames: tuple[str, ...] = ()
    """Requirements beside the cell's own, or in place of it where `own` is false."""
    own: bool = False
    """Whether the cell's own requirement may be blamed."""
    beside: tuple[str, ...] = ()
    """Requirements that may fail as well."""
    legitimate: str = ""
    emit: Callable[[Incoming, list[Piece]], list[Piece]] | None = None
    head: Callable[[Incoming, int, Headers], tuple[int, Headers]] | None = None


FORMS = {"asks-json": (False,), "asks-stream": (True,), "always": (False, True)}
"""In which of the two forms of a resume a mutant differs: whether a stream is asked for."""
_BY_STATE = (CONTRADICTION.code, UNKNOWN_APPROVAL.code, SETTLED.code, EXPIRED.code, FOREIGN_CALL.code)
_LENIENT = Leniency(Replay.AGAIN, unknown=True, other_caller=True, expired=True, foreign_call=True, conflict=True)
_ONE_CALL = "not reached: in a further round of the reference server a single call waits"
_KEPT = ("resume.refusal-keeps", "resume.approve", "resume.deny", "resume.stream")
_AGAIN = ("resume.replay", "resume.race")
_NO_ERROR = "error.no-server-error"


# --- outcomes


def _served(incoming: Incoming, _: Decision) -> Decision:
    settings = Settings(tokens=(incoming.token or "",))
    return Intake(settings, Behaviour(leniency=_LENIENT), Quota(None)).judge(incoming)


def _unspent(decision: Decision) -> Decision:
    return replace(decision, resolution=None) if isinstance(decision, Serve) else decision


def _refusing(refusal: Refusal) -> Callable[[Incoming, Decision], Decision]:
    return lambda incoming, _: refuse(incoming, refusal, "This cannot be resumed.")


def _forgotten(incoming: Incoming, decision: Decision) -> Decision:
    if incoming.record:
        incoming.store.forget(incoming.record.approval.id)
    return decision


def _revived(incoming: Incoming, decision: Decision) -> Decision:
    if record := incoming.record:
        incoming.store.forget(record.approval.id)
        incoming.store.add(record.approval)
    return decision


def _repeated(incoming: Incoming, decision: Decision) -> Decision:
    first = incoming.record.settlement if incoming.record else None
    if first is None:
        return decision
    return replace(first.answer, stream=_streamed(incoming), request_id=incoming.request_id)


def _pausing(incoming: Incoming, decision: Decision) -> Decision:
    if not isinstance(decision, Serve) or incoming.record is None:
        return decision
    waiting = incoming.record.approval
    return replace(decision, approval=waiting, resolution=None, tokens=(), finish_reason=APPROVAL)


def _executing_anew(_: Incoming, decision: Decision) -> Decision:
    if not isinstance(decision, Serve):
        return decision
    execution = fresh_uuid()
    further = decision.approval and replace(decision.approval, execution_id=execution)
    return replace(decision, execution_id=execution, approval=further)


def _in_the_other_form(_: Incoming, decision: Decision) -> Decision:
    return replace(decision, stream=not decision.stream) if isinstance(decision, Serve) else decision


def _as_it_is(_: Incoming, decision: Decision) -> Decision:
    return decision


def _with_200(_: Incoming, status: int, headers: Headers) -> tuple[int, Headers]:
    return 200, headers


def _framed(_: Incoming, pieces: list[Piece]) -> list[Piece]:
    return [Out(b"data: " + data_of(pieces) + b"\n\ndata: [DONE]\n\n")]


def _named_a_stream(_: Incoming, status: int, headers: Headers) -> tuple[int, Headers]:
    kept = [(name, value) for name, value in headers if name.lower() not in ("content-type", "content-length")]
    return status, [*kept, ("Content-Type", "text/event-stream")]


_FAILS = _Outcome("failed-500", _refusing(CRASH), (_NO_ERROR,))
_SUCCEEDS = _Outcome("error-with-200", _as_it_is, ("error.status",), own=True, head=_with_200)
_STREAMED_ERROR = _Outcome("error-as-stream", _as_it_is, ("error.media-type", "error.schema", "stream.refusal-as-json"),
                           emit=_framed, head=_named_a_stream)  # fmt: skip
_OF_ANSWERS = (
    _Outcome("refused-409", _refusing(SETTLED), own=True),
    _Outcome("refused-404", _refusing(UNKNOWN_APPROVAL), own=True),
    _Outcome("refused-422", _refusing(FOREIGN_CALL), own=True),
    _FAILS,
    _Outcome("kept-usable", lambda _, decision: _unspent(decision), _AGAIN),
    _Outcome("forgotten", lambda incoming, decision: _forgotten(incoming, _unspent(decision)),
             legitimate="an approval that was resumed may be unknown afterwards: 4xx"),
    _Outcome("pauses-again", _pausing, ("resume.further-round",), beside=_AGAIN),
    _Outcome("another-execution", _executing_anew, ("resume.execution-continues",)),
    _Outcome("other-form", _in_the_other_form,
             ("resume.stream", "stream.media-type", "completion.media-type", "resume.further-round")),
)  # fmt: skip
_SERVES = (
    _Outcome("served", _served, own=True),
    _Outcome("served-unspent", lambda incoming, decision: _unspent(_served(incoming, decision)), own=True),
)
_OTHERWISE_WRONG = (_FAILS, _SUCCEEDS, _STREAMED_ERROR)
_OF_REFUSALS = (*_SERVES, *_OTHERWISE_WRONG)
_SPENT_BY_REFUSAL = _Outcome("spent-by-refusal", _forgotten, _KEPT)
_OF_SECOND_RUNS = (
    *(replace(outcome, blames=_AGAIN) for outcome in _SERVES),
    *_OTHERWISE_WRONG,
    _Outcome("revived", _revived, _AGAIN),
    _Outcome("repeated", _repeated, legitimate="resume.replay: or repeats its first answer"),
)
_OUTCOMES = {
    Owed.ANSWER: _OF_ANSWERS,
    Owed.REFUSAL: _OF_REFUSALS,
    Owed.NO_SECOND_RUN: _OF_SECOND_RUNS,
    Owed.ANYTHING: (
        _Outcome("refused-409", _refusing(SETTLED)),
        _Outcome("served", _served),
        _FAILS,
    ),
}


# --- where


def _streamed(incoming: Incoming) -> bool:
    return incoming.document.get("stream") is True


def transition_of(incoming: Incoming, decision: Decision) -> Transition | None:
    """The cell of the table that a resume is in; None for what is refused before its approval is looked for."""
    by_state = isinstance(decision, Serve) or decision.code in _BY_STATE
    if incoming.endpoint is not Endpoint.RESUME or not by_state:
        return None
    record, strict = incoming.record, Leniency()
    return TRANSITIONS[state_of(incoming, record, strict), ask_of(resolution(incoming.document), record, strict)]


def _behaviour(cell: Transition, forms: tuple[bool, ...], outcome: _Outcome) -> Behaviour:
    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if transition_of(incoming, decision) is not cell or _streamed(incoming) not in forms:
            return decision
        incoming.memory.setdefault("mutated", set()).add(incoming.nth)
        return outcome.change(incoming, decision)

    def mutated(incoming: Incoming) -> bool:
        return incoming.nth in incoming.memory.get("mutated", ()) and isinstance(incoming.decision, Refuse)

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        return outcome.emit(incoming, pieces) if outcome.emit and mutated(incoming) else pieces

    def head(incoming: Incoming, status: int, headers: Headers) -> tuple[int, Headers]:
        return outcome.head(incoming, status, headers) if outcome.head and mutated(incoming) else (status, headers)

    return Behaviour(decide=decide, emit=emit, head=head)


def _outcomes(cell: Transition, form: str) -> Iterator[_Outcome]:
    for outcome in _OUTCOMES[cell.owed]:
        if outcome is not _STREAMED_ERROR or True in FORMS[form]:
            yield outcome
    if cell.owed is Owed.REFUSAL and cell.state in (State.WAITING, State.FURTHER, State.ANOTHERS):
        yield _SPENT_BY_REFUSAL


def _mutants() -> Iterator[StateMutant]:
    for cell in TRANSITIONS.values():
        if cell.state is State.UNKNOWN and cell.ask not in (Ask.APPROVE, Ask.DENY):
            continue  # of an unknown approval no call is foreign or left open
        for form, streamed in FORMS.items():
            for outcome in _outcomes(cell, form):
                own = [cell.requirement(each) for each in streamed] if outcome.own else []
                if outcome.own and cell.owed is Owed.ANSWER:
                    own.append(cell.in_json)  # it speaks of streams too, where a run resumes in no other form
                if outcome.own and cell.state is State.FURTHER:
                    own.append("resume.further-round")
                alone = cell.state is State.FURTHER and cell.ask is Ask.MIX
                yield StateMutant(
                    cell,
                    form,
                    outcome.name,
                    tuple(dict.fromkeys(id_ for id_ in (*own, *outcome.blames) if id_)),
                    outcome.beside,
                    _behaviour(cell, streamed, outcome),
                    cell.why_not or outcome.legitimate or (_ONE_CALL if alone else ""),
                )


MUTANTS: tuple[StateMutant, ...] = tuple(_mutants())
"""Every cell with every other outcome, in the order of the table."""
