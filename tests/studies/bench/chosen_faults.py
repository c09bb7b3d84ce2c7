"""The twenty-five faults that the tools are compared on.

Chosen from the contract, before any tool was run: each area of the contract has a share by its number of requirements
(at least one), spread over different requirements; of a requirement the plainest fault.
"""

from __future__ import annotations

CHOSEN = (
    "missing-header-served",  # auth.missing-header
    "unknown-token-served",  # auth.unknown-token
    "temperature-2-refused",  # accept.limits
    "emoji-refused",  # accept.unicode
    "max-tokens-0-accepted",  # reject.max-tokens
    "role-unknown-served",  # reject.message-shape
    "body-trailing-comma-accepted",  # reject.body
    "error-detail",  # error.schema
    "messages-missing-500",  # error.no-server-error
    "json-nan",  # http.json
    "created-ms",  # completion.created
    "usage-negative",  # completion.usage
    "request-id-fresh",  # kitemesh.request-id-echo
    "stream-media-type-json-for-stream",  # stream.media-type
    "stream-done-absent",  # stream.done
    "chunk-delta-missing",  # chunk.schema
    "chunk-appends-not",  # chunk.appends
    "call-id-missing",  # approval.tool-call-id
    "expires-missing",  # approval.expires-at
    "decision-approved-no-list",  # resume.decision-shape
    "resume-unknown-served",  # resume.approval-unknown
    "replay-runs-again",  # resume.replay
    "nesting-500",  # robust.json-edges
    "neighbour-request-id",  # isolation.answers
    "sdk-completion-bookkeeping",  # sdk.openai-completion
)
"""Ids of `conformance.reference.faults`."""
