"""Faults that break a requirement of the area http."""

from conformance.reference.fault import Fault

FAULTS: tuple[Fault, ...] = ()
