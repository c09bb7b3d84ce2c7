"""The edges of blame, as data: whose failure takes over whose findings.

One fault is blamed once, on the most specific requirement. A requirement that is named on the right of an edge speaks
of the same fault in general; where it failed (with findings that it keeps), the one on the left has nothing of its own
to say. Edges of single findings, which depend on what was found, stand with the finding (`Finding.yields_to`).
"""

from __future__ import annotations

from collections.abc import Mapping

ACCEPT = (
    "accept.minimal",
    "accept.optional-fields",
    "accept.limits",
    "accept.roles",
    "accept.content-forms",
    "accept.metadata",
    "accept.unicode",
)
REJECT = (
    "reject.model",
    "reject.messages",
    "reject.no-user-message",
    "reject.message-shape",
    "reject.stream-type",
    "reject.max-tokens",
    "reject.max-completion-tokens",
    "reject.temperature",
    "reject.metadata",
    "reject.body",
)
STREAM = (
    "stream.media-type",
    "stream.utf8",
    "stream.framing",
    "stream.json-data",
    "stream.done",
    "stream.done-once",
    "stream.done-last",
)
CHUNK = (
    "chunk.schema",
    "chunk.id-stable",
    "chunk.created",
    "chunk.model-echo",
    "chunk.content",
    "chunk.finish-once",
    "chunk.finish-last",
    "chunk.finish-reason",
)
COMPLETION = (
    "completion.media-type",
    "completion.schema",
    "completion.created",
    "completion.model-echo",
    "completion.choices",
    "completion.finish-reason",
    "completion.content",
    "completion.usage",
)
APPROVAL = (
    "approval.envelope",
    "approval.finish-reason",
    "approval.tool-call-id",
    "approval.tool-call-shape",
    "approval.arguments",
    "approval.id",
    "approval.execution-id",
    "approval.expires-at",
    "approval.stream",
)

ABSORBED_BY: Mapping[str, tuple[str, ...]] = {
    "accept.generated": ACCEPT,
    "accept.any-valid": (*ACCEPT, "accept.unicode-edges", "accept.generated"),
    "accept.optional-fields": ("accept.minimal",),
    "accept.limits": ("accept.minimal",),
    "accept.roles": ("accept.minimal",),
    "accept.content-forms": ("accept.minimal",),
    "accept.metadata": ("accept.minimal",),
    "accept.unicode": ("accept.minimal",),
    "accept.unicode-edges": ("accept.minimal", "accept.unicode"),
    "reject.generated": (*REJECT, "stream.refusal-as-json"),
    "completion.limit-priority": ("completion.output-limit",),
    "resume.request-fields": REJECT,
    "resume.auth": ("auth.missing-header", "auth.empty-bearer", "auth.unknown-token"),
    "resume.further-round": (*APPROVAL, "kitemesh.present"),
    "stream.refusal-as-json": REJECT,
    "robust.recovers": ACCEPT,
    "sdk.openai-approval": (*COMPLETION, "http.json", "http.complete", *APPROVAL, "approval.content-null"),
    "sdk.openai-completion": (*COMPLETION, "http.json", "http.complete", "completion.usage", *APPROVAL),
    "sdk.openai-stream": (
        *STREAM,
        *CHUNK,
        "chunk.opens",
        "http.complete",
        "stream.fields",
        "stream.default-event",
        "stream.done-literal",
    ),
}
"""Requirement id to the requirements whose failure absorbs its findings."""
