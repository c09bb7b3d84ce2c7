"""A balancer over several reference servers in one process, which share their approvals at once, late or never.

A replica is a whole server with approvals of its own. Where they are shared, whichever answers a resume is given what
the others know of the approval, as soon as it is as old as replication takes.
"""

from __future__ import annotations

import itertools
import json
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conformance.reference.app import create_app
from conformance.reference.settings import Settings

NEVER = float("inf")


class Balance(StrEnum):
    """How the replica of a request is chosen."""

    ROUND_ROBIN = "round robin"
    RANDOM = "random"
    CONNECTION_ROUND_ROBIN = "round robin by connection"
    CONNECTION_RANDOM = "random by connection"
    COOKIE = "by cookie"
    """Random where the client sends none back."""
    TOKEN = "by token"
    """Sticky: one caller always comes to one replica."""


@dataclass
class Replicas:
    """An ASGI application. `lag`: seconds until an approval is known to all; `NEVER`: they share nothing."""

    balance: Balance
    lag: float = NEVER
    count: int = 3
    seed: int = 1
    settings: Settings = field(default_factory=Settings)
    asked: list[int] = field(default_factory=list)
    """How many requests came to each replica."""

    def __post_init__(self) -> None:
        self._apps: list[ASGIApp] = [create_app(self.settings) for _ in range(self.count)]
        self._source = random.Random(self.seed)
        self._turns = itertools.count(self.seed)
        self._of_connection: dict[object, int] = {}
        self._born: dict[str, tuple[int, float]] = {}
        """Approval id to the replica that gave it, and when."""
        self.asked = [0] * self.count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request by one of the replicas."""
        if scope["type"] != "http":
            await self._apps[0](scope, receive, send)
            return
        body = await _read(receive)
        chosen = self._choose(scope)
        home, born = self._born.get(_approval_of(b"".join(m.get("body", b"") for m in body)), (chosen, 0.0))
        if time.monotonic() - born >= self.lag:
            chosen = home
        self.asked[chosen] += 1
        await self._apps[chosen](scope, _replayed(body, receive), self._noting(chosen, send))

    def _choose(self, scope: Scope) -> int:
        headers = dict(scope["headers"])
        match self.balance:
            case Balance.ROUND_ROBIN:
                return next(self._turns) % self.count
            case Balance.CONNECTION_ROUND_ROBIN:
                return self._of_connection.setdefault(scope["client"], next(self._turns) % self.count)
            case Balance.CONNECTION_RANDOM:
                return self._of_connection.setdefault(scope["client"], self._source.randrange(self.count))
            case Balance.TOKEN:
                return sum(headers.get(b"authorization", b"")) % self.count
            case Balance.COOKIE if b"replica=" in headers.get(b"cookie", b""):
                return int(headers[b"cookie"].partition(b"replica=")[2][:1])
        return self._source.randrange(self.count)

    def _noting(self, chosen: int, send: Send) -> Callable[[Message], object]:
        held = bytearray()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and self.balance is Balance.COOKIE:
                message = {**message, "headers": [*message["headers"], (b"set-cookie", b"replica=%d; Path=/" % chosen)]}
            if message["type"] == "http.response.body":
                held.extend(message.get("body", b""))
                if (at := held.find(b'"approval_id":"')) >= 0 and len(held) >= at + 51:
                    id_ = held[at + 15 : at + 51].decode()
                    self._born.setdefault(id_, (chosen, time.monotonic()))
            await send(message)

        return noting


def _approval_of(body: bytes) -> str:
    try:
        return str(uuid.UUID(json.loads(body)["approval_id"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ""


async def _read(receive: Receive) -> list[Message]:
    messages = []
    while True:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request" or not message.get("more_body"):
            return messages


def _replayed(messages: list[Message], receive: Receive) -> Receive:
    waiting = iter(messages)

    async def again() -> Message:
        for message in waiting:
            return message
        return await receive()

    return again
