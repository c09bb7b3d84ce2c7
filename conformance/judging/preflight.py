"""What the first requests of a run decide before anything else is sent: is it the API that answers?

A run begins with a minimal request with the token and one without. Where these show that the target cannot be reached,
or is something other than the API, no requirement can be judged: one sentence says what answered and what to do.
`RULES` is the table of these situations, in order; the first rule that applies gives the sentence. They do not cover
answers of the API itself, right or wrong: `judged` recognises these, and the run goes on.

Pure: it reads exchanges, so that a recording gets the same sentence when judged again. Source: design, "Preflight".
"""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from conformance.contract.authority import PORTS, authority
from conformance.contract.classify import CHAT, RESUME
from conformance.probes.flow import Phase
from conformance.transcript.excerpt import excerpt
from conformance.transcript.exchange import TIMED_OUT, Credential, Ending, Exchange, Transcript

MOST = 4
"""The most requests until it is decided whether the API answers."""
ELSEWHERE = "elsewhere"
"""The flow of requests that ask at another address."""
SAMPLE = 64 * 1024
"""The most octets of a body that are read."""
QUOTED = 100
"""The most characters of a body that a sentence quotes."""

_API = re.compile(r'"(choices|usage|kitemesh|delta)"\s*:|chat\.completion')
"""Members that only an answer of the API has, however wrong it is otherwise."""
_REFUSED = frozenset({401, 403})
_UNSERVED = frozenset({404, 405, 410, 501})
_LATER = frozenset({429, 502, 503, 504, 529, *range(520, 528)})
_MEMBERS = re.compile(r"\b(messages|temperature|max_tokens|max_completion_tokens|metadata|stream|content)\b")
"""Members of a request's body: an answer that mentions them comes from a server that has read it."""


