"""A comparison of two runs, for the terminal, as Markdown and as JSON. What the files say is escaped and bounded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict

from conformance.judging.comparison import Change, Comparison
from conformance.report.summary import cell, code, plain
from conformance.report.terminal import paragraphs
from conformance.transcript.excerpt import excerpt

MOST = 40
"""Lines of one kind of change that are shown; JSON holds all."""
_CHANGES = {"came": "appeared", "went": "disappeared", "types": "changed"}
"""A change in shape, for a person."""


def text(comparison: Comparison) -> str:
    """For the terminal, in 80 columns."""
    lines: list[tuple[str, str]] = []
    for title, changes in _groups(comparison):
        lines += [("", ""), ("", title)]
        for change in changes[:MOST]:
            lines.append(("  ", f"{excerpt(change.requirement)} ({change.level}): {_told(change)}"))
        lines += _left(changes)
    if comparison.further:
        lines += [("", ""), ("", "Failing at further places")]
        for further in comparison.further[:MOST]:
            lines.append(("  ", excerpt(f"{further.requirement}: {', '.join(further.findings)}")))
        lines += _left(comparison.further)
    if comparison.drift:
        lines += [("", ""), ("", "Drift in the shapes of answers")]
        for drift in comparison.drift[:MOST]:
            lines.append(("  ", f"{drift.kind}: {excerpt(drift.place)} {_drifted(drift.change)}{excerpt(drift.told)}"))
        lines += _left(comparison.drift)
    lines.append(("", ""))
    lines += [("Note: ", excerpt(note)) for note in comparison.notes]
    lines.append(("", comparison.sentence))
    return paragraphs(lines).lstrip("\n")


def markdown(comparison: Comparison) -> str:
    """For a pull request."""
    return "\n".join(_page(comparison)) + "\n"


def as_json(comparison: Comparison) -> str:
    """For programs: all of it. A log of GitHub Actions finds no command in it (`##[`)."""
    text = json.dumps({"sentence": comparison.sentence, **asdict(comparison)}, indent=1) + "\n"
    return text.replace("##[", "##\\u005b")


FORMS: Mapping[str, Callable[[Comparison], str]] = {"terminal": text, "markdown": markdown, "json": as_json}


def _page(comparison: Comparison) -> Iterator[str]:
    yield "# KiteMesh conformance compared"
    yield ""
    yield plain(comparison.sentence)
    for title, changes in _groups(comparison):
        yield ""
        yield f"## {title}"
        yield ""
        yield "| requirement | level | was | is | |"
        yield "| --- | --- | --- | --- | --- |"
        for change in changes[:MOST]:
            outcomes = f"{change.level} | {change.old} | {change.new}"
            yield f"| {cell(excerpt(change.requirement))} | {outcomes} | {cell(_why(change))} |"
        yield from _left_markdown(changes)
    if comparison.further:
        yield ""
        yield "## Failing at further places"
        yield ""
        for further in comparison.further[:MOST]:
            yield f"- {code(excerpt(further.requirement))}: {code(excerpt(', '.join(further.findings)))}"
        yield from _left_markdown(comparison.further)
    if comparison.drift:
        yield ""
        yield "## Drift in the shapes of answers"
        yield ""
        yield "| answer | change | place | |"
        yield "| --- | --- | --- | --- |"
        for drift in comparison.drift[:MOST]:
            what = f"{drift.kind} | {_CHANGES[drift.change]}"
            yield f"| {what} | {cell(excerpt(drift.place))} | {plain(excerpt(drift.told))} |"
        yield from _left_markdown(comparison.drift)
    for note in comparison.notes:
        yield ""
        yield f"Note: {code(excerpt(note))}"


def _groups(comparison: Comparison) -> Iterator[tuple[str, Sequence[Change]]]:
    groups = [
        ("Newly failing", comparison.failing),
        ("Fixed", comparison.mended),
        ("No longer exercised", comparison.lost),
        ("Newly exercised", comparison.gained),
    ]
    return ((title, changes) for title, changes in groups if changes)


def _told(change: Change) -> str:
    return f"{change.old}, now {change.new}" + (f": {_why(change)}" if _why(change) else "")


def _why(change: Change) -> str:
    return excerpt(change.why)


def _drifted(change: str) -> str:
    return {"came": "appeared, ", "went": "disappeared, was ", "types": "changed: "}[change]


def _left(shown: Sequence[object]) -> list[tuple[str, str]]:
    return [("  ", f"and {len(shown) - MOST} more; --format json has all")] if len(shown) > MOST else []


def _left_markdown(shown: Sequence[object]) -> Iterator[str]:
    for _, words in _left(shown):
        yield ""
        yield words
