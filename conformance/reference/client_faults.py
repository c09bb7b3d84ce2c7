"""Clients that each break one requirement, and otherwise do what `client` does.

python -m conformance.reference.client_faults token-late
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import httpx

from conformance.reference.client import DONE, PAUSE, Answer, Client, Failed, main

_CHAT, _RESUME = "/chat/completions", "/chat/resume"
_NOBODY = "00000000-0000-4000-8000-000000000000"
_FOR_EVER = httpx.Timeout(None)
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class ClientFault:
    """A client that breaks just one requirement."""

    id: str
    requirement: str
    summary: str
    """What it does, in one line."""
    client: type[Client]


class _Asking(Client):
    """Sends something else first, takes no notice of what comes, and goes on as it should."""

    path = _CHAT

    def else_(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body that is sent first."""
        return body

    def else_fields(self) -> dict[str, str]:
        """Its header fields."""
        return self.fields()

    def ask(self, path: str, body: dict[str, Any]) -> Answer:
        """Two requests instead of one."""
        if path == self.path and body.get("stream") is not True:
            with suppress(httpx.HTTPError), self.connection() as http:
                http.post(self.address(path), headers=self.else_fields(), content=json.dumps(self.else_(body)))
        return super().ask(path, body)


class _Hot(_Asking):
    def else_(self, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "temperature": 3}


class _Lists(_Asking):
    path = _RESUME

    def else_(self, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "approved_tool_execution_ids": ",".join(body["approved_tool_execution_ids"])}


class _Plain(_Asking):
    def else_fields(self) -> dict[str, str]:
        return {**self.fields(), "Content-Type": "text/plain"}


class _Form(_Asking):
    path = _RESUME

    def else_fields(self) -> dict[str, str]:
        return {**self.fields(), "Content-Type": "application/x-www-form-urlencoded"}


class _Late(_Asking):
    def else_fields(self) -> dict[str, str]:
        return {"Content-Type": "application/json"}


class _Scheme(_Asking):
    path = _RESUME

    def else_fields(self) -> dict[str, str]:
        return {**self.fields(), "Authorization": f"Token {self.token}"}


class _InUrl(Client):
    def address(self, path: str) -> str:
        return f"{super().address(path)}?key={self.token}"


class _InBody(Client):
    def body(self, messages: list[dict[str, Any]], stream: bool, **more: Any) -> dict[str, Any]:
        return super().body(messages, stream, **more, metadata={"client": self.token})


class _Along(Client):
    def connection(self) -> httpx.Client:
        class Following(httpx.Client):
            def _redirect_headers(self, request: httpx.Request, url: httpx.URL, method: str) -> httpx.Headers:
                headers = httpx.Headers(request.headers)
                headers["Host"] = url.netloc.decode()
                return headers

        return Following(timeout=self.timeout, follow_redirects=True)


class _OtherApproval(_Asking):
    path = _RESUME

    def else_(self, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "approval_id": _NOBODY}


class _OtherCall(_Asking):
    path = _RESUME

    def else_(self, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "approved_tool_execution_ids": [*body["approved_tool_execution_ids"], _NOBODY]}


class _Undecided(Client):
    def decision(self, waiting: Answer) -> dict[str, Any]:
        made = super().decision(waiting)
        return {name: value for name, value in made.items() if name != "denied_tools"}


class _BothWays(_Asking):
    path = _RESUME

    def else_(self, body: dict[str, Any]) -> dict[str, Any]:
        denied = [{"tool_execution_id": id_} for id_ in body["approved_tool_execution_ids"]]
        return {**body, "denied_tools": [*body.get("denied_tools", []), *denied]}


class _Unhurried(Client):
    def too_late(self, waiting: Answer) -> bool:
        return False


class _OfAnotherDay(Client):
    def too_late(self, waiting: Answer) -> bool:
        return super().too_late(replace(waiting, ahead=waiting.ahead - _DAY))


