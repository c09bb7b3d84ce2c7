"""The reference server that everything is measured against, and how to run the command line on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from conformance.reference.process import in_process
from conformance.reference.settings import Settings
from conformance.running import run
from conformance.settings.options import Options

ROOT = Path(__file__).resolve().parents[3]
COMMAND = (sys.executable, "-c", "import sys; from conformance.commands.main import main; sys.exit(main())")
"""`kitemesh-conformance` of this source tree."""


@contextmanager
def served(latency: float) -> Iterator[Options]:
    """The reference server in a process of its own, and the options of a standard run against it.

    Without its rate limit: which request meets it is chance, and its `Retry-After` would be waited for by everybody.

    Args:
        latency: seconds before the first octet of each answer.
    """
    with in_process(Settings(latency=latency)) as url:
        yield standard(f"{url}/v1")


def standard(url: str) -> Options:
    """The options of a standard run."""
    return run.of_reference(url, Options()).checked()


def arguments(options: Options, seed: int, output: Path, *more: str) -> list[str]:
    """The command line that does what the options say."""
    return [
        *(*COMMAND, "run", options.url or "", "--model", options.model or ""),
        *("--approval-prompt", options.approval_prompt or "", "--expiring-prompt", options.expiring_prompt or ""),
        *("--wait-expiry", f"{options.wait_expiry:g}", "--concurrency", str(options.concurrency)),
        *("--depth", str(options.depth), "--seed", str(seed), "--output", str(output)),
        *(("--examples", str(options.examples)) if options.examples is not None else ()),
        *(("--only", ",".join(options.only)) if options.only else ()),
        *more,
    ]


def environment(options: Options) -> Mapping[str, str]:
    """The environment for `arguments`: the tokens, this source tree, and nothing else of the suite's variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KITEMESH_")}
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    tokens = {"KITEMESH_TOKEN": options.token or "", "KITEMESH_SECOND_TOKEN": options.second_token or ""}
    return {**kept, **tokens, "PYTHONPATH": os.pathsep.join(paths)}


def command(options: Options, seed: int, output: Path) -> None:
    """Run the command line on the server.

    Raises:
        RuntimeError: it did not find the server conformant, so that its time says nothing.
    """
    done = subprocess.run(arguments(options, seed, output), env=environment(options), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the run ended with exit code {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
