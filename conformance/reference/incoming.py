"""One request as it came in, the strict reading of its body, and in the end how it is answered.

The body is read and validated when somebody first asks for it, so that a request without a valid token costs neither
(auth.before-validation).
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Generic, Self, TypeVar

from conformance.contract import schemas
from conformance.contract.schemas import SchemaError
from conformance.reference.decision import Decision, ObjectKind
from conformance.reference.identifiers import fresh_request_id
from conformance.reference.store import Record, Store

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BOM = b"\xef\xbb\xbf"
_MESSAGES_JUDGED = 1_000  # twice the limit: a body of many thousand is refused without a look at each of them
_DIGITS_AT_MOST = 300  # what every reader can hold as a number: a double ends at 309 digits


_T = TypeVar("_T")


class _Once(Generic[_T]):
    """A property that is worked out once an instance. (Before Python 3.12, that of functools locks all instances.)"""

    def __init__(self, work_out: Callable[[Any], _T]) -> None:
        self._work_out = work_out
        self.__doc__ = work_out.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type | None = None) -> _T:
        if instance is None:
            raise AttributeError(self._name)
        # From now on the instance's own attribute stands before this one, which defines no `__set__`.
        value = instance.__dict__[self._name] = self._work_out(instance)
        return value


class Endpoint(StrEnum):
    """What was asked for; the value is the path."""

    COMPLETIONS = "/v1/chat/completions"
    RESUME = "/v1/chat/resume"
    ELSEWHERE = ""


@dataclass(frozen=True, slots=True)
class ParsedBody:
    """What a body says."""

    document: dict[str, Any] = field(default_factory=dict)
    """The JSON object, without optional members that are null (they count as absent); empty where `fault` is set."""
    fault: str = ""
    """Why the body cannot be read, in words that hold nothing of it."""
    request_id: str | None = None
    """`metadata.request_id`, from bodies too that only a lenient reader understands."""


@dataclass(frozen=True)
class Incoming:
    """One request. `dataclasses.replace` gives another, which is then read and validated again."""

    endpoint: Endpoint
    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    """In the order sent, names in lower case, values decoded as Latin-1."""
    body: bytes
    """Cut off soon after `max_body` octets."""
    nth: int
    """Counts this server's requests from 1."""
    in_flight: int
    """Requests that this server is busy with, this one among them."""
    at: float
    """Unix seconds."""
    max_body: int
    max_depth: int
    store: Store = field(repr=False, compare=False)
    memory: dict[str, Any] = field(repr=False, compare=False)
    """Scratch space of this server, for a behaviour that has to remember something."""
    decision: Decision | None = None
    """What is to be answered; None until that is settled."""
    kind: ObjectKind | None = None
    """Of the answer's objects; None until it is settled what is answered."""

    def header(self, name: str) -> str | None:
        """The field's value, several joined by `, `; None where it is absent. `name` in lower case."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    @property
    def token(self) -> str | None:
        """The bearer token (RFC 6750, section 2.1); the scheme's case does not matter (RFC 9110, section 11.1)."""
        match = _BEARER.fullmatch(self.header("authorization") or "")
        return match[1] if match else None

    @property
    def media_type(self) -> str:
        """The content's type in lower case, without parameters."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    @property
    def too_large(self) -> bool:
        """True where the body is larger than this server takes."""
        return len(self.body) > self.max_body

    @_Once
    def reading(self) -> ParsedBody:
        """What the body says."""
        return read(self.body, self.max_depth)

    @property
    def document(self) -> dict[str, Any]:
        """The request's JSON object; empty where the body cannot be read."""
        return self.reading.document

    @_Once
    def errors(self) -> list[SchemaError]:
        """Breaches of the endpoint's request schema, in no more messages than it takes to know."""
        document = self.document
        if isinstance(messages := document.get("messages"), list):
            document = {**document, "messages": messages[:_MESSAGES_JUDGED]}
        return schemas.errors("resume-request" if self.endpoint is Endpoint.RESUME else "request", document)

    @_Once
    def request_id(self) -> str:
        """The request's own id where it brought one, else a fresh one."""
        return self.reading.request_id if self.reading.request_id is not None else fresh_request_id()

    @property
    def record(self) -> Record | None:
        """What is known of the approval that the request resumes; None elsewhere, and for an unknown one."""
        approval_id = self.document.get("approval_id") if self.endpoint is Endpoint.RESUME else None
        return self.store.find(approval_id.lower()) if isinstance(approval_id, str) else None

    @property
    def stream(self) -> bool:
        """True where the answer is an event stream."""
        return self.kind in (ObjectKind.CHUNK, ObjectKind.APPROVAL_CHUNK)

    def answered(self, decision: Decision, kind: ObjectKind) -> Self:
        """The same request, of which is known how it is answered. What was read of it stays read."""
        settled = copy.copy(self)
        settled.__dict__.update(decision=decision, kind=kind)
        return settled

    def with_document(self, document: object) -> Self:
        """The same request with another body."""
        return replace(self, body=json.dumps(document).encode())

    def with_header(self, name: str, value: str | None) -> Self:
        """The same request with one field set, or without it. `name` in lower case."""
        rest = tuple((key, other) for key, other in self.headers if key != name)
        return replace(self, headers=rest if value is None else (*rest, (name, value)))


