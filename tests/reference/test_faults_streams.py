"""Each fault of streams, approvals, resumes and the client shows, and the conforming server does the same twice."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from conformance.contract import catalogue
from conformance.probes.refusals import nearly
from conformance.probes.sdk import FIELDS
from conformance.reference.app import PREFIX, create_many
from conformance.reference.behaviour import CONFORMING
from conformance.reference.fault import Fault
from conformance.reference.faults import approval, chunk, resume, sdk, stream
from conformance.reference.serving import in_thread
from conformance.reference.settings import (
    DEFAULT_APPROVAL_PROMPT,
    DEFAULT_MODEL,
    FIRST_TOKEN,
    SECOND_TOKEN,
    Settings,
)

FAULTS: tuple[Fault, ...] = (*stream.FAULTS, *chunk.FAULTS, *approval.FAULTS, *resume.FAULTS, *sdk.FAULTS)
AREAS = ("stream", "chunk", "approval", "resume", "sdk")
OTHER_SERVERS = ("plain", "plain-again")
SETTINGS = Settings(token_interval=0.01, approval_ttl=600)
SHORT_LIVED = Settings(token_interval=0.001, approval_ttl=0.5)
ANSWERED_WITHIN = 3.0  # seconds; whatever takes longer is told as open
LONG = 4000  # octets of a stream that takes longer than a busy machine sleeps
AT_ONCE = 8
CHAT, RESUME = "v1/chat/completions", "v1/chat/resume"
NEVER_GIVEN = "00000000-0000-4000-8000-000000000000"

ABSENT = object()
"""In place of a member's value: the member is left out."""

Seen = list[str]
_FRESH = re.compile(r"(?:chatcmpl|req)_[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SECONDS = re.compile(r"\b1\d{9}\b")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Caller:
    """Sends requests to one server, and tells what it saw without what is fresh in each answer."""

    def __init__(self, client: httpx.AsyncClient, base: str) -> None:
        self._client = client
        self._base = base
        self._names: dict[str, str] = {}

    async def post(
        self, path: str, body: Any, token: str | None = f"Bearer {FIRST_TOKEN}", fields: Mapping[str, str] | None = None
    ) -> tuple[str, str]:
        """What was seen, and the body's text as far as it came."""
        headers = {**(fields or {}), **({} if token is None else {"Authorization": token})}
        received, status, began, text_at = b"", "no answer", time.monotonic(), 0.0
        try:
            async with (
                asyncio.timeout(ANSWERED_WITHIN),
                self._client.stream("POST", f"{self._base}/{path}", json=body, headers=headers) as response,
            ):
                names = ("content-type", "cache-control")
                status = " ".join([str(response.status_code), *(response.headers.get(name, "") for name in names)])
                async for piece in response.aiter_raw():
                    received += piece
                    text_at = text_at or (time.monotonic() - began if b'"1' in received else 0.0)
        except (TimeoutError, httpx.TransportError):
            status += " open"
        took = time.monotonic() - began
        late = "late" if len(received) > LONG and text_at > 0.8 * took else "soon"
        text = received.decode("utf-8", "backslashreplace")
        return f"{status} {late} {self._plain(text)}", text

    async def asked(self, body: dict[str, Any]) -> tuple[str, dict[str, Any], list[str]]:
        """What was seen of a chat that asks for an approval, its `kitemesh`, and the ids of its calls."""
        seen, text = await self.post(CHAT, body)
        whole = "".join(line.removeprefix("data: ") for line in text.split("\n") if '"approval_id"' in line)
        answer = json.loads(whole)
        [choice] = answer["choices"]
        return (
            seen,
            answer["kitemesh"],
            [call["id"] for call in choice.get("message", choice.get("delta"))["tool_calls"]],
        )

    def _plain(self, text: str) -> str:
        text = _FRESH.sub(lambda match: self._names.setdefault(match[0], f"#{len(self._names)}"), text)
        now = time.time()
        first = next((int(found) for found in _SECONDS.findall(text) if abs(int(found) - now) < 60), 0)
        text = _SECONDS.sub(lambda match: f"T{int(match[0]) - first}" if first else match[0], text)
        return _MOMENT.sub(
            lambda match: "later" if match[0] > time.strftime("%Y-%m-%d", time.gmtime()) else "past", text
        )


Tour = Callable[[Caller], Awaitable[Seen]]


def chat(prompt: str, **fields: Any) -> dict[str, Any]:
    return {"model": DEFAULT_MODEL, "messages": [{"role": "user", "content": prompt}], **fields}


def ask(**fields: Any) -> dict[str, Any]:
    return chat(DEFAULT_APPROVAL_PROMPT, metadata={"request_id": "req_of_the_test"}, **fields)


async def text(caller: Caller) -> Seen:
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
    ]
    return [(await caller.post(CHAT, body))[0] for body in bodies]


