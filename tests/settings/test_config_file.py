"""conformance.toml: what wins, where a value comes from, and one sentence for whatever is wrong with it."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from made_up import MODEL, URL

from conformance.contract import schemas
from conformance.settings import config_file as config
from conformance.settings.flags import FLAGS, OUTPUT
from conformance.settings.options import Depth, Options, UsageError

FILE = f"""
depth = "quick"
strict = true
timeout = 7
only = ["stream", "http"]

[targets.staging]
url = "{URL}"
model = "{MODEL}"
token-env = "STAGING_TOKEN"
baseline = "gate/known.toml"
strict = false
max-credits = 5
header = ["X-Key: km_hidden"]

[targets.local]
url = "http://127.0.0.1:8000"
"""


@pytest.fixture(autouse=True)
def _bare(bare, monkeypatch):
    """Nothing of the caller's directory or environment, but the token of another name."""
    monkeypatch.delenv("KITEMESH_TOKEN")
    monkeypatch.setenv("STAGING_TOKEN", "km_secret_token")


@pytest.fixture
def file():
    Path("conformance.toml").write_text(FILE, encoding="utf-8")
    Path("gate").mkdir()
    Path("gate/known.toml").touch()


# --- what wins


def test_a_run_of_a_named_target(file, world, command):
    assert command("run", "staging")[0] == 0
    (told,) = world.asked
    assert (told.url, told.model, told.token) == (URL, MODEL, "km_secret_token")
    assert (told.depth, told.timeout, told.max_credits, told.strict) == (Depth.QUICK, 7.0, 5.0, False)
    assert told.headers == (("X-Key", "km_hidden"),)
    assert told.only == ("stream", "http")


def test_the_command_line_wins_then_the_environment_then_the_target_then_the_top(file, command, monkeypatch, world):
    monkeypatch.setenv("KITEMESH_DEPTH", "deep")
    monkeypatch.setenv("KITEMESH_TIMEOUT", "9")
    monkeypatch.setenv("KITEMESH_MAX_CREDITS", "6")
    assert command("run", "staging", "--depth", "standard")[0] == 0
    (told,) = world.asked
    assert (told.depth, told.timeout, told.max_credits, told.strict) == (Depth.STANDARD, 9.0, 6.0, False)
    monkeypatch.setenv("KITEMESH_STRICT", "1")
    command("run", "staging")
    assert world.asked[1].strict


def test_a_variable_lifts_what_the_file_says(world, command, monkeypatch):
    Path("conformance.toml").write_text('strict = true\nmodes = []\nskip = ["http"]\n', encoding="utf-8")
    monkeypatch.setenv("KITEMESH_STRICT", "0")
    command("run")
    assert not world.asked[0].strict
    assert world.asked[0].modes == Options().modes, "an empty array is the default"
    assert world.asked[0].skip == ("http",)


def test_the_tops_defaults_reach_the_reference_server_but_for_what_is_of_targets(world, command):
    Path("conformance.toml").write_text(f'depth = "quick"\nmodel = "{MODEL}"\n', encoding="utf-8")
    assert command("run", "reference")[0] == 0
    assert (world.asked[0].url, world.asked[0].model, world.asked[0].depth) == (None, None, "quick")


def test_of_two_that_contradict_each_other_the_nearer_counts(command, world, monkeypatch):
    Path("conformance.toml").write_text(
        f'no-approvals = true\ntoken-file = "token"\n[targets.a]\nurl = "{URL}"\nmodel = "{MODEL}"\n'
        'approval-prompt = "A ticket."\ntoken-env = "STAGING_TOKEN"\n'
        f'[targets.b]\nurl = "{URL}"\nmodel = "{MODEL}"\n',
        encoding="utf-8",
    )
    Path("token").write_text("km_of_the_file\n", encoding="utf-8")
    for name in "ab":
        command("run", name)
    told = [(asked.approvals, asked.approval_prompt, asked.token) for asked in world.asked]
    assert told == [(True, "A ticket.", "km_secret_token"), (False, None, "km_of_the_file")]
    monkeypatch.setenv("KITEMESH_NO_APPROVALS", "1")
    command("run", "a", "--token-file", "token")
    assert (world.asked[2].approvals, world.asked[2].token) == (False, "km_of_the_file")


def test_a_variable_may_name_the_target_and_the_file(file, command, world, monkeypatch):
    Path("conformance.toml").rename("gate/other.toml")
    monkeypatch.setenv("KITEMESH_URL", "staging")
    monkeypatch.setenv("KITEMESH_CONFIG", "gate/other.toml")
    Path("gate/gate").mkdir()
    Path("gate/gate/known.toml").touch()
    assert command("run")[0] == 0
    assert world.asked[0].url == URL
    assert command("run", "--config", "none.toml")[0] == 4


