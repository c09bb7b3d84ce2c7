"""Examples of a requirement: exchanges that hold and exchanges that break it, cut out of real recordings.

An example is the fewest and smallest exchanges of a recording on which a requirement's check, alone, still says the
same: one for most requirements, several for those that compare. Both sides of a requirement stand in one HAR file,
told apart by how their names begin. `explain` shows them, and the suite's own tests judge them again.

What differs between two recordings without meaning anything (port, path of the server, the machine's address) is
replaced, and a file whose examples still say what they should is left as it is: writing again changes little.

Of a recording that `client` made, an example keeps the faces of its exchanges, and how the command ended there, where
the requirement speaks of that; and of a face the exchange that the finding names, which is the last one there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from conformance.checks import registry
from conformance.checks.check import Check
from conformance.contract.catalogue import Side, load
from conformance.contract.schemas import fixture_dir
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Judged
from conformance.transcript import har_reader, har_writer
from conformance.transcript.exchange import Exchange, Transcript
from conformance.transcript.har_nodes import HarError

HOLDS, BREAKS = "holds", "breaks"
LARGEST = 6 * 1024
"""Octets of one side, unless the catalogue gives it more."""
URL = "https://api.example.com/v1"
"""Stands for the server that was recorded."""
ELSEWHERE = "https://other.example.com"
"""Stands for the other origin of a redirect."""
TOO_LARGE: Mapping[str, str] = MappingProxyType({"robust.large-body": "its request has a body of 1 MiB"})
"""Requirement id to the reason why no example of it is kept."""

_KEPT = ("model", "modes", "suite", "seed", "same_output")
"""The options of a recording that checks look at, or that a reader needs to record it again."""
FACES = "faces"
"""The option that says on which faces a client was run, and how it ended there."""
_SIDE = "_example"
"""Which side of an example a face belongs to."""
_TRIED = 6
"""Exchanges with which the search begins."""

Shows = Callable[[Sequence[Exchange]], bool]


@dataclass(frozen=True, slots=True)
class Example:
    """Both sides of one requirement; None where there is none that is small enough."""

    requirement: str
    holds: Transcript | None
    breaks: Transcript | None


def items(requirement: str, transcript: Transcript) -> list[Item]:
    """What the check of a requirement says of a transcript, without any other check.

    Raises:
        KeyError: the requirement has no check.
    """
    return list(_check(requirement)(Evidence(transcript)))


def _check(requirement: str) -> Check:
    return registry.checks(load())[requirement]


def finding(requirement: str, transcript: Transcript) -> Finding | None:
    """The first breach that the check finds."""
    return next((item for item in items(requirement, transcript) if isinstance(item, Finding)), None)


def holds(requirement: str, transcript: Transcript) -> bool:
    """True where the check judges something in it and finds no breach."""
    said = items(requirement, transcript)
    return any(isinstance(item, Judged) for item in said) and not any(isinstance(item, Finding) for item in said)


# --- cutting out


def breaking(transcript: Transcript, requirement: str) -> Transcript | None:
    """The smallest part of a recording in which the check still finds a breach; None where it finds none."""
    known = {item.exchange for item in items(requirement, transcript) if isinstance(item, Finding)}

    def shows(part: Transcript) -> bool:
        found = finding(requirement, part)
        return found is not None and (FACES not in transcript.options or found.exchange in known)

    return _smallest(transcript, requirement, shows, ())


def holding(transcript: Transcript, requirement: str, like: Transcript | None = None) -> Transcript | None:
    """The smallest part of a recording that the check judges and finds in order; None where there is none.

    `like`: an example of a breach. Where the same requests hold in the recording, they are taken, so that the two can
    be laid side by side.
    """
    alike = {exchange.name for exchange in like} if like is not None else set()
    known = {item.exchange for item in items(requirement, transcript) if isinstance(item, Judged)}

    def shows(part: Transcript) -> bool:
        judged = {item.exchange for item in items(requirement, part) if isinstance(item, Judged)}
        return holds(requirement, part) and (FACES not in transcript.options or bool(judged & known))

    return _smallest(transcript, requirement, shows, alike)


def _smallest(
    transcript: Transcript, requirement: str, wanted: Callable[[Transcript], bool], first: Iterable[str]
) -> Transcript | None:
    def shows(part: Sequence[Exchange]) -> bool:
        return wanted(_part(transcript, part))

    if alike := [exchange for exchange in transcript if exchange.name in set(first)]:
        made = _plain(transcript, alike, wanted)
        if len(alike) == len(set(first)) and shows(alike) and wanted(made) and fits(requirement, made):
            return made
    named = {item.exchange for item in items(requirement, transcript) if isinstance(item, (Judged, Finding))}
    seeds = sorted((exchange for exchange in transcript if exchange.name in named), key=_weight)[:_TRIED]
    parts = [[seed] for seed in seeds if shows([seed])] or [_around(seed, transcript, shows) for seed in seeds]
    small = [_plain(transcript, part, wanted) for part in parts if part]
    fitting = [part for part in small if wanted(part) and fits(requirement, part)]
    return min(fitting, key=_octets, default=None)


def _around(seed: Exchange, transcript: Transcript, shows: Shows) -> list[Exchange]:
    """The seed and as few others as it takes; empty where all of them do not suffice."""
    for circle in (_kin(seed, transcript), list(transcript)):
        if shows(circle):
            return _thinned(circle, shows)
    return []


def _kin(seed: Exchange, transcript: Transcript) -> list[Exchange]:
    """The exchanges of the seed's flow and of those that its requests are compared with."""
    flows = {seed.note.flow}
    probes = {seed.note.probe} | {e.note.twin for e in transcript if e.note.flow in flows and e.note.twin}
    return [
        exchange
        for exchange in transcript
        if exchange is seed or (exchange.note.flow in flows - {""}) or (exchange.note.probe in probes - {""})
    ]


