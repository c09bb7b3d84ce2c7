"""The command line in an empty directory, on the transcripts that come with the suite and on made-up targets."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRANSCRIPTS = ROOT / "fixtures" / "transcripts"


@pytest.fixture(autouse=True)
def _bare(bare):
    """Nothing of the caller's directory or environment."""


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
