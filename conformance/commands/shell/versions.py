"""Runs over several versions of HTTP: what shows over one of them alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.report.report import Report

MOST = 20
"""Findings that are named of one version."""


def apart(reports: Mapping[str, Report]) -> Iterator[str]:
    """A line for each finding that shows over one version of HTTP alone, by version."""
    shown = {version: _findings(report) for version, report in reports.items()}
    names = " and ".join(f"HTTP/{version}" for version in reports)
    told = 0
    for version, found in shown.items():
        others = {key for other, them in shown.items() if other != version for key in them}
        alone = [
            (requirement, message) for (requirement, key), message in found.items() if (requirement, key) not in others
        ]
        told += len(alone)
        for requirement, message in alone[:MOST]:
            yield f"Over HTTP/{version} alone: {requirement}: {message}"
        if len(alone) > MOST:
            yield f"Over HTTP/{version} alone: {len(alone) - MOST} more, see its report."
    if not told:
        yield f"{names}: nothing shows over one of them alone."


def _findings(report: Report) -> dict[tuple[str, str], str]:
    """Requirement and key of each finding that failed one, to its message."""
    from conformance.judging.key import key
    from conformance.judging.verdict import State
    from conformance.report.target import exchanges_by_name
    from conformance.transcript.excerpt import excerpt

    exchanges = exchanges_by_name(report.transcript)
    found = {}
    for outcome in report.verdict.outcomes:
        if outcome.state is State.FAILED:
            for finding in outcome.findings:
                place = key(finding, exchanges.get(finding.exchange))
                found[outcome.requirement.id, place] = excerpt(f"{finding.message} ({place})", 300)
    return found
