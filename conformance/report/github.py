"""GitHub Actions: annotations on the job, and its summary page.

A step of a job is commanded by what it prints: a line that begins with `::` (white space before it does not count), or
holds `##[` anywhere, may be a workflow command. The target's text must not forge one, so all that is printed stands
between `::stop-commands::TOKEN` and `::TOKEN::`, with a token drawn again each time, and in the suite's own commands it
is escaped as the runner asks: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from conformance.contract.catalogue import Level
from conformance.judging.gate import expired_sentence, stale_sentence
from conformance.judging.result import Result
from conformance.judging.verdict import Outcome
from conformance.report import tally
from conformance.report.breach import named
from conformance.report.remedy import remedy
from conformance.report.summary import summary
from conformance.report.target import exchanges_by_name
from conformance.transcript.excerpt import excerpt

MOST = 10
"""Errors, and warnings, and notices: GitHub shows so many of each of a step."""
LARGEST = 1024 * 1024
"""Octets of a step's summary that GitHub takes."""
_CUT = "\n\n(The rest is in summary.md, among the reports.)\n"

Echo = Callable[[str], None]


def active(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this is a step of a job on GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


@contextmanager
def silenced(echo: Echo, environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """While it lasts, nothing that is printed is taken for a command; elsewhere than on GitHub Actions, nothing."""
    if not active(environ):
        yield
        return
    token = secrets.token_hex(16)
    echo(f"::stop-commands::{token}")
    try:
        yield
    finally:
        echo(f"::{token}::")


def publish(result: Result, echo: Echo, environ: Mapping[str, str] = os.environ) -> None:
    """Annotate the job and add to its summary, on GitHub Actions; elsewhere nothing.

    Raises:
        OSError: the summary's file cannot be written.
    """
    if not active(environ):
        return
    for line in commands_on(result):
        echo(line)
    if path := environ.get("GITHUB_STEP_SUMMARY"):
        page = summary(result).encode("utf-8")
        with Path(path).open("ab") as file:
            room = LARGEST - file.tell()
            if len(page) > room:
                page = page[: max(0, room - len(_CUT))].decode("utf-8", "ignore").encode() + _CUT.encode()
            if len(page) <= room:
                file.write(page)


def commands_on(result: Result) -> list[str]:
    """The annotations: what is wrong as errors, warnings, and what is known as notices; `MOST` of each."""
    commands: list[str] = []
    for kind, found in (("error", _errors(result)), ("warning", _warnings(result)), ("notice", _notices(result))):
        told = list(found)
        left = len(told) - MOST
        if left > 0:
            told = [*told[: MOST - 1], ("KiteMesh conformance", f"And {left + 1} more, in the job's summary.")]
        commands += [command(kind, title, message) for title, message in told]
    return commands


def command(kind: str, title: str, message: str) -> str:
    """One workflow command, on one line, whatever the texts hold."""
    return f"::{kind} title={_property(title)}::{_data(excerpt(message, 1000))}"


def _errors(result: Result) -> Iterator[tuple[str, str]]:
    if result.exit_code() != 0:
        sentence = result.gate.sentence if result.gate.baseline else result.verdict.sentence
        yield f"KiteMesh conformance: {result.verdict.conclusion}", sentence
    for outcome in tally.broken(result.verdict):
        if result.verdict.counts(outcome) and result.gate.reason(outcome.requirement.id) is None:
            yield _told(outcome, result)
    if not result.gate.stale_allowed:
        yield from _stale(result)
    for entry in result.gate.expired:
        yield f"{entry.requirement}: expired entry of the baseline", expired_sentence(entry)
    for outcome in tally.errors(result.verdict):
        yield f"{outcome.requirement.id}: the suite itself failed", outcome.reason


def _warnings(result: Result) -> Iterator[tuple[str, str]]:
    for outcome in tally.broken(result.verdict):
        if not result.verdict.counts(outcome) and result.gate.reason(outcome.requirement.id) is None:
            yield _told(outcome, result)
    if result.gate.stale_allowed:
        yield from _stale(result)


def _stale(result: Result) -> Iterator[tuple[str, str]]:
    for entry in result.gate.stale:
        yield f"{entry.requirement}: stale entry of the baseline", stale_sentence(entry)


def _notices(result: Result) -> Iterator[tuple[str, str]]:
    for outcome in tally.broken(result.verdict):
        if (reason := result.gate.reason(outcome.requirement.id)) is not None:
            yield f"{outcome.requirement.id} ({Level(outcome.requirement.level)}): known", reason


def _told(outcome: Outcome, result: Result) -> tuple[str, str]:
    requirement, finding = outcome.requirement, outcome.findings[0]
    more = f" (and {len(outcome.findings) - 1} more)" if outcome.findings[1:] else ""
    seen = f"Expected {excerpt(finding.expected, 200)}; observed {excerpt(finding.observed, 200)}"
    exchanges = exchanges_by_name(result.transcript)
    name = excerpt(named(finding.exchange, exchanges.get(finding.exchange)), 300)
    place = f"in {name}" + (f", {finding.place}" if finding.place else "")
    fix = remedy(outcome, exchanges)
    return f"{requirement.id} ({requirement.level})", f"{finding.message}, {place}{more}. {seen}. {fix}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(excerpt(text)).replace(":", "%3A").replace(",", "%2C")
