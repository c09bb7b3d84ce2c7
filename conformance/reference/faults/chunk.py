"""Faults that break a requirement of the area chunk: the objects in a text stream."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from conformance.reference.behaviour import Behaviour
from conformance.reference.conditions import Object, When, all_of, cut_off, has, lacks, long, short, text_stream
from conformance.reference.fault import Fault, of
from conformance.reference.incoming import Incoming
from conformance.reference.making import (
    OTHER_MODEL,
    changed,
    contents,
    drop,
    each,
    every_event,
    first,
    first_content,
    last,
    like,
    not_first,
    put,
    shapes,
    text_of,
    with_text,
)

_FINISH = "/choices/0/finish_reason"
_CONTENT = "/choices/0/delta/content"
_ROLE = "/choices/0/delta/role"
_HOUR = 3600
_ALMOST = 310  # seconds; a little more than what may lie between `created` and the clock
_REPLACEMENT = "\ufffd"

Texts = Callable[[list[str]], list[str]]


def _listed(change: Callable[[list[Object]], list[Object]], when: When = text_stream) -> Behaviour:
    return shapes(lambda incoming, objects: change(objects), when=when)


def _numbered(pointer: str, value: Callable[[int, Object], object], when: When = text_stream) -> Behaviour:
    """Sets a member of each chunk, by its position."""
    return _listed(
        lambda objects: [changed(one, put(pointer, value(number, one))) for number, one in enumerate(objects)], when
    )


def _texts(change: Texts, when: When = text_stream) -> Behaviour:
    """Changes the pieces of text; each stays in its chunk."""

    def rewrite(objects: list[Object]) -> list[Object]:
        opening, *bearing, closing = objects
        written = change([text_of(one) for one in bearing])
        return [opening, *(with_text(one, text) for one, text in zip(bearing, written, strict=True)), closing]

    return _listed(rewrite, when)


def _so_far(since: int = 0) -> Texts:
    """All the text so far in place of each piece, from one of them on."""
    return lambda texts: [
        "".join(texts[: number + 1]) if number >= since else text for number, text in enumerate(texts)
    ]


def _so_far_but_the_first(texts: list[str]) -> list[str]:
    """All the text but the first piece, again and again."""
    return [*texts[:1], *("".join(texts[1 : number + 1]) for number in range(1, len(texts)))]


def _usage_without_choices(objects: list[Object]) -> list[Object]:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return [*objects, drop("/choices")(like(objects[0], usage=usage))]


def _usage_alone(value: Object) -> Object:
    usage = {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}
    return put("/choices", [])(like(value, usage=usage))


def _merged_end(objects: list[Object]) -> list[Object]:
    """The finish in the chunk that has the last of the text."""
    *before, spoken, closing = objects
    merged = put(_CONTENT, text_of(spoken))(closing)
    return [*before, merged]


def _whole(objects: list[Object]) -> str:
    return "".join(map(text_of, objects))


def _whole_at_the_end(objects: list[Object]) -> list[Object]:
    *before, closing = objects
    return [*before, put(_CONTENT, _whole(objects))(closing)]


def _counted_choices(objects: list[Object]) -> list[Object]:
    return [put("/choices/0/index", number)(one) for number, one in enumerate(_merged_end(objects))]


def _finish_first(objects: list[Object]) -> list[Object]:
    opening, *rest, closing = objects
    return [put(_FINISH, "stop")(opening), *rest, put(_FINISH, None)(closing)]


def _finish_before_last_text(objects: list[Object]) -> list[Object]:
    *before, spoken, closing = objects
    return [*before, closing, spoken]


def _finish_with_first_text(objects: list[Object]) -> list[Object]:
    """The reason comes with the first piece of the text; the last chunk has none."""
    opening, spoken, *rest, closing = objects
    return [opening, put(_FINISH, "stop")(spoken), *rest, put(_FINISH, None)(closing)]


def _more_after_finish(objects: list[Object]) -> list[Object]:
    return [*objects, like(objects[0], {"content": " (end)"})]


def _finish_again(reason: str) -> Callable[[list[Object]], list[Object]]:
    return lambda objects: [*objects, put(_FINISH, reason)(like(objects[-1]))]


def _finish_on_the_last_two(objects: list[Object]) -> list[Object]:
    *before, closing = objects
    return [*before, put(_FINISH, "length")(like(closing)), closing]


def _role_late(objects: list[Object]) -> list[Object]:
    opening, second, *rest = objects
    return [drop(_ROLE)(opening), put(_ROLE, "assistant")(second), *rest]


def _no_text(objects: list[Object]) -> list[Object]:
    return [objects[0], objects[-1]]


def _no_text_at_all(objects: list[Object]) -> list[Object]:
    return [drop(_CONTENT)(objects[0]), put(_FINISH, "stop")(objects[-1])]


def _split(text: str, lowest: str = "\x80") -> tuple[str, str, str] | None:
    """A text as what stands before its first character from `lowest` on, that character, and the rest."""
    for position, character in enumerate(text):
        if character >= lowest:
            return text[:position], character, text[position + 1 :]
    return None


def _torn(halves: Callable[[str], tuple[str, str]], lowest: str = "\x80") -> Behaviour:
    """Tears a character of each piece into two chunks."""

    def tear(objects: list[Object]) -> list[Object]:
        torn: list[Object] = []
        for one in objects:
            parts = _split(text_of(one), lowest)
            if parts is None:
                torn.append(one)
                continue
            left, right = halves(parts[1])
            torn += [with_text(one, parts[0] + left), with_text(one, right + parts[2])]
        return torn

    return _listed(tear)


def _replaced(character: str) -> tuple[str, str]:
    return _REPLACEMENT, _REPLACEMENT * (len(character.encode()) - 1)


_HIGH, _LOW = "\ue000", "\ue001"  # stand for the halves until the octets are written


def _marked(character: str) -> tuple[str, str]:
    return f"{_HIGH}{ord(character):x}{_HIGH}", f"{_LOW}{ord(character):x}{_LOW}"


def _halves(octets: bytes) -> bytes:
    """Writes the marks as JSON's escapes of half a surrogate pair."""
    text = octets.decode()
    text = re.sub(f"{_HIGH}(\\w+){_HIGH}", lambda match: f"\\u{0xD7C0 + (int(match[1], 16) >> 10):04x}", text)
    text = re.sub(f"{_LOW}(\\w+){_LOW}", lambda match: f"\\u{0xDC00 + (int(match[1], 16) & 0x3FF):04x}", text)
    return text.encode()


