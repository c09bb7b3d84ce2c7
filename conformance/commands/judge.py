"""`kitemesh-conformance judge`: judge recordings, without a network, and confirm or deny older results."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conformance.commands.shell import baselines, options, reports
from conformance.commands.shell.exits import FAILED, INTERRUPTED, SUITE_ERROR, USAGE, complain, unwritten
from conformance.settings.flags import names
from conformance.settings.options import Options, UsageError
from conformance.transcript.excerpt import excerpt

if TYPE_CHECKING:
    from conformance.judging.baseline import Baseline
    from conformance.transcript.exchange import Transcript
    from conformance.transcript.targets import Choice

_WHICH = "Which server, in a recording of another client"


@click.command("judge", cls=options.Command, short_help="Judge recordings, without a network.")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(allow_dash=True))
@options.option("--host", "Judge what went to this host.", topic=_WHICH, metavar="HOST[:PORT]")
@options.option("--model", "Judge what asked for this model.", topic=_WHICH, metavar="MODEL")
@options.option("--any-model", "Judge answers of other models, by --profile.", topic=_WHICH, is_flag=True)
@options.option("--path", "Judge what went below this path: /v1.", metavar="PATH")
@options.option(
    "--profile",
    "The part of the contract for --any-model.",
    metavar="openai-compatible",
    type=click.Choice(["openai-compatible"]),
)
@options.option(
    "--side", "Whom to judge: server or client [as recorded].", metavar="SIDE", type=click.Choice(("server", "client"))
)
@options.of_run(("only", "skip", "strict", "baseline", "allow-stale", "no-bodies"), brief=True)
@options.option("--output", "Write the reports here (for one verdict).", metavar="DIR", type=click.Path())
@options.option("--against", "Confirm or deny this results.json.", metavar="FILE", type=click.Path())
@click.option("--write-baseline", help="Write the failures as a baseline.", metavar="FILE", type=click.Path())
@options.help_all
@options.debug
def command(
    files: tuple[str, ...],
    side: str | None,
    output: str | None,
    against: str | None,
    write_baseline: str | None,
    only: Sequence[str],
    skip: Sequence[str],
    strict: bool,
    baseline: str | None,
    allow_stale: bool,
    no_bodies: bool,
    host: str | None,
    path: str | None,
    model: str | None,
    any_model: bool,
    profile: str | None,
) -> int:
    """Judge recordings, each on its own, without a network.

    A transcript of this suite, or what another client saved (`help recordings`); -
    is standard input. Each server that was asked for a group gets a verdict, and
    the exit code is the worst of all. With --against, results that the transcript
    does not confirm give exit code 1 and a sentence for each difference.

    \b
    Example:
      kitemesh-conformance judge reports/transcript.har --only stream
      kitemesh-conformance judge session.har --host api.example.com
      kitemesh-conformance judge transcript.har --against results.json
    """
    from conformance.contract.catalogue import Side, from_outside
    from conformance.judging.selecting import known_failures, selected_ids, side_of
    from conformance.report.tally import weightiest
    from conformance.running import discovery
    from conformance.running.garbage import looked_for_seldom
    from conformance.transcript.targets import OPENAI, Choice

    for flag, value in (("--output", output), ("--write-baseline", write_baseline), ("--against", against)):
        if value and len(files) > 1:
            raise UsageError(f"{flag} is for one transcript, but several were given; judge one at a time.")
    if output:
        reports.prepare(Path(output))
    told: dict[str, Any] = {"only": names(only), "skip": names(skip), "strict": strict, "side": side}
    if against and any(told.values()):
        raise UsageError(
            "--against judges what the results say was judged; leave out --only, --skip, --strict, --side."
        )
    claimed = _claimed(against) if against else None
    if claimed is None or any(from_outside(entry["id"]) for entry in claimed["requirements"]):
        discovery.discover()  # else the results are held to what they were judged by, whatever is installed here
    if claimed:
        told = {name: claimed["options"].get(name) for name in told}
        told = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    chosen = {key: value for key, value in told.items() if value}
    if told_side := chosen.get("side") or side_of(chosen.get("only", ())):
        chosen["side"] = Side(told_side)
    selected_ids(Options(**chosen))
    if allow_stale:
        chosen["allow_stale"] = True
    if no_bodies:
        chosen["bodies"] = False
    known = known_failures(Options(baseline=baseline))
    baselines.may_write(write_baseline, known)
    choice = Choice(host, path, model, OPENAI if any_model or profile else None)
    order = _Order(choice, chosen, output, known, write_baseline, claimed, several=len(files) > 1)
    with looked_for_seldom():
        return weightiest([code for name in files for code in _judge_file(name, order)])


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


@dataclass(frozen=True)
class _Order:
    """What was asked of the command, for each of the files."""

    choice: Choice
    chosen: dict[str, Any]
    output: str | None
    known: Baseline | None
    write_baseline: str | None
    claimed: dict[str, Any] | None
    several: bool
    """True: there are several files."""


def _judge_file(name: str, order: _Order) -> list[int]:
    """Judge what is in one file; one that cannot be read does not stop the others."""
    try:
        digest, transcripts = _read(name, order)
    except UsageError as error:
        if not order.several:
            raise
        return [complain(str(error), USAGE)]
    titled = order.several or len(transcripts) > 1
    return [_judge(name, transcript, digest, order, titled=titled) for transcript in transcripts]


def _read(name: str, order: _Order) -> tuple[str, list[Transcript]]:
    """The SHA-256 of a file, where it is needed, and the transcripts in it. Raises UsageError."""
    from conformance.running.usable import usable
    from conformance.settings import files
    from conformance.transcript import har_reader, recordings, targets

    digest = ""
    with usable("Standard input" if name == "-" else repr(name), "judged"):
        source: Path | bytes = Path(name)
        if name == "-":
            source = sys.stdin.buffer.read(har_reader.LARGEST + 1)
        elif order.claimed:
            source = files.read(Path(name), har_reader.LARGEST)
        if isinstance(source, bytes):
            digest = hashlib.sha256(source).hexdigest()
        transcripts = targets.chosen(recordings.load(source), order.choice)
    if len(transcripts) > 1 and (order.output or order.write_baseline or order.claimed):
        there = ", ".join(target_of(transcript) for transcript in transcripts)
        raise UsageError(f"{name!r} is about several servers ({there}); choose one by --host or --path.")
    return digest, transcripts


def target_of(transcript: Transcript) -> str:
    """The base URL that a recording of somebody else's is about; empty where it does not say."""
    from conformance.transcript.account import RECORDING

    recorded = transcript.options.get(RECORDING)
    return str(recorded.get("target", "")) if isinstance(recorded, dict) else ""


