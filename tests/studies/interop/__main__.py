"""`python -m tests.studies.interop [NAME]…`: judges other people's servers, and compares with the review."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from . import reviewing, session, table
from .installing import NotInstalled, install
from .judging import judge
from .running import NotStarted, running
from .servers import BY_NAME, SERVERS, Server


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
@session.options("reports/interop")
def main(names: Sequence[str], depth: str, output: Path, environments: Path, page: Path | None) -> None:
    """Judge other people's OpenAI-compatible servers.

    Exit code 1 where something fails that nobody has reviewed, where the suite itself goes wrong, or where no server
    could be judged.
    """
    if unknown := [name for name in names if name not in BY_NAME]:
        session.refuse(f"there is no server {unknown[0]!r}; name some of {', '.join(BY_NAME)}.")
    session.folders(output, environments)
    entries = reviewing.load()

    def rows() -> Iterator[table.Row]:
        for server in [server for server in SERVERS if not names or server.name in names]:
            click.echo(f"judging {server.name} …", err=True)
            yield examine(server, depth, environments, output.resolve(), entries)

    session.Page("interop").judged(rows(), depth, output, page)


if __name__ == "__main__":
    main()
