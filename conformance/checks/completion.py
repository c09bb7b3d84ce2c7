"""Area completion: the standard answer.

Who speaks of what: a member that has a requirement of its own is judged there, absence and type included (`choices`,
`finish_reason`, `content`, `created`'s value); what is left is completion.schema's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.checks.check import each, over_all
from conformance.checks.declining import declines
from conformance.checks.rules import envelope
from conformance.checks.rules.ids import repeated
from conformance.contract.classify import Due
from conformance.evidence.answer import Words
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.json_values import ABSENT, get, integer, objects, optional, show
from conformance.evidence.place import STATUS, Place
from conformance.evidence.reading import Reading
from conformance.evidence.residue import in_wake
from conformance.evidence.select import (
    Selection,
    answers,
    media_type_unknown,
    on_chat,
    served_json,
    standard,
    text_streams,
)
from conformance.probes.accept import LONG_TASK, WORD

LIMIT_PROBED = 16
LIMIT_BREACH = 32
"""Counted tokens above which a limit of 16 was not heeded (contract, completion.output-limit)."""
SLACK = LIMIT_BREACH - LIMIT_PROBED
"""Counted tokens by which a limit may be overrun: what a server counts that is not the answer's text."""


@each("completion.media-type", served_json.unless(media_type_unknown))
def media_type(reading: Reading) -> Iterator[Finding]:
    """200 `application/json` when no stream was asked for."""
    if reading.status != 200:
        yield reading.finding("the answer's status is not 200", "status 200", Words(f"status {reading.status}"), STATUS)
    if reading.streamed and reading.media_type != "application/json":
        yield reading.finding(
            "an event stream came although `stream` is not true",
            "application/json",
            Words(reading.media_type or "no media type"),
            Place(header="Content-Type"),
        )
    elif reading.streamed:
        yield reading.finding(
            "an event stream came although `stream` is not true",
            "one JSON object",
            Words(repr(reading.body[:60])),
            Place(byte=0),
            span=(0, 5),
        )
    elif reading.media_type != "application/json":
        yield reading.finding(
            "the answer's media type is not application/json",
            "application/json",
            Words(reading.media_type or "no media type"),
            Place(header="Content-Type"),
        )


_no_objects = served_json.where(lambda r: r.whole and r.json.ok and r.object is None).judgeable()
"""Served bodies that are JSON but no object, which are nothing at all."""


@each("completion.schema", _no_objects | standard)
def schema(reading: Reading) -> Iterator[Finding]:
    """Every documented member with its type."""
    if reading.object is None:
        yield reading.finding("the answer is not a JSON object", "a JSON object", reading.json.value)
        return
    for wrong in envelope.members("completion", reading.object, ("id", "object", "model", "usage")):
        yield wrong.found(reading)
    if "created" not in reading.object:
        yield reading.finding("`created` is absent", "the member `created`", ABSENT, Place("/created"))
    for wrong in envelope.choice_types(reading.object):
        yield wrong.found(reading)
    usage = get(reading.object, "usage")
    for member in ("prompt_tokens", "completion_tokens", "total_tokens"):
        if isinstance(usage, dict) and member not in usage:
            yield reading.finding(
                f"`usage.{member}` is absent", f"the member `{member}`", ABSENT, Place(f"/usage/{member}")
            )


