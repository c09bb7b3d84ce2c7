"""Each part of the study on something small: what counts as a kill, where, and how it is told."""

import http.client
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

from conformance.proving.mutants import enumeration
from conformance.proving.mutants.blame import rule_of
from conformance.proving.mutants.mutant import Mutant
from conformance.proving.mutants.octets import with_body, with_status
from conformance.proving.mutants.scene import ALWAYS, Kind
from conformance.reference.app import create_app
from conformance.reference.serving import in_thread
from conformance.reference.settings import FIRST_TOKEN, Settings
from conformance.transcript.exchange import Ending, Exchange, Piece, Request, Response
from tests.studies.bench.tools import Said

from . import comply, picture, replay
from .compared import document, held_against, killed
from .sample import Run, drawn, free, kind

# --- the sample


@pytest.fixture(scope="module")
def mutants():
    return list(enumeration.enumerate_all(()))  # those of requests and transport: they need no recording


def test_the_sample_has_of_each_kind_its_share(mutants):
    chosen = drawn(mutants, 300)
    assert len({mutant.name for mutant in chosen}) == 300
    fair = [mutant for mutant in mutants if not rule_of(mutant).free]
    share = {name: 300 * count / len(fair) for name, count in Counter(map(kind, fair)).items()}
    assert all(abs(count - share[name]) <= 1 for name, count in Counter(map(kind, chosen)).items())
    assert set(map(kind, chosen)) == set(share)


def test_the_sample_holds_only_what_has_to_be_blamed_and_stays_the_same(mutants):
    chosen = drawn(mutants, 50)
    assert not any(map(free, chosen))
    assert [one.name for one in drawn(mutants, 50)] == [one.name for one in chosen]
    assert [one.name for one in drawn(mutants, 50, seed=2)] != [one.name for one in chosen]


# --- several runs

RUNS = [Run(20, {"a": 1, "b": 20, "c": None}), Run(10, {"a": 4, "b": 9, "c": None}), Run(15, {"a": 2, "b": 15, "c": 3})]


def test_medians_are_told():
    made = document(RUNS, {"a": "x", "b": "x", "c": "y"})
    curve = dict(map(tuple, made["curve"]))
    assert made["killed"] == [2, 2, 3]
    assert (curve[1], curve[2], curve[20]) == (0, 1, 2)
    assert made["by_kind"] == {"x": 2, "y": 0}
    assert [killed(run, 9) for run in RUNS] == [1, 2, 2]


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        ([6, 7, 8, 9, 10], [1, 2, 3, 4, 5], {"u": 25, "pairs": 25, "p": 0.0079, "a12": 1}),
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], {"u": 0, "pairs": 25, "p": 0.0079, "a12": 0}),
        ([3, 3], [3, 3], {"u": 2, "pairs": 4, "p": 1, "a12": 0.5}),
        ([1, 4], [2, 3], {"u": 2, "pairs": 4, "p": 1, "a12": 0.5}),
    ],
)
def test_two_tools_are_held_against_each_other(ours, theirs, told):
    assert held_against(ours, theirs) == told


# --- Schemathesis


@pytest.fixture(scope="module")
def replayed():
    """A run of two seconds. The server is gone when its checks are asked."""
    with in_thread(create_app(Settings())) as url:
        sent = replay.recorded(url, 1, 2)
    return replay.Replay.of(sent, url)


def mutant(group, of, change):
    return Mutant(group, of, "place", "operator", ALWAYS, change)


def first(replayed, wanted):
    return next(number for number, one in enumerate(replayed.sent, 1) if wanted(one))


def test_the_same_answer_brings_up_nothing_new(replayed):
    for one, known in zip(replayed.sent, replayed.known, strict=True):
        assert replay.complaints(one, replayed.sent, {one.exchange.name: one.exchange}) == known
    alike = mutant("answer", Kind.COMPLETION, lambda subject, scene: replace(subject.exchange, error="the same"))
    assert replayed.killed(alike) is None


def test_an_answer_that_breaks_the_schema_is_killed_where_it_first_comes(replayed):
    broken = mutant("answer", Kind.COMPLETION, lambda subject, scene: with_body(subject.exchange, b'{"id": 1}'))
    served = first(replayed, lambda one: one.exchange.status == 200 and not one.exchange.streams)
    assert replayed.killed(broken) == served


def test_an_answer_that_its_client_cannot_read_is_killed(replayed):
    def change(subject, scene):
        return replace(subject.exchange, ending=Ending.CUT)

    assert replayed.killed(mutant("transport", Kind.COMPLETION, change)) == 1

    def packed(subject, scene):
        response = subject.exchange.response
        return replace(
            subject.exchange, response=replace(response, headers=(*response.headers, ("content-encoding", "gzip")))
        )

    assert replayed.killed(mutant("transport", Kind.COMPLETION, packed)) == 1


