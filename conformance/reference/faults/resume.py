"""Faults that break a requirement of the area resume."""

from conformance.reference.fault import Fault

FAULTS: tuple[Fault, ...] = ()
