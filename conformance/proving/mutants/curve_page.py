"""The part of the page that tells how many mutants are killed after how many requests, beside other tools."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance.proving.mutants.curve import COUNTS, at
from conformance.proving.mutants.score import Score
from conformance.report.summary import plain

GUIDE = "https://schemathesis.readthedocs.io/en/stable/guides/benchmarking/"
FILE, PICTURE = "curve.json", "curve.svg"
FORMAT = 1


def read(directory: Path) -> dict[str, Any] | None:
    """What `nox -s curve` measured into this directory; None where there is nothing of it.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        found = json.loads((directory / FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("format") == FORMAT else None


def lines(score: Score, beside: Mapping[str, Any] | None) -> Iterator[str]:
    """The part of the page.

    Args:
        score: of this run.
        beside: what `curve.json` holds; None: no other tool was measured.
    """
    curves = score.curves
    if not curves:
        return
    yield "## Killed over requests sent"
    yield ""
    yield (
        f"So many of the {len(score.counted):,} mutants are blamed right after the first requests of a run, in the "
        "order in which they are sent. A mutant counts from the request whose answer shows it; what a run sends again "
        "comes behind its end. One that a shallower depth kills is not judged at a deeper one that sends the same "
        "requests: there their answers show it, at the latest."
    )
    yield ""
    yield from _table("depth", {str(depth): points for depth, points in curves.items()})
    yield ""
    if beside is not None:
        yield from _others(beside)


def _table(head: str, rows: Mapping[str, Sequence[Sequence[int]]]) -> Iterator[str]:
    """Curves by their names."""
    yield f"| {head} | {' | '.join(f'{count:,}' for count in COUNTS)} | at the end |"
    yield f"| --- |{' ---: |' * (len(COUNTS) + 1)}"
    for name, points in rows.items():
        end, killed = points[-1]
        cells = [f"{at(points, count):,g}" if count <= end else "" for count in COUNTS]
        yield f"| {name} | {' | '.join(cells)} | {killed:,g} after {end:,} |"


def _others(beside: Mapping[str, Any]) -> Iterator[str]:
    sample, tools = beside["sample"], beside["tools"]
    count = sample["mutants"]
    yield f"![Mutants killed over requests sent, beside other tools]({PICTURE})"
    yield ""
    yield (
        f"The same beside other tools, by the rules of [Schemathesis' guide to benchmarking it]({GUIDE}): medians of "
        f"{max(len(tool['seeds']) for tool in tools)} seeds, by the commands below. A sample of {count} of the "
        f"{sample['of']:,} mutants that can be applied to an answer, of each kind in proportion, the same for every "
        "tool. Those of a state are left out for all alike: each would have to be served to every tool. Ours has to "
        "blame a mutant right; of another tool every complaint counts that it does not have of the same answer of the "
        "conforming server. Schemathesis is run on the conforming server, reads streams to their end "
        "(`max-stream-events`), and its own checks are then asked about the answers that each mutant would have sent "
        "to the same requests; an answer that its client cannot read counts as a complaint. llm-comply is run against "
        "each mutant. Neither of them asks for an approval, nor resumes one."
    )
    yield ""
    yield from _table("tool", {tool["name"]: tool["curve"] for tool in tools})
    yield ""
    told = beside["compared"]
    yield (
        f"Standard runs beside those of Schemathesis, each by its first {told['requests']:,} requests: Mann and "
        f"Whitney's U is {told['u']:g} of {told['pairs']} (p = {told['p']:g}), Vargha and Delaney's A12 is "
        f"{told['a12']:.2f}."
    )
    yield ""
    yield f"| killed at the end | mutants | {' | '.join(tool['name'] for tool in tools)} |"
    yield f"| --- | ---: |{' ---: |' * len(tools)}"
    for kind, of in sample["by_kind"].items():
        cells = [f"{tool['by_kind'][kind]:g}" for tool in tools]
        yield f"| {plain(kind)} | {of} | {' | '.join(cells)} |"
    yield ""
    for tool in tools:
        requests = sorted(tool["requests"])
        sent = f"{requests[0]:,}" if requests[0] == requests[-1] else f"{requests[0]:,} to {requests[-1]:,}"
        yield f"- {tool['name']} {tool['version']}, {sent} requests: `{tool['command']}`"
    yield ""
