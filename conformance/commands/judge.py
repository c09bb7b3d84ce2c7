"""`kitemesh-conformance judge`: judge recordings, without a network, and confirm or deny older results."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conformance.commands.shell import baselines, options, reports
from conformance.commands.shell.exits import FAILED, INTERRUPTED, SUITE_ERROR, unwritten
from conformance.settings.flags import names
from conformance.settings.options import Options, UsageError

if TYPE_CHECKING:
    from conformance.judging.baseline import Baseline


@click.command("judge", short_help="Judge recorded transcripts, without a network.")
@click.argument("files", nargs=-1, required=True, metavar="FILE.har…", type=click.Path())
@options.of_run(("only", "skip", "strict", "baseline", "allow-stale"))
@click.option("--output", metavar="DIR", type=click.Path(), help="Write the reports here (for one FILE).")
@click.option("--against", metavar="FILE", type=click.Path(), help="Confirm or deny this results.json.")
@options.write_baseline
@options.debug
def command(
    files: tuple[str, ...],
    output: str | None,
    against: str | None,
    write_baseline: str | None,
    only: Sequence[str],
    skip: Sequence[str],
    strict: bool,
    baseline: str | None,
    allow_stale: bool,
) -> int:
    """Judge recorded transcripts, each on its own, without a network.

    A transcript of this suite, or a HAR from a browser or proxy. The exit code is
    the worst of all. With --against, results that the transcript does not confirm
    give exit code 1 and a sentence for each difference; results that it confirms
    give the exit code of their verdict.

    \b
    Example:
      kitemesh-conformance judge reports/transcript.har --only stream
      kitemesh-conformance judge transcript.har --against results.json
    """
    from conformance.contract.catalogue import from_outside
    from conformance.judging.judge import known_failures, selected_ids
    from conformance.report.tally import weightiest
    from conformance.running import discovery

    for flag, value in (("--output", output), ("--write-baseline", write_baseline), ("--against", against)):
        if value and len(files) > 1:
            raise UsageError(f"{flag} is for one transcript, but several were given; judge one at a time.")
    if output:
        reports.prepare(Path(output))
    told: dict[str, Any] = {"only": names(only), "skip": names(skip), "strict": strict}
    if against and any(told.values()):
        raise UsageError("--against judges what the results say was judged; leave out --only, --skip, --strict.")
    claimed = _claimed(against) if against else None
    if claimed is None or any(from_outside(entry["id"]) for entry in claimed["requirements"]):
        discovery.discover()  # else the results are held to what they were judged by, whatever is installed here
    if claimed:
        told = {name: claimed["options"].get(name) for name in told}
        told = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    chosen = {key: value for key, value in told.items() if value}
    selected_ids(Options(**chosen))
    if allow_stale:
        chosen["allow_stale"] = True
    known = known_failures(Options(baseline=baseline))
    baselines.may_write(write_baseline, known)
    titled = len(files) > 1
    return weightiest(
        [_judge(Path(name), chosen, output, known, write_baseline, claimed, titled=titled) for name in files]
    )


def _claimed(name: str) -> dict[str, Any]:
    from conformance.report import results
    from conformance.running.usable import usable

    with usable(repr(name), "confirmed"):
        claimed = results.load(Path(name))
    chosen = claimed["options"]
    lists = [chosen.get(key) or [] for key in ("only", "skip")]
    sound = all(isinstance(ids, list) and all(isinstance(i, str) for i in ids) for ids in lists)
    if not sound or not isinstance(chosen.get("strict", False), bool):
        raise UsageError(f"{name!r} cannot be confirmed. Its options do not say what was judged.")
    return claimed


def _judge(
    path: Path,
    chosen: dict[str, Any],
    output: str | None,
    known: Baseline | None,
    write_baseline: str | None,
    claimed: dict[str, Any] | None,
    *,
    titled: bool,
) -> int:
    """Judge one transcript as it was recorded, but for what was chosen now."""
    from conformance.judging import judge as judging
    from conformance.report import files as written_files
    from conformance.report import results
    from conformance.report.report import Report
    from conformance.running.usable import usable
    from conformance.settings import files
    from conformance.transcript import har_reader

    with usable(repr(str(path)), "judged"):
        octets = files.read(path, har_reader.LARGEST)
        transcript = har_reader.load(octets)
    report = Report.of(judging.judge(transcript, chosen=chosen, known=known))
    if titled:
        click.echo(f"== {path}")
    written: Sequence[Path] = ()
    failure: OSError | None = None
    try:
        written = written_files.write(report, Path(output)) if output else ()
    except OSError as error:
        failure = error
    reports.show(report, written)
    if titled:
        click.echo()
    code = baselines.write(report, write_baseline, known)
    if claimed:
        code = _confirm(claimed, results.results(report, hashlib.sha256(octets).hexdigest()), code)
    return code if failure is None else unwritten("The reports", failure, code)


def _confirm(claimed: dict[str, Any], found: dict[str, Any], code: int) -> int:
    """Say whether the claimed results hold; gives the exit code: that of the verdict, or 1 where they do not."""
    from conformance.judging.confirmation import confirm
    from conformance.report.terminal import paragraphs
    from conformance.transcript.excerpt import excerpt

    made = confirm(claimed, found)
    word = "CONFIRMED" if made.confirmed else "DENIED"
    lines = [("", ""), *(("  ", excerpt(text)) for text in made.denials)]
    lines += [("Note: ", excerpt(text)) for text in made.notes]
    reports.echo(paragraphs([*lines, ("", f"{word}: {made.sentence}")]))
    return code if made.confirmed or code in (INTERRUPTED, SUITE_ERROR) else FAILED
