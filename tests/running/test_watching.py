"""What is asked again as it is recorded, and when: a page, a token that passed before, a limit."""

from __future__ import annotations

from typing import Any

import pytest
from checks.exchanges import (
    AHEAD_DATES,
    OPTIONS,
    PAGE,
    WELL,
    answer,
    chat,
    denied,
    exchange,
    limited,
    put,
    refused,
    sent,
    with_header,
)
from checks.rows.reject import EXPECTED_REFUSAL
from zones import ZONES, in_zone

from conformance.running.watching import IN_A_ROW, Watch
from conformance.transcript.exchange import Credential, Exchange


def page(body: Any = None, status: int = 200, **more: Any) -> Exchange:
    return exchange("a", sent("a") if body is None else body, answer(PAGE, status, "text/html"), **more)


def turned_away(body: Any = None) -> Exchange:
    return denied("a", Credential.OWN, body)


def watch(*seen: Exchange) -> Watch:
    made = Watch(OPTIONS, 1.0)
    for one in seen:
        made.trouble(one)
    return made


def waits(one: Exchange) -> float | None:
    """The seconds that are waited for; -1 where it is not asked again; None where it says nothing."""
    trouble = watch().trouble(one)
    return -1.0 if trouble is None else trouble.seconds


@pytest.mark.parametrize("status", [200, 400, 403, 404, 422])
@pytest.mark.parametrize("body", [None, sent("a", stream=True), EXPECTED_REFUSAL])
def test_a_page_is_asked_again_whatever_its_status(status: int, body: Any) -> None:
    assert watch().trouble(page(body, status)) is not None


def test_a_page_to_a_stranger_is_asked_again() -> None:
    assert watch().trouble(page(credential=Credential.NONE)) is not None


def test_a_server_with_pages_of_its_own_is_not_asked_for_ever() -> None:
    pages = [page(EXPECTED_REFUSAL, 404)] * IN_A_ROW
    assert watch(*pages).trouble(page(EXPECTED_REFUSAL, 404)) is None
    assert watch(*pages).trouble(page()) is not None, "another kind of request"
    other = refused("b", EXPECTED_REFUSAL)
    assert watch(*pages, other).trouble(page(EXPECTED_REFUSAL, 404)) is not None


@pytest.mark.parametrize("body", [None, EXPECTED_REFUSAL])
def test_a_refused_token_is_asked_again_once_it_passed(body: Any) -> None:
    assert watch(WELL).trouble(turned_away(body)) is not None
    assert watch().trouble(turned_away(body)) is None
    assert watch(page()).trouble(turned_away(body)) is None, "a page is not an answer"


def test_a_bad_token_is_not() -> None:
    assert watch(WELL).trouble(denied("a")) is None
    assert watch(WELL).trouble(denied("a", Credential.NEVER_ISSUED)) is None


def test_a_limit_is_asked_again_where_it_says_when_it_ends() -> None:
    quota = put(refused("a", sent("a"), 400), "/error/message", "This exceeds your quota.")
    assert watch().trouble(quota) is None
    assert waits(with_header(quota, "Retry-After", "3")) == 3.0


def test_what_is_refused_or_served_is_not_asked_again() -> None:
    for made in (chat("a"), refused("a", EXPECTED_REFUSAL), refused("a", sent("a"), 400)):
        assert watch(WELL).trouble(made) is None


NOW = "Sun, 22 Nov 2026 18:27:20 GMT"
"""Nine seconds before them, by the server's clock."""


def _after(value: str, date: str = NOW) -> Exchange:
    return with_header(with_header(limited("a"), "Retry-After", value), "Date", date)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("date", AHEAD_DATES)
def test_a_date_to_come_again_is_read_by_the_servers_clock(date: str, zone: str) -> None:
    with in_zone(zone):
        assert waits(_after(date)) == 9


@pytest.mark.parametrize("date", AHEAD_DATES)
def test_a_date_that_has_passed_is_no_wait(date: str) -> None:
    assert waits(_after(date, "Sun, 22 Nov 2026 18:27:40 GMT")) == 0


@pytest.mark.parametrize("value", ["61", "Sun, 22 Nov 2026 18:28:30 GMT"])
def test_what_is_too_long_is_not_waited_for(value: str) -> None:
    assert waits(_after(value)) == -1.0


@pytest.mark.parametrize("value", ["soon", "-1", "", "9" * 5000, "1.5"])
def test_what_says_nothing_is_backed_off_from(value: str) -> None:
    assert waits(_after(value)) is None
