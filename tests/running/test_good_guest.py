"""A good guest: budgets are kept, every request says whose it is, and no tool is approved that nobody asked for."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from studies.misbehaving.relay import Instead, Twist, relay, unchanged
from wire.raw_server import RawServer, answer

import conformance
from conformance.judging import judge as judging
from conformance.reference.process import in_process
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, FIRST_TOKEN, Settings
from conformance.running import run
from conformance.settings.options import Depth, Options
from conformance.transcript.exchange import Transcript
from conformance.wire.pace import Pace

BARE = re.compile(r"opening|minimal|accept-|resume-deny-plain|resume-refuse-stream-|resume-.*-further-1")
"""Probes whose point is a body with nothing but what they name."""


def guest(settings: Settings, twist: Twist = unchanged, **options: Any) -> tuple[Transcript, list[bytes]]:
    """What was recorded, and the requests as the server got them."""

    async def visit(port: int) -> tuple[Transcript, list[bytes]]:
        async with RawServer(choose=relay(port, twist)) as server:
            told = {"url": server.url, "model": DEFAULT_MODEL, "token": FIRST_TOKEN, "depth": Depth.QUICK, **options}
            transcript = await run.record(Options(**told).checked(), 1, patience=0.01, again=False)
            return transcript, server.requests

    with in_process(settings) as url:
        return asyncio.run(visit(int(url.rsplit(":", 1)[1])))


def body_of(request: bytes) -> Any:
    try:
        return json.loads(request.partition(b"\r\n\r\n")[2])
    except (ValueError, RecursionError):
        return None


QUICK = Settings(token_interval=0.0)


@pytest.mark.parametrize("most", [1, 7])
def test_no_more_requests_are_sent_than_allowed(most: int) -> None:
    transcript, got = guest(QUICK, max_requests=most)
    assert len(got) == len(transcript) == most
    assert "--max-requests" in str(transcript.options["stopped"])


def test_it_stops_once_so_much_was_charged() -> None:
    all_, _ = guest(QUICK, concurrency=2)
    some, _ = guest(QUICK, concurrency=2, max_credits=5)
    charged = judging.judge(some).credits
    assert 5 <= charged < judging.judge(all_).credits
    assert charged <= 5 + 2 * 2  # what was under way when the last of them was told
    assert "--max-credits" in str(some.options["stopped"])


def test_429_halves_the_concurrency_and_pauses_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    complaints = []
    complain = Pace.complain
    monkeypatch.setattr(
        Pace, "complain", lambda pace, *told, **more: (complaints.append(told[1]), complain(pace, *told, **more))
    )
    refused = b'{"error":{"message":"Later.","type":"rate_limit_error","code":"rate_limit_exceeded"}}'
    busy = answer(refused, "Content-Type: application/json", "Retry-After: 0", status="429 Too Many Requests")
    guest(QUICK, Instead([(0.0, busy)], 5))
    assert set(complaints) == {0.0}


def test_every_request_says_who_sends_it() -> None:
    _, got = guest(QUICK)
    agent = f"user-agent: kitemesh-conformance/{conformance.__version__}\r\n".encode()
    assert got
    silent = [request for request in got if request.lower().count(agent) != 1]
    # The openai client's fields are sent to the letter; there the request's id says it.
    assert [request for request in silent if b'"request_id":"conformance-sdk-' not in request] == []
    assert len(silent) == 2


def test_every_request_that_may_has_an_id_of_its_own() -> None:
    transcript, _ = guest(QUICK, approval_prompt=DEFAULT_APPROVAL_PROMPT)
    ids = []
    for exchange in transcript:
        body = body_of(b"\r\n\r\n" + (exchange.request.body or b""))
        metadata = body.get("metadata") if isinstance(body, dict) else None
        id_ = metadata.get("request_id") if isinstance(metadata, dict) else None
        if isinstance(id_, str) and id_.startswith("conformance-"):
            ids.append(id_)
        elif exchange.note.area not in ("reject", "robust", "auth", "isolation"):
            assert BARE.match(exchange.note.probe), exchange.name
    assert len(ids) > len(transcript) / 4
    assert len(set(ids)) > len(ids) / 2


@pytest.mark.parametrize("options", [{}, {"approvals": False}, {"approval_prompt": "e", "execute": False}])
def test_no_tool_is_approved_that_nobody_asked_for(options: dict[str, Any]) -> None:
    # A target that waits for an approval whatever it is asked.
    transcript, got = guest(Settings(token_interval=0.0, approval_phrase="e"), **options)
    given = {
        call.lower()
        for exchange in transcript
        if exchange.response is not None and exchange.status == 200
        for call in re.findall(r'"(?:id|approval_id)": ?"([0-9a-fA-F-]{36})"', exchange.response.body.decode())
    }
    assert given
    approved = set()
    for request in got:
        body = body_of(request)
        calls = body.get("approved_tool_execution_ids") if isinstance(body, dict) else None
        approved |= {call.lower() for call in calls if isinstance(call, str)} if isinstance(calls, list) else set()
    assert not approved & given
