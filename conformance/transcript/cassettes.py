"""Cassettes of VCR, of Python (`vcrpy`) and of Ruby, as YAML or JSON: each interaction becomes an entry of a HAR.

A file is cut into its interactions before its YAML is read: as a whole it takes ten times its size. Times are not in
them (of Ruby's, when they were recorded); header fields are lists by name; bodies are text, or base64 where they were
not.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from conformance.transcript.account import LeftOut, Why
from conformance.transcript.exchange import Transcript
from conformance.transcript.har_nodes import HarError
from conformance.transcript.har_reader import Gathered
from conformance.transcript.json_document import BLOCK, LONGEST, MOST, Document, Ended, Malformed

Read = Callable[[int], bytes]
_LISTS = ("interactions", "http_interactions")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LIST = re.compile(rb"(?:http_)?interactions:[ \t]*(?:#.*)?$")


def is_yaml(head: bytes) -> bool:
    """True for the first octets of a cassette in YAML."""
    return re.search(rb"^(?:http_)?interactions:", head, re.MULTILINE) is not None


def is_json(keys: list[bytes]) -> bool:
    """True for the first names of members of a cassette in JSON."""
    return bool(keys) and (keys[0].decode() in _LISTS or (b"interactions" in keys and b"log" not in keys))


def read_yaml(source: Read) -> Transcript:
    """Read a cassette in YAML. Raises HarError."""
    gathered = Gathered()
    creator = "vcrpy"
    for text in _interactions(source):
        gathered.account.entries += 1
        if len(text) > MOST:
            gathered.account.leave_out(gathered.next, LeftOut(Why.SHORTENED, "it is too large to be read"))
            continue
        try:
            loaded = yaml.load(text, Loader=_LOADER)
            value = loaded[0] if isinstance(loaded, list) and loaded else None
        except (yaml.YAMLError, ValueError, RecursionError):
            gathered.account.leave_out(gathered.next, LeftOut(Why.UNREADABLE, "it is not YAML that stands by itself"))
            continue
        if isinstance(value, dict) and "recorded_at" in value:
            creator = "VCR"
        _take(gathered, value)
    return _told(gathered, creator)


def read_json(source: Read) -> Transcript:
    """Read a cassette in JSON. Raises HarError."""
    gathered = Gathered()
    try:
        for element in Document(source, [(name,) for name in _LISTS]):
            gathered.account.entries += 1
            try:
                _take(gathered, json.loads(element.octets or b"null"), shortened=element.shortened)
            except (ValueError, RecursionError):
                gathered.account.leave_out(gathered.next, LeftOut(Why.UNREADABLE, "it is not JSON"))
    except Ended:
        gathered.account.entries += 1
        gathered.account.leave_out(gathered.next, LeftOut(Why.UNREADABLE, "the file ends within it"))
    except Malformed as error:
        raise HarError(f"It looks like a cassette of VCR, but it is not JSON ({error}).") from None
    return _told(gathered, "VCR")


def _told(gathered: Gathered, creator: str) -> Transcript:
    if not gathered.account.entries:
        raise HarError("It looks like a cassette of VCR, but it holds no interaction.")
    return gathered.transcript(creator, {})


def _interactions(source: Read) -> Iterator[bytes]:
    """The octets of one interaction after the other, as a list of one; what is too large is cut behind `MOST`."""
    held: list[bytes] | None = None
    size = 0
    mark = b""
    inside = False
    for line in _lines(source):
        if not inside:
            inside = _LIST.match(line) is not None
            continue
        item = re.match(rb"( *)- ", line)
        if not mark and item:
            mark = item[0]
        if mark and line.startswith(mark):
            if held:
                yield b"\n".join(held)
            held, size = [], 0
        elif line and line[:1] not in b" -#\t":
            inside = False  # another member of the cassette, behind the list
            continue
        if held is not None:
            size += len(line)
            if size <= MOST + LONGEST:
                held.append(line)
    if held:
        yield b"\n".join(held)


def _lines(source: Read) -> Iterator[bytes]:
    rest = b""
    while block := source(BLOCK):
        if len(rest) > MOST and b"\n" not in block:
            continue  # one line of many megabytes: nothing behind its beginning is read
        *lines, rest = (rest + block).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in lines)
    yield rest


def _take(gathered: Gathered, interaction: Any, *, shortened: bool = False) -> None:
    try:
        entry = _entry(interaction)
    except HarError as error:
        gathered.account.leave_out(gathered.next, LeftOut(Why.UNREADABLE, str(error)))
    else:
        gathered.hold(entry, shortened=shortened)


def _entry(interaction: Any) -> dict[str, Any]:
    """An interaction as an entry of a HAR."""
    if not isinstance(interaction, dict) or not isinstance(interaction.get("request"), dict):
        raise HarError("it has no member `request`")
    request, response = interaction["request"], interaction.get("response")
    entry: dict[str, Any] = {
        "startedDateTime": str(interaction.get("recorded_at") or ""),
        "request": {
            "method": str(request.get("method") or "").upper(),
            "url": request.get("uri") or request.get("url"),
            "headers": request.get("headers"),
            "postData": _content(request.get("body"), request=True),
        },
    }
    if isinstance(response, dict):
        status = response.get("status")
        code = status.get("code") if isinstance(status, dict) else response.get("status_code", status)
        content = _content(response.get("body") if "body" in response else response.get("content"))
        entry["response"] = {"status": code, "headers": response.get("headers"), "content": content or {}}
    return entry


def _content(body: Any, *, request: bool = False) -> dict[str, Any] | None:
    """A body as HAR writes it: text, or octets as base64."""
    if isinstance(body, dict):
        for name in ("base64_string", "base64"):
            if isinstance(body.get(name), str | bytes):
                text = body[name]
                return {
                    "text": text.decode("ascii", "replace") if isinstance(text, bytes) else text,
                    "encoding": "base64",
                }
        body = body.get("string")
    if isinstance(body, bytes):
        return {"text": base64.b64encode(body).decode("ascii"), "encoding": "base64"}
    if isinstance(body, str):
        return {"text": body}
    if body is None:
        return {"text": ""} if request else None
    return {"text": json.dumps(body)}
