"""What a recording holds, and what of it was left out: told in every report, kept in the transcript's options.

An entry is left out where it says nothing of the server, or nothing that can be laid to it: somebody else's host, a
client that left, a body that the recorder cut. `LeftOut` is raised while an entry is read, `Account` counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

RECORDING = "recording"
"""The option of a transcript that holds an account."""
SHOWN = 5
"""Entries that are named for one reason."""
_HOSTS = 50
"""Hosts that are told apart."""
_LONGEST = 160
"""Characters of a detail."""


class Why(StrEnum):
    """Why an entry is left out; what follows a number in a sentence."""

    UNREADABLE = "unreadable"
    NO_ANSWER = "without an answer"
    CLIENT_LEFT = "broken off by the client"
    BLOCKED = "blocked by the browser"
    BROKEN_OFF = "broken off, which is not laid to the server"
    SHORTENED = "cut by the recorder"
    TWICE = "recorded twice"
    REDIRECT = "redirected or not modified"
    PREFLIGHT = "asked by a browser beforehand (OPTIONS)"
    HEAD = "asked with HEAD"
    OTHER_MODEL = "for other models"
    OTHER_TARGET = "to other targets"


class LeftOut(Exception):
    """An entry is not judged."""

    def __init__(self, why: Why, detail: str = "") -> None:
        super().__init__(why, detail)
        self.why = why
        self.detail = detail


def check_method(method: str) -> None:
    """Raise LeftOut for a request of a method that does not ask the API."""
    if method in ("OPTIONS", "HEAD"):
        raise LeftOut(Why.PREFLIGHT if method == "OPTIONS" else Why.HEAD)


def check_status(status: int | None) -> None:
    """Raise LeftOut for an answer that sends the client elsewhere."""
    if status is not None and 300 <= status < 400:
        raise LeftOut(Why.REDIRECT, f"status {status}")


class Account:
    """Counts what is left out of a recording."""

    def __init__(self) -> None:
        self.entries = 0
        self.elsewhere: Counter[str] = Counter()
        """Host (with port) to its entries that go to no documented endpoint."""
        self._counts: Counter[Why] = Counter()
        self._told: dict[Why, list[str]] = {}

    def leave_out(self, name: str, left: LeftOut) -> None:
        """Count an entry by its name (`entry-7`)."""
        self._counts[left.why] += 1
        told = self._told.setdefault(left.why, [])
        if len(told) < SHOWN:
            detail = " ".join(left.detail.split())[:_LONGEST]
            told.append(f"{name}: {detail}" if detail else name)

    def passed_by(self, host: str) -> None:
        """Count an entry that asks for something else than the API."""
        if host in self.elsewhere or len(self.elsewhere) < _HOSTS:
            self.elsewhere[host] += 1
        else:
            self.elsewhere["…"] += 1

    def recorded(self) -> dict[str, Any]:
        """The account as JSON values."""
        left = {str(why): {"count": count, "told": self._told[why]} for why, count in self._counts.items()}
        return {"entries": self.entries, "left_out": left, "elsewhere": dict(self.elsewhere)}


def added(recorded: Mapping[str, Any], why: Why, count: int, **more: Any) -> dict[str, Any]:
    """An account of which more is left out, and what else is told of it."""
    left = dict(recorded.get("left_out", {}))
    if count:
        left[str(why)] = {"count": count, "told": []}
    return {**recorded, **more, "left_out": left}


def sentence(recorded: Mapping[str, Any], judged: int) -> str:
    """What a recording holds, without a stop: "53 entries: 3 judged, 48 of other hosts, 1 without an answer (…)".

    Args:
        recorded: an account, of a transcript that somebody may have edited.
        judged: how many exchanges are left.
    """
    entries = recorded.get("entries")
    host = recorded.get("host")
    parts = [f"{judged} judged"] if judged else []
    elsewhere = recorded.get("elsewhere")
    beside = {k: v for k, v in elsewhere.items() if isinstance(v, int)} if isinstance(elsewhere, dict) else {}
    same = beside.get(host, 0) if isinstance(host, str) else sum(beside.values())
    if others := sum(beside.values()) - same:
        parts.append(f"{others} of other hosts")
    if same:
        parts.append(f"{same} to other addresses")
    left = recorded.get("left_out")
    for why, entry in left.items() if isinstance(left, dict) else ():
        if isinstance(entry, dict) and isinstance(entry.get("count"), int):
            told = [str(one) for one in entry.get("told") or ()]
            more = ", …" if len(told) < entry["count"] and told else ""
            parts.append(f"{entry['count']} {why}" + (f" ({'; '.join(told)}{more})" if told else ""))
    noun = "entry" if entries == 1 else "entries"
    return f"{entries} {noun}: {', '.join(parts)}"
