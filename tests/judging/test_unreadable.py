"""A target of which no answer can be read breaks http.complete, and nothing else is said of it; a recording says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from checks.exchanges import chat_stream, failed, sent, transcript, unanswered

from conformance.judging import judge as judging
from conformance.judging.verdict import Conclusion, State
from conformance.transcript import har_reader, har_writer
from conformance.transcript.exchange import Credential, Ending

HEADS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nServer : x\r\n\r\n",
    b"HTTP/1.1 OK\r\n\r\n",
)


@pytest.mark.parametrize("head", HEADS)
def test_a_target_that_nobody_can_read(head: bytes) -> None:
    unread = [
        replace(one, head=head, error="refused")
        for one in (
            unanswered("first", Ending.GARBAGE),
            unanswered("denied", Ending.GARBAGE, credential=Credential.NONE),
            unanswered("broken", Ending.GARBAGE, {**sent("broken"), "messages": []}),
            replace(chat_stream("stream"), response=None, ending=Ending.GARBAGE),
        )
    ]
    made = transcript(*unread)
    verdict = judging.judge(made).verdict
    assert failed(verdict) == {"http.complete"}
    assert verdict.conclusion is Conclusion.NONCONFORMANT
    assert len(verdict["http.complete"].findings) == len(unread)
    told = verdict["http.complete"].findings[0].observed
    assert told == repr(head.removeprefix(b"HTTP/1.1 200 OK\r\n").removesuffix(b"\r\n"))
    for blocked in ("accept.metadata", "auth.missing-header", "reject.messages", "error.schema", "http.json"):
        assert (verdict[blocked].state, verdict[blocked].blocked_by) == (State.BLOCKED, ("http.complete",))
    again = judging.judge(har_reader.load(har_writer.dumps(made))).verdict
    assert again["http.complete"].findings == verdict["http.complete"].findings


def test_a_target_that_speaks_another_protocol_is_not_judged() -> None:
    made = replace(unanswered("a", Ending.GARBAGE), head=b"SSH-2.0-OpenSSH\r\n")
    verdict = judging.judge(transcript(made)).verdict
    assert failed(verdict) == set()
    assert verdict.conclusion is Conclusion.INCONCLUSIVE
