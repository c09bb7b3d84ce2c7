"""Judging under load: what a window shows, what only several show, and what is a loaded server's right."""

import gc
import json
import sys
from dataclasses import replace

import pytest
from soak_answers import KEPT, MODEL, edited, error, exchange, world

from conformance.checks import registry
from conformance.contract import classify
from conformance.contract.catalogue import Side
from conformance.evidence.place import Place
from conformance.soak import window
from conformance.soak.ledger import Ledger, Sighting, digest
from conformance.soak.markers import Key, Marker
from conformance.soak.window import CATALOGUE, JUDGED, Judge, left_out
from conformance.transcript.exchange import Ending, Exchange

KEY = Key("a key")
JSON_OF = {"json": 0, "stream": 1, "refused": 9}
"""A request of each kind, by its place in the pattern."""


@pytest.fixture
def judge():
    return Judge(KEY, 0, KEPT)


def broken(found):
    assert found.errors == {}
    return dict(found.broken)


def test_all_that_is_judged_is_a_requirement_with_a_check():
    checks = registry.checks(CATALOGUE)
    assert set(JUDGED) <= set(checks)
    assert len(set(JUDGED)) == len(JUDGED)
    told = [id_ for ids in left_out().values() for id_ in ids]
    of_servers = [requirement.id for requirement in CATALOGUE.of(Side.SERVER)]
    assert sorted([*told, *JUDGED]) == sorted(of_servers), "each requirement is judged, or left out for one reason"


def test_a_conforming_world_breaks_nothing(judge):
    for start in (0, 100, 200):
        found = judge.judge(world(KEY, range(start, start + 100)))
        assert broken(found) == {}
        assert found.fates == {"served": 90, "refused: status 422": 10}
        assert found.exchanges == 100
    for id_ in ("isolation.answers", "isolation.streams", "isolation.content", "completion.usage", "stream.done"):
        assert found.judged[id_] > 30, id_
    assert found.judged["reject.temperature"] == found.judged["error.request-id-echo"] == 10
    assert found.judged["accept.optional-fields"] == 90
    unseen = set(JUDGED) - set(found.judged)
    assert unseen <= {"error.schema-elsewhere", "error.rate-limit", "http.encoding"}, (
        "what nothing exercises has no place in JUDGED"
    )


def test_crosstalk_within_a_window(judge):
    found = judge.judge([*world(KEY, range(20)), exchange(KEY, 20, said=KEY.word(Marker(0, 4)))])
    assert broken(found) == {"isolation.content": 1}
    assert "soak-0-4" in found.examples["isolation.content"].finding.message
    assert found.examples["isolation.content"].exchange.name == "soak-0-20"


@pytest.mark.parametrize("number", [60, 61])
@pytest.mark.parametrize("owner", [Marker(0, 3), Marker(5, 400)])
def test_crosstalk_across_windows_and_workers(judge, number, owner):
    judge.judge(world(KEY, range(20)))
    found = judge.judge([*world(KEY, range(40, 60)), exchange(KEY, number, said=f"It is {KEY.word(owner)}!")])
    assert broken(found) == {"isolation.content": 1}
    assert owner.name in found.examples["isolation.content"].finding.message


@pytest.mark.parametrize("number", [60, 61])
def test_a_request_id_of_long_ago(judge, number):
    judge.judge(world(KEY, range(20)))
    stranger = exchange(KEY, number, request_id=f"conformance-soak-{KEY.word(Marker(0, 2))}")
    assert broken(judge.judge([*world(KEY, range(40, 60)), stranger])) == {"isolation.answers": 1}


def test_a_refusal_that_bears_anothers_mark(judge):
    judge.judge(world(KEY, range(20)))
    stranger = exchange(KEY, 59, request_id=f"conformance-soak-{KEY.word(Marker(0, 2))}")
    found = judge.judge([*world(KEY, range(40, 59)), stranger])
    assert broken(found)["isolation.answers"] == 1


def test_a_mark_in_a_header_field(judge):
    one = exchange(KEY, 60)
    field = ("X-Request-Id", f"conformance-soak-{KEY.word(Marker(0, 2))}")
    assert one.response is not None
    told = replace(one, response=replace(one.response, headers=(*one.response.headers, field)))
    found = judge.judge([*world(KEY, range(40, 60)), told])
    assert broken(found) == {"isolation.answers": 1}
    assert found.examples["isolation.answers"].finding.place == Place(words="header section")


