"""Area sdk: the client that people use. Is it served with the header fields that it sends, does it read what comes?

The official `openai` client reads each answer through a transport of ours that opens no socket, so these are pure
checks too. They speak last: whatever another requirement says of an answer already is that requirement's (`blame`).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from conformance.checks.check import judge_each, over_all
from conformance.checks.decisions import taken_otherwise
from conformance.contract.classify import Due
from conformance.evidence.answer import Words
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.json_values import integer, show, text
from conformance.evidence.place import STATUS, Place
from conformance.evidence.reading import Reading
from conformance.evidence.select import (
    Selection,
    coded,
    excused,
    last,
    server_error,
    standard,
    text_streams,
    waiting,
    waiting_streams,
    why_unserved,
)

NOT_INSTALLED = "the openai client is not installed: pip install 'kitemesh-conformance[sdk]'"


class _Player:
    """An `openai` client whose transport answers with the bytes that it was last given."""

    def __init__(self) -> None:
        openai = importlib.import_module("openai")
        # Since version 3 the client comes with a successor of httpx, and takes a client of that.
        http = importlib.import_module("httpx2" if int(openai.__version__.split(".")[0]) >= 3 else "httpx")
        self._response: Callable[[], Any] = lambda: None
        self._http = http
        transport = http.MockTransport(lambda request: self._response())
        self.client = openai.OpenAI(
            api_key="none",
            base_url="http://recorded.invalid/v1",
            max_retries=0,
            http_client=http.Client(transport=transport),
        )

    def play(self, reading: Reading) -> Any:
        """What the client makes of the answer. Raises whatever it raises."""
        response = reading.response
        assert response is not None  # only answers are fed
        kept = [(k, v) for k, v in response.headers if k.lower() in ("content-type", "x-request-id")]
        content = _plain(reading) if reading.asked.stream else reading.body
        self._response = lambda: self._http.Response(response.status, headers=kept, content=content)
        # What the client sends goes nowhere, so it may be short: it looks at each member of a request.
        return self.client.chat.completions.create(
            model=reading.asked.model or "", messages=[{"role": "user", "content": "-"}], stream=reading.asked.stream
        )


def _plain(reading: Reading) -> bytes:
    """The stream's events in plain framing.

    Comments, `id` and `retry` lines and blocks without data are legitimate, and the client stumbles over some of them;
    that must not be told of a server. What is judged is what the events hold.
    """
    events = []
    for event in reading.events:
        name = f"event: {event.name}\n" if event.name else ""
        data = "".join(f"data: {line}\n" for line in event.data.split("\n"))
        events.append(f"{name}{data}\n")
    return "".join(events).encode("utf-8", "surrogatepass")


@cache
def _player() -> _Player | None:
    try:
        return _Player()
    except ImportError:
        return None


def load() -> None:
    """Load the client, where it is installed: that takes a while, and may be done before it is needed."""
    _player()


def _twin_not_served(reading: Reading) -> Unjudged | None:
    twin = reading.evidence.twin_of(reading)
    if twin is not None and twin.accepted:
        return None
    excuse = twin is not None and bool(twin.excuse)
    by = twin.asked.requirement if twin is not None and not excuse else None
    return reading.unjudged("the same request with the suite's own header fields was not served", by=by, excused=excuse)


_as_client = last.where(lambda r: r.as_client and r.due is Due.ACCEPT and not r.left).unless(
    excused, server_error, _twin_not_served, coded
)
"""Requests with the client's own header fields, whose twins bear the suite's."""


_unserved = _as_client.where(why_unserved)


def _told_of_unserved(reading: Reading) -> Iterator[Finding]:
    yield reading.finding(
        f"a request with the openai client's header fields is not served: {why_unserved(reading)}",
        "the same answer as with other header fields",
        reading.told,
        STATUS,
    )


def _fed(evidence: Evidence, selection: Selection, flow: str, judge: Callable[[Reading], str]) -> Iterator[Item]:
    """Is a request of this flow served as its twin is, and does the client understand what is selected?"""
    if _player() is None:
        yield Unjudged(NOT_INSTALLED)
        return
    yield from judge_each(_unserved.among(lambda r: (r.note.flow or "").startswith(flow))(evidence), _told_of_unserved)
    yield from selection.unjudged(evidence)
    seen: set[Any] = set()
    for reading in selection.readings(evidence):
        yield Judged(reading.name)
        if (shape := (reading.note.round, _shape(reading))) in seen:
            continue
        seen.add(shape)
        try:
            wrong = judge(reading)
        except Exception as error:  # whatever the client raises is what its user would see
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            yield reading.finding(
                "the openai client does not understand the answer",
                "the answer's text",
                Words(wrong[:200]),
                Place(words="the whole answer"),
            )


def _shape(reading: Reading) -> Any:
    """What the client can make a difference of: answers of one shape it reads alike, and each takes it milliseconds."""
    response = reading.response
    headers = (
        tuple(sorted((k.lower(), v) for k, v in response.headers if k.lower() == "content-type")) if response else ()
    )
    if not reading.asked.stream:
        return headers, _form(reading.object)
    unlike: dict[str, Any] = {}
    for number, chunk in enumerate(reading.chunks):
        unlike.setdefault(_frame(chunk.event.data) or str(number), chunk.value)
    chunks = frozenset(map(_form, unlike.values()))
    return headers, chunks, frozenset(event.name for event in reading.events), len(reading.done)


_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*"(?=\s*[,}\]])')
"""Texts, but not the names of members, which a colon follows."""
_INTEGERS = re.compile(r"(?<=[:,\[ ])-?\d+(?=[,}\]])")


def _frame(text: str) -> str:
    """A chunk's JSON without its texts and integers: chunks of one frame have one form. Empty: it does not tell.

    Chunks of a long stream differ in a word and in nothing else, and to find their frames is quicker than their forms.
    """
    if not text.isascii() or "\\u" in text:
        return ""  # the form tells texts of ASCII from others
    return _INTEGERS.sub("0", _TEXTS.sub('""', text))


def _form(value: Any, depth: int = 0) -> Any:
    """The types in a JSON value: members by name, arrays by their items' forms, texts by whether they are ASCII."""
    if depth > 12:
        return "deep"
    if isinstance(value, dict):
        return frozenset((key, _form(item, depth + 1)) for key, item in value.items())
    if isinstance(value, list):
        return ("list", frozenset(_form(item, depth + 1) for item in value))
    if isinstance(value, str):
        return "ascii" if value.isascii() else "text"
    return type(value).__name__


