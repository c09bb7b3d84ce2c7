"""Recordings of other clients: each is read for what it shows, and nothing is laid to the server that it does not."""

from __future__ import annotations

import copy
import gzip
import io
import json
import re
import sys
import tomllib
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.judging import judge as judging
from conformance.judging.result import Result
from conformance.judging.verdict import State
from conformance.report import badge
from conformance.transcript import har_reader, har_writer, recordings, targets
from conformance.transcript.account import RECORDING
from conformance.transcript.exchange import Transcript
from conformance.transcript.har_nodes import HarError

DIRECTORY = Path(__file__).parents[2] / "fixtures" / "recordings"
MADE = DIRECTORY / "made"
EXPECTED: dict[str, Any] = tomllib.loads((DIRECTORY / "expected.toml").read_text(encoding="utf-8"))
NAMES = sorted(EXPECTED)
LARGEST = 40 * 1024


def read(path: Path, choice: targets.Choice | None = None) -> Transcript:
    if path.suffix == ".flow":
        pytest.importorskip("mitmproxy")
    (transcript,) = targets.chosen(recordings.load(path), choice or targets.Choice())
    return transcript


def judged(transcript: Transcript) -> Result:
    result = judging.judge(transcript, opinions=False)
    assert not [o for o in result.verdict.outcomes if o.state is State.ERROR]
    return result


def failed(result: Result) -> list[str]:
    return [f"{finding.requirement}: {finding.exchange}" for finding in result.findings]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_judged_and_what_is_left_out_and_why(name: str) -> None:
    expected = EXPECTED[name]
    if "refused" in expected:
        with pytest.raises(HarError) as caught:
            read(DIRECTORY / name)
        assert str(caught.value) == expected["refused"]
        return
    transcript = read(DIRECTORY / name)
    result = judged(transcript)
    recorded = transcript.options[RECORDING]
    assert [exchange.name for exchange in transcript] == expected["judged"]
    assert {why: entry["count"] for why, entry in recorded["left_out"].items()} == expected["left_out"]
    assert recorded["elsewhere"] == expected.get("elsewhere", {})
    readings = result.evidence.all
    assert [r.name for r in readings if not r.body_is_there] == expected.get("without_text", [])
    assert [r.name for r in readings if r.excuse] == expected.get("excused", [])
    assert failed(result) == expected["failed"]
    unjudged = [id_ for id_ in expected["unjudged"] if result.verdict[id_].state is not State.NOT_EXERCISED]
    assert not unjudged


def test_every_file_is_expected_small_and_tells_nothing_of_its_making() -> None:
    files = [path for path in (*DIRECTORY.iterdir(), *MADE.glob("*")) if path.is_file()]
    files = [path for path in files if path.name not in ("expected.toml", "README.md")]
    assert sorted(path.relative_to(DIRECTORY).as_posix() for path in files) == NAMES
    for path in files:
        octets = path.read_bytes()
        assert len(octets) < LARGEST, path.name
        text = (gzip.decompress(octets) if path.suffix == ".gz" else octets).decode("utf-8", "replace")
        assert not re.search(r"127\.0\.0\.1|localhost|/home/|/tmp/|/usr/|/root/", text), path.name


@pytest.mark.parametrize("name", [name for name in NAMES if "refused" not in EXPECTED[name]])
def test_written_as_our_transcript_it_is_judged_the_same(name: str) -> None:
    transcript = read(DIRECTORY / name)
    again = har_reader.load(har_writer.dumps(transcript))
    assert again == transcript
    assert targets.chosen(again, targets.Choice()) == [again]
    assert failed(judged(again)) == failed(judged(transcript))


# --- forms -----------------------------------------------------------------------------------------------------------


def plain() -> bytes:
    return gzip.decompress((DIRECTORY / "compressed.har.gz").read_bytes())


