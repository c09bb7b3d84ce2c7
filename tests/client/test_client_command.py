"""The command: a program gets a verdict on it, by the same machinery as a server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from conformance.client import faces
from conformance.client.run import Trial, run
from conformance.commands.main import main
from conformance.judging.verdict import Conclusion, State
from conformance.settings.options import Options

ROOT = Path(__file__).parents[2]
GOOD = (sys.executable, "-m", "conformance.reference.client")
ASKS = """
import json, os, sys, urllib.request
message = {"role": "user", "content": "Reply with just this word: kite"}
body = {"model": os.environ["KITEMESH_MODEL"], "messages": [message]}
request = urllib.request.Request(
    os.environ["OPENAI_BASE_URL"] + "/chat/completions", json.dumps(body).encode(),
    {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Content-Type": "application/json"},
)
print(json.load(urllib.request.urlopen(request, timeout=3))["choices"][0]["message"]["content"])
"""


@pytest.fixture(autouse=True)
def _somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def client(*words):
    return main(["client", "--timeout", "15", *words])


def results():
    return json.loads(Path("reports/client/results.json").read_text(encoding="utf-8"))


def outcomes():
    return {row["id"]: row["outcome"] for row in results()["requirements"]}


def test_the_good_client_passes(capsys):
    names = "sse-crlf,approval-stream-no-index,stream-cut,hangs-within,limited-for-seconds,resume-lost"
    assert client("--face", names, "--same-output", "--", *GOOD) == 0
    found = outcomes()
    for id_ in ("request-valid", "resume-matches", "variation", "variation-output", "notices-truncation", "ends"):
        assert found[f"client.{id_}"] == "passed", id_
    out = capsys.readouterr().out
    assert "The client meets every MUST" in out
    assert "(partial scope, exit code 0)" in out
    assert results()["options"]["side"] == "client"
    assert results()["target"]["name"].endswith("conformance.reference.client")


def test_one_that_gives_up_a_resume_that_broke_off_is_not_blamed():
    """As it should: whoever asks again may carry it out twice."""
    code = (
        "from conformance.reference import client\n"
        "class Resuming(client.Client):\n"
        "    def work(self, prompt):\n"
        "        for _ in range(8): self.say(self.chat(prompt, False))\n"
        "raise SystemExit(client.main(Resuming))\n"
    )
    Path("resumes.py").write_text(code, encoding="utf-8")
    assert client("--face", "reset-within-once,sse-crlf", "--", sys.executable, "resumes.py") == 0
    courses = json.loads(Path("reports/client/transcript.har").read_text())["log"]["_conformance"]["options"]["faces"]
    assert {row["face"]: row["status"] for row in courses}["reset-within-once"] == 1
    assert outcomes()["client.variation"] == "passed"
    assert outcomes()["client.resume-once"] == "passed"


def test_one_that_breaks_on_a_variation_fails_by_all_reports(capsys):
    assert (
        client("--face", "sse-no-space", "--", *GOOD[:2], "conformance.reference.client_faults", "client-literal") == 1
    )
    assert outcomes()["client.variation"] == "failed"
    (failure,) = ElementTree.parse("reports/client/junit.xml").iter("failure")
    assert "client.variation" in failure.text
    page = Path("reports/client/report.html").read_text(encoding="utf-8")
    assert "the face sse-no-space" in page
    assert "signature" not in capsys.readouterr().err
    transcript = "reports/client/transcript.har"
    assert main(["judge", transcript]) == 1
    assert main(["judge", transcript, "--against", "reports/client/results.json"]) == 1
    assert "CONFIRMED" in capsys.readouterr().out


def test_a_known_failure_passes_the_gate():
    words = ("--face", "sse-no-space", "--", *GOOD[:2], "conformance.reference.client_faults", "client-literal")
    assert client("--write-baseline", "known.toml", *words) == 1
    assert client("--baseline", "known.toml", *words) == 0


def test_a_program_that_knows_another_clients_variables_needs_no_change():
    Path("asks.py").write_text(ASKS, encoding="utf-8")
    assert client("--face", "json-pretty", "--", sys.executable, "asks.py") == 0
    assert outcomes()["client.token"] == "passed"


def test_one_that_sends_nothing_or_fails_on_the_plain_server_says_nothing(capsys):
    assert client("--face", "sse-crlf", "--", sys.executable, "-c", "print('kite')") == 6
    assert "The command sent no request to the documented endpoints" in " ".join(capsys.readouterr().out.split())
    Path("asks.py").write_text(f"{ASKS}\nsys.exit('no wind')", encoding="utf-8")
    assert client("--face", "sse-crlf", "--", sys.executable, "asks.py") == 6
    assert "exit status 1 (no wind). Make it succeed there" in " ".join(capsys.readouterr().out.split())
    assert len(results()["requirements"]) == 15


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--", "no-such-program"), "There is no program 'no-such-program'"),
        (("--face", "sse-crfl", "--", "true"), "did you mean sse-crlf"),
        (("--only", "stream.done", "--", "true"), "stream.done speaks of a server"),
        (("--depth", "shallow", "--", "true"), "--depth must be quick, standard, deep"),
        (("--timeout", "0", "--", "true"), "--timeout must be above 0"),
        ((), "Missing argument"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_run(capsys, words, says):
    assert main(["client", *words]) == 4
    out, err = capsys.readouterr()
    assert says in err
    assert not out
    assert not Path("reports").exists()


def test_options_behind_the_command_are_its_own():
    Path("asks.py").write_text(f"{ASKS}\nassert sys.argv[1:] == ['--face', 'x']", encoding="utf-8")
    assert client("--face", "plain", sys.executable, "asks.py", "--face", "x") == 0


def test_what_was_selected_decides_on_the_faces():
    Path("asks.py").write_text(ASKS, encoding="utf-8")
    assert client("--only", "client.token", "--", sys.executable, "asks.py") == 0
    assert results()["totals"]["requests"] == 2
    assert [row["outcome"] for row in results()["requirements"] if row["id"] == "client.token"] == ["passed"]


def test_a_face_on_which_it_fails_once_is_run_again():
    Path("asks.py").write_text(
        f"{ASKS}\nimport pathlib\nseen = pathlib.Path('runs')\nruns = seen.read_text() if seen.exists() else ''\n"
        "seen.write_text(runs + 'x')\nsys.exit(len(runs) == 2)",
        encoding="utf-8",
    )
    trial = Trial(command=(sys.executable, "asks.py"), faces=faces.chosen(["json-pretty"]), limit=15, jobs=1)
    report = run(trial, Options())
    assert report["client.variation"].state is State.PASSED
    assert any("json-pretty" in note and "run there again" in note for note in report.notes)


def test_one_that_leaves_processes_behind_is_told():
    Path("asks.py").write_text(f"{ASKS}\nimport os, time\nif os.fork() == 0: time.sleep(60)", encoding="utf-8")
    report = run(Trial(command=(sys.executable, "asks.py"), faces=faces.chosen(["plain"]), limit=15), Options())
    assert report.verdict.conclusion is Conclusion.CONFORMANT
    assert any("left processes behind, which were ended: on plain, plain-2." in note for note in report.notes)


def test_ctrl_c_ends_all_and_judges_what_was_done(tmp_path):
    Path("waits.py").write_text(
        f"{ASKS}\nimport time\ntime.sleep(0 if 'done' in os.listdir() else 60)", encoding="utf-8"
    )
    words = ("client", "--face", "variation", "--timeout", "60", "--", sys.executable, "waits.py")
    code = "import sys; from conformance.commands.main import main; sys.exit(main())"
    running = subprocess.Popen((sys.executable, "-c", code, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(4)
    os.kill(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 2
    assert b"Traceback" not in out + err
