"""When a server behaves differently: conditions, all of one type.

A condition takes the request. Once the answer is decided, it may look at that too (`Incoming.kind` and
`Incoming.decision`): such conditions can be used in the seams from `shape` on, not before.

Most tables begin with `plain_chat`: the other endpoint and the event stream have their own requirements, and a
fault should break only one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from conformance.reference.decision import Decision, ObjectKind, Refuse, Serve
from conformance.reference.incoming import Endpoint, Incoming
from conformance.reference.model import last_prompt

Object = dict[str, Any]
When = Callable[[Incoming], bool]
"""A condition on the request, and on its answer once that is decided."""

LONG = 40
"""Tokens above which an answer is long."""


# --- of conditions


def always(incoming: Incoming) -> bool:
    """Every request."""
    return True


def all_of(*conditions: When) -> When:
    """All of the conditions hold; they are tried from left to right until one does not."""
    return lambda incoming: all(condition(incoming) for condition in conditions)


def unless(condition: When) -> When:
    """The condition does not hold."""
    return lambda incoming: not condition(incoming)


def every(count: int, condition: When = always) -> When:
    """The second request, and then every n-th, of those that the condition holds for."""

    def holds(incoming: Incoming) -> bool:
        if not condition(incoming):
            return False
        seen: dict[int, int] = incoming.memory.setdefault(f"every-{id(holds)}", {})
        # A request may be asked about in several seams: it has one number.
        return seen.setdefault(incoming.nth, len(seen) + 1) % count == 2 % count

    return holds


def one_in(nth: int, times: int, among: When = always) -> When:
    """The first `times` sendings of about one request in `nth`: the same ones in every run with one seed."""

    def holds(incoming: Incoming) -> bool:
        if not among(incoming):
            return False
        name = (incoming.reading.request_id or "").encode() or incoming.body
        picked = int.from_bytes(hashlib.sha256(name).digest()[:4]) % nth == 0
        key = hashlib.sha256(incoming.path.encode() + b"\n" + incoming.body).hexdigest()
        left: dict[str, int] = incoming.memory.setdefault("left", {})
        if left.setdefault(key, times if picked else 0) == 0:
            return False
        left[key] -= 1
        return True

    return holds


# --- of the request


def chat(incoming: Incoming) -> bool:
    """A request to chat completions."""
    return incoming.endpoint is Endpoint.COMPLETIONS


def resume(incoming: Incoming) -> bool:
    """A request to resume."""
    return incoming.endpoint is Endpoint.RESUME


def streamed(incoming: Incoming) -> bool:
    """The body asks for an event stream."""
    return incoming.document.get("stream") is True


plain_chat = all_of(chat, unless(streamed))
"""A request to chat completions for a JSON answer."""
streamed_chat = all_of(chat, streamed)
"""A request to chat completions for an event stream."""


def crowded(incoming: Incoming) -> bool:
    """The server is busy with another request, too."""
    return incoming.in_flight > 1


def no_authorization(incoming: Incoming) -> bool:
    """There is no Authorization."""
    return incoming.header("authorization") is None


def empty_bearer(incoming: Incoming) -> bool:
    """Authorization holds the scheme and no token."""
    return (incoming.header("authorization") or "").strip().lower() == "bearer"


def header_is(name: str, holds: Callable[[str | None], bool]) -> When:
    """The header field satisfies `holds`. `name` in lower case; the field may be absent."""
    return lambda incoming: holds(incoming.header(name))


def body_has(*octets: bytes) -> When:
    """The body holds one of these sequences of octets."""
    return lambda incoming: any(sequence in incoming.body for sequence in octets)


def has(*members: str) -> When:
    """The body has all of these members, and none of them is null."""
    return lambda incoming: all(member in incoming.document for member in members)


def lacks(*members: str) -> When:
    """The body has none of these members."""
    return lambda incoming: all(member not in incoming.document for member in members)


def member_is(member: str, holds: Callable[[Any], bool]) -> When:
    """The body has the member, and its value is such."""
    return lambda incoming: member in incoming.document and holds(incoming.document[member])


def limit_is(limit: int) -> When:
    """Either limit of the output is this one."""
    return lambda incoming: limit in map(incoming.document.get, ("max_tokens", "max_completion_tokens"))


def metadata(incoming: Incoming) -> Object:
    """The body's metadata; empty where they are absent, or no object."""
    found = incoming.document.get("metadata")
    return found if isinstance(found, dict) else {}


def mode_is(mode: str) -> When:
    """The request names this mode."""
    return lambda incoming: metadata(incoming).get("mode") == mode


def has_mode(incoming: Incoming) -> bool:
    """The request names a mode, whatever it is."""
    return "mode" in metadata(incoming)


def empty_metadata(incoming: Incoming) -> bool:
    """The body's metadata are there, and empty."""
    return "metadata" in incoming.document and not metadata(incoming)


