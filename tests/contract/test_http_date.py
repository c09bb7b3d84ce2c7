"""Dates in the fields of HTTP: every form that a recipient may meet, in whatever zone the reader is."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from zones import ZONES, in_zone

from conformance.contract.http_date import read_http_date

MOMENT = 784_111_777.0
"""Of RFC 9110's own example."""
FORMS = (
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "Sun, 06 Nov 1994 08:49:37 -0000",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 Z",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 09:49:37 +0100",
    "Sun, 06 Nov 1994 14:19:37 +05:30",
    "Sun, 06 Nov 1994 03:49:37 GMT-0500 (Eastern Standard Time)",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "06 Nov 1994 08:49:37 GMT",
    "sun, 06 nov 1994 08:49:37 gmt",
    "Sun Nov  6 08:49:37 1994 GMT",
    "Sun Nov  6 08:49:37 UTC 1994",
    "Sun, 06 Nov 1994 08:49:37 -0000, Sun, 06 Nov 1994 08:49:37 -0000",
)
NO_DATES = (
    "", "0", "-1", "yesterday", "1994-11-06T08:49:37Z", "Sun, 31 Feb 1994 08:49:37 GMT",
    "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "31 Dec 9999 23:59:61 GMT",
    "Sun, 06 Nov 1994 08:49:37 +" + "9" * 5000, "9" * 5000 + " Nov 1994 08:49:37 GMT",
    # A zone that cannot be told: the reader's own clock is nearer than a guess of it.
    "Sun, 06 Nov 1994 09:49:37 CEST", "Sun, 06 Nov 1994 03:49:37 EST",
)  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
def test_each_form_is_the_same_moment_in_each_zone(zone: str) -> None:
    with in_zone(zone):
        assert {form: read_http_date(form) for form in FORMS} == dict.fromkeys(FORMS, MOMENT)


def test_a_leap_second_is_the_next_one() -> None:
    assert read_http_date("Sat, 31 Dec 2016 23:59:60 GMT") == read_http_date("Sun, 01 Jan 2017 00:00:00 GMT")


@pytest.mark.parametrize("text", NO_DATES, ids=lambda text: text[:50])
def test_what_is_no_date_gives_none(text: str) -> None:
    assert read_http_date(text) is None


@given(st.text(st.sampled_from("SunNovGMT 0123456789:+-,.\t\x00é٣"), max_size=40))
@example("31 Dec 9999 23:59:60 GMT")
def test_it_never_raises(text: str) -> None:
    assert read_http_date(text) is None or isinstance(read_http_date(text), float)
