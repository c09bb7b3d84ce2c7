"""Held-out faults and legitimate variations of the independent server.

A fault breaks one requirement of the contract, mostly in one place only: at a border, on one endpoint, in one
event, for one role. A variation breaks no MUST; `warns` names the SHOULDs that it leaves aside on purpose.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MADE_UP = "made up"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break the contract.

    `requirement` is the contract id to be blamed; `seen_in` a row of the list of faults in the wild, or "made up".
    """

    id: str
    summary: str
    requirement: str
    seen_in: str


@dataclass(frozen=True, slots=True)
class Variation:
    """One legitimate difference. `warns`: contract ids of level SHOULD that may be told as warnings."""

    id: str
    summary: str
    warns: frozenset[str] = frozenset()


FAULTS: tuple[Fault, ...] = (
    Fault("empty-bearer-403", "an empty bearer gets 403", "auth.empty-bearer", MADE_UP),
    Fault("token-by-shape", "a chat takes any km_ token of 11 signs or more", "auth.unknown-token", "bearer-empty"),
    Fault(
        "system-array-refused", "no array content in a system message", "accept.content-forms", "null-content-rejected"
    ),
    Fault("max-tokens-top-refused", "max_tokens 200000 is refused", "accept.limits", MADE_UP),
    Fault("nfc-only", "text that is not in Unicode form NFC is refused", "accept.unicode", MADE_UP),
    Fault("temperature-tolerance", "temperature up to 2.001 passes", "reject.temperature", "range-unchecked"),
    Fault("max-tokens-bool", "max_tokens true is taken as 1", "reject.max-tokens", "bool-as-int"),
    Fault("messages-501", "501 messages pass, 502 do not", "reject.messages", "range-unchecked"),
    Fault("later-part-unchecked", "a part after the first may be no object", "reject.message-shape", MADE_UP),
    Fault("trailing-bytes", "what follows the JSON object is ignored", "reject.body", MADE_UP),
    Fault("completion-limit-plus-one", "200001 passes", "reject.max-completion-tokens", "range-unchecked"),
    Fault("error-id-new-for-stream", "a 400 has its own id", "error.request-id-echo", "error-no-request-id"),
    Fault("code-integer-404", "integer code in the 404 to an unknown approval", "error.schema", "code-integer"),
    Fault("request-id-not-ascii", "a request_id beyond ASCII gets 500", "error.no-server-error", "surrogate-500"),
    Fault("nan-on-resume", "NaN in an extra member of a resume's JSON answer", "http.json", "nan-accepted"),
    Fault("approval-stream-cut", "an approval stream lacks its last HTTP chunk", "http.complete", "stream-truncated"),
    Fault("created-ms-resumed", "milliseconds in a resume's JSON answer", "completion.created", "created-ms"),
    Fault("cut-reason-unknown", "max_completion_tokens as reason", "completion.finish-reason", "finish-unknown"),
    Fault("total-without-prompt", "total leaves out an array prompt", "completion.usage", "usage-inconsistent"),
    Fault("execution-per-connection", "one id per TCP connection", "kitemesh.execution-unique", MADE_UP),
    Fault("request-id-not-made", "no request_id where metadata is absent", "kitemesh.request-id", MADE_UP),
    Fault("comment-latin-1", "a heartbeat comment holds a Latin-1 byte", "stream.utf8", MADE_UP),
    Fault("late-empty-data", "an empty data line after thirty chunks", "stream.json-data", "data-empty"),
    Fault("usage-after-done", "usage chunk after [DONE] in a resumed stream", "stream.done-last", "data-after-done"),
    Fault("stream-temperature-200", "200, then an error event", "stream.refusal-as-json", "stream-badreq-200"),
    Fault("last-chunk-id", "the chunk with finish_reason has another id", "chunk.id-stable", "id-varies"),
    Fault("created-per-chunk", "created is the time of each chunk", "chunk.created-stable", "created-varies"),
    Fault("character-split", "a character beyond ASCII is split in two", "chunk.text-intact", "utf8-split"),
    Fault("calls-share-id", "the calls of an approval have one id", "approval.tool-call-id", "tool-index-zero"),
    Fault("stream-expiry-local", "no offset in an approval stream", "approval.expires-at", MADE_UP),
    Fault("foreign-denial", "a foreign id is noticed only if approved", "resume.foreign-call", "approval-sibling"),
    Fault("refusal-spends", "a refused resume uses its approval up", "resume.refusal-keeps", "approval-lost"),
    Fault("race-runs-twice", "two simultaneous resumes both run", "resume.race", "approval-double"),
    Fault("resume-temperature", "a resume takes any number", "resume.request-fields", "range-unchecked"),
    Fault("denial-without-id", "a denial with a reason needs no id", "resume.decision-shape", "approval-sibling"),
    Fault("resume-any-token", "a resume takes any token that is not empty", "resume.auth", "approval-foreign"),
    Fault("surrogate-drops", "a lone surrogate: dropped, no answer", "robust.json-edges", "surrogate-500"),
    Fault("megabyte-drops", "a body of 1,000,000 bytes or more: dropped", "robust.large-body", MADE_UP),
    Fault("latest-request-id", "JSON answers bear the last id that came in", "isolation.answers", "crosstalk"),
    Fault("streams-mixed", "a chunk of another running stream is sent too", "isolation.streams", "crosstalk"),
)

VARIATIONS: tuple[Variation, ...] = (
    Variation(
        "approval-fragments",
        "streams calls in fragments by index, the rest later",
        frozenset({"approval.stream-single"}),
    ),
    Variation("reasoning-tokens", "total_tokens holds reasoning tokens as well", frozenset({"completion.usage-sum"})),
    Variation("extra-fields-refused", "refuses unknown members of the body"),
    Variation("null-refused", "refuses null in an optional field"),
    Variation("whole-floats", "takes 16.0 as an integer"),
    Variation("tool-call-id-asked", "refuses a tool message without tool_call_id"),
    Variation("status-422", "422 in place of 400 for a body that breaks the schema"),
    Variation("repeat-refused", "409 to a resume of an approval that has been resumed"),
    Variation("undecided-refused", "refuses a resume that leaves a call undecided"),
    Variation("plain-uuids", "gives UUIDs of version 4 in small letters everywhere"),
    Variation("expiry-offset", "gives expires_at with the offset +05:30"),
    Variation("usage-on-approval", "adds usage to an approval answer"),
    Variation("comment-blocks", "ends each comment with a blank line", frozenset({"sdk.openai-stream"})),
    Variation("lf-lines", "ends the lines of a stream with LF"),
    Variation("cr-lines", "ends the lines of a stream with CR"),
    Variation("no-space", "writes no space after the colon of a field, but for [DONE]"),
    Variation("bom-first", "begins a stream with a byte order mark"),
    Variation("small-writes", "cuts a stream into HTTP chunks of five bytes, through lines and characters"),
    Variation("close-delimited", "ends a stream by closing the connection, without HTTP chunks"),
    Variation("plain-stream", "sends no comments, id lines, usage chunk or kitemesh in a text stream"),
    Variation("no-null-members", "leaves null members out of chunks, finish_reason too"),
    Variation("role-everywhere", "repeats the role in each delta"),
    Variation("separate-finish", "sends finish_reason in a chunk without content"),
)

FAULT_BY_ID: Mapping[str, Fault] = MappingProxyType({fault.id: fault for fault in FAULTS})
VARIATION_BY_ID: Mapping[str, Variation] = MappingProxyType({variation.id: variation for variation in VARIATIONS})
