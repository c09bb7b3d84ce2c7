"""`python -m tests.interop [NAME]…`: judges other people's servers, writes the table, compares with the review."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from . import reviewing, table
from .installing import NotInstalled, install
from .judging import judge
from .running import NotStarted, running
from .servers import BY_NAME, SERVERS, Server

USAGE = 4


def examine(
    server: Server, depth: str, environments: Path, output: Path, entries: Sequence[reviewing.Entry]
) -> table.Row:
    """Install a server, start it, judge it, end it."""
    try:
        installed = install(server, environments)
    except NotInstalled as error:
        return table.Row(server.name, problem=f"not installed: {error}")
    reports = output / server.name
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix=f"{server.name}-") as folder:
        try:
            with running(server, installed, Path(folder)) as url:
                run = judge(server, url, depth, reports)
        except NotStarted as error:
            return table.Row(server.name, installed.version, problem=f"not started: {error}")
    compared = reviewing.compare(server.name, installed.version, run, entries, whole=depth != "quick")
    return table.row(server.name, installed.version, run, compared)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--depth", type=click.Choice(["quick", "standard"]), default="standard", show_default=True)
@click.option("--output", metavar="DIR", default="reports/interop", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--environments",
    metavar="DIR",
    default=".nox/interop-servers",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where the servers are installed; what stands there already is used again.",
)
@click.option(
    "--table",
    "page",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Put the table here, too.",
)
def main(names: Sequence[str], depth: str, output: Path, environments: Path, page: Path | None) -> None:
    """Judge other people's OpenAI-compatible servers.

    Exit code 1 where something fails that nobody has reviewed, where the suite itself goes wrong, or where no server
    could be judged.
    """
    if unknown := [name for name in names if name not in BY_NAME]:
        click.echo(f"Error: there is no server {unknown[0]!r}; name some of {', '.join(BY_NAME)}.", err=True)
        sys.exit(USAGE)
    try:
        for folder in (output, environments):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        click.echo(f"Error: nothing can be written to {error.filename!r} ({error.strerror}); choose another.", err=True)
        sys.exit(USAGE)
    entries = reviewing.load()
    rows: list[table.Row] = []
    for server in [server for server in SERVERS if not names or server.name in names]:
        click.echo(f"judging {server.name} …", err=True)
        rows.append(examine(server, depth, environments, output.resolve(), entries))
        # After each, so that nothing is lost where a later one fails.
        (output / "interop.md").write_text(table.markdown(rows, depth), encoding="utf-8")
        written = json.dumps(table.document(rows, depth), ensure_ascii=False, indent=1)
        (output / "interop.json").write_text(f"{written}\n", encoding="utf-8")
    click.echo(table.markdown(rows, depth))
    if page is not None:
        shutil.copyfile(output / "interop.md", page)
    judged = [row for row in rows if not row.problem]
    sys.exit(0 if judged and all(row.good for row in judged) else 1)


if __name__ == "__main__":
    main()
