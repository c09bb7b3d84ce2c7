"""State mutants: which of them a run meets, and what comes of a sample that is served, recorded and judged."""

import pytest

from conformance.proving.mutants import proving, states
from conformance.proving.mutants.trial import Fate
from conformance.reference.states import MUTANTS
from conformance.settings.options import Depth

SAMPLE = 8
"""Mutants that are tried here; the nox session `proof` tries all."""
DEPTHS = (Depth.QUICK, Depth.STANDARD, Depth.DEEP)
ORDER = {"resume-approve": 1, "resume-deny": 2}


def tried(names, depths=DEPTHS):
    orders = dict.fromkeys(depths, ORDER)
    return states.try_all(frozenset(names).__contains__, orders=orders, seed=proving.SEED, processes=1)


@pytest.fixture(scope="module")
def results():
    return tried(proving.Chosen(sample=SAMPLE).of([mutant.name for mutant in MUTANTS]))


def test_a_sample_is_blamed_right(results):
    assert len(results) == SAMPLE
    shown = {result.name: result.trials[Depth.STANDARD] for result in results}
    assert {name: trial for name, trial in shown.items() if trial.fate not in (Fate.RIGHT, Fate.FREE)} == {}
    assert {trial.fate for trial in shown.values()} >= {Fate.RIGHT, Fate.FREE}


def test_a_deeper_depth_is_judged_only_where_it_may_show_more(results):
    for result in results:
        quick, standard, deep = (result.trials[depth] for depth in DEPTHS)
        assert not deep.judged
        assert standard.judged is not (quick.fate is Fate.RIGHT)


def test_their_names_have_the_form_of_all_mutants():
    for mutant in MUTANTS:
        group, state, asked, rest = mutant.name.split("/")
        assert (group, state, asked) == ("state", mutant.state, mutant.cell.ask)
        assert rest == f"{mutant.outcome}@{mutant.form}"
