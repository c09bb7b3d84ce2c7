"""`python -m tests.studies.reach [NAME]…`: judges the reference server by every way to it, writes reports/reach.md."""

from __future__ import annotations

import os
import platform
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from tests.studies.frontends.programs import NotStarted

from . import judging
from .ways import WAYS, Way

WORDS = (
    "The reference server, judged by `nox -s reach` by every way to it that the suite knows, with real programs on "
    "loopback. Everywhere it has to be conformant with no finding at all, all exchanges have to be of that version of "
    "HTTP, and none may have gone another way. In the last column is what is not exercised there beside what is not "
    "exercised directly; over HTTP/2 that is the framing of HTTP/1.1, a part of http.complete."
)
HEADS = ("way", "as expected", "verdict", "requests", "seconds", "what failed", "not exercised there")


def row(way: Way, seed: int, usual: set[str]) -> tuple[bool, list[str], set[str]]:
    """Whether one way is as expected, its cells, and what was not exercised."""
    try:
        done = judging.judge(way, seed)
    except (NotStarted, OSError) as error:
        return False, [way.name, "no", "not run", "", "", str(error), ""], set()
    except Exception as error:  # a defect of the suite is a row, and does not end the session
        traceback.print_exc()
        return False, [way.name, "no", "suite error", "", "", repr(error), ""], set()
    lacking = [id_ for id_ in done.unexercised if id_ not in usual]
    if way.options.get("http") == ("2",):
        lacking.append("framing of HTTP/1.1")
    verdict = done.report.verdict
    cells = [
        way.name,
        "yes" if done.right else "no",
        verdict.conclusion.value,
        str(len(done.report.transcript)),
        f"{done.seconds:.0f}",
        "; ".join(done.failed) or (verdict.sentence if verdict.trouble else ""),
        ", ".join(lacking),
    ]
    return done.right, cells, set(done.unexercised)


def markdown(rows: Iterable[Sequence[str]], absent: Sequence[str]) -> str:
    """The page."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    lines = ["# Every way to a server", "", f"{WORDS} Measured with seed 1 on {machine}."]
    lines += ["", f"Not here, and left out: {', '.join(absent)}."] if absent else []
    lines += ["", _line(HEADS), _line(["---"] * len(HEADS)), *map(_line, rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in cells)} |"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--table", "page", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
def main(names: Sequence[str], page: Path | None) -> None:
    """Judge the reference server by the ways of these NAMEs (a part of one will do), without a name by all.

    What is not installed is named and left out. Exit code 1 where something is not as expected.
    """
    chosen = [way for way in WAYS if not names or any(name in way.name for name in names)]
    absent = list(dict.fromkeys(name for way in chosen for name in way.lacks))
    if any(way.needs_own_address for way in chosen) and not judging.own_address():
        absent.append("an address of this machine that is not loopback")
    there = [way for way in chosen if not way.lacks and (judging.own_address() or not way.needs_own_address)]
    if absent:
        click.echo(f"Not here, and left out: {', '.join(absent)}.", err=True)
    if not there:
        click.echo("Error: no way of that name can be gone here.", err=True)
        sys.exit(4)
    rows: list[list[str]] = []
    usual: set[str] = set()
    right = True
    for way in there:
        as_expected, cells, lacking = row(way, 1, usual)
        usual = usual or lacking  # the first way is the direct one
        right = right and as_expected
        rows.append(cells)
        click.echo(" | ".join(cells), err=True)
        if page is not None:  # after each run, so that nothing is lost where a later one fails
            page.write_text(markdown(rows, absent), encoding="utf-8")
    if page is None:
        click.echo(markdown(rows, absent))
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