async def as_client(caller: Caller) -> Seen:
    """Text in both modes, and what waits, asked for with the header fields of the openai client."""
    bodies = [chat("Hello"), chat("Hello", stream=True), ask()]
    return [(await caller.post(CHAT, body, fields=dict(FIELDS)))[0] for body in bodies]


async def waiting(caller: Caller) -> Seen:
    """Both modes of an answer that waits, and what comes of a denial."""
    seen = [
        (await caller.post(CHAT, body))[0]
        for body in (ask(), ask(stream=True), chat("Hello"), chat("Hello", stream=True))
    ]
    try:
        _, kitemesh, calls = await caller.asked(ask())
    except (ValueError, KeyError, TypeError, AttributeError):
        return seen  # the approval itself is broken: that was seen already
    body = ask(approval_id=kitemesh.get("approval_id"), denied_tools=[{"tool_execution_id": call} for call in calls])
    seen.append((await caller.post(RESUME, body))[0])
    for streamed in ({}, {"stream": True}):
        # What an approval leads to may be a further round.
        _, kitemesh, calls = await caller.asked(ask())
        body = ask(approval_id=kitemesh["approval_id"], approved_tool_execution_ids=calls, **streamed)
        seen.append((await caller.post(RESUME, body))[0])
    return seen


def denial(calls: list[str], **reason: str) -> dict[str, Any]:
    return {"denied_tools": [{"tool_execution_id": call, **reason} for call in calls]}


def approved(calls: list[str]) -> dict[str, Any]:
    return {"approved_tool_execution_ids": calls}


def mixed(calls: list[str]) -> dict[str, Any]:
    """The first one is approved, the others are denied."""
    return {**approved(calls[:1]), **denial(calls[1:])}


async def decided(caller: Caller) -> Seen:
    """Approvals and denials in both modes, and each of them again."""
    seen = []
    for streamed in ({}, {"stream": True}):
        for decide in (approved, denial, lambda calls: denial(calls, reason="no"), mixed):
            _, kitemesh, calls = await caller.asked(ask())
            body = ask(approval_id=kitemesh["approval_id"], **decide(calls), **streamed)
            for _ in range(2):
                seen.append((await caller.post(RESUME, body))[0])
    return seen


def refused(*breaches: Any, token: str | None = f"Bearer {FIRST_TOKEN}") -> Tour:
    """What must be refused, as JSON and as a stream, each on an approval of its own, which is denied in the end.

    A breach is the members that make a resume wrong, or a function that makes them from the ids of the calls.
    """

    async def tour(caller: Caller) -> Seen:
        seen = []
        for breach, streamed in itertools.product(breaches, ({}, {"stream": True})):
            _, kitemesh, calls = await caller.asked(ask())
            right = ask(approval_id=kitemesh["approval_id"], **denial(calls))
            wrong = {**right, **streamed, **(breach(calls) if callable(breach) else breach)}
            wrong = {name: value for name, value in wrong.items() if value is not ABSENT}
            seen += [(await caller.post(RESUME, wrong, token))[0], (await caller.post(RESUME, right))[0]]
        return seen

    tour.__name__ = f"refused {len(breaches)} {token} {breaches!r}"
    return tour


async def foreign(caller: Caller) -> Seen:
    """A denial of the calls of another approval; that one and its own calls are denied in the end."""
    _, kitemesh, calls = await caller.asked(ask())
    _, _, others = await caller.asked(ask())
    right = ask(approval_id=kitemesh["approval_id"])
    named = [(others, {}), (others, {"stream": True}), ([calls[0], others[1]], {}), (calls, {})]
    return [(await caller.post(RESUME, {**right, **denial(some), **streamed}))[0] for some, streamed in named]


