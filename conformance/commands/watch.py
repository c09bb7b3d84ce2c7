"""`kitemesh-conformance watch`: judge a server again whenever it changed."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conformance.commands.shell import options, reports
from conformance.commands.shell.exits import FAILED, OK
from conformance.settings.options import UsageError

if TYPE_CHECKING:
    from conformance.report.report import Report
    from conformance.report.rounds import Seen
    from conformance.running.rounds import Rounds

DOWN_FOR = 2.0
"""Seconds for which the server may be gone before a recording ends: it is going to come back, and is then asked."""
_KEYS = {"a": "all", "f": "failed", "q": "quit"}


@click.command("watch", cls=options.Command, short_help="Judge a server again whenever it changed.")
@options.target
@options.option(
    "--on", "Judge again if this changes; repeatable.",
    topic="When", metavar="PATH", multiple=True, type=click.Path(),
)  # fmt: skip
@options.option("--start", "Starts the server, and again at a change.", topic="When", metavar="COMMAND")
@options.option("--rounds", "End after so many rounds.", metavar="N", type=click.IntRange(min=1))
@options.of_run(brief=True)
@options.output(brief=True)
@options.config(topic="")
@options.help_all
@options.debug
def command(
    url: str | None, on: tuple[str, ...], start: str | None, rounds: int | None,
    config: str | None, output: str | None, **given: Any,
) -> int:  # fmt: skip
    """Judge a server, and again whenever its port comes back or a file changes.

    What failed last time is judged first, then everything. The screen says what
    changed and what to mend next. Keys: a judges everything, f what failed, o opens
    the report, q quits. The exit code is that of the last round.

    \b
    Example:
      kitemesh-conformance watch http://127.0.0.1:8080/v1 --model group:<uuid> \\
        --no-approvals --on src --start 'node server.js'
    """
    from conformance.judging.selecting import known_failures, selected_ids
    from conformance.report.directory import REPORT, RESULTS
    from conformance.running import discovery, latest
    from conformance.running.rounds import Rounds, watch_files
    from conformance.running.started import Started
    from conformance.settings import config_file

    discovery.discover()
    file = config_file.find(config, os.environ)
    chosen = config_file.options(url, given, os.environ, file)
    if chosen.url is None:
        raise UsageError("watch needs a server: give its URL, or a target of conformance.toml.")
    chosen.of_one_version()
    selected_ids(chosen)
    known_failures(chosen)
    if missing := [path for path in on if not Path(path).exists()]:
        raise UsageError(f"--on {missing[0]!r} does not exist; name a file or a folder that does.")
    directory = Path(config_file.output(output, os.environ, file.target(url, os.environ)).value)
    reports.prepare(directory)
    server = Started(start, directory / "server.log") if start is not None else None
    failing = latest.failed(directory, chosen) if (directory / RESULTS).exists() else ()
    kept: list[Report] = []

    def keep(report: Report) -> None:
        kept[:] = [report]
        with suppress(OSError):  # the next round may be able to
            report.write(directory)

    chosen = replace(chosen, down_for=min(chosen.down_for, DOWN_FOR))
    ended = threading.Event()
    with _shown(chosen.url or "") as (show, interactive):
        made = Rounds(chosen, show, keep, server)
        if on:
            tell: Callable[[str], None] = lambda name: made.events.put(("files", name))  # noqa: E731
            watching = (tuple(map(Path, on)), tell, ended)
            threading.Thread(target=watch_files, args=watching, name="files", daemon=True).start()
        try:
            with _keys(made, directory / REPORT) if interactive else nullcontext():
                made.follow(failing, rounds)
        except KeyboardInterrupt:
            pass
        finally:
            ended.set()
    return int(kept[-1].exit_code()) if kept else FAILED if made.seen.failing else OK


@contextmanager
def _shown(target: str) -> Iterator[tuple[Callable[[Seen], None], bool]]:
    """What shows the rounds: a screen that keeps still; where nobody looks at one, lines."""
    from rich.live import Live

    from conformance.report import rounds, terminal
    from conformance.report.rounds import Seen

    console = terminal.console()
    if not console.is_terminal or console.is_dumb_terminal:
        latest = [Seen()]

        def tell(seen: Seen) -> None:
            for line in rounds.lines(seen, latest[0]):
                console.print(line)
            sys.stdout.flush()
            latest[0] = seen

        yield tell, False
        return
    with Live(rounds.screen(Seen(), target), console=console, screen=True, refresh_per_second=8) as live:
        yield lambda seen: live.update(rounds.screen(seen, target)), sys.stdin.isatty()


@contextmanager
def _keys(made: Rounds, report: Path) -> Iterator[None]:
    """Hear keys while it lasts, one at a time and without their showing."""
    import termios
    import tty

    stream = sys.stdin.fileno()
    before = termios.tcgetattr(stream)
    tty.setcbreak(stream)

    def hear() -> None:
        while key := os.read(stream, 1).decode("ascii", "replace").lower():
            if key == "o":
                click.launch(report.absolute().as_uri())
            elif key in _KEYS:
                made.events.put((_KEYS[key], None))

    threading.Thread(target=hear, name="keys", daemon=True).start()
    try:
        yield
    finally:
        termios.tcsetattr(stream, termios.TCSADRAIN, before)
