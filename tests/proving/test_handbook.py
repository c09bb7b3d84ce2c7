"""The page of requirements: fresh, whole, with an example on each side, and small enough to be shown."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.contract.catalogue import load
from conformance.proving import examples, handbook

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "reports" / "requirements.md"
COMMAND = "kitemesh-conformance requirements --format markdown > reports/requirements.md"


@pytest.fixture(scope="module")
def page():
    """What the installed command prints."""
    pytest.importorskip("openai")  # some examples are judged by it
    words = [sys.executable, "-m", "conformance.commands.main", "requirements", "--format", "markdown"]
    environ = {**os.environ, "PYTHONUTF8": "1"}
    return subprocess.run(words, env=environ, capture_output=True, check=True).stdout.decode("utf-8")


def test_it_is_fresh(page):
    kept = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if kept != page:
        lines = zip(kept.splitlines(), page.splitlines(), strict=False)
        number, pair = next(((n, p) for n, p in enumerate(lines, 1) if p[0] != p[1]), (0, ("", "")))
        pytest.fail(
            f"reports/requirements.md is not what the catalogue says now (line {number}: {pair[0][:80]!r}, "
            f"now {pair[1][:80]!r}). Refresh it: {COMMAND}",
            pytrace=False,
        )


def test_every_requirement_stands_in_it(page):
    headings = re.findall(r"^### (\S+)$", page, re.MULTILINE)
    assert headings == [r.id for r in load()]
    for requirement in load():
        section = page.split(f"\n### {requirement.id}\n")[1].split("\n### ")[0]
        assert f"**{requirement.level}.**" in section
        assert handbook._own(requirement.statement) in section
        assert all(f"{key}, " in section for key in requirement.sources)
        if examples.read(requirement.id).breaks is None:
            assert "There is no example from the wire: " in section
        else:
            assert section.count("<details>") == section.count("</details>") == 2
            assert "<summary>It holds here</summary>" in section
            assert re.search(r"<summary>It does not hold here: \S", section)
            assert section.count("\n> POST ") + section.count("\n> PUT ") + section.count("\n> GET ") >= 2


def test_every_link_of_the_index_leads_somewhere(page):
    anchors = {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", page, re.M)}
    links = re.findall(r"\]\(#([^)]+)\)", page)
    assert len(links) == len(load())
    assert set(links) <= anchors


def test_github_shows_it(page):
    assert len(page.encode()) < 500_000


def test_a_fence_is_longer_than_what_it_holds():
    from dataclasses import replace

    from conformance.transcript.exchange import Transcript

    example = examples.read("stream.done").holds
    first = example.exchanges[0]
    body = b"data: ``````\n```\n</details>\n\n"
    changed = Transcript((replace(first, response=replace(first.response, body=body, pieces=None)),))
    lines = list(handbook._side("It holds here", changed))
    assert lines[2] == "```````text"
    assert lines[-3] == "```````"
    assert "< </details>" in lines


def test_some_of_it():
    from conformance.proving import listing

    catalogue = load()
    text = listing.FORMS["markdown"](catalogue, catalogue.select(["stream.done"]))
    assert f"Version {catalogue.version} of the contract: 1 requirement." in text
    assert re.findall(r"^## .*$", text, re.MULTILINE) == [f"## stream: {catalogue.areas['stream']}", "## Sources"]
