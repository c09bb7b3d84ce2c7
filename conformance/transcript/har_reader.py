"""Transcripts read from HAR 1.2 files: our own without loss (see `har_writer`), those of others as far as they tell.

An entry with `_ending` is taken for ours; any other one is read by `har_foreign`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from conformance.settings import files
from conformance.transcript import har_foreign
from conformance.transcript.exchange import (
    Credential,
    Ending,
    Exchange,
    Piece,
    ProbeNote,
    Request,
    Response,
    Transcript,
)
from conformance.transcript.har_nodes import HarError, Node, body_of, fields_of, latin1, started, utf8
from conformance.transcript.redaction import Redactor, mask_head

LARGEST = 512 * 1024 * 1024
"""Octets of a file that is read; characters of a text."""
_NO_NOTE = ProbeNote()
_NOTE_KINDS: Mapping[str, type[object]] = {
    field.name: {"str": str, "int": int, "bool": bool}[str(field.type).removesuffix(" | None")]
    for field in fields(ProbeNote)
}


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
    log = Node(document["log"], "log").of(dict)
    entries = log.member("entries").items()
    if not entries:
        raise HarError("The transcript has no entries.")
    for entry in entries:
        entry.of(dict)
    redactor = Redactor(har_foreign.secrets(entry for entry in entries if not _is_ours(entry)))
    exchanges = [
        _read_own(entry) if _is_ours(entry) else har_foreign.exchange(entry, f"entry-{number}", redactor)
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


def _read_head(log: Node) -> tuple[str, Mapping[str, Any]]:
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


def _is_ours(entry: Node) -> bool:
    return "_ending" in entry.value


def _read_own(entry: Node) -> Exchange:
    request = entry.member("request").of(dict)
    post = request.get("postData")
    body = None if post is None else _own_octets(post.of(dict))
    ended = entry.member("response").of(dict)
    return Exchange(
        name=entry.text("_name"),
        request=Request(
            method=request.text("method"),
            url=request.text("url"),
            headers=fields_of(request),
            body=body,
            credential=entry.member("_credential").choice(Credential),
        ),
        response=_read_own_response(ended) if ended.member("status").natural() else None,
        ending=entry.member("_ending").choice(Ending),
        started=started(entry),
        finished=entry.member("time").seconds(),
        error=entry.text("_error", ""),
        note=_read_note(entry),
        server_ip=entry.text("serverIPAddress", ""),
        head=mask_head(latin1(entry.text("_head", "")).encode("latin-1")),
    )


def _own_octets(post: Node) -> bytes:
    exact = post.get("_base64")
    return utf8(post.text("text")) if exact is None else exact.octets()


def _read_own_response(response: Node) -> Response:
    known = response.flag("_bodyKnown", True)
    body = body_of(response.member("content").of(dict)) if known else b""
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
        headers=fields_of(response),
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


def _read_note(entry: Node) -> ProbeNote:
    node = entry.get("_probe")
    if node is None:
        return _NO_NOTE
    node.of(dict)
    # A member that a newer suite added is passed over: the others still say what they say.
    given = {
        name: member.of(kind).value for name, kind in _NOTE_KINDS.items() if (member := node.get(name)) is not None
    }
    return ProbeNote(**given)
