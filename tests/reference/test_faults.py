"""Every fault is well-formed, and shows: its server answers something otherwise than the conforming one."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from conformance.contract import catalogue
from conformance.probes.refusals import nearly
from conformance.reference.app import create_many
from conformance.reference.behaviour import CONFORMING
from conformance.reference.fault import Fault, assembled
from conformance.reference.faults import FAULTS, by_id
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, FIRST_TOKEN, Settings

AREAS = ("auth", "accept", "reject", "error", "http", "completion", "kitemesh", "robust", "isolation")
SETTINGS = Settings(token_interval=0.01)
OWN = [fault for fault in FAULTS if fault.requirement.split(".")[0] in AREAS]


def test_each_is_well_formed() -> None:
    for fault in FAULTS:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", fault.id), fault.id
        assert fault.summary == fault.summary.strip(), fault.id
        assert "\n" not in fault.summary, fault.id
        assert not fault.summary.endswith("."), fault.id
        assert fault.behaviour != CONFORMING, fault.id


def test_each_requirement_of_these_areas_is_broken_by_some_fault() -> None:
    blamed = Counter(fault.requirement for fault in OWN)
    wanted = [r.id for r in catalogue.load() if r.area in AREAS]
    assert [id_ for id_ in wanted if not blamed[id_]] == []
    assert len(OWN) >= 130


def test_by_id() -> None:
    assert by_id(FAULTS[-1].id) is FAULTS[-1]
    with pytest.raises(KeyError):
        by_id("no-such-fault")


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (Fault("one-fault", "", CONFORMING, requirement="http.json"), "two faults are called one-fault"),
        (Fault("another-fault", "", CONFORMING, requirement="http.jsonn"), "http.jsonn"),
    ],
)
def test_a_wrong_table_is_refused(second: Fault, told: str) -> None:
    first = Fault("one-fault", "", CONFORMING, requirement="http.json")
    with pytest.raises(ValueError, match=told):
        assembled([(first,), (second,)])


# --- every fault shows


@dataclass(frozen=True)
class Ask:
    """One request; `leave` after so many octets of its answer, or `wait` some seconds before it is sent.

    `keep`: on a connection that is to stay open.
    """

    body: bytes
    authorization: str | None = f"Bearer {FIRST_TOKEN}"
    path: str = "/v1/chat/completions"
    method: str = "POST"
    media_type: str = "application/json"
    leave: int | None = None
    wait: float = 0.0
    keep: bool = False


Group = tuple[Ask, ...]
"""Requests that are sent together."""


def chat(text: Any = "Reply with just this word: kalo", /, **members: Any) -> bytes:
    """A valid body with an id; `messages` stand before the one with the text."""
    messages = [*members.pop("messages", []), {"role": "user", "content": text}]
    metadata = {"request_id": "a-request-whose-id-is-not-short", **members.pop("metadata", {})}
    return encoded({"model": DEFAULT_MODEL, "messages": messages, "metadata": metadata, **members})


def encoded(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


MINIMAL = encoded({"model": DEFAULT_MODEL, "messages": [{"role": "user", "content": "Hello"}]})
UNNAMED = encoded({**json.loads(MINIMAL), "metadata": {}})
SYSTEM = {"role": "system", "content": "Sois bref, s'il te plaît."}
TURNS = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello"}]
COUNT = "Count from 1 to 60, one number per line"
PARTS = [{"type": "text", "text": "Hello"}, {"type": "text", "text": " world"}]
ALL = {"max_tokens": 1024, "max_completion_tokens": 1000, "temperature": 1, "metadata": {"mode": "auto"}}
NO_MESSAGES = encoded({"model": DEFAULT_MODEL})
MODES = [chat(metadata={"mode": mode}) for mode in ("auto", "normal", "orch", "synth")]


def with_members(**members: Any) -> bytes:
    return encoded({**json.loads(chat()), **members})


def with_message(message: Any) -> bytes:
    return chat(messages=[message])


SERVED = (
    MINIMAL, UNNAMED, chat(), chat(stream=False), chat(COUNT), chat(COUNT, max_tokens=16), chat(PARTS), *MODES,
    chat("Reply with just this word: søster"), chat(temperature=1), chat(messages=TURNS), chat(messages=[SYSTEM]),
    chat(COUNT, max_tokens=30, max_completion_tokens=3), *([chat()] * 18),
    chat(messages=[{"role": "user", "content": "Reply with just this word: baro"}, TURNS[1]]),
)  # fmt: skip
STREAMED = [chat(stream=True), chat(messages=TURNS, stream=True), chat(COUNT, stream=True)]
REFUSED = (
    NO_MESSAGES, chat(stream=True, temperature=3), b"{", b"", MINIMAL[:-1], with_members(messages=[]),
    with_members(temperature=3), chat(metadata={"mode": "turbo"}), with_message({"role": "robot"}),
    with_message(None), with_members(metadata=[]), with_members(messages=[TURNS[0]] * 501),
)  # fmt: skip
_METADATA: tuple[Any, ...] = (
    "x",
    [],
    {"mode": "x"},
    {"mode": "AUTO"},
    {"mode": "automatic"},
    {"mode": 5},
    {"request_id": 5},
)
BREACHES = (
    encoded({"messages": TURNS[:1]}), NO_MESSAGES,
    *(with_members(model=model) for model in (5, "gpt-4", "group:x", DEFAULT_MODEL[:-1], DEFAULT_MODEL[6:])),
    *(with_members(messages=messages) for messages in ([], "Hello", [TURNS[0]] * 501, [SYSTEM], TURNS[1:])),
    *(with_message(message) for message in (None, "Hello", {"content": "x"}, {"role": "robot"}, {"role": 5})),
    *(with_message({"role": role}) for role in ("User", ["user"])),
    *(with_message({"role": "user", "content": content}) for content in (5, True, ["Hello"])),
    *(with_members(stream=stream) for stream in ("true", 1, 0)),
    *(with_members(**{m: v}) for m in ("max_tokens", "max_completion_tokens")
      for v in (0, -1, 200_001, True, "16", 1.5, [16])),
    *(with_members(temperature=temperature) for temperature in (2.0001, 3, -1, -0.0001, True, "1")),
    *(MINIMAL[:-1] + b',"temperature":%s}' % literal for literal in (b"NaN", b"Infinity")),
    *(with_members(metadata=metadata) for metadata in _METADATA),
    b"", b"null", b"[" + MINIMAL + b"]", MINIMAL + b" x", MINIMAL[:-1] + b",}", b'"Hello"', b"Hello", MINIMAL[:-9],
    chat("Ünï", messages=TURNS, max_tokens=True), chat(messages=TURNS, temperature=3),
    chat(temperature=1, metadata={"mode": "x"}), chat(max_tokens=5, max_completion_tokens=0),
    chat(messages=[*TURNS, {"role": "robot"}]), encoded({**json.loads(chat(messages=TURNS)), "model": "x"}),
    chat(messages=[*TURNS, {"role": "user", "content": 5}, TURNS[1]]), chat(stream="x", max_tokens=5),
    chat(metadata={"mode": "auto", "request_id": 5}), with_members(messages=[SYSTEM, SYSTEM, TURNS[1]]),
)  # fmt: skip
VALID = (
    *SERVED[:13], chat(stream=False, **ALL), chat(stream=True, **ALL), chat(temperature=0.7), chat(temperature=0),
    chat(temperature=2), chat(max_completion_tokens=500), chat([*PARTS, *PARTS]), with_message(SYSTEM),
    *(chat(**{m: v}) for m in ("max_tokens", "max_completion_tokens") for v in (1, 200_000)),
    with_members(messages=[TURNS[0]] * 500), with_message({"role": "assistant", "content": None}),
    with_message({"role": "tool", "content": "x"}), chat(messages=TURNS),
    *(chat(text) for text in ("👍", "שלום", "e\u0301", "å", "\x07", "\u202ea", "\ufdd0", "\u2028")),
    chat(messages=[SYSTEM, *TURNS], temperature=1), chat(messages=[*TURNS, *TURNS], max_tokens=50),
    chat(PARTS, messages=TURNS, metadata={"mode": "auto"}), chat(messages=[SYSTEM], temperature=1, stream=True),
    chat(messages=TURNS, temperature=1, max_completion_tokens=50), chat(messages=[SYSTEM, SYSTEM]),
    MINIMAL.replace(b"Hello", b"\\ud83d\\ude00"), json.dumps(json.loads(MINIMAL), indent=1).encode(),
    encoded(dict(reversed(json.loads(MINIMAL).items()))),
)  # fmt: skip
HOSTILE = (
    b'{"a":' + b"[" * 999 + b"]" * 999 + b"}", b'{"a":' * 999 + b"1" + b"}" * 999, b'{"max_tokens":%s}' % (b"9" * 400),
    b'{"a":NaN}', b'{"metadata":{"request_id":"\\udfff"}}', MINIMAL.replace(b"Hello", b"\\ud83d Hello"),
    MINIMAL.replace(b"Hello", b"\\u0000"), b"\xef\xbb\xbf" + MINIMAL, b'{"model":"x",' + MINIMAL[1:],
    MINIMAL[:-1] + b" " * 1_048_576 + b"}",
)  # fmt: skip
STRANGERS = (MINIMAL, NO_MESSAGES, STREAMED[0], encoded({"model": DEFAULT_MODEL, "stream": True}))
NEAR = f"Bearer {nearly(FIRST_TOKEN)}"
CREDENTIALS = (None, "Bearer", "Bearer km_never", NEAR, "Basic eDp5", f"bearer {FIRST_TOKEN}", f"BEARER {FIRST_TOKEN}")
PAIR = tuple(Ask(chat(f"Reply with just this word: {word}")) for word in ("same", "other"))


def at_once(*words: str, **members: Any) -> Group:
    asks = [chat(f"Reply with just this word: {w}", **members, metadata={"request_id": f"of-{w}"}) for w in words]
    return tuple(Ask(body) for body in asks)


OTHERS: dict[str, list[Group]] = {
    "auth": [
        *((Ask(body, credential),) for credential in CREDENTIALS for body in STRANGERS),
        *((Ask(MINIMAL, credential, path="/v1/chat/resume"),) for credential in CREDENTIALS[:3]),
        *((Ask(body),) for body in (*SERVED, STREAMED[0], NO_MESSAGES)),
        *((Ask(MINIMAL, None),), (Ask(MINIMAL, path="/v1/chat/resume"),)),
        (Ask(MINIMAL, None, path=f"/v1/chat/completions?access_token={FIRST_TOKEN}"),),
    ],
    "accept": [(Ask(body),) for body in VALID],
    "reject": [
        *((Ask(body),) for body in BREACHES),
        *((Ask(MINIMAL, media_type=type_),) for type_ in ("text/plain", "application/x-www-form-urlencoded")),
        (Ask(MINIMAL, method="PUT"),),
        (Ask(with_members(model="x"), path="/v1/chat/resume"),),
    ],
    "error": [
        *((Ask(body),) for body in (*REFUSED, *MODES, chat("👍"), with_message({"role": "user", "content": None}))),
        *((Ask(body, "Bearer"),) for body in (MINIMAL, STREAMED[0])),
        *((Ask(MINIMAL, method="PUT"),), (Ask(MINIMAL, media_type="text/plain"),)),
        *((Ask(body),) for body in (*SERVED[:3], *STREAMED[:2] * 3)),
    ],
    "http": [
        *((Ask(body),) for body in (*SERVED[:16], *STREAMED, *REFUSED[:4])),
        *((Ask(body, keep=True),) for body in (MINIMAL, STREAMED[0], REFUSED[0])),
        (Ask(with_members(approval_id=DEFAULT_MODEL[6:]), path="/v1/chat/resume", keep=True),),
    ],
    "completion": [(Ask(body),) for body in (*SERVED, *STREAMED)],
    "kitemesh": [(Ask(body),) for body in (*SERVED, *STREAMED)],
    "robust": [
        *((Ask(body),) for body in HOSTILE),
        (Ask(chat(COUNT, stream=True), leave=400),),
        *((Ask(MINIMAL, wait=0.1),), (Ask(MINIMAL),), (Ask(MINIMAL),), (Ask(STREAMED[0]),)),
    ],
    "isolation": [
        at_once("one", "two", "three"),
        at_once("four", "five", "six", stream=True),
        PAIR,
        (Ask(chat(COUNT, stream=True)), Ask(chat(metadata={"request_id": "late"}), wait=0.35)),
    ],
}
WITH_APPROVAL = ("error", "http", "completion", "kitemesh")
SILENCE = 3.0
"""Seconds after which an answer is taken to be missing: the longest of a conforming server takes some tenths of one."""
QUIET = 0.5
"""Seconds after which nothing more comes on a connection that stays open."""
LATE = 1.0
"""Seconds after which an answer is called late."""
_ID = re.compile(rb"(chatcmpl_|req_)?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")
_DATE = re.compile(rb'\r\ndate: [^\r]*|(?<="expires_at":")[^"]*')
_CREATED = re.compile(rb'(?<="created":)\d{10}(?![\d.])')


async def answer(base: str, ask: Ask) -> bytes:
    """The octets that come back, the status line and all; `silence` where the answer has not ended in time."""
    host, port, path = re.fullmatch(r"http://(.+):(\d+)(.*)", base).groups()  # type: ignore[union-attr]
    head = [f"{ask.method} {path}{ask.path} HTTP/1.1", "Host: x", f"Connection: {'x' if ask.keep else 'close'}"]
    head += [f"Content-Type: {ask.media_type}", f"Content-Length: {len(ask.body)}"]
    head += [f"Authorization: {ask.authorization}"] if ask.authorization is not None else []
    await asyncio.sleep(ask.wait)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write("\r\n".join([*head, "", ""]).encode() + ask.body)
    try:
        if ask.leave is not None:
            return (await asyncio.wait_for(reader.readexactly(ask.leave), SILENCE))[:12]
        if ask.keep:
            return await everything(reader)
        return await asyncio.wait_for(reader.read(-1), SILENCE)
    except TimeoutError:
        return b"silence"
    except (OSError, asyncio.IncompleteReadError):
        return b"broken off"
    finally:
        writer.close()


async def everything(reader: asyncio.StreamReader) -> bytes:
    """What comes on a connection that stays open, until nothing more does."""
    seen = b""
    try:
        while data := await asyncio.wait_for(reader.read(65536), QUIET if seen else SILENCE):
            seen += data
    except TimeoutError:
        pass
    return seen or b"silence"


async def approval(base: str) -> AsyncIterator[bytes]:
    """Chats that wait for approval, their resumes, one of them again, and that of an approval that never was."""
    first = await answer(base, Ask(chat(DEFAULT_APPROVAL_PROMPT, stream=True)))
    yield first
    found = re.search(rb'"approval_id":"([^"]+)', first)
    known = found[1].decode() if found else DEFAULT_MODEL[6:]
    yield await answer(base, Ask(with_members(approval_id=known, stream=True), path="/v1/chat/resume"))
    yield await answer(base, Ask(chat(DEFAULT_APPROVAL_PROMPT)))
    second = await answer(base, Ask(chat(DEFAULT_APPROVAL_PROMPT)))
    yield second
    found = re.search(rb'"approval_id":"([^"]+)', second)
    known = found[1].decode() if found else DEFAULT_MODEL[6:]
    for id_ in (known, known, DEFAULT_MODEL[6:]):
        yield await answer(base, Ask(with_members(approval_id=id_), path="/v1/chat/resume"))


async def timed(base: str, ask: Ask) -> bytes:
    begins = time.monotonic()
    octets = await answer(base, ask)
    return b"late " * (time.monotonic() - begins > LATE + ask.wait) + octets


async def raw_answers(base: str, area: str) -> AsyncIterator[bytes]:
    if area in WITH_APPROVAL:
        async for octets in approval(base):
            yield octets
    for group in OTHERS[area]:
        for octets in await asyncio.gather(*(timed(base, ask) for ask in group)):
            yield octets


async def answers(base: str, area: str) -> AsyncIterator[bytes]:
    """What the server answers to an area's requests, with fresh ids numbered as they come, and times left out."""
    numbers: dict[bytes, bytes] = {}

    def number(found: re.Match[bytes]) -> bytes:
        return numbers.setdefault(found[0], b"id %d" % len(numbers))

    async for octets in raw_answers(base, area):
        told = _CREATED.sub(lambda m: b"now" if abs(int(m[0]) - time.time()) < 60 else m[0], octets)
        yield _ID.sub(number, _DATE.sub(b"", told))