def _judge(name: str, transcript: Transcript, digest: str, order: _Order, *, titled: bool) -> int:
    """Judge one transcript as it was recorded, but for what was chosen now."""
    from conformance.judging import judge as judging
    from conformance.report import files as written_files
    from conformance.report import results, without_bodies
    from conformance.report.report import Report

    result = judging.judge(transcript, chosen=order.chosen, known=order.known)
    if not result.options.bodies:
        result = without_bodies.result(result)
    report = Report.of(result)
    if titled:
        target = target_of(transcript)
        reports.echo(excerpt(f"== {name}{f' ({target})' if target else ''}", 300) + "\n")
    written: Sequence[Path] = ()
    failure: OSError | None = None
    try:
        written = written_files.write(report, Path(order.output)) if order.output else ()
    except OSError as error:
        failure = error
    reports.show(report, written)
    if titled:
        click.echo()
    code = baselines.write(report, order.write_baseline, order.known)
    if order.claimed:
        code = _confirm(order.claimed, results.results(report, digest), code)
    return code if failure is None else unwritten("The reports", failure, code)


def _confirm(claimed: dict[str, Any], found: dict[str, Any], code: int) -> int:
    """Say whether the claimed results hold; gives the exit code: that of the verdict, or 1 where they do not."""
    from conformance.judging.confirmation import confirm
    from conformance.report.terminal import paragraphs

    made = confirm(claimed, found)
    word = "CONFIRMED" if made.confirmed else "DENIED"
    lines = [("", ""), *(("  ", excerpt(text)) for text in made.denials)]
    lines += [("Note: ", excerpt(text)) for text in made.notes]
    reports.echo(paragraphs([*lines, ("", f"{word}: {made.sentence}")]))
    return code if made.confirmed or code in (INTERRUPTED, SUITE_ERROR) else FAILED
