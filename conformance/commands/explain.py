"""`kitemesh-conformance explain`: what a requirement asks for, why, and an example."""

from __future__ import annotations

import click

from conformance.commands.shell import completion, options
from conformance.commands.shell.exits import OK
from conformance.settings.options import UsageError


@click.command("explain", short_help="Explain a requirement, with an example.")
@click.argument("requirement", metavar="ID", shell_complete=completion.ids)
@options.debug
def command(requirement: str) -> int:
    """Explain what a requirement asks for and why, which faults prove its check, and
    which clients a breach affects, with an example.

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
        found = load()[requirement]
    except UnknownRequirement as error:
        raise UsageError(str(error)) from None
    hurt = clients.told(found.id)
    click.echo(shown.text(found, faults_of(found.id), examples.read(found.id), hurt), nl=False)
    return OK
