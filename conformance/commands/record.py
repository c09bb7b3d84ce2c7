"""`kitemesh-conformance record`: a reverse proxy in front of a server, which judges what passes."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from pathlib import Path

import click

from conformance.commands.shell import options, reports
from conformance.commands.shell.exits import FAILED, INCONCLUSIVE, PROGRAM, SUITE_ERROR, complain, unwritten
from conformance.settings.flags import OUTPUT
from conformance.settings.options import UsageError


@click.command("record", cls=options.Command, short_help="Pass traffic on to a server, and judge it as it passes.")
@click.argument("url", metavar="URL")
@options.option("--port", "Port on loopback [any free one].", topic="Proxy", metavar="N", type=click.IntRange(0, 65535))
@options.option(
    "--target-header", "Send the server this header field, too.", topic="Proxy", metavar="'N: V'", multiple=True
)
@options.option("--keep", "Exchanges kept: findings, all, or a number [all].", topic="Proxy", metavar="WHAT")
@options.of_run(("ca-bundle", "no-bodies"))
@options.option(f"--{OUTPUT.name}", OUTPUT.help, topic="Proxy", metavar="DIR", type=click.Path())
@options.help_all
@options.debug
def command(
    url: str,
    port: int | None,
    target_header: tuple[str, ...],
    keep: str | None,
    ca_bundle: str | None,
    no_bodies: bool,
    output: str | None,
) -> int:
    """Listen on loopback, pass every request on to URL as it comes, and judge.

    Point a client at the address that is shown. A finding is told while traffic goes
    on, and is a line of record.jsonl; Ctrl-C ends it, and the reports are written.
    Nothing is sent but what the client sends, so it costs nobody a credit.

    \b
    Example:
      kitemesh-conformance record https://api.example.com/v1 --port 8081
    """
    from conformance.contract.catalogue import Side
    from conformance.evidence.finding import Finding
    from conformance.judging import judge as judging
    from conformance.judging.selecting import CATALOGUE
    from conformance.recording import recorder as recording
    from conformance.recording import serving
    from conformance.recording.keeping import Kept
    from conformance.recording.passing import Way
    from conformance.reference.serving import listener, url_of
    from conformance.report import files as written_files
    from conformance.report import terminal, without_bodies
    from conformance.report.directory import TRANSCRIPT
    from conformance.report.report import Report
    from conformance.running.garbage import looked_for_seldom
    from conformance.settings.options import Options, base_url
    from conformance.transcript.excerpt import excerpt
    from conformance.transcript.exchange import Exchange
    from conformance.wire.reach import tls

    base = base_url(url)
    scheme, _, rest = base.partition("://")
    host, slash, path = rest.partition("/")
    fields = tuple(_field(text) for text in target_header)
    kept = Kept(newest=_newest(keep))
    trusted = tls.to_target(Options(ca_bundle=ca_bundle), "1.1")
    directory = Path(output or "reports")
    reports.prepare(directory)
    told: Counter[str] = Counter()

    def tell(finding: Finding, exchange: Exchange) -> None:
        told[finding.requirement] += 1
        if told[finding.requirement] <= _SHOWN:
            shown = without_bodies.observed(finding.observed) if no_bodies else finding.observed
            words = f"{finding.requirement}: {finding.message}; observed {shown} (in {exchange.name})"
            reports.echo(excerpt(words, 400) + "\n")
        elif told[finding.requirement] == _SHOWN + 1:
            reports.echo(f"{finding.requirement}: more of it is in record.jsonl only\n")

    try:
        log = recording.opened(directory)
        bound = listener(port or 0)
    except OSError as error:
        raise UsageError(f"Cannot listen on port {port}, or write there ({error.strerror}); choose another.") from None
    with log, bound:
        made = recording.Recorder(Way(f"{scheme}://{host}", fields), kept, tell, recording.Log(log, not no_bodies))

        def ready() -> None:
            click.echo(f"Listening at {url_of(bound)}{slash}{path} for {base} (Ctrl-C ends it and writes the reports).")

        with looked_for_seldom():
            asyncio.run(serving.serve(made, bound, trusted, ready))
    transcript = made.transcript()
    if not len(transcript):
        return complain("Nothing was recorded that can be judged: no request to a documented endpoint.", INCONCLUSIVE)
    result = judging.judge(transcript, opinions=False)
    report = Report.of(without_bodies.result(result) if no_bodies else result)
    failure: OSError | None = None
    written: list[Path] = []
    try:
        written = written_files.write(report, directory)
    except OSError as error:
        failure = error
    terminal.show(report, terminal.console(), written)
    code = int(report.exit_code())
    if made.failed:
        return complain(f"The suite itself failed while it judged ({made.failed}).", SUITE_ERROR)
    broken = [CATALOGUE[id_] for id_ in made.broken]
    if code != FAILED and any(r.level == "MUST" and r.side is Side.SERVER for r in broken):
        code = FAILED  # what broke it is not kept
    if of_client := [r.id for r in broken if r.side is Side.CLIENT]:
        told_of = f"The client, too, broke something: {', '.join(of_client)}. To judge it:"
        click.echo(f"{told_of}\n  {PROGRAM} judge {directory / TRANSCRIPT} --side client")
    return code if failure is None else unwritten("The reports", failure, code)


_SHOWN = 3
"""Findings of one requirement that the terminal shows as they come."""


def _newest(keep: str | None) -> int | None:
    """How many exchanges without a finding are kept; None: all. Raises UsageError."""
    if keep in (None, "all"):
        return None
    if keep == "findings":
        return 0
    if keep is not None and keep.isascii() and keep.isdigit() and len(keep) < 10:
        return int(keep)
    raise UsageError(f"--keep takes findings, all or a number, not {keep!r}.")


def _field(text: str) -> tuple[str, str]:
    name, colon, value = (part.strip() for part in text.partition(":"))
    sound = colon and re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) and re.fullmatch(r"[\x20-\x7e\t]*", value)
    if not sound or name.lower() in ("host", "content-length", "transfer-encoding", "connection"):
        raise UsageError(f"--target-header takes 'Name: value', but {name!r} is not a header field for it; correct it.")
    return name, value
