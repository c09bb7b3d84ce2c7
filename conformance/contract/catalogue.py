"""The catalogue: every requirement as plain data, read from `requirements.toml` and held to be well-formed.

One registry serves the checks, the pytest items, the reports and the command line, so that an id means the same thing
everywhere. Whatever is wrong with the file is said when it is read, in one sentence, before anything is sent.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

_SOURCES: dict[str, str] = {
    "S": "KiteMesh endpoint page for POST /v1/chat/completions (French): the primary source",
    "C": 'KiteMesh public documentation, page "Conventions"',
    "A": 'KiteMesh public documentation, page "Authentication"',
    "R": 'KiteMesh public documentation, page "POST /v1/chat/resume"',
    "O": 'KiteMesh public documentation, page "Shared Objects"',
    "E": 'KiteMesh public documentation, page "Examples"',
    "W": "WHATWG HTML, section 9.2 Server-sent events",
    "H": "RFC 9110 (HTTP semantics), RFC 6750 (bearer tokens), RFC 8259 (JSON), RFC 3339 (timestamps)",
    "P": "Good practice for a server that takes input from strangers",
}
SOURCES: Mapping[str, str] = MappingProxyType(_SOURCES)
"""Source key to what it stands for; an extension's is its area."""

CAPABILITIES: Mapping[str, str] = MappingProxyType(
    {
        "approvals": "a prompt that makes the target wait for the approval of tools",
        "second-token": "a token of a second caller",
        "wait-expiry": "permission to wait until an approval expires",
        "faces": "a command that is run against each face of the server (`client`)",
    }
)
"""What a target may lack, or a user may withhold: capability to what it takes."""

_OF_THE_CONTRACT = ("id", "level", "statement", "sources", "whim", "conditional", "capability")
"""What the contract itself says of a requirement."""
_OWN_FORMATS = frozenset({"config.schema.json", "results.schema.json", "soak.schema.json"})
"""Schemas of what the suite itself writes or reads: no target is judged by them."""
_FILE = Path(__file__).with_name("requirements.toml")
_WORDS_OF_ID = r"\.[a-z0-9]+(?:-[a-z0-9]+)*"
_ID = re.compile(rf"(?P<area>[a-z]+){_WORDS_OF_ID}")
_EXTENSION = "x-"
_EXTENSION_ID = re.compile(rf"(?P<area>{_EXTENSION}[a-z][a-z0-9]*){_WORDS_OF_ID}")
"""Of requirements from outside: no area of the contract has a dash, so that neither can ever take a name of the other.
"""
_REQUIRED: Mapping[str, type] = {"id": str, "level": str, "statement": str, "sources": list, "why": str, "fix": str}
_OPTIONAL: Mapping[str, type] = {
    "whim": bool, "conditional": bool, "capability": str, "quick": bool, "executes": bool, "concurrent": bool,
    "under_load": str, "costly": bool, "basic": bool, "absorbed_by": list, "precedence": int, "bars": str,
    "shown_by": str, "not_found": bool, "common": bool, "without_approval": bool, "rare": str, "example_octets": int,
}  # fmt: skip
_TABLES: Mapping[str, type] = {"contract": dict, "area": list, "requirement": list}
_WORDS = {str: "a string", list: "an array", bool: "a boolean", int: "a whole number", dict: "a table"}


class CatalogueError(ValueError):
    """The catalogue's file is not well-formed. The message is one sentence that names the place."""


class UnknownRequirement(ValueError):
    """An id or pattern that matches no requirement. The message is one sentence that suggests the nearest ids."""


class Level(StrEnum):
    """How binding a requirement is (contract, "Levels"). A MAY is never judged, so the catalogue has none."""

    MUST = "MUST"
    SHOULD = "SHOULD"


class Side(StrEnum):
    """Whom the requirements of an area speak of: a verdict is on one of the two."""

    SERVER = "server"
    CLIENT = "client"


