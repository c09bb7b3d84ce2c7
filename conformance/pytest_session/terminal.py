"""The section of pytest's terminal that says the verdict."""

from __future__ import annotations

import pytest

from conformance.pytest_session.session import Session


def tell(session: Session, reporter: pytest.TerminalReporter, *, publishes: bool) -> None:
    """Say the verdict, where there is one, and where the reports are.

    Args:
        session: that has ended.
        reporter: of pytest.
        publishes: whether GitHub Actions is told here, where that is where it runs.
    """
    if session.report is None:
        return
    from conformance.report import github, terminal

    reporter.section("KiteMesh conformance")
    with github.silenced(reporter.write_line):
        reporter.write_line(terminal.text(session.report, session.written).rstrip("\n"))
    if publishes:
        try:
            github.publish(session.report, reporter.write_line)
        except OSError as error:
            reporter.write_line(f"The job's summary could not be written ({error.strerror}).")
    if session.unwritten:
        reporter.write_line(f"The reports could not be written: {session.unwritten}")
