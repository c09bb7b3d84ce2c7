"""Measures: starts the servers, drives the clients, judges what they told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.proving.clients import ClientProgram, Harm, Measured, Server
from conformance.proving.proof import TargetKind, TrialServer
from conformance.proving.prove import targets
from conformance.reference.app import PREFIX
from conformance.reference.serving import in_process
from conformance.reference.settings import DEFAULT_MODEL, FIRST_TOKEN, Settings

from .judging import OK, Outcome, judged
from .scenarios import CLIENTS, SCENARIOS

DEADLINE = 5.0
"""Seconds that a client has. A fault that hangs does so for 30."""
DRIVERS = Path(__file__).parent / "drivers"
CONFORMING = "conforming"
SETTINGS = Settings(token_interval=0.001)
PATIENCE = 900
"""Seconds for one driver and all its jobs."""


@dataclass(frozen=True, slots=True)
class Driver:
    """A program that drives clients."""

    command: tuple[str, ...]

    def drive(self, jobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What came of the jobs.

        Raises:
            RuntimeError: it failed.
            OSError, subprocess.TimeoutExpired: it could not be started, or did not end.
        """
        plain = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "LANGSMITH_TRACING": "false"}
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "OPENAI_BASE_URL")}
        done = subprocess.run(
            self.command,
            input=json.dumps({"deadline": DEADLINE, "jobs": jobs}),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
            env={**kept, **plain},
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(self.command)} failed: {done.stderr[-500:]}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def openai_driver() -> Driver:
    """The `openai` client of this very environment."""
    return Driver((sys.executable, str(DRIVERS / "openai_python.py")))


def langchain_driver(python: Path) -> Driver:
    """`langchain-openai`, by the interpreter of its environment."""
    return Driver((str(python), str(DRIVERS / "langchain_python.py")))


def javascript_driver(modules: Path, node: str = "node") -> Driver:
    """The clients of npm, from the directory `node_modules`."""
    return Driver((node, str(DRIVERS / "javascript.mjs"), str(modules)))


@dataclass(slots=True)
class Recorded:
    """What came of some servers."""

    versions: dict[str, str] = field(default_factory=dict)
    """By the client's id."""
    outcomes: dict[str, dict[str, dict[str, Outcome]]] = field(default_factory=dict)
    """Server (`conforming`, or the key of a target), client, scenario."""


def chosen(faults: Iterable[str], variations: Iterable[str]) -> list[TrialServer]:
    """The targets of these ids.

    Raises:
        KeyError: there is none.
    """
    known = {(target.kind is TargetKind.VARIATION, target.id): target for target in targets()}
    return [known[False, id_] for id_ in faults] + [known[True, id_] for id_ in variations]


def record(drivers: Sequence[Driver], servers: Sequence[TrialServer]) -> Recorded:
    """Drive each client against the conforming server and these in every scenario.

    What hangs is tried once more: a busy machine is slow, too.

    Raises:
        RuntimeError, OSError, subprocess.TimeoutExpired: see `Driver.drive`.
    """
    made = Recorded()
    with in_process(SETTINGS, factory="conformance.proving.prove:serve_all") as url:
        names = [CONFORMING, *(target.key for target in servers)]
        jobs = [(server, scenario) for server in names for scenario in SCENARIOS]
        asked = [_job(url, server, scenario.prompt) for server, scenario in jobs]
        for driver in drivers:
            answer = driver.drive(asked)
            told: list[dict[str, Any]] = answer["told"]
            late = [at for at, ways in enumerate(told) if any(one.get("hangs") for one in ways.values())]
            if late:
                again = driver.drive([asked[at] for at in late])["told"]
                for at, ways in zip(late, again, strict=True):
                    told[at] |= {name: ways[name] for name, one in told[at].items() if one.get("hangs")}
            for (server, scenario), ways in zip(jobs, told, strict=True):
                by_client = made.outcomes.setdefault(server, {})
                for name, one in ways.items():
                    by_client.setdefault(name, {})[scenario.id] = judged(scenario, one)
            made.versions |= {name: answer["versions"][CLIENTS[name].package] for name in told[0]}
    return made


def measured(recorded: Recorded, servers: Sequence[TrialServer]) -> Measured:
    """What was recorded, in the form that is kept.

    Raises:
        KeyError: a client was not driven in every scenario.
    """
    clients = {
        id_: ClientProgram(id_, one.package, one.registry, recorded.versions[id_], one.way)
        for id_, one in CLIENTS.items()
        if id_ in recorded.versions
    }

    def harms(server: str) -> tuple[Harm, ...]:
        return tuple(
            Harm(client, scenario.id, *outcome)
            for id_, client in clients.items()
            for scenario in SCENARIOS
            if (outcome := recorded.outcomes[server][id_][scenario.id]).outcome != OK
        )

    made = [Server(target.id, target.requirement or "", harms(target.key)) for target in servers]
    return Measured(
        tuple(clients.values()),
        tuple(scenario.id for scenario in SCENARIOS),
        harms(CONFORMING),
        {one.id: one for one in made if one.requirement},
        {one.id: one for one in made if not one.requirement},
    )


def _job(url: str, server: str, prompt: str | None) -> dict[str, Any]:
    base = f"{url}/v1" if server == CONFORMING else f"{url}{PREFIX}{server}/v1"
    messages = [] if prompt is None else [{"role": "user", "content": prompt}]
    return {"base": base, "token": FIRST_TOKEN, "model": DEFAULT_MODEL, "messages": messages}
