"""The pytest plugin: the verdict becomes what pytest people expect, and without its options it does nothing."""

import json
import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from made_up import MODEL, REPORTS, URL

from conformance.contract.catalogue import Level, Side, load
from conformance.settings.options import UsageError

PLUGINS = ("-p", "conformance.plugin", "-p", "pytest_metadata.plugin", "-p", "pytest_html.plugin")
OF_SERVERS = load().of(Side.SERVER)
TOTAL = len(OF_SERVERS)
HTTP = {r.id: r.level for r in load() if r.area == "http"}


@pytest.fixture
def conformance(pytester, monkeypatch):
    """Runs pytest with the plugin in an empty directory."""
    for name in ("PYTEST_ADDOPTS", "KITEMESH_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("KITEMESH_TOKEN", "km_secret_token")
    monkeypatch.setenv("KITEMESH_MODEL", MODEL)

    def run(*arguments, target=("--target-url", URL)):
        return pytester.runpytest_inprocess(*PLUGINS, *target, *arguments)

    return run


def test_outcomes_become_pytests(world, conformance):
    world.broken = {"stream.done": 5, "auth.challenge": 1}
    world.unseen = {"resume.expired": "no leave to wait", "resume.replay": "no leave to wait"}
    result = conformance("-rsx")
    result.assert_outcomes(passed=TOTAL - 4, failed=1, xfailed=1, skipped=2)
    assert result.ret == 1
    text = result.stdout.str()
    assert "observed  \\x1b[31mred" in text
    assert "and 2 more, in results.json" in text
    assert "again     curl -i" in text
    assert "Traceback" not in text
    assert "plugin.py" not in text
    assert "pytest_session" not in text
    assert "requirements.toml:" in text
    assert "not-exercised: no leave to wait" in text
    assert "XFAIL requirements.toml::auth.challenge - the end is missing" in text
    assert "NONCONFORMANT (full scope, exit code 1)" in text


def test_strict_makes_a_should_fail(world, conformance):
    world.broken = {"auth.challenge": 1}
    result = conformance("--target-strict")
    result.assert_outcomes(passed=TOTAL - 1, failed=1)
    assert result.ret == 1


def test_a_failure_of_the_suite_is_an_error(world, conformance):
    world.errors = {"chunk.schema": "KeyError: 'x'"}
    result = conformance()
    result.assert_outcomes(passed=TOTAL - 1, errors=1)
    assert result.ret == 3
    assert "The suite itself failed on chunk.schema: KeyError: 'x'" in result.stdout.str()


def test_a_conformant_target_passes(world, conformance):
    result = conformance()
    result.assert_outcomes(passed=TOTAL)
    assert result.ret == 0
    assert len(world.asked) == 1
    assert world.asked[0].only == ()


def test_what_was_not_judged_makes_it_inconclusive(world, conformance):
    world.unseen = {"stream.done": "no stream came"}
    assert conformance().ret == 6


@pytest.mark.parametrize(
    ("arguments", "selected"),
    [
        (("::stream.done",), {"stream.done"}),
        (("requirements.toml::stream.done", "::http"), {"stream.done", *HTTP}),
        (("-k", "done-once"), {"stream.done-once"}),
        (("-k", "http and SHOULD"), {id_ for id_, level in HTTP.items() if level is Level.SHOULD}),
        (("--deselect", "requirements.toml::stream.utf8"), {r.id for r in OF_SERVERS} - {"stream.utf8"}),
        (("--target-only", "http", "-k", "json"), {"http.json"}),
    ],
)
def test_a_selection_narrows_the_run_and_its_scope(world, conformance, arguments, selected):
    result = conformance(*arguments)
    assert set(world.asked[0].only) == selected
    assert "partial scope, exit code 0" in result.stdout.str()
    assert result.ret == 0


def test_the_last_failed_run_again(world, conformance):
    world.broken = {"stream.done": 1}
    conformance("-p", "cacheprovider")
    result = conformance("-p", "cacheprovider", "--lf")
    result.assert_outcomes(failed=1, deselected=TOTAL - 1)
    assert world.asked[1].only == ("stream.done",)


def test_selecting_nothing_is_no_success(world, conformance):
    assert conformance("-k", "nothing-of-this-name").ret == 4
    assert not world.asked


def test_an_unknown_requirement_is_named(world, conformance):
    result = conformance("::stream.dne")
    assert result.ret == 4
    assert "did you mean stream.done" in result.stderr.str()
    assert not world.asked


def test_collecting_sends_nothing(world, conformance):
    result = conformance("--collect-only", "-q")
    assert "requirements.toml::stream.done" in result.stdout.str()
    assert result.ret == 0
    assert not world.asked


def test_other_tests_run_beside_it(world, conformance, pytester):
    pytester.makepyfile("def test_good(): pass\ndef test_bad(): assert False")
    result = conformance("test_other_tests_run_beside_it.py")
    result.assert_outcomes(passed=TOTAL + 1, failed=1)
    assert result.ret == 1


def test_without_arguments_only_the_catalogue_runs(world, conformance, pytester):
    pytester.makepyfile("def test_bad(): assert False")
    conformance().assert_outcomes(passed=TOTAL)


def test_without_its_options_it_does_nothing(world, conformance, pytester):
    pytester.makepyfile("def test_good(): pass")
    result = conformance(target=())
    result.assert_outcomes(passed=1)
    assert "KiteMesh" not in result.stdout.str()
    assert not world.asked


def test_the_reference_server_needs_no_token(world, conformance, monkeypatch):
    monkeypatch.delenv("KITEMESH_TOKEN")
    monkeypatch.setenv("KITEMESH_URL", "http://elsewhere.invalid")
    assert conformance(target=("--target-reference",)).ret == 0
    assert world.asked[0].url is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--target-url", "ftp://x"), "is not an http or https URL"),
        (("--target-url", URL, "--target-model", "gpt"), "is not of the form group:<uuid>"),
        (("--target-url", URL, "--target-only", "streem"), "did you mean stream"),
        (("--target-url", URL, "--target-timeout", "soon"), "--target-timeout must be a number"),
        (("--target-url", URL, "--target-token-env", "km_secret_token"), "never the token itself"),
        (("--target-url", URL, "--target-reference"), "contradict each other"),
        (("--target-url", URL, "--conformance-output", os.devnull), "Nothing can be written"),
    ],
)
def test_wrong_use_is_told_in_one_sentence(world, conformance, arguments, words):
    result = conformance(target=arguments)
    assert result.ret == 4
    lines = [line for line in result.stderr.str().splitlines() if line.startswith("ERROR")]
    assert len(lines) == 1
    assert words in lines[0]
    assert "km_secret" not in lines[0]
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert not world.asked