async def kept(caller: Caller) -> Seen:
    """An approval after a resume of it was refused, for each of several reasons."""
    reasons = (foreign, refused(approved, {"temperature": 3}), refused({}, token=None))
    return [seen for reason in reasons for seen in await reason(caller)]


async def unauthenticated(caller: Caller) -> Seen:
    """Resumes with unknown tokens, an empty one and none."""
    tokens = ("Bearer km_never_issued", f"Bearer {nearly(FIRST_TOKEN)}", "Bearer", None)
    return [seen for token in tokens for seen in await refused({}, token=token)(caller)]


async def raced(caller: Caller) -> Seen:
    """Two resumes at the same moment."""
    _, kitemesh, calls = await caller.asked(ask())
    body = ask(approval_id=kitemesh["approval_id"], **denial(calls))
    both = await asyncio.gather(caller.post(RESUME, body), caller.post(RESUME, body))
    return sorted(seen.split(" ")[0] for seen, _ in both)


async def expired(caller: Caller) -> Seen:
    """A resume after the approval has expired."""
    _, kitemesh, calls = await caller.asked(ask())
    await asyncio.sleep(SHORT_LIVED.approval_ttl + 0.1)
    seen, _ = await caller.post(RESUME, ask(approval_id=kitemesh["approval_id"], **denial(calls)))
    return [seen.split(" ")[0]]


TOURS: dict[str, Tour] = {
    **dict.fromkeys(("stream", "chunk"), text),
    "sdk": as_client,
    "approval": waiting,
    **dict.fromkeys(
        (f"resume.{name}" for name in ("approve", "deny", "stream", "execution-continues", "further-round", "replay")),
        decided,
    ),
    "resume.race": raced,
    "error.no-server-error": raced,
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
    "resume.refusal-keeps": kept,
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
        {"model": "gpt-4"},
    ),
    "resume.auth": unauthenticated,
}
"""The requests that show a fault, by requirement or area."""


def tour_of(fault: Fault) -> Tour:
    if fault.requirement == "stream.not-cached":
        return both_kinds
    return TOURS.get(fault.requirement) or TOURS[fault.requirement.partition(".")[0]]


async def both_kinds(caller: Caller) -> Seen:
    """Text, and what waits: of requirements that concern every stream."""
    return [*await text(caller), *await waiting(caller)]


ALL_TOURS = tuple(dict.fromkeys([*TOURS.values(), both_kinds]))


@pytest.fixture(scope="module")
def seen() -> dict[tuple[str, str], Seen]:
    """What each faulty server shows on its tour, and a conforming one on every tour; by server and tour."""
    behaviours = {fault.id: fault.behaviour for fault in FAULTS} | dict.fromkeys(OTHER_SERVERS, CONFORMING)
    jobs = [(fault.id, tour_of(fault)) for fault in FAULTS]
    jobs += [(name, tour) for name in OTHER_SERVERS for tour in ALL_TOURS]
    with in_thread(create_many(SETTINGS, behaviours)) as url, in_thread(create_many(SHORT_LIVED, behaviours)) as brief:

        async def visit() -> list[Seen]:
            turn = asyncio.Semaphore(AT_ONCE)
            limits = httpx.Limits(max_connections=4 * AT_ONCE)
            async with httpx.AsyncClient(timeout=30, trust_env=False, limits=limits) as client:

                async def one(name: str, tour: Tour) -> Seen:
                    async with turn:
                        base = brief if tour is expired else url
                        return await tour(Caller(client, f"{base}{PREFIX}{name}"))

                return await asyncio.gather(*(one(name, tour) for name, tour in jobs))

        results = asyncio.run(visit())
    return {(name, tour.__name__): result for (name, tour), result in zip(jobs, results, strict=True)}


