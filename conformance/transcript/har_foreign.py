"""Entries that another client wrote: a browser, a proxy, a test recorder.

What they leave out is unknown, not empty; they strip or keep credentials as they like, so those that they kept are
masked as they are read.
"""

from __future__ import annotations

from collections.abc import Iterable

from conformance.contract import vocabulary
from conformance.transcript.exchange import (
    Credential,
    Ending,
    Exchange,
    Request,
    Response,
)
from conformance.transcript.har_nodes import Node, body_of, fields_of, raw_fields, started, utf8
from conformance.transcript.redaction import ENCODED_FROM, Redactor, credentials


def secrets(entries: Iterable[Node]) -> list[str]:
    """The credentials that another client left in its requests, to find them in the answers too."""
    found: dict[str, None] = {}
    for entry in entries:
        for secret in credentials(raw_fields(entry.member("request").of(dict))):
            # Short ones and words of the API would hit innocent text, and a row of asterisks is not a secret.
            if len(secret) >= ENCODED_FROM and secret.strip("*") and not vocabulary.holds(secret):
                found[secret] = None
    return list(found)


def exchange(entry: Node, name: str, redactor: Redactor) -> Exchange:
    """One entry as an exchange, as far as it tells. Raises HarError."""
    request = entry.member("request").of(dict)
    headers, _ = redactor.headers(fields_of(request))
    body = _request_body(request)
    ended = entry.get("response")
    finished = entry.get("time")
    bare = any(key.lower() == "authorization" and value.strip().lower() == "bearer" for key, value in headers)
    return Exchange(
        name=name,
        request=Request(
            method=request.text("method"),
            url=redactor.text(request.text("url")),
            headers=headers,
            body=None if body is None else redactor.octets(body),
            credential=Credential.EMPTY if bare else Credential.UNSTATED,
        ),
        response=None if ended is None else _response(ended.of(dict), redactor),
        ending=Ending.UNSTATED,
        started=started(entry),
        finished=0.0 if finished is None or finished.value == -1 else finished.seconds(),
        server_ip=entry.text("serverIPAddress", ""),
    )


def _request_body(request: Node) -> bytes | None:
    post = request.get("postData")
    text = None if post is None else post.of(dict).get("text")
    if text is None:
        # Of a method that seldom has a body, none stated means none; of another it means that we do not know.
        return b"" if post is None and request.text("method") in ("GET", "HEAD", "OPTIONS") else None
    size = request.get("bodySize")
    if not text.of(str).value and size is not None and size.of(int).value > 0:
        return None
    return utf8(text.value)


def _response(response: Node, redactor: Redactor) -> Response | None:
    status = response.member("status").natural()
    if not status:
        return None
    headers, held = redactor.headers(fields_of(response))
    content = response.get("content")
    body = None if content is None else body_of(content.of(dict))
    if body is None and content is not None:
        sizes = [node.value for node in (content.get("size"), response.get("bodySize")) if node is not None]
        if sizes and sizes[0] == 0 and not any(isinstance(size, int) and size > 0 for size in sizes):
            body = b""
    stream = redactor.stream()
    clean = stream.feed(body or b"") + stream.finish()
    return Response(
        status=status,
        headers=headers,
        body=clean,
        reason=response.text("statusText", ""),
        http_version=response.text("httpVersion", ""),
        redacted=tuple(stream.marks),
        redacted_headers=held,
        decoded=True,
        body_known=body is not None,
    )
