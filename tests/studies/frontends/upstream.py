"""The reference server as it stands behind the programs: as it is, or with a model that thinks in mid-stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conformance.reference.app import create_app
from conformance.reference.settings import Settings

THINKS = 4.0
"""Seconds of silence in a long stream."""
BEFORE = 8
"""Pieces of a stream before that."""


def plain() -> ASGIApp:
    """For `uvicorn --factory`, which hands no settings over."""
    return create_app(Settings())


def thinking(settings: Settings) -> ASGIApp:
    """Falls silent for `THINKS` seconds in each long stream."""
    app = create_app(settings)

    async def thinks(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, _paused(send))

    return thinks


def _paused(send: Send) -> Callable[[Message], object]:
    pieces = 0

    async def paused(message: Message) -> None:
        nonlocal pieces
        pieces += message["type"] == "http.response.body"
        if pieces == BEFORE and message.get("more_body"):
            await asyncio.sleep(THINKS)
        await send(message)

    return paused
