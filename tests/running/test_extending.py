"""Requirements from outside: judged, shown and listed as KiteMesh's own, and never taken for them."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from example_extension import ACME, FIELD

import conformance
from conformance import Extension, UsageError, check, judge
from conformance.checks.check import CHECKS, ONE
from conformance.contract import schemas
from conformance.contract.catalogue import contract_hash, load
from conformance.judging.confirmation import confirm
from conformance.judging.verdict import RequirementSelection, decide
from conformance.probes.catalogue import OUTSIDE, flows
from conformance.probes.flow import Compose, Phase, single
from conformance.probes.plan import Plan
from conformance.proving import listing
from conformance.reference.app import create_app
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_MODEL, Settings
from conformance.report import badge, html
from conformance.running import discovery, extending

ROOT = Path(__file__).parents[2]
HERE = str(Path(__file__).parent)
TOKEN = Settings().tokens[0]
KNOWN = {"model": DEFAULT_MODEL, "token": TOKEN, "depth": "quick", "seed": 7}
IDS = ["x-acme.region-header", "x-acme.region-asked", "x-acme.one-region"]
TEXTS = {"level": "MUST", "statement": "It is so.", "why": "Because.", "fix": "Make it so."}


def acme(heeds=True, names=True):
    """Acme's server: the reference server, which also names a region; `heeds`: it serves where it is asked to."""
    inner = create_app(Settings(token_interval=0.0))

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return await inner(scope, receive, send)
        wish = dict(scope["headers"]).get(FIELD.lower().encode())

        async def named(message):
            if names and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (FIELD.encode(), (wish if heeds and wish else b"eu"))]
            await send(message)

        return await inner(scope, receive, named)

    return app


@pytest.fixture(scope="module", autouse=True)
def extension():
    with extending.registered(ACME):
        yield


@pytest.fixture(scope="module")
def report():
    """Of a server that names its region and heeds no wish."""
    with in_thread(acme(heeds=False)) as url:
        return check(url, only=["x-acme", "http"], **KNOWN)


# --- the verdict


def test_a_server_that_keeps_them():
    with in_thread(acme()) as url:
        report = check(url, only=["x-acme"], **KNOWN)
    assert {id_: report[id_].state for id_ in IDS} == dict.fromkeys(IDS, "passed")
    assert report["x-acme.region-asked"].judged == {"x-acme-asks-eu", "x-acme-asks-us"}
    assert report.passed


def test_a_server_that_breaks_a_must():
    with in_thread(acme(names=False)) as url:
        report = check(url, only=["x-acme"], **KNOWN)
    assert repr(report) == "<Report nonconformant: breaks 1 MUST: x-acme.region-header>"
    assert report["x-acme.region-asked"].state == "passed"
    assert report["x-acme.one-region"].state == "not-exercised"
    assert {finding.requirement for finding in report.findings} == {"x-acme.region-header"}


def test_a_should_warns(report):
    (finding,) = report["x-acme.region-asked"].findings
    assert (finding.exchange, finding.expected, finding.observed) == ("x-acme-asks-us", "us", "eu")
    assert not finding.intermittent, "it was sent once more, alone, as what fails of KiteMesh's own"
    assert any(e.name == "x-acme-asks-us#4" for e in report.transcript)
    assert report.passed


def test_a_recording_is_judged_by_them(report, tmp_path):
    report.write(tmp_path)
    again = judge(tmp_path / "transcript.har")
    assert [again[id_].state for id_ in IDS] == [report[id_].state for id_ in IDS]
    known = '[[known]]\nrequirement = "x-acme.region-asked"\nreason = "of a test"\n'
    (tmp_path / "known.toml").write_text(known, encoding="utf-8")
    assert judge(tmp_path / "transcript.har", strict=True).exit_code() == 1
    assert judge(tmp_path / "transcript.har", strict=True, baseline=tmp_path / "known.toml").passed


# --- the reports


def test_every_report_shows_them(report):
    page, shown = html.page(report, {}), str(report)
    for id_ in IDS:
        assert id_ in page
    assert 'id="area-x-acme"' in page
    assert "Acme API guide, edition 3, chapter 2" in page
    assert "x-acme.region-asked (SHOULD)" in shown
    assert "another region served it" in shown
    document = report.to_dict()
    assert not schemas.errors("results", document)
    assert [entry["id"] for entry in document["requirements"]][-3:] == IDS
    assert document["extensions"] == [{"area": "x-acme", "source": "Acme API guide, edition 3, chapter 2"}]


def test_a_sentence_links_to_what_broke(report):
    assert '<a href="#broken-x-acme.region-asked">' in html.page(report, {})


