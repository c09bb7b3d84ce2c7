"""Whether a server shows that it is not the conforming one: the same requests to both, and a look at each answer.

A tour sends requests to one server and yields what came of each. Of a faulty server it is followed as far as the first
answer that differs.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.reference.settings import FIRST_TOKEN

CHAT, RESUME = "/v1/chat/completions", "/v1/chat/resume"
OWN = f"Bearer {FIRST_TOKEN}"
AT_ONCE = 8
"""Servers that are visited at a time."""
SILENCE = 3.0
"""Seconds after which an answer is taken to be missing: the longest of a conforming server takes some tenths of one."""
QUIET = 0.5
"""Seconds after which nothing more comes on a connection that stays open."""
LATE = 1.0
"""Seconds after which an answer is called late."""
LONG = 4000
"""Octets of a stream that takes longer than a busy machine sleeps."""
_ID = re.compile(rb"(chatcmpl_|req_)?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")
_DATE = re.compile(rb"\r\ndate: [^\r]*")
_EXPIRES = re.compile(rb'(?<="expires_at":")(\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d\.\d{3}Z')
_CREATED = re.compile(rb'(?<="created":)\d{10}(?![\d.])')


@dataclass(frozen=True)
class Ask:
    """One request; `leave` after so many octets of its answer, or `wait` some seconds before it is sent.

    `keep`: on a connection that is to stay open.
    """

    body: bytes
    authorization: str | None = OWN
    path: str = CHAT
    method: str = "POST"
    media_type: str = "application/json"
    leave: int | None = None
    wait: float = 0.0
    keep: bool = False
    fields: tuple[tuple[str, str], ...] = ()


def encoded(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


class Caller:
    """Sends requests to one server, and tells what it saw without what is fresh in each answer."""

    def __init__(self, base: str) -> None:
        found = re.fullmatch(r"http://(.+):(\d+)(.*)", base)
        assert found
        self._host, self._port, self._base = found[1], int(found[2]), found[3]
        self._names: dict[bytes, bytes] = {}

    async def together(self, *asks: Ask) -> list[bytes]:
        """What was seen of requests that are sent together, in their order."""
        return [self._plain(octets) for octets in await asyncio.gather(*map(self._timed, asks))]

    async def post(
        self, path: str, body: Any, token: str | None = OWN, fields: Mapping[str, str] | None = None
    ) -> tuple[bytes, str]:
        """What was seen of a request, and the text of the answer as far as it came."""
        octets = await self._timed(Ask(encoded(body), token, path, fields=tuple((fields or {}).items())))
        return self._plain(octets), _text(octets)

    async def asked(self, body: dict[str, Any]) -> tuple[bytes, dict[str, Any], list[str]]:
        """What was seen of a chat that asks for an approval, its `kitemesh`, and the ids of its calls."""
        seen, text = await self.post(CHAT, body)
        whole = "".join(line.removeprefix("data: ") for line in text.split("\n") if '"approval_id"' in line)
        answer = json.loads(whole)
        [choice] = answer["choices"]
        calls = choice.get("message", choice.get("delta"))["tool_calls"]
        return seen, answer["kitemesh"], [call["id"] for call in calls]

    def _plain(self, octets: bytes) -> bytes:
        """Times are told from the first one on, fresh ids are numbered as they come, and the date is left out."""
        today = time.strftime("%Y-%m-%d", time.gmtime()).encode()
        now = time.time()
        first = next((int(found) for found in _CREATED.findall(octets) if abs(int(found) - now) < 60), 0)
        told = _DATE.sub(b"", octets)
        told = _CREATED.sub(lambda m: b"now+%d" % (int(m[0]) - first) if first else m[0], told)
        told = _EXPIRES.sub(lambda m: b"later" if m[1] >= today else b"past", told)
        return _ID.sub(lambda m: self._names.setdefault(m[0], b"id %d" % len(self._names)), told)

    async def _timed(self, ask: Ask) -> bytes:
        await asyncio.sleep(ask.wait)
        begins = time.monotonic()
        octets, text_at = await self._answer(ask)
        took = time.monotonic() - begins
        held_back = len(octets) > LONG and text_at - begins > 0.8 * took
        return b"held back " * held_back + b"late " * (took > LATE) + octets

    async def _answer(self, ask: Ask) -> tuple[bytes, float]:
        """The octets that come back, the status line and all, and when text was first seen in them.

        `silence` in their place where nothing came in time.
        """
        head = [f"{ask.method} {self._base}{ask.path} HTTP/1.1", "Host: x"]
        head += [f"Connection: {'x' if ask.keep else 'close'}", f"Content-Length: {len(ask.body)}"]
        head += [f"Authorization: {ask.authorization}"] if ask.authorization is not None else []
        named = {name.lower() for name, _ in ask.fields}
        head += [] if "content-type" in named else [f"Content-Type: {ask.media_type}"]
        head += [f"{name}: {value}" for name, value in ask.fields]
        reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write("\r\n".join([*head, "", ""]).encode() + ask.body)
        seen, text_at = b"", 0.0
        try:
            if ask.leave is not None:
                return (await asyncio.wait_for(reader.readexactly(ask.leave), SILENCE))[:12], 0.0
            async with asyncio.timeout(SILENCE) as ends:
                while data := await reader.read(65536):
                    seen += data
                    text_at = text_at or (time.monotonic() if b'"1' in seen else 0.0)
                    if ask.keep:
                        ends.reschedule(asyncio.get_running_loop().time() + QUIET)
        except TimeoutError:
            if not ask.keep:
                seen += b" open"
        except (OSError, asyncio.IncompleteReadError):
            seen += b" broken off"
        finally:
            writer.close()
        return seen or b"silence", text_at


def _text(octets: bytes) -> str:
    """The text of an answer, its chunks joined where it is in chunks."""
    head, _, body = octets.partition(b"\r\n\r\n")
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        joined, rest = b"", body
        while found := re.match(rb"([0-9a-fA-F]+)\r\n", rest):
            end = found.end() + int(found[1], 16)
            joined, rest = joined + rest[found.end() : end], rest[end + 2 :]
        body = joined
    return body.decode("utf-8", "backslashreplace")


Tour = Callable[[Caller], AsyncIterator[bytes]]
Job = tuple[str, Tour]
"""Where a server is, and the tour of it."""


async def _differs(base: str, tour: Tour, expected: Sequence[bytes]) -> bool:
    seen = 0
    async for octets in tour(Caller(base)):
        if octets != expected[seen]:
            return True
        seen += 1
    return False


async def differing(plain: Callable[[Tour], str], jobs: Sequence[Job]) -> list[bool]:
    """Of each job whether the server shows anything that the conforming one at `plain(tour)` does not."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def whole(tour: Tour) -> list[bytes]:
        async with turn:
            return [octets async for octets in tour(Caller(plain(tour)))]

    tours = list(dict.fromkeys(tour for _, tour in jobs))
    expected = dict(zip(tours, await asyncio.gather(*map(whole, tours)), strict=True))

    async def visit(base: str, tour: Tour) -> bool:
        async with turn:
            return await _differs(base, tour, expected[tour])

    return await asyncio.gather(*(visit(base, tour) for base, tour in jobs))
