"""Every check of every area, held against the catalogue."""

from __future__ import annotations

from conformance.checks import (
    accept,
    approval,
    auth,
    chunk,
    completion,
    error,
    http,
    isolation,
    kitemesh,
    reject,
    resume,
    robust,
    sdk,
    stream,
)
from conformance.checks.check import CHECKS, Check
from conformance.contract.catalogue import Catalogue

AREAS = (
    auth,
    accept,
    reject,
    error,
    http,
    completion,
    kitemesh,
    stream,
    chunk,
    approval,
    resume,
    robust,
    isolation,
    sdk,
)

COSTLY = frozenset({"sdk.openai-completion", "sdk.openai-stream"})
"""Requirements whose checks load a large library, and on which no other requirement's outcome rests: they are judged
only where they are wanted."""


def checks(catalogue: Catalogue) -> dict[str, Check]:
    """Requirement id to its check, in the catalogue's order.

    Raises:
        LookupError: a check speaks of no requirement of the catalogue, or a requirement has no check.
    """
    if strangers := sorted(set(CHECKS) - {requirement.id for requirement in catalogue}):
        raise LookupError(f"checks without a requirement: {', '.join(strangers)}")
    if without := [requirement.id for requirement in catalogue if requirement.id not in CHECKS]:
        raise LookupError(f"requirements without a check: {', '.join(without)}")
    return {requirement.id: CHECKS[requirement.id] for requirement in catalogue}
