"""An independent conforming server, on asyncio streams and the standard library alone.

Bytes are read into a `Request`, `Rules` turns its body into an `Ask` (or raises a `Refusal`), `Service` decides on an
`Answer`, `Rendering` writes that as JSON or as chunks, and `Connection` frames it. `Running` holds its thread.
It differs on purpose from what a framework would do: see `faults.VARIATIONS` for what can be switched further.
"""

import argparse
import asyncio
import json
import re
import secrets
import threading
import time
import unicodedata
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final

from .faults import FAULT_BY_ID, VARIATION_BY_ID

Json = dict[str, Any]
Headers = tuple[tuple[str, str], ...]

CHAT: Final = "/v1/chat/completions"
RESUME: Final = "/v1/chat/resume"
TOKENS: Final = ("km_first_4f1c2a97d0b84e6f", "km_second_b7e05d3318c94a20")
TOKEN_SECONDS: Final = 0.02
THINK_SECONDS: Final = 0.03
IDLE_SECONDS: Final = 90.0
HEAD_BYTES: Final = 64 * 1024
BODY_BYTES: Final = 16 * 1024 * 1024
NESTING: Final = 200
UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
SHARED_FIELDS: Final = frozenset(
    ("model", "messages", "stream", "max_tokens", "max_completion_tokens", "temperature", "metadata")
)
RESUME_FIELDS: Final = frozenset(("approval_id", "approved_tool_execution_ids", "denied_tools"))
TOOL_ARGUMENTS: Final[Mapping[str, Json]] = {
    "create_ticket": {"priority": "high", "title": "Café fermé"},
    "notify_team": {"channel": "ops"},
    "assign_ticket": {"to": "on-call"},
}


