"""Faults that break a requirement of the area kitemesh."""

from conformance.reference.fault import Fault

FAULTS: tuple[Fault, ...] = ()
