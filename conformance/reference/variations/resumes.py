"""Approvals and resumes: what a paused answer may look like, and how a decision may be taken."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from conformance.contract.catalogue import load
from conformance.reference.behaviour import Behaviour, Headers, Leniency, Replay
from conformance.reference.conditions import Object, When, all_of, has, one_in, resume, sent, status_is, streamed
from conformance.reference.decision import APPROVAL, Call, Decision, ObjectKind, PendingCalls, Refuse, Serve
from conformance.reference.fault import Variation, withholding
from conformance.reference.identifiers import fresh_uuid
from conformance.reference.incoming import Endpoint, Incoming
from conformance.reference.intake import RATE_LIMIT, SETTLED, UNKNOWN_APPROVAL, Refusal, refuse
from conformance.reference.making import (
    APPROVAL_STREAM,
    APPROVALS,
    COMPLETION,
    ERRORS,
    JSON_ANSWERS,
    added,
    at_path,
    decides,
    like,
    on_headers,
    on_objects,
    refuses,
    retold,
    set_to,
    shapes,
    speaks,
    together,
    transmits,
)
from conformance.reference.model import tokens
from conformance.reference.store import Settlement
from conformance.reference.transmission import Out, Piece

_WHEN = "Facts: `expires_at` is RFC 3339; approval.expires-at: `Z` or any offset"
_CALLS = "Facts: `tool_calls` [`id`, `type`, `function` {`name`, `arguments`}]"
_REPLICAS = "Left open: a 404 to an approval that waits is asked once again after 2 s (replicas)"
_STREAM = "approval.stream: the calls, `finish_reason` and the approval's `kitemesh`, then `[DONE]`"
_AGAIN = "Legitimate: a repeated decision may be answered with the first result again"
_MAYBE = "Facts: the answer to a resume may be a further approval round"
_REPEATED = Behaviour(leniency=Leniency(replay=Replay.REPEAT))
_TICKET = "create_ticket"


def _stamped(write: Callable[[datetime], str]) -> Behaviour:
    """`expires_at` in another form of the same moment."""

    def rewrite(stamp: str) -> str:
        return write(datetime.fromisoformat(stamp.replace("Z", "+00:00")))

    return on_objects(lambda _, value: at_path(value, "/kitemesh/expires_at", rewrite), APPROVALS)


def _calling(make: Callable[[tuple[Call, ...]], tuple[Call, ...]]) -> Behaviour:
    """Other calls that wait."""
    return decides(
        lambda _, answer: (
            replace(answer, approval=replace(answer.approval, calls=make(answer.approval.calls)))
            if answer.approval
            else answer
        )
    )


def _each_call(change: Callable[[Call], Call]) -> Behaviour:
    return _calling(lambda calls: tuple(change(call) for call in calls))


def _more_rounds(rounds: int) -> Behaviour:
    """Each execution asks this many times again, whatever was decided."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        record = incoming.record
        if not isinstance(decision, Serve) or decision.resolution is None or record is None:
            return decision
        asked: dict[str, int] = incoming.memory.setdefault("rounds", {})
        if record.settlement is not None:
            return decision
        asked[decision.execution_id] = asked.get(decision.execution_id, 0) + 1
        if asked[decision.execution_id] > rounds:
            return replace(decision, approval=None, tokens=tokens("All done."), finish_reason="stop")
        calls = (Call(fresh_uuid(), "look_again", "{}"),)
        waiting = PendingCalls(
            fresh_uuid(), decision.execution_id, calls, record.approval.owner, record.approval.expires
        )
        return replace(decision, approval=waiting, tokens=(), finish_reason=APPROVAL)

    return Behaviour(decide=decide)


def _never() -> Behaviour:
    """A model that answers instead of asking for its tools."""
    refused = tokens("I would rather not.")
    return decides(
        lambda _, answer: (
            replace(answer, approval=None, tokens=refused, finish_reason="stop") if answer.approval else answer
        )
    )


