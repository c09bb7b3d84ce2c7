"""What came of a soak, for people and programs: the terminal, soak.json, soak.md, and a HAR of the examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.contract.catalogue import Level
from conformance.judging.verdict import Conclusion, Outcome, State
from conformance.report.breach import advice, finding_lines, headline
from conformance.report.curl import curl
from conformance.report.directory import write_whole
from conformance.report.summary import cell, code, plain
from conformance.report.terminal import paragraphs
from conformance.settings.version import VERSION
from conformance.soak.gathering import Gathering
from conformance.soak.window import JUDGED, left_out
from conformance.transcript import har_writer
from conformance.transcript.excerpt import excerpt
from conformance.transcript.exchange import Exchange, Transcript

FORMAT = 1
JSON, MARKDOWN, EXAMPLES = "soak.json", "soak.md", "soak.har"
MEBIBYTE = 2**20

_STYLE = {
    Conclusion.CONFORMANT: "bold green",
    Conclusion.NONCONFORMANT: "bold red",
    Conclusion.INCONCLUSIVE: "bold yellow",
    Conclusion.ERROR: "bold magenta",
}


# --- what is told, wherever it is


def _broken(made: Gathering) -> list[Outcome]:
    """The requirements that were broken, a MUST first."""
    failed = [outcome for outcome in made.verdict().outcomes if outcome.state is State.FAILED]
    return sorted(failed, key=lambda outcome: outcome.requirement.level is not Level.MUST)


def _count(made: Gathering, id_: str) -> str:
    return f"{made.broken[id_]} of the {made.judged[id_]} exchanges that it was judged on break it"


def _exchanges(made: Gathering) -> dict[str, Exchange]:
    return {example.exchange.name: example.exchange for example in made.examples.values()}


def notes(made: Gathering) -> Iterator[str]:
    """What has to be said beside the counts."""
    workers = [worker for worker in made.workers.values() if worker.stopped]
    for reason in sorted({worker.stopped for worker in workers}):
        told = [str(number) for number in sorted(w.number for w in workers if w.stopped == reason)]
        yield f"Worker{'s' if len(told) > 1 else ''} {', '.join(told)} sent nothing more: {reason}."
    for worker in made.workers.values():
        if worker.interrupted and not made.interrupted:
            yield f"Worker {worker.number} was interrupted before the end; what it had judged by then counts."
    if made.load.users == 1:
        yield "One user alone cannot show isolation: it was not judged."
    seconds = max(0.001, made.ended - made.started)
    if made.held > 0.05 * seconds * made.load.users:
        yield (
            f"Users waited {made.held:.0f} s together for judging to keep up, so the load was less than they could "
            "make; more workers, on more cores, judge more."
        )
    if made.options.max_requests is not None or made.options.max_credits is not None:
        yield "The budgets (--max-requests, --max-credits) were shared out evenly among the workers."
    if forgotten := sum(made.forgotten.values()):
        yield f"{forgotten} ids were forgotten to make room for newer ones: if they came again, it was not noticed."
    if made.untold:
        yield f"{made.untold} ids were not compared between workers: there were too many for one message."
    yield from made.notes


def _memory(made: Gathering) -> Iterator[tuple[int, str]]:
    for number, (warm, last, most) in made.memory().items():
        told = (octets / MEBIBYTE for octets in (warm, last, most))
        yield number, "{:.0f} MiB after a third of the time, {:.0f} at the end, {:.0f} at most".format(*told)


# --- the terminal


@contextmanager
def meter(screen: Console, begun: Callable[[], None]) -> Iterator[Callable[[Gathering, float], None]]:
    """What tells how far it is: calls `begun` once, and shows a line where somebody watches."""
    watched = screen.is_terminal and not screen.is_dumb_terminal and screen.color_system is not None
    status = screen.status("") if watched else None
    first = True

    def update(made: Gathering, passed: float) -> None:
        nonlocal first
        if first:
            first = False
            begun()
            if status is not None:
                status.start()
        if status is not None:
            breaches = sum(made.broken.values())
            status.update(
                f"{passed:.0f} of {made.load.duration:.0f} s: {made.requests} requests, {made.exchanges} judged, "
                f"{breaches} breach{'' if breaches == 1 else 'es'}"
            )

    try:
        yield update
    finally:
        if status is not None:
            status.stop()


def show(made: Gathering, screen: Console, written: tuple[Path, ...] = ()) -> None:
    """All of it, in the columns of the screen."""
    _head(made, screen)
    _times(made, screen)
    exchanges = _exchanges(made)
    for outcome in _broken(made):
        screen.print()
        style = "bold red" if outcome.requirement.level is Level.MUST else "bold yellow"
        lines = [("", headline(outcome)), ("  ", f"{_count(made, outcome.requirement.id)}; the first:")]
        _print(lines, screen, style)
        for finding in outcome.findings:
            for line in (*finding_lines(finding, exchanges), *advice(outcome, exchanges)):
                if line.label == "again":
                    # No line end of ours may get into a command that is going to be copied.
                    screen.print(Text.assemble(("  again     ", "dim"), line.text), soft_wrap=True)
                else:
                    _print([(f"  {line.label:<10}" if line.label else "  ", line.text)], screen)
    screen.print()
    _print([("Not judged under load: ", f"{len(ids)} for {reason}") for reason, ids in left_out().items()], screen)
    for number, told in _memory(made):
        _print([(f"Memory of worker {number}: ", told)], screen)
    for note in notes(made):
        _print([("Note: ", excerpt(note, 1000))], screen)
    if written:
        screen.print(Text(f"Reports in {written[0].parent}: {', '.join(p.name for p in written)}"), soft_wrap=True)
    verdict = made.verdict()
    word = "INTERRUPTED, " if made.interrupted else ""
    _print(
        [("", f"{word}{verdict.conclusion.upper()} under load (exit code {int(made.exit_code())}): {sentence(made)}")],
        screen,
        _STYLE[verdict.conclusion],
    )


def sentence(made: Gathering) -> str:
    """The verdict in a sentence; what it does not say is told with it."""
    verdict = made.verdict()
    if verdict.conclusion is Conclusion.CONFORMANT:
        return f"{verdict.sentence.rstrip('.')}, in {made.exchanges} exchanges; run judges the rest."
    return verdict.sentence


def farewell(made: Gathering) -> str:
    """What a worker says when it is done; the verdict is the master's."""
    number = next(iter(made.workers), 0)
    word = "was interrupted" if made.interrupted else "is done"
    return f"Worker {number} {word}: {made.requests} requests, {made.exchanges} exchanges judged. The master says more."


