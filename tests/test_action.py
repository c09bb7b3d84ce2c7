"""action.yml: every option is an input, nothing of an input is ever run, and its steps work in the bash of here."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conformance.reference.process import in_process
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, Settings
from conformance.settings.flags import FLAGS

ROOT = Path(__file__).parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
INSTALL, RUN, UPLOAD, VERDICT = "Install the suite", "Run the suite", "Upload the reports", "Give the verdict"
OTHERS = {"url", "token", "second-token", "config", "output", "artifact", "python-version"}
BASH = shutil.which("bash")
needs_bash = pytest.mark.skipif(BASH is None, reason="there is no bash")


def test_every_option_is_an_input_and_reaches_the_run():
    names = {flag.name for flag in FLAGS}
    missing = names - set(ACTION["inputs"])
    assert not missing, f"action.yml lacks the inputs {missing}: add them there, and to the env of {RUN!r}"
    assert set(ACTION["inputs"]) == names | OTHERS
    env = STEPS[RUN]["env"]
    for name in (names | OTHERS) - {"artifact", "python-version"}:
        assert env[f"GIVEN_{name.replace('-', '_').upper()}"] == f"${{{{ inputs.{name} }}}}"
    for name, entry in ACTION["inputs"].items():
        assert entry["description"].endswith("."), name
        assert isinstance(entry["default"], str), name
        assert not entry.get("required"), name


def test_no_script_holds_an_expression():
    for step in STEPS.values():
        if "run" in step:
            assert "${{" not in step["run"], step["name"]
            assert step["shell"] == "bash"
        else:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])


def test_the_reports_are_uploaded_whatever_came_of_the_run():
    assert STEPS[UPLOAD]["if"].startswith("always()")
    assert STEPS[UPLOAD]["with"]["path"] == "${{ inputs.output }}"
    names = list(STEPS)
    assert names.index(RUN) < names.index(UPLOAD) < names.index(VERDICT)
    assert set(ACTION["outputs"]) == {"verdict", "gate", "exit-code"}


class Job:
    """Runs the steps' shell as a runner does: expressions only in `env`, outputs by file, `bash -eo pipefail`."""

    def __init__(self, place, **inputs):
        self.place = place
        self.temp = place / "runner temp"
        self.inputs = {name: entry["default"] for name, entry in ACTION["inputs"].items()} | inputs
        self.outputs = {}
        self.log = ""
        bin_ = self.temp / "kitemesh-conformance" / "bin"
        bin_.mkdir(parents=True)
        script = bin_ / "kitemesh-conformance"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m conformance.commands.main "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        (bin_ / "python").symlink_to(sys.executable)

    def step(self, name, **environ):
        step = STEPS[name]
        given = {key: self._value(value) for key, value in step["env"].items()}
        results = self.place / "outputs"
        results.write_text("", encoding="utf-8")
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "PYTHONPATH") if key in os.environ}
        environ = {**kept, "GITHUB_OUTPUT": str(results), **environ, **given}
        script = self.place / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        command = [BASH, "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        done = subprocess.run(
            command, cwd=self.place, env=environ, capture_output=True, text=True, timeout=300, check=False
        )
        self.log = done.stdout + done.stderr
        for line in results.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition("=")
            self.outputs[key] = value
        return done.returncode

    def _value(self, text):
        def expression(match):
            words = match[1].split(".")
            if words[0] == "inputs":
                return self.inputs[words[1]]
            if words[:2] == ["steps", "run"]:
                return self.outputs.get(words[3], "")
            return {"runner.temp": str(self.temp), "github.action_path": str(ROOT)}[match[1]]

        return re.sub(r"\$\{\{ (\S+) \}\}", expression, text)


