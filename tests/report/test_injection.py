"""Whatever a server puts into every value that it controls, each output of a failing run stays what it is.

With `KITEMESH_INERT` set (the nox session `inert`), the pages are opened in headless Chromium too: no script of theirs
runs, and nothing is fetched.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest
from wire.raw_server import RawServer, Script, answer, chunk

from conformance.reference.settings import DEFAULT_MODEL

INERT = os.environ.get("KITEMESH_INERT", "")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def attack(port: int) -> str:
    """Everything at once: markup, script, escapes, NUL, bidi marks, tables, commands. `port`: where to fetch from."""
    there = f"http://127.0.0.1:{port}/x"
    return (
        f"\"'></pre></td></script></style><script>document.title='owned'</script><img src={there} "
        f"onerror=\"document.title='owned'\"><svg onload=\"document.title='owned'\"><iframe src={there}></iframe>"
        f"<link rel=stylesheet href={there}><meta http-equiv=refresh content='0;url={there}'>"
        f"<a href=\"javascript:document.title='owned'\">\x1b[31m\x1b]0;owned\x07\x00\x9b2J\u202egpj.exe\u200f\ufeff"
        f"|cell|`code`|![x]({there})[y]({there})<!--]]>&amp;\r\n=cmd|' /C calc'!A0,+1,\"\r\n"
        "\n::error title=owned::owned\n##[add-mask]owned\n::set-output name=a::b\n{{ 7*7 }}{% raw %}\\ud800"
    )


def script(number: int, text: str) -> Script:
    """One of the answers: the attack in each value of JSON, of chunks, of header fields or of the status line."""
    field = text.encode("utf-8", "backslashreplace").decode("latin-1")
    field = re.sub(r"[\x00\r\n\x07\x1b]", " ", field)
    error = {"message": text, "type": text, "code": text, "param": text, "request_id": text}
    choice = {"index": 0, "message": {"role": text, "content": text}, "delta": {"content": text}, "finish_reason": text}
    made = {"id": text, "object": text, "created": text, "model": text, "choices": [choice], text: text, "usage": text}
    # As JSON writes it the last of it is a lone surrogate.
    value = json.dumps(made).replace("\\\\ud800", "\\ud800").encode()
    plain = json.dumps({"error": error}).replace("\\\\ud800", "\\ud800").encode()
    fields = [f"X-Name: {field}", f"WWW-Authenticate: {field}", f"Retry-After: {field}", f"Location: {field}"]
    match number % 5:
        case 0:
            return [(0.0, answer(value, "Content-Type: application/json", *fields))]
        case 1:
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            body = b"data: " + value + b"\n\n: " + text.encode("utf-8", "replace") + b"\n\ndata: [DONE]\n\n"
            return [(0.0, head + chunk(body) + chunk(b""))]
        case 2:
            return [(0.0, answer(plain, "Content-Type: application/json", *fields, status=f"400 {field[:300]}"))]
        case 3:
            return [(0.0, answer(text.encode("utf-8", "replace"), f"Content-Type: {field}", status="500 x"))]
    return [(0.0, text.encode("utf-8", "replace") + b"\r\n\r\n")]


class Attacker:
    """A server that attacks, and a listener that nobody should ever connect to."""

    def __init__(self) -> None:
        self.trap = socket.create_server(("127.0.0.1", 0))
        self._caught = 0
        threading.Thread(target=self._catch, daemon=True).start()
        self.text = attack(self.trap.getsockname()[1])
        self.url = ""

    def _catch(self) -> None:
        """Answer whoever connects, so that a browser does not wait, and count."""
        while True:
            try:
                connection, _ = self.trap.accept()
            except OSError:  # closed: the tests are over
                return
            self._caught += 1
            with connection, suppress(OSError):
                connection.settimeout(2)
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

    def sprung(self) -> bool:
        """Whether anybody connected to the listener since this was last asked."""
        caught, self._caught = self._caught, 0
        return caught > 0

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve, in a thread."""
        loop = asyncio.new_event_loop()
        done = asyncio.Event()
        up = threading.Event()
        numbers = iter(range(10**6))

        async def choose(request: bytes) -> Script:
            return script(next(numbers), self.text)

        async def serve() -> None:
            async with RawServer(choose=choose) as server:
                self.url = server.url
                up.set()
                await done.wait()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
        thread.start()
        up.wait(30)
        try:
            yield
        finally:
            loop.call_soon_threadsafe(done.set)
            thread.join(30)
            loop.close()
            self.trap.close()