def zipped(har: bytes, **beside: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("har.har", har)
        for name, octets in beside.items():
            archive.writestr(name, octets)
    return held.getvalue()


def attached() -> bytes:
    document = json.loads(plain())
    content = document["log"]["entries"][0]["response"]["content"]
    body = content.pop("text").encode()
    content["_file"] = "body"
    return zipped(json.dumps(document).encode(), body=body)


FORMS = {
    "utf-8": plain,
    "a byte order mark": lambda: b"\xef\xbb\xbf" + plain(),
    "utf-16": lambda: plain().decode().encode("utf-16"),
    "utf-16, big end first": lambda: b"\xfe\xff" + plain().decode().encode("utf-16-be"),
    "gzip": lambda: gzip.compress(plain()),
    "zip": lambda: zipped(plain()),
    "zip with bodies beside": attached,
    "white space around": lambda: b"\n\t " + plain() + b"\r\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_a_file(form: str) -> None:
    (transcript,) = targets.chosen(recordings.load(FORMS[form]()), targets.Choice())
    bodies = [exchange.response.body for exchange in transcript if exchange.response]
    assert [len(body) for body in bodies] == [424, 897]
    assert not failed(judged(transcript))


def test_a_file_that_ends_within_an_entry_is_read_so_far() -> None:
    whole = plain()
    cut = whole[: whole.index(b'"Say word2.') + 3]
    (transcript,) = targets.chosen(recordings.load(cut), targets.Choice())
    assert [exchange.name for exchange in transcript] == ["entry-1"]
    assert transcript.options[RECORDING]["left_out"]["unreadable"]["told"] == ["entry-2: the file ends within it"]


NOT_READ = [
    (b"\xd4\xc3\xb2\xa1\x02\x00", "capture of packets"),
    (b"httprr trace v1\n1 2\n", "httprr"),
    (b"[{}]", "Charles"),
    (b"<?xml version='1.0'?>", "XML"),
    (b'{"info": {}, "item": []}', "Postman"),
    (b'{"_type": "export", "resources": []}', "Insomnia"),
    (b'{"constants": {}, "events": []}', "NetLog"),
    (b"", "empty"),
    (b"\x00\x01\x02", "It is not a recording that can be read"),
    (b"\x1f\x8b\x08\x00broken", "damaged"),
    (b"PK\x03\x04broken", "damaged"),
    (zipped(b"{}"), "no member `log`"),
    (gzip.compress(b"\xef\xbb\xbf"), "empty"),
    (b"interactions:\n", "no interaction"),
]


FLOWS = MADE / "mitmproxy-sound.flow"


def test_flows_of_mitmproxy_take_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mitmproxy.io", None)
    with pytest.raises(HarError, match=r"flows of mitmproxy: install it .*, or write them as HAR: mitmdump"):
        recordings.load(FLOWS.read_bytes())


def test_flows_of_mitmproxy_say_what_its_har_says() -> None:
    for word in ("sound", "no-done"):
        flows, har = (read(MADE / f"mitmproxy-{word}.{ending}") for ending in ("flow", "har"))
        assert failed(judged(flows)) == failed(judged(har))
        assert [e.status for e in flows] == [e.status for e in har] == [200, 200]
    cut = FLOWS.read_bytes()[:-40]
    assert len(read_octets(cut)) == len(read(FLOWS)) - 1
    with pytest.raises(HarError, match="none can be read"):
        recordings.load(FLOWS.read_bytes()[:40])


def read_octets(octets: bytes) -> Transcript:
    (transcript,) = targets.chosen(recordings.load(octets), targets.Choice())
    return transcript


@pytest.mark.parametrize(("octets", "told"), NOT_READ, ids=[told for _, told in NOT_READ])
def test_what_is_not_read_is_named(octets: bytes, told: str) -> None:
    with pytest.raises(HarError, match=told) as caught:
        recordings.load(octets)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_a_head_without_a_body_shows_nothing() -> None:
    assert judged(recordings.load(b"HTTP/1.1 200 OK\r\n")).verdict.conclusion == "inconclusive"


# --- which server ----------------------------------------------------------------------------------------------------


def two_hosts(model: str = "group:aaaaaaaa-e89b-12d3-a456-426614174000") -> bytes:
    document = json.loads((DIRECTORY / "two-hosts.har").read_text())
    text = json.dumps(document).replace("gpt-4o", model).replace("api.openai.com", "Api.Example.ORG:8443")
    return text.encode()


def test_several_servers_get_a_verdict_each() -> None:
    found = targets.chosen(recordings.load(two_hosts()), targets.Choice())
    assert [t.options[RECORDING]["target"] for t in found] == [
        "https://api.example.com/v1",
        "https://api.example.org:8443/v1",
    ]
    with pytest.raises(HarError, match="several targets"):
        targets.one(recordings.load(two_hosts()))


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (targets.Choice(host="api.example.com"), ["entry-1", "entry-2"]),
        (targets.Choice(host="api.example.org"), ["entry-3"]),
        (targets.Choice(host="API.example.org:8443", path="/v1/"), ["entry-3"]),
        (targets.Choice(model="group:aaaaaaaa-e89b-12d3-a456-426614174000"), ["entry-3"]),
        (targets.Choice(host="api.example.com", profile=targets.OPENAI), ["entry-1", "entry-2"]),
    ],
)
def test_one_of_them_is_chosen(choice: targets.Choice, names: list[str]) -> None:
    (transcript,) = targets.chosen(recordings.load(two_hosts()), choice)
    assert [exchange.name for exchange in transcript] == names


