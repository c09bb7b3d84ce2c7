"""The clients that the page shows get a verdict, as the page says."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from conformance.commands import topics
from conformance.commands.main import main

PAGE = (Path(topics.__file__).parent / "client.md").read_text(encoding="utf-8")


def shown(language: str) -> str:
    """The first example in a language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("language", "name", "program"), [("python", "my_client.py", sys.executable), ("js", "my_client.mjs", "node")]
)
def test_a_client_that_is_shown_passes(language, name, program, tmp_path, monkeypatch, capsys):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(shown(language), encoding="utf-8")
    words = ("--face", "json-pretty,extra-members-everywhere,hangs-before,refuses-all-by-422", "--same-output")
    assert main(["client", *words, "--", program, name]) == 0
    assert "The client meets every MUST that was selected." in " ".join(capsys.readouterr().out.split())
