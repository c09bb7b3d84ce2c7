"""Faults that break a requirement of the area approval."""

from conformance.reference.fault import Fault

FAULTS: tuple[Fault, ...] = ()
