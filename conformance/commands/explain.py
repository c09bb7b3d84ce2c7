"""`kitemesh-conformance explain`: what a requirement asks for, why, and an example."""

from __future__ import annotations

import click

from conformance.commands.shell import completion, options
from conformance.commands.shell.exits import OK
from conformance.settings.options import UsageError


@click.command("explain", short_help="Explain a requirement, with an example.")
@click.argument("pattern", metavar="ID-or-area", shell_complete=completion.requirements)
@options.debug
def command(pattern: str) -> int:
    """Explain what a requirement asks for and why, which faults prove its check, and
    which clients a breach affects, with an example. Of an area, or of several
    requirements (stream.done*), only what each asks for, why, and what to do.

    \b
    Example:
      kitemesh-conformance explain stream.done
    """
    from conformance.contract.catalogue import UnknownRequirement, load
    from conformance.proving import clients, examples
    from conformance.proving import explain as shown
    from conformance.proving.prove import faults_of
    from conformance.running import discovery

    discovery.discover()
    try:
        several = load().select([pattern])
    except UnknownRequirement as error:
        raise UsageError(str(error)) from None
    if len(several) > 1:
        click.echo(shown.overview(several), nl=False)
        return OK
    found = several[0]
    hurt = clients.told(found.id)
    click.echo(shown.text(found, faults_of(found.id), examples.read(found.id), hurt), nl=False)
    return OK
