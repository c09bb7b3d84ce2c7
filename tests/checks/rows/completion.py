"""Rows on completions in JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from checks.case import OPEN, Breaks, Holds, breaks, holds
from checks.exchanges import (
    AHEAD,
    AHEAD_DATES,
    LONG_TASK,
    NOW,
    OTHER_MODEL,
    WELL,
    answer,
    chat,
    chat_stream,
    completion,
    exchange,
    identifier,
    octets,
    paused,
    put,
    sent,
    with_header,
    with_status,
    without,
    word,
)

from conformance.transcript.exchange import Exchange


def _limit(
    number: int, text: str, counted: int, finish_reason: str = "stop", probe: str = "a", **fields: Any
) -> Exchange:
    """The same probe, tried for the n-th time."""
    body = sent(probe, prompt=LONG_TASK, **{"max_tokens": 16, **fields})
    value = completion(f"{probe}~{number}", text, finish_reason)
    value["usage"] = {"prompt_tokens": 7, "completion_tokens": counted, "total_tokens": 7 + counted}
    value["kitemesh"]["request_id"] = f"req-{probe}"
    return exchange(f"{probe}~{number}", body, answer(value), probe=probe, round=number)


COUNTED = " ".join(str(number) for number in range(1, 61))
BOTH: dict[str, Any] = {"max_tokens": 1024, "max_completion_tokens": 16}
ASKING = "Reply with just this word: "
TURNS = [
    {"role": "user", "content": f"Reply with just this word: {word('first')}"},
    {"role": "assistant", "content": word("first")},
    {"role": "user", "content": f"Reply with just this word: {word('second')}"},
]


def _turn(number: int, text: str) -> Exchange:
    value = completion(f"a~{number}", text)
    value["kitemesh"]["request_id"] = "req-a"
    return exchange(f"a~{number}", sent("a", messages=TURNS), answer(value), probe="a", round=number)


def _to_every_prompt(text: str) -> list[Exchange]:
    """One text in answer to prompts of two kinds."""
    tasks = [chat(f"task{n}", text, prompt=f"{LONG_TASK} (Reference: {word(str(n))}.)") for n in range(2)]
    return [*(chat(f"c{n}", text) for n in range(4)), *tasks]


def _to_every_stream(text: str) -> list[Exchange]:
    half = len(text) // 2
    made = [chat_stream(f"s{n}", [text[:half], text[half:]]) for n in range(4)]
    return [*made, chat_stream("task", [text[:half], text[half:]], prompt=LONG_TASK)]


def _dated(made: Exchange, date: str) -> Exchange:
    return with_header(made, "Date", date)


def _choices(*changes: Any) -> list[Any]:
    choice = completion("a", word("a"))["choices"][0]
    return [{**choice, **change} for change in changes]


def _message(**changes: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": "x", **changes}}


UNASKED = b"data: " + octets(completion("a", "x")) + b"\n\ndata: [DONE]\n\n"

ROWS: tuple[Breaks | Holds, ...] = (
    breaks("completion.media-type", "text/plain", with_header(chat("a"), "Content-Type", "text/plain")),
    breaks("completion.media-type", "none", with_header(chat("a"), "Content-Type", None)),
    breaks("completion.media-type", "a stream, unasked", exchange("a", sent("a"), chat_stream("a").response)),
    breaks("completion.media-type", "a stream, to stream false",
           exchange("a", sent("a", stream=False), chat_stream("a").response)),
    breaks("completion.media-type", "a stream called JSON", exchange("a", sent("a"), answer(UNASKED))),
    breaks("completion.media-type", "201", with_status(chat("a"), 201)),
    holds("completion.media-type", "a charset", with_header(chat("a"), "content-type",
          "application/json;charset=utf-8")),
    *(breaks("completion.schema", f"no {member}", without(chat("a"), f"/{member}"))
      for member in ("id", "object", "created", "model", "usage")),
    *(breaks("completion.schema", f"no {member}", without(chat("a"), f"/usage/{member}"))
      for member in ("prompt_tokens", "completion_tokens", "total_tokens")),
    breaks("completion.schema", "a numeric id", put(chat("a"), "/id", 5)),
    breaks("completion.schema", "a null id", put(chat("a"), "/id", None)),
    breaks("completion.schema", "another object", put(chat("a"), "/object", "text_completion")),
    breaks("completion.schema", "a chunk's object", put(chat("a"), "/object", "chat.completion.chunk")),
    breaks("completion.schema", "a null model", put(chat("a"), "/model", None)),
    breaks("completion.schema", "usage null", put(chat("a"), "/usage", None)),
    breaks("completion.schema", "an array", exchange("a", sent("a"), answer([completion("a", "x")]))),
    *(breaks("completion.schema", f"no {pointer}", without(chat("a"), pointer))
      for pointer in ("/choices", "/choices/0/index", "/choices/0/message", "/choices/0/message/role")),
    breaks("completion.schema", "choices null", put(chat("a"), "/choices", None)),
    breaks("completion.schema", "a choice that is text", put(chat("a"), "/choices/0", "x")),
    holds("completion.schema", "unknown members", put(put(chat("a"), "/system_fingerprint", None), "/usage/details",
          {})),
    holds("completion.schema", "a member of the message", put(chat("a"), "/choices/0/message/refusal", None)),
    breaks("completion.id-unique", "twice", chat("a"), put(chat("b"), "/id", f"chatcmpl_{identifier('a')}")),
    holds("completion.id-unique", "the same body twice, from a cache", chat("a"), replace(
        chat("a"), name="b", note=replace(chat("a").note, probe="b"))),
    holds("completion.id-unique", "two answers", chat("a"), chat("b")),
    *(breaks("completion.created", what, put(chat("a"), "/created", value)) for what, value in (
        ("milliseconds", NOW * 1000), ("a fraction", NOW + 0.5), ("text", str(NOW)), ("null", None),
        ("an hour late", NOW - 3600), ("ten minutes early", NOW + 600), ("0", 0), ("true", True),
    )),
    breaks("completion.created", "an integer of 400 digits", put(chat("a"), "/created", 10**400)),
    *(breaks("completion.created", f"by the server's own clock, {date}", _dated(chat("a"), date))
      for date in AHEAD_DATES),
    holds("completion.created", "four minutes off", put(chat("a"), "/created", NOW + 240)),
    holds("completion.created", "an integer as 1.0", put(chat("a"), "/created", float(NOW))),
    *(holds("completion.created", f"a server whose clock is months off, {date}", put(
        _dated(chat("a"), date), "/created", AHEAD)) for date in AHEAD_DATES),
    holds("completion.created", "a Date in a zone that cannot be told", _dated(
        chat("a"), "Mon, 21 Sep 2026 10:13:20 EDT")),
    holds("completion.created", "an odd Date", _dated(chat("a"), "yesterday")),
    breaks("completion.model-echo", "another", put(chat("a"), "/model", OTHER_MODEL)),
    breaks("completion.model-echo", "the provider's own", put(chat("a"), "/model", "gpt-4")),
    holds("completion.model-echo", "the request's", chat("a")),
    breaks("completion.choices", "none", put(chat("a"), "/choices", [])),
    breaks("completion.choices", "an index from 1", put(chat("a"), "/choices/0/index", 1)),
    breaks("completion.choices", "another role", put(chat("a"), "/choices/0/message/role", "model")),
    breaks("completion.choices", "two of index 0", put(chat("a"), "/choices", _choices({}, {}))),
    holds("completion.choices", "two", put(chat("a"), "/choices", _choices({}, {"index": 1}))),
    holds("completion.choices", "an index 0.0", put(chat("a"), "/choices/0/index", 0.0)),
    breaks("completion.finish-reason", "unknown", put(chat("a"), "/choices/0/finish_reason", "eos")),
    breaks("completion.finish-reason", "null", put(chat("a"), "/choices/0/finish_reason", None)),
    breaks("completion.finish-reason", "empty", put(chat("a"), "/choices/0/finish_reason", "")),
    breaks("completion.finish-reason", "absent", without(chat("a"), "/choices/0/finish_reason")),
    breaks("completion.finish-reason", "tool_calls without one", put(chat("a"), "/choices/0/finish_reason",
           "tool_calls")),
    breaks("completion.finish-reason", "tool_calls without one, and an approval", put(
        paused("a"), "/choices/0/message/tool_calls", [])),
    *(holds("completion.finish-reason", reason, put(chat("a"), "/choices/0/finish_reason", reason))
      for reason in ("length", "content_filter")),
    holds("completion.finish-reason", "tool_calls empty", put(chat("a"), "/choices/0/message/tool_calls", [])),
    holds("completion.finish-reason", "tool_calls null", put(chat("a"), "/choices/0/message/tool_calls", None)),
    breaks("completion.content", "null", put(chat("a"), "/choices/0/message/content", None)),
    breaks("completion.content", "absent", without(chat("a"), "/choices/0/message/content")),
    breaks("completion.content", "parts", put(chat("a"), "/choices/0/message/content", [{"type": "text",
           "text": "x"}])),
    breaks("completion.content", "a number", put(chat("a"), "/choices/0/message/content", 5)),
    holds("completion.content", "null where the answer was cut", put(
        chat("a"), "/choices/0", _choices({"finish_reason": "length", **_message(content=None)})[0])),
    holds("completion.content", "null where it was filtered", put(
        chat("a"), "/choices/0", _choices({"finish_reason": "content_filter", **_message(content=None)})[0])),
    *(breaks("completion.usage", what, put(chat("a"), f"/usage/{member}", value)) for what, member, value in (
        ("negative", "prompt_tokens", -1), ("text", "prompt_tokens", "7"), ("null", "completion_tokens", None),
        ("a fraction", "completion_tokens", 1.5), ("below the sum", "total_tokens", 8), ("true", "prompt_tokens", True),
    )),
    breaks("completion.usage", "a sum of 400 digits", put(chat("a"), "/usage/prompt_tokens", 10**400)),
    holds("completion.usage", "1.0", put(chat("a"), "/usage/prompt_tokens", 7.0)),
    holds("completion.usage", "zeros", put(
        chat("a"), "/usage", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})),
    breaks("completion.usage-sum", "above the sum", put(chat("a"), "/usage/total_tokens", 30)),
    holds("completion.usage-sum", "the sum", chat("a")),
    breaks("completion.output-limit", "twice", _limit(1, COUNTED, 60), _limit(2, COUNTED, 60)),
    breaks("completion.output-limit", "more words than counted", _limit(1, COUNTED, 16), _limit(2, COUNTED, 16)),
    breaks("completion.output-limit", "two of three", _limit(1, COUNTED, 60), _limit(2, "1 2", 2), _limit(3, COUNTED,
           60)),
    holds("completion.output-limit", "one of three", _limit(1, COUNTED, 60), _limit(2, "1 2", 2), _limit(3, "1 2", 2)),
    holds("completion.output-limit", "32 counted", _limit(1, "1 2", 32), _limit(2, "1 2", 32)),
    breaks("completion.output-limit", "cut, too late", _limit(1, COUNTED, 60, "length"),
           _limit(2, COUNTED, 60, "length")),
    holds("completion.output-limit", "cut, and 16 counted", _limit(1, "1 2", 16, "length"),
          _limit(2, "1 2", 16, "length")),
    breaks("completion.output-limit", "one asked for, cut at 20", *(
        _limit(n, COUNTED[:50], 20, "length", max_tokens=1) for n in (1, 2))),
    breaks("completion.output-limit", "one asked for, the count broken off at 20", *(
        _limit(n, " ".join(COUNTED.split()[:20]), 20, max_tokens=1) for n in (1, 2))),
    breaks("completion.output-limit", "one asked for, all given", *(
        _limit(n, COUNTED, 60, max_tokens=1) for n in (1, 2))),
    holds("completion.output-limit", "one asked for, cut at 17", *(
        _limit(n, COUNTED[:50], 17, "length", max_tokens=1) for n in (1, 2))),
    holds("completion.output-limit", "one asked for, a sentence given", *(
        _limit(n, "I count for nobody. " * 5, 30, max_tokens=1) for n in (1, 2))),
    holds("completion.output-limit", "one asked for, thirteen given and not told as cut", *(
        _limit(n, " ".join(COUNTED.split()[:13]), 13, max_tokens=1) for n in (1, 2))),
    holds("completion.output-limit", "one try alone", _limit(1, COUNTED, 60), state=OPEN),
    breaks("completion.output-limit", "no limit of either name", _limit(1, COUNTED, 60), _limit(2, COUNTED, 60), *(
        _limit(number, COUNTED, 60, probe="b", **BOTH) for number in (1, 2))),
    breaks("completion.limit-priority", "twice", _limit(1, COUNTED, 60, **BOTH), _limit(2, COUNTED, 60, **BOTH)),
    breaks("completion.limit-priority", "two asked for, cut at 20", *(
        _limit(n, COUNTED[:50], 20, "length", max_tokens=1024, max_completion_tokens=2) for n in (1, 2))),
    holds("completion.limit-priority", "two asked for, cut at 4", *(
        _limit(n, "1 2", 4, "length", max_tokens=1024, max_completion_tokens=2) for n in (1, 2))),
    holds("completion.limit-priority", "heeded", _limit(1, "1 2", 4, **BOTH), _limit(2, "1 2", 4, **BOTH)),
    holds("completion.limit-priority", "the other way round", WELL, *(
        _limit(n, COUNTED, 60, max_tokens=16, max_completion_tokens=1024) for n in (1, 2)), state=OPEN),
    breaks("completion.uses-prompt", "the first message", _turn(1, word("first")), _turn(2, word("first"))),
    breaks("completion.uses-prompt", "none, by a model that repeats other words", *(chat(f"w{n}") for n in range(9)),
           _turn(1, "Hello."), _turn(2, "Hello.")),
    holds("completion.uses-prompt", "the last", _turn(1, word("second"))),
    holds("completion.uses-prompt", "both words", _turn(1, f"{word('first')} {word('second')}")),
    holds("completion.uses-prompt", "the beginning of the conversation, quoted into the last prompt",
          *(_turn(n, f"I saw '{ASKING}{word('first')} {word('first')} {ASKING}{word('second')[:4]}'.")
            for n in (1, 2)), state=OPEN),
    breaks("completion.uses-prompt", "the first prompt, quoted",
           *(_turn(n, f"I saw '{ASKING}{word('first')}'.") for n in (1, 2))),
    *(breaks("completion.uses-prompt", f"the same words to every prompt: {text}", *_to_every_prompt(text))
      for text in ("Hello! How can I help you today?", "OK.", "👩‍👩‍👧 👍🏽", "zofrabelu")),
    breaks("completion.uses-prompt", "the same words to every stream", *(chat(f"w{n}") for n in range(9)),
           *_to_every_stream("This is a mock response.")),
    *(holds("completion.uses-prompt", f"a refusal of every prompt: {text}", *_to_every_prompt(text),
            *_to_every_stream(text), state=OPEN)
      for text in ("I'm sorry, I can't help with that.", "No.", "Je suis désolé, je ne peux pas vous aider.",
                   "申し訳ありませんが、お手伝いできません。")),
    holds("completion.uses-prompt", "a refusal that a member tells", *(
        put(made, "/choices/0/message/refusal", "Not me.") for made in _to_every_prompt("Not me.")), state=OPEN),
    holds("completion.uses-prompt", "the same words to prompts of one kind, which differ in a word alone", *(
        chat(f"w{n}", "Sure.") for n in range(9)), state=OPEN),
    holds("completion.uses-prompt", "the same words to all but one prompt", *_to_every_prompt("Hello!"),
          chat("other", "Good morning!"), state=OPEN),
    holds("completion.uses-prompt", "an answer cut to the same word", *(
        put(made, "/choices/0/finish_reason", "length") for made in _to_every_prompt("The")), state=OPEN),
    holds("completion.uses-prompt", "a refusal, by a model that does what others ask for", *(
        chat(f"w{n}") for n in range(9)), *(_turn(n, "I'm sorry, I can't do that.") for n in (1, 2)), state=OPEN),
    holds("completion.uses-prompt", "a refusal that names the earlier word", *(
        _turn(n, f"I'm sorry, I can only repeat {word('first')}.") for n in (1, 2)), state=OPEN),
    holds("completion.uses-prompt", "a model that repeats nothing", _turn(1, "Hi."), _turn(2, "Hi."), state=OPEN),
)  # fmt: skip
