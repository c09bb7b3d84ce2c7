"""The ways to the reference server, each with the programs that it needs and what the suite is told.

`@port@` stands for the port of loopback of a way's first program, `@port2@` for its second one's, `@up@` for the
server's, `@own@` for an address of this machine that is not loopback. In `@folder@` are `server.pem` (for target.test,
127.0.0.1 and `@own@`) and `client.pem`, each with its key, `locked.key` (the client's, with a password), `hosts` (which
knows target.test) and `users` (which knows `LOGIN`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.studies.frontends.programs import PROGRAMS, Program

LOGIN = ("someone", "pw-of-the-proxy-7")
KEY_PASSWORD = "pw-of-the-key-7"
OWN = "@own@"


@dataclass(frozen=True, slots=True)
class Way:
    """One way."""

    name: str
    url: str = "http://127.0.0.1:@port@"
    programs: tuple[tuple[Program, str], ...] = ()
    """With their configurations; the first one is the nearest to the server."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Members of `Options`."""
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def lacks(self) -> list[str]:
        """Programs that it needs and that are not installed."""
        return [program.name for program, _ in self.programs if program.path is None]

    @property
    def needs_own_address(self) -> bool:
        """Whether the machine needs an address other than loopback."""
        return any(OWN in text for text in (self.url, *map(str, self.options.values())))


NGINX, HAPROXY, APACHE, CADDY, SQUID = (
    PROGRAMS[name] for name in ("nginx", "haproxy", "Apache httpd", "caddy", "squid")
)
TINYPROXY = Program("tinyproxy", ("tinyproxy",), ("-d", "-c", "@file@"), ("-v",))
MICROSOCKS = Program("microsocks", ("microsocks",), ("-i", "127.0.0.1", "-p", "@port@"), ())
MICROSOCKS_LOGIN = Program("microsocks", ("microsocks",), (*MICROSOCKS.words, "-u", LOGIN[0], "-P", LOGIN[1]), ())


def _nginx(*listens: str, server: str = "") -> tuple[Program, str]:
    listen = "\n    ".join(f"listen {one};" for one in listens)
    return (
        NGINX,
        f"""daemon off;
user @user@;
pid @folder@/pid;
worker_processes 2;
error_log stderr;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path @folder@/b; proxy_temp_path @folder@/p; fastcgi_temp_path @folder@/f;
  uwsgi_temp_path @folder@/u; scgi_temp_path @folder@/s;
  client_max_body_size 16m;
  server {{
    {listen}
    ssl_certificate @folder@/server.pem; ssl_certificate_key @folder@/server.pem;
    {server}
    location / {{
      proxy_pass http://127.0.0.1:@up@;
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
""",
    )


def _haproxy(bind: str) -> tuple[Program, str]:
    return (
        HAPROXY,
        f"""global
  maxconn 500
defaults
  mode http
  timeout connect 5s
  timeout client 120s
  timeout server 120s
frontend front
  bind 127.0.0.1:@port@ {bind}
  default_backend behind
backend behind
  server one 127.0.0.1:@up@
""",
    )


def _apache(more: str, *modules: str) -> tuple[Program, str]:
    loaded = ("mpm_event", "authz_core", "proxy", "proxy_http", "http2", *modules)
    return (
        APACHE,
        f"""ServerRoot @folder@
PidFile @folder@/pid
ErrorLog @folder@/error.log
Listen 127.0.0.1:@port@
ServerName 127.0.0.1
{chr(10).join(f"LoadModule {name}_module @modules@/mod_{name}.so" for name in loaded)}
@runs@
{more}
ProxyPass / http://127.0.0.1:@up@/ flushpackets=on
""",
    )


def _caddy(protocols: str, site: str, tls: str = "") -> tuple[Program, str]:
    return (
        CADDY,
        f"""{{
 admin off
 auto_https off
 servers {{
  protocols {protocols}
 }}
}}
{site} {{
 bind 127.0.0.1
 {tls}
 reverse_proxy 127.0.0.1:@up@ {{
  buffer_requests
 }}
}}
""",
    )


