"""A finding's key: the same in every run that shows the same fault, so that a baseline can name it.

It is made of the probe's name and the place within the answer, for reading: `accept-stream @ event, /choices/*/delta`.
What differs from run to run (numbers of events and bytes, indices, ids, the number of a generated body) is left out,
and so is the finding's text, which a newer suite may word better.
"""

from __future__ import annotations

import re
from dataclasses import replace

from conformance.evidence.finding import Finding
from conformance.evidence.place import Place
from conformance.probes.flow import NEARLY, Phase
from conformance.transcript.exchange import Exchange

LONGEST = 200
"""Characters of a key; what is longer is cut off, in every run at the same place."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BY_TURNS = re.compile(rf"{NEARLY}\d+")  # which of a rule's bad values, by the seed
_NUMBER = re.compile(r"(?<=/)\d+(?=/|$)|\d{3,}")


def key(finding: Finding, exchange: Exchange | None) -> str:
    """The key of a finding, unique within its requirement for one fault at one place.

    Args:
        finding: what a check yielded.
        exchange: the exchange that it names; None where the transcript holds none of this name.
    """
    place = steady(finding.place)
    name = probe(exchange) if exchange else stable(finding.exchange)
    return (f"{name} @ {place}" if place else name)[:LONGEST].rstrip()


def steady(place: Place) -> str:
    """The place without what changes from run to run."""
    parts = ["event"] if place.event is not None else ["byte"] if place.byte is not None else []
    rest = stable(str(replace(place, event=None, byte=None)))
    return "".join(parts) + (", " if parts and place.pointer else "") + rest


def probe(exchange: Exchange) -> str:
    """What was asked, by a name that is the same in every run: the probe's name, else method and path."""
    note = exchange.note
    if note.phase in (Phase.GENERATED, Phase.REPLAY) and note.breach:
        return _ascii(f"generated-{note.breach}")
    if note.probe:
        return _ascii(_BY_TURNS.sub(NEARLY.rstrip("-"), note.probe))
    path = exchange.request.url.partition("?")[0].rsplit("/", 2)
    return stable(f"{exchange.request.method} /{'/'.join(path[1:])}")


def stable(text: str) -> str:
    """The text without what changes from run to run, in printable ASCII: it may hold names that the target chose."""
    return _ascii(_NUMBER.sub("*", _UUID.sub("*", text)))


def _ascii(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", text)
