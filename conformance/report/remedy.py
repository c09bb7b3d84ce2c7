"""What to do about a broken requirement: as the catalogue says, or where the answers show that a layer in front of the
server is the cause, which layer and which of its settings.

`_RULES` is the table of what there is to be seen; the first rule that fits speaks. Where it fits each of the steady
findings, its text replaces the catalogue's, else follows it. Pure: it reads the exchanges of the findings.
None of its words is the target's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from conformance.evidence.finding import Finding
from conformance.judging.verdict import Outcome
from conformance.transcript.exchange import Ending, Exchange, Response

SAMPLE = 4096
"""Octets of a body by which a page is known."""
MOMENT = 0.5
"""Seconds by which the times of one time limit may differ from the one in the middle: clocks tick, and machines are
busy."""
MOST = 0.75
"""Share of the cuts that has to fall so: one may have another cause, or have been read slowly."""
SHORTEST = 0.9
"""Seconds below which nothing is taken for a time limit."""
_WHOLE = 0.15
"""Seconds from a whole second, at which limits on the whole time lie."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A program or service in front of servers, and the settings that cause what it shows.

    Settings that it lacks are empty.
    """

    name: str
    fields: str
    """Matches `Server` or `Via` of what passes through it; never, where it tells nothing."""
    page: str
    """Matches the pages that it makes itself."""
    body: str = ""
    """Limits the size of a request's body."""
    wait: str = ""
    """Limits the time without an octet from the server."""
    whole: str = ""
    """Limits the time of a whole answer."""
    pages: str = ""
    """Gives its own error pages another shape."""
    intercepts: str = ""
    """Puts its own page in place of the server's error."""
    buffers: str = ""
    """Holds a stream back, and how not to."""


_NEVER = r"(?!)"
LAYERS = (
    Layer(
        "nginx",
        r"\b(nginx|openresty|tengine)\b",
        r"<center>(nginx|openresty|tengine)",
        body="`client_max_body_size`",
        wait="`proxy_read_timeout`",
        pages="`error_page` with a JSON body",
        intercepts="`proxy_intercept_errors off`",
        buffers="`proxy_buffering off`, or the field `X-Accel-Buffering: no` in the answer",
    ),
    Layer(
        "haproxy",
        r"\bhaproxy\b",
        r"\A<html><body><h1>\d{3} [^<]{3,40}</h1>\s[^<]{10,120}\s</body></html>\s*\Z",
        body="the rule that denies large bodies, and `tune.bufsize` where a rule reads the body",
        wait="`timeout server`",
        pages="`http-error` or `errorfile`",
        intercepts="no `http-response return` or `errorfiles` for the server's own errors",
    ),
    Layer(
        "Apache httpd",
        r"\bApache(/|\b(?![- ]Coyote))",
        r'\A<!DOCTYPE HTML PUBLIC "-//(IETF//DTD HTML 2\.0|W3C//DTD HTML 4\.01)//EN"[^>]{0,60}>\s'
        r"<html><head>\s<title>\d",
        body="`LimitRequestBody`, and with ModSecurity `SecRequestBodyLimit` and `SecRequestBodyNoFilesLimit`",
        wait="`ProxyTimeout`",
        pages="`ErrorDocument`",
        intercepts="`ProxyErrorOverride Off`",
        buffers="`flushpackets=on` at `ProxyPass`, and no output filter such as `DEFLATE` for event streams",
    ),
    Layer(
        "varnish",
        r"\bvarnish\b",
        r"<p>XID: \d+</p>|Guru Meditation",
        wait="`first_byte_timeout` and `between_bytes_timeout`",
        whole="`last_byte_timeout`",
        pages="`vcl_backend_error` and `vcl_synth`",
        buffers="`beresp.do_stream = true`, and no `beresp.do_gzip` for event streams",
    ),
    Layer(
        "squid",
        r"\bsquid\b",
        r"<title>ERROR: The requested URL could not be retrieved|\(squid/[\d.]+\)",
        body="`request_body_max_size`",
        wait="`read_timeout`",
        pages="`error_directory`",
    ),
    Layer(
        "Caddy",
        r"\bcaddy\b",
        _NEVER,
        body="`request_body max_size`",
        wait="`read_timeout` of `reverse_proxy`'s transport",
        pages="`handle_errors`",
        intercepts="no `handle_response` for the server's own errors",
        buffers="`flush_interval -1`",
    ),
    Layer(
        "Envoy",
        r"\b(istio-)?envoy\b",
        r"\A(upstream connect error or disconnect|upstream request timeout|no healthy upstream)",
        body="`max_request_bytes` of the buffer filter",
        wait="`stream_idle_timeout`",
        whole="`timeout` of the route",
        pages="`local_reply_config`",
    ),
    Layer(
        "the AWS load balancer",
        r"\bawselb\b",
        _NEVER,
        wait="`idle_timeout.timeout_seconds`",
    ),
    Layer(
        "Cloudflare",
        r"\bcloudflare\b",
        r"<title>[^<]{0,200}\| Cloudflare</title>|cf-error-details",
        wait="the proxy read timeout",
        pages="custom error rules",
    ),
)


