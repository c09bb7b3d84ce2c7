"""A client that behaves, small enough to be read in one go: what `conformance.client` is proven with.

It asks for a few words, in JSON and as a stream, and for something that takes tools; there it approves the first call
and denies the others. What it was told goes to standard output. It ends with status 0 where all of that came whole, and
else with 1 and a sentence on standard error. Each method is a seam: `client_faults` has clients that differ in one.

    KITEMESH_URL=http://127.0.0.1:8080/v1 KITEMESH_TOKEN=… KITEMESH_MODEL=group:… python -m conformance.reference.client
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

TRIES = 4
PAUSE = 0.25
"""Seconds before the second try; each pause is twice the one before."""
PATIENCE = httpx.Timeout(4.0)
"""Seconds to connect, and between two octets."""
LONGEST_WAIT = 30.0
"""Seconds that `Retry-After` may ask for; beyond it the user is told."""
ROUNDS = 4
PASSING = frozenset({408, 429, 500, 502, 503, 504, 520, 522, 524, 529})
DONE = "[DONE]"

Message = dict[str, Any]


class Failed(Exception):
    """What the user is told."""


@dataclass(slots=True)
class Answer:
    """What came back."""

    text: str = ""
    finish: str | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)
    kitemesh: dict[str, Any] = field(default_factory=dict)
    ahead: float = 0.0
    """Seconds by which the server's clock is ahead of the monotonic one of this process."""


class Client:
    """The client. Each method is one decision."""

    timeout = PATIENCE

    def __init__(self, url: str, token: str, model: str) -> None:
        self.url, self.token, self.model = url, token, model

    # --- what is sent

    def fields(self) -> dict[str, str]:
        """The header fields."""
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    def address(self, path: str) -> str:
        """The URL of an endpoint."""
        return f"{self.url}{path}"

    def body(self, messages: list[Message], stream: bool, **more: Any) -> dict[str, Any]:
        """The request's body."""
        return {"model": self.model, "messages": messages, **({"stream": True} if stream else {}), **more}

    def decision(self, waiting: Answer) -> dict[str, Any]:
        """What is decided on the calls that wait."""
        ids = [call["id"] for call in waiting.calls]
        denied = [{"tool_execution_id": id_, "reason": "not wanted"} for id_ in ids[1:]]
        return {
            "approval_id": waiting.kitemesh["approval_id"],
            "approved_tool_execution_ids": ids[:1],
            **({"denied_tools": denied} if denied else {}),
        }

    # --- what is done about trouble

    def pause(self, path: str, tried: int, response: httpx.Response | None, error: Exception | None) -> float | None:
        """Seconds after which the request is sent again; None: it is not.

        A resume may have been carried out, unless the server says that it came too soon; silence is not tried again.
        """
        status = None if response is None else response.status_code
        unsure = path == "/chat/resume" and status != 429
        if tried >= TRIES or unsure or isinstance(error, httpx.TimeoutException):
            return None
        if status is not None and status not in PASSING:
            return None
        wait = self.told_to_wait(response)
        if wait is not None:
            return wait if wait <= LONGEST_WAIT else None
        return PAUSE * float(2 ** (tried - 1))

    def told_to_wait(self, response: httpx.Response | None) -> float | None:
        """Seconds that `Retry-After` asks for; None: it is not there."""
        told = response.headers.get("retry-after") if response is not None else None
        if told is None:
            return None
        if told.isascii() and told.isdigit():
            return float(told)
        with suppress(ValueError, TypeError, IndexError):
            return max(0.0, _moment(told) - self.clock(response)) + 1.0  # dates are rounded
        return None

    def clock(self, response: httpx.Response | None) -> float:
        """Unix seconds by the server's clock, which its Date shows."""
        with suppress(KeyError, ValueError, TypeError, IndexError):
            if response is not None:
                return _moment(response.headers["date"])
        return time.time()

    def too_late(self, waiting: Answer) -> bool:
        """Whether the approval has expired."""
        with suppress(ValueError, TypeError, OverflowError):
            ends = datetime.fromisoformat(str(waiting.kitemesh.get("expires_at")).upper()).timestamp()
            return time.monotonic() + waiting.ahead >= ends
        return False

    def hold(self, answer: Answer, stream: bool) -> None:
        """Refuse what is not whole. Raises Failed."""
        if stream and answer.finish is None:
            raise Failed("the stream ended before the answer did")

    # --- the exchange

    def connection(self) -> httpx.Client:
        """What a request is sent over; none is kept for another, which might find it closed."""
        limits = httpx.Limits(max_keepalive_connections=0)
        return httpx.Client(timeout=self.timeout, follow_redirects=True, limits=limits)

    def ask(self, path: str, body: dict[str, Any]) -> Answer:
        """Send a request, again where that helps, and read its answer. Raises Failed."""
        tried = 0
        with self.connection() as http:
            while True:
                tried += 1
                response: httpx.Response | None = None
                error: Exception | None = None
                try:
                    return self.once(http, path, body)
                except httpx.HTTPStatusError as refused:
                    response, error = refused.response, refused
                except (httpx.TransportError, httpx.StreamError) as lost:
                    error = lost
                except (ValueError, KeyError, TypeError) as odd:
                    raise Failed(f"the answer cannot be read: {odd!r}") from None
                wait = self.pause(path, tried, response, error)
                if wait is None:
                    raise Failed(f"{path}: {error}") from None
                time.sleep(wait)

    def once(self, http: httpx.Client, path: str, body: dict[str, Any]) -> Answer:
        """One try. Raises what httpx does, ValueError where what came is not the API, and Failed."""
        stream = body.get("stream") is True
        with http.stream("POST", self.address(path), headers=self.fields(), json=body) as response:
            if not response.is_success:
                response.read()
                response.raise_for_status()
                raise Failed(f"status {response.status_code}")
            ahead = self.clock(response) - time.monotonic()
            answer = self.read_stream(response) if stream else self.read_json(response)
            answer.ahead = ahead
        self.hold(answer, stream)
        return answer

    def read_json(self, response: httpx.Response) -> Answer:
        """A JSON answer."""
        value = json.loads(response.read())
        choice = value["choices"][0]
        message = choice["message"]
        calls = message.get("tool_calls") or []
        return Answer(message.get("content") or "", choice.get("finish_reason"), calls, value.get("kitemesh") or {})

    def read_stream(self, response: httpx.Response) -> Answer:
        """A stream, to its end."""
        answer = Answer()
        for data in self.events(response):
            if data.strip() == DONE:
                break
            self.take(answer, json.loads(data))
        return answer

    def take(self, answer: Answer, chunk: dict[str, Any]) -> None:
        """Add a chunk to the answer. Raises Failed where it tells of an error."""
        if chunk.get("error"):
            raise Failed(f"the server failed: {chunk['error']}")
        answer.kitemesh |= {name: value for name, value in (chunk.get("kitemesh") or {}).items() if value is not None}
        for choice in chunk.get("choices") or []:
            if choice.get("index", 0) != 0:
                continue
            if choice.get("error"):
                raise Failed(f"the server failed: {choice['error']}")
            delta = choice.get("delta") or {}
            answer.text += delta.get("content") or ""
            answer.finish = choice.get("finish_reason") or answer.finish
            for call in delta.get("tool_calls") or []:
                _join(answer.calls, call)

    def events(self, response: httpx.Response) -> Iterator[str]:
        """The data of each event (WHATWG HTML, section 9.2.6)."""
        held: list[str] = []
        for line in _lines(response.iter_bytes()):
            if not line:
                if held:
                    yield "\n".join(held)
                held = []
            elif not line.startswith(":"):
                name, _, value = line.partition(":")
                if name == "data":
                    held.append(value.removeprefix(" "))

    # --- what it is for

    def chat(self, prompt: str, stream: bool) -> Answer:
        """Ask, decide on what waits, and give the last answer. Raises Failed."""
        messages = [{"role": "user", "content": prompt}]
        answer = self.ask("/chat/completions", self.body(messages, stream))
        for _ in range(ROUNDS):
            if not answer.calls:
                break
            answer = self.resumed(messages, stream, answer)
        return answer

    def resumed(self, messages: list[Message], stream: bool, waiting: Answer) -> Answer:
        """Decide on what waits. Raises Failed."""
        if self.too_late(waiting):
            raise Failed("the approval has expired")
        return self.ask("/chat/resume", self.body(messages, stream, **self.decision(waiting)))

    def work(self, approval_prompt: str | None) -> None:
        """All that it does. Raises Failed."""
        prompts = [
            "Reply with just these words: cerf-volant, 凧 and 🪁",
            *([approval_prompt] if approval_prompt else []),
        ]
        for prompt in prompts:
            for stream in (False, True):
                self.say(self.chat(prompt, stream))

    def say(self, answer: Answer) -> None:
        """Tell the user."""
        print(answer.text.strip(), flush=True)