def test_with_xdist_it_says_that_it_is_concurrent_by_itself(world, conformance, pytester):
    pytester.makeconftest(
        "def pytest_addoption(parser): parser.addoption('-N', '--numprocesses', dest='numprocesses')"
    )  # as xdist declares it, whose short form is its own
    result = conformance("--numprocesses", "2")
    assert result.ret == 4
    assert "already sends many requests at a time" in result.stderr.str()
    assert not world.asked


def test_a_crash_of_the_run_is_one_sentence(conformance, monkeypatch):
    from conformance.running import run

    def crash(options, progress=None):
        raise RuntimeError("boom")

    monkeypatch.setattr(run, "run", crash)
    result = conformance()
    assert result.ret == 3
    assert "The suite itself failed (RuntimeError: boom)" in result.stdout.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(("broken", "code"), [({}, 4), ({"stream.done": 1}, 1)])
def test_reports_that_cannot_be_written_are_told_and_a_verdict_that_complains_stands(
    world, conformance, monkeypatch, broken, code
):
    from conformance.report import files

    def full(*_):
        raise OSError(28, "No space left on device")

    world.broken = broken
    monkeypatch.setattr(files, "write", full)
    result = conformance("--conformance-output", "out")
    assert result.ret == code
    assert "The reports could not be written: [Errno 28] No space left on device" in result.stdout.str()


def test_what_the_run_refuses_is_wrong_use(conformance, monkeypatch):
    from conformance.running import run

    def refuse(options, progress=None):
        raise UsageError("Give something else.")

    monkeypatch.setattr(run, "run", refuse)
    result = conformance()
    assert result.ret == 4
    assert "Give something else." in result.stdout.str()


def test_an_interrupted_run_says_so(world, conformance):
    world.interrupted = True
    assert conformance().ret == 2


