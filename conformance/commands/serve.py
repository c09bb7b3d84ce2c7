"""`kitemesh-conformance serve`: the reference server, as it should be or with a fault."""

from __future__ import annotations

import sys

import click

from conformance.commands.shell import completion, options
from conformance.commands.shell.exits import OK, PROGRAM
from conformance.settings.options import UsageError


@click.command("serve")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port on loopback [any free one].")
@click.option("--fault", metavar="ID", shell_complete=completion.faults, help="Break one requirement in this way.")
@click.option(
    "--variation", metavar="ID", shell_complete=completion.variations, help="Differ in this way, which is allowed."
)
@click.option("--crosstalk-every", type=click.IntRange(2), metavar="N", help="Mix up every N-th answer, for a soak.")
@options.debug
def command(port: int, fault: str | None, variation: str | None, crosstalk_every: int | None) -> int:
    """Run the reference server in the foreground, until Ctrl-C.

    \b
    Example:
      kitemesh-conformance serve --port 8080
      kitemesh-conformance serve --port 8080 --fault stream-done-absent
    """
    from conformance.proving.prove import behaviour
    from conformance.reference.app import create_app
    from conformance.reference.rare import create as create_rare
    from conformance.reference.serving import in_foreground
    from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, Settings

    settings = Settings(crosstalk_every=crosstalk_every)
    if crosstalk_every is not None and (fault is not None or variation is not None):
        raise UsageError("--crosstalk-every is a fault by itself; leave out --fault and --variation.")
    app = create_rare(settings) if crosstalk_every is not None else create_app(settings, behaviour(fault, variation))

    def ready(url: str) -> None:
        click.echo(f"The reference server listens at {url}/v1 (Ctrl-C stops it). To judge it, in another terminal:")
        click.echo(f"  export KITEMESH_TOKEN={settings.tokens[0]} KITEMESH_SECOND_TOKEN={settings.tokens[-1]}")
        click.echo(f"  {PROGRAM} run {url}/v1 --model {DEFAULT_MODEL} \\")
        click.echo(f"    --approval-prompt '{DEFAULT_APPROVAL_PROMPT}'")
        sys.stdout.flush()

    try:
        in_foreground(app, port, ready)
    except KeyboardInterrupt:
        pass
    except OSError as error:
        raise UsageError(f"Cannot listen on port {port} ({error.strerror}); choose another --port.") from None
    return OK
