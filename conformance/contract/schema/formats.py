"""The formats that the schemas assert: `uuid` and `date-time`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

# date-time of RFC 3339, section 5.6; "T" and "Z" may be lower case, says the note there
_DATE_TIME = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"[Tt](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})(?:\.[0-9]+)?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<offset_hour>[0-9]{2}):(?P<offset_minute>[0-9]{2}))"
)
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID of any version, in any letter case (RFC 9562, section 4)."""
    return _UUID.fullmatch(text) is not None


def is_date_time(text: str) -> bool:
    """Whether the text is a date-time of RFC 3339 (section 5.6): a real date, with `Z` or an offset.

    A leap second is taken where it can stand: at the end of a day in UTC, whichever day (section 5.7; the suite knows
    no table of them).
    """
    matched = _DATE_TIME.fullmatch(text)
    if not matched:
        return False
    part = {key: int(value) for key, value in matched.groupdict(default="0").items() if key != "sign"}
    if not 1 <= part["month"] <= 12 or not 1 <= part["day"] <= _days(part["year"], part["month"]):
        return False
    if part["hour"] > 23 or part["minute"] > 59 or part["offset_hour"] > 23 or part["offset_minute"] > 59:
        return False
    if part["second"] < 60:
        return True
    offset = part["offset_hour"] * 60 + part["offset_minute"]
    utc = part["hour"] * 60 + part["minute"] + (offset if matched["sign"] == "-" else -offset)
    return part["second"] == 60 and utc % (24 * 60) == 24 * 60 - 1


def _days(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and leap else _DAYS[month - 1]


FORMATS: Mapping[str, Callable[[str], bool]] = {"uuid": is_uuid, "date-time": is_date_time}
"""Name of a format to whether a text has it."""
