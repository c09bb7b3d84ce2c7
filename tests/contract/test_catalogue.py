"""The catalogue: the package's own is whole and well-formed, and whatever is wrong with a file is said."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from conformance.contract import catalogue as catalogue_module
from conformance.contract import schemas
from conformance.contract.catalogue import (
    CAPABILITIES,
    SOURCES,
    Catalogue,
    CatalogueError,
    Level,
    Requirement,
    Side,
    UnknownRequirement,
    contract_hash,
    load,
)

# What the contract's tables hold. A requirement that comes or goes is a decision, and so an edit here too.
AREAS = {
    "auth": 11, "accept": 10, "reject": 13, "error": 8, "http": 3, "completion": 13, "kitemesh": 7, "stream": 14,
    "chunk": 12, "approval": 13, "resume": 17, "robust": 4, "isolation": 5, "sdk": 3, "client": 15,
}  # fmt: skip
LEVELS = {Level.MUST: 89, Level.SHOULD: 59}
WHIMS = {
    "completion.output-limit", "completion.limit-priority", "completion.uses-prompt", "stream.incremental",
    "chunk.appends", "chunk.text-intact", "approval.arguments",
}  # fmt: skip

GOOD = """
[contract]
version = "1"

[[area]]
id = "stream"
title = "The bytes of a stream"

