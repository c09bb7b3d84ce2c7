"""summary.md: the verdict as Markdown, for a pull request or a job's page.

The target's text is in code spans only, where Markdown has no markup, no links and no HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.judging.result import Result
from conformance.report import tally
from conformance.report.breach import advice, finding_lines, gate_lines, shown_findings
from conformance.report.curl import curl
from conformance.report.target import exchanges_by_name, of_somebody_else, suspected, target_model, target_name
from conformance.report.way import way_of
from conformance.transcript.excerpt import visible


def summary(result: Result) -> str:
    """The whole page."""
    return "\n".join(_page(result)) + "\n"


def code(text: str) -> str:
    """The text as a code span, whatever it contains."""
    text = visible(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if not text.strip(" ") or text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def cell(text: str) -> str:
    """The text as a code span in a table's cell, where a bar would end the cell even inside of code."""
    return code(text).replace("|", "\\|")


def plain(text: str) -> str:
    """The suite's own words with everything escaped that Markdown could take for markup."""
    return re.sub(r"([\\`*_\[\]<>|~#&])", r"\\\1", visible(text))


def _page(result: Result) -> Iterator[str]:
    verdict = result.verdict
    yield f"# KiteMesh conformance: {verdict.conclusion}"
    yield ""
    yield plain(verdict.sentence)
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    for name, value in _facts(result):
        yield f"| {name} | {value} |"
    yield ""
    yield from _baseline(result)
    yield "| area | passed | failed | warned | blocked | not exercised | left out |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in [*tally.rows(verdict), tally.total(verdict)]:
        counts = (row.passed, row.failed, row.warned, row.blocked, row.open, row.left_out)
        yield f"| {row.area} | {' | '.join(map(str, counts))} |"
    yield from _findings(result)
    yield from _open(result)
    for note in result.notes:
        yield ""
        yield f"Note: {code(note)}"
    if suspects := suspected(result):
        yield ""
        yield "Under way when the target went down:"
        yield ""
        yield from (f"- {code(curl(exchange, way_of(result.transcript)))}" for exchange in suspects)


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    yield "Target", cell(target_name(result) or "unknown")
    yield "Model", cell(target_model(result) or "unknown")
    if of_somebody_else(result):
        yield "Recorded by", cell(result.transcript.creator or "unknown")
    else:
        yield "Scope", result.verdict.scope
        yield "Depth, seed", f"{result.options.depth}, {result.seed}"
    yield "Requests", f"{len(result.transcript)} in {max(0.0, result.ended - result.started):.1f} s"
    yield "Credits charged", f"{result.credits:g}"
    yield "Exit code", str(int(result.exit_code()))
    if result.interrupted:
        yield "Interrupted", "yes: what was not sent was not judged"


def _baseline(result: Result) -> Iterator[str]:
    gate = result.gate
    if gate.baseline is None:
        return
    yield f"**Gate {'passed' if gate.passed else 'failed'}.** {plain(gate.sentence)}"
    yield ""
    for label, text in gate_lines(gate):
        yield f"- {label}: {code(text)}" if label else f"- {plain(text)}"
    yield ""


def _findings(result: Result) -> Iterator[str]:
    exchanges = exchanges_by_name(result.transcript)
    for outcome in tally.broken(result.verdict):
        requirement = outcome.requirement
        yield ""
        yield f"## {requirement.id} ({requirement.level})"
        yield ""
        yield requirement.statement  # the catalogue's own Markdown
        findings, left = shown_findings(outcome)
        for finding in findings:
            yield ""
            for label, text in finding_lines(finding, exchanges, way_of(result.transcript)):
                yield f"- {label}: {code(text)}" if label else f"**{plain(text)}**\n"
        if left:
            yield ""
            yield f"And {left} more, in results.json."
        yield ""
        for label, text in advice(outcome, exchanges):
            yield f"- {label}: {text}"


def _open(result: Result) -> Iterator[str]:
    groups = tally.unjudged(result.verdict)
    if groups:
        yield ""
        yield "## Not judged"
        yield ""
        yield "| requirements | outcome | why |"
        yield "| --- | --- | --- |"
    for (state, reason), outcomes in groups.items():
        yield f"| {tally.names(outcomes, result.verdict)} | {state} | {cell(reason)} |"
    for outcome in tally.errors(result.verdict):
        yield ""
        yield f"The suite itself failed on {outcome.requirement.id}: {code(outcome.reason)}"
