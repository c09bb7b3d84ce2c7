"""Faults that break a requirement of the area reject."""

from conformance.reference.fault import Fault

FAULTS: tuple[Fault, ...] = ()
