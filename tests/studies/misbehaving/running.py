"""One case in a process of its own: the server, the recording, the judging and the reports, measured together."""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wire.raw_server import Act, RawServer, Script, unaccepting

from conformance.judging import judge as judging
from conformance.judging.verdict import State
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, FIRST_TOKEN, SECOND_TOKEN
from conformance.report import files, terminal
from conformance.running import run
from conformance.settings.options import Depth, Options
from conformance.transcript.exchange import Transcript
from studies.bench.memory import most

from .cases import CASES, Case
from .relay import relay


@dataclass(frozen=True)
class Came:
    """What came of a case."""

    seconds: float
    """Of the recording."""
    afterwards: float
    """Of the judging and the reports."""
    peak: float
    """Of the process's memory, in MB, the starter's own size not in it."""
    exit: int
    verdict: str
    failed: tuple[str, ...]
    errors: tuple[str, ...]
    """Requirements on which the suite itself failed."""
    words: str
    """The verdict, the notes, the findings, and what the terminal shows."""
    requests: int
    elsewhere: int
    """Connections that the server got to which nobody should have gone."""
    reports: tuple[str, ...]


def options_of(case: Case, url: str, bundle: str) -> Options:
    """The run's options."""
    changes: dict[str, Any] = dict(case.options)
    if "ca_bundle" in changes:
        changes["ca_bundle"] = bundle
    changes["depth"] = Depth(changes.get("depth", "quick"))
    options = Options(
        url=url,
        model=DEFAULT_MODEL,
        token=FIRST_TOKEN,
        second_token=SECOND_TOKEN,
        approval_prompt=DEFAULT_APPROVAL_PROMPT,
        seed=1,
        **changes,
    )
    return options.checked()


@asynccontextmanager
async def _serving(case: Case, port: int, pem: Path) -> AsyncIterator[tuple[str, RawServer, RawServer]]:
    context = None
    if case.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
    other = RawServer([(0.0, Act.CLOSE)])
    relayed = relay(port, case.twist, case.base.encode())

    async def choose(request: bytes) -> Script:
        return _sent_to(await relayed(request), other.port)

    async with other, RawServer(choose=choose, host=case.host, context=context) as server:
        given = case.base if case.given is None else case.given
        url = server.url.removesuffix("/v1") + given
        if case.backlog:
            with unaccepting() as closed:
                yield f"http://127.0.0.1:{closed}/v1", server, other
        else:
            yield url, server, other


def _sent_to(script: Script, port: int) -> Script:
    """A redirection's script, with the address of the other origin in it."""
    if not isinstance(script, list):
        return script
    there = b"http://127.0.0.1:%d/v1/chat/completions" % port
    return [(delay, act.replace(b"{elsewhere}", there) if isinstance(act, bytes) else act) for delay, act in script]


@dataclass
class _Recorded:
    """What a recording came to. Not a task's result: `asyncio.run` would take its repr, and with it much memory."""

    transcript: Transcript = field(default_factory=lambda: Transcript(()))
    seconds: float = 0.0
    requests: int = 0
    elsewhere: int = 0


async def _record(case: Case, port: int, pem: Path, into: _Recorded) -> None:
    async with _serving(case, port, pem) as (url, server, other):
        options = options_of(case, url, str(pem))
        start = time.monotonic()
        into.transcript = await run.record(options, 1, patience=0.1, limits=case.limits)
        into.seconds = time.monotonic() - start
        into.requests, into.elsewhere = len(server.requests), other.connections


def warm() -> bool:
    """Whether this process was forked from one that had been warmed."""
    return "studies.misbehaving.warmed" in sys.modules


def play(id_: str, port: int, pem: str, directory: str) -> Came:
    """Run a case against the reference server at `port`, behind its misbehaviour; reports go into `directory`."""
    case = next(case for case in CASES if case.id == id_)
    recorded = _Recorded()
    asyncio.run(_record(case, port, Path(pem), recorded))
    start = time.monotonic()
    report = judging.judge(recorded.transcript)
    report = replace(report, options=replace(report.options, token=FIRST_TOKEN))
    written = files.write(report, Path(directory))
    shown = terminal.text(report, written)
    afterwards = time.monotonic() - start
    failed = [o for o in report.verdict.outcomes if o.state is State.FAILED]
    told = [f"{f.message}; {f.observed}" for o in failed for f in o.findings]
    return Came(
        seconds=recorded.seconds,
        afterwards=afterwards,
        peak=most() * 1024 / 1e6,
        exit=int(report.exit_code()),
        verdict=str(report.verdict.conclusion),
        failed=tuple(o.requirement.id for o in failed),
        errors=tuple(f"{o.requirement.id}: {o.reason}" for o in report.verdict.outcomes if o.state is State.ERROR),
        words="\n".join([report.verdict.sentence, *report.notes, *told, shown]),
        requests=recorded.requests,
        elsewhere=recorded.elsewhere,
        reports=tuple(path.name for path in written),
    )


def table(rows: Sequence[tuple[Case, Came]]) -> str:
    """The table, in Markdown."""
    lines = [
        "| case | what the target does | recording, s | limit, s | judging and reports, s | peak memory, MB "
        "| verdict (exit code) | failed requirements |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    for case, came in rows:
        failed = ", ".join(came.failed[:4]) + (f" and {len(came.failed) - 4} more" if len(came.failed) > 4 else "")
        lines.append(
            f"| {case.id} | {case.does} | {came.seconds:.1f} | {case.within:g} | {came.afterwards:.1f} "
            f"| {came.peak:.0f} | {came.verdict} ({came.exit}) | {failed} |"
        )
    return "\n".join(lines) + "\n"
