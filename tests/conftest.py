"""What holds for all tests of the suite."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings
from made_up import World

ROOT = Path(__file__).parents[1]
TRANSCRIPTS = ROOT / "fixtures" / "transcripts"

# Of the processes that tests start: what is here is on their path, and they start quickly (see `light`).
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests" / "light"), str(ROOT)])

# What a machine is told of proxies is told to no run here, but for those that a test names itself.
for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]

# The same examples at every run: a failure is a failure for everybody. HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Twice as many workers as cores: many tests mostly wait, for a time limit, an expiry, a process that starts."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # xdist takes it
    return max(4, 2 * (os.cpu_count() or 1))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Ten thousand tests and what they are made of stay to the end: looking for garbage among them is in vain."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """An empty directory, and an environment that names the token only."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("KITEMESH_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KITEMESH_TOKEN", "km_secret_token")


@pytest.fixture
def world(monkeypatch):
    """A made-up target: nothing is sent."""
    from conformance.running import run

    made = World()
    monkeypatch.setattr(run, "run", lambda options, progress=None, server=None: made.run(options, progress))
    return made


@pytest.fixture
def command(capsys):
    """Runs the command line; gives its exit code, standard output and standard error."""
    from conformance.commands.main import main

    def run(*words):
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert not re.search(r"km_\w", out + err)  # a token; help and schema name the prefix alone
        return code, out, err

    return run


@pytest.fixture
def refused(command):
    """Runs the command line, which has to say one sentence and to end with exit code 4."""

    def run(*words, said):
        code, out, err = command(*words)
        assert (code, out) == (4, "")
        assert err.startswith("Error: ")
        assert len(err.splitlines()) == 1
        assert said in err

    return run


@pytest.fixture
def transcript():
    """The path of a transcript that comes with the suite."""
    return lambda name: TRANSCRIPTS / f"{name}.har"
