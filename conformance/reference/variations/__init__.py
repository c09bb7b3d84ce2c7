"""Every variation that the reference server can take: it differs from the conforming one and breaks nothing.

`WARNED` is what real servers do with good reason though a SHOULD asks for something else: one warning, no more.
"""

from __future__ import annotations

from conformance.reference.fault import Variation, assembled
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


VARIATIONS: tuple[Variation, ...] = assembled(area.VARIATIONS for area in _AREAS)
"""In the order of the areas."""

__all__ = ["VARIATIONS", "WARNED"]
