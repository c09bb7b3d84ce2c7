"""The command line: `kitemesh-conformance run`, `judge`, `compare`, `serve`, `prove`, `explain`, `config` and others.

A thin face: it turns arguments into values, calls, shows, and gives the exit code. Whatever goes wrong becomes one
sentence on standard error. Everything heavy is imported where it is used, so that `--help` is quick.
"""
# ruff: noqa: D301 - click keeps the lines of a paragraph after a real backspace character, which a raw string lacks

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from conformance import __version__
from conformance.commands import completion, standard_streams
from conformance.commands import help_text as manual
from conformance.running import garbage as cycles
from conformance.settings.files import named
from conformance.settings.flags import FLAGS, OUTPUT, Flag, names
from conformance.settings.options import Options, UsageError

if TYPE_CHECKING:
    from conformance.judging.baseline import Baseline
    from conformance.plugin import Conformance
    from conformance.report.report import Report

PROGRAM = "kitemesh-conformance"
OK, WORSE, DENIED, UNPROVED, INTERRUPTED, SUITE_ERROR, USAGE = 0, 1, 1, 1, 2, 3, 4

_SCREEN: dict[str, Any] = {"max_content_width": 80, "help_option_names": ["-h", "--help"]}
_Command = TypeVar("_Command", bound=Callable[..., Any])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code. It never raises, and prints a traceback only where asked to."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if missing := standard_streams.closed():
        return _complain(f"{missing} is closed; redirect it to a file, or to {os.devnull}.", USAGE)
    with standard_streams.lasting() as lost:
        code = _run(words)
        error = lost()
        return code if error is None else _unwritten("Standard output", error, code)


def _run(words: Sequence[str]) -> int:
    try:
        _somewhere()
        with _terminated_as_interrupted():
            return int(group.main(words, prog_name=PROGRAM, standalone_mode=False) or OK)
    except (KeyboardInterrupt, click.Abort):
        return _complain("Interrupted.", INTERRUPTED)
    except click.ClickException as error:
        return _usage(error)
    except UsageError as error:
        return _complain(str(error), USAGE)
    except Exception as error:
        if _wants_traceback(words):
            traceback.print_exc()
        return _complain(
            f"The suite itself failed ({type(error).__name__}: {error}); "
            "run it with --debug for the traceback, and please report it.",
            SUITE_ERROR,
        )


def _somewhere() -> None:
    """Refuse to work in a directory that was deleted: neither files nor pytest could be found from there."""
    try:
        os.getcwd()
    except OSError:
        raise UsageError("The working directory no longer exists; change to one that does.") from None


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does: the reports of what was done are written, and the exit code is 2."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(*_: object) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a script's job in the background
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def _wants_traceback(words: Sequence[str]) -> bool:
    return "--debug" in words or bool(os.environ.get("KITEMESH_DEBUG"))


