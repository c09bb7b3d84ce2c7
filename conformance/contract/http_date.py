"""Dates in the fields of HTTP (RFC 9110, section 5.6.7), read as leniently as a recipient may.

    IMF-fixdate    Sun, 06 Nov 1994 08:49:37 GMT
    RFC 850        Sunday, 06-Nov-94 08:49:37 GMT
    asctime        Sun Nov  6 08:49:37 1994

Frameworks also write `-0000`, `+0000`, `UTC`, another offset, or no zone at all. A date without a zone is UTC: the zone
of the machine that reads it plays no part, which is why `email.utils`, by which such dates are local, is not used.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAME = r"\s*(?:[a-z]+,?\s+)?"
_DAY, _MONTH, _YEAR = r"(?P<day>\d\d?)", r"(?P<month>[a-z]{3})", r"(?P<year>\d{4}|\d\d)"
_TIME = r"(?P<hour>\d\d?):(?P<minute>\d\d):(?P<second>\d\d)"
_ZONE = r"(?:\s*(?:GMT|UTC?|Z))?(?:\s*(?P<offset>[+-]\d\d:?\d\d))?"
_END = r"\s*(?:[,(].*)?"
"""A comment, or the same field again."""
_FORMS = tuple(
    re.compile(_DAY_NAME + date + _END, re.ASCII | re.IGNORECASE | re.DOTALL)
    for date in (
        rf"{_DAY}[\s-]+{_MONTH}[\s-]+{_YEAR}\s+{_TIME}{_ZONE}",
        rf"{_MONTH}\s+{_DAY}\s+{_TIME}(?:\s+(?:GMT|UTC))?\s+{_YEAR}{_ZONE}",
    )
)
_LEAP_SECOND = 60


def read_http_date(value: str) -> float | None:
    """Unix seconds of a date; None where it is none, or in a zone that cannot be told."""
    read = next(filter(None, (form.fullmatch(value) for form in _FORMS)), None)
    if read is None or read["month"].lower() not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(read[part]) for part in ("day", "year", "hour", "minute", "second"))
    if len(read["year"]) == 2:  # as POSIX has it; what no clock of today shows needs no window that moves
        year += 1900 if year >= 70 else 2000
    leap = second == _LEAP_SECOND
    try:
        at = datetime(year, _MONTHS.index(read["month"].lower()) + 1, day, hour, minute, second - leap, tzinfo=UTC)
    except ValueError:
        return None
    return at.timestamp() + leap - _seconds_ahead(read["offset"])


def _seconds_ahead(offset: str | None) -> int:
    """By how much a zone is ahead of UTC: `+05:30` or `+0530`; `-0000` and none are UTC."""
    if offset is None:
        return 0
    ahead = int(offset[1:3]) * 3600 + int(offset[-2:]) * 60
    return -ahead if offset[0] == "-" else ahead
