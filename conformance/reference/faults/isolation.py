"""Faults that break a requirement of the area isolation."""

from conformance.reference.fault import Fault

FAULTS: tuple[Fault, ...] = ()
