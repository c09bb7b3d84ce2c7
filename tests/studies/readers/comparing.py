"""Where readers differ from the standard: each stream, whole and cut, through each reader."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .cases import CASES, Case, places
from .readers import IN_PYTHON, OURS, Outcome, Pieces, Told, outcome, version_of

SHOWN = 32
"""Characters of a value in the table."""
STEP = 1000
"""Octets of a piece of a long stream; a short one is cut into single octets."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How a reader differs from the standard in one stream."""

    whole: str
    """Fed in one piece; empty: it agrees."""
    cut: str
    """In the first way of cutting that brings about something else than the whole does; empty: there is none."""
    ways: int
    """Ways of cutting in which it differs from the standard."""
    of: int
    """Ways of cutting that were tried."""


@dataclass(frozen=True, slots=True)
class Account:
    """One reader, held against the standard."""

    name: str
    version: str
    registry: str
    """Where it is installed from; empty for the suite's own."""
    differences: Mapping[str, Difference] = field(default_factory=dict)
    """By the name of the stream."""


def ways(body: bytes) -> list[Pieces]:
    """Ways of cutting a stream: not at all, in two at each place, into short pieces."""
    step = 1 if len(body) < STEP else STEP
    short = [body[at : at + step] for at in range(0, len(body), step)]
    return [[body], *([body[:place], body[place:]] for place in places(body)), short]


def standard(case: Case) -> Outcome:
    """What a user is told by a reader that follows the standard."""
    return Outcome(
        tuple(Told(e["data"], e.get("name") or "message", e["last_id"], e["reconnection"]) for e in case.events)
    )


def difference(case: Case, outcomes: Sequence[Outcome]) -> Difference | None:
    """Held against the standard; None where the reader agrees in every way. The first outcome is of the whole."""
    wanted = standard(case)
    whole, cuts = outcomes[0], outcomes[1:]
    differing = [seen for seen in cuts if seen != wanted]
    if whole == wanted and not differing:
        return None
    other = next((seen for seen in cuts if seen != whole), None)
    cut = "" if other is None else _told(wanted, other) or "as the standard says"
    return Difference(_told(wanted, whole), cut, len(differing), len(cuts))


def _told(wanted: Outcome, seen: Outcome) -> str:
    """The difference in a few words; empty where there is none."""
    behind = ""
    if len(seen.told) != len(wanted.told):
        behind = f"{_events(len(seen.told))} instead of {len(wanted.told)}"
    if seen.error:
        return f"raises {_short(seen.error, 80)}" + (f"; {behind}" if behind else "")
    for number, (want, got) in enumerate(zip(wanted.told, seen.told, strict=False)):
        for what, a, b in zip(("data", "type", "last id", "retry"), want, got, strict=True):
            if a != b:
                first = f"{what} {_literal(b)} instead of {_literal(a)}" + (f" (event {number})" if number else "")
                return f"{behind}; {first}" if behind else first
    return behind


def _events(count: int) -> str:
    return f"{count} event" + ("" if count == 1 else "s")


def _literal(value: object) -> str:
    return _short(ascii(value) if isinstance(value, str) else str(value), SHOWN)


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def in_python(cases: Sequence[Case] = CASES) -> list[Account]:
    """Every reader in Python."""
    cut = {case.name: ways(case.body) for case in cases}
    accounts = []
    for name, read in IN_PYTHON.items():
        found = {case.name: difference(case, [outcome(read(way)) for way in cut[case.name]]) for case in cases}
        accounts.append(account(name, version_of(name), "" if name == OURS else "PyPI", found))
    return accounts


def account(name: str, version: str, registry: str, found: Mapping[str, Difference | None]) -> Account:
    """The account of one reader, without the streams in which it agrees."""
    return Account(name, version, registry, {case: one for case, one in found.items() if one is not None})


# --- the report


def as_json(accounts: Sequence[Account], cases: Sequence[Case] = CASES) -> str:
    """The data file."""
    document: dict[str, Any] = {
        "format": 1,
        "streams": len(cases),
        "readings": sum(len(ways(case.body)) for case in cases),
        "readers": [
            {
                "name": account.name,
                "version": account.version,
                "registry": account.registry,
                "differences": {
                    name: {"whole": d.whole, "cut": d.cut, "ways": d.ways, "of": d.of}
                    for name, d in account.differences.items()
                },
            }
            for account in accounts
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def from_json(text: str) -> list[Account]:
    """The accounts in a data file.

    Raises:
        ValueError, KeyError, TypeError: it is none.
    """
    return [
        Account(
            one["name"],
            one["version"],
            one["registry"],
            {name: Difference(**found) for name, found in one["differences"].items()},
        )
        for one in json.loads(text)["readers"]
    ]


def as_markdown(accounts: Sequence[Account], cases: Sequence[Case] = CASES) -> str:
    """The page."""
    readings = sum(len(ways(case.body)) for case in cases)
    lines = [
        "# Readers of event streams, held against the standard",
        "",
        f"The {len(cases)} streams of [fixtures/sse](../fixtures/sse/README.md) against WHATWG HTML 9.2: each whole,",
        f"cut in two at each place, and octet by octet (long ones at some places only), {readings} readings a reader.",
        "Written by `nox -s readers`, as [readers.json](readers.json) is.",
        "",
        "Compared is what a user is told of each event: data, type, last event ID, reconnection time. Where a reader",
        "tells the id and the retry of an event's own block only, they are carried on for it. A difference is no",
        "verdict: what no server of its kind sends, a client may do without.",
        "",
        "| reader | version | streams read as the standard says | read otherwise | of them only when cut |",
        "| --- | --- | --- | --- | --- |",
    ]
    for one in accounts:
        only_cut = sum(not d.whole for d in one.differences.values())
        total = len(one.differences)
        lines.append(f"| {one.name} | {one.version} | {len(cases) - total} | {total} | {only_cut} |")
    others = [one for one in accounts if one.name != OURS or one.differences]
    lines += [
        "",
        f"| stream | rule | {' | '.join(one.name for one in others)} |",
        "| --- | --- |" + " --- |" * len(others),
    ]
    for case in cases:
        if any(case.name in one.differences for one in others):
            cells = [_cell(one.differences.get(case.name)) for one in others]
            lines.append(f"| {case.name} | {_plain(case.why)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(found: Difference | None) -> str:
    if found is None:
        return ""
    if not found.whole:
        return _plain(f"cut ({found.ways} of {found.of} ways): {found.cut}")
    return _plain(found.whole + (f"; cut otherwise: {found.cut}" if found.cut else ""))


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    for special in "\\`*_|<[]~&":
        text = text.replace(special, f"\\{special}")
    return text
