"""Entries that another client wrote: a browser, a proxy, a test recorder.

What they leave out is unknown, not empty; they strip or keep credentials as they like, so those that they kept are
masked as they are read. Forms differ: header fields as an object, times as text or as numbers since 1970, base64 that
is wrapped or cut into a list, text where octets were. All of them are taken. What an entry does not show is laid to
nobody: such an entry is left out (`account.LeftOut`), or what is unknown of it is said in the exchange.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any

from conformance.contract import vocabulary
from conformance.transcript.account import LeftOut, Why, check_method, check_status
from conformance.transcript.exchange import Credential, Ending, Exchange, Headers, Held, Request, Response
from conformance.transcript.har_nodes import HarError, latin1, utf8
from conformance.transcript.redaction import ENCODED_FROM, Redactor, credentials, mask_credentials, mask_url

Json = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLIENT_LEFT = re.compile(
    r"ERR_ABORTED|BINDING_ABORTED|client[ _-]?(?:disconnect|closed|left|abort)|\bcancell?ed\b|\babort(?:ed)?\b",
    re.IGNORECASE,
)
_CUT = re.compile(
    r"INCOMPLETE_CHUNKED|CONTENT_LENGTH_MISMATCH|INVALID_CHUNKED|PARTIAL_TRANSFER|incomplete chunked|incomplete message"
    r"|server (?:closed|disconnect)|peer closed connection|premature(?:ly)? (?:close|end)|unexpected (?:eof|server)",
    re.IGNORECASE,
)
_RESET = re.compile(r"CONNECTION_(?:RESET|CLOSED)|NET_(?:RESET|INTERRUPT)|HTTP2_|QUIC_|reset by peer", re.IGNORECASE)
_BLOCKED = re.compile(r"ERR_FAILED|ERR_BLOCKED|\bCORS\b|ERR_UNSAFE|CONTENT_BLOCKED|ERR_CACHE|_BLOCKED_", re.IGNORECASE)
_DONE = re.compile(rb"^data: ?\[DONE\][ \t]*\r?$", re.MULTILINE)


def credentials_of(entry: Json) -> list[str]:
    """The credentials that another client left in a request, to find them in the answers too."""
    request = entry.get("request")
    if not isinstance(request, dict):
        return []
    try:
        found = credentials(_fields(request.get("headers")), _text(request.get("url")))
    except HarError:
        return []
    return _telling(found)


def exchange(entry: Json, name: str, redactor: Redactor, creator: str = "") -> Exchange:
    """One entry as an exchange, as far as it tells.

    Raises:
        LeftOut: it says nothing of the server.
        HarError: it cannot be read.
    """
    request = _object(entry, "request")
    method = _text(request.get("method")).strip().upper()
    if not method or not _text(request.get("url")):
        raise HarError(f"its request has no {'URL' if method else 'method'}")
    check_method(method)
    headers, _ = redactor.headers(_fields(request.get("headers")))
    headers = mask_credentials(headers)
    body = _request_body(request, method)
    response, ending = _answer(entry, redactor, creator)
    bare = any(key.lower() == "authorization" and value.strip().lower() == "bearer" for key, value in headers)
    started, took = _moment(entry.get("startedDateTime")), _milliseconds(entry.get("time"))
    return Exchange(
        name=name,
        request=Request(
            method=method,
            url=mask_url(redactor.text(_text(request.get("url")))),
            headers=headers,
            body=None if body is None else redactor.octets(body),
            credential=Credential.EMPTY if bare else Credential.UNSTATED,
            held=_held(_text(request.get("url")), _fields(request.get("headers")), body or b""),
        ),
        response=response,
        ending=ending,
        started=0.0 if started is None else started,
        finished=0.0 if started is None else took,
        error="" if ending is Ending.UNSTATED else redactor.text(_failure(entry)),
        server_ip=ip if isinstance(ip := entry.get("serverIPAddress"), str) else "",
        timed=started is not None,
    )


# --- the request


def _held(url: str, headers: Headers, body: bytes) -> Held | None:
    """Where the request held the token of its Authorization besides; None where it names none."""
    token = Redactor(_telling(credentials(tuple(field for field in headers if field[0].lower() == "authorization"))))
    return token.held(url, headers, body) if token.seeks else None


def _telling(secrets: Iterable[str]) -> list[str]:
    """Those that may be looked for: short ones and words of the API would hit innocent text."""
    # A row of asterisks is not a secret.
    return [s for s in secrets if len(s) >= ENCODED_FROM and s.strip("*") and not vocabulary.holds(s)]


def _request_body(request: Json, method: str) -> bytes | None:
    post = request.get("postData")
    if isinstance(post, str):
        return utf8(post)
    if not isinstance(post, dict) or not isinstance(text := post.get("text"), str):
        # Of a method that seldom has a body, none stated means none; of another it means that we do not know.
        return b"" if post is None and method == "GET" else None
    if post.get("encoding") is not None:
        return octets(text, post["encoding"])
    return None if not text and _number(request.get("bodySize")) > 0 else utf8(text)


# --- the answer


def _answer(entry: Json, redactor: Redactor, creator: str) -> tuple[Response, Ending]:
    failure = _failure(entry)
    given = entry.get("response")
    if not isinstance(given, dict) or not given:
        raise _unanswered(failure, "")
    status = _status(given.get("status"))
    if status <= 0:
        raise _unanswered(failure, f"status {status}" if status else "")
    if not 100 <= status <= 999:
        raise HarError(f"status {status}")
    if status < 200:
        raise LeftOut(Why.NO_ANSWER, f"status {status}")
    check_status(status)
    response = _response(given, status, redactor, creator)
    return response, _ending(failure, given, response)


def _unanswered(failure: str, otherwise: str) -> LeftOut:
    if _CLIENT_LEFT.search(failure):
        return LeftOut(Why.CLIENT_LEFT, failure)
    return LeftOut(Why.NO_ANSWER, failure or otherwise)


def _response(given: Json, status: int, redactor: Redactor, creator: str) -> Response:
    fields = _fields(given.get("headers"))
    stated_content = given.get("content")
    content = stated_content if isinstance(stated_content, dict) else {}
    media_type = _text(content.get("mimeType"))
    stated = bool(fields)
    if not stated and media_type and media_type != "x-unknown":
        fields = (("Content-Type", latin1(media_type)),)
    headers, held = redactor.headers(fields)
    headers = mask_credentials(headers)
    body, transcoded = _content(given, content)
    made = Response(status, headers, b"", body_known=False)
    if body is not None and not body and _announced(made, given, creator):
        body = None
    decoded = True
    if body is not None and not transcoded:
        body, decoded = _uncoded(body, _codings(made))
    stream = redactor.stream()
    clean = stream.feed(body or b"") + stream.finish()
    return Response(
        status=status,
        headers=headers,
        body=clean,
        reason=_text(given.get("statusText")),
        http_version=_text(given.get("httpVersion")),
        redacted=tuple(stream.marks),
        redacted_headers=held,
        decoded=decoded,
        body_known=body is not None,
        transcoded=transcoded and bool(clean),
        headers_known=stated,
    )


def _content(given: Json, content: Json) -> tuple[bytes | None, bool]:
    """The body, None where it is not known, and whether it was kept as text."""
    text = content.get("text")
    if isinstance(text, str):
        encoding = content.get("encoding")
        if encoding is None or _is_text(encoding):
            return text.encode("utf-8", "replace") if text.isascii() else _scalar(text), True
        return octets(text, encoding), False
    sizes = [_number(size) for size in (content.get("size"), given.get("bodySize"))]
    empty = content.get("size") is not None and sizes[0] == 0 and sizes[1] <= 0
    return (b"" if empty else None), False


def _scalar(text: str) -> bytes:
    """Text as UTF-8; a lone surrogate, which no octets of UTF-8 have been, becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode("utf-8")