def remedy(outcome: Outcome, exchanges: Mapping[str, Exchange]) -> str:
    """What to do about what this requirement's findings show, in a few sentences."""
    fix = outcome.requirement.fix
    steady = [finding for finding in outcome.findings if not finding.intermittent] or list(outcome.findings)
    pairs = [(finding, exchanges[finding.exchange]) for finding in steady if finding.exchange in exchanges]
    for rule in _RULES:
        shown = [exchange for finding, exchange in pairs if rule.fits(outcome.requirement.area, finding, exchange)]
        if shown and (words := rule.words(shown)):
            whole = len(shown) == len(steady) and not rule.beside
            return words if whole else f"{fix} {words}"
    return fix


# --- what is seen


def _too_large(area: str, finding: Finding, exchange: Exchange) -> bool:
    """A body that has to be served is too large for somebody."""
    return exchange.status == 413 and area not in ("error", "http", "robust")


def _raise_limit(exchanges: Sequence[Exchange]) -> str:
    largest = max(len(exchange.request.body or b"") for exchange in exchanges)
    told = f"A limit on the body's size is below what the documentation allows: raise it above {largest:,} octets"
    return f"{told}, in {_named(exchanges, 'body')}, or in the server's own framework."


def _late(area: str, finding: Finding, exchange: Exchange) -> bool:
    return exchange.status in (504, 522, 524) and not _of_form(area, finding)


def _wait_longer(exchanges: Sequence[Exchange]) -> str:
    waited = max(exchange.finished for exchange in exchanges)
    return (
        f"A layer in front gave up waiting for the server after {waited:.1f} s: raise its time limit above what a "
        f"model takes ({_named(exchanges, 'wait')}), and see in the server's log what took so long."
    )


def _no_answer(area: str, finding: Finding, exchange: Exchange) -> bool:
    return exchange.status in (502, 520, 521, 523) and not _is_json(exchange) and not _of_form(area, finding)


def _ask_its_log(exchanges: Sequence[Exchange]) -> str:
    layer = _layer(exchanges)
    log = f"the log of {layer.name}" if layer else "its log"
    return (
        f"A layer in front got no answer that it could read from the server: {log} says why (the server ended, closed "
        "the connection early, or sent a header section that is too large); then look at this time in the server's own."
    )


def _cut(area: str, finding: Finding, exchange: Exchange) -> bool:
    return exchange.ending in (Ending.CUT, Ending.RESET) and exchange.response is not None


def _one_time_limit(exchanges: Sequence[Exchange]) -> str:
    """Words, where all were cut after one and the same time; else empty."""
    distinct = {exchange.name: exchange for exchange in exchanges}.values()
    if len(distinct) < 2:
        return ""
    silent = [exchange.finished - _last(exchange) for exchange in distinct]
    taken = [exchange.finished for exchange in distinct]
    if (alike := _alike(silent)) > 1:
        return (
            f"{alike} of {len(distinct)} cut answers ended after {_median(silent):.0f} s without an octet, so that a "
            "time limit of a layer in front is the likely cause: raise it above the pauses of a model "
            f"({_named(exchanges, 'wait')}), or send a comment line (`:`) into streams every few seconds."
        )
    whole = _median(taken)
    if (alike := _alike(taken)) > 1 and abs(whole - round(whole)) <= _WHOLE:
        return (
            f"{alike} of {len(distinct)} cut answers ended {whole:.0f} s after they were asked for, so that a limit on "
            "the time of a whole answer is the likely cause, in a layer in front "
            f"({_named(exchanges, 'whole')}) or in the server."
        )
    return ""


def _of_form(area: str, finding: Finding) -> bool:
    """Of the form of an error, not of why it came."""
    return area == "error" and finding.requirement != "error.no-server-error"


def _page(area: str, finding: Finding, exchange: Exchange) -> bool:
    """A page that a layer made itself in place of an error object."""
    response = exchange.response
    return _of_form(area, finding) and response is not None and any(_made(layer, response) for layer in LAYERS)


_OWN = frozenset({405, 408, 413, 414, 429, 431, 494, 500, *range(502, 600)})
"""Statuses with which a layer answers by itself."""


