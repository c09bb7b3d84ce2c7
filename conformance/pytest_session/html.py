"""What pytest-html shows of a run: columns beside the tests, the verdict on top, and the way to the report."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from conformance.pytest_session.items import requirement_of
from conformance.pytest_session.session import Session

COLUMNS = ("Requirement", "Level")
SCREEN = """<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
@media (max-width: 40rem) {
  body { min-width: 0; margin: .5rem; }
  #results-table, #environment { width: 100%; }
  #results-table th, #results-table td { padding: .3rem; overflow-wrap: anywhere; }
  .col-level, th[data-column-type="level"] { display: none; }
  .logwrapper, .logwrapper .log { max-height: none; white-space: pre-wrap; }
}
</style>"""
"""pytest-html's page is made for wide screens: on a phone it is shown as if on one, and a row does not fit."""


def header(cells: list[str]) -> None:
    """Add the heads of the columns, and take away that of the times: an item only tells what was recorded before."""
    cells[2:] = [
        *(f'<th class="sortable" data-column-type="{name.lower()}">{name}</th>' for name in COLUMNS),
        *(cell for cell in cells[2:] if "duration" not in cell.lower()),
    ]


def row(report: Any, cells: list[str]) -> None:
    """Fill the columns of a test; where it is not of the catalogue they are empty. The same times are taken away."""
    known = requirement_of(report)
    told = (known.statement, known.level.value) if known else ("", "")
    if known:
        cells[1] = f'<td class="col-testId">{escape(known.id)}</td>'
    cells[2:] = [
        *(f'<td class="col-{name.lower()}">{escape(text)}</td>' for name, text in zip(COLUMNS, told, strict=True)),
        *(cell for cell in cells[2:] if "duration" not in cell.lower()),
    ]


def summary(session: Session) -> Iterator[str]:
    """The verdict as paragraphs, with a link from the log to the report where there are both."""
    from conformance.report.directory import REPORT, url_of

    yield SCREEN
    if session.report is None:
        return
    verdict = session.report.verdict
    head = f"{verdict.conclusion} ({verdict.scope} scope, exit code {int(session.report.exit_code())})"
    yield f"<p><strong>{escape(head)}</strong>: {escape(verdict.sentence)}</p>"
    if session.log and session.output and not session.unwritten:
        url = url_of(session.output.absolute() / REPORT, session.log.absolute().parent)
        if url:
            yield f'<p><a href="{escape(url)}">{REPORT}</a>: findings, streams, what was judged and why</p>'
