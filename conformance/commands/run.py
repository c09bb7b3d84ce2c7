"""`kitemesh-conformance run`: record a server and judge it, by pytest, whose own output is not shown."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conformance.commands.shell import baselines, options, reports
from conformance.commands.shell.exits import INTERRUPTED, OK, unwritten
from conformance.settings.options import Options, UsageError

if TYPE_CHECKING:
    from conformance.pytest_session.session import Session
    from conformance.reference.process import Starting
    from conformance.report.report import Report
    from conformance.wire.reach.route import Route


@click.command("run", cls=options.Command, short_help="Record and judge a server (or the reference server).")
@options.target
@options.of_run()
@options.write_baseline
@options.output()
@options.config(topic="")
@options.option(
    "--last-failed", "Judge only what failed last time (see --output).", topic="What is judged", is_flag=True
)
@options.option("--failed-first", "Send first what shows what failed last time.", is_flag=True)
@options.option("--pytest-html", "Write pytest.html, too: the log of pytest-html.", is_flag=True)
@options.option("--plan", "Show what would be sent; send nothing.", topic="Limits and reports", is_flag=True)
@options.help_all
@options.debug
def command(
    url: str | None,
    config: str | None,
    output: str | None,
    plan: bool,
    write_baseline: str | None,
    last_failed: bool,
    failed_first: bool,
    pytest_html: bool,
    **given: Any,
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
    from conformance.running import discovery
    from conformance.settings import config_file

    discovery.discover()
    file = config_file.find(config, os.environ)
    chosen = config_file.options(url, given, os.environ, file)
    server = _started() if chosen.url is None and not plan else None  # it starts while the rest is loaded
    from conformance.judging.selecting import known_failures, selected_ids
    from conformance.wire.reach import route

    if write_baseline and chosen.url is None:
        raise UsageError("--write-baseline needs a target: no baseline is written for the embedded reference server.")
    if write_baseline and chosen.baseline and not Path(chosen.baseline).expanduser().exists():
        if Path(chosen.baseline).expanduser().absolute() == Path(write_baseline).expanduser().absolute():
            chosen = replace(chosen, baseline=None)  # it is made by this run
    selected_ids(chosen)
    way = route.of(chosen, os.environ)
    known = known_failures(chosen)
    baselines.may_write(write_baseline, known)
    directory = Path(config_file.output(output, os.environ, file.target(url, os.environ)).value)
    if last_failed or failed_first:
        chosen = _after_the_last(chosen, directory, alone=last_failed)
    if plan:
        _show_plan(chosen, way)
        return OK
    if len(chosen.http) > 1 and chosen.url is not None:
        if write_baseline:
            raise UsageError("--write-baseline is made of one run: ask for one version by --http.")
        return _each_version(chosen, directory, log=pytest_html)
    judge = partial(_judged, chosen, directory, server=server, log=pytest_html)
    return judge(lambda report: baselines.write(report, write_baseline, known))[1]


def _started() -> Starting:
    """The embedded reference server, which ends with this command."""
    from conformance.reference import process, settings

    return click.get_current_context().with_resource(process.starting(settings.EMBEDDED))


def _after_the_last(chosen: Options, directory: Path, *, alone: bool) -> Options:
    """The options with what failed in the run before alone, or first."""
    from conformance.running import latest

    if len(chosen.http) > 1 and chosen.url is not None:
        raise UsageError("--last-failed and --failed-first speak of one run: ask for one version by --http.")
    if not alone:
        return latest.ahead(chosen, directory)
    chosen, any_failed = latest.alone(chosen, directory)
    if not any_failed:
        click.echo("Of what is selected, nothing failed last time: all of it is judged.", err=True)
    return chosen


def _judged(
    chosen: Options, directory: Path, then: Callable[[Report], int], *, server: Starting | None = None, log: bool
) -> tuple[Report, int]:
    """Record, judge, show; gives the report and the exit code. `then` gives the code, and may write a baseline."""
    from conformance.pytest_session.session import Session
    from conformance.running import run

    reports.prepare(directory)
    record = None if server is None else partial(run.run, server=server)
    return by_pytest(Session(chosen, directory, record=record), directory, then, log=log)


def _each_version(chosen: Options, directory: Path, *, log: bool) -> int:
    """A run over each version of HTTP, with the same random choices; gives the weightiest exit code."""
    from conformance.commands.shell import versions
    from conformance.report.tally import weightiest

    seed = random.SystemRandom().randrange(2**32) if chosen.seed is None else chosen.seed
    made: dict[str, Report] = {}
    codes = []
    for version in chosen.http:
        alone = replace(chosen, http=(version,), seed=seed)
        made[version], code = _judged(
            alone, directory / f"http-{version}", lambda report: int(report.exit_code()), log=log
        )
        codes.append(code)
        if code == INTERRUPTED:
            return code
    reports.echo("".join(f"{line}\n" for line in versions.apart(made)))
    return weightiest(codes) or OK


def _show_plan(chosen: Options, way: Route) -> None:
    from conformance.commands.shell import planned, reached
    from conformance.probes.catalogue import count
    from conformance.running import run
    from conformance.running.recheck import ALL

    flows = run.planned(chosen)
    requests, served = count(flows)
    if chosen.max_requests is not None:
        requests = min(requests, chosen.max_requests)
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
    click.echo("The flows, with the requests of each at most, and what they are for:")
    for line in planned.lines(flows):
        click.echo(line)
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


LOG = "pytest.html"


def by_pytest(
    session: Session, directory: Path, then: Callable[[Report], int], *, log: bool = False
) -> tuple[Report, int]:
    """Run a session of pytest and show what came of it; gives the report and the exit code.

    `then` gives the code, and may write a baseline. `log`: whether pytest-html writes its page, too.
    """
    _run(session, directory, log=log)
    if session.report is None:
        raise session.failure or RuntimeError("pytest ended before anything was recorded")
    reports.show(session.report, session.written)
    code = then(session.report)
    return session.report, code if session.unwritten is None else unwritten("The reports", session.unwritten, code)


def _run(session: Session, directory: Path, *, log: bool) -> None:
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
        *("-o", "junit_suite_name=kitemesh-conformance"),
        "--noconftest",
        "--assert=plain",
        "--capture=no",
        f"--junitxml={unfinished / 'junit.xml'}",
    ]
    if log:
        arguments += ["-p", "pytest_metadata.plugin", "-p", "pytest_html.plugin"]
        arguments += [f"--html={unfinished / LOG}", "--self-contained-html"]
    else:
        (directory / LOG).unlink(missing_ok=True)  # one of an earlier run would speak of this one
    try:
        with _quiet_environment(), looked_for_seldom(), redirect_stdout(io.StringIO()):
            pytest.main(arguments, plugins=[SessionHooks(session, publishes=False)])
        if session.report is not None:
            for name in ("junit.xml", *([LOG] if log else [])):
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
