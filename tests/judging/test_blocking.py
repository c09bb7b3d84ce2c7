"""What a failure hides is laid to it: chains that could not go on are blocked, not merely unexercised."""

from __future__ import annotations

from dataclasses import replace

import pytest
from checks.exchanges import (
    NOW,
    chat,
    chat_stream,
    judged,
    paused,
    paused_stream,
    put,
    refused,
    resumed,
    sent,
    with_body,
    with_events,
    with_status,
    without,
)

from conformance.judging.verdict import State
from conformance.transcript.exchange import Exchange

CALLS = "/choices/0/message/tool_calls"
DELTA = "/choices/0/delta/tool_calls"


def _asking(made: Exchange) -> Exchange:
    return replace(made, note=replace(made.note, area="approval"))


def _json_lines(made: Exchange) -> Exchange:
    """A stream as JSON lines."""
    assert made.response is not None
    body = made.response.body.replace(b"data: [DONE]\n\n", b"").replace(b"data: ", b"").replace(b"\n\n", b"\n")
    headers = tuple((k, "application/x-ndjson" if k == "Content-Type" else v) for k, v in made.response.headers)
    return replace(made, response=replace(made.response, body=body, headers=headers, pieces=None))


def _fails(attempt: int) -> Exchange:
    """A try of a request for an approval that is answered by 500."""
    made = _asking(refused("p", sent("p"), 500))
    return replace(made, name=f"p~{attempt}", note=replace(made.note, area="approval", attempt=attempt))


P, S = _asking(paused("p")), _asking(paused_stream("s"))
HIDING = {
    "JSON lines": ("stream.media-type", (chat("well"), _json_lines(chat_stream("a")), _json_lines(S)),
                   ("chunk.schema", "stream.done", "isolation.streams", "approval.stream", "resume.stream")),
    "no approval_id": ("approval.id", (chat("well"), without(P, "/kitemesh/approval_id")),
                       ("resume.approve", "resume.deny", "resume.auth", "resume.decision-shape")),
    "an approval_id that is not a UUID": ("approval.id", (chat("well"), put(P, "/kitemesh/approval_id", "appr_1")),
                                          ("resume.approve", "resume.deny", "resume.auth")),
    "no approval_id, and once no approval": ("approval.id", (
        chat("well"), without(P, "/kitemesh/approval_id"), _asking(chat("q"))), ("resume.approve", "resume.deny")),
    "no approval_id in the stream": ("approval.id", (
        chat("well"), P, resumed("r", "p"), without(S, "/kitemesh/approval_id", 1)), ("resume.stream",)),
    "no kitemesh": ("kitemesh.present", (chat("well"), without(P, "/kitemesh")), ("resume.approve", "resume.deny")),
    "calls of OpenAI's": ("approval.tool-call-id", (chat("well"), put(P, f"{CALLS}/0/id", "call_1")),
                          ("resume.approve", "resume.deny")),
    "expired at once": ("approval.expires-at", (
        chat("well"), put(P, "/kitemesh/expires_at", "2026-06-08T16:20:00Z"), resumed("r", "p", at=60.0)),
        ("resume.deny",)),
    "a stream of words": ("stream.json-data", (
        chat("well"), with_events(chat_stream("a"), ["hello", "[DONE]"]), with_events(S, ["hello", "[DONE]"])),
        ("approval.stream", "resume.stream", "isolation.streams")),
    "an approval that is refused": ("accept.metadata", (
        chat("well"), _asking(refused("p", sent("p", prompt="Please create a ticket."), 400))),
        ("approval.id", "approval.tool-call-id", "resume.approve")),
    "an approval that brings a 500": ("error.no-server-error", (
        chat("well"), _fails(1), chat("between"), _fails(2), chat("after")),
        ("approval.id", "resume.approve")),
    "streams that are refused": ("accept.optional-fields", (
        chat("well"), refused("a", sent("a", stream=True, request_id=False), 400)), ("stream.done", "chunk.schema")),
    "errors with status 200": ("error.status", (
        chat("well"), with_status(refused("x", {**sent("x"), "messages": []}), 200)),
        ("error.schema", "error.media-type")),
}  # fmt: skip


@pytest.mark.parametrize("what", HIDING)
def test_what_a_failure_hides_is_blocked_by_it(what: str) -> None:
    failing, exchanges, hidden = HIDING[what]
    verdict = judged(*exchanges)
    assert verdict[failing].state is State.FAILED
    for id_ in hidden:
        assert verdict[id_].state is State.BLOCKED, (id_, verdict[id_].reason)
        assert failing in verdict[id_].blocked_by


IDLE = {
    "a prompt that brings no approval": (chat("well"), _asking(chat("p"))),
    "a prompt that brings none, with an answer that is wrong in other ways": (
        chat("well"), _asking(without(chat("p"), "/usage"))),
    "a prompt that brings none, and a cut answer elsewhere": (
        chat("well"), _asking(chat("p")), _asking(with_body(chat("q"), b"{"))),
    "a sound approval, and nothing after it": (chat("well"), P, S),
    "an approval that is wrong in what nobody needs": (chat("well"), put(P, "/created", NOW * 1000)),
    "no approval asked for": (chat("well"), without(chat("q"), "/usage")),
    "an approval that is put off": (chat("well"), _asking(refused("p", sent("p"), 503))),
}  # fmt: skip


@pytest.mark.parametrize("what", IDLE)
def test_what_nothing_stands_in_the_way_of_is_not_exercised(what: str) -> None:
    verdict = judged(*IDLE[what])
    for id_ in ("resume.approve", "resume.deny", "resume.auth"):
        assert verdict[id_].state is State.NOT_EXERCISED, verdict[id_].blocked_by


def test_one_stream_that_cannot_be_read_hides_nothing_that_others_do_not_show() -> None:
    verdict = judged(chat("well"), chat_stream("b"), with_events(chat_stream("a"), ["hello", "[DONE]"]))
    assert verdict["isolation.streams"].state is verdict["stream.incremental"].state is State.NOT_EXERCISED


def test_a_budget_is_the_reason_where_it_ended_the_run() -> None:
    exchanges = HIDING["no approval_id"][1]
    assert (
        judged(*exchanges, options={"stopped": "stopped after 2 requests"})["resume.deny"].state is State.NOT_EXERCISED
    )


def test_a_breach_of_a_should_hides_no_must() -> None:
    verdict = judged(chat("well"), put(P, f"{CALLS[:-10]}content", "Shall I?"))
    assert verdict["approval.content-null"].state is State.FAILED
    assert verdict["resume.deny"].state is State.NOT_EXERCISED
