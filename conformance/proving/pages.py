"""A proof of the suite as people read it: in the terminal within 80 columns, and as a page of Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from conformance.contract.catalogue import Catalogue
from conformance.proving.proof import (
    FREE_KNOCK_ONS,
    Case,
    Problem,
    Proof,
    TargetKind,
    document,
    faults,
    median_knock_ons,
    most_knock_ons,
    rows,
    total,
    unproven,
    variations,
)
from conformance.report.summary import plain
from conformance.transcript.excerpt import excerpt

_COLUMNS = ("area", "faults", "caught", "missed", "wrongly blamed", "knock-ons")
_TITLES = {
    Problem.MISSED: "Missed: no requirement failed",
    Problem.WRONGLY_BLAMED: "Wrongly blamed: others failed instead",
    Problem.FALSE_ALARM: "False alarms: what fails is not broken there",
    Problem.NOT_EXERCISED: "Not exercised, without a reason that is written down",
    Problem.KNOCK_ONS: f"More than {FREE_KNOCK_ONS} knock-ons, without a reason that is written down",
    Problem.NOT_ACCOUNTED_FOR: "Not accounted for: a gate that knows the failures would not pass",
    Problem.SUITE_ERROR: "The suite itself failed",
}


@contextmanager
def meter(screen: Console, planned: int) -> Iterator[Callable[[Case], None]]:
    """A progress line while the context lasts. Nothing at all where `screen` is not a terminal or has to be plain."""
    if not screen.is_terminal or screen.is_dumb_terminal or screen.color_system is None:
        yield lambda case: None
        return
    columns = (
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f} of {task.total:.0f} servers{task.fields[more]}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=screen, transient=True) as progress:
        task = progress.add_task("", total=planned, more="")
        wrong: dict[str, bool] = {}

        def update(case: Case) -> None:
            wrong[case.target.key] = bool(case.problems)
            count = sum(wrong.values())
            progress.update(task, completed=len(wrong), more=f", {count} with a problem" if count else "")

        yield update


def show(proof: Proof, catalogue: Catalogue, screen: Console) -> None:
    """The matrix, each problem on lines of its own, the totals."""
    for line in _head(proof):
        screen.print(Text(line))
    if faults(proof):
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(_COLUMNS[0])
        for name in _COLUMNS[1:]:
            table.add_column(name, justify="right", no_wrap=True)
        for cells in _matrix(proof, catalogue):
            table.add_row(*cells)
        screen.print()
        screen.print(table)
    for problem, cases in _problems(proof).items():
        screen.print()
        screen.print(Text(_TITLES[problem], "bold red"))
        for case in cases:
            for lead, line in _told(problem, case):
                _paragraph(screen, lead, line)
    screen.print()
    for line in _totals(proof, catalogue):
        _paragraph(screen, "", line)
    verdict = Text("The proof holds.", "bold green") if proof.holds else Text("The proof fails.", "bold red")
    screen.print(verdict)


def markdown(proof: Proof, catalogue: Catalogue) -> str:
    """The page: totals, the matrix, the problems, and every fault and variation with what became of it."""
    return "\n".join(_page(proof, catalogue)) + "\n"


def write(proof: Proof, catalogue: Catalogue, directory: Path) -> list[Path]:
    """Write `prove.json` and `prove.md`; gives their paths.

    Raises:
        OSError: a file cannot be written.
    """
    contents = {
        "prove.json": json.dumps(document(proof, catalogue), indent=2, ensure_ascii=False) + "\n",
        "prove.md": markdown(proof, catalogue),
    }
    for name, text in contents.items():
        (directory / name).write_bytes(text.encode("utf-8", "backslashreplace"))
    return [directory / name for name in contents]


def _head(proof: Proof) -> Iterator[str]:
    requests = sum(case.requests for case in proof.cases)
    servers = f"{len(proof.cases)} server{'s' if len(proof.cases) != 1 else ''}"
    told = f"{servers}, {requests:,} requests in {proof.seconds:.0f} s, seed {proof.seed}"
    yield f"Proof of the suite {proof.version}: {told}"


def _matrix(proof: Proof, catalogue: Catalogue) -> Iterator[tuple[str, ...]]:
    for row in [*rows(proof, catalogue), total(proof)]:
        counts = (row.faults, row.caught, row.missed, row.wrongly_blamed, row.knock_ons)
        yield row.area, *map(str, counts)


def _problems(proof: Proof) -> dict[Problem, list[Case]]:
    """The problems that there are, with the cases that have them."""
    found = {problem: [case for case in proof.cases if problem in case.problems] for problem in Problem}
    return {problem: cases for problem, cases in found.items() if cases}


def _told(problem: Problem, case: Case) -> Iterator[tuple[str, str]]:
    """A case with a problem: lead and text of each line."""
    target = case.target
    what = f"{target.id}: {target.summary}"
    yield "  ", f"{what} [{target.requirement}]" if target.requirement else what
    match problem:
        case Problem.NOT_EXERCISED:
            for requirement, reason in case.open:
                yield "    ", f"{requirement}: {excerpt(reason, 200)}"
        case Problem.NOT_ACCOUNTED_FOR:
            yield "    ", excerpt(case.hidden, 300)
        case Problem.SUITE_ERROR:
            for requirement, message in case.errors:
                yield "    ", f"{requirement or 'the whole run'}: {excerpt(message, 300)}"
        case _:
            failures = case.knock_ons if case.caught else case.failures
            for f in failures:
                yield (
                    "    ",
                    f"{f.requirement} ({f.level}): {excerpt(f.message)}; {excerpt(f.observed, 120)}; {f.place}",
                )


def _totals(proof: Proof, catalogue: Catalogue) -> Iterator[str]:
    row = total(proof)
    if row.faults:
        yield (
            f"Faults: {row.caught} of {row.faults} caught, {row.missed} missed, {row.wrongly_blamed} wrongly blamed; "
            f"knock-ons: {row.knock_ons} in all, median {median_knock_ons(proof):g}, at most {most_knock_ons(proof)}."
        )
    for case in faults(proof):
        if len(case.knock_ons) > FREE_KNOCK_ONS and case.target.knock_ons:
            yield f"{case.target.id} has {len(case.knock_ons)} knock-ons: {case.target.knock_ons}."
    for case in proof.cases:
        if case.target.kind is TargetKind.CONFORMING:
            judged = len(catalogue) - len(case.failures) - len(case.open) - len(case.errors)
            yield f"Conforming server: {judged} of {len(catalogue)} requirements passed."
    if free := variations(proof):
        alarms = sum(Problem.FALSE_ALARM in case.problems for case in free)
        yield f"Variations: {len(free) - alarms} of {len(free)} let through, {alarms} with a false alarm."
    for case in proof.cases:
        if case.passing:
            yield f"Not seen again at a second try of {case.target.id}: {', '.join(case.passing)}."


def _paragraph(screen: Console, lead: str, text: str) -> None:
    """The text in lines of the screen's width, those after the first indented further."""
    indent = lead
    for line in Text(text).wrap(screen, screen.width - len(lead) - 2):
        line.rstrip()
        screen.print(Text(indent) + line)
        indent = f"{lead}  "


