"""What a watch shows: one screen that keeps still, or lines where nobody looks at a screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from rich.console import Group
from rich.text import Text

from conformance.contract.catalogue import Level
from conformance.report.breach import next_step
from conformance.report.report import Report
from conformance.transcript.excerpt import excerpt
from conformance.wire.progress import Progress

MOST = 12
"""The most requirements that are listed."""
KEYS = "a: everything   f: only what failed   o: open the report   q: quit"


class Doing(StrEnum):
    """What a watch is at."""

    WAITING = "waiting for the server"
    FAILED = "judging what failed"
    ALL = "judging everything"
    RESTING = "waiting for a change"
    GONE = "the server that was started has ended"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is to be shown."""

    doing: Doing = Doing.WAITING
    why: str = ""
    """What began this round."""
    number: int = 0
    """Of the round."""
    progress: Progress | None = None
    report: Report | None = None
    """Of the latest judgement."""
    failing: tuple[str, ...] = ()
    """Ids of the requirements that fail, as far as is known."""
    newly: tuple[str, ...] = ()
    """Those of them that did not fail before this round."""
    mended: tuple[str, ...] = ()
    """Those that failed before it, and do not any more."""
    problem: str = ""
    """Why there is no judgement."""


def screen(seen: Seen, target: str) -> Group:
    """The whole of it."""
    lines = [
        _still(("KiteMesh conformance ", "bold"), excerpt(target, 60)),
        _still((_doing(seen), "cyan")),
        _still(f"round {seen.number}: {excerpt(seen.why, 60)}" if seen.number else ""),
        Text(),
        *_verdict(seen),
        *_changes(seen),
        *_failing(seen),
        *_next(seen),
        Text(),
        Text(KEYS, "dim"),
    ]
    return Group(*lines)


def _still(*parts: str | tuple[str, str]) -> Text:
    """One line, whatever it says: nothing below it moves."""
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def lines(seen: Seen, before: Seen) -> Iterator[Text]:
    """What is new, for a log."""
    if seen.number != before.number or (seen.doing is not before.doing and seen.doing is not Doing.RESTING):
        yield Text(_doing(seen) + (f" (round {seen.number}: {excerpt(seen.why, 80)})" if seen.number else ""))
    if seen.problem != before.problem and seen.problem:
        yield Text(excerpt(seen.problem, 300))
    if seen.report is not before.report and seen.report is not None:
        yield from _verdict(seen)
        yield from _changes(seen)
        yield from _failing(seen)
        yield from _next(seen)
        yield Text()


def _doing(seen: Seen) -> str:
    if seen.progress is None:
        return seen.doing.value
    at = seen.progress
    return f"{seen.doing.value}: {at.phase}, {at.done} of at most {max(at.planned, at.done)} {at.unit}"


def _verdict(seen: Seen) -> Iterator[Text]:
    if seen.problem:
        yield Text(excerpt(seen.problem, 300), "yellow")
    if seen.report is None:
        return
    if seen.doing in (Doing.FAILED, Doing.ALL):
        yield Text("no verdict yet", "dim")
        return
    verdict = seen.report.verdict
    style = "bold red" if seen.failing else "bold green"
    yield Text.assemble((verdict.conclusion.value.upper(), style), f" ({verdict.scope} scope)")


def _changes(seen: Seen) -> Iterator[Text]:
    for word, ids, style in (("mended", seen.mended, "green"), ("new", seen.newly, "red")):
        if ids:
            more = f" and {len(ids) - MOST} more" if len(ids) > MOST else ""
            yield Text.assemble((f"{word}: ", style), ", ".join(ids[:MOST]) + more)


def _failing(seen: Seen) -> Iterator[Text]:
    if seen.report is None:
        return
    for id_ in seen.failing[:MOST]:
        outcome = seen.report.verdict[id_]
        style = "red" if outcome.requirement.level is Level.MUST else "yellow"
        said = excerpt(outcome.findings[0].message, 200) if outcome.findings else "not judged yet"
        yield Text.assemble((f"  {id_}", style), f"  {said}")
    if len(seen.failing) > MOST:
        yield Text(f"  and {len(seen.failing) - MOST} more, in the report")


def _next(seen: Seen) -> Iterator[Text]:
    if seen.report is not None and (step := next_step(seen.report)):
        yield Text.assemble(("Next: ", "bold"), excerpt(step, 600))
