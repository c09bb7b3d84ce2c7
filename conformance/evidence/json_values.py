"""Looking into JSON values of unknown form: no function here raises, whatever it is given."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from conformance.contract.schemas import is_date_time, is_uuid


class _Absent:
    """The member is not there, or its value is null where null equals absent."""

    def __repr__(self) -> str:
        return "absent"

    def __bool__(self) -> bool:
        return False


ABSENT = _Absent()


def get(value: Any, *path: str | int) -> Any:
    """The value at a path of member names and indexes; `ABSENT` where it is not there."""
    for step in path:
        if isinstance(step, str):
            if not (isinstance(value, dict) and step in value):
                return ABSENT
            value = value[step]
        else:
            if not (isinstance(value, list) and -len(value) <= step < len(value)):
                return ABSENT
            value = value[step]
    return value


def optional(value: Any, *path: str | int) -> Any:
    """The same, where null equals absent."""
    found = get(value, *path)
    return ABSENT if found is None else found


def text(value: Any, *path: str | int) -> str | None:
    """The string at a path, else None."""
    found = get(value, *path)
    return found if isinstance(found, str) else None


def integer(value: Any) -> int | None:
    """An integer as JSON Schema takes it (`1.0` is one), else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return None


def number(value: Any) -> float | None:
    """A number, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def uuid(value: Any) -> str | None:
    """The UUID in lower case (two spellings of one are one), else None."""
    return value.lower() if isinstance(value, str) and is_uuid(value) else None


def objects(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects in an array, with their indexes; nothing if it is not an array."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield index, item


def moment(value: Any) -> float | None:
    """Unix seconds of an RFC 3339 date-time, else None."""
    if not isinstance(value, str) or not is_date_time(value):
        return None
    bare = re.sub(r"\.(\d{6})\d+", r".\1", value.upper())
    leap = bare[17:19] == "60"
    if leap:
        bare = bare[:17] + "59" + bare[19:]
    try:
        read = datetime.fromisoformat(bare)
        return (read + timedelta(seconds=1) if leap else read).timestamp()
    except (ValueError, OverflowError):
        return None


def show(value: Any, most: int = 160) -> str:
    """A value as JSON text for a finding, at most `most` characters. The report escapes it."""
    if isinstance(value, _Absent):
        return "absent"
    try:
        shown = json.dumps(value, ensure_ascii=True, default=repr)
    except (ValueError, RecursionError):
        shown = f"a {type(value).__name__} that cannot be shown"
    return shown if len(shown) <= most else f"{shown[:most]}… ({len(shown) - most} more)"


def utc(seconds: float) -> str:
    """Unix seconds as an RFC 3339 date-time, for a finding."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g} s"