def _page(proof: Proof, catalogue: Catalogue) -> Iterator[str]:
    yield f"# The suite, proved: {'it holds' if proof.holds else 'it fails'}"
    yield ""
    yield from _head(proof)
    yield ""
    for line in _totals(proof, catalogue):
        yield f"- {plain(line)}"
    if len(faults(proof)) > len(catalogue) and (without := unproven(proof, catalogue)):
        yield f"- Caught by no fault: {', '.join(without)}."
    if faults(proof):
        yield ""
        yield f"| {' | '.join(_COLUMNS)} |"
        yield f"| --- {'| ---: ' * (len(_COLUMNS) - 1)}|"
        for cells in _matrix(proof, catalogue):
            yield f"| {' | '.join(cells)} |"
    for problem, cases in _problems(proof).items():
        yield ""
        yield f"## {_TITLES[problem]}"
        yield ""
        for case in cases:
            for lead, line in _told(problem, case):
                yield f"{lead[2:]}- {plain(line)}"
    if faults(proof):
        yield ""
        yield "## Faults"
        yield ""
        yield "| fault | what the server does | seen in | to be blamed | blamed | knock-ons |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for case in faults(proof):
            yield _fault_row(case)
    if variations(proof):
        yield ""
        yield "## Variations"
        yield ""
        yield "| variation | what the server does | legitimate because | failed | not exercised |"
        yield "| --- | --- | --- | --- | --- |"
        for case in variations(proof):
            target = case.target
            failed = ", ".join(f.requirement for f in case.failures) or "nothing"
            left = ", ".join(id_ for id_, _ in case.open)
            yield f"| {target.id} | {plain(target.summary)} | {plain(target.source)} | {failed} | {left} |"


def _fault_row(case: Case) -> str:
    target = case.target
    right = "yes" if case.caught else ", ".join(f.requirement for f in case.failures) or "no"
    others = ", ".join(f.requirement for f in case.knock_ons)
    cells = (target.id, plain(target.summary), plain(target.source), target.requirement or "", right, others)
    return f"| {' | '.join(cells)} |"
