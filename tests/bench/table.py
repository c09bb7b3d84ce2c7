"""What a benchmark says: rows of figures, as Markdown and as JSON."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
"""The lines between which a page holds the table."""


class Unmarked(ValueError):
    """A page has no place for the table. The message says what to do."""


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


def updated(page: str, table: str) -> str:
    """The page with the table between its markers.

    Raises:
        Unmarked: it does not have each marker once, the first one first.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in before + after:
        raise Unmarked(
            f"The page needs the lines {BEGIN} and {END} once, in this order; add them where the table goes."
        )
    return f"{before}{BEGIN}\n{table}{END}{after}"


def update(path: Path, table: str) -> None:
    """Put the table into a page.

    Raises:
        Unmarked: see `updated`.
        OSError: it cannot be read or written.
    """
    path.write_text(updated(path.read_text(encoding="utf-8"), table), encoding="utf-8")
