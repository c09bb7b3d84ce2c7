"""No token and no withheld content gets into any file, line or message, however a server sends it back."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from judging.preflight.playing import Certificates, closed_port
from wire.proxies import Proxy
from wire.raw_server import RawServer, Script, answer, chunk

from conformance.judging import judge as judging
from conformance.judging.verdict import State
from conformance.probes.refusals import nearly, other_in_the_middle
from conformance.reference.settings import DEFAULT_MODEL
from conformance.report import without_bodies as withheld
from conformance.transcript import har_reader, har_writer

ROOT = Path(__file__).parents[2]
TOKEN, SECOND = "km_first+secret/token=7Qz", "km_second+secret/token=9Xw"
NEAR, MIDDLE = nearly(TOKEN, SECOND), other_in_the_middle(TOKEN, SECOND)
LOGIN = ("someone-hush-4", "proxy+secret/word=8Ty")
KEY_PASSWORD = "key+secret/word=6Vu"
COOKIE, CONTENT, PROMPT = "sid-hush-hush", "the-canary-of-content", "the-canary-of-prompts"
BASIC = base64.b64encode(":".join(LOGIN).encode()).decode()
"""How user and password of the proxy travel."""
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"


def spellings(token: str) -> set[str]:
    """A token in clear, percent-encoded, and in base64 at each of its three alignments, as far as that is its own."""
    quoted = quote(token, safe="")
    found = {token, quoted, re.sub("%..", lambda code: code[0].lower(), quoted)}
    for alignment in range(3):
        letters = base64.b64encode(b"\0" * alignment + token.encode()).decode()
        own = letters[-(-alignment * 8 // 6) : (alignment + len(token)) * 8 // 6]
        found |= {own, own.replace("+", "-").replace("/", "_")}
    return found


def echo(number: int, request: bytes) -> Script:
    """One of the ways in which a server may send both tokens back, and content and a cookie with them."""
    lent = re.search(rb"(?i)authorization: *bearer +(\S+)", request)
    token = lent[1].decode("latin-1") if lent else TOKEN
    every = [f"{CONTENT} {way}" for one in (token, TOKEN, SECOND, NEAR, MIDDLE) for way in sorted(spellings(one))]
    every += [f"{CONTENT} {way}" for way in (*sorted(spellings(LOGIN[1])), BASIC)]
    text = " ".join(every).encode()
    fields = [f"Set-Cookie: sid={COOKIE}; Path=/", f"Set-Cookie: t={token}", f"X-Echo: {quote(token)}"]
    error = json.dumps({"error": {"message": text.decode(), "type": token, "code": token}}).encode()
    match number % 6:
        case 0:
            return [(0.0, answer(error, "Content-Type: application/json", *fields, status=f"400 {token}"))]
        case 1:
            head = STREAM + "".join(f"{field}\r\n" for field in fields).encode() + b"\r\n"
            body = b'data: {"id":"' + text + b'"}\n\n'
            return [(0.0, head), *((0.0, chunk(body[at : at + 5])) for at in range(0, len(body), 5)), (0.0, chunk(b""))]
        case 2:
            return [(0.0, answer(text, f"Content-Type: text/{CONTENT}", *fields))]
        case 3:
            return [(0.0, b"SSH-2.0 " + text + b"\r\n\r\n")]
        case 4:
            made = {"id": token, "object": CONTENT, "model": token, "choices": [{"finish_reason": text.decode()}]}
            return [(0.0, answer(json.dumps(made).encode(), "Content-Type: application/json", *fields))]
    return [(0.0, answer(error, f"Location: /{token}", *fields, status="307 Temporary Redirect"))]


@pytest.mark.parametrize(
    "token", [TOKEN, "km_0123456789abcdef", "eyJh.eyJz.c2lnbmF0dXJl_-Zz==", "test", "k", "0", "--"]
)
def test_a_token_that_is_nearly_the_real_one_differs_in_its_end_only(token: str) -> None:
    near = nearly(token, SECOND)
    assert near != token
    half = len(token) // 2
    assert near[:half] == token[:half]
    assert near.isascii()
    kinds = ("[0-9]", "[a-f]", "[g-z]", "[A-F]", "[G-Z]", "[^0-9a-zA-Z]")
    for before, after in zip(token, near, strict=False):
        assert any(re.fullmatch(kind, before) and re.fullmatch(kind, after) for kind in kinds)


def test_nearly_the_real_one_is_nobody_elses() -> None:
    token = "km_user_1234"
    once = nearly(token)
    twice = nearly(token, once)
    assert len({token, once, twice}) == 3
    assert nearly(token, once, twice) not in (token, once, twice)


@pytest.mark.parametrize(
    ("token", "other"),
    [
        ("km_fakeExampleToken", "km_fakeEXAmpleToken"),
        ("km_reference_first", "km_referENce_first"),
        ("km_0123456789abcdef", "km_0123489789abcdef"),
    ],
)
def test_a_token_that_is_other_in_its_middle_begins_and_ends_as_the_real_one(token: str, other: str) -> None:
    assert other_in_the_middle(token) == other


@pytest.mark.parametrize(
    "token",
    ["km_0123456789abcdef", "km_Live_0123456789abcdef", "km_01HXYZ0123ABCD", "km_01hxyz0123abcd", "km_live_a2b3c4d5"],
)
def test_the_middle_is_other_than_in_case_where_case_may_say_nothing(token: str) -> None:
    assert other_in_the_middle(token).lower() != token.lower()


@pytest.mark.parametrize("token", [TOKEN, "km_k", "eyJh.eyJz.c2lnbmF0dXJl_-Zz==", "test", "k", "0", "--"])
def test_a_token_that_is_other_in_its_middle_is_nobodys(token: str) -> None:
    once = other_in_the_middle(token, SECOND)
    assert once not in (token, SECOND)
    assert other_in_the_middle(token, once) not in (token, once)


def argument_lists() -> Iterator[bytes]:
    """Those of all programs that run."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            yield path.read_bytes()


