"""Faces for tests in any language: a small HTTP interface that serves them, and gives what was received and a verdict.

`schemas/control.yaml` describes it. All is on one port: the interface at the root, and each server that was asked for
below its own address, so that tests may run side by side. Nothing is kept for ever: the oldest server makes room for
new ones.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.client import faces
from conformance.client.listening import SETTINGS, Heard, listening
from conformance.client.testing import KiteMeshServer
from conformance.contract.schemas import schema_dir
from conformance.reference.app import create_app
from conformance.settings.options import UsageError
from conformance.transcript import har_writer

MOST_SERVERS = 200
"""Beyond them the oldest is dropped."""
LARGEST_ORDER = 64 * 1024
"""Octets of a request to the interface."""
DESCRIPTION = "control.yaml"
_SERVERS = "/servers"


@dataclass(frozen=True, slots=True)
class _Served:
    """One server, and the application behind it."""

    server: KiteMeshServer
    app: ASGIApp


class Control:
    """The interface as an ASGI application, with the servers below it."""

    def __init__(self) -> None:
        self._served: OrderedDict[str, _Served] = OrderedDict()
        self._made = 0
        self._interface = Starlette(
            routes=[
                Route("/", self._description, methods=["GET"]),
                Route("/faces", self._faces, methods=["GET"]),
                Route(_SERVERS, self._make, methods=["POST"]),
                Route(_SERVERS + "/{id}", self._show, methods=["GET"]),
                Route(_SERVERS + "/{id}", self._drop, methods=["DELETE"]),
                Route(_SERVERS + "/{id}/received", self._received, methods=["GET"]),
                Route(_SERVERS + "/{id}/verdict", self._verdict, methods=["GET"]),
            ],
            exception_handlers={HTTPException: _told},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request to the interface, or to one of the servers (ASGI 3)."""
        id_, slash, rest = scope.get("path", "").removeprefix(f"{_SERVERS}/").partition("/")
        served = self._served.get(id_)
        if served is not None and (slash + rest).startswith("/v1/"):
            # A mount, as ASGI has it: the router takes `root_path` off the path.
            await served.app({**scope, "root_path": f"{_SERVERS}/{id_}"}, receive, send)
        else:
            await self._interface(scope, receive, send)

    async def _description(self, request: Request) -> Response:
        return Response((schema_dir() / DESCRIPTION).read_bytes(), media_type="application/yaml")

    async def _faces(self, request: Request) -> Response:
        return JSONResponse([{"id": f.id, "kind": f.kind.value, "summary": f.summary} for f in faces.every()])

    async def _make(self, request: Request) -> Response:
        names = await _ordered(request)
        try:
            face = faces.combined([faces.one(name, what="faces") for name in names if name != faces.PLAIN])
        except UsageError as error:
            raise HTTPException(422, str(error)) from None
        self._made += 1
        id_, heard = str(self._made), Heard(face.id)
        server = KiteMeshServer(f"{request.base_url}{_SERVERS[1:]}/{id_}/v1", face, heard)
        self._served[id_] = _Served(server, listening(create_app(SETTINGS, face.behaviour), heard))
        while len(self._served) > MOST_SERVERS:
            self._served.popitem(last=False)
        return JSONResponse(_shown(id_, server), 201, {"Location": f"{_SERVERS}/{id_}"})

    async def _show(self, request: Request) -> Response:
        return JSONResponse(_shown(request.path_params["id"], self._asked_for(request)))

    async def _drop(self, request: Request) -> Response:
        self._asked_for(request)
        del self._served[request.path_params["id"]]
        return Response(status_code=204)

    async def _received(self, request: Request) -> Response:
        transcript = self._asked_for(request).transcript()
        return await _in_thread(lambda: har_writer.dumps(transcript))

    async def _verdict(self, request: Request) -> Response:
        server = self._asked_for(request)
        return await _in_thread(lambda: json.dumps(server.report().to_dict()))

    def _asked_for(self, request: Request) -> KiteMeshServer:
        served = self._served.get(request.path_params["id"])
        if served is None:
            raise HTTPException(404, f"There is no such server; the last {MOST_SERVERS} that were made are kept.")
        return served.server


def _shown(id_: str, server: KiteMeshServer) -> dict[str, Any]:
    """What a test needs to know of a server."""
    return {
        "id": id_, "face": server.face, "kind": server.kind.value, "summary": server.summary, "url": server.url,
        "token": server.token, "model": server.model, "approval_prompt": server.approval_prompt,
    }  # fmt: skip


async def _ordered(request: Request) -> list[str]:
    """The faces that are asked for. Raises HTTPException where the body does not say."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_ORDER:
            raise HTTPException(413, f"The body is larger than {LARGEST_ORDER} octets.")
    try:
        order = json.loads(bytes(body) or b"{}")
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not JSON.") from None
    names = order.get("faces", []) if isinstance(order, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise HTTPException(422, 'The body has to be an object such as {"faces": ["sse-crlf"]}.')
    return list(dict.fromkeys(names))


async def _in_thread(write: Callable[[], str]) -> Response:
    """JSON that takes a while: the servers are not to wait for it."""
    text = await asyncio.to_thread(write)
    return Response(text.encode("utf-8", "backslashreplace"), media_type="application/json")


async def _told(request: Request, error: Exception) -> Response:
    """What went wrong, in a sentence."""
    assert isinstance(error, HTTPException)  # it is registered for these
    sentence = error.detail if error.status_code not in (404, 405) or error.detail.endswith(".") else _STRANGE
    return JSONResponse({"error": {"message": sentence}}, error.status_code, error.headers)


_STRANGE = "There is nothing like that here; GET / describes what there is."
