"""What `--write-baseline` does: the failures of a run are written as the baseline of the next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from conformance.commands.shell.exits import INTERRUPTED, SUITE_ERROR, complain, unwritten
from conformance.settings.files import named
from conformance.settings.options import UsageError

if TYPE_CHECKING:
    from conformance.judging.baseline import Baseline
    from conformance.report.report import Report


def may_write(path: str | None, known: Baseline | None) -> None:
    """Refuse to write a baseline over a file that is not the one that was read: its reasons would be lost.

    Raises:
        UsageError: it is another file, or nothing can be written there.
    """
    import tempfile

    if path is None:
        return
    target = named(path)
    try:
        if target.exists() and not (known and target.samefile(Path(known.path))):
            raise UsageError(
                f"{path!r} exists; give it as --baseline too, which updates it and keeps its reasons, "
                "or choose another --write-baseline."
            )
        if target.is_dir():
            raise IsADirectoryError
        with tempfile.TemporaryFile(dir=target.absolute().parent):  # it is written beside, then put in its place
            pass
    except OSError:
        raise UsageError(f"Nothing can be written to {path!r}; choose another --write-baseline.") from None


def write(report: Report, path: str | None, known: Baseline | None) -> int:
    """Write the failures of a run as a baseline, where that is wanted; gives the exit code."""
    from conformance.judging import baseline
    from conformance.judging.gate import present
    from conformance.report.directory import write_whole

    code = int(report.exit_code())
    if path is None:
        return code
    if why := _without_baseline(report, code):
        return complain(f"No baseline was written: {why}.", code)
    found = present(report.verdict, report.transcript, report.gate)
    entries = baseline.refreshed(known.entries if known else (), found, report.gate.stale)
    target = named(path)
    if known and tuple(entries) == known.entries:
        click.echo(f"{path} is up to date.")
        return code
    try:
        write_whole(target, baseline.dumps(entries).encode())
    except OSError as error:
        return unwritten("The baseline", error, code)
    left = f", {len(report.gate.stale)} removed (no longer failing)" if report.gate.stale else ""
    click.echo(f"{path} written: {len(entries)} entries, {len(found)} of them new{left}. Add a reason to each.")
    return code


def _without_baseline(report: Report, code: int) -> str:
    """Why a run's failures are not fit for a baseline; empty where they are."""
    from conformance.report.target import EMBEDDED, embedded

    if code in (INTERRUPTED, SUITE_ERROR):
        return "the run did not finish"
    if report.verdict.trouble:
        return "nothing could be judged, as the verdict says"
    return f"{EMBEDDED} was judged" if embedded(report) else ""
