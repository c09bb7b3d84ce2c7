"""The command line: exit codes, one sentence for whatever is wrong, and never a traceback unless asked for."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import click
import pytest
from jsonschema import Draft202012Validator
from made_up import MODEL, REPORTS, URL, World

from conformance.commands.main import group, main
from conformance.contract import schemas
from conformance.contract.catalogue import load
from conformance.reference.settings import DEFAULT_MODEL, FIRST_TOKEN, SECOND_TOKEN
from conformance.settings.config_file import Config, options
from conformance.settings.flags import FLAGS
from conformance.settings.options import Depth, UsageError

ROOT = Path(__file__).parents[2]
TARGET = (URL, "--model", MODEL)
BADGE = {"badge.svg"}
"""Of a run of full scope that came to a verdict."""
WRITTEN = REPORTS | {"junit.xml"}
HTTP = [r for r in load() if r.area == "http"]


@pytest.fixture(autouse=True)
def _bare(bare):
    """Nothing of the caller's directory or environment."""


def refused(result, *words):
    """Hold that a result is one sentence and exit code 4."""
    code, _, err = result
    assert code == 4
    assert err.startswith("Error: ")
    assert len(err.splitlines()) == 1
    for word in words:
        assert word in err


def test_a_run_writes_its_reports_and_gives_the_verdict(world, command):
    world.broken = {"stream.done": 1}
    code, out, err = command("run", *TARGET)
    assert code == 1
    assert "NONCONFORMANT (full scope, exit code 1)" in out
    assert (
        "Reports in reports: report.html, transcript.har, results.json, summary.md, vectors.json, badge.svg, "
        "junit.xml" in " ".join(out.split())
    )
    assert "test session starts" not in out + err
    assert {path.name for path in Path("reports").iterdir()} == WRITTEN | BADGE
    assert world.asked[0].token == "km_secret_token"
    for path in Path("reports").iterdir():
        assert "km_secret" not in path.read_text(encoding="utf-8")


def test_the_log_of_pytest_html_is_written_where_it_is_asked_for(world, command):
    world.broken = {"stream.done": 1}
    code, out, _ = command("run", *TARGET, "--pytest-html")
    assert code == 1
    assert "junit.xml, pytest.html" in " ".join(out.split())
    page = Path("reports/pytest.html").read_text(encoding="utf-8")
    assert 'name="viewport"' in page
    assert "stream.done" in page
    assert (
        "col-duration" not in page.partition("<style")[0] + page.partition("data-jsonblob")[2].partition("<script")[0]
    )
    command("run", *TARGET)  # what an earlier run said must not stand beside what this one says
    assert not Path("reports/pytest.html").exists()


@pytest.mark.parametrize(
    ("broken", "unseen", "code"),
    [({}, {}, 0), ({"auth.challenge": 1}, {}, 0), ({"stream.done": 1}, {}, 1), ({}, {"stream.done": "none came"}, 6)],
)
def test_exit_codes(world, command, broken, unseen, code):
    world.broken, world.unseen = broken, unseen
    assert command("run", *TARGET)[0] == code


def test_strict(world, command):
    world.broken = {"auth.challenge": 1}
    assert command("run", *TARGET, "--strict")[0] == 1


def test_last_failed_judges_only_what_failed(world, command):
    world.broken = {"stream.done": 1, "auth.challenge": 1}
    command("run", *TARGET)
    assert world.asked[-1].only == ()
    world.broken = {"stream.done": 1}
    assert command("run", *TARGET, "--last-failed")[0] == 1
    assert world.asked[-1].only == ("auth.challenge", "stream.done")
    command("run", *TARGET, "--last-failed")
    assert world.asked[-1].only == ("stream.done",)


def test_last_failed_judges_everything_once_nothing_fails(world, command):
    command("run", *TARGET)
    code, _, err = command("run", *TARGET, "--last-failed")
    assert code == 0
    assert "nothing failed last time" in err
    assert world.asked[-1].only == ()


