"""Every variation starts, differs from the conforming server in what it says it does, and keeps to the schemas."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from conformance.contract import catalogue, schemas
from conformance.contract.catalogue import Level
from conformance.reference.app import create_many
from conformance.reference.behaviour import CONFORMING, Behaviour, Leniency, Replay
from conformance.reference.conditions import one_in
from conformance.reference.fault import Variation, assembled
from conformance.reference.incoming import ParsedBody
from conformance.reference.making import at_path, together
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, FIRST_TOKEN, Settings
from conformance.reference.variations import VARIATIONS, WARNED

SERVERS = [*VARIATIONS, *WARNED]
AT_ONCE = 24
TRIES = 4
DONE = "[DONE]"


def body(prompt: str = "Reply with just this word: zephyr", **members: Any) -> dict[str, Any]:
    metadata = {"request_id": f"req_{prompt[:4]}_{len(members)}"}
    return {"model": DEFAULT_MODEL, "messages": [{"role": "user", "content": prompt}], "metadata": metadata, **members}


@pytest.fixture(scope="module")
def answered() -> dict[str, dict[str, httpx.Response]]:
    """For each server: its answers to a chat, a stream, and a chat that waits for approval."""
    behaviours = {server.id: server.behaviour for server in SERVERS}
    with in_thread(create_many(Settings(token_interval=0.001), {"conforming": CONFORMING, **behaviours})) as url:
        return asyncio.run(_ask_all(url, ["conforming", *behaviours]))


async def _ask_all(url: str, ids: list[str]) -> dict[str, dict[str, httpx.Response]]:
    slots = asyncio.Semaphore(AT_ONCE)
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=url, headers={"Authorization": f"Bearer {FIRST_TOKEN}"}, timeout=20, trust_env=False, limits=limits
    ) as client:

        async def ask(id_: str) -> tuple[str, dict[str, httpx.Response]]:
            async with slots:
                bodies = {"chat": body(), "stream": body(stream=True), "approval": body(DEFAULT_APPROVAL_PROMPT)}
                return id_, {name: await _served(client, id_, sent) for name, sent in bodies.items()}

        return dict(await asyncio.gather(*map(ask, ids)))


async def _served(client: httpx.AsyncClient, id_: str, sent: dict[str, Any]) -> httpx.Response:
    """The answer, asked for again where it excuses itself."""
    for attempt in range(TRIES):
        try:
            answer = await client.post(f"f/{id_}/v1/chat/completions", json=sent)
        except httpx.TransportError:
            if attempt == TRIES - 1:
                raise
            continue
        if answer.status_code == 200 or attempt == TRIES - 1:
            return answer
        await asyncio.sleep(min(float(answer.headers.get("retry-after", 0)), 1))
    raise AssertionError("not reached")


def events(answer: httpx.Response) -> Iterator[str]:
    """The data of each event, by the standard's grammar."""
    text = answer.content.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for block in text.split("\n\n"):
        lines = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        if lines:
            yield "\n".join(lines)


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.id)
def test_a_server_answers_by_the_schemas(server, answered):
    answers = answered[server.id]
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 200)
    paused = answers["approval"].json()
    waits = paused["choices"][0]["finish_reason"] == "tool_calls"
    assert schemas.errors("completion", answers["chat"].json()) == []
    assert schemas.errors("approval" if waits else "completion", paused) == []
    assert waits or "approval.id" in getattr(server, "unexercised", {})
    *chunks, last = events(answers["stream"])
    assert last == DONE
    read = [chunk for chunk in map(json.loads, chunks) if chunk["choices"]]
    assert [schemas.errors("chunk", chunk) for chunk in read] == [[] for _ in read]
    for index in {chunk["choices"][0]["index"] for chunk in read}:
        own = [chunk["choices"][0] for chunk in read if chunk["choices"][0]["index"] == index]
        assert [choice["finish_reason"] for choice in own if choice.get("finish_reason")] == ["stop"]
        assert "".join(choice["delta"].get("content") or "" for choice in own)


def test_the_conforming_server_is_the_measure(answered):
    assert answered["conforming"]["chat"].json()["choices"][0]["message"]["content"] == "zephyr"


def test_there_are_enough_of_them_and_each_has_its_words():
    assert len(VARIATIONS) >= 75
    assert all(variation.summary.strip() and variation.source.strip() for variation in VARIATIONS)
    assert all(count == 1 for count in Counter(server.id for server in SERVERS).values())
    assert all(server.behaviour is not CONFORMING for server in SERVERS)


def test_a_warning_is_of_a_should():
    requirements = catalogue.load()
    assert {requirements[fault.requirement].level for fault in WARNED} == {Level.SHOULD}


def test_ids_twice_and_unknown_requirements_are_refused():
    variation = Variation("x", "x", "x", CONFORMING)
    with pytest.raises(ValueError, match="two variations"):
        assembled([[variation], [variation]])
    with pytest.raises(ValueError, match="no-such"):
        assembled([[Variation("y", "y", "y", CONFORMING, {"no-such.requirement": "why"})]])


def test_behaviours_are_joined_in_order():
    first = Behaviour(shape=lambda _, objects: [*objects, {"n": 1}])
    second = Behaviour(shape=lambda _, objects: [*objects, {"n": 2}])
    assert together(first, second).shape(None, []) == [{"n": 1}, {"n": 2}]
    lenient = Behaviour(leniency=Leniency(replay=Replay.REPEAT))
    assert together(first, lenient).leniency.replay is Replay.REPEAT
    with pytest.raises(ValueError, match="lenient"):
        together(lenient, lenient)


def test_what_is_joined_notices_a_client_that_leaves():
    seen: list[str] = []
    slow = Behaviour(left=lambda _: seen.append("slow"), hesitation=0.05)
    quick = Behaviour(left=lambda _: seen.append("quick"), hesitation=0.02)
    joined = together(slow, CONFORMING, quick)
    joined.left(None)
    assert seen == ["slow", "quick"]
    assert joined.hesitation == 0.05


def test_a_path_reaches_members_items_and_all_items():
    value = {"a": [{"b": 1}, {"b": 2}], "c": None}
    assert at_path(value, "/a/*/b", lambda n: n + 1) == {"a": [{"b": 2}, {"b": 3}], "c": None}
    assert at_path(value, "/a/1", lambda _: 0) == {"a": [{"b": 1}, 0], "c": None}
    assert at_path(value, "/c/x", lambda _: 0) == value
    assert at_path(value, "/z", lambda _: 0) == value


class _Request:
    def __init__(self, body: bytes, memory: dict[str, Any]) -> None:
        self.path = "/v1/chat/completions"
        self.body = body
        self.memory = memory
        self.reading = ParsedBody(fault="no JSON")


def test_one_request_in_so_many_is_picked_so_many_times():
    when = one_in(3, 2)
    memory: dict[str, Any] = {}
    tries = [[when(_Request(b"%d" % number, memory)) for _ in range(3)] for number in range(300)]  # type: ignore[arg-type]
    assert {tuple(tried) for tried in tries} == {(False, False, False), (True, True, False)}
    assert 60 < sum(tried[0] for tried in tries) < 140
    again = [when(_Request(b"%d" % number, {})) for number in range(300)]  # type: ignore[arg-type]
    assert again == [tried[0] for tried in tries]