def test_reports_are_written(world, conformance, pytester):
    world.broken = {"stream.done": 1}
    conformance("--conformance-output", "out")
    written = {p.name for p in (pytester.path / "out").iterdir()}
    assert written == REPORTS | {"badge.svg"}
    document = json.loads((pytester.path / "out" / "results.json").read_text())
    assert document["verdict"] == "nonconformant"


def test_the_report_and_the_log_link_each_other(world, conformance, pytester):
    conformance("--conformance-output", "out", "--html=logs/log.html", "--self-contained-html")
    assert 'href="../logs/log.html"' in (pytester.path / "out" / "report.html").read_text(encoding="utf-8")
    assert '<a href="../out/report.html">' in (pytester.path / "logs" / "log.html").read_text(encoding="utf-8")


def test_junit_knows_requirement_level_and_area(world, conformance, pytester):
    world.broken = {"stream.done": 1}
    world.unseen = {"resume.expired": "no leave to wait"}
    conformance("--junitxml=junit.xml")
    suite = ElementTree.parse(pytester.path / "junit.xml").getroot().find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == (str(TOTAL), "1", "0")
    case = next(c for c in suite if c.get("name") == "stream.done")
    properties = {p.get("name"): p.get("value") for p in suite.find("properties")}
    assert properties.items() >= {"stream.done": "MUST, source S", "verdict": "nonconformant (full scope)"}.items()
    assert len(properties) == TOTAL + 4
    assert (properties["target"], properties["model"], properties["seed"]) == (URL, MODEL, "7")
    assert "an event [DONE]" in case.find("failure").get("message")
    skipped = next(c for c in suite if c.get("name") == "resume.expired").find("skipped")
    assert skipped.get("message") == "not-exercised: no leave to wait"


def test_html_has_its_columns_and_the_finding(world, conformance, pytester):
    world.broken = {"stream.done": 1, "auth.challenge": 1}
    conformance("--html=out.html", "--self-contained-html")
    page = (pytester.path / "out.html").read_text(encoding="utf-8")
    for column in ("Requirement", "Level"):
        assert f">{column}</th>" in page
    assert f">KiteMesh conformance of {URL}</title>" in page
    assert "<strong>nonconformant (full scope, exit code 1)</strong>" in page
    assert "The server ends a stream with the event" in page
    assert page.count("finding&lt;/a&gt;") + page.count(">finding<") == 2
    assert "<script>alert(1)" not in page
    assert "km_secret_token" not in page


def test_importing_it_costs_nothing_heavy():
    script = (
        "import sys, pytest; before = set(sys.modules); import conformance.plugin\n"
        "conformance.plugin.pytest_addoption(pytest.Parser(_ispytest=True))\n"
        "print(sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    heavy = {"httpx", "hypothesis", "jsonschema", "starlette", "uvicorn", "rich", "click", "openai", "ssl", "asyncio"}
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert not heavy & set(eval(loaded))


def test_what_the_baseline_knows_is_an_xfail_with_its_reason(world, conformance, pytester):
    world.broken = {"stream.done": 1}
    pytester.makefile(".toml", known='[[known]]\nrequirement = "stream.done"\nreason = "TICKET-17"\n')
    result = conformance("-rx", "--target-baseline", "known.toml")
    result.assert_outcomes(passed=TOTAL - 1, xfailed=1)
    assert result.ret == 0
    assert "XFAIL requirements.toml::stream.done - known: TICKET-17" in result.stdout.str()
    assert "GATE PASSED (exit code 0)" in result.stdout.str()


def test_a_stale_entry_fails_its_item_as_a_strict_xfail_does(world, conformance, pytester):
    pytester.makefile(".toml", known='[[known]]\nrequirement = "stream.done"\nreason = "TICKET-17"\n')
    result = conformance("--target-baseline", "known.toml")
    result.assert_outcomes(passed=TOTAL - 1, failed=1)
    assert result.ret == 1
    assert "it was judged and does not: remove the entry" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_a_bad_baseline_is_a_usage_error(world, conformance, pytester):
    pytester.makefile(".toml", known='[[known]]\nrequirement = "stream.dnoe"\nreason = "x"\n')
    result = conformance("--target-baseline", "known.toml")
    assert result.ret == 4
    assert "did you mean stream.done" in result.stderr.str()
    assert not world.asked
