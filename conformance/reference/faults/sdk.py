"""Faults that break a requirement of the area sdk."""

from conformance.reference.fault import Fault

FAULTS: tuple[Fault, ...] = ()
