"""`kitemesh-conformance config`: what a run would be told and where each value comes from, and the file's schema."""

from __future__ import annotations

import os
from typing import Any

import click

from conformance.commands.shell import options
from conformance.commands.shell.exits import OK


@click.group("config", no_args_is_help=True)
def command() -> None:
    """Show the settings of a run, and where each value comes from.

    \b
    Example of conformance.toml:
      depth = "quick"                    # of every run that is started here
      [targets.staging]                  # kitemesh-conformance run staging
      url = "https://staging.example.com/v1"
      model = "group:<uuid>"
      token-env = "STAGING_TOKEN"        # never the token itself
    """


@command.command("show", short_help="Every option of a run, and where it comes from.")
@options.target
@options.of_run(hidden=True)
@options.output(hidden=True)
@options.config()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Output format [text].")
@options.debug
def show(url: str | None, config: str | None, form: str, **given: Any) -> int:
    """Show the value of each option for a run of TARGET (or URL), and where it comes
    from: the command line, a variable, conformance.toml, or the default.

    The options of run can be given too. Nothing is sent, and no token is shown.
    What a run would refuse is reported on standard error, with exit code 4.

    \b
    Example:
      kitemesh-conformance config show staging --depth quick
    """
    from conformance.commands.shell import config_table
    from conformance.settings import config_file
    from conformance.settings.options import base_url

    file = config_file.find(config, os.environ)
    target = file.target(url, os.environ)
    if target.url:
        base_url(target.url.value)  # first: it may hold a password
    click.echo(config_table.FORMS[form](target, config_table.rows(target, given, os.environ), file), nl=False)
    config_file.options(url, given, os.environ, file)
    return OK


@command.command("schema", short_help="The JSON Schema of conformance.toml.")
@options.debug
def schema() -> int:
    """Print the JSON Schema of conformance.toml, for an editor that completes it.

    \b
    Example:
      kitemesh-conformance config schema > config.schema.json
    """
    import json

    from conformance.settings import config_file

    click.echo(json.dumps(config_file.schema(), indent=2, ensure_ascii=False))
    return OK
