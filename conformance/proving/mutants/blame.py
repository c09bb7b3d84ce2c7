"""What has to be blamed for a mutant, and which mutants the documentation leaves open: one table of rules.

A rule names kinds, places, operators and conditions, never single mutants; the first one that fits speaks. It says
which requirements may be blamed, at least one of which has to be, and which others may fail beside them. Or it says why
nothing has to be blamed: the documentation leaves it *open*, or nobody can see it from outside (*unseen*). Then nothing
but what `blamed` names may fail: anything else is a false alarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from conformance.proving.mutants.mutant import Mutant


@dataclass(frozen=True, slots=True)
class Rule:
    """What is said of some mutants. Each field of the first four holds glob patterns, divided by spaces."""

    what: str
    """Group and kind."""
    places: str
    operators: str
    blamed: str = ""
    """Requirement ids or globs of them: one at least has to fail, unless it is open."""
    also: str = ""
    """What may fail beside."""
    open: str = ""
    """Why the documentation does not say that it is wrong."""
    unseen: str = ""
    """Why nobody can tell from outside."""
    traits: str = "*"

    @property
    def free(self) -> str:
        """Why nothing has to be blamed; empty where something has."""
        return self.open or self.unseen

    def fits(self, mutant: Mutant) -> bool:
        """Whether it speaks of this mutant."""
        return (
            _fits(self.what, f"{mutant.group}/{mutant.kind}")
            and _fits(self.places, mutant.place)
            and _fits(self.operators, mutant.operator)
            and _fits(self.traits, mutant.trait)
        )

    def allows(self, requirement: str) -> bool:
        """Whether this requirement may fail."""
        return self.blames(requirement) or _fits(self.also, requirement)

    def blames(self, requirement: str) -> bool:
        """Whether this requirement is a right one to blame."""
        return _fits(self.blamed, requirement)


@lru_cache(maxsize=1 << 16)
def _fits(patterns: str, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns.split())


_GONE = "absent null doubled-behind"
_TYPE = "true false number text as-text array listed object"
_WRONG = f"{_GONE} {_TYPE}"
_SPELLED = "cut space-before space-behind newline-behind case"
_RESUMED = "resume.stream resume.further-round"

_OF_ANOTHER = "chunk.* kitemesh.stream resume.execution-continues"

_WORDS = "the words of an answer are the model's"
_ID = "an `id` is any string"
_CASE = "letter case does not matter in a UUID"
_UUID_ID = "letter case does not matter in a UUID, and the client sends it back as it came"
_TWICE = "a name may come twice in an object (RFC 8259, section 4), and the last one counts"
_NULL = "null equals absent in an optional member"
_REASON = "why an answer ended is the server's to say"
_COUNTS = "whether token counts are true cannot be seen"
_COST = "what an answer costs is the server's to say"
_NEAR = "`created` may differ by 300 s"
_TOOLS = "which tools there are, and what they are asked, is the server's to say"
_OWN_ID = "where no `request_id` was sent, the server makes one up"
_CODES = "the documentation names only the codes of 401 and 429"
_MISSING = "words that are missing in the middle of an answer are the model's"
_CHOICE = "the documentation does not say how the choices of a chunk are counted"
_EXTENSION = "on chunks of a text stream the documentation has no `kitemesh`"

ANSWERS = (
    # What means the same.
    Rule("answer/*", "*", "doubled-alike doubled-before", open=_TWICE),
    Rule("answer/*", "*", "as-float as-exponent", open="1.0 and 1e0 are the number 1 (RFC 8259, section 6)"),
    # The standard answer.
    Rule("answer/completion", "id", _WRONG, "completion.schema", "sdk.*"),
    Rule("answer/completion", "id", "anothers", "completion.id-unique isolation.answers", "isolation.*"),
    Rule("answer/completion", "id", "*", "completion.id-unique isolation.answers", open=_ID),
    Rule("answer/completion", "object", "*", "completion.schema", "sdk.*"),
    Rule("answer/completion", "created", "absent", "completion.schema"),
    Rule("answer/completion", "created", "one-more one-less anothers", open=_NEAR),
    Rule("answer/completion", "created", "*", "completion.created"),
    Rule("answer/completion", "model", _WRONG, "completion.schema", "sdk.*"),
    Rule("answer/completion", "model", "*", "completion.model-echo isolation.answers"),
    Rule("answer/completion", "choices* usage", "anothers",
         "isolation.content completion.uses-prompt completion.usage*", unseen=_WORDS,
         traits="cut limit resume approved denied later foreign-text"),
    Rule("answer/completion", "choices choices.0 choices.0.message choices.0.message.content", "anothers",
         "isolation.content completion.uses-prompt", "completion.*"),
    Rule("answer/completion", "choices.0.message.content", f"{_GONE} empty", "completion.content",
         open="null is allowed where the answer was cut", traits="cut"),
    Rule("answer/completion", "choices.0.message.content", f"{_WRONG} empty", "completion.content", "sdk.*"),
    Rule("answer/completion", "choices.0.message.content", "*", "completion.uses-prompt", unseen=_WORDS),
    Rule("answer/completion", "choices.0.message.role", _WRONG, "completion.schema", "sdk.*"),
    Rule("answer/completion", "choices.0.message.role", "*", "completion.choices", "sdk.*"),
    Rule("answer/completion", "choices.0.finish_reason", "other-length other-content_filter other-stop anothers",
         open=_REASON),
    Rule("answer/completion", "choices.0.finish_reason", "*", "completion.finish-reason", "sdk.*"),
    Rule("answer/completion", "choices choices.0 choices.0.message choices.0.index", "*",
         "completion.schema completion.choices", "completion.* kitemesh.* sdk.*"),
    Rule("answer/completion", "usage", "anothers", unseen=_COUNTS),
    Rule("answer/completion", "usage", "*", "completion.schema completion.usage", "sdk.*"),
    Rule("answer/completion", "usage.*", "absent", "completion.schema", "sdk.*"),
    Rule("answer/completion", "usage.*", "*", "completion.usage completion.usage-sum",
         "completion.output-limit completion.limit-priority"),
    Rule("answer/completion", "kitemesh", f"{_WRONG}", "kitemesh.present"),
    Rule("answer/completion", "kitemesh", "empty", "kitemesh.execution-id kitemesh.credits-charged", "kitemesh.*"),
    Rule("answer/completion", "kitemesh", "anothers",
         "kitemesh.execution-unique kitemesh.request-id-echo isolation.answers resume.execution-continues"),
    Rule("answer/completion", "kitemesh.execution_id", "case", open=_CASE),
    Rule("answer/completion", "kitemesh.execution_id", "anothers",
         "kitemesh.execution-unique resume.execution-continues"),
    Rule("answer/completion", "kitemesh.execution_id", "*", "kitemesh.execution-id", "resume.execution-continues"),
    Rule("answer/completion", "kitemesh.credits_charged", "zero one-more one-less half thousandfold huge anothers",
         open=_COST),
    Rule("answer/completion", "kitemesh.credits_charged", "*", "kitemesh.credits-charged"),
    Rule("answer/completion", "kitemesh.request_id", f"{_SPELLED} other cut-to-32 anothers",
         "kitemesh.request-id-echo isolation.answers", open=_OWN_ID, traits="without-id empty-id first"),
    Rule("answer/completion", "kitemesh.request_id", f"{_WRONG} empty",
         "kitemesh.request-id-echo kitemesh.request-id"),
    Rule("answer/completion", "kitemesh.request_id", "*", "kitemesh.request-id-echo isolation.answers"),
    # The approval answer.
    Rule("answer/approval", "id", _WRONG, "approval.envelope resume.further-round", "sdk.*"),
    Rule("answer/approval", "id", "anothers", "completion.id-unique isolation.answers"),
    Rule("answer/approval", "id", "*", "completion.id-unique", open=_ID),
    Rule("answer/approval", "created", "one-more one-less anothers", open=_NEAR),
    Rule("answer/approval", "object created model", "*", "approval.envelope resume.further-round", "sdk.*"),
    Rule("answer/approval", "choices.0.message.content", f"{_GONE} anothers", open=_NULL),
    Rule("answer/approval", "choices.0.message.content", "*", "approval.content-null resume.further-round", "sdk.*"),
    Rule("answer/approval", "choices.0.message.role", "*", "approval.envelope resume.further-round", "sdk.*"),
    Rule("answer/approval", "choices.0.message.tool_calls", "one-less", unseen="a call that nobody is told of"),
    Rule("answer/approval", "choices.0.message.tool_calls", "reversed", open="calls have no order"),
    Rule("answer/approval", "choices.0.message.tool_calls", "one-more anothers",
         "approval.tool-call-id resume.further-round"),
    Rule("answer/approval", "choices.0.message.tool_calls.?.id", "case", open=_UUID_ID),
    Rule("answer/approval", "choices.0.message.tool_calls.?.id", "*", "approval.tool-call-id resume.further-round",
         "sdk.*"),
    Rule("answer/approval", "choices.0.message.tool_calls.?.type", "*",
         "approval.tool-call-shape resume.further-round", "sdk.*"),
    Rule("answer/approval", "choices.0.message.tool_calls.?.function.name", f"{_WRONG} empty",
         "approval.tool-call-shape resume.further-round", "sdk.*"),
    Rule("answer/approval", "choices.0.message.tool_calls.?.function.name", "*", open=_TOOLS),
    Rule("answer/approval", "choices.0.message.tool_calls.?.function.arguments",
         "space-before space-behind newline-behind case anothers", "approval.arguments",
         open="white space around a JSON text, and its letters"),
    Rule("answer/approval", "choices.0.message.tool_calls.?.function.arguments", "*",
         "approval.arguments resume.further-round", "sdk.*"),
    Rule("answer/approval", "choices.0.message.tool_calls.?.function", "anothers", open=_TOOLS),
    Rule("answer/approval", "choices.0.message.tool_calls.?", "anothers",
         "approval.tool-call-id resume.further-round"),
    Rule("answer/approval", "choices.0.message.tool_calls*", "*",
         "approval.tool-call-shape approval.tool-call-id completion.finish-reason resume.further-round",
         "approval.arguments sdk.* approval.only-when-waiting"),
    Rule("answer/approval", "choices.0.finish_reason", "*",
         "approval.finish-reason completion.finish-reason resume.further-round", "sdk.*"),
    Rule("answer/approval", "choices choices.0 choices.0.*", "*", "approval.envelope completion.finish-reason "
         "approval.finish-reason resume.further-round approval.tool-call-id",
         "approval.* completion.schema completion.choices sdk.*"),
    Rule("answer/approval", "kitemesh", _WRONG, "kitemesh.present resume.further-round",
         "resume.execution-continues"),
    Rule("answer/approval", "kitemesh", "empty", "approval.id approval.execution-id resume.further-round",
         "approval.expires-at resume.execution-continues"),
    Rule("answer/approval", "kitemesh", "anothers",
         "kitemesh.execution-unique resume.execution-continues resume.further-round"),
    Rule("answer/approval", "kitemesh.approval_id", "case", open=_UUID_ID),
    Rule("answer/approval", "kitemesh.approval_id", "anothers", "resume.further-round",
         open="the documentation does not say that the approvals of two executions differ"),
    Rule("answer/approval", "kitemesh.approval_id", "*", "approval.id resume.further-round"),
    Rule("answer/approval", "kitemesh.execution_id", "case", open=_CASE),
    Rule("answer/approval", "kitemesh.execution_id", "anothers",
         "kitemesh.execution-unique resume.execution-continues"),
    Rule("answer/approval", "kitemesh.execution_id", "*", "approval.execution-id resume.further-round",
         "resume.execution-continues"),
    Rule("answer/approval", "kitemesh.expires_at", "case offset anothers", "resume.*",
         open="the same moment, spelled as RFC 3339 lets it"),
    Rule("answer/approval", "kitemesh.expires_at", "*", "approval.expires-at resume.further-round", "resume.expired"),
    # Chunks of a text.
    Rule("answer/stream answer/approval-stream", "*:id", _WRONG,
         "chunk.schema approval.envelope resume.further-round", f"{_RESUMED} sdk.* chunk.id-stable"),
    Rule("answer/stream answer/approval-stream", "every:id", "anothers",
         "chunk.id-stable completion.id-unique isolation.answers isolation.streams", _RESUMED),
    Rule("answer/stream answer/approval-stream", "every:id", "*",
         "chunk.id-stable isolation.answers completion.id-unique", _RESUMED, open=_ID),
    Rule("answer/stream answer/approval-stream", "*:id", "*", "chunk.id-stable isolation.streams",
         f"{_RESUMED} isolation.answers"),
    Rule("answer/stream answer/approval-stream", "*:object", "*",
         "chunk.schema approval.envelope resume.further-round", f"{_RESUMED} sdk.*"),
    Rule("answer/stream answer/approval-stream", "*:created", "absent",
         "chunk.schema approval.envelope resume.further-round", f"{_RESUMED} chunk.created-stable"),
    Rule("answer/stream answer/approval-stream", "every:created", "one-more one-less anothers", open=_NEAR),
    Rule("answer/stream answer/approval-stream", "*:created", "one-more one-less anothers", "chunk.created-stable",
         _RESUMED),
    Rule("answer/stream answer/approval-stream", "*:created", "*",
         "chunk.created approval.envelope resume.further-round", f"{_RESUMED} chunk.created-stable chunk.schema"),
    Rule("answer/stream answer/approval-stream", "*:model", "*",
         "chunk.schema chunk.model-echo approval.envelope isolation.answers resume.further-round",
         f"{_RESUMED} sdk.*"),
    Rule("answer/stream", "every:choices.0.index", "one-more thousandfold huge anothers", open=_CHOICE),
    Rule("answer/stream", "*:choices.0.index", "*", "chunk.schema chunk.finish-once chunk.content",
         f"{_RESUMED} chunk.opens sdk.*"),
    Rule("answer/stream", "*:choices.0.delta.role", "*", "chunk.opens", f"{_RESUMED} sdk.*"),
    Rule("answer/stream", "first:choices.0.delta.content", f"{_GONE} doubled anothers", open=_NULL),
    Rule("answer/stream", "*:choices.0.delta.content", "true false number array listed object text", "chunk.content",
         f"{_RESUMED} sdk.*"),
    Rule("answer/stream", "every:choices.0.delta.content", f"{_GONE} empty", "chunk.content", _RESUMED,
         open="an answer that was cut may be empty", traits="cut"),
    Rule("answer/stream", "every:choices.0.delta.content", f"{_GONE} empty", "chunk.content",
         f"{_RESUMED} stream.incremental"),
    Rule("answer/stream", "*:choices.0.delta.content", "*", "chunk.content isolation.content chunk.appends", _RESUMED,
         unseen=_WORDS),
    Rule("answer/stream", "every:choices.0.finish_reason last:choices.0.finish_reason",
         "other-length other-content_filter other-stop", open=_REASON),
    Rule("answer/stream", "last:choices.0.finish_reason", "anothers", open=_REASON),
    Rule("answer/stream", "first:*.finish_reason second:*.finish_reason last-but-one:*.finish_reason",
         f"{_GONE} anothers", open=_NULL),
    Rule("answer/stream", "*:choices.0.finish_reason", "*", "chunk.finish-reason chunk.finish-once",
         f"{_RESUMED} chunk.finish-last sdk.*"),
    Rule("answer/stream", "last:choices last:choices.0", "anothers", "chunk.finish-*", _RESUMED, open=_REASON),
    Rule("answer/stream", "last-but-one:choices*", "anothers empty one-more",
         "chunk.content chunk.appends isolation.content", f"{_RESUMED} chunk.*", unseen=_MISSING),
    Rule("answer/stream", "second:choices.0.delta second:choices", "empty", "chunk.content", _RESUMED,
         unseen=_MISSING),
    Rule("answer/stream", "first:choices second:choices", "one-more", "chunk.appends", _RESUMED, open=_CHOICE),
    Rule("answer/stream", "second:choices*", "anothers", "isolation.content", _RESUMED, unseen=_WORDS),
    Rule("answer/stream", "every:choices every:choices.0 every:choices.0.delta", "anothers",
         "chunk.finish-once chunk.content isolation.content", f"{_RESUMED} chunk.*"),
    Rule("answer/stream", "*:choices *:choices.0 *:choices.0.delta", "*",
         "chunk.schema chunk.opens chunk.content chunk.finish-once",
         f"{_RESUMED} chunk.* sdk.* isolation.content stream.incremental"),
    Rule("answer/stream", "*:kitemesh", _GONE, open=_EXTENSION),
    Rule("answer/stream", "*:kitemesh", "anothers",
         "kitemesh.execution-unique resume.execution-continues isolation.answers kitemesh.stream", _RESUMED),
    Rule("answer/stream", "*:kitemesh", "*", "kitemesh.stream", f"{_RESUMED} sdk.*"),
    Rule("answer/stream", "*:kitemesh.execution_id", "case", open=_CASE),
    Rule("answer/stream", "*:kitemesh.execution_id", "anothers",
         "kitemesh.execution-unique resume.execution-continues isolation.answers", _RESUMED),
    Rule("answer/stream", "*:kitemesh.execution_id", "*", "kitemesh.stream",
         f"{_RESUMED} resume.execution-continues"),
    Rule("answer/stream", "*:kitemesh.credits_charged", "*", open=_EXTENSION),
    Rule("answer/stream", "*:kitemesh.request_id", "*", "kitemesh.stream", open=_OWN_ID,
         traits="without-id empty-id first"),
    Rule("answer/stream", "*:kitemesh.request_id", "*", "kitemesh.stream isolation.answers", _RESUMED),
    # Chunks of an approval.
    Rule("answer/approval-stream", "*.tool_calls", "one-less", unseen="a call that nobody is told of"),
    Rule("answer/approval-stream", "*.tool_calls", "reversed", open="calls have no order"),
    Rule("answer/approval-stream", "*.tool_calls.?.index", "*",
         "approval.stream approval.tool-call-shape chunk.schema resume.further-round", "approval.* chunk.* sdk.*",
         open="the documented calls have no `index`"),
    Rule("answer/approval-stream", "*.tool_calls.?.id", "case", open=_UUID_ID),
    Rule("answer/approval-stream", "*.tool_calls.?.id", "*", "approval.tool-call-id resume.further-round", "sdk.*"),
    Rule("answer/approval-stream", "*.tool_calls.?.function.name", f"{_SPELLED} anothers", open=_TOOLS),
    Rule("answer/approval-stream", "*.tool_calls.?.function.arguments",
         "space-before space-behind newline-behind case anothers", "approval.arguments",
         open="white space around a JSON text, and its letters"),
    Rule("answer/approval-stream", "*.tool_calls.?.function.arguments", "*",
         "approval.arguments resume.further-round", "approval.tool-call-shape"),
    Rule("answer/approval-stream", "*.tool_calls.?.function", "anothers", open=_TOOLS),
    Rule("answer/approval-stream", "*.tool_calls *.tool_calls.*", "*", "approval.tool-call-shape "
         "approval.tool-call-id approval.stream resume.further-round chunk.finish-reason approval.arguments",
         "approval.* resume.stream chunk.content chunk.finish-once"),
    Rule("answer/approval-stream", "*:choices.0.delta.role", "*", "chunk.opens", _RESUMED),
    Rule("answer/approval-stream", "*:choices.0.delta.content", f"{_GONE} anothers", open=_NULL),
    Rule("answer/approval-stream", "*:choices.0.delta.content", "text",
         open="the model may speak before it calls a tool"),
    Rule("answer/approval-stream", "*:choices.0.delta.content", "*", "chunk.content", _RESUMED),
    Rule("answer/approval-stream", "first:choices.0.finish_reason", f"{_GONE} anothers", open=_NULL),
    Rule("answer/approval-stream", "*:choices.0.finish_reason", "*",
         "approval.finish-reason chunk.finish-reason chunk.finish-once approval.stream resume.further-round",
         f"approval.* chunk.* {_RESUMED}"),
    Rule("answer/approval-stream", "first:choices", "one-more", open=_CHOICE),
    Rule("answer/approval-stream", "*:choices*", "*", "chunk.schema approval.envelope approval.stream chunk.opens "
         "chunk.finish-once resume.further-round approval.tool-call-id", f"approval.* chunk.* {_RESUMED} sdk.*"),
    Rule("answer/approval-stream", "*:kitemesh", "anothers", "kitemesh.execution-unique "
         "resume.execution-continues resume.further-round isolation.answers approval.stream-request-id"),
    Rule("answer/approval-stream", "*:kitemesh", "*", "approval.stream approval.id resume.further-round",
         f"approval.* {_RESUMED} resume.execution-continues"),
    Rule("answer/approval-stream", "*:kitemesh.approval_id", "case", open=_UUID_ID),
    Rule("answer/approval-stream", "*:kitemesh.approval_id", "anothers", "resume.further-round",
         open="the documentation does not say that the approvals of two executions differ"),
    Rule("answer/approval-stream", "*:kitemesh.approval_id", "*", "approval.id approval.stream resume.further-round",
         f"approval.* {_RESUMED}"),
    Rule("answer/approval-stream", "*:kitemesh.execution_id", "case", open=_CASE),
    Rule("answer/approval-stream", "*:kitemesh.execution_id", "anothers",
         "kitemesh.execution-unique resume.execution-continues", _RESUMED),
    Rule("answer/approval-stream", "*:kitemesh.execution_id", "*", "approval.execution-id resume.further-round",
         f"resume.execution-continues {_RESUMED}"),
    Rule("answer/approval-stream", "*:kitemesh.expires_at", "case offset anothers", "resume.*",
         open="the same moment, spelled as RFC 3339 lets it"),
    Rule("answer/approval-stream", "*:kitemesh.expires_at", "*", "approval.expires-at resume.further-round",
         f"resume.expired {_RESUMED}"),
    Rule("answer/approval-stream", "*:kitemesh.request_id", "*", "approval.stream-request-id isolation.answers",
         _RESUMED),
    # The error object.
    Rule("answer/error", "error", f"{_WRONG} empty", "error.schema error.schema-elsewhere",
         "error.rate-limit auth.error-codes"),
    Rule("answer/error", "error", "anothers", "error.request-id-echo error.rate-limit auth.error-codes", open=_CODES),
    Rule("answer/error", "error.*", _WRONG, "error.schema error.schema-elsewhere",
         "error.rate-limit auth.error-codes"),
    Rule("answer/error", "error.message", "*", open="a message is any string"),
    Rule("answer/error", "error.type error.code", "anothers", "auth.error-codes error.rate-limit", open=_CODES),
    Rule("answer/error", "error.type error.code", "*", "auth.error-codes error.rate-limit",
         traits="always chat resume asks-* 401* 429 without-id"),
    Rule("answer/error", "error.type error.code", "*", "auth.error-codes error.rate-limit", open=_CODES),
    Rule("answer/error", "error.request_id", "*", "error.request-id-echo",
         traits="always chat resume with-id asks-* 422*"),
    Rule("answer/error", "error.request_id", "*", "error.request-id-echo",
         open="the echo is due in a 400 or 422 to a body that could be read"),
)  # fmt: skip

_CUT = f"{_RESUMED} chunk.finish-once chunk.content stream.done approval.stream sdk.* chunk.opens"
_ROLELESS = "the documented chunk of an approval has no role, and may come first"
_SSE = "the standard of event streams lets it"

STREAMS = (
    Rule("stream/*", "last", "field-without-space", "stream.done-literal", _RESUMED),
    Rule("stream/*", "last", "field-two-spaces done-*",
         "stream.done stream.done-literal stream.json-data approval.stream",
         f"{_RESUMED} stream.default-event stream.done-last chunk.schema sdk.*"),
    Rule("stream/*", "*", "crlf cr on-two-lines field-without-space field-two-spaces named-message numbered retry "
         "comment comment-line blank-lines comment-behind", open=_SSE),
    Rule("stream/*", "first", "bom", open=_SSE),
    Rule("stream/*", "first second middle last-but-one last", "usage", open="a chunk with empty `choices` may come"),
    Rule("stream/*", "last", "bom", "stream.fields stream.done stream.json-data", _CUT),
    Rule("stream/*", "*", "bom", "stream.fields stream.json-data", _CUT),
    Rule("stream/approval-stream", "first", "drop", "chunk.opens", open=_ROLELESS),
    Rule("stream/approval-stream", "last-but-one", "early", "chunk.opens chunk.finish-last", open=_ROLELESS),
    Rule("stream/*", "first", "drop", "chunk.opens", _RESUMED),
    Rule("stream/stream", "second middle", "drop swap early", "chunk.content chunk.opens chunk.finish-last", _RESUMED,
         unseen=_MISSING),
    Rule("stream/stream", "first", "swap late", "chunk.opens stream.done-last", _RESUMED),
    Rule("stream/stream", "second middle", "late", "stream.done-last", f"{_RESUMED} chunk.content chunk.finish-last"),
    Rule("stream/stream", "first", "repeat early", open="the role may come twice"),
    Rule("stream/stream", "second middle", "repeat", "chunk.appends", _RESUMED,
         unseen="what comes twice may be the model's"),
    Rule("stream/*", "last-but-one", "repeat",
         "chunk.finish-once approval.tool-call-id approval.stream resume.further-round",
         f"{_RESUMED} approval.* chunk.finish-last"),
    Rule("stream/*", "last-but-one", "drop", "chunk.finish-once approval.stream resume.further-round",
         f"{_RESUMED} chunk.content"),
    Rule("stream/*", "last-but-one", "swap late", "stream.done-last", _CUT),
    Rule("stream/*", "last-but-one", "early", "chunk.finish-last chunk.opens", _CUT),
    Rule("stream/approval-stream", "first", "swap early", "chunk.opens", _RESUMED, open=_ROLELESS),
    Rule("stream/approval-stream", "first", "late", "stream.done-last", _RESUMED),
    Rule("stream/approval-stream", "first", "repeat", open="the role may come twice"),
    Rule("stream/*", "last", "drop", "stream.done approval.stream", _RESUMED),
    Rule("stream/*", "last", "repeat", "stream.done-once", _RESUMED),
    Rule("stream/*", "last", "early", "stream.done-last", _CUT),
    Rule("stream/*", "*", "cut-behind cut-inside",
         "stream.done stream.framing stream.json-data chunk.finish-once approval.stream resume.further-round",
         f"{_CUT} stream.utf8"),
    Rule("stream/*", "*", "broken-behind broken-inside", "http.complete", _RESUMED),
    Rule("stream/*", "last", "hangs-behind", "stream.closes", _RESUMED),
    Rule("stream/*", "*", "hangs-behind", "stream.done approval.stream", _RESUMED),
    Rule("stream/*", "*", "join", "stream.framing stream.json-data", _CUT),
    Rule("stream/*", "*", "split", "stream.json-data", _CUT),
    Rule("stream/*", "*", "octet", "stream.utf8", f"{_CUT} stream.json-data"),
    Rule("stream/*", "*", "named named-error", "stream.default-event", f"{_RESUMED} sdk.*"),
    Rule("stream/*", "*", "unknown-line", "stream.fields", f"{_RESUMED} sdk.*"),
    Rule("stream/*", "*", "field-*", "stream.fields stream.done stream.json-data stream.media-type",
         f"{_CUT} stream.framing"),
    Rule("stream/*", "*", "empty-data ping-data null-data array-data text-data", "stream.json-data", _CUT),
    Rule("stream/*", "first", "error", "error.status", f"{_RESUMED} sdk.*"),
    Rule("stream/*", "*", "error", open="an error behind chunks tells of a failed answer"),
    Rule("stream/*", "last", "usage-behind error-behind", "stream.done-last", f"{_RESUMED} chunk.*"),
    Rule("stream/*", "last", "octets-behind", "stream.fields stream.framing", _RESUMED),
    Rule("stream/stream", "last", "anothers", "isolation.streams", f"{_CUT} isolation.* {_OF_ANOTHER}"),
    Rule("stream/*", "*", "anothers", "isolation.streams chunk.id-stable",
         f"{_CUT} isolation.* approval.* {_OF_ANOTHER}"),
    # Streams as a whole.
    Rule("stream/*", "whole", "empty", "stream.json-data stream.done approval.stream", _CUT),
    Rule("stream/*", "whole", "done-alone usage-alone", "stream.json-data chunk.finish-once", _CUT),
    Rule("stream/approval-stream", "whole", "no-text", open="an approval has no text"),
    Rule("stream/*", "whole", "no-text", "chunk.content", _RESUMED, open="an answer that was cut may be empty",
         traits="cut limit resume denied"),
    Rule("stream/*", "whole", "no-text", "chunk.content", f"{_RESUMED} isolation.*"),
    Rule("stream/*", "whole", "growing whole-again whole-in-message characters-cut lone-surrogate",
         "chunk.appends chunk.text-intact", f"{_RESUMED} isolation.content sdk.*",
         open="what a model's whim can do is not judged on an answer that was cut", traits="cut"),
    Rule("stream/*", "whole", "growing whole-again whole-in-message characters-cut lone-surrogate",
         "chunk.appends chunk.text-intact", f"{_RESUMED} isolation.content sdk.*",
         unseen="what happens once may be a model's whim", traits="first"),
    Rule("stream/*", "whole", "growing whole-again whole-in-message", "chunk.appends",
         f"{_RESUMED} isolation.content"),
    Rule("stream/*", "whole", "characters-cut lone-surrogate", "chunk.text-intact", f"{_RESUMED} sdk.*"),
    Rule("stream/*", "whole", "held-back", "stream.incremental", unseen="a short stream shows no buffer",
         traits="resume cut with-id limit concurrent after-abort denied approved own-fields foreign-text "
         "mode-synth first without-id"),
    Rule("stream/approval-stream", "whole", "held-back", unseen="a short stream shows no buffer"),
    Rule("stream/*", "whole", "held-back", "stream.incremental"),
    Rule("stream/*", "whole", "open-longer never-closed", "stream.closes", _RESUMED),
    Rule("stream/*", "whole", "reversed", "stream.done-last", f"{_CUT} chunk.*"),
    Rule("stream/*", "whole", "twice",
         "chunk.finish-once approval.tool-call-id approval.stream resume.further-round chunk.finish-last",
         f"{_CUT} chunk.* approval.*"),
    Rule("stream/*", "whole", "one-block", "stream.framing", _CUT),
    Rule("stream/*", "whole", "json-lines", "stream.media-type stream.fields stream.framing stream.json-data sdk.*",
         f"{_CUT} stream.*"),
)  # fmt: skip

_UNSERVED = (
    "accept.* completion.* resume.* isolation.* robust.* sdk.* auth.scheme-case auth.known-token approval.* "
    "stream.media-type error.schema error.media-type error.schema-elsewhere"
)
_REFUSING = "reject.* resume.* auth.* stream.refusal-as-json robust.* error.status isolation.same-request-id"
_HARMLESS = "the standard of HTTP lets it, and the documentation says nothing"
_JSON_SPELLED = "JSON lets it (RFC 8259)"

TRANSPORT = (
    Rule("transport/*", "Date Server X-Request-Id", "*", "http.complete completion.created chunk.created",
         open=_HARMLESS),
    Rule("transport/*", "Content-Encoding", "identity", open=_HARMLESS),
    Rule("transport/*", "Content-Encoding", "*", "http.encoding"),
    Rule("transport/*", "head ending Content-Length", "*", "http.complete", "http.json"),
    Rule("transport/*", "token", "*", "auth.no-token-echo"),
    Rule("transport/*", "Cache-Control", "public max-age=60 s-maxage=5", "stream.not-cached", _RESUMED),
    Rule("transport/*", "Cache-Control", "*", open=_HARMLESS),
    Rule("transport/*", "Content-Type", "*charset* Application/JSON Text/*", open=_HARMLESS),
    Rule("transport/completion transport/approval", "Content-Type", "*", "completion.media-type", "sdk.*"),
    Rule("transport/stream transport/approval-stream", "Content-Type", "*", "stream.media-type", f"{_RESUMED} sdk.*"),
    Rule("transport/error", "Content-Type", "text/event-stream",
         "error.media-type error.schema-elsewhere auth.stream-refused-as-json stream.refusal-as-json",
         "auth.* resume.* reject.*"),
    Rule("transport/error", "Content-Type", "*", "error.media-type error.schema-elsewhere", "error.rate-limit"),
    Rule("transport/*", "body", "indented escaped extra-member leading-space trailing-line", open=_JSON_SPELLED),
    Rule("transport/error", "body", "empty", "error.schema error.schema-elsewhere", "error.rate-limit"),
    Rule("transport/error", "body",
         "in-array as-string null in-data detail bare-message flat error-as-text errors-listed",
         "error.schema error.schema-elsewhere", "error.rate-limit auth.error-codes"),
    Rule("transport/error", "body", "as-event",
         "http.json error.media-type auth.stream-refused-as-json stream.refusal-as-json error.schema-elsewhere",
         "auth.* resume.* reject.* error.*"),
    Rule("transport/error", "body", "*", "http.json", "error.rate-limit error.schema-elsewhere"),
    Rule("transport/completion transport/approval", "body", "as-event", "completion.media-type"),
    Rule("transport/completion transport/approval", "body", "in-array as-string null in-data", "completion.schema",
         "completion.* kitemesh.* sdk.*"),
    Rule("transport/completion transport/approval", "body", "*", "http.json"),
    Rule("transport/completion", "status", "404", _UNSERVED, "error.*", traits="always",
         unseen="where everything is answered 404, the address or the model may be wrong"),
    Rule("transport/completion transport/approval", "status", "2??", "completion.media-type sdk.*", _UNSERVED),
    Rule("transport/stream transport/approval-stream", "status", "2??", "stream.media-type sdk.*", _UNSERVED),
    Rule("transport/completion transport/approval transport/stream transport/approval-stream", "status", "500 503",
         "error.no-server-error error.schema-elsewhere", _UNSERVED),
    Rule("transport/completion transport/approval transport/stream transport/approval-stream", "status", "4??",
         _UNSERVED, "error.*"),
    Rule("transport/error", "internals", "*", "error.no-internals"),
    Rule("transport/error", "WWW-Authenticate", "*", "auth.challenge"),
    Rule("transport/error", "Retry-After", "*", "error.rate-limit"),
    Rule("transport/error", "Allow", "*", "reject.method"),
    Rule("transport/error", "status", "20?", _REFUSING, "accept.* http.json completion.* error.*"),
    Rule("transport/error", "status", "500 501", "error.no-server-error", f"{_REFUSING} error.*"),
    Rule("transport/error", "status", "403 404 413", _REFUSING, "error.*", open="which 4xx refuses is open",
         traits="404* 409*"),
    Rule("transport/error", "status", "404 501", open="PUT may be answered 404 or 501", traits="405"),
    Rule("transport/error", "status", "400 409 418 422", _REFUSING, "error.*", open="which 4xx refuses is open",
         traits="4* first with-id asks-*"),
    Rule("transport/error", "status", "*", _REFUSING, "error.*"),
)  # fmt: skip

_WEAKER = "reject.generated stream.refusal-as-json resume.request-fields"
_LET_IN = "completion.* chunk.* kitemesh.* isolation.*"
_SERVING = "accept.* resume.* isolation.* sdk.* robust.* completion.* approval.* auth.scheme-case stream.*"

_EXTRA = "unknown extra fields may be refused"
_PARTS = "whether `content` may be absent, and a part without `type` or `text`, is open"
_NULLS = "null in an optional field is open"
_ITEMS = "`items` refuses it anyway"
_CONTAINS = "*.messages.contains) *(.properties.messages.contains)"

_FORM = "of what form a `request_id` may be, the documentation does not tell"
_TOOL = "a server may ask for the call that a `tool` message answers, or refuse the message"
_SPELLINGS = "white space around an identifier and letter case in it are open"

_OTHER = "a request that is wrong in this way is not in that condition"

_CALLS = "how many calls wait is the server's to say"

REQUESTS = (
    Rule("request/resume", "/approved_tool_execution_ids:* /denied_tools:*", "stronger-refuses-more-than-16-items "
         "stronger-refuses-more-than-128-items weaker-first-2-* weaker-first-10-* weaker-first-100-*",
         "resume.decision-shape", unseen=_CALLS),
    Rule("request/*", "/:type", "weaker-*", traits="asks-stream one-message limit with-id", unseen=_OTHER),
    Rule("request/*", "/stream:* /:properties", "weaker-dropped weaker-takes-* weaker-unjudged-stream",
         traits="asks-stream", unseen=_OTHER),
    Rule("request/*", "/messages:type /messages:maxItems", "*", traits="one-message", unseen=_OTHER),
    Rule("request/*", "/messages:items", "weaker-first-*", traits="one-message", unseen=_OTHER),
    Rule("request/*", "/metadata:type /metadata/request_id:type", "weaker-*", traits="with-id", unseen=_OTHER),
    Rule("request/*", "/metadata/request_id:type", "stronger-*", traits="without-id", unseen=_OTHER),
    Rule("request/*", "*", "stronger-refuses-others*", open=_EXTRA),
    Rule("request/*", "*", "stronger-demands-content* stronger-demands-text* stronger-demands-type*", open=_PARTS),
    Rule("request/*", "/stream:* /max_*:* /temperature:* /metadata:* /metadata/*:* /approved_tool_execution_ids:* "
         "/denied_tools:* /denied_tools/*/reason:*", "weaker-takes-null*", open=_NULLS),
    Rule("request/*", "/messages/*/content:*", "stronger-refuses-blank* stronger-refuses-empty*",
         open="blank text and an empty array of parts are open"),
    Rule("request/*", "/: /:* /messages/* /model:* /approval_id:* *_execution_id:* *_ids/*",
         "stronger-refuses-empty*", unseen="an empty one breaks the schema anyway"),
    Rule("request/*", "/messages/*", "weaker-*.contains) weaker-*.contains.properties.role)",
         f"reject.no-user-message {_WEAKER}", "reject.*", unseen=_ITEMS),
    Rule("request/*", "/messages:minItems", "weaker-*", f"reject.messages reject.no-user-message {_WEAKER}",
         unseen="an empty list holds no user message"),
    Rule("request/*", "/metadata/request_id:*", "stronger-refuses-blank* stronger-refuses-more-than-128-* "
         "stronger-refuses-more-than-1000-* stronger-refuses-non-ascii* stronger-refuses-astral* "
         "stronger-refuses-line-breaks*", "accept.metadata", open=_FORM),
    Rule("request/*", "/messages/*/role:*", "stronger-refuses-tool*", "accept.roles", open=_TOOL),
    Rule("request/*", "/model:pattern /approval_id:pattern", "weaker-takes-newline* stronger-refuses-capitals*",
         open=_SPELLINGS),
    Rule("request/*", "*", "stronger-*", _SERVING),
    Rule("request/resume", "/approval_id:*", "*", "resume.approval-id", f"{_WEAKER} resume.*"),
    Rule("request/resume", "/approved_tool_execution_ids* /denied_tools*", "*", "resume.decision-shape",
         f"{_WEAKER} resume.*"),
    Rule("request/resume", "/:required", "*", "resume.approval-id resume.request-fields", f"{_WEAKER} resume.*"),
    Rule("request/*", "/:required", "*", f"reject.model reject.messages {_WEAKER}"),
    Rule("request/*", "/:properties", "*", f"reject.* resume.approval-id resume.decision-shape {_WEAKER}"),
    Rule("request/*", "/:*", "*", f"reject.body {_WEAKER}"),
    Rule("request/*", "/model:*", "*", f"reject.model {_WEAKER}"),
    Rule("request/*", "/messages:contains", "*", f"reject.no-user-message {_WEAKER}"),
    Rule("request/*", "/messages:items", "*", f"reject.message-shape {_WEAKER}"),
    Rule("request/*", "/messages:*", "*", f"reject.messages {_WEAKER}"),
    Rule("request/*", "/messages/*", "*", f"reject.message-shape reject.no-user-message {_WEAKER}"),
    Rule("request/*", "/stream:*", "*", f"reject.stream-type {_WEAKER}"),
    Rule("request/*", "/max_tokens:*", "*", f"reject.max-tokens {_WEAKER}"),
    Rule("request/*", "/max_completion_tokens:*", "*", f"reject.max-completion-tokens {_WEAKER}"),
    Rule("request/*", "/temperature:*", "*", f"reject.temperature {_WEAKER}"),
    Rule("request/*", "/metadata*", "*", f"reject.metadata {_WEAKER}"),
)  # fmt: skip

RULES = (*ANSWERS, *STREAMS, *TRANSPORT, *REQUESTS)


def rule_of(mutant: Mutant) -> Rule | None:
    """The rule that speaks of a mutant; None: none does, which is a gap in the table."""
    return next((rule for rule in RULES if rule.fits(mutant)), None)
