"""The baseline: a TOML file of a team's known failures, each with its reason.

    [[known]]
    requirement = "stream.done"
    finding = "accept-stream @ event"     # optional: this finding only (`key` in results.json)
    reason = "Fixed in 4.2, see TICKET-17"
    owner = "chat team"                   # optional
    expires = 2026-12-31                  # optional: the last day on which it excuses
    intermittent = true                   # optional: it comes and goes, so it is never called stale

`load` refuses what is wrong in one sentence that names the place; `dumps` writes a file that `load` reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from conformance.contract.catalogue import Catalogue, UnknownRequirement
from conformance.judging.key import LONGEST
from conformance.settings import files

LARGEST = 2**20
"""Octets of a file."""
TODO = "TODO: say why"
"""The reason that is written where nobody has given one yet."""

_TEXTS = ("requirement", "finding", "reason", "owner")
_MEMBERS = frozenset({*_TEXTS, "expires", "intermittent"})


class BaselineError(ValueError):
    """The file is not what it should be. The message is one sentence that says where and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One failure that is known."""

    requirement: str
    reason: str
    finding: str | None = None
    """Key of one finding; None: whatever breaks the requirement."""
    owner: str | None = None
    expires: date | None = None
    """The last day on which it excuses, in UTC."""
    intermittent: bool = False
    """True: it comes and goes, so it is not stale where it does not show."""

    @property
    def named(self) -> str:
        """What it is on, for a sentence."""
        return f"{self.requirement} ({self.finding})" if self.finding else self.requirement

    def expired(self, today: date) -> bool:
        """True where its last day is over."""
        return self.expires is not None and self.expires < today


@dataclass(frozen=True, slots=True)
class Baseline:
    """All known failures, in the order of the file."""

    path: str
    """As it was given."""
    entries: tuple[Entry, ...]


def load(path: Path, catalogue: Catalogue) -> Baseline:
    """The baseline from a file.

    Raises:
        BaselineError: it cannot be read, is not TOML, or an entry is not well-formed or names what does not exist.
    """
    told = f"The baseline {str(path)!r}"
    try:
        document = files.toml(files.read(path, LARGEST))
    except files.TooLarge as error:
        raise BaselineError(f"{told} {error}; name whole requirements instead.") from None
    except files.Unreadable as error:
        raise BaselineError(f"{told} {error}; check --baseline.") from None
    except files.Unusable as error:
        raise BaselineError(f"{told} {error}.") from None
    if odd := [name for name in document if name != "known"]:
        raise BaselineError(f"{told} has the unknown member {odd[0]!r}; entries go below [[known]].")
    rows = document.get("known", [])
    if not isinstance(rows, list):
        raise BaselineError(f"{told} must hold its entries below [[known]], with both brackets.")
    entries = tuple(_entry(row, catalogue, f"Entry {number} of the baseline") for number, row in enumerate(rows, 1))
    seen: set[tuple[str, str | None]] = set()
    for number, entry in enumerate(entries, 1):
        if (entry.requirement, entry.finding) in seen:
            raise BaselineError(f"Entry {number} of the baseline says the same as an earlier one; remove one of them.")
        seen.add((entry.requirement, entry.finding))
    return Baseline(str(path), entries)


def _entry(row: Any, catalogue: Catalogue, place: str) -> Entry:
    if not isinstance(row, dict):
        raise BaselineError(f"{place} is not a table; write [[known]] above it.")
    if odd := [name for name in row if name not in _MEMBERS]:
        raise BaselineError(f"{place} has the unknown member {odd[0]!r}; it may have {', '.join(sorted(_MEMBERS))}.")
    for name in _TEXTS:
        if name in row and (not isinstance(row[name], str) or not row[name].strip()):
            raise BaselineError(f"{place} must have some text as {name!r}.")
    for name in ("requirement", "reason"):
        if name not in row:
            raise BaselineError(f"{place} lacks {name!r}; add it.")
    if not isinstance(row.get("intermittent", False), bool):
        raise BaselineError(f"{place} must have true or false as 'intermittent'.")
    try:
        catalogue[row["requirement"]]
    except UnknownRequirement as error:
        raise BaselineError(f"{place} cannot be used: {error}.") from None
    return Entry(
        requirement=row["requirement"],
        reason=row["reason"].strip(),
        finding=row["finding"].strip()[:LONGEST] if "finding" in row else None,
        owner=row["owner"].strip() if "owner" in row else None,
        expires=_date(row["expires"], place) if "expires" in row else None,
        intermittent=row.get("intermittent", False),
    )


def _date(value: Any, place: str) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise BaselineError(f"{place} must have a day as 'expires', such as 2026-12-31.")


_HEAD = """\
# Failures that are known: they do not fail the gate (kitemesh-conformance run --baseline THIS-FILE). Say for each why
# it is accepted; owner = "…" and expires = 2026-12-31 (the last day) are optional. An entry that no longer fails has to
# be removed. `finding` narrows an entry to one finding: its `key` in results.json.
"""


def dumps(entries: Iterable[Entry]) -> str:
    """The text of a baseline."""
    return "\n".join([_HEAD, *("\n".join(_table(entry)) + "\n" for entry in entries)])


def _table(entry: Entry) -> Iterator[str]:
    yield "[[known]]"
    for name in _TEXTS:
        if (value := getattr(entry, name)) is not None:
            yield f"{name} = {_string(value)}"
    if entry.expires:
        yield f"expires = {entry.expires.isoformat()}"
    if entry.intermittent:
        yield "intermittent = true"


def _string(text: str) -> str:
    """A basic string of TOML, which JSON's are, but for DEL and the pairs of surrogates that JSON may write."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def refreshed(old: Sequence[Entry], present: Sequence[Entry], stale: Sequence[Entry]) -> list[Entry]:
    """The entries of a refreshed file: the old ones without the stale ones, then the new ones.

    Args:
        old: the file's entries.
        present: entries for what fails now and no entry of the file names.
        stale: those of the old ones that no longer fail.
    """
    return [*(entry for entry in old if entry not in stale), *present]
