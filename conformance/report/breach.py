"""What a person reads of a broken requirement: labelled lines, the same in the terminal, in pytest and in HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from conformance.contract.catalogue import SOURCES
from conformance.evidence.finding import Finding
from conformance.judging.gate import Gate, expired_sentence, stale_sentence
from conformance.judging.result import Result
from conformance.judging.verdict import Outcome
from conformance.report.curl import again
from conformance.report.pointer import locate
from conformance.report.remedy import remedy
from conformance.report.tally import broken
from conformance.report.target import exchanges_by_name
from conformance.report.way import DIRECT, Way
from conformance.transcript.excerpt import excerpt
from conformance.transcript.exchange import Credential, Exchange

SHOWN = 3
"""Findings that are shown of one requirement."""


class Line(NamedTuple):
    """One line about a finding."""

    label: str
    """Empty: the text is the finding's own headline."""
    text: str


def headline(outcome: Outcome) -> str:
    """The requirement in one line: id, level, statement."""
    requirement = outcome.requirement
    return f"{requirement.id} ({requirement.level}): {requirement.statement}"


def finding_lines(finding: Finding, exchanges: Mapping[str, Exchange], way: Way = DIRECT) -> Iterator[Line]:
    """What one finding says; the target's text is escaped and bounded. `way`: how the run reached its target."""
    yield Line("", excerpt(finding.message) + (" (intermittent)" if finding.intermittent else ""))
    yield Line("expected", excerpt(finding.expected))
    yield Line("observed", excerpt(finding.observed))
    exchange = exchanges.get(finding.exchange)
    if exchange and (asked := finding.place.pointer if finding.place.request else finding.asked):
        yield Line("sent", excerpt(f"{asked}: {_member(exchange, asked)}"))
    name = excerpt(named(finding.exchange, exchange), 300)
    place = f"{excerpt(str(finding.place))}, in {name}" if finding.place else f"in {name}"
    yield Line("place", f"{place}, shrunk from {excerpt(finding.shrunk_from, 120)}" if finding.shrunk_from else place)
    if finding.second_opinion:
        yield Line("opinion", excerpt(finding.second_opinion))
    if exchange:
        yield Line("again", again(exchange, way))


def named(name: str, exchange: Exchange | None) -> str:
    """An exchange as it is named everywhere: one that another client recorded with its request, for it has no probe."""
    if exchange is None or exchange.note.probe or exchange.request.credential is not Credential.UNSTATED:
        return name
    return f"{name} ({exchange.request.method} {exchange.request.url})"


def _member(exchange: Exchange, pointer: str) -> str:
    """The member of the request's body that a pointer names, as it was sent."""
    body = exchange.request.body or b""
    found = locate(body, pointer)
    if found is None:
        return "?"
    return "absent" if found.missing else body[found.start : found.end].decode("utf-8", "replace")


def shown_findings(outcome: Outcome) -> tuple[tuple[Finding, ...], int]:
    """The findings to show, steady ones and smallest bodies first, and how many are left out."""
    ordered = sorted(outcome.findings, key=lambda finding: (finding.intermittent, not finding.shrunk_from))
    return tuple(ordered[:SHOWN]), max(0, len(ordered) - SHOWN)


def advice(outcome: Outcome, exchanges: Mapping[str, Exchange]) -> Iterator[Line]:
    """What to do about it, and where the documentation says so."""
    yield Line("to do", remedy(outcome, exchanges))
    yield Line("source", "; ".join(SOURCES[key] for key in outcome.requirement.sources))


def next_step(result: Result) -> str:
    """What to mend first: the first broken requirement that no baseline accepts; empty where there is none."""
    new = [outcome for outcome in broken(result.verdict) if not result.gate.reason(outcome.requirement.id)]
    if not new:
        return ""
    first = new[0]
    more = f" ({len(new) - 1} more after it)" if len(new) > 1 else ""
    what = remedy(first, exchanges_by_name(result.transcript))
    return f"mend {first.requirement.id}{more}. {what} See: kitemesh-conformance explain {first.requirement.id}"


def gate_lines(gate: Gate, most: int = 12) -> Iterator[Line]:
    """What the baseline accepts of this run, what it does not know, and what is wrong with it."""
    for entry in gate.known[:most]:
        owner = f" ({entry.owner})" if entry.owner else ""
        yield Line("known", excerpt(f"{entry.named}: {entry.reason}{owner}"))
    for failure in gate.new[:most]:
        yield Line("new", excerpt(failure.sentence))
    for entry in gate.stale[:most]:
        yield Line("stale", excerpt(stale_sentence(entry)))
    for entry in gate.expired[:most]:
        yield Line("expired", excerpt(expired_sentence(entry)))
    left = sum(max(0, len(found) - most) for found in (gate.known, gate.new, gate.stale, gate.expired))
    if left:
        yield Line("", f"and {left} more, in results.json")
    elif not (gate.known or gate.new or gate.stale or gate.expired):
        yield Line("", "none of its entries applies to this run")


def describe(outcome: Outcome, exchanges: Mapping[str, Exchange], way: Way = DIRECT) -> str:
    """All of it as plain text, several lines."""
    lines = [headline(outcome)]
    findings, left = shown_findings(outcome)
    for finding in findings:
        for label, text in finding_lines(finding, exchanges, way):
            lines.append(f"  {label:<9} {text}" if label else f"  {text}")
    if left:
        lines.append(f"  and {left} more, in results.json")
    lines += [f"  {label:<9} {text}" for label, text in advice(outcome, exchanges)]
    return "\n".join(lines)
