"""At the command line: what says how a target is reached, where it may stand, and what is told of it."""

from __future__ import annotations

import functools
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judging.preflight.playing import Stage
from made_up import MODEL, report
from wire.proxies import Proxy

from conformance.commands.shell import versions
from conformance.judging import reaching
from conformance.reference.process import in_process
from conformance.reference.settings import DEFAULT_MODEL, FIRST_TOKEN
from conformance.running import run
from conformance.settings import config_file, flags
from conformance.settings.options import Options

URL = "https://api.example.com:8443/deep/down/v1"
GIVEN = ("run", URL, "--model", MODEL, "--plan")


@pytest.fixture(autouse=True)
def _bare(bare: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the caller's directory or environment; waits as short as they can be."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(run, "record", functools.partial(run.record, patience=0.001))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


def planned(command: Any, *words: str) -> dict[str, str]:
    """The lines of a plan, by their first word."""
    code, out, err = command(*GIVEN, *words)
    assert (code, err) == (0, "")
    assert "Nothing was sent." in out
    return dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)


def test_the_plan_says_how_it_would_be_reached(command, monkeypatch) -> None:
    plain = planned(command)
    assert plain["Address"] == "api.example.com:8443, which this machine looks up."
    assert plain["Proxy"] == "none."
    assert plain["TLS"] == "the certificate is verified for api.example.com by the usual authorities."
    assert plain["Protocol"] == "HTTP/1.1."
    monkeypatch.setenv("HTTPS_PROXY", "http://someone:hush@proxy:3128")
    used = planned(command, "--http", "1.1,2", "--server-name", "other.example.com")
    assert used["Address"] == "api.example.com:8443, which the proxy looks up."
    assert used["Proxy"] == "http://proxy:3128 (HTTPS_PROXY, with user and password)."
    assert used["TLS"].startswith("the certificate is verified for other.example.com by")
    assert used["Requests"].endswith("(only these cost credits), over each version of HTTP.")
    assert used["Protocol"] == "HTTP/1.1 and then HTTP/2, agreed on in the handshake (ALPN)."
    given = planned(
        command, "--resolve", "api.example.com:8443:10.0.0.7", "--insecure", "--insecure-host", "api.example.com"
    )
    assert given["Address"] == "10.0.0.7, for api.example.com:8443 (--resolve)."
    assert given["Proxy"] == ("none; HTTPS_PROXY is set and is not used, because --resolve says where to connect to.")
    assert given["TLS"] == "the certificate is not verified (--insecure)."
    assert planned(command, "--no-proxy")["Proxy"].endswith("is not used, because of --no-proxy.")
    assert planned(command, "--unix-socket", "/tmp/s")["Address"].startswith("the Unix socket /tmp/s, for api.example")


def test_every_one_is_a_flag_a_variable_and_a_key(command, monkeypatch) -> None:
    pem = Path("me.pem")
    pem.touch()
    Path("conformance.toml").write_text(
        f'[targets.staging]\nurl = "{URL}"\nmodel = "{MODEL}"\nproxy = "http://proxy:1"\nclient-cert = "me.pem"\n'
        'client-key = "me.key"\nserver-name = "a.b"\nresolve = ["x:1:10.0.0.1", "y:1:10.0.0.2"]\nhttp = ["1.1", "2"]\n',
        encoding="utf-8",
    )
    file = config_file.find(None, {})
    environ = {"KITEMESH_TOKEN": "km_secret_token", "KITEMESH_CLIENT_KEY_PASSWORD": "hush"}
    told = config_file.options("staging", {}, environ, file)
    assert (told.proxy, told.client_cert, told.client_key) == ("http://proxy:1", "me.pem", "me.key")
    assert (told.server_name, told.http, told.client_key_password) == ("a.b", ("1.1", "2"), "hush")
    assert told.resolve == ("x:1:10.0.0.1", "y:1:10.0.0.2")
    nearer = config_file.options("staging", {"no_proxy": True}, {**environ, "KITEMESH_HTTP": "2"}, file)
    assert (nearer.proxy, nearer.environment_proxy, nearer.http) == (None, False, ("2",))
    variable = {**environ, "KITEMESH_PROXY": "http://u:hush-hush@p:1", "KITEMESH_UNIX_SOCKET": ""}
    assert config_file.options("staging", {}, variable, file).proxy == "http://u:hush-hush@p:1"
    monkeypatch.setenv("KITEMESH_PROXY", "http://u:hush-hush@p:1")
    monkeypatch.setenv("KITEMESH_CLIENT_KEY_PASSWORD", "hush-hush")
    code, out, err = command("config", "show", "staging")
    assert (code, err) == (0, "")
    assert "http://p:1" in out
    assert "hush" not in out
    assert "hush" not in command("config", "show", "staging", "--format", "json")[1]


def test_all_of_them_mean_a_target() -> None:
    names = {"proxy", "no-proxy", "client-cert", "client-key", "server-name", "insecure", "insecure-host"}
    names |= {"resolve", "unix-socket", "http"}
    assert names == {flag.name for flag in flags.FLAGS if flag.name in names and flag.of_target}


@pytest.fixture
def proxied(stage, monkeypatch) -> Iterator[tuple[str, Proxy]]:
    """The reference server by a name that only a proxy knows; gives the base URL and the proxy."""
    proxy = Proxy()
    opened = proxy.open()
    stage.call(opened.__aenter__())
    monkeypatch.setenv("KITEMESH_TOKEN", FIRST_TOKEN)
    monkeypatch.setenv("KITEMESH_MODEL", DEFAULT_MODEL)
    with in_process() as url:
        yield url.replace("127.0.0.1", "target.test"), proxy
    stage.call(opened.__aexit__(None, None, None))