def _reshape(exchanges: Sequence[Exchange]) -> str:
    layer = _layer(exchanges)
    if layer is None:
        return ""
    own = all(exchange.status in _OWN for exchange in exchanges)
    lead = f"The page is made by {layer.name}, not by the server"
    if not own and layer.intercepts:
        pages = f", or {layer.pages}" if layer.pages else ""
        return f"{lead}: let the server's own errors pass ({layer.intercepts}{pages})."
    shape = f" ({layer.pages})" if layer.pages else ""
    return f"{lead}: give its error pages the standard shape{shape}."


def _strange_page(area: str, finding: Finding, exchange: Exchange) -> bool:
    """A page in HTML, of whomever, that came through a known layer."""
    response = exchange.response
    return _of_form(area, finding) and response is not None and _is_html(response) and _passed(response) is not None


def _perhaps_intercepted(exchanges: Sequence[Exchange]) -> str:
    layer = _layer(exchanges)
    if layer is None or not layer.intercepts:
        return ""
    return f"The answer came through {layer.name}: where the page is not the server's, {layer.intercepts}."


def _buffered(area: str, finding: Finding, exchange: Exchange) -> bool:
    return finding.requirement == "stream.incremental"


def _pass_on(exchanges: Sequence[Exchange]) -> str:
    layer = _layer(exchanges)
    return f"The answer came through {layer.name}: {layer.buffers}." if layer and layer.buffers else ""


@dataclass(frozen=True, slots=True)
class _Remedy:
    fits: Callable[[str, Finding, Exchange], bool]
    """Takes the requirement's area, a finding and its exchange."""
    words: Callable[[Sequence[Exchange]], str]
    """Takes the exchanges that it fits. Empty: together they show nothing after all."""
    beside: bool = False
    """True: the words never stand instead of the catalogue's."""


_RULES = (
    _Remedy(_too_large, _raise_limit),
    _Remedy(_page, _reshape),
    _Remedy(_strange_page, _perhaps_intercepted, beside=True),
    _Remedy(_late, _wait_longer),
    _Remedy(_no_answer, _ask_its_log),
    _Remedy(_cut, _one_time_limit),
    _Remedy(_buffered, _pass_on, beside=True),
)


# --- which layer


def _layer(exchanges: Sequence[Exchange]) -> Layer | None:
    """The layer that made these answers, or through which they came; None where it cannot be told."""
    for exchange in exchanges:
        if exchange.response is None:
            continue
        for layer in LAYERS:
            if _made(layer, exchange.response):
                return layer
        if layer_ := _passed(exchange.response):
            return layer_
    return None


def _made(layer: Layer, response: Response) -> bool:
    text = response.body[:SAMPLE].decode("latin-1").lstrip()
    return re.search(layer.page, text, re.IGNORECASE) is not None


def _passed(response: Response) -> Layer | None:
    told = f"{(response.header('Server') or '')[:200]} {(response.header('Via') or '')[:200]}"
    return next((layer for layer in LAYERS if re.search(layer.fields, told, re.IGNORECASE)), None)


_USUAL = ("nginx", "haproxy", "Apache httpd", "varnish")
"""Named where it cannot be told which layer it is."""


def _named(exchanges: Sequence[Exchange], setting: str) -> str:
    """The setting of the layer, or those of the usual ones."""
    layer = _layer(exchanges)
    if layer and (own := getattr(layer, setting)):
        return f"{layer.name}: {own}"
    usual = [(one.name, getattr(one, setting)) for one in LAYERS if one.name in _USUAL]
    if not any(words for _, words in usual):
        usual = [(one.name, getattr(one, setting)) for one in LAYERS]
    return "; ".join(f"{name}: {words}" for name, words in usual if words)


def _is_html(response: Response) -> bool:
    start = response.body[:SAMPLE].lstrip()[:15].lower()
    return start.startswith((b"<html", b"<!doctype html"))


def _is_json(exchange: Exchange) -> bool:
    return exchange.response is not None and exchange.response.body[:SAMPLE].lstrip()[:1] == b"{"


def _last(exchange: Exchange) -> float:
    """Seconds until the last octet came."""
    response = exchange.response
    if response is None:
        return 0.0
    return response.pieces[-1].at if response.pieces else response.headers_at or 0.0


def _alike(seconds: Sequence[float]) -> int:
    """How many of these times are those of one time limit; 0: too few of them."""
    middle = _median(seconds)
    alike = sum(1 for one in seconds if abs(one - middle) <= MOMENT)
    return alike if middle >= SHORTEST and alike >= MOST * len(seconds) else 0


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