def test_last_failed_within_what_is_selected(world, command):
    world.broken = {"stream.done": 1, "auth.challenge": 1}
    command("run", *TARGET)
    command("run", *TARGET, "--last-failed", "--skip", "auth")
    assert world.asked[-1].only == ("stream.done",)
    assert "nothing failed last time" in command("run", *TARGET, "--last-failed", "--only", "reject")[2]


def test_failed_first(world, command):
    assert command("run", *TARGET, "--failed-first")[0] == 0  # there was no last time
    world.broken = {"stream.done": 1}
    command("run", *TARGET)
    command("run", *TARGET, "--failed-first")
    assert (world.asked[-1].first, world.asked[-1].only) == (("stream.done",), ())


def test_last_failed_needs_results(world, command):
    refused(command("run", *TARGET, "--last-failed"), "results.json", "--last-failed")
    Path("reports").mkdir()
    Path("reports/results.json").write_text("{}")
    for option in ("--last-failed", "--failed-first"):
        refused(command("run", *TARGET, option), "results.json")
    assert not world.asked


def test_last_failed_speaks_of_one_run(command):
    refused(command("run", *TARGET, "--last-failed", "--http", "1.1,2"), "--http")


def test_interrupted(world, command):
    world.interrupted = True
    code, out, _ = command("run", *TARGET)
    assert code == 2
    assert "(full scope, interrupted, exit code 2)" in out
    assert {path.name for path in Path("reports").iterdir()} == WRITTEN


@pytest.mark.parametrize(
    ("raised", "code"), [(KeyboardInterrupt(), 2), (RuntimeError("boom"), 3), (UsageError("No."), 4)]
)
def test_what_the_run_raises(command, monkeypatch, raised, code):
    from conformance.running import run

    def fail(options, progress=None):
        raise raised

    monkeypatch.setattr(run, "run", fail)
    got, _, err = command("run", *TARGET)
    assert got == code
    told = err.removeprefix(f"Judging {URL}\n").strip()  # behind the line end that goes after a ^C
    assert len(told.splitlines()) == 1
    assert list(Path("reports").iterdir()) == []


def test_a_traceback_only_where_it_is_asked_for(monkeypatch, capsys):
    from conformance.running import run

    monkeypatch.setattr(run, "run", lambda options, progress=None: 1 / 0)
    assert main(["run", "--debug", *TARGET]) == 3
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_the_users_own_pytest_is_left_out(world, command, monkeypatch):
    Path("pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n", encoding="utf-8")
    Path("conftest.py").write_text("raise RuntimeError('not ours')\n", encoding="utf-8")
    Path("test_theirs.py").write_text("def test(): assert False\n", encoding="utf-8")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option-either")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    assert command("run", *TARGET)[0] == 0
    assert os.environ["PYTEST_ADDOPTS"] == "--no-such-option-either"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "ftp://host"), "is not an http or https URL"),
        (("run", "https://user:pw@host"), "user information"),
        (("run", URL), "--model"),
        (("run", URL, "--model", "gpt-4"), "group:<uuid>"),
        (("run", URL, "--model", MODEL, "--only", "stream.dne"), "did you mean stream.done"),
        (("run", URL, "--model", MODEL, "--only", "http", "--skip", "http"), "leave no requirement"),
        (("run", URL, "--model", MODEL, "--token-env", "NOT_SET"), "NOT_SET"),
        (("run", URL, "--model", MODEL, "--token-env", "km_secret"), "never the token itself"),
        (("run", URL, "--model", MODEL, "--token-file", "none"), "cannot be read"),
        (("run", URL, "--model", MODEL, "--token-file", "/dev/zero"), "is larger than 1 MiB"),
        (("run", URL, "--model", MODEL, "--second-token-env", "KITEMESH_TOKEN"), "equals the first"),
        (("run", URL, "--model", MODEL, "--timeout", "soon"), "--timeout"),
        (("run", URL, "--model", MODEL, "--concurrency", "0"), "--concurrency"),
        (("run", URL, "--model", MODEL, "--depth", "abyss"), "quick, standard, deep"),
        (("run", URL, "--model", MODEL, "--modes", "turbo"), "turbo"),
        (("run", URL, "--model", MODEL, "--header", "no colon"), "Name: value"),
        (("run", URL, "--model", MODEL, "--no-approvals", "--approval-prompt", "x"), "contradict"),
        (("run", "--model", MODEL), "give its URL"),
        (("run", ""), "The URL is empty"),
        (("run", " "), "The URL is empty"),
        (("run", "reference", "--model", MODEL), "the embedded reference server has its own"),
        (("run", "reference", "--write-baseline", "x"), "no baseline is written for the embedded reference server"),
        (("run", "--no-such-option"), "--no-such-option"),
        (("judge",), "FILE"),
        (("judge", "none.har"), "none.har"),
        (("requirements", "streem"), "did you mean stream"),
        (("no-such-command",), "no-such-command"),
    ],
)
def test_wrong_use_is_one_sentence(world, command, words, said):
    refused(command(*words), said)
    assert not world.asked


