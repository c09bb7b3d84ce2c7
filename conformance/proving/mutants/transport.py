"""Mutants of errors and of the transport: status, header fields, the form of a body, what an error shows."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from conformance.proving.mutants.mutant import Mutant, thinned
from conformance.proving.mutants.octets import with_body, with_header, with_status
from conformance.proving.mutants.scene import ALWAYS, Kind, Scene, Subject
from conformance.transcript.exchange import Credential, Ending, Exchange, Piece

OnAnswer = Callable[[Exchange], Exchange | None]

TRAITS = {
    Kind.COMPLETION: (ALWAYS, "chat", "resume", "first", "later", "with-id", "without-id", "limit", "cut",
                      "concurrent", "after-refusal", "after-abort", "own-fields", "foreign-text", "mode-synth"),
    Kind.APPROVAL: (ALWAYS, "chat", "resume", "first"),
    Kind.STREAM: (ALWAYS, "chat", "resume", "first", "cut", "with-id", "without-id", "concurrent", "after-abort",
                  "own-fields"),
    Kind.APPROVAL_STREAM: (ALWAYS, "chat", "resume"),
    Kind.ERROR: (ALWAYS, "chat", "resume", "first", "with-id", "asks-stream", "asks-json", "400", "401-chat",
                 "401-resume",
                 "401-stream", "404", "404-stream", "405", "409", "409-stream", "415", "422-chat", "422-resume",
                 "422-stream", "429"),
}  # fmt: skip


def enumerate_all() -> Iterator[Mutant]:
    """Every mutant of the transport."""
    for kind, traits in TRAITS.items():
        table = {**_FIELDS, **_CODINGS, **_FRAMING}
        table |= ERRORS if kind is Kind.ERROR else SERVED
        table |= _STREAMED if kind.streamed else _JSON
        for trait in traits:
            yield from thinned(
                Mutant("transport", kind, place, name, trait, _change(operator), place in ("status", "ending"))
                for (place, name), operator in table.items()
            )


def _change(operator: OnAnswer) -> Callable[[Subject, Scene], Exchange | None]:
    return lambda subject, scene: operator(subject.exchange)


def _field(name: str, value: str | None) -> OnAnswer:
    return lambda exchange: with_header(exchange, name, value)


def _status(status: int) -> OnAnswer:
    return lambda exchange: with_status(exchange, status) if exchange.status != status else None


def _body(write: Callable[[bytes], bytes]) -> OnAnswer:
    return lambda exchange: with_body(exchange, write(_octets(exchange)))


def _octets(exchange: Exchange) -> bytes:
    assert exchange.response is not None  # only answers are changed
    return exchange.response.body


Table = Mapping[tuple[str, str], OnAnswer]


def _types(*values: str | None) -> dict[tuple[str, str], OnAnswer]:
    return {("Content-Type", value or "absent"): _field("Content-Type", value) for value in values}


_FIELDS: dict[tuple[str, str], OnAnswer] = {
    ("Content-Encoding", "identity"): _field("Content-Encoding", "identity"),
    ("Date", "absent"): _field("Date", None),
    ("Server", "named"): _field("Server", "uvicorn"),
    ("X-Request-Id", "added"): _field("X-Request-Id", "req_7"),
}

_CODINGS: dict[tuple[str, str], OnAnswer] = {
    ("Content-Encoding", name): _field("Content-Encoding", name) for name in ("gzip", "br", "zstd", "deflate")
}  # fmt: skip


def _gzipped(exchange: Exchange) -> Exchange:
    return with_header(with_body(exchange, gzip.compress(_octets(exchange), mtime=0)), "Content-Encoding", "gzip")


_CODINGS["Content-Encoding", "gzip-applied"] = _gzipped


def _cut(exchange: Exchange) -> Exchange | None:
    """The connection closes before the length that was announced."""
    assert exchange.response is not None
    if not exchange.response.body:
        return None
    half = exchange.response.first(len(exchange.response.body) // 2)
    return replace(exchange, response=half, ending=Ending.CUT, error="the connection was closed")


def _excess(exchange: Exchange) -> Exchange:
    """More octets than the length that was announced."""
    assert exchange.response is not None
    return replace(exchange, response=replace(exchange.response, excess=7), error="7 octets more")


def _shorter(exchange: Exchange) -> Exchange | None:
    """A length that is too small: the rest comes behind the end."""
    response = exchange.response
    assert response is not None
    if response.header("content-length") is None or len(response.body) < 9:
        return None
    cut = with_body(exchange, response.body[:-7])
    assert cut.response is not None
    return replace(cut, response=replace(cut.response, excess=7), error="7 octets more")


def _garbage(head: bytes) -> OnAnswer:
    return lambda exchange: replace(
        exchange, response=None, head=head, ending=Ending.GARBAGE, error="the header section is malformed"
    )


_FRAMING: dict[tuple[str, str], OnAnswer] = {
    ("ending", "cut"): _cut,
    ("ending", "excess"): _excess,
    ("head", "two-lengths"): _garbage(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    ("head", "length-and-coding"): _garbage(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    ),
    ("head", "bare-line-feeds"): _garbage(b"HTTP/1.1 200 OK\nContent-Type: application/json\n\n"),
    ("head", "no-colon"): _garbage(b"HTTP/1.1 200 OK\r\nContent-Type application/json\r\n\r\n"),
    ("head", "chunked-twice"): _garbage(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"),
}


def _told_token(exchange: Exchange) -> Exchange | None:
    """The token in a header field."""
    if exchange.request.credential is not Credential.OWN or exchange.response is None:
        return None
    told = with_header(exchange, "X-Token", "*" * 18)
    assert told.response is not None
    return replace(told, response=replace(told.response, redacted_headers=("X-Token",)))


def _token_in_body(exchange: Exchange) -> Exchange | None:
    """The token in a member that nobody knows."""
    if exchange.request.credential is not Credential.OWN or exchange.response is None:
        return None
    body = exchange.response.body
    at = body.find(b"{") + 1
    member = b'"debug":"Bearer %b",' % (b"*" * 18)
    told = with_body(exchange, body[:at] + member + body[at:], _pieces(exchange, at, len(member)))
    assert told.response is not None
    return replace(told, response=replace(told.response, redacted=((at + member.index(b"*"), 18),)))


def _pieces(exchange: Exchange, at: int, more: int) -> list[Piece] | None:
    """The pieces with some octets more in the one that holds this place."""
    made, start, grown = [], 0, False
    for piece in (exchange.response.pieces if exchange.response else None) or ():
        inside = not grown and start <= at < start + piece.length
        made.append(piece._replace(length=piece.length + more) if inside else piece)
        grown, start = grown or inside, start + piece.length
    return made or None


_TOKENS: dict[tuple[str, str], OnAnswer] = {("token", "in-header"): _told_token, ("token", "in-body"): _token_in_body}

SERVED: Table = {
    **_TOKENS,
    **{("status", str(status)): _status(status) for status in (201, 202, 206, 299, 400, 404, 422, 500, 503)},
}
"""Of what was accepted."""


_JSON_BODY = {
    "empty": lambda body: b"",
    "bom": lambda body: b"\xef\xbb\xbf" + body,
    "trailing-octets": lambda body: body + b"}",
    "trailing-nul": lambda body: body + b"\x00",
    "second-value": lambda body: body + body,
    "trailing-line": lambda body: body + b"\r\n",
    "leading-space": lambda body: b"  \n" + body,
    "cut": lambda body: body[: len(body) // 2],
    "comma": lambda body: body[:-1] + b",}",
    "single-quotes": lambda body: body.replace(b'"', b"'"),
    "nan": lambda body: body[:-1] + b',"x_share":NaN}',
    "infinity": lambda body: body[:-1] + b',"x_share":Infinity}',
    "invalid-octet": lambda body: body[:-1] + b',"x_name":"\xff"}',
    "latin-1": lambda body: body[:-1] + b',"x_name":"caf\xe9"}',
    "utf-16": lambda body: body.decode("utf-8", "replace").encode("utf-16"),
    "control-character": lambda body: body[:-1] + b',"x_name":"a\nb"}',
    "comment": lambda body: b"// ok\n" + body,
    "in-array": lambda body: b"[" + body + b"]",
    "as-string": lambda body: json.dumps(body.decode("utf-8", "replace")).encode(),
    "null": lambda body: b"null",
    "html": lambda body: b"<!doctype html><html><body>Bad Gateway</body></html>",
    "text": lambda body: b"Internal Server Error",
    "indented": lambda body: json.dumps(json.loads(body), indent=2).encode(),
    "escaped": lambda body: json.dumps(json.loads(body), ensure_ascii=True).encode(),
    "extra-member": lambda body: body[:-1] + b',"x_extra":{"a":[1,null]}}',
    "in-data": lambda body: b'{"data":' + body + b"}",
    "as-event": lambda body: b"data: " + body + b"\n\ndata: [DONE]\n\n",
}
_JSON: Table = {
    ("Content-Length", "too-small"): _shorter,
    **_types(None, "text/plain", "text/html", "application/problem+json", "application/octet-stream", "text/json",
             "text/event-stream", "application/x-ndjson", "application/json; charset=utf-8", "Application/JSON",
             "application/jsonp"),
    **{("body", name): _body(write) for name, write in _JSON_BODY.items()},
}  # fmt: skip

_STREAMED: Table = {
    **_types(None, "text/plain", "application/json", "application/octet-stream", "application/x-ndjson", "text/html",
             "text/event-stream; charset=utf-8", "Text/Event-Stream", "text/event-streams"),
    **{("Cache-Control", value): _field("Cache-Control", value)
       for value in ("public", "max-age=60", "s-maxage=5", "public, no-store", "no-cache", "max-age=0", "private")},
    ("Cache-Control", "absent"): _field("Cache-Control", None),
    ("body", "indented"): _body(lambda body: body.replace(b'":', b'": ')),
}  # fmt: skip

_INTERNALS = {
    "python": 'Traceback (most recent call last):\\n  File \\"/srv/app/main.py\\", line 17, in answer\\n    raise x',
    "node": "TypeError: x is undefined\\n    at answer (/srv/app/index.js:17:9)\\n    at node:internal/process:1:2",
    "java": "java.lang.NullPointerException\\n\\tat com.example.Chat.answer(Chat.java:17)",
    "dotnet": "System.NullReferenceException\\n   at App.Chat.Answer() in /src/Chat.cs:line 17",
    "go": "goroutine 17 [running]:\\nmain.answer(0x1)\\n\\t/srv/app/main.go:17 +0x1d",
    "rust": "thread 'main' panicked at src/main.rs:17:9",
    "ruby": "/srv/app/chat.rb:17:in `answer': undefined method (NoMethodError)",
    "php": "PHP Fatal error: Uncaught Error in /srv/app/chat.php:17",
    "query": "SELECT id, token FROM users WHERE token = 'x'",
}


_MESSAGE = re.compile(rb'"message":"(?:[^"\\]|\\.)*"')


def _message(text: str) -> OnAnswer:
    """An error whose message is this text, as it stands in JSON."""
    told = b'"message":"%b"' % text.encode()

    def change(exchange: Exchange) -> Exchange | None:
        return with_body(exchange, _MESSAGE.sub(lambda _: told, _octets(exchange)))

    return change


ERRORS: Table = {
    **_TOKENS,
    **{("status", str(status)): _status(status)
       for status in (200, 201, 204, 302, 400, 401, 403, 404, 409, 413, 418, 422, 500, 501)},
    **{("internals", name): _message(text) for name, text in _INTERNALS.items()},
    ("internals", "in-header"): _field("X-Debug", "/srv/app/main.py:17"),
    ("WWW-Authenticate", "absent"): lambda e: with_header(e, "WWW-Authenticate", None) if e.status == 401 else None,
    ("Retry-After", "absent"): lambda e: with_header(e, "Retry-After", None) if e.status == 429 else None,
    ("Retry-After", "empty"): lambda e: with_header(e, "Retry-After", "") if e.status == 429 else None,
    ("Allow", "absent"): lambda e: with_header(e, "Allow", None) if e.status == 405 else None,
    ("body", "detail"): _body(lambda body: b'{"detail":"invalid"}'),
    ("body", "bare-message"): _body(lambda body: b'{"message":"invalid"}'),
    ("body", "flat"): _body(lambda body: json.dumps(json.loads(body)["error"]).encode()),
    ("body", "error-as-text"): _body(lambda body: b'{"error":"invalid"}'),
    ("body", "errors-listed"): _body(lambda body: json.dumps({"errors": [json.loads(body)["error"]]}).encode()),
}  # fmt: skip
"""Of what was refused."""