FEW = ("--only", "auth.missing-header", "--depth", "quick")


def test_a_run_through_a_proxy_says_so_in_one_line(proxied, capsys) -> None:
    from conformance.commands.main import main

    url, proxy = proxied
    at = f"http://127.0.0.1:{proxy.port}"
    code = main(["run", url, *FEW, "--proxy", at])
    out = " ".join(capsys.readouterr().out.split())
    assert code == 0, out
    assert f"--proxy is set and was used: requests went through {at}." in out
    document = json.loads(Path("reports/results.json").read_text(encoding="utf-8"))
    assert document["reach"] == {"http": "1.1", "proxy": at, "told": "--proxy is set and was used"}
    assert document["options"]["proxy"] == at
    assert f"through the proxy {at}, HTTP/1.1" in Path("reports/report.html").read_text(encoding="utf-8")
    assert set(proxy.asked) == {url.removeprefix("http://")}


def test_the_environment_is_not_trusted_with_the_token_over_http(proxied, capsys, monkeypatch) -> None:
    from conformance.commands.main import main

    url, proxy = proxied
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    assert main(["run", url, *FEW]) == 4
    err = capsys.readouterr().err
    assert err.startswith("Error: HTTP_PROXY names a proxy that would read the token")
    assert len(err.splitlines()) == 1
    assert proxy.asked == []


def test_by_a_given_address(proxied, capsys) -> None:
    from conformance.commands.main import main

    url, proxy = proxied
    port = url.rpartition(":")[2]
    code = main(["run", url, *FEW, "--resolve", f"target.test:{port}:127.0.0.1"])
    assert code == 0, capsys.readouterr().out
    assert proxy.asked == []
    document = json.loads(Path("reports/results.json").read_text(encoding="utf-8"))
    assert document["reach"] == {"http": "1.1", "address": "127.0.0.1"}


def test_both_versions_are_recorded_and_what_shows_on_one_alone_is_told(world, command) -> None:
    code, out, _ = command("run", URL, "--model", MODEL, "--http", "1.1,2")
    assert code == 0
    assert [asked.http for asked in world.asked] == [("1.1",), ("2",)]
    assert len({asked.seed for asked in world.asked}) == 1
    assert out.splitlines()[-1] == "HTTP/1.1 and HTTP/2: nothing shows over one of them alone."
    assert {path.name for path in Path("reports").iterdir()} == {"http-1.1", "http-2"}
    assert Path("reports/http-2/report.html").is_file()
    code, _, err = command("run", URL, "--model", MODEL, "--http", "1.1,2", "--write-baseline", "x.toml")
    assert code == 4
    assert "--write-baseline is made of one run" in err


def test_each_finding_of_one_version_alone_is_told() -> None:
    one, both = {"stream.done": 1}, {"stream.done": 1, "http.json": 1}
    lines = list(versions.apart({"1.1": report(broken=one), "2": report(broken=both)}))
    assert len(lines) == 1
    assert lines[0].startswith("Over HTTP/2 alone: http.json: ")


def test_two_versions_are_not_one_run() -> None:
    from conformance.settings.options import UsageError

    both = Options(url=URL, model=MODEL, token="km_secret_token", http=("1.1", "2"))
    with pytest.raises(UsageError, match="for the command run alone"):
        run.run(both)


TLS = {"version": "TLSv1.3", "subject": "commonName=a", "expires": "2026-06-15T00:00:00Z"}
DAY = 86_400.0
ENDS = 1_781_481_600.0


@pytest.mark.parametrize(
    ("before", "said"),
    [(15.0, ""), (13.6, "in 14 days"), (1.2, "in 1 day,"), (0.5, "within a day"), (-1.0, "within a day")],
)
def test_a_certificate_that_ends_soon_is_a_remark(before: float, said: str) -> None:
    notes = list(reaching.notes({"tls": TLS, "reach": {"http": "1.1"}}, ENDS - before * DAY))
    assert bool(notes) is bool(said)
    if said:
        assert said in notes[0]
        assert notes[0].endswith("on 2026-06-15: renew it.")


def test_what_a_recording_claims_is_read_with_care() -> None:
    for odd in (
        {"reach": [], "tls": 3},
        {"reach": {"http": 2, "proxy": {}, "told": None}, "tls": {"expires": "soon", "version": []}},
        {"tls": {"expires": "9999999-01-01"}, "insecure": "yes"},
    ):
        assert list(reaching.notes(odd, 0.0)) == []
        assert reaching.line(odd).isprintable()
        json.dumps(reaching.facts(odd))
    (told,) = reaching.notes({"reach": {"told": "\x1b[31m" + "x" * 1000}}, 0.0)
    assert told.isprintable()
    assert len(told) < 500


def test_over_http_2_what_only_http_1_1_shows_is_told() -> None:
    assert "is not exercised: --http 1.1 does" in "".join(reaching.notes({"reach": {"http": "2"}}, 0.0))


def test_insecure_is_for_loopback(command, refused) -> None:
    refused("run", URL, "--model", MODEL, "--insecure", said="--insecure would send the token to whoever answers")
    refused("run", URL, "--model", MODEL, "--proxy", "gopher://x", said="--proxy does not name a proxy")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        code, out, _ = command(
            "run", f"https://127.0.0.1:{probe.getsockname()[1]}", "--model", MODEL, "--insecure", "--depth", "quick"
        )
    assert code == 6
    assert "connection refused): start the server, or correct the port." in " ".join(out.split())
