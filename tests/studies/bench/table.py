"""What a benchmark says: rows of figures, as Markdown and as JSON."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

PREFACE = """# Benchmarks

`nox -s bench` (or `python -m tests.studies.bench`) measures the suite beside the least possible and beside other tools,
and writes this page. The figures, with every single measurement, are also in
[tests/studies/bench/measured.json](../tests/studies/bench/measured.json).

"""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured."""

    what: str
    figure: str
    """What came of ours, with its unit."""
    yardstick: str = ""
    """What came of that with which it is compared, named and with its unit."""
    ratio: float | None = None
    """Ours over the yardstick's, or as `wanted` has it."""
    wanted: str = ""
    """The limit in words; empty: none was set."""
    met: bool | None = None
    """None: no limit was set, or it could not be measured."""
    repetitions: int = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One part's rows."""

    name: str
    title: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    """What the figures stand for, and what they leave out."""
    data: dict[str, Any] = field(default_factory=dict)
    """Every single measurement: JSON values."""


def markdown(parts: Sequence[Part], machine: str) -> str:
    """All parts as one table, with their notes below it."""
    lines = [
        "| measured | ours | beside it | ratio | wanted | met | n |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for part in parts:
        lines.append(f"| **{_cell(part.title)}** | | | | | | |")
        lines += [_line(row) for row in part.rows]
    lines += ["", f"n: repetitions, of which the median is told. {machine}"]
    notes = [f"- {part.title}: {note}" for part in parts for note in part.notes]
    return "\n".join([*lines, *(["", *notes] if notes else [])]) + "\n"


def _line(row: Row) -> str:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    met = "" if row.met is None else "yes" if row.met else "no"
    cells = (row.what, row.figure, row.yardstick, ratio, row.wanted, met, str(row.repetitions))
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def document(parts: Iterable[Part], machine: str, fast: bool) -> dict[str, Any]:
    """All of it as JSON values (bench.json, format 1)."""
    return {"format": 1, "machine": machine, "fast": fast, "parts": [asdict(part) for part in parts]}


def machine() -> str:
    """The machine in a sentence: what the seconds belong to."""
    cores = os.cpu_count() or 1
    version = ".".join(map(str, sys.version_info[:3]))
    return f"{platform.system()} on {platform.machine()}, {cores} cores, Python {version}."


def page(parts: Sequence[Part], machine: str) -> str:
    """The table as a page that says how to measure again (reports/benchmarks.md)."""
    return PREFACE + markdown(parts, machine)
