"""Ways in which the reference server can be told to differ: a fault breaks one requirement, a variation breaks none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TypeVar

from conformance.contract import catalogue
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
    withholds: bool = False
    """True where a good request may go without the answer that it would get from the conforming server: it is not
    served for a while, or breaks off, or the model says something else. A client need not succeed there."""


def withholding(*variations: Variation) -> tuple[Variation, ...]:
    """The same, each of which may withhold what a good request asks for."""
    return tuple(replace(variation, withholds=True) for variation in variations)


_T = TypeVar("_T", Fault, Variation)


def assembled(areas: Iterable[Iterable[_T]]) -> tuple[_T, ...]:
    """The faults, or the variations, of all areas, in order. A proof against one that is amiss would say nothing.

    Raises:
        ValueError: two have one id, or one names a requirement that the contract does not have.
    """
    requirements = catalogue.load()
    found: dict[str, _T] = {}
    for one in chain.from_iterable(areas):
        what = type(one).__name__.lower()
        if one.id in found:
            raise ValueError(f"two {what}s are called {one.id}")
        named = [one.requirement] if isinstance(one, Fault) else sorted(one.unexercised)
        if strangers := [id_ for id_ in named if id_ not in requirements]:
            raise ValueError(f"the {what} {one.id} names {strangers[0]!r}, which the contract does not have")
        found[one.id] = one
    return tuple(found.values())