def _thinned(part: list[Exchange], shows: Shows) -> list[Exchange]:
    """Without whatever can be left out: halves at first, then quarters, at last single exchanges, heavy ones first."""
    part = sorted(part, key=_weight, reverse=True)
    size = len(part) // 2
    while size:
        start = 0
        while start < len(part):
            without = part[:start] + part[start + size :]
            if without and shows(without):
                part = without
            else:
                start += size
        size //= 2
    return part


def _weight(exchange: Exchange) -> tuple[int, str]:
    body = len(exchange.request.body or b"")
    return body + (len(exchange.response.body) if exchange.response is not None else 0), exchange.name


def fits(requirement: str, transcript: Transcript) -> bool:
    """True where an example is small enough to be kept."""
    return _octets(transcript) <= (load()[requirement].example_octets or LARGEST)


def _octets(transcript: Transcript) -> int:
    return len(har_writer.dumps(transcript).encode())


def _part(transcript: Transcript, part: Iterable[Exchange]) -> Transcript:
    """So many of its exchanges, and of the faces those on which they were sent."""
    exchanges = _in_order(part)
    options = dict(transcript.options)
    if isinstance(rows := options.get(FACES), list):
        flows = {exchange.note.flow for exchange in exchanges}
        options[FACES] = [row for row in rows if row["face"] in flows]
    return replace(transcript, exchanges=exchanges, options=options)


def _in_order(part: Iterable[Exchange]) -> tuple[Exchange, ...]:
    return tuple(sorted(part, key=lambda exchange: (exchange.started, exchange.name)))


# --- what does not belong to the example


def _plain(transcript: Transcript, part: Iterable[Exchange], wanted: Callable[[Transcript], bool]) -> Transcript:
    """The part, without what says where and by whom it was recorded, or what the requirement does not speak of."""
    small = _part(transcript, part)
    options = {name: small.options[name] for name in _KEPT if name in small.options}
    base = str(transcript.options.get("url") or "")
    made = Transcript(tuple(_placed(exchange, base) for exchange in small), options, transcript.creator)
    if FACES not in small.options or wanted(made):
        return made
    rows = [{**row, "said": _elsewhere(row["said"])} for row in small.options[FACES]]
    return replace(made, options={**options, FACES: [{k: v for k, v in r.items() if k != "seconds"} for r in rows]})


def _elsewhere(text: str) -> str:
    """A text without the addresses of the machine."""
    host = URL.removesuffix("/v1")
    return re.sub(r"http://127\.0\.0\.1(?::\d+)?", host, re.sub(r"http://localhost(?::\d+)?", ELSEWHERE, text))


