"""`python -m tests.studies.gateway.judge [NAME]…`: judges the gateway in front of other people's servers.

It writes the table. The servers are those of `tests.studies.interop`. What fails is compared with `reviewed.toml`: the
breaches that these servers' streams and answers really have. `NAME=URL` is a server that runs already.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import click

from tests.studies.interop import reviewing, session, table
from tests.studies.interop.installing import NotInstalled, install
from tests.studies.interop.judging import judge
from tests.studies.interop.running import NotStarted, running
from tests.studies.interop.servers import BY_NAME, Kind, Server

from .app import TOKENS, Settings, create_app
from .serving import in_thread

REVIEWED = Path(__file__).with_name("reviewed.toml")
ORDINARY = ("llmock", "mockllm", "fakellm", "aimock")
"""Servers that are installed in seconds; the others are judged where they are named."""
MODEL = "group:7f0c2a4e-6b3d-4c8f-9a51-2d8e4b1c7a90"
PROMPT = "Please create a ticket about the word below and assign it."
BRIEF = "Please create a ticket about the word below, for a moment only."
OPTIONS = (
    *("--approval-prompt", PROMPT, "--expiring-prompt", BRIEF, "--wait-expiry", "8"),
    *("--second-token-env", "KITEMESH_SECOND_TOKEN"),
)
PAGE = session.Page(
    "gateway",
    "A gateway in front of servers of others, judged",
    "Judged on loopback by `nox -s gateway`. What fails is what these servers' streams and answers really break: why "
    "is told, with bytes, in `tests/studies/gateway/reviewed.toml`.",
    "with approvals, expiry and a second token, through the gateway",
)


def examine(
    server: Server, url: str | None, depth: str, environments: Path, output: Path, entries: Sequence[reviewing.Entry]
) -> table.Row:
    """Install a server and start it (unless it runs at `url` already), judge the gateway in front of it."""
    reports = output / server.name
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    version = "as it runs"
    with ExitStack() as stack:
        try:
            if url is None:
                installed = install(server, environments)
                version = installed.version
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{server.name}-"))
                url = stack.enter_context(running(server, installed, Path(folder)))
        except NotInstalled as error:
            return table.Row(server.name, problem=f"not installed: {error}")
        except NotStarted as error:
            return table.Row(server.name, version, problem=f"not started: {error}")
        settings = Settings(url, server.model, server.token, most_tokens=server.most_tokens)
        gateway = stack.enter_context(in_thread(create_app(settings)))
        target = replace(server, model=MODEL, token=TOKENS[0])
        variables = {"KITEMESH_SECOND_TOKEN": TOKENS[1]}
        run = judge(target, f"{gateway}/v1", depth, reports, OPTIONS, variables)
    return table.row(server.name, version, run, reviewing.compare(server.name, version, run, entries))


def named(names: Sequence[str]) -> list[tuple[Server, str | None]]:
    """The servers, and the URLs of those that run already.

    Raises:
        ValueError: there is no such server, or no such URL.
    """
    found: list[tuple[Server, str | None]] = []
    for name in names or ORDINARY:
        name, runs, url = name.partition("=")
        if not runs and name not in BY_NAME:
            raise ValueError(f"there is no server {name!r}; name some of {', '.join(BY_NAME)}, or NAME=URL.")
        if runs and (not name.replace("-", "").isalnum() or not url.startswith(("http://", "https://"))):
            raise ValueError(
                f"{name}={url} is not of the form NAME=URL; give one such as mine=http://127.0.0.1:8000/v1."
            )
        found.append((BY_NAME.get(name) or Server(name, Kind.PIP, name, (), ()), url or None))
    return found


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, metavar="[NAME|NAME=URL]...")
@session.options("reports/gateway")
def main(names: Sequence[str], depth: str, output: Path, environments: Path, page: Path | None) -> None:
    """Judge the gateway in front of other people's servers.

    Exit code 1 where something fails that nobody has reviewed, where the suite itself goes wrong, or where no server
    could be judged.
    """
    servers: list[tuple[Server, str | None]] = []
    try:
        servers = named(names)
    except ValueError as error:
        session.refuse(str(error))
    session.folders(output, environments)
    entries = reviewing.load(REVIEWED)

    def rows() -> Iterator[table.Row]:
        for server, url in servers:
            click.echo(f"judging the gateway in front of {server.name} …", err=True)
            yield examine(server, url, depth, environments, output.resolve(), entries)

    PAGE.judged(rows(), depth, output, page)


if __name__ == "__main__":
    main()
