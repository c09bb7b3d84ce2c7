"""A request and its answer as they travelled, as text, with what a finding is about marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from conformance.evidence.finding import Finding
from conformance.evidence.reading import Reading
from conformance.report import octets
from conformance.report.location import Location, offence
from conformance.report.octets import Part
from conformance.transcript.excerpt import excerpt

MOST = 4000
"""Octets of a body that are shown."""
BESIDE = 400
"""Octets on each side of what is marked, in a longer one."""
_STYLES = {"mark": "bold reverse", "lack": "bold reverse", "left": "dim", "text": ""}
_AROUND = {"mark": ("»", "«"), "lack": ("»", "«")}
"""What a mark is told by where there are no colours."""


def lines(reading: Reading, findings: Sequence[Finding]) -> Iterator[Text]:
    """The request, the answer, and then each finding.

    Args:
        reading: of the exchange.
        findings: that it shows; the first one is marked.
    """
    where = offence(findings[0], reading) if findings else Location()
    request, response = reading.exchange.request, reading.response
    yield _marked(f"{request.method} {request.url}", where.line, "> ")
    for name, value in request.headers:
        hit = where.request and name.lower() == where.field.lower()
        yield _marked(f"{name}: {value}", hit, "> ")
    yield from _body(request.body or b"", where if where.request else Location(), "> ")
    yield Text()
    if response is None:
        yield Text(f"< no answer: {excerpt(reading.exchange.error or str(reading.exchange.ending))}", "bold")
    else:
        yield _marked(f"{response.status} {response.reason}".strip(), where.status and not where.request, "< ")
        for name, value in response.headers:
            yield _marked(f"{name}: {value}", not where.request and name.lower() == where.field.lower(), "< ")
        yield from _body(reading.body or response.body, Location() if where.request else where, "< ")
    for finding in findings:
        yield Text()
        yield Text(f"{finding.requirement}: {excerpt(finding.message)}", "bold red")
        yield Text(f"  expected  {excerpt(finding.expected)}")
        yield Text(f"  observed  {excerpt(finding.observed)}")


def _marked(line: str, marked: bool, lead: str) -> Text:
    return Text.assemble(lead, *_parts([Part("mark" if marked else "text", excerpt(line, 1000))]))


def _body(body: bytes, where: Location, lead: str) -> Iterator[Text]:
    if not body:
        return
    if where.span is not None and len(body) > MOST:
        parts = octets.around(body, where.span, where.missing, BESIDE, MOST)
    elif where.span is not None:
        parts = octets.whole(body, MOST, where.span, where.missing)
    else:
        parts = octets.whole(body, MOST)
    yield Text(lead.rstrip())
    for line in Text.assemble(*_parts(parts)).split("\n", allow_blank=True):
        yield Text.assemble(lead, line)


def _parts(parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
    for part in parts:
        before, after = _AROUND.get(part.kind, ("", ""))
        yield f"{before}{part.text}{after}", _STYLES[part.kind]