def test_the_verdict_is_not_taken_for_one_on_kitemesh_alone(report):
    note = next(note for note in report.notes if note.startswith("Requirements that are not KiteMesh's"))
    assert "(x-acme, Acme's own rules)" in note
    assert "--skip x-acme" in note
    full = replace(report, verdict=replace(report.verdict, scope="full"))
    assert badge.badge(full) is None
    own = tuple(outcome for outcome in report.verdict.outcomes if not outcome.requirement.extension)
    assert badge.badge(replace(full, verdict=replace(full.verdict, outcomes=own))) is not None


def test_whoever_leaves_them_out_has_the_full_scope():
    own = frozenset(requirement.id for requirement in load() if not requirement.extension)
    assert decide(load(), {}, RequirementSelection(selected=own)).scope == "full"
    assert not decide(load(), {}, RequirementSelection(selected=own)).from_outside()
    assert decide(load(), {}, RequirementSelection(selected=own - {"stream.done"})).scope == "partial"
    assert [r.id for r in decide(load(), {}, RequirementSelection()).from_outside()] == IDS


def test_left_out_they_are_neither_sent_nor_told():
    with in_thread(acme(heeds=False)) as url:
        report = check(url, only=["auth.missing-header", "x-acme"], skip=["x-acme"], **KNOWN)
    assert report["x-acme.region-asked"].state == "not-selected"
    assert not any(exchange.note.area == "x-acme" for exchange in report.transcript)
    assert not [note for note in report.notes if "x-acme" in note]
    assert "extensions" not in report.to_dict()


def test_a_report_outlives_its_extension(tmp_path):
    made = Extension("brief", title="Brief", source="a page")
    made.each("rule", of=extending.served, **TEXTS)(lambda reading: iter([extending.breach(reading, "no", "a", 1)]))
    with extending.registered(made), in_thread(acme()) as url:
        report = check(url, only=["x-brief"], **KNOWN)
    assert report["x-brief.rule"].state == "failed"
    assert len(report.write(tmp_path)) == 5
    assert "a page" in str(report)


def test_they_stand_in_every_list():
    rows = json.loads(listing.as_json(load(), load().select(["x-acme"])))["requirements"]
    assert [row["id"] for row in rows] == IDS
    assert "## x-acme: Acme's own rules" in listing.FORMS["markdown"](load(), list(load()))


# --- what they are told apart by


def test_no_area_of_the_contract_has_a_dash():
    assert [area for area in load().areas if "-" in area] == ["x-acme"]


def test_nothing_is_left_behind():
    """Nor does the contract change its hash, by which runs are compared."""
    before = (list(load()), dict(load().areas), dict(CHECKS), dict(ONE), dict(OUTSIDE), contract_hash())
    other = Extension("other", title="Others", source="a page")
    other.each("rule", of=extending.served, whim=True, quick=False, **TEXTS)(lambda reading: iter(()))
    with extending.registered(other):
        assert "x-other.rule" in load()
        assert load()["x-other.rule"].whim
        assert not load()["x-other.rule"].quick
        extending.register(other)
        with pytest.raises(UsageError, match="x-other is registered already"):
            other.probes(lambda plan: ())
        with pytest.raises(UsageError, match="x-other cannot be used: the area x-other is declared twice"):
            extending.register(Extension("other", title="Another", source="a page"))
    after = (list(load()), dict(load().areas), dict(CHECKS), dict(ONE), dict(OUTSIDE), contract_hash())
    assert before == after


@pytest.mark.parametrize(
    ("extension", "rule", "words"),
    [
        ({"name": "Acme"}, {}, "must read area.words-with-dashes"),
        ({"name": "a.b"}, {}, "must read area.words-with-dashes"),
        ({}, {"name": "Header Field"}, "must read area.words-with-dashes"),
        ({}, {"level": "MAY"}, "has the level 'MAY': it must be MUST or SHOULD"),
        ({}, {"fix": " "}, "has an empty 'fix'"),
        ({}, {"why": None}, "must have a string as 'why'"),
        ({}, {"capability": "wings"}, "names the capability 'wings'"),
        ({"title": ""}, {}, "has an empty 'title'"),
        ({}, None, "no requirement belongs to the area x-new"),
    ],
)
def test_what_is_refused(extension, rule, words):
    made = Extension(**{"name": "new", "title": "New", "source": "a page", **extension})
    if rule is not None:
        made.each(**{"name": "rule", "of": extending.served, **TEXTS, **rule})(lambda reading: iter(()))
    areas = dict(load().areas)
    with pytest.raises(UsageError, match=f"The extension x-.* cannot be used: .*{re.escape(words)}"):
        extending.register(made)
    assert dict(load().areas) == areas


@pytest.mark.parametrize(
    ("phase", "endpoint", "words"),
    [(Phase.OPENING, "/chat/completions", "is of the phase opening"), (Phase.CALM, "/models", "asks at '/models'")],
)
def test_where_probes_may_go(phase, endpoint, words):
    made = Extension("new", title="New", source="a page")
    made.each("rule", of=extending.served, **TEXTS)(lambda reading: iter(()))
    plan = Plan(model=DEFAULT_MODEL, seed=1)
    send = replace(Compose(plan).chat("one"), endpoint=endpoint)
    made.probes(lambda plan: [single("any", phase, "one", lambda round_: send)])
    with extending.registered(made), pytest.raises(UsageError, match=words):
        next(next(flow for flow in flows(plan) if flow.name == "x-new-one").steps(1))


