"""The catalogue as a page of Markdown: each requirement with an example that holds and one that does not.

`reports/requirements.md` is this page of the whole catalogue; a test keeps it fresh.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from conformance.contract.catalogue import CAPABILITIES, SOURCES, Catalogue, Requirement
from conformance.proving import examples
from conformance.proving.explain import ExampleBounds, circumstances, travelled
from conformance.transcript.excerpt import excerpt
from conformance.transcript.exchange import Transcript

_BOUNDS = ExampleBounds(
    lines=12,
    characters=320,
    fields=frozenset({"host", "user-agent", "accept", "accept-encoding", "content-length", "date", "server"}),
)
"""GitHub shows no page above half a megabyte; `explain` shows more."""


def markdown(catalogue: Catalogue, requirements: Sequence[Requirement]) -> str:
    """The page, of some or all requirements: an index, then each of them, then the sources."""
    return "\n".join(_page(catalogue, requirements)) + "\n"


def _page(catalogue: Catalogue, requirements: Sequence[Requirement]) -> Iterator[str]:
    yield "# Requirements"
    yield ""
    count = f"{len(requirements)} requirement{'' if len(requirements) == 1 else 's'}"
    yield f"Version {catalogue.version} of the contract: {count}."
    yield "Written by `kitemesh-conformance requirements --format markdown`."
    yield "`kitemesh-conformance explain ID` shows an example whole, and the faults that prove its check."
    yield ""
    areas = {area: [r for r in requirements if r.area == area] for area in catalogue.areas}
    yield "| id | level | requirement | source |"
    yield "| --- | --- | --- | --- |"
    for rows in areas.values():
        for r in rows:
            statement = _own(r.statement).replace("|", "\\|")
            yield f"| [{r.id}](#{_anchor(r.id)}) | {r.level} | {statement} | {', '.join(r.sources)} |"
    for area, rows in areas.items():
        if rows:
            yield ""
            yield f"## {area}: {_own(catalogue.areas[area])}"
        for r in rows:
            yield ""
            yield from _requirement(r)
    yield ""
    yield "## Sources"
    yield ""
    for key, meaning in SOURCES.items():
        yield f"- {key}: {_own(meaning)}"


def _requirement(requirement: Requirement) -> Iterator[str]:
    yield f"### {requirement.id}"
    yield ""
    yield f"**{requirement.level}.** {_own(requirement.statement)}"
    yield ""
    yield f"- Why: {_own(requirement.why)}"
    yield f"- To do: {_own(requirement.fix)}"
    yield f"- Source: {'; '.join(f'{key}, {_own(SOURCES[key])}' for key in requirement.sources)}"
    if requirement.capability is not None:
        yield f"- Needs {_own(CAPABILITIES[requirement.capability])}; else it is not judged."
    for _, sentence in circumstances(requirement):
        yield f"- {sentence}"
    yield ""
    yield from _example(requirement)


def _example(requirement: Requirement) -> Iterator[str]:
    example = examples.read(requirement.id)
    if example.holds is None or example.breaks is None:
        yield f"There is no example from the wire: {_own(examples.TOO_LARGE.get(requirement.id, 'none was recorded'))}."
        return
    yield from _side("It holds here", example.holds)
    yield ""
    found = examples.finding(requirement.id, example.breaks)
    said = f": {escape(excerpt(found.message))}" if found else ""
    yield from _side(f"It does not hold here{said}", example.breaks)


def _side(title: str, transcript: Transcript) -> Iterator[str]:
    lines = [line.removeprefix("  ") for line in travelled(transcript, _BOUNDS)][1:]
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"<details><summary>{title}</summary>"  # a block of HTML, in which Markdown is not read
    yield ""
    yield f"{fence}text"
    yield from lines
    yield fence
    yield ""
    yield "</details>"


def _own(text: str) -> str:
    """The catalogue's own Markdown, in which code spans stand; outside of them `<` would begin HTML."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else part.replace("<", "\\<") for part in parts)


def _anchor(heading: str) -> str:
    """The fragment that GitHub gives a heading: lower case, dots left out."""
    return heading.lower().replace(".", "")
