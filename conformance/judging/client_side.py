"""Judging the client's side of a recording: the same outcomes and verdicts, on what was asked.

Excuses, weather, whims and blocked chains are matters of servers. Here a verdict rests on the requests, on when they
came, and, where `kitemesh-conformance client` made the recording, on how the command ended on each face.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from conformance.checks import registry
from conformance.contract.catalogue import Catalogue, Side
from conformance.evidence.evidence import Evidence
from conformance.evidence.faces import FaceKind, courses, plain
from conformance.evidence.finding import Item
from conformance.judging.verdict import RequirementSelection, Verdict, decide
from conformance.settings.options import Options

NO_FACES = "the recording does not say how a command ended (`kitemesh-conformance client` makes one that does)"
_NOTES = 40


def judged(
    catalogue: Catalogue, evidence: Evidence, selected: Collection[str] | None, options: Options
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict on the client, and notes beside it.

    Args:
        catalogue: all requirements.
        evidence: of any recording.
        selected: ids that options left; None: all.
        options: what to judge.
    """
    requirements = catalogue.of(Side.CLIENT)
    trouble = _not_of_a_client(evidence)
    wanted = [r.id for r in requirements if selected is None or r.id in selected]
    items: dict[str, list[Item]] = {}
    errors: dict[str, str] = {}
    if not trouble:
        items, errors = registry.examine(catalogue, evidence, wanted)
    verdict = decide(
        requirements,
        items,
        _selection(evidence, selected, options),
        errors=errors,
        trouble=trouble or _trouble(evidence),
        unseen={requirement.id: requirement.rare for requirement in requirements if requirement.rare},
    )
    return verdict, tuple(_notes(evidence))


def _selection(evidence: Evidence, selected: Collection[str] | None, options: Options) -> RequirementSelection:
    known = courses(evidence)
    absent = {} if known else {"faces": NO_FACES}
    compared = any(course.kind is FaceKind.VARIATION for course in known)
    withheld = (
        {} if compared or not known else {"client.variation": "no variation is among the faces (--face, --depth)"}
    )
    partial = evidence.options.get("every_face") is not True
    return RequirementSelection(
        options.strict, None if selected is None else frozenset(selected), absent, withheld, partial
    )


def _not_of_a_client(evidence: Evidence) -> str:
    """Why nothing in the recording speaks of a client; empty where something does."""
    if evidence.own and evidence.options.get("side") != Side.CLIENT:
        return (
            "This is a recording of the suite's own requests, some of which break the contract on purpose. "
            "Give one of a client."
        )
    if any(reading.asked.endpoint for reading in evidence.all):
        return ""
    if courses(evidence):
        return (
            "The command sent no request to the documented endpoints, so nothing is known about it. Let it read "
            "KITEMESH_URL or OPENAI_BASE_URL."
        )
    return "No request was recorded to a documented endpoint, so nothing is known about the client."


def _trouble(evidence: Evidence) -> str:
    """Why the client cannot be judged as a whole; empty where it can."""
    failed = next((course for course in plain(evidence) if not course.succeeded), None)
    if failed is None:
        return ""
    said = f" ({failed.said})" if failed.said else ""
    return f"The command does not succeed on the plain server: {failed.ending}{said}. Make it succeed there first."


def _notes(evidence: Evidence) -> Iterator[str]:
    if stopped := evidence.options.get("stopped"):
        yield f"The recording ended early: {stopped}."[:400]
    remarks = evidence.options.get("remarks")
    for remark in (remarks if isinstance(remarks, list) else [])[:_NOTES]:
        if isinstance(remark, str):
            yield remark[:600]