@needs_bash
def test_the_steps_judge_a_server(tmp_path):
    settings = Settings()
    with in_process(settings) as url:
        job = Job(
            tmp_path,
            url=f"{url}/v1",
            model=DEFAULT_MODEL,
            token=settings.tokens[0],
            only="http, auth.missing-header",
            strict="true",
            output="the reports",
            header="X-One: 1\nX-Two: a, b",
            **{"approval-prompt": f"{DEFAULT_APPROVAL_PROMPT} $(touch pwned)", "max-requests": "60", "seed": "7"},
        )
        assert job.step(RUN) == 0, job.log
    assert job.outputs == {"exit-code": "0", "verdict": "conformant", "gate": "passed"}
    assert "CONFORMANT (partial scope, exit code 0)" in job.log
    assert settings.tokens[0] not in job.log
    found = json.loads((tmp_path / "the reports" / "results.json").read_text(encoding="utf-8"))
    options = found["options"]
    assert (options["only"], options["strict"], options["seed"]) == (["http", "auth.missing-header"], True, 7)
    assert options["headers"] == ["X-One", "X-Two"]
    assert options["approval_prompt"].endswith("$(touch pwned)")
    assert not (tmp_path / "pwned").exists()
    assert job.step(VERDICT) == 0


@needs_bash
def test_the_job_fails_by_the_gate_after_its_reports(tmp_path):
    job = Job(tmp_path, url="reference", only="http.json", depth="quick", baseline="known.toml")
    (tmp_path / "known.toml").write_text('[[known]]\nrequirement = "http.json"\nreason = "x"\n', encoding="utf-8")
    assert job.step(RUN) == 0, job.log
    assert job.outputs == {"exit-code": "1", "verdict": "conformant", "gate": "failed"}
    assert job.step(VERDICT) == 1
    job.inputs["only"] = "no-such"  # the results of before are not told as those of this run
    job.outputs.clear()
    assert job.step(RUN) == 0
    assert job.outputs == {"exit-code": "4"}
    assert job.step(VERDICT) == 4


@needs_bash
@pytest.mark.parametrize(
    "evil", ['"; touch pwned; "', "$(touch pwned)", "`touch pwned`", "x\nverdict=conformant", "-h"]
)
def test_nothing_in_an_input_is_run(tmp_path, evil):
    names = set(ACTION["inputs"]) - {"artifact", "python-version", "output"}
    job = Job(tmp_path, **dict.fromkeys(names, evil))
    assert job.step(RUN) == 0
    assert job.outputs == {"exit-code": "4"}
    assert not (tmp_path / "pwned").exists()


@needs_bash
def test_a_url_that_is_not_set_is_no_success(tmp_path):
    job = Job(tmp_path)
    assert job.step(RUN) == 0
    assert job.outputs == {"exit-code": "4"}
    assert "Give the server's URL" in job.log
    assert job.step(VERDICT) == 4


@needs_bash
def test_what_is_left_empty_is_the_jobs(tmp_path):
    job = Job(tmp_path, url="ftp://x")
    job.step(RUN, KITEMESH_URL="http://127.0.0.1:9")
    assert "'ftp://x' is not an http or https URL" in job.log
    job = Job(tmp_path / "second", url="reference")
    job.step(RUN, KITEMESH_STRICT="perhaps")
    assert "KITEMESH_STRICT must be 1 or 0" in job.log


@needs_bash
def test_a_target_of_the_configuration_is_judged(tmp_path):
    (tmp_path / "gate.toml").write_text('[targets.staging]\nurl = "ftp://x"\n', encoding="utf-8")
    job = Job(tmp_path, url="staging", config="gate.toml")
    assert job.step(RUN) == 0
    assert "'ftp://x' is not an http or https URL" in job.log
    assert job.outputs == {"exit-code": "4"}


@needs_bash
@pytest.mark.skipif(
    not os.environ.get("KITEMESH_INSTALL"), reason="installs from the package index: KITEMESH_INSTALL=1"
)
def test_the_suite_is_installed_from_the_actions_own_checkout(tmp_path):
    job = Job(tmp_path, url="reference", only="http.json")
    assert job.step(INSTALL) == 0, job.log
    assert re.search(r"^kitemesh-conformance \d", job.log, re.MULTILINE)
    assert job.step(RUN, PYTHONPATH="") == 0, job.log
    assert job.outputs["verdict"] == "conformant"
