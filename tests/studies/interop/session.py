"""What the two sessions at other people's servers share: their options, and the table that grows with each server."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from .table import TITLE, TOLD, WORDS, Row, document, markdown

USAGE = 4
_FOLDER = click.Path(file_okay=False, path_type=Path)


def options(output: str) -> Callable[[Any], Any]:
    """The options of both; `output` is where the reports go by default."""
    given = (
        click.option("--depth", type=click.Choice(["quick", "standard"]), default="standard", show_default=True),
        click.option("--output", metavar="DIR", default=output, show_default=True, type=_FOLDER),
        click.option(
            "--environments",
            metavar="DIR",
            default=".nox/interop-servers",
            show_default=True,
            type=_FOLDER,
            help="Where the servers are installed; what stands there already is used again.",
        ),
        click.option(
            "--table",
            "page",
            metavar="FILE",
            type=click.Path(dir_okay=False, writable=True, path_type=Path),
            help="Put the table here, too.",
        ),
    )

    def decorate(command: Any) -> Any:
        for option in reversed(given):
            command = option(command)
        return command

    return decorate


def refuse(sentence: str) -> None:
    """End with what is wrong with the command line."""
    click.echo(f"Error: {sentence}", err=True)
    sys.exit(USAGE)


def folders(*wanted: Path) -> None:
    """Make the folders, or end with a sentence."""
    try:
        for folder in wanted:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        refuse(f"nothing can be written to {error.filename!r} ({error.strerror}); choose another.")


@dataclass(frozen=True, slots=True)
class Page:
    """Where a session's table goes, and what stands above it."""

    name: str
    """Of the files, without their ending."""
    title: str = TITLE
    words: str = WORDS
    told: str = TOLD
    """The runs' options other than the depth, in words."""

    def judged(self, rows: Iterable[Row], depth: str, output: Path, page: Path | None) -> None:
        """Write the table after each row, so that nothing is lost where a later one fails; then end.

        Exit code 1 where something fails that nobody has reviewed, where the suite itself went wrong, or where no
        server could be judged.
        """
        known: list[Row] = []
        text = ""
        for row in rows:
            known.append(row)
            text = markdown(known, depth, self.told, self.title, self.words)
            (output / f"{self.name}.md").write_text(text, encoding="utf-8")
            written = json.dumps(document(known, depth), ensure_ascii=False, indent=1)
            (output / f"{self.name}.json").write_text(f"{written}\n", encoding="utf-8")
        click.echo(text)
        if page is not None:
            shutil.copyfile(output / f"{self.name}.md", page)
        judged = [row for row in known if not row.problem]
        sys.exit(0 if judged and all(row.good for row in judged) else 1)
