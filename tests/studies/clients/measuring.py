"""Measures: runs each client as `kitemesh-conformance client` does, and reads what its users would have seen."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.client import faces
from conformance.client.faces import Face
from conformance.client.run import Trial, run
from conformance.evidence.faces import FaceKind
from conformance.proving.clients import ClientProgram, Harm, Measured, Server, Shortcoming
from conformance.report.report import Report
from conformance.settings.options import Options
from conformance.transcript.exchange import Exchange

from .judging import OK, Outcome, judged, short
from .scenarios import CLIENTS, SCENARIOS, Scenario

DEADLINE = 10.0
"""Seconds after which a client that has not come back hangs; a fault that does so takes 30."""
LIMIT = 45.0
"""Seconds that its process has on each face."""
DRIVERS = Path(__file__).parent / "drivers"
CONFORMING = faces.PLAIN


@dataclass(frozen=True, slots=True)
class Driver:
    """A program that does all scenarios with one client, in each way in which it is used."""

    command: tuple[str, ...]
    package: str
    registry: str


def drivers(python: Path, modules: Path, node: str = "node") -> tuple[Driver, ...]:
    """The programs, by the interpreter that has the clients of PyPI, and the directory `node_modules`."""
    script = str(DRIVERS / "javascript.mjs")
    return (
        openai_driver(python),
        Driver((node, script, str(modules), "openai"), "openai", "npm"),
        Driver((str(python), str(DRIVERS / "langchain_python.py")), "langchain-openai", "PyPI"),
        Driver((node, script, str(modules), "eventsource-parser"), "eventsource-parser", "npm"),
        Driver((str(python), str(DRIVERS / "httpx_sse_python.py")), "httpx-sse", "PyPI"),
    )


def openai_driver(python: Path = Path(sys.executable)) -> Driver:
    """The `openai` client, by default of this very environment."""
    return Driver((str(python), str(DRIVERS / "openai_python.py")), "openai", "PyPI")


@dataclass(slots=True)
class Recorded:
    """What came of some faces."""

    versions: dict[str, str] = field(default_factory=dict)
    """By the client's id."""
    outcomes: dict[str, dict[str, dict[str, Outcome]]] = field(default_factory=dict)
    """Face, client, scenario."""
    shortcomings: list[Shortcoming] = field(default_factory=list)


def record(drivers: Sequence[Driver], chosen: Sequence[Face], jobs: int | None = None) -> Recorded:
    """Run each client on the plain server and on these faces, and judge it.

    A refusal is asked for on faults alone: it takes a bad request, for which no client is to be blamed.

    Raises:
        RuntimeError: a program failed before it told anything.
        OSError: it could not be started.
    """
    made = Recorded()
    plain = faces.one(CONFORMING)
    faults = [face for face in chosen if face.kind is FaceKind.FAULT]
    others = [face for face in chosen if face.kind is not FaceKind.FAULT]
    served = [scenario for scenario in SCENARIOS if scenario.prompt is not None]
    for driver in drivers:
        report = _run(driver, (plain, *others), served, made, jobs)
        made.shortcomings += _shortcomings(driver, report, made.versions)
        if faults:
            _run(driver, (plain, *faults), SCENARIOS, made, jobs)
    return made


def _run(
    driver: Driver, chosen: tuple[Face, ...], scenarios: Sequence[Scenario], made: Recorded, jobs: int | None
) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        asked = {scenario.id: scenario.prompt for scenario in scenarios}
        order = json.dumps({"scenarios": asked, "told": folder, "deadline": DEADLINE})
        trial = Trial(command=(*driver.command, order), faces=chosen, limit=LIMIT, jobs=jobs, same_output=True)
        report = run(trial, Options())
        told = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(folder).iterdir())]
    for face in chosen:
        found = _told_on(face.id, report.transcript.exchanges, told)
        if found is None:
            courses = {row["face"]: row["said"] for row in report.transcript.options["faces"]}
            raise RuntimeError(f"{driver.package} told nothing on {face.id}: {courses.get(face.id, 'it was not run')}")
        for scenario in scenarios:
            for client, one in found["told"][scenario.id].items():
                outcome = judged(scenario, one)
                made.outcomes.setdefault(face.id, {}).setdefault(client, {})[scenario.id] = outcome
                made.versions[client] = found["version"][CLIENTS[client].package]
    return report


def _told_on(face: str, exchanges: Iterable[Exchange], told: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What was told on a face, at last: by the address that was asked there, which others may have had before."""
    there = [exchange for exchange in exchanges if exchange.note.flow == face]
    found = [
        one
        for one in told
        if any(e.request.url.startswith(one["base"]) and one["began"] <= e.started <= one["ended"] for e in there)
    ]
    return max(found, key=lambda one: float(one["began"]), default=None)


def _shortcomings(driver: Driver, report: Report, versions: Mapping[str, str]) -> Iterator[Shortcoming]:
    """Which requirements on clients it breaks."""
    version = next(versions[id_] for id_, one in CLIENTS.items() if _is_of(one, driver) and id_ in versions)
    for outcome in report.verdict.outcomes:
        if not outcome.findings:
            continue
        faces_ = dict.fromkeys(_face(report, finding.exchange) for finding in outcome.findings)
        first = outcome.findings[0]
        what = short(f"{first.message}: {first.observed}", 200)
        yield Shortcoming(driver.package, driver.registry, version, outcome.requirement.id, what, tuple(faces_))


def _face(report: Report, exchange: str) -> str:
    return next((e.note.flow for e in report.transcript.exchanges if e.name == exchange), exchange)


def _is_of(client: Any, driver: Driver) -> bool:
    return (client.package, client.registry) == (driver.package, driver.registry)


def measured(recorded: Recorded, chosen: Sequence[Face]) -> Measured:
    """What was recorded, in the form that is kept.

    Raises:
        KeyError: a client was not run in every scenario.
    """
    clients = {
        id_: ClientProgram(id_, one.package, one.registry, recorded.versions[id_], one.way)
        for id_, one in CLIENTS.items()
        if id_ in recorded.versions
    }

    def harms(face: str, scenarios: Iterable[Scenario]) -> tuple[Harm, ...]:
        return tuple(
            Harm(client, scenario.id, *outcome)
            for id_, client in clients.items()
            for scenario in scenarios
            if (outcome := recorded.outcomes[face][id_][scenario.id]).outcome != OK
        )

    def of(kind: FaceKind) -> dict[str, Server]:
        scenarios = [one for one in SCENARIOS if kind is FaceKind.FAULT or one.prompt is not None]
        return {f.id: Server(f.id, f.breaks, harms(f.id, scenarios)) for f in chosen if f.kind is kind}

    return Measured(
        tuple(clients.values()),
        tuple(scenario.id for scenario in SCENARIOS),
        harms(CONFORMING, SCENARIOS),
        of(FaceKind.FAULT),
        of(FaceKind.VARIATION),
        of(FaceKind.TROUBLE),
        tuple(recorded.shortcomings),
    )
