"""Faults that break a requirement of the area accept."""

from conformance.reference.fault import Fault

FAULTS: tuple[Fault, ...] = ()