def request_id_is(form: str) -> When:
    """True where a `request_id` is there, and is as a whole what a regular expression says."""

    def holds(incoming: Incoming) -> bool:
        request_id = incoming.reading.request_id
        return request_id is not None and re.fullmatch(form, request_id) is not None

    return holds


def has_request_id(incoming: Incoming) -> bool:
    """The request has its own id."""
    return isinstance(metadata(incoming).get("request_id"), str)


# --- of the conversation


def messages(incoming: Incoming) -> list[Object]:
    """The body's messages, as far as they are objects; none where the body is refused unread."""
    return _objects(incoming.document)


def sent(incoming: Incoming) -> Object:
    """The body as it was sent, nulls included, read leniently; empty where it cannot be read."""
    try:
        document = json.loads(incoming.body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def sent_messages(incoming: Incoming) -> list[Object]:
    """The messages of the body as it was sent."""
    return _objects(sent(incoming))


def _objects(document: Object) -> list[Object]:
    found = document.get("messages")
    return [message for message in found if isinstance(message, dict)] if isinstance(found, list) else []


def prompt(incoming: Incoming) -> str:
    """The text of the last user message."""
    return last_prompt(sent_messages(incoming))


def prompt_has(words: str) -> When:
    """The last user message holds these words."""
    return lambda incoming: words in prompt(incoming)


def message_count(least: int) -> When:
    """The conversation has so many items or more, whatever they are."""

    def holds(incoming: Incoming) -> bool:
        found = incoming.document.get("messages")
        return isinstance(found, list) and len(found) >= least

    return holds


def any_message(holds: Callable[[Object], bool]) -> When:
    """One of the messages is such."""
    return lambda incoming: any(holds(message) for message in messages(incoming))


def role(*roles: str) -> Callable[[Object], bool]:
    """A message with one of these roles."""
    return lambda message: message.get("role") in roles


def parts(message: Object) -> list[Any]:
    """A message's content parts; empty where its content is not an array."""
    content = message.get("content")
    return content if isinstance(content, list) else []


array_content = any_message(lambda message: isinstance(message.get("content"), list))
"""A message's content is an array of parts."""


def text(message: Object) -> str:
    """A message's text: its string content, or that of its parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    found = [part.get("text") for part in parts(message) if isinstance(part, dict)]
    return "".join(piece for piece in found if isinstance(piece, str))


def any_text(pattern: str) -> When:
    """The regular expression is found in the text of a message."""
    compiled = re.compile(pattern)
    return any_message(lambda message: compiled.search(text(message)) is not None)


non_ascii = any_text(r"[^\x00-\x7f]")
"""Some text goes beyond ASCII."""


# --- of the answer, once it is settled


def answer_is(*kinds: ObjectKind) -> When:
    """The answer is of one of these kinds."""
    return lambda incoming: incoming.kind in kinds


def any_stream(incoming: Incoming) -> bool:
    """Every event stream: text or approval, of either endpoint."""
    return incoming.stream


text_stream = all_of(answer_is(ObjectKind.CHUNK), chat)
"""A text stream of chat completions."""
resumed_stream = all_of(answer_is(ObjectKind.CHUNK), resume)
"""A text stream of a resume."""
approval_stream = all_of(answer_is(ObjectKind.APPROVAL_CHUNK), chat)
"""The stream of a new chat that waits for approval."""
approval_json = all_of(answer_is(ObjectKind.APPROVAL), chat)
"""The JSON answer to a new chat that waits for approval."""
approval = all_of(answer_is(ObjectKind.APPROVAL, ObjectKind.APPROVAL_CHUNK), chat)
"""An answer to a new chat that waits for approval, in either mode."""
further_round = all_of(answer_is(ObjectKind.APPROVAL, ObjectKind.APPROVAL_CHUNK), resume)
"""The answer to a resume, in either mode, that waits for another approval."""


def _tokens(decision: Decision | None) -> int:
    return len(decision.tokens) if isinstance(decision, Serve) else 0


def long(incoming: Incoming) -> bool:
    """An answer of more than `LONG` tokens."""
    return _tokens(incoming.decision) > LONG


def short(incoming: Incoming) -> bool:
    """An answer of one token to `LONG`."""
    return 0 < _tokens(incoming.decision) <= LONG


def cut_off(incoming: Incoming) -> bool:
    """The answer was cut at the limit that was asked for."""
    return isinstance(incoming.decision, Serve) and incoming.decision.finish_reason == "length"


def refused_as(code: str) -> When:
    """The request is refused with this code."""
    return lambda incoming: isinstance(incoming.decision, Refuse) and incoming.decision.code == code


def status_is(status: int) -> When:
    """The request is refused with this status."""
    return lambda incoming: isinstance(incoming.decision, Refuse) and incoming.decision.status == status
