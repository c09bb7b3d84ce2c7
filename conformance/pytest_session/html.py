"""What pytest-html shows of a run: columns beside the tests, the verdict on top, and the way to the report."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from conformance.pytest_session.items import requirement_of
from conformance.pytest_session.session import Session

COLUMNS = ("Requirement", "Level", "Source")


def header() -> list[str]:
    """The heads of the columns."""
    return [f'<th class="sortable" data-column-type="{name.lower()}">{name}</th>' for name in COLUMNS]


def row(report: Any) -> list[str]:
    """The columns of a test; where it is not of the catalogue they are empty."""
    known = requirement_of(report)
    told = (known.statement, known.level.value, ", ".join(known.sources)) if known else ("", "", "")
    return [f'<td class="col-{name.lower()}">{escape(text)}</td>' for name, text in zip(COLUMNS, told, strict=True)]


def summary(session: Session) -> Iterator[str]:
    """The verdict as paragraphs, with a link from the log to the report where there are both."""
    from conformance.report import files

    if session.report is None:
        return
    verdict = session.report.verdict
    head = f"{verdict.conclusion} ({verdict.scope} scope, exit code {int(session.report.exit_code())})"
    yield f"<p><strong>{escape(head)}</strong>: {escape(verdict.sentence)}</p>"
    if session.log and session.output and not session.unwritten:
        url = files.url_of(session.output.absolute() / files.REPORT, session.log.absolute().parent)
        if url:
            yield f'<p><a href="{escape(url)}">{files.REPORT}</a>: findings, streams, what was judged and why</p>'
