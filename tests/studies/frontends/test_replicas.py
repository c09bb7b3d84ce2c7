"""Replicas behind a balancer: those that do not share their approvals are found and called so; all others conform."""

import pytest

from conformance.judging.verdict import Conclusion, State
from conformance.settings.options import Depth

from .replicas import NEVER, Balance, Replicas
from .running import Case, run_all

UNSTICKY = (Balance.ROUND_ROBIN, Balance.RANDOM, Balance.CONNECTION_ROUND_ROBIN, Balance.CONNECTION_RANDOM)


def failed(report):
    return {o.requirement.id for o in report.verdict.outcomes if o.state is State.FAILED}


def test_replicas_that_share_nothing_break_what_speaks_of_decisions():
    reports = run_all([Case(Replicas(balance, NEVER, seed=7), 7, Depth.QUICK) for balance in UNSTICKY], patience=0.2)
    assert (
        sum(report.verdict.conclusion is Conclusion.NONCONFORMANT for report in reports) >= 3
    )  # of 4: luck is possible
    for report in reports:
        assert failed(report) <= {"resume.approve", "resume.deny"}
    told = [finding for report in reports for finding in report.findings]
    assert any("replicas do not share their approvals" in finding.message for finding in told)
    assert any("no answer set a cookie" in finding.observed for finding in told)


def test_a_cookie_that_would_have_stuck_is_told():
    cases = [Case(Replicas(Balance.COOKIE, NEVER, seed=seed), seed, Depth.QUICK) for seed in (1, 2)]
    reports = run_all(cases, patience=0.2)
    told = [finding for report in reports for finding in report.findings]
    assert any("the answers set the cookie 'replica'" in finding.observed for finding in told)


@pytest.mark.parametrize("balance", [Balance.RANDOM, Balance.CONNECTION_ROUND_ROBIN])
@pytest.mark.parametrize("lag", [0.0, 0.3])
def test_replicas_that_share_in_time_conform(balance, lag):
    (report,) = run_all([Case(Replicas(balance, lag, seed=3), 3)], patience=0.2)
    assert not failed(report)
    assert report.verdict.conclusion is Conclusion.CONFORMANT


def test_a_balancer_that_keeps_a_caller_at_one_replica_conforms():
    replicas = Replicas(Balance.TOKEN, NEVER)
    (report,) = run_all([Case(replicas, 5)], patience=0.2)
    assert sorted(replicas.asked)[-1] > 0
    assert not failed(report)