def read(body: bytes, max_depth: int) -> ParsedBody:
    """Read a body strictly: RFC 8259, and what its section 4 to 8 advise for the sake of every other reader.

    Refused are, beside what is not JSON: a byte order mark, text that is not UTF-8, NaN and Infinity, numbers that a
    double cannot hold, a name used twice in an object, lone surrogates, nesting below `max_depth` levels.
    """
    try:
        document = _parse(body, max_depth)
    except UnicodeDecodeError:
        return ParsedBody(fault="The body is not UTF-8.", request_id=_leniently_read_id(body))
    except json.JSONDecodeError as error:
        return ParsedBody(fault=f"The body is not JSON: {error.msg}, at character {error.pos}.")
    except ValueError as error:
        return ParsedBody(fault=f"The body cannot be read: {error}.", request_id=_leniently_read_id(body))
    except RecursionError:
        return ParsedBody(fault="The body cannot be read: nested too deeply.")
    if not isinstance(document, dict):
        return ParsedBody(fault="The body is not a JSON object.")
    return ParsedBody(_without_nulls(document), request_id=_request_id(document))


def _parse(body: bytes, max_depth: int) -> object:
    if body.startswith(_BOM):
        raise ValueError("it begins with a byte order mark")
    document: object = _STRICT.decode(body.decode())
    # Most bodies hold neither surrogates nor that many brackets: they need not be walked through.
    if _SURROGATE_ESCAPE.search(body) or body.count(b"[") + body.count(b"{") > max_depth:
        _walk(document, max_depth)
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has a name twice")
    return members


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS_AT_MOST:
        raise ValueError("a number is too large")
    return int(digits)


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _no_number(literal: str) -> float:
    raise ValueError(f"{literal.lstrip('-')} is not a JSON number")


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_no_number)


def _walk(document: object, max_depth: int) -> None:
    """Level by level, without recursion: the depth is the sender's choice."""
    level: list[object] = [document]
    depth = 0
    while level:
        if depth >= max_depth and any(isinstance(value, dict | list) for value in level):
            raise ValueError("nested too deeply")
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below += value.keys()
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str) and _SURROGATE.search(value):
                raise ValueError("a string holds half of a surrogate pair")
        level = below
        depth += 1


def _without_nulls(document: dict[str, Any]) -> dict[str, Any]:
    present = {name: value for name, value in document.items() if value is not None}
    if isinstance(metadata := present.get("metadata"), dict):
        present["metadata"] = {name: value for name, value in metadata.items() if value is not None}
    if isinstance(denied := present.get("denied_tools"), list):
        present["denied_tools"] = [
            {name: value for name, value in tool.items() if value is not None} if isinstance(tool, dict) else tool
            for tool in denied
        ]
    return present


def _request_id(document: object) -> str | None:
    metadata = document.get("metadata") if isinstance(document, dict) else None
    request_id = metadata.get("request_id") if isinstance(metadata, dict) else None
    return request_id if isinstance(request_id, str) and not _SURROGATE.search(request_id) else None


def _leniently_read_id(body: bytes) -> str | None:
    """The request id of a body that is refused, for the error object (error.request-id-echo)."""
    try:
        return _request_id(json.loads(body.removeprefix(_BOM).decode(errors="replace")))
    except (ValueError, RecursionError):
        return None