def _answered_otherwise(**changes: Any) -> Behaviour:
    """Another text in answers to resumes."""
    return speaks(lambda _, answer: replace(answer, **changes) if answer.resolution else answer)


def _asks_unexpectedly(incoming: Incoming, decision: Decision) -> Decision:
    if not isinstance(decision, Serve) or decision.approval is not None or decision.resolution is not None:
        return decision
    count = incoming.memory["chats"] = incoming.memory.get("chats", 0) + 1
    if count % 9:
        return decision
    calls = (Call(fresh_uuid(), "look_around", '{"where":"here"}'),)
    waiting = PendingCalls(fresh_uuid(), decision.execution_id, calls, incoming.token or "", incoming.at + 600)
    return replace(decision, approval=waiting, tokens=(), finish_reason=APPROVAL)


def _three_at_most(incoming: Incoming, decision: Decision) -> Decision:
    """Approvals that wait, by their ids, in the server's memory."""
    waiting: dict[str, float] = incoming.memory.setdefault("waiting", {})
    for id_, expires in list(waiting.items()):
        record = incoming.store.find(id_)
        if expires < incoming.at or record is None or record.settlement is not None:
            del waiting[id_]
    if not isinstance(decision, Serve) or decision.approval is None:
        return decision
    if decision.resolution is None and len(waiting) >= 3:
        return refuse(incoming, RATE_LIMIT, "Too many approvals wait for you.", ("Retry-After", "1"))
    waiting[decision.approval.id] = decision.approval.expires
    return decision


def _not_yet_known(when: When) -> Behaviour:
    return refuses(when, UNKNOWN_APPROVAL, "There is no such approval.")


def _forgets_settled(incoming: Incoming, decision: Decision) -> Decision:
    if isinstance(decision, Refuse) and decision.code in ("approval_already_resumed", "approval_expired"):
        if incoming.record:
            incoming.store.forget(incoming.record.approval.id)
        return replace(decision, status=404, type="not_found_error", code="approval_not_found", message="Unknown.")
    return decision


def _unknown_in_streams(incoming: Incoming, decision: Decision) -> Decision:
    if isinstance(decision, Refuse) and decision.code == SETTLED.code and streamed(incoming):
        return refuse(incoming, UNKNOWN_APPROVAL, "There is no such approval.")
    return decision


def _role_in_approval_chunk(_: Incoming, chunks: list[Object]) -> list[Object]:
    """No opening chunk: the approval's chunk is the first and has the role, or not (as documented)."""
    return [at_path(chunks[-1], "/choices/0/delta", lambda delta: {"role": "assistant", "content": None, **delta})]


def _text_before(_: Incoming, chunks: list[Object]) -> list[Object]:
    said = [like(chunks[0], {"content": text}) for text in ("I will ", "create ", "a ticket.")]
    return [chunks[0], *said, *chunks[1:]]


def _no_index(_: Incoming, value: Object) -> Object:
    def change(call: Object) -> Object:
        return {name: item for name, item in call.items() if name != "index"}

    return at_path(value, "/choices/*/delta/tool_calls/*", change)


def _empty_chunks_around(_: Incoming, chunks: list[Object]) -> list[Object]:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    return [like(chunks[0], choices=[]), *chunks, like(chunks[0], choices=[], usage=usage)]


def _heartbeats(_: Incoming, pieces: list[Piece]) -> list[Piece]:
    return [pieces[0], Out(b": still thinking\n\n", 0.2), *pieces[1:]]


def _same_answer_id() -> Behaviour:
    """An execution keeps its answer's `id` and `created` when it goes on."""

    def change(incoming: Incoming, answer: Serve) -> Decision:
        first: dict[str, tuple[str, int]] = incoming.memory.setdefault("first", {})
        id_, created = first.setdefault(answer.execution_id, (answer.id, answer.created))
        return replace(answer, id=id_, created=created)

    return decides(change)


