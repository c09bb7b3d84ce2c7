"""Faults that break a requirement of the area chunk."""

from conformance.reference.fault import Fault

FAULTS: tuple[Fault, ...] = ()
