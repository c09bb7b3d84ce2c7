"""The command line: `kitemesh-conformance run`, `judge`, `serve`, `prove`, `explain`, `requirements`.

A thin face: it turns arguments into values, calls, shows, and gives the exit code. Whatever goes wrong becomes one
sentence on standard error. Everything heavy is imported where it is used, so that `--help` is quick.
"""
# ruff: noqa: D301 - click keeps the lines of a paragraph after a real backspace character, which a raw string lacks

from __future__ import annotations

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
from conformance.flags import FLAGS, Flag, names, options
from conformance.options import Options, UsageError

if TYPE_CHECKING:
    from conformance.plugin import Conformance
    from conformance.run import Report

PROGRAM = "kitemesh-conformance"
OK, UNPROVED, INTERRUPTED, SUITE_ERROR, USAGE = 0, 1, 2, 3, 4

_SCREEN: dict[str, Any] = {"max_content_width": 80, "help_option_names": ["-h", "--help"]}
_Command = TypeVar("_Command", bound=Callable[..., Any])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code. It never raises, and prints a traceback only where asked to."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a terminal that cannot show a character is no reason to fail
    try:
        with _terminated_as_interrupted():
            return int(group.main(words, prog_name=PROGRAM, standalone_mode=False) or OK)
    except (KeyboardInterrupt, click.Abort):
        return _complain("Interrupted.", INTERRUPTED)
    except click.ClickException as error:
        return _usage(error)
    except UsageError as error:
        return _complain(str(error), USAGE)
    except BrokenPipeError:  # whoever read standard output has seen enough
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - the interpreter flushes it at its end
        return OK
    except Exception as error:
        if _wants_traceback(words):
            traceback.print_exc()
        return _complain(
            f"The suite itself failed ({type(error).__name__}: {error}); "
            "run it with --debug for the traceback, and report it, please.",
            SUITE_ERROR,
        )


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does: the reports of what was done are written, and the exit code is 2."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wants_traceback(words: Sequence[str]) -> bool:
    return "--debug" in words or bool(os.environ.get("KITEMESH_DEBUG"))