def _announced(made: Response, given: Json, creator: str) -> bool:
    """True where an empty body is one that the recorder did not keep."""
    if _number(made.header("content-length")) > 0 or _number(given.get("bodySize")) > 0:
        return True
    # mitmproxy writes an empty text where the client left before the body was whole.
    chunked = "chunked" in (made.header("transfer-encoding") or "").lower()
    return chunked and "mitmproxy" in creator.lower()


def _codings(response: Response) -> list[str]:
    names = (name.strip().lower() for name in (response.header("content-encoding") or "").split(","))
    return [name for name in names if name not in ("", "identity")]


def _uncoded(body: bytes, codings: list[str]) -> tuple[bytes, bool]:
    """The octets, and whether they are without the content codings that the answer names.

    Most recorders remove them and leave the header field. Brotli is removed here, where a library for it is installed.
    """
    if not codings:
        return body, False
    if codings[-1] in ("gzip", "x-gzip"):
        return body, not body.startswith(b"\x1f\x8b")
    try:
        body.decode("utf-8")
        return body, True
    except UnicodeDecodeError:
        pass
    if codings == ["br"]:
        try:
            return import_module("brotli").decompress(body), True
        except Exception:  # it is not installed, or that is not Brotli: then the body cannot be read
            pass
    return body, False


def _ending(failure: str, given: Json, response: Response) -> Ending:
    """How it ended, as far as the recorder says. Raises LeftOut where what is there cannot be laid to the server."""
    if failure:
        if _CUT.search(failure):
            return Ending.CUT
        if _RESET.search(failure):
            return Ending.RESET
        if is_whole(response):
            return Ending.UNSTATED
        if _CLIENT_LEFT.search(failure):
            raise LeftOut(Why.CLIENT_LEFT, failure)
        raise LeftOut(Why.BLOCKED if _BLOCKED.search(failure) else Why.BROKEN_OFF, failure)
    if response.body_known and response.decoded | (not _codings(response)) and not is_whole(response):
        content = given.get("content")
        size = _number(content.get("size")) if isinstance(content, dict) else -1
        stated = -1 if _codings(response) else _number(response.header("content-length"))
        there = len(response.body)
        if there < max(size, stated):
            raise LeftOut(Why.SHORTENED, f"{there} of {max(size, stated):.0f} octets")
    return Ending.UNSTATED