class Refusal(Exception):
    """An error answer. `kind` and `code` are the `type` and `code` of the error object."""

    def __init__(
        self,
        status: int,
        message: str,
        kind: str = "invalid_request_error",
        code: str | int = "invalid_request",
        headers: Headers = (),
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.code, self.headers = status, message, kind, code, headers


class Dropped(Exception):
    """The connection is to be closed without an answer (faults only)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; header names in small letters, `path` without the query."""

    method: str
    path: str
    version: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def keeps_alive(self) -> bool:
        return self.version == "HTTP/1.1" and "close" not in self.headers.get("connection", "").lower()


@dataclass(frozen=True, slots=True)
class Ask:
    """A body that passed the rules. `request_id` is None where none was sent; `limit` counts tokens."""

    model: str
    prompt: str
    prompt_is_array: bool
    prompt_tokens: int
    stream: bool
    limit: int | None
    limited_by: str
    request_id: str | None
    has_metadata: bool


@dataclass(slots=True)
class Approval:
    """One pause of an execution. `calls`: ids and names; `expires`: Unix seconds; `answer`: its first one."""

    id: str
    owner: str
    execution_id: str
    calls: tuple[tuple[str, str], ...]
    expires: float
    assigns: bool
    answer: "Answer | None" = None
    decision: tuple[frozenset[str], frozenset[str]] | None = None
    spent: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What will be told, in JSON or in chunks. One piece is one token; an approval has no pieces."""

    id: str
    execution_id: str
    request_id: str
    created: int
    pieces: tuple[str, ...] = ()
    finish_reason: str = "tool_calls"
    approval: Approval | None = None
    resumed: bool = False


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """Return the next request (RFC 9112, sections 3 and 6), or None at the end. Raises `Refusal`."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).lstrip(b"\r\n").decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise Refusal(431, "the header section is too large") from None
    first, *lines = head[:-4].split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise Refusal(400, "the request line cannot be read")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise Refusal(400, "a header line cannot be read")
        key = name.lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return Request(parts[0], parts[1].partition("?")[0], parts[2], headers, await read_body(reader, headers))


async def read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    """Return the body. Raises `Refusal` where it is too large or its framing cannot be read."""
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is None:
        return await reader.readexactly(size_of(length or "0", 10))
    if coding.lower() != "chunked" or length is not None:
        raise Refusal(400, "the framing of the body cannot be read")
    body = b""
    while size := size_of((await reader.readuntil(b"\r\n")).partition(b";")[0].strip().decode("latin-1"), 16):
        body += await reader.readexactly(size)
        size_of(str(len(body)), 10)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # trailer fields say nothing to this server
    return body


def size_of(text: str, base: int) -> int:
    if not re.fullmatch(r"[0-9]{1,15}" if base == 10 else r"[0-9a-fA-F]{1,12}", text):
        raise Refusal(400, "the framing of the body cannot be read")
    if (size := int(text, base)) > BODY_BYTES:
        raise Refusal(413, "the body is too large")
    return size


def nesting(text: str) -> int:
    """Return the depth of a JSON text, in one pass, so that hostile input never reaches the recursive reader."""
    depth = deepest = 0
    quoted, skipped = False, -1
    for match in re.finditer(r'[{}\[\]"\\]', text):
        sign, place = match[0], match.start()
        if place == skipped:
            continue
        if quoted and sign == "\\":
            skipped = place + 1
        elif sign == '"':
            quoted = not quoted
        elif not quoted and sign != "\\":
            depth += 1 if sign in "{[" else -1
            deepest = max(deepest, depth)
    return deepest


@dataclass(slots=True)
class Body:
    """A JSON object as it came, with what is wrong about it as a text although it could be read."""

    members: Json
    complaints: list[str] = field(default_factory=list)

    @property
    def request_id(self) -> str | None:
        metadata = self.members.get("metadata")
        value = metadata.get("request_id") if isinstance(metadata, dict) else None
        if not isinstance(value, str) or re.search("[\ud800-\udfff]", value):
            return None
        return value


def read_json(raw: bytes, fault: str | None) -> Body:
    """Return the body. Raises `Refusal` if it is no JSON object in UTF-8 (RFC 8259)."""
    complaints: list[str] = []

    def constant(name: str) -> None:
        complaints.append(f"{name} is no JSON number")

    def unique(pairs: list[tuple[str, Any]]) -> Json:
        members = dict(pairs)
        if len(members) < len(pairs):
            complaints.append("a member comes twice in one object")
        return members

    def integer(digits: str) -> int | float:
        return int(digits) if len(digits) < 40 else float(digits)

    decoder = json.JSONDecoder(object_pairs_hook=unique, parse_constant=constant, parse_int=integer)
    try:
        text = raw.decode()
        if nesting(text) > NESTING:
            raise Refusal(400, "the body is nested too deeply", code="invalid_json")
        value = decoder.raw_decode(text.lstrip(" \t\r\n"))[0] if fault == "trailing-bytes" else decoder.decode(text)
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is no JSON text in UTF-8", code="invalid_json") from None
    if not isinstance(value, dict):
        raise Refusal(400, "the body is no JSON object")
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        if fault == "surrogate-drops":
            raise Dropped from None
        complaints.append("a text holds a lone surrogate")
    return Body(value, complaints)


def words(text: str) -> tuple[str, ...]:
    """Split a text into tokens: one word or number each, with the white space after it."""
    return tuple(re.findall(r"\S+\s*", text))


def text_of(content: object) -> str:
    """Return the text of a message's content, whichever form it has."""
    if isinstance(content, list):
        return " ".join(part["text"] for part in content if isinstance(part, dict) and "text" in part)
    return content if isinstance(content, str) else ""


@dataclass(frozen=True, slots=True)
class Rules:
    """The request rules, written by hand. `fault` is None where the fault lies on the other endpoint."""

    fault: str | None
    variations: frozenset[str]

    def breach(self, place: str, expected: str) -> Refusal:
        return Refusal(422 if "status-422" in self.variations else 400, f"{place}: expected {expected}")

    def optional(self, body: Json, name: str) -> Any:
        """Return a member, or None; null is taken as absent, which the contract leaves open."""
        if "null-refused" in self.variations and name in body and body[name] is None:
            raise self.breach(name, "a value other than null")
        return body.get(name)

    def read(self, body: Json, known: frozenset[str]) -> Ask:
        """Return the shared fields as an `Ask`. Raises `Refusal`."""
        if "extra-fields-refused" in self.variations and not known.issuperset(body):
            raise self.breach("body", "documented members only")
        model = body.get("model")
        if not isinstance(model, str) or not model.startswith("group:") or not UUID.fullmatch(model[6:]):
            raise self.breach("model", "group:<uuid>")
        messages = self.messages(body.get("messages"))
        stream = self.optional(body, "stream")
        if stream is not None and not isinstance(stream, bool):
            raise self.breach("stream", "a boolean")
        limits = {name: self.tokens(body, name) for name in ("max_completion_tokens", "max_tokens")}
        limited_by = next((name for name, value in limits.items() if value is not None), "")
        self.temperature(body)
        metadata = self.optional(body, "metadata")
        if metadata is not None:
            self.metadata(metadata)
        content = [message.get("content") for message in messages if message["role"] == "user"][-1]
        return Ask(
            model=model,
            prompt=text_of(content),
            prompt_is_array=isinstance(content, list),
            prompt_tokens=sum(len(words(text_of(message.get("content")))) for message in messages),
            stream=bool(stream),
            limit=limits.get(limited_by),
            limited_by=limited_by,
            request_id=(metadata or {}).get("request_id"),
            has_metadata=metadata is not None,
        )

    def messages(self, messages: object) -> list[Json]:
        most = 501 if self.fault == "messages-501" else 500
        if not isinstance(messages, list) or not 1 <= len(messages) <= most:
            raise self.breach("messages", "an array of 1 to 500 messages")
        for number, message in enumerate(messages):
            self.message(f"messages[{number}]", message)
        if not any(message["role"] == "user" for message in messages):
            raise self.breach("messages", "at least one message of role user")
        return messages

    def message(self, place: str, message: object) -> None:
        if not isinstance(message, dict):
            raise self.breach(place, "an object")
        if message.get("role") not in ("system", "user", "assistant", "tool"):
            raise self.breach(f"{place}.role", "system, user, assistant or tool")
        content = message.get("content")
        if isinstance(content, list):
            for part in content[:1] if self.fault == "later-part-unchecked" else content:
                if not isinstance(part, dict):
                    raise self.breach(f"{place}.content", "an array of objects")
            for part in content:
                if isinstance(part, dict) and not all(isinstance(part.get(n, ""), str) for n in ("type", "text")):
                    raise self.breach(f"{place}.content", "type and text as strings")
            if self.fault == "system-array-refused" and message["role"] == "system":
                raise self.breach(f"{place}.content", "a string")
        elif content is not None and not isinstance(content, str):
            raise self.breach(f"{place}.content", "a string, null or an array")
        if self.fault == "nfc-only" and not unicodedata.is_normalized("NFC", text_of(content)):
            raise self.breach(f"{place}.content", "text in normal form C")
        needs_call = message["role"] == "tool" and "tool-call-id-asked" in self.variations
        if needs_call and not isinstance(message.get("tool_call_id"), str):
            raise self.breach(f"{place}.tool_call_id", "a string")

    def tokens(self, body: Json, name: str) -> int | None:
        value = self.optional(body, name)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer() and "whole-floats" in self.variations:
            value = int(value)
        if value is True and self.fault == "max-tokens-bool" and name == "max_tokens":
            value = 1
        most = 200000
        if name == "max_tokens":
            most -= self.fault == "max-tokens-top-refused"
        else:
            most += self.fault == "completion-limit-plus-one"
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise self.breach(name, "an integer between 1 and 200000")
        return value

    def temperature(self, body: Json) -> None:
        value = self.optional(body, "temperature")
        most = {"temperature-tolerance": 2.001, "resume-temperature": float("inf")}.get(self.fault or "", 2)
        least = -most if self.fault == "resume-temperature" else 0
        wrong = value is not None and (isinstance(value, bool) or not isinstance(value, int | float))
        if wrong or (value is not None and not least <= value <= most):
            raise self.breach("temperature", "a number between 0 and 2")

    def metadata(self, metadata: object) -> None:
        if not isinstance(metadata, dict):
            raise self.breach("metadata", "an object")
        if self.optional(metadata, "mode") not in (None, "auto", "normal", "orch", "synth"):
            raise self.breach("metadata.mode", "auto, normal, orch or synth")
        request_id = self.optional(metadata, "request_id")
        if request_id is not None and not isinstance(request_id, str):
            raise self.breach("metadata.request_id", "a string")

    def decisions(self, body: Json) -> tuple[str, frozenset[str], frozenset[str]]:
        """Return the approval's id and the ids approved and denied, all in small letters."""
        approval_id = self.uuid("approval_id", body.get("approval_id"))
        approved, denied = self.optional(body, "approved_tool_execution_ids"), self.optional(body, "denied_tools")
        if not isinstance(approved, list | None) or not isinstance(denied, list | None):
            raise self.breach("approved_tool_execution_ids, denied_tools", "arrays")
        refused: set[str] = set()
        for denial in denied or ():
            if not isinstance(denial, dict) or not isinstance(self.optional(denial, "reason"), str | None):
                raise self.breach("denied_tools", "objects whose reason is a string")
            excused = self.fault == "denial-without-id" and "reason" in denial
            if not excused or "tool_execution_id" in denial:
                refused.add(self.uuid("denied_tools", denial.get("tool_execution_id")))
        accepted = frozenset(self.uuid("approved_tool_execution_ids", call_id) for call_id in approved or ())
        return approval_id, accepted, frozenset(refused)

    def uuid(self, place: str, value: object) -> str:
        if not isinstance(value, str) or not UUID.fullmatch(value):
            raise self.breach(place, "a UUID")
        return value.lower()


def time_uuid() -> str:
    """Return a UUID of version 7 (RFC 9562, section 5.7)."""
    bits = (int(time.time() * 1000) << 80) | secrets.randbits(80)
    return str(uuid.UUID(int=(bits & ~(0xF << 76) & ~(0x3 << 62)) | (0x7 << 76) | (0x2 << 62)))


def reply_to(prompt: str) -> str:
    """Return the text that a prompt asks for."""
    if word := re.search(r"Reply with just this word:\s*(\S+)", prompt):
        return word[1]
    if span := re.search(r"[Cc]ount from (\d{1,6}) to (\d{1,6})", prompt):
        first, last = int(span[1]), int(span[2])
        return "\n".join(str(number) for number in range(first, min(last, first + 4999) + 1)) or "Nothing to count."
    subject = " ".join(prompt.split()[:8]) or "…"
    return f"Voilà — about « {subject} » : there is much to tell, and a short answer is all that this server gives."


class Service:
    """The decisions: who may ask, what is answered, which approvals wait. One instance lives in one event loop."""

    def __init__(self, tokens: tuple[str, ...], fault: str | None, variations: frozenset[str], ttl: float) -> None:
        self.tokens, self.fault, self.variations, self.ttl = tokens, fault, variations, ttl
        self.approvals: dict[str, Approval] = {}
        self.latest_request_id = ""

    def new_uuid(self) -> str:
        return str(uuid.uuid4()) if "plain-uuids" in self.variations else str(uuid.uuid4()).upper()

    def caller(self, request: Request) -> str:
        """Return the token (RFC 6750, section 2.1; the scheme in any case). Raises `Refusal` 401."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() == "bearer":
            if token in self.tokens:
                return token
            if token and self.fault == "resume-any-token" and request.path == RESUME:
                return self.tokens[0]
            if self.fault == "token-by-shape" and request.path == CHAT and re.fullmatch(r"km_\S{8,}", token):
                return token
        challenge = 'Bearer realm="kitemesh"'
        status = 401
        if scheme and token:
            challenge += ', error="invalid_token"'
        elif self.fault == "empty-bearer-403" and scheme.lower() == "bearer" and request.path == CHAT:
            status = 403
        kind = "authentication_error"
        raise Refusal(status, "a valid bearer token is needed", kind, kind, (("WWW-Authenticate", challenge),))

    def answer(self, ask: Ask, execution_id: str, *, text: str = "", approval: Approval | None = None) -> Answer:
        """Return a new answer, cut where the request limits it."""
        request_id = ask.request_id if ask.request_id is not None else f"req-{secrets.token_hex(6)}"
        made = (f"cmpl-{secrets.token_hex(10)}", execution_id, request_id, int(time.time()))
        if approval is not None:
            return Answer(*made, approval=approval)
        pieces = words(text)
        cut = ask.limit is not None and ask.limit < len(pieces)
        return Answer(*made, pieces=pieces[: ask.limit] if cut else pieces, finish_reason="length" if cut else "stop")

    def pause(self, owner: str, execution_id: str, names: tuple[str, ...], assigns: bool) -> Approval:
        calls = [(self.new_uuid(), name) for name in names]
        if self.fault == "calls-share-id":
            calls = [(calls[0][0], name) for name in names]
        expires = time.time() + self.ttl
        approval = Approval(self.new_uuid(), owner, execution_id, tuple(calls), expires, assigns)
        self.approvals[approval.id.lower()] = approval
        return approval

    async def chat(self, caller: str, body: Json, execution_id: str) -> tuple[Ask, Answer]:
        fault = None if self.fault == "resume-temperature" else self.fault
        ask = Rules(fault, self.variations).read(body, SHARED_FIELDS)
        self.latest_request_id = ask.request_id or ""
        if self.fault == "request-id-not-ascii" and not (ask.request_id or "").isascii():
            raise Refusal(500, "something went wrong", "server_error", "server_error")
        if "create a ticket" in ask.prompt.lower():
            names = ("create_ticket", "notify_team")
            approval = self.pause(caller, execution_id, names, "assign" in ask.prompt.lower())
            answer = self.answer(ask, execution_id, approval=approval)
        else:
            answer = self.answer(ask, execution_id, text=reply_to(ask.prompt))
        await asyncio.sleep(THINK_SECONDS)
        if self.fault == "latest-request-id" and not ask.stream and answer.approval is None and ask.request_id:
            answer = replace(answer, request_id=self.latest_request_id)
        return ask, answer

    async def resume(self, caller: str, body: Json) -> tuple[Ask, Answer]:
        """Answer a resume. A refused one leaves its approval as it was; a repeated one gets the first answer again."""
        fault = self.fault if self.fault in ("resume-temperature", "denial-without-id") else None
        rules = Rules(fault, self.variations)
        try:
            ask = rules.read(body, SHARED_FIELDS | RESUME_FIELDS)
            approval, approved, denied = self.decided(caller, rules, body)
        except Refusal:
            waiting = self.approvals.get(str(body.get("approval_id")).lower())
            if self.fault == "refusal-spends" and waiting is not None:
                waiting.spent = True
            raise
        if approval.answer is None:
            if self.fault == "race-runs-twice":
                await asyncio.sleep(THINK_SECONDS)
            # No await from here to the end of the branch: the first of two simultaneous resumes claims the approval.
            approval.answer = first = self.go_on(caller, ask, approval, approved)
            approval.decision = (approved, denied)
        elif approval.decision != (approved, denied) or "repeat-refused" in self.variations:
            raise Refusal(409, "this approval has been resumed", code="approval_resumed")
        else:
            first = approval.answer
        await asyncio.sleep(THINK_SECONDS)
        request_id = first.request_id if ask.request_id is None else ask.request_id
        return ask, replace(first, request_id=request_id, resumed=True)

    def decided(self, caller: str, rules: Rules, body: Json) -> tuple[Approval, frozenset[str], frozenset[str]]:
        approval_id, approved, denied = rules.decisions(body)
        approval = self.approvals.get(approval_id)
        if approval is None or approval.owner != caller:
            code: str | int = 404 if self.fault == "code-integer-404" else "approval_not_found"
            raise Refusal(404, "no such approval waits", kind="not_found_error", code=code)
        if time.time() >= approval.expires:
            raise Refusal(410, "this approval has expired", code="approval_expired")
        if approval.spent:
            raise Refusal(409, "this approval has been resumed", code="approval_resumed")
        calls = {call_id.lower() for call_id, _ in approval.calls}
        judged = approved if self.fault == "foreign-denial" else approved | denied
        if not judged <= calls:
            raise rules.breach("tool_execution_id", "a call of this approval")
        if approved & denied:
            raise rules.breach("denied_tools", "no call that is approved as well")
        if "undecided-refused" in self.variations and calls - approved - denied:
            raise rules.breach("approved_tool_execution_ids, denied_tools", "a decision for every call")
        return approval, approved, denied

    def go_on(self, caller: str, ask: Ask, approval: Approval, approved: frozenset[str]) -> Answer:
        done = [name for call_id, name in approval.calls if call_id.lower() in approved]
        if approval.assigns and "create_ticket" in done:
            further = self.pause(caller, approval.execution_id, ("assign_ticket",), False)
            return self.answer(ask, approval.execution_id, approval=further)
        text = f"Terminé : ran {', '.join(done) or 'no tool'}, left {len(approval.calls) - len(done)} aside."
        return self.answer(ask, approval.execution_id, text=text)


@dataclass(frozen=True, slots=True)
class Rendering:
    """One answer to one request, as JSON or as chunks."""

    fault: str | None
    variations: frozenset[str]
    ask: Ask
    answer: Answer

    def envelope(self, kind: str) -> Json:
        answer, extra = self.answer, {"service_tier": "default"}
        return {"object": kind, "id": answer.id, "model": self.ask.model, "created": answer.created} | extra

    def usage(self) -> Json:
        prompt, completion = self.ask.prompt_tokens, len(self.answer.pieces)
        total = prompt + completion
        if self.fault == "total-without-prompt" and self.ask.prompt_is_array:
            total = completion
        if "reasoning-tokens" in self.variations:
            total += 32
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}

    def calls(self, approval: Approval) -> list[Json]:
        calls = []
        for index, (call_id, name) in enumerate(approval.calls):
            text = json.dumps(TOOL_ARGUMENTS[name], ensure_ascii=False, indent=1)
            function = {"name": name, "arguments": text}
            calls.append({"index": index, "id": call_id, "type": "function", "function": function})
        return calls

    def kitemesh(self) -> Json:
        answer, approval = self.answer, self.answer.approval
        member: Json = {"execution_id": answer.execution_id, "request_id": answer.request_id, "region": "loopback"}
        if self.fault == "request-id-not-made" and not self.ask.has_metadata:
            del member["request_id"]
        if approval is None:
            return member | {"credits_charged": round(0.01 + len(answer.pieces) / 100, 2)}
        zone = timezone(timedelta(hours=5, minutes=30) if "expiry-offset" in self.variations else timedelta(0))
        moment = datetime.fromtimestamp(approval.expires, zone)
        if self.fault == "stream-expiry-local" and self.ask.stream:
            moment = moment.replace(tzinfo=None)
        return member | {"approval_id": approval.id, "expires_at": moment.isoformat(timespec="microseconds")}

    def completion(self) -> Json:
        """Return the JSON answer, standard or approval."""
        answer = self.answer
        payload = self.envelope("chat.completion")
        message: Json = {"role": "assistant", "content": "".join(answer.pieces), "annotations": []}
        finish_reason = answer.finish_reason
        if answer.approval is not None:
            message |= {"content": None, "tool_calls": self.calls(answer.approval)}
        elif self.fault == "created-ms-resumed" and answer.resumed:
            payload["created"] = answer.created * 1000
        if self.fault == "cut-reason-unknown" and finish_reason == "length":
            finish_reason = self.ask.limited_by if self.ask.limited_by != "max_tokens" else finish_reason
        payload["choices"] = [{"finish_reason": finish_reason, "message": message, "index": 0}]
        if answer.approval is None or "usage-on-approval" in self.variations:
            payload["usage"] = self.usage()
        payload["kitemesh"] = self.kitemesh()
        if self.fault == "nan-on-resume" and answer.resumed:
            payload["kitemesh"]["queue_ms"] = float("nan")
        return payload

    def chunk(self, delta: Json, finish_reason: str | None = None) -> Json:
        delta = {"role": "assistant"} | delta if "role-everywhere" in self.variations else delta
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        if "no-null-members" in self.variations:
            choice["delta"] = {name: value for name, value in delta.items() if value is not None}
            choice = {name: value for name, value in choice.items() if value is not None}
        return self.envelope("chat.completion.chunk") | {"choices": [choice]}

    def chunks(self) -> Iterator[Json]:
        """Yield the chunks of the stream, the usage chunk last."""
        answer = self.answer
        yield self.chunk({"role": "assistant", "content": None})
        if answer.approval is not None:
            yield from self.approval_chunks(self.calls(answer.approval))
            with_usage = "usage-on-approval" in self.variations
        else:
            yield from self.text_chunks()
            with_usage = "plain-stream" not in self.variations
        if with_usage:
            yield self.envelope("chat.completion.chunk") | {"choices": [], "usage": self.usage()}

    def text_chunks(self) -> Iterator[Json]:
        pieces = list(self.answer.pieces)
        if self.fault == "character-split":
            pieces = [half for piece in pieces for half in split_character(piece)]
        last = {} if "separate-finish" in self.variations else {"content": pieces.pop()}
        for piece in pieces:
            yield self.chunk({"content": piece})
        final = self.chunk(last, self.answer.finish_reason)
        if "plain-stream" not in self.variations:
            final["kitemesh"] = self.kitemesh()
        if self.fault == "last-chunk-id":
            final["id"] = f"cmpl-{secrets.token_hex(10)}"
        yield final

    def approval_chunks(self, calls: list[Json]) -> Iterator[Json]:
        if "approval-fragments" in self.variations:
            for call in calls:
                text = call["function"]["arguments"]
                yield self.chunk({"tool_calls": [call | {"function": {**call["function"], "arguments": ""}}]})
                for start in range(0, len(text), 7):
                    part = {"index": call["index"], "function": {"arguments": text[start : start + 7]}}
                    yield self.chunk({"tool_calls": [part]})
            calls = []
        delta: Json = {"tool_calls": calls} if calls else {}
        yield self.chunk(delta, "tool_calls") | {"kitemesh": self.kitemesh()}


def split_character(piece: str) -> list[str]:
    """Split a piece inside its first character beyond ASCII, as a careless reader of UTF-8 does."""
    place = next((index for index, sign in enumerate(piece) if not sign.isascii()), None)
    if place is None:
        return [piece]
    raw, cut = piece.encode(), place + 1
    return [raw[:cut].decode(errors="replace"), raw[cut:].decode(errors="replace")]


class Connection:
    """One TCP connection: its requests one after the other, each answer framed as HTTP/1.1 asks."""

    def __init__(self, server: "Server", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.service, self.server, self.reader, self.writer = server.service, server, reader, writer
        self.fault, self.variations = self.service.fault, self.service.variations
        self.execution_id = time_uuid()
        self.begun = self.chunked = False

    async def serve(self) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, Dropped):
            while await self.serve_one():
                pass

    async def serve_one(self) -> bool:
        """Answer one request; tell whether the connection goes on."""
        self.begun = False
        try:
            request = await asyncio.wait_for(read_request(self.reader, self.writer), IDLE_SECONDS)
        except Refusal as refusal:
            await self.refuse(refusal, None, keeps_alive=False)
            return False
        if request is None:
            return False
        body: Body | None = None
        try:
            caller = self.admit(request)
            body = read_json(request.body, self.fault)
            if body.complaints:
                raise Refusal(400, body.complaints[0], code="invalid_json")
            return await self.respond(request, caller, body)
        except Refusal as refusal:
            await self.refuse(refusal, body, request.keeps_alive, request.method == "HEAD")
            return request.keeps_alive

    def admit(self, request: Request) -> str:
        """Return the caller's token: path, method, token and media type are judged before the body, in this order."""
        if request.path not in (CHAT, RESUME):
            raise Refusal(404, "no such endpoint", kind="not_found_error", code="not_found")
        if request.method != "POST":
            raise Refusal(405, "POST only", code="method_not_allowed", headers=(("Allow", "POST"),))
        caller = self.service.caller(request)
        media, _, rest = request.headers.get("content-type", "").lower().partition(";")
        charset = re.search(r'charset\s*=\s*"?([^";\s]+)', rest)
        coding = request.headers.get("content-encoding", "identity").lower()
        if media.strip() != "application/json" or (charset and charset[1] != "utf-8") or coding != "identity":
            raise Refusal(415, "the body must be application/json, in UTF-8", code="unsupported_media_type")
        if self.fault == "megabyte-drops" and len(request.body) >= 1_000_000:
            raise Dropped
        return caller

    async def respond(self, request: Request, caller: str, body: Body) -> bool:
        execution_id = self.execution_id if self.fault == "execution-per-connection" else time_uuid()
        try:
            if request.path == CHAT:
                ask, answer = await self.service.chat(caller, body.members, execution_id)
            else:
                ask, answer = await self.service.resume(caller, body.members)
        except Refusal as refusal:
            late = self.fault == "stream-temperature-200" and request.path == CHAT
            if late and body.members.get("stream") is True and refusal.message.startswith("temperature"):
                return await self.refuse_late(request, refusal, body)
            raise
        rendering = Rendering(self.fault, self.variations, ask, answer)
        if ask.stream:
            return await self.stream(request, rendering)
        await self.send_json(200, rendering.completion(), keeps_alive=request.keeps_alive)
        return request.keeps_alive

    async def refuse(self, refusal: Refusal, body: Body | None, keeps_alive: bool, head: bool = False) -> None:
        await self.send_json(refusal.status, self.error(refusal, body), refusal.headers, keeps_alive, head)

    def error(self, refusal: Refusal, body: Body | None) -> Json:
        request_id = body.request_id if body else None
        if body and self.fault == "error-id-new-for-stream" and body.members.get("stream") is True:
            request_id = None if refusal.status == 400 else request_id
        if request_id is None:
            request_id = f"req-{secrets.token_hex(6)}"
        names = {"message": refusal.message, "type": refusal.kind, "code": refusal.code, "request_id": request_id}
        return {"error": names}

    async def send_json(
        self, status: int, payload: Json, headers: Headers = (), keeps_alive: bool = True, head: bool = False
    ) -> None:
        raw = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        lines = [("Content-Type", "application/json"), ("Content-Length", str(len(raw))), *headers]
        self.start(status, lines, keeps_alive)
        self.writer.write(b"" if head else raw)
        await self.writer.drain()

    def start(self, status: int, headers: list[tuple[str, str]], keeps_alive: bool) -> None:
        self.begun = True
        headers = [("Date", formatdate(usegmt=True)), ("Cache-Control", "no-store"), *headers]
        headers.append(("Connection", "keep-alive" if keeps_alive else "close"))
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers)]
        self.writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1"))

    async def open_stream(self, request: Request) -> bool:
        """Send the head of a stream; tell whether the connection goes on after it."""
        self.chunked = request.version == "HTTP/1.1" and "close-delimited" not in self.variations
        keeps_alive = self.chunked and request.keeps_alive and self.fault != "approval-stream-cut"
        headers = [("Content-Type", "text/event-stream; charset=utf-8"), ("X-Accel-Buffering", "no")]
        self.start(200, headers + [("Transfer-Encoding", "chunked")] * self.chunked, keeps_alive)
        return keeps_alive

    async def push(self, raw: bytes) -> None:
        """Send bytes of a stream, and wait for a client that reads slowly."""
        size = 5 if "small-writes" in self.variations else len(raw)
        for start in range(0, len(raw), size):
            part = raw[start : start + size]
            self.writer.write(b"%x\r\n%b\r\n" % (len(part), part) if self.chunked else part)
            await self.writer.drain()

    def event(self, data: str, number: int) -> bytes:
        space = " " if "no-space" not in self.variations or data == "[DONE]" else ""
        lines = [f"data:{space}{data}", "", ""]
        if "plain-stream" not in self.variations:
            lines.insert(0, f"id:{space}{number}")
        return self.line_end().join(lines).encode()

    def line_end(self) -> str:
        return "\n" if "lf-lines" in self.variations else "\r" if "cr-lines" in self.variations else "\r\n"

    async def stream(self, request: Request, rendering: Rendering) -> bool:
        keeps_alive = await self.open_stream(request)
        answer = rendering.answer
        chunks = list(rendering.chunks())
        late = [chunks.pop()] if self.fault == "usage-after-done" and answer.resumed and not answer.approval else []
        if "bom-first" in self.variations:
            await self.push(b"\xef\xbb\xbf")
        live, mixed = self.server.live, False
        try:
            for number, chunk in enumerate(chunks):
                if number:
                    await asyncio.sleep(TOKEN_SECONDS)
                if number % 10 == 0:
                    await self.heartbeat(number)
                if self.fault == "created-per-chunk":
                    chunk["created"] = int(time.time())
                live[answer.id] = chunk
                others = [other for key, other in live.items() if key != answer.id]
                if self.fault == "streams-mixed" and number and others and not mixed:
                    mixed = True
                    await self.push(self.event(json.dumps(others[0], ensure_ascii=False), number))
                await self.push(self.event(json.dumps(chunk, ensure_ascii=False), number))
        finally:
            live.pop(answer.id, None)
        await self.push(self.event("[DONE]", len(chunks)))
        for chunk in late:
            await self.push(self.event(json.dumps(chunk, ensure_ascii=False), len(chunks) + 1))
        return await self.close_stream(keeps_alive, cut=self.fault == "approval-stream-cut" and bool(answer.approval))

    async def heartbeat(self, number: int) -> None:
        if "plain-stream" not in self.variations:
            beat = b": caf\xe9" if self.fault == "comment-latin-1" else ": café".encode()
            # A comment block of its own after an id line makes some clients see an event without data.
            await self.push(beat + self.line_end().encode() * (2 if "comment-blocks" in self.variations else 1))
        if self.fault == "late-empty-data" and number == 30:
            await self.push(self.event("", number))

    async def close_stream(self, keeps_alive: bool, *, cut: bool = False) -> bool:
        if self.chunked and not cut:
            self.writer.write(b"0\r\n\r\n")
            await self.writer.drain()
        return keeps_alive

    async def refuse_late(self, request: Request, refusal: Refusal, body: Body) -> bool:
        keeps_alive = await self.open_stream(request)
        await self.push(self.event(json.dumps(self.error(refusal, body)), 0) + self.event("[DONE]", 1))
        return await self.close_stream(keeps_alive)


