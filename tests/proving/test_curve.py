"""How many mutants are killed after how many requests: held against what the first requests really show."""

import json
import random
from dataclasses import replace

import pytest

from conformance.judging import judge as judging
from conformance.proving.mutants import curve, curve_page, reaction, recording
from conformance.proving.mutants.blame import rule_of
from conformance.proving.mutants.scene import Scene
from conformance.proving.mutants.score import Score, places
from conformance.proving.mutants.trial import Fate, Result, Stage, Trial, trial_of, tried
from conformance.settings.options import Depth

SAMPLE = 50


@pytest.fixture(scope="module")
def stage():
    return Stage.of(recording.record([Depth.QUICK]))


@pytest.fixture(scope="module")
def killed(stage):
    """A sample of mutants that a quick run kills, each with its place."""
    every = list(stage.mutants())
    random.Random(5).shuffle(every)
    found = []
    for mutant in every:
        place = places(tried(mutant, stage), Depth.QUICK, stage.orders[Depth.QUICK])
        if place is not None:
            found.append((mutant, place))
        if len(found) == SAMPLE:
            return found
    raise AssertionError("so many are not killed")


def shows(mutant, stage, requests):
    """Whether the first requests of a run against the mutant, judged by themselves, blame it right."""
    scene = stage.scenes[Depth.QUICK]
    whole = reaction.transcript(mutant, scene, reaction.applied(mutant, scene), stage.spare[Depth.QUICK])
    first = replace(whole, exchanges=whole.exchanges[:requests])
    return trial_of(rule_of(mutant), judging.judge(first, opinions=False).verdict, first).fate is Fate.RIGHT


def test_the_requests_up_to_the_place_show_it(stage, killed):
    sent = len(stage.orders[Depth.QUICK])
    assert [mutant.name for mutant, place in killed if place <= sent and not shows(mutant, stage, place)] == []


def test_fewer_do_not(stage, killed):
    sooner = [mutant.name for mutant, place in killed if shows(mutant, stage, place - 1)]
    assert len(sooner) <= SAMPLE * 0.04, sooner


ORDERS = {Depth.QUICK: {"a": 1, "b": 2, "c": 3}, Depth.STANDARD: {"c": 1, "x": 2, "b": 3, "a": 4}}


def test_the_earliest_at_each_depth_are_kept():
    assert curve.earliest({"b", "c"}, ORDERS, Depth.QUICK) == ("b", "c")
    assert curve.earliest({"a", "b"}, ORDERS, Depth.STANDARD) == ("b",)
    assert curve.earliest((), ORDERS, Depth.QUICK) == ()


def test_whether_any_is_sent_at_another_depth():
    assert curve.sends(("y", "x~3"), ORDERS[Depth.STANDARD])
    assert curve.sends(("x#2",), ORDERS[Depth.STANDARD])
    assert not curve.sends(("x", "y"), ORDERS[Depth.QUICK])


def test_what_only_a_shallower_depth_sends_is_judged_again(stage):
    """A deeper run that does not send what showed it has to show it by itself."""
    mutant = next(one for one in stage.mutants() if one.name == "answer/approval/id/null@always")
    quick = stage.scenes[Depth.QUICK]
    without = Scene.of(
        replace(quick.transcript, exchanges=tuple(e for e in quick.transcript if "approv" not in e.name))
    )
    for scene, judged in ((without, True), (quick, False)):
        deeper = replace(
            stage,
            scenes={**stage.scenes, Depth.STANDARD: scene},
            of_answers={**stage.of_answers, Depth.STANDARD: scene.of_answers()},
            spare={**stage.spare, Depth.STANDARD: stage.spare[Depth.QUICK]},
            orders={**stage.orders, Depth.STANDARD: curve.order(scene.transcript)},
        )
        found = tried(mutant, deeper).trials
        assert found[Depth.QUICK].fate is Fate.RIGHT
        standard = found[Depth.STANDARD]
        assert (standard.fate is Fate.RIGHT, standard.reached) == (not judged, not judged)


def test_the_place_is_that_of_the_first():
    assert curve.place(("b", "c"), ORDERS[Depth.QUICK]) == 2
    assert curve.place(("b", "c"), ORDERS[Depth.STANDARD]) == 1
    assert curve.place((), ORDERS[Depth.QUICK]) is None


def test_what_is_sent_again_comes_behind_the_end():
    assert curve.place(("a~2",), ORDERS[Depth.QUICK]) == 4
    assert curve.of([curve.place(("a~2",), ORDERS[Depth.QUICK]), 3], 3)[-2:] == ((3, 1), (4, 2))


def test_a_curve_has_few_points_and_its_ends():
    points = curve.of([1, 1, 500, 2_000, None], 2_110)
    assert len(points) <= curve.STEPS + 1 + len(curve.COUNTS)
    assert (points[0], points[-1]) == ((1, 2), (2_110, 4))
    assert [killed for _, killed in points] == sorted(killed for _, killed in points)
    assert {60, 925} <= dict(points).keys()


@pytest.mark.parametrize(("requests", "killed"), [(0, 0), (1, 2), (7, 2), (8, 3), (10, 4), (11, 4)])
def test_how_many_after_so_many_requests(requests, killed):
    assert curve.at([(1, 2), (8, 3), (10, 4)], requests) == killed


# --- the page

RESULT = Result(
    "answer/stream/id/null@always", "answer", "stream", "null", "stream.done", "",
    {Depth.QUICK: Trial(Fate.RIGHT, shown=("b",)), Depth.STANDARD: Trial(Fate.RIGHT, shown=("b",))},
)  # fmt: skip
SCORE = Score((RESULT,), (), {Depth.QUICK: 3, Depth.STANDARD: 4}, 1, 1.0, "0.1.0", 1, orders=ORDERS)
TOOL = {"name": "Other", "version": "1.0", "command": "other run", "seeds": [1, 2], "requests": [90, 70],
        "curve": [[1, 0.5], [70, 1.0], [90, 1.0]], "by_kind": {"answer of stream": 1.0}}  # fmt: skip
BESIDE = {
    "format": 1, "sample": {"mutants": 1, "of": 9, "seed": 1, "by_kind": {"answer of stream": 1}}, "tools": [TOOL],
    "compared": {"requests": 3, "u": 25, "pairs": 25, "p": 0.0079, "a12": 1.0},
}  # fmt: skip


def test_the_page_tells_the_curve_of_each_depth():
    page = "\n".join(curve_page.lines(SCORE, None))
    assert "| quick | 0 |  |  |  |  |  |  |  |  | 1 after 3 |" in page
    assert "| standard | 0 |  |  |  |  |  |  |  |  | 1 after 4 |" in page
    assert "curve.svg" not in page


def test_the_page_tells_of_other_tools_where_they_were_measured(tmp_path):
    assert curve_page.read(tmp_path) is None
    (tmp_path / "curve.json").write_text("{")
    assert curve_page.read(tmp_path) is None
    (tmp_path / "curve.json").write_text(json.dumps(BESIDE))
    page = "\n".join(curve_page.lines(SCORE, curve_page.read(tmp_path)))
    assert "](curve.svg)" in page
    assert "| Other | 0.5 | 0.5 | 0.5 | 0.5 |  |  |  |  |  | 1 after 90 |" in page
    assert "- Other 1.0, 70 to 90 requests: `other run`" in page
    assert "medians of 2 seeds" in page