class _SureOnLoss(Client):
    def pause(self, path: str, tried: int, response: httpx.Response | None, error: Exception | None) -> float | None:
        if path == _RESUME and response is None and tried < 2:
            return PAUSE
        return super().pause(path, tried, response, error)


class _SureOnFailure(Client):
    def pause(self, path: str, tried: int, response: httpx.Response | None, error: Exception | None) -> float | None:
        if path == _RESUME and response is not None and response.status_code >= 500 and tried < 2:
            return PAUSE + (self.told_to_wait(response) or 0.0)
        return super().pause(path, tried, response, error)


class _Insistent(Client):
    def pause(self, path: str, tried: int, response: httpx.Response | None, error: Exception | None) -> float | None:
        if response is not None and response.status_code in (400, 404, 422) and tried < 3 and path == _CHAT:
            return PAUSE * tried
        return super().pause(path, tried, response, error)


class _Unbelieving(Client):
    def pause(self, path: str, tried: int, response: httpx.Response | None, error: Exception | None) -> float | None:
        if response is not None and response.status_code == 401 and tried < 2:
            return PAUSE
        return super().pause(path, tried, response, error)


class _Impatient(Client):
    def told_to_wait(self, response: httpx.Response | None) -> float | None:
        return None


class _Thousandth(Client):
    def told_to_wait(self, response: httpx.Response | None) -> float | None:
        wait = super().told_to_wait(response)
        return None if wait is None else wait / 1000


class _Stubborn(Client):
    def pause(self, path: str, tried: int, response: httpx.Response | None, error: Exception | None) -> float | None:
        again = super().pause(path, 1, response, error)
        return None if again is None or tried >= 9 else max(again, PAUSE * 1.3 ** (tried - 1))


class _Regular(Client):
    def pause(self, path: str, tried: int, response: httpx.Response | None, error: Exception | None) -> float | None:
        again = super().pause(path, tried, response, error)
        return None if again is None else max(PAUSE, self.told_to_wait(response) or 0.0)


class _Literal(Client):
    """Takes nothing but `data: ` for data."""

    def events(self, response: httpx.Response) -> Iterator[str]:
        for block in response.read().decode().split("\n\n"):
            if block.startswith("data: "):
                yield block.removeprefix("data: ")


class _Closed(Client):
    """Takes no member that it does not know."""

    def read_json(self, response: httpx.Response) -> Answer:
        value = json.loads(response.read())
        if odd := value.keys() - {"id", "object", "created", "model", "choices", "usage", "kitemesh"}:
            raise Failed(f"unknown members: {', '.join(sorted(odd))}")
        return super().read_json(response)


class _Joining(Client):
    """Takes what belongs to any choice for the first one's."""

    def take(self, answer: Answer, chunk: dict[str, Any]) -> None:
        choices = [{**choice, "index": 0} for choice in chunk.get("choices") or []]
        super().take(answer, {**chunk, "choices": choices})


class _Roles(Client):
    """Begins anew wherever a role is named."""

    def take(self, answer: Answer, chunk: dict[str, Any]) -> None:
        for choice in chunk.get("choices") or []:
            if (choice.get("delta") or {}).get("role"):
                answer.text = ""
        super().take(answer, chunk)


class _Content(Client):
    """Takes the end of the body for the end of the answer."""

    def hold(self, answer: Answer, stream: bool) -> None:
        return

    def read_stream(self, response: httpx.Response) -> Answer:
        answer = Answer()
        with suppress(httpx.TransportError):
            for data in self.events(response):
                if data.strip() == DONE:
                    break
                self.take(answer, json.loads(data))
        return answer


class _Deaf(Client):
    """Passes over events that tell of an error."""

    def take(self, answer: Answer, chunk: dict[str, Any]) -> None:
        if chunk.get("error"):
            answer.finish = "stop"
            return
        super().take(answer, chunk)


class _Waiting(Client):
    timeout = _FOR_EVER