@pytest.mark.parametrize(
    ("number", "at", "requirement"),
    [
        (60, None, "completion.id-unique"),
        (61, None, "chunk.id-stable"),
        (60, 0.05, "isolation.answers"),
    ],
)
def test_an_id_again_in_a_later_window(judge, number, at, requirement):
    judge.judge([exchange(KEY, 0, id_="chatcmpl_1"), *world(KEY, range(1, 20))])
    again = exchange(KEY, number, id_="chatcmpl_1", at=at)
    assert broken(judge.judge([*world(KEY, range(40, 60)), again])) == {requirement: 1}


def test_an_execution_again_in_a_later_window(judge):
    same = "123e4567-e89b-42d3-a456-426614174999"
    judge.judge([exchange(KEY, 0, execution=same), *world(KEY, range(1, 20))])
    again = exchange(KEY, 61, execution=same.upper())
    assert broken(judge.judge([*world(KEY, range(40, 60)), again])) == {"kitemesh.execution-unique": 1}


def test_a_chunk_of_a_stream_of_long_ago(judge):
    judge.judge([exchange(KEY, 1, id_="chatcmpl_old"), *world(KEY, range(2, 20))])
    mixed = edited(exchange(KEY, 61, id_="chatcmpl_new"), lambda body: body.replace(b"_new", b"_old", 1))
    found = broken(judge.judge([*world(KEY, range(40, 60)), mixed]))
    assert found["isolation.streams"] == 1


def test_an_answer_that_was_asked_for_again_is_not_its_own_neighbour(judge):
    first = exchange(KEY, 0)
    again = replace(first, name="soak-0-0~2", started=first.started + 1, note=replace(first.note, attempt=2))
    judge.judge([first, *world(KEY, range(1, 20))])
    assert broken(judge.judge([again, *world(KEY, range(40, 60))])) == {}


@pytest.mark.parametrize(
    ("number", "edit", "requirement"),
    [
        (21, lambda body: body.replace(b"data: [DONE]\n\n", b""), "stream.done"),
        (21, lambda body: body[:-1], "stream.framing"),
        (21, lambda body: body.replace(b'"role": "assistant", ', b"", 1), "chunk.opens"),
        (20, lambda body: body.replace(b'"total_tokens": 7', b'"total_tokens": 5'), "completion.usage"),
        (20, lambda body: body.replace(b'"kitemesh"', b'"mesh"'), "kitemesh.present"),
        (20, lambda body: body + b"x", "http.json"),
    ],
)
def test_answers_that_are_wrong_in_themselves(judge, number, edit, requirement):
    found = judge.judge([*world(KEY, range(20)), edited(exchange(KEY, number), edit)])
    assert broken(found) == {requirement: 1}


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_for_load_is_excused(judge, status):
    found = judge.judge([*world(KEY, range(20)), exchange(KEY, 20, status=status)])
    assert broken(found) == {}
    assert found.fates[f"excused: status {status}"] == 1


def test_a_refusal_for_load_in_another_form_is_told(judge):
    bare = exchange(KEY, 20, status=429)
    assert bare.response is not None
    bare = replace(bare, response=replace(bare.response, body=b"busy", headers=(("Content-Type", "text/plain"),)))
    found = judge.judge([*world(KEY, range(20)), bare])
    assert found.fates["excused: status 429"] == 1
    assert set(broken(found)) <= {"error.rate-limit", "error.schema-elsewhere"}
    assert broken(found)


@pytest.mark.parametrize("ending", [Ending.TIMED_OUT_FIRST_BYTE, Ending.TIMED_OUT_IDLE, Ending.RESET])
def test_slowness_and_lost_connections_are_no_breach(judge, ending):
    lost = replace(exchange(KEY, 21), response=None, ending=ending)
    found = judge.judge([*world(KEY, range(20)), lost])
    assert broken(found) == {}
    assert sum(count for fate, count in found.fates.items() if fate.startswith(("excused", "no answer"))) == 1


def test_a_valid_request_that_is_refused_is_told(judge):
    found = judge.judge([*world(KEY, range(20)), exchange(KEY, 20, status=400)])
    assert broken(found) == {"accept.optional-fields": 1}


