"""A recorded request as a `curl` line that can be pasted into a shell and never holds a token.

The token is named by the variable that the suite reads it from. Everything else is quoted for a POSIX shell; a body
that is not clean text goes through `base64 -d`, and one that is too long to paste is named by its entry in the
transcript.
"""

from __future__ import annotations

import base64
import json
import re
import shlex

from conformance.report.way import DIRECT, Way, quoted
from conformance.transcript.excerpt import excerpt, is_visible
from conformance.transcript.exchange import Credential, Exchange, Request

LONGEST_BODY = 2000
"""The most octets of a body that are in the line itself."""

_BY_CURL = frozenset({"host", "content-length", "connection", "user-agent", "transfer-encoding", "authorization"})
"""Fields that curl sends by itself, or that `_credential` writes."""

_SHOWN = frozenset({"content-type", "accept", "accept-encoding", "accept-language"})
"""Fields whose values are the suite's own. Another field came from `--header` and may hold a secret."""

_WRITTEN = {"\\": "\\\\", "%": "%%", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
"""How `printf` writes what would not be seen in one line (POSIX, printf), and what means more to it than itself."""

_CURL_DEFAULTS = {"accept": "*/*", "accept-encoding": "identity"}
"""Values that mean what curl does without the field."""


def curl(exchange: Exchange, way: Way = DIRECT) -> str:
    """The line that sends the exchange's request again; it reads the tokens from the environment.

    `way`: how the run reached its target.
    """
    request = exchange.request
    words = ["curl", "-i", *(["-N"] if _streams(exchange) else []), *_method(request)]
    words += way.words(secure=request.url[:6].lower() == "https:")
    words += [quoted(request.url)]
    words += _credential(request)
    words += _fields(request)
    body, before, remark = _body(exchange)
    line = " ".join([*before, *words, *body])
    return f"{line}  # {remark}" if remark else line


def again(exchange: Exchange, way: Way = DIRECT) -> str:
    """The line that brings the exchange about again: curl's, or `resend` where curl cannot do it.

    It cannot fetch an approval that waits, send several requests at once, or leave in the midst of an answer; and a
    body that is large or not text is not to be pasted.
    """
    if exchange.request.credential is not Credential.UNSTATED and _beyond_curl(exchange):
        return f"kitemesh-conformance resend {quoted(exchange.name)}"
    return curl(exchange, way)


def _beyond_curl(exchange: Exchange) -> bool:
    request, note = exchange.request, exchange.note
    if request.body is None:
        return False
    decides = request.url.endswith("/chat/resume") and request.credential in (Credential.OWN, Credential.SECOND)
    by_hand = len(request.body) <= LONGEST_BODY and not any("base64" in word for word in _body(exchange)[1])
    return decides or bool(note.group) or note.left_after is not None or note.slow or not by_hand


def _method(request: Request) -> list[str]:
    implied = "GET" if request.body is None else "POST"
    return [] if request.method == implied else ["-X", quoted(request.method)]


def _streams(exchange: Exchange) -> bool:
    """Whether an event stream was asked for or came: curl holds its output back without `-N`."""
    if exchange.response and (exchange.response.header("Content-Type") or "").lower().startswith("text/event-stream"):
        return True
    body = exchange.request.body
    if not body or len(body) > 100_000:
        return False
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(parsed, dict) and parsed.get("stream") is True


def _credential(request: Request) -> list[str]:
    """The words for Authorization. The scheme is spelled as it was sent, as its letter case can be the point."""
    given = next((value for name, value in request.headers if name.lower() == "authorization"), "Bearer")
    scheme = given.split(" ", 1)[0]
    if not (scheme.isascii() and scheme.isalpha()):
        scheme = "Bearer"
    match request.credential:
        case Credential.NONE:
            return []
        case Credential.EMPTY:
            return ["-H", "'Authorization: Bearer '"]
        case Credential.NEVER_ISSUED:
            return ["-H", "'Authorization: Bearer km_never_issued'"]
        case Credential.NEARLY_OWN:
            return ["-H", '"Authorization: Bearer ${KITEMESH_TOKEN%????}XXXX"']
        case Credential.OTHER_MIDDLE:
            return ["-H", '"Authorization: Bearer ${KITEMESH_TOKEN:0:8}XX${KITEMESH_TOKEN:10}"']
        case Credential.OTHER_SCHEME:
            return ["-u", '"km:$KITEMESH_TOKEN"']
        case Credential.SECOND:
            return ["-H", f'"Authorization: {scheme} $KITEMESH_SECOND_TOKEN"']
        case Credential.UNSTATED if not _asks_for_group(request):
            return ["-H", f'"Authorization: {scheme} $TOKEN"']  # somebody else's server: KiteMesh's token stays here
        case Credential.OWN | Credential.UNSTATED:
            return ["-H", f'"Authorization: {scheme} $KITEMESH_TOKEN"']


def _asks_for_group(request: Request) -> bool:
    """False where a recorded request asks for a model that is not KiteMesh's, or does not show which one."""
    return re.search(rb'"group:[0-9a-fA-F-]{36}"', request.body or b"") is not None


def _fields(request: Request) -> list[str]:
    words: list[str] = []
    seen = set()
    for name, value in request.headers:
        key = name.lower()
        seen.add(key)
        if key in _BY_CURL or _CURL_DEFAULTS.get(key) == value:
            continue
        if key in _SHOWN:
            words += ["-H", quoted(f"{name}: {value}")]
        elif all(c.isascii() and (c.isalnum() or c in "-_") for c in name):
            words += ["-H", f'"{name}: ${key.upper().replace("-", "_")}"']
    if request.body is not None and "content-type" not in seen:
        words += ["-H", "'Content-Type:'"]  # else curl sends application/x-www-form-urlencoded
    return words


def _body(exchange: Exchange) -> tuple[list[str], list[str], str]:
    """The words for the body, the words that go before `curl` to make it, and a remark."""
    body = exchange.request.body
    if body is None:
        return ([], [], "the request's body was not recorded") if exchange.request.method == "POST" else ([], [], "")
    if len(body) > LONGEST_BODY:
        entry = excerpt(exchange.name, 80)
        return ["--data-binary", "@body"], [], f"body: {len(body):,} octets, see transcript.har, entry {entry}"
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if all(map(is_visible, text)) and not text.startswith("@"):  # curl reads @name as the name of a file
        return ["--data-binary", shlex.quote(text)], [], ""
    if all(is_visible(character) or character in _WRITTEN for character in text):
        written = "".join(_WRITTEN.get(character, character) for character in text)
        return ["--data-binary", "@-"], ["printf", shlex.quote(written), "|"], ""
    encoded = base64.b64encode(body).decode("ascii")
    return ["--data-binary", "@-"], ["printf", "%s", shlex.quote(encoded), "|", "base64", "-d", "|"], ""
