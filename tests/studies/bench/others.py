"""Part `others`: Schemathesis and llm-comply on the same server, with the same number of requests at a time.

Two questions. How long does each tool take for a request, at 200 ms of added latency? And which of twenty-five faults
of the reference server does it find (`chosen_faults`), at what number of requests? The runs that look for faults are
not timed, so they go two at a time.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from conformance.proving import prove
from conformance.proving.proof import TargetKind, TrialServer
from conformance.reference.app import PREFIX
from conformance.reference.process import in_process
from conformance.reference.settings import Settings
from conformance.settings.options import Depth, Options

from . import server, timing, tools
from .chosen_faults import CHOSEN
from .table import Part, Row
from .tools import Said, Unusable

NAME = "others"
LATENCY = 0.2
FASTER = 20
"""Times that ours is wanted to be faster for a request than Schemathesis."""
EXAMPLES = 100
"""`--max-examples`, Schemathesis' default."""
LIMIT = 300.0
"""Seconds after which a tool is ended."""
SERVE_ALL = "conformance.proving.prove:serve_all"
AT_ONCE = 2
WORKERS = 8
"""Requests at a time, each tool's."""
PAYLOADS = 4_000
"""Generated payloads where nothing else is asked for."""
MANY = 64
"""Requests at a time where a machine with room for them is pretended."""

Tool = Callable[[str, Path], Said]
"""Runs a tool against a server's base (without `/v1`), in an empty folder."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one tool found."""

    by_fault: Mapping[str, bool]
    requests: int
    """In all runs against faulty servers."""
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Fault to the reason why the tool came to no end on it."""
    crashed: int = 0
    """Errors of the tool's own, over all runs."""
    baseline: frozenset[str] = frozenset()
    """What it complains of against the conforming server."""

    @property
    def count(self) -> int:
        """How many faults."""
        return sum(self.by_fault.values())

    @property
    def per_thousand(self) -> float:
        """Faults found for a thousand requests."""
        return 1000 * self.count / self.requests if self.requests else 0.0


def measure(fast: bool, llm_comply: str | None) -> Part:
    """Measure; `fast`: one round, five faults, few examples. `llm_comply`: its command, None where there is none."""
    faults = CHOSEN[::5] if fast else CHOSEN
    examples = 5 if fast else EXAMPLES
    rows, speeds = _speed(examples, 1 if fast else 3, fast)
    found = {"ours": ours(faults)}
    others: dict[str, Tool | None] = {
        "Schemathesis": _schemathesis(WORKERS, examples),
        "llm-comply": None if llm_comply is None else _llm_comply(llm_comply),
    }
    for name, tool in others.items():
        try:
            if tool is None:
                raise Unusable("it is not installed (--llm-comply gives its command)")
            found[name] = _found(tool, faults)
            if name == "llm-comply":
                rows.append(_llm_comply_speed(tool, 1 if fast else 5))
        except Unusable as error:
            rows.append(Row(name, "", f"not measured: {error}"))
    rows += findings(found, len(faults))
    data: dict[str, Any] = {
        "speed": speeds,
        "found": {
            name: {
                "requests": f.requests, "by_fault": dict(f.by_fault), "unusable": dict(f.unusable),
                "errors": f.crashed, "against_the_conforming_server": sorted(f.baseline),
            } for name, f in found.items()
        },
    }  # fmt: skip
    return Part(NAME, "Other tools, on the same server", tuple(rows), _notes(examples, found), data)


def _notes(examples: int, found: Mapping[str, Found]) -> tuple[str, ...]:
    theirs = {name: f for name, f in found.items() if name != "ours"}
    return (
        f"Schemathesis runs its default phases on `schemas/openapi.yaml` with --max-examples {examples}, and reads "
        "streams to their end; its workers share the work out by operation, of which there are two",
        "llm-comply tests OpenAI's own chat API, one request after another; it asks for members that KiteMesh does not "
        "document, such as `refusal`",
        "a fault counts as found by another tool where it brings up any complaint that neither of two runs against the "
        "conforming server brought up, and by ours where the very requirement is blamed (two tries where the first one "
        "misses it; only the second one's requests are counted then)",
        *(
            f"{name}: {len(f.baseline)} kinds of complaint against the conforming server, "
            f"{f.crashed} errors of its own, {len(f.unusable)} runs without an end"
            for name, f in theirs.items()
        ),
        *(
            f"{name} finds {', '.join(id_ for id_, caught in f.by_fault.items() if caught) or 'none'}"
            for name, f in theirs.items()
        ),
        f"ours misses {', '.join(id_ for id_, caught in found['ours'].by_fault.items() if not caught) or 'none'}",
    )


# --- speed


def _speed(examples: int, repetitions: int, fast: bool) -> tuple[list[Row], dict[str, Any]]:
    """Rows and single figures: a standard run at the usual number of requests at a time, then deep ones at many.

    The last of them does what Schemathesis does, payloads and their refusals, without approvals, expiry, and the rest;
    it sends several times as many as Schemathesis, since start, reports and waits for each other count in its time too.
    """
    rows, data = [], {}
    ways: list[tuple[str, dict[str, Any], int, int]] = [
        (f"standard, {WORKERS} at a time", {"depth": Depth.STANDARD}, WORKERS, repetitions)
    ]
    if not fast:
        ways.append((f"deep, {MANY} at a time", {"depth": Depth.DEEP}, MANY, 1))
        payloads = {"examples": PAYLOADS, "only": ("accept", "reject")}
        ways.append((f"{PAYLOADS} payloads, {MANY} at a time", payloads, MANY, repetitions))
    with server.served(LATENCY) as options:
        for what, how, workers, times in ways:
            chosen = replace(options, concurrency=workers, **how)
            try:
                turns = [
                    (_our_run(chosen, 300 + turn), _in_folder(_schemathesis(workers, examples, 300 + turn), options))
                    for turn in range(times)
                ]
            except Unusable as error:
                rows.append(Row(f"time for a request, {what}", "", f"Schemathesis not measured: {error}"))
                continue
            rows.append(faster(what, turns, like_for_like="examples" in how))
            data[what] = [
                {"ours": [mine.seconds, mine.requests], "schemathesis": [other.seconds, other.requests]}
                for mine, other in turns
            ]
    return rows, data


