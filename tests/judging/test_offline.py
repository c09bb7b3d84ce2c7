"""Transcripts in files are judged without a network: conforming, faulty, and with one octet changed."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest
from checks.exchanges import with_status
from checks.transcripts import CONFORMING, DIRECTORY, FAULTS, faulty
from studies.interop import reviewing

from conformance.contract.catalogue import Side
from conformance.judging import judge as judging
from conformance.judging.verdict import State, Verdict
from conformance.running import run
from conformance.settings.options import Options
from conformance.transcript import har_reader, har_writer
from conformance.transcript.exchange import Transcript

EXPECTED: dict[str, Any] = tomllib.loads((DIRECTORY / "expected.toml").read_text(encoding="utf-8"))
NAMES = sorted(EXPECTED)
LARGEST = 40 * 1024


@cache
def text(name: str) -> str:
    return (DIRECTORY / f"{name}.har").read_text(encoding="utf-8")


def judged(transcript: Transcript) -> Verdict:
    return judging.judge(transcript).verdict


def states(verdict: Verdict) -> dict[str, State]:
    return {outcome.requirement.id: outcome.state for outcome in verdict.outcomes}


def failed(verdict: Verdict) -> list[str]:
    return [id_ for id_, state in states(verdict).items() if state is State.FAILED]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("judging opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.mark.parametrize("name", NAMES)
def test_outcome_is_the_expected_one(name: str) -> None:
    verdict = judged(har_reader.load(DIRECTORY / f"{name}.har"))
    assert failed(verdict) == EXPECTED[name]["failed"]
    assert verdict.conclusion == EXPECTED[name]["conclusion"], verdict.sentence
    assert State.ERROR not in states(verdict).values()


def test_every_file_is_expected() -> None:
    assert sorted(path.stem for path in DIRECTORY.glob("*.har")) == NAMES == sorted(["conforming", *FAULTS])


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_faulty_file_is_the_conforming_one_with_its_change(name: str) -> None:
    assert har_reader.load(text(name)) == har_reader.load(har_writer.dumps(faulty(har_reader.load(CONFORMING), name)))


@pytest.mark.parametrize("name", NAMES)
def test_file_is_small_and_tells_nothing_of_its_making(name: str) -> None:
    written = text(name)
    assert len(written.encode()) < LARGEST
    assert not re.search(r"127\.0\.0\.1|localhost|km_[a-z]|/home/|/tmp/|/usr/", written)
    assert set(re.findall(r'"Bearer ([^"]*)"', written)) <= {"*" * 18}
    assert har_reader.load(har_writer.dumps(har_reader.load(written))) == har_reader.load(written)


@pytest.mark.parametrize("name", NAMES)
def test_judging_again_says_the_same(name: str) -> None:
    transcript = har_reader.load(text(name))
    assert states(judged(transcript)) == states(judged(har_reader.load(har_writer.dumps(transcript))))


# --- other people's servers ------------------------------------------------------------------------------------------

REAL = DIRECTORY / "real"
REAL_EXPECTED: dict[str, Any] = tomllib.loads((REAL / "expected.toml").read_text(encoding="utf-8"))
LARGEST_REAL, LARGEST_OF_ALL = 150 * 1024, 1024 * 1024


@pytest.mark.parametrize("name", sorted(REAL_EXPECTED))
def test_outcome_of_a_real_server_is_the_expected_one(name: str) -> None:
    verdict = judged(har_reader.load(REAL / f"{name}.har"))
    assert failed(verdict) == REAL_EXPECTED[name]["failed"]
    assert verdict.conclusion == REAL_EXPECTED[name]["conclusion"], verdict.sentence
    assert State.ERROR not in states(verdict).values()


@pytest.mark.parametrize("name", sorted(REAL_EXPECTED))
def test_what_fails_in_a_real_servers_transcript_was_reviewed(name: str) -> None:
    known = {entry.requirement for entry in reviewing.load() if entry.server == name}
    assert set(REAL_EXPECTED[name]["failed"]) <= known


def test_every_file_of_a_real_server_is_expected_small_and_tells_nothing_of_its_making() -> None:
    files = sorted(REAL.glob("*.har"))
    assert [path.stem for path in files] == sorted(REAL_EXPECTED)
    assert sum(path.stat().st_size for path in files) < LARGEST_OF_ALL
    for path in files:
        written = path.read_text(encoding="utf-8")
        assert len(written.encode()) < LARGEST_REAL, path.name
        assert not re.search(r"127\.0\.0\.1|localhost|km_(?!never_issued)[a-z]|/home/|/tmp/|/usr/|/root/", written)
        assert har_reader.load(har_writer.dumps(har_reader.load(written))) == har_reader.load(written)


# --- one octet -------------------------------------------------------------------------------------------------------

STREAM = "accept-stream"
FLIPS = [
    # (what stands in the stream's text of the HAR, what is made of it, the requirement that it breaks)
    ("data: [DONE]\\n\\n", "data: [DONE]\\nx", "stream.framing"),
    ('\\"finish_reason\\":\\"stop\\"', '\\"finish_reason\\":\\"stoq\\"', "chunk.finish-reason"),
    ("chat.completion.chunk", "chat.completion.chunc", "chunk.schema"),
    ('data: {\\"id', 'data: [\\"id', "stream.json-data"),
    ("assistant", "assistent", "chunk.opens"),
]


@pytest.mark.parametrize(("before", "after", "requirement"), FLIPS)
def test_one_octet_of_a_stream_flips_one_requirement(before: str, after: str, requirement: str) -> None:
    lines = text("conforming").split("\n")
    (number,) = [n for n, line in enumerate(lines) if f'"_name": "{STREAM}"' in line]
    assert before in lines[number]
    lines[number] = lines[number].replace(before, after, 1)
    was, now = har_reader.load(text("conforming")), har_reader.load("\n".join(lines))
    changed = [(a, b) for one, two in zip(was, now, strict=True) for a, b in octets_apart(one, two)]
    assert len(changed) == 1
    before_states, after_states = states(judged(was)), states(judged(now))
    flipped = {id_ for id_ in before_states if before_states[id_] != after_states[id_]}
    # What the stream showed of others is blocked by it, which is not a flip.
    assert {id_ for id_ in flipped if after_states[id_] is not State.BLOCKED} == {requirement}
    assert after_states[requirement] is State.FAILED


def test_without_approvals_nothing_of_theirs_applies() -> None:
    """Nor what takes a second caller or a time to wait: there is no approval to resume by either."""
    declared = Transcript(har_reader.load(CONFORMING).exchanges, {"approvals": False, "second_token": True})
    of_approvals = {
        id_: state for id_, state in states(judged(declared)).items() if id_.startswith(("approval", "resume"))
    }
    assert set(of_approvals.values()) == {State.NOT_APPLICABLE}
    assert "resume.expired" in of_approvals
    assert "resume.other-caller" in of_approvals


def octets_apart(one: Any, other: Any) -> list[tuple[int, int]]:
    """The octets in which two answers differ."""
    return [(a, b) for a, b in zip(one.response.body, other.response.body, strict=True) if a != b]


def test_without_options_a_transcript_is_judged_as_somebody_elses() -> None:
    """A HAR whose log tells nothing of a run: what the suite alone knows is not exercised, and nothing fails."""
    bare = Transcript(har_reader.load(CONFORMING).exchanges)
    verdict = judged(bare)
    assert not failed(verdict)
    assert verdict["resume.approval-unknown"].state is State.NOT_EXERCISED
    assert verdict["completion.schema"].state is State.PASSED


def as_a_browser_saves_it(written: str) -> str:
    """The HAR of the network panel: no credentials, decoded text, nothing of the suite's own."""
    document = json.loads(written, object_hook=lambda one: {k: v for k, v in one.items() if not k.startswith("_")})
    log = document["log"]
    log["creator"] = {"name": "WebInspector", "version": "537.36"}
    for entry in log["entries"]:
        fields = entry["request"]["headers"]
        entry["request"]["headers"] = [one for one in fields if one["name"].lower() != "authorization"]
    return json.dumps(document)


