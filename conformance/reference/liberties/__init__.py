"""Every liberty that the reference server can take: it differs from the conforming one and breaks nothing.

`WARNED` is what real servers do with good reason though a SHOULD asks for something else: one warning, no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from conformance.contract import catalogue
from conformance.reference.fault import Liberty
from conformance.reference.liberties import (
    excuses,
    left_open,
    likenesses,
    models,
    objects,
    refusals,
    resumes,
    streams,
    transport,
)
from conformance.reference.liberties.warned import WARNED

_AREAS = (transport, objects, streams, left_open, refusals, excuses, resumes, models, likenesses)


def assembled(areas: Iterable[Iterable[Liberty]]) -> tuple[Liberty, ...]:
    """The liberties of all areas, in order.

    Raises:
        ValueError: two liberties have one id, or one speaks of a requirement that the contract does not have.
    """
    requirements = catalogue.load()
    liberties: dict[str, Liberty] = {}
    for liberty in chain.from_iterable(areas):
        if liberty.id in liberties:
            raise ValueError(f"two liberties are called {liberty.id}")
        if strangers := sorted(id_ for id_ in liberty.unexercised if id_ not in requirements):
            raise ValueError(f"the liberty {liberty.id} speaks of {strangers[0]}, which the contract does not have")
        liberties[liberty.id] = liberty
    return tuple(liberties.values())


LIBERTIES = assembled(area.LIBERTIES for area in _AREAS)
"""In the order of the areas."""

_BY_ID = {liberty.id: liberty for liberty in LIBERTIES}


def by_id(liberty_id: str) -> Liberty:
    """The liberty with this id.

    Raises:
        KeyError: there is none.
    """
    return _BY_ID[liberty_id]


__all__ = ["LIBERTIES", "WARNED", "assembled", "by_id"]