def _moment(text: str) -> float:
    date = parsedate_to_datetime(text)
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _join(calls: list[dict[str, Any]], fragment: dict[str, Any]) -> None:
    """Add a call, or a fragment of one: by `index`, else by a new id."""
    index = fragment.get("index")
    known = next((c for c in calls if index is not None and c.get("index") == index), None)
    if known is None:
        calls.append(fragment)
        return
    for name, part in (fragment.get("function") or {}).items():
        known.setdefault("function", {})
        known["function"][name] = (known["function"].get(name) or "") + part


def _lines(octets: Iterator[bytes]) -> Iterator[str]:
    """Lines that end with LF, CRLF or CR; a BOM at the start is taken off."""
    held, first = b"", True
    for piece in octets:
        held += piece
        if first and len(held) >= 3:
            held, first = held.removeprefix(b"\xef\xbb\xbf"), False
        while ends := [at for at in (held.find(b"\n"), held.find(b"\r")) if at >= 0]:
            found = min(ends)
            if held[found : found + 1] == b"\r" and found + 1 == len(held):
                break  # it may be the first half of CRLF
            width = 2 if held[found : found + 2] == b"\r\n" else 1
            yield held[:found].decode("utf-8")
            held = held[found + width :]
    if held.endswith(b"\r"):
        yield held[:-1].decode("utf-8")


def main(of: type[Client] = Client) -> int:
    """Do the work with what the environment says; gives the exit status."""
    environ = os.environ
    client = of(environ["KITEMESH_URL"].rstrip("/"), environ["KITEMESH_TOKEN"], environ["KITEMESH_MODEL"])
    try:
        client.work(environ.get("KITEMESH_APPROVAL_PROMPT"))
    except Failed as told:
        print(f"Error: {told}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
