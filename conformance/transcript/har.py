"""Transcripts as HAR 1.2 files: written for browsers' viewers, read back without loss, read from other clients too.

http://www.softwareishard.com/blog/har-12-spec/ allows members of one's own that begin with `_`. Ours are, in an entry,
`_name`, `_credential`, `_ending`, `_error`, `_head` (octets as Latin-1) and `_probe` (of `ProbeNote`, without what has
its default); in `postData`
`_base64` where the octets are not UTF-8; in `response` `_headersAt` (ms), `_chunks` ([[ms, octets], …]), `_excess`,
`_redacted` ([[offset, length], …]), `_redactedHeaders`, `_decoded` and `_bodyKnown`; and `log._conformance`, the
run's options. An entry with `_ending` is taken for ours. In any other one, what browsers and proxies leave out is
unknown, not empty; they strip or keep credentials as they like, so those that they kept are masked as they are read.

HAR has no word for "no answer": it is status 0, as browsers write it. Times are whole microseconds: HAR wants
milliseconds, and a float holds both exactly enough to come back as the same number.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import parse_qsl, urlsplit

from conformance import __version__
from conformance.contract import vocabulary
from conformance.settings import files
from conformance.transcript.exchange import (
    Credential,
    Ending,
    Exchange,
    Headers,
    Piece,
    ProbeNote,
    Request,
    Response,
    Transcript,
)
from conformance.transcript.redaction import ENCODED_FROM, Redactor, credentials, mask_credentials, mask_head

LARGEST = 512 * 1024 * 1024
"""Octets of a file that is read; characters of a text."""

Json = dict[str, Any]
_T = TypeVar("_T", bound=StrEnum)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class HarError(ValueError):
    """A transcript that cannot be read, in one sentence that says where and why."""


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
        "creator": {"name": "kitemesh-conformance", "version": __version__},
        "_conformance": {"creator": transcript.creator, "options": dict(transcript.options)},
    }


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _entry(exchange: Exchange) -> Json:
    response = exchange.response
    waited = exchange.finished if response is None or response.headers_at is None else response.headers_at
    entry: Json = {
        "_name": exchange.name,
        "startedDateTime": _stamp(exchange.started),
        "time": _ms(exchange.finished),
        "request": _request(exchange.request),
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
    if exchange.head:
        entry["_head"] = mask_head(exchange.head).decode("latin-1")
    return entry


def _request(request: Request) -> Json:
    har: Json = {
        "method": request.method,
        "url": request.url,
        "httpVersion": "HTTP/1.1",
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


_NO_NOTE = ProbeNote()
_NOTE_KINDS: Mapping[str, type[object]] = {
    field.name: {"str": str, "int": int, "bool": bool}[str(field.type).removesuffix(" | None")]
    for field in fields(ProbeNote)
}


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


def load(source: str | bytes | Path) -> Transcript:
    """Read a transcript: a file (a path), or its text, told from a path by its first character, `{`.

    Raises HarError, and nothing else, for whatever cannot be read.
    """
    text = _text(source)
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except HarError:
        raise
    except RecursionError:
        raise HarError("The transcript is not a HAR file: its JSON is nested too deeply.") from None
    except ValueError as error:
        raise HarError(f"The transcript is not a HAR file: it is not JSON ({error}).") from None
    if not isinstance(document, dict) or "log" not in document:
        raise HarError("The transcript is not a HAR file: it has no member `log`.")
    log = _Node(document["log"], "log").of(dict)
    entries = log.member("entries").items()
    if not entries:
        raise HarError("The transcript has no entries.")
    for entry in entries:
        entry.of(dict)
    redactor = Redactor(_foreign_secrets(entry for entry in entries if not _is_ours(entry)))
    exchanges = [
        _read_own(entry) if _is_ours(entry) else _read_foreign(entry, f"entry-{number}", redactor)
        for number, entry in enumerate(entries, 1)
    ]
    _refuse_twins(exchanges)
    if not all(_is_ours(entry) for entry in entries):
        # Browsers write entries as they end, but a transcript is told in the order of starting.
        exchanges.sort(key=lambda exchange: exchange.started)
    creator, options = _read_head(log)
    return Transcript(tuple(exchanges), options, creator)


def _text(source: str | bytes | Path) -> str:
    if isinstance(source, str) and not source.lstrip("\ufeff \t\r\n").startswith("{"):
        source = Path(source)
    if isinstance(source, Path):
        try:
            source = files.read(source, LARGEST)
        except files.Unusable as error:
            raise HarError(f"The transcript {str(source)[:200]!r} {error}.") from None
    if len(source) > LARGEST:
        raise HarError(f"The transcript is too large: above {LARGEST} octets.")
    if isinstance(source, bytes):
        try:
            return source.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise HarError(f"The transcript is not UTF-8 (octet {error.start}).") from None
    return source.removeprefix("\ufeff")


def _no_constant(name: str) -> NoReturn:
    raise HarError(f"The transcript is not a HAR file: {name} is not a JSON number.")


def _refuse_twins(exchanges: Iterable[Exchange]) -> None:
    seen: set[str] = set()
    for exchange in exchanges:
        if exchange.name in seen:
            raise HarError(f"Two entries of the transcript are named {exchange.name!r}.")
        seen.add(exchange.name)


def _read_head(log: _Node) -> tuple[str, Mapping[str, Any]]:
    """Who made it, and the run's options; none where another client did."""
    ours = log.get("_conformance")
    if ours is not None:
        head = ours.of(dict)
        return head.text("creator", ""), head.member("options").of(dict).value
    maker = log.get("creator")
    if maker is None:
        return "", {}
    maker = maker.of(dict)
    return f"{maker.text('name', '')} {maker.text('version', '')}".strip(), {}


