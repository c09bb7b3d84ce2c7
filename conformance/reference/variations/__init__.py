"""Every variation that the reference server can take: it differs from the conforming one and breaks nothing.

`WARNED` is what real servers do with good reason though a SHOULD asks for something else: one warning, no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from conformance.contract import catalogue
from conformance.reference.fault import Variation
from conformance.reference.variations import (
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
from conformance.reference.variations.warned import WARNED

_AREAS = (transport, objects, streams, left_open, refusals, excuses, resumes, models, likenesses)


def assembled(areas: Iterable[Iterable[Variation]]) -> tuple[Variation, ...]:
    """The variations of all areas, in order.

    Raises:
        ValueError: two variations have one id, or one speaks of a requirement that the contract does not have.
    """
    requirements = catalogue.load()
    variations: dict[str, Variation] = {}
    for variation in chain.from_iterable(areas):
        if variation.id in variations:
            raise ValueError(f"two variations are called {variation.id}")
        if strangers := sorted(id_ for id_ in variation.unexercised if id_ not in requirements):
            raise ValueError(f"the variation {variation.id} speaks of {strangers[0]}, which the contract does not have")
        variations[variation.id] = variation
    return tuple(variations.values())


VARIATIONS = assembled(area.VARIATIONS for area in _AREAS)
"""In the order of the areas."""

_BY_ID = {variation.id: variation for variation in VARIATIONS}


def by_id(variation_id: str) -> Variation:
    """The variation with this id.

    Raises:
        KeyError: there is none.
    """
    return _BY_ID[variation_id]


__all__ = ["VARIATIONS", "WARNED", "assembled", "by_id"]
