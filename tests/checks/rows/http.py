"""Rows on HTTP itself."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import Any

from checks.case import Breaks, Holds, breaks, holds
from checks.exchanges import (
    BROKEN,
    WELL,
    body_of,
    chat,
    chat_stream,
    denied,
    limited,
    paused,
    refused,
    unanswered,
    with_body,
    with_header,
    with_response,
)

from conformance.judging.verdict import State
from conformance.transcript.exchange import Credential, Ending, Exchange


def _over_http2(made: Exchange, error: str = "") -> Exchange:
    return replace(with_response(made, http_version="HTTP/2", reason=""), error=error)


def _cut(made: Exchange, ending: Ending = Ending.CUT, keep: int = 60) -> Exchange:
    return replace(with_response(made, body=body_of(made)[:keep], pieces=None), ending=ending)


def _headed(*lines: bytes, name: str = "a", **more: Any) -> Exchange:
    """An answer with a header section that clients refuse: its status line and these lines are kept of it."""
    made = replace(unanswered(name, Ending.GARBAGE, **more), error="refused")
    return replace(made, head=b"".join(line + b"\r\n" for line in (b"HTTP/1.1 200 OK", *lines, b"")))


def _coded(made: Exchange, coding: str, body: bytes | None = None) -> Exchange:
    """With a content coding that is named, and the body as it is, or another one."""
    return with_header(made if body is None else with_body(made, body), "Content-Encoding", coding)


def _plain(made: Exchange) -> bytes:
    return gzip.compress(body_of(made), mtime=0)


GARBLED = replace(unanswered("a", Ending.GARBAGE), head=b"0\r\n\r\nHTTP/1.1 200 OK\r\n")

ROWS: tuple[Breaks | Holds, ...] = (
    holds("http.complete", "nobody there speaks HTTP", replace(unanswered("a", Ending.GARBAGE), head=b"SSH-2.0-x\r\n"),
          state=State.NOT_EXERCISED),
    breaks("http.complete", "octets that are not HTTP, among answers", WELL, GARBLED),
    *(
        breaks("http.complete", f"{what}{which}", *before, _headed(*lines))
        for which, before in (("", (WELL,)), (", and nothing else", ()))
        for what, lines in (
            ("a length beside chunked", (b"Content-Length: 9", b"Transfer-Encoding: chunked")),
            ("chunked twice", (b"Transfer-Encoding: chunked, chunked",)),
            ("chunked in two fields", (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")),
            ("an unknown coding beside a length", (b"Transfer-Encoding: x", b"Content-Length: 9")),
            ("lengths that differ", (b"Content-Length: 9", b"Content-Length: 8")),
            ("a space before the colon", (b"Server : x",)),
            ("no colon", (b"Server",)),
            ("NUL in a field", (b"Server: a\0b",)),
        )
    ),
    breaks("http.complete", "a head refused for an error", WELL, _headed(b"Server : x", body=BROKEN)),
    breaks("http.complete", "a head refused for a 401", WELL, _headed(b"Server : x", credential=Credential.NONE)),
    breaks("http.complete", "a head refused for hostile input", WELL,
           _headed(b"Server : x", body=b'{"a":' * 1000, area="robust")),
    breaks("http.complete", "a head refused for what goes last", WELL, _headed(b"Server : x", phase="recover")),
    breaks("http.complete", "a head that the suite of the day refused, and no longer", WELL, _headed(b"Server: x")),
    breaks("http.complete", "octets behind a chunked body", with_response(chat_stream("a"), excess=5)),
    breaks("http.complete", "octets behind an error", WELL, with_response(refused("a", BROKEN), excess=2)),
    breaks("http.complete", "a body cut by its length", WELL, with_response(
        with_header(_cut(chat("a"), Ending.COMPLETE), "Content-Length", "60"), excess=99)),
    breaks("http.complete", "a stream cut by its length", WELL, with_response(
        with_header(_cut(chat_stream("a"), Ending.COMPLETE), "Content-Length", "60"), excess=99)),
    breaks("http.complete", "JSON cut", _cut(chat("a"))),
    breaks("http.complete", "a stream of HTTP/2 that is reset", _over_http2(_cut(chat("a")),
        "the server reset the stream (RST_STREAM, INTERNAL_ERROR)")),
    breaks("http.complete", "HTTP/2 that clients refuse", WELL, _over_http2(_cut(chat("a"), Ending.GARBAGE),
        "clients refuse this HTTP/2 (Stream 1 is closed)")),
    holds("http.complete", "a stream of HTTP/2 without Content-Length", _over_http2(chat("a"))),
    breaks("http.complete", "an error cut", WELL, _cut(refused("a", BROKEN))),
    breaks("http.complete", "a stream cut", _cut(chat_stream("a"), keep=400)),
    breaks("http.complete", "more than declared", with_response(chat("a"), excess=5)),
    breaks("http.complete", "broken framing", replace(chat("a"), ending=Ending.GARBAGE)),
    breaks("http.complete", "never ends", _cut(chat("a"), Ending.TIMED_OUT_IDLE)),
    breaks("http.complete", "reset on each try", _cut(chat("a"), Ending.RESET), replace(
        _cut(chat("a"), Ending.RESET), name="a~2", note=replace(chat("a").note, attempt=2))),
    holds("http.complete", "reset once", WELL, _cut(chat("a"), Ending.RESET)),
    holds("http.complete", "a foreign transcript does not tell", WELL, replace(chat("a"), ending=Ending.UNSTATED)),
    holds("http.complete", "the suite left", WELL, _cut(chat_stream("a", left_after=2), Ending.LEFT, 300)),
    breaks("http.json", "NaN", with_body(chat("a"), body_of(chat("a")).replace(b": 7", b": NaN"))),
    breaks("http.json", "trailing octets", with_body(chat("a"), body_of(chat("a")) + b"{}")),
    breaks("http.json", "a BOM", with_body(chat("a"), b"\xef\xbb\xbf" + body_of(chat("a")))),
    breaks("http.json", "no UTF-8", with_body(chat("a", "x"), body_of(chat("a", "x")).replace(b'"x"', b'"\xe9"'))),
    breaks("http.json", "an error's", WELL, with_body(refused("a", BROKEN), body_of(refused("a", BROKEN))[:-1])),
    breaks("http.json", "an error's, an event stream", WELL, with_body(
        refused("a", BROKEN), b"data: " + body_of(refused("a", BROKEN)) + b"\n\n")),
    holds("http.json", "white space around", with_body(chat("a"), b"\r\n " + body_of(chat("a")) + b"\n\n")),
    holds("http.json", "raw U+2028 and U+FEFF within", chat("a", "x\u2028y\ufeffz")),
    holds("http.json", "an escaped surrogate pair", with_body(
        chat("a", "x"), body_of(chat("a", "x")).replace(b'"x"', b'"\\ud83d\\ude00"'))),
    breaks("http.encoding", "a coding unasked, and undone by a reader of it", with_response(
        with_header(chat("a"), "Content-Encoding", "br"), decoded=True)),
    *(
        breaks("http.encoding", f"{coding} named over {what}", *before, _coded(made, coding))
        for coding in ("gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "utf-8")
        for what, before, made in (
            ("plain JSON", (WELL,), chat("a")),
            ("an error", (WELL,), refused("a", BROKEN)),
            ("a 401", (WELL,), denied("a")),
            ("a 429", (WELL,), limited("a")),
            ("a stream", (WELL,), chat_stream("a")),
            ("an approval", (WELL,), paused("a")),
        )
    ),
    breaks("http.encoding", "gzip named once more than it was applied", WELL, _coded(
        chat("a"), "gzip, gzip", _plain(chat("a")))),
    breaks("http.encoding", "gzip twice, and undone by a reader of it", WELL, _coded(
        chat("a"), "gzip, gzip", gzip.compress(_plain(chat("a")), mtime=0))),
    breaks("http.encoding", "gzip unasked, and undone", WELL, _coded(refused("a", BROKEN), "gzip", _plain(
        refused("a", BROKEN)))),
    breaks("http.encoding", "gzip offered, and not applied", WELL, _coded(chat("a", accept_encoding="gzip"), "gzip")),
    holds("http.encoding", "gzip offered, and applied", WELL, _coded(
        chat("a", accept_encoding="gzip, deflate"), "x-gzip", _plain(chat("a")))),
    *(
        holds("http.encoding", f"{value!r}", WELL, _coded(chat("a"), value))
        for value in ("", "Identity", "identity, identity", " , ")
    ),
    breaks("http.encoding", "br unasked", with_header(
        with_body(chat("a"), b"\x8b\x01\x80ab\x03"), "Content-Encoding", "br")),
    holds("http.encoding", "identity", with_header(chat("a"), "Content-Encoding", "identity")),
    holds("http.encoding", "br where it was offered", WELL, with_header(
        with_body(chat("a", accept_encoding="gzip, br"), b"\x8b\x01\x80ab\x03"), "Content-Encoding", "br")),
    holds("http.encoding", "anything was offered", with_response(
        with_header(chat("a", accept_encoding="*"), "Content-Encoding", "zstd"), decoded=True)),
)  # fmt: skip
