"""The table of what is due to a resume."""

import pytest

from conformance.contract import catalogue
from conformance.contract.approval_states import TRANSITIONS, Ask, Owed, State, Transition, ask, spent

ONE, TWO, OTHER = "one", "two", "other"
CELLS = [pytest.param(each, id=f"{each.state}-{each.ask}") for each in TRANSITIONS.values()]


def test_every_state_has_an_answer_to_every_question():
    assert set(TRANSITIONS) == {(state, asked) for state in State for asked in Ask}


@pytest.mark.parametrize("cell", CELLS)
def test_a_requirement_judges_a_cell_or_a_reason_says_why_none_does(cell: Transition):
    judged = {cell.requirement(stream) for stream in (False, True)}
    assert judged == {""} if cell.why_not else judged <= {each.id for each in catalogue.load()}
    assert cell.why_not or cell.owed is not Owed.ANYTHING


@pytest.mark.parametrize("cell", CELLS)
def test_only_what_is_served_changes_the_state(cell: Transition):
    if cell.owed in (Owed.REFUSAL, Owed.NO_SECOND_RUN):
        assert cell.then is cell.state
    elif cell.owed is Owed.ANSWER:
        assert cell.then is spent(cell.ask)


@pytest.mark.parametrize(
    ("approved", "denied", "waiting", "asked"),
    [
        ([ONE, TWO], [], [ONE, TWO], Ask.APPROVE),
        ([], [ONE, TWO], [ONE, TWO], Ask.DENY),
        ([ONE], [TWO], [ONE, TWO], Ask.MIX),
        ([ONE], [], [ONE, TWO], Ask.PART),
        ([], [], [ONE], Ask.PART),
        ([ONE, TWO], [TWO], [ONE, TWO], Ask.CONFLICT),
        ([ONE], [TWO, OTHER], [ONE, TWO], Ask.FOREIGN),
        ([OTHER], [OTHER], [ONE], Ask.CONFLICT),
        ([ONE], [], None, Ask.APPROVE),
        ([], [ONE], None, Ask.DENY),
        ([], [], None, Ask.DENY),
    ],
)
def test_a_decision_asks_one_thing(approved: list[str], denied: list[str], waiting: list[str] | None, asked: Ask):
    assert ask(approved, denied, waiting) is asked
