"""`python -m tests.studies.frontends [NAME]…`: judges the reference server behind real programs, writes the table."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import click

from . import judging, limited
from .configurations import CONFIGURATIONS, Configuration
from .programs import PROGRAMS, NotStarted
from .table import Row, markdown, missing, row

LIMITED = "uvicorn"
"""The part that runs the reference server under `uvicorn --limit-concurrency`."""
OWN = "the suite's own relay"


def one(configuration: Configuration, seed: int) -> Row:
    """One run behind a program."""
    part = configuration.program or OWN
    expected = " or ".join(sorted(configuration.blamed)) or "conformant"
    try:
        judged = judging.judge(configuration, seed)
    except (NotStarted, OSError) as error:
        return Row(part, configuration.name, expected, seed, False, problem=f"not run: {error}")
    except Exception as error:  # a defect of the suite is a row, and does not end the session
        traceback.print_exc()
        return Row(part, configuration.name, expected, seed, False, problem=f"suite error: {error!r}")
    return row(part, configuration.name, expected, seed, judged.right, judged.report, judged.seconds)


def one_limited(limit: int, concurrency: int, seed: int) -> Row:
    """One run under a limit of connections. A limit of one is inconclusive by nature; no MUST may fail anywhere."""
    name = f"--limit-concurrency {limit}, --concurrency {concurrency}"
    try:
        report, seconds = limited.judge(limit, concurrency, seed)
    except NotStarted as error:
        return Row(LIMITED, name, "no MUST fails", seed, False, problem=f"not run: {error}")
    right = not any(report.verdict.counts(outcome) for outcome in report.verdict.outcomes)
    return row(LIMITED, name, "no MUST fails", seed, right, report, seconds)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--seeds", default=10, show_default=True, type=click.IntRange(1), help="Runs of each configuration.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Runs side by side.")
@click.option("--table", "page", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
def main(names: Sequence[str], seeds: int, jobs: int, page: Path | None) -> None:
    """Judge the reference server behind the programs of these NAMEs (a part of `program: configuration` will do).

    `uvicorn` stands for the reference server under `uvicorn --limit-concurrency`, one seed each. Without a name all are
    judged. Exit code 1 where something is not as expected.
    """
    chosen = [c for c in CONFIGURATIONS if not names or any(name in f"{c.program}: {c.name}" for name in names)]
    absent = list(dict.fromkeys(c.lacks for c in chosen if c.lacks))
    if absent:
        click.echo(missing(absent), err=True)
    work = [partial(one, c, seed) for c in chosen if not c.lacks for seed in range(1, seeds + 1)]
    if not names or LIMITED in names:
        work += [partial(one_limited, n, at_once, 1) for at_once in limited.CONCURRENCIES for n in limited.LIMITS]
    if not work:
        click.echo(f"Error: nothing of that name is there; name one of {', '.join([*PROGRAMS, LIMITED])}.", err=True)
        sys.exit(4)
    rows: list[Row] = []
    with ProcessPoolExecutor(jobs) as pool:
        for done in pool.map(_call, work):
            rows.append(done)
            word = "as expected" if done.right else "NOT AS EXPECTED"
            figures = f"{done.verdict}, {done.requests} requests, {done.seconds:.0f} s"
            failed = ", ".join(done.failed) or done.problem
            click.echo(f"{done.part}: {done.name}, seed {done.seed}: {word}: {figures}; {failed} {done.told}", err=True)
            if page is not None:  # after each run, so that nothing is lost where a later one fails
                page.write_text(markdown(rows, seeds, absent), encoding="utf-8")
    if page is None:
        click.echo(markdown(rows, seeds, absent))
    sys.exit(0 if all(done.right for done in rows) else 1)


def _call(work: partial[Row]) -> Row:
    return work()


if __name__ == "__main__":
    main()
