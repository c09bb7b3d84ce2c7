"""The run of one session: recorded once, before the first item; then it says what became of each requirement."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conformance.contract.catalogue import Requirement
    from conformance.judging.verdict import Outcome
    from conformance.report.report import Report
    from conformance.settings.options import Options
    from conformance.wire.progress import Tell

Host = Callable[[], AbstractContextManager[str]]
"""Serves something while the context lasts, and gives its base URL."""

Record = Callable[["Options", "Tell"], "Report"]
"""Records with these options, tells how far it is, and judges."""

UNFINISHED = ".unfinished-"
"""Start of a directory's name in which pytest leaves its reports until `kitemesh-conformance run` moves them up."""


class SuiteFailed(Exception):
    """The suite itself failed on a requirement."""


class Session:
    """Records once, writes the reports, and gives outcomes and the exit code."""

    def __init__(
        self,
        options: Options,
        output: Path | None,
        *,
        host: Host | None = None,
        record: Record | None = None,
        target: str = "",
    ) -> None:
        """Take what the run is told.

        Args:
            options: validated.
            output: directory for the reports; None: none are wanted.
            host: what serves the target while it is judged, and gives its URL; None: it runs by itself.
            record: records and judges; None: what does it for servers.
            target: what is judged, for people; empty: the options' URL.
        """
        self._record = record
        self.target = target
        self._host = host
        self.options = options
        self.output = output
        self.log: Path | None = None
        """Where pytest.html will be, where there will be one."""
        self.report: Report | None = None
        self.failure: BaseException | None = None
        """What the suite raised instead of a report."""
        self.unwritten: OSError | None = None
        """Why the reports could not be written."""
        self.written: list[Path] = []

    def record(self, chosen: Sequence[Requirement]) -> Report:
        """Record and judge, and write the reports, or keep why they could not be written.

        Raises:
            UsageError: the run refuses what it was told.
        """
        from conformance.report import files, terminal
        from conformance.report.target import EMBEDDED
        from conformance.running import run

        self.options = narrowed(self.options, chosen)
        target = self.target or self.options.url or EMBEDDED
        with self._served(), terminal.meter(terminal.console(stderr=True), target) as watch:
            self.report = (self._record or run.run)(self.options, watch)
        if self.output is not None:
            try:
                self.written += files.write(self.report, self.output, self.log)
            except OSError as error:
                self.unwritten = error
        return self.report

    @contextmanager
    def _served(self) -> Iterator[None]:
        if self._host is None:
            yield
            return
        with self._host() as url:
            self.options = replace(self.options, url=url)
            yield

    def outcome(self, requirement: Requirement) -> Outcome:
        """What became of a requirement."""
        if self.report is None:
            raise SuiteFailed("Nothing was recorded.")
        return self.report.verdict[requirement.id]

    def known(self, requirement: Requirement) -> str | None:
        """Why the baseline accepts that this requirement fails; None where it does not."""
        reason = self.report.gate.reason(requirement.id) if self.report else None
        return None if reason is None else shown(reason)

    def complaints(self, requirement: Requirement) -> list[str]:
        """What is wrong with the baseline's entries on this requirement."""
        return [shown(text) for text in self.report.gate.complaints(requirement.id)] if self.report else []

    def describe(self, requirement: Requirement) -> str:
        """The text of a failed requirement, with what the baseline says of it."""
        from conformance.report import github
        from conformance.report.breach import describe
        from conformance.report.target import exchanges_by_name
        from conformance.report.way import way_of
        from conformance.transcript.excerpt import harmless

        outcome = self.outcome(requirement)
        assert self.report is not None  # the outcome comes from it
        text = describe(outcome, exchanges_by_name(self.report.transcript), way_of(self.report.transcript))
        known = self.known(requirement)
        lines = [text, *([f"  known     {known}"] if known else []), *self.complaints(requirement)]
        return harmless("\n".join(lines)) if github.active() else "\n".join(lines)

    def exit_status(self, of_pytest: int, *, others_failed: bool) -> int | None:
        """The verdict's exit code, unless something weightier happened beside it; None: it is pytest's.

        Args:
            of_pytest: what pytest would give.
            others_failed: whether a test failed that is not of the catalogue.
        """
        from conformance.report.tally import weightiest

        if self.report is None:  # what was selected is nothing: nothing was sent
            return 4 if of_pytest == pytest.ExitCode.NO_TESTS_COLLECTED else None
        codes = {int(self.report.exit_code())}
        if of_pytest in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR):
            codes.add(int(of_pytest))
        if others_failed:
            codes.add(1)
        code = weightiest(codes)
        return code or 4 if self.unwritten else code


def log_of(config: pytest.Config) -> Path | None:
    """Where pytest.html will be; None: nobody asked for it."""
    given = config.getoption("htmlpath", None)
    if not given:
        return None
    log: Path = config.invocation_params.dir / os.path.expanduser(os.path.expandvars(given))
    return log.parent.parent / log.name if log.parent.name.startswith(UNFINISHED) else log


def shown(text: str) -> str:
    """A line as pytest may print it, wherever that is."""
    from conformance.report import github
    from conformance.transcript.excerpt import excerpt, harmless

    text = excerpt(text, 2000)
    return harmless(text) if github.active() else text


def narrowed(options: Options, chosen: Sequence[Requirement]) -> Options:
    """The options with only the chosen requirements selected, where these are fewer than the catalogue's.

    Raises:
        UsageError: the options had left out every one of them.
    """
    from conformance.judging.selecting import CATALOGUE, selected_ids
    from conformance.settings.options import UsageError

    if len(chosen) == len(CATALOGUE.of(options.side)):
        return options
    allowed = selected_ids(options)
    ids = tuple(requirement.id for requirement in chosen if allowed is None or requirement.id in allowed)
    if not ids:
        raise UsageError("Everything that was selected is left out by --only or --skip; relax one of them.")
    return replace(options, only=ids, skip=())


def failure(error: Exception) -> tuple[int, str]:
    """The exit code and the sentence for an exception that came instead of a report."""
    from conformance.settings.options import UsageError

    if isinstance(error, UsageError):
        return 4, str(error)
    return 3, (
        f"The suite itself failed ({type(error).__name__}: {error}); "
        "set KITEMESH_DEBUG=1 for the traceback, and please report it."
    )
