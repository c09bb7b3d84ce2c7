"""The seams: where a server can be told to behave otherwise than the contract says, or otherwise within it.

A behaviour is a set of functions, each of which is called in one place of the server with the conforming value and
gives back what is to be used in its place. The default of each gives back what it got.

==========  ======================================  ==============================================================
seam        is given, and gives back                called
==========  ======================================  ==============================================================
adjust      Settings                                when the server is made
receive     Incoming                                before anything is judged (`with_document`, `with_header`)
breaches    Incoming, list[SchemaError]             when the request schema has been asked
leniency    (a value)                               while a resume is judged
decide      Incoming, Decision                      after the conforming decision, before approvals are kept
shape       Incoming, list[dict]                    on the JSON objects: one, or the chunks of a stream
emit        Incoming, list[Piece]                   on the bytes and their times (`transmission`)
head        Incoming, int, list[tuple[str, str]]    on status and header fields, with Content-Length in them
hesitation  (a value)                               before `receive`
left        Incoming                                when the client has left before the end of its answer
==========  ======================================  ==============================================================

From `shape` on, the request knows how it is answered: `Incoming.kind` and `Incoming.decision`. A behaviour that has to
remember something keeps it in `Incoming.memory`, which lives as long as its server does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from conformance.contract.schemas import SchemaError
from conformance.reference.decision import Decision
from conformance.reference.incoming import Incoming
from conformance.reference.settings import Settings
from conformance.reference.transmission import Piece

Headers = list[tuple[str, str]]


class Replay(StrEnum):
    """What a second resume of the same approval gets."""

    REFUSE = "refuse"
    REPEAT = "repeat"
    """The first answer again, where the decision is the same."""
    AGAIN = "again"
    """A new answer, as if nothing had happened: the tools run twice."""


@dataclass(frozen=True, slots=True)
class Leniency:
    """What is let pass of a resume."""

    replay: Replay = Replay.REFUSE
    race_window: float = 0.0
    """Seconds after the first resume in which others are served too."""
    unknown: bool = False
    """An approval that was never given."""
    other_caller: bool = False
    expired: bool = False
    foreign_call: bool = False
    conflict: bool = False
    """One call both approved and denied; it counts as approved."""
    spends_on_refusal: bool = False
    """A refused resume uses the approval up."""


def _same(value: Any) -> Any:
    return value


def _second(_: object, value: Any) -> Any:
    return value


def _nothing(_: object) -> None:
    return None


def _status_and_headers(_: object, status: int, headers: Headers) -> tuple[int, Headers]:
    return status, headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a server differs from the conforming one; without arguments it is that."""

    adjust: Callable[[Settings], Settings] = _same
    receive: Callable[[Incoming], Incoming] = _same
    breaches: Callable[[Incoming, list[SchemaError]], list[SchemaError]] = _second
    leniency: Leniency = field(default_factory=Leniency)
    decide: Callable[[Incoming, Decision], Decision] = _second
    shape: Callable[[Incoming, list[dict[str, Any]]], list[dict[str, Any]]] = _second
    emit: Callable[[Incoming, list[Piece]], list[Piece]] = _second
    head: Callable[[Incoming, int, Headers], tuple[int, Headers]] = _status_and_headers
    left: Callable[[Incoming], None] = _nothing
    hesitation: float = 0.0
    """Seconds between reading a request and `receive`, for what has to be noticed by then."""


CONFORMING = Behaviour()
