"""Who is hurt by a breach: clients that people use, as they fared on the reference server's faces.

`clients.json` was measured: `nox -s clients` runs the clients as `kitemesh-conformance client` does and writes it,
nobody else does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from conformance.transcript.excerpt import excerpt

FILE = Path(__file__).with_name("clients.json")
RAISES, WRONG, HANGS = "raises", "wrong", "hangs"
_SHOWN = 2
"""Faults of a requirement whose victims are told; the others are named."""


@dataclass(frozen=True, slots=True)
class ClientProgram:
    """A client in one of the ways in which it is used."""

    id: str
    package: str
    registry: str
    version: str
    way: str


@dataclass(frozen=True, slots=True)
class Harm:
    """How a client fared where it did not get what it ought to."""

    client: ClientProgram
    scenario: str
    outcome: str
    """`raises`, `hangs`, or `wrong`: something else than was sent is taken for the answer, and nobody is told."""
    what: str
    """In a few words, of the client or the server, unescaped; empty where it hangs."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that every client was driven against in every scenario."""

    id: str
    requirement: str
    """What it breaks; empty for one that breaks nothing."""
    harms: tuple[Harm, ...]


@dataclass(frozen=True, slots=True)
class Shortcoming:
    """A requirement on clients that a client breaks, in any of the ways in which it is used."""

    package: str
    registry: str
    version: str
    requirement: str
    what: str
    """The first finding, and what was observed."""
    faces: tuple[str, ...]
    """Those on which it shows."""


@dataclass(frozen=True, slots=True)
class Measured:
    """All that was measured."""

    clients: tuple[ClientProgram, ...]
    scenarios: tuple[str, ...]
    conforming: tuple[Harm, ...]
    """By the conforming server: none, or the measurement is worth nothing."""
    faults: Mapping[str, Server] = field(default_factory=dict)
    """By the fault's id."""
    variations: Mapping[str, Server] = field(default_factory=dict)
    """By the variation's id."""
    troubles: Mapping[str, Server] = field(default_factory=dict)
    """By the trouble's id; who tells the user of it behaves."""
    shortcomings: tuple[Shortcoming, ...] = ()
    """On variations and in trouble."""


@cache
def load() -> Measured:
    """What comes with the suite."""
    return loads(FILE.read_text(encoding="utf-8"))


def loads(text: str) -> Measured:
    """Read the data file.

    Raises:
        ValueError, KeyError, TypeError: it is none.
    """
    document = json.loads(text)
    clients = {one["id"]: ClientProgram(**one) for one in document["clients"]}

    def harms(of_server: Mapping[str, Any]) -> tuple[Harm, ...]:
        return tuple(
            Harm(clients[client], scenario, *told)
            for client, scenarios in of_server.items()
            for scenario, told in scenarios.items()
        )

    return Measured(
        tuple(clients.values()),
        tuple(document["scenarios"]),
        harms(document["conforming"]),
        {id_: Server(id_, one["requirement"], harms(one["harms"])) for id_, one in document["faults"].items()},
        {id_: Server(id_, "", harms(one["harms"])) for id_, one in document["variations"].items()},
        {id_: Server(id_, "", harms(one["harms"])) for id_, one in document["troubles"].items()},
        tuple(Shortcoming(**{**one, "faces": tuple(one["faces"])}) for one in document["shortcomings"]),
    )


def dumps(measured: Measured) -> str:
    """The text of the data file."""

    def harms(found: Sequence[Harm]) -> dict[str, dict[str, list[str]]]:
        by_client: dict[str, dict[str, list[str]]] = {}
        for one in found:
            by_client.setdefault(one.client.id, {})[one.scenario] = [one.outcome, one.what]
        return by_client

    document = {
        "format": 1,
        "clients": [{name: getattr(one, name) for name in ClientProgram.__slots__} for one in measured.clients],
        "scenarios": list(measured.scenarios),
        "conforming": harms(measured.conforming),
        "faults": {
            one.id: {"requirement": one.requirement, "harms": harms(one.harms)} for one in measured.faults.values()
        },
        "variations": {one.id: {"harms": harms(one.harms)} for one in measured.variations.values()},
        "troubles": {one.id: {"harms": harms(one.harms)} for one in measured.troubles.values()},
        "shortcomings": [asdict(one) for one in measured.shortcomings],
    }
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def told(requirement: str, measured: Measured | None = None) -> list[tuple[str, list[str]]]:
    """Who is hurt by a breach of a requirement: paragraphs, each a heading and its lines; empty where none was tried.

    `measured`: what to tell of, by default what comes with the suite.
    """
    measured = load() if measured is None else measured
    tried = [fault for fault in measured.faults.values() if fault.requirement == requirement]
    hurting = sorted((fault for fault in tried if fault.harms), key=lambda fault: len(fault.harms), reverse=True)
    paragraphs = [(fault.id, list(_lines(fault.harms))) for fault in hurting[:_SHOWN]]
    if more := [fault.id for fault in hurting[_SHOWN:]]:
        paragraphs.append(("others that hurt somebody", [", ".join(more)]))
    if harmless := [fault.id for fault in tried if not fault.harms]:
        packages = dict.fromkeys(f"{c.package} {c.version} ({c.registry})" for c in measured.clients)
        paragraphs.append((", ".join(harmless), [f"none of these: {', '.join(packages)}"]))
    return paragraphs


def _lines(harms: Sequence[Harm]) -> Iterator[str]:
    """One line a package and a kind of harm."""

    def key(harm: Harm) -> tuple[str, ...]:
        client = harm.client
        return client.package, client.registry, client.version, harm.outcome, harm.what

    for (package, registry, version, outcome, what), same in groupby(sorted(harms, key=key), key):
        ways = ", ".join(dict.fromkeys(harm.client.way for harm in same))
        yield f"{package} {version} ({registry}) {ways}: {said(outcome, what)}"


def said(outcome: str, what: str) -> str:
    """An outcome in words, escaped."""
    words = {RAISES: "raises {}", WRONG: "silently wrong: {}", HANGS: "hangs"}
    return words[outcome].format(excerpt(what))
