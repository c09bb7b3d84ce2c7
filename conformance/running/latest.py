"""The run before this one, as its results tell it: what failed then can be judged alone, or first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from conformance.judging.selecting import CATALOGUE, selected_ids
from conformance.judging.verdict import State
from conformance.report import results
from conformance.report.directory import RESULTS
from conformance.running.usable import usable
from conformance.settings.options import Options, UsageError


def failed(directory: Path, options: Options) -> tuple[str, ...]:
    """Those of the selected requirements that failed in the run whose reports lie in a directory.

    Raises:
        UsageError: its `results.json` cannot be read.
    """
    path = directory / RESULTS
    with usable(str(path), "taken up again"):
        rows = results.load(path)["requirements"]
    told = {row["id"] for row in rows if row["outcome"] == State.FAILED}
    selected = selected_ids(options)
    return tuple(one.id for one in CATALOGUE if one.id in told and (selected is None or one.id in selected))


def alone(options: Options, directory: Path) -> tuple[Options, bool]:
    """Options that select only what failed last time, and whether anything did; where nothing did, as they were.

    Raises:
        UsageError: there are no results that can be read.
    """
    if not (directory / RESULTS).exists():
        raise UsageError(f"--last-failed finds no {RESULTS} in {directory}; run once without it, or name its --output.")
    ids = failed(directory, options)
    return (replace(options, only=ids, skip=()), True) if ids else (options, False)


def ahead(options: Options, directory: Path) -> Options:
    """Options by which what failed last time is sent first; as they were where there was no last time.

    Raises:
        UsageError: there are results, but they cannot be read.
    """
    return replace(options, first=failed(directory, options)) if (directory / RESULTS).exists() else options