def _ids_upper() -> Behaviour:
    """Ids in upper case, which a resume has to spell alike."""

    def change(_: Incoming, value: Object) -> Object:
        value = at_path(value, "/kitemesh/approval_id", str.upper)
        for member in ("message", "delta"):
            value = at_path(value, f"/choices/*/{member}/tool_calls/*/id", str.upper)
        return value

    def other_case(incoming: Incoming) -> bool:
        document = sent(incoming) if resume(incoming) else {}
        ids = [document.get("approval_id"), *(document.get("approved_tool_execution_ids") or [])]
        ids += [item.get("tool_execution_id") for item in document.get("denied_tools") or []]
        return any(isinstance(id_, str) and id_ != id_.upper() for id_ in ids)

    return together(on_objects(change, APPROVALS), _not_yet_known(other_case))


def _locked(incoming: Incoming, decision: Decision) -> Decision:
    """429 within half a second of the first resume."""
    record = incoming.record
    if not isinstance(decision, Refuse) or decision.code != "approval_already_resumed" or record is None:
        return decision
    if record.settlement is None or time.time() - record.settlement.at > 0.5:
        return decision
    return replace(
        decision, status=429, type="rate_limit_error", code="rate_limit_exceeded", headers=(("Retry-After", "1"),)
    )


def _kept_answers() -> Behaviour:
    """Whoever resumes a spent approval gets the octets of its first answer, whatever form is asked for now."""

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        decision = incoming.decision
        if not resume(incoming) or not isinstance(decision, Serve) or decision.resolution is None:
            return pieces
        kept = incoming.memory.setdefault("kept", {})
        return list(kept.setdefault(decision.resolution.approval_id, pieces))

    def head(incoming: Incoming, status: int, headers: Headers) -> tuple[int, Headers]:
        decision = incoming.decision
        if not resume(incoming) or not isinstance(decision, Serve) or decision.resolution is None:
            return status, headers
        heads = incoming.memory.setdefault("heads", {})
        return status, list(heads.setdefault(decision.resolution.approval_id, headers))

    return together(_REPEATED, Behaviour(emit=emit, head=head))


def _repeating(again: Callable[[Incoming, Settlement], bool]) -> Behaviour:
    """Repeats the first answer to some resumes of a spent approval, and refuses the others."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        record = incoming.record
        if not isinstance(decision, Refuse) or decision.code != SETTLED.code or record is None:
            return decision
        if record.settlement is None or not again(incoming, record.settlement):
            return decision
        return replace(record.settlement.answer, stream=streamed(incoming), request_id=incoming.request_id)

    return Behaviour(decide=decide)


def _first_octets() -> Behaviour:
    """Keeps the body by which each approval was resumed, and repeats its answer to that body alone."""

    def remember(incoming: Incoming, answer: Serve) -> Decision:
        if answer.resolution:
            incoming.memory.setdefault("bodies", {}).setdefault(answer.resolution.approval_id, incoming.body)
        return answer

    def same(incoming: Incoming, first: Settlement) -> bool:
        return bool(incoming.memory["bodies"][first.resolution.approval_id] == incoming.body)

    return together(decides(remember), _repeating(same))


_slow_race = transmits(lambda _, pieces: [Out(b"", 0.3), *pieces], JSON_ANSWERS, resume)
"""Whoever comes second is told so at once, while the first one is still being served."""


_NESTED = json.dumps({"a": {"b": [1, 2.5, None, {"c": "« é » 日本 \U0001f600"}]}, "": True, "sql": "SELECT 1"})


def _replicated(seconds: float) -> Behaviour:
    """Knows an approval after this many seconds; before, all that have a good token are told that there is none."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        born = incoming.memory.setdefault("born", {})
        record = incoming.record if incoming.endpoint is Endpoint.RESUME else None
        if record and incoming.at - born.get(record.approval.id, 0.0) < seconds:
            if not (isinstance(decision, Refuse) and decision.status == 401):
                return refuse(incoming, UNKNOWN_APPROVAL, "There is no such approval.")
        if isinstance(decision, Serve) and decision.approval:
            born[decision.approval.id] = incoming.at
        return decision

    return Behaviour(decide=decide)


