"""The directory of the reports, and what a command shows of a run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from conformance.settings.options import UsageError

if TYPE_CHECKING:
    from conformance.report.report import Report


def prepare(directory: Path) -> None:
    """Make the directory, where it is missing.

    Raises:
        UsageError: nothing can be written there.
    """
    from conformance.report import directory as place

    try:
        place.prepare(directory)
    except (OSError, ValueError) as error:  # a ValueError: NUL in the path
        reason = getattr(error, "strerror", None) or "it is not a path"
        raise UsageError(f"Nothing can be written to {str(directory)!r} ({reason}); choose another --output.") from None


def show(report: Report, written: Sequence[Path]) -> None:
    """Show a run on the terminal, and tell GitHub Actions where that is where it runs."""
    from conformance.report import github, terminal

    with github.silenced(click.echo):
        terminal.show(report, terminal.console(), written)
        sys.stdout.flush()
    try:
        github.publish(report, click.echo)
    except OSError as error:
        click.echo(f"The job's summary could not be written ({error.strerror}).")


def echo(text: str) -> None:
    """Show lines in which text of the target stands: on GitHub Actions none of it is taken for a command."""
    from conformance.report import github
    from conformance.transcript.excerpt import harmless

    click.echo(harmless(text) if github.active() else text, nl=False)