def _is_ours(entry: _Node) -> bool:
    return "_ending" in entry.value


def _read_own(entry: _Node) -> Exchange:
    request = entry.member("request").of(dict)
    post = request.get("postData")
    body = None if post is None else _own_octets(post.of(dict))
    ended = entry.member("response").of(dict)
    return Exchange(
        name=entry.text("_name"),
        request=Request(
            method=request.text("method"),
            url=request.text("url"),
            headers=_read_fields(request),
            body=body,
            credential=entry.member("_credential").choice(Credential),
        ),
        response=_read_own_response(ended) if ended.member("status").natural() else None,
        ending=entry.member("_ending").choice(Ending),
        started=_read_stamp(entry),
        finished=entry.member("time").seconds(),
        error=entry.text("_error", ""),
        note=_read_note(entry),
        server_ip=entry.text("serverIPAddress", ""),
        head=mask_head(_latin1(entry.text("_head", "")).encode("latin-1")),
    )


def _own_octets(post: _Node) -> bytes:
    exact = post.get("_base64")
    return _utf8(post.text("text")) if exact is None else exact.octets()


def _read_own_response(response: _Node) -> Response:
    known = response.flag("_bodyKnown", True)
    body = _read_text(response.member("content").of(dict)) if known else b""
    if body is None:
        raise HarError(f"`{response.place}.content` of the transcript has no member `text`.")
    headers_at, chunks, excess = (response.get(name) for name in ("_headersAt", "_chunks", "_excess"))
    pieces = None if chunks is None else tuple(Piece(at.seconds(), size.natural()) for at, size in chunks.pairs())
    if pieces is not None and sum(piece.length for piece in pieces) != len(body):
        raise HarError(f"`{response.place}._chunks` of the transcript do not add up to the body's {len(body)} octets.")
    held = response.get("_redactedHeaders")
    marks = response.get("_redacted")
    return Response(
        status=response.member("status").natural(),
        headers=_read_fields(response),
        body=body,
        reason=response.text("statusText", ""),
        http_version=response.text("httpVersion", ""),
        headers_at=None if headers_at is None else headers_at.seconds(),
        pieces=pieces,
        excess=0 if excess is None else excess.natural(),
        redacted=() if marks is None else tuple((at.natural(), size.natural()) for at, size in marks.pairs()),
        redacted_headers=() if held is None else tuple(str(name.of(str).value) for name in held.items()),
        decoded=response.flag("_decoded", False),
        body_known=known,
    )


def _read_note(entry: _Node) -> ProbeNote:
    node = entry.get("_probe")
    if node is None:
        return _NO_NOTE
    node.of(dict)
    # A member that a newer suite added is passed over: the others still say what they say.
    given = {
        name: member.of(kind).value for name, kind in _NOTE_KINDS.items() if (member := node.get(name)) is not None
    }
    return ProbeNote(**given)


def _foreign_secrets(entries: Iterable[_Node]) -> list[str]:
    """The credentials that another client left in its requests, to find them in the answers too."""
    found: dict[str, None] = {}
    for entry in entries:
        for secret in credentials(_raw_fields(entry.member("request").of(dict))):
            # Short ones and words of the API would hit innocent text, and a row of asterisks is not a secret.
            if len(secret) >= ENCODED_FROM and secret.strip("*") and not vocabulary.holds(secret):
                found[secret] = None
    return list(found)


def _read_foreign(entry: _Node, name: str, redactor: Redactor) -> Exchange:
    request = entry.member("request").of(dict)
    headers, _ = redactor.headers(_read_fields(request))
    body = _foreign_request_body(request)
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
        response=None if ended is None else _read_foreign_response(ended.of(dict), redactor),
        ending=Ending.UNSTATED,
        started=_read_stamp(entry),
        finished=0.0 if finished is None or finished.value == -1 else finished.seconds(),
        server_ip=entry.text("serverIPAddress", ""),
    )


def _foreign_request_body(request: _Node) -> bytes | None:
    post = request.get("postData")
    text = None if post is None else post.of(dict).get("text")
    if text is None:
        # Of a method that seldom has a body, none stated means none; of another it means that we do not know.
        return b"" if post is None and request.text("method") in ("GET", "HEAD", "OPTIONS") else None
    size = request.get("bodySize")
    if not text.of(str).value and size is not None and size.of(int).value > 0:
        return None
    return _utf8(text.value)


