"""The benchmarks' table, its page, and their arithmetic."""

import json
import statistics
from pathlib import Path

import pytest

from conformance.contract import catalogue
from conformance.reference import faults

from . import generation, memory, others, recording, table, timing
from .__main__ import PAGE
from .chosen_faults import CHOSEN
from .tools import Said, Unusable, additional, plain

ROOT = Path(__file__).parents[3]
PART = table.Part(
    "x", "A | part", (table.Row("one", "1 s", "two 2 s", 0.5, "≤ 1", True, 3), table.Row("three", "3 MB")), ("why",)
)


def test_the_table_has_a_line_for_each_row_and_says_what_was_met():
    shown = table.markdown([PART], "A machine.")
    assert "| **A \\| part** | | | | | | |" in shown
    assert "| one | 1 s | two 2 s | 0.50 | ≤ 1 | yes | 3 |" in shown
    assert "| three | 3 MB |  |  |  |  | 1 |" in shown
    assert "- A | part: why" in shown


def test_a_limit_that_was_not_met_says_no():
    missed = table.Part("x", "X", (table.Row("one", "1 s", wanted="≤ 0.5", met=False),))
    assert "| one | 1 s |  |  | ≤ 0.5 | no | 1 |" in table.markdown([missed], "")


def test_the_document_is_json_and_says_whether_it_was_fast():
    document = json.loads(json.dumps(table.document([PART], "A machine.", True)))
    assert document["fast"] is True
    assert document["parts"][0]["rows"][0]["ratio"] == 0.5


def test_the_page_shows_what_was_measured():
    figures = json.loads(Path(table.__file__).with_name("measured.json").read_text(encoding="utf-8"))
    parts = []
    for part in figures["parts"]:
        rows = tuple(table.Row(**row) for row in part.pop("rows"))
        parts.append(table.Part(rows=rows, **part | {"notes": tuple(part["notes"])}))
    assert not figures["fast"]
    assert (ROOT / PAGE).read_text(encoding="utf-8") == table.page(parts, figures["machine"])


def test_candidates_take_turns_each_round_the_other_way_round():
    order = []
    taken = timing.by_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert {name: len(times) for name, times in taken.items()} == {"a": 3, "b": 3}


def test_the_ratio_is_the_median_of_the_rounds_ratios():
    assert timing.ratio([1.0, 9.0, 30.0], [1.0, 3.0, 10.0]) == 3.0
    with pytest.raises(ValueError, match="argument"):
        timing.ratio([1.0], [1.0, 2.0])


def test_a_run_is_compared_with_the_floor_of_its_own_round():
    rounds = [recording.Round(2.0, 4.0, 1.0, 10, 0), recording.Round(20.0, 30.0, 10.0, 10, 0)]
    run, whole = recording.compared(rounds, 0.0)
    assert (run.ratio, run.met) == (2.0, True)
    assert (whole.ratio, whole.met) == (statistics.median([4.0, 3.0]), False)
    assert recording.compared(rounds, 0.05)[0].met is None


def test_faster_compares_the_time_of_a_request():
    ours, theirs = Said(10.0, 100, frozenset()), Said(60.0, 30, frozenset())
    row = others.faster("x", [(ours, theirs)], like_for_like=True)
    assert (row.ratio, row.met) == (20.0, True)
    row = others.faster("x", [(ours, theirs)], like_for_like=False)
    assert (row.wanted, row.met) == ("", None)


def test_what_a_tool_says_of_the_conforming_server_is_no_finding():
    quiet, loud = Said(1, 5, frozenset({"a"})), Said(1, 7, frozenset({"a", "b"}), crashed=1)
    assert additional(loud, [quiet]) == {"b"}
    found = others.gathered([quiet, Unusable("no")], {"x": loud, "y": quiet, "z": Unusable("too slow")})
    assert dict(found.by_fault) == {"x": True, "y": False, "z": False}
    assert (found.requests, found.crashed, dict(found.unusable)) == (12, 1, {"z": "too slow"})
    assert found.per_thousand == pytest.approx(1000 / 12)


def test_a_tool_without_a_baseline_is_unusable():
    with pytest.raises(Unusable, match="conforming server too slow"):
        others.gathered([Unusable("too slow")], {})


def test_all_faults_have_to_be_found_by_ours():
    ours, theirs = others.Found({"x": True, "y": False}, 500), others.Found({"x": False, "y": False}, 100)
    all_, per_thousand = others.findings({"ours": ours, "tool": theirs}, 2)
    assert (all_.figure, all_.yardstick, all_.met) == ("1", "tool 0", False)
    assert per_thousand.figure.startswith("2.00 ")


def test_complaints_are_told_apart_by_what_does_not_vary():
    one = plain("choices.0: id 'chatcmpl_4f' of 86dd028d-6f5c-4f13-83db-d4fe9bc5b865 at 12.5 s")
    other = plain("choices.1: id 'chatcmpl_77'  of 3e6f4f5d-c02a-4cae-b35d-e83420867962 at 3 s")
    assert one == other
    assert plain("max_tokens: below the minimum") != plain("max_tokens: no integer")


def test_memory_is_flat_where_twice_beyond_the_limit_takes_no_more():
    assert memory.flat({1: [50.0], 64: [100.0], 256: [105.0]}, 32).met is True
    assert memory.flat({1: [50.0], 64: [100.0], 256: [300.0]}, 32).met is False


def test_a_rate_is_held_against_its_limit():
    assert generation.rated("x", [100.0, 500.0, 450.0], 400).met is True
    assert generation.rated("x", [100.0, 500.0, 300.0], 400).met is False


def test_the_twenty_five_faults_spread_over_all_areas_and_requirements():
    requirements = [faults.by_id(id_).requirement for id_ in CHOSEN]
    assert len(CHOSEN) == len(set(CHOSEN)) == len(set(requirements)) == 25
    assert {id_.partition(".")[0] for id_ in requirements} == set(catalogue.load().of(catalogue.Side.SERVER).areas)