def command(where: Path, *words: str, **environ: str) -> tuple[int, str]:
    """The exit code, and what the terminal shows."""
    told = {**os.environ, "KITEMESH_TOKEN": "km_a_token_of_mine", **environ}
    done = subprocess.run(
        [sys.executable, "-m", "conformance.commands.main", *words],
        cwd=where, env=told, capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    return done.returncode, (done.stdout + done.stderr).decode("utf-8")


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, Attacker]]:
    """A directory with the reports of a failing run, what the terminal showed, and the attacker."""
    where = tmp_path_factory.mktemp("attacked")
    attacker = Attacker()
    with attacker.serving():
        step = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(where / "step.md")}
        words = [
            "run",
            attacker.url,
            "--model",
            DEFAULT_MODEL,
            "--output",
            "reports",
            "--timeout",
            "20",
            "--seed",
            "1",
            "--pytest-html",
        ]
        code, shown = command(where, *words, "--examples", "8", "--max-requests", "90", **step)
        assert code in (1, 6), shown[:2000]
        yield where, shown, attacker


def test_the_terminal_shows_no_control_characters_and_no_commands(attacked: tuple[Path, str, Attacker]) -> None:
    where, shown, attacker = attacked
    assert "owned" in shown  # it came, and is shown
    assert not CONTROL.search(shown)
    forged = [line for line in shown.splitlines() if re.match(r"\s*::", line) and "owned::owned" in line]
    assert [line for line in forged if line.lstrip().startswith("::error title=owned")] == []
    assert "##[" not in shown
    for form in ("terminal", "markdown", "json"):
        _, told = command(where, "compare", "reports/results.json", "reports/results.json", "--format", form)
        assert not CONTROL.search(told)
    assert not attacker.sprung()


def test_files_stay_what_they_are(attacked: tuple[Path, str, Attacker]) -> None:
    reports = attacked[0] / "reports"
    found = json.loads((reports / "results.json").read_text(encoding="utf-8"))
    assert found["verdict"] == "nonconformant"
    json.loads((reports / "transcript.har").read_text(encoding="utf-8"))
    json.loads((reports / "vectors.json").read_text(encoding="utf-8"))
    suite = ElementTree.fromstring((reports / "junit.xml").read_bytes())
    assert len(suite.findall(".//testcase")) == len(found["requirements"])
    assert not CONTROL.search("".join(suite.itertext()))
    assert not (reports / "badge.svg").exists()  # of a run that a budget ended there is none


def test_tables_of_the_summary_hold(attacked: tuple[Path, str, Attacker]) -> None:
    for path in (attacked[0] / "reports" / "summary.md", attacked[0] / "step.md"):
        text = path.read_text(encoding="utf-8")
        assert not CONTROL.search(text)
        width = 0
        for line in text.splitlines():
            bars = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            assert not (width and bars) or bars == width, line
            width = bars
        outside = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
        assert "<script" not in outside
        assert "](http://127.0.0.1" not in outside


def test_pages_hold_no_script_of_the_targets(attacked: tuple[Path, str, Attacker]) -> None:
    reports = attacked[0] / "reports"
    page = (reports / "report.html").read_text(encoding="utf-8")
    assert not CONTROL.search(page)
    for name in ("report.html", "pytest.html"):
        text = (reports / name).read_text(encoding="utf-8")
        assert "owned" in text
        for tag in ("<script>document", "<img src=http", "<svg onload", "<iframe", "<meta http-equiv=refresh"):
            assert tag not in text, name


@pytest.mark.skipif(not INERT, reason="the nox session inert opens the pages in Chromium")
@pytest.mark.parametrize("name", ["report.html", "pytest.html"])
def test_a_browser_runs_and_fetches_nothing(attacked: tuple[Path, str, Attacker], name: str) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert chromium, "the session needs Chromium"
    where, _, attacker = attacked
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += ["--virtual-time-budget=5000", f"--user-data-dir={where / name}.profile", "--dump-dom"]

    def dom(path: Path) -> str:
        done = subprocess.run([chromium, *flags, path.as_uri()], capture_output=True, timeout=120, check=True)
        return done.stdout.decode("utf-8")

    def title(text: str) -> str:
        found = re.search(r"<title[^>]*>(.*?)</title>", text, re.S)
        return found[1] if found else ""

    bait = where / "bait.html"  # shows that a script would run and something would be fetched
    bait.write_text(f"<title>bait</title><p>{attacker.text}</p>", encoding="utf-8", errors="replace")
    assert title(dom(bait)) == "owned"
    assert attacker.sprung()
    shown = dom(where / "reports" / name)
    assert "onformance" in title(shown)
    assert "owned" in shown
    assert not attacker.sprung()
