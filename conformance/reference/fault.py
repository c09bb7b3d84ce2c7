"""Ways in which the reference server can be told to differ: a fault breaks one requirement, a variation breaks none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from conformance.reference.behaviour import Behaviour

MADE_UP = "made up"


@dataclass(frozen=True, slots=True)
class Fault:
    """A server that breaks just one requirement."""

    id: str
    summary: str
    """What the server does, in one line."""
    behaviour: Behaviour
    seen_in: str = MADE_UP
    """The row of the collection of real faults that it comes from, or `MADE_UP`."""
    requirement: str = ""
    """The contract's id that must be blamed."""


def of(requirement: str, *faults: Fault) -> tuple[Fault, ...]:
    """The faults that break this requirement: the tables of `faults` are written in such groups."""
    return tuple(replace(fault, requirement=requirement) for fault in faults)


@dataclass(frozen=True, slots=True)
class Variation:
    """A server that differs from the reference and breaks nothing."""

    id: str
    summary: str
    source: str
    """The words that make it legitimate."""
    behaviour: Behaviour
    unexercised: Mapping[str, str] = field(default_factory=dict)
    """Requirement id to the reason why it cannot be exercised then."""
