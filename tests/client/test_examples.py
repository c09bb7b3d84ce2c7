"""The clients that the page shows get a verdict, as the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.client.control import Control
from conformance.commands import topics
from conformance.commands.main import main
from conformance.reference.serving import in_thread

PAGE = (Path(topics.__file__).parent / "client.md").read_text(encoding="utf-8")


def shown(language: str, number: int = 0) -> str:
    """An example in a language, counted from 0."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[number]


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


@pytest.mark.parametrize("spoilt", [False, True])
def test_a_test_of_node_that_is_shown_passes_and_can_fail(spoilt, tmp_path):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    code = shown("js", 1)
    if spoilt:
        code = code.replace("      model,", "      model, temperature: 3,")
    (tmp_path / "my_client.test.mjs").write_text(code, encoding="utf-8")
    with in_thread(Control()) as url:
        done = subprocess.run(
            ("node", "--test", "my_client.test.mjs"), cwd=tmp_path, capture_output=True, text=True, timeout=120,
            env={**os.environ, "KITEMESH_CONTROL": url}, check=False,
        )  # fmt: skip
    assert done.returncode == int(spoilt), done.stdout + done.stderr
    assert f"# {'fail' if spoilt else 'pass'} 4" in done.stdout