@pytest.mark.parametrize("token", [None, "", "two words", "ümlaut", "line\n"])
def test_a_token_that_cannot_be_used(world, command, monkeypatch, token):
    monkeypatch.setenv("KITEMESH_TOKEN", token) if token is not None else monkeypatch.delenv("KITEMESH_TOKEN")
    refused(command("run", *TARGET), "token")
    assert not world.asked


WORDS_OF_THE_TRADE = (
    "max_tokens", "finish_reason", "chat.completion", "application/json", "text/event-stream", "no-store", "[DONE]",
    "rate_limit_error", "prompt_", "conformance-accept",
)  # fmt: skip
"""Of the schemas, the documented answers, and what the suite sends."""


@pytest.mark.parametrize("option", ["token", "second token"])
@pytest.mark.parametrize(
    ("token", "why"),
    [
        *((token, "fewer than 6 characters") for token in ("token", "model", "data", "null", "0", "k", "km_x")),
        *((token, "a word or a number") for token in (
            "password", "Bearer", "deadbeef", "1790000000", "2026-09-21", "123e4567-e89b", "********",
            "------------------------",
        )),
        *((token, "a word that requests or answers of the API hold") for token in WORDS_OF_THE_TRADE),
    ],
)  # fmt: skip
def test_a_token_that_cannot_be_masked_is_refused(world, command, monkeypatch, option, token, why):
    monkeypatch.setenv("KITEMESH_SECOND_TOKEN" if option == "second token" else "KITEMESH_TOKEN", token)
    refused(command("run", *TARGET), f"The {option} ", why)
    assert not world.asked


@pytest.mark.parametrize("token", ["token", "second token"])
@pytest.mark.parametrize(
    ("more", "place"),
    [
        (("--approval-prompt", "Create ticket km_test7."), "--approval-prompt"),
        (("--expiring-prompt", "Create ticket km_test7."), "--expiring-prompt"),
        (("http://127.0.0.1:9/km_test7/v1",), "the URL"),
        (("http://km_test7.example/v1",), "the URL"),
    ],
)
def test_a_token_that_stands_elsewhere_too_is_refused(world, command, monkeypatch, token, more, place):
    monkeypatch.setenv("KITEMESH_SECOND_TOKEN" if token == "second token" else "KITEMESH_TOKEN", "km_test7")
    target = TARGET[1:] if more[0].startswith("http") else TARGET
    refused(command("run", *target, *more), f"The {token} is part of {place}")
    assert not world.asked


def test_a_token_that_is_part_of_the_model_is_refused(world, command, monkeypatch):
    monkeypatch.setenv("KITEMESH_TOKEN", "4f9d2c81-1b7e-4d3a-9e64-0c5a7b21de90")
    model = "group:4f9d2c81-1b7e-4d3a-9e64-0c5a7b21de90"
    refused(command("run", URL, "--model", model), "The token is part of the model")
    assert not world.asked