def test_paths_are_relative_to_the_file(command, world):
    Path("deep/down").mkdir(parents=True)
    absolute = str(Path("token").absolute())
    Path("deep/conformance.toml").write_text(
        f'output = "out"\nbaseline = "down/known.toml"\n[targets.a]\nurl = "{URL}"\nmodel = "{MODEL}"\n'
        f"token-file = {json.dumps(absolute)}\n",
        encoding="utf-8",
    )
    Path("deep/down/known.toml").touch()
    Path("token").write_text("km_of_the_file", encoding="utf-8")
    assert command("run", "a", "--config", "deep/conformance.toml")[0] == 0
    assert world.asked[0].baseline == str(Path("deep/down/known.toml"))
    assert Path("deep/out/results.json").is_file()
    assert command("run", "a", "--config", "deep/conformance.toml", "--output", "here")[0] == 0
    assert Path("here/results.json").is_file()


@pytest.mark.parametrize("url", ["https://staging", "staging.example.com", "127.0.0.1:80", "//staging", "staging/v1"])
def test_what_looks_like_a_url_stays_one(file, url):
    target = config.find(None, {}).target(url, {})
    assert (target.name, target.url.value) == (None, url)


# --- what is wrong


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[targets.local]\nurl='http://x'", ["names no target 'staging'", "it knows local."]),
        ("", ["names no target; add [targets.staging]"]),
    ],
)
def test_an_unknown_target_is_told_with_those_that_there_are(command, world, text, words):
    Path("conformance.toml").write_text(text, encoding="utf-8")
    refused(command("run", "staging"), *words)
    assert not world.asked


def test_a_name_without_a_file(command, world):
    refused(command("run", "staging"), "There is no conformance.toml here", "'staging'", "give a URL")
    refused(command("run", "--config", "none.toml"), "'none.toml' cannot be read", "check --config")
    assert not world.asked


def refused(result, *words):
    code, _, err = result
    assert code == 4
    assert err.startswith("Error: ")
    assert len(err.splitlines()) == 1
    for word in words:
        assert word in err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("depth = \nstrict = true", ["is not TOML", "line 1"]),
        ("seed = 1\nseed = 2", ["is not TOML", "correct it there"]),
        ("max_credits = 5", ["'max_credits' at the top is not an option", "did you mean 'max-credits'"]),
        ("[targets.a]\nurl = 'http://x'\ncolour = 1", ["'colour' in [targets.a] is not an option", "config show"]),
        ("[target.a]\nurl = 'http://x'", ["'target' at the top is not an option"]),
        ("url = 'http://x'", ["'url' at the top", "[targets.staging]"]),
        ("timeout = 'soon'", ["'timeout' at the top must be a number; write timeout = 30."]),
        ("concurrency = 2.5", ["'concurrency' at the top must be a whole number"]),
        ("concurrency = true", ["'concurrency' at the top must be a whole number"]),
        ("strict = 1", ["'strict' at the top must be true or false"]),
        ("only = 'stream'", ["'only' at the top must be an array of strings"]),
        ("only = ['stream', 1]", ["'only' at the top must be an array of strings"]),
        ("modes = ['turbo']", ["'modes' at the top must be an array of auto, normal"]),
        ("depth = 'abyss'", ["'depth' at the top must be one of quick, standard, deep"]),
        ("depth = ['quick']", ["'depth' at the top must be one of quick, standard, deep"]),
        ("baseline = ''", ["'baseline' at the top must be a string that is not empty"]),
        ("approval-prompt = 2026-12-31", ["must be a string"]),
        (
            "token = 'km_1'",
            ["'token' at the top would keep a token in the file", "token-env (or a file, by token-file)"],
        ),
        ("second_token = 'km_1'", ["'second_token' at the top", "second-token-env."]),
        ("[targets.a]\nurl='http://x'\ntoken-env='km_1'", ["'token-env' in [targets.a]", "never the token itself"]),
        ("[targets.a]\nmodel = 'x'", ["in [targets.a] the base URL is missing", 'write url = "https://…"']),
        ("[targets.a]\nurl = 'b'", ["in [targets.a] the base URL is missing"]),
        ("targets = 1", ["targets must be tables"]),
        ("[targets]\na = 'http://x'", ["the target 'a' must be a table", "[targets.a]"]),
        ("[targets.'a.b']\nurl = 'http://x'", ["the target 'a.b' must be named by letters"]),
        ("header = ['Authorization: Bearer km_1']\n[targets.a]\nurl='http://x'", ["--header (conformance.toml)"]),
        ("no-approvals = true\napproval-prompt = 'x'\n[targets.a]\nurl='http://x'", ["contradict each other"]),
        ("concurrency = 0", ["--concurrency (conformance.toml) must be 1 or more"]),
        ("timeout = inf", ["--timeout (conformance.toml) must be above 0"]),
        ("[targets.a]\nurl='http://x'\nseed = -1", ["--seed (conformance.toml [targets.a]) must be 0 or more"]),
    ],
)
def test_one_sentence_with_the_place_and_what_to_do(command, world, text, words):
    Path("conformance.toml").write_text(text, encoding="utf-8")
    refused(command("run", *(["a"] if "[targets.a]\nurl='" in text else [])), "conformance.toml", *words)
    assert not world.asked
    assert not Path("reports").exists()


