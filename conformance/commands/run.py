"""`kitemesh-conformance run`: record a server and judge it, by pytest, whose own output is not shown."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conformance.commands.shell import baselines, options, reports
from conformance.commands.shell.exits import INTERRUPTED, OK, unwritten
from conformance.settings.options import Options, UsageError

if TYPE_CHECKING:
    from conformance.pytest_session.session import Session
    from conformance.report.report import Report
    from conformance.wire.reach.route import Route


@click.command("run", cls=options.Command, short_help="Record and judge a server (or the reference server).")
@options.target
@options.of_run()
@options.write_baseline
@options.output()
@options.config()
@options.option("--plan", "Show what would be sent; send nothing.", topic="Limits and reports", is_flag=True)
@options.help_all
@options.debug
def command(
    url: str | None, config: str | None, output: str | None, plan: bool, write_baseline: str | None, **given: Any
) -> int:
    """Record and judge a server: the one at URL, a TARGET of conformance.toml, or,
    for "reference" or without an argument, the embedded reference server.

    The token comes from KITEMESH_TOKEN. Each option has a variable too, such as
    KITEMESH_MAX_CREDITS, and a key in conformance.toml: see config show --help.

    \b
    Example:
      kitemesh-conformance run https://api.example.com/v1 --model group:<uuid> \\
        --approval-prompt 'Create a ticket, please.' --max-credits 200
    """
    from conformance.judging.judge import known_failures, selected_ids
    from conformance.running import discovery
    from conformance.settings import config_file
    from conformance.wire.reach import route

    discovery.discover()
    file = config_file.find(config, os.environ)
    chosen = config_file.options(url, given, os.environ, file)
    if write_baseline and chosen.url is None:
        raise UsageError("--write-baseline needs a target: no baseline is written for the embedded reference server.")
    if write_baseline and chosen.baseline and not Path(chosen.baseline).expanduser().exists():
        if Path(chosen.baseline).expanduser().absolute() == Path(write_baseline).expanduser().absolute():
            chosen = replace(chosen, baseline=None)  # it is made by this run
    selected_ids(chosen)
    way = route.of(chosen, os.environ)
    known = known_failures(chosen)
    baselines.may_write(write_baseline, known)
    if plan:
        _show_plan(chosen, way)
        return OK
    directory = Path(config_file.output(output, os.environ, file.target(url, os.environ)).value)
    if len(chosen.http) > 1 and chosen.url is not None:
        if write_baseline:
            raise UsageError("--write-baseline is made of one run: ask for one version by --http.")
        return _each_version(chosen, directory)
    return _judged(chosen, directory, lambda report: baselines.write(report, write_baseline, known))[1]


def _judged(chosen: Options, directory: Path, then: Callable[[Report], int]) -> tuple[Report, int]:
    """Record, judge, show; gives the report and the exit code. `then` gives the code, and may write a baseline."""
    from conformance.pytest_session.session import Session

    reports.prepare(directory)
    return by_pytest(Session(chosen, directory), directory, then)


def _each_version(chosen: Options, directory: Path) -> int:
    """A run over each version of HTTP, with the same random choices; gives the weightiest exit code."""
    from conformance.commands.shell import versions
    from conformance.report.tally import weightiest

    seed = random.SystemRandom().randrange(2**32) if chosen.seed is None else chosen.seed
    made: dict[str, Report] = {}
    codes = []
    for version in chosen.http:
        alone = replace(chosen, http=(version,), seed=seed)
        made[version], code = _judged(alone, directory / f"http-{version}", lambda report: int(report.exit_code()))
        codes.append(code)
        if code == INTERRUPTED:
            return code
    reports.echo("".join(f"{line}\n" for line in versions.apart(made)))
    return weightiest(codes) or OK


def _show_plan(chosen: Options, way: Route) -> None:
    from conformance.commands.shell import reached
    from conformance.running.recheck import ALL
    from conformance.running.run import plan

    requests, served = plan(chosen)
    each = ", over each version of HTTP" if len(chosen.http) > 1 else ""
    click.echo(f"Target: {chosen.url or 'the embedded reference server, on loopback: nothing is charged or executed'}")
    if chosen.url is not None:
        for line in reached.lines(chosen, way):
            click.echo(line)
    click.echo(
        f"Requests: {requests} at most if nothing fails, of which a model answers at most {min(requests, served)} "
        f"(only these cost credits){each}."
    )
    click.echo(
        "In addition, a request that meets an excuse (such as a 429) or a server error is sent up to twice more, and "
        f"one that fails is sent once more and in up to {ALL} smaller forms; --max-requests limits them all."
    )
    if chosen.url is not None:
        click.echo(_credits(chosen))
        click.echo(_tools(chosen))
    click.echo("Nothing was sent.")


def _credits(chosen: Options) -> str:
    if chosen.max_credits is None:
        return "Credits: no limit; --max-credits sets one."
    return f"Credits: the run stops once {chosen.max_credits:g} were charged; requests under way then may add to that."


def _tools(chosen: Options) -> str:
    if chosen.approval_prompt is None:
        return "Tools: without --approval-prompt no approval is asked for, and no tool call is approved."
    if not chosen.execute:
        return "Tools: waiting calls are denied, never approved."
    return "Tools: some waiting calls are approved, so the target executes them; --no-execute forbids it."


def by_pytest(session: Session, directory: Path, then: Callable[[Report], int]) -> tuple[Report, int]:
    """Run a session of pytest and show what came of it; gives the report and the exit code.

    `then` gives the code, and may write a baseline.
    """
    _run(session, directory)
    if session.report is None:
        raise session.failure or RuntimeError("pytest ended before anything was recorded")
    reports.show(session.report, session.written)
    code = then(session.report)
    return session.report, code if session.unwritten is None else unwritten("The reports", session.unwritten, code)


def _run(session: Session, directory: Path) -> None:
    """Run pytest, alone with the catalogue, whatever pytest is told in this directory or by the environment."""
    import io
    import shutil
    import tempfile

    import pytest

    from conformance.plugin import SessionHooks
    from conformance.pytest_session.items import REQUIREMENTS
    from conformance.pytest_session.session import UNFINISHED
    from conformance.running.garbage import looked_for_seldom

    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=directory)).absolute()  # pytest expands ~ by itself
    arguments = [
        *("-c", os.devnull),
        *("--rootdir", str(REQUIREMENTS.parent)),
        *("-p", "no:cacheprovider"),
        *("-p", "pytest_metadata.plugin"),
        *("-p", "pytest_html.plugin"),
        *("-o", "junit_suite_name=kitemesh-conformance"),
        "--noconftest",
        "--assert=plain",
        "--capture=no",
        f"--junitxml={unfinished / 'junit.xml'}",
        f"--html={unfinished / 'pytest.html'}",
        "--self-contained-html",
    ]
    try:
        with _quiet_environment(), looked_for_seldom(), redirect_stdout(io.StringIO()):
            pytest.main(arguments, plugins=[SessionHooks(session, publishes=False)])
        if session.report is not None:
            for name in ("junit.xml", "pytest.html"):
                session.written.append((unfinished / name).replace(directory / name))
    except OSError as error:
        session.unwritten = error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def _quiet_environment() -> Iterator[None]:
    """Keep what the user's environment tells pytest away from our session, plugins of others among it."""
    names = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        os.environ.update(kept)