def faster(what: str, turns: Sequence[tuple[Said, Said]], like_for_like: bool) -> Row:
    """How many times faster ours was for a request; each turn is ours and the other tool's.

    `like_for_like`: both sent payloads and nothing else. A whole run waits for approvals to expire, and for much more
    that the other tool has no idea of, so its ratio is told and held to nothing.
    """
    ratio = timing.median([(other.seconds / other.requests) / (mine.seconds / mine.requests) for mine, other in turns])
    mine, other = ([turn[side] for turn in turns] for side in (0, 1))
    return Row(
        f"time for a request at {LATENCY * 1000:g} ms, {what}: times faster than Schemathesis",
        _rate(mine),
        f"Schemathesis {_rate(other)}",
        ratio,
        f"≥ {FASTER}" if like_for_like else "",
        ratio >= FASTER if like_for_like else None,
        len(turns),
    )


def _rate(said: Sequence[Said]) -> str:
    seconds, requests = (timing.median([getattr(s, name) for s in said]) for name in ("seconds", "requests"))
    return f"{seconds:.1f} s for {requests:g} requests"


def _our_run(options: Options, seed: int) -> Said:
    """The whole command, with all its reports."""
    with tempfile.TemporaryDirectory() as output:
        seconds = timing.seconds(lambda: server.command(options, seed, Path(output)))
        results = json.loads((Path(output) / "results.json").read_text(encoding="utf-8"))
    return Said(seconds, results["totals"]["requests"], frozenset())


def _llm_comply_speed(tool: Tool, repetitions: int) -> Row:
    with server.served(LATENCY) as options:
        said = [_in_folder(tool, options) for _ in range(repetitions)]
    return Row(f"llm-comply, time of all its tests at {LATENCY * 1000:g} ms", "", _rate(said), repetitions=repetitions)


def _in_folder(tool: Tool, options: Options) -> Said:
    with tempfile.TemporaryDirectory() as folder:
        return tool((options.url or "").removesuffix("/v1"), Path(folder))


def _schemathesis(workers: int, examples: int, seed: int = 1) -> Tool:
    return lambda base, folder: tools.schemathesis(
        base, folder, seed=seed, workers=workers, examples=examples, limit=LIMIT
    )


def _llm_comply(program: str) -> Tool:
    return lambda base, folder: tools.llm_comply(program, f"{base}/v1", folder, limit=LIMIT)


# --- faults


def _targets() -> dict[str, TrialServer]:
    return {target.id: target for target in prove.targets() if target.kind is TargetKind.FAULT}


def ours(faults: Sequence[str]) -> Found:
    """What a standard run finds: the very requirement has to be blamed."""
    by_id = _targets()
    proof = prove.prove([by_id[id_] for id_ in faults], jobs=4, processes=1)
    return Found({case.target.id: case.caught for case in proof.cases}, sum(case.requests for case in proof.cases))


def _found(tool: Tool, faults: Sequence[str]) -> Found:
    """What another tool finds.

    Raises:
        Unusable: it came to no end on the conforming server.
    """
    with in_process(Settings(), SERVE_ALL) as url, ThreadPoolExecutor(AT_ONCE) as pool:

        def examine(path: str) -> Said | Unusable:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    return tool(f"{url}{path}", Path(folder))
                except Unusable as error:
                    return error

        by_id = _targets()
        said = list(pool.map(examine, ["", "", *(f"{PREFIX}{by_id[id_].key}" for id_ in faults)]))
    return gathered(said[:2], dict(zip(faults, said[2:], strict=True)))


def gathered(baseline: Sequence[Said | Unusable], on_faults: Mapping[str, Said | Unusable]) -> Found:
    """What was found, from what a tool said of the conforming server and of each faulty one.

    Raises:
        Unusable: there is no baseline.
    """
    known = [said for said in baseline if isinstance(said, Said)]
    if not known:
        raise Unusable(f"on the conforming server {baseline[0]}")
    runs = {id_: said for id_, said in on_faults.items() if isinstance(said, Said)}
    return Found(
        {id_: id_ in runs and bool(tools.additional(runs[id_], known)) for id_ in on_faults},
        sum(said.requests for said in runs.values()),
        {id_: str(said) for id_, said in on_faults.items() if isinstance(said, Unusable)},
        sum(said.crashed for said in (*known, *runs.values())),
        frozenset().union(*(said.complaints for said in known)),
    )


def findings(found: Mapping[str, Found], faults: int) -> list[Row]:
    """The rows on what each tool found."""
    mine = found["ours"]
    theirs = {name: f for name, f in found.items() if name != "ours"}
    return [
        Row(
            f"faults found, of {faults}",
            str(mine.count),
            ", ".join(f"{name} {f.count}" for name, f in theirs.items()),
            wanted="all of them",
            met=mine.count == faults,
        ),
        Row(
            "faults found for a thousand requests",
            f"{mine.per_thousand:.2f} (of {mine.requests} requests)",
            ", ".join(f"{name} {f.per_thousand:.2f} (of {f.requests})" for name, f in theirs.items()),
        ),
    ]


def program(given: str | None) -> str | None:
    """llm-comply's command: the given one, or the one on the path."""
    return given or shutil.which("llm-comply")
