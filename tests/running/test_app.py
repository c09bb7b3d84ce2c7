"""An ASGI application in its own tests: by the pytest option, by the fixture, by the function."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
from dataclasses import fields
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

import conformance
from conformance import check_app
from conformance.reference.app import create_app
from conformance.reference.faults import by_id
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, Settings
from conformance.running.app import AppOptions, application, load, serving
from conformance.settings.options import Options, UsageError

ROOT = Path(__file__).parents[2]
TOKEN = Settings().tokens[0]
FAULT = "stream-done-absent"
CHOSEN = {"only": ["http", "stream.done", "auth.missing-header"], "depth": "quick", "seed": 7}
PLUGINS = ("-p", "conformance.plugin", "-p", "pytest_metadata.plugin", "-p", "pytest_html.plugin")
THEIRS = f'''
from pathlib import Path
from contextlib import asynccontextmanager
from conformance.reference.faults import by_id
from conformance.reference.app import create_app
from conformance.reference.settings import Settings
from starlette.applications import Starlette
from starlette.routing import Mount

@asynccontextmanager
async def lifespan(app):
    Path("lifespan").write_text("begun")
    yield
    Path("lifespan").write_text("ended")

@asynccontextmanager
async def failing(app):
    raise RuntimeError("no database")
    yield

def create(fault=None):
    return create_app(Settings(token_interval=0.0), *([by_id(fault).behaviour] if fault else []))

def wsgi(environ, start_response):
    return []

def two():
    1 / 0

class Holder:
    faulty = create("{FAULT}")

app = Starlette(routes=[Mount("/", create())], lifespan=lifespan)
below = Starlette(routes=[Mount("/api", create())])
broken = Starlette(lifespan=failing)
text = "app"
'''


@pytest.fixture
def theirs(pytester, monkeypatch):
    """A project with an application; runs pytest in it."""
    for name in ("PYTEST_ADDOPTS", "KITEMESH_URL", "KITEMESH_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("KITEMESH_MODEL", DEFAULT_MODEL)
    monkeypatch.setenv("KITEMESH_TOKEN", TOKEN)
    pytester.makepyfile(their_server=THEIRS)
    options = ("--target-only", ",".join(CHOSEN["only"]), "--target-depth", "quick", "--target-seed", "7")

    def run(*arguments):
        return pytester.runpytest_inprocess(*PLUGINS, *(options if "--target-app" in arguments else ()), *arguments)

    return run


# --- pytest --target-app


def test_an_application_that_conforms(theirs, pytester):
    result = theirs("--target-app", "their_server:app", "--conformance-output", "out")
    assert result.ret == 0
    result.assert_outcomes(passed=5, skipped=128)
    assert "CONFORMANT (partial scope, exit code 0)" in result.stdout.str()
    found = json.loads((pytester.path / "out" / "results.json").read_text(encoding="utf-8"))
    url = urlsplit(found["target"]["url"])
    assert (url.hostname, url.path) == ("127.0.0.1", "/v1")
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", url.port)):
        pass
    assert (pytester.path / "lifespan").read_text() == "ended"


def test_an_application_with_a_fault(theirs):
    result = theirs("--target-app", "their_server:Holder.faulty", "::stream.done", "::http.json")
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1)
    assert "stream.done (MUST)" in result.stdout.str()


def test_an_application_that_is_made_and_one_elsewhere(theirs):
    assert theirs("--target-app", "their_server:create()", "::http.json").ret == 0
    assert theirs("--target-app", "their_server:below", "--target-app-path", "/api/v1/", "::http.json").ret == 0


def test_the_installed_plugin_in_a_process_of_its_own(pytester, monkeypatch):
    pytester.makepyfile(their_server=THEIRS)
    monkeypatch.setenv("KITEMESH_TOKEN", TOKEN)
    pytester.makefile(".toml", conformance=f'model = "{DEFAULT_MODEL}"\ndepth = "quick"\nonly = ["http.json"]\n')
    command = [sys.executable, "-m", "pytest", "-p", "no:schemathesis", "--target-app", "their_server:app"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CONFORMANT (partial scope, exit code 0)" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("their_server",), ["must be named as package.module:app"]),
        (("their server:app",), ["must be named as package.module:app"]),
        (("no_such_module:app",), ["'no_such_module' cannot be imported", "No module named 'no_such_module'"]),
        (("spoilt:app",), ["'spoilt' cannot be imported (SyntaxError:"]),
        (("leaving:app",), ["'leaving' cannot be imported (SystemExit:"]),
        (("their_server:ap",), ["has no 'ap'; correct the name"]),
        (("their_server:app.x.y",), ["has no 'app.x.y'"]),
        (("their_server:text",), ["'their_server:text' is not an ASGI application but a str"]),
        (("their_server:Holder",), ["is not an ASGI application but a type"]),
        (("their_server:wsgi",), ["but a function that takes other arguments than scope, receive and send"]),
        (("their_server:create",), ["if it makes one, name it with () after it"]),
        (("their_server:two()",), ["failed (ZeroDivisionError: division by zero)"]),
        (("their_server:app", "--target-url", "http://x"), ["--target-url and --target-app contradict each other"]),
        (("their_server:app", "--target-reference"), ["contradict each other"]),
        (("their_server:app", "--target-model", "gpt"), ["group:<uuid>"]),
    ],
)
def test_wrong_use_is_told_in_one_sentence(theirs, pytester, arguments, words):
    pytester.makepyfile(spoilt="def", leaving="raise SystemExit('no')")
    result = theirs("--target-app", *arguments)
    assert result.ret == 4
    (line,) = [line for line in result.stderr.str().splitlines() if line.startswith("ERROR")]
    for word in words:
        assert word in line
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(("lacking", "option"), [("MODEL", "--target-model"), ("TOKEN", "--target-token-env")])
def test_what_has_to_be_given(theirs, monkeypatch, lacking, option):
    monkeypatch.delenv(f"KITEMESH_{lacking}")
    result = theirs("--target-app", "their_server:app")
    assert result.ret == 4
    assert option in result.stderr.str()
    assert f"set KITEMESH_{lacking}" in result.stderr.str()


def test_an_application_that_does_not_start(theirs):
    result = theirs("--target-app", "their_server:broken")
    assert result.ret == 4
    assert "The application does not start (RuntimeError: no database); correct it." in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_a_target_of_the_configuration(theirs, pytester):
    """By its name, as the command line does it."""
    pytester.makefile(".toml", conformance='[targets.staging]\nurl = "ftp://x"\n')
    result = theirs("--target-url", "staging")
    assert (result.ret, "'ftp://x' is not an http or https URL" in result.stderr.str()) == (4, True)
    result = theirs("--target-url", "prod", "--target-config", "conformance.toml")
    assert "names no target 'prod'; it knows staging." in result.stderr.str()
    pytester.makefile(".toml", other="x")
    assert "is not TOML" in theirs("--target-reference", "--target-config", "other.toml").stderr.str()
    assert "check --target-config" in theirs("--target-reference", "--target-config", "none.toml").stderr.str()


# --- the fixture


def test_the_fixture_in_tests_with_and_without_an_event_loop(theirs, pytester):
    pytester.makepyfile(
        test_theirs=f"""
        import asyncio
        import pytest
        import their_server

        TOLD = dict(model={DEFAULT_MODEL!r}, token={TOKEN!r}, **{CHOSEN!r})

        @pytest.fixture(scope="module")
        def report(conformance_of):
            return conformance_of(their_server.app, **TOLD)

        def test_it_conforms(report):
            assert report.verdict.conclusion == "conformant", str(report)
            assert not report.findings

        def test_a_coroutine(conformance_of):
            async def body():
                return conformance_of(their_server.create({FAULT!r}), **TOLD)

            report = asyncio.run(body())
            assert report.verdict.conclusion == "nonconformant"
            assert {{finding.requirement for finding in report.findings}} == {{"stream.done"}}

        def test_it_fails(conformance_of):
            report = conformance_of("their_server:Holder.faulty", **TOLD)
            assert report.verdict.conclusion == "conformant", str(report)
        """
    )
    result = theirs("-W", "error", "test_theirs.py")
    result.assert_outcomes(passed=2, failed=1)
    text = result.stdout.str()
    assert "NONCONFORMANT (partial scope, exit code 1)" in text
    assert "stream.done (MUST)" in text


# --- the function


def test_the_report_of_an_application(tmp_path):
    before = threading.active_count()
    report = check_app(
        create_app(Settings(), by_id(FAULT).behaviour),
        model=DEFAULT_MODEL,
        token=TOKEN,
        approval_prompt=DEFAULT_APPROVAL_PROMPT,
        output=tmp_path / "out",
        **CHOSEN,
    )
    assert threading.active_count() == before
    assert report.verdict["stream.done"].state == "failed"
    assert report.verdict["http.json"].state == "passed"
    assert {finding.requirement for finding in report.findings} == {"stream.done"}
    assert report.exit_code() == 1
    assert "stream.done (MUST)" in str(report)
    assert len(repr(report)) < 200_000
    assert TOKEN not in repr(report) + str(report)
    assert json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))["verdict"] == "nonconformant"


def test_it_runs_beside_the_callers_event_loop():
    """What waits in the caller's loop goes on where the function is called in a thread, as its page says."""

    async def body():
        call = asyncio.to_thread(check_app, create_app(), model=DEFAULT_MODEL, token=TOKEN, **CHOSEN)
        task = asyncio.create_task(call)
        turns = 0
        while not task.done():
            turns += 1
            await asyncio.sleep(0.01)
        assert turns > 2
        return await task

    assert asyncio.run(body()).verdict.conclusion == "conformant"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"model": "gpt"}, "group:<uuid>"),
        ({"token": ""}, "check_app.. was given an empty token; give one that the target takes"),
        ({"token": "token"}, "The token has fewer than 6 characters"),
        ({"second_token": "finish_reason"}, "The second token is a word that requests or answers of the API hold"),
        ({"only": "stream"}, r"only takes several, not one text; write only=\['stream'\]"),
        ({"only": ["streem"]}, "did you mean stream"),
        ({"depth": "abyss"}, "depth must be quick, standard, deep"),
        ({"concurrency": 0}, "^concurrency must be 1 or more"),
        ({"colour": "red"}, "knows no option 'colour'"),
        ({"url": "http://x"}, "knows no option 'url'"),
        ({"app": "no_such_module:app"}, "cannot be imported"),
        ({"app": 3}, "is not an ASGI application but a int"),
    ],
)
def test_what_the_function_refuses(told, words):
    with pytest.raises(UsageError, match=words):
        check_app(**({"app": create_app(), "model": DEFAULT_MODEL, "token": TOKEN} | told))


