"""`record` by its command: it says where it listens, ends by a signal, and writes the usual reports."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from conformance.reference import faults
from conformance.reference.app import create_app
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_MODEL, FIRST_TOKEN, Settings


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals")
def test_a_session_from_its_start_to_its_reports(tmp_path: Path) -> None:
    code = "import sys; from conformance.commands.main import main; sys.exit(main())"
    app = create_app(Settings(token_interval=0.001), faults.by_id("stream-done-absent").behaviour)
    with in_thread(app) as url:
        words = [sys.executable, "-u", "-c", code, "record", url, "--output", str(tmp_path)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        base = re.search(r"Listening at (\S+) for", line)
        assert base, line + (process.stderr.read() if process.stderr else "")
        body = {"model": DEFAULT_MODEL, "stream": True, "messages": [{"role": "user", "content": "Say word."}]}
        headers = {"Authorization": f"Bearer {FIRST_TOKEN}"}
        answer = httpx.post(f"{base[1]}/v1/chat/completions".replace("/v1/v1", "/v1"), json=body, headers=headers)
        assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=90)
    assert (process.returncode, err) == (1, "")
    assert "stream.done: the stream does not end with [DONE]" in out
    assert "1 entry: 1 judged." in out
    written = {path.name for path in tmp_path.iterdir()}
    assert {"record.jsonl", "transcript.har", "results.json", "report.html", "summary.md"} <= written
    assert json.loads((tmp_path / "results.json").read_text())["verdict"] == "nonconformant"
    assert all(FIRST_TOKEN not in path.read_text(errors="replace") for path in tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals")
def test_what_the_client_broke_is_told_and_fails_no_server(tmp_path: Path) -> None:
    code = "import sys; from conformance.commands.main import main; sys.exit(main())"
    with in_thread(create_app(Settings())) as url:
        words = [sys.executable, "-u", "-c", code, "record", url, "--output", str(tmp_path)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        base = re.search(r"Listening at (\S+) for", process.stdout.readline())
        assert base
        body = {"model": DEFAULT_MODEL, "temperature": 3, "messages": [{"role": "user", "content": "Say word."}]}
        headers = {"Authorization": f"Bearer {FIRST_TOKEN}"}
        for more in ({}, {"temperature": 1}):
            httpx.post(f"{base[1]}/chat/completions", json={**body, **more}, headers=headers)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=90)
    assert err == ""
    assert process.returncode != 1
    assert "client.request-valid: the request's body breaks the request schema; observed" in out
    assert "The client, too, broke something: client.request-valid. To judge it:" in out
    (line,) = (tmp_path / "record.jsonl").read_text().splitlines()
    assert json.loads(line)["requirement"] == "client.request-valid"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--keep", "some"], "--keep takes findings, all or a number"),
        (["--target-header", "no colon"], "--target-header takes 'Name: value'"),
        (["--target-header", "Host: x"], "--target-header takes 'Name: value'"),
        (["--ca-bundle", "no-such.pem"], "cannot be read"),
    ],
)
def test_wrong_use_is_one_sentence(command, tmp_path, words, told):
    code, _, err = command("record", "http://127.0.0.1:9/v1", "--output", str(tmp_path), *words)
    assert code == 4
    assert told in err