def _placed(exchange: Exchange, base: str) -> Exchange:
    request, response = exchange.request, exchange.response
    url = URL + request.url.removeprefix(base) if base else _elsewhere(request.url)
    host = url.split("/")[2]
    headers = tuple((name, host if name.lower() == "host" else value) for name, value in request.headers)
    if response is not None:
        told = tuple((n, _elsewhere(v) if n.lower() == "location" else v) for n, v in response.headers)
        response = replace(response, headers=told)
    # The words of a transport error name the address that it met.
    error = re.sub(r"\[?(?:127\.0\.0\.1|::1|localhost)\]?(?::\d+)?", host, exchange.error)
    request = replace(request, url=url, headers=headers)
    return replace(exchange, request=request, response=response, error=error, server_ip="")


# --- files


def directory() -> Path:
    """Where the examples lie that come with the suite."""
    return fixture_dir() / "examples"


def path_of(requirement: str, folder: Path) -> Path:
    """The file of a requirement's examples."""
    return folder / f"{requirement}.har"


def read(requirement: str, folder: Path | None = None) -> Example:
    """The examples of a requirement; without any where there is no file.

    Raises:
        HarError: the file is not a transcript.
    """
    path = path_of(requirement, folder or directory())
    if not path.exists():
        return Example(requirement, None, None)
    both = har_reader.load(path)
    return Example(requirement, _side(both, HOLDS), _side(both, BREAKS))


def _side(both: Transcript, side: str) -> Transcript | None:
    mark = f"{side}/"
    mine = [replace(e, name=e.name.removeprefix(mark)) for e in both if e.name.startswith(mark)]
    options = dict(both.options)
    if FACES in options:
        rows = [row for row in options.pop(FACES) if row.get(_SIDE) == side]
        options |= {FACES: [{k: v for k, v in row.items() if k != _SIDE} for row in rows]} if rows else {}
    return replace(both, exchanges=tuple(mine), options=options) if mine else None


def dumps(example: Example) -> str:
    """The text of the file."""
    marked: list[Exchange] = []
    options: dict[str, object] = {}
    rows: list[object] = []
    creator = ""
    for side, transcript in ((HOLDS, example.holds), (BREAKS, example.breaks)):
        if transcript is not None:
            marked += [replace(exchange, name=f"{side}/{exchange.name}") for exchange in transcript]
            options, creator = dict(transcript.options), transcript.creator
            rows += [{**row, _SIDE: side} for row in options.pop(FACES, ())]  # type: ignore[attr-defined]
    return har_writer.dumps(Transcript(tuple(marked), {**options, **({FACES: rows} if rows else {})}, creator))


def settled(example: Example) -> bool:
    """True where both sides are there, small enough, and the check still says of each what it should."""
    if example.holds is None or example.breaks is None:
        return False
    if not all(fits(example.requirement, side) for side in (example.holds, example.breaks)):
        return False
    return holds(example.requirement, example.holds) and finding(example.requirement, example.breaks) is not None


@dataclass(slots=True)
class Collection:
    """Gathers examples while a proof runs, and writes them."""

    conforming: dict[Side, Transcript] = field(default_factory=dict)
    """Recordings in which everything holds: of a server, and of a client."""
    _breaks: dict[str, list[tuple[int, str, Transcript]]] = field(default_factory=dict)
    """Requirement id to the size, the fault and the example of each breach."""

    def add(self, fault: str, requirement: str, example: Transcript) -> None:
        """An example of a breach, by the fault that it comes from."""
        self._breaks.setdefault(requirement, []).append((_octets(example), fault, example))

    def write(self, folder: Path) -> list[Path]:
        """Write what is new, or is no longer judged as it was; gives the files.

        Raises:
            OSError: a file cannot be written.
        """
        written = []
        folder.mkdir(parents=True, exist_ok=True)
        for requirement in sorted(self._breaks):
            if settled(self._old(requirement, folder)):
                continue
            breaks = min(self._breaks[requirement], key=lambda found: found[:2])[2]
            conforming = self.conforming.get(load()[requirement].side)
            kept = holding(conforming, requirement, breaks) if conforming is not None else None
            example = Example(requirement, kept, breaks)
            if settled(example):
                path = path_of(requirement, folder)
                path.write_text(dumps(example), encoding="utf-8", newline="\n")
                written.append(path)
        return written

    def _old(self, requirement: str, folder: Path) -> Example:
        try:
            return read(requirement, folder)
        except HarError:
            return Example(requirement, None, None)