def test_every_option_can_be_told():
    of_the_wire = {"url", "embedded", "ca_bundle", "client_cert", "client_key", "client_key_password", "server_name"}
    of_the_wire |= {"insecure", "insecure_host", "proxy", "environment_proxy", "resolve", "unix_socket", "http", "side"}
    by_themselves = {"model", "token"}
    read = {"vectors", "first"}
    known = {field.name for field in fields(Options)}
    assert set(AppOptions.__annotations__) == known - of_the_wire - by_themselves - read, (
        "add it to conformance.running.app.Told"
    )


def test_what_is_an_application(tmp_path, monkeypatch):
    class Duck:
        async def __call__(self, scope, receive, send): ...

    async def plain(scope, receive, send): ...

    for app in (Duck(), plain, Starlette(), create_app()):
        assert application(app, "it") is app
    (tmp_path / "elsewhere.py").write_text("async def app(scope, receive, send): ...", encoding="utf-8")
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert load("elsewhere:app", tmp_path).__name__ == "app"


def test_an_application_without_lifespan_is_served():
    async def plain(scope, receive, send):
        assert scope["type"] == "http"
        await PlainTextResponse("hello")(scope, receive, send)

    import httpx

    with serving(plain, "/x") as url:
        assert url.endswith("/x")
        assert httpx.get(url).text == "hello"
    with serving(Starlette(routes=[Mount("/v1", routes=[Route("/", lambda request: PlainTextResponse("v1"))])])) as url:
        assert httpx.get(f"{url}/").text == "v1"


def test_the_package_names_it_without_bringing_it_along():
    script = "import sys, conformance; print('httpx' in sys.modules, conformance.check_app.__module__)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "conformance.running.app"]
    with pytest.raises(AttributeError, match="no attribute 'chek_app'"):
        _ = conformance.chek_app
