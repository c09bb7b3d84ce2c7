"""How a command ended on each face of the server, as its recording says; nothing where no command was run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from conformance.evidence.evidence import Evidence
from conformance.evidence.json_values import integer, number, text


class FaceKind(StrEnum):
    """What a face of the server is to a client."""

    PLAIN = "plain"
    """As documented; the others are compared with it."""
    VARIATION = "variation"
    """Breaks nothing: the client has to bear it."""
    TROUBLE = "trouble"
    """Breaks nothing, but fails: the client need not succeed, but has to behave."""
    FAULT = "fault"
    """Breaks something; what the client copies out of its answers is not the client's doing."""


@dataclass(frozen=True, slots=True)
class Course:
    """A command's course on one face."""

    face: str
    """Its id, which is the `flow` of the exchanges that were recorded on it."""
    kind: FaceKind
    status: int | None
    """The exit status; minus a signal's number where that ended it; None: it was still running at its time limit."""
    limit: float
    """Seconds that it had."""
    output: str
    """SHA-256 of what it wrote to standard output, in hexadecimal."""
    complained: bool
    """True where it wrote anything to standard error."""
    said: str
    """The end of what it wrote to standard error, or else to standard output."""
    hangs: bool
    """True for a face on which the server falls silent."""

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        if self.status is None:
            return f"still running after {self.limit:g} s"
        return f"signal {-self.status}" if self.status < 0 else f"exit status {self.status}"

    @property
    def succeeded(self) -> bool:
        """True for exit status 0."""
        return self.status == 0


def courses(evidence: Evidence) -> tuple[Course, ...]:
    """Those of a recording, in its order."""
    if "courses" not in evidence.memo:
        evidence.memo["courses"] = tuple(_read(evidence.options.get("faces")))
    return cast(tuple[Course, ...], evidence.memo["courses"])


def _read(recorded: Any) -> Iterator[Course]:
    """What says less than it should is passed over: anybody may have written the file."""
    for row in recorded if isinstance(recorded, list) else []:
        if not isinstance(row, Mapping):
            continue
        face, kind, limit = text(row, "face"), row.get("kind"), number(row.get("limit"))
        status = integer(row.get("status"))
        if face is None or kind not in list(FaceKind) or limit is None or (status is None and row.get("status")):
            continue
        said = text(row, "said") or ""
        complained, hangs = row.get("complained") is True, row.get("hangs") is True
        yield Course(face, FaceKind(kind), status, limit, text(row, "output") or "", complained, said, hangs)


def plain(evidence: Evidence) -> tuple[Course, ...]:
    """The courses on the plain server: two, so that what differs from run to run is known."""
    return tuple(course for course in courses(evidence) if course.kind is FaceKind.PLAIN)


def kind_of(evidence: Evidence, face: str) -> FaceKind | None:
    """What a face was, whether or not a command was run on it; None where the recording does not say."""
    if "kinds of faces" not in evidence.memo:
        rows = evidence.options.get("faces")
        told = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
        evidence.memo["kinds of faces"] = {
            text(row, "face"): FaceKind(row["kind"]) for row in told if row.get("kind") in list(FaceKind)
        }
    return cast(dict[str | None, FaceKind], evidence.memo["kinds of faces"]).get(face)
