"""All mutants, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance.proving.mutants import answers, requests, streams, transport
from conformance.proving.mutants.mutant import Mutant
from conformance.proving.mutants.scene import Scene


def enumerate_all(scenes: Sequence[Scene]) -> Iterator[Mutant]:
    """Every mutant of what these recordings hold, in a fixed order."""
    yield from answers.enumerate_all(scenes)
    yield from streams.enumerate_all(scenes)
    yield from transport.enumerate_all()
    yield from requests.enumerate_all()
