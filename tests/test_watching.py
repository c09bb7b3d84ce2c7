"""When a request that was excused goes again."""

from __future__ import annotations

import pytest
from checks.exchanges import AHEAD_DATES, OPTIONS, limited, with_header
from zones import ZONES, in_zone

from conformance.watching import Watch
from conformance.wire.exchange import Exchange

NOW = "Sun, 22 Nov 2026 18:27:20 GMT"
"""Nine seconds before them, by the server's clock."""


def _waits(exchange: Exchange) -> float | None:
    return Watch(OPTIONS, 1.0).ask_again(exchange)


def _after(value: str, date: str = NOW) -> Exchange:
    return with_header(with_header(limited("a"), "Retry-After", value), "Date", date)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("date", AHEAD_DATES)
def test_a_date_to_come_again_is_read_by_the_servers_clock(date: str, zone: str) -> None:
    with in_zone(zone):
        assert _waits(_after(date)) == 9


@pytest.mark.parametrize("date", AHEAD_DATES)
def test_a_date_that_has_passed_is_no_wait(date: str) -> None:
    assert _waits(_after(date, "Sun, 22 Nov 2026 18:27:40 GMT")) == 0


@pytest.mark.parametrize("value", ["61", "Sun, 22 Nov 2026 18:28:30 GMT"])
def test_what_is_too_long_is_not_waited_for(value: str) -> None:
    assert _waits(_after(value)) is None


@pytest.mark.parametrize("value", ["soon", "-1", "", "9" * 5000, "1.5"])
def test_what_says_nothing_is_backed_off_from(value: str) -> None:
    assert _waits(_after(value)) == 0.4
