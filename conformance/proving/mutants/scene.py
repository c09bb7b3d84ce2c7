"""What a recording offers to mutants: each answer with its kind and its traits.

A *kind* is a form of answer. A *trait* is a condition under which a server may be wrong: the endpoint, what was asked,
what happened before. A mutant names one kind and one trait, and changes every answer that has both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from conformance.contract.classify import LONG_REQUEST_ID, Due
from conformance.evidence.evidence import Evidence
from conformance.evidence.reading import Reading
from conformance.probes.flow import Phase
from conformance.transcript.exchange import Ending, Exchange, Transcript


class Kind(StrEnum):
    """The forms of an answer."""

    COMPLETION = "completion"
    APPROVAL = "approval"
    STREAM = "stream"
    APPROVAL_STREAM = "approval-stream"
    ERROR = "error"

    @property
    def streamed(self) -> bool:
        """True where events come."""
        return self in (Kind.STREAM, Kind.APPROVAL_STREAM)


ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Subject:
    """An answer that mutants may change."""

    exchange: Exchange
    kind: Kind
    traits: frozenset[str]
    due: Due
    """What its request must get."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A recording with what is known of its answers."""

    transcript: Transcript
    subjects: tuple[Subject, ...]

    @staticmethod
    def of(transcript: Transcript) -> Scene:
        """Read a recording of the conforming server."""
        return Scene(transcript, tuple(_subjects(transcript)))

    def of_answers(self) -> Scene:
        """The scene without what was refused as it has to be: those are most of all, and no answer depends on them."""
        kept = tuple(one for one in self.subjects if not (one.kind is Kind.ERROR and one.due is Due.REFUSE))
        lost = {one.exchange.name for one in self.subjects} - {one.exchange.name for one in kept}
        exchanges = tuple(exchange for exchange in self.transcript if exchange.name not in lost)
        return Scene(replace(self.transcript, exchanges=exchanges), kept)

    def having(self, kind: str, trait: str) -> list[Subject]:
        """The answers of a kind that have a trait; of a kind that is an endpoint: all answers of that endpoint."""
        return [one for one in self.subjects if trait in one.traits and (one.kind == kind or kind in one.traits)]


def _subjects(transcript: Transcript) -> Iterator[Subject]:
    evidence = Evidence(transcript)
    met: set[Kind] = set()
    refused_at, left_at = float("-inf"), float("-inf")
    for reading in evidence.all:
        kind = _kind(reading)
        if kind is not None:
            traits = {ALWAYS, *_asked(reading), "first" if kind not in met else "later"}
            met.add(kind)
            if reading.note.phase in (Phase.CONCURRENT, Phase.HOSTILE, Phase.LEAVING):
                traits.add({Phase.CONCURRENT: "concurrent", Phase.LEAVING: "after-abort"}.get(
                    Phase(reading.note.phase), "after-hostile"))  # fmt: skip
            if refused_at > left_at:
                traits.add("after-refusal")
            yield Subject(reading.exchange, kind, frozenset(traits), reading.due)
        if reading.refuses:
            refused_at = reading.ended
        elif reading.taken:
            left_at = reading.ended


def _kind(reading: Reading) -> Kind | None:
    if not reading.asked.endpoint or reading.response is None or reading.exchange.ending is not Ending.COMPLETE:
        return None
    if (reading.status or 0) >= 400:
        return Kind.ERROR
    if reading.asked.stream:
        return Kind.APPROVAL_STREAM if reading.waits else Kind.STREAM
    return Kind.APPROVAL if reading.waits else Kind.COMPLETION


def _asked(reading: Reading) -> Iterator[str]:
    """The traits that show in the request and in the answer as a whole."""
    asked, body = reading.asked, reading.asked.body
    yield "resume" if asked.resume else "chat"
    yield "asks-stream" if asked.stream else "asks-json"
    if asked.request_id is None:
        yield "without-id"
    elif not asked.request_id:
        yield "empty-id"
    elif not asked.request_id.isascii():
        yield "foreign-id"
    elif len(asked.request_id) > LONG_REQUEST_ID:
        yield "long-id"
    else:
        yield "with-id"
    if reading.as_client:
        yield "own-fields"
    if isinstance(mode := asked.metadata.get("mode"), str):
        yield f"mode-{mode}"
    if "max_tokens" in body or "max_completion_tokens" in body:
        yield "limit"
    if "temperature" in body:
        yield "temperature"
    messages = [m for m in body["messages"] if isinstance(m, dict)] if isinstance(body.get("messages"), list) else []
    yield "one-message" if len(messages) == 1 else "several-messages"
    roles = {m.get("role") for m in messages if isinstance(m.get("role"), str)}
    yield from (f"role-{role}" for role in ("system", "assistant", "tool") if role in roles)
    if any(isinstance(m.get("content"), list) for m in messages):
        yield "parts"
    if any(not str(m.get("content")).isascii() for m in messages):
        yield "foreign-text"
    if (reading.status or 0) >= 400:
        yield f"{reading.status}"
        yield f"{reading.status}-{'stream' if asked.stream else 'json'}"
        yield f"{reading.status}-{'resume' if asked.resume else 'chat'}"
        return
    if reading.cut_short:
        yield "cut"
    if asked.resume and "denied_tools" in body:
        yield "denied"
    if asked.resume and "approved_tool_execution_ids" in body:
        yield "approved"
    if reading.waits:
        yield "two-calls" if len(reading.calls) > 1 else "one-call"
