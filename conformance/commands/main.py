"""The command line: `kitemesh-conformance run`, `judge`, `compare`, and every other module beside this one.

A command turns arguments into values, calls, shows, and gives the exit code. Whatever goes wrong becomes one sentence
on standard error, here. Everything heavy is imported where it is used, so that `--help` is quick.

To add a command, copy a small one, such as `explain.py`: its file is its name, and `command` in it is what is run.
`topics/configuration.md` names it among the others.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import click

from conformance.commands.shell import standard_streams
from conformance.commands.shell.exits import INTERRUPTED, OK, PROGRAM, SUITE_ERROR, USAGE, complain, unwritten
from conformance.settings.options import UsageError
from conformance.settings.version import VERSION


class Commands(click.Group):
    """The modules beside this one, by their names; one is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of the alphabet."""
        return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if path.stem != "main")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name; None: there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        found: click.Command = import_module(f"conformance.commands.{cmd_name}").command
        return found


@click.group(
    cls=Commands,
    context_settings={"max_content_width": 80, "help_option_names": ["-h", "--help"]},  # of every command below it too
    no_args_is_help=True,
)
@click.version_option(VERSION, message="%(prog)s %(version)s")
def group() -> None:
    """Check whether a server implements KiteMesh's chat API as documented.

    \b
    Example (without a URL, the embedded reference server is checked):
      KITEMESH_TOKEN=km_… kitemesh-conformance run URL --model group:<uuid>
    Exit codes: 0 conformant, 1 not, 6 inconclusive; `help findings` has all.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code. It never raises, and prints a traceback only where asked to."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if missing := standard_streams.closed():
        return complain(f"{missing} is closed; redirect it to a file, or to {os.devnull}.", USAGE)
    with standard_streams.lasting() as lost:
        code = _run(words)
        error = lost()
        return code if error is None else unwritten("Standard output", error, code)


def _run(words: Sequence[str]) -> int:
    try:
        _refuse_deleted_directory()
        with _terminated_as_interrupted():
            return int(group.main(words, prog_name=PROGRAM, standalone_mode=False) or OK)
    except (KeyboardInterrupt, click.Abort):
        return complain("Interrupted.", INTERRUPTED)
    except click.ClickException as error:
        return _usage(error)
    except UsageError as error:
        return complain(str(error), USAGE)
    except Exception as error:
        if "--debug" in words or os.environ.get("KITEMESH_DEBUG"):
            traceback.print_exc()
        return complain(
            f"The suite itself failed ({type(error).__name__}: {error}); "
            "run it with --debug for the traceback, and please report it.",
            SUITE_ERROR,
        )


def _refuse_deleted_directory() -> None:
    """Neither files nor pytest could be found from there."""
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


def _usage(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return USAGE
    path = getattr(getattr(error, "ctx", None), "command_path", PROGRAM)
    told = error.format_message().rstrip(".")
    return complain(f"{told}{' See' if told.endswith('?') else '; see'} {path} --help.", USAGE)


if __name__ == "__main__":
    sys.exit(main())