VARIATIONS: tuple[Variation, ...] = (
    Variation("expires-no-fraction", "`expires_at` without a fraction.", _WHEN,
              _stamped(lambda at: (at + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ"))),
    Variation("expires-offset", "`expires_at` with an offset of hours and minutes.", _WHEN,
              _stamped(lambda at: at.astimezone(timezone(timedelta(hours=-9, minutes=-30))).isoformat())),
    Variation("expires-offset-zero", "`expires_at` with `+00:00`.", _WHEN, _stamped(lambda at: at.isoformat())),
    Variation("expires-nanoseconds", "`expires_at` with nine digits of a second.", _WHEN,
              _stamped(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z")),
    Variation("expires-lower-case", "`expires_at` with `t` and `z` in lower case.", "RFC 3339, section 5.6",
              _stamped(lambda at: at.strftime("%Y-%m-%dt%H:%M:%S.%fz"))),
    Variation("expires-unknown-offset", "`expires_at` with `-00:00`.", "RFC 3339, section 4.3",
              _stamped(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.%f-00:00"))),
    Variation("expires-in-ages", "`expires_at` at the end of the year 9999.", _WHEN,
              together(
                  set_to(approval_ttl=86_400.0, brief_ttl=86_400.0), _stamped(lambda at: "9999-12-31T23:59:59.999Z")
              ), {"resume.expired": "nobody waits so long"}),
    Variation("expires-in-a-day", "Approvals wait for a day.", "resume.expired: where waiting for it is allowed",
              set_to(approval_ttl=86_400.0, brief_ttl=86_400.0), {"resume.expired": "nobody waits so long"}),
    *withholding(
        Variation("expires-soon", "Approvals wait for a second and a half.",
                  "resume.expired: answers 4xx after `expires_at`, whatever was meant to be shown by the resume",
                  set_to(approval_ttl=1.5),
                  unexercised={
                      "resume.race": "whether it waits still when the answers come is a matter of a second's fraction",
                      "resume.refusal-keeps": "the approval may be over before all that must be refused is",
                  }),
        Variation("expires-in-five-seconds", "Approvals wait for five seconds.", "resume.expired",
                  set_to(approval_ttl=5.0)),
        Variation("approval-unexpected", "Every ninth chat asks for a tool that nobody thought of.",
                  "Facts: a chat may lead to an approval", Behaviour(decide=_asks_unexpectedly),
                  unexercised={
                      "robust.disconnect": "the stream that a client would leave may be an approval, and short",
                  }),
        Variation("approvals-three-at-most", "429 to a chat that asks for tools while three approvals wait.",
                  "Answers that excuse: 429", Behaviour(decide=_three_at_most)),
    ),
    Variation("calls-one", "A single call waits.", _CALLS, _calling(lambda calls: calls[:1])),
    Variation("calls-many", "Twenty calls wait.", _CALLS,
              _calling(lambda calls: (*calls, *(Call(fresh_uuid(), f"tool_{n}", "{}") for n in range(18))))),
    Variation("calls-alike", "Two calls of one name with the same arguments.", _CALLS,
              _calling(lambda calls: (calls[0], replace(calls[0], id=fresh_uuid())))),
    Variation("calls-without-arguments", "Arguments are `{}`.", _CALLS,
              _each_call(lambda c: replace(c, arguments="{}"))),
    Variation("calls-arguments-pretty", "Arguments are pretty JSON with white space around.", _CALLS,
              _each_call(lambda c: replace(c, arguments="\n" + json.dumps(json.loads(c.arguments), indent=2) + " "))),
    Variation("calls-arguments-nested", "Arguments nest, and hold letters of many scripts.", _CALLS,
              _each_call(lambda c: replace(c, arguments=_NESTED))),
    Variation("calls-arguments-long", "Arguments of 64 KiB.", _CALLS,
              _each_call(lambda c: replace(c, arguments=json.dumps({"text": "x" * 65_536})))),
    Variation("calls-odd-names", "Names with dots, slashes and letters beyond ASCII.", _CALLS,
              _each_call(lambda c: c if c.name == _TICKET else replace(c, name=f"mcp/serveur.{c.name}é"))),
    Variation("calls-extra-members", "More members in calls and functions, and `index` in JSON answers.", _CALLS,
              together(
                  *(
                      added(
                          {"index": 0} if member == "message" else {"title": None},
                          kinds,
                          at=f"/choices/*/{member}/tool_calls/0",
                      )
                      for member, kinds in (
                          ("message", (ObjectKind.APPROVAL,)), ("delta", (ObjectKind.APPROVAL_CHUNK,))
                      )
                  ),
                  *(
                      added(
                          {"description": "…", "strict": None},
                          APPROVALS,
                          at=f"/choices/*/{member}/tool_calls/*/function",
                      )
                      for member in ("message", "delta")
                  ),
              )),
    Variation("approval-stream-no-index", "Calls without `index` in the approval's chunk, as documented.", _STREAM,
              on_objects(_no_index, APPROVAL_STREAM)),
    Variation("approval-stream-single", "The approval's chunk is the only one, and has the role.", _STREAM,
              shapes(_role_in_approval_chunk, APPROVAL_STREAM)),
    Variation("approval-stream-single-bare", "The approval's chunk is the only one, without role, as documented.",
              _STREAM, shapes(lambda _, chunks: chunks[-1:], APPROVAL_STREAM)),
    Variation("approval-stream-text-before", "Text before the calls.", _STREAM, shapes(_text_before, APPROVAL_STREAM)),
    Variation("approval-stream-empty-choices", "Chunks without choices before and behind the approval.", _STREAM,
              shapes(_empty_chunks_around, APPROVAL_STREAM)),
    Variation("approval-stream-heartbeat", "A comment before the approval's chunk.", _STREAM,
              transmits(_heartbeats, APPROVAL_STREAM, streamed)),
    Variation("approval-stream-no-request-id-asked", "`request_id: null` where the request brought none.",
              "approval.stream-request-id: repeats `metadata.request_id`",
              on_objects(
                  lambda incoming, value: (
                      value if incoming.reading.request_id else at_path(value, "/kitemesh/request_id", lambda _: None)
                  ),
                  APPROVAL_STREAM,
              )),
    *withholding(
        Variation("approval-never-comes", "The model answers instead of asking for its tools.",
                  "Outcomes: not exercised, no approval came", _never(),
                  dict.fromkeys(
                      (r.id for r in load() if r.capability is not None and not r.without_approval),
                      "no approval came",
                  )),
    ),
    Variation("resume-asks-once-more", "Each decision, a denial too, leads to one further round.", _MAYBE,
              _more_rounds(1)),
    Variation("resume-asks-twice-more", "Each decision leads to two further rounds.", _MAYBE, _more_rounds(2)),
    Variation("resume-never-asks-again", "No decision leads to a further round.", _MAYBE, _more_rounds(0),
              {"resume.further-round": "no resume led to another approval"}),
    *withholding(
        Variation("resume-answer-cut", "Answers to resumes end by `length`.", "completion.finish-reason: `length`",
                  _answered_otherwise(finish_reason="length")),
        Variation("resume-answer-cut-empty", "Answers to resumes end by `length` before a word is said.",
                  "completion.content: null is allowed where the answer was cut",
                  together(
                      _answered_otherwise(finish_reason="length", tokens=()),
                      on_objects(
                          lambda _, value: at_path(value, "/choices/*/message/content", lambda text: text or None),
                          COMPLETION,
                      ),
                  )),
    ),
    Variation("resume-keeps-answer-id", "An execution keeps its answer's `id` and `created` when it goes on.",
              "Facts: the documented paused answer has the same `id` as the standard one; R is silent",
              _same_answer_id()),
    *withholding(
        Variation("resume-404-once", "The first try of each resume gets 404.", _REPLICAS,
                  _not_yet_known(one_in(1, 1, resume))),
        Variation("resume-404-at-first",
                  "An approval is unknown for the first moment, whatever else is wrong with the resume.", _REPLICAS,
                  _replicated(0.1)),
        Variation("resume-404-sometimes", "The first try of every second resume gets 404.", _REPLICAS,
                  _not_yet_known(one_in(2, 1, resume))),
    ),
    Variation("resume-forgets-settled", "An approval that is spent or late is forgotten: 404.", "resume.replay: 4xx",
              Behaviour(decide=_forgets_settled)),
    Variation("resume-conflict-retry", "409 with Retry-After for a spent approval.",
              "resume.race: the other gets a 4xx",
              on_headers(lambda _, headers: [*headers, ("Retry-After", "1")], ERRORS, status_is(409))),
    Variation("resume-race-slow-winner", "The loser of a race is refused long before the winner is served.",
              "resume.race", _slow_race),
    Variation("resume-race-repeats", "Both resumes of a race get the same answer, a replay too.", _AGAIN,
              together(_REPEATED, _slow_race)),
    Variation("resume-repeats-as-kept", "A spent approval gets its first answer again, octet by octet.",
              _AGAIN, _kept_answers()),
    Variation("resume-repeats-the-same-body", "A spent approval gets its first answer again for the same body only.",
              _AGAIN, _first_octets()),
    Variation("resume-repeats-streams", "A spent approval gets its first answer again as a stream, and 409 in JSON.",
              _AGAIN, _repeating(lambda incoming, _: streamed(incoming))),
    Variation("resume-repeats-whatever", "A spent approval gets its first answer again, whatever is decided.",
              _AGAIN, _repeating(lambda incoming, _: True)),
    Variation("resume-spent-404-in-streams", "A spent approval gets 404 where a stream is asked for, and 409 in JSON.",
              "resume.replay: 4xx", Behaviour(decide=_unknown_in_streams)),
    Variation("resume-race-in-turn", "Whoever loses a race waits for half a second before it is refused.",
              "resume.race: the other gets a 4xx",
              transmits(lambda _, pieces: [Out(b"", 0.5), *pieces], ERRORS, all_of(resume, status_is(409)))),
    *withholding(
        Variation("resume-temperature-of-the-model",
                  "A resume's temperature is refused: the model does not support it.",
                  "Answers that excuse: what the model can do",
                  refuses(
                      all_of(resume, has("temperature")),
                      Refusal(400, "invalid_request_error", "unsupported_parameter"),
                      "This model does not support 'temperature'.",
                  )),
    ),
    Variation("resume-race-429", "The loser of a race gets 429 (locked), `Retry-After: 1`, and after that 409.",
              "Answers that excuse: 429", Behaviour(decide=_locked),
              {
                  "resume.race": "the loser is asked again until it is refused",
                  "isolation.slow-reader": "after a 429 fewer requests are under way",
              }),
    Variation("resume-ids-upper-exact", "Ids in upper case, which a resume has to spell alike.",
              "Left open: letter case and version of UUIDs in requests; R: the ids are `tool_calls[].id`",
              _ids_upper()),
    Variation("resume-expired-410", "410 for a late approval.", "resume.expired: 4xx",
              retold({"approval_expired": {"status": 410, "type": "gone", "code": "gone"}})),
)  # fmt: skip