def _squid(port: str = "http_port 127.0.0.1:@port2@", *, login: bool = False) -> tuple[Program, str]:
    access = "http_access allow all"
    if login:
        access = (
            "auth_param basic program /usr/lib/squid/basic_ncsa_auth @folder@/users\nacl known proxy_auth REQUIRED\n"
            "http_access allow known\nhttp_access deny all"
        )
    return SQUID, (
        f"{port}\nhosts_file @folder@/hosts\n{access}\ncache deny all\naccess_log none\ncache_log /dev/null\n"
        "pid_filename none\n@squid@\nshutdown_lifetime 1 seconds\ncoredump_dir none\nnetdb_filename none\n"
    )


def _tinyproxy(more: str = "") -> tuple[Program, str]:
    return (
        TINYPROXY,
        f"Port @port2@\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 600\nMaxClients 200\n@tinyproxy@\n{more}\n",
    )


_TRUST = {"ca_bundle": "@folder@/server.pem"}
_TLS = _nginx("127.0.0.1:@port@ ssl")
_OWN_TLS = _nginx("0.0.0.0:@port@ ssl")
_RESOLVE = ("target.test:@up@:127.0.0.1",)
_AT = "127.0.0.1:@port2@"
_LOGIN_AT = f"{LOGIN[0]}:{LOGIN[1]}@{_AT}"
_ENDED_HERE = "https://127.0.0.1:@port@"
_PLAIN = "http://127.0.0.1:@port@"
_NAMED = "https://target.test:@port@"
_BY_OWN = "https://@own@:@port@"

