"""The configurations that are judged: sound ones have to conform, broken ones have to be blamed right.

`@port@` stands for the port of loopback that the program listens on, `@up@` (and `@up2@`, `@up3@`) for those of the
servers behind it, `@folder@` for a folder of the run, `@pem@` for a certificate with its key, `@user@` for who runs it,
`@modules@` for the folder of Apache's modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .programs import PROGRAMS, apache_modules, varnish_modules


class Story(StrEnum):
    """What happens behind the program in mid-run, for three seconds."""

    NOTHING = ""
    MAINTENANCE = "maintenance"
    """The file `@folder@/maintenance` is there."""
    RESTART = "restart"
    """The server cannot be connected to, and what was under way is cut."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One configuration of one program."""

    name: str
    program: str
    """Empty: none, the suite's own slow line."""
    text: str
    blamed: frozenset[str] = frozenset()
    """Requirements of which one has to fail at least, and beside which no MUST may fail; empty: it is sound."""
    says: str = ""
    """Words that some finding of these has to hold, or what its report says to do: the cause, and the setting."""
    servers: int = 1
    thinks: bool = False
    """The servers fall silent in the midst of long streams."""
    tls: bool = False
    story: Story = Story.NOTHING
    line: int = 0
    """Octets a second that the line to the program carries; 0: as many as come."""
    needs: str = ""
    """A module of Apache or of varnish that may not be installed."""

    @property
    def lacks(self) -> str:
        """What of it is not installed; empty where all is."""
        if self.program and PROGRAMS[self.program].path is None:
            return self.program
        folders = (apache_modules(), varnish_modules())
        there = not self.needs or any((Path(folder) / self.needs).exists() for folder in folders)
        return "" if there else f"{self.program}'s {self.needs}"


def _nginx(
    location: str, *, http: str = "", server: str = "", up: str = "server 127.0.0.1:@up@;", tls: bool = False
) -> str:
    return f"""daemon off;
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
  {http}
  upstream behind {{ {up} }}
  server {{
    listen 127.0.0.1:@port@{" ssl" if tls else ""};
    {"ssl_certificate @pem@; ssl_certificate_key @pem@;" if tls else ""}
    {server}
    location / {{
      proxy_pass http://behind;
      {location}
    }}
  }}
}}
"""


_STREAMING = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;'
_THREE = "server 127.0.0.1:@up@; server 127.0.0.1:@up2@; server 127.0.0.1:@up3@;"


def _haproxy(
    front: str = "", back: str = "server one 127.0.0.1:@up@", *, bind: str = "", defaults: str = "", tune: str = ""
) -> str:
    return f"""global
  maxconn 500
  {tune}
defaults
  mode http
  timeout connect 5s
  timeout client 120s
  timeout server 120s
  {defaults}
frontend front
  bind 127.0.0.1:@port@ {bind}
  {front}
  default_backend behind
backend behind
  {back}
"""


def _apache(
    more: str = "",
    modules: tuple[str, ...] = (),
    proxied: str = "flushpackets=on",
    to: str = "http://127.0.0.1:@up@/",
) -> str:
    loaded = ("mpm_event", "authz_core", "proxy", "proxy_http", *modules)
    return f"""ServerRoot @folder@
PidFile @folder@/pid
ErrorLog @folder@/error.log
Listen 127.0.0.1:@port@
ServerName 127.0.0.1
{chr(10).join(f"LoadModule {name}_module @modules@/mod_{name}.so" for name in loaded)}
@runs@
{more}
ProxyPass / {to} {proxied}
"""


_BALANCED = ("proxy_balancer", "slotmem_shm", "lbmethod_byrequests", "headers")


def _balanced(more: str = "") -> str:
    """Apache in front of three servers, by turns."""
    members = "\n".join(f"BalancerMember http://127.0.0.1:@{up}@ route={up}" for up in ("up", "up2", "up3"))
    return _apache(
        f"<Proxy balancer://behind>\n{members}\n{more}\n</Proxy>", _BALANCED, proxied="", to="balancer://behind/"
    )