def test_no_text_and_too_much_of_it(command):
    Path("conformance.toml").write_bytes(b"depth = '\xff'")
    refused(command("run"), "is not UTF-8")
    Path("conformance.toml").write_bytes(b"#" * (2**20 + 1))
    refused(command("run"), "larger than 1 MiB")


def test_a_value_of_the_environment_is_told_as_such(command, world, monkeypatch):
    monkeypatch.setenv("KITEMESH_TIMEOUT", "soon")
    refused(command("run"), "--timeout (KITEMESH_TIMEOUT) must be a number, not 'soon'")
    refused(command("run", "--timeout", "late"), "--timeout must be a number, not 'late'")


# --- where each value comes from


def shown(out):
    return {line.split()[0]: re.split(r"  +", line)[1:] for line in out.splitlines()[3:]}


def test_config_show(file, command, monkeypatch):
    monkeypatch.setenv("KITEMESH_MAX_REQUESTS", "90")
    code, out, err = command("config", "show", "staging", "--concurrency", "3")
    assert (code, err) == (0, "")
    assert out.startswith("Target: staging\nFile: conformance.toml; it names staging, local\n")
    rows = shown(out)
    assert list(rows) == ["url", *(flag.name for flag in FLAGS), "output"]
    staging = "conformance.toml [targets.staging]"
    assert rows["url"] == [URL, staging]
    assert rows["token-env"] == ["STAGING_TOKEN (set)", staging]
    assert rows["second-token-env"] == ["KITEMESH_SECOND_TOKEN (not set)", "default"]
    assert rows["header"] == ["X-Key", staging]
    assert rows["strict"] == ["no", staging]
    assert rows["baseline"] == [str(Path("gate/known.toml")), staging]
    assert rows["depth"] == ["quick", "conformance.toml"]
    assert rows["only"] == ["stream, http", "conformance.toml"]
    assert rows["max-requests"] == ["90", "KITEMESH_MAX_REQUESTS"]
    assert rows["concurrency"] == ["3", "command line"]
    assert rows["wait-expiry"] == ["0", "default"]
    assert rows["output"] == ["reports", "default"]


def test_config_show_as_json(file, command):
    code, out, _ = command("config", "show", "staging", "--format", "json", "--output", "x")
    assert code == 0
    document = json.loads(out)
    assert (document["target"], document["file"]) == ("staging", "conformance.toml")
    assert document["targets"] == ["staging", "local"]
    rows = {row.pop("name"): row for row in document["options"]}
    staging = "conformance.toml [targets.staging]"
    assert rows["token-env"] == {"value": "STAGING_TOKEN", "origin": staging, "set": True}
    assert rows["max-credits"] == {"value": 5, "origin": staging}
    assert rows["output"] == {"value": "x", "origin": "command line"}
    assert rows["expiring-prompt"] == {"value": None, "origin": "default"}


def test_config_show_is_what_a_run_is_told(file, command, world, monkeypatch):
    """The table and the run read the same layers."""
    monkeypatch.setenv("KITEMESH_SEED", "4")
    command("run", "staging", "--examples", "2")
    rows = config.find(None, os.environ)
    target = rows.target("staging", os.environ)
    from conformance.commands.shell.config_table import rows as of

    told = {row.name.replace("-", "_"): row.value for row in of(target, {"examples": "2"}, os.environ)}
    kept = world.asked[0].recorded()
    for key in ("url", "model", "depth", "strict", "baseline", "concurrency", "timeout", "max_credits", "wait_expiry"):
        assert told[key] == kept[key], key
    assert (int(told["seed"]), int(told["examples"])) == (kept["seed"], kept["examples"])
    assert (told["only"], told["modes"], told["header"]) == (kept["only"], kept["modes"], kept["headers"])


def test_config_show_tells_what_a_run_would_refuse(file, command, monkeypatch):
    monkeypatch.delenv("STAGING_TOKEN")
    code, out, err = command("config", "show", "staging")
    assert code == 4
    assert shown(out)["token-env"][0] == "STAGING_TOKEN (not set)"
    assert err == (
        "Error: The variable STAGING_TOKEN, which --token-env (conformance.toml [targets.staging]) names, is not set; "
        "set it to the token.\n"
    )