def test_one_example_of_each_requirement(judge):
    many = [edited(exchange(KEY, n), lambda body: body.replace(b"[DONE]", b"[END]")) for n in (21, 23, 25)]
    first = judge.judge([*world(KEY, range(20)), *many])
    assert sum(first.broken.values()) >= 3
    assert all(example.finding.exchange == "soak-0-21" for example in first.examples.values())
    again = [edited(exchange(KEY, n), lambda body: body.replace(b"[DONE]", b"[END]")) for n in (61, 63)]
    second = judge.judge([*world(KEY, range(40, 60)), *again])
    assert second.broken
    assert second.examples == {}


def test_an_example_is_bounded():
    long = edited(exchange(KEY, 1), lambda body: body * 200)
    kept = window.bounded(long)
    assert kept.response is not None
    assert len(kept.response.body) == window.LONGEST
    assert kept.ending is Ending.LEFT


def test_examples_without_bodies():
    judge = Judge(KEY, 0, {**KEPT, "bodies": False})
    found = judge.judge([*world(KEY, range(20)), exchange(KEY, 20, said=KEY.word(Marker(0, 4)))])
    example = found.examples["isolation.content"]
    assert example.exchange.request.body is None
    assert example.exchange.response is not None
    assert example.exchange.response.body == b""
    assert KEY.word(Marker(0, 4)) not in example.finding.observed


def test_a_check_that_raises_is_the_suites_own_fault(judge, monkeypatch):
    checks = registry.checks(CATALOGUE)
    monkeypatch.setattr(registry, "checks", lambda catalogue: {**checks, "stream.done": lambda evidence: 1 / 0})
    found = judge.judge(world(KEY, range(20)))
    assert "ZeroDivisionError" in found.errors["stream.done"]


def test_nothing_is_kept_of_what_was_judged(judge):
    gc.collect()
    before = sum(isinstance(thing, Exchange) for thing in gc.get_objects())
    for start in range(0, 200, 40):
        found = judge.judge(world(KEY, range(start, start + 40)))
    del found
    assert classify._judge_body.cache_info().currsize == 0
    gc.collect()
    assert sum(isinstance(thing, Exchange) for thing in gc.get_objects()) == before


def test_a_ledger_forgets_the_oldest_and_says_so():
    ledger = Ledger(most=8)
    for number in range(1, 11):
        assert ledger.first(number, Sighting(7, number, 1.0, 2.0)) is None
    assert ledger.forgotten == 2
    assert ledger.first(10, Sighting(1, 1)) == ledger.find(10) == Sighting(7, 10, 1.0, 2.0)
    assert ledger.find(1) is None
    assert ledger.first(2, Sighting(1, 2)) is None, "it was forgotten"
    assert digest("a\ud800") != digest("a")


def test_a_ledger_holds_what_it_is_made_for_and_does_not_grow():
    ledger = Ledger(most=8_000)
    size = sum(sys.getsizeof(getattr(ledger, name)) for name in ("_values", "_whose", "_started", "_ended"))
    values = [digest(str(number)) for number in range(4_000)]
    for number, value in enumerate(values):
        assert ledger.first(value, Sighting(0, number)) is None
    assert ledger.forgotten < 40, "half full, hardly a row overflows"
    assert sum(ledger.find(value) is not None for value in values) == 4_000 - ledger.forgotten
    for number in range(50_000):
        ledger.first(digest(f"more {number}"), Sighting(0, number))
    assert sum(sys.getsizeof(getattr(ledger, name)) for name in ("_values", "_whose", "_started", "_ended")) == size


def test_what_is_asked_is_what_a_run_knows(judge):
    kinds = {}
    for number in range(10):
        body = json.loads(exchange(KEY, number).request.body)
        kinds[number] = (body.get("stream", False), "temperature" in body)
        assert KEY.word(Marker(0, number)) in body["metadata"]["request_id"]
        assert KEY.word(Marker(0, number)) in body["messages"][0]["content"]
        assert body["model"] == MODEL
    assert kinds[0] == (False, False)
    assert kinds[1] == (True, False)
    assert kinds[9] == (False, True)


def test_error_is_an_error_object():
    assert error(429, "x").header("retry-after") == "1"
