"""One run of the suite against one configuration: starts what is needed, records, judges, and ends what it started."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from conformance.judging import judge as judging
from conformance.judging.result import Result
from conformance.judging.verdict import State
from conformance.reference.process import DEFAULT_FACTORY, in_process
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, FIRST_TOKEN, SECOND_TOKEN
from conformance.report.remedy import remedy
from conformance.report.target import exchanges_by_name
from conformance.running import run
from conformance.settings.options import Options

from .configurations import Configuration, Story
from .front import Door
from .programs import PROGRAMS, apache_modules, filled, free_port, running

LASTS = 3.0
"""Seconds of an outage."""
MIDST = 150
"""Exchanges after which it begins."""
_THINKING = f"{__package__}.upstream:thinking"


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of one run."""

    configuration: Configuration
    seed: int
    report: Result
    seconds: float

    @property
    def failed(self) -> list[str]:
        """Requirements that failed, MUST or SHOULD."""
        return [outcome.requirement.id for outcome in self.report.verdict.outcomes if outcome.state is State.FAILED]

    @property
    def counted(self) -> list[str]:
        """Those that count for the verdict."""
        verdict = self.report.verdict
        return [outcome.requirement.id for outcome in verdict.outcomes if verdict.counts(outcome)]

    @property
    def right(self) -> bool:
        """Whether the verdict is what the configuration deserves."""
        blamed = self.configuration.blamed
        if not blamed:
            return self.report.exit_code() == 0
        told = [(said.finding, said.to_do) for said in explained(self.report) if said.requirement in blamed]
        says = any(self.configuration.says in text for texts in told for text in texts)
        return bool(blamed & set(self.failed)) and set(self.counted) <= blamed and says


@dataclass(frozen=True, slots=True)
class Explained:
    """What a report says of a requirement that failed."""

    requirement: str
    finding: str
    """The first one's message."""
    to_do: str


def explained(report: Result) -> list[Explained]:
    """What a report says of each requirement that failed."""
    exchanges = exchanges_by_name(report.transcript)
    failed = [outcome for outcome in report.verdict.outcomes if outcome.state is State.FAILED]
    return [
        Explained(o.requirement.id, o.findings[0].message if o.findings else "", remedy(o, exchanges)) for o in failed
    ]


def judge(configuration: Configuration, seed: int) -> Judged:
    """Run the suite once. Raises NotStarted where the program does not come up."""
    return asyncio.run(_judge(configuration, seed))


def options(url: str, ca_bundle: str | None = None, concurrency: int = 8) -> Options:
    """Those of every run here."""
    return Options(
        url=f"{url}/v1",
        model=DEFAULT_MODEL,
        token=FIRST_TOKEN,
        second_token=SECOND_TOKEN,
        approval_prompt=DEFAULT_APPROVAL_PROMPT,
        ca_bundle=ca_bundle,
        concurrency=concurrency,
    ).checked()


async def _judge(configuration: Configuration, seed: int) -> Judged:
    with _started(configuration) as (scene, folder):
        async with scene.doors():
            with _program(configuration, scene, folder):
                began = time.monotonic()
                async with scene.line(configuration.line):
                    scheme = "https" if configuration.tls else "http"
                    given = options(f"{scheme}://127.0.0.1:{scene.port}", scene.pem if configuration.tls else None)
                    transcript = await run.record(given, seed, scene.progress)
                seconds = time.monotonic() - began
    return Judged(configuration, seed, judging.judge(transcript), seconds)


class _Scene:
    """The ports of a run, and what happens in it."""

    def __init__(self, configuration: Configuration, servers: list[int], folder: Path) -> None:
        self._story = configuration.story
        self._folder = folder
        self._seen = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._doors = [Door(port) for port in servers] if self._story is Story.RESTART else []
        self.servers = servers
        self.front = free_port() if configuration.program else servers[0]
        """Where the program listens."""
        self.port = self.front
        """Where the suite connects to."""
        self.pem = str(folder / "pem")

    @asynccontextmanager
    async def doors(self) -> AsyncIterator[None]:
        for door in self._doors:
            await door.open()
        if self._doors:
            self.servers = [door.address for door in self._doors]
        try:
            yield
        finally:
            for door in self._doors:
                await door.shut()

    @asynccontextmanager
    async def line(self, rate: int) -> AsyncIterator[None]:
        """A slow line to the program, which all connections share."""
        if not rate:
            yield
            return
        turn = asyncio.Lock()

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            inner, outer = await asyncio.open_connection("127.0.0.1", self.front)

            async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, slow: bool) -> None:
                try:
                    while data := await source.read(4096):
                        if slow:
                            async with turn:
                                await asyncio.sleep(len(data) / rate)
                        sink.write(data)
                        await sink.drain()
                except OSError:
                    pass
                finally:
                    sink.close()

            await asyncio.gather(pump(reader, outer, True), pump(inner, writer, False), return_exceptions=True)

        server = await asyncio.start_server(relay, "127.0.0.1", 0, limit=8192)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    def progress(self, told: run.Progress) -> None:
        """Begin what is to happen in mid-run."""
        self._seen += not told.note
        if self._story and self._seen == MIDST and not self._tasks:
            self._tasks.add(asyncio.ensure_future(self._happen()))

    async def _happen(self) -> None:
        if self._story is Story.RESTART:
            await asyncio.gather(*(door.restart(LASTS) for door in self._doors))
            return
        (self._folder / "maintenance").touch()
        await asyncio.sleep(LASTS)
        (self._folder / "maintenance").unlink()


@contextmanager
def _started(configuration: Configuration) -> Iterator[tuple[_Scene, Path]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="frontend-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)  # a program that changes its user has to get at it
        factory = _THINKING if configuration.thinks else DEFAULT_FACTORY
        urls = [stack.enter_context(in_process(factory=factory)) for _ in range(configuration.servers)]
        yield _Scene(configuration, [int(url.rpartition(":")[2]) for url in urls], folder), folder


@contextmanager
def _program(configuration: Configuration, scene: _Scene, folder: Path) -> Iterator[None]:
    if not configuration.program:
        yield
        return
    if configuration.tls:
        _certificate(folder)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    values = {
        "@port@": str(scene.front),
        "@folder@": str(folder),
        "@pem@": scene.pem,
        "@user@": getpass.getuser(),
        "@modules@": apache_modules(),
        "@runs@": "User nobody" if root else "",
        "@squid@": "cache_effective_user nobody" if root else "",
        **{f"@up{n or ''}@": str(port) for n, port in zip((0, 2, 3), scene.servers, strict=False)},
    }
    with running(PROGRAMS[configuration.program], filled(configuration.text, values), folder, scene.front):
        yield


def _certificate(folder: Path) -> None:
    """A key and its certificate for 127.0.0.1, in one file."""
    order = [shutil.which("openssl") or "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    order += ["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext"]
    order += ["subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key"), "-out", str(folder / "certificate")]
    subprocess.run(order, check=True, capture_output=True)
    (folder / "pem").write_bytes((folder / "key").read_bytes() + (folder / "certificate").read_bytes())