def _read_foreign_response(response: _Node, redactor: Redactor) -> Response | None:
    status = response.member("status").natural()
    if not status:
        return None
    headers, held = redactor.headers(_read_fields(response))
    content = response.get("content")
    body = None if content is None else _read_text(content.of(dict))
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


def _read_text(content: _Node) -> bytes | None:
    """The content's octets; None where its text was left out."""
    text = content.get("text")
    if text is None:
        return None
    encoding = content.text("encoding", "")
    if encoding == "base64":
        return text.octets()
    if encoding:
        raise HarError(f"`{content.place}.encoding` of the transcript is unknown: {encoding[:50]!r}.")
    return _utf8(str(text.of(str).value))


def _utf8(text: str) -> bytes:
    # JSON may hold lone surrogates, and then so does a foreign text.
    return text.encode("utf-8", "surrogatepass")


def _read_fields(message: _Node) -> Headers:
    return mask_credentials(_raw_fields(message))


def _raw_fields(message: _Node) -> Headers:
    """The header fields as they stand, without the pseudo-header fields of HTTP/2 (RFC 9113, section 8.3)."""
    nodes = [node.of(dict) for node in message.member("headers").items()]
    pairs = ((_latin1(node.text("name")), _latin1(node.text("value"))) for node in nodes)
    return tuple(pair for pair in pairs if not pair[0].startswith(":"))


def _latin1(text: str) -> str:
    """The text, or where it is more than Latin-1 its UTF-8 octets read as Latin-1, as they travelled."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return _utf8(text).decode("latin-1")
    return text


def _read_stamp(entry: _Node) -> float:
    text = entry.text("startedDateTime")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // timedelta(microseconds=1) / 1_000_000
    except (ValueError, OverflowError):
        place = f"{entry.place}.startedDateTime"
        raise HarError(f"`{place}` of the transcript is not an ISO 8601 time: {text[:50]!r}.") from None


class _Node:
    """A value of the file and the place where it stands, for messages."""

    def __init__(self, value: Any, place: str) -> None:
        self.value = value
        self.place = place

    def of(self, kind: type[object]) -> _Node:
        """Itself, where it is of the type; a boolean is not a number."""
        if not isinstance(self.value, kind) or (kind is not bool and isinstance(self.value, bool)):
            raise HarError(f"`{self.place}` of the transcript must be {_KINDS[kind]}.")
        return self

    def get(self, name: str) -> _Node | None:
        """A member of an object; None where it is absent or null."""
        value = self.value.get(name)
        return None if value is None else _Node(value, f"{self.place}.{name}")

    def member(self, name: str) -> _Node:
        """A member of an object that has to be there."""
        found = self.get(name)
        if found is None:
            raise HarError(f"`{self.place}` of the transcript has no member `{name}`.")
        return found

    def items(self) -> list[_Node]:
        """Those of an array."""
        self.of(list)
        return [_Node(value, f"{self.place}[{index}]") for index, value in enumerate(self.value)]

    def pairs(self) -> list[tuple[_Node, _Node]]:
        """Those of an array of arrays of two."""
        rows = [row.items() for row in self.items()]
        if any(len(row) != 2 for row in rows):
            raise HarError(f"`{self.place}` of the transcript must be an array of pairs.")
        return [(row[0], row[1]) for row in rows]

    def flag(self, name: str, default: bool) -> bool:
        """A boolean member."""
        found = self.get(name)
        return default if found is None else bool(found.of(bool).value)

    def text(self, name: str, default: str | None = None) -> str:
        """A string member."""
        found = self.get(name) if default is not None else self.member(name)
        return default or "" if found is None else str(found.of(str).value)

    def natural(self) -> int:
        """Itself as an integer from 0."""
        if self.of(int).value < 0:
            raise HarError(f"`{self.place}` of the transcript must not be negative.")
        return int(self.value)

    def seconds(self) -> float:
        """Itself, milliseconds from 0, as seconds in whole microseconds."""
        value = self.value
        try:
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
                return round(value * 1000) / 1_000_000
        except OverflowError:  # an integer beyond what a float holds
            pass
        raise HarError(f"`{self.place}` of the transcript must be milliseconds, 0 or more.")

    def choice(self, kind: type[_T]) -> _T:
        """Itself as a member of an enumeration of strings."""
        self.of(str)
        try:
            return kind(self.value)
        except ValueError:
            raise HarError(f"`{self.place}` of the transcript has an unknown value: {self.value[:50]!r}.") from None

    def octets(self) -> bytes:
        """Itself, a string in base64, as octets."""
        self.of(str)
        try:
            return base64.b64decode(self.value, validate=True)
        except ValueError:
            raise HarError(f"`{self.place}` of the transcript is not base64.") from None


_KINDS: Mapping[type[object], str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "an integer",
    bool: "true or false",
}
