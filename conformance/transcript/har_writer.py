"""Transcripts as HAR 1.2 files, for browsers' viewers and to be judged again: written so that nothing is lost.

http://www.softwareishard.com/blog/har-12-spec/ allows members of one's own that begin with `_`. Ours are, in an entry,
`_name`, `_credential`, `_ending`, `_error`, `_head` (octets as Latin-1) and `_probe` (of `ProbeNote`, without what has
its default); in `request` `_held` (of `Held`); in `postData` `_base64` where the octets are not UTF-8; in `response`
`_headersAt` (ms), `_chunks` ([[ms, octets], …]), `_excess`, `_redacted` ([[offset, length], …]), `_redactedHeaders`,
`_decoded`, `_transcoded`, `_bodyKnown` and `_headersKnown`; in an entry `_timed` too; and `log._conformance`, the run's
options.

HAR has no word for "no answer": it is status 0, as browsers write it. Times are whole microseconds: HAR wants
milliseconds, and a float holds both exactly enough to come back as the same number.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from conformance.settings.version import VERSION
from conformance.transcript.exchange import (
    Exchange,
    Headers,
    ProbeNote,
    Request,
    Response,
    Transcript,
)
from conformance.transcript.redaction import mask_credentials, mask_head

Json = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_NO_NOTE = ProbeNote()


def dumps(transcript: Transcript) -> str:
    """The transcript as the text of a HAR file: one line for each entry, so that two can be compared."""
    return "".join(pieces(transcript))


def pieces(transcript: Transcript) -> Iterator[str]:
    """The same piece by piece, an entry at a time: as one text it takes many times the memory of the bodies."""
    yield _compact({"log": _head(transcript)})[:-2] + ', "entries": ['
    between = "\n"
    for exchange in transcript:
        yield between + _compact(_entry(exchange))
        between = ",\n"
    yield "\n]}}\n" if len(transcript) else "\n\n]}}\n"


def dump(transcript: Transcript) -> Json:
    """The transcript as a HAR object. Credentials and cookies' values are masked, whoever put them there."""
    return {"log": {**_head(transcript), "entries": [_entry(exchange) for exchange in transcript]}}


def _head(transcript: Transcript) -> Json:
    """The log without its entries."""
    return {
        "version": "1.2",
        "creator": {"name": "kitemesh-conformance", "version": VERSION},
        "_conformance": {"creator": transcript.creator, "options": dict(transcript.options)},
    }


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _entry(exchange: Exchange) -> Json:
    response = exchange.response
    waited = exchange.finished if response is None or response.headers_at is None else response.headers_at
    version = "HTTP/2" if response is not None and response.http_version == "HTTP/2" else "HTTP/1.1"
    entry: Json = {
        "_name": exchange.name,
        "startedDateTime": _stamp(exchange.started),
        "time": _ms(exchange.finished),
        "request": _request(exchange.request, version),
        "response": _no_response() if response is None else _response(response),
        "cache": {},
        "timings": {"send": 0, "wait": _ms(waited), "receive": _ms(max(0.0, exchange.finished - waited))},
        "_credential": exchange.request.credential.value,
        "_ending": exchange.ending.value,
        "_probe": _note(exchange.note),
    }
    if exchange.server_ip:
        entry["serverIPAddress"] = exchange.server_ip
    if exchange.error:
        entry["_error"] = exchange.error
    if not exchange.timed:
        entry["_timed"] = False
    if exchange.head:
        entry["_head"] = mask_head(exchange.head).decode("latin-1")
    return entry


def _request(request: Request, version: str) -> Json:
    har: Json = {
        "method": request.method,
        "url": request.url,
        "httpVersion": version,
        "cookies": [],
        "headers": _fields(request.headers),
        "queryString": _query(request.url),
        "headersSize": -1,
        "bodySize": -1 if request.body is None else len(request.body),
    }
    if request.body is not None:
        kind = next((value for name, value in request.headers if name.lower() == "content-type"), "")
        har["postData"] = {"mimeType": kind, "text": request.body.decode("utf-8", "replace")}
        if not _is_utf8(request.body):
            har["postData"]["_base64"] = base64.b64encode(request.body).decode("ascii")
    if request.held is not None:
        held = request.held
        har["_held"] = {"url": held.url, "headers": list(held.headers), "body": [list(mark) for mark in held.body]}
    return har


def _response(response: Response) -> Json:
    content: Json = {"size": len(response.body), "mimeType": response.header("content-type") or ""}
    if not response.body_known:
        content["size"] = -1
    elif _is_utf8(response.body):
        content["text"] = response.body.decode("utf-8")
    else:
        content |= {"text": base64.b64encode(response.body).decode("ascii"), "encoding": "base64"}
    har: Json = {
        "status": response.status,
        "statusText": response.reason,
        "httpVersion": response.http_version,
        "cookies": [],
        "headers": _fields(response.headers),
        "content": content,
        "redirectURL": response.header("location") or "",
        "headersSize": -1,
        "bodySize": len(response.body) if response.body_known and not response.decoded else -1,
    }
    if response.headers_at is not None:
        har["_headersAt"] = _ms(response.headers_at)
    if response.pieces is not None:
        har["_chunks"] = [[_ms(at), length] for at, length in response.pieces]
    if response.excess:
        har["_excess"] = response.excess
    if response.redacted:
        har["_redacted"] = [list(mark) for mark in response.redacted]
    if response.redacted_headers:
        har["_redactedHeaders"] = list(response.redacted_headers)
    if response.decoded:
        har["_decoded"] = True
    if response.transcoded:
        har["_transcoded"] = True
    if not response.headers_known:
        har["_headersKnown"] = False
    if not response.body_known:
        har["_bodyKnown"] = False
    return har


def _no_response() -> Json:
    return {
        "status": 0,
        "statusText": "",
        "httpVersion": "",
        "cookies": [],
        "headers": [],
        "content": {"size": 0, "mimeType": ""},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": -1,
    }


def _note(note: ProbeNote) -> Json:
    """What differs from the defaults."""
    values = {field.name: getattr(note, field.name) for field in fields(note)}
    return {name: value for name, value in values.items() if value != getattr(_NO_NOTE, name)}


def _fields(headers: Headers) -> list[Json]:
    return [{"name": name, "value": value} for name, value in mask_credentials(headers)]


def _query(url: str) -> list[Json]:
    try:
        query = urlsplit(url).query
    except ValueError:
        return []
    return [{"name": name, "value": value} for name, value in parse_qsl(query, keep_blank_values=True)]


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _stamp(started: float) -> str:
    return (_EPOCH + timedelta(microseconds=round(started * 1_000_000))).isoformat(timespec="microseconds")


def _ms(seconds: float) -> float:
    return round(seconds * 1_000_000) / 1000
