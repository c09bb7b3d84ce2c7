"""Faults that break a requirement of the area robust."""

from conformance.reference.fault import Fault

FAULTS: tuple[Fault, ...] = ()
