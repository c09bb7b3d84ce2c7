"""A row of the table: exchanges, and what the suite has to say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.judging.verdict import State
from conformance.transcript.exchange import Exchange

OPEN = State.NOT_EXERCISED


@dataclass(frozen=True, slots=True)
class Breaks:
    """Exchanges that break one requirement."""

    requirement: str
    what: str
    exchanges: tuple[Exchange, ...]
    also: frozenset[str] = frozenset()
    """Requirements that have to fail with it, because the contract speaks of the same octets twice."""
    options: Mapping[str, Any] = field(default_factory=dict)
    wrong: str = ""
    """What the suite makes of it at present, where that is wrong."""


@dataclass(frozen=True, slots=True)
class Holds:
    """Exchanges that break nothing, though they come near to it; the requirement has to come to this state."""

    requirement: str
    what: str
    exchanges: tuple[Exchange, ...]
    state: State = State.PASSED
    options: Mapping[str, Any] = field(default_factory=dict)
    wrong: str = ""


def breaks(
    requirement: str, what: str, *exchanges: Exchange, also: str = "", wrong: str = "", **options: Any
) -> Breaks:
    """A row of a breach; `also` are ids apart by blanks."""
    return Breaks(requirement, what, exchanges, frozenset(also.split()), options, wrong)


def holds(
    requirement: str, what: str, *exchanges: Exchange, state: State = State.PASSED, wrong: str = "", **options: Any
) -> Holds:
    """A row of a near-miss."""
    return Holds(requirement, what, exchanges, state, options, wrong)
