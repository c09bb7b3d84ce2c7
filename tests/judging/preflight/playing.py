"""What stands at the edges of a target, played on loopback: one thread, one port a situation."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from wire.raw_server import RawServer

_Given = TypeVar("_Given")
_CA = """\
[ca]
default_ca = here
[here]
dir = {0}
database = {0}/index.txt
serial = {0}/serial
new_certs_dir = {0}
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""


class Stage:
    """A loop in a thread of its own, for servers that play."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="edges", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, _Given]) -> _Given:
        """What the work gives, done on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def close(self) -> None:
        """End the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    @contextmanager
    def serving(self, server: RawServer) -> Iterator[RawServer]:
        """The server, while the context lasts."""
        self.call(server.__aenter__())
        try:
            yield server
        finally:
            self.call(server.__aexit__(None, None, None))


@dataclass
class Certificates:
    """Certificates for servers, made once: by kind, a file with key and certificate."""

    directory: Path
    made: dict[str, Path] = field(default_factory=dict)

    def of(self, kind: str) -> Path:
        """`good` and `expired` are for 127.0.0.1, `other-name` is for example.com."""
        if kind not in self.made:
            self.made[kind] = _certificate(self.directory, kind)
        return self.made[kind]

    def context(self, kind: str) -> ssl.SSLContext:
        """To serve with; `client` demands one of the client too, `client-1.2` by TLS 1.2."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pem = self.of(kind if kind in ("expired", "other-name") else "good")
        context.load_cert_chain(pem)
        if kind == "client-1.2":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if kind.startswith("client"):
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(pem)
        return context


def _certificate(directory: Path, kind: str) -> Path:
    openssl = shutil.which("openssl")
    assert openssl is not None
    key, certificate, asked = (directory / f"{kind}-{name}.pem" for name in ("key", "certificate", "asked"))
    name = "DNS:example.com" if kind == "other-name" else "IP:127.0.0.1"
    order = [openssl, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    order += ["-subj", "/CN=localhost", "-addext", f"subjectAltName={name}", "-keyout", str(key)]
    if kind != "expired":
        _do([*order, "-x509", "-days", "2", "-out", str(certificate)])
    else:
        config = directory / "ca.cnf"
        config.write_text(_CA.format(directory), encoding="utf-8")
        (directory / "index.txt").touch()
        (directory / "serial").write_text("01\n", encoding="utf-8")
        _do([*order, "-out", str(asked)])
        dates = ["-startdate", "200101000000Z", "-enddate", "200102000000Z"]
        signed = [openssl, "ca", "-batch", "-notext", "-selfsign", "-config", str(config), "-keyfile", str(key)]
        _do([*signed, *dates, "-in", str(asked), "-out", str(certificate)])
    both = directory / f"{kind}.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both


def _do(order: list[str]) -> None:
    subprocess.run(order, check=True, capture_output=True)


def closed_port() -> int:
    """A port of loopback at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