class Server:
    """The listening side: one task for each connection."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.live: dict[str, Json] = {}

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self, reader, writer)
        try:
            await connection.serve()
        except Exception:
            if not connection.begun:  # a defect of this server: told without its insides
                with suppress(OSError):
                    await connection.refuse(
                        Refusal(500, "something went wrong", "server_error", "server_error"), None, False
                    )
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()


class Running:
    """A server in a thread of its own, on loopback. `url` is the base address, ending in /v1."""

    def __init__(self, service: Service, port: int) -> None:
        self._loop, self._server = asyncio.new_event_loop(), Server(service)
        listening = asyncio.start_server(self._server.connected, "127.0.0.1", port, limit=HEAD_BYTES, backlog=512)
        try:
            self._listening = self._loop.run_until_complete(listening)
        except OSError:
            self._loop.close()
            raise
        self.url = f"http://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._run, name="independent-server", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        self._listening.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # lets the transports close their sockets

    def close(self) -> None:
        """Stop at once; connections that are open break off."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    def __enter__(self) -> "Running":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start(
    *,
    tokens: tuple[str, ...] = TOKENS,
    fault: str | None = None,
    variations: frozenset[str] = frozenset(),
    approval_ttl: float = 600,
    port: int = 0,
) -> Running:
    """Start a server. `approval_ttl` is in seconds; port 0 takes a free one. Raises ValueError for an unknown id."""
    if fault is not None and fault not in FAULT_BY_ID:
        raise ValueError(f"unknown fault: {fault}")
    if unknown := variations - VARIATION_BY_ID.keys():
        raise ValueError(f"unknown variations: {', '.join(sorted(unknown))}")
    return Running(Service(tokens, fault, variations, approval_ttl), port)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.studies.independent.server", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fault", choices=sorted(FAULT_BY_ID), metavar="ID")
    parser.add_argument("--variation", choices=sorted(VARIATION_BY_ID), metavar="ID", action="append", default=[])
    parser.add_argument("--approval-ttl", type=float, default=600)
    options = parser.parse_args()
    variations, ttl = frozenset(options.variation), options.approval_ttl
    with start(fault=options.fault, variations=variations, approval_ttl=ttl, port=options.port) as running:
        print(f"{running.url}  tokens: {', '.join(TOKENS)}", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
