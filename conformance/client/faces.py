"""The faces that the reference server shows a client: plain, each variation, troubles, and any fault asked for."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache

from conformance.client.troubles import TROUBLES
from conformance.evidence.faces import FaceKind
from conformance.reference.behaviour import CONFORMING, Behaviour
from conformance.reference.fault import Variation
from conformance.reference.faults import FAULTS
from conformance.reference.making import together
from conformance.reference.variations import VARIATIONS, WARNED, objects, resumes, streams, transport
from conformance.settings.options import Depth, UsageError

PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Face:
    """One of them."""

    id: str
    kind: FaceKind
    summary: str
    behaviour: Behaviour = CONFORMING
    hangs: bool = False
    """True where the server falls silent for good."""
    breaks: str = ""
    """The requirement on servers that it breaks, where there is one."""
    shows: str = ""
    """The requirement that shows on it, where there is one that always does; plain shows what any request does."""


_QUICK = (
    "sse-crlf", "sse-comments", "sse-no-space", "sse-across-borders", "sse-bom", "stream-usage-chunk",
    "stream-role-alone", "stream-role-in-each-delta", "stream-two-choices", "stream-finish-with-content",
    "json-pretty", "json-escaped", "extra-members-everywhere", "tool-calls-null", "uuids-upper",
    "approval-stream-no-index", "header-names-upper", "json-chunked", "closes-every-connection",
)  # fmt: skip
"""Variations that each differ in something else, and that many servers show."""
_STANDARD = (*transport.VARIATIONS, *objects.VARIATIONS, *streams.VARIATIONS, *resumes.VARIATIONS)
"""Those that every client may meet with any request; the others take a request of some kind, or time."""


@cache
def every() -> tuple[Face, ...]:
    """Plain, the variations, the troubles, and the faults; two kinds may use one id, and then the first is meant.

    A variation that may withhold an answer is a trouble to a client: whoever does not get what it asked for, and must
    not ask again, cannot end as on the plain server.
    """
    plain = Face(PLAIN, FaceKind.PLAIN, "The server as documented.")
    variations = [
        Face(v.id, FaceKind.TROUBLE, v.summary, v.behaviour)
        if v.withholds
        else Face(v.id, FaceKind.VARIATION, v.summary, v.behaviour, shows="client.variation")
        for v in VARIATIONS
    ]
    troubles = [Face(t.id, FaceKind.TROUBLE, t.summary, t.behaviour, t.hangs, shows=t.shows) for t in TROUBLES]
    faults = [Face(f.id, FaceKind.FAULT, f.summary, f.behaviour, breaks=f.requirement) for f in (*FAULTS, *WARNED)]
    return tuple({face.id: face for face in reversed([plain, *variations, *troubles, *faults])}.values())[::-1]


def of_depth(depth: Depth) -> tuple[Face, ...]:
    """Plain, `TROUBLES`, and as many variations as the depth says: a few, those that any request meets, or all."""
    wanted: Iterable[str]
    match depth:
        case Depth.QUICK:
            wanted = _QUICK
        case Depth.STANDARD:
            wanted = _ids(_STANDARD)
        case Depth.DEEP:
            wanted = _ids(VARIATIONS)
    chosen = {PLAIN, *wanted, *(trouble.id for trouble in TROUBLES)}
    return tuple(face for face in every() if face.id in chosen)


def chosen(patterns: Sequence[str], *, what: str = "--face") -> tuple[Face, ...]:
    """The faces that any pattern names, in order, the plain one first.

    Args:
        patterns: ids, globs over ids, a kind (`variation`, `trouble`, `fault`), or a requirement that faults break.
        what: the option that names them, for a message.

    Raises:
        UsageError: a pattern names none.
    """
    wanted: set[str] = set()
    for pattern in patterns:
        named = {face.id for face in every() if any(fnmatchcase(name, pattern) for name in _names(face))}
        if not named:
            raise UsageError(f"{what} knows nothing called {pattern!r}: {_hint(pattern)}")
        wanted |= named
    return tuple(face for face in every() if face.id in wanted or face.kind is FaceKind.PLAIN)


def showing(faces: Sequence[Face], ids: Collection[str] | None) -> tuple[Face, ...]:
    """Those of the faces that show any of these requirements, and the plain one; None: all of them."""

    def shows(face: Face) -> bool:
        return any(id_.startswith(face.shows) for id_ in ids or ())  # the output, too, shows on a variation

    return tuple(face for face in faces if ids is None or face.kind is FaceKind.PLAIN or (face.shows and shows(face)))


def one(name: str, kinds: Iterable[FaceKind] = tuple(FaceKind), *, what: str = "--face") -> Face:
    """The face of this id.

    Raises:
        UsageError: there is none of these kinds.
    """
    found = next((face for face in every() if face.id == name and face.kind in kinds), None)
    if found is None:
        raise UsageError(f"{what} knows nothing called {name!r}: {_hint(name, kinds)}")
    return found


def combined(faces: Sequence[Face]) -> Face:
    """One face with the behaviours of several, one after the other; without any, the plain one.

    Raises:
        UsageError: they contradict each other.
    """
    if len(faces) < 2:
        return faces[0] if faces else every()[0]
    names = ", ".join(face.id for face in faces)
    try:
        behaviour = together(*(face.behaviour for face in faces))
    except ValueError as error:
        raise UsageError(f"{names} cannot be combined: {error}.") from None
    kind = max((face.kind for face in faces), key=list(FaceKind).index)
    summary = " ".join(face.summary.rstrip(".") + "." for face in faces)
    return replace(faces[0], id="+".join(f.id for f in faces), kind=kind, summary=summary, behaviour=behaviour,
                   hangs=any(face.hangs for face in faces))  # fmt: skip


def _ids(variations: Iterable[Variation]) -> Iterator[str]:
    return (variation.id for variation in variations)


def _names(face: Face) -> Iterator[str]:
    yield face.id
    yield face.kind.value
    if face.breaks:
        yield face.breaks


def _hint(name: str, kinds: Iterable[FaceKind] = tuple(FaceKind)) -> str:
    known = sorted({known for face in every() if face.kind in kinds for known in _names(face)})
    near = difflib.get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else "`kitemesh-conformance serve --list` shows them all."
