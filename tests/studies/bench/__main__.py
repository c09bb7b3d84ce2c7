"""The benchmarks' command: measures, prints the table, writes `bench.md`, `bench.json` and reports/benchmarks.md."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import click

from . import faces, files, generation, judging, memory, others, passing, recording, startup, table

USAGE = 4
PAGE = Path("reports/benchmarks.md")
"""Written by a whole measurement only: never by a part of it, nor by a fast one."""

Measure = Callable[[bool], table.Part]


def parts(llm_comply: str | None) -> Mapping[str, Measure]:
    """Every part by its name, in the order of the table."""
    return {
        recording.NAME: recording.measure,
        others.NAME: partial(others.measure, llm_comply=others.program(llm_comply)),
        generation.NAME: generation.measure,
        judging.NAME: judging.measure,
        memory.NAME: memory.measure,
        files.NAME: files.measure,
        startup.NAME: startup.measure,
        passing.NAME: passing.measure,
        faces.NAME: faces.measure,
    }


def _complain(sentence: str) -> None:
    click.echo(f"Error: {sentence}", err=True)
    sys.exit(USAGE)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", metavar="PART,…", help=f"These parts only: {', '.join(parts(None))}.")
@click.option("--fast", is_flag=True, help="A few repetitions of small things: shows that all runs, measures little.")
@click.option("--output", metavar="DIR", default="reports/bench", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--page",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=f"Write the page here [{PAGE}, and nowhere with --only or --fast].",
)
@click.option("--llm-comply", metavar="COMMAND", help="The command llm-comply [the one on the path].")
def main(only: str | None, fast: bool, output: Path, page: Path | None, llm_comply: str | None) -> None:
    """Measure the suite. Takes about half an hour; --fast about two minutes."""
    known = parts(llm_comply)
    wanted = [name.strip() for name in only.split(",")] if only else list(known)
    if unknown := [name for name in wanted if name not in known]:
        _complain(f"--only knows {', '.join(known)}, but not {unknown[0]!r}; name one of them.")
    if page is None and not only and not fast:
        page = PAGE
    try:
        if page is not None:
            page.touch()
        output.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        _complain(f"--output and --page: {error}; choose others.")
    machine = table.machine()
    measured: list[table.Part] = []
    for name in [name for name in known if name in wanted]:
        click.echo(f"measuring {name} …", err=True)
        measured.append(known[name](fast))
        # After each part, so that nothing is lost where a later one fails.
        _write(output, measured, machine, fast)
    click.echo(table.markdown(measured, machine))
    if page is not None:
        page.write_text(table.page(measured, machine), encoding="utf-8")


def _write(output: Path, measured: Sequence[table.Part], machine: str, fast: bool) -> None:
    (output / "bench.md").write_text(table.markdown(measured, machine), encoding="utf-8")
    document = json.dumps(table.document(measured, machine, fast), ensure_ascii=False, indent=1)
    (output / "bench.json").write_text(f"{document}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
