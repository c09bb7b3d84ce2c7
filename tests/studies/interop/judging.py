"""Runs the suite's command on a URL, and reads what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .servers import Server

ROOT = Path(__file__).resolve().parents[3]
COMMAND = (sys.executable, "-c", "import sys; from conformance.commands.main import main; sys.exit(main())")
"""`kitemesh-conformance` of this source tree."""
LIMIT = 1800.0
"""Seconds for one run."""
SEED = 1


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the suite."""

    results: dict[str, Any] | None
    """`results.json`; None where none was written."""
    exit_code: int
    told: str
    """What it printed, the end of it."""

    def ids(self, outcome: str) -> tuple[str, ...]:
        """The requirements of this outcome, in the order of the catalogue."""
        requirements = self.results["requirements"] if self.results else []
        return tuple(one["id"] for one in requirements if one["outcome"] == outcome)

    @property
    def suite_errors(self) -> tuple[str, ...]:
        """What went wrong in the suite itself; empty in every run that is to be believed."""
        errors = tuple(f"{id_}: error" for id_ in self.ids("error"))
        if self.results is None:
            return (*errors, f"no results.json, exit code {self.exit_code}: {self.told[-300:]}")
        return errors if self.exit_code in (0, 1, 6) else (*errors, f"exit code {self.exit_code}")


def judge(
    server: Server,
    url: str,
    depth: str,
    output: Path,
    options: Sequence[str] = ("--no-approvals",),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Run:
    """Run the suite on a server; its reports go to `output`. `variables` are set in its environment."""
    command = [
        *(*COMMAND, "run", url, "--model", server.model, *options, "--depth", depth),
        *("--seed", str(SEED), "--timeout", str(server.timeout), "--output", str(output)),
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KITEMESH_")}
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**kept, "KITEMESH_TOKEN": server.token, "PYTHONPATH": paths, **variables}
    try:
        done = subprocess.run(
            command, cwd=output, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
        code, told = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        code, told = -1, f"the run took more than {LIMIT:g} s"
    try:
        results = json.loads((output / "results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        results = None
    return Run(results, code, told.strip())