class UnderLoad(StrEnum):
    """What a soak makes of a requirement that one answer could show."""

    JUDGED = "judged"
    REQUIRED = "required"
    """A soak with two users or more has to have judged it, or it says nothing."""
    TIMES = "times"
    """It speaks of times, which a loaded server may stretch: not judged."""


class Bars(StrEnum):
    """What a breach of a requirement keeps everybody from."""

    ANSWER = "answer"
    """Reading the answer at all."""
    APPROVAL = "approval"
    """Deciding on the approval."""


class Exchanges(StrEnum):
    """Exchanges that a requirement is shown by, where its area does not tell."""

    STREAMS = "streams"
    REFUSALS = "refusals"
    """A 401 too."""
    REFUSED_STREAMS = "refused streams"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that a server, or a client, must or should do."""

    id: str
    """`area.words-with-dashes`; stable across versions."""
    area: str
    level: Level
    statement: str
    """A full sentence about the server or the client."""
    sources: tuple[str, ...]
    """Keys of `SOURCES`."""
    whim: bool
    """True: a model's whim can break it, so it fails only where two of up to three tries show the breach."""
    capability: str | None
    """Key of `CAPABILITIES` that judging it takes; None: every target can be judged."""
    why: str
    """Why it matters and who gets hurt, in one or two sentences."""
    fix: str
    """What the author of the server, or of the client, should do, in one sentence."""
    conditional: bool = False
    """True where it speaks of something that a sound target need never do: unexercised, it leaves nothing open."""
    quick: bool = True
    """False: `--depth quick` does not exercise it."""
    executes: bool = False
    """True: judging it executes a tool."""
    concurrent: bool = False
    """True: it shows only while several requests are under way."""
    under_load: UnderLoad | None = None
    """None: a soak does not send what shows it, or cannot tell it from a model's whim."""
    costly: bool = False
    """True: its check loads a large library, and no other requirement's outcome rests on it."""
    basic: bool = False
    """True: its area stands for it, and its like, where `absorbed_by` names the area in the file."""
    absorbed_by: tuple[str, ...] = ()
    """The requirements whose failure absorbs its findings."""
    precedence: int | None = None
    """Of several that one body breaks, the one with the lowest number is blamed; None: it speaks of no such body."""
    bars: Bars | None = None
    """What its breach keeps everybody from."""
    shown_by: Exchanges | None = None
    """Which exchanges show it, where its area does not tell."""
    not_found: bool = False
    """True: 404 refuses what breaks it."""
    common: bool = False
    """True: it holds for every server that is compatible with OpenAI's API, not for KiteMesh's alone."""
    without_approval: bool = False
    """True: it takes the capability `approvals`, and yet no approval need come for it."""
    rare: str = ""
    """What did not come about where a whole run does not show it; empty: it ought to have shown."""
    example_octets: int | None = None
    """How large one side of its example may be; None: as large as is usual."""
    side: Side = Side.SERVER
    """Whom it speaks of."""

    @property
    def extension(self) -> bool:
        """True where somebody else than KiteMesh asks for it (`x-acme.region-header`)."""
        return from_outside(self.id)


_CHOICES: Mapping[str, Iterable[str]] = {
    "capability": CAPABILITIES,
    "under_load": UnderLoad,
    "bars": Bars,
    "shown_by": Exchanges,
}
"""Member to the words that it may have."""