def test_a_token_that_is_part_of_a_body_to_be_replayed_is_refused(world, command, monkeypatch):
    monkeypatch.setenv("KITEMESH_TOKEN", "km_test7")
    vectors = {"format": 1, "model": MODEL, "vectors": [{"breach": "natural", "body": '{"x": "km_test7"}'}]}
    Path("vectors.json").write_text(json.dumps(vectors), encoding="utf-8")
    refused(command("run", *TARGET, "--replay", "vectors.json"), "The token is part of a body in --replay")
    assert not world.asked


@pytest.mark.parametrize(
    "token",
    [
        "km_test", "sk-test", "test-token", "local-dev", "hunter2", "sk-1234", "4f9d2c81-1b7e-4d3a-9e64-0c5a7b21de90",
        "8f14e45fceea167a5a36dedd4bea2543", "kYrLpQzXwVtNbMcJhGfD", "eyJhbGciOiJIUzI1NiJ9.e30.ZRrHA1JJJW8o",
        "km_first+secret/token=7Qz", FIRST_TOKEN, SECOND_TOKEN, f"{FIRST_TOKEN}-too",
    ],
)  # fmt: skip
def test_a_token_that_says_nothing_else_is_taken(world, command, monkeypatch, token):
    monkeypatch.setenv("KITEMESH_TOKEN", token)
    monkeypatch.setenv("KITEMESH_SECOND_TOKEN", f"{token}2")  # of which the first is a part
    assert command("run", *TARGET)[0] == 0
    assert world.asked[0].token == token


@pytest.mark.parametrize("text", [b"", b"no json", b"[]", b'{"log": {}}', b"\xff\xfe"])
def test_an_unreadable_transcript(command, text):
    Path("x.har").write_bytes(text)
    refused(command("judge", "x.har"), "x.har")


def test_certificates_that_cannot_be_read(command):
    Path("empty.pem").touch()
    refused(command("run", *TARGET, "--ca-bundle", "none.pem"), "none.pem")
    refused(command("run", *TARGET, "--ca-bundle", "empty.pem"), "empty.pem")


def test_an_output_that_cannot_be_written(world, command):
    Path("file").write_text("", encoding="utf-8")
    refused(command("run", *TARGET, "--output", "file/below"), "Nothing can be written")
    assert not world.asked


def test_without_a_command_the_help_is_shown(command):
    code, out, err = command()
    assert code == 4
    assert "Exit codes" in out + err


def commands(found=group, words=()):
    """The words of every command, groups too."""
    yield words
    if isinstance(found, click.Group):
        context = click.Context(found)
        for name in found.list_commands(context):
            yield from commands(found.get_command(context, name), (*words, name))


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_help_fits_a_screen(command, words):
    code, out, _ = command(*words, "--help")
    assert code == 0
    assert "Example" in out
    assert len(out.splitlines()) <= (40 if words in ((), ("run",)) else 24)
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("pattern", ["stream", "stream.done*"])
def test_several_requirements_are_explained_together(command, pattern):
    code, out, _ = command("explain", pattern)
    assert code == 0
    headings = [line for line in out.splitlines() if line.endswith((" (MUST)", " (SHOULD)"))]
    assert headings == [f"{r.id} ({r.level})" for r in load().select([pattern])]
    assert len(headings) > 1
    assert max(map(len, out.splitlines())) <= 80


def test_a_wildcard_that_fits_one_requirement_explains_it_whole(command):
    assert command("explain", "stream.done-l?s*") == command("explain", "stream.done-last")


def test_each_schema_is_printed_whole(command):
    listed = command("schema")[1].splitlines()
    assert len(listed) == len(schemas.names())
    for name in (line.split()[0] for line in listed):
        code, out, _ = command("schema", name)
        document = json.loads(out)
        Draft202012Validator.check_schema(document)
        assert (code, document["title"], '"$ref"' in out) == (0, schemas.schema(name)["title"], False)


def test_an_unknown_schema_is_one_sentence(command):
    code, out, err = command("schema", "chunks")
    assert (code, out, len(err.splitlines())) == (4, "", 1)
    assert "chunk" in err