[[requirement]]
id = "stream.done"
level = "MUST"
statement = "The server ends a stream with the event `[DONE]`."
sources = ["S"]
why = "Clients wait."
fix = "Send it."
"""


def read(tmp_path: Path, text: str) -> Catalogue:
    path = tmp_path / "requirements.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def each() -> list[Requirement]:
    return list(load())


def test_areas_hold_what_the_contract_lists() -> None:
    assert Counter(requirement.area for requirement in load()) == AREAS
    assert list(load().areas) == list(AREAS)
    assert len(load()) == sum(AREAS.values())


def test_levels_and_whims_are_those_of_the_contract() -> None:
    assert Counter(requirement.level for requirement in load()) == LEVELS
    assert {requirement.id for requirement in load() if requirement.whim} == WHIMS


def test_requirements_of_an_area_stand_together_in_the_order_of_the_areas() -> None:
    assert list(dict.fromkeys(requirement.area for requirement in load())) == list(load().areas)
    places = [list(load().areas).index(requirement.area) for requirement in load()]
    assert places == sorted(places)


@pytest.mark.parametrize("requirement", each(), ids=lambda requirement: requirement.id)
def test_requirement_reads_as_sentences(requirement: Requirement) -> None:
    if requirement.side is Side.CLIENT:
        assert requirement.statement.startswith("The client ")
    else:
        assert requirement.statement.startswith(("The server", "Where ", "When "))
        assert "he server" in requirement.statement
    for sentence in (requirement.statement, requirement.why, requirement.fix):
        assert sentence == sentence.strip()
        assert sentence.endswith(".")
        assert sentence[0].isupper()
        assert "~" not in sentence
        assert sentence.count("`") % 2 == 0
    if requirement.area == "reject":
        assert requirement.statement.startswith("The server refuses ")


def test_texts_are_not_repeated() -> None:
    for member in ("statement", "why", "fix"):
        counts = Counter(getattr(requirement, member) for requirement in load())
        assert [text for text, count in counts.items() if count > 1] == []


def test_capabilities() -> None:
    special = {
        "resume.other-caller": "second-token", "resume.expired": "wait-expiry", "sdk.openai-approval": "approvals",
        **{r.id: "approvals" for r in load() if r.id.startswith("client.resume-")},
        **dict.fromkeys(
            ("client.variation", "client.variation-output", "client.notices-truncation", "client.ends"), "faces"
        ),
    }  # fmt: skip
    for requirement in load():
        usual = "approvals" if requirement.area in ("approval", "resume") else None
        assert requirement.capability == special.get(requirement.id, usual)
    assert {requirement.capability for requirement in load()} - {None} == set(CAPABILITIES)


def test_sources_are_described() -> None:
    assert set("SCAROEWHP") == set(SOURCES)
    assert {source for requirement in load() for source in requirement.sources} <= set(SOURCES)


def test_own_catalogue_is_read_once() -> None:
    assert load() is load()


def test_requirement_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load()["stream.done"].level = Level.SHOULD  # type: ignore[misc]


def test_lookup() -> None:
    assert load()["stream.done"].id == "stream.done"
    assert "stream.done" in load()
    assert "stream.dnoe" not in load()
    assert 7 not in load()
    with pytest.raises(UnknownRequirement, match=r"did you mean stream\.done"):
        load()["stream.dnoe"]


def test_each_side_has_requirements_and_areas_of_its_own() -> None:
    of_servers, of_clients = load().of(Side.SERVER), load().of(Side.CLIENT)
    assert len(of_servers) + len(of_clients) == len(load())
    assert set(of_clients.areas) == {"client"}
    assert set(of_servers.areas) == set(load().areas) - {"client"}
    assert {requirement.side for requirement in of_clients} == {Side.CLIENT}


def test_select_by_id_area_and_glob() -> None:
    catalogue = load()
    stream = [requirement for requirement in catalogue if requirement.area == "stream"]
    assert catalogue.select(["stream"]) == catalogue.select(["stream.*"]) == stream
    assert [r.id for r in catalogue.select(["stream.done", "auth.challenge"])] == ["auth.challenge", "stream.done"]
    assert [r.id for r in catalogue.select(["stream.done-*"])] == [
        "stream.done-once",
        "stream.done-last",
        "stream.done-literal",
    ]
    assert catalogue.select(["stream", "stream.done"]) == stream
    assert catalogue.select([]) == []


@pytest.mark.parametrize("pattern", ["straem", "stream.dnoe", "stream.x*", "", "STREAM", "stream."])
def test_select_refuses_what_names_nothing(pattern: str) -> None:
    with pytest.raises(UnknownRequirement) as caught:
        load().select(["auth", pattern])
    message = str(caught.value)
    assert repr(pattern) in message
    assert "\n" not in message


def test_unknown_pattern_gets_the_nearest_ids() -> None:
    with pytest.raises(UnknownRequirement, match="did you mean stream"):
        load().select(["straem"])
    with pytest.raises(UnknownRequirement, match="the areas are auth, accept, "):
        load().select(["zzzzzzzz"])


def test_good_file_is_read(tmp_path: Path) -> None:
    catalogue = read(tmp_path, GOOD)
    assert [requirement.id for requirement in catalogue] == ["stream.done"]
    assert catalogue.version == "1"
    assert catalogue["stream.done"] == Requirement(
        id="stream.done",
        area="stream",
        level=Level.MUST,
        statement="The server ends a stream with the event `[DONE]`.",
        sources=("S",),
        whim=False,
        capability=None,
        why="Clients wait.",
        fix="Send it.",
    )


ROW = GOOD[GOOD.index("[[requirement]]") :]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (ROW, ROW * 2, "stream.done is in the catalogue twice"),
        ('"MUST"', '"MAY"', "stream.done has the level 'MAY': it must be MUST or SHOULD"),
        ('"MUST"', '"must"', "level 'must'"),
        ('["S"]', '["X"]', "stream.done names the source 'X'"),
        ('["S"]', "[1]", "names the source 1"),
        ('["S"]', "[]", "at least one source"),
        ('["S"]', '["S", "S"]', "each once"),
        ('["S"]', '"S"', "stream.done must have an array as 'sources'"),
        ('"stream.done"', '"stream"', "has the id 'stream': it must read area.words"),
        ('"stream.done"', '"stream.Done"', "it must read area.words-with-dashes"),
        ('"stream.done"', '"stream.done-"', "it must read area.words-with-dashes"),
        ('"stream.done"', '"stream.done_last"', "it must read area.words-with-dashes"),
        ('"stream.done"', '"stream.done\\n"', "it must read area.words-with-dashes"),
        ('"stream.done"', '"chunk.done"', "names the area chunk, which is not declared"),
        ('"stream.done"', "7", "[[requirement]] number 1 must have a string as 'id'"),
        ('"stream.done"', '""', "[[requirement]] number 1 has an empty 'id'"),
        ('id = "stream.done"\n', "", "[[requirement]] number 1 lacks the member 'id'"),
        ('why = "Clients wait."\n', "", "stream.done lacks the member 'why'"),
        ('why = "Clients wait."', 'why = " "', "stream.done has an empty 'why'"),
        ('why = "Clients wait."', 'why = "Clients wait."\ncolour = 1', "stream.done has the unknown member 'colour'"),
        ('fix = "Send it."', 'fix = "Send it."\nwhim = "yes"', "stream.done must have a boolean as 'whim'"),
        ('fix = "Send it."', 'fix = "Send it."\ncapability = "magic"', "stream.done names the capability 'magic'"),
        (
            'fix = "Send it."',
            'fix = "Send it."\nprecedence = true',
            "stream.done must have a whole number as 'precedence'",
        ),
        ('fix = "Send it."', 'fix = "Send it."\nunder_load = "yes"', "stream.done names the under_load 'yes'"),
        ('fix = "Send it."', 'fix = "Send it."\nbars = "all"', "names the bars 'all': it must be answer or approval"),
        (
            'fix = "Send it."',
            'fix = "Send it."\nabsorbed_by = ["stream.x"]',
            "absorbed by 'stream.x', which is neither",
        ),
        ('fix = "Send it."', 'fix = "Send it."\nabsorbed_by = ["stream"]', "absorbed by 'stream', which is neither"),
        ('fix = "Send it."', 'fix = "Send it."\nabsorbed_by = [1]', "absorbed by '1', which is neither"),
        (
            'fix = "Send it."',
            'fix = "Send it."\nabsorbed_by = ["stream.done"]',
            "stream.done is absorbed by stream.done: a circle",
        ),
        ('[contract]\nversion = "1"', "[contract]", "[contract] lacks the member 'version'"),
        ('[contract]\nversion = "1"', "", "requirements.toml lacks the member 'contract'"),
        ('version = "1"', "version = 1", "[contract] must have a string as 'version'"),
        (ROW, "", "requirements.toml lacks the member 'requirement'"),
        ("[[requirement]]", "[requirement]", "must have an array as 'requirement'"),
        ("[[requirement]]", '[[area]]\nid = "x"\ntitle = "X"\n[[requirement]]', "no requirement belongs to the area x"),
        (
            "[[requirement]]",
            '[[area]]\nid = "stream"\ntitle = "X"\n[[requirement]]',
            "the area stream is declared twice",
        ),
        ('title = "The', 'side = "both"\ntitle = "The', "the area stream names the side 'both': it must be server or"),
        ('title = "The', 'titel = "The', "[[area]] number 1 lacks the member 'title'"),
        ("[contract]", "[extra]\n[contract]", "requirements.toml has the unknown member 'extra'"),
        ("[contract]", "[contract", "requirements.toml is not TOML"),
    ],
)
def test_bad_file_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert GOOD.count(old) >= 1
    with pytest.raises(CatalogueError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def two(first: str, second: str) -> str:
    """The good file with another requirement, and a line more in each."""
    return f"{GOOD}{first}\n{ROW.replace('stream.done', 'stream.other')}{second}\n"


def test_an_area_stands_for_its_basic_requirements(tmp_path: Path) -> None:
    catalogue = read(tmp_path, two("basic = true", 'absorbed_by = ["stream"]'))
    assert catalogue["stream.other"].absorbed_by == catalogue.basic("stream") == ("stream.done",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (two('absorbed_by = ["stream.other"]', 'absorbed_by = ["stream.done"]'), "a circle"),
        (two('basic = true\nabsorbed_by = ["stream.other"]', 'absorbed_by = ["stream"]'), "a circle"),
        (
            two("costly = true", 'absorbed_by = ["stream.done"]'),
            "stream.other is absorbed by stream.done, which is costly",
        ),
        (two("precedence = 1", "precedence = 1"), "stream.other and stream.done have the same precedence"),
        (
            two("", 'absorbed_by = ["stream.done"]').replace("MUST", "SHOULD", 1),
            "stream.other is absorbed by stream.done: a breach of a MUST must not become a warning",
        ),
    ],
)
def test_what_requirements_say_of_each_other_is_held_together(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        read(tmp_path, text)
    assert says in str(caught.value)


def test_file_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "requirements.toml"
    path.write_bytes(b'[contract]\nversion = "\xff"\n')
    with pytest.raises(CatalogueError, match="is not TOML"):
        load(path)


def test_contract_hash_follows_the_schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contract_hash()
    assert re.fullmatch(r"[0-9a-f]{64}", before)
    copied = tmp_path / "schemas"
    shutil.copytree(schemas.schema_dir(), copied)
    monkeypatch.setattr(schemas, "schema_dir", lambda: copied)
    assert contract_hash() == before

    chunk = copied / "chunk.schema.json"
    chunk.write_bytes(chunk.read_bytes().replace(b"\n", b"\r\n"))
    assert contract_hash() == before, "line ends do not count"
    for name in ("results", "config", "soak"):
        own = copied / f"{name}.schema.json"
        own.write_bytes(own.read_bytes() + b" ")
        assert contract_hash() == before, f"no target is judged by the format of the {name}"
    chunk.write_bytes(chunk.read_bytes() + b" ")
    assert contract_hash() != before


def test_contract_hash_follows_what_the_contract_says_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = []
    for text in (GOOD, two("", "").replace("stream.other", "stream.done-again"), *(f"{GOOD}{line}\n" for line in (
        "quick = false", 'under_load = "times"', "precedence = 3", "whim = true", 'capability = "approvals"',
    )), GOOD.replace("Clients wait.", "Clients hang."), GOOD.replace('"MUST"', '"SHOULD"')):  # fmt: skip
        made = read(tmp_path, text)
        monkeypatch.setattr(catalogue_module, "load", lambda made=made: made)
        hashes.append(contract_hash())
    good, more, *judging, whim, capability, why, level = hashes
    assert set(judging) == {why} == {good}
    assert len({good, more, whim, capability, level}) == 5


def test_reading_the_catalogue_leaves_jsonschema_alone() -> None:
    program = "import sys, conformance.contract.catalogue as c; c.load(); print('jsonschema' in sys.modules)"
    root = Path(schemas.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
