"""Has each recorder write its files in front of the reference server, as it is and with a fault.

Started by `nox -s recorders`; writes fixtures/recordings/made. Addresses are replaced, tokens are made up.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from conformance.reference import faults
from conformance.reference.app import create_app
from conformance.reference.behaviour import Behaviour
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_MODEL, FIRST_TOKEN, Settings

HERE = Path(__file__).parent
MADE = HERE.parents[2] / "fixtures" / "recordings" / "made"
FAULTS = {"sound": None, "no-done": "stream-done-absent", "cut": "stream-truncated", "short": "length-too-large"}
BROWSER = "playwright-{}.har"
BROKEN_OFF = ("cut", "short")
"""Faults that only a browser writes down: to the other clients they are an error, and they write nothing."""
Make = Callable[[str, Path], None]
SETTINGS = Settings(token_interval=0.001)


def made(name: str, url: str, folder: Path, make: Make) -> None:
    """Have a file made, and keep it without the address at which it was made."""
    path = folder / name
    make(url, path)
    host = url.partition("//")[2]
    hidden = [(host.encode(), b"api.example.com"), (host.rpartition(":")[0].encode(), b"192.0.2.1")]

    def cleaned(octets: bytes) -> bytes:
        if path.suffix == ".flow":
            return octets.replace(b"127.0.0.1", b"192.0.2.1")  # texts are led by their lengths
        for found, put in hidden:
            octets = octets.replace(found, put)
        return re.sub(rb"(?<=HeadlessChrome/)[\d.]+", b"1.0", octets)

    MADE.mkdir(exist_ok=True)
    if path.suffix != ".zip":
        (MADE / name).write_bytes(cleaned(path.read_bytes()))
        return
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(MADE / name, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            target.writestr(zipfile.ZipInfo(member.filename), cleaned(source.read(member)))


def curl(*words: str) -> Make:
    """What curl wrote, by these words."""
    stream = "true" if "-N" in words else "false"
    body = (
        f'{{"model": "{DEFAULT_MODEL}", "stream": {stream}, "messages": [{{"role": "user", "content": "Say word."}}]}}'
    )
    fields = ["-H", f"Authorization: Bearer {FIRST_TOKEN}", "-H", "Content-Type: application/json"]

    def make(url: str, path: Path) -> None:
        command = ["curl", "-s", *words, f"{url}/v1/chat/completions", *fields, "--data-binary", body]
        path.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)

    return make


def by(*words: str) -> Make:
    """What a driver wrote, that takes a URL, a file, the token and the model behind these words."""

    def make(url: str, path: Path) -> None:
        subprocess.run([*words, url, str(path), FIRST_TOKEN, DEFAULT_MODEL], check=True)

    return make


def polly(modules: str) -> Make:
    """What Polly.JS wrote: a HAR somewhere in its folder."""

    def make(url: str, path: Path) -> None:
        folder = path.with_suffix("")
        by("node", str(HERE / "polly.mjs"), modules)(url, folder)
        shutil.copy(next(folder.rglob("recording.har")), path)

    return make


def mitmproxy(program: str) -> Make:
    """What mitmproxy wrote between curl and the server: its flows, or a HAR, by the name that is asked for."""

    def make(url: str, path: Path) -> None:
        told = ("-w", str(path)) if path.suffix == ".flow" else ("--set", f"hardump={path}")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        words = [program, "-q", "--mode", f"reverse:{url}", "--listen-host", "127.0.0.1", "-p", str(port), *told]
        with tempfile.TemporaryDirectory() as home:
            running = subprocess.Popen([*words, "--set", f"confdir={home}"])
            try:
                _wait(port)
                for answered in (curl("-i"), curl("-N")):
                    answered(f"http://127.0.0.1:{port}", path.with_name("unused"))
            finally:
                running.send_signal(signal.SIGINT)
                running.wait(30)

    return make


def _wait(port: int) -> None:
    """Until somebody listens there. Raises OSError where nobody does within half a minute."""
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.1)
    raise OSError("mitmproxy does not listen")


def main() -> None:
    """Make every file anew."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", required=True, help="of an environment with playwright, vcrpy and requests")
    parser.add_argument("--modules", required=True, help="node_modules with Polly.JS")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "")
    parser.add_argument("--mitmdump", default=shutil.which("mitmdump") or "", help="takes Python 3.12 or newer")
    parser.add_argument("--only", default="*", help="a glob of names, such as mitmproxy-*")
    given = parser.parse_args()
    makers: dict[str, Make] = {
        "curl-{}.txt": curl("-i"),
        "curl-{}.sse": curl("-N"),
        "vcrpy-{}.yaml": by(given.python, str(HERE / "cassette.py")),
        "vcrpy-{}.json": by(given.python, str(HERE / "cassette.py")),
        BROWSER: by(given.python, str(HERE / "browser.py"), given.chromium),
        "playwright-{}.zip": by(given.python, str(HERE / "browser.py"), given.chromium),
        "polly-{}.har": polly(given.modules),
        "mitmproxy-{}.har": mitmproxy(given.mitmdump),
        "mitmproxy-{}.flow": mitmproxy(given.mitmdump),
    }
    if not given.mitmdump:
        print("mitmdump was not found: what mitmproxy wrote stays as it is.")
    makers = {
        name: make
        for name, make in makers.items()
        if fnmatch(name, given.only) and (given.mitmdump or not name.startswith("mitmproxy"))
    }
    for word, fault in FAULTS.items():
        app = create_app(SETTINGS, faults.by_id(fault).behaviour if fault else Behaviour())
        with in_thread(app) as url, tempfile.TemporaryDirectory() as folder:
            for name, make in makers.items():
                if word not in BROKEN_OFF or name == BROWSER:
                    made(name.format(word), url, Path(folder), make)


if __name__ == "__main__":
    main()
