"""The command line in an empty directory, on the transcripts that come with the suite and on made-up targets."""

import os
from pathlib import Path

import pytest
from made_up import World

from conformance import cli

ROOT = Path(__file__).parents[2]
TRANSCRIPTS = ROOT / "fixtures" / "transcripts"


@pytest.fixture(autouse=True)
def _bare(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("KITEMESH_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KITEMESH_TOKEN", "km_secret_token")


@pytest.fixture
def world(monkeypatch):
    """A made-up target: nothing is sent."""
    from conformance import run

    made = World()
    monkeypatch.setattr(run, "run", lambda options, progress=None: made.run(options, progress))
    return made


@pytest.fixture
def command(capsys):
    """Runs the command line; gives its exit code, standard output and standard error."""

    def run(*words):
        code = cli.main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert "km_secret" not in out + err
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
