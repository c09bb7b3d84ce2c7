"""The streams of `fixtures/sse`, with what the standard makes of each, and the places where they are cut."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[3] / "fixtures" / "sse" / "cases.toml"
EDGE = 64
"""A stream longer than twice this is cut at so many places at each end, and at few between: time grows as a square."""
BETWEEN = 16


@dataclass(frozen=True, slots=True)
class Case:
    """One stream. README.md beside the file tells what the members mean."""

    name: str
    why: str
    body: bytes
    events: list[dict[str, Any]]
    pending: dict[str, Any] | None
    notes: list[str]


def _case(table: dict[str, Any]) -> Case:
    stretch = table.get("stretch")

    def stretched(text: str) -> str:
        return text if stretch is None else text.replace("~", "x" * stretch)

    events = [event | {"data": stretched(event["data"])} for event in table.get("events", [])]
    last_id = ""
    reconnection: int | None = None
    for event in events:
        last_id = event.setdefault("last_id", event.get("id", last_id))
        reconnection = event.setdefault("reconnection", event.get("retry", reconnection))
    return Case(
        table["name"],
        table["why"],
        stretched(table["bytes"]).encode("latin-1"),
        events,
        table.get("pending"),
        table.get("notes", []),
    )


CASES = [_case(table) for table in tomllib.loads(FILE.read_text(encoding="utf-8"))["case"]]


def places(body: bytes) -> list[int]:
    """Where a body is cut in two: everywhere, if it is short."""
    if len(body) <= 2 * EDGE:
        return list(range(len(body) + 1))
    between = range(EDGE, len(body) - EDGE, max(1, len(body) // BETWEEN))
    return [*range(EDGE), *between, *range(len(body) - EDGE, len(body) + 1)]
