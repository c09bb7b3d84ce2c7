"""Faults that break a requirement of the area error."""

from conformance.reference.fault import Fault

FAULTS: tuple[Fault, ...] = ()
