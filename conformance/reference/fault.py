"""Ways in which the reference server can be told to differ: a fault breaks one requirement, a liberty breaks none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from conformance.reference.behaviour import Behaviour


@dataclass(frozen=True, slots=True)
class Fault:
    """A server that breaks just one requirement."""

    id: str
    summary: str
    """What the server does, in one line."""
    requirement: str
    """The contract's id that must be blamed."""
    seen_in: str
    """The row of the collection of real faults that it comes from, or "made up"."""
    behaviour: Behaviour


@dataclass(frozen=True, slots=True)
class Liberty:
    """A server that differs from the reference and breaks nothing."""

    id: str
    summary: str
    source: str
    """The words that make it legitimate."""
    behaviour: Behaviour
    unexercised: Mapping[str, str] = field(default_factory=dict)
    """Requirement id to the reason why it cannot be exercised then."""