@each("completion.created", standard)
def created(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`created` in integer Unix seconds, near the present."""
    if "created" not in (reading.object or {}):
        yield reading.unjudged("`created` is absent", by="completion.schema")
    for wrong in envelope.created(reading, reading.object):
        yield wrong.found(reading)


@each("completion.model-echo", standard)
def model_echo(reading: Reading) -> Iterator[Finding | Unjudged]:
    """The request's `model`, repeated."""
    if not isinstance(get(reading.object, "model"), str):
        yield reading.unjudged("`model` is not a string", by="completion.schema")
    for wrong in envelope.model(reading, reading.object):
        yield wrong.found(reading, "isolation.answers")


@each("completion.choices", standard)
def choices(reading: Reading) -> Iterator[Finding | Unjudged]:
    """At least one choice, counted from 0, of the role `assistant`."""
    if not isinstance(get(reading.object, "choices"), list):
        yield reading.unjudged("`choices` is not an array", by="completion.schema")
    for wrong in envelope.choice_values(reading.object):
        yield wrong.found(reading)


def _without_choice(reading: Reading) -> str:
    return "completion.choices" if get(reading.object, "choices") == [] else "completion.schema"


def _without_call(reading: Reading) -> bool:
    """True for a standard answer, and for one that says that it waits and brings no call to wait for."""
    brings = get(reading.object, "choices", 0, "message", "tool_calls") or reading.asked.resume
    return not (reading.waits and brings)


@each("completion.finish-reason", answers.where(_without_call))
def finish_reason(reading: Reading) -> Iterator[Finding | Unjudged]:
    """A known `finish_reason`; `tool_calls` exactly when tool calls are there."""
    found = list(objects(get(reading.object, "choices")))
    if not found:
        yield reading.unjudged("there is no choice", by=_without_choice(reading))
    for number, choice in found:
        reason = get(choice, "finish_reason")
        place = Place(f"/choices/{number}/finish_reason")
        if not isinstance(reason, str) or reason not in envelope.FINISH_REASONS:
            yield reading.finding(
                "`finish_reason` is not one of the known values", " or ".join(envelope.FINISH_REASONS), reason, place
            )
        elif reason == "tool_calls" and not get(choice, "message", "tool_calls"):
            yield reading.finding(
                "`tool_calls` without a tool call", "`tool_calls` exactly when tool calls are there", reason, place
            )


@each("completion.content", standard)
def content(reading: Reading) -> Iterator[Finding | Unjudged]:
    """Text `content` with `finish_reason` `stop`."""
    found = [(n, c) for n, c in objects(get(reading.object, "choices")) if isinstance(get(c, "message"), dict)]
    if not found:
        yield reading.unjudged("there is no message", by=_without_choice(reading))
    for number, choice in found:
        text = optional(choice, "message", "content")
        place = Place(f"/choices/{number}/message/content")
        if text is not ABSENT and not isinstance(text, str):
            yield reading.finding("`content` is not text", "a string", text, place)
        elif not text and get(choice, "finish_reason") == "stop":
            yield reading.finding("a finished answer without text", "text, with `finish_reason` `stop`", text, place)


@each("completion.usage", standard)
def usage(reading: Reading) -> Iterator[Finding | Unjudged]:
    """Token counts: non-negative integers, the total not below the sum of the others."""
    counts = get(reading.object, "usage")
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    if not isinstance(counts, dict) or any(name not in counts for name in names):
        yield reading.unjudged("`usage` is not complete", by="completion.schema")
        return
    wrong = False
    for name in names:
        value = integer(counts[name])
        if value is None or value < 0:
            wrong = True
            yield reading.finding(
                f"`{name}` is not a non-negative integer",
                "an integer, 0 or more",
                counts[name],
                Place(f"/usage/{name}"),
            )
    if not wrong and counts["total_tokens"] < counts["prompt_tokens"] + counts["completion_tokens"]:
        total = counts["prompt_tokens"] + counts["completion_tokens"]
        yield reading.finding(
            "`total_tokens` is below the sum of the others",
            f"{show(total, 40)} or more",
            counts["total_tokens"],
            Place("/usage/total_tokens"),
        )


@each("completion.usage-sum", standard)
def usage_sum(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`total_tokens` is the sum of the two others."""
    counts = get(reading.object, "usage")
    prompt, completion, total = (integer(get(counts, f"{n}_tokens")) for n in ("prompt", "completion", "total"))
    if prompt is None or completion is None or total is None or min(prompt, completion, total) < 0:
        yield reading.unjudged("`usage` has no valid counts", by="completion.usage")
    elif total < prompt + completion:
        yield reading.unjudged("`total_tokens` is below the sum", by="completion.usage")
    elif total != prompt + completion:
        yield reading.finding(
            "`total_tokens` is not the sum of the others",
            show(prompt + completion, 40),
            total,
            Place("/usage/total_tokens"),
        )


# --- over all answers


def _without_id(reading: Reading) -> Unjudged | None:
    by = "approval.envelope" if reading.waits else "completion.schema"
    return reading.unjudged("`id` is not a string", by=by) if reading.answer_id is None else None


_with_id = answers.unless(_without_id)


@over_all("completion.id-unique")
def id_unique(evidence: Evidence) -> Iterator[Item]:
    """No `id` twice, resumes of one execution and repeated answers aside."""
    yield from _with_id.unjudged(evidence)
    readings = _with_id.readings(evidence)
    if len(readings) < 2:
        return
    yield from (Judged(reading.name) for reading in readings)
    pairs = list(repeated(readings, {r.name: r.answer_id or "" for r in readings}))
    # Repeated also where nothing else is under way: a general fault, and not one of concurrency alone.
    general = any(later.alone and not (in_wake(later) and earlier.left) for earlier, later in pairs)
    for earlier, later in pairs:
        yield later.finding(
            f"the `id` of {earlier.name} is used again",
            "an `id` that no other answer has",
            later.answer_id,
            Place("/id"),
            yields_to=() if general else ("isolation.answers",),
        )


# --- what a model's whim can fail


def _is_low(limit: object) -> bool:
    """True for a limit that the answers to the long task can show to be heeded or not."""
    return (integer(limit) or LIMIT_PROBED + 1) <= LIMIT_PROBED


def _limited_alone(reading: Reading) -> bool:
    body = reading.asked.body
    return _is_low(body.get("max_tokens")) and body.get("max_completion_tokens") is None


def _limited_twice(reading: Reading) -> bool:
    body = reading.asked.body
    far = (integer(body.get("max_tokens")) or 0) >= 4 * LIMIT_BREACH
    return _is_low(body.get("max_completion_tokens")) and far


def _over_limit(reading: Reading, member: str) -> Iterator[Finding | Unjudged]:
    """More than 32 tokens: by the server's own count, or by the words of the answer, of which each is a token.

    Also of an answer that says that the limit cut it, but by the count alone. Where it was cut, as it says or as the
    long task shows, it was cut at a limit: then more than 16 tokens beyond the one asked for are too many. A model that
    has said all it has to say in a sentence may not have been told of the limit, and no harm was done.
    """
    counted = integer(get(reading.object, "usage", "completion_tokens"))
    words = len(re.findall(r"\S+", reading.said))
    if counted is None and not reading.said:
        yield reading.unjudged("there is nothing to count", by="completion.usage")
        return
    most = counted or 0 if reading.cut_short else max(counted or 0, words)
    asked = integer(reading.asked.body.get(member)) or LIMIT_PROBED
    allowed = asked + SLACK if reading.cut_short or _breaks_off(reading) else LIMIT_BREACH
    if most > allowed:
        reason = get(reading.object, "choices", 0, "finish_reason")
        seen = f"{counted} completion_tokens, {words} words, finish_reason {show(reason)}"
        yield reading.finding(
            f"`{member}` is not respected",
            f"about {asked} tokens, {allowed} at most",
            Words(seen),
            Place("/usage/completion_tokens"),
        )


def _breaks_off(reading: Reading) -> bool:
    """True for an answer to the long task that does as it is asked, and ends before its end."""
    lines = reading.said.split()
    if not reading.asked.prompt.startswith(LONG_TASK) or len(lines) < GOES_ON or "60" in lines:
        return False
    return lines[:-1] == [str(number) for number in range(1, len(lines))]


GOES_ON = 3
"""Numbers by which an answer shows that it counts."""


@each("completion.output-limit", standard.where(_limited_alone), cut=True)
def output_limit(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`max_tokens` is heeded."""
    yield from _over_limit(reading, "max_tokens")


@each("completion.limit-priority", standard.where(_limited_twice), cut=True)
def limit_priority(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`max_completion_tokens` wins over `max_tokens`."""
    yield from _over_limit(reading, "max_completion_tokens")


ASKING = "reply with just this word: "


CANNED = 4
"""Different prompts that got the same words, one at least of another kind than the rest, where nothing is read."""


def _of_two_turns(reading: Reading) -> bool:
    """True for a JSON answer to a prompt that asks for a word, after an earlier one that asked for another."""
    return not reading.asked.stream and len(_asked_words(reading)) >= 2 and bool(WORD.match(reading.asked.prompt))


@Selection
def _canned(evidence: Evidence) -> Iterator[Reading]:
    """The first JSON answer and the first stream whose words were said to every prompt of that mode."""
    for mode in (standard, text_streams):
        if (first := _said_to_all(list(filter(on_chat, mode.readings(evidence))))) is not None:
            yield first


def _said_to_all(answered: list[Reading]) -> Reading | None:
    """The first of these answers where all say the same, refusals aside; None where they do not, or are too few.

    An answer that was cut may say less of it, whether it tells so or not. Prompts of one kind alone show too little: a
    model may take "Reply with just this word" for something that it has one answer to.
    """
    spoken = [r for r in answered if r.due is Due.ACCEPT and r.said.strip()]
    if not spoken:
        return None
    words = max((reading.said.strip() for reading in spoken), key=len)
    if not all(words.startswith(reading.said.strip()) for reading in spoken):
        return None
    whole = [reading for reading in spoken if reading.said.strip() == words and not reading.cut_short]
    kinds = {WORD.match(reading.asked.prompt) is not None for reading in whole}
    many = len({reading.asked.prompt for reading in whole}) >= CANNED
    return whole[0] if many and len(kinds) == 2 and not any(map(_declines, whole)) else None


def _declines(reading: Reading) -> bool:
    """True where the model refuses to answer: by its words, or by the member that tells of it."""
    message = get(reading.object, "choices", 0, "message", "refusal")
    deltas = (get(choice, "delta", "refusal") for chunk in reading.chunks for _, choice in chunk.choices)
    told = message if not reading.asked.stream else next((d for d in deltas if isinstance(d, str)), None)
    return isinstance(told, str) or declines(reading.said)


def _asked_words(reading: Reading) -> list[str]:
    """The words that the user messages ask for, in order."""
    messages = reading.asked.body.get("messages")
    texts = [m.get("content") for _, m in objects(messages) if m.get("role") == "user"]
    return [found.group(1) for t in texts if isinstance(t, str) and (found := WORD.match(t))]


def heeds_words(evidence: Evidence) -> bool:
    """True where the model does what the cheap prompts ask: almost every word that was asked for came back."""
    asked = [
        (WORD.match(r.asked.prompt), r.said)
        for r in evidence.last
        if r.accepted and r.due is Due.ACCEPT and not r.asked.stream and not r.cut_short and not r.waits
    ]
    told = [match.group(1).lower() in said.lower() for match, said in asked if match]
    return len(told) >= 3 and sum(told) >= 0.8 * len(told)


def _says_the_same(reading: Reading) -> Iterator[Finding]:
    """The same words come back, whatever is asked."""
    if reading in _canned.readings(reading.evidence):
        yield reading.finding(
            "every prompt gets the same words",
            "an answer to the last user message",
            reading.said,
            reading.said_at,
        )


@each("completion.uses-prompt", standard.where(_of_two_turns) | _canned, at_once=_says_the_same)
def uses_prompt(reading: Reading) -> Iterator[Finding | Unjudged]:
    """The last user message is answered, not an earlier one."""
    if not _of_two_turns(reading):
        return
    *earlier, last = (word.lower() for word in _asked_words(reading))
    said = reading.said.lower()
    if reading.cut_short or last in said:
        return
    if said.count(ASKING) > len(earlier):
        # A mock that quotes the conversation and breaks off in the last prompt's word has read that prompt.
        yield reading.unjudged("the answer quotes the prompts, the last one too, and breaks off")
        return
    if _declines(reading):
        yield reading.unjudged("the model declines to answer")
        return
    if any(word in said for word in earlier):
        message = "an earlier user message is answered"
    elif heeds_words(reading.evidence):
        message = "the last user message is not answered, though others are"
    else:
        yield reading.unjudged("this model does not repeat the word that it is asked for")
        return
    yield reading.finding(
        message,
        f"the word {last!r}",
        reading.said,
        Place("/choices/0/message/content"),
        yields_to=("isolation.content",),
    )
