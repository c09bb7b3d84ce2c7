"""Faults that break a requirement of the area resume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.contract.schemas import SchemaError, is_uuid
from conformance.reference.behaviour import Behaviour, Leniency, Replay
from conformance.reference.conditions import (
    Object,
    When,
    all_of,
    always,
    answer_is,
    cut_off,
    empty_bearer,
    further_round,
    has,
    lacks,
    no_authorization,
    resume,
    resumed_stream,
    streamed,
    unless,
)
from conformance.reference.decision import Decision, ObjectKind, Refuse, Resolution, Serve
from conformance.reference.fault import Fault, of
from conformance.reference.identifiers import fresh_uuid
from conformance.reference.incoming import Endpoint, Incoming
from conformance.reference.intake import (
    CONTRADICTION,
    CRASH,
    EXPIRED,
    FOREIGN_CALL,
    SETTLED,
    UNAUTHENTICATED,
    UNKNOWN_APPROVAL,
    Intake,
    Refusal,
    refuse,
)
from conformance.reference.making import (
    DONE,
    HANG,
    OTHER_MODEL,
    as_json,
    before_last,
    chunk_after_done,
    contents,
    crashes,
    drop,
    drops,
    each,
    ending,
    events,
    every_event,
    first_content,
    inserted,
    last,
    lets_pass,
    like,
    put,
    reads,
    reads_document,
    refuses,
    refuses_as,
    shapes,
    together,
    with_field,
)
from conformance.reference.quota import Quota
from conformance.reference.settings import Settings
from conformance.reference.transmission import Hang, Piece

_FINISH = "/choices/0/finish_reason"
_CONTENT = "/choices/0/delta/content"
_ANSWER_TAKES = 0.6  # seconds: two resumes within it are simultaneous, since neither has been answered
_SIMULTANEOUS = 0.5
_GRACE = 60.0  # seconds
_BROKEN_BODY = Refusal(422, "invalid_request_error", "invalid_request")
_FORBIDDEN = Refusal(403, "permission_error", "forbidden")


# --- conditions


def _approves(incoming: Incoming) -> bool:
    return bool(incoming.document.get("approved_tool_execution_ids"))


def _denies(incoming: Incoming) -> bool:
    return bool(incoming.document.get("denied_tools"))


def _denies_only(incoming: Incoming) -> bool:
    return _denies(incoming) and not _approves(incoming)


def _gives_reason(incoming: Incoming) -> bool:
    return any("reason" in tool for tool in incoming.document.get("denied_tools") or [] if isinstance(tool, dict))


def _gives_no_reason(incoming: Incoming) -> bool:
    return _denies(incoming) and not _gives_reason(incoming)


def _approves_several(incoming: Incoming) -> bool:
    return len(incoming.document.get("approved_tool_execution_ids") or []) > 1


_further_json = all_of(further_round, answer_is(ObjectKind.APPROVAL))
_further_stream = all_of(further_round, answer_is(ObjectKind.APPROVAL_CHUNK))


# --- what is refused, though it is right


def _refused(when: When, refusal: Refusal, message: str) -> Behaviour:
    """Refuses resumes that deserve an answer; the approval stays as it is."""
    return refuses(all_of(resume, when), refusal, message)


# --- what is accepted, though it is wrong


def _lenient(when: When, refusal: Refusal, leniency: Leniency) -> Behaviour:
    """Judges again, and less strictly, what was refused for one reason."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if isinstance(decision, Refuse) and decision.code == refusal.code and resume(incoming) and when(incoming):
            settings = Settings(tokens=(incoming.token or "",))
            return Intake(settings, Behaviour(leniency=leniency), Quota(None)).judge(incoming)
        return decision

    return Behaviour(decide=decide)


def _foreign(incoming: Incoming) -> bool:
    """The approval is known: whoever is told that it is not, is another caller."""
    return incoming.record is not None


def _settled_before(incoming: Incoming) -> float:
    """Seconds since the approval was resumed; 0 where it was not."""
    record = incoming.record
    return incoming.at - record.settlement.at if record and record.settlement else 0.0


def _just_settled(incoming: Incoming) -> bool:
    return _settled_before(incoming) < _SIMULTANEOUS


def _settled_long_ago(incoming: Incoming) -> bool:
    return _settled_before(incoming) >= _SIMULTANEOUS


def _just_expired(incoming: Incoming) -> bool:
    return incoming.record is not None and incoming.at < incoming.record.approval.expires + _GRACE


def _answers_take_a_while(behaviour: Behaviour) -> Behaviour:
    """Lets each answer to a resume take so long that a later resume can be told from a simultaneous one."""

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        if incoming.endpoint is not Endpoint.RESUME or not pieces:
            return pieces
        start, *rest = pieces
        return [replace(start, delay=start.delay + _ANSWER_TAKES), *rest]

    return replace(behaviour, emit=emit)