def _usage(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return USAGE
    path = getattr(getattr(error, "ctx", None), "command_path", PROGRAM)
    return _complain(f"{error.format_message().rstrip('.')}; see {path} --help.", USAGE)


def _complain(sentence: str, code: int) -> int:
    from conformance.report.excerpt import excerpt

    print(f"Error: {excerpt(sentence, 2000)}", file=sys.stderr)
    return code


@click.group(context_settings=_SCREEN, no_args_is_help=True)
@click.version_option(__version__, message="%(prog)s %(version)s")
def group() -> None:
    """Tell whether a server implements KiteMesh's chat API as documented.

    \b
    Example:
      kitemesh-conformance run                     try it on the reference server
      export KITEMESH_TOKEN=km_…                   your own token
      kitemesh-conformance run https://api.example.com/v1 --model group:<uuid>

    \b
    Exit codes: 0 conformant, 1 nonconformant, 2 interrupted (Ctrl-C, SIGTERM;
    what was done is reported), 3 the suite failed, 4 wrong usage (nothing was
    sent), 6 inconclusive.
    """


def _flag(flag: Flag) -> Callable[[_Command], _Command]:
    declared: dict[str, Any] = {"help": flag.help}
    match flag.kind:
        case "switch":
            declared["is_flag"] = True
        case "list" | "header":
            declared |= {"multiple": True, "metavar": flag.metavar}
        case "text":
            declared["metavar"] = flag.metavar
    return click.option(f"--{flag.name}", flag.key, **declared)


def _flags(wanted: Sequence[str] | None = None) -> Callable[[_Command], _Command]:
    """The options of the table, those with the given names or all, in the table's order."""

    def decorate(command: _Command) -> _Command:
        for flag in reversed(FLAGS):
            if wanted is None or flag.name in wanted:
                command = _flag(flag)(command)
        return command

    return decorate


_debug = click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback where the suite fails.")


@group.command(context_settings=_SCREEN, short_help="Record and judge a server (or the reference server).")
@click.argument("url", required=False)
@_flags()
@click.option("--output", metavar="DIR", help="Directory for the reports [reports].")
@click.option("--plan", is_flag=True, help="Say what would be sent, and send nothing.")
@_debug
def run(url: str | None, output: str | None, plan: bool, **given: Any) -> int:
    """Record and judge the server at URL; without URL, the embedded reference server.

    The token comes from KITEMESH_TOKEN. Each option can be set by a variable too:
    --max-credits by KITEMESH_MAX_CREDITS, and so on. For --only and --skip names
    see: kitemesh-conformance requirements.

    \b
    Example:
      kitemesh-conformance run https://api.example.com/v1 --model group:<uuid> \\
        --approval-prompt 'Create a ticket, please.' --max-credits 200
    """
    from conformance.run import selected_ids

    chosen = options(url, given, os.environ)
    selected_ids(chosen)
    if plan:
        _show_plan(chosen)
        return OK
    directory = Path(output or os.environ.get("KITEMESH_OUTPUT") or "reports")
    _prepare(directory)
    session = _pytest_session(chosen, directory)
    if session.report is None:
        raise session.failure or RuntimeError("pytest ended before anything was recorded")
    _show(session.report, session.written)
    if session.unwritten:
        return _complain(f"The reports could not be written ({session.unwritten.strerror}).", SUITE_ERROR)
    return int(session.report.exit_code())


def _show_plan(chosen: Options) -> None:
    from conformance.run import plan

    requests, served = plan(chosen)
    click.echo(f"Target: {chosen.url or 'the embedded reference server, on loopback: nothing is charged or executed'}")
    click.echo(f"Requests at most: {requests}, of which a model answers at most {min(requests, served)} (these cost).")
    click.echo("Answers that excuse themselves, such as a 429, are asked again; that comes on top.")
    if chosen.url is not None:
        click.echo(_credits(chosen))
        click.echo(_tools(chosen))
    click.echo("Nothing was sent.")


def _credits(chosen: Options) -> str:
    if chosen.max_credits is None:
        return "Credits: no limit; --max-credits sets one."
    return f"Credits: it stops once {chosen.max_credits:g} were charged; what is under way then may add to that."


def _tools(chosen: Options) -> str:
    if chosen.approval_prompt is None:
        return "Tools: without --approval-prompt no approval is asked for, and no tool call approved."
    if not chosen.execute:
        return "Tools: waiting calls are denied, never approved."
    return "Tools: some waiting calls are approved, so the target executes them; --no-execute forbids it."


def _prepare(directory: Path) -> None:
    from conformance.report import files

    try:
        files.prepare(directory)
    except OSError as error:
        reason = error.strerror or "it is no directory"
        raise UsageError(f"Nothing can be written to {str(directory)!r} ({reason}); choose another --output.") from None


def _pytest_session(chosen: Options, directory: Path) -> Conformance:
    """Run pytest, alone with the catalogue, whatever pytest is told in this directory or by the environment."""
    import io
    import shutil
    import tempfile

    import pytest

    from conformance.plugin import FILE, Conformance

    session = Conformance(chosen, directory)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=directory))
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
        with _quiet_environment(), redirect_stdout(io.StringIO()):
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
    from conformance.report import terminal

    terminal.show(report, terminal.console(), written)


@group.command(context_settings=_SCREEN, short_help="Judge recorded transcripts, without a network.")
@click.argument("files", nargs=-1, required=True, metavar="FILE.har…")
@_flags(("only", "skip", "strict"))
@click.option("--output", metavar="DIR", help="Write the reports here (of one FILE).")
@_debug
def judge(files: tuple[str, ...], output: str | None, only: Sequence[str], skip: Sequence[str], strict: bool) -> int:
    """Judge recorded transcripts, each on its own, without a network.

    A transcript of this suite, or a HAR from a browser or proxy. The worst exit
    code is given.

    \b
    Example:
      kitemesh-conformance judge reports/transcript.har --only stream
    """
    from conformance.report.tally import weightiest
    from conformance.run import selected_ids

    if output and len(files) > 1:
        raise UsageError("--output takes the reports of one transcript, but several were given; judge one at a time.")
    if output:
        _prepare(Path(output))
    told: dict[str, Any] = {"only": names(only), "skip": names(skip), "strict": strict}
    chosen = {key: value for key, value in told.items() if value}
    selected_ids(Options(**chosen))
    return weightiest([_judge(Path(name), chosen, output, titled=len(files) > 1) for name in files])


