"""The list of servers that are wrong in one state of an approval."""

from conformance.contract import catalogue
from conformance.contract.approval_states import TRANSITIONS
from conformance.reference.states import FORMS, MUTANTS

KNOWN = {each.id for each in catalogue.load()}


def test_their_names_are_their_own():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_a_requirement_may_be_blamed_or_a_reason_says_why_none_is():
    assert [mutant.name for mutant in MUTANTS if not (mutant.requirements or mutant.reason)] == []
    assert {id_ for mutant in MUTANTS for id_ in mutant.requirements} <= KNOWN


def test_every_cell_that_a_requirement_judges_is_broken_in_both_forms():
    broken = {(mutant.cell, mutant.form) for mutant in MUTANTS}
    judged = {
        cell for cell in TRANSITIONS.values() if not cell.why_not and (cell.state, cell.ask) != ("unknown", "mix")
    }
    assert {(cell, form) for cell in judged for form in FORMS} <= broken