@pytest.mark.parametrize(
    "choice", [targets.Choice(host="elsewhere"), targets.Choice(path="/v2"), targets.Choice(model="m")]
)
def test_where_none_is_asked_for_those_that_are_there_are_named(choice: targets.Choice) -> None:
    with pytest.raises(HarError, match=r"there are: https://api\.example\.com/v1 \(2 requests; model group:"):
        targets.chosen(recordings.load(two_hosts()), choice)


def of_openai() -> Transcript:
    """An answer that is right for OpenAI's API, in which much lacks that KiteMesh asks for."""
    document = json.loads(plain().replace(b"group:123e4567-e89b-12d3-a456-426614174000", b"gpt-4o"))
    for entry in document["log"]["entries"]:
        content = entry["response"]["content"]
        content["text"] = re.sub(r', "kitemesh": \{.*?\}', "", content["text"]).replace(
            '"gpt-4o"', '"gpt-4o-2024-08-06"'
        )
        content["size"] = len(content["text"])
    return recordings.load(json.dumps(document).encode())


def test_other_models_are_judged_by_a_profile_without_a_badge() -> None:
    with pytest.raises(HarError, match=r"No request in it asks for a group.*gpt-4o.*--any-model"):
        targets.chosen(of_openai(), targets.Choice())
    (transcript,) = targets.chosen(of_openai(), targets.Choice(profile=targets.OPENAI))
    result = judged(transcript)
    assert not failed(result)
    assert result.verdict["completion.schema"].state is State.PASSED
    assert result.verdict["chunk.schema"].state is State.PASSED
    for id_ in ("kitemesh.present", "reject.model", "completion.model-echo", "accept.minimal", "error.schema"):
        assert result.verdict[id_].state is State.NOT_APPLICABLE, id_
    assert result.verdict.scope == "partial"
    assert badge.badge(result) is None
    assert any("profile openai-compatible" in note for note in result.notes)


def test_without_the_profile_the_same_breaks_what_only_kitemesh_has() -> None:
    (transcript,) = targets.chosen(of_openai(), targets.Choice(host="api.example.com"))
    assert {finding.requirement for finding in judged(transcript).findings} == {"reject.model"}


def test_a_404_is_a_breach_for_a_group_that_was_named() -> None:
    recording = recordings.load(DIRECTORY / "unknown-group.har")
    (transcript,) = targets.chosen(recording, targets.Choice(model="group:99999999-e89b-12d3-a456-426614174999"))
    assert [r.excuse for r in judged(transcript).evidence.all] == [None]


def test_the_same_500_again_and_again_is_a_breach() -> None:
    document = json.loads((DIRECTORY / "server-error-once.har").read_text())
    entries = document["log"]["entries"]
    entries[2]["response"], entries[2]["startedDateTime"] = entries[1]["response"], "2026-03-17T13:40:30Z"
    document["log"]["entries"] = entries
    (transcript,) = targets.chosen(recordings.load(json.dumps(document).encode()), targets.Choice())
    assert {f.requirement for f in judged(transcript).findings} == {"error.no-server-error"}