@pytest.mark.parametrize("status", [401, 403])
def test_a_har_from_a_browser_fails_nothing_that_its_missing_token_explains(status: int) -> None:
    """Whether a request bore a good token is not known there: its 401 refuses neither a valid nor an invalid body."""
    transcript = har_reader.load(as_a_browser_saves_it(text("conforming")))
    answers = {exchange.status for exchange in transcript}
    assert {200, 401} <= answers
    denied = [e for e in transcript if e.status == 401]
    invalid = next(e for e in transcript if b'"messages":[]' in (e.request.body or b"") and e.status != 401)
    wrong = replace(invalid, name="denied", response=denied[0].response)
    everything = [with_status(e, status) if e.status == 401 else e for e in (*transcript, wrong)]
    verdict = judged(replace(transcript, exchanges=tuple(everything)))
    assert not failed(verdict)
    assert verdict["accept.minimal"].state is State.PASSED


def test_an_answer_that_a_browser_saved_without_its_body_is_told_as_that() -> None:
    document = json.loads(as_a_browser_saves_it(text("conforming")))
    entries = document["log"]["entries"]
    document["log"]["entries"] = [entry for entry in entries if entry["response"]["status"] == 200]
    for entry in document["log"]["entries"]:
        entry["response"]["content"].pop("text", None)
    verdict = judged(har_reader.load(json.dumps(document)))
    assert not failed(verdict)
    assert verdict["chunk.schema"].reason == "the transcript has the answer without its body"


