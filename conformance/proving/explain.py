"""One requirement explained: what it says, why, what to do, what proves its check, and how it looks on the wire."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from conformance.contract.catalogue import CAPABILITIES, SOURCES, Requirement, Side
from conformance.evidence.evidence import Evidence
from conformance.evidence.faces import courses
from conformance.proving import examples
from conformance.proving.examples import Example
from conformance.transcript.excerpt import excerpt
from conformance.transcript.exchange import Ending, Exchange, Headers, Response, Transcript

WIDTH = 80
_INDENT = 8


class ExampleBounds(NamedTuple):
    """How much of what travelled is shown."""

    lines: int = 24
    """Of a body: at most this many; the ones in the middle are left out."""
    characters: int = 1200
    """Of one line."""
    fields: frozenset[str] = frozenset()
    """Header fields that are left out, in lower case."""


def text(
    requirement: Requirement,
    proved_by: Sequence[tuple[str, str]],
    example: Example,
    hurt: Sequence[tuple[str, Sequence[str]]] = (),
) -> str:
    """The explanation as lines for a terminal: 80 columns, but for what travelled, which is not broken.

    Args:
        requirement: what to explain.
        proved_by: id and summary of each fault of the reference server that breaks it.
        example: exchanges that hold and that break it.
        hurt: which clients a fault hurts, and how (`clients.told`).
    """
    lines = [
        *_said(requirement),
        *_proved(requirement.side, proved_by),
        *_hurt(hurt),
        *_example(requirement.id, example),
    ]
    return "\n".join(lines) + "\n"


def overview(requirements: Sequence[Requirement]) -> str:
    """What each of several requirements says, without proofs and examples, as lines for a terminal (80 columns)."""
    lines: list[str] = []
    for requirement in requirements:
        lines += [*_said(requirement), ""]
    lines += _wrapped(f"kitemesh-conformance explain {requirements[0].id} shows an example, too; so for each.")
    return "\n".join(lines) + "\n"


def _said(requirement: Requirement) -> Iterator[str]:
    yield f"{requirement.id} ({requirement.level})"
    yield from _wrapped(requirement.statement, "  ")
    yield ""
    yield from _labelled("why", requirement.why)
    yield from _labelled("fix", requirement.fix)
    for key in requirement.sources:
        yield from _labelled("source", f"{key}: {SOURCES[key]}")
    if requirement.capability is not None:
        yield from _labelled("needs", f"{CAPABILITIES[requirement.capability]}, else it is not judged")
    for label, sentence in circumstances(requirement):
        yield from _labelled(label, sentence)


def circumstances(requirement: Requirement) -> Iterator[tuple[str, str]]:
    """What a user should know of how it is judged: a label of one word, and a sentence."""
    if requirement.whim:
        yield "whim", "A model's whim can break it: it fails if two of up to three tries show it."
    if requirement.conditional:
        yield (
            "verdict",
            "It covers what a correct server need never do: if nothing exercises it, the verdict does not suffer.",
        )
    if not requirement.quick:
        yield "quick", "A quick run (--depth quick) does not judge it."
    if requirement.executes:
        yield "executes", "Judging it executes a tool; --no-execute leaves it out."
    if requirement.concurrent:
        yield "several", "It takes several requests at once; --concurrency 1 leaves it out."


def _proved(side: Side, proved_by: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield ""
    if side is Side.CLIENT:
        yield "Clients that prove its check (python -m conformance.reference.client_faults ID)"
    else:
        yield "Faults of the reference server that prove its check (serve --fault ID)"
    for fault, summary in proved_by:
        yield from _wrapped(f"{fault}: {summary}", "  ", "      ")
    if not proved_by:
        yield "  none"


def _hurt(hurt: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    if hurt:
        yield ""
        yield "Who is affected (clients that were run against these faults)"
    for heading, lines in hurt:
        yield from _wrapped(heading, "  ")
        for line in lines:
            yield from _wrapped(line, "      ", "        ")


def _example(requirement: str, example: Example) -> Iterator[str]:
    if example.holds is None or example.breaks is None:
        why = examples.TOO_LARGE.get(requirement, "none was recorded")
        yield ""
        yield from _wrapped(f"There is no example from the wire: {why}.")
        return
    yield ""
    yield "It holds here"
    yield from travelled(example.holds)
    yield ""
    yield "It is broken here"
    found = examples.finding(requirement, example.breaks)
    if found is not None:
        yield from _labelled("finding", excerpt(found.message))
        yield from _labelled("expected", excerpt(found.expected))
        yield from _labelled("observed", excerpt(found.observed))
        yield from _labelled("place", excerpt(f"{found.place}, in {found.exchange}" if found.place else found.exchange))
    yield from travelled(example.breaks)


def travelled(transcript: Transcript, bounds: ExampleBounds | None = None) -> Iterator[str]:
    """What travelled in each exchange, line by line, indented by two, an empty line before each."""
    bounds = bounds or ExampleBounds()
    last = {exchange.note.flow: exchange for exchange in transcript}
    ends = {course.face: course for course in courses(Evidence(transcript))}
    for exchange in transcript:
        yield ""
        yield f"  {excerpt(exchange.name)}"
        yield from _sent(exchange, bounds)
        yield from _received(exchange, bounds)
        course = ends.get(exchange.note.flow)
        if course is not None and exchange is last[exchange.note.flow]:
            said = f": {excerpt(course.said)}" if course.said else ""
            yield from _wrapped(f"(on the face {course.face} the client ended so: {course.ending}{said})", "  ", "   ")


def _sent(exchange: Exchange, bounds: ExampleBounds) -> Iterator[str]:
    request = exchange.request
    path = "/" + request.url.split("/", 3)[-1]
    yield f"  > {request.method} {excerpt(path)} HTTP/1.1"
    yield from _fields(request.headers, "  > ", bounds)
    yield from _body(request.body or b"", "  > ", bounds)


def _received(exchange: Exchange, bounds: ExampleBounds) -> Iterator[str]:
    response = exchange.response
    if response is not None:
        yield f"  < {excerpt(response.http_version)} {response.status} {excerpt(response.reason)}".rstrip()
        yield from _fields(response.headers, "  < ", bounds)
        yield from _body(response.body, "  < ", bounds)
    if remark := _remark(exchange, response):
        yield from _wrapped(f"({remark})", "  ", "   ")


def _remark(exchange: Exchange, response: Response | None) -> str:
    """What the bytes alone do not show: how it ended, and in how many pieces a stream came."""
    told = []
    if exchange.ending not in (Ending.COMPLETE, Ending.UNSTATED):
        more = f": {excerpt(exchange.error)}" if exchange.error else ""
        told.append(f"ended {exchange.ending.value} after {exchange.finished:.2f} s{more}")
    if response is not None and response.pieces is not None and len(response.pieces) > 1:
        first, last = response.pieces[0].at, response.pieces[-1].at
        told.append(f"{len(response.pieces)} pieces arrived from {first:.2f} s to {last:.2f} s")
    return "; ".join(told)


def _fields(headers: Headers, lead: str, bounds: ExampleBounds) -> Iterator[str]:
    for name, value in headers:
        if name.lower() not in bounds.fields:
            yield f"{lead}{excerpt(name)}: {excerpt(value)}".rstrip()


def _body(body: bytes, lead: str, bounds: ExampleBounds) -> Iterator[str]:
    if not body:
        return
    yield lead.rstrip()
    lines = body.decode("utf-8", "backslashreplace").removesuffix("\n").split("\n")
    left, half = len(lines) - bounds.lines, bounds.lines // 2
    for number, line in enumerate(lines):
        if left > 0 and number == half:
            yield f"{lead}… ({left} more lines)"
        if left <= 0 or not half <= number < half + left:
            yield f"{lead}{excerpt(line, bounds.characters)}".rstrip()


def _labelled(label: str, said: str) -> Iterator[str]:
    yield from _wrapped(said, f"{label:<{_INDENT}}  ", " " * (_INDENT + 2))


def _wrapped(said: str, lead: str = "", then: str | None = None) -> list[str]:
    after = lead if then is None else then
    return textwrap.wrap(
        said, WIDTH, initial_indent=lead, subsequent_indent=after, break_long_words=False, break_on_hyphens=False
    )
