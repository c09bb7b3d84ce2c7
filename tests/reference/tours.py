"""The requests that show a fault, by the area or the requirement that it breaks."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from typing import Any

from reference.groups import GROUPS, UNUSUAL_IDS, Group
from reference.showing import CHAT, OWN, RESUME, Caller, Tour

from conformance.probes.refusals import nearly
from conformance.probes.sdk import ASYNC_FIELDS, FIELDS, NODE_FIELDS
from conformance.reference.fault import Fault
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, FIRST_TOKEN, SECOND_TOKEN

APPROVAL_TTL = 0.5
"""Seconds after which the approvals expire of the server that `expired` is a tour of."""
STRANGERS = ("Bearer km_never_issued", f"Bearer {nearly(FIRST_TOKEN)}", "Bearer", None)
NEVER_GIVEN = "00000000-0000-4000-8000-000000000000"
ABSENT = object()
"""In place of a member's value: the member is left out."""


def chat(prompt: str, **fields: Any) -> dict[str, Any]:
    return {"model": DEFAULT_MODEL, "messages": [{"role": "user", "content": prompt}], **fields}


def ask(**fields: Any) -> dict[str, Any]:
    return chat(DEFAULT_APPROVAL_PROMPT, metadata={"request_id": "req_of_the_test"}, **fields)


def sent(groups: list[Group]) -> Tour:
    """Groups of requests, one after another."""

    async def all_groups(caller: Caller) -> AsyncIterator[bytes]:
        for group in groups:
            for seen in await caller.together(*group):
                yield seen

    return all_groups


def in_turn(*tours: Tour) -> Tour:
    """Tours, one after another."""

    async def all_tours(caller: Caller) -> AsyncIterator[bytes]:
        for tour in tours:
            async for seen in tour(caller):
                yield seen

    return all_tours


async def text(caller: Caller) -> AsyncIterator[bytes]:
    """Text in both modes: short and long, of several scripts, with and without metadata; refused, too."""
    bodies = [
        chat("Reply with just this word: Ζέφυρος", stream=True),
        chat("Reply with just these words: søster ćwierć 日本語 👩‍👧 ñandú", stream=True, metadata={"request_id": "r"}),
        chat("Count from 1 to 60, one number per line", stream=True),
        chat("Count from 1 to 60, one number per line", stream=True, max_tokens=16),
        chat("Reply with just this word: Ζέφυρος"),
        chat("Hello", stream=True, temperature=3),
        chat("Hello", stream=True, messages=[]),
        chat("Hello", stream=True),
        *(chat("Hello", stream=True, metadata={"request_id": id_}) for id_ in UNUSUAL_IDS),
    ]
    for body in bodies:
        yield (await caller.post(CHAT, body))[0]


async def as_client(caller: Caller) -> AsyncIterator[bytes]:
    """Text in both modes, and what waits, asked for with the header fields of the openai client."""
    bodies = [chat("Hello"), chat("Hello", stream=True), ask()]
    for body in bodies:
        for fields in (FIELDS, ASYNC_FIELDS, NODE_FIELDS):
            yield (await caller.post(CHAT, body, fields=dict(fields)))[0]


async def waiting(caller: Caller) -> AsyncIterator[bytes]:
    """Both modes of an answer that waits, and what comes of a denial."""
    for body in (ask(), ask(stream=True), chat("Hello"), chat("Hello", stream=True)):
        yield (await caller.post(CHAT, body))[0]
    _, kitemesh, calls = await caller.asked(ask())
    body = ask(approval_id=kitemesh.get("approval_id"), denied_tools=[{"tool_execution_id": call} for call in calls])
    yield (await caller.post(RESUME, body))[0]
    for streamed in ({}, {"stream": True}):
        # What an approval leads to may be a further round.
        _, kitemesh, calls = await caller.asked(ask())
        body = ask(approval_id=kitemesh["approval_id"], approved_tool_execution_ids=calls, **streamed)
        yield (await caller.post(RESUME, body))[0]


def denial(calls: list[str], **reason: str) -> dict[str, Any]:
    return {"denied_tools": [{"tool_execution_id": call, **reason} for call in calls]}


def approved(calls: list[str]) -> dict[str, Any]:
    return {"approved_tool_execution_ids": calls}


def mixed(calls: list[str]) -> dict[str, Any]:
    """The first one is approved, the others are denied."""
    return {**approved(calls[:1]), **denial(calls[1:])}


async def decided(caller: Caller) -> AsyncIterator[bytes]:
    """Approvals and denials in both modes, and each of them again."""
    for streamed in ({}, {"stream": True}):
        for decide in (approved, denial, lambda calls: denial(calls, reason="no"), mixed):
            _, kitemesh, calls = await caller.asked(ask())
            body = ask(approval_id=kitemesh["approval_id"], **decide(calls), **streamed)
            for again in ({}, {}, {"stream": not streamed}):
                yield (await caller.post(RESUME, {**body, **again}))[0]
    _, kitemesh, calls = await caller.asked(ask())
    cut = ask(approval_id=kitemesh["approval_id"], **denial(calls), stream=True, max_tokens=4)
    yield (await caller.post(RESUME, cut))[0]


def refused(*breaches: Any, token: str | None = OWN) -> Tour:
    """What must be refused, as JSON and as a stream, each on an approval of its own, which is denied in the end.

    A breach is the members that make a resume wrong, or a function that makes them from the ids of the calls.
    """

    async def tour(caller: Caller) -> AsyncIterator[bytes]:
        for breach, streamed in itertools.product(breaches, ({}, {"stream": True})):
            _, kitemesh, calls = await caller.asked(ask())
            right = ask(approval_id=kitemesh["approval_id"], **denial(calls))
            wrong = {**right, **streamed, **(breach(calls) if callable(breach) else breach)}
            wrong = {name: value for name, value in wrong.items() if value is not ABSENT}
            yield (await caller.post(RESUME, wrong, token))[0]
            yield (await caller.post(RESUME, right))[0]

    return tour


