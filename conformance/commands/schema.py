"""`kitemesh-conformance schema`: the JSON Schemas of what travels."""

from __future__ import annotations

import json

import click

from conformance.commands.shell import completion, options
from conformance.commands.shell.exits import OK
from conformance.settings.options import UsageError


@click.command("schema", short_help="Print a JSON Schema of what travels.")
@click.argument("name", required=False, shell_complete=completion.schemas)
@options.debug
def command(name: str | None) -> int:
    """Print the JSON Schema (draft 2020-12) of a request, an answer or an error, with
    shared definitions in place of references to them; without NAME, the names.

    \b
    Example:
      kitemesh-conformance schema completion
    """
    from conformance.contract import schemas

    known = schemas.names()
    if name is None:
        click.echo("\n".join(f"{known_name:<16}  {schemas.schema(known_name)['title']}" for known_name in known))
        return OK
    if name not in known:
        raise UsageError(f"There is no schema {name!r}; the schemas are {', '.join(known)}.")
    click.echo(json.dumps(schemas.whole(name), indent=2, ensure_ascii=False))
    return OK
