"""`compare`: what broke, what was mended, what is no longer exercised, how shapes drifted; and its exit code."""

import copy
import json
import re
from pathlib import Path

import pytest
from made_up import MODEL, NASTY, URL

from conformance.contract.catalogue import load
from conformance.evidence.evidence import Evidence
from conformance.judging.comparison import compare
from conformance.judging.shapes import MEMBERS, shapes
from conformance.transcript import har_reader

pytestmark = pytest.mark.usefixtures("bare")
TARGET = (URL, "--model", MODEL)


@pytest.fixture
def compared(command):
    """Runs `compare --format json`; gives the exit code and the document."""

    def run(old, new):
        code, out, _ = command("compare", old, new, "--format", "json")
        return code, json.loads(out)

    return run


def names(changes):
    return [change["requirement"] for change in changes]


def recorded(command, transcript, name):
    """The results.json of a transcript."""
    command("judge", transcript(name), "--output", name)
    return Path(name, "results.json")


def test_what_broke(compared, transcript):
    code, found = compared(transcript("conforming"), transcript("usage-missing"))
    assert code == 1
    assert found["worse"] is True
    assert names(found["failing"]) == ["completion.schema"]
    assert found["failing"][0]["why"] == "`usage` is absent"
    assert names(found["lost"]) == ["completion.usage", "completion.usage-sum"]
    assert [(d["kind"], d["change"], d["place"]) for d in found["drift"]] == [("completion", "went", "/usage")]


def test_what_was_mended_is_not_worse(compared, transcript):
    code, found = compared(transcript("usage-missing"), transcript("conforming"))
    assert code == 0
    assert names(found["mended"]) == ["completion.schema"]
    assert names(found["gained"]) == ["completion.usage", "completion.usage-sum"]
    assert [(d["change"], d["place"]) for d in found["drift"]] == [("came", "/usage")]


def test_nothing_changed(compared, command, transcript):
    code, found = compared(transcript("conforming"), transcript("conforming"))
    assert code == 0
    assert not any(found[group] for group in ("failing", "mended", "lost", "gained", "further", "drift", "notes"))
    assert command("compare", transcript("conforming"), transcript("conforming"))[1].startswith("Nothing got worse")


def test_results_and_transcripts_compare_alike(compared, command, transcript):
    old, new = (recorded(command, transcript, name) for name in ("conforming", "args-object"))
    by_results = compared(old, new)
    assert by_results == compared(transcript("conforming"), transcript("args-object"))
    assert by_results == compared(old, transcript("args-object"))
    drift = [(d["place"].rsplit("/", 1)[1], d["change"]) for d in by_results[1]["drift"] if d["change"] == "types"]
    assert drift == [("arguments", "types")]


def test_changed_types_are_told(compared, command, transcript):
    old = recorded(command, transcript, "conforming")
    document = json.loads(old.read_text(encoding="utf-8"))
    changed = next(m for s in document["shapes"] if s["kind"] == "error" for m in s["members"])
    before = changed["types"]
    changed["types"] = ["number"]
    Path("new.json").write_text(json.dumps(document), encoding="utf-8")
    code, found = compared(old, "new.json")
    assert code == 0  # drift alone is no worse
    assert found["drift"] == [
        {"kind": "error", "change": "types", "place": changed["place"], "told": f"{before[0]} became number"}
    ]


def test_what_options_leave_out_is_told_and_not_worse(world, compared, command):
    command("run", *TARGET, "--output", "old")
    command("run", *TARGET, "--output", "new", "--only", "http")
    code, found = compared("old/results.json", "new/results.json")
    assert code == 0
    assert {change["new"] for change in found["lost"]} == {"not-selected"}
    assert "The scope was full and is partial." in found["notes"]


@pytest.mark.parametrize(
    ("world_", "code"),
    [
        ({"unseen": {"http.json": "none came"}}, 1),
        ({"unseen": {"error.rate-limit": "none came"}}, 0),  # a SHOULD
        ({"unseen": {"http.encoding": "none came"}}, 0),
        ({"broken": {"auth.challenge": 1}}, 1),  # a SHOULD that failed not before
        ({"errors": {"http.json": "KeyError"}}, 1),
    ],
)
def test_what_is_worse(world, compared, command, world_, code):
    command("run", *TARGET, "--output", "old")
    for name, value in world_.items():
        setattr(world, name, value)
    command("run", *TARGET, "--output", "new")
    assert compared("old/results.json", "new/results.json")[0] == code


def test_a_must_that_need_not_be_exercised_is_not_missed(world, compared, command):
    conditional = next(r.id for r in load() if r.conditional and r.level == "MUST")
    command("run", *TARGET, "--output", "old")
    world.unseen = {conditional: "it never came about"}
    command("run", *TARGET, "--output", "new")
    code, found = compared("old/results.json", "new/results.json")
    assert code == 0
    assert names(found["lost"]) == [conditional]


def test_further_places_are_told(compared, command, transcript):
    new = recorded(command, transcript, "done-missing")
    document = json.loads(new.read_text(encoding="utf-8"))
    entry = next(r for r in document["requirements"] if r["outcome"] == "failed")
    entry["findings"] = entry["findings"][:1]
    Path("old.json").write_text(json.dumps(document), encoding="utf-8")
    code, found = compared("old.json", new)
    assert code == 0
    assert names(found["further"]) == ["stream.done"]
    assert "accept-stream @ event" not in found["further"][0]["findings"]