def test_every_transcript_of_one_exchange_alone_is_judged_without_error(tmp_path: Path) -> None:
    # A resume without the answer that asked for it is one of an approval that was never given.
    alone = [
        exchange for exchange in har_reader.load(CONFORMING) if b'"approval_id"' not in (exchange.request.body or b"")
    ]
    for exchange in alone:
        path = tmp_path / "one.har"
        path.write_text(
            har_writer.dumps(Transcript((exchange,), har_reader.load(CONFORMING).options)), encoding="utf-8"
        )
        verdict = judged(har_reader.load(path))
        assert not failed(verdict)
        assert State.ERROR not in states(verdict).values()


def test_what_costs_much_is_judged_only_where_it_is_wanted() -> None:
    code = (
        "import sys\n"
        "from conformance.judging import judge as judging\n"
        "from conformance.settings.options import Options\n"
        "from conformance.transcript import har_reader, har_writer\n"
        "verdict = judging.judge(har_reader.load(sys.argv[1]), options=Options(only=(sys.argv[2],))).verdict\n"
        "states = {str(o.state) for o in verdict.outcomes if o.requirement.area == sys.argv[2]}\n"
        "print('openai' in sys.modules, states)\n"
    )
    found = {}
    for area in ("chunk", "sdk"):
        words = [sys.executable, "-c", code, str(DIRECTORY / "conforming.har"), area]
        found[area] = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert found == {"chunk": ["False", "{'passed'}"], "sdk": ["True", "{'passed'}"]}


@pytest.mark.parametrize("name", ["conforming", "stream-truncated", "args-object", "error-html"])
def test_no_outcome_rests_on_what_is_judged_only_where_it_is_wanted(name: str) -> None:
    transcript = har_reader.load(DIRECTORY / f"{name}.har")
    others = [requirement.id for requirement in run.CATALOGUE.of(Side.SERVER) if not requirement.costly]
    options = Options(only=tuple(others), approvals=transcript.options.get("approvals") is not False)
    narrow, whole = states(judging.judge(transcript, options=options).verdict), states(judged(transcript))
    assert {id_: narrow[id_] for id_ in others} == {id_: whole[id_] for id_ in others}
