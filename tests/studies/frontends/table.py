"""What came of every run, as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from conformance.judging.result import Result
from conformance.judging.verdict import Conclusion, State

from .judging import Explained, explained

WORDS = (
    "The reference server, judged on loopback by `nox -s frontends` behind programs that stand in front of servers. "
    "Sound configurations have to be conformant; of broken ones, the requirement that they break has to fail, and no "
    "other MUST. Where several seeds were run, requests and seconds are those of the run in the middle."
)
NOTES = (
    "Pages of a layer's own (429, 502, 503) are a breach of error.schema-elsewhere, a SHOULD, and of nothing else. A "
    "balancer that binds callers by a cookie alone breaks approvals for clients that keep none, as those of an API do. "
    "Caddy 2.6.2 is configured with `buffer_requests`: without it, it ends a stream early now and then, soundly framed "
    "(24 of 4,800 for a plain HTTP client), and the suite says so. Under `--limit-concurrency 1` uvicorn turns away "
    "every request, since it counts the connection that asks; under 2 no two requests can be under way at a time, so "
    "that isolation cannot be shown. Seconds are of a machine with other work beside it."
)
OUTAGE, WAITED = "The target did not serve", "were waited for"


@dataclass(frozen=True, slots=True)
class Row:
    """One run."""

    part: str
    """The program."""
    name: str
    expected: str
    seed: int
    right: bool
    verdict: str = ""
    requests: int = 0
    seconds: float = 0.0
    told: str = ""
    """The weather, as the report tells it."""
    failed: tuple[str, ...] = ()
    explained: tuple[Explained, ...] = ()
    problem: str = ""
    """Why there was no run; empty where there was one."""


def row(part: str, name: str, expected: str, seed: int, right: bool, report: Result, seconds: float) -> Row:
    """What a report says."""
    verdict = report.verdict
    failed = [o for o in verdict.outcomes if o.state is State.FAILED]
    return Row(
        part,
        name,
        expected,
        seed,
        right,
        verdict.conclusion.value,
        len(report.transcript),
        seconds,
        " ".join(note for note in report.notes if OUTAGE in note or WAITED in note),
        tuple(f"{o.requirement.id}" if verdict.counts(o) else f"{o.requirement.id} (SHOULD)" for o in failed),
        tuple(explained(report)),
        "" if verdict.conclusion is not Conclusion.INCONCLUSIVE else verdict.sentence[:200],
    )


def markdown(rows: Sequence[Row], seeds: int, absent: Sequence[str]) -> str:
    """The page: one line for each configuration, over all its seeds."""
    heads = ("program", "configuration", "expected", "as expected", "verdict", "requests", "seconds", "weather told",
             "what failed")  # fmt: skip
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    count = f"{seeds} seed{'s' if seeds > 1 else ''}"
    lines = ["# Behind what stands in front", "", f"{WORDS} Measured with {count} on {machine}.", "", NOTES]
    lines += ["", missing(absent)] if absent else []
    lines += ["", _line(heads), _line(["---"] * len(heads))]
    for (part, name), group in groupby(rows, key=lambda one: (one.part, one.name)):
        lines.append(_line(_cells(part, name, list(group))))
    return "\n".join([*lines, *_explained(rows)]) + "\n"


def _explained(rows: Sequence[Row]) -> Iterator[str]:
    """What the reports say of the findings: a line for each finding with the same advice."""
    heads = ("requirement", "behind", "the finding, and what the report says to do")
    found: dict[tuple[str, str], tuple[str, dict[str, None]]] = {}
    for one in rows:
        for said in one.explained:
            _, places = found.setdefault((said.requirement, said.to_do), (said.finding, {}))
            places[f"{one.part}: {one.name}"] = None
    if not found:
        return
    yield from ("", "## What the reports say of each finding", "", _line(heads), _line(["---"] * len(heads)))
    for (requirement, to_do), (finding, places) in sorted(found.items()):
        yield _line((requirement, "; ".join(places), f"{finding}. {to_do}"))


def missing(absent: Sequence[str]) -> str:
    """The programs that were not there, in one sentence."""
    return f"Not installed here, and left out: {', '.join(absent)}."


def _cells(part: str, name: str, runs: list[Row]) -> list[str]:
    middle = sorted(runs, key=lambda one: one.seconds)[len(runs) // 2]
    right = sum(one.right for one in runs)
    verdicts = sorted({one.verdict or "none" for one in runs})
    failed = list(dict.fromkeys(id_ for one in runs for id_ in one.failed))
    problems = list(dict.fromkeys(one.problem for one in runs if one.problem))
    told = next((one.told for one in runs if one.told), "")
    return [
        part,
        name,
        runs[0].expected,
        f"{right} of {len(runs)}",
        ", ".join(verdicts),
        str(middle.requests),
        f"{middle.seconds:.0f}",
        told[:240],
        "; ".join([*failed, *problems]),
    ]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in cells)} |"
