"""summary.md: the verdict as Markdown, for a pull request or a job's page.

The target's text stands in code spans only, where Markdown has no markup, no links and no HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.report import tally
from conformance.report.account import (
    Account,
    ca_bundle,
    exchanges_by_name,
    suspected,
    target_model,
    target_name,
)
from conformance.report.breach import advice, finding_lines, gate_lines, shown_findings
from conformance.report.curl import curl
from conformance.transcript.excerpt import visible


def summary(account: Account) -> str:
    """The whole page."""
    return "\n".join(_page(account)) + "\n"


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


def _page(account: Account) -> Iterator[str]:
    verdict = account.verdict
    yield f"# KiteMesh conformance: {verdict.conclusion}"
    yield ""
    yield plain(verdict.sentence)
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    for name, value in _facts(account):
        yield f"| {name} | {value} |"
    yield ""
    yield from _baseline(account)
    yield "| area | passed | failed | warned | blocked | not exercised | left out |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in [*tally.rows(verdict), tally.total(verdict)]:
        counts = (row.passed, row.failed, row.warned, row.blocked, row.open, row.left_out)
        yield f"| {row.area} | {' | '.join(map(str, counts))} |"
    yield from _findings(account)
    yield from _open(account)
    for note in account.notes:
        yield ""
        yield f"Note: {code(note)}"
    if suspects := suspected(account):
        yield ""
        yield "Under way when the target went down:"
        yield ""
        yield from (f"- {code(curl(exchange, ca_bundle(account.transcript)))}" for exchange in suspects)


def _facts(account: Account) -> Iterator[tuple[str, str]]:
    yield "Target", cell(target_name(account) or "unknown")
    yield "Model", cell(target_model(account) or "unknown")
    yield "Scope", account.verdict.scope
    yield "Depth, seed", f"{account.options.depth}, {account.seed}"
    yield "Requests", f"{len(account.transcript)} in {max(0.0, account.ended - account.started):.1f} s"
    yield "Credits charged", f"{account.credits:g}"
    yield "Exit code", str(int(account.exit_code()))
    if account.interrupted:
        yield "Interrupted", "yes: what was not sent was not judged"


def _baseline(account: Account) -> Iterator[str]:
    gate = account.gate
    if gate.baseline is None:
        return
    yield f"**Gate {'passed' if gate.passed else 'failed'}.** {plain(gate.sentence)}"
    yield ""
    for label, text in gate_lines(gate):
        yield f"- {label}: {code(text)}" if label else f"- {plain(text)}"
    yield ""


def _findings(account: Account) -> Iterator[str]:
    exchanges = exchanges_by_name(account.transcript)
    for outcome in tally.broken(account.verdict):
        requirement = outcome.requirement
        yield ""
        yield f"## {requirement.id} ({requirement.level})"
        yield ""
        yield requirement.statement  # the catalogue's own Markdown
        findings, left = shown_findings(outcome)
        for finding in findings:
            yield ""
            for label, text in finding_lines(finding, exchanges, ca_bundle(account.transcript)):
                yield f"- {label}: {code(text)}" if label else f"**{plain(text)}**\n"
        if left:
            yield ""
            yield f"And {left} more, in results.json."
        yield ""
        for label, text in advice(outcome, exchanges):
            yield f"- {label}: {text}"


def _open(account: Account) -> Iterator[str]:
    groups = tally.unjudged(account.verdict)
    if groups:
        yield ""
        yield "## Not judged"
        yield ""
        yield "| requirements | outcome | why |"
        yield "| --- | --- | --- |"
    for (state, reason), outcomes in groups.items():
        yield f"| {tally.names(outcomes, account.verdict)} | {state} | {cell(reason)} |"
    for outcome in tally.errors(account.verdict):
        yield ""
        yield f"The suite itself failed on {outcome.requirement.id}: {code(outcome.reason)}"
