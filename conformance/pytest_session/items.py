"""The catalogue as a file of tests: one item a requirement, which shows what the verdict says and decides nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import conformance
from conformance.pytest_session.session import SuiteFailed, shown

if TYPE_CHECKING:
    from conformance.contract.catalogue import Requirement
    from conformance.pytest_session.session import Session

REQUIREMENTS = Path(conformance.__file__).parent / "contract" / "requirements.toml"

_OF_REPORT = "kitemesh_requirement"
"""Attribute of a test's report."""


class RequirementBroken(Exception):
    """A requirement failed; the message is the text of its findings."""


class BaselineOutdated(Exception):
    """An entry of the baseline is stale or expired; the message says of each what to do."""


class RequirementItem(pytest.Item):
    """One requirement."""

    def __init__(self, *, requirement: Requirement, line: int, run: Session, **rest: Any) -> None:
        """Take the requirement, its line in the catalogue (from 0), and the session that knows its outcome."""
        super().__init__(**rest)
        self.requirement = requirement
        self.line = line
        self.run = run
        self.extra_keyword_matches.update({requirement.area, requirement.level.value})

    def setup(self) -> None:
        """Tell a failure of the suite apart from one of the target: pytest's "error"."""
        outcome = self.run.outcome(self.requirement)
        if outcome.state == "error":
            raise SuiteFailed(f"The suite itself failed on {outcome.requirement.id}: {outcome.reason}")

    def runtest(self) -> None:
        """Pass, fail, xfail or skip as the verdict says."""
        outcome = self.run.outcome(self.requirement)
        if outcome.state == "failed":
            if reason := self.run.known(self.requirement):
                pytest.xfail(shown(f"known: {reason}"))
            if outcome.requirement.level == "SHOULD" and not self.run.options.strict:
                pytest.xfail(shown(outcome.findings[0].message))
            raise RequirementBroken(self.run.describe(self.requirement))
        if complaints := self.run.complaints(self.requirement):
            raise BaselineOutdated("\n".join(complaints))
        if outcome.state != "passed":
            pytest.skip(shown(f"{outcome.state.value}: {outcome.reason}"))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The text of the finding, never a traceback of the suite's own code."""
        if isinstance(excinfo.value, RequirementBroken | BaselineOutdated | SuiteFailed | pytest.xfail.Exception):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the requirement is in the catalogue."""
        return self.path, self.line, self.requirement.id


class CatalogueFile(pytest.File):
    """`requirements.toml`."""

    def __init__(self, *, run: Session, requirements: Sequence[Requirement], **rest: Any) -> None:
        """Take those requirements of the catalogue that were asked for."""
        super().__init__(**rest)
        self._run = run
        self._requirements = requirements

    def collect(self) -> Iterable[RequirementItem]:
        """One item a requirement."""
        lines = _lines(self.path)
        for requirement in self._requirements:
            yield RequirementItem.from_parent(
                self,
                name=requirement.id,
                requirement=requirement,
                line=lines.get(requirement.id, 0),
                run=self._run,
            )


def collected(session: pytest.Session, run: Session, patterns: Sequence[str]) -> Iterable[pytest.Item]:
    """The items of the requirements that the patterns select; without any, of the whole catalogue."""
    from conformance.contract.catalogue import load

    catalogue = load().of(run.options.side)
    requirements = catalogue.select(patterns) if patterns else list(catalogue)
    file = CatalogueFile.from_parent(
        session, path=REQUIREMENTS, nodeid=REQUIREMENTS.name, run=run, requirements=requirements
    )
    return session.genitems(file)


def _lines(path: Path) -> dict[str, int]:
    """Requirement id to its line, counted from 0."""
    found: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        if match := re.match(r'id\s*=\s*"([^"]+)"', line):
            found.setdefault(match[1], number)
    return found


def explain(item: RequirementItem, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Give the report of an item its requirement, a skip its place in the catalogue, and pytest-html the finding."""
    # Not as user properties: in junit.xml these would stand in a test case, where its schema allows none.
    setattr(report, _OF_REPORT, item.requirement)
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, pytest.skip.Exception):
        report.longrepr = (item.path.name, item.line + 1, f"Skipped: {error.msg}")
    elif isinstance(error, SuiteFailed):
        report.longrepr = str(error)
    elif isinstance(error, RequirementBroken | pytest.xfail.Exception):
        text = item.run.describe(item.requirement)
        if report.outcome == "skipped":  # an xfail says its reason only
            report.longrepr = text
        if item.config.getoption("htmlpath", None):
            from pytest_html import extras  # type: ignore[import-untyped]

            setattr(report, "extras", [*getattr(report, "extras", []), extras.text(text, name="finding")])  # noqa: B010


def requirement_of(report: Any) -> Requirement | None:
    """The requirement that the report of an item of ours speaks of; None for any other."""
    return getattr(report, _OF_REPORT, None)
