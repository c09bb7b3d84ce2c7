"""The command of the nox session `shown`: measures, and writes the table."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from conformance.probes import shown
from conformance.reference.process import in_process
from conformance.reference.settings import Settings

from .measuring import Table, of_quick, of_standard


def dumps(tables: dict[str, Table]) -> str:
    """The file: one line a requirement, so that a change is read easily."""
    depths = []
    for depth, table in tables.items():
        rows = (f"  {json.dumps(id_)}: {json.dumps(sorted(families))}" for id_, families in sorted(table.items()))
        depths.append(f" {json.dumps(depth)}: {{\n" + ",\n".join(rows) + "\n }")
    return "{\n" + ",\n".join(depths) + "\n}\n"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--jobs", default=8, show_default=True, help="Servers at once.")
@click.option("--most", type=int, help="Faults of each requirement that are tried [all].")
@click.option("--file", metavar="FILE", default=shown.FILE, type=click.Path(path_type=Path), help="[the suite's own]")
def main(jobs: int, most: int | None, file: Path) -> None:
    """Measure which flows each requirement needs. Takes some minutes."""
    with in_process(Settings(), factory="conformance.proving.prove:serve_all") as url:
        standard = asyncio.run(of_standard(url, jobs, most, lambda text: click.echo(text, err=True)))
        tables = {"standard": standard, "quick": asyncio.run(of_quick(url, standard))}
    file.write_text(dumps(tables), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