class Catalogue:
    """The requirements in the file's order, which is the order of every report; those of extensions stand last."""

    def __init__(
        self, requirements: Iterable[Requirement], areas: Mapping[str, str], version: str, mending: Sequence[str] = ()
    ) -> None:
        """Take requirements with distinct ids, the areas (id to title, in order) and the contract's version.

        `mending`: areas in the order in which their faults are best mended; the others come after them.
        """
        self._by_id = {requirement.id: requirement for requirement in requirements}
        self._areas = dict(areas)
        self.areas: Mapping[str, str] = MappingProxyType(self._areas)
        """Area id to its title, in order."""
        self.version = version
        self._mending = tuple(mending)

    def __iter__(self) -> Iterator[Requirement]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._by_id

    def __getitem__(self, id_: str) -> Requirement:
        """The requirement with this id; raises `UnknownRequirement` where there is none."""
        if id_ not in self._by_id:
            raise self._unknown(id_)
        return self._by_id[id_]

    def of(self, side: Side) -> Catalogue:
        """The requirements that speak of one side, with their areas."""
        chosen = [requirement for requirement in self if requirement.side is side]
        areas = {requirement.area: self._areas[requirement.area] for requirement in chosen}
        return Catalogue(chosen, areas, self.version, self._mending)

    def select(self, patterns: Iterable[str]) -> list[Requirement]:
        """The requirements that any of the patterns names, each once, in the catalogue's order.

        Args:
            patterns: ids (`stream.done`), areas (`stream`) or globs over ids (`stream.*`).

        Raises:
            UnknownRequirement: a pattern names none, so that a slip of the pen never narrows a run to nothing.
        """
        wanted: set[str] = set()
        for pattern in patterns:
            named = {r.id for r in self if pattern in (r.id, r.area) or fnmatchcase(r.id, pattern)}
            if not named:
                raise self._unknown(pattern)
            wanted |= named
        return [requirement for requirement in self if requirement.id in wanted]

    def in_order_of_mending(self, area: str) -> int:
        """The place of an area in the order in which faults are best mended; what nothing rests on is last."""
        return self._mending.index(area) if area in self._mending else len(self._mending)

    def basic(self, area: str) -> tuple[str, ...]:
        """The ids that an area stands for where its requirements are spoken of in general."""
        return tuple(requirement.id for requirement in self if requirement.area == area and requirement.basic)

    def extend(self, area: str, title: str, source: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take in an area of requirements from outside. Only `conformance.running.extending` calls this.

        Args:
            area: `x-acme`.
            title: what the area is about.
            source: where its requirements are documented.
            rows: as the tables of the file, but for `sources`.

        Raises:
            CatalogueError: a row breaks one of the rules that hold for the file's, or the area is there already.
        """
        if area in self._areas:
            raise CatalogueError(f"the area {area} is declared twice")
        for name, text in (("title", title), ("source", source)):
            if not isinstance(text, str) or not text.strip():
                raise CatalogueError(f"{area} has an empty {name!r}")
        _SOURCES[area] = source  # it stays: a report may be written when the extension is gone
        made: dict[str, Requirement] = {}
        for row in rows:
            requirement = _requirement({**row, "sources": [area]}, {area: Side.SERVER}, area, _EXTENSION_ID)
            if requirement.id in made:
                raise CatalogueError(f"{requirement.id} is in the extension twice")
            made[requirement.id] = requirement
        if not made:
            raise CatalogueError(f"no requirement belongs to the area {area}")
        self._by_id = _with_edges(self._by_id | made)
        self._areas[area] = title

    def drop(self, area: str) -> None:
        """Forget an area that `extend` took in."""
        del self._areas[area]
        self._by_id = {id_: requirement for id_, requirement in self._by_id.items() if requirement.area != area}

    def _unknown(self, pattern: str) -> UnknownRequirement:
        near = difflib.get_close_matches(pattern, [*self._by_id, *self.areas], n=3, cutoff=0.5)
        hint = f"did you mean {_either(near)}" if near else f"the areas are {', '.join(self.areas)}"
        return UnknownRequirement(f"no requirement is called {pattern!r}: {hint}")


def from_outside(id_: str) -> bool:
    """True for the id of a requirement that an extension has, whether it is here or not."""
    return id_.startswith(_EXTENSION)


def load(path: Path | None = None) -> Catalogue:
    """The catalogue from a file; without one, from the package's own, which is read once.

    Raises:
        CatalogueError: the file is not TOML, or breaks one of the rules of this module.
        OSError: the file cannot be read.
    """
    return _default() if path is None else _read(path)


def contract_hash() -> str:
    """SHA-256, in hex, of what the suite judges by: the requirements and the JSON Schemas of what travels.

    Results bear it, so that two runs are compared only where they were held to the same contract. Of a requirement only
    what the contract says of it counts: how it is judged, and what a reader is told, may get better. Line ends do not
    count, as a checkout may change them.
    """
    from conformance.contract.schemas import schema_dir  # not at import: it brings jsonschema with it

    digest = hashlib.sha256()
    judged_by = (path for path in schema_dir().glob("*.schema.json") if path.name not in _OWN_FORMATS)
    catalogue = load()
    said = [[getattr(r, name) for name in _OF_THE_CONTRACT] for r in catalogue if not r.extension]
    texts = {_FILE.name: json.dumps([catalogue.version, said])}
    texts |= {path.name: path.read_text(encoding="utf-8") for path in sorted(judged_by)}
    for name, text in texts.items():
        octets = text.encode()
        digest.update(f"{name} {len(octets)}\n".encode())
        digest.update(octets)
    return digest.hexdigest()


@cache
def _default() -> Catalogue:
    return _read(_FILE)


def _read(path: Path) -> Catalogue:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path.name} is not TOML: {error}") from error
    _hold_members(document, _TABLES, {}, path.name)
    _hold_members(document["contract"], {"version": str}, {"mending": list}, "[contract]")
    areas, sides = _areas(document["area"])
    if foreign := set(map(str, document["contract"].get("mending", ()))) - areas.keys():
        raise CatalogueError(f"mending names {_either(sorted(foreign))}, which is not an area")
    requirements: dict[str, Requirement] = {}
    for number, row in enumerate(document["requirement"], start=1):
        requirement = _requirement(row, sides, f"[[requirement]] number {number}")
        if requirement.id in requirements:
            raise CatalogueError(f"{requirement.id} is in the catalogue twice")
        requirements[requirement.id] = requirement
    if empty := areas.keys() - {requirement.area for requirement in requirements.values()}:
        raise CatalogueError(f"no requirement belongs to the area {_either(sorted(empty))}")
    return Catalogue(_with_edges(requirements).values(), areas, **document["contract"])


def _areas(rows: Sequence[Any]) -> tuple[dict[str, str], dict[str, Side]]:
    """The areas' titles, and whom they speak of."""
    areas: dict[str, str] = {}
    sides: dict[str, Side] = {}
    for number, row in enumerate(rows, start=1):
        _hold_members(row, {"id": str, "title": str}, {"side": str}, f"[[area]] number {number}")
        if row["id"] in areas:
            raise CatalogueError(f"the area {row['id']} is declared twice")
        side = row.get("side", Side.SERVER)
        if side not in list(Side):
            raise CatalogueError(f"the area {row['id']} names the side {side!r}: it must be {_either(list(Side))}")
        areas[row["id"]] = row["title"]
        sides[row["id"]] = Side(side)
    return areas, sides


def _requirement(row: Any, areas: Mapping[str, Side], place: str, form: re.Pattern[str] = _ID) -> Requirement:
    id_ = row.get("id") if isinstance(row, dict) else None
    matched = form.fullmatch(id_) if isinstance(id_, str) else None
    place = str(id_) if matched else place
    _hold_members(row, _REQUIRED, _OPTIONAL, place)
    if not matched:
        raise CatalogueError(f"{place} has the id {id_!r}: it must read area.words-with-dashes")
    if matched["area"] not in areas:
        raise CatalogueError(f"{place} names the area {matched['area']}, which is not declared")
    if row["level"] not in Level.__members__:
        raise CatalogueError(f"{place} has the level {row['level']!r}: it must be {_either(list(Level))}")
    sources = row["sources"]
    if not sources or len(set(map(str, sources))) < len(sources):
        raise CatalogueError(f"{place} must name at least one source, and each once")
    for source in sources:
        if source not in SOURCES:
            raise CatalogueError(f"{place} names the source {source!r}: it must be {_either(list(SOURCES))}")
    for name, choice in (
        ("capability", CAPABILITIES),
        ("under_load", UnderLoad),
        ("bars", Bars),
        ("shown_by", Exchanges),
    ):
        if name in row and row[name] not in list(choice):
            raise CatalogueError(f"{place} names the {name} {row[name]!r}: it must be {_either(list(choice))}")
    plain = {"whim": False, "capability": None, **row}
    read = {
        "area": matched["area"],
        "side": areas[matched["area"]],
        "level": Level(row["level"]),
        "sources": tuple(sources),
        "absorbed_by": tuple(map(str, row.get("absorbed_by", ()))),
        "under_load": UnderLoad(row["under_load"]) if "under_load" in row else None,
        "bars": Bars(row["bars"]) if "bars" in row else None,
        "shown_by": Exchanges(row["shown_by"]) if "shown_by" in row else None,
    }
    return Requirement(**{**plain, **read})


def _with_edges(requirements: Mapping[str, Requirement]) -> dict[str, Requirement]:
    """The requirements, with the ids that areas stand for in `absorbed_by`; each may be absorbed by what is named.

    Raises:
        CatalogueError: what is named is neither a requirement nor an area that stands for some, or may not absorb.
    """
    basic: dict[str, list[str]] = {}
    ranks: dict[int, str] = {}
    for requirement in requirements.values():
        if requirement.basic:
            basic.setdefault(requirement.area, []).append(requirement.id)
        if requirement.precedence is not None and (other := ranks.setdefault(requirement.precedence, requirement.id)):
            if other != requirement.id:
                raise CatalogueError(f"{requirement.id} and {other} have the same precedence")
    made: dict[str, Requirement] = {}
    for id_, requirement in requirements.items():
        others = [other for named in requirement.absorbed_by for other in basic.get(named, [named])]
        for other in others:
            _hold_absorber(requirement, requirements.get(other), other)
        made[id_] = replace(requirement, absorbed_by=tuple(others))
    _hold_acyclic({id_: requirement.absorbed_by for id_, requirement in made.items()})
    return made


def _hold_absorber(requirement: Requirement, other: Requirement | None, named: str) -> None:
    """Raise `CatalogueError` unless a requirement may take over the findings of another."""
    if other is None:
        raise CatalogueError(f"{requirement.id} is absorbed by {named!r}, which is neither a requirement nor an area")
    if other.level is Level.SHOULD and requirement.level is Level.MUST:
        raise CatalogueError(
            f"{requirement.id} is absorbed by {other.id}: a breach of a MUST must not become a warning"
        )
    if other.costly:
        raise CatalogueError(f"{requirement.id} is absorbed by {other.id}, which is costly and often not judged")


def _hold_acyclic(edges: Mapping[str, Sequence[str]]) -> None:
    """Raise `CatalogueError` where a requirement absorbs itself, through others or at once."""

    def follow(id_: str, path: tuple[str, ...]) -> None:
        if id_ in path:
            raise CatalogueError(f"{' is absorbed by '.join([*path, id_])}: a circle")
        for other in edges[id_]:
            follow(other, (*path, id_))

    for id_ in edges:
        follow(id_, ())


def _hold_members(table: Any, required: Mapping[str, type], optional: Mapping[str, type], place: str) -> None:
    """Raise `CatalogueError` unless the table has these members, with these types, and no others."""
    if not isinstance(table, dict):
        raise CatalogueError(f"{place} must be a table")
    for name in sorted(required.keys() - table.keys()):
        raise CatalogueError(f"{place} lacks the member {name!r}")
    for name, value in table.items():
        type_ = required.get(name) or optional.get(name)
        if type_ is None:
            raise CatalogueError(f"{place} has the unknown member {name!r}")
        if not isinstance(value, type_) or (type_ is int and isinstance(value, bool)):
            raise CatalogueError(f"{place} must have {_WORDS[type_]} as {name!r}")
        if isinstance(value, str) and not value.strip():
            raise CatalogueError(f"{place} has an empty {name!r}")


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
