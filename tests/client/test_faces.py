"""Which faces there are, which are chosen, and what several are together."""

from __future__ import annotations

import pytest

from conformance.client import faces
from conformance.client.troubles import TROUBLES
from conformance.contract.catalogue import Side, load
from conformance.evidence.faces import FaceKind
from conformance.reference.faults import FAULTS
from conformance.reference.variations import VARIATIONS
from conformance.settings.options import Depth, UsageError

QUICK, STANDARD, DEEP = (faces.of_depth(depth) for depth in Depth)


def ids(chosen):
    return [face.id for face in chosen]


def test_every_id_is_there_once():
    assert len(set(ids(faces.every()))) == len(faces.every())
    assert {v.id for v in VARIATIONS} | {t.id for t in TROUBLES} <= set(ids(faces.every()))
    assert {f.id for f in FAULTS} <= set(ids(faces.every()))


def test_each_depth_adds_variations_to_the_one_before():
    assert set(ids(QUICK)) < set(ids(STANDARD)) < set(ids(DEEP))
    assert len(DEEP) == 1 + len(VARIATIONS) + len(TROUBLES)
    for chosen in (QUICK, STANDARD, DEEP):
        assert chosen[0].kind is FaceKind.PLAIN
        assert {t.id for t in TROUBLES} <= set(ids(chosen))
        assert not [face for face in chosen if face.kind is FaceKind.FAULT]


@pytest.mark.parametrize(
    "id_",
    ["reset-within-once", "like-replicas", "firewall-page-200", "stream-fails-midway", "resume-404-once",
     "expires-soon", "model-refuses", "approval-never-comes"],
)  # fmt: skip
def test_what_may_withhold_an_answer_is_trouble_to_a_client(id_):
    assert faces.one(id_).kind is FaceKind.TROUBLE
    assert faces.one(id_) not in faces.showing(DEEP, {"client.variation"})


@pytest.mark.parametrize("id_", ["sse-crlf", "calls-many", "model-slow", "like-php", "resume-asks-once-more"])
def test_what_serves_every_good_request_has_to_be_borne(id_):
    assert faces.one(id_) in faces.showing(DEEP, {"client.variation"})


def test_troubles_name_requirements_on_clients():
    of_clients = load().of(Side.CLIENT)
    assert {trouble.shows for trouble in TROUBLES} <= {requirement.id for requirement in of_clients}
    assert not {t.id for t in TROUBLES} & {one.id for one in (*VARIATIONS, *FAULTS)}


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["sse-crlf"], ["plain", "sse-crlf"]),
        (["hangs-*", "sse-cr"], ["plain", "sse-cr", "hangs-before", "hangs-within", "hangs-after"]),
        (["plain"], ["plain"]),
        (["stream-done-absent"], ["plain", "stream-done-absent"]),
        (["trouble"], ["plain", *(v.id for v in VARIATIONS if v.withholds), *(t.id for t in TROUBLES)]),
    ],
)
def test_patterns_choose(patterns, chosen):
    assert ids(faces.chosen(patterns)) == chosen


@pytest.mark.parametrize(
    ("name", "says"),
    [("sse-crfl", "did you mean sse-crlf"), ("qqqqqqqq", "`kitemesh-conformance serve --list` shows them all")],
)
def test_a_slip_of_the_pen_is_told(name, says):
    with pytest.raises(UsageError, match=says):
        faces.chosen([name])


def test_only_what_shows_a_requirement_is_run():
    assert ids(faces.showing(DEEP, None)) == ids(DEEP)
    assert ids(faces.showing(QUICK, {"client.ends"})) == ["plain", "hangs-before", "hangs-within", "hangs-after"]
    assert ids(faces.showing(QUICK, {"client.token"})) == ["plain"]
    shown = faces.showing(QUICK, {"client.variation-output"})
    assert {face.kind for face in shown} == {FaceKind.PLAIN, FaceKind.VARIATION}


def test_several_are_one():
    made = faces.combined([faces.one("sse-crlf"), faces.one("stream-done-absent")])
    assert (made.id, made.kind) == ("sse-crlf+stream-done-absent", FaceKind.FAULT)
    assert "CRLF" in made.summary
    assert faces.combined([faces.one("sse-crlf")]) is faces.one("sse-crlf")
    assert faces.combined([]).kind is FaceKind.PLAIN
    with pytest.raises(UsageError, match="cannot be combined: only one"):
        faces.combined([faces.one("expired-served"), faces.one("replay-repeats")])