def _race(when: When = always) -> Behaviour:
    return _answers_take_a_while(_lenient(all_of(_just_settled, when), SETTLED, Leniency(replay=Replay.AGAIN)))


def _loses(trouble: Callable[[When], Behaviour]) -> Behaviour:
    """The trouble for the first two who come too late in a race; who comes later, or again, is refused."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        record = incoming.record
        if record and record.settlement and _just_settled(incoming):
            late: dict[str, list[int]] = incoming.memory.setdefault("late", {})
            late.setdefault(record.approval.id, []).append(incoming.nth)
        return decision

    def loses(incoming: Incoming) -> bool:
        late: dict[str, list[int]] = incoming.memory.get("late", {})
        return incoming.record is not None and incoming.nth in late.get(incoming.record.approval.id, [])[:2]

    return together(Behaviour(decide=decide), trouble(loses))


def _drops_after_refusal() -> Behaviour:
    """Remembers each approval of which a resume was refused, until the next one comes."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if incoming.record is not None:
            refused: set[str] = incoming.memory.setdefault("refused", set())
            dropped: set[int] = incoming.memory.setdefault("dropped", set())
            if isinstance(decision, Refuse):
                refused.add(incoming.record.approval.id)
            elif incoming.record.approval.id in refused:
                refused.discard(incoming.record.approval.id)
                dropped.add(incoming.nth)
                return refuse(incoming, CRASH, "The connection was spoilt.")
        return decision

    spoilt = drops(lambda incoming: incoming.nth in incoming.memory.get("dropped", ()))
    return together(Behaviour(decide=decide), spoilt)


def _replay(when: When = always) -> Behaviour:
    return _answers_take_a_while(_lenient(all_of(_settled_long_ago, when), SETTLED, Leniency(replay=Replay.AGAIN)))


def _repaired(repair: Callable[[Object], Object | None], when: When = always) -> Behaviour:
    """Takes a body for another one; `repair` gives None where nothing is to be mended."""
    return reads_document(repair, all_of(resume, when))


def _list_repaired(
    member: str,
    good: Callable[[Any], bool],
    mend: Callable[[Any], list[Any]] | None = None,
    when: When = always,
) -> Behaviour:
    """Mends one list of a resume: `mend` makes a list of what is none, and items that are not good are left out."""

    def repair(document: Object) -> Object | None:
        value = document.get(member)
        if value is None:
            return None
        if not isinstance(value, list):
            return {**document, member: mend(value)} if mend else None
        kept = [item for item in value if good(item)]
        return {**document, member: kept} if len(kept) < len(value) else None

    return _repaired(repair, when)


def _as_empty(value: Any) -> list[Any]:
    return []


def _whatever(item: Any) -> bool:
    return True


def _uuid_text(item: Any) -> bool:
    return not isinstance(item, str) or is_uuid(item)


def _text(item: Any) -> bool:
    return isinstance(item, str)


def _object(item: Any) -> bool:
    return isinstance(item, dict)


def _with_call(item: Any) -> bool:
    return not isinstance(item, dict) or "tool_execution_id" in item


def _with_uuid(item: Any) -> bool:
    return not (isinstance(item, dict) and isinstance(call := item.get("tool_execution_id"), str) and not is_uuid(call))


def _inferred(unusable: Callable[[Object], bool]) -> Behaviour:
    """Finds the approval by the calls that a resume names, where its `approval_id` is of no use."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if isinstance(decision, Serve) and decision.approval:
            known = incoming.memory.setdefault("approvals", {})
            known.update({call.id: decision.approval.id for call in decision.approval.calls})
        return decision

    def receive(incoming: Incoming) -> Incoming:
        document = incoming.document
        if not resume(incoming) or not document or not unusable(document):
            return incoming
        known = incoming.memory.get("approvals", {})
        named = [*_listed(document, "approved_tool_execution_ids")]
        named += [tool.get("tool_execution_id") for tool in _listed(document, "denied_tools") if isinstance(tool, dict)]
        found = next((known[call] for call in named if isinstance(call, str) and call in known), None)
        return incoming if found is None else incoming.with_document({**document, "approval_id": found})

    return Behaviour(receive=receive, decide=decide)


def _listed(document: Object, member: str) -> list[Any]:
    value = document.get(member)
    return value if isinstance(value, list) else []


def _no_approval_id(document: Object) -> bool:
    return "approval_id" not in document


def _no_uuid(document: Object) -> bool:
    return isinstance(text := document.get("approval_id"), str) and not is_uuid(text)


def _no_text(document: Object) -> bool:
    return not isinstance(document.get("approval_id", ""), str)


def _denials_win(document: Object) -> Object | None:
    """Takes calls that are denied too out of the approved ones."""
    denied = [tool.get("tool_execution_id") for tool in _listed(document, "denied_tools") if isinstance(tool, dict)]
    approved = _listed(document, "approved_tool_execution_ids")
    kept = [call for call in approved if call not in denied]
    return {**document, "approved_tool_execution_ids": kept} if len(kept) < len(approved) else None


def _unjudged(*places: str, when: When = always) -> Behaviour:
    """Is blind to breaches at some places of a resume's shared fields."""

    def breaches(incoming: Incoming, found: list[SchemaError]) -> list[SchemaError]:
        if not resume(incoming) or not when(incoming):
            return found
        return [one for one in found if not f"{one.pointer}/{one.missing}".startswith(places)]

    return Behaviour(breaches=breaches)