def _judge(path: Path, chosen: dict[str, Any], output: str | None, *, titled: bool) -> int:
    """Judge one transcript as it was recorded, but for what was chosen now."""
    from conformance import run as runner
    from conformance.report import files
    from conformance.wire import har

    try:
        transcript = har.load(path)
    except har.HarError as error:
        raise UsageError(f"{str(path)!r} cannot be judged. {error}") from None
    report = runner.judge(transcript)
    if chosen:
        report = runner.judge(transcript, options=replace(report.options, **chosen))
    if titled:
        click.echo(f"== {path}")
    _show(report, files.write(report, Path(output)) if output else ())
    if titled:
        click.echo()
    return int(report.exit_code())


@group.command(context_settings=_SCREEN)
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port on loopback [any free one].")
@click.option("--fault", metavar="ID", help="Break one requirement, in this way.")
@click.option("--liberty", metavar="ID", help="Differ, legitimately, in this way.")
@_debug
def serve(port: int, fault: str | None, liberty: str | None) -> int:
    """Run the reference server in the foreground, until Ctrl-C.

    \b
    Example:
      kitemesh-conformance serve --port 8080
      kitemesh-conformance serve --port 8080 --fault done-missing
    """
    from conformance.prove import behaviour
    from conformance.reference.app import create_app
    from conformance.reference.serving import in_foreground
    from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, Settings

    settings = Settings()
    app = create_app(settings, behaviour(fault, liberty))

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
        raise UsageError(f"Port {port} cannot be listened on ({error.strerror}); choose another --port.") from None
    return OK


@group.command(context_settings=_SCREEN, short_help="Prove the suite on servers with known faults.")
@click.option("--only", multiple=True, metavar="ID,…", help="These faults, liberties, requirements or areas only.")
@click.option("--all", "everything", is_flag=True, help="Every fault and every liberty, not a choice of them.")
@click.option("--output", metavar="DIR", help="Write prove.json and prove.md here.")
@click.option("--seed", type=click.IntRange(0, 2**32), metavar="N", help="Draw these random choices [1].")
@click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Servers that are judged at a time [16].")
@click.option("--write-examples", metavar="DIR", help="Write what explain shows here, where it is not there yet.")
@_debug
def prove(
    only: Sequence[str],
    everything: bool,
    output: str | None,
    seed: int | None,
    jobs: int | None,
    write_examples: str | None,
) -> int:
    """Run the suite on servers of which it is known what they break, if anything.

    Each fault of the reference server has to be blamed on the requirement that it
    breaks; each liberty has to pass. Exit code 1 where one does not. By default a
    choice is run that speaks of every requirement; --all runs hundreds more.

    \b
    Example:
      kitemesh-conformance prove --only stream --output reports
    """
    from conformance import prove as prover
    from conformance.contract.catalogue import load
    from conformance.report import proof as shown
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
    try:
        if output:
            click.echo(f"Written: {', '.join(map(str, shown.write(made, load(), Path(output))))}")
        if write_examples:
            click.echo(collected.write(Path(write_examples)))
    except OSError as error:
        return _complain(f"It could not be written ({error.strerror}).", SUITE_ERROR)
    return OK if made.holds else UNPROVED


@group.command(context_settings=_SCREEN, short_help="Explain a requirement, with an example.")
@click.argument("requirement", metavar="ID")
@_debug
def explain(requirement: str) -> int:
    """Say what a requirement asks for and why, what proves its check, and show it.

    \b
    Example:
      kitemesh-conformance explain stream.done
    """
    from conformance import examples
    from conformance.contract.catalogue import UnknownRequirement, load
    from conformance.prove import faults_of
    from conformance.report import explain as shown

    try:
        found = load()[requirement]
    except UnknownRequirement as error:
        raise UsageError(str(error)) from None
    click.echo(shown.text(found, faults_of(found.id), examples.read(found.id)), nl=False)
    return OK


@group.command(context_settings=_SCREEN, short_help="List the catalogue.")
@click.argument("patterns", nargs=-1, metavar="[ID-or-area]…")
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", help="[text]")
@_debug
def requirements(patterns: tuple[str, ...], form: str) -> int:
    """List the catalogue: id, level and statement of each requirement.

    \b
    Example:
      kitemesh-conformance requirements stream chunk.id-stable
    """
    from conformance.contract.catalogue import UnknownRequirement, load
    from conformance.report import listing

    catalogue = load()
    try:
        chosen = catalogue.select(patterns) if patterns else list(catalogue)
    except UnknownRequirement as error:
        raise UsageError(str(error)) from None
    click.echo(listing.FORMS[form](catalogue, chosen), nl=False)
    return OK


if __name__ == "__main__":
    sys.exit(main())
