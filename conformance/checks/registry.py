"""Every check of every area, compared with the catalogue."""

from __future__ import annotations

from collections.abc import Iterable

from conformance.checks import (
    accept,
    approval,
    auth,
    chunk,
    client,
    client_ends,
    client_retries,
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
from conformance.contract.catalogue import Catalogue, Side, load
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Item, Unjudged

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
    client,
    client_retries,
    client_ends,
)

FRAMING = "http.complete"
"""The requirement for answers that cannot be read at all."""
OF_EVERY_ANSWER = frozenset({"error", "http"})
"""Areas whose requirements any answer might show, whatever it was sent for."""


def checks(catalogue: Catalogue) -> dict[str, Check]:
    """Requirement id to its check, in the catalogue's order.

    Raises:
        LookupError: a check has no requirement in the catalogue, or a requirement has no check.
    """
    if strangers := sorted(set(CHECKS) - {requirement.id for requirement in catalogue}):
        raise LookupError(f"checks without a requirement: {', '.join(strangers)}")
    if without := [requirement.id for requirement in catalogue if requirement.id not in CHECKS]:
        raise LookupError(f"requirements without a check: {', '.join(without)}")
    return {requirement.id: CHECKS[requirement.id] for requirement in catalogue}


def examine(
    catalogue: Catalogue, evidence: Evidence, ids: Iterable[str]
) -> tuple[dict[str, list[Item]], dict[str, str]]:
    """What the checks of these requirements yield, and what an exception of one says: the suite's own fault."""
    known = checks(catalogue)
    items: dict[str, list[Item]] = {}
    errors: dict[str, str] = {}
    for id_ in ids:
        try:
            items[id_] = _readable(id_, list(known[id_](evidence)), evidence)
        except Exception as error:
            errors[id_] = f"the check raised {type(error).__name__}: {error}"
    return items, errors


def _readable(requirement: str, items: list[Item], evidence: Evidence) -> list[Item]:
    """The items, except those on an answer that no client can read.

    Only http.complete judges such an answer (contract). What the answer might have shown is blocked by it; a client is
    judged by its request.
    """
    unreadable = {reading.name: reading for reading in evidence.all if reading.unreadable}
    if requirement == FRAMING or not unreadable or load()[requirement].side is Side.CLIENT:
        return items
    if not items:
        area = requirement.partition(".")[0]
        missed = (r.name for r in unreadable.values() if area in OF_EVERY_ANSWER or r.note.area == area)
        return [_refused(name) for name in missed]
    return [_refused(item.exchange) if item.exchange in unreadable else item for item in items]


def _refused(exchange: str | None) -> Unjudged:
    return Unjudged("the answer is framed in a way that clients refuse", exchange, FRAMING)