def _caddy(more: str = "") -> str:
    # Without `buffer_requests` 2.6.2 ends a stream early now and then (24 of 4,800 for any client), soundly framed: its
    # connection to a server that answers at once is closed as the request body is still being copied.
    return f"""{{
 admin off
 auto_https off
}}
http://127.0.0.1:@port@ {{
 {more}
 reverse_proxy 127.0.0.1:@up@ {{
  buffer_requests
 }}
}}
"""


_VARNISH = """vcl 4.1;
backend behind { .host = "127.0.0.1"; .port = "@up@"; .first_byte_timeout = 120s; .between_bytes_timeout = 120s; }
sub vcl_recv { return (pass); }
"""


def _varnish_three(vcl: str) -> str:
    backends = "\n".join(
        f'backend {up} {{ .host = "127.0.0.1"; .port = "@{up}@"; .first_byte_timeout = 120s; }}'
        for up in ("up", "up2", "up3")
    )
    return f"vcl 4.1;\nimport directors;\n{backends}\n{vcl}\n"


CONFIGURATIONS = (
    # nginx, sound
    Configuration("proxy_pass alone", "nginx", _nginx("client_max_body_size 1m;")),
    Configuration("plain, buffering off", "nginx", _nginx("proxy_buffering off;")),
    Configuration("HTTP/1.0 to the server", "nginx", _nginx("proxy_http_version 1.0; proxy_buffering off;")),
    Configuration(
        "connections kept to the server", "nginx", _nginx(_STREAMING, up="server 127.0.0.1:@up@; keepalive 16;")
    ),
    Configuration(
        "gzip for JSON",
        "nginx",
        _nginx(_STREAMING, http="gzip on; gzip_types application/json; gzip_min_length 20; gzip_proxied any;"),
    ),
    Configuration(
        "gzip for all, streams too",
        "nginx",
        _nginx(_STREAMING, http="gzip on; gzip_types *; gzip_min_length 20; gzip_proxied any;"),
    ),
    Configuration("TLS", "nginx", _nginx(_STREAMING, tls=True), tls=True),
    Configuration("Connection: close after each answer", "nginx", _nginx(_STREAMING, server="keepalive_timeout 0;")),
    Configuration(
        "limit_req 10 a second, 503",
        "nginx",
        _nginx(
            f"limit_req zone=all burst=10 nodelay; {_STREAMING}",
            http="limit_req_zone $server_addr zone=all:1m rate=10r/s;",
        ),
    ),
    Configuration(
        "limit_req 10 a second, 429",
        "nginx",
        _nginx(
            f"limit_req zone=all burst=10 nodelay; limit_req_status 429; {_STREAMING}",
            http="limit_req_zone $server_addr zone=all:1m rate=10r/s;",
        ),
    ),
    Configuration(
        "limit_req 10 a second, what is beyond waits",
        "nginx",
        _nginx(
            f"limit_req zone=all burst=10; limit_req_status 429; {_STREAMING}",
            http="limit_req_zone $server_addr zone=all:1m rate=10r/s;",
        ),
    ),
    Configuration(
        "limit_req 2 a second, 429",
        "nginx",
        _nginx(
            f"limit_req zone=all burst=5 nodelay; limit_req_status 429; {_STREAMING}",
            http="limit_req_zone $server_addr zone=all:1m rate=2r/s;",
        ),
    ),
    Configuration(
        "limit_conn 4",
        "nginx",
        _nginx(f"limit_conn all 4; {_STREAMING}", http="limit_conn_zone $server_addr zone=all:1m;"),
    ),
    Configuration(
        "a maintenance page for 3 s",
        "nginx",
        _nginx(f"if (-f @folder@/maintenance) {{ return 503; }} {_STREAMING}"),
        story=Story.MAINTENANCE,
    ),
    Configuration(
        "the server gone for 3 s",
        "nginx",
        _nginx(_STREAMING, up="server 127.0.0.1:@up@ max_fails=0;"),
        story=Story.RESTART,
    ),
    Configuration(
        "three servers, by source", "nginx", _nginx(_STREAMING, up=f"hash $remote_addr; {_THREE}"), servers=3
    ),
    Configuration("a thinking model, read timeout 60 s", "nginx", _nginx(_STREAMING), thinks=True),
    # nginx, broken
    Configuration(
        "three servers, round robin",
        "nginx",
        _nginx(_STREAMING, up=_THREE),
        frozenset({"resume.approve", "resume.deny"}),
        "replicas do not share",
        servers=3,
    ),
    Configuration(
        "buffering on",
        "nginx",
        _nginx(
            "proxy_buffering on; proxy_buffers 8 64k; proxy_buffer_size 64k; proxy_ignore_headers X-Accel-Buffering;"
        ),
        frozenset({"stream.incremental"}),
        "`proxy_buffering off`",
    ),
    Configuration(
        "client_max_body_size 16k",
        "nginx",
        _nginx(_STREAMING + " client_max_body_size 16k;"),
        frozenset({"accept.limits"}),
        "nginx: `client_max_body_size`",
    ),
    Configuration(
        "errors intercepted",
        "nginx",
        _nginx(
            _STREAMING + " proxy_intercept_errors on;",
            server="error_page 400 401 404 405 409 413 415 422 /error.html; location = /error.html { internal; "
            'default_type text/html; return 200 "<html><body><h1>Sorry</h1></body></html>"; }',
        ),
        frozenset({"error.media-type", "error.schema"}),
        "`proxy_intercept_errors off`",
    ),
    Configuration(
        "a thinking model, read timeout 2 s",
        "nginx",
        _nginx(_STREAMING + " proxy_read_timeout 2s;"),
        frozenset({"http.complete"}),
        "`proxy_read_timeout`",
        thinks=True,
    ),
    # haproxy
    Configuration("plain", "haproxy", _haproxy()),
    Configuration("a queue, two at a time", "haproxy", _haproxy(back="server one 127.0.0.1:@up@ maxconn 2")),
    Configuration(
        "20 a second, 429 with Retry-After",
        "haproxy",
        _haproxy(
            "stick-table type integer size 1 expire 10s store http_req_rate(1s)\n"
            "  http-request track-sc0 int(1)\n"
            "  http-request return status 429 content-type application/json hdr Retry-After 1 string "
            '\'{"error":{"message":"Too many requests.","type":"rate_limit_error","code":"rate_limit_exceeded",'
            '"request_id":"r"}}\' if { sc_http_req_rate(0) gt 20 }'
        ),
    ),
    Configuration(
        "http-request deny 429 beyond 20 a second",
        "haproxy",
        _haproxy(
            "stick-table type integer size 1 expire 10s store http_req_rate(1s)\n"
            "  http-request track-sc0 int(1)\n"
            "  http-request deny deny_status 429 hdr Retry-After 1 if { sc_http_req_rate(0) gt 20 }"
        ),
    ),
    Configuration(
        "http-request deny 503 beyond 20 a second",
        "haproxy",
        _haproxy(
            "stick-table type integer size 1 expire 10s store http_req_rate(1s)\n"
            "  http-request track-sc0 int(1)\n"
            "  http-request deny deny_status 503 if { sc_http_req_rate(0) gt 20 }"
        ),
    ),
    Configuration(
        "gzip, streams too",
        "haproxy",
        _haproxy("compression algo gzip\n  compression type application/json text/event-stream"),
    ),
    Configuration("Connection: close after each answer", "haproxy", _haproxy(defaults="option httpclose")),
    Configuration("TLS", "haproxy", _haproxy(bind="ssl crt @pem@"), tls=True),
    Configuration("the server gone for 3 s", "haproxy", _haproxy(), story=Story.RESTART),
    Configuration(
        "three servers, by source",
        "haproxy",
        _haproxy(
            back="balance source\n  server one 127.0.0.1:@up@\n  server two 127.0.0.1:@up2@\n"
            "  server three 127.0.0.1:@up3@"
        ),
        servers=3,
    ),
    Configuration(
        "three servers, by token",
        "haproxy",
        _haproxy(
            back="balance hdr(Authorization)\n  server one 127.0.0.1:@up@\n  server two 127.0.0.1:@up2@\n"
            "  server three 127.0.0.1:@up3@"
        ),
        servers=3,
    ),
    Configuration(
        "three servers, a cookie",
        "haproxy",
        _haproxy(
            back="balance roundrobin\n  cookie replica insert indirect nocache\n"
            "  server one 127.0.0.1:@up@ cookie a\n  server two 127.0.0.1:@up2@ cookie b\n"
            "  server three 127.0.0.1:@up3@ cookie c"
        ),
        frozenset({"resume.approve", "resume.deny"}),
        "replicas do not share",
        servers=3,
    ),
    Configuration(
        "three servers, at random",
        "haproxy",
        _haproxy(
            back="balance random\n  server one 127.0.0.1:@up@\n  server two 127.0.0.1:@up2@\n"
            "  server three 127.0.0.1:@up3@"
        ),
        frozenset({"resume.approve", "resume.deny"}),
        "replicas do not share",
        servers=3,
    ),
    Configuration(
        "413 beyond 16 KiB",
        "haproxy",
        _haproxy("http-request deny deny_status 413 if { req.hdr(content-length) -m int gt 16384 }"),
        frozenset({"accept.limits"}),
        "the rule that denies large bodies",
    ),
    Configuration(
        "http-response wait-for-body",
        "haproxy",
        _haproxy("http-response wait-for-body time 30s", tune="tune.bufsize 131072"),
        frozenset({"stream.incremental"}),
        "`wait-for-body`",
    ),
    Configuration(
        "a thinking model, timeout server 2 s",
        "haproxy",
        _haproxy(back="timeout server 2s\n  server one 127.0.0.1:@up@"),
        frozenset({"http.complete"}),
        "`timeout server`",
        thinks=True,
    ),
    # Apache httpd
    Configuration("plain", "Apache httpd", _apache()),
    Configuration("ProxyPass alone", "Apache httpd", _apache(proxied="")),
    Configuration(
        "HTTP/1.0 to the server",
        "Apache httpd",
        _apache("SetEnv force-proxy-request-1.0 1\nSetEnv proxy-nokeepalive 1", ("env",)),
    ),
    Configuration("Connection: close after each answer", "Apache httpd", _apache("KeepAlive Off")),
    Configuration(
        "gzip for JSON",
        "Apache httpd",
        _apache("AddOutputFilterByType DEFLATE application/json", ("filter", "deflate")),
    ),
    Configuration(
        "gzip, streams too",
        "Apache httpd",
        _apache("AddOutputFilterByType DEFLATE application/json text/event-stream", ("filter", "deflate")),
    ),
    Configuration(
        "two at a time, 503 beyond",
        "Apache httpd",
        _apache(
            "StartServers 1\nServerLimit 1\nThreadLimit 64\nThreadsPerChild 64\nMaxRequestWorkers 64",
            proxied="flushpackets=on max=2 acquire=100",
        ),
    ),
    Configuration(
        "ModSecurity, 429 beyond 20 a second",
        "Apache httpd",
        _apache(
            "SecRuleEngine On\nSecTmpDir @folder@\nSecDataDir @folder@\n"
            'SecAction "id:1,phase:1,nolog,pass,initcol:global=all,setvar:global.asked=+1,expirevar:global.asked=1"\n'
            'SecRule GLOBAL:ASKED "@gt 20" "id:2,phase:1,nolog,deny,status:429"',
            ("unique_id", "security2"),
        ),
        needs="mod_security2.so",
    ),
    Configuration(
        "three servers, by turns",
        "Apache httpd",
        _balanced(),
        frozenset({"resume.approve", "resume.deny"}),
        "replicas do not share",
        servers=3,
    ),
    Configuration(
        "three servers, a cookie",
        "Apache httpd",
        _balanced(
            "ProxySet stickysession=ROUTEID\nHeader add Set-Cookie "
            '"ROUTEID=.%{BALANCER_WORKER_ROUTE}e; path=/" env=BALANCER_ROUTE_CHANGED'
        ),
        frozenset({"resume.approve", "resume.deny"}),
        "replicas do not share",
        servers=3,
    ),
    Configuration(
        "errors overridden",
        "Apache httpd",
        _apache("ProxyErrorOverride On"),
        frozenset({"error.media-type", "error.schema"}),
        "`ProxyErrorOverride Off`",
    ),
    Configuration(
        "ModSecurity, bodies up to 16 KiB",
        "Apache httpd",
        _apache(
            "SecRuleEngine On\nSecRequestBodyAccess On\nSecRequestBodyLimit 16384\nSecRequestBodyNoFilesLimit 16384\n"
            "SecTmpDir @folder@\nSecDataDir @folder@",
            ("unique_id", "security2"),
        ),
        frozenset({"accept.limits"}),
        "`SecRequestBodyLimit`",
        needs="mod_security2.so",
    ),
    # varnish, stunnel, caddy, squid
    Configuration("pass", "varnish", _VARNISH),
    Configuration("a backend alone", "varnish", 'vcl 4.1;\nbackend default { .host = "127.0.0.1"; .port = "@up@"; }\n'),
    Configuration(
        "Connection: close after each answer",
        "varnish",
        _VARNISH + 'sub vcl_deliver { set resp.http.Connection = "close"; }\n',
    ),
    Configuration(
        "two at a time, 503 beyond",
        "varnish",
        _VARNISH.replace('.port = "@up@";', '.port = "@up@"; .max_connections = 2;'),
    ),
    Configuration(
        "429 beyond 20 a second",
        "varnish",
        _VARNISH.replace("vcl 4.1;", "vcl 4.1;\nimport vsthrottle;").replace(
            "{ return (pass); }",
            '{ if (vsthrottle.is_denied("all", 20, 1s)) { return (synth(429)); } return (pass); }',
        ),
        needs="libvmod_vsthrottle.so",
    ),
    Configuration(
        "three servers, by token",
        "varnish",
        _varnish_three(
            "sub vcl_init { new behind = directors.hash(); behind.add_backend(up, 1.0); behind.add_backend(up2, 1.0);\n"
            "  behind.add_backend(up3, 1.0); }\n"
            "sub vcl_recv { set req.backend_hint = behind.backend(req.http.Authorization); return (pass); }"
        ),
        servers=3,
    ),
    Configuration(
        "three servers, by turns",
        "varnish",
        _varnish_three(
            "sub vcl_init { new behind = directors.round_robin(); behind.add_backend(up); behind.add_backend(up2);\n"
            "  behind.add_backend(up3); }\n"
            "sub vcl_recv { set req.backend_hint = behind.backend(); return (pass); }"
        ),
        frozenset({"resume.approve", "resume.deny"}),
        "replicas do not share",
        servers=3,
    ),
    Configuration(
        "gzip for JSON",
        "varnish",
        _VARNISH
        + 'sub vcl_backend_response { if (beresp.http.Content-Type ~ "json") { set beresp.do_gzip = true; } }\n',
    ),
    Configuration(
        "gzip, streams too",
        "varnish",
        _VARNISH + "sub vcl_backend_response { set beresp.do_gzip = true; }\n",
        frozenset({"stream.incremental"}),
        "no `beresp.do_gzip`",
    ),
    Configuration(
        "a thinking model, between_bytes_timeout 2 s",
        "varnish",
        _VARNISH.replace(".between_bytes_timeout = 120s", ".between_bytes_timeout = 2s"),
        frozenset({"http.complete"}),
        "`between_bytes_timeout`",
        thinks=True,
    ),
    Configuration(
        "streaming off",
        "varnish",
        _VARNISH + "sub vcl_backend_response { set beresp.do_stream = false; }\n",
        frozenset({"stream.incremental"}),
        "`beresp.do_stream = true`",
    ),
    Configuration(
        "TLS",
        "stunnel",
        "foreground = yes\npid =\nsyslog = no\n"
        "[api]\naccept = 127.0.0.1:@port@\nconnect = 127.0.0.1:@up@\ncert = @pem@\n",
        tls=True,
    ),
    Configuration(
        "plain",
        "caddy",
        _caddy(),
    ),
    Configuration(
        "gzip",
        "caddy",
        _caddy("encode gzip"),
    ),
    Configuration(
        "accelerator",
        "squid",
        "http_port 127.0.0.1:@port@ accel defaultsite=127.0.0.1 no-vhost\n"
        "cache_peer 127.0.0.1 parent @up@ 0 no-query originserver login=PASSTHRU name=up\n"
        "http_access allow all\ncache deny all\naccess_log none\ncache_log /dev/null\npid_filename none\n"
        "@squid@\nshutdown_lifetime 1 seconds\ncoredump_dir none\nnetdb_filename none\n",
    ),
    # no program
    Configuration("a line of 256 kbit/s", "", "", line=32_000),
)
