"""The verdict: outcomes from items, blame, blocks, scope, conclusion and exit code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.contract.catalogue import Catalogue, Level, Requirement, load
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.judging.verdict import Conclusion, Exit, RequirementSelection, State, Verdict, decide

MUSTS, SHOULDS = ("a.one", "a.two", "a.three", "a.four"), ("b.one", "b.two", "b.three")
CATALOGUE = Catalogue(
    [
        Requirement(id_, id_[0], level, "The server …", ("S",), False, "approvals" if id_ == "a.four" else None, "", "")
        for ids, level in ((MUSTS, Level.MUST), (SHOULDS, Level.SHOULD))
        for id_ in ids
    ],
    {"a": "A", "b": "B"},
    "1",
)
ALL = (*MUSTS, *SHOULDS)
EVERY = frozenset(ALL)


def found(id_: str, exchange: str = "x", *yields_to: str) -> Finding:
    return Finding(id_, exchange, "wrong", "right", "wrong", yields_to=yields_to)


def blocked(by: str, exchange: str = "x") -> Unjudged:
    return Unjudged("in the way", exchange, by)


EXCUSED = Unjudged("status 429", "x", None, True)
WELL = Judged("x")


def with_edges(absorbed_by: Mapping[str, Sequence[str]]) -> Catalogue:
    edged = [dataclasses.replace(r, absorbed_by=tuple(absorbed_by.get(r.id, ()))) for r in CATALOGUE]
    return Catalogue(edged, CATALOGUE.areas, CATALOGUE.version)


def verdict(
    items: Mapping[str, Sequence[Item]],
    selection: RequirementSelection = RequirementSelection(),  # noqa: B008 (frozen)
    absorbed_by: Mapping[str, Sequence[str]] = MappingProxyType({}),
    **more: Any,
) -> Verdict:
    """With every requirement that is not named passed."""
    return decide(with_edges(absorbed_by), {**{id_: [WELL] for id_ in ALL}, **items}, selection, **more)


def states(made: Verdict) -> dict[str, State]:
    return {outcome.requirement.id: outcome.state for outcome in made.outcomes if outcome.state is not State.PASSED}


# --- outcomes --------------------------------------------------------------------------------------------------------


def test_all_passed() -> None:
    made = verdict({})
    assert (made.conclusion, made.scope, made.exit_code) == (Conclusion.CONFORMANT, "full", Exit.CONFORMANT)
    assert made.by_state()[State.PASSED] == len(ALL)
    assert made["a.one"].exchanges == 1


@pytest.mark.parametrize(
    ("items", "state", "reason"),
    [
        ([found("a.one")], State.FAILED, ""),
        ([WELL, found("a.one", "y")], State.FAILED, ""),
        ([blocked("b.one"), found("a.one")], State.FAILED, ""),
        ([EXCUSED, WELL], State.PASSED, ""),
        ([EXCUSED], State.NOT_EXERCISED, "status 429"),
        ([Unjudged("no times"), EXCUSED], State.NOT_EXERCISED, "status 429"),
        ([Unjudged("no times")], State.NOT_EXERCISED, "no times"),
        ([], State.NOT_EXERCISED, "no exchange of this run shows it"),
        (None, State.NOT_EXERCISED, "no exchange of this run shows it"),
    ],
)
def test_outcome_of_items(items: Any, state: State, reason: str) -> None:
    given_ = {id_: [WELL] for id_ in ALL if id_ != "a.one"} | ({} if items is None else {"a.one": items})
    outcome = decide(CATALOGUE, given_, RequirementSelection())["a.one"]
    assert (outcome.state, outcome.reason) == (state, reason)
    assert outcome.excused is (reason == "status 429")


def test_exchanges_are_counted_once_each() -> None:
    made = verdict({"a.one": [Judged("x"), Judged("y"), found("a.one", "y"), found("a.one", "z"), EXCUSED]})
    assert made["a.one"].exchanges == 3
    assert len(made["a.one"].findings) == 2


def test_what_options_leave_out() -> None:
    bad = {id_: [found(id_)] for id_ in ALL}
    made = verdict(bad, RequirementSelection(selected=frozenset({"a.one"}), absent={"approvals": "none"}))
    assert states(made) == {"a.one": State.FAILED, **dict.fromkeys(ALL[1:], State.NOT_SELECTED)}
    assert made.scope == "partial"
    made = verdict({"a.four": [found("a.four")]}, RequirementSelection(absent={"approvals": "--no-approvals"}))
    assert states(made) == {"a.four": State.NOT_APPLICABLE}
    assert (made["a.four"].reason, made.scope, made.conclusion) == ("--no-approvals", "full", Conclusion.CONFORMANT)
    made = verdict({"a.two": []}, RequirementSelection(withheld={"a.two": "--depth quick", "a.one": "--depth quick"}))
    assert states(made) == {"a.two": State.NOT_SELECTED}
    assert made.scope == "partial"
    assert verdict({}, RequirementSelection(partial=True)).scope == "partial"


def test_withheld_is_told_where_it_was_judged_all_the_same() -> None:
    made = verdict({"a.one": [found("a.one")]}, RequirementSelection(withheld={"a.one": "--depth quick"}))
    assert states(made) == {"a.one": State.FAILED}


# --- blame -----------------------------------------------------------------------------------------------------------


def test_findings_go_to_the_requirement_that_absorbs_them_where_it_failed() -> None:
    edge = {"a.one": ("a.two",)}
    made = verdict({"a.one": [found("a.one")], "a.two": [found("a.two")]}, absorbed_by=edge)
    assert states(made) == {"a.one": State.BLOCKED, "a.two": State.FAILED}
    assert made["a.one"].blocked_by == ("a.two",)
    assert states(verdict({"a.one": [found("a.one")]}, absorbed_by=edge)) == {"a.one": State.FAILED}


def test_a_single_finding_yields() -> None:
    made = verdict({"a.one": [found("a.one", "x", "a.two"), found("a.one", "y")], "a.two": [found("a.two")]})
    assert [finding.exchange for finding in made["a.one"].findings] == ["y"]
    made = verdict({"a.one": [found("a.one", "x", "a.one")]})
    assert states(made) == {"a.one": State.FAILED}


def test_blame_follows_the_edges_to_their_ends() -> None:
    bad = {id_: [found(id_)] for id_ in ("a.one", "a.two", "a.three")}
    made = verdict(bad, absorbed_by={"a.one": ("a.two",), "a.two": ("a.three",)})
    # a.two keeps nothing, so it takes nothing: a.one's breach is its own.
    assert states(made) == {"a.one": State.FAILED, "a.two": State.BLOCKED, "a.three": State.FAILED}


def test_a_cycle_swallows_nothing() -> None:
    made = verdict(
        {"a.one": [found("a.one")], "a.two": [found("a.two")]}, absorbed_by={"a.one": ("a.two",), "a.two": ("a.one",)}
    )
    assert made.conclusion is Conclusion.NONCONFORMANT


def test_a_should_takes_nothing_from_a_must() -> None:
    made = verdict({"a.one": [found("a.one")], "b.one": [found("b.one")]}, absorbed_by={"a.one": ("b.one",)})
    assert states(made) == {"a.one": State.FAILED, "b.one": State.FAILED}
    assert made.conclusion is Conclusion.NONCONFORMANT


def test_what_options_leave_out_takes_nothing() -> None:
    bad = {"a.one": [found("a.one")], "a.two": [found("a.two")]}
    made = verdict(bad, RequirementSelection(selected=frozenset({"a.one"})), absorbed_by={"a.one": ("a.two",)})
    assert made["a.one"].state is State.FAILED


def test_what_the_target_was_declared_to_lack_takes_nothing() -> None:
    bad = {"a.one": [found("a.one")], "a.four": [found("a.four")]}
    made = verdict(bad, RequirementSelection(absent={"approvals": "none"}), absorbed_by={"a.one": ("a.four",)})
    assert made["a.one"].state is State.FAILED


# --- blocks ----------------------------------------------------------------------------------------------------------


def test_a_block_names_what_failed() -> None:
    made = verdict({"a.one": [blocked("a.two"), blocked("a.three")], "a.two": [found("a.two")]})
    assert states(made) == {"a.one": State.BLOCKED, "a.two": State.FAILED}
    assert made["a.one"].blocked_by == ("a.two",)


def test_a_vain_block_is_no_block() -> None:
    made = verdict({"a.one": [blocked("a.two")]})
    assert states(made) == {"a.one": State.NOT_EXERCISED}
    assert made["a.one"].blocked_by == ()
    assert made.conclusion is Conclusion.INCONCLUSIVE


def test_a_chain_of_vain_blocks_is_none() -> None:
    made = verdict({"a.one": [blocked("a.two")], "a.two": [blocked("a.three")]})
    assert set(states(made).values()) == {State.NOT_EXERCISED}
    made = verdict({"a.one": [blocked("a.two")], "a.two": [blocked("a.one")]})
    assert set(states(made).values()) == {State.NOT_EXERCISED}


def test_a_failed_should_that_blocks_a_must_leaves_the_run_conclusive() -> None:
    made = verdict({"a.one": [blocked("b.one")], "b.one": [found("b.one")]})
    assert states(made) == {"a.one": State.BLOCKED, "b.one": State.FAILED}
    assert made.conclusion is Conclusion.CONFORMANT
    made = verdict({"a.one": [blocked("a.two")], "a.two": [blocked("b.one")], "b.one": [found("b.one")]})
    assert made.conclusion is Conclusion.CONFORMANT
    made = verdict({"a.one": [blocked("b.one"), blocked("b.two")], "b.one": [found("b.one")], "b.two": [EXCUSED]})
    assert made.conclusion is Conclusion.CONFORMANT


def test_an_excused_must_is_inconclusive_though_a_should_failed() -> None:
    made = verdict({"a.one": [EXCUSED], "b.one": [found("b.one")]})
    assert made.conclusion is Conclusion.INCONCLUSIVE


# --- the conclusion --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "selection", "more", "conclusion", "code"),
    [
        ({"a.one": [found("a.one")]}, RequirementSelection(), {}, Conclusion.NONCONFORMANT, 1),
        ({"b.one": [found("b.one")]}, RequirementSelection(), {}, Conclusion.CONFORMANT, 0),
        ({"b.one": [found("b.one")]}, RequirementSelection(strict=True), {}, Conclusion.NONCONFORMANT, 1),
        ({"b.one": []}, RequirementSelection(), {}, Conclusion.CONFORMANT, 0),
        ({"a.one": []}, RequirementSelection(), {}, Conclusion.INCONCLUSIVE, 6),
        ({}, RequirementSelection(), {"errors": {"b.one": "the check raised"}}, Conclusion.ERROR, 3),
        ({"a.one": [found("a.one")]}, RequirementSelection(), {"errors": {"b.one": "x"}}, Conclusion.ERROR, 3),
        ({}, RequirementSelection(), {"errors": {"a.two": "x"}}, Conclusion.ERROR, 3),
        ({}, RequirementSelection(selected=EVERY - {"a.two"}), {"errors": {"a.two": "x"}}, Conclusion.CONFORMANT, 0),
        ({}, RequirementSelection(), {"trouble": "No answer."}, Conclusion.INCONCLUSIVE, 6),
        ({"a.one": [found("a.one")]}, RequirementSelection(), {"trouble": "No answer."}, Conclusion.NONCONFORMANT, 1),
        ({}, RequirementSelection(), {"excused": (25, 100)}, Conclusion.CONFORMANT, 0),
        ({}, RequirementSelection(), {"excused": (26, 100)}, Conclusion.INCONCLUSIVE, 6),
        ({}, RequirementSelection(), {"excused": (1, 1)}, Conclusion.INCONCLUSIVE, 6),
        ({"a.one": [found("a.one")]}, RequirementSelection(), {"excused": (9, 10)}, Conclusion.NONCONFORMANT, 1),
        ({"b.one": [found("b.one")]}, RequirementSelection(), {"excused": (9, 10)}, Conclusion.INCONCLUSIVE, 6),
        ({"b.one": [found("b.one")], "a.one": []}, RequirementSelection(strict=True), {}, Conclusion.NONCONFORMANT, 1),
    ],
)
def test_conclusion(items: Any, selection: RequirementSelection, more: Any, conclusion: Conclusion, code: int) -> None:
    made = verdict(items, selection, **more)
    assert (made.conclusion, made.exit_code) == (conclusion, code)
    assert made.sentence.endswith(".")


@pytest.mark.parametrize("ids", [EVERY, frozenset({"b.one"}), frozenset({"a.one"}), frozenset()])
def test_zero_checks_are_never_green(ids: frozenset[str]) -> None:
    worlds_: list[Any] = [{}, {id_: [] for id_ in ALL}, {id_: [EXCUSED] for id_ in ALL}]
    for items in worlds_:
        made = decide(CATALOGUE, items, RequirementSelection(selected=ids))
        assert made.conclusion is Conclusion.INCONCLUSIVE
        assert made.exit_code == Exit.INCONCLUSIVE


def test_the_sentence_names_four_and_counts_the_others() -> None:
    made = verdict({id_: [found(id_)] for id_ in ALL}, RequirementSelection(strict=True))
    assert made.sentence == "The target breaks 4 MUST: a.one, a.two, a.three, a.four."
    wide = load()
    made = decide(wide, {r.id: [found(r.id)] for r in wide}, RequirementSelection())
    assert "and 83 more" in made.sentence or " more" in made.sentence


def test_an_unknown_id_is_no_outcome() -> None:
    with pytest.raises(KeyError):
        verdict({})["a.five"]


# --- whatever the items are ------------------------------------------------------------------------------------------

ids = st.sampled_from(ALL)
exchanges = st.sampled_from(["x", "y", "z"])
some_items: st.SearchStrategy[Item] = st.one_of(
    st.builds(Judged, exchanges),
    st.builds(Unjudged, st.just("why"), exchanges | st.none(), ids | st.none(), st.booleans()),
    st.builds(lambda x, y: found("", x, *y), exchanges, st.lists(ids, max_size=2)),
)
worlds = st.dictionaries(ids, st.lists(some_items, max_size=3)).map(
    lambda world: {
        id_: [dataclasses.replace(i, requirement=id_) if isinstance(i, Finding) else i for i in found_]
        for id_, found_ in world.items()
    }
)
selections = st.builds(
    RequirementSelection,
    st.booleans(),
    st.none() | st.frozensets(ids),
    st.sampled_from([{}, {"approvals": "none"}]),
    st.dictionaries(ids, st.just("an option"), max_size=2),
    st.booleans(),
)
tables = st.dictionaries(ids, st.lists(ids, max_size=2), max_size=4)


@settings(max_examples=200, deadline=None)
@given(worlds, selections, tables, st.dictionaries(ids, st.just("raised"), max_size=1), st.sampled_from([0, 1, 9]))
def test_green_means_every_selected_must_passed(
    world: Any, selection: RequirementSelection, table: Any, errors: Any, excused: int
) -> None:
    made = decide(with_edges(table), world, selection, errors=errors, excused=(excused, 10))
    assert [outcome.requirement.id for outcome in made.outcomes] == list(ALL)
    failed = {o.requirement.id for o in made.outcomes if o.state is State.FAILED}
    selected = ALL if selection.selected is None else selection.selected
    due = [made[id_] for id_ in MUSTS if id_ in selected and made[id_].state is not State.NOT_APPLICABLE]
    if made.conclusion is Conclusion.CONFORMANT:
        assert any(o.state in (State.PASSED, State.FAILED) for o in made.outcomes)
        assert not failed & set(MUSTS)
        assert not (selection.strict and failed)
        for outcome in due:
            withheld = outcome.requirement.id in selection.withheld and outcome.state is State.NOT_SELECTED
            assert outcome.state in (State.PASSED, State.BLOCKED) or withheld, outcome
            # A MUST with a breach of its own is never hidden behind a SHOULD.
            if outcome.state is State.BLOCKED:
                assert not any(isinstance(item, Finding) for item in world.get(outcome.requirement.id, ()))
        assert excused <= 2
    if failed & set(MUSTS):
        assert made.conclusion in (Conclusion.NONCONFORMANT, Conclusion.ERROR)
    assert made.exit_code == {"conformant": 0, "nonconformant": 1, "inconclusive": 6, "error": 3}[made.conclusion]
    for outcome in made.outcomes:
        assert (outcome.state is State.FAILED) == bool(outcome.findings)
        assert (outcome.state is State.BLOCKED) == bool(outcome.blocked_by)
        assert outcome.state in (State.PASSED, State.FAILED) or outcome.reason


@settings(max_examples=100, deadline=None)
@given(worlds, tables)
def test_a_breach_is_blamed_on_somebody(world: Any, table: Any) -> None:
    made = decide(with_edges(table), world, RequirementSelection())
    breached = {id_ for id_, items in world.items() if any(isinstance(item, Finding) for item in items)}
    failed = {outcome.requirement.id for outcome in made.outcomes if outcome.state is State.FAILED}
    assert failed <= breached
    assert bool(failed) == bool(breached)
    if breached & set(MUSTS):
        assert made.conclusion is Conclusion.NONCONFORMANT