def is_whole(response: Response) -> bool:
    """True where the body has its end, as JSON or as a stream, whoever broke off what follows."""
    if not response.body_known:
        return False
    if _DONE.search(response.body):
        return True
    try:
        json.loads(response.body)
    except (ValueError, RecursionError):
        return False
    return True


def _failure(entry: Json) -> str:
    """What the recorder says about a failure; empty where it says nothing."""
    given = entry.get("response")
    for place in (given if isinstance(given, dict) else {}, entry):
        for member in ("_error", "_failureText", "_errorText"):
            told = place.get(member)
            if isinstance(told, dict):
                told = told.get("message") or told.get("code") or json.dumps(told)[:100]
            if isinstance(told, str) and told:
                return told
    return ""


# --- values, in all their forms


def octets(text: str, encoding: object) -> bytes:
    """A text in base64 (wrapped, without padding, in either alphabet, or a list of pieces as JSON) as octets.

    Raises:
        HarError: it is in another encoding, or cannot be decoded.
    """
    name = encoding.strip().lower() if isinstance(encoding, str) else encoding
    if name in ("hex", "base16"):
        try:
            return bytes.fromhex(text)
        except ValueError:
            raise HarError("its text is not hexadecimal") from None
    if name != "base64":
        raise HarError(f"its encoding is unknown: {str(encoding)[:50]!r}")
    if text.lstrip()[:1] == "[":
        try:
            pieces = json.loads(text)
        except (ValueError, RecursionError):
            raise HarError("its text is not base64") from None
        return b"".join(octets(piece, "base64") for piece in pieces if isinstance(piece, str))
    letters = "".join(text.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except ValueError:
        raise HarError("its text is not base64") from None


def _is_text(encoding: object) -> bool:
    return isinstance(encoding, str) and re.sub(r"[\s_-]", "", encoding).lower() in ("", "utf8", "text", "plain")


def _fields(given: object) -> Headers:
    """Header fields as a list of objects or of pairs, or as an object; without pseudo-header fields (RFC 9113, 8.3)."""
    pairs: Iterable[tuple[object, object]]
    if given is None:
        return ()
    if isinstance(given, dict):
        pairs = ((name, v) for name, value in given.items() for v in (value if isinstance(value, list) else [value]))
    elif isinstance(given, list):
        pairs = [_pair(one) for one in given]
    else:
        raise HarError("its header fields are not a list")
    made = ((latin1(_text(name)), latin1(_text(value))) for name, value in pairs)
    return tuple(pair for pair in made if pair[0] and not pair[0].startswith(":"))


def _pair(one: object) -> tuple[object, object]:
    if isinstance(one, dict):
        return one.get("name"), one.get("value")
    if isinstance(one, list) and len(one) == 2:
        return one[0], one[1]
    raise HarError("a header field of it must be an object")


def _text(value: object) -> str:
    """A string, or a number as one; empty for what is neither."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _object(entry: Json, member: str) -> Json:
    value = entry.get(member)
    if value is None:
        raise HarError(f"it has no member `{member}`")
    if not isinstance(value, dict):
        raise HarError(f"its `{member}` must be an object")
    return value


def _status(value: object) -> int:
    if value is None:
        return 0
    number = _number(value)
    if number != int(number) or (number < 0 and not isinstance(value, int)):
        raise HarError(f"status {_text(value)[:20]!r} must be an integer")
    return int(number)


def _number(value: object) -> float:
    """A finite number, also as text; -1 where it is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return -1
    if isinstance(value, bool) or not isinstance(value, int | float):
        return -1
    try:
        return float(value) if math.isfinite(value) else -1
    except OverflowError:
        return -1


def _milliseconds(value: object) -> float:
    """As seconds in whole microseconds; 0 where it is not known."""
    number = _number(value)
    return round(number * 1000) / 1_000_000 if 0 < number < 1e12 else 0.0


def _moment(value: object) -> float | None:
    """Unix seconds of a time in ISO 8601, as HTTP writes it, or as seconds or milliseconds since 1970."""
    number = _number(value)
    if number > 0:
        seconds = number / 1000 if number > 1e11 else number
        return round(seconds * 1_000_000) / 1_000_000 if seconds < 1e11 else None
    if not isinstance(value, str):
        return None
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(value.strip())
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            return (moment - _EPOCH) // timedelta(microseconds=1) / 1_000_000
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None
