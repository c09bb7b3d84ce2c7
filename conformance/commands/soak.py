"""`kitemesh-conformance soak`: many users at once, by Locust, each of their answers judged."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from conformance.commands.shell import options, reports
from conformance.commands.shell.exits import INTERRUPTED, OK, unwritten

_OF_RUN = (
    *("model", "token-env", "token-file", "only", "skip", "strict", "timeout", "max-requests", "max-credits"),
    *("header", "ca-bundle", "no-bodies"),
)
"""The options of a run that a soak takes too."""


@click.command("soak", cls=options.Command, short_help="Load a server with many users, and judge each answer.")
@options.target
@options.option("--users", "Users at once, in total [10].", topic="Load", metavar="N", type=int)
@options.option("--duration", "Run for this long, such as 90s or 1h30m [1m].", topic="Load", metavar="T")
@options.option("--spawn-rate", "Users started per second.", topic="Load", metavar="R", type=float)
@options.option("--master", "Coordinate workers; send no requests.", topic="Load", is_flag=True)
@options.option("--expect-workers", "Wait for this many workers [1].", topic="Load", metavar="N", type=int)
@options.option("--worker", "Send requests for a master.", topic="Load", is_flag=True)
@options.option("--master-host", "Where the master listens [127.0.0.1].", topic="Load", metavar="HOST")
@options.option("--master-port", "The port of the master [5557].", topic="Load", metavar="N", type=int)
@options.option("--i-may-load-this-server", "Needed for any server but this machine.", topic="Load", is_flag=True)
@options.of_run(_OF_RUN, brief=True)
@options.output(brief=True)
@options.config(topic="")
@options.help_all
@options.debug
def command(
    url: str | None,
    config: str | None,
    output: str | None,
    users: int | None,
    duration: str | None,
    spawn_rate: float | None,
    master: bool,
    expect_workers: int | None,
    worker: bool,
    master_host: str | None,
    master_port: int | None,
    i_may_load_this_server: bool,
    **given: Any,
) -> int:
    """Load the server at URL with many users, and judge each answer as run does.

    \b
    Example:
      kitemesh-conformance soak http://127.0.0.1:8080 --users 50 --duration 5m
      kitemesh-conformance soak URL --master --expect-workers 2 --users 500
      kitemesh-conformance soak URL --worker --master-host 10.0.0.1
    """
    from conformance.report import terminal
    from conformance.settings import config_file
    from conformance.soak import command as soaking
    from conformance.soak import load, telling

    role = load.role(master, worker)
    told: dict[str, Any] = {
        "users": users,
        "spawn_rate": spawn_rate,
        "expect_workers": expect_workers,
        "master_host": master_host,
        "master_port": master_port,
        "duration": None if duration is None else load.seconds(duration),
    }
    told = {name: value for name, value in told.items() if value is not None}
    load.fitting(role, told)
    soaking.locust_is_there()
    file = config_file.find(config, os.environ)
    target = file.target(url, os.environ)
    load.reachable(role, target.url.value if target.url else None)
    chosen = config_file.options(url, given, soaking.environment(role, os.environ), file)
    wanted = load.Load(role=role, consent=i_may_load_this_server, **told).checked(chosen)
    directory = Path(config_file.output(output, os.environ, target).value)
    if role is not load.Role.WORKER:
        reports.prepare(directory)

    def waiting(there: int) -> None:
        click.echo(f"{there} of {wanted.expect_workers} workers have joined.", err=True)

    def begun() -> None:
        click.echo(
            f"Starting {wanted.users} users. Ctrl-C stops the soak and reports what was judged so far.", err=True
        )

    with telling.meter(terminal.console(stderr=True), begun) as tell:
        made = soaking.soak(chosen, wanted, tell, waiting)
    if role is load.Role.WORKER:
        click.echo(telling.farewell(made))
        return INTERRUPTED if made.interrupted else OK
    written: tuple[Path, ...] = ()
    failure: OSError | None = None
    try:
        written = telling.write(made, directory)
    except OSError as error:
        failure = error
    telling.show(made, terminal.console(), written)
    code = int(made.exit_code())
    return code if failure is None else unwritten("The reports", failure, code)
