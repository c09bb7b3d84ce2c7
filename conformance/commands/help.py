"""`kitemesh-conformance help`: pages on what several commands share."""

from __future__ import annotations

import click

from conformance.commands.shell import completion, options
from conformance.commands.shell.exits import OK


@click.command("help", short_help="Pages on gates, findings, costs and more.")
@click.argument("topic", required=False, shell_complete=completion.topics)
@options.debug
def command(topic: str | None) -> int:
    """Show a page on TOPIC; without one, list the topics.

    \b
    Example:
      kitemesh-conformance help findings
    """
    from conformance.commands import topics as pages

    if topic is None:
        click.echo(pages.listing(), nl=False)
        return OK
    from conformance.report import terminal

    click.echo(pages.text(topic, terminal.console()), nl=False)
    return OK