async def shows(base: str, area: str, expected: Sequence[bytes], slots: asyncio.Semaphore) -> bool:
    """Whether an answer differs; nothing is asked behind the first that does."""
    async with slots:
        seen = 0
        async for octets in answers(base, area):
            if octets != expected[seen]:
                return True
            seen += 1
        return False


async def silent_faults(url: str) -> list[str]:
    """Ids of the faults whose servers answer as the conforming one does."""
    expected = {area: [octets async for octets in answers(url, area)] for area in AREAS}
    slots = asyncio.Semaphore(8)
    areas = [fault.requirement.split(".")[0] for fault in OWN]
    seen = await asyncio.gather(
        *(shows(f"{url}/f/{fault.id}", area, expected[area], slots) for fault, area in zip(OWN, areas, strict=True))
    )
    return [fault.id for fault, shown in zip(OWN, seen, strict=True) if not shown]


async def differing_areas(one: str, other: str) -> list[str]:
    areas = []
    for area in AREAS:
        expected = [octets async for octets in answers(one, area)]
        if await shows(other, area, expected, asyncio.Semaphore(1)):
            areas.append(area)
    return areas


def test_the_conforming_server_answers_alike_twice() -> None:
    with in_thread(create_many(SETTINGS, {"same": CONFORMING})) as url:
        assert asyncio.run(differing_areas(url, f"{url}/f/same")) == []


def test_each_fault_shows() -> None:
    with in_thread(create_many(SETTINGS, {fault.id: fault.behaviour for fault in OWN})) as url:
        assert asyncio.run(silent_faults(url)) == []
