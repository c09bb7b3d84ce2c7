"""One run of the suite by one way: starts what is needed, records, judges, and ends what it started."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.judging import judge as judging
from conformance.judging.result import Result
from conformance.judging.verdict import State
from conformance.reference.process import in_process
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, FIRST_TOKEN, SECOND_TOKEN
from conformance.running import run
from conformance.settings.options import Options
from tests.studies.frontends.programs import apache_modules, filled, free_port, running

from .ways import KEY_PASSWORD, LOGIN, Way


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of one run."""

    way: Way
    report: Result
    seconds: float

    @property
    def failed(self) -> list[str]:
        """Requirements that failed, MUST or SHOULD."""
        return [o.requirement.id for o in self.report.verdict.outcomes if o.state is State.FAILED]

    @property
    def unexercised(self) -> list[str]:
        """Requirements that were not exercised."""
        return [o.requirement.id for o in self.report.verdict.outcomes if o.state is State.NOT_EXERCISED]

    @property
    def right(self) -> bool:
        """Whether nothing failed, no SHOULD either, and every exchange went the way that it was to go."""
        exchanges = self.report.transcript.exchanges
        version = "HTTP/2" if self.way.options.get("http") == ("2",) else "HTTP/1.1"
        spoken = {e.response.http_version for e in exchanges if e.response is not None}
        proxied = bool(self.way.environ or "proxy" in self.way.options)
        direct = not proxied and "unix_socket" not in self.way.options
        reached = all(bool(e.server_ip) is direct for e in exchanges)
        return self.report.exit_code() == 0 and not self.failed and spoken == {version} and reached


def own_address() -> str:
    """An IPv4 address of this machine that is not loopback; empty where it has none."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("192.0.2.1", 9))  # nothing is sent: it only asks which address would be used
        return str(one.getsockname()[0])
    return ""


def judge(way: Way, seed: int, **more: Any) -> Judged:
    """Run the suite once. Raises NotStarted where a program does not come up.

    Args:
        way: how to reach the server.
        seed: of the words and the generated bodies.
        more: further members of `Options`.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reach-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)  # a program that changes its user has to get at it
        url = stack.enter_context(in_process())
        ports = {f"@port{n or ''}@": str(free_port()) for n in (0, 2)}
        values = _values(folder, int(url.rpartition(":")[2])) | ports
        _furnish(folder, values["@own@"])
        for number, (program, text) in enumerate(way.programs):
            last = "@port2@" in text or ("@port2@" in str(way.options.get("proxy", "")) and number)
            port = int(ports["@port2@" if last else "@port@"])
            place = folder / str(number)
            place.mkdir(mode=0o755)
            stack.enter_context(running(program, filled(text, values), place, port))
        stack.enter_context(_environment({name: filled(text, values) for name, text in way.environ.items()}))
        told: dict[str, Any] = {name: _filled(value, values) for name, value in way.options.items()}
        options = Options(
            url=filled(way.url, values) + "/v1",
            model=DEFAULT_MODEL,
            token=FIRST_TOKEN,
            second_token=SECOND_TOKEN,
            approval_prompt=DEFAULT_APPROVAL_PROMPT,
            **told,
            **more,
        ).checked()
        began = time.monotonic()
        transcript = asyncio.run(run.record(options, seed))
        seconds = time.monotonic() - began
    return Judged(way, judging.judge(transcript), seconds)


def _values(folder: Path, up: int) -> dict[str, str]:
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return {
        "@folder@": str(folder),
        "@up@": str(up),
        "@own@": own_address(),
        "@user@": getpass.getuser(),
        "@modules@": apache_modules(),
        "@runs@": "User nobody" if root else "",
        "@squid@": "cache_effective_user nobody" if root else "",
        "@tinyproxy@": "User nobody" if root else "",
    }


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, tuple):
        return tuple(_filled(one, values) for one in value)
    return filled(value, dict(values)) if isinstance(value, str) else value


@contextmanager
def _environment(beside: Mapping[str, str]) -> Iterator[None]:
    """The environment names these proxies and no others."""
    names = {name for name in os.environ if name.lower().endswith("_proxy")} | set(beside)
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ.update(beside)
    try:
        yield
    finally:
        for name in beside:
            os.environ.pop(name, None)
        os.environ.update(kept)


def _furnish(folder: Path, own: str) -> None:
    """Write what the programs read."""
    names = f"DNS:target.test,IP:127.0.0.1{f',IP:{own}' if own else ''}"
    for who in ("server", "client"):
        order = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
        order += ["-subj", f"/CN={who}", "-addext", f"subjectAltName={names}"]
        _openssl(*order, "-keyout", str(folder / f"{who}.key"), "-out", str(folder / f"{who}.crt"))
        pem = folder / f"{who}.pem"
        pem.write_bytes((folder / f"{who}.key").read_bytes() + (folder / f"{who}.crt").read_bytes())
        pem.chmod(0o644)
    locked = ("pkey", "-in", str(folder / "client.key"), "-aes256", "-passout", f"pass:{KEY_PASSWORD}")
    _openssl(*locked, "-out", str(folder / "locked.key"))
    hashed = _openssl("passwd", "-apr1", LOGIN[1]).decode().strip()
    (folder / "users").write_text(f"{LOGIN[0]}:{hashed}\n", encoding="utf-8")
    (folder / "hosts").write_text("127.0.0.1 target.test\n", encoding="utf-8")


def _openssl(*words: str) -> bytes:
    return subprocess.run([shutil.which("openssl") or "openssl", *words], check=True, capture_output=True).stdout