WAYS = (
    Way("directly", "http://127.0.0.1:@up@"),
    # addresses
    Way(
        "a name that only --resolve knows",
        "http://target.test:@up@",
        options={"resolve": ("target.test:@up@:127.0.0.1",)},
    ),
    Way("::1", "http://[::1]:@port@", (_nginx("[::1]:@port@", "127.0.0.1:@port@"),)),
    Way(
        "a Unix socket",
        "http://target.test",
        (_nginx("unix:@folder@/socket", "127.0.0.1:@port@"),),
        {"unix_socket": "@folder@/socket"},
    ),
    Way(
        "a path of five parts",
        "http://127.0.0.1:@port@/a/b/c/d",
        (_nginx("127.0.0.1:@port@", server="rewrite ^/a/b/c/d(/.*)$ $1;"),),
    ),
    # TLS
    Way("TLS, a private CA", _ENDED_HERE, (_TLS,), _TRUST),
    Way("TLS, another name", _ENDED_HERE, (_TLS,), {**_TRUST, "server_name": "target.test"}),
    Way("TLS, not verified on loopback", _ENDED_HERE, (_TLS,), {"insecure": True}),
    Way(
        "TLS 1.2 alone",
        _ENDED_HERE,
        (_nginx("127.0.0.1:@port@ ssl", server="ssl_protocols TLSv1.2;"),),
        _TRUST,
    ),
    Way(
        "a client certificate",
        _ENDED_HERE,
        (_nginx("127.0.0.1:@port@ ssl", server="ssl_client_certificate @folder@/client.pem; ssl_verify_client on;"),),
        {**_TRUST, "client_cert": "@folder@/client.pem"},
    ),
    Way(
        "a client certificate, its key with a password, haproxy",
        _ENDED_HERE,
        (_haproxy("ssl crt @folder@/server.pem ca-file @folder@/client.pem verify required"),),
        {
            **_TRUST,
            "client_cert": "@folder@/client.pem",
            "client_key": "@folder@/locked.key",
            "client_key_password": KEY_PASSWORD,
        },
    ),
    # proxies
    Way("squid, http", "http://target.test:@up@", (_squid(),), {"proxy": f"http://{_AT}"}),
    Way("squid with a login, http", "http://target.test:@up@", (_squid(login=True),), {"proxy": f"http://{_LOGIN_AT}"}),
    Way("squid, CONNECT", _NAMED, (_TLS, _squid()), {**_TRUST, "proxy": f"http://{_AT}"}),
    Way(
        "squid with a login, CONNECT, by HTTPS_PROXY",
        _NAMED,
        (_TLS, _squid(login=True)),
        _TRUST,
        {"HTTPS_PROXY": f"http://{_LOGIN_AT}"},
    ),
    Way(
        "squid, TLS to the proxy too",
        _NAMED,
        (_TLS, _squid("https_port 127.0.0.1:@port2@ tls-cert=@folder@/server.pem")),
        {**_TRUST, "proxy": f"https://{_AT}"},
    ),
    Way("tinyproxy, CONNECT", _BY_OWN, (_OWN_TLS, _tinyproxy()), {**_TRUST, "proxy": f"http://{_AT}"}),
    Way(
        "tinyproxy with a login, CONNECT",
        _BY_OWN,
        (_OWN_TLS, _tinyproxy(f"BasicAuth {LOGIN[0]} {LOGIN[1]}")),
        {**_TRUST, "proxy": f"http://{_LOGIN_AT}"},
    ),
    Way("microsocks, SOCKS5", _BY_OWN, (_OWN_TLS, (MICROSOCKS, "")), {**_TRUST, "proxy": f"socks5://{_AT}"}),
    Way(
        "microsocks with a login, SOCKS5",
        _BY_OWN,
        (_OWN_TLS, (MICROSOCKS_LOGIN, "")),
        {**_TRUST, "proxy": f"socks5://{_LOGIN_AT}"},
    ),
    # HTTP/2
    Way("HTTP/2, nginx, TLS", _ENDED_HERE, (_nginx("127.0.0.1:@port@ ssl http2"),), {**_TRUST, "http": ("2",)}),
    Way("HTTP/2, nginx, without TLS", programs=(_nginx("127.0.0.1:@port@ http2"),), options={"http": ("2",)}),
    Way(
        "HTTP/2, haproxy, TLS",
        _ENDED_HERE,
        (_haproxy("ssl crt @folder@/server.pem alpn h2,http/1.1"),),
        {**_TRUST, "http": ("2",)},
    ),
    Way("HTTP/2, haproxy, without TLS", programs=(_haproxy("proto h2"),), options={"http": ("2",)}),
    Way(
        "HTTP/2, Apache httpd, TLS",
        _ENDED_HERE,
        (
            _apache(
                "Protocols h2 http/1.1\nSSLEngine on\nSSLCertificateFile @folder@/server.pem",
                "ssl",
                "socache_shmcb",
            ),
        ),
        {**_TRUST, "http": ("2",)},
    ),
    Way("HTTP/2, Apache httpd, without TLS", programs=(_apache("Protocols h2c"),), options={"http": ("2",)}),
    Way(
        "HTTP/2, caddy, TLS",
        _ENDED_HERE,
        (_caddy("h1 h2", "https://127.0.0.1:@port@", "tls @folder@/server.pem @folder@/server.pem"),),
        {**_TRUST, "http": ("2",)},
    ),
    Way(
        "HTTP/2, caddy, without TLS", programs=(_caddy("h1 h2c", "http://127.0.0.1:@port@"),), options={"http": ("2",)}
    ),
    Way(
        "HTTP/2, nginx, through squid",
        _NAMED,
        (_nginx("127.0.0.1:@port@ ssl http2"), _squid()),
        {**_TRUST, "proxy": f"http://{_AT}", "http": ("2",)},
    ),
    Way(
        "HTTP/2, nginx, a client certificate",
        _ENDED_HERE,
        (
            _nginx(
                "127.0.0.1:@port@ ssl http2",
                server="ssl_client_certificate @folder@/client.pem; ssl_verify_client on;",
            ),
        ),
        {**_TRUST, "client_cert": "@folder@/client.pem", "http": ("2",)},
    ),
)