def test_help_all_explains_every_option(command):
    code, out, _ = command("run", "--help-all")
    assert code == 0
    for flag in FLAGS:
        assert re.search(rf"^ *--{flag.name} .*{re.escape(flag.help[:12])}", out, re.MULTILINE), flag.name
    short = command("run", "--help")[1]
    assert all(f"--{flag.name}" in short for flag in FLAGS)
    assert max(map(len, out.splitlines())) <= 80


def test_the_examples_name_faults_that_there_are(command):
    from conformance.reference.faults import FAULTS

    named = re.findall(r"--fault (\S+)", command("serve", "--help")[1])
    assert {name for name in named if name != "ID"} <= {fault.id for fault in FAULTS}
    assert len(named) > 1


def test_help_is_quick():
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "conformance.commands.main", "--help"], cwd=ROOT, check=True, capture_output=True
        )
        times.append(time.perf_counter() - start)
    print(f"--help: {min(times):.2f} s")  # below 0.5 s; what makes it slow is held here, the time is not
    script = "import sys, conformance.commands.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    heavy = {"asyncio", "httpx", "hypothesis", "jinja2", "jsonschema", "pytest", "rich", "schemathesis", "starlette"}
    assert not heavy & set(loaded.split())


def test_the_plan_sends_nothing(world, command):
    code, out, _ = command("run", *TARGET, "--plan", "--max-credits", "50")
    assert code == 0
    assert re.search(r"Requests: \d+ at most if nothing fails", out)
    assert "--max-requests limits them all" in out
    assert "once 50 were charged" in out
    assert "no tool call is approved" in out
    assert "Nothing was sent." in out
    assert not world.asked
    assert not Path("reports").exists()


def test_requirements_as_text_json_and_markdown(command):
    _, text, _ = command("requirements", "stream.done", "http")
    assert [line.split()[:2] for line in text.splitlines()] == [
        *([r.id, r.level] for r in HTTP),
        ["stream.done", "MUST"],
    ]
    _, text, _ = command("requirements", "--format", "json")
    assert json.loads(text)["requirements"][0]["id"] == "auth.missing-header"
    _, text, _ = command("requirements", "stream", "--format", "markdown")
    assert "| [stream.done](#streamdone) | MUST |" in text


def test_every_option_has_a_variable():
    environ = {
        "KITEMESH_URL": URL,
        "KITEMESH_MODEL": MODEL,
        "KITEMESH_TOKEN": "km_one",
        "KITEMESH_SECOND_TOKEN": "km_two",
        "KITEMESH_DEPTH": "deep",
        "KITEMESH_MODES": "auto,normal",
        "KITEMESH_ONLY": "stream, http",
        "KITEMESH_STRICT": "yes",
        "KITEMESH_NO_EXECUTE": "0",
        "KITEMESH_MAX_CREDITS": "2.5",
        "KITEMESH_HEADER": "X-One: 1\nX-Two: a, b",
        "KITEMESH_APPROVAL_PROMPT": "a ticket, please",
    }
    made = options(None, {}, environ, Config())
    assert (made.url, made.model, made.token, made.second_token) == (URL, MODEL, "km_one", "km_two")
    assert (made.depth, made.modes, made.only) == (Depth.DEEP, ("auto", "normal"), ("stream", "http"))
    assert (made.strict, made.execute, made.max_credits) == (True, True, 2.5)
    assert made.headers == (("X-One", "1"), ("X-Two", "a, b"))
    given = {"depth": "quick", "no_approvals": True, "only": ["chunk"]}
    made = options(None, given, environ, Config())
    assert (made.depth, made.approvals, made.approval_prompt, made.only) == (Depth.QUICK, False, None, ("chunk",))
    with pytest.raises(UsageError, match="KITEMESH_STRICT must be 1 or 0"):
        options(None, {}, environ | {"KITEMESH_STRICT": "perhaps"}, Config())