class _ToTheEnd(Client):
    """Reads a stream to the end of its body, and has no limit for it."""

    def once(self, http: httpx.Client, path: str, body: dict[str, Any]) -> Answer:
        if body.get("stream") is True:
            http.timeout = _FOR_EVER
        return super().once(http, path, body)

    def work(self, approval_prompt: str | None) -> None:
        self.say(self.chat("Reply with just this word: fil", stream=True))
        super().work(approval_prompt)

    def read_stream(self, response: httpx.Response) -> Answer:
        answer = Answer()
        for data in self.events(response):
            if data.strip() != DONE:
                self.take(answer, json.loads(data))
        return answer


def _of(requirement: str, *clients: tuple[str, str, type[Client]]) -> tuple[ClientFault, ...]:
    return tuple(ClientFault(id_, requirement, summary, client) for id_, summary, client in clients)


CLIENT_FAULTS: tuple[ClientFault, ...] = (
    *_of("client.request-valid",
         ("client-too-hot", "asks with a temperature of 3 first", _Hot),
         ("client-lists-as-text", "joins the approved ids to one text first", _Lists)),
    *_of("client.media-type",
         ("client-plain-text", "sends text/plain first", _Plain),
         ("client-form", "resumes by a form first", _Form)),
    *_of("client.token",
         ("client-token-late", "sends its token only once it was asked for it", _Late),
         ("client-token-scheme", "resumes by another scheme first", _Scheme)),
    *_of("client.token-nowhere-else",
         ("client-token-in-url", "sends its token in the URL, too", _InUrl),
         ("client-token-in-body", "sends its token in the metadata, too", _InBody),
         ("client-token-along", "takes its token along when it is redirected", _Along)),
    *_of("client.resume-matches",
         ("client-approval-made-up", "resumes an approval that nobody gave, first", _OtherApproval),
         ("client-call-made-up", "approves a call that does not wait, first", _OtherCall)),
    *_of("client.resume-decides",
         ("client-undecided", "leaves calls undecided", _Undecided),
         ("client-both-ways", "approves and denies one call, first", _BothWays)),
    *_of("client.resume-in-time",
         ("client-unhurried", "does not look at expires_at", _Unhurried),
         ("client-day-late", "reads expires_at with a clock that is a day slow", _OfAnotherDay)),
    *_of("client.resume-once",
         ("client-sure-on-loss", "resumes again when the answer was lost", _SureOnLoss),
         ("client-sure-on-failure", "resumes again after 5xx", _SureOnFailure)),
    *_of("client.no-retry-on-refusal",
         ("client-insistent", "tries 400, 404 and 422 again", _Insistent),
         ("client-unbelieving", "tries 401 again", _Unbelieving)),
    *_of("client.retry-after",
         ("client-impatient", "does not look at Retry-After", _Impatient),
         ("client-thousandth", "takes Retry-After for milliseconds", _Thousandth)),
    *_of("client.retry-bounded",
         ("client-stubborn", "tries nine times", _Stubborn),
         ("client-regular", "tries at regular intervals", _Regular)),
    *_of("client.variation",
         ("client-literal", "knows events by `data: ` alone", _Literal),
         ("client-closed", "takes no member that it does not know", _Closed)),
    *_of("client.variation-output",
         ("client-joining", "joins the texts of all choices", _Joining),
         ("client-roles", "begins anew wherever a role is named", _Roles)),
    *_of("client.notices-truncation",
         ("client-content", "takes the end of the body for that of the answer", _Content),
         ("client-deaf", "passes over events that tell of an error", _Deaf)),
    *_of("client.ends",
         ("client-waiting", "waits for ever", _Waiting),
         ("client-to-the-end", "reads a stream to the end of its body, however long that takes", _ToTheEnd)),
)  # fmt: skip
"""In the order of the requirements."""


def by_id(id_: str) -> ClientFault:
    """The one of this id. Raises KeyError."""
    return {fault.id: fault for fault in CLIENT_FAULTS}[id_]


if __name__ == "__main__":
    sys.exit(main(by_id(sys.argv[1]).client))
