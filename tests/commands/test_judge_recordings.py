"""`judge` on recordings of other clients: several files, several servers, secrets, standard input."""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

DIRECTORY = Path(__file__).parents[2] / "fixtures" / "recordings"


def of(name: str) -> str:
    return str(DIRECTORY / name)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_one_that_cannot_be_read_does_not_stop_the_others(command):
    code, out, err = command("judge", of("no-chat.har"), "no-such.har", of("chrome-aborted.har"))
    assert code == 4
    assert err.count("Error: ") == 2
    assert "the only request goes to no documented endpoint" in err
    assert "3 entries: 2 judged, 1 broken off by the client (entry-3: net::ERR_ABORTED)." in flat(out)


def test_a_recording_has_no_scope_depth_or_seed(command, tmp_path):
    code, out, _ = command("judge", of("vcrpy.yaml"), "--output", str(tmp_path))
    assert code == 1
    told = out + (tmp_path / "summary.md").read_text() + (tmp_path / "report.html").read_text()
    assert not re.search(r"full scope|\bseed \d|Depth|>Seed<|Partial scope", told)
    assert "Recorded by vcrpy" in out
    assert "in entry-3 (POST https://api.example.com/v1/chat/completions)" in flat(out)
    assert not (tmp_path / "badge.svg").exists()


def test_secrets_are_nowhere(command, tmp_path):
    _, out, err = command("judge", of("tokens-everywhere.har"), "--output", str(tmp_path))
    written = [path.read_text(encoding="utf-8", errors="replace") for path in tmp_path.iterdir()]
    assert len(written) > 4
    for text in (out, err, *written):
        assert "SECRET" not in text
    assert "api-key=***************&token=***************" in out


def test_without_bodies(command, tmp_path):
    command("judge", of("vcrpy.yaml"), "--output", str(tmp_path), "--no-bodies")
    text = (tmp_path / "transcript.har").read_text()
    assert "word1" not in text
    assert "entry-3" in text


def test_standard_input(command, monkeypatch):
    octets = (DIRECTORY / "stream.sse").read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(octets)))
    code, out, _ = command("judge", "-")
    assert code == 6
    assert "1 entry: 1 judged." in out


@pytest.fixture
def two(tmp_path):
    text = gzip.decompress((DIRECTORY / "compressed.har.gz").read_bytes()).decode()
    document = json.loads(text)
    document["log"]["entries"] += json.loads(text.replace("api.example.com", "api.example.org"))["log"]["entries"]
    path = tmp_path / "two.har"
    path.write_text(json.dumps(document))
    return str(path)


def test_two_servers_get_a_verdict_each(command, two, tmp_path):
    _, out, _ = command("judge", two)
    assert re.findall(r"^== .*\((.*)\)$", out, re.MULTILINE) == [
        "https://api.example.com/v1",
        "https://api.example.org/v1",
    ]
    code, _, err = command("judge", two, "--output", str(tmp_path / "reports"))
    assert code == 4
    assert "is about several servers" in err
    code, out, _ = command("judge", two, "--host", "api.example.org", "--output", str(tmp_path / "reports"))
    assert code == 6
    assert "Not judged, but also asked: https://api.example.com/v1 (2 requests;" in flat(out)


def test_other_models_are_judged_by_a_profile(command, tmp_path):
    text = gzip.decompress((DIRECTORY / "compressed.har.gz").read_bytes())
    path = tmp_path / "other.har"
    text = text.replace(b"group:123e4567-e89b-12d3-a456-426614174000", b"gpt-4o")
    path.write_bytes(text.replace(b'\\"kitemesh\\"', b'\\"x_other\\"'))
    code, _, err = command("judge", str(path))
    assert code == 4
    assert "--any-model" in err
    _, out, _ = command("judge", str(path), "--any-model", "--output", str(tmp_path / "reports"))
    assert "Judged by the profile openai-compatible" in flat(out)
    assert not (tmp_path / "reports" / "badge.svg").exists()
    for name in ("results.json", "summary.md", "report.html"):
        assert "profile openai-compatible" in (tmp_path / "reports" / name).read_text()
