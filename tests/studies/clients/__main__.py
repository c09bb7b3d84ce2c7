"""The command of the nox session `clients`: judges the clients, writes the data and the page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from conformance.client import faces
from conformance.proving import clients

from . import table
from .measuring import drivers, measured, record
from .scenarios import FAULTS, TROUBLES, VARIATIONS

USAGE = 4


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--modules", metavar="DIR", type=click.Path(path_type=Path), required=True, help="npm's node_modules.")
@click.option("--python", metavar="PYTHON", type=click.Path(path_type=Path), required=True, help="Has those of PyPI.")
@click.option("--node", default="node", show_default=True, help="The program.")
@click.option("--jobs", type=click.IntRange(1, 64), metavar="N", help="Faces at a time [two for each processor].")
@click.option(
    "--page", metavar="FILE", default="reports/clients.md", show_default=True, type=click.Path(path_type=Path)
)
@click.option("--data", metavar="FILE", default=clients.FILE, type=click.Path(path_type=Path), help="[the suite's own]")
def main(modules: Path, python: Path, node: str, jobs: int | None, page: Path, data: Path) -> None:
    """Run clients against the reference server's faces. Takes about ten minutes."""
    chosen = [faces.one(id_) for id_ in (*FAULTS, *VARIATIONS, *TROUBLES)]
    try:
        made = measured(record(drivers(python, modules, node), chosen, jobs), chosen)
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        click.echo(f"Error: the clients could not be run: {error}. `nox -s clients` installs them.", err=True)
        sys.exit(USAGE)
    if made.conforming:
        for harm in made.conforming:
            said = clients.said(harm.outcome, harm.what)
            click.echo(f"{harm.client.id}, {harm.scenario}, on the conforming server: {said}", err=True)
        click.echo("Nothing is written: a client fails where nothing is broken.", err=True)
        sys.exit(1)
    data.write_text(clients.dumps(made), encoding="utf-8", newline="\n")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(table.as_markdown(made), encoding="utf-8", newline="\n")
    hurting = sum(bool(one.harms) for one in made.faults.values())
    click.echo(f"{len(made.clients)} clients, {len(made.faults)} faults, {hurting} of which hurt somebody.")
    for one in made.shortcomings:
        click.echo(f"{one.package} ({one.registry}) breaks {one.requirement}: {one.what}")


if __name__ == "__main__":
    main()
