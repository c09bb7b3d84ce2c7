"""`kitemesh-conformance compare`: what broke and what was fixed from one run to another."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import click

from conformance.commands.shell import options, reports
from conformance.commands.shell.exits import FAILED, OK


@click.command("compare", short_help="Compare two runs: what broke, what was fixed.")
@click.argument("old", metavar="OLD", type=click.Path())
@click.argument("new", metavar="NEW", type=click.Path())
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "markdown", "json"]),
    default="terminal",
    help="Output format [terminal].",
)
@options.debug
def command(old: str, new: str, form: str) -> int:
    """Compare two runs, each a results.json or a transcript (HAR), judged first.

    Says what newly fails, what was fixed, what is no longer exercised, what is
    newly exercised, and how the shapes of answers changed.

    Exit code 1 if something got worse: a requirement fails that did not fail, a
    MUST that was judged is no longer judged (though options select it), a
    conformant verdict is lost, or the suite failed. A change of shape alone does
    not count. Otherwise 0.

    \b
    Example:
      kitemesh-conformance compare main/results.json reports/results.json
    """
    from conformance.contract.catalogue import load
    from conformance.judging import comparison
    from conformance.report import comparing
    from conformance.running import discovery

    discovery.discover()
    made = comparison.compare(_document(old), _document(new), load())
    told = comparing.FORMS[form](made)
    if form == "json":
        click.echo(told, nl=False)
    else:
        reports.echo(told)
    return FAILED if made.worse else OK


def _document(name: str) -> dict[str, Any]:
    """The results in a file, or those of the transcript in it."""
    from conformance.evidence.json_text import BOM, read_json
    from conformance.judging import judge as judging
    from conformance.report import results
    from conformance.running.usable import usable
    from conformance.settings import files
    from conformance.transcript import har_reader, targets

    with usable(repr(name), "compared"):
        octets = files.read(Path(name), har_reader.LARGEST)
        value = read_json(octets.removeprefix(BOM)).value
        if not isinstance(value, dict) or "log" not in value:
            return results.loads(octets)
        transcript = targets.one(har_reader.load(octets))
        return results.results(judging.judge(transcript), hashlib.sha256(octets).hexdigest())
