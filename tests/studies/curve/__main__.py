"""The study's command: tries the tools, writes `curve.json` and `curve.svg`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NoReturn

import click

from tests.studies.bench import others
from tests.studies.bench.tools import Unusable

from . import measuring, picture

USAGE = 4
MUTANTS = 400
SEEDS = 5
SECONDS = 40
"""Of each run of Schemathesis: long enough for more requests than a standard run of ours sends."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--mutants", type=click.IntRange(min=1), default=MUTANTS, show_default=True, help="How many.")
@click.option("--seeds", type=click.IntRange(min=1), default=SEEDS, show_default=True, help="Runs of each tool.")
@click.option("--seconds", type=click.IntRange(min=1), default=SECONDS, show_default=True, help="Schemathesis' time.")
@click.option("--processes", type=click.IntRange(min=1), help="Processes that judge [one for each core].")
@click.option("--output", metavar="DIR", default="reports", show_default=True, type=click.Path(path_type=Path))
@click.option("--llm-comply", metavar="COMMAND", help="The command llm-comply [the one on the path].")
def main(mutants: int, seeds: int, seconds: int, processes: int | None, output: Path, llm_comply: str | None) -> None:
    """Draw mutants killed over requests sent, beside other tools. Takes about ten minutes."""
    program = others.program(llm_comply)
    if program is None:
        _complain("llm-comply is not installed; give its command by --llm-comply, or run nox -s curve.")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _complain(f"--output: {error}; choose another.")
    try:
        made = measuring.measured(program, mutants, list(range(1, seeds + 1)), seconds, processes)
    except Unusable as error:
        _complain(f"llm-comply: {error}.")
    text = json.dumps(made, ensure_ascii=False, indent=1)
    (output / "curve.json").write_text(f"{text}\n", encoding="utf-8")
    (output / "curve.svg").write_text(picture.svg(made), encoding="utf-8")
    for tool in made["tools"]:
        click.echo(f"{tool['name']}: {tool['killed']} of {made['sample']['mutants']} by {tool['requests']} requests")


def _complain(sentence: str) -> NoReturn:
    click.echo(f"Error: {sentence}", err=True)
    sys.exit(USAGE)


if __name__ == "__main__":
    main()