# --- who asks


def _first_call_only(document: Object) -> Object | None:
    """Leaves out all denials but the first: what is wrong with the others, nobody sees."""
    denied = _listed(document, "denied_tools")
    return {**document, "denied_tools": denied[:1]} if len(denied) > 1 and not _approved(document) else None


def _last_denials_win(document: Object) -> Object | None:
    """Looks for a contradiction in the first approved call only."""
    first, *others = _approved(document) or [None]
    denied = [tool.get("tool_execution_id") for tool in _listed(document, "denied_tools") if isinstance(tool, dict)]
    if first is None or first in denied or not any(call in denied for call in others):
        return None
    return {**document, "approved_tool_execution_ids": [first, *(call for call in others if call not in denied)]}


def _approved(document: Object) -> list[Any]:
    return [call for call in _listed(document, "approved_tool_execution_ids") if isinstance(call, str)]


def _mixes(incoming: Incoming) -> bool:
    return _approves(incoming) and _denies(incoming)


def _apart(share: int) -> Behaviour:
    """One of so many replicas, by turns, which do not share their approvals: most resumes meet another one."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        turn = incoming.memory["resumes"] = incoming.memory.get("resumes", 0) + 1
        if isinstance(decision, Serve) and resume(incoming) and (turn * 7919 >> 3) % share:
            return refuse(incoming, UNKNOWN_APPROVAL, "There is no such approval.")
        return decision

    return Behaviour(decide=decide)


def _owner_assumed(when: When) -> Behaviour:
    """Takes whoever knows an approval for the caller whose it is."""

    def change(incoming: Incoming) -> Incoming:
        owner = incoming.record.approval.owner if incoming.record else None
        return incoming.with_header("authorization", f"Bearer {owner}") if owner else incoming

    return reads(change, all_of(resume, when))


def _never_issued(incoming: Incoming) -> bool:
    """A token that is neither of those which the server hands out by default, nor the one whose the approval is."""
    owner = incoming.record.approval.owner if incoming.record else ""
    return incoming.token is not None and incoming.token not in (*Settings().tokens, owner)


def _begins_like_owners(incoming: Incoming) -> bool:
    """Such a token that has the beginning of the one whose the approval is."""
    owner = incoming.record.approval.owner if incoming.record else ""
    return _never_issued(incoming) and bool(owner) and (incoming.token or "").startswith(owner[:-4])


def _unauthenticated_as(refusal: Refusal) -> Behaviour:
    """Answers a resume without a valid token otherwise than with 401."""
    return refuses_as(lambda incoming, old: refuse(incoming, refusal, old.message), resume, UNAUTHENTICATED.status)


# --- what becomes of the approval


def _spent_by(*refusals: Refusal) -> Behaviour:
    """Forgets an approval when its resume is refused for one of these reasons."""
    codes = {refusal.code for refusal in refusals}

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if isinstance(decision, Refuse) and decision.code in codes and incoming.record:
            incoming.store.forget(incoming.record.approval.id)
        return decision

    return Behaviour(decide=decide)


def _other_execution(when: Callable[[Incoming, Serve], bool]) -> Behaviour:
    """Starts a new execution where the paused one ought to go on."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if not (isinstance(decision, Serve) and resume(incoming) and when(incoming, decision)):
            return decision
        execution_id = fresh_uuid()
        approval = decision.approval and replace(decision.approval, execution_id=execution_id)
        return replace(decision, execution_id=execution_id, approval=approval)

    return Behaviour(decide=decide)


def _the_same_approval(incoming: Incoming, objects: list[Object]) -> list[Object]:
    """Calls the further round by the name of the one before."""
    resolution = incoming.decision.resolution if isinstance(incoming.decision, Serve) else None
    old = resolution.approval_id if isinstance(resolution, Resolution) else ""
    return [put("/kitemesh/approval_id", old)(one) if one.get("kitemesh") else one for one in objects]


def _without_calls(incoming: Incoming, objects: list[Object]) -> list[Object]:
    return [drop("/choices/0/message/tool_calls")(drop("/choices/0/delta/tool_calls")(one)) for one in objects]


def _calls_unnamed(incoming: Incoming, objects: list[Object]) -> list[Object]:
    for one in objects:
        for choice in one["choices"]:
            for call in (choice.get("message") or choice.get("delta") or {}).get("tool_calls") or []:
                del call["id"]
    return objects