@over_all("sdk.openai-completion")
def completion(evidence: Evidence) -> Iterator[Item]:
    """JSON mode."""

    def judge(reading: Reading) -> str:
        player = _player()
        assert player is not None  # asked before
        answer = player.play(reading)
        message = answer.choices[0].message
        if (message.content or "") != reading.said:
            return f"content {show(message.content)} instead of {show(reading.said)}"
        if not isinstance(answer.id, str) or integer(answer.created) is None:
            return f"id {show(answer.id)}, created {show(answer.created)}"
        return ""

    yield from _fed(evidence, standard, "sdk-completion", judge)


@over_all("sdk.openai-stream")
def stream(evidence: Evidence) -> Iterator[Item]:
    """A text stream."""

    def judge(reading: Reading) -> str:
        player = _player()
        assert player is not None  # asked before
        said = []
        for chunk in player.play(reading):
            for choice in chunk.choices:
                if choice.index == 0 and choice.delta.content:
                    said.append(choice.delta.content)
        whole = "".join(said)
        return "" if whole == reading.said else f"content {show(whole)} instead of {show(reading.said)}"

    yield from _fed(evidence, text_streams, "sdk-stream", judge)


@over_all("sdk.openai-approval")
def approval(evidence: Evidence) -> Iterator[Item]:
    """An approval answer, JSON mode."""

    def judge(reading: Reading) -> str:
        player = _player()
        assert player is not None  # asked before
        choice = player.play(reading).choices[0]
        read = [(call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls or ()]
        sent = [(text(call, "id"), text(call, "function", "name"), text(call, "function", "arguments"))
                for call in reading.calls]  # fmt: skip
        if read != sent:
            return f"tool calls {show(read)} instead of {show(sent)}"
        return "" if choice.finish_reason == "tool_calls" else f"finish_reason {show(choice.finish_reason)}"

    yield from _fed(evidence, waiting, "sdk-approval", judge)
    yield from judge_each(_denials(evidence), _told_of_unserved)


_denials = last.where(lambda r: r.with_client_fields and r.asked.resume and taken_otherwise(r)).unless(excused)
"""Resumes that were refused for the client's header fields."""


def remarks(evidence: Evidence) -> Iterator[str]:
    """What is not a breach, and a user of the client has to know."""
    lacking = [
        reading
        for reading in waiting_streams.readings(evidence)
        if any("index" not in call for chunk in reading.chunks for call in chunk.calls)
    ]
    if lacking:
        streams = "1 approval stream has" if len(lacking) == 1 else f"{len(lacking)} approval streams have"
        yield (
            f"{streams} tool calls without `index`, as the documentation's own example does; the openai client's "
            "helpers for streams cannot join such calls"
        )
