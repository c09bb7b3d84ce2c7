"""From Python: what the command line does, as functions that give values.

    import conformance

    report = conformance.check("https://api.example.com/v1", model="group:…", token=os.environ["KITEMESH_TOKEN"])
    if not report.passed:
        print(report)                        # what a terminal shows
    report["stream.done"].state              # "passed", "failed", "blocked", …
    report["stream.done"].findings           # each: message, expected, observed, exchange, place
    report.write("reports")                  # report.html, results.json, …
    report.to_dict()["totals"]["requests"]   # the document of results.json

`check` records a run and judges it, `check_async` does the same in a running event loop, `check_app` serves an ASGI
application for it, `judge` judges a recording without a network. Neither the environment nor `conformance.toml` is
read, and nothing is printed: every option is given in the call. A wrong one raises `UsageError` before
anything is sent. A server that does not conform raises nothing: the report says so.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from conformance.contract.catalogue import Level, Requirement
from conformance.evidence.finding import Finding
from conformance.judging.verdict import Conclusion, Exit, Outcome, State, Verdict
from conformance.report.report import Report
from conformance.running.app import AppOptions, check_app, checked
from conformance.running.extending import Extension, register
from conformance.running.run import Stop
from conformance.settings.options import Depth, Options, UsageError
from conformance.wire.progress import Progress, Tell

if TYPE_CHECKING:
    from conformance.transcript.exchange import Transcript

REFERENCE = "reference"
"""Instead of a URL: the embedded reference server, which is started for the run."""


class CheckOptions(AppOptions, total=False):
    """What `check` takes besides URL, model and token: members of `Options`, with their units."""

    ca_bundle: str | os.PathLike[str] | None
    client_cert: str | os.PathLike[str] | None
    client_key: str | os.PathLike[str] | None
    client_key_password: str | None
    server_name: str | None
    insecure: bool
    insecure_host: str | None
    proxy: str | None
    environment_proxy: bool
    resolve: Sequence[str]
    unix_socket: str | os.PathLike[str] | None
    http: Sequence[str]


def check(
    url: str,
    *,
    model: str | None = None,
    token: str | None = None,
    output: str | os.PathLike[str] | None = None,
    progress: Tell | None = None,
    **told: Unpack[CheckOptions],
) -> Report:
    """Record a run against a server, and judge it.

    The first requests ask whether it is the API that answers; if not, the report is inconclusive and says in
    one sentence what answered (`preflight=False` judges it anyway). Ctrl-C ends the recording: what was recorded by
    then is judged, and `report.interrupted` is true.

    Args:
        url: base URL, with or without `/v1`; `"reference"`: the embedded reference server, with a model and tokens of
            its own.
        model: to ask for: `group:<uuid>`.
        token: a bearer token that the server accepts. It is masked in everything that is kept.
        output: directory for report.html, results.json and the others; None: none are written.
        progress: called with a `Progress` when an exchange ends, in the recording thread. An exception in it ends the
            run.
        told: options, as on the command line: `depth="quick"`, `only=["stream"]`, `max_credits=200`, ….

    Returns:
        The run, judged.

    Raises:
        UsageError: an option is missing or wrong, or an event loop runs in this thread; nothing was sent.
        OSError: the reports cannot be written.
    """
    _refuse_loop()
    return _run(_options("check", url, model, token, told), output, progress, None)


async def check_async(
    url: str,
    *,
    model: str | None = None,
    token: str | None = None,
    output: str | os.PathLike[str] | None = None,
    progress: Tell | None = None,
    **told: Unpack[CheckOptions],
) -> Report:
    """Record a run against a server and judge it, in a running event loop.

    The recording has its own event loop, in another thread, so that other work in this one neither delays nor
    distorts it. Cancelling ends the recording, waits until its connections are closed, and gives no report.

    Args:
        url: see `check`.
        model: see `check`.
        token: see `check`.
        output: see `check`.
        progress: called in the caller's event loop.
        told: see `check`.

    Raises:
        UsageError: an option is missing or wrong; nothing was sent.
        OSError: the reports cannot be written.
    """
    options = _options("check_async", url, model, token, told)
    loop, stop = asyncio.get_running_loop(), Stop()

    def here(how_far: Progress) -> None:
        if progress is not None:
            loop.call_soon_threadsafe(progress, how_far)

    work = asyncio.ensure_future(asyncio.to_thread(_run, options, output, here if progress else None, stop))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.ask()
        with suppress(Exception):
            await asyncio.shield(work)
        raise


def judge(
    recording: str | os.PathLike[str] | bytes,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    strict: bool = False,
    baseline: str | os.PathLike[str] | None = None,
    allow_stale: bool = False,
) -> Report:
    """Judge a recording, without a network: a transcript of this suite, or a HAR from a browser or proxy.

    Args:
        recording: path of a HAR file, or of another that `judge` reads, or its octets. It has to be about one server.
        only: ids, areas or globs of the requirements to judge; none: what was recorded for, or all.
        skip: ids, areas or globs of those to leave out.
        strict: True: a failed SHOULD counts like a failed MUST.
        baseline: file of the known failures.
        allow_stale: True: entries of the baseline that no longer fail are reported, and the run may pass anyway.

    Returns:
        The recording, judged by the options that it was recorded with, except those given here.

    Raises:
        UsageError: the recording cannot be read, or an option is wrong.

    Source: HAR 1.2, http://www.softwareishard.com/blog/har-12-spec/
    """
    from conformance.judging import judge as judging
    from conformance.judging.selecting import known_failures

    told: dict[str, Any] = {"only": only, "skip": skip, "strict": strict, "allow_stale": allow_stale}
    options = checked("judge", (*told, "baseline"), {**told, "baseline": baseline})
    known = known_failures(options)
    chosen = {name: value for name in told if (value := getattr(options, name))}
    return Report.of(judging.judge(_transcript(recording), chosen=chosen, known=known))


def _transcript(recording: str | os.PathLike[str] | bytes) -> Transcript:
    from conformance.running.usable import usable
    from conformance.transcript import recordings, targets

    with usable("The recording" if isinstance(recording, bytes) else repr(os.fspath(recording)), "judged"):
        return targets.one(recordings.load(recording if isinstance(recording, bytes) else Path(recording)))


def _options(function: str, url: str, model: str | None, token: str | None, told: Any) -> Options:
    """Checked; of the reference server, model and token are its own."""
    if not isinstance(url, str) or not url.strip():
        raise UsageError(
            f"{function}() needs the server's URL, such as https://api.example.com/v1, or {REFERENCE!r} for the "
            "embedded reference server."
        )
    if url.strip() == REFERENCE:
        return checked(function, CheckOptions.__annotations__, told)
    return checked(function, CheckOptions.__annotations__, told, url=url, model=model, token=token)


def _refuse_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError("check() cannot wait while an event loop runs; write: report = await conformance.check_async(…).")


def _run(options: Options, output: str | os.PathLike[str] | None, progress: Tell | None, stop: Stop | None) -> Report:
    from conformance.report.directory import prepare
    from conformance.running import run

    if output is not None:
        prepare(Path(output))
    report = run.run(options, progress, stop)
    if output is not None:
        report.write(output)
    return report


__all__ = [
    "REFERENCE",
    "CheckOptions",
    "Conclusion",
    "Depth",
    "Exit",
    "Extension",
    "Finding",
    "Level",
    "Options",
    "Outcome",
    "Progress",
    "Report",
    "Requirement",
    "State",
    "UsageError",
    "Verdict",
    "check",
    "check_app",
    "check_async",
    "judge",
    "register",
]
