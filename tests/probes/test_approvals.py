"""The chains of approvals drive every transition of the table, in both forms, and every pair that shows something."""

import asyncio
from dataclasses import replace
from itertools import combinations, product

import pytest

from conformance.contract.approval_states import TRANSITIONS, Ask, Owed, State, Transition
from conformance.evidence.approvals import given, resumes_of
from conformance.evidence.decisions import transition
from conformance.evidence.evidence import Evidence
from conformance.probes.approvals import flows
from conformance.reference.process import in_process
from conformance.reference.settings import Settings
from conformance.running import run
from conformance.running.run import plan_of
from conformance.settings.options import Depth, Options

Cell = tuple[Transition, bool]
JUDGED = [cell for cell in TRANSITIONS.values() if not cell.why_not]
CELLS = list(product(JUDGED, (False, True)))
ANSWERED_AT_MOST = 30
"""Requests of these chains that a model answers."""


@pytest.fixture(scope="module", params=[1, 2], ids=["odd seed", "even seed"])
def evidence(request) -> Evidence:
    with in_process(Settings()) as url:
        options = run.of_reference(f"{url}/v1", Options(only=("approval", "resume")))
        return Evidence(asyncio.run(run.record(options, request.param, again=False)))


def cannot_be_reached(cell: Transition, evidence: Evidence) -> bool:
    """True for a mixed decision where a single call waits, as in all further rounds of the reference server."""
    further = [each for each in given(evidence).values() if each.by.asked.resume]
    return cell.state is State.FURTHER and cell.ask is Ask.MIX and all(len(each.calls) == 1 for each in further)


def test_every_transition_is_driven_in_both_forms(evidence):
    driven = {(cell, reading.asked.stream) for reading in evidence.all if (cell := transition(reading))}
    missing = [(cell, streamed) for cell, streamed in CELLS if (cell, streamed) not in driven]
    assert [(cell, streamed) for cell, streamed in missing if not cannot_be_reached(cell, evidence)] == []
    assert {(cell.state, cell.ask) for cell, _ in missing} == {(State.FURTHER, Ask.MIX)}


def after(cell: Transition) -> State:
    """In which state its own caller finds the approval then."""
    return State.WAITING if cell.state is State.ANOTHERS else cell.then


def shows(first: Transition, second: Transition) -> bool:
    """Whether the second of two transitions that follow each other tells what became of the approval at the first one.

    A decision that has to be served does behind a refusal, and a second one behind a decision. Of two refusals the
    second one is due whatever the first one did.
    """
    if second.state is not after(first):
        return False
    return (first.owed is Owed.REFUSAL and second.owed is Owed.ANSWER) or (
        first.owed is Owed.ANSWER and second.owed is Owed.NO_SECOND_RUN
    )


def pairs(evidence: Evidence) -> set[tuple[Cell, Cell]]:
    """The pairs of transitions of one approval between which nothing was served."""
    found: set[tuple[Cell, Cell]] = set()
    for approval in given(evidence):
        made = [(reading, cell) for reading in resumes_of(evidence, approval) if (cell := transition(reading))]
        for (place, (first, one)), (later, (second, other)) in combinations(enumerate(made), 2):
            if not any(reading.taken for reading, _ in made[place + 1 : later]) and not first.overlaps(second):
                found.add(((one, first.asked.stream), (other, second.asked.stream)))
    return found


def test_every_pair_of_transitions_that_shows_something_is_driven(evidence):
    wanted = [(one, other) for one, other in product(CELLS, CELLS) if shows(one[0], other[0])]
    # An approval is asked in one form while it waits.
    wanted = [(one, other) for one, other in wanted if one[1] is other[1] or one[0].owed is Owed.ANSWER]
    single = [(one, other) for one, other in wanted if State.FURTHER in (one[0].state, other[0].state)]
    single = [(one, other) for one, other in single if Ask.MIX in (one[0].ask, other[0].ask)]
    missing = set(wanted) - pairs(evidence) - set(single)
    assert missing == set()
    assert len(wanted) > 60


def test_what_a_model_answers_is_little(evidence):
    served = [reading for reading in evidence.all if reading.taken and reading.note.area in ("approval", "resume")]
    assert len(served) <= ANSWERED_AT_MOST


@pytest.mark.parametrize("options", [Options(depth=Depth.QUICK), Options(execute=False)], ids=["quick", "no execute"])
def test_the_plan_counts_what_a_conforming_server_is_asked(options):
    with in_process(Settings()) as url:
        options = run.of_reference(f"{url}/v1", replace(options, only=("approval", "resume")))
        made = asyncio.run(run.record(options, 1, again=False))
    check_counts(made, options)


def test_the_plan_counts_it_at_standard(evidence):
    check_counts(evidence.transcript, run.of_reference("", Options()))


def check_counts(made, options):
    for flow in flows(plan_of(options, made.options["seed"])):
        sent = [exchange for exchange in made if exchange.note.flow == flow.name and exchange.note.attempt == 1]
        assert 0 < len(sent) <= flow.at_most, flow.name
        assert sum(exchange.status == 200 for exchange in sent) <= flow.served, flow.name
