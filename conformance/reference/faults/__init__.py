"""Every fault that the reference server can be given, by area of the contract."""

from __future__ import annotations

from conformance.reference.fault import Fault, assembled
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


FAULTS: tuple[Fault, ...] = assembled(area.FAULTS for area in _AREAS)
"""In the order of the contract's areas."""

_BY_ID = {fault.id: fault for fault in FAULTS}


def by_id(fault_id: str) -> Fault:
    """The fault with this id.

    Raises:
        KeyError: there is none.
    """
    return _BY_ID[fault_id]
