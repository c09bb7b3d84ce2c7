"""Area sdk: the client that people use, fed with the recorded bytes.

The official `openai` client reads each answer through a transport of ours that opens no socket, so these are pure
checks too. They speak last: whatever another requirement says of an answer already is that requirement's (`blame`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from conformance.checks.check import over_all
from conformance.checks.evidence import Evidence, Reading, Words
from conformance.checks.finding import Item, Judged, Unjudged
from conformance.checks.member import integer, show
from conformance.checks.select import Selected, standard, text_streams

NOT_INSTALLED = "the openai client is not installed: pip install 'kitemesh-conformance[sdk]'"
MOST = 24
"""Answers of a kind that are fed to the client: it reads like ones alike, and takes longer than all checks."""


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
        self._response = lambda: self._http.Response(response.status, headers=kept, content=reading.body)
        asked = reading.asked.body
        return self.client.chat.completions.create(
            model=reading.asked.model or "", messages=asked.get("messages", []), stream=reading.asked.stream
        )


@cache
def _player() -> _Player | None:
    try:
        return _Player()
    except ImportError:
        return None


def _fed(
    evidence: Evidence, select: Callable[[Evidence], Selected], requirement: str, judge: Callable[[Reading], str]
) -> Iterator[Item]:
    player = _player()
    if player is None:
        yield Unjudged(NOT_INSTALLED)
        return
    fed = 0
    for reading in select(evidence):
        if isinstance(reading, Unjudged):
            yield reading
            continue
        if fed >= MOST and not reading.asked.resume:
            continue
        fed += 1
        yield Judged(reading.name)
        try:
            wrong = judge(reading)
        except Exception as error:  # whatever the client raises is what its user would see
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            yield reading.finding(
                requirement,
                "the openai client does not understand the answer",
                "the answer's text",
                Words(wrong[:200]),
                "the whole answer",
            )


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

    yield from _fed(evidence, standard, "sdk.openai-completion", judge)


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

    yield from _fed(evidence, text_streams, "sdk.openai-stream", judge)
