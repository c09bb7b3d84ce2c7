"""`kitemesh-conformance resend`: send a recorded request again, and say whether it still fails."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conformance.commands.shell import options, reports
from conformance.commands.shell.exits import FAILED, OK
from conformance.settings.options import UsageError

if TYPE_CHECKING:
    from conformance.settings.flags import Layer
    from conformance.settings.options import Options
    from conformance.transcript.exchange import Transcript

REACH = (
    "model", "token-env", "token-file", "second-token-env", "timeout", "header", "ca-bundle", "client-cert",
    "client-key", "server-name", "insecure", "insecure-host", "proxy", "no-proxy", "resolve", "unix-socket",
)  # fmt: skip
"""The options of a run that say how its target is reached."""
MOST = 1000
"""Times."""


@click.command("resend", cls=options.Command, short_help="Send a recorded request again.")
@click.argument("exchange", metavar="EXCHANGE")
@click.argument("url", required=False, metavar="[URL]")
@options.option(
    "--from", "The recording it is in [reports/transcript.har].", topic="Again", metavar="FILE", type=click.Path()
)
@options.option(
    "--times", "Send it so many times, and count [1].",
    topic="Again", metavar="N", type=click.IntRange(1, MOST), default=1,
)  # fmt: skip
@options.of_run(REACH, brief=True)
@options.help_all
@options.debug
def command(exchange: str, url: str | None, times: int, **given: Any) -> int:
    """Send a recorded request again, and show it and its answer as they travel.

    EXCHANGE is named by the reports. A fresh approval is fetched where one is
    needed: what the first run approved is approved, and executed, again. What was
    sent at once is sent at once. Where the recording says is asked; a URL is needed
    only if that is not on this machine and the recording is not the latest one.

    \b
    Example:
      kitemesh-conformance resend resume-race-a --times 5
    """
    from conformance.report import terminal, traffic
    from conformance.running import resending, run

    file = given.pop("from")
    transcript = _recorded(file or "reports/transcript.har")
    found = resending.found(transcript, exchange)
    chosen = _options(transcript, url, given, named=file is not None)
    screen, failed = terminal.console(), 0
    with run.reference(chosen) if chosen.url is None else nullcontext(chosen) as told:
        try:
            for number, made in enumerate(resending.again(transcript, found, told, times), 1):
                failed += bool(made.findings)
                if number == 1 or (made.findings and failed == 1):
                    reading = next(r for r in made.evidence.all if r.exchange is made.exchange)
                    for line in traffic.lines(reading, made.findings):
                        screen.print(line, soft_wrap=True)
        except resending.Lost as error:
            raise UsageError(str(error)) from None
    reports.echo(f"\n{exchange} failed {failed} of {times} time{'s' if times > 1 else ''}.\n")
    return FAILED if failed else OK


def _recorded(name: str) -> Transcript:
    from conformance.running.usable import usable
    from conformance.transcript import recordings, targets

    with usable(repr(name), "sent from"):
        return targets.one(recordings.load(Path(name)))


def _options(transcript: Transcript, url: str | None, given: dict[str, Any], *, named: bool) -> Options:
    """How the target is reached: as the recording says, unless it is told otherwise here."""
    from urllib.parse import urlsplit

    from conformance.settings import flags
    from conformance.settings.options import Options, is_loopback

    if transcript.options.get("embedded") is True and url is None:
        return Options()
    recorded = transcript.options.get("url")
    moved = transcript.options.get("moved")
    if isinstance(moved, dict):
        recorded = moved.get("to", recorded)
    if url is None:
        if not isinstance(recorded, str):
            raise UsageError("The recording does not say what server was asked; name its URL behind the exchange.")
        if named and not is_loopback(urlsplit(recorded).hostname or ""):
            raise UsageError(
                f"The token would be sent to {recorded}, as the recording says; if that is right, name that URL behind "
                "the exchange."
            )
    told = url or recorded
    found = flags.settings(str(told), given, os.environ, [_layer(transcript)])
    return flags.made(str(told), found, os.environ)


def _layer(transcript: Transcript) -> Layer:
    """What the recording says of the way to its target."""
    from conformance.settings.flags import FLAGS, Setting

    kinds: dict[str, type | tuple[type, ...]] = {
        "text": str, "file": str, "switch": bool, "list": list, "number": (int, float),
    }  # fmt: skip
    found = {}
    for flag in FLAGS:
        value = transcript.options.get(flag.key)
        if flag.name in REACH and value and isinstance(value, kinds.get(flag.kind, ())):
            found[flag.key] = Setting(tuple(value) if isinstance(value, list) else value, "the recording")
    if transcript.options.get("environment_proxy") is False:
        found["no_proxy"] = Setting(True, "the recording")
    return found
