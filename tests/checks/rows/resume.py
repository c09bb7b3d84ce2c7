"""Rows on decisions on approvals, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from checks.case import OPEN, Breaks, Holds, breaks, holds
from checks.exchanges import (
    MISSING,
    NOW,
    PAGE,
    RESUME,
    answer,
    chat,
    chat_stream,
    completion,
    decision,
    denied,
    events_of,
    exchange,
    further,
    identifier,
    limited,
    paused,
    paused_stream,
    put,
    refused,
    resumed,
    resumed_stream,
    sent,
    with_events,
    with_header,
    with_status,
    without,
)

from conformance.transcript.exchange import Credential, Ending, Exchange

P, S = paused("a"), paused_stream("a")

CALLS = "/choices/0/message/tool_calls"

R: dict[str, Any] = {"endpoint": RESUME}


def _asks(name: str = "r", of: str = "a", **fields: Any) -> Any:
    return decision(name, of, **fields)


def _no(body: Any = None, status: int = 422, name: str = "r", **more: Any) -> Exchange:
    return refused(name, _asks(name) if body is None else body, status, **{**R, **more})


def _yes(body: Any = None, name: str = "r", **more: Any) -> Exchange:
    return resumed(name, "a", body=_asks(name) if body is None else body, **more)


def _again(name: str = "r2", **more: Any) -> Exchange:
    """The same decision for a second time."""
    return resumed(name, "a", body=_asks("r"), **more)


def _named(made: Exchange, asked: str) -> Exchange:
    """With the `request_id` that the request asks for."""
    return put(made, "/kitemesh/request_id", f"req-{asked}")


def _alike(name: str = "r2", **more: Any) -> Exchange:
    return _named(_again(name, **more), "r")


SHOUTED = _asks(approve=True, approval_id=identifier("a", "approval").upper())
IDS = "approved_tool_execution_ids"
FOREIGN = [{"tool_execution_id": identifier("b", "call", "0")}]
CONFLICT: dict[str, Any] = {IDS: [identifier("a", "call", "0")]}
EXPIRED = put(P, "/kitemesh/expires_at", "2026-09-21T14:13:30Z")
"""Ten seconds after NOW."""
BAD_DECISIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("approved ids that are not UUIDs", {IDS: ["x"]}),
    ("approved ids that are numbers", {IDS: [5]}),
    ("approved ids in a text", {IDS: identifier("a", "call", "0")}),
    ("a denial that is a text", {"denied_tools": [identifier("a", "call", "0")]}),
    ("a denial without its id", {"denied_tools": [{"reason": "no"}]}),
    ("a denial of no UUID", {"denied_tools": [{"tool_execution_id": "x"}]}),
    ("a reason that is a number", {"denied_tools": [{"tool_execution_id": identifier("a", "call", "0"), "reason": 5}]}),
    ("denials in an object", {"denied_tools": {}}),
)
BAD_IDS: tuple[tuple[str, Any], ...] = (
    ("missing", MISSING), ("null", None), ("a number", 5), ("no UUID", "x"), ("empty", ""),
    ("cut", identifier("a", "approval")[:-1]),
)  # fmt: skip
BAD_FIELDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("no model", {"model": MISSING}), ("no messages", {"messages": MISSING}), ("no group", {"model": "gpt-4"}),
    ("stream a text", {"stream": "true"}), ("temperature 2.1", {"temperature": 2.1}),
    ("max_tokens 0", {"max_tokens": 0}), ("an unknown mode", {"metadata": {"mode": "turbo"}}),
    ("no user message", {"messages": [{"role": "system", "content": "x"}]}),
)  # fmt: skip
NEVER = {"approval_id": identifier("never")}


def _invalid(what: str, fields: dict[str, Any], requirement: str) -> tuple[Breaks | Holds, ...]:
    body = _asks(**fields)
    return (
        breaks(requirement, f"{what}: 200", P, resumed("last", "a"), _yes(body, at=1.0)),
        holds(requirement, f"{what}: 422", P, _no(body), resumed("last", "a")),
        holds(requirement, f"{what}: 400", P, _no(body, 400), resumed("last", "a")),
    )


def _asked_again(*answers: Exchange) -> tuple[Exchange, ...]:
    """The attempts at one request."""
    return tuple(
        replace(made, name="r" if number == 1 else f"r~{number}", note=replace(made.note, probe="r", attempt=number))
        for number, made in enumerate(answers, 1)
    )


def _unknown_twice(body: Any) -> tuple[Exchange, ...]:
    """404 at once, and to the same after a while."""
    return _asked_again(_no(body, 404, at=1.0), _no(body, 404, at=3.2))


def _race(*answers: Exchange) -> tuple[Exchange, ...]:
    """At the same moment."""
    return tuple(replace(made, started=10.0 + number / 1000) for number, made in enumerate(answers))


def _streamed_like(made: Exchange) -> Exchange:
    """With the id of the first resume, as a server that repeats its first answer sends it."""
    events = [event if event == "[DONE]" else {**event, "id": SAME_ID} for event in events_of(made)]
    return with_events(made, events)


STREAMED_AGAIN = resumed_stream("r2", "a")
SAME_ID = "chatcmpl_" + identifier("r")
UNKNOWN = decision("r", "never")
COOL = decision("r", "a", temperature=0)


def _as_kept(name: str = "r2") -> Exchange:
    """A stream is asked for, and the octets of the first answer come, which was JSON."""
    return exchange(name, _asks("r", stream=True), _yes().response, **R)


ROWS: tuple[Breaks | Holds, ...] = (
    *(breaks("resume.approve", f"{status}", P, with_status(_no(_asks(approve=True)), status))
      for status in (400, 409, 422)),
    breaks("resume.approve", "404, and again after a while", P, *_unknown_twice(_asks(approve=True))),
    breaks("resume.approve", "404 where every replica has to know the approval", P, _no(_asks(approve=True), 404,
           at=3.0)),
    holds("resume.approve", "404 where replicas need not know the approval yet", P, _no(_asks(approve=True), 404,
          at=1.0), state=OPEN),
    holds("resume.approve", "404 at first", P, *_asked_again(_no(_asks("r", approve=True), 404, at=1.0), resumed(
        "r", "a", approve=True, at=3.0))),
    holds("resume.deny", "404 at first, however late", P, *_asked_again(_no(at=20.0, status=404), _yes(at=22.0))),
    holds("resume.deny", "404 after a limit, and taken then", P, *_asked_again(
        limited("r", _asks(), at=0.5, **R), _no(status=404, at=1.0), _yes(at=3.0))),
    holds("resume.deny", "404 after a limit, asked for as often as anything is", P, *_asked_again(
        limited("r", _asks(), at=0.5, **R), limited("r", _asks(), at=0.9, **R), _no(status=404, at=1.5)), state=OPEN),
    breaks("resume.deny", "unknown to some replicas", P, *_unknown_twice(_asks()), _alike("r-anew", at=4.0)),
    breaks("resume.deny", "unknown to some replicas, where it was refused before", P, _no(
        _asks("x", denied_tools=FOREIGN), 422, "x", at=0.5), paused("b", at=0.1), *_unknown_twice(_asks()),
        _alike("r-anew", at=4.0)),
    breaks("resume.deny", "unknown to some replicas, as a stream", P, *_unknown_twice(_asks(stream=True)),
           resumed_stream("r-anew", "a", at=4.0)),
    breaks("resume.approve", "unknown to some replicas", P, *_unknown_twice(_asks(approve=True)), _alike(
        "r-anew", at=4.0)),
    breaks("resume.deny", "unknown to some replicas, one of which takes a late broken one for unknown", P,
           paused("b", at=0.1), *_unknown_twice(_asks()), _alike("r-anew", at=4.0),
           refused("f", decision("f", "b", temperature=3), 404, at=5.0, **R), resumed("last", "b", at=6.0)),
    holds("resume.request-fields", "404 where replicas need not know the approval yet", P, _no(
        _asks(temperature=3), 404, at=1.0), resumed("last", "a"), state=OPEN),
    holds("resume.refusal-keeps", "404 at first", P, _no(_asks("x", denied_tools=FOREIGN), 422, "x", at=0.5),
          paused("b", at=0.1), *_asked_again(_no(status=404, at=1.0), _yes(at=3.0))),
    breaks("resume.approve", "403", P, _no(_asks(approve=True), 403)),
    breaks("resume.approve", "as a stream, where no other is there", S, _no(_asks(approve=True, stream=True))),
    breaks("resume.approve", "of two calls", paused("a", 2), _no(_asks(approve=True, calls=2))),
    breaks("resume.approve", "no answer", P, replace(_no(_asks(approve=True)), response=None,
           ending=Ending.TIMED_OUT_IDLE)),
    holds("resume.approve", "taken", P, resumed("r", "a", approve=True)),
    *(holds("resume.approve", f"the approval in another case than it was given: {made.status}", P, made, state=OPEN)
      for made in (_no(SHOUTED), resumed("r", "a", body=SHOUTED))),
    holds("resume.approve", "429", P, limited("r", _asks(approve=True), **R), state=OPEN),
    holds("resume.approve", "calls left undecided", P, _no(_asks(denied_tools=[])), state=OPEN),
    holds("resume.approve", "expired", EXPIRED, _no(_asks(approve=True), 409, at=60.0), state=OPEN),
    breaks("resume.deny", "422", P, _no()),
    breaks("resume.deny", "with a reason", P, _no(_asks(denied_tools=[
        {"tool_execution_id": identifier("a", "call", "0"), "reason": "no"}]))),
    breaks("resume.deny", "for another reason than a minimal request", P, _no(), put(
        refused("m", sent("m", request_id=False), 422), "/error/message", "No such model."), also="accept.minimal"),
    breaks("accept.minimal", "a decision is refused in the same words", P, _no(), refused("m", sent(
        "m", request_id=False), 422)),
    breaks("accept.minimal", "decisions are refused in the same words, or because of one that was", P, *_race(
        put(_no(_asks("r"), 409), "/error/message", "Resumed."), _no(_asks("r"), 404, "r2")),
        chat_stream("s"), refused("m", sent("m", request_id=False), 404)),
    breaks("accept.minimal", "a decision after a refused one too", P, put(_no(
        _asks(approved_tool_execution_ids=["x"])), "/error/message", "No."), _no(name="r2", at=30.0),
        refused("m", sent("m", request_id=False), 422)),
    breaks("accept.minimal", "a streamed decision too", P, _no(_asks(stream=True)), refused("m", sent(
        "m", request_id=False), 422)),
    holds("resume.deny", "taken", P, _yes()),
    holds("resume.deny", "one denied, one approved", paused("a", 2), resumed(
        "r", "a", approved_tool_execution_ids=[identifier("a", "call", "1")]), state=OPEN),
    holds("resume.deny", "a null reason", P, _no(_asks(denied_tools=[
        {"tool_execution_id": identifier("a", "call", "0"), "reason": None}])), state=OPEN),
    breaks("resume.stream", "refused", P, _no(_asks(stream=True)), resumed("r2", "a", at=30.0)),
    breaks("resume.stream", "JSON instead", P, resumed("r", "a", stream=True), chat_stream("well"),
           also="stream.media-type"),
    breaks("resume.stream", "no [DONE] there alone", P, with_events(
        resumed_stream("r", "a"), events_of(resumed_stream("r", "a"))[:-1]), chat_stream("well"), also="stream.done"),
    breaks("resume.stream", "no created there alone", P, without(resumed_stream("r", "a"), "/created", 1),
           chat_stream("well"), also="chunk.schema"),
    holds("resume.stream", "taken", P, resumed_stream("r", "a")),
    breaks("resume.execution-continues", "another", P, put(_yes(), "/kitemesh/execution_id", identifier("x"))),
    breaks("resume.execution-continues", "another, streamed", P, put(
        resumed_stream("r", "a"), "/kitemesh/execution_id", identifier("x"), -2)),
    breaks("resume.execution-continues", "another, in a further round", P, put(
        further("r", "a"), "/kitemesh/execution_id", identifier("x"))),
    holds("resume.execution-continues", "the same", P, _yes()),
    holds("resume.execution-continues", "in another case", P, put(
        _yes(), "/kitemesh/execution_id", identifier("a", "execution").upper())),
    holds("resume.execution-continues", "a stream that tells none", P, without(
        resumed_stream("r", "a"), "/kitemesh", -2), state=OPEN),
    *(row for what, value in BAD_IDS for row in _invalid(what, {"approval_id": value}, "resume.approval-id")),
    *(row for what, fields in BAD_DECISIONS for row in _invalid(what, fields, "resume.decision-shape")),
    *(row for what, fields in BAD_FIELDS for row in _invalid(what, fields, "resume.request-fields")),
    holds("resume.approval-id", "404", P, _no(_asks(approval_id="x"), 404), resumed("last", "a")),
    breaks("resume.request-fields", "404", P, _no(_asks(temperature=3), 404, at=3.0), resumed("last", "a", at=4.0)),
    breaks("resume.request-fields", "a temperature is refused, and the same is taken without it", P, _no(COOL),
           resumed("r2", "a")),
    holds("resume.request-fields", "a temperature that the model does not know", P, put(
        _no(COOL, 400), "/error/message", "This model does not support 'temperature'."), resumed("r2", "a"),
        state=OPEN),
    holds("resume.request-fields", "404 at first, and a temperature", P, *_asked_again(
        _no(COOL, 404, at=1.0), _yes(COOL, at=3.0)), state=OPEN),
    breaks("resume.deny", "with a temperature, and without it too", P, _no(COOL), _no(name="r2")),
    breaks("resume.approval-unknown", "taken", chat("well"), exchange("r", UNKNOWN, answer({
        **completion("r", "x")}), **R)),
    breaks("resume.approval-unknown", "no answer", chat("well"), exchange(
        "r", UNKNOWN, None, ending=Ending.TIMED_OUT_FIRST_BYTE, **R)),
    *(breaks("error.media-type", f"{status} by a page to an unknown approval, though resumes are served",
             P, resumed("last", "a"), replace(_no(UNKNOWN, status), response=answer(PAGE, status, "text/html")))
      for status in (404, 409)),
    *(holds("resume.approval-unknown", f"{status}", chat("well"), _no(UNKNOWN, status))
      for status in (400, 403, 404, 409, 410, 422)),
    breaks("resume.foreign-call", "denied", P, paused("b"), _yes(_asks(denied_tools=FOREIGN))),
    breaks("resume.foreign-call", "approved", P, paused("b"), _yes(_asks(
        denied_tools=MISSING, approved_tool_execution_ids=[identifier("b", "call", "0")]))),
    breaks("resume.foreign-call", "beside one of its own", P, paused("b"), _yes(_asks(
        denied_tools=[*FOREIGN, {"tool_execution_id": identifier("a", "call", "0")}]))),
    *(holds("resume.foreign-call", f"{status}", P, paused("b"), _no(_asks(denied_tools=FOREIGN), status))
      for status in (400, 404, 409, 422)),
    breaks("resume.conflict", "taken", P, _yes(_asks(**CONFLICT))),
    *(holds("resume.conflict", f"{status}", P, _no(_asks(**CONFLICT), status)) for status in (400, 409, 422)),
    breaks("resume.further-round", "the old approval_id", P, put(
        further("r", "a"), "/kitemesh/approval_id", identifier("a", "approval"))),
    breaks("resume.further-round", "no approval_id", P, without(further("r", "a"), "/kitemesh/approval_id")),
    breaks("resume.further-round", "no expires_at", P, without(further("r", "a"), "/kitemesh/expires_at")),
    breaks("resume.further-round", "stop", P, put(further("r", "a"), "/choices/0/finish_reason", "stop")),
    breaks("resume.further-round", "a call without a UUID", P, put(further("r", "a"), f"{CALLS}/0/id", "x")),
    breaks("resume.further-round", "created in milliseconds", P, put(further("r", "a"), "/created", NOW * 1000)),
    breaks("resume.further-round", "no kitemesh", P, without(further("r", "a"), "/kitemesh"), also="kitemesh.present"),
    breaks("resume.further-round", "its approval is refused", P, further("r", "a"), _no(_asks("r2", "r"), 409, "r2"),
           also="resume.deny"),
    holds("resume.further-round", "its approval is taken", P, further("r", "a"),
          put(resumed("r2", "r"), "/kitemesh/execution_id", identifier("a", "execution"))),
    holds("resume.further-round", "a call of the first round again", P, put(
        further("r", "a"), f"{CALLS}/0/id", identifier("a", "call", "0"))),
    breaks("resume.further-round", "a call of another execution", P, paused("b"), put(
        further("r", "b"), f"{CALLS}/0/id", identifier("a", "call", "0")), also="approval.tool-call-id"),
    breaks("resume.deny", "in the first round, and in a further one", P, further("r", "a"),
           _no(_asks("r2", "r"), 409, "r2"), paused("b"), _no(_asks("r3", "b"), 409, "r3")),
    holds("resume.further-round", "a new one", P, further("r", "a")),
    holds("resume.further-round", "no usage", P, further("r", "a")),
    breaks("resume.refusal-keeps", "404 after a refused one", P, _no(_asks("x", denied_tools=FOREIGN), 422, "x"),
           paused("b"), _no(None, 404)),
    holds("resume.refusal-keeps", "200 after a refused one", P, _no(_asks("x", denied_tools=FOREIGN), 422, "x"),
          _yes()),
    breaks("resume.race", "both are served", P, *_race(_yes(), _alike())),
    breaks("resume.race", "neither is", P, *_race(_no(None, 409), _no(_asks("r"), 409, "r2"))),
    *(holds("resume.race", f"neither of two is, the third got {status}", P, *_race(
        _no(_asks("r"), 409), _no(_asks("r"), 409, "r2"), _no(_asks("r"), status, "r3")), state=OPEN)
      for status in (500, 502, 503)),
    breaks("resume.race", "none of three is", P, *_race(
        _no(None, 409, "r3"), _no(_asks("r"), 409), _no(_asks("r"), 409, "r2"))),
    breaks("resume.race", "both are served as streams", P, *_race(resumed_stream("r", "a"), STREAMED_AGAIN)),
    breaks("resume.race", "both are served, one as a stream", P, *_race(_yes(), STREAMED_AGAIN)),
    holds("resume.race", "the same answer in both forms", P, *_race(_yes(), _streamed_like(STREAMED_AGAIN))),
    holds("resume.race", "the octets of the first answer where a stream is asked for", P, *_race(_yes(), _as_kept())),
    holds("resume.race", "a stream, the other 409", P, *_race(
        resumed_stream("r", "a"), _no(_asks("r", stream=True), 409, "r2"))),
    holds("resume.race", "the other 409", P, *_race(_yes(), _no(_asks("r"), 409, "r2"))),
    holds("resume.race", "the earlier 409", P, *_race(_no(_asks("r"), 409, "r2"), _yes())),
    holds("resume.race", "the same answer", P, *_race(_yes(), put(_alike(), "/id", SAME_ID))),
    breaks("resume.expired", "taken a minute late", EXPIRED, _yes(at=60.0)),
    *(holds("resume.expired", f"{status}", EXPIRED, _no(None, status, at=60.0)) for status in (404, 409, 410, 422)),
    holds("resume.expired", "in time", EXPIRED, _yes(at=3.0), state=OPEN),
    holds("resume.expired", "in time, by the server's own clock", with_header(
        put(put(P, "/created", 1_789_990_000), "/kitemesh/expires_at", "2026-09-21T11:27:00Z"),
        "Date", "Mon, 21 Sep 2026 11:26:40 GMT"), put(with_header(
            _yes(at=10.0), "Date", "Mon, 21 Sep 2026 11:26:50 GMT"), "/created", 1_789_990_010), state=OPEN),
    breaks("resume.other-caller", "taken", P, _yes(credential=Credential.SECOND)),
    *(holds("resume.other-caller", f"{status}", P, _no(None, status, credential=Credential.SECOND))
      for status in (403, 404, 422)),
    breaks("resume.replay", "served anew", P, _yes(), _alike()),
    breaks("resume.replay", "served anew, in the other form", P, _yes(), STREAMED_AGAIN),
    breaks("resume.replay", "served anew, streamed", P, resumed_stream("r", "a"), STREAMED_AGAIN),
    *(holds("resume.replay", f"{status}", P, _yes(), _no(_asks("r"), status, "r2")) for status in (404, 409, 410)),
    holds("resume.replay", "the first answer again", P, _yes(), put(_alike(), "/id", SAME_ID)),
    holds("resume.replay", "the first answer again, as a stream", P, resumed_stream("r", "a"),
          _streamed_like(STREAMED_AGAIN)),
    holds("resume.replay", "the first answer again, in the other form", P, _yes(), _streamed_like(STREAMED_AGAIN)),
    holds("resume.replay", "its octets again, where a stream is asked for", P, _yes(), _as_kept()),
    breaks("resume.auth", "no header: taken", P, exchange(
        "r", _asks(), _yes().response, credential=Credential.NONE, **R)),
    *(breaks("resume.auth", f"{credential}: 404", P, with_status(
        denied("r", credential, _asks(), **R), 404)) for credential in (
            Credential.NONE, Credential.EMPTY, Credential.NEVER_ISSUED, Credential.NEARLY_OWN,
        Credential.OTHER_MIDDLE)),
    *(holds("resume.auth", f"{credential}: 401", P, denied("r", credential, _asks(), **R)) for credential in (
        Credential.NONE, Credential.EMPTY, Credential.NEVER_ISSUED, Credential.NEARLY_OWN,
        Credential.OTHER_MIDDLE)),
)  # fmt: skip