def test_all_that_is_wrong_with_an_error_object_is_told_at_once() -> None:
    document = json.loads((DIRECTORY / "messages-too-long.har").read_text())
    content = document["log"]["entries"][2]["response"]["content"]
    content["text"] = '{"error": {"message": 1, "type": "t"}}'
    content["size"] = len(content["text"])
    (transcript,) = targets.chosen(recordings.load(json.dumps(document).encode()), targets.Choice())
    told = {f.message for f in judged(transcript).findings if f.requirement == "error.schema"}
    assert told == {
        "`error.message` of the error object is wrong",
        "`error.code` of the error object is absent",
        "`error.request_id` of the error object is absent",
    }


# --- changed at will -------------------------------------------------------------------------------------------------


def conforming() -> dict[str, Any]:
    """A HAR of six exchanges, in which nothing is wrong and each has a time of its own."""
    document: dict[str, Any] = json.loads(plain())
    more = json.loads((DIRECTORY / "messages-too-long.har").read_text())["log"]["entries"]
    other = json.loads((DIRECTORY / "polly-base64-pieces.har").read_text())["log"]["entries"]
    entries = document["log"]["entries"] = [*document["log"]["entries"], more[2], other[2]]
    for second, entry in enumerate(entries):
        entry["startedDateTime"] = f"2026-03-17T13:40:{second:02}.500Z"
    return document


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2000), st.floats(allow_nan=False), st.text(max_size=8),
    st.just([]), st.just({}), st.just([{}]), st.just("net::ERR_ABORTED"), st.just("\ud800"), st.just(10**400),
)  # fmt: skip


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all values inside of one."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, inner in members for found in ((*way, key), *places(inner, (*way, key)))]


def change(draw: st.DrawFn, entry: dict[str, Any]) -> None:
    """Drop, retype, reorder, truncate or duplicate something in an entry."""
    *way, last = draw(st.sampled_from(places(entry)))
    holder: Any = entry
    for step in way:
        holder = holder[step]
    value = holder[last]
    match draw(st.sampled_from(["drop", "retype", "reorder", "truncate", "duplicate"])):
        case "drop":
            del holder[last]
        case "reorder" if isinstance(value, list):
            value.reverse()
        case "truncate" if isinstance(value, str | list):
            holder[last] = value[: draw(st.integers(0, len(value)))]
        case "duplicate" if isinstance(holder, list):
            holder.insert(last, copy.deepcopy(value))
        case "duplicate" if isinstance(value, str):
            holder[last] = value * 2
        case _:
            holder[last] = draw(JUNK)


@st.composite
def changed(draw: st.DrawFn) -> tuple[bytes, set[str]]:
    """A HAR of which some entries were changed, and the names of those that were not."""
    document = conforming()
    entries = document["log"]["entries"]
    touched = draw(st.lists(st.sampled_from(range(len(entries))), min_size=1, max_size=2, unique=True))
    made: list[tuple[Any, bool]] = []
    for number, entry in enumerate(entries):
        if number not in touched:
            made.append((entry, False))
            continue
        for _ in range(draw(st.integers(1, 3))):
            if places(entry):
                change(draw, entry)
        what = draw(st.sampled_from(["keep", "keep", "keep", "drop", "duplicate", "replace"]))
        made += {"drop": [], "duplicate": [(entry, True), (copy.deepcopy(entry), True)]}.get(
            what, [(draw(JUNK) if what == "replace" else entry, True)]
        )
    made = draw(st.permutations(made)) if draw(st.booleans()) else made
    document["log"]["entries"] = [entry for entry, _ in made]
    untouched = {f"entry-{number}" for number, (_, was) in enumerate(made, 1) if not was}
    return json.dumps(document).encode("utf-8", "surrogatepass"), untouched


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changed())
def test_a_changed_entry_never_costs_another(made: tuple[bytes, set[str]]) -> None:
    octets, untouched = made
    recording = recordings.load(octets)
    found = targets.chosen(recording, targets.Choice())
    assert untouched <= {exchange.name for transcript in found for exchange in transcript}
    for transcript in found:
        assert not {finding.exchange for finding in judged(transcript).findings} & untouched


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_file_that_is_cut_or_overwritten_is_read_or_refused_in_a_sentence(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    octets = bytearray((DIRECTORY / name).read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    del octets[data.draw(st.integers(1, len(octets))) :]
    with suppress(HarError):
        for transcript in targets.chosen(recordings.load(bytes(octets)), targets.Choice()):
            judged(transcript)
