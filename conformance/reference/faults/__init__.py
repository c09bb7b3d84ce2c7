"""Every fault that the reference server can be given, by area of the contract.

Two faults with one id, or one that blames a requirement which the contract does not have, are refused at import: a
proof against either would say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from conformance.contract import catalogue
from conformance.reference.fault import Fault
from conformance.reference.faults import (
    accept,
    approval,
    auth,
    chunk,
    completion,
    error,
    http,
    isolation,
    kitemesh,
    reject,
    resume,
    robust,
    sdk,
    stream,
)

_AREAS = (
    auth,
    accept,
    reject,
    error,
    http,
    completion,
    kitemesh,
    stream,
    chunk,
    approval,
    resume,
    robust,
    isolation,
    sdk,
)


def assembled(areas: Iterable[Iterable[Fault]]) -> tuple[Fault, ...]:
    """The faults of all areas, in order.

    Raises:
        ValueError: two faults have one id, or one blames a requirement that the contract does not have.
    """
    requirements = catalogue.load()
    faults: dict[str, Fault] = {}
    for fault in chain.from_iterable(areas):
        if fault.id in faults:
            raise ValueError(f"two faults are called {fault.id}")
        if fault.requirement not in requirements:
            raise ValueError(f"the fault {fault.id} blames {fault.requirement}, which the contract does not have")
        faults[fault.id] = fault
    return tuple(faults.values())


FAULTS = assembled(area.FAULTS for area in _AREAS)
"""In the order of the contract's areas."""

_BY_ID = {fault.id: fault for fault in FAULTS}


def by_id(fault_id: str) -> Fault:
    """The fault with this id.

    Raises:
        KeyError: there is none.
    """
    return _BY_ID[fault_id]