def test_config_show_never_shows_a_secret_that_was_given_in_the_wrong_place(command, monkeypatch):
    code, out, _ = command("config", "show", URL, "--model", MODEL, "--token-env", "km_secret")
    assert code == 4
    assert shown(out)["token-env"] == ["- (not set)", "command line"]
    refused(command("config", "show", "https://user:km_pw@host"), "user information")
    Path("token").write_text("km_of_the_file", encoding="utf-8")
    code, out, _ = command("config", "show", URL, "--model", MODEL, "--token-file", "token")
    assert code == 0
    assert shown(out)["token-file"] == ["token (set)", "command line"]
    assert shown(out)["token-env"] == ["-", "default"]


# --- the schema


def test_the_schema_in_the_tree_is_the_one_of_the_table(command):
    text = (schemas.schema_dir() / "config.schema.json").read_text(encoding="utf-8")
    fresh = "kitemesh-conformance config schema > schemas/config.schema.json"
    assert json.loads(text) == config.schema(), f"an option is missing in the schema: {fresh}"
    assert command("config", "schema")[1] == text
    assert set(config.schema()["properties"]) == {flag.name for flag in (*FLAGS, OUTPUT)} | {"targets"}
    Draft202012Validator.check_schema(config.schema())


_scalars = st.one_of(
    st.booleans(),
    st.integers(-2, 3),
    st.just(2.5),
    st.sampled_from(["", " ", "x", "quick", "auto", "km_1", "http://h"]),
)
_values = st.one_of(_scalars, st.lists(_scalars, max_size=2))
_tables = st.dictionaries(st.sampled_from([*(f.name for f in (*FLAGS, OUTPUT)), "token", "odd"]), _values, max_size=3)
_targets = st.dictionaries(
    st.sampled_from(["a", "staging-2", "a.b", "1"]),
    st.one_of(
        _scalars,
        st.builds(lambda table, url: table | url, _tables, st.fixed_dictionaries({}, optional={"url": _values})),
    ),
    max_size=2,
)


@given(_tables, st.one_of(st.just({}), _targets))
def test_the_schema_and_the_loader_agree(tmp_path_factory, table, targets):
    document = {**table, "targets": targets}
    path = tmp_path_factory.getbasetemp() / "agree.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    lines.append("targets = {" + ", ".join(f"{json.dumps(k)} = {_inline(v)}" for k, v in targets.items()) + "}")
    path.write_text("\n".join(lines), encoding="utf-8")
    assert tomllib.loads("\n".join(lines)) == document
    try:
        config.load(path)
        loaded = True
    except UsageError:
        loaded = False
    assert loaded == Draft202012Validator(config.schema()).is_valid(document)


def _inline(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {json.dumps(v)}" for key, v in value.items()) + "}"
    return json.dumps(value)


# --- the shell


def completed(*words, shell="bash"):
    """What the shell is told to complete the last of the words by."""
    environ = {**os.environ, "_KITEMESH_CONFORMANCE_COMPLETE": f"{shell}_complete"}
    environ |= {"COMP_WORDS": " ".join(["kitemesh-conformance", *words]), "COMP_CWORD": str(len(words))}
    script = "import sys; sys.argv = ['kitemesh-conformance']; from conformance.commands.main import main; main()"
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("run", "--only", "stream.done"), ["stream.done", "stream.done-once"]),
        (("run", "--skip", "http.json,stream.done-"), ["http.json,stream.done-once"]),
        (("explain", "http.j"), ["http.json"]),
        (("requirements", "isol"), ["isolation"]),
        (("run", "sta"), ["staging"]),
        (("config", "show", "lo"), ["local"]),
        (("run", "--depth", "d"), ["deep"]),
        (("run", "--modes", "auto,no"), ["auto,normal"]),
        (("serve", "--fault", "stream-done-abs"), ["stream-done-absent"]),
        (("com",), ["compare"]),
    ],
)
def test_the_shell_completes(file, words, expected):
    found = completed(*words)
    assert found[: len(expected)] == expected
    assert all(name.startswith(words[-1]) for name in found)


def test_a_broken_file_completes_nothing():
    Path("conformance.toml").write_text("x", encoding="utf-8")
    assert completed("run", "s") == [""]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_the_shell(shell):
    environ = {**os.environ, "_KITEMESH_CONFORMANCE_COMPLETE": f"{shell}_source"}
    script = "from conformance.commands.main import main; main()"
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert "_KITEMESH_CONFORMANCE_COMPLETE" in done.stdout