def _surrogates() -> Behaviour:
    torn = _torn(_marked, "\U00010000")
    return Behaviour(shape=torn.shape, emit=every_event(_halves).emit)


def _id_of_request(incoming: Incoming, objects: list[Object]) -> list[Object]:
    """An id made of the request's model: every stream of it has the same."""
    model = json.dumps(incoming.document.get("model"))
    return [put("/id", f"chatcmpl_{sum(model.encode()):x}")(one) for one in objects]


def _id_of_the_one_before(incoming: Incoming, objects: list[Object]) -> list[Object]:
    """Counts by twos: two streams after one another share an id."""
    number = incoming.memory["streams"] = incoming.memory.get("streams", -1) + 1
    return [put("/id", f"chatcmpl_{number // 2}")(one) for one in objects]


FAULTS: tuple[Fault, ...] = (
    *of("chunk.schema",
        Fault("chunk-object-wrong", "calls a chunk `chat.completions.chunk`",
              each(put("/object", "chat.completions.chunk")), seen_in="object-wrong"),
        Fault("chunk-object-of-completion", "calls the last chunk `chat.completion`",
              each(put("/object", "chat.completion"), at=last), seen_in="object-wrong"),
        Fault("chunk-created-missing", "leaves `created` out", each(drop("/created")), seen_in="created-missing"),
        Fault("chunk-id-missing", "leaves `id` out", each(drop("/id"))),
        Fault("chunk-id-number", "gives a number as `id`", each(put("/id", 4711))),
        Fault("chunk-model-null", "gives null as `model`", each(put("/model", None)), seen_in="model-null"),
        Fault("chunk-choices-absent", "sends usage in a chunk without `choices`", _listed(_usage_without_choices),
              seen_in="choices-absent"),
        Fault("chunk-choices-null", "gives null as `choices` of every chunk", each(put("/choices", None)),
              seen_in="choices-null-200"),
        Fault("chunk-choices-object", "gives an empty object as `choices` of every chunk", each(put("/choices", {}))),
        Fault("chunk-delta-missing", "leaves `delta` out of the last chunk", each(drop("/choices/0/delta"), at=last),
              seen_in="delta-missing"),
        Fault("chunk-delta-null", "gives null as `delta` of the last chunk where the request has no metadata",
              each(put("/choices/0/delta", None), when=all_of(text_stream, lacks("metadata")), at=last),
              seen_in="delta-missing"),
        Fault("chunk-index-missing", "leaves the choice's `index` out behind the first chunk",
              each(drop("/choices/0/index"), at=not_first)),
        Fault("chunk-index-string", "gives the choice's `index` as a string", each(put("/choices/0/index", "0"))),
    ),
    *of("chunk.id-stable",
        Fault("chunk-id-varies", "gives every chunk another id",
              _numbered("/id", lambda number, each: f"{each['id']}-{number}"), seen_in="id-varies"),
        Fault("chunk-id-varies-last", "gives the last chunk another id",
              each(put("/id", lambda old: f"{old}-end"), at=last), seen_in="id-varies"),
        Fault("chunk-id-varies-when-long", "gives another id after ten chunks",
              _numbered("/id", lambda number, each: f"{each['id']}-{number // 10}", all_of(text_stream, long)),
              seen_in="id-varies"),
        Fault("chunk-id-empty", 'gives "" as id of every stream', each(put("/id", "")), seen_in="id-empty"),
        Fault("chunk-id-of-request", "gives all streams for one model the same id",
              shapes(_id_of_request, when=text_stream)),
        Fault("chunk-id-shared-by-two", "gives two streams after one another the same id",
              shapes(_id_of_the_one_before, when=text_stream)),
    ),
    *of("chunk.created",
        Fault("chunk-created-ms", "gives `created` in milliseconds", each(put("/created", lambda old: old * 1000)),
              seen_in="created-ms"),
        Fault("chunk-created-fraction", "gives `created` with a fraction",
              each(put("/created", lambda old: old + 0.25)), seen_in="created-nonint"),
        Fault("chunk-created-ms-when-cut", "gives `created` in milliseconds in what a limit cut",
              each(put("/created", lambda old: old * 1000), when=all_of(text_stream, cut_off)), seen_in="created-ms"),
        Fault("chunk-created-string", "gives `created` as a string", each(put("/created", str))),
        Fault("chunk-created-zero", "gives 0 as `created`", each(put("/created", 0))),
        Fault("chunk-created-other-zone", "gives `created` an hour ahead",
              each(put("/created", lambda old: old + _HOUR))),
        Fault("chunk-created-late-clock", "gives `created` a little more than five minutes ago",
              each(put("/created", lambda old: old - _ALMOST))),
    ),
    *of("chunk.created-stable",
        Fault("chunk-created-varies", "counts `created` on from chunk to chunk",
              _numbered("/created", lambda number, each: each["created"] + number), seen_in="created-varies"),
        Fault("chunk-created-varies-last", "gives the last chunk a `created` of its own",
              each(put("/created", lambda old: old + 1), at=last), seen_in="created-varies"),
        Fault("chunk-created-varies-when-long",
              "gives the text of long answers an earlier `created` than the first chunk",
              each(put("/created", lambda old: old - 1), when=all_of(text_stream, long), at=contents),
              seen_in="created-varies"),
    ),
    *of("chunk.model-echo",
        Fault("chunk-model-other", "names another group", each(put("/model", OTHER_MODEL)), seen_in="model-wrong"),
        Fault("chunk-model-bare", "leaves `group:` out of `model`",
              each(put("/model", lambda old: old.removeprefix("group:")))),
        Fault("chunk-model-other-last", "names another group in the last chunk",
              each(put("/model", OTHER_MODEL), at=last), seen_in="model-wrong"),
        Fault("chunk-model-of-engine", "names the engine behind the group where the request has no metadata",
              each(put("/model", "mistral-small"), when=all_of(text_stream, lacks("metadata"))), seen_in="model-wrong"),
    ),
    *of("chunk.opens",
        Fault("chunk-role-never", "never sends the role", each(drop(_ROLE)), seen_in="role-dropped"),
        Fault("chunk-role-empty", 'sends "" as the role', each(put(_ROLE, ""), at=first), seen_in="role-empty"),
        Fault("chunk-role-late", "sends the role with the first text, behind a chunk without it", _listed(_role_late),
              seen_in="role-dropped"),
        Fault("chunk-role-changes", "changes the role to `tool` in the last chunk", each(put(_ROLE, "tool"), at=last)),
        Fault("chunk-role-upper-case", "writes `Assistant` where the request has metadata",
              each(put(_ROLE, "Assistant"), when=all_of(text_stream, has("metadata")), at=first)),
    ),
    *of("chunk.content",
        Fault("chunk-content-parts", "sends an array of parts as `delta.content`",
              each(put(_CONTENT, lambda old: [{"type": "text", "text": old}]), at=contents)),
        Fault("chunk-content-false-first", "sends false as the content of the first chunk",
              each(put(_CONTENT, False), at=first)),
        Fault("chunk-content-characters", "sends the first piece of text as an array of characters",
              each(put(_CONTENT, lambda old: list(old or "")), at=first_content)),
        Fault("chunk-content-none", "stops without any text, as if nothing had failed", _listed(_no_text),
              seen_in="error-swallowed"),
        Fault("chunk-content-absent", "sends neither content nor calls where the request has no metadata",
              _listed(_no_text_at_all, all_of(text_stream, lacks("metadata"))), seen_in="content-absent"),
    ),
    *of("chunk.appends",
        Fault("chunk-appends-not", "sends all the text so far with each piece", _texts(_so_far()),
              seen_in="content-cumulative"),
        Fault("chunk-appends-not-after-five", "sends all the text so far from the sixth piece on",
              _texts(_so_far(since=5)), seen_in="content-cumulative"),
        Fault("chunk-appends-not-when-long", "sends all of a long text so far, but for its first piece",
              _texts(_so_far_but_the_first, all_of(text_stream, long)), seen_in="content-cumulative"),
        Fault("chunk-appends-whole-at-the-end", "sends the whole text once more in the last chunk",
              _listed(_whole_at_the_end)),
        Fault("chunk-appends-word-twice", "sends a short text once more in its last chunk",
              _listed(_whole_at_the_end, all_of(text_stream, short))),
        Fault("chunk-appends-whole-behind-the-text", "sends the whole text once more behind its last piece",
              _listed(lambda objects: [*objects[:-1], like(objects[0], {"content": _whole(objects)}), objects[-1]])),
    ),
    *of("chunk.finish-once",
        Fault("chunk-finish-missing-when-cut", "gives no reason for the end of what a limit cut",
              each(put(_FINISH, None), when=all_of(text_stream, cut_off)), seen_in="finish-missing"),
        Fault("chunk-finish-missing", "never gives a reason for the end", each(put(_FINISH, None)),
              seen_in="finish-missing"),
        Fault("chunk-finish-missing-when-long", "gives no reason for the end of long answers",
              each(put(_FINISH, None), when=all_of(text_stream, long)), seen_in="finish-missing"),
        Fault("chunk-finish-twice", "sends `stop` in two chunks", _listed(_finish_again("stop")),
              seen_in="finish-double"),
        Fault("chunk-finish-length-then-stop", "sends `length`, then `stop`", _listed(_finish_on_the_last_two),
              seen_in="finish-double"),
        Fault("chunk-finish-of-counted-choices",
              "counts chunks in the choice's `index`, so that but one of the choices ends", _listed(_counted_choices),
              seen_in="choice-index-counts"),
        Fault("chunk-no-choice-but-usage", "sends usage in the place of an answer",
              _listed(lambda objects: [_usage_alone(objects[0])]), seen_in="theopenco/llmgateway#1053"),
        Fault("chunk-no-choice-but-keep-alives", "sends chunks with empty `choices` in the place of a long answer",
              _listed(lambda objects: [put("/choices", [])(each) for each in objects], all_of(text_stream, long))),
        Fault("chunk-role-alone", "sends the role, and no more", _listed(lambda objects: objects[:1]),
              seen_in="error-swallowed"),
    ),
    *of("chunk.finish-last",
        Fault("chunk-finish-first", "sends `stop` in the chunk that opens the answer", _listed(_finish_first),
              seen_in="finish-early"),
        Fault("chunk-finish-before-last-text", "sends the last piece of text after `stop`",
              _listed(_finish_before_last_text), seen_in="finish-early"),
        Fault("chunk-finish-then-more", "appends a remark after `stop`", _listed(_more_after_finish)),
        Fault("chunk-finish-early-when-long", "sends `stop` with the first piece of a long text",
              _listed(_finish_with_first_text, all_of(text_stream, long)), seen_in="finish-early"),
    ),
    *of("chunk.finish-reason",
        Fault("chunk-finish-eos-token", "gives `eos_token` as the reason", each(put(_FINISH, "eos_token"), at=last),
              seen_in="finish-unknown"),
        Fault("chunk-finish-max-tokens-when-cut", "gives `max_tokens` as the reason for the end of what a limit cut",
              each(put(_FINISH, "max_tokens"), when=all_of(text_stream, cut_off), at=last), seen_in="finish-unknown"),
        Fault("chunk-finish-upper-case", "gives `STOP` as the reason", each(put(_FINISH, "STOP"), at=last),
              seen_in="finish-unknown"),
        Fault("chunk-finish-empty", 'gives "" as the reason until the end', each(put(_FINISH, lambda old: old or "")),
              seen_in="finish-empty"),
        Fault("chunk-finish-null-in-words", 'gives "null" as the reason of chunks with text',
              each(put(_FINISH, "null"), at=contents), seen_in="finish-empty"),
        Fault("chunk-finish-tools-without-calls", "gives `tool_calls` as the reason where there are none",
              each(put(_FINISH, "tool_calls"), at=last), seen_in="finish-tools-empty"),
        Fault("chunk-finish-true-when-long", "gives true as the reason of long answers",
              each(put(_FINISH, True), when=all_of(text_stream, long), at=last)),
    ),
    *of("chunk.text-intact",
        Fault("chunk-text-torn", "decodes the halves of a character by themselves: U+FFFD on both sides of a border",
              _torn(_replaced), seen_in="utf8-split"),
        Fault("chunk-text-torn-beyond-latin", "tears characters of three octets and more", _torn(_replaced, "\u0800"),
              seen_in="utf8-split"),
        Fault("chunk-text-torn-surrogates", "sends the halves of a surrogate pair in two chunks", _surrogates(),
              seen_in="utf8-split"),
    ),
)  # fmt: skip