def _usage(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return USAGE
    path = getattr(getattr(error, "ctx", None), "command_path", PROGRAM)
    return _complain(f"{error.format_message().rstrip('.')}; see {path} --help.", USAGE)


def _complain(sentence: str, code: int) -> int:
    from conformance.transcript.excerpt import excerpt, harmless

    line = f"Error: {excerpt(sentence, 2000)}"
    print(harmless(line) if os.environ.get("GITHUB_ACTIONS") else line, file=sys.stderr)
    return code


@click.group(context_settings=_SCREEN, no_args_is_help=True)
@click.version_option(__version__, message="%(prog)s %(version)s")
def group() -> None:
    """Check whether a server implements KiteMesh's chat API as documented.

    \b
    Example (without a URL it is tried on the embedded reference server):
      KITEMESH_TOKEN=km_… kitemesh-conformance run URL --model group:<uuid>
    Exit codes: 0 conformant (known failures aside), 1 not, 2 interrupted, 3 the
    suite failed, 4 wrong usage, or nothing can be written, 6 inconclusive.
    """


def _flag(flag: Flag, *, hidden: bool = False, brief: bool = False) -> Callable[[_Command], _Command]:
    """An option of the table; a brief one is named by `--help`, and explained by `--help-all` only."""
    topic = "" if brief else flag.topic
    declared: dict[str, Any] = {"help": flag.help, "hidden": hidden, "cls": manual.Option, "topic": topic}
    match flag.kind:
        case "switch":
            declared["is_flag"] = True
        case "list" | "header":
            declared |= {"multiple": True, "metavar": flag.metavar}
        case "file":
            declared |= {
                "type": click.Path(),
                "metavar": flag.metavar,
            }  # for the shell's completion; nothing is checked
        case _:
            declared["metavar"] = flag.metavar
    if flag.choices:
        declared["shell_complete"] = completion.words(flag.choices)
    elif flag.kind == "list":
        declared["shell_complete"] = completion.requirements
    return click.option(f"--{flag.name}", flag.key, **declared)


def _flags(
    wanted: Sequence[str] | None = None, *, hidden: bool = False, brief: bool = False
) -> Callable[[_Command], _Command]:
    """The options of the table, those with the given names or all, in the table's order."""

    def decorate(command: _Command) -> _Command:
        for flag in reversed(FLAGS):
            if wanted is None or flag.name in wanted:
                command = _flag(flag, hidden=hidden, brief=brief)(command)
        return command

    return decorate


def _option(name: str, help: str, *, topic: str = "", **rest: Any) -> Callable[[_Command], _Command]:
    return click.option(name, cls=manual.Option, topic=topic, help=help, **rest)


_write_baseline = _option(
    "--write-baseline", "Write the failures as a baseline.", topic="What is judged", metavar="FILE", type=click.Path()
)
_config = _option(
    "--config", "Read this file instead of conformance.toml.", topic="Target", metavar="FILE", type=click.Path()
)
_config_brief = _option("--config", "Read this file instead of conformance.toml.", metavar="FILE", type=click.Path())
_target = click.argument("url", required=False, metavar="[URL|TARGET]", shell_complete=completion.targets)
_debug = click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback if the suite fails.")


@group.command(
    cls=manual.Command, context_settings=_SCREEN, short_help="Record and judge a server (or the reference server)."
)
@_target
@_flags()
@_write_baseline
@_flag(OUTPUT)
@_config
@_option("--plan", "Show what would be sent; send nothing.", topic="Limits and reports", is_flag=True)
@manual.help_all
@_debug
def run(
    url: str | None, config: str | None, output: str | None, plan: bool, write_baseline: str | None, **given: Any
) -> int:
    """Record and judge the server at URL, a TARGET that conformance.toml names,
    or the embedded reference server: say reference, or give nothing.

    The token comes from KITEMESH_TOKEN. Each option can be set by a variable too
    (KITEMESH_MAX_CREDITS) and in conformance.toml: see config show --help.

    \b
    Example:
      kitemesh-conformance run https://api.example.com/v1 --model group:<uuid> \\
        --approval-prompt 'Create a ticket, please.' --max-credits 200
    """
    from conformance.judging.judge import known_failures, selected_ids
    from conformance.running import discovery
    from conformance.running.run import verify
    from conformance.settings import config_file as configuration

    discovery.discover()
    file = configuration.find(config, os.environ)
    chosen = configuration.options(url, given, os.environ, file)
    if write_baseline and chosen.url is None:
        raise UsageError("--write-baseline is about a target: none is written for the embedded reference server.")
    if write_baseline and chosen.baseline and not Path(chosen.baseline).expanduser().exists():
        if Path(chosen.baseline).expanduser().absolute() == Path(write_baseline).expanduser().absolute():
            chosen = replace(chosen, baseline=None)  # it is made by this run
    selected_ids(chosen)
    verify(chosen)
    known = known_failures(chosen)
    _may_write(write_baseline, known)
    if plan:
        _show_plan(chosen)
        return OK
    directory = Path(configuration.output(output, os.environ, file.target(url, os.environ)).value)
    _prepare(directory)
    session = _pytest_session(chosen, directory)
    if session.report is None:
        raise session.failure or RuntimeError("pytest ended before anything was recorded")
    _show(session.report, session.written)
    code = _keep_baseline(session.report, write_baseline, known)
    return code if session.unwritten is None else _unwritten("The reports", session.unwritten, code)


def _unwritten(what: str, error: OSError, code: int) -> int:
    """Say that something could not be written; gives the exit code, which stays that of a verdict with a complaint."""
    return _complain(f"{what} could not be written ({error.strerror or error}).", code or USAGE)


def _may_write(path: str | None, known: Baseline | None) -> None:
    """Refuse to write a baseline over a file that is not the one that was read: its reasons would be lost."""
    import tempfile

    if path is None:
        return
    target = named(path)
    try:
        if target.exists() and not (known and target.samefile(Path(known.path))):
            raise UsageError(
                f"{path!r} exists; give it as --baseline too, and it is updated with its reasons kept, "
                "or name another --write-baseline."
            )
        if target.is_dir():
            raise IsADirectoryError
        with tempfile.TemporaryFile(dir=target.absolute().parent):  # it is written beside, then put in its place
            pass
    except OSError:
        raise UsageError(f"Nothing can be written to {path!r}; choose another --write-baseline.") from None


def _keep_baseline(report: Report, path: str | None, known: Baseline | None) -> int:
    """Write the failures of a run as a baseline, where that is wanted; gives the exit code."""
    from conformance.judging import baseline
    from conformance.judging.gate import present
    from conformance.report import files

    code = int(report.exit_code())
    if path is None:
        return code
    if why := _without_baseline(report, code):
        return _complain(f"No baseline was written: {why}.", code)
    found = present(report.verdict, report.transcript, report.gate)
    entries = baseline.refreshed(known.entries if known else (), found, report.gate.stale)
    target = named(path)
    if known and tuple(entries) == known.entries:
        click.echo(f"{path} is up to date.")
        return code
    try:
        files.write_whole(target, baseline.dumps(entries).encode())
    except OSError as error:
        return _unwritten("The baseline", error, code)
    left = f", {len(report.gate.stale)} removed that no longer failed" if report.gate.stale else ""
    click.echo(f"{path} written: {len(entries)} entries, {len(found)} of them new{left}. Write the reason into each.")
    return code


def _without_baseline(report: Report, code: int) -> str:
    """Why a run's failures are not fit for a baseline; empty where they are."""
    from conformance.report.target import EMBEDDED, embedded

    if code in (INTERRUPTED, SUITE_ERROR):
        return "the run did not finish"
    if report.verdict.trouble:
        return "nothing could be judged, as the verdict says"
    return f"{EMBEDDED} was judged" if embedded(report) else ""


def _show_plan(chosen: Options) -> None:
    from conformance.running.recheck import ALL
    from conformance.running.run import plan

    requests, served = plan(chosen)
    click.echo(f"Target: {chosen.url or 'the embedded reference server, on loopback: nothing is charged or executed'}")
    click.echo(
        f"Requests: {requests} at most if nothing fails, of which a model answers at most {min(requests, served)} "
        "(these cost)."
    )
    click.echo(
        "In addition, what meets an excuse (such as a 429) or a server error is sent up to twice more, and what fails "
        f"is sent once more and in up to {ALL} smaller forms; --max-requests limits them all."
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


def _prepare(directory: Path) -> None:
    from conformance.report import files

    try:
        files.prepare(directory)
    except (OSError, ValueError) as error:  # a ValueError: NUL in the path
        reason = getattr(error, "strerror", None) or "it is not a path"
        raise UsageError(f"Nothing can be written to {str(directory)!r} ({reason}); choose another --output.") from None


def _pytest_session(chosen: Options, directory: Path) -> Conformance:
    """Run pytest, alone with the catalogue, whatever pytest is told in this directory or by the environment."""
    import io
    import shutil
    import tempfile

    import pytest

    from conformance.plugin import FILE, UNFINISHED, Conformance

    session = Conformance(chosen, directory, publishes=False)
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=directory)).absolute()  # pytest expands ~ by itself
    arguments = [
        *("-c", os.devnull),
        *("--rootdir", str(FILE.parent)),
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
        with _quiet_environment(), cycles.looked_for_seldom(), redirect_stdout(io.StringIO()):
            pytest.main(arguments, plugins=[session])
        if session.report is not None:
            for name in ("junit.xml", "pytest.html"):
                session.written.append((unfinished / name).replace(directory / name))
    except OSError as error:
        session.unwritten = error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return session


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


def _show(report: Report, written: Sequence[Path]) -> None:
    from conformance.report import github, terminal

    with github.silenced(click.echo):
        terminal.show(report, terminal.console(), written)
        sys.stdout.flush()
    try:
        github.publish(report, click.echo)
    except OSError as error:
        click.echo(f"The job's summary could not be written ({error.strerror}).")


@group.command(context_settings=_SCREEN, short_help="Judge recorded transcripts, without a network.")
@click.argument("files", nargs=-1, required=True, metavar="FILE.har…", type=click.Path())
@_flags(("only", "skip", "strict", "baseline", "allow-stale"))
@click.option("--output", metavar="DIR", type=click.Path(), help="Write the reports here (for one FILE).")
@click.option("--against", metavar="FILE", type=click.Path(), help="Confirm or deny this results.json.")
@_write_baseline
@_debug
def judge(
    files: tuple[str, ...],
    output: str | None,
    against: str | None,
    write_baseline: str | None,
    only: Sequence[str],
    skip: Sequence[str],
    strict: bool,
    baseline: str | None,
    allow_stale: bool,
) -> int:
    """Judge recorded transcripts, each on its own, without a network.

    A transcript of this suite, or a HAR from a browser or proxy. The exit code is
    the worst of all. With --against, results that the transcript does not confirm
    give exit code 1 and a sentence for each difference; results that it confirms
    give the exit code of their verdict.

    \b
    Example:
      kitemesh-conformance judge reports/transcript.har --only stream
      kitemesh-conformance judge transcript.har --against results.json
    """
    from conformance.contract.catalogue import from_outside
    from conformance.judging.judge import known_failures, selected_ids
    from conformance.report.tally import weightiest
    from conformance.running import discovery

    for flag, value in (("--output", output), ("--write-baseline", write_baseline), ("--against", against)):
        if value and len(files) > 1:
            raise UsageError(f"{flag} is for one transcript, but several were given; judge one at a time.")
    if output:
        _prepare(Path(output))
    told: dict[str, Any] = {"only": names(only), "skip": names(skip), "strict": strict}
    if against and any(told.values()):
        raise UsageError("--against judges what the results say was judged; leave out --only, --skip, --strict.")
    claimed = _claimed(against) if against else None
    if claimed is None or any(from_outside(entry["id"]) for entry in claimed["requirements"]):
        discovery.discover()  # else the results are held to what they were judged by, whatever is installed here
    if claimed:
        told = {name: claimed["options"].get(name) for name in told}
        told = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    chosen = {key: value for key, value in told.items() if value}
    selected_ids(Options(**chosen))
    if allow_stale:
        chosen["allow_stale"] = True
    known = known_failures(Options(baseline=baseline))
    _may_write(write_baseline, known)
    titled = len(files) > 1
    return weightiest(
        [_judge(Path(name), chosen, output, known, write_baseline, claimed, titled=titled) for name in files]
    )


def _claimed(name: str) -> dict[str, Any]:
    from conformance.report import results

    try:
        claimed = results.load(Path(name))
    except results.ResultsError as error:
        raise UsageError(f"{name!r} cannot be confirmed. {error}") from None
    chosen = claimed["options"]
    lists = [chosen.get(key) or [] for key in ("only", "skip")]
    sound = all(isinstance(ids, list) and all(isinstance(i, str) for i in ids) for ids in lists)
    if not sound or not isinstance(chosen.get("strict", False), bool):
        raise UsageError(f"{name!r} cannot be confirmed. Its options do not say what was judged.")
    return claimed


def _judge(
    path: Path,
    chosen: dict[str, Any],
    output: str | None,
    known: Baseline | None,
    write_baseline: str | None,
    claimed: dict[str, Any] | None,
    *,
    titled: bool,
) -> int:
    """Judge one transcript as it was recorded, but for what was chosen now."""
    from conformance.judging import judge as judging
    from conformance.report import files, results
    from conformance.report.report import Report
    from conformance.transcript import har

    try:
        octets = results.read(path, har.LARGEST)
        transcript = har.load(octets)
    except (results.ResultsError, har.HarError) as error:
        raise UsageError(f"{str(path)!r} cannot be judged. {error}") from None
    report = Report.of(judging.judge(transcript, chosen=chosen, known=known))
    if titled:
        click.echo(f"== {path}")
    written: Sequence[Path] = ()
    unwritten: OSError | None = None
    try:
        written = files.write(report, Path(output)) if output else ()
    except OSError as error:
        unwritten = error
    _show(report, written)
    if titled:
        click.echo()
    code = _keep_baseline(report, write_baseline, known)
    if claimed:
        code = _confirm(claimed, results.results(report, hashlib.sha256(octets).hexdigest()), code)
    return code if unwritten is None else _unwritten("The reports", unwritten, code)


def _confirm(claimed: dict[str, Any], found: dict[str, Any], code: int) -> int:
    """Say whether the claimed results hold; gives the exit code: that of the verdict, or 1 where they do not."""
    from conformance.judging.confirmation import confirm
    from conformance.report import github
    from conformance.report.terminal import paragraphs
    from conformance.transcript.excerpt import excerpt, harmless

    made = confirm(claimed, found)
    word = "CONFIRMED" if made.confirmed else "DENIED"
    lines = [("", ""), *(("  ", excerpt(text)) for text in made.denials)]
    lines += [("Note: ", excerpt(text)) for text in made.notes]
    told = paragraphs([*lines, ("", f"{word}: {made.sentence}")])
    click.echo(harmless(told) if github.active() else told, nl=False)
    return code if made.confirmed or code in (INTERRUPTED, SUITE_ERROR) else DENIED


@group.command(context_settings=_SCREEN, short_help="Compare two runs: what broke, what was fixed.")
@click.argument("old", metavar="OLD", type=click.Path())
@click.argument("new", metavar="NEW", type=click.Path())
@click.option(
    "--format", "form", type=click.Choice(["terminal", "markdown", "json"]), default="terminal", help="[terminal]"
)
@_debug
def compare(old: str, new: str, form: str) -> int:
    """Compare two runs, each a results.json or a transcript (HAR), judged first.

    Tells what newly fails, what was fixed, what is no longer exercised, what is
    newly exercised, and how the shapes of answers changed.

    Exit code 1 if something got worse: a requirement fails that did not fail, a
    MUST that was judged is no longer judged (though options select it), a
    conformant verdict is lost, or the suite failed. A change of shape alone does
    not count. Otherwise 0.

    \b
    Example:
      kitemesh-conformance compare main/results.json reports/results.json
    """
    from conformance.contract.catalogue import load
    from conformance.judging import comparison
    from conformance.report import comparing, github
    from conformance.running import discovery
    from conformance.transcript.excerpt import harmless

    discovery.discover()
    made = comparison.compare(_document(old), _document(new), load())
    told = comparing.FORMS[form](made)
    click.echo(harmless(told) if github.active() and form != "json" else told, nl=False)
    return WORSE if made.worse else OK


def _document(name: str) -> dict[str, Any]:
    """The results in a file, or those of the transcript in it."""
    from conformance.evidence.json_text import BOM, read_json
    from conformance.judging import judge as judging
    from conformance.report import results
    from conformance.transcript import har

    try:
        octets = results.read(Path(name), har.LARGEST)
        value = read_json(octets.removeprefix(BOM)).value
        if isinstance(value, dict) and "log" in value:
            return results.results(judging.judge(har.load(octets)), hashlib.sha256(octets).hexdigest())
        return results.loads(octets)
    except (results.ResultsError, har.HarError) as error:
        raise UsageError(f"{name!r} cannot be compared. {error}") from None


_SOAKED = (
    *("model", "token-env", "token-file", "only", "skip", "strict", "timeout", "max-requests", "max-credits"),
    *("header", "ca-bundle", "no-bodies"),
)
"""The options of a run that a soak takes too."""


@group.command(
    cls=manual.Command, context_settings=_SCREEN, short_help="Load a server with many users, and judge each answer."
)
@_target
@_option("--users", "Users at once, in total [10].", topic="Load", metavar="N", type=int)
@_option("--duration", "Run for this long, such as 90s or 1h30m [1m].", topic="Load", metavar="T")
@_option("--spawn-rate", "Users started per second.", topic="Load", metavar="R", type=float)
@_option("--master", "Coordinate workers; send no requests.", topic="Load", is_flag=True)
@_option("--expect-workers", "Wait for this many workers [1].", topic="Load", metavar="N", type=int)
@_option("--worker", "Send requests for a master.", topic="Load", is_flag=True)
@_option("--master-host", "Where the master listens [127.0.0.1].", topic="Load", metavar="HOST")
@_option("--master-port", "The port of the master [5557].", topic="Load", metavar="N", type=int)
@_option("--i-may-load-this-server", "Needed for any server but this machine.", topic="Load", is_flag=True)
@_flags(_SOAKED, brief=True)
@_flag(OUTPUT, brief=True)
@_config_brief
@manual.help_all
@_debug
def soak(
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
    from conformance.settings import config_file as configuration
    from conformance.soak import command, load, telling

    role = load.role(master, worker)
    told: dict[str, Any] = {
        "users": users,
        "spawn_rate": spawn_rate,
        "expect_workers": expect_workers,
        "master_host": master_host,
    }
    told |= {"master_port": master_port, "duration": None if duration is None else load.seconds(duration)}
    told = {name: value for name, value in told.items() if value is not None}
    load.fitting(role, told)
    command.locust_is_there()
    file = configuration.find(config, os.environ)
    target = file.target(url, os.environ)
    load.reachable(role, target.url.value if target.url else None)
    chosen = configuration.options(url, given, command.environment(role, os.environ), file)
    wanted = load.Load(role=role, consent=i_may_load_this_server, **told).checked(chosen)
    directory = Path(configuration.output(output, os.environ, target).value)
    if role is not load.Role.WORKER:
        _prepare(directory)

    def waiting(there: int) -> None:
        click.echo(f"{there} of {wanted.expect_workers} workers have joined.", err=True)

    def begun() -> None:
        click.echo(f"{wanted.users} users start. Ctrl-C ends it and reports what was judged until then.", err=True)

    with telling.meter(terminal.console(stderr=True), begun) as tell:
        made = command.soak(chosen, wanted, tell, waiting)
    if role is load.Role.WORKER:
        click.echo(telling.farewell(made))
        return INTERRUPTED if made.interrupted else OK
    written: tuple[Path, ...] = ()
    unwritten: OSError | None = None
    try:
        written = telling.write(made, directory)
    except OSError as error:
        unwritten = error
    telling.show(made, terminal.console(), written)
    code = int(made.exit_code())
    return code if unwritten is None else _unwritten("The reports", unwritten, code)


@group.command(context_settings=_SCREEN)
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port on loopback [any free one].")
@click.option("--fault", metavar="ID", shell_complete=completion.faults, help="Break one requirement in this way.")
@click.option(
    "--liberty", metavar="ID", shell_complete=completion.liberties, help="Differ in this way, which is allowed."
)
@click.option("--crosstalk-every", type=click.IntRange(2), metavar="N", help="Mix up every N-th answer, for a soak.")
@_debug
def serve(port: int, fault: str | None, liberty: str | None, crosstalk_every: int | None) -> int:
    """Run the reference server in the foreground, until Ctrl-C.

    \b
    Example:
      kitemesh-conformance serve --port 8080
      kitemesh-conformance serve --port 8080 --fault stream-done-absent
    """
    from conformance.proving.prove import behaviour
    from conformance.reference.app import create_app
    from conformance.reference.rare import create as create_rare
    from conformance.reference.serving import in_foreground
    from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, Settings

    settings = Settings(crosstalk_every=crosstalk_every)
    if crosstalk_every is not None and (fault is not None or liberty is not None):
        raise UsageError("--crosstalk-every is a fault by itself; leave out --fault and --liberty.")
    app = create_rare(settings) if crosstalk_every is not None else create_app(settings, behaviour(fault, liberty))

    def ready(url: str) -> None:
        click.echo(f"The reference server listens at {url}/v1 (Ctrl-C stops it). To judge it, in another terminal:")
        click.echo(f"  export KITEMESH_TOKEN={settings.tokens[0]} KITEMESH_SECOND_TOKEN={settings.tokens[-1]}")
        click.echo(f"  {PROGRAM} run {url}/v1 --model {DEFAULT_MODEL} \\")
        click.echo(f"    --approval-prompt '{DEFAULT_APPROVAL_PROMPT}'")
        sys.stdout.flush()

    try:
        in_foreground(app, port, ready)
    except KeyboardInterrupt:
        pass
    except OSError as error:
        raise UsageError(f"Cannot listen on port {port} ({error.strerror}); choose another --port.") from None
    return OK


@group.command(context_settings=_SCREEN, short_help="Prove the suite on servers with known faults.")
@click.option(
    "--only",
    multiple=True,
    metavar="ID,…",
    shell_complete=completion.requirements,
    help="Only these faults, liberties, requirements or areas.",
)
@click.option("--all", "everything", is_flag=True, help="Every fault and every liberty, not a selection.")
@click.option("--output", metavar="DIR", help="Write prove.json and prove.md here.")
@click.option("--seed", type=click.IntRange(0, 2**32), metavar="N", help="Seed of the random choices [1].")
@click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Servers judged at a time [16].")
@click.option("--write-examples", metavar="DIR", help="Write the examples of explain here, if missing.")
@_debug
def prove(
    only: Sequence[str],
    everything: bool,
    output: str | None,
    seed: int | None,
    jobs: int | None,
    write_examples: str | None,
) -> int:
    """Run the suite on servers with known faults, and on servers without any.

    Each fault of the reference server has to be blamed on the requirement that it
    breaks; each liberty has to pass. Otherwise the exit code is 1. By default, a
    selection that covers every requirement is run; --all runs hundreds more.

    \b
    Example:
      kitemesh-conformance prove --only stream --output reports
    """
    from conformance.contract.catalogue import load
    from conformance.proving import pages as shown
    from conformance.proving import prove as prover
    from conformance.report import terminal

    known = prover.targets()
    whole = everything or bool(names(only))
    wanted = prover.chosen(known, names(only)) if whole else prover.spread(known)
    for directory in filter(None, (output, write_examples)):
        _prepare(Path(directory))
    collected = prover.Examples()
    if write_examples:
        wanted = prover.with_conforming(wanted)
    with shown.meter(terminal.console(stderr=True), len(wanted)) as advance:

        def told(found: prover.Found) -> None:
            advance(found.case)
            collected.add(found)

        made = prover.prove(
            wanted,
            seed=prover.SEED if seed is None else seed,
            jobs=jobs or prover.JOBS,
            with_examples=bool(write_examples),
            told=told,
        )
    shown.show(made, load(), terminal.console())
    code = OK if made.holds else UNPROVED
    try:
        if output:
            click.echo(f"Written: {', '.join(map(str, shown.write(made, load(), Path(output))))}")
        if write_examples:
            click.echo(collected.write(Path(write_examples)))
    except OSError as error:
        return _unwritten("The proof", error, code)
    return code


@group.command(context_settings=_SCREEN, short_help="Explain a requirement, with an example.")
@click.argument("requirement", metavar="ID", shell_complete=completion.ids)
@_debug
def explain(requirement: str) -> int:
    """Say what a requirement asks for and why, what proves its check, which clients
    a breach affects, and show an example.

    \b
    Example:
      kitemesh-conformance explain stream.done
    """
    from conformance.contract.catalogue import UnknownRequirement, load
    from conformance.proving import clients, examples
    from conformance.proving import explain as shown
    from conformance.proving.prove import faults_of
    from conformance.running import discovery

    discovery.discover()
    try:
        found = load()[requirement]
    except UnknownRequirement as error:
        raise UsageError(str(error)) from None
    hurt = clients.told(found.id)
    click.echo(shown.text(found, faults_of(found.id), examples.read(found.id), hurt), nl=False)
    return OK


@group.command(context_settings=_SCREEN, short_help="List the catalogue.")
@click.argument("patterns", nargs=-1, metavar="[ID-or-area]…", shell_complete=completion.requirements)
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", help="[text]")
@_debug
def requirements(patterns: tuple[str, ...], form: str) -> int:
    """List the catalogue: id, level and statement of each requirement.

    \b
    Example:
      kitemesh-conformance requirements stream chunk.id-stable
    """
    from conformance.contract.catalogue import UnknownRequirement, load
    from conformance.proving import listing
    from conformance.running import discovery

    discovery.discover()
    catalogue = load()
    try:
        chosen = catalogue.select(patterns) if patterns else list(catalogue)
    except UnknownRequirement as error:
        raise UsageError(str(error)) from None
    click.echo(listing.FORMS[form](catalogue, chosen), nl=False)
    return OK


@group.command("help", context_settings=_SCREEN, short_help="Pages on gates, findings, costs and more.")
@click.argument("topic", required=False, shell_complete=completion.topics)
@_debug
def help_(topic: str | None) -> int:
    """Show a page on TOPIC; without one, list the topics.

    \b
    Example:
      kitemesh-conformance help findings
    """
    from conformance.commands import topics as pages

    if topic is None:
        click.echo(pages.listing(), nl=False)
        return OK
    from conformance.report import terminal

    click.echo(pages.text(topic, terminal.console()), nl=False)
    return OK


@group.group(context_settings=_SCREEN, no_args_is_help=True)
def config() -> None:
    """Show the settings of a run, and where each value comes from.

    \b
    Example of conformance.toml:
      depth = "quick"                    # of every run that is started here
      [targets.staging]                  # kitemesh-conformance run staging
      url = "https://staging.example.com/v1"
      model = "group:<uuid>"
      token-env = "STAGING_TOKEN"        # never the token itself
    """


@config.command(context_settings=_SCREEN, short_help="Every option of a run, and where it comes from.")
@_target
@_flags(hidden=True)
@_flag(OUTPUT, hidden=True)
@_config
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="[text]")
@_debug
def show(url: str | None, config: str | None, form: str, **given: Any) -> int:
    """Show each option as a run of TARGET (or URL) would take it, and where it comes
    from: the command line, a variable, conformance.toml, or the default.

    Also takes the options of run. Nothing is sent, and no token is shown. What a
    run would refuse is reported on standard error, with exit code 4.

    \b
    Example:
      kitemesh-conformance config show staging --depth quick
    """
    from conformance.commands import config_table as origins
    from conformance.settings import config_file as configuration
    from conformance.settings.options import base_url

    file = configuration.find(config, os.environ)
    target = file.target(url, os.environ)
    if target.url:
        base_url(target.url.value)  # first: it may hold a password
    click.echo(origins.FORMS[form](target, origins.rows(target, given, os.environ), file), nl=False)
    configuration.options(url, given, os.environ, file)
    return OK


@config.command(context_settings=_SCREEN, short_help="The JSON Schema of conformance.toml.")
@_debug
def schema() -> int:
    """Print the JSON Schema of conformance.toml, for an editor that completes it.

    \b
    Example:
      kitemesh-conformance config schema > config.schema.json
    """
    import json

    from conformance.settings import config_file as configuration

    click.echo(json.dumps(configuration.schema(), indent=2, ensure_ascii=False))
    return OK


if __name__ == "__main__":
    sys.exit(main())
