"""junit.xml holds to the schema that Jenkins judges it by, whatever came of the run and whatever a target sent."""

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema
from made_up import MODEL, NASTY, URL, World

from conformance.commands.main import main
from conformance.contract.catalogue import Side, load
from conformance.running import run

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))

WORLDS = {
    "conformant": World(),
    "nonconformant": World(broken={"stream.done": 3, "auth.challenge": 1}),
    "inconclusive": World(unseen={"resume.approve": f"no approval came: {NASTY}"}),
    "suite-error": World(errors={"chunk.schema": f"KeyError: {NASTY}"}),
    "interrupted": World(broken={"http.json": 1}, interrupted=True),
    "everything-broken": World(broken={r.id: 2 for r in load()}),
}


@pytest.fixture
def written(monkeypatch, tmp_path):
    """Runs the command line against a made-up target; gives its junit.xml."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KITEMESH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KITEMESH_TOKEN", "km_secret_token")

    def judged(world, *words):
        monkeypatch.setattr(run, "run", lambda options, progress=None: world.run(options, progress))
        main(["run", URL, "--model", MODEL, *words])
        return tmp_path / "reports" / "junit.xml"

    return judged


@pytest.mark.parametrize("name", WORLDS)
def test_it_holds_to_its_schema(written, name):
    path = written(WORLDS[name])
    assert [error.reason for error in SCHEMA.iter_errors(path)] == []
    suite = ElementTree.parse(path).getroot().find("testsuite")
    assert len(suite.findall("testcase")) == len(load().of(Side.SERVER))


def test_it_holds_to_its_schema_with_a_baseline(written):
    Path("known.toml").write_text('[[known]]\nrequirement = "stream.done"\nreason = "TICKET-17"\n', encoding="utf-8")
    path = written(World(broken={"stream.done": 1, "http.json": 1}), "--baseline", "known.toml")
    assert [error.reason for error in SCHEMA.iter_errors(path)] == []


def test_the_schema_refuses_properties_of_a_test_case():
    text = """<testsuites><testsuite name="s" tests="1" failures="0" errors="0"><testcase name="t">
    <properties><property name="level" value="MUST"/></properties></testcase></testsuite></testsuites>"""
    assert not SCHEMA.is_valid(ElementTree.fromstring(text))
    assert SCHEMA.is_valid(
        ElementTree.fromstring(text.replace("<properties>", "<!-- ").replace("</properties>", " -->"))
    )
