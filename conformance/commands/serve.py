"""`kitemesh-conformance serve`: the reference server, as it should be or with a fault."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from conformance.commands.shell import completion, options
from conformance.commands.shell.exits import OK, PROGRAM
from conformance.settings.options import UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp


@click.command("serve")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port on loopback [any free one].")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="ID",
    shell_complete=completion.faults,
    help="Break one requirement in this way; repeatable.",
)
@click.option(
    "--variation",
    "variations",
    multiple=True,
    metavar="ID",
    shell_complete=completion.variations,
    help="Differ in this way, which is allowed; repeatable.",
)
@click.option("--list", "listed", is_flag=True, help="List the faults and variations; serve nothing.")
@click.option("--control", is_flag=True, help="Let tests choose by HTTP, and fetch verdicts (help client).")
@click.option("--crosstalk-every", type=click.IntRange(2), metavar="N", help="Mix up every N-th answer, for a soak.")
@options.debug
def command(
    port: int,
    faults: tuple[str, ...],
    variations: tuple[str, ...],
    listed: bool,
    control: bool,
    crosstalk_every: int | None,
) -> int:
    """Run the reference server in the foreground, until Ctrl-C.

    \b
    Example:
      kitemesh-conformance serve --port 8080
      kitemesh-conformance serve --port 8080 --fault stream-done-absent
      kitemesh-conformance serve --port 8082 --control
    """
    from conformance.client.control import Control
    from conformance.client.faces import combined, every, one
    from conformance.evidence.faces import FaceKind
    from conformance.reference.app import create_app
    from conformance.reference.rare import create as create_rare
    from conformance.reference.serving import in_foreground
    from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, Settings

    if listed:
        for face in every():
            breaks = f"  [{face.breaks}]" if face.breaks else ""
            click.echo(f"{face.kind:<9}  {face.id}  {face.summary}{breaks}")
        return OK
    settings = Settings(crosstalk_every=crosstalk_every)
    if crosstalk_every is not None and (faults or variations):
        raise UsageError("--crosstalk-every is a fault by itself; leave out --fault and --variation.")
    if control and (faults or variations or crosstalk_every is not None):
        raise UsageError("With --control tests choose; leave out --fault, --variation and --crosstalk-every.")
    chosen = [one(name, (FaceKind.FAULT, FaceKind.TROUBLE), what="--fault") for name in faults]
    chosen += [one(name, (FaceKind.VARIATION, FaceKind.TROUBLE), what="--variation") for name in variations]
    app: ASGIApp
    if control:
        app = Control()
    elif crosstalk_every is not None:
        app = create_rare(settings)
    else:
        app = create_app(settings, combined(chosen).behaviour)

    def ready(url: str) -> None:
        click.echo(f"The reference server listens at {url}/v1 (Ctrl-C stops it). To judge it, in another terminal:")
        click.echo(f"  export KITEMESH_TOKEN={settings.tokens[0]} KITEMESH_SECOND_TOKEN={settings.tokens[-1]}")
        click.echo(f"  {PROGRAM} run {url}/v1 --model {DEFAULT_MODEL} \\")
        click.echo(f"    --approval-prompt '{DEFAULT_APPROVAL_PROMPT}'")
        sys.stdout.flush()

    try:
        in_foreground(app, port, _to_tests if control else ready)
    except KeyboardInterrupt:
        pass
    except OSError as error:
        raise UsageError(f"Cannot listen on port {port} ({error.strerror}); choose another --port.") from None
    return OK


def _to_tests(url: str) -> None:
    click.echo(f"Tests choose faces at {url} (Ctrl-C stops it). GET / describes how; for example:")
    click.echo(f'  curl {url}/servers -d \'{{"faces": ["sse-crlf"]}}\'')
    sys.stdout.flush()
