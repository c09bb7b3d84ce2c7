"""From a request to a decision: the rules of the contract, in the order in which they are asked.

The token comes first, so that a stranger learns nothing about the rest (auth.before-validation), then what HTTP says,
then the body's form, then its content, then what the server knows of the approval. Nothing is changed here but the
quota's count: a refused resume leaves its approval as it was (resume.refusal-keeps).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from conformance.contract.approval_states import TRANSITIONS, Ask, Owed, State, ask, spent
from conformance.contract.schemas import SchemaError
from conformance.reference import model
from conformance.reference.asked import asked
from conformance.reference.asked import resolution as asked_resolution
from conformance.reference.behaviour import Behaviour, Leniency, Replay
from conformance.reference.decision import APPROVAL, Decision, PendingCalls, Refuse, Resolution, Serve
from conformance.reference.identifiers import fresh_answer_id, fresh_request_id, fresh_uuid
from conformance.reference.incoming import Endpoint, Incoming
from conformance.reference.quota import Quota
from conformance.reference.settings import Settings
from conformance.reference.store import Record

_POINTER_AT_MOST = 80
_TOKENS_A_CREDIT = 100


class Refusal(NamedTuple):
    """A kind of refusal: status, and the error object's `type` and `code`."""

    status: int
    type: str
    code: str


UNAUTHENTICATED = Refusal(401, "authentication_error", "authentication_error")
UNKNOWN_PATH = Refusal(404, "not_found_error", "path_not_found")
METHOD = Refusal(405, "invalid_request_error", "method_not_allowed")
RATE_LIMIT = Refusal(429, "rate_limit_error", "rate_limit_exceeded")
TOO_LARGE = Refusal(413, "invalid_request_error", "body_too_large")
MEDIA_TYPE = Refusal(415, "invalid_request_error", "unsupported_media_type")
UNREADABLE = Refusal(400, "invalid_request_error", "invalid_json")
BREACH = Refusal(422, "invalid_request_error", "invalid_request")
UNKNOWN_MODEL = Refusal(404, "not_found_error", "model_not_found")
CONTRADICTION = Refusal(422, "invalid_request_error", "contradictory_decision")
UNKNOWN_APPROVAL = Refusal(404, "not_found_error", "approval_not_found")
SETTLED = Refusal(409, "conflict_error", "approval_already_resumed")
EXPIRED = Refusal(409, "conflict_error", "approval_expired")
FOREIGN_CALL = Refusal(422, "invalid_request_error", "tool_call_not_in_approval")
CRASH = Refusal(500, "server_error", "server_error")
SPENT = (State.APPROVED, State.DENIED, State.PARTLY)
"""The states of an approval that was resumed."""


@dataclass(frozen=True, slots=True)
class Intake:
    """Judges requests for one server."""

    settings: Settings
    behaviour: Behaviour
    quota: Quota

    def judge(self, incoming: Incoming) -> Decision:
        """What the request deserves."""
        if incoming.endpoint is Endpoint.ELSEWHERE:
            return refuse(incoming, UNKNOWN_PATH, "There is nothing at this path.")
        if not self.authenticated(incoming):
            message = "A bearer token is needed." if incoming.token is None else "The bearer token is not known."
            return refuse(incoming, UNAUTHENTICATED, message, ("WWW-Authenticate", "Bearer"))
        if incoming.method != "POST":
            return refuse(incoming, METHOD, "This endpoint takes POST only.", ("Allow", "POST"))
        if self.quota.exceeded(incoming.path, incoming.body):
            return refuse(incoming, RATE_LIMIT, "Too many requests: try again in a second.", ("Retry-After", "1"))
        if incoming.too_large:
            return refuse(incoming, TOO_LARGE, f"The body is larger than {incoming.max_body} octets.")
        if incoming.media_type != "application/json":
            return refuse(incoming, MEDIA_TYPE, "The body has to be application/json.")
        if incoming.reading.fault:
            return refuse(incoming, UNREADABLE, incoming.reading.fault)
        if breaches := self.behaviour.breaches(incoming, incoming.errors):
            return refuse(incoming, BREACH, _tell(breaches))
        if self.settings.models is not None and asked(incoming.document).model not in self.settings.models:
            return refuse(incoming, UNKNOWN_MODEL, "There is no such group.")
        if incoming.endpoint is Endpoint.RESUME:
            return self._judge_resume(incoming)
        return self._serve(incoming)

    def authenticated(self, incoming: Incoming) -> bool:
        """True where the token is one of those issued. Compared in constant time."""
        token = (incoming.token or "").encode("latin-1")
        matches = [hmac.compare_digest(token, issued.encode()) for issued in self.settings.tokens]
        return any(matches)

    def _judge_resume(self, incoming: Incoming) -> Decision:
        lenient = self.behaviour.leniency
        resolution, record = asked_resolution(incoming.document), incoming.record
        asked_ = ask_of(resolution, record, lenient)
        state = state_of(incoming, record, lenient)
        if TRANSITIONS[state, asked_].owed in (Owed.ANSWER, Owed.ANYTHING) and state is not State.PARTLY:
            return self._serve(incoming, resolution, record.approval if record else None)
        first = record.settlement if record and state in SPENT else None
        if first and asked_ is not Ask.CONFLICT and lenient.replay is Replay.REPEAT and first.resolution == resolution:
            return _repeated(incoming, first.answer)
        return refuse(incoming, *_why(state, asked_))

    def _serve(
        self, incoming: Incoming, resolution: Resolution | None = None, resumed: PendingCalls | None = None
    ) -> Serve:
        """An answer with status 200: to a new chat, or to one that `resumed` after `resolution`."""
        request = asked(incoming.document)
        if resolution is None:
            turn = model.begin(request.messages, self.settings.approval_phrase)
        else:
            calls = resumed.calls if resumed else ()
            turn = model.proceed(request.messages, [call for call in calls if call.id in resolution.approved])
        execution_id = resumed.execution_id if resumed else fresh_uuid()
        prompt_tokens = model.count_tokens(request.messages)
        spoken = model.tokens(turn.text)
        said = spoken[: request.limit]
        answer = Serve(
            id=fresh_answer_id(),
            created=int(incoming.at),
            model=request.model,
            request_id=incoming.request_id,
            execution_id=execution_id,
            stream=request.stream,
            tokens=said,
            finish_reason="stop" if said == spoken else "length",
            prompt_tokens=prompt_tokens,
            credits_charged=1 + (prompt_tokens + len(said)) // _TOKENS_A_CREDIT,
            resolution=resolution,
        )
        if not turn.calls:
            return answer
        brief = self.settings.brief_phrase.casefold() in model.last_prompt(request.messages).casefold()
        expires = incoming.at + (self.settings.brief_ttl if brief else self.settings.approval_ttl)
        approval = PendingCalls(
            fresh_uuid(), execution_id, turn.calls, incoming.token or "", expires, further=resolution is not None
        )
        return replace(answer, finish_reason=APPROVAL, approval=approval)


