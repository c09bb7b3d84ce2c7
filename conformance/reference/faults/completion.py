"""Faults that break a requirement of the area completion."""

from conformance.reference.fault import Fault

FAULTS: tuple[Fault, ...] = ()