@pytest.mark.parametrize(
    "tour", ALL_TOURS, ids=[tour.__name__.partition(" ")[0] + f"-{n}" for n, tour in enumerate(ALL_TOURS)]
)
def test_the_conforming_server_shows_the_same_twice(seen: dict[tuple[str, str], Seen], tour: Tour) -> None:
    first, again = (seen[name, tour.__name__] for name in OTHER_SERVERS)
    assert first == again


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_each_fault_shows(seen: dict[tuple[str, str], Seen], fault: Fault) -> None:
    tour = tour_of(fault).__name__
    assert seen[fault.id, tour] != seen["plain", tour]


def test_every_requirement_of_these_areas_has_faults() -> None:
    blamed = Counter(fault.requirement for fault in FAULTS)
    wanted = {each.id for each in catalogue.load() if each.id.partition(".")[0] in AREAS}
    assert [id_ for id_ in sorted(wanted) if blamed[id_] < 3] == []


def test_ids_are_words_and_used_once() -> None:
    ids = [fault.id for fault in FAULTS]
    assert len(ids) == len(set(ids))
    assert [id_ for id_ in ids if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", id_)] == []


@pytest.fixture(scope="module")
def broken_for_the_client() -> Iterator[str]:
    quick = replace(SETTINGS, token_interval=0.0)
    with in_thread(create_many(quick, {fault.id: fault.behaviour for fault in sdk.FAULTS})) as url:
        yield url


def _heard(base: str, streamed: bool) -> str:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"{base}/v1", api_key=FIRST_TOKEN, max_retries=0)
    messages = [{"role": "user", "content": "Reply with just these words: one two three four"}]
    try:
        answer = client.chat.completions.create(model=DEFAULT_MODEL, messages=messages, stream=streamed)
        if streamed:
            return "".join(choice.delta.content or "" for piece in answer for choice in piece.choices)
        return str(answer.choices[0].message.content)
    except Exception as error:
        return repr(error)


@pytest.mark.parametrize("streamed", [False, True])
def test_the_client_understands_the_conforming_server(broken_for_the_client: str, streamed: bool) -> None:
    assert _heard(broken_for_the_client, streamed) == "one two three four"


def _called(base: str) -> list[str]:
    """The names of the calls that the client reads in an approval answer."""
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"{base}/v1", api_key=FIRST_TOKEN, max_retries=0)
    messages = [{"role": "user", "content": DEFAULT_APPROVAL_PROMPT}]
    try:
        answer = client.chat.completions.create(model=DEFAULT_MODEL, messages=messages)
        return [call.function.name for call in answer.choices[0].message.tool_calls]
    except Exception as error:
        return [repr(error)]


CALLED = ["create_ticket", "notify_team"]


@pytest.mark.parametrize("fault", sdk.FAULTS, ids=lambda fault: fault.id)
def test_the_client_fails_at_its_faults_only(broken_for_the_client: str, fault: Fault) -> None:
    base = f"{broken_for_the_client}{PREFIX}{fault.id}"
    well = {
        "sdk.openai-completion": _heard(base, False) == "one two three four",
        "sdk.openai-stream": _heard(base, True) == "one two three four",
        "sdk.openai-approval": _called(base) == CALLED,
    }
    assert [requirement for requirement, understood in well.items() if not understood] == [fault.requirement]


def test_the_probes_bear_the_fields_of_the_client_that_is_installed() -> None:
    openai = pytest.importorskip("openai")
    http = pytest.importorskip("httpx2" if int(openai.__version__.split(".")[0]) >= 3 else "httpx")
    sent: list[Any] = []

    def answer(request: Any) -> Any:
        sent.append(request)
        return http.Response(200, json={})

    client = openai.OpenAI(
        base_url="http://nowhere.invalid/v1",
        api_key="none",
        http_client=http.Client(transport=http.MockTransport(answer)),
    )
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "-"}], stream=True)
    theirs = {name.lower(): value for name, value in sent[0].headers.items()}
    ours = {name.lower(): value for name, value in FIELDS}
    assert set(theirs) - {"host", "authorization", "content-length"} == set(ours)
    for name in ("accept", "content-type", "x-stainless-lang", "x-stainless-async", "x-stainless-retry-count"):
        assert theirs[name] == ours[name], name
    assert theirs["user-agent"].startswith("OpenAI/Python ")
