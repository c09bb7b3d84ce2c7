"""What a person sees in the terminal: how far the recording has come, and then the whole verdict in 80 columns."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from conformance.contract.catalogue import Level
from conformance.judging.result import Result
from conformance.judging.verdict import Conclusion
from conformance.report import github, tally
from conformance.report.breach import Line, advice, finding_lines, gate_lines, headline, next_step, shown_findings
from conformance.report.curl import curl
from conformance.report.target import exchanges_by_name, of_somebody_else, suspected, target_model, target_name
from conformance.report.way import way_of
from conformance.settings.version import VERSION
from conformance.transcript.excerpt import excerpt, harmless
from conformance.wire.progress import Progress

WIDTH = 80
SUSPECTS = 6
"""The most requests that are shown, of those that were under way when the target went down."""
"""Columns where the width is not known, and the most that a paragraph takes."""

_STYLE = {
    Conclusion.CONFORMANT: "bold green",
    Conclusion.NONCONFORMANT: "bold red",
    Conclusion.INCONCLUSIVE: "bold yellow",
    Conclusion.ERROR: "bold magenta",
}
_COLUMNS = {
    "passed": "green",
    "failed": "red",
    "warned": "yellow",
    "blocked": "cyan",
    "not exercised": "yellow",
    "left out": "dim",
}


def console(stream: TextIO | None = None, *, stderr: bool = False) -> Console:
    """A console that takes nothing for markup, and is plain where NO_COLOR is set or nobody watches."""
    plain = bool(os.environ.get("NO_COLOR"))
    made = Console(
        file=stream,
        stderr=stderr,
        color_system=None if plain else "auto",
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=False,
    )
    if not made.is_terminal or made.width > 100:
        made.width = 100 if made.is_terminal else WIDTH
    return made


@contextmanager
def meter(screen: Console, target: str) -> Iterator[Callable[[Progress], None]]:
    """How far a recording has come, while the context lasts.

    A line that changes; where `screen` is not a terminal or has to be plain (a job's log), one line at the start, at
    each phase, and every ten seconds.

    Args:
        screen: on standard error.
        target: what is judged, for the first line.
    """
    if not screen.is_terminal or screen.is_dumb_terminal or screen.color_system is None:
        with _lines(screen, target) as tell:
            yield tell
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=24, complete_style="green"),
        TextColumn("{task.completed:.0f} of at most {task.total:.0f} {task.fields[unit]}{task.fields[more]}"),
    )
    with Bar(*columns, console=screen, transient=True) as progress:
        task = progress.add_task("starting", total=1, more="", unit="requests")

        def update(how_far: Progress) -> None:
            total = max(how_far.planned, how_far.done, 1)
            more = _more(how_far)
            progress.update(task, description=how_far.phase, completed=how_far.done, total=total)
            progress.update(task, more=more, unit=how_far.unit)

        yield update


EVERY = 10.0
"""Seconds between two lines of a plain meter."""


@contextmanager
def _lines(screen: Console, target: str, every: float = EVERY) -> Iterator[Callable[[Progress], None]]:
    begun = time.monotonic()
    latest: list[Progress] = []
    ended = threading.Event()

    def say() -> None:
        seconds = time.monotonic() - begun
        if not latest:
            told = "no answer has come yet"
        else:
            of = f"{latest[-1].done} of at most {max(latest[-1].planned, latest[-1].done)} {latest[-1].unit}"
            told = f"{latest[-1].phase}, {of}{_more(latest[-1])}"
        line = f"{seconds:4.0f} s  {told}"
        screen.print(Text(harmless(line) if github.active() else line), soft_wrap=True)

    def now_and_then() -> None:
        while not ended.wait(every):
            say()

    def update(how_far: Progress) -> None:
        changed = not latest or latest[-1].phase != how_far.phase
        latest[:] = [how_far]
        if changed:
            say()

    screen.print(Text(f"Judging {excerpt(target, 300)}"), soft_wrap=True)
    clock = threading.Thread(target=now_and_then, name="progress", daemon=True)
    clock.start()
    try:
        yield update
    finally:
        ended.set()
        clock.join()


def _more(how_far: Progress) -> str:
    """What was charged, and what is waited for."""
    charged = f", {how_far.credits:g} credits" if how_far.credits else ""
    return f"{charged}; {excerpt(how_far.note, 120)}" if how_far.note else charged


def show(result: Result, screen: Console, written: Iterable[Path] = ()) -> None:
    """The whole summary: what was judged, each breach, what was not judged, the verdict."""
    _show_head(result, screen)
    _show_areas(result, screen)
    _show_breaches(result, screen)
    show_open(result, screen)
    show_end(result, screen, written)


def text(result: Result, written: Iterable[Path] = ()) -> str:
    """The summary without the findings, as plain text: for where these are shown already."""
    held = io.StringIO()
    screen = console(held)
    _show_areas(result, screen)
    show_open(result, screen)
    show_end(result, screen, written)
    return held.getvalue()


def paragraphs(lines: Iterable[tuple[str, str]]) -> str:
    """Plain text in the columns of a screen whose width is not known: each line's lead, and its text beside it."""
    held = io.StringIO()
    screen = console(held)
    for lead, words in lines:
        if words:
            _paragraph(screen, Text(words), lead)
        else:
            screen.print()
    return held.getvalue()


def show_end(result: Result, screen: Console, written: Iterable[Path] = ()) -> None:
    """The verdict and the gate with the exit code, where the reports are, and what to do next."""
    verdict = result.verdict
    _show_baseline(result, screen)
    screen.print()
    for note in result.notes:
        _paragraph(screen, Text(excerpt(note, 1000)), "Note: ")
    for exchange in suspected(result)[:SUSPECTS]:
        line = curl(exchange, way_of(result.transcript))
        screen.print(Text(f"  again  {excerpt(line, 1000)}"), soft_wrap=True)
    paths = list(written)
    if paths:
        parent = paths[0].parent
        screen.print(Text(f"Reports in {parent}: {', '.join(path.name for path in paths)}"), soft_wrap=True)
    text = Text.assemble((verdict.conclusion.upper(), _STYLE[verdict.conclusion]))
    gate = result.gate
    code = f"exit code {int(result.exit_code())}"
    told = [] if of_somebody_else(result) else [f"{verdict.scope} scope"]
    told += ["interrupted"] if result.interrupted else []
    told += [code] if gate.baseline is None else []
    lead = f" ({', '.join(told)})" if told else ""
    text.append(f"{lead}: {excerpt(verdict.sentence, 2000)}")
    _paragraph(screen, text, "")
    if gate.baseline is not None:
        decision = ("GATE PASSED", "bold green") if gate.passed else ("GATE FAILED", "bold red")
        _paragraph(screen, Text.assemble(decision, f" ({code}): {excerpt(gate.sentence, 2000)}"), "")
    if step := next_step(result):
        _paragraph(screen, Text(step), "Next: ")


def _show_baseline(result: Result, screen: Console) -> None:
    """What the baseline accepts of this run, and what is wrong with it."""
    gate = result.gate
    if gate.baseline is None:
        return
    screen.print()
    screen.print(Text(f"Baseline {excerpt(gate.baseline)}", "bold"), soft_wrap=True)
    for line in gate_lines(gate):
        _paragraph(screen, Text(line.text), f"  {line.label:<9} ")


def show_open(result: Result, screen: Console) -> None:
    """What was not judged, by reason, and where the suite itself failed."""
    groups = tally.unjudged(result.verdict)
    if groups:
        screen.print()
        screen.print(Text("Not judged", "bold"))
    for (state, reason), outcomes in groups.items():
        _paragraph(screen, Text(f"{state}: {excerpt(reason)}", "cyan"), "  ")
        _paragraph(screen, Text(tally.names(outcomes, result.verdict)), "    ")
    for outcome in tally.errors(result.verdict):
        screen.print()
        screen.print(Text(f"The suite itself failed on {outcome.requirement.id}: {excerpt(outcome.reason)}", "magenta"))


def _show_head(result: Result, screen: Console) -> None:
    seconds = max(0.0, result.ended - result.started)
    screen.print(Text(f"KiteMesh conformance {VERSION}", "bold"))
    screen.print(Text(f"Target {excerpt(target_name(result)) or 'unknown'}"), soft_wrap=True)
    screen.print(Text(f"Model {excerpt(target_model(result) or 'unknown')}"), soft_wrap=True)
    excused, judged = result.excused
    more = f"; {excused} of {judged} excused" if excused else ""
    if of_somebody_else(result):
        maker = excerpt(result.transcript.creator or "somebody else", 80)
        screen.print(Text(f"Recorded by {maker}; {len(result.transcript)} requests judged{more}"), soft_wrap=True)
        return
    screen.print(
        Text(
            f"Depth {result.options.depth}, seed {result.seed}; {len(result.transcript)} requests"
            f" in {seconds:.1f} s{more}; {result.credits:g} credits charged"
        )
    )


def _show_areas(result: Result, screen: Console) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("area")
    for name in _COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for row in tally.rows(result.verdict):
        table.add_row(*_cells(row))
    table.add_row(*_cells(tally.total(result.verdict)), style="bold")
    screen.print()
    screen.print(table)


def _cells(row: tally.AreaTally) -> list[Text]:
    counts = (row.passed, row.failed, row.warned, row.blocked, row.open, row.left_out)
    styles = _COLUMNS.values()
    return [
        Text(row.area),
        *(Text(str(count), style if count else "dim") for count, style in zip(counts, styles, strict=True)),
    ]


def _show_breaches(result: Result, screen: Console) -> None:
    exchanges = exchanges_by_name(result.transcript)
    for outcome in tally.broken(result.verdict):
        screen.print()
        style = "bold red" if outcome.requirement.level is Level.MUST else "bold yellow"
        _paragraph(screen, Text(headline(outcome), style), "")
        findings, left = shown_findings(outcome)
        for finding in findings:
            for line in finding_lines(finding, exchanges, way_of(result.transcript)):
                _show_line(line, screen)
        if left:
            _show_line(Line("", f"and {left} more, in results.json"), screen)
        for line in advice(outcome, exchanges):
            _show_line(line, screen)
        if known := result.gate.reason(outcome.requirement.id):
            _show_line(Line("known", excerpt(known)), screen)


def _show_line(line: Line, screen: Console) -> None:
    if line.label == "again":
        # No line end of ours may get into a command that is going to be copied.
        screen.print(Text.assemble(("  again     ", "dim"), line.text), soft_wrap=True)
    else:
        _paragraph(screen, Text(line.text), f"  {line.label:<10}" if line.label else "  ")


def _paragraph(screen: Console, text: Text, lead: str) -> None:
    """The text in lines of the screen's width, the first after `lead`, the others below it; no trailing blanks."""
    for line in text.wrap(screen, screen.width - len(lead)):
        line.rstrip()
        screen.print(Text.assemble((lead, "dim"), line))
        lead = " " * len(lead)