def test_the_table_reaches_every_option():
    from dataclasses import fields

    from conformance.settings.options import Options

    reached = {flag.key for flag in FLAGS} | {
        "side",
        "url",
        "embedded",
        "first",
        "preflight",
        "token",
        "second_token",
        "approvals",
        "bodies",
        "execute",
        "headers",
        "vectors",
        "client_key_password",
        "environment_proxy",
    }
    assert {field.name for field in fields(Options)} <= reached


def test_nothing_listens(command):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = time.monotonic()
    code, out, _ = command("run", f"http://127.0.0.1:{port}", "--model", MODEL)
    assert code == 6
    assert time.monotonic() - start < 60
    assert "INCONCLUSIVE" in out


def test_the_reference_server_from_the_run_to_the_judging_again(command):
    words = ("--only", "http,auth.missing-header", "--depth", "quick", "--output", "first")
    code, out, _ = command("run", "reference", *words)
    assert code == 0
    assert "CONFORMANT (partial scope, exit code 0)" in out
    assert {path.name for path in Path("first").iterdir()} == WRITTEN
    code, again, _ = command("judge", "first/transcript.har", "--output", "second")
    assert code == 0
    outcomes = [json.loads(Path(d, "results.json").read_text())["requirements"] for d in ("first", "second")]
    assert outcomes[0] == outcomes[1]
    assert {r["id"] for r in outcomes[0] if r["outcome"] == "passed"} >= {"http.complete", "auth.missing-header"}
    _, narrowed, _ = command("judge", "first/transcript.har", "--only", "http.json")
    assert re.search(r"^all +1\b", narrowed, re.MULTILINE)
    assert re.search(rf"^all +{1 + len(HTTP)}\b", again, re.MULTILINE)
    assert command("judge", "first/transcript.har", "second/transcript.har")[0] == 0


def test_the_worst_of_several_transcripts_counts(world, command, monkeypatch):
    from conformance.judging import judge
    from conformance.settings.options import Options

    command("run", *TARGET, "--output", "x")
    worlds = iter([World(), World(broken={"stream.done": 1}), World(unseen={"stream.done": "none came"})])
    monkeypatch.setattr(judge, "judge", lambda transcript, **told: next(worlds).run(Options()))
    assert command("judge", *["x/transcript.har"] * 3)[0] == 1


def test_serve_tells_how_to_judge_it_and_ends_quietly():
    command = [sys.executable, "-m", "conformance.commands.main", "serve"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert "listens at http://127.0.0.1:" in process.stdout.readline()
        assert "export KITEMESH_TOKEN=" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert err == ""


def test_a_port_that_is_taken(command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused(command("serve", "--port", taken.getsockname()[1]), "choose another --port")


def test_serve_lists_its_faces(command):
    code, out, _ = command("serve", "--list")
    assert code == 0
    lines = out.splitlines()
    assert any(line.startswith("fault      stream-done-absent  ") and "[stream.done]" in line for line in lines)
    assert any(line.startswith("variation  sse-crlf  ") for line in lines)
    assert any(line.startswith("trouble    hangs-before  ") for line in lines)


def test_serve_suggests_what_was_meant(command):
    refused(command("serve", "--fault", "stream-done-absnt"), "did you mean stream-done-absent")
    refused(command("serve", "--variation", "stream-done-absent"), "--variation knows nothing called")


def test_serve_combines_faults_and_variations():
    words = ("serve", "--fault", "stream-done-absent", "--fault", "usage-total-cut", "--variation", "sse-crlf")
    command = [sys.executable, "-m", "conformance.commands.main", *words]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        url = re.search(r"http://\S+/v1", process.stdout.readline())[0]
        message = {"role": "user", "content": "Reply with just this word: kite"}
        body = json.dumps({"model": DEFAULT_MODEL, "messages": [message], "stream": True}).encode()
        headers = {"Authorization": f"Bearer {FIRST_TOKEN}", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{url}/chat/completions", body, headers)) as answer:
            octets = answer.read()
    finally:
        process.kill()
        process.communicate()
    assert b"\r\n\r\n" in octets
    assert b"[DONE]" not in octets
