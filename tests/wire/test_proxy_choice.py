"""Which proxy is used, as other clients choose it; and what is refused before anything is sent."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from judging.preflight.playing import Certificates

from conformance.settings.options import Options, UsageError, addresses, is_loopback
from conformance.wire.reach import proxy, route

URL = "https://api.example.com/v1"
PROXY = "http://proxy.example.com:3128"


def chosen(environ: Mapping[str, str], url: str = URL, named: str | None = None, **more: Any) -> proxy.Choice:
    return proxy.choose(httpx.URL(url), named, environ, **{"of_environment": True, **more})


@pytest.mark.parametrize(
    ("environ", "url", "used"),
    [
        ({"HTTPS_PROXY": PROXY}, URL, "HTTPS_PROXY"),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, URL, "https_proxy"),
        ({"ALL_PROXY": PROXY}, URL, "ALL_PROXY"),
        ({"HTTPS_PROXY": PROXY, "ALL_PROXY": "http://other:1"}, URL, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "proxy.example.com:3128"}, URL, "HTTPS_PROXY"),
        ({"HTTP_PROXY": PROXY}, URL, ""),
        ({"HTTPS_PROXY": " "}, URL, ""),
        ({"HTTPS_PROXY": PROXY}, "http://api.example.com/v1", ""),
        ({}, URL, ""),
    ],
)
def test_the_environment_names_one(environ: dict[str, str], url: str, used: str) -> None:
    found = chosen(environ, url)
    if not used:
        assert found == proxy.Choice()
        return
    assert found.told == f"{used} is set and was used"
    assert found.proxy is not None
    assert found.proxy.url == PROXY


@pytest.mark.parametrize(
    ("entries", "url", "excepted"),
    [
        ("api.example.com", URL, True),
        ("example.com", URL, True),
        (".example.com", URL, True),
        ("*.example.com", URL, True),
        ("ample.com", URL, False),
        ("other.org, example.com", URL, True),
        ("other.org example.com", URL, True),
        ("*", URL, True),
        ("API.Example.COM", URL, True),
        ("example.com:443", URL, True),
        ("example.com:8443", URL, False),
        ("example.com:8443", "https://api.example.com:8443/v1", True),
        ("10.0.0.0/8", "https://10.1.2.3/v1", True),
        ("10.0.0.0/8", "https://11.1.2.3/v1", False),
        ("10.1.2.3", "https://10.1.2.3/v1", True),
        ("10.1.2.3:443", "https://10.1.2.3/v1", True),
        ("fd00::/8", "https://[fd00::1]/v1", True),
        ("[fd00::1]:443", "https://[fd00::1]/v1", True),
        ("", URL, False),
        (" , ,", URL, False),
    ],
)
def test_what_no_proxy_excepts(entries: str, url: str, excepted: bool) -> None:
    for variable in ("NO_PROXY", "no_proxy"):
        found = chosen({"HTTPS_PROXY": PROXY, variable: entries}, url)
        assert (found.proxy is None) is excepted
        if excepted:
            assert found.told.startswith(f"HTTPS_PROXY is set and was not used, because {variable} names ")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "LOCALHOST", "a.localhost", "0.0.0.0"]
)
def test_loopback_is_never_sent_through_one(host: str) -> None:
    for named in (None, PROXY):
        found = chosen({"HTTPS_PROXY": PROXY}, f"https://{host}/v1", named)
        assert found.proxy is None
        assert found.told.endswith("was not used, because loopback is never sent through a proxy")
    assert is_loopback(host)


def test_other_hosts_are_not_loopback() -> None:
    for host in ("example.com", "10.0.0.1", "localhost.example.com", "128.0.0.1", "[::2]", "notlocalhost"):
        assert not is_loopback(host)


def test_over_http_the_token_goes_to_a_named_proxy_only() -> None:
    plain = "http://api.example.com/v1"
    with pytest.raises(UsageError, match="HTTP_PROXY names a proxy that would read the token"):
        chosen({"HTTP_PROXY": PROXY}, plain)
    assert chosen({"HTTP_PROXY": PROXY}, plain, PROXY).told == "--proxy is set and was used"
    assert chosen({"HTTP_PROXY": PROXY, "NO_PROXY": "api.example.com"}, plain).proxy is None
    off = chosen({"HTTP_PROXY": PROXY}, plain, of_environment=False)
    assert off.told == "HTTP_PROXY is set and was not used, because of --no-proxy"


def test_what_says_where_to_connect_to_needs_none() -> None:
    told = replace(Options(), url=URL, resolve=("api.example.com:443:10.0.0.7",))
    way = route.of(told, {"HTTPS_PROXY": PROXY})
    assert way.proxy is None
    assert way.address == "10.0.0.7"
    assert way.told == "HTTPS_PROXY is set and was not used, because --resolve says where to connect to"
    with pytest.raises(UsageError, match="--proxy and --resolve contradict each other"):
        route.of(replace(told, proxy=PROXY), {})
    elsewhere = replace(told, resolve=("other.example.com:443:10.0.0.7",), proxy=PROXY)
    assert route.of(elsewhere, {}).proxy is not None


@pytest.mark.parametrize(
    "url", ["ftp://x", "http://", "http://a/b", "http://a?b", "://", "http://a:99999", "http://user:hush-hush@", "a b"]
)
def test_what_is_not_a_proxy_is_refused_without_repeating_it(url: str) -> None:
    for environ, named, name in (({"HTTPS_PROXY": url}, None, "HTTPS_PROXY"), ({}, url, "--proxy")):
        with pytest.raises(UsageError) as caught:
            chosen(environ, URL, named)
        assert str(caught.value).startswith(f"{name} does not name a proxy: give one such as")
        assert "hush" not in str(caught.value)


def test_credentials_are_read_and_shown_nowhere() -> None:
    found = proxy.parsed("http://some%40one:p%3Aw-hush-9@proxy:3128", "HTTPS_PROXY")
    assert (found.user, found.password) == (b"some@one", b"p:w-hush-9")
    assert found.authorization == "Basic c29tZUBvbmU6cDp3LWh1c2gtOQ=="
    assert found.url == "http://proxy:3128"
    way = route.Route(proxy=found)
    for text in (repr(found), repr(way), str(way.recorded()), repr(Options(proxy="http://u:hush@p:1"))):
        assert "hush" not in text
    assert way.secrets() == ["c29tZUBvbmU6cDp3LWh1c2gtOQ==", "p:w-hush-9"]
    assert way.recorded()["proxy_login"] is True
    assert "hush" not in str(Options(proxy="http://u:hush@p:1", client_key_password="hush").recorded())
    # A word that any page may hold is not masked wherever it stands.
    weak = route.Route(proxy=proxy.parsed("http://user:password@proxy:3128", "--proxy"))
    assert weak.secrets() == ["dXNlcjpwYXNzd29yZA=="]


@pytest.mark.parametrize(
    ("url", "scheme", "port"),
    [
        ("http://p", "http", 80),
        ("https://p", "https", 443),
        ("socks5://p", "socks5", 1080),
        ("socks5h://p", "socks5", 1080),
        ("p:3128", "http", 3128),
    ],
)
def test_schemes_and_ports(url: str, scheme: str, port: int) -> None:
    found = proxy.parsed(url, "--proxy")
    assert (found.scheme, found.host, found.port) == (scheme, "p", port)


def test_addresses() -> None:
    assert addresses(["A.example.com:443:10.0.0.7", "b:80:[::1]", "c:1:::1", "[::2]:9:10.0.0.1"]) == {
        ("a.example.com", 443): "10.0.0.7",
        ("b", 80): "::1",
        ("c", 1): "::1",
        ("::2", 9): "10.0.0.1",
    }
    for wrong in (
        "a",
        "a:443",
        "a:443:",
        "a:443:b",
        "a:0:10.0.0.1",
        "a:99999:10.0.0.1",
        "a:x:10.0.0.1",
        ":443:10.0.0.1",
    ):
        with pytest.raises(UsageError, match=re.escape(f"not {wrong!r}")):
            addresses([wrong])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"proxy": PROXY, "environment_proxy": False}, "--proxy and --no-proxy contradict"),
        ({"proxy": PROXY, "unix_socket": "/s"}, "--proxy and --unix-socket contradict"),
        ({"unix_socket": "/" + "s" * 200}, "--unix-socket may name a path of 107 octets at most"),
        ({"client_key": "k"}, "--client-key needs --client-cert"),
        ({"insecure": True}, "--insecure-host api.example.com too"),
        ({"insecure": True, "insecure_host": "example.com"}, "--insecure would send the token to whoever answers"),
        ({"insecure": True, "ca_bundle": "x"}, "--insecure and --ca-bundle contradict"),
        ({"http": ("3",)}, "--http must be 1.1 or 2 or both, not '3'"),
        ({"resolve": ("x",)}, "--resolve takes HOST:PORT:ADDRESS"),
    ],
)
def test_what_contradicts_itself(given: dict[str, Any], said: str) -> None:
    told = Options(url=URL, model="group:00000000-0000-4000-8000-000000000000", token="km_some_token_7", **given)
    with pytest.raises(UsageError, match=re.escape(said)):
        told.checked()


def test_insecure_where_it_may_be() -> None:
    told = Options(url=URL, model="group:00000000-0000-4000-8000-000000000000", token="km_some_token_7", insecure=True)
    replace(told, insecure_host="API.example.com").checked()
    replace(told, url="https://127.0.0.1:8443/v1").checked()
    replace(told, url="https://localhost/v1").checked()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificates, is not installed")
    return Certificates(tmp_path_factory.mktemp("certificates"))


def test_client_certificates_that_cannot_be_used(certificates: Certificates, tmp_path: Path) -> None:
    good, other = certificates.of("good"), certificates.of("other-name")
    key, certificate = (good.parent / f"good-{part}.pem" for part in ("key", "certificate"))
    locked = tmp_path / "locked.key"
    order = ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:hush-hush-7", "-out", str(locked)]
    subprocess.run(order, check=True, capture_output=True)
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing", encoding="utf-8")
    other_key = other.parent / "other-name-key.pem"
    told = Options(url=URL)
    for given, said in (
        (
            {"client_cert": "no-such.pem"},
            "The file 'no-such.pem' cannot be read (No such file or directory); check --client-",
        ),
        ({"client_cert": str(certificate), "client_key": "no-such.key"}, "check --client-key"),
        ({"client_cert": str(certificate)}, "must hold a certificate and its key in PEM"),
        ({"client_cert": str(nothing)}, "must hold a certificate and its key in PEM"),
        ({"client_cert": str(certificate), "client_key": str(nothing)}, "must be PEM"),
        ({"client_cert": str(certificate), "client_key": str(other_key)}, "is not that of the certificate"),
        ({"client_cert": str(certificate), "client_key": str(locked)}, "set KITEMESH_CLIENT_KEY_PASSWORD to it"),
        (
            {"client_cert": str(certificate), "client_key": str(locked), "client_key_password": "wrong-7"},
            "The password in KITEMESH_CLIENT_KEY_PASSWORD does not open",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            route.of(replace(told, **given), {})
        assert said in str(caught.value)
        assert "wrong-7" not in str(caught.value)
    right = replace(told, client_cert=str(certificate), client_key=str(locked), client_key_password="hush-hush-7")
    assert route.of(right, {}).context is not None
    assert route.of(replace(told, client_cert=str(good)), {}).context is not None
