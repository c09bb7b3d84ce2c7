"""Area client: how a command ends on each face of the server. It takes a recording that `client` made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from conformance.checks.check import over_all
from conformance.checks.rules.sent import tries_of
from conformance.contract.classify import Due
from conformance.evidence.evidence import Evidence
from conformance.evidence.faces import Course, FaceKind, courses, plain
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.place import Place
from conformance.evidence.reading import Reading
from conformance.transcript.exchange import Ending

Compare = Callable[[Course, Course], Finding | Unjudged | None]


def _shown_by(evidence: Evidence, course: Course) -> str:
    """Name of the exchange that a finding on a face is told with: the last one there, or the face itself."""
    there = _on(evidence, course.face)
    return there[-1].name if there else course.face


def _on(evidence: Evidence, face: str) -> list[Reading]:
    return [reading for reading in evidence.all if reading.note.flow == face]


def _finding(evidence: Evidence, course: Course, message: str, expected: str, observed: str) -> Finding:
    said = f": {course.said}" if course.said else ""
    return Finding(
        "", _shown_by(evidence, course), message, expected, f"{observed}{said}"[:400],
        Place(words=f"the face {course.face}"),
    )  # fmt: skip


def _unserved(evidence: Evidence, course: Course) -> str | None:
    """Why a command may end otherwise on a variation: a request that may be served was not, there."""
    for reading in _on(evidence, course.face):
        if reading.due not in (Due.ACCEPT, Due.OPEN):
            continue
        if not reading.taken or reading.failed_within:
            return f"{reading.name} was not served there: {reading.told}"
        if reading.exchange.ending in (Ending.CUT, Ending.RESET):
            return f"the answer to {reading.name} broke off there"
    return None


def _as_plain(evidence: Evidence, differs: Compare) -> Iterator[Item]:
    """Each variation, compared with the plain server."""
    standard = next(iter(plain(evidence)), None)
    if standard is None or not standard.succeeded:
        return
    for course in courses(evidence):
        if course.kind is not FaceKind.VARIATION:
            continue
        name = _shown_by(evidence, course)
        found = differs(standard, course)
        if isinstance(found, Unjudged):
            yield found
            continue
        if found is not None and (why := _unserved(evidence, course)) is not None:
            yield Unjudged(why, name, excused=True)
            continue
        yield Judged(name)
        if found is not None:
            yield found


@over_all("client.variation")
def variation(evidence: Evidence) -> Iterator[Item]:
    """On each variation the command ends with the exit status that it has on the plain server."""

    def differs(standard: Course, course: Course) -> Finding | None:
        if course.status == standard.status:
            return None
        message = "the client does not bear a legitimate server"
        return _finding(evidence, course, message, f"{standard.ending}, as on the plain server", course.ending)

    yield from _as_plain(evidence, differs)


@over_all("client.variation-output")
def variation_output(evidence: Evidence) -> Iterator[Item]:
    """On each variation the command writes what it writes on the plain server, where that is the same each time.

    A model may say something else there, and then so may the command.
    """
    if evidence.options.get("same_output") is not True:
        return
    if len({course.output for course in plain(evidence)}) > 1:
        yield Unjudged("its output differs from run to run on the plain server, too")
        return

    def differs(standard: Course, course: Course) -> Finding | Unjudged | None:
        if course.output == standard.output or course.status != standard.status:
            return None
        if _spoken(evidence, standard) != _spoken(evidence, course):
            return Unjudged("the model said something else there", _shown_by(evidence, course))
        message = "the client writes something else than on the plain server"
        return _finding(evidence, course, message, "the same octets on standard output", "other octets")

    yield from _as_plain(evidence, differs)


def _spoken(evidence: Evidence, course: Course) -> list[Any]:
    """What the model said on a face, and which functions it called."""
    served = sorted((r for r in _on(evidence, course.face) if r.taken), key=lambda r: r.started)
    return [(r.said, [call.get("function") for call in r.calls]) for r in served]


def _incomplete(reading: Reading) -> bool:
    """True for a stream that broke off, or that told of an error; one that the client left need not be."""
    if not (reading.asked.stream and reading.taken and reading.streamed):
        return False
    if reading.failed_within or reading.opens_with_error:
        return True
    ended = reading.done or any(chunk.finishes for chunk in reading.chunks)
    return not ended and reading.exchange.ending is not Ending.LEFT


@over_all("client.notices-truncation")
def notices_truncation(evidence: Evidence) -> Iterator[Item]:
    """Where the last try of a stream was incomplete, the command ends with another status than 0, or complains."""
    standard = next(iter(plain(evidence)), None)
    if standard is None or not standard.succeeded:
        return
    for course in courses(evidence):
        last = (tries[-1] for tries in tries_of(evidence) if tries[-1].note.flow == course.face)
        cut = next(filter(_incomplete, last), None)
        if cut is None:
            continue
        yield Judged(cut.name)
        told = not course.succeeded or (course.complained and not standard.complained)
        if not told:
            message = "the client reports success over an incomplete stream"
            expected = "another exit status than 0, or a word on standard error"
            yield replace(_finding(evidence, course, message, expected, course.ending), exchange=cut.name)


@over_all("client.ends")
def ends(evidence: Evidence) -> Iterator[Item]:
    """On each face on which the server falls silent, the command ends by itself within its time."""
    for course in courses(evidence):
        if not course.hangs:
            continue
        if not _on(evidence, course.face):
            yield Unjudged("the client sent nothing there", course.face)
            continue
        name = _shown_by(evidence, course)
        yield Judged(name)
        if course.status is None:
            message = "the client does not end when the server falls silent"
            yield _finding(evidence, course, message, f"an end within {course.limit:g} s", course.ending)
