"""What came of every server, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from .judging import Run
from .reviewing import Compared

OUTCOMES = ("passed", "failed", "blocked", "not-exercised", "not-selected", "not-applicable")


@dataclass(frozen=True, slots=True)
class Row:
    """One server."""

    server: str
    version: str = ""
    problem: str = ""
    """Why it could not be judged; empty where it was."""
    requests: int = 0
    seconds: float = 0.0
    verdict: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    """Outcome to requirements."""
    suite_errors: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    reviewed_at: str | None = None
    """The version that was reviewed, where it is another one."""

    @property
    def good(self) -> bool:
        """True where nothing is to be looked at."""
        return not (self.new or self.suite_errors)


def row(server: str, version: str, run: Run, compared: Compared) -> Row:
    """What a run says, beside what is known."""
    totals = run.results["totals"] if run.results else {}
    counts = totals.get("by_outcome", {})
    return Row(
        server,
        version,
        requests=totals.get("requests", 0),
        seconds=totals.get("seconds", 0.0),
        verdict=run.results["verdict"] if run.results else "error",
        counts=tuple((outcome, counts.get(outcome, 0)) for outcome in OUTCOMES),
        suite_errors=run.suite_errors,
        failed=run.ids("failed"),
        new=compared.new,
        gone=compared.gone,
        reviewed_at=compared.version,
    )


TOLD = "`--no-approvals`"
TITLE = "Servers of others, judged"
WORDS = (
    "Judged on loopback by `nox -s interop`. None is KiteMesh: each fails what only KiteMesh has, and why it fails the "
    "rest is told, with bytes, in `tests/studies/interop/reviewed.toml`."
)


def markdown(rows: Sequence[Row], depth: str, told: str = TOLD, title: str = TITLE, words: str = WORDS) -> str:
    """The table, what was not judged, and what differs from the review. `told`: the run's other options, in words."""
    heads = ["server", "version", "requests", "seconds", "verdict", *OUTCOMES, "suite errors", "what failed"]
    lines = [f"# {title}", "", f"{words} Depth {depth}, {told}.", "", _line(heads), _line(["---"] * len(heads))]
    for one in rows:
        if one.problem:
            lines.append(_line([one.server, one.version, "", "", one.problem, *[""] * (len(heads) - 5)]))
            continue
        figures = [str(count) for _, count in one.counts]
        cells = [one.server, one.version, str(one.requests), f"{one.seconds:.1f}", one.verdict, *figures]
        lines.append(_line([*cells, str(len(one.suite_errors)), by_area(one.failed)]))
    for one in rows:
        lines += [f"\n- {one.server}: {note}" for note in _notes(one)]
    return "\n".join(lines) + "\n"


def _notes(one: Row) -> Iterable[str]:
    yield from (f"suite error: {error}" for error in one.suite_errors)
    if one.new:
        yield f"fails and was not reviewed: {', '.join(one.new)}"
    if one.gone:
        yield f"was reviewed and is passed now: {', '.join(one.gone)}"
    if one.reviewed_at:
        yield f"reviewed at version {one.reviewed_at}"


def by_area(ids: Iterable[str]) -> str:
    """Ids in a few words: `auth: missing-header, empty-bearer; reject: model`."""
    parted = [id_.partition(".") for id_ in ids]
    areas = groupby(parted, key=lambda part: part[0])
    return "; ".join(f"{area}: {', '.join(name for _, _, name in parts)}" for area, parts in areas)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in cells)} |"


def document(rows: Sequence[Row], depth: str) -> dict[str, Any]:
    """The same for programs."""
    return {"depth": depth, "servers": [{**asdict(one), "counts": dict(one.counts)} for one in rows]}
