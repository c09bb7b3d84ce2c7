"""What each client is asked to do, what it has to come back with, and which servers it is sent to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from conformance.client import troubles
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT

WORDS = " ".join(
    [
        "Le cerf-volant s'élève — plus haut que les toits, où l'été reste encore, et le fil chante 🪁 dans la main.",
        "凧は空へ 上がり 子供たちは 走る 。",
        "Below the hill somebody counts to ten, loses the thread at seven, and begins anew, a little slower, laughing.",
        "What holds a kite is not the wind alone but the line that it pulls against. 🎏 Ende gut.",
    ]
)
"""More than forty words, of several scripts: some faults show in long answers only, some beyond ASCII only."""
TITLE = "kite"
CALLS = (
    ("create_ticket", {"priority": "high", "title": TITLE}),
    ("notify_team", {"channel": "support", "urgent": False}),
)
REASON = "The request breaks the schema at /messages"
CODE = "invalid_request"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that a client does. Without a prompt it sends no message, which has to be refused."""

    id: str
    prompt: str | None
    content: str = ""
    finish: str = ""
    calls: tuple[tuple[str, Mapping[str, object]], ...] = ()


SCENARIOS = (
    Scenario("text", f"Reply with just these words: {WORDS}", WORDS, "stop"),
    Scenario("tools", f"{DEFAULT_APPROVAL_PROMPT}\n{TITLE}", "", "tool_calls", CALLS),
    Scenario("refusal", None),
)

FAULTS = (
    # How a stream ends.
    "stream-done-absent",
    "stream-done-absent-open",
    "stream-closes-never",
    "stream-done-twice",
    "stream-done-then-usage",
    "stream-done-quoted",
    "stream-framing-done-unterminated",
    "stream-truncated-long",
    # Its framing and its bytes.
    "stream-framing-one-newline",
    "stream-fields-bom-per-event",
    "stream-fields-error-line",
    "stream-event-keepalive",
    "stream-json-data-comment",
    "stream-json-data-empty",
    "stream-json-data-multiline",
    "stream-json-data-raw-text",
    "stream-utf8-latin-1",
    "stream-media-type-json-for-stream",
    "stream-media-type-events-as-json",
    "sse-unasked",
    # Its chunks.
    "chunk-id-varies",
    "chunk-created-ms",
    "chunk-delta-missing",
    "chunk-choices-absent",
    "chunk-role-never",
    "chunk-appends-not",
    "chunk-text-torn",
    "chunk-finish-missing",
    "chunk-finish-empty",
    "chunk-finish-before-last-text",
    # Tool calls that wait for approval.
    "approval-finish-stop",
    "approval-finish-stop-stream",
    "approval-stream-index-zero",
    "call-id-missing",
    "arguments-object",
    "arguments-object-stream",
    "arguments-absent",
    "arguments-python",
    # JSON answers and errors.
    "content-absent",
    "completion-no-created",
    "error-200-choices-null",
    "error-detail",
    "error-code-integer",
    "messages-empty-500",
    "stream-refusal-200-messages",
)
"""Most come from the faults that are reported most often, of streams, tools, approvals and errors."""

VARIATIONS = (
    "approval-stream-no-index",
    "sse-bom",
    "sse-crlf",
    "sse-cr",
    "sse-no-space",
    "sse-comments",
    "sse-comments-at-both-ends",
    "sse-heartbeats",
    "sse-ids-and-retry",
    "sse-retry-alone",
    "sse-event-message",
    "sse-pretty-data",
    "sse-byte-by-byte",
    "stream-role-alone",
    "stream-usage-chunk",
    "stream-null-members",
    "stream-null-reason-left-out",
    "stream-kitemesh-apart",
    "approval-stream-empty-choices",
    "tool-calls-null",
    "sse-across-borders",
    "sse-line-separators",
    "stream-role-in-each-delta",
    "stream-finish-with-content",
    "stream-reasoning-content",
    "stream-error-null",
    "json-pretty",
    "json-escaped",
    "integers-as-floats",
    "extra-members-everywhere",
    "uuids-upper",
    "header-names-upper",
    "json-chunked",
    "http-1-0",
    "early-hints",
    "gzip-where-offered",
    "gzip-streams-where-offered",
    "closes-every-connection",
)
"""What a server may do, and what some client may not take: it is not to blame, but its users are hurt."""

TROUBLES = tuple(trouble.id for trouble in troubles.TROUBLES if not trouble.shows.startswith("client.resume"))
"""None of these clients knows how to resume."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client in one of the ways in which it is used."""

    id: str
    package: str
    registry: str
    way: str


CLIENTS: Mapping[str, Client] = MappingProxyType(
    {
        client.id: client
        for client in (
            Client("openai-python-create", "openai", "PyPI", "create()"),
            Client("openai-python-stream", "openai", "PyPI", "create(stream=True)"),
            Client("openai-python-helper", "openai", "PyPI", ".stream()"),
            Client("openai-npm-create", "openai", "npm", "create()"),
            Client("openai-npm-stream", "openai", "npm", "create({stream: true})"),
            Client("openai-npm-helper", "openai", "npm", ".stream()"),
            Client("langchain-invoke", "langchain-openai", "PyPI", "invoke()"),
            Client("langchain-stream", "langchain-openai", "PyPI", "stream()"),
            Client("parser-fetch", "eventsource-parser", "npm", "fetch and JSON.parse"),
            Client("httpx-sse", "httpx-sse", "PyPI", "httpx and json.loads"),
        )
    }
)
