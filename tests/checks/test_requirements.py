"""Every requirement: exchanges that break just it, and legitimate ones that come near to that and break nothing.

Source of each row: the requirement's line in the contract, "Left open by the documentation", "Answers that excuse",
and the legitimate variations of servers in the field.
"""

from __future__ import annotations

from typing import Any

import pytest
from checks.case import Breaks, Holds
from checks.exchanges import chat, errors, failed, findings, judged, notable, refused, sent, unanswered
from checks.rows import (
    accept,
    approval,
    auth,
    chunk,
    client,
    completion,
    error,
    failed_streams,
    http,
    isolation,
    kitemesh,
    reject,
    resume,
    robust,
    sdk,
    stream,
)
from zones import ZONES, in_zone

from conformance.contract.catalogue import load
from conformance.judging.verdict import State
from conformance.transcript.exchange import Ending, Exchange

AREAS = (
    auth,
    accept,
    reject,
    error,
    http,
    completion,
    kitemesh,
    stream,
    chunk,
    failed_streams,
    sdk,
    approval,
    resume,
    robust,
    isolation,
    client,
)
ROWS = tuple(row for area in AREAS for row in area.ROWS)
BREACHES = [row for row in ROWS if isinstance(row, Breaks)]
NEAR_MISSES = [row for row in ROWS if isinstance(row, Holds)]


def _parameters(rows: list[Any]) -> list[Any]:
    return [
        pytest.param(
            row,
            id=f"{row.requirement}-{row.what}",
            marks=[pytest.mark.xfail(strict=True, reason=row.wrong)] if row.wrong else [],
        )
        for row in rows
    ]


def _has_date(exchange: Exchange) -> bool:
    return exchange.response is not None and exchange.response.header("date") is not None


@pytest.mark.parametrize("row", _parameters(BREACHES))
def test_breach_is_blamed_on_its_requirement(row: Breaks) -> None:
    verdict = judged(*row.exchanges, options=row.options)
    assert not errors(verdict)
    assert failed(verdict) == {row.requirement, *row.also}, notable(verdict)


@pytest.mark.parametrize("row", _parameters(NEAR_MISSES))
def test_near_miss_breaks_nothing(row: Holds) -> None:
    verdict = judged(*row.exchanges, options=row.options)
    assert not errors(verdict)
    assert not failed(verdict), notable(verdict)
    outcome = verdict[row.requirement]
    assert outcome.state is row.state, outcome.reason


DATED = [row for row in ROWS if any(_has_date(exchange) for exchange in row.exchanges)]


@pytest.mark.parametrize("zone", ZONES)
def test_the_zone_of_the_judge_plays_no_part(zone: str) -> None:
    def failing() -> list[set[str]]:
        return [failed(judged(*row.exchanges, options=row.options)) for row in DATED]

    at_home = failing()
    with in_zone(zone):
        assert failing() == at_home


def test_every_requirement_has_a_breach_and_a_near_miss() -> None:
    known = {requirement.id for requirement in load()}
    assert {row.requirement for row in BREACHES} == known
    assert {row.requirement for row in NEAR_MISSES if row.state is State.PASSED} == known


def test_what_was_under_way_when_a_target_went_down_is_named() -> None:
    down = [
        chat("well"),
        unanswered("early"),
        chat("well-too"),
        unanswered("last"),
        unanswered("gone", Ending.REFUSED),
        unanswered("a", Ending.REFUSED, phase="recover"),
    ]
    (found,) = findings("robust.recovers", *down)
    assert found.message == "no connection has been accepted since last got no answer"
    (found,) = findings("robust.recovers", *down[:3], *down[4:])
    assert "went unanswered" not in found.message
    (found,) = findings("robust.recovers", *down, refused("b", sent("b"), 503))
    assert "went unanswered" not in found.message