def _other_form_again(first_streamed: bool) -> Behaviour:
    """Remembers what was resumed in one form, and not that it was when it is asked for in the other."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        forms: dict[str, bool] = incoming.memory.setdefault("forms", {})
        if isinstance(decision, Serve) and decision.resolution:
            forms.setdefault(decision.resolution.approval_id, streamed(incoming))
        return decision

    def other_form(incoming: Incoming) -> bool:
        record = incoming.record
        first = incoming.memory["forms"].get(record.approval.id) if record else None
        return first is first_streamed and streamed(incoming) is not first_streamed

    return together(Behaviour(decide=decide), _replay(other_form))


def _approves_foreign(incoming: Incoming) -> bool:
    """Calls of another approval are approved, and none is denied."""
    return _approves(incoming) and not _denies(incoming)


def _in_race(incoming: Incoming) -> bool:
    """A resume of the probe's, which sends several at once: a lock that all of them wait for is not to be made here."""
    return b"resume-race" in incoming.body


def _valued(place: str, holds: Callable[[Any], bool]) -> Behaviour:
    """Is blind to some values of a shared field."""
    return lets_pass(place, holds=holds, when=resume)


# --- the bytes of a resume's stream


def _one_newline(octets: bytes) -> bytes:
    return octets.removesuffix(b"\n")


def _latin_1(octets: bytes) -> bytes:
    return octets.replace(b'"delta":{"content":"', b'"delta":{"content":"\xab', 1)


def _finished_first(incoming: Incoming, objects: list[Object]) -> list[Object]:
    """The closing reason before the text."""
    opening, *bearing, closing = objects
    return [opening, closing, *bearing]


def _twice_finished(incoming: Incoming, objects: list[Object]) -> list[Object]:
    return [*objects, put(_FINISH, "stop")(like(objects[-1]))]


def _varied(incoming: Incoming, objects: list[Object]) -> list[Object]:
    return [put("/id", f"{one['id']}-{number}")(one) for number, one in enumerate(objects)]


def _no_text_at_all(incoming: Incoming, objects: list[Object]) -> list[Object]:
    return [objects[0], objects[-1]]