# --- how they are found


@pytest.fixture
def installed(tmp_path):
    """Puts a package with an entry point on a path of its own, and runs command lines there, in one process."""

    def install(value):
        folder = tmp_path / "acme_rules-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-rules\nVersion: 1.0\n", encoding="utf-8")
        (folder / "entry_points.txt").write_text(f"[{discovery.GROUP}]\nacme = {value}\n", encoding="utf-8")
        paths = os.pathsep.join([str(tmp_path), HERE, os.environ["PYTHONPATH"]])

        def run(*commands):
            script = f"from conformance.commands.main import main; exit([main(c.split()) for c in {commands!r}][-1])"
            command = [sys.executable, "-c", script]
            environ = {**os.environ, "PYTHONPATH": paths}
            return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

        return run

    return install


def test_an_installed_package_is_found(installed):
    done = installed("example_extension:ACME")(
        "requirements x-acme",
        "explain x-acme.region-header",
        "run reference --depth quick --only x-acme.region-header --output out",
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[:3]] == IDS
    assert "source    x-acme: Acme API guide, edition 3, chapter 2" in done.stdout
    assert done.stdout.count("x-acme.region-header (MUST)") == 2, "once explained, once broken"
    assert done.stderr.count("Error") == 0


def test_results_are_held_to_what_they_were_judged_by(installed, tmp_path):
    """An extension that is installed denies no results that were made without it, nor does it go missing unseen."""
    recording = ROOT / "fixtures" / "examples" / "http.json.har"
    command = [sys.executable, "-m", "conformance.commands.main", "judge", str(recording), "--output", "without"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "NONCONFORMANT" in done.stdout, done.stderr
    run = installed("example_extension:ACME")
    done = run("judge without/transcript.har --against without/results.json")
    assert "CONFIRMED" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1, "as the verdict says"


def test_results_that_need_an_extension_say_so(report):
    document = report.to_dict()
    own = [entry for entry in document["requirements"] if entry["id"] not in IDS]
    denials = confirm(document, {**document, "requirements": own}).denials
    assert f"{IDS[0]} is not a requirement of this suite: the extension that has it is not installed here." in denials


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("no_such_module:ACME", "cannot be loaded (ModuleNotFoundError: No module named 'no_such_module')"),
        ("example_extension:FIELD", "is not a conformance.Extension but a str"),
    ],
)
def test_a_package_that_is_broken(installed, value, words):
    done = installed(value)("requirements")
    assert done.returncode == 4
    assert done.stderr.startswith(f"Error: The extension 'acme' ({value}) of the package acme-rules {words}")


def test_a_conftest_registers_one(pytester, monkeypatch):
    monkeypatch.setenv("KITEMESH_TOKEN", TOKEN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([HERE, os.environ["PYTHONPATH"]]))
    pytester.makeconftest("import conformance, example_extension\nconformance.register(example_extension.ACME)\n")
    pytester.makepyfile(their_server="from test_extending import acme\napp = acme()\n")
    options = ("--target-app", "their_server:app", "--target-model", DEFAULT_MODEL, "--target-depth", "quick")
    command = [sys.executable, "-m", "pytest", "-p", "no:schemathesis", "-rA", *options, "::x-acme"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for id_ in IDS:
        assert f"PASSED requirements.toml::{id_}" in done.stdout


def test_it_is_named_by_the_package():
    assert conformance.Extension is Extension
    assert conformance.register is extending.register
    assert repr(ACME) == "<Extension x-acme: Acme's own rules>"


def test_a_rule_from_outside_says_what_kitemesh_s_say_of_theirs():
    other = Extension("other", title="Others", source="a page")
    facts = {"executes": True, "concurrent": True, "absorbed_by": ["accept", "x-other.first"], "rare": "none came"}
    other.over_all("first", **TEXTS)(lambda evidence: iter(()))
    other.over_all("second", **TEXTS, **facts)(lambda evidence: iter(()))
    with extending.registered(other):
        first, second = load().select(["x-other"])
        assert (first.executes, first.concurrent, first.absorbed_by, first.rare) == (False, False, (), "")
        assert (second.executes, second.concurrent, second.rare) == (True, True, "none came")
        assert second.absorbed_by == (*load().basic("accept"), "x-other.first")
    wrong = Extension("wrong", title="Others", source="a page")
    wrong.over_all("rule", absorbed_by=["x-other.first"], **TEXTS)(lambda evidence: iter(()))
    with pytest.raises(UsageError, match="which is neither a requirement nor an area"):
        extending.register(wrong)
    assert "x-wrong" not in load().areas
