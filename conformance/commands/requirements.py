"""`kitemesh-conformance requirements`: the catalogue."""

from __future__ import annotations

import click

from conformance.commands.shell import completion, options
from conformance.commands.shell.exits import OK
from conformance.settings.options import UsageError


@click.command("requirements", short_help="List the catalogue.")
@click.argument("patterns", nargs=-1, metavar="[ID-or-area]…", shell_complete=completion.requirements)
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", help="Output format [text]."
)
@options.debug
def command(patterns: tuple[str, ...], form: str) -> int:
    """List the catalogue: id, level and statement of each requirement.

    \b
    Example:
      kitemesh-conformance requirements stream chunk.id-stable
    """
    from conformance.contract.catalogue import UnknownRequirement, load
    from conformance.proving import listing
    from conformance.running import discovery

    discovery.discover()
    catalogue = load()
    try:
        chosen = catalogue.select(patterns) if patterns else list(catalogue)
    except UnknownRequirement as error:
        raise UsageError(str(error)) from None
    click.echo(listing.FORMS[form](catalogue, chosen), nl=False)
    return OK
