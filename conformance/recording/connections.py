"""Connections to the target, used again by turns.

httpcore's own pool looks at each of its connections whenever a request begins or ends, which costs the more the more
streams are under way. There is one target here, so that a stack of idle connections does: the last one given back is
taken first, and is looked at then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ssl import SSLContext

import httpcore

KEPT = 64
"""Idle connections that are kept."""
IDLE = 5.0
"""Seconds that one of them is kept; many servers close theirs soon after."""


class Connections:
    """The connections to one origin."""

    def __init__(self, origin: str, ssl_context: SSLContext | None = None) -> None:
        """Take scheme, host and port, and what the target's certificate is held to (None: the defaults)."""
        self._origin = httpcore.URL(origin).origin
        self._ssl_context = ssl_context
        self._idle: list[httpcore.AsyncHTTPConnection] = []

    @asynccontextmanager
    async def one(self) -> AsyncIterator[httpcore.AsyncHTTPConnection]:
        """A connection for one request; it is kept where nothing is left on it."""
        connection = await self._take()
        try:
            yield connection
        finally:
            if connection.is_idle() and not connection.has_expired() and len(self._idle) < KEPT:
                self._idle.append(connection)
            else:
                await connection.aclose()

    async def aclose(self) -> None:
        """Close those that are idle."""
        while self._idle:
            await self._idle.pop().aclose()

    async def _take(self) -> httpcore.AsyncHTTPConnection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(self._origin, self._ssl_context, keepalive_expiry=IDLE)