@dataclass(frozen=True)
class FirstReply:
    """An exchange, read without knowing what it is that answered."""

    exchange: Exchange

    @property
    def status(self) -> int:
        """The status code; 0: no answer came."""
        return self.exchange.status or 0

    def field(self, name: str) -> str:
        """A header field of the answer; empty where it is absent."""
        response = self.exchange.response
        return (response.header(name) or "") if response else ""

    @property
    def media_type(self) -> str:
        """In lower case, without parameters."""
        return self.field("content-type").partition(";")[0].strip().lower()

    @cached_property
    def text(self) -> str:
        """The body's beginning. NULs are left out, so that UTF-16 can be read too."""
        body = self.exchange.response.body[:SAMPLE] if self.exchange.response else b""
        return body.replace(b"\0", b"").decode("utf-8", "replace").lstrip("\ufeff").strip()

    @cached_property
    def value(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None

    @property
    def page(self) -> bool:
        """True where it is HTML, whatever its media type."""
        return (
            "html" in self.media_type
            or re.match(r"<(!doctype|html|head|body|meta|script)\b", self.text, re.I) is not None
        )

    @cached_property
    def title(self) -> str:
        """The title of a page; empty where it has none."""
        found = re.search(r"<title[^>]*>(.*?)</title", self.text, re.I | re.S)
        return " ".join(html.unescape(found[1]).split()) if found else ""

    @property
    def error(self) -> Mapping[str, Any] | None:
        """The error object, where it has the documented form as far as clients need it."""
        told = self.value.get("error") if isinstance(self.value, dict) else None
        if not isinstance(told, dict) or not isinstance(told.get("message"), str):
            return None
        return told if isinstance(told.get("type"), str) or isinstance(told.get("code"), str) else None

    @property
    def served(self) -> bool:
        """True where the API took the request, in whatever form it answers."""
        if not 200 <= self.status < 300 or self.page:
            return False
        form = self.media_type == "text/event-stream" or self.media_type.endswith("json")
        coded = self.field("content-encoding").strip().lower() not in ("", "identity")
        if form and (coded or self.exchange.ending is not Ending.COMPLETE):
            return True  # it cannot be read: whose fault that is will be judged
        streamed = self.media_type == "text/event-stream" and bool(self.text)
        return streamed or _API.search(self.text) is not None or self.error is not None

    @property
    def read_the_body(self) -> bool:
        """True where a 4xx speaks of members of the request's body, in JSON of another form than the documented one."""
        return self.status in (400, 422) and self.value is not None and _MEMBERS.search(self.text) is not None

    @property
    def came(self) -> str:
        """What answered, for a sentence: the status, and a page's title or the body's first words."""
        reason = self.exchange.response.reason if self.exchange.response else ""
        status = f"{self.status} {excerpt(reason, 40)}".strip()
        if self.page and self.title:
            return f'{status}, a page with the title "{excerpt(self.title, QUOTED)}"'
        if not self.text:
            return f"{status} and an empty body"
        if self.error is not None:
            return f'{status} and "{excerpt(str(self.error["message"]), QUOTED)}"'
        words = re.sub(r"<[^>]*>", " ", self.text) if self.page else self.text
        if not words.strip():
            return f"{status} and a page without words"
        return f'{status} and "{excerpt(" ".join(words.split()), QUOTED)}"'


@dataclass(frozen=True)
class FirstAnswers:
    """The answers to the first requests, the last attempt of each."""

    base: str
    """The base URL that was asked."""
    bearing: FirstReply
    """The answer to the minimal request with the token."""
    bare: FirstReply | None = None
    """The answer to the one without a token; None: it was not sent."""
    elsewhere: tuple[FirstReply, ...] = ()
    """The answers to the minimal request at other addresses."""
    reach: Mapping[str, Any] = field(default_factory=dict)
    """How the target was reached, as the recording tells it (`Route.recorded`)."""
    certified: bool = False
    """A client certificate was given."""

    @property
    def parts(self) -> SplitResult:
        """The parts of the base URL."""
        return urlsplit(self.base)

    @property
    def host(self) -> str:
        """The host that was asked."""
        return excerpt(self.parts.hostname or "", 200)

    @property
    def place(self) -> str:
        """Host and port, or the Unix socket that stands for them."""
        if socket := self.way("unix_socket"):
            return f"the Unix socket {socket}"
        address = self.way("address")
        place = authority(self.host, self.parts.port or PORTS.get(self.parts.scheme, PORTS["http"]))
        return f"{place} ({address})" if address else place

    def way(self, what: str) -> str:
        """A text of how the target was reached, in a form that can be shown; empty where there is none."""
        told = self.reach.get(what)
        return excerpt(told, 200) if isinstance(told, str) else ""

    @property
    def proxy(self) -> str:
        """The proxy that the requests went through; empty: none."""
        return self.way("proxy")

    @property
    def reader(self) -> str:
        """The proxy, where it reads the requests and may answer them itself; empty: it only passes octets on."""
        tunnelled = self.parts.scheme == "https" or self.way("http") == "2" or self.proxy.startswith("socks5:")
        return "" if tunnelled else self.proxy

    @property
    def or_proxy(self) -> str:
        """The proxy as one that may have answered too; empty where none may."""
        return f", or the proxy {self.reader}, which {self.way('proxy_by')} names," if self.reader else ""

    @property
    def without_proxy(self) -> str:
        """How to go without the proxy: one that was named cannot be denied beside it."""
        return "leave --proxy out" if self.way("proxy_by") == "--proxy" else "connect without it by --no-proxy"

    @property
    def cause(self) -> str:
        """The error text of the transport, and whether a proxy that something names was used."""
        return f"{self.words}{self.also}"

    @property
    def also(self) -> str:
        """Whether a proxy that something names was used, to be put behind a cause; empty where nothing names one."""
        told = self.way("told")
        return f"; {told}" if told else ""

    @property
    def url(self) -> str:
        """The URL that was asked."""
        return excerpt(self.base + CHAT, 200)

    @property
    def status(self) -> int:
        """The status of the answer to the request with the token; 0: no answer came."""
        return self.bearing.status

    @property
    def failed(self) -> str:
        """The error text of the transport; empty where an answer came."""
        return "" if self.status else self.bearing.exchange.error

    def ended(self, *endings: Ending) -> bool:
        """True where no answer came, and the exchange ended in this way."""
        return not self.status and self.bearing.exchange.ending in endings

    def said(self, pattern: str) -> bool:
        """True where the text of the transport or of the answer matches."""
        told = self.failed or f"{self.bearing.title} {self.bearing.text[:4000]}"
        return re.search(pattern, told, re.I) is not None

    @property
    def gated(self) -> bool:
        """True where the API asks for a token when there is none: the address is right."""
        return self.bare is not None and self.bare.status == 401 and not self.bare.page and self.bare.value is not None

    @property
    def alike(self) -> bool:
        """True where the request without a token fared the same, or was not sent."""
        return self.bare is None or self.bare.status == self.status

    @property
    def differ(self) -> bool:
        """True where the request without a token got a different text."""
        return self.bare is not None and self.bare.text != self.bearing.text

    @property
    def octets(self) -> bytes:
        """The octets that came, where they are not HTTP."""
        found = re.search(r"what came begins with (b'.*?'|b\".*?\")$", self.failed)
        try:
            return bytes(ast.literal_eval(found[1])) if found else b""
        except (ValueError, SyntaxError):
            return b""

    @property
    def location(self) -> str:
        """Where it redirects to, as an absolute URL; empty where it does not say."""
        told = self.bearing.field("location")
        try:
            return urljoin(self.base + CHAT, told) if told else ""
        except ValueError:
            return told

    @property
    def words(self) -> str:
        """The error text of the transport, for a sentence."""
        return excerpt(re.sub(r"^\w+: | ?\(_ssl\.c:\d+\)|^ProxyError: ", "", self.failed).rstrip("."), 200)

    @property
    def everything(self) -> str:
        """The requests that it answered in this way."""
        return "Every request" if self.bare is not None else "The first request"

    @property
    def told(self) -> str:
        """The error's own message; else a description of the answer."""
        error = self.bearing.error
        return f'{self.status}: "{excerpt(str(error["message"]), 200)}"' if error else self.bearing.came

    @property
    def found(self) -> str:
        """The other address at which the API answers; empty where there is none."""
        for reply in self.elsewhere:
            if speaks(reply):
                return reply.exchange.request.url.removesuffix(CHAT)
        return ""


def speaks(reply: FirstReply) -> bool:
    """Whether the API answers: it accepted the request, or refuses in its own form, except for an unknown address."""
    return reply.served or (reply.error is not None and reply.status not in _UNSERVED)


def judged(seen: FirstAnswers) -> bool:
    """Whether the API answers, right or wrong, so that it is to be judged."""
    bearing, bare = seen.bearing, seen.bare
    if bearing.served or bearing.read_the_body or (bare is not None and bare.served):
        return True
    passing = seen.status in {402, 407, 511, *_REFUSED, *_UNSERVED, *_LATER} or 300 <= seen.status < 400
    if bearing.error is not None and not passing:
        return True
    if not seen.status:  # it lets this request wait, or drops it; the API refuses the other one
        # HTTP that clients refuse is judged by that.
        return bearing.exchange.answered or seen.gated or (bare is not None and bare.error is not None)
    if seen.gated or (bare is not None and bare.error is not None and not seen.alike):
        return seen.status not in {402, *_REFUSED, *_UNSERVED} and not 300 <= seen.status < 400
    return False


@dataclass(frozen=True, slots=True)
class Situation:
    """One situation: how it is recognised, and the sentence that says what it is and what to do."""

    id: str
    when: Callable[[FirstAnswers], bool]
    says: Callable[[FirstAnswers], str]


_LOGIN = r"\blog ?[io]n\b|\bsign[- ]?in\b|\bsso\b|single sign|password|anmeld|connexion|se connecter|\boauth|\bsaml"
_PROXY = (
    r"squid|tinyproxy|privoxy|zscaler|blue ?coat|forcepoint|fortiguard|websense|web filter|url filter|\bproxy\b"
    r"|the requested url could not be retrieved"
)
_REVERSE = r"from an upstream\s+server"
"""Said by a proxy of the server's own (Apache), which nobody can go without."""
_WANTS_HTTP2 = "whether it wants HTTP/2 (--http 2)"
_NO_HTTP2 = "no HTTP/2: "
"""Begins what the transport tells where the other side speaks another version."""
_NO_HOST = (
    r"name or service not known|nodename nor servname|no address associated|name resolution|getaddrinfo"
    r"|Errno -[235]\b|Errno 11001"
)
_WANTS_CERTIFICATE = (
    "asked for a client certificate|certificate[ _]required|bad[ _]certificate|peer did not return a certificate"
    "|ALERT_UNKNOWN_CA|alert unknown ca"
)
_OTHER_NAME = "mismatch|not valid for|doesn't match"
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED|not trusted|self.signed"
_WANTS_TLS = (
    "plain http request was sent to https|http request to an https|speaking plain http to an ssl|requires? (tls|https)"
)
_MODEL = r"\bmod(el|èle)s?\b|\bgroup\b"


def _redirect(seen: FirstAnswers) -> str:
    to, asked = seen.location, seen.base + CHAT
    came = f'{seen.url} redirects ({seen.status}) to "{excerpt(to, 200)}"'
    if not to:
        return f"{seen.url} redirects ({seen.status}) without saying where to: check the URL."
    there, here = urlsplit(to), urlsplit(asked)
    if not there.path.rstrip("/").endswith(CHAT) and re.search(_LOGIN + r"|/auth\b|/authorize\b|\bidp\b", to, re.I):
        return f"{came}, which is a login page: give the API's own address, or let the suite pass the login (--header)."
    if to == asked:
        return f"{came}, which is itself: check what stands in front of the server."
    if to.rstrip("/") == asked:
        return (
            f"{came}: the server wants a slash at the end, which the documented path does not have; let it accept the "
            "path without."
        )
    base = re.sub(rf"({re.escape(CHAT)}|{re.escape(RESUME)})/?$", "", to.partition("?")[0].partition("#")[0])
    if not to.startswith(("http://", "https://")):
        return f"{came}, which no client of the API can follow: check the URL."
    if (
        there.hostname == here.hostname
        and there.scheme != here.scheme
        and base.partition("://")[2] == seen.base.partition("://")[2]
    ):
        return f"{came}: the suite does not follow redirects; give the URL {excerpt(base, 200)}."
    if base != to:
        return (
            f"{came}: the suite follows no redirect, with which the token would travel; give the URL "
            f"{excerpt(base, 200)} if that is your server."
        )
    return f"{came}, which is not the API's path: check the URL."


def _of_proxy(*patterns: str) -> Callable[[FirstAnswers], bool]:
    """No connection, for a reason that lies with the proxy and is told in such words; without patterns in any."""
    return lambda s: s.bearing.exchange.of_proxy and all(map(s.said, patterns))


def _to_client_certificate(seen: FirstAnswers) -> str:
    """What to do where a client certificate is asked for."""
    if seen.certified:
        return "give one that it trusts by --client-cert"
    return "give it by --client-cert, and its key by --client-key"


def _certificate_asked(seen: FirstAnswers, came: str) -> str:
    does = "refuses the client certificate" if seen.certified else "requires a client certificate"
    return f"{seen.place} {does} ({came}): {_to_client_certificate(seen)}."


def _login_to_proxy(seen: FirstAnswers) -> str:
    """The sentence for a proxy that wants a login, or another one."""
    came = seen.words if seen.failed else seen.bearing.came
    if not (seen.proxy if seen.failed else seen.reader):
        return f"A proxy in between wants a login ({came}): let this machine reach {seen.place} without it."
    by = seen.way("proxy_by")
    where = "KITEMESH_PROXY" if by == "--proxy" else by
    if seen.reach.get("proxy_login") is True:
        return f"The proxy {seen.proxy} refuses the user and password that {where} holds ({came}): correct them there."
    return (
        f"The proxy {seen.proxy}, which {by} names, wants a login ({came}): give user and password in its URL, "
        f"http://user:password@host:port, by {where}."
    )


def _hung(seen: FirstAnswers) -> str:
    """How many requests ran into the time limit, and what the last one waited for."""
    bare = seen.bare.exchange if seen.bare else None
    last = bare.error if bare else seen.bearing.exchange.error
    return f"{'2 requests' if bare else '1 request'} ran into the time limit ({excerpt(last, 200)}{seen.also})"


def _address(seen: FirstAnswers) -> str:
    if seen.found:
        return f"{seen.url} is not the API ({seen.bearing.came}), but {excerpt(seen.found, 200)} is: give that URL."
    tried = "".join(f", nor at {excerpt(r.exchange.request.url, 200)}" for r in seen.elsewhere)
    return f"There is no API at {seen.url}{tried}: the answer is {seen.bearing.came}. Check the URL's path."


def _certificate(problem: str, remedy: str) -> Callable[[FirstAnswers], str]:
    return lambda s: f"The certificate of {s.place} {problem} ({_verify_words(s)}{s.also}): {remedy}."


_GARBAGE = (Ending.GARBAGE, Ending.RESET, Ending.CUT)
_ALERTED = (Ending.TLS, Ending.RESET, Ending.CUT)
_LEFT = (*TIMED_OUT, Ending.LEFT)

RULES: tuple[Situation, ...] = (
    # the proxy stands in the way
    Situation("proxy-login-refused", _of_proxy(r"answers 40[17]\b|login \(SOCKS5\)"), _login_to_proxy),
    Situation(
        "proxy-has-no-way",
        _of_proxy(r"answers (5\d\d|[13-6] .*\(SOCKS5\))"),
        lambda s: (
            f"The proxy {s.proxy} does not reach {s.place} ({s.cause}): start the server, correct its name, or let the "
            "proxy's network reach it."
        ),
    ),
    Situation(
        "proxy-refuses",
        _of_proxy("it answers"),
        lambda s: (
            f"The proxy {s.proxy} refuses to connect to {s.place} ({s.cause}): let it pass that host and port, or "
            f"{s.without_proxy}."
        ),
    ),
    Situation(
        "proxy-silent",
        _of_proxy("no answer from it within|no connection through it within"),
        lambda s: (
            f"The proxy {s.proxy} did not connect to {s.place} in time ({s.cause}): correct {s.way('proxy_by')}, or "
            "let the proxy's network reach it."
        ),
    ),
    Situation(
        "proxy-certificate-name",
        _of_proxy("TLS with it failed", _OTHER_NAME),
        lambda s: (
            f"The certificate of the proxy {s.proxy} is for another name ({_verify_words(s)}{s.also}): give "
            f"{s.way('proxy_by')} with the name that the certificate has."
        ),
    ),
    Situation(
        "proxy-certificate",
        _of_proxy("TLS with it failed", _UNTRUSTED),
        lambda s: (
            f"The certificate of the proxy {s.proxy} is not trusted ({_verify_words(s)}{s.also}): --ca-bundle FILE "
            "names certificates to trust, those of proxies too."
        ),
    ),
    Situation(
        "proxy-unreachable",
        _of_proxy(),
        lambda s: f"The proxy {s.proxy} cannot be used ({s.cause}): correct {s.way('proxy_by')}, or {s.without_proxy}.",
    ),
    # nobody there
    Situation(
        "unknown-host",
        lambda s: s.ended(Ending.REFUSED) and s.said(_NO_HOST),
        lambda s: (
            f"There is no host named {s.host} ({s.cause}): check the spelling of the URL, or name its address by "
            f"--resolve {s.place}:ADDRESS."
        ),
    ),
    Situation(
        "no-unix-socket",
        lambda s: s.ended(Ending.REFUSED) and bool(s.way("unix_socket")),
        lambda s: f"Nothing accepts connections at {s.place} ({s.cause}): start the server, or correct --unix-socket.",
    ),
    Situation(
        "refused-port",
        lambda s: s.ended(Ending.REFUSED) and s.said("refused|all connection attempts failed|Errno 111|Errno 61"),
        lambda s: (
            f"The target cannot be reached: nothing accepts connections at {s.place} (connection refused{s.also}): "
            "start the server, or correct the port."
        ),
    ),
    Situation(
        "unreachable",
        lambda s: s.ended(Ending.REFUSED),
        lambda s: (
            f"The target cannot be reached at {s.place} ({s.cause}): correct the address, or let this machine's "
            "network reach it."
        ),
    ),
    Situation(
        "not-accepted",
        lambda s: s.ended(Ending.TIMED_OUT_CONNECTING) and not s.said("TLS"),
        lambda s: (
            f"The target does not answer: {s.place} accepts no connection ({s.cause}): correct the address, or let "
            "the firewall in between pass this machine."
        ),
    ),
    Situation(
        "tls-silent",
        lambda s: s.ended(Ending.TIMED_OUT_CONNECTING),
        lambda s: (
            f"{s.place} takes the connection but never answers the TLS handshake ({s.cause}): give the URL with "
            "http:// if it is meant to be plain, else the port that serves https."
        ),
    ),
    # what was reached speaks another protocol, or wants another certificate
    Situation(
        "http-at-https",
        lambda s: (
            s.ended(Ending.TLS)
            and s.said("wrong[ _]version[ _]number|http[ _]request|record layer failure|packet length too long")
        ),
        lambda s: (
            f"{s.place} does not speak TLS ({s.cause}): give the URL with http:// if it is meant to be plain, else "
            "the port that serves https."
        ),
    ),
    Situation(
        "client-certificate",
        lambda s: s.ended(*_ALERTED) and s.said(_WANTS_CERTIFICATE),
        lambda s: _certificate_asked(s, s.cause),
    ),
    Situation(
        "client-certificate-page",
        lambda s: s.status in (400, 403, 495, 496) and s.said("(no required ssl|client|ssl) certificate"),
        lambda s: _certificate_asked(s, f"{s.bearing.came}{s.also}"),
    ),
    Situation(
        "certificate-expired",
        lambda s: s.ended(Ending.TLS) and s.said("certificate has expired|not yet valid"),
        _certificate("is out of date", "renew it"),
    ),
    Situation(
        "certificate-name",
        lambda s: s.ended(Ending.TLS) and s.said(_OTHER_NAME),
        _certificate(
            "is for another name", "give the URL with the name that the certificate has, or that by --server-name"
        ),
    ),
    Situation(
        "certificate-untrusted",
        lambda s: s.ended(Ending.TLS) and s.said(_UNTRUSTED),
        lambda s: (
            f"The certificate of {s.place} is not trusted ({_verify_words(s)}{s.also}): --ca-bundle FILE names "
            "certificates to trust."
        ),
    ),
    Situation(
        "http2-unspoken",
        lambda s: s.way("http") == "2" and s.said(f"no[ _]application[ _]protocol|bad[ _]extension|{_NO_HTTP2}"),
        lambda s: (
            f"{s.place} does not speak HTTP/2 ({s.cause.removeprefix(_NO_HTTP2)}): say --http 1.1, or let it speak "
            "HTTP/2."
        ),
    ),
    Situation(
        "http2-tls",
        lambda s: s.ended(*_ALERTED) and s.said("no[ _]application[ _]protocol"),
        lambda s: f"{s.place} does not speak HTTP/1.1 ({s.cause}): say --http 2, or let it speak HTTP/1.1 too.",
    ),
    Situation(
        "tls-version",
        lambda s: s.ended(Ending.TLS) and s.said("protocol[ _]version|unsupported[ _]protocol"),
        lambda s: f"{s.place} speaks no version of TLS that is in use ({s.cause}): let it speak TLS 1.2 or 1.3.",
    ),
    Situation(
        "tls-failed",
        lambda s: s.ended(Ending.TLS),
        lambda s: (
            f"The TLS handshake with {s.place} failed ({s.cause}): let the server speak TLS 1.2 or 1.3, and if it "
            f"wants a client certificate, {_to_client_certificate(s)}."
        ),
    ),
    Situation(
        "https-at-http",
        lambda s: (
            (s.ended(*_GARBAGE) and s.octets[:2] in (b"\x15\x03", b"\x16\x03"))
            or (s.status == 400 and s.said(_WANTS_TLS))
        ),
        lambda s: (
            f"{s.place} serves https, and the URL says http ({s.bearing.came if s.status else 'what came is TLS'}"
            f"{s.also}): give https://{excerpt(s.base.partition('://')[2], 200)}."
        ),
    ),
    Situation(
        "http2",
        lambda s: (
            s.ended(*_GARBAGE) and len(s.octets) > 4 and s.octets[3:4] in (b"\x04", b"\x07") and s.octets[:1] == b"\0"
        ),
        lambda s: (
            f"{s.place} speaks HTTP/2 only (what came is not HTTP/1.1 but an HTTP/2 frame{s.also}): say --http 2, or, "
            "if it is a gRPC server, give the address of the HTTP API."
        ),
    ),
    Situation(
        "other-protocol",
        lambda s: s.ended(Ending.GARBAGE, Ending.RESET) and bool(s.octets),
        lambda s: (
            f"{s.place} does not speak HTTP{_protocol(s.octets)}: what came begins with "
            f'"{_first_line(s.octets)}"{s.also}; correct the port.'
        ),
    ),
    Situation(
        "closes-tls",
        lambda s: s.ended(Ending.RESET, Ending.CUT) and s.parts.scheme == "https",
        lambda s: (
            f"{s.place} closes every connection after the TLS handshake without an answer ({s.cause}): its log says "
            f"why; if it wants a client certificate, {_to_client_certificate(s)}"
            f"{'' if s.way('http') == '2' else ', and if it wants HTTP/2, say --http 2'}."
        ),
    ),
    Situation(
        "closes",
        lambda s: s.ended(Ending.RESET, Ending.CUT),
        lambda s: (
            f"{s.place} closes every connection without an answer ({s.cause}): check the port, the scheme (http or "
            f"https), {'that it speaks HTTP/2 without TLS' if s.way('http') == '2' else _WANTS_HTTP2}, and the "
            "server's log."
        ),
    ),
    Situation(
        "silent",
        lambda s: s.ended(*_LEFT),
        lambda s: (
            f"The target does not answer: {_hung(s)}: raise the limit by --timeout if it is that slow, else check that "
            "it is up."
        ),
    ),
    Situation(
        "unreadable",
        lambda s: not s.status,
        lambda s: f"The target gives no answer that can be read ({s.cause}): check the port, and the server's log.",
    ),
    # an address that leads elsewhere
    Situation("redirect", lambda s: s.status in (301, 302, 303, 307, 308), _redirect),
    # the API is there, and refuses this caller
    Situation(
        "token-refused",
        lambda s: s.status == 401 and not s.bearing.page and (s.bearing.error is not None or (s.gated and s.differ)),
        lambda s: f"The target refused the token ({s.told}); check the token, and that it belongs to this server.",
    ),
    Situation(
        "forbidden",
        lambda s: s.status == 403 and (s.bearing.error is not None or s.gated),
        lambda s: (
            f"The target refused the token in every request ({s.told}); check the token and that it may use the model."
        ),
    ),
    Situation(
        "no-credits",
        lambda s: s.status == 402,
        lambda s: f"The target asks for payment ({s.told}): top up the account, or give another token.",
    ),
    Situation(
        "model",
        lambda s: (
            s.status == 404
            and (s.said(_MODEL) or (s.gated and s.bearing.error is not None))
            and not s.bearing.page
            and not s.found
        ),
        lambda s: f"The target does not know the model ({s.told}): check --model, and that the token may use it.",
    ),
    Situation(
        "address-or-model",
        lambda s: s.status in _UNSERVED and s.gated and not s.found,
        lambda s: (
            f"The target asks for a token (401), but with it answers {s.bearing.came}: it knows either not the path "
            f"{excerpt(s.parts.path, 100)}{CHAT} or not the model. Check both."
        ),
    ),
    # something else answers
    Situation(
        "proxy-login",
        lambda s: s.status in (407, 511) or (bool(s.reader) and s.status == 401 and s.bearing.page and s.said(_PROXY)),
        _login_to_proxy,
    ),
    Situation(
        "proxy-page",
        lambda s: (
            s.status >= 200
            and s.bearing.page
            and (s.said(_PROXY) or bool(s.bearing.field("x-squid-error")))
            and not s.said(_REVERSE)
        ),
        lambda s: (
            f"The proxy {s.reader} answers instead of the server ({s.bearing.came}): let it reach {s.place} and pass "
            f"the API, or {s.without_proxy}."
            if s.reader
            else f"A proxy in between answers instead of the server ({s.bearing.came}): let this machine reach "
            f"{s.place} without it, or let the proxy pass the API."
        ),
    ),
    Situation(
        "meta-refresh",
        lambda s: s.bearing.page and s.said(r"http-equiv\s*=\s*[\"']?refresh"),
        lambda s: (
            f"{s.url} is a web page that leads on to "
            f'"{excerpt(_refreshed(s.bearing.text), 200)}" ({s.bearing.came}): give the API\'s own address.'
        ),
    ),
    Situation(
        "login-page",
        lambda s: s.bearing.page and s.status in (200, 203, 401, 403) and s.said(_LOGIN),
        lambda s: (
            f"A login page answers instead of the API ({s.bearing.came}): give the API's own address, or let the "
            "suite pass the login (--header)."
        ),
    ),
    Situation(
        "grpc",
        lambda s: s.bearing.media_type.startswith("application/grpc") or bool(s.bearing.field("grpc-status")),
        lambda s: f"{s.url} is a gRPC service ({s.bearing.came}): give the address of the HTTP API.",
    ),
    Situation(
        "graphql",
        lambda s: (
            isinstance(s.bearing.value, dict)
            and "error" not in s.bearing.value
            and s.status in (200, 400, 405, 415)
            and (isinstance(s.bearing.value.get("errors"), list) or "data" in s.bearing.value)
            and s.said("graphql|query")
        ),
        lambda s: f"{s.url} is a GraphQL service ({s.bearing.came}): give the address of the chat API.",
    ),
    Situation(
        "address",
        lambda s: s.status in _UNSERVED or bool(s.found),
        _address,
    ),
    Situation(
        "limited",
        lambda s: s.status == 429,
        lambda s: (
            f"The target asks to wait at every request ({s.told}){_retry_after(s)}: wait, or raise this caller's limit."
        ),
    ),
    Situation(
        "down",
        lambda s: s.status in _LATER,
        lambda s: (
            f"{s.everything} is answered with {s.bearing.came}: what is in front of the server{s.or_proxy} does not "
            f"reach it, or it is down for now{_retry_after(s)}. Check that it is up."
        ),
    ),
    Situation(
        "failing",
        lambda s: s.status >= 500,
        lambda s: (
            f"{s.everything} is answered with {s.bearing.came}: the server fails on every request. Check its log."
        ),
    ),
    Situation(
        "empty",
        lambda s: 200 <= s.status < 300 and not s.bearing.text,
        lambda s: (
            f"{s.everything} to {s.url} is answered with {s.bearing.came}: that is not the chat API. Check the URL."
        ),
    ),
    Situation(
        "web-page",
        lambda s: 200 <= s.status < 300 and s.bearing.page,
        lambda s: f"{s.url} is a web page ({s.bearing.came}): give the API's own address.",
    ),
    Situation(
        "other-api",
        lambda s: 200 <= s.status < 300,
        lambda s: f"{s.url} is a service other than the chat API ({s.bearing.came}): check the URL.",
    ),
    Situation(
        "gateway",
        lambda s: s.status >= 400,
        lambda s: (
            f"{s.everything} is answered with {s.bearing.came}, which is not the API's form of an error: a gateway or "
            f"firewall{s.or_proxy} refuses it before it reaches the API. Give what it requires (--header 'Name: value')"
            f"{', and check the token' if s.status == 401 else ''}, or let the suite pass."
        ),
    ),
    Situation(
        "unknown",
        lambda s: True,
        lambda s: f"{s.everything} is answered with {s.bearing.came}, which the API never sends. Check the URL.",
    ),
)


def _verify_words(seen: FirstAnswers) -> str:
    found = re.search(r"certificate verify failed: ([^(;]+)", seen.failed)
    return excerpt(found[1].strip().rstrip("."), 120) if found else seen.words


def _first_line(octets: bytes) -> str:
    lines = octets.decode("latin-1").split("\n")
    return excerpt(lines[0].strip() or repr(octets), 60)


def _protocol(octets: bytes) -> str:
    known = {
        rb"SSH-": "SSH",
        rb"220[ -].*(smtp|mail|esmtp)": "SMTP",
        rb"220[ -]": "FTP or SMTP",
        rb"[-+](ERR|OK|NOAUTH|DENIED|WRONG)": "Redis or POP3",
        rb"\* OK": "IMAP",
        rb".{3}\x00\x0a": "MySQL",
        rb"RFB ": "VNC",
        rb"AMQP": "AMQP",
        rb"HTTP/0": "a very old version of HTTP",
    }
    for pattern, name in known.items():
        if re.match(pattern, octets, re.I | re.S):
            return f" but {name}"
    return ""


def _refreshed(page: str) -> str:
    found = re.search(r"url\s*=\s*[\"']?([^\"'>\s;]+)", page, re.I)
    return html.unescape(found[1]) if found else "somewhere else"


def _retry_after(seen: FirstAnswers) -> str:
    told = seen.bearing.field("retry-after").strip()
    if not told:
        return ""
    return f" (Retry-After: {excerpt(told, 40)}{' s' if told.isdigit() else ''})"


# --- over exchanges


def seen_in(exchanges: Iterable[Exchange], options: Mapping[str, Any]) -> FirstAnswers | None:
    """The first requests of a recording and their answers; None where nothing was sent."""
    mine = [e for e in exchanges if e.note.phase == Phase.OPENING and e.note.round == 1]
    at = [e for e in mine if e.note.flow != ELSEWHERE]
    bearing = [e for e in at if e.request.credential is Credential.OWN]
    if not bearing:
        return None
    bare = [e for e in at if e.request.credential is Credential.NONE]
    reach = options.get("reach")
    return FirstAnswers(
        base=bearing[0].request.url.removesuffix(CHAT),
        bearing=FirstReply(max(bearing, key=lambda e: e.note.attempt)),
        bare=FirstReply(max(bare, key=lambda e: e.note.attempt)) if bare else None,
        elsewhere=tuple(FirstReply(e) for e in mine if e.note.flow == ELSEWHERE),
        reach=reach if isinstance(reach, dict) else {},
        certified=isinstance(options.get("client_cert"), str),
    )


def situation(seen: FirstAnswers) -> tuple[Situation, FirstAnswers] | None:
    """The rule that applies, and what it applies to; None: the API answers and must be judged."""
    if judged(seen):
        return None
    if not seen.status and seen.bare is not None and seen.bare.status:
        seen = replace(seen, bearing=seen.bare, bare=None)  # what answers the one, tells what is there
    return next((rule, seen) for rule in RULES if rule.when(seen))


def settled(transcript: Transcript) -> str:
    """The sentence that says why nothing of a run could be judged; empty where the run must be judged."""
    if not transcript.own or transcript.options.get("preflight") is not True:
        return ""
    if any(e.response is not None and not e.response.body_known for e in transcript):  # --no-bodies
        told = transcript.options.get("settled")
        return told if isinstance(told, str) else ""
    seen = seen_in(transcript, transcript.options)
    found = situation(seen) if seen else None
    return found[0].says(found[1]) if found else ""


def unheard(transcript: Transcript) -> str:
    """The sentence for a run in which no answer came at all, asked for or not; empty where the first requests lack."""
    seen = seen_in(transcript, transcript.options)
    found = situation(seen) if seen else None
    return found[0].says(found[1]) if found else ""


def served(exchanges: Iterable[Exchange]) -> bool:
    """Whether the API accepted the minimal request."""
    seen = seen_in(exchanges, {})
    return seen is not None and seen.bearing.served


def may_pass(exchange: Exchange) -> bool:
    """Whether a refused minimal request is sent again: another replica may accept it."""
    own = exchange.request.credential is Credential.OWN
    return own and exchange.status in {402, *_REFUSED}


ASKED_ELSEWHERE = frozenset({"address", "address-or-model", "web-page", "empty", "other-api"})
"""Rules whose cause may be a wrong address."""


def alternatives(base: str) -> tuple[str, ...]:
    """Other base URLs at which the API may be, those that the given one stands for first."""
    parts = urlsplit(base)
    path = parts.path.rstrip("/")
    segments = [s for s in path.split("/") if s]
    paths = []
    if path.endswith("/v1"):
        paths.append(path.removesuffix("/v1"))
    else:
        paths.append(f"{path}/v1")
    for endpoint in (CHAT, RESUME):
        if path.endswith(endpoint):
            paths.insert(0, path.removesuffix(endpoint))
    half = len(segments) // 2
    if half > 1 and segments[:half] == segments[half:]:
        paths.insert(0, "/" + "/".join(segments[:half]))
    elif len(segments) > 2 and segments[0] == segments[1]:
        paths.insert(0, "/" + "/".join(segments[1:]))
    found = [f"{parts.scheme}://{parts.netloc}{p}" for p in dict.fromkeys(paths) if p != path]
    return tuple(found)


def stands_for(base: str, other: str) -> bool:
    """Whether a base URL with or without `/v1` is the other one: either may be given."""
    return f"{base}/v1" == other or (base == f"{other}/v1" and not other.endswith("/v1"))


def moved(options: Mapping[str, Any]) -> str:
    """A note where the API was found at an address other than the given one; empty where it was not."""
    told = options.get("moved")
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in ("from", "to", "came")):
        return ""
    return f"The API is not at {told['from']} ({told['came']}) but at {told['to']}, which was judged."


def noted(exchange: Exchange, number: int) -> Exchange:
    """An exchange that asked at another address, as a recording keeps it."""
    return replace(
        exchange,
        name=f"{ELSEWHERE}-{number}",
        note=replace(exchange.note, flow=ELSEWHERE, probe=f"{ELSEWHERE}-{number}", attempt=1),
    )


__all__: Sequence[str] = [
    "MOST",
    "RULES",
    "FirstAnswers",
    "FirstReply",
    "Situation",
    "alternatives",
    "seen_in",
    "settled",
    "situation",
]
