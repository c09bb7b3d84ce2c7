"""The result of a run as people hold it who embed the suite: it can be printed and written."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from conformance.judging.result import Result
from conformance.report import files, terminal
from conformance.report.directory import prepare
from conformance.transcript.excerpt import excerpt


@dataclass(frozen=True, slots=True, repr=False)
class Report(Result):
    """A run, judged: `report["stream.done"]`, `report.passed`, `report.write("reports")`, `print(report)`."""

    @classmethod
    def of(cls, result: Result) -> Self:
        """The same, to be printed and written."""
        return cls(**{field.name: getattr(result, field.name) for field in fields(result)})

    def to_dict(self) -> dict[str, Any]:
        """The document of `results.json` (format 1, `schemas/results.schema.json`) as JSON values."""
        return files.document(self)

    def write(self, directory: str | os.PathLike[str]) -> list[Path]:
        """Write report.html, the transcript and every other report (`help reports`), and a badge where one is due.

        Args:
            directory: where to; it is made where it is not there.

        Returns:
            The paths, that of report.html first.

        Raises:
            OSError: a file cannot be written.
        """
        prepare(Path(directory))
        return files.write(self, Path(directory))

    def __repr__(self) -> str:
        """One line: the conclusion and its reason."""
        sentence = self.verdict.sentence.removeprefix("The target ").removeprefix("The client ").rstrip(".")
        return f"<Report {self.verdict.conclusion.value}: {excerpt(sentence, 300)}>"

    def __str__(self) -> str:
        """What a terminal shows of it: the verdict, and what failed."""
        held = io.StringIO()
        terminal.show(self, terminal.console(held))
        return held.getvalue()