FAULTS: tuple[Fault, ...] = (
    *of("resume.approve",
        Fault("approve-refused", "answers 409 to every approval",
              _refused(_approves, SETTLED, "This approval cannot be resumed.")),
        Fault("approve-refused-without-denials", "asks for `denied_tools` beside the approved calls",
              _refused(all_of(_approves, lacks("denied_tools")), _BROKEN_BODY, "denied_tools is missing.")),
        Fault("approve-one-at-a-time", "refuses to approve more than one call",
              _refused(_approves_several, _BROKEN_BODY, "Approve one call at a time.")),
        Fault("approve-mixed-refused", "refuses to approve some calls and to deny others",
              _refused(_mixes, _BROKEN_BODY, "Approve or deny.")),
        Fault("approve-lost", "knows nothing of an approval that is approved",
              _refused(_approves, UNKNOWN_APPROVAL, "There is no such approval."), seen_in="approval-lost"),
    ),
    *of("resume.deny",
        Fault("deny-refused", "refuses to deny calls without approving others",
              _refused(_denies_only, _BROKEN_BODY, "Nothing is approved.")),
        Fault("deny-refused-with-reason", "does not know `reason`",
              _refused(_gives_reason, _BROKEN_BODY, "reason is unknown.")),
        Fault("deny-refused-without-reason", "asks for a `reason` with every denial",
              _refused(_gives_no_reason, _BROKEN_BODY, "reason is missing.")),
        Fault("deny-unknown-to-replicas", "finds an approval on one of three replicas only", _apart(3),
              seen_in="approval-lost"),
        Fault("deny-lost-with-reason", "knows nothing of an approval that is denied with a reason",
              _refused(_gives_reason, UNKNOWN_APPROVAL, "There is no such approval."), seen_in="approval-lost"),
    ),
    *of("resume.stream",
        Fault("resume-stream-as-json", "answers with JSON although `stream` is true", as_json(resume),
              seen_in="json-for-stream"),
        Fault("resume-stream-done-missing-when-cut", "sends no `[DONE]` where a limit cut the stream",
              ending(when=all_of(resumed_stream, cut_off)), seen_in="done-missing"),
        Fault("resume-stream-finish-missing-when-cut", "gives no reason for the end of what a limit cut",
              each(put("/choices/0/finish_reason", None), when=all_of(resumed_stream, cut_off)),
              seen_in="finish-missing"),
        Fault("resume-stream-mistyped", "labels the events text/plain",
              with_field("Content-Type", "text/plain", when=resumed_stream)),
        Fault("resume-stream-not-utf8", "writes an octet of ISO 8859-1 before each piece of text",
              every_event(_latin_1, when=resumed_stream, at=contents)),
        Fault("resume-stream-framing", "has one newline between the last chunk and `[DONE]`",
              every_event(_one_newline, when=resumed_stream, at=before_last), seen_in="separator-missing"),
        Fault("resume-stream-unterminated", "sends no blank line after `[DONE]`",
              ending(b"data: [DONE]\n", when=resumed_stream), seen_in="done-unterminated"),
        Fault("resume-stream-heartbeat", "sends empty data as a heartbeat",
              inserted(b"data:\n\n", 1, when=resumed_stream), seen_in="data-empty"),
        Fault("resume-stream-array", "sends an array in the place of the last chunk's object",
              every_event(lambda octets: b"data: [" + octets[6:-2] + b"]\n\n", when=resumed_stream, at=before_last)),
        Fault("resume-stream-done-missing", "ends without `[DONE]`", ending(when=resumed_stream),
              seen_in="done-missing"),
        Fault("resume-stream-done-missing-open", "sends no `[DONE]` and keeps the connection open",
              ending(Hang(HANG), when=resumed_stream), seen_in="done-missing"),
        Fault("resume-stream-done-quoted", "writes `[DONE]` as a JSON string",
              ending(b'data: "[DONE]"\n\n', when=resumed_stream), seen_in="done-quoted"),
        Fault("resume-stream-done-twice", "sends `[DONE]` twice", ending(DONE, DONE, when=resumed_stream),
              seen_in="done-twice"),
        Fault("resume-stream-data-after-done", "sends an event after `[DONE]`", chunk_after_done(when=resumed_stream),
              seen_in="data-after-done"),
        Fault("resume-stream-object-wrong", "calls a chunk `chat.completion`",
              each(put("/object", "chat.completion"), when=resumed_stream), seen_in="object-wrong"),
        Fault("resume-stream-delta-missing", "leaves `delta` out of the last chunk",
              each(drop("/choices/0/delta"), when=resumed_stream, at=last), seen_in="delta-missing"),
        Fault("resume-stream-created-ms", "gives `created` in milliseconds",
              each(put("/created", lambda old: old * 1000), when=resumed_stream), seen_in="created-ms"),
        Fault("resume-stream-model-other", "names another group", each(put("/model", OTHER_MODEL), when=resumed_stream),
              seen_in="model-wrong"),
        Fault("resume-stream-id-varies", "gives every chunk another id", shapes(_varied, when=resumed_stream),
              seen_in="id-varies"),
        Fault("resume-stream-content-parts", "sends an array as the first piece of text",
              each(put(_CONTENT, lambda old: [old]), when=resumed_stream, at=first_content)),
        Fault("resume-stream-content-none", "stops without any text", shapes(_no_text_at_all, when=resumed_stream),
              seen_in="error-swallowed"),
        Fault("resume-stream-finish-missing", "never gives a reason for the end",
              each(put(_FINISH, None), when=resumed_stream), seen_in="finish-missing"),
        Fault("resume-stream-no-choice", "sends empty `choices` in the place of an answer",
              shapes(lambda _, objects: [put("/choices", [])(objects[0])], when=resumed_stream)),
        Fault("resume-stream-no-event", "answers 200 text/event-stream with an empty body",
              events(lambda outs: [], when=resumed_stream)),
        Fault("resume-stream-done-alone", "sends `[DONE]` and nothing else",
              events(lambda outs: outs[-1:], when=resumed_stream)),
        Fault("resume-stream-role-alone", "sends the role, and no more",
              shapes(lambda _, objects: objects[:1], when=resumed_stream)),
        Fault("resume-stream-finish-twice", "sends `stop` in two chunks", shapes(_twice_finished, when=resumed_stream),
              seen_in="finish-double"),
        Fault("resume-stream-finish-early", "sends `stop` before the text",
              shapes(_finished_first, when=resumed_stream), seen_in="finish-early"),
        Fault("resume-stream-finish-unknown", "gives `end_turn` as the reason",
              each(put(_FINISH, "end_turn"), when=resumed_stream, at=last), seen_in="finish-unknown"),
    ),
    *of("resume.execution-continues",
        Fault("resume-other-execution", "gives the answer to a resume an execution of its own",
              _other_execution(lambda incoming, decision: True)),
        Fault("resume-other-execution-stream", "gives the stream of a resume an execution of its own",
              _other_execution(lambda incoming, decision: decision.stream and decision.approval is None)),
        Fault("resume-other-execution-further", "gives a further round an execution of its own",
              _other_execution(lambda incoming, decision: decision.approval is not None)),
        Fault("resume-other-execution-denied", "starts over after a denial",
              _other_execution(lambda incoming, decision: _denies_only(incoming))),
    ),
    *of("resume.approval-id",
        Fault("resume-without-approval-id", "finds the approval by its calls where `approval_id` is missing",
              _inferred(_no_approval_id)),
        Fault("resume-with-any-approval-id", "finds the approval by its calls where `approval_id` is not a UUID",
              _inferred(_no_uuid)),
        Fault("resume-with-approval-number", "finds the approval by its calls where `approval_id` is not a string",
              _inferred(_no_text), seen_in="type-coerced"),
    ),
    *of("resume.approval-unknown",
        Fault("resume-unknown-served", "answers a resume of an approval that it never gave",
              Behaviour(leniency=Leniency(unknown=True))),
        Fault("resume-unknown-denied", "answers a denial in an approval that it never gave",
              _lenient(all_of(unless(_foreign), _denies_only), UNKNOWN_APPROVAL, Leniency(unknown=True))),
        Fault("resume-unknown-streamed", "answers a resume of an approval that it never gave, as a stream",
              _lenient(all_of(unless(_foreign), streamed), UNKNOWN_APPROVAL, Leniency(unknown=True))),
        Fault("resume-unknown-in-json", "answers a resume of an approval that it never gave, unless as a stream",
              _lenient(all_of(unless(_foreign), unless(streamed)), UNKNOWN_APPROVAL, Leniency(unknown=True))),
    ),
    *of("resume.decision-shape",
        Fault("decision-approved-no-list", "takes another type of `approved_tool_execution_ids` for an empty list",
              _list_repaired("approved_tool_execution_ids", _whatever, _as_empty), seen_in="type-coerced"),
        Fault("decision-approved-no-text", "leaves out approved ids that are not strings",
              _list_repaired("approved_tool_execution_ids", _text)),
        Fault("decision-approved-no-uuid", "leaves out approved ids that are not UUIDs",
              _list_repaired("approved_tool_execution_ids", _uuid_text)),
        Fault("decision-approved-no-uuid-alone", "leaves out approved ids that are not UUIDs where nothing is denied",
              _list_repaired("approved_tool_execution_ids", _uuid_text, when=lacks("denied_tools"))),
        Fault("decision-denied-no-uuid-beside-approved",
              "leaves out denials whose `tool_execution_id` is not a UUID where a call is approved",
              _list_repaired("denied_tools", _with_uuid, when=_approves)),
        Fault("decision-denied-no-call-streamed", "leaves out denials without `tool_execution_id` before it streams",
              _list_repaired("denied_tools", _with_call, when=streamed)),
        Fault("decision-reason-unjudged-streamed", "takes any `reason` before it streams",
              _unjudged("/denied_tools", when=streamed), seen_in="type-coerced"),
        Fault("decision-denied-no-list", "takes another type of `denied_tools` for an empty list",
              _list_repaired("denied_tools", _whatever, _as_empty), seen_in="type-coerced"),
        Fault("decision-denied-no-object", "leaves out denials that are not objects",
              _list_repaired("denied_tools", _object)),
        Fault("decision-denied-no-call", "leaves out denials without `tool_execution_id`",
              _list_repaired("denied_tools", _with_call)),
        Fault("decision-denied-no-uuid", "leaves out denials whose `tool_execution_id` is not a UUID",
              _list_repaired("denied_tools", _with_uuid)),
    ),
    *of("resume.foreign-call",
        Fault("foreign-call-served", "decides calls of another approval",
              Behaviour(leniency=Leniency(foreign_call=True)), seen_in="approval-sibling"),
        Fault("foreign-call-denied", "takes denials of calls of another approval",
              _lenient(_denies_only, FOREIGN_CALL, Leniency(foreign_call=True)), seen_in="approval-sibling"),
        Fault("foreign-call-streamed", "decides calls of another approval, as a stream",
              _lenient(streamed, FOREIGN_CALL, Leniency(foreign_call=True)), seen_in="approval-sibling"),
        Fault("foreign-call-second", "looks at the first denied call only", _repaired(_first_call_only),
              seen_in="approval-sibling"),
        Fault("foreign-call-approved", "takes approvals of calls of another approval",
              _lenient(_approves_foreign, FOREIGN_CALL, Leniency(foreign_call=True)), seen_in="approval-sibling"),
        Fault("foreign-call-approved-streamed", "takes approvals of calls of another approval, as a stream",
              _lenient(all_of(_approves_foreign, streamed), FOREIGN_CALL, Leniency(foreign_call=True)),
              seen_in="approval-sibling"),
        Fault("foreign-call-in-json", "decides calls of another approval, unless as a stream",
              _lenient(unless(streamed), FOREIGN_CALL, Leniency(foreign_call=True)), seen_in="approval-sibling"),
    ),
    *of("resume.conflict",
        Fault("conflict-served", "takes a call that is both approved and denied for approved",
              Behaviour(leniency=Leniency(conflict=True))),
        Fault("conflict-denied", "takes a call that is both approved and denied for denied", _repaired(_denials_win)),
        Fault("conflict-second", "sees a contradiction in the first approved call only", _repaired(_last_denials_win)),
        Fault("conflict-in-json", "takes a call that is both approved and denied for approved, unless as a stream",
              _lenient(unless(streamed), CONTRADICTION, Leniency(conflict=True))),
    ),
    *of("resume.further-round",
        Fault("further-approval-id-old", "calls the further round by the approval that was resumed",
              shapes(_the_same_approval, when=further_round)),
        Fault("further-approval-id-old-stream",
              "calls the further round by the approval that was resumed, in the stream",
              shapes(_the_same_approval, when=_further_stream)),
        Fault("further-approval-id-missing", "leaves `approval_id` out of the further round",
              each(drop("/kitemesh/approval_id"), when=further_round)),
        Fault("further-calls-missing", "leaves the calls out of the further round's JSON",
              shapes(_without_calls, when=_further_json), seen_in="finish-tools-empty"),
        Fault("further-calls-unnamed", "leaves the calls' ids out of the further round",
              shapes(_calls_unnamed, when=further_round), seen_in="tool-id-missing"),
        Fault("further-expiry-missing", "leaves `expires_at` out of the further round",
              each(drop("/kitemesh/expires_at"), when=further_round)),
        Fault("further-execution-missing", "leaves `execution_id` out of the further round's JSON",
              each(drop("/kitemesh/execution_id"), when=_further_json)),
        Fault("further-finish-stop", "sends `stop` with the calls of the further round",
              each(put(_FINISH, "stop"), when=further_round, at=last), seen_in="finish-stop-tools"),
        Fault("further-kitemesh-missing", "leaves `kitemesh` out of the further round's JSON",
              each(drop("/kitemesh"), when=_further_json)),
        Fault("further-arguments-cut", "breaks the arguments off before the end in the further round",
              each(put("/choices/0/message/tool_calls/0/function/arguments", '{"a": '), when=_further_json),
              seen_in="args-invalid"),
        Fault("further-as-json", "answers with JSON where a further round should be streamed",
              as_json(resume, waiting=True), seen_in="json-for-stream"),
    ),
    *of("resume.refusal-keeps",
        Fault("refusal-spends", "forgets the approval of every resume that it refuses",
              Behaviour(leniency=Leniency(spends_on_refusal=True))),
        Fault("refusal-spends-after-schema", "forgets the approval when a resume breaks the schema",
              _spent_by(_BROKEN_BODY)),
        Fault("refusal-spends-after-foreign-call", "forgets the approval when a resume names a call of another one",
              _spent_by(FOREIGN_CALL)),
        Fault("refusal-spends-after-conflict", "forgets the approval when a resume contradicts itself",
              _spent_by(CONTRADICTION)),
        Fault("refusal-spends-after-stranger", "forgets the approval when somebody without a token asks for it",
              _spent_by(UNAUTHENTICATED)),
        Fault("refusal-drops-next", "resets the next resume after a refused one, and serves it when it is sent again",
              _drops_after_refusal()),
    ),
    *of("resume.race",
        Fault("race-drops-loser", "resets whoever comes too late in a race of resumes, and answers 409 later",
              _loses(drops)),
        Fault("race-serves-both", "serves two simultaneous resumes, with an answer each", _race(),
              seen_in="approval-double"),
        Fault("race-serves-both-denials", "serves two simultaneous denials, with an answer each", _race(_denies_only),
              seen_in="approval-double"),
        Fault("race-serves-both-in-json", "serves two simultaneous resumes, unless as streams", _race(unless(streamed)),
              seen_in="approval-double"),
        Fault("race-serves-both-streamed", "serves two simultaneous resumes as streams", _race(streamed),
              seen_in="approval-double"),
        Fault("race-serves-nobody", "refuses all of several simultaneous resumes",
              _refused(_in_race, SETTLED, "Another resume of this approval is under way.")),
    ),
    *of("error.no-server-error",
        Fault("race-500-loser", "answers 500 to whoever comes too late in a race of resumes, and 409 later",
              _loses(crashes)),
    ),
    *of("resume.expired",
        Fault("expired-served", "takes decisions after the approval has expired",
              Behaviour(leniency=Leniency(expired=True)), seen_in="approval-expired"),
        Fault("expired-denied", "takes denials after the approval has expired",
              _lenient(_denies_only, EXPIRED, Leniency(expired=True)), seen_in="approval-expired"),
        Fault("expired-within-grace", "takes decisions until a minute after `expires_at`",
              _lenient(_just_expired, EXPIRED, Leniency(expired=True)), seen_in="approval-expired"),
    ),
    *of("resume.other-caller",
        Fault("other-caller-served", "resumes another caller's approval",
              Behaviour(leniency=Leniency(other_caller=True)), seen_in="approval-foreign"),
        Fault("other-caller-denied", "lets another caller deny",
              _lenient(all_of(_foreign, _denies_only), UNKNOWN_APPROVAL, Leniency(other_caller=True)),
              seen_in="approval-foreign"),
        Fault("other-caller-streamed", "resumes another caller's approval, as a stream",
              _lenient(all_of(_foreign, streamed), UNKNOWN_APPROVAL, Leniency(other_caller=True)),
              seen_in="approval-foreign"),
        Fault("other-caller-behind-conflict", "resumes another caller's approval, and takes contradictions",
              Behaviour(leniency=Leniency(other_caller=True, conflict=True, foreign_call=True)),
              seen_in="approval-foreign"),
        Fault("other-caller-in-json", "resumes another caller's approval, unless as a stream",
              _lenient(all_of(_foreign, unless(streamed)), UNKNOWN_APPROVAL, Leniency(other_caller=True)),
              seen_in="approval-foreign"),
    ),
    *of("resume.replay",
        Fault("replay-runs-again", "resumes again an approval that has been resumed before", _replay(),
              seen_in="approval-double"),
        Fault("replay-approves-again", "runs the tools again when an approval is repeated", _replay(_approves),
              seen_in="approval-double"),
        Fault("replay-runs-again-streamed", "resumes again, as a stream", _replay(streamed), seen_in="approval-double"),
        Fault("replay-other-form", "resumes again as a stream what was resumed in JSON", _other_form_again(False),
              seen_in="approval-double"),
        Fault("replay-other-form-json", "resumes again in JSON what was resumed as a stream", _other_form_again(True),
              seen_in="approval-double"),
        Fault("replay-denies-again", "takes the denial of an approval for a second time", _replay(_denies_only),
              seen_in="approval-double"),
        Fault("replay-runs-again-in-json", "resumes again, unless as a stream", _replay(unless(streamed)),
              seen_in="approval-double"),
    ),
    *of("resume.request-fields",
        Fault("resume-temperature-unjudged", "takes any `temperature`", _unjudged("/temperature"),
              seen_in="range-unchecked"),
        Fault("resume-max-tokens-unjudged", "takes any number of `max_tokens`", _unjudged("/max_tokens"),
              seen_in="range-unchecked"),
        Fault("resume-role-unjudged", "takes any role", _unjudged("/messages/")),
        Fault("resume-messages-unjudged", "takes messages that are missing, none, or without a user's",
              _unjudged("/messages"), seen_in="messages-empty-ok"),
        Fault("resume-mode-unjudged", "takes any `mode`", _unjudged("/metadata/mode")),
        *(Fault(f"resume-{name}-unjudged", f"takes any {told}", _unjudged(place))
          for name, told, place in (
              ("max-completion-tokens", "`max_completion_tokens`", "/max_completion_tokens"),
              ("request-id", "`request_id`", "/metadata/request_id"),
              ("metadata", "`metadata`", "/metadata"),
              ("content", "content of a message", "/messages/0/content"),
          )),
        *(Fault(f"resume-{name}-unjudged-streamed", f"takes any {told} before it streams",
                _unjudged(place, when=streamed))
          for name, told, place in (
              ("temperature", "`temperature`", "/temperature"),
              ("max-tokens", "`max_tokens`", "/max_tokens"),
              ("messages", "messages", "/messages"),
              ("mode", "`mode`", "/metadata/mode"),
              ("model", "`model`", "/model"),
              ("max-completion-tokens", "`max_completion_tokens`", "/max_completion_tokens"),
          )),
        Fault("resume-stream-type-unjudged", "takes any type of `stream`", _unjudged("/stream"),
              seen_in="type-coerced"),
        Fault("resume-max-tokens-text", "takes a text of digits as `max_tokens`",
              _valued("/max_tokens", _text), seen_in="type-coerced"),
        Fault("resume-stream-zero", "takes 0 for false as `stream`",
              _valued("/stream", lambda value: value == 0), seen_in="type-coerced"),
        Fault("resume-last-role-unjudged", "takes any role behind the prompt", _unjudged("/messages/1/role")),
        Fault("resume-temperature-refused", "refuses `temperature` on a resume",
              _refused(has("temperature"), _BROKEN_BODY, "temperature is unknown.")),
        Fault("resume-model-unjudged", "takes any `model`, and none", _unjudged("/model")),
    ),
    *of("resume.auth",
        Fault("resume-auth-missing-header", "takes whoever sends no token for the approval's owner",
              _owner_assumed(no_authorization), seen_in="bearer-empty"),
        Fault("resume-auth-missing-header-streamed",
              "takes whoever asks for a stream without a token for the approval's owner",
              _owner_assumed(all_of(no_authorization, streamed)), seen_in="bearer-empty"),
        Fault("resume-auth-empty-bearer", "takes whoever sends an empty token for the approval's owner",
              _owner_assumed(empty_bearer), seen_in="bearer-empty"),
        Fault("resume-auth-unknown-token", "takes whoever sends any token for the approval's owner",
              _owner_assumed(_never_issued), seen_in="approval-foreign"),
        Fault("resume-auth-token-beginning",
              "takes whoever sends a token that begins like the owner's for the approval's owner",
              _owner_assumed(_begins_like_owners)),
        Fault("resume-auth-as-unknown", "answers 404 to a resume without a valid token",
              _unauthenticated_as(UNKNOWN_APPROVAL)),
        Fault("resume-auth-forbidden", "answers 403 to a resume without a valid token",
              _unauthenticated_as(_FORBIDDEN)),
    ),
)  # fmt: skip
