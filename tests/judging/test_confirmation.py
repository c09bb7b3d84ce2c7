"""Evidence: results are confirmed or denied from their transcript, and a whole run gets a badge."""

import hashlib
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_up import MODEL, URL

pytestmark = pytest.mark.usefixtures("bare")
TARGET = (URL, "--model", MODEL)


@pytest.fixture
def judged(command, transcript):
    """A transcript and its results, copied here; gives a function that changes one member of the results."""
    path = Path("transcript.har")
    path.write_bytes(transcript("id-varies").read_bytes())
    command("judge", path, "--output", ".")
    path.write_bytes(transcript("id-varies").read_bytes())  # judging wrote it anew
    command("judge", path, "--output", ".")

    def change(*steps, to):
        document = json.loads(Path("results.json").read_text(encoding="utf-8"))
        node = document
        for step in steps[:-1]:
            node = node[step]
        node[steps[-1]] = to
        Path("results.json").write_text(json.dumps(document), encoding="utf-8")

    return change


def against(command, *words):
    code, out, _ = command("judge", "transcript.har", "--against", "results.json", *words)
    return code, " ".join(out.split())


def test_results_of_a_run_are_confirmed_by_its_transcript(command):
    words = ("--only", "http,auth.missing-header", "--depth", "quick", "--strict", "--output", ".")
    command("run", "reference", *words)
    found = json.loads(Path("results.json").read_text(encoding="utf-8"))
    assert found["evidence"]["transcript_sha256"] == hashlib.sha256(Path("transcript.har").read_bytes()).hexdigest()
    code, out = against(command)
    assert code == 0
    assert out.endswith("CONFIRMED: Judged again, the transcript confirms the results: conformant.")
    assert "Note:" not in out.replace("Note: What was judged is the embedded reference server", "")


def test_confirmed_results_give_the_code_of_their_verdict(command, judged):
    code, out = against(command)
    assert code == 1
    assert "CONFIRMED" in out
    command("judge", "transcript.har", "--output", ".", "--only", "http")
    code, out = against(command)  # asks what the results say that they answer
    assert code == 0
    assert "CONFIRMED" in out


def test_a_transcript_that_was_changed_is_told(command, judged):
    path = Path("transcript.har")
    path.write_bytes(path.read_bytes() + b" ")
    code, out = against(command)
    assert code == 1
    assert "The transcript is not the one that was judged: its SHA-256 is" in out
    assert "DENIED: The results do not match: 1 difference" in out


@pytest.mark.parametrize(
    ("steps", "to", "said"),
    [
        (("verdict",), "conformant", "The verdict is nonconformant, not conformant."),
        (("scope",), "partial", "The scope is full, not partial."),
        (("target", "url"), "https://other.example/v1", "not https://other.example/v1."),
        (("totals", "requests"), 10**400, "The number of requests is 16, not 10000000"),
        (("totals", "requests"), 99, "The number of requests is 16, not 99."),
        (("totals", "by_outcome", "failed"), 0, "do not add up"),
        (("requirements", 0, "exchanges"), 50, "auth.missing-header was judged on"),
        (("requirements", 0, "level"), "SHOULD", "auth.missing-header is a MUST, not a SHOULD."),
    ],
)
def test_results_that_were_changed_are_denied(command, judged, steps, to, said):
    judged(*steps, to=to)
    code, out = against(command)
    assert code == 1
    assert said in out
    assert "DENIED" in out


def test_a_changed_outcome_and_changed_findings_are_denied(command, judged):
    document = json.loads(Path("results.json").read_text(encoding="utf-8"))
    index = next(n for n, r in enumerate(document["requirements"]) if r["outcome"] == "failed")
    judged("requirements", index, "findings", 0, "observed", to='"other"')
    assert "The findings on chunk.id-stable differ from those in the results." in against(command)[1]
    judged("requirements", index, "findings", to=[])
    judged("requirements", index, "outcome", to="passed")
    assert "chunk.id-stable is failed, not passed." in against(command)[1]


def test_another_suite_or_contract_is_said_and_denies_nothing(command, judged):
    judged("suite", "version", to="0.0.1")
    judged("evidence", "contract_sha256", to="0" * 64)
    code, out = against(command)
    assert code == 1  # by the verdict
    assert "The results were made by version 0.0.1 of the suite; this is version" in out
    assert "judged by another contract" in out
    assert "CONFIRMED" in out
    judged("verdict", to="conformant")
    assert "DENIED" in against(command)[1]


def test_differences_are_bounded(command, judged):
    document = json.loads(Path("results.json").read_text(encoding="utf-8"))
    for entry in document["requirements"]:
        entry |= {"outcome": "not-exercised", "reason": "\x1b[31m", "findings": []}
    Path("results.json").write_text(json.dumps(document), encoding="utf-8")
    _, out = against(command)
    assert "more requirements differ" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "is not JSON"), ("{}", "is not a results.json"), (None, "No such file")],
)
def test_results_that_cannot_be_read(refused, transcript, text, said):
    if text is not None:
        Path("results.json").write_text(text, encoding="utf-8")
    refused("judge", transcript("conforming"), "--against", "results.json", said=said)


def test_what_does_not_go_together(refused, judged, transcript):
    refused("judge", "transcript.har", "--against", "results.json", "--only", "http", said="leave out --only")
    refused("judge", *[transcript("conforming")] * 2, "--against", "results.json", said="one at a time")
    judged("options", to={"only": 7})
    refused("judge", "transcript.har", "--against", "results.json", said="do not say what was judged")
    judged("options", to={"only": ["no.such"]})
    refused("judge", "transcript.har", "--against", "results.json", said="no.such")


# --- the badge ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("broken", "verdict"), [({}, "conformant"), ({"stream.done": 1}, "nonconformant")])
def test_a_whole_run_gets_a_badge(world, command, broken, verdict):
    world.broken = broken
    command("run", *TARGET)
    text = Path("reports/badge.svg").read_text(encoding="utf-8")
    picture = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    title = picture.find(f"{space}title")
    assert picture.get("role") == "img"
    assert picture.get("aria-labelledby") == title.get("id")
    assert f"KiteMesh chat API: {verdict}, full scope, judged on 2026-09-21" in title.text
    assert [node.text for node in picture.iter(f"{space}text")] == ["KiteMesh chat API", verdict]
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_baseline_makes_no_badge_greener(world, command):
    world.broken = {"stream.done": 1}
    Path("known.toml").write_text('[[known]]\nrequirement = "stream.done"\nreason = "x"\n', encoding="utf-8")
    assert command("run", *TARGET, "--baseline", "known.toml")[0] == 0
    assert ">nonconformant<" in Path("reports/badge.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "more"),
    [
        (("--only", "http"), {}),
        (("--skip", "http"), {}),
        ((), {"unseen": {"http.json": "none came"}}),
        ((), {"interrupted": True}),
        ((), {"errors": {"http.json": "KeyError"}}),
    ],
)
def test_no_badge_otherwise_and_an_older_one_is_removed(world, command, words, more):
    command("run", *TARGET)
    assert Path("reports/badge.svg").exists()
    for name, value in more.items():
        setattr(world, name, value)
    command("run", *TARGET, *words)
    assert not Path("reports/badge.svg").exists()


def test_no_badge_of_a_narrowed_recording(command):
    command("run", "reference", "--depth", "quick", "--examples", "0", "--max-requests", "5", "--output", ".")
    assert json.loads(Path("results.json").read_text(encoding="utf-8"))["scope"] == "partial"
    assert not Path("badge.svg").exists()