@contextmanager
def serving(proxies: list[str] | None = None, lists: set[bytes] | None = None) -> Iterator[str]:
    """The base URL of such a server, in a thread; into `proxies` goes the URL of one that finds every name there.

    Into `lists` go the argument lists of the programs that run while it is asked.
    """
    loop = asyncio.new_event_loop()
    done = asyncio.Event()
    numbers = iter(range(10**6))
    urls: list[str] = []
    up = threading.Event()

    async def choose(request: bytes) -> Script:
        if lists is not None:
            lists.update(argument_lists())
        return echo(next(numbers), request)

    async def serve() -> None:
        async with RawServer(choose=choose) as server, Proxy(":".join(LOGIN)).open() as proxy:
            if proxies is not None:
                proxies.append(f"http://{LOGIN[0]}:{quote(LOGIN[1], safe='')}@127.0.0.1:{proxy.port}")
            urls.append(server.url)
            up.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    up.wait(30)
    try:
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(30)
        loop.close()


def texts(where: Path, *printed: str) -> str:
    """All that a run wrote and printed."""
    files = [path for path in where.rglob("*") if path.is_file()]
    return "\n".join([*printed, *(path.read_text(encoding="utf-8", errors="replace") for path in files)])


def command(
    url: str, where: Path, *more: str, plugin: bool = False, beside: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """The exit code, and all that was written and printed."""
    environ = {**os.environ, "KITEMESH_TOKEN": TOKEN, "KITEMESH_SECOND_TOKEN": SECOND, **(beside or {})}
    environ |= {"KITEMESH_APPROVAL_PROMPT": PROMPT, "KITEMESH_DEPTH": "quick", "KITEMESH_TIMEOUT": "20"}
    if plugin:
        environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        words = ["-m", "pytest", "-p", "conformance.plugin", "-rA", "-vv", "--tb=long", "--junitxml=more.xml"]
        words += ["--target-url", url, "--target-model", DEFAULT_MODEL, "-p", "no:cacheprovider"]
    else:
        words = [
            "-m",
            "conformance.commands.main",
            "run",
            "--pytest-html",
            url,
            "--model",
            DEFAULT_MODEL,
            "--output",
            "reports",
            "--debug",
        ]
    words += [f"--target-{word.removeprefix('--')}" if plugin else word for word in more]
    done = subprocess.run(
        [sys.executable, *words], cwd=where, env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, texts(where, done.stdout, done.stderr)


@pytest.mark.parametrize("plugin", [False, True], ids=["command", "pytest"])
def test_no_token_and_no_cookie_is_written_or_printed(tmp_path: Path, plugin: bool) -> None:
    with serving() as url:
        code, told = command(url, tmp_path, plugin=plugin)
    assert code in (1, 6), told[:2000]
    assert CONTENT in told  # it did come, and is shown
    for token in (TOKEN, SECOND, NEAR, MIDDLE):
        assert [way for way in spellings(token) if way in told] == []
    assert COOKIE not in told


@pytest.mark.parametrize("plugin", [False, True], ids=["command", "pytest"])
def test_no_password_of_a_proxy_is_written_or_printed(tmp_path: Path, plugin: bool) -> None:
    proxies: list[str] = []
    with serving(proxies) as url:
        named = url.replace("127.0.0.1", "target.test")
        code, told = command(named, tmp_path, plugin=plugin, beside={"KITEMESH_PROXY": proxies[0]})
    assert code in (1, 6), told[:2000]
    assert CONTENT in told  # the server was reached, by a name that only the proxy knows
    if not plugin:
        assert "--proxy is set and was used" in " ".join(told.split())
    assert [way for one in (LOGIN[1], TOKEN, SECOND, NEAR, MIDDLE) for way in spellings(one) if way in told] == []
    assert BASIC not in told
    assert LOGIN[0] not in told


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_no_password_of_the_environments_proxy_is_written_or_printed(tmp_path: Path, variable: str) -> None:
    """The proxy tunnels to a server that does not speak TLS."""
    proxies: list[str] = []
    with serving(proxies) as url:
        named = url.replace("http://127.0.0.1", "https://target.test")
        code, told = command(named, tmp_path, beside={variable: proxies[0], "NO_PROXY": "", "no_proxy": ""})
    assert code == 6, told[:2000]
    assert f"{variable} is set and was used" in " ".join(told.split())
    assert [way for one in (LOGIN[1], TOKEN, SECOND, NEAR, MIDDLE) for way in spellings(one) if way in told] == []
    assert BASIC not in told
    assert LOGIN[0] not in told


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="this system shows no argument lists in /proc")
def test_no_argument_list_holds_a_secret(tmp_path: Path) -> None:
    lists: set[bytes] = set()
    proxies: list[str] = []
    with serving(proxies, lists) as url:
        named = url.replace("127.0.0.1", "target.test")
        given = {"KITEMESH_PROXY": proxies[0], "KITEMESH_CLIENT_KEY_PASSWORD": KEY_PASSWORD}
        command(named, tmp_path, "--only", "auth", beside=given)
    told = b"\n".join(lists).decode("utf-8", "replace")
    assert "conformance.commands.main" in told  # it was looked at while the run went on
    assert [way for one in (LOGIN[1], TOKEN, SECOND, KEY_PASSWORD) for way in spellings(one) if way in told] == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl, which makes the certificate, is not installed")
@pytest.mark.parametrize("given", ["right", "wrong", "none"])
def test_no_password_of_a_client_key_is_written_or_printed(tmp_path: Path, given: str) -> None:
    good = Certificates(tmp_path).of("good")
    locked = tmp_path / "locked.pem"
    order = ["openssl", "pkey", "-in", str(good), "-aes256", "-passout", f"pass:{KEY_PASSWORD}", "-out", str(locked)]
    subprocess.run(order, check=True, capture_output=True)
    password = {"right": KEY_PASSWORD, "wrong": f"{KEY_PASSWORD}-wrong", "none": ""}[given]
    words = ("--client-cert", str(good), "--client-key", str(locked))
    where = tmp_path / "run"
    where.mkdir()
    beside = {"KITEMESH_CLIENT_KEY_PASSWORD": password}
    code, told = command(f"https://127.0.0.1:{closed_port()}", where, *words, beside=beside)
    assert code == (6 if given == "right" else 4)
    assert KEY_PASSWORD not in told


@pytest.mark.parametrize("wrong", ["port", "login", "scheme"])
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(tmp_path: Path, wrong: str) -> None:
    proxies: list[str] = []
    with serving(proxies) as url:
        named = url.replace("127.0.0.1", "target.test")
        proxy = {
            "port": re.sub(r":\d+$", ":9", proxies[0]),
            "login": proxies[0].replace(LOGIN[0], "hush-another"),
            "scheme": proxies[0].replace("http:", "gopher:"),
        }[wrong]
        for environ in ({"KITEMESH_PROXY": proxy}, {"KITEMESH_PROXY": proxy, "KITEMESH_HTTP": "2"}):
            code, told = command(named, tmp_path, beside=environ)
            assert code == (4 if wrong == "scheme" else 6)
            assert [way for one in (LOGIN[1], TOKEN) for way in spellings(one) if way in told] == []
            assert "hush" not in told


def test_a_password_in_an_argument_or_a_file_is_refused(tmp_path: Path) -> None:
    code, told = command("https://api.example.com", tmp_path, "--proxy", f"http://{LOGIN[0]}:pw-hush@proxy:3128")
    assert code == 4
    assert "--proxy holds a user or password that others could read" in told
    assert "hush" not in told
    (tmp_path / "conformance.toml").write_text('proxy = "http://u:pw-hush@proxy:3128"\n', encoding="utf-8")
    code, told = command("https://api.example.com", tmp_path)
    assert code == 4
    assert "put that URL into KITEMESH_PROXY instead" in told
    assert told.count("hush") == 1  # in that file, which is the user's


def test_a_run_without_bodies_leaves_no_content(tmp_path: Path) -> None:
    with serving() as url:
        code, told = command(url, tmp_path, "--no-bodies")
    assert code in (1, 6), told[:2000]
    # Header fields stay: one of them bears the canary as a media type.
    assert CONTENT not in told.replace(f"text/{CONTENT}", "")
    assert PROMPT not in told
    assert [way for token in (TOKEN, SECOND, NEAR, MIDDLE) for way in spellings(token) if way in told] == []
    again = judging.judge(har_reader.load(tmp_path / "reports" / "transcript.har"))
    assert any("without bodies" in note for note in again.notes)


@pytest.mark.parametrize("path", sorted((ROOT / "fixtures" / "transcripts").glob("*.har")), ids=lambda path: path.stem)
def test_what_needs_bodies_is_not_exercised_without_them(path: Path) -> None:
    whole = har_reader.load(path)
    bare = har_reader.load(har_writer.dumps(withheld.transcript(whole)))
    assert all(e.request.body is None and (e.response is None or not e.response.body) for e in bare)
    failed = {o.requirement.id for o in judging.judge(whole).verdict.outcomes if o.state is State.FAILED}
    again = judging.judge(bare)
    assert {o.requirement.id for o in again.verdict.outcomes if o.state in (State.FAILED, State.ERROR)} <= failed
    states = {o.requirement.id: o.state for o in again.verdict.outcomes}
    assert states["completion.schema"] is states["chunk.schema"] is State.NOT_EXERCISED


@pytest.mark.parametrize(
    ("seen", "kept"),
    [
        ("status 409 (application/json): 'secret'", "status 409 (application/json); withheld: 10 characters"),
        ("status 200", "status 200"),
        ("absent", "absent"),
        ("null", "null"),
        ('"secret"', "a string of 6 characters, withheld"),
        ('{"a": "secret"}', "an object of 1 members, withheld"),
        ("[1, 2]", "an array of 2 items, withheld"),
        ("12.5", "a number, withheld"),
        ("secret words", "withheld: 12 characters"),
    ],
)
def test_of_what_was_observed_types_and_lengths_stay(seen: str, kept: str) -> None:
    assert withheld.observed(seen) == kept