async def foreign(caller: Caller) -> AsyncIterator[bytes]:
    """A denial of the calls of another approval; that one and its own calls are denied in the end."""
    _, kitemesh, calls = await caller.asked(ask())
    _, _, others = await caller.asked(ask())
    right = ask(approval_id=kitemesh["approval_id"])
    named = [(others, {}), (others, {"stream": True}), ([calls[0], others[1]], {}), (calls, {})]
    for some, streamed in named:
        for decide in (approved, denial) if some == others else (denial,):
            yield (await caller.post(RESUME, {**right, **decide(some), **streamed}))[0]


def _status(seen: bytes) -> bytes:
    return b" ".join(seen.split(b" ", 2)[:2])


async def raced(caller: Caller) -> AsyncIterator[bytes]:
    """Two resumes at the same moment."""
    for streamed in ({}, {"stream": True}):
        _, kitemesh, calls = await caller.asked(ask())
        named = {"metadata": {"request_id": "resume-race"}}
        body = {**ask(approval_id=kitemesh["approval_id"], **denial(calls), **streamed), **named}
        both = await asyncio.gather(caller.post(RESUME, body), caller.post(RESUME, body))
        for status in sorted(_status(seen) for seen, _ in both):
            yield status


async def expired(caller: Caller) -> AsyncIterator[bytes]:
    """A resume after the approval has expired."""
    _, kitemesh, calls = await caller.asked(ask())
    await asyncio.sleep(APPROVAL_TTL + 0.1)
    seen, _ = await caller.post(RESUME, ask(approval_id=kitemesh["approval_id"], **denial(calls)))
    yield _status(seen)


async def approvals(caller: Caller) -> AsyncIterator[bytes]:
    """What waits for approval, its resumes, one of them again, and that of an approval that never was."""
    for mode, resumes in (({"stream": True}, 1), ({}, 0), ({}, 2)):
        seen, answer = await caller.post(CHAT, ask(**mode))
        yield seen
        found = re.search('"approval_id":"([^"]+)', answer)
        for _ in range(resumes):
            resume = ask(**mode, approval_id=found[1] if found else NEVER_GIVEN)
            yield (await caller.post(RESUME, resume))[0]
    yield (await caller.post(RESUME, ask(approval_id=NEVER_GIVEN)))[0]


BY_AREA = {area: sent(groups) for area, groups in GROUPS.items()}
TOURS: dict[str, Tour] = {
    **BY_AREA,
    **{area: in_turn(approvals, BY_AREA[area]) for area in ("error", "http", "completion", "kitemesh")},
    **dict.fromkeys(("stream", "chunk"), text),
    "sdk": as_client,
    "approval": waiting,
    **dict.fromkeys(
        (f"resume.{name}" for name in ("approve", "deny", "stream", "execution-continues", "further-round", "replay")),
        decided,
    ),
    "stream.not-cached": in_turn(text, waiting),
    "resume.race": raced,
    "error.no-server-error": in_turn(approvals, BY_AREA["error"], raced),
    "resume.expired": expired,
    "resume.approval-id": refused({"approval_id": ABSENT}, {"approval_id": "not-a-uuid"}, {"approval_id": 5}),
    "resume.approval-unknown": refused({"approval_id": NEVER_GIVEN}),
    "resume.decision-shape": refused(
        *({"approved_tool_execution_ids": value} for value in ("all", [5], ["not-a-uuid"])),
        *({"denied_tools": value} for value in ("all", ["all"], [{"reason": "no"}], [{"tool_execution_id": "no"}])),
        lambda calls: {**approved(calls), "denied_tools": [{"tool_execution_id": "no"}]},
        lambda calls: {"denied_tools": ABSENT, "approved_tool_execution_ids": ["no"]},
        lambda calls: {"denied_tools": [{"tool_execution_id": call, "reason": 5} for call in calls]},
    ),
    "resume.foreign-call": foreign,
    "resume.conflict": refused(approved, lambda calls: {**approved(calls), **denial(calls[1:])}),
    "resume.refusal-keeps": in_turn(foreign, refused(approved, {"temperature": 3}), refused({}, token=None)),
    "resume.other-caller": refused({}, token=f"Bearer {SECOND_TOKEN}"),
    "resume.request-fields": refused(
        {"temperature": 3},
        {"max_tokens": 0},
        {"messages": []},
        {"messages": [{"role": "robot", "content": "Hello"}, {"role": "user", "content": "Hello"}]},
        {"messages": [{"role": "user", "content": 5}]},
        {"max_completion_tokens": 0},
        {"metadata": {"mode": "turbo"}},
        {"metadata": {"request_id": 5}},
        {"stream": "true"},
        {"stream": 0},
        {"max_tokens": "16"},
        {"temperature": 1},
        {"messages": [{"role": "user", "content": "Hello"}, {"role": "robot", "content": "Hello"}]},
        {"model": "gpt-4"},
    ),
    "resume.auth": in_turn(*(refused({}, token=token) for token in STRANGERS)),
}
"""The requests that show a fault, by requirement or area."""


def tour_of(fault: Fault) -> Tour:
    return TOURS.get(fault.requirement) or TOURS[fault.requirement.partition(".")[0]]


ALL_TOURS = tuple(dict.fromkeys(TOURS.values()))