def refuse(incoming: Incoming, refusal: Refusal, message: str, *headers: tuple[str, str]) -> Refuse:
    """The error to a request. It has the request's own id, but of a stranger's not even that is read."""
    request_id = fresh_request_id() if refusal is UNAUTHENTICATED else incoming.request_id
    return Refuse(*refusal, message, request_id, headers)


def ask_of(resolution: Resolution, record: Record | None, lenient: Leniency) -> Ask:
    """What a decision asks of an approval; what is let pass counts as if it were right."""
    approved, calls = resolution.approved, {call.id for call in record.approval.calls} if record else None
    denied = resolution.denied - approved if lenient.conflict else resolution.denied
    if lenient.foreign_call and calls is not None and not approved & denied:
        approved, denied = approved & calls, denied & calls
    return ask(approved, denied, calls)


def state_of(incoming: Incoming, record: Record | None, lenient: Leniency) -> State:
    """The state in which a resume finds its approval; what is let pass counts as waiting."""
    if record is None:
        return State.WAITING if lenient.unknown else State.UNKNOWN
    if record.approval.owner != incoming.token and not lenient.other_caller:
        return State.ANOTHERS
    settled = record.settlement is not None and not _within_race(incoming, record, lenient)
    if settled and record.settlement and lenient.replay is not Replay.AGAIN:
        return spent(ask_of(record.settlement.resolution, record, Leniency(conflict=True, foreign_call=True)))
    if incoming.at >= record.approval.expires and not lenient.expired:
        return State.EXPIRED
    return State.FURTHER if record.approval.further else State.WAITING


def _why(state: State, asked_: Ask) -> tuple[Refusal, str]:
    """The kind of a refusal, and its words."""
    if asked_ is Ask.CONFLICT:
        return CONTRADICTION, "A tool call is both approved and denied."
    if state in (State.UNKNOWN, State.ANOTHERS):
        # The same words for both: whose it is, is nobody else's business.
        return UNKNOWN_APPROVAL, "There is no such approval."
    if state in SPENT:
        return SETTLED, "This approval has been resumed already."
    if state is State.EXPIRED:
        return EXPIRED, "This approval has expired."
    return FOREIGN_CALL, "A tool call does not belong to this approval."


def _tell(breaches: Sequence[SchemaError]) -> str:
    """The first breach by place and rule. Never by value: what was sent is not sent back."""
    first = breaches[0]
    others = f" ({len(breaches) - 1} more)" if len(breaches) > 1 else ""
    return f"The request breaks the schema at {(first.pointer or '/')[:_POINTER_AT_MOST]}: {first.keyword}{others}."


def _within_race(incoming: Incoming, record: Record, lenient: Leniency) -> bool:
    return record.settlement is not None and incoming.at - record.settlement.at < lenient.race_window


def _repeated(incoming: Incoming, first: Serve) -> Serve:
    """The first answer again, for this request."""
    request = asked(incoming.document)
    return replace(first, stream=request.stream, request_id=incoming.request_id, model=request.model)