def test_what_it_sends_while_it_checks_counts_and_is_answered_by_the_mutant(replayed):
    probes = [number for number, one in enumerate(replayed.sent, 1) if one.parent is not None]
    assert probes
    assert {replayed.sent[number - 1].exchange.status for number in probes} == {401}
    served = mutant(
        "transport",
        Kind.ERROR,
        lambda subject, scene: with_status(subject.exchange, 200) if subject.exchange.status == 401 else None,
    )
    assert replayed.killed(served) == probes[0]


def test_what_it_never_meets_is_not_killed(replayed):
    unmet = mutant("answer", Kind.APPROVAL, lambda subject, scene: with_body(subject.exchange, b""))
    assert replayed.killed(unmet) is None


def test_its_command_line_is_that_of_the_guide():
    told = replay.shown(40)
    assert told.startswith("schemathesis run schemas/openapi.yaml --url URL --header 'Authorization: Bearer TOKEN'")
    assert "--max-time 40 --continue-on-failure --no-shrink --suppress-health-check all" in told
    assert "--max-examples" not in told
    assert FIRST_TOKEN not in told


# --- llm-comply

STREAM = b'data: {"a": 1}\n\ndata: [DONE]\n\n'


def exchange(body, *headers, ending=Ending.COMPLETE, excess=0, length=None):
    pieces = (Piece(0.0, 16), Piece(0.0, 14)) if body is STREAM else (Piece(0.0, len(body)),)
    fields = headers or (("Content-Length", str(len(body) if length is None else length)),)
    response = Response(200, fields, body, "OK", pieces=pieces, excess=excess)
    return Exchange("sent-1", Request("POST", "http://target/v1", (), b"{}"), response, ending, 1.0, 0.1)


def asked(stand_for):
    """What a client reads of an exchange that is served."""
    stand = comply.Stand("http://127.0.0.1:1")
    stand.kept[b"{}"] = stand_for
    with comply.standing(stand) as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
        connection.request("POST", "/v1/chat/completions", b"{}")
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.mark.parametrize(
    ("served", "body"),
    [
        (exchange(b'{"a": 1}'), b'{"a": 1}'),
        (exchange(STREAM, ("Transfer-Encoding", "chunked")), STREAM),
        (exchange(b'{"a": 1}', excess=7), b'{"a": 1}'),
    ],
)
def test_an_answer_travels_as_it_is(served, body):
    assert asked(served) == (200, body)


@pytest.mark.parametrize(
    "served",
    [
        exchange(b'{"a', ending=Ending.CUT, length=8),
        exchange(STREAM, ("Transfer-Encoding", "chunked"), ending=Ending.CUT),
        replace(exchange(b""), response=None, head=b"HTTP/1.1 ??\r\n\r\n", ending=Ending.GARBAGE),
    ],
)
def test_an_answer_breaks_off_as_it_does(served):
    with pytest.raises(http.client.HTTPException):
        asked(served)


def test_an_unknown_request_is_asked_of_the_conforming_server_and_kept():
    with in_thread(create_app(Settings())) as target:
        stand = comply.Stand(target)
        with comply.standing(stand) as url:
            for _ in range(2):
                connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
                connection.request("POST", "/v1/chat/completions", b"{}", {"Authorization": "Bearer no"})
                assert connection.getresponse().status == 401
    assert [one.status for one in stand.kept.values()] == [401]


def test_the_first_test_that_says_something_new_is_the_place():
    known = Said(1.0, 3, frozenset({"b: no usage"}), tests=("a", "b", "c"))
    assert comply.first_new(replace(known, complaints=frozenset({"b: no usage", "b: no id", "c: no id"})), known) == 2
    assert comply.first_new(replace(known, complaints=frozenset()), known) is None


# --- the picture


def test_the_picture_names_each_tool_once_beside_its_line():
    tools = [
        {"name": name, "curve": [[1, 1], [90, share]]}
        for name, share in (("quick", 8), ("standard", 10), ("<Other>", 2), ("another", 2))
    ]
    drawn = ElementTree.fromstring(picture.svg({"tools": tools, "sample": {"mutants": 10}}))
    texts = {text.text: float(text.get("y")) for text in drawn.iter("{http://www.w3.org/2000/svg}text")}
    heights = sorted(texts[name] for name in ("quick 80%", "standard 100%", "<Other> 20%", "another 20%"))
    assert min(b - a for a, b in pairwise(heights)) >= picture.LINE_HEIGHT