def _head(made: Gathering, screen: Console) -> None:
    seconds = max(0.0, made.ended - made.started)
    screen.print(Text(f"KiteMesh conformance {VERSION}, soak", "bold"))
    screen.print(Text(f"Target {excerpt(made.options.url or 'unknown')}"), soft_wrap=True)
    screen.print(Text(f"Model {excerpt(made.options.model or 'unknown')}"), soft_wrap=True)
    workers = len(made.workers)
    _print(
        [
            (
                "",
                f"{made.load.users} users, {workers} worker{'' if workers == 1 else 's'}, {seconds:.0f} s; "
                f"{made.requests} requests, {made.exchanges} judged in {made.windows} windows; "
                f"{made.credits:g} credits charged",
            ),
            *((f"{count:>9} ", excerpt(fate, 80)) for fate, count in made.fates.most_common(8)),
        ],
        screen,
    )


def _times(made: Gathering, screen: Console) -> None:
    if not made.rows:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("times in ms")
    for name in ("count", "per second", "p50", "p95", "p99", "most"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in made.rows:
        values = (row.p50, row.p95, row.p99, row.most)
        table.add_row(row.name, str(row.count), f"{row.per_second:.1f}", *(f"{value:.0f}" for value in values))
    screen.print()
    screen.print(table)


def _print(lines: list[tuple[str, str]], screen: Console, style: str = "") -> None:
    screen.print(Text(paragraphs(lines).rstrip("\n"), style))


# --- files


def write(made: Gathering, directory: Path) -> tuple[Path, ...]:
    """Write soak.json, soak.md and, where there are any, the examples; one of an earlier soak is removed.

    Raises:
        OSError: a file cannot be written.
    """
    written = [
        write_whole(directory / JSON, (json.dumps(document(made), indent=1) + "\n").encode("ascii")),
        write_whole(directory / MARKDOWN, page(made).encode("utf-8")),
    ]
    exchanges = tuple(sorted(_exchanges(made).values(), key=lambda exchange: exchange.started))
    if exchanges:
        kept = {**made.options.recorded(), "suite": VERSION}
        transcript = Transcript(exchanges, kept, f"kitemesh-conformance {VERSION} soak")
        written.append(
            write_whole(directory / EXAMPLES, har_writer.dumps(transcript).encode("utf-8", "backslashreplace"))
        )
    else:
        (directory / EXAMPLES).unlink(missing_ok=True)
    return tuple(written)


def document(made: Gathering) -> dict[str, Any]:
    """soak.json, format 1: `schemas/soak.schema.json`."""
    verdict = made.verdict()
    exchanges = _exchanges(made)
    excused, of = made.excused
    return {
        "format": FORMAT,
        "suite": {"name": "kitemesh-conformance", "version": VERSION},
        "target": {"url": made.options.url, "model": made.options.model},
        "verdict": verdict.conclusion.value,
        "sentence": sentence(made),
        "exit_code": int(made.exit_code()),
        "interrupted": made.interrupted,
        "started": _stamp(made.started),
        "ended": _stamp(made.ended),
        "load": {
            "users": made.load.users,
            "duration": made.load.duration,
            "spawn_rate": made.load.rate,
            "workers": len(made.workers),
        },
        "totals": {
            "requests": made.requests,
            "judged": made.exchanges,
            "windows": made.windows,
            "credits_charged": made.credits,
            "seconds": round(max(0.0, made.ended - made.started), 3),
            "seconds_held": round(made.held, 3),
            "excused": excused,
            "of": of,
            "by_fate": dict(made.fates.most_common()),
        },
        "times_ms": [
            {
                "name": row.name,
                "count": row.count,
                "per_second": round(row.per_second, 3),
                **{name: round(getattr(row, name), 3) for name in ("p50", "p95", "p99")},
                "max": round(row.most, 3),
            }
            for row in made.rows
        ],
        "requirements": [_requirement(made, id_, exchanges) for id_ in JUDGED if made.judged[id_] or made.broken[id_]],
        "left_out": [{"reason": reason, "requirements": list(ids)} for reason, ids in left_out().items()],
        "workers": [
            {
                "number": worker.number,
                "requests": worker.requests,
                "judged": worker.exchanges,
                "complete": worker.final,
                "stopped": worker.stopped,
                "memory": [{"seconds": at, "octets": octets} for at, octets in worker.memory],
            }
            for _, worker in sorted(made.workers.items())
        ],
        "notes": list(notes(made)),
    }


def _requirement(made: Gathering, id_: str, exchanges: dict[str, Exchange]) -> dict[str, Any]:
    level = next(o.requirement.level for o in made.verdict().outcomes if o.requirement.id == id_)
    told: dict[str, Any] = {"id": id_, "level": str(level), "judged": made.judged[id_], "broken": made.broken[id_]}
    if made.broken[id_] and (finding := made.finding(id_)):
        exchange = exchanges.get(finding.exchange)
        told["example"] = {
            "exchange": finding.exchange,
            "message": finding.message,
            "expected": finding.expected,
            "observed": finding.observed,
            "place": str(finding.place),
            **({"curl": curl(exchange)} if exchange else {}),
        }
    return told


def page(made: Gathering) -> str:
    """soak.md."""
    return "\n".join(_page(made)) + "\n"


def _page(made: Gathering) -> Iterator[str]:
    verdict = made.verdict()
    yield f"# KiteMesh conformance under load: {verdict.conclusion}"
    yield ""
    yield plain(sentence(made))
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    yield f"| Target | {cell(made.options.url or 'unknown')} |"
    yield f"| Model | {cell(made.options.model or 'unknown')} |"
    yield f"| Users, workers | {made.load.users}, {len(made.workers)} |"
    yield f"| Requests | {made.requests} in {max(0.0, made.ended - made.started):.1f} s |"
    yield f"| Exchanges judged | {made.exchanges} in {made.windows} windows |"
    yield f"| Credits charged | {made.credits:g} |"
    yield f"| Exit code | {int(made.exit_code())} |"
    if made.interrupted:
        yield "| Interrupted | yes: what had been recorded by then was judged |"
    for fate, count in made.fates.most_common(12):
        yield f"| {cell(fate)} | {count} |"
    for number, told in _memory(made):
        yield f"| Memory of worker {number} | {told} |"
    if made.rows:
        yield ""
        yield "| times in ms | count | per second | p50 | p95 | p99 | max |"
        yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
        for row in made.rows:
            values = " | ".join(f"{value:.0f}" for value in (row.p50, row.p95, row.p99, row.most))
            yield f"| {row.name} | {row.count} | {row.per_second:.1f} | {values} |"
    exchanges = _exchanges(made)
    for outcome in _broken(made):
        requirement = outcome.requirement
        yield ""
        yield f"## {requirement.id} ({requirement.level})"
        yield ""
        yield requirement.statement  # the catalogue's own Markdown
        yield ""
        yield f"{_count(made, requirement.id)}. The first:"
        for finding in outcome.findings:
            yield ""
            for label, text in finding_lines(finding, exchanges):
                yield f"- {label}: {code(text)}" if label else f"**{plain(text)}**\n"
    yield ""
    yield "## Not judged under load"
    yield ""
    for reason, ids in left_out().items():
        yield f"- {reason}: {len(ids)} requirements"
    for note in notes(made):
        yield ""
        yield f"Note: {code(note)}"


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
