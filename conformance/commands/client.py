"""`kitemesh-conformance client`: run a command against each face of the reference server, and judge it."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from conformance.commands.shell import baselines, completion, options, reports
from conformance.settings.flags import names
from conformance.settings.options import Depth, Options, UsageError

if TYPE_CHECKING:
    from conformance.client.faces import Face
    from conformance.report.report import Report
    from conformance.wire.progress import Tell

OUTPUT = "reports/client"
LONGEST = 3600.0
"""Seconds that a command may be given."""


@click.command(
    "client",
    cls=options.Command,
    short_help="Judge a client: run it against each face of the reference server.",
    context_settings={"allow_interspersed_args": False},  # what follows the command's name is the command's own
)
@click.argument("words", nargs=-1, required=True, metavar="-- COMMAND…", type=click.UNPROCESSED)
@options.option(
    "--face",
    "Only these faces, and plain (see serve --list).",
    topic="What is judged",
    multiple=True,
    metavar="ID,…",
    shell_complete=completion.faces,
)
@options.of_run(("depth", "only", "skip", "strict"))
@options.option("--same-output", "Its output has to be the same, too.", topic="What is judged", is_flag=True)
@options.of_run(("baseline", "allow-stale"), brief=True)
@click.option("--write-baseline", metavar="FILE", type=click.Path(), help="Write the failures as a baseline.")
@click.option("--timeout", type=float, metavar="SECONDS", default=20.0, help="Time that it has on each face [20].")
@click.option("--jobs", type=click.IntRange(1, 64), metavar="N", help="Faces at a time [two for each processor].")
@click.option("--output", metavar="DIR", type=click.Path(), default=OUTPUT, help=f"Write the reports here [{OUTPUT}].")
@options.help_all
@options.debug
def command(
    words: tuple[str, ...],
    face: Sequence[str],
    depth: str | None,
    only: Sequence[str],
    skip: Sequence[str],
    strict: bool,
    same_output: bool,
    baseline: str | None,
    allow_stale: bool,
    write_baseline: str | None,
    timeout: float,
    jobs: int | None,
    output: str,
) -> int:
    """Run COMMAND against the reference server: plain, varied, and in trouble. It
    finds it in KITEMESH_URL, KITEMESH_TOKEN and KITEMESH_MODEL, or OPENAI_BASE_URL
    and OPENAI_API_KEY, and shows success by exit status 0.

    \b
    Example:
      kitemesh-conformance client -- python my_client.py
      kitemesh-conformance client --depth quick --same-output -- node client.mjs
    """
    from conformance.client import run as running
    from conformance.contract.catalogue import Side
    from conformance.judging.selecting import known_failures, selected_ids
    from conformance.pytest_session.session import Session

    chosen = Options(
        side=Side.CLIENT,
        depth=_depth(depth),
        only=names(only),
        skip=names(skip),
        strict=strict,
        baseline=baseline,
        allow_stale=allow_stale,
    )
    ids = selected_ids(chosen)
    if not 0 < timeout <= LONGEST:
        raise UsageError(f"--timeout must be above 0, and {LONGEST:g} at most; give the seconds on each face.")
    if shutil.which(words[0]) is None:
        raise UsageError(f"There is no program {words[0]!r}; check the name, and that it may be executed.")
    known = known_failures(chosen)
    baselines.may_write(write_baseline, known)
    trial = running.Trial(
        command=words,
        faces=_faces(names(face), chosen.depth, ids),
        limit=timeout,
        jobs=jobs,
        same_output=same_output,
        every_face=not face and chosen.depth is Depth.DEEP,
    )

    def record(narrowed: Options, progress: Tell) -> Report:
        return running.run(trial, narrowed, progress)

    from conformance.commands.run import by_pytest

    directory = Path(output)
    reports.prepare(directory)
    session = Session(chosen, directory, record=record, target=running.told(trial.command))
    return by_pytest(session, directory, lambda report: baselines.write(report, write_baseline, known))[1]


def _depth(word: str | None) -> Depth:
    try:
        return Depth((word or Depth.STANDARD).lower())
    except ValueError:
        raise UsageError(f"--depth must be {', '.join(Depth)}, not {word!r}.") from None


def _faces(patterns: Sequence[str], depth: Depth, ids: Collection[str] | None) -> tuple[Face, ...]:
    """Those that were named, or of the depth those that show what was selected."""
    from conformance.client import faces

    return faces.chosen(patterns) if patterns else faces.showing(faces.of_depth(depth), ids)