def test_results_of_before_shapes_and_keys_can_be_compared(compared, command, transcript):
    new = recorded(command, transcript, "done-missing")
    document = json.loads(new.read_text(encoding="utf-8"))
    del document["shapes"], document["gate"]
    for entry in document["requirements"]:
        for finding in entry["findings"]:
            del finding["key"]
    Path("old.json").write_text(json.dumps(document), encoding="utf-8")
    code, found = compared("old.json", new)
    assert code == 0
    assert found["further"] == []
    assert "OLD had no shapes of answers" in found["notes"][0]


def test_every_form_is_inert_and_fits_the_screen(world, command):
    command("run", *TARGET, "--output", "old")
    document = json.loads(Path("old/results.json").read_text(encoding="utf-8"))
    for entry in document["requirements"][:50]:
        entry |= {"outcome": "not-exercised", "exchanges": 0, "findings": [], "reason": NASTY}
    kind = {"kind": "error", "answers": 10**900, "left": 0}
    document["options"]["depth"] = {"a": ["b"]}
    member = {"types": ["string"], "answers": 1}
    document["shapes"] = [{**kind, "members": [{"place": "/a", **member}]}]
    Path("old.json").write_text(json.dumps(document), encoding="utf-8")
    document["shapes"] = [{**kind, "members": [{"place": f"/{NASTY}{n}", **member} for n in range(90)]}]
    document["requirements"] = copy.deepcopy(json.loads(Path("old/results.json").read_text())["requirements"])
    for entry in document["requirements"][:50]:
        entry |= {"outcome": "blocked", "blocked_by": ["x"], "exchanges": 0, "findings": [], "reason": NASTY}
    Path("new.json").write_text(json.dumps(document), encoding="utf-8")
    code, text, _ = command("compare", "old/results.json", "new.json")
    assert code == 1
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "more; --format json has all" in text
    _, page, _ = command("compare", "old.json", "new.json", "--format", "markdown")
    assert "\x1b" not in page
    assert "<script>" in page
    assert "<script>" not in re.sub(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", "", page)


def test_the_markdown_names_the_changes(command, transcript):
    _, page, _ = command("compare", transcript("conforming"), transcript("id-varies"), "--format", "markdown")
    assert "## Newly failing" in page
    assert "| `chunk.id-stable` | MUST | passed | failed |" in page


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"", "is not JSON"),
        (b"nonsense", "is not JSON"),
        (b"[]", "is not a results.json"),
        (b"{}", "is not a results.json"),
        (b'{"format": 2}', "newer suite"),
        (b'{"log": {}}', "cannot be compared"),
        (b'{"log": {"entries": [1]}}', "cannot be compared"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_bad_input_is_one_sentence(refused, transcript, octets, said):
    Path("x.json").write_bytes(octets)
    refused("compare", "x.json", transcript("conforming"), said=said)
    refused("compare", transcript("conforming"), "x.json", said="'x.json'")


def test_a_file_that_is_not_there(refused, transcript):
    refused("compare", "none.json", transcript("conforming"), said="No such file")
    refused("compare", transcript("conforming"), ".", said="Is a directory")


# --- shapes ------------------------------------------------------------------------------------------------------


def test_shapes_hold_members_and_no_values(transcript):
    found = {shape.kind: shape for shape in shapes(Evidence(har_reader.load(transcript("conforming"))))}
    assert {"completion", "approval", "chunk", "approval-chunk", "error"} == set(found)
    members = {m.place: m.types for m in found["completion"].members}
    assert members["/choices/*/message/content"] == ("string",)
    assert members["/choices/*/index"] == ("number",)
    assert "kite" not in json.dumps([m.types for s in found.values() for m in s.members])


def test_shapes_are_bounded():
    from dataclasses import replace

    from made_up import exchange

    from conformance.transcript.exchange import Transcript

    deep = b'{"error":' + b'{"a":' * 500 + b"1" + b"}" * 501
    wide = json.dumps({"error": {f"member{n}" * 40: n for n in range(20_000)}}).encode()
    made = []
    for number, body in enumerate((deep, wide)):
        one = exchange(f"x{number}")
        made.append(replace(one, response=replace(one.response, status=400, body=body, pieces=None)))
    (shape,) = shapes(Evidence(Transcript(tuple(made))))
    assert (shape.kind, shape.answers) == ("error", 2)
    assert len(shape.members) == MEMBERS
    assert shape.left > 1000
    assert max(len(m.place) for m in shape.members) < 700


def test_the_same_documents_have_no_drift_where_places_were_left_out(command, transcript):
    command("judge", transcript("conforming"), "--output", "x")
    old = json.loads(Path("x/results.json").read_text(encoding="utf-8"))
    new = copy.deepcopy(old)
    for shape in new["shapes"]:
        shape["members"], shape["left"] = shape["members"][:3], 9
    assert compare(old, new, load()).drift == ()
    assert compare(new, old, load()).drift == ()
