"""Models: what they say, how long they take, and how a server shares them out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from conformance.reference.asked import asked
from conformance.reference.behaviour import Behaviour
from conformance.reference.conditions import Object, prompt, sent_messages
from conformance.reference.decision import Serve
from conformance.reference.fault import Variation, withholding
from conformance.reference.incoming import Incoming
from conformance.reference.making import (
    COMPLETION,
    SERVED,
    TEXT_STREAM,
    at_path,
    on_objects,
    set_to,
    speaks,
    together,
    transmits,
)
from conformance.reference.model import text_of, tokens
from conformance.reference.transmission import Hang, Out, Piece

_WHIM = "Checks that a model's whim can fail fail only if two of three tries show the breach; not the model's quality"
_TIMES = "Times: 120 s to the first byte and 60 s between bytes"
_CANNED = "Not observable: the model's quality"


def _saying(change: Callable[[str, Incoming], str]) -> Behaviour:
    """Another text, cut where the limit is reached."""
    return speaks(lambda incoming, answer: _within_limit(incoming, answer, tokens(change(answer.text, incoming))))


def _within_limit(incoming: Incoming, answer: Serve, spoken: tuple[str, ...]) -> Serve:
    said = spoken[: asked(incoming.document).limit]
    cut = answer.finish_reason == "length" or said != spoken
    return replace(answer, tokens=said, finish_reason="length" if cut else "stop")


def _thinking(thoughts: int) -> Behaviour:
    """A model whose thoughts count as output, and which may use up the limit by them."""

    def shortened(incoming: Incoming, answer: Serve) -> Serve:
        limit = asked(incoming.document).limit
        if limit is None:
            return answer
        said = answer.tokens[: max(0, limit - thoughts)]
        return replace(answer, tokens=said, finish_reason="length" if said != answer.tokens else "stop")

    def count(incoming: Incoming, value: Object) -> Object:
        limit = asked(incoming.document).limit
        used = thoughts if limit is None else min(limit, thoughts)

        def change(usage: Object) -> Object:
            counted = usage["completion_tokens"] + used
            return {
                **usage, "completion_tokens": counted, "total_tokens": usage["prompt_tokens"] + counted,
                "completion_tokens_details": {"reasoning_tokens": used},
            }  # fmt: skip

        value = at_path(value, "/usage", change)
        return at_path(value, "/choices/*/message", lambda m: {**m, "content": m.get("content") or None,
                                                                      "reasoning_content": "Hm."})  # fmt: skip

    return together(speaks(shortened), on_objects(count, COMPLETION))


def _one_token_a_letter() -> Behaviour:
    """A tokenizer that knows letters only."""
    return speaks(lambda incoming, answer: _within_limit(incoming, answer, tuple(answer.text)))


def _loose(slack: int) -> Behaviour:
    """Limits that are overrun by a few tokens; the answer is cut without saying so."""

    def overrun(incoming: Incoming, answer: Serve) -> Serve:
        limit = asked(incoming.document).limit
        if limit is None or answer.finish_reason != "length":
            return answer
        said = tokens(" ".join(map(str, range(1, 29))))[: limit + slack]
        return replace(answer, tokens=said, finish_reason="stop")

    return speaks(overrun)


def _unlimited(text: str, answer: Serve) -> Serve:
    """A text in full."""
    return replace(answer, tokens=tokens(text), finish_reason="stop")


def _word(incoming: Incoming) -> str:
    """The last word of the prompt."""
    return (prompt(incoming).split() or ["nothing"])[-1]


def _prompts(incoming: Incoming) -> list[str]:
    return [text_of(message) for message in sent_messages(incoming) if message.get("role") == "user"]


def _queued(slots: int, each: float) -> Behaviour:
    """So many at a time, in the order of their coming; each takes at least `each` seconds."""

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        now = time.monotonic()
        free: list[float] = incoming.memory.setdefault("free", [0.0] * slots)
        slot = min(range(slots), key=free.__getitem__)
        start = max(now, free[slot])
        free[slot] = start + each + sum(piece.delay for piece in pieces)
        first, *rest = pieces
        return [replace(first, delay=first.delay + start - now + each), *rest]

    return transmits(emit, SERVED)


def _uneven(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
    """Some answers take long, others none, so that they come in another order than they were asked for."""
    first, *rest = pieces
    return [replace(first, delay=first.delay + (0.0, 0.6, 0.1, 0.3)[incoming.nth % 4]), *rest]


def _head_at_once(_: Incoming, pieces: list[Piece]) -> list[Piece]:
    """Status and header fields at once, the body much later."""
    return [Out(b""), Hang(0.8), *pieces]


def _stutters(_: Incoming, pieces: list[Piece]) -> list[Piece]:
    """Long pauses within a stream."""
    return [
        replace(piece, delay=0.7) if number in (2, 4) and isinstance(piece, Out) else piece
        for number, piece in enumerate(pieces)
    ]


def _told_as_refusal(message: Object) -> Object:
    """A message, or what is new of one, whose content is said to be a refusal."""
    return {**message, "refusal": message["content"]} if message.get("content") else message


_REFUSALS = "completion.uses-prompt: does not give the same words to every prompt, refusals aside"
_DECLINING = {
    "english": "I'm sorry, I can't help with that.",
    "french": "Je suis désolé, je ne peux pas répondre à cette demande.",
    "german": "Dabei kann ich leider nicht helfen.",
    "spanish": "Lo siento, pero no puedo ayudarte con eso.",
    "russian": "Извините, я не могу с этим помочь.",
    "japanese": "申し訳ありませんが、お手伝いできません。",
    "arabic": "عذرًا، لا أستطيع المساعدة في ذلك.",
}
"""Refusals of models."""

_UNHEEDING = {"completion.uses-prompt": "this model does not repeat the word that it is asked for"}

_SHORT = {
    "stream.incremental": "no answer is long enough",
    "isolation.slow-reader": "no answer is long enough",
    "robust.disconnect": "no stream lasts long enough to be left",
}
_TERSE = {**_UNHEEDING, **_SHORT}

_WORDS = withholding(
    Variation("model-chatty", "A sentence around the word that was asked for.", _WHIM,
              _saying(lambda text, _: f"Sure! Here is the word you asked for:\n\n**{text}**\n\nAnything else?")),
    Variation("model-quotes", "The word in quotation marks, with a full stop.", _WHIM,
              _saying(lambda text, _: f"“{text}.”")),
    Variation("model-shouts", "The word in upper case.", _WHIM, _saying(lambda text, _: text.upper())),
    Variation("model-fences", "The answer in a block of code.", _WHIM,
              _saying(lambda text, _: f"```text\n{text}\n```\n")),
    Variation("model-white-space", "White space before and behind the answer.", _WHIM,
              _saying(lambda text, _: f"\n\n {text}\n")),
    Variation("model-refuses", "“I can't help with that.” to everything, in one word.", _CANNED,
              _saying(lambda *_: "No."), _TERSE),
    *(Variation(f"model-declines-{name}", f"Declines whatever it is asked: “{words[:48]}”.", _REFUSALS,
                _saying(lambda *_, words=words: words), _TERSE)
      for name, words in _DECLINING.items()),
    Variation("model-declines-in-turns", "Declines whatever it is asked, in other words each time.", _REFUSALS,
              _saying(lambda _, incoming: tuple(_DECLINING.values())[incoming.nth % len(_DECLINING)]), _TERSE),
    Variation("model-declines-a-third", "Declines every third request, and does what the others ask for.", _REFUSALS,
              _saying(lambda text, incoming: text if incoming.nth % 3 else _DECLINING["english"]),
              {"completion.uses-prompt": "the model declined to answer", **_SHORT}),
    Variation("model-declines-in-conversations", "Declines in every conversation of several turns.", _REFUSALS,
              _saying(lambda text, incoming: _DECLINING["french"] if len(sent_messages(incoming)) > 1 else text),
              {"completion.uses-prompt": "the model declined to answer"}),
    Variation("model-declines-by-a-member",
              "Declines whatever it is asked, in words that the member `refusal` repeats.", _REFUSALS,
              together(
                  _saying(lambda *_: "Nothing of the kind."),
                  on_objects(lambda _, value: at_path(value, "/choices/*/message", _told_as_refusal), COMPLETION),
                  on_objects(lambda _, value: at_path(value, "/choices/*/delta", _told_as_refusal), TEXT_STREAM),
              ), _TERSE),
    Variation("model-echoes", "The whole prompt comes back.", _CANNED,
              _saying(lambda _, incoming: prompt(incoming) or "Well?"), _SHORT),
    Variation("model-summarises", "All user messages come back, the last one last.", _CANNED,
              _saying(lambda _, incoming: " / ".join(_prompts(incoming)[-9:]) or "Well?"),
              dict.fromkeys(("stream.incremental", "isolation.slow-reader"), "its answers are short")),
    Variation("model-essays", "Two hundred words to everybody, the word among them.", _WHIM,
              _saying(lambda text, _: f"{text} " + "and so on " * 66)),
    Variation("model-grows", "Words each of which begins like the one before.",
              "chunk.appends: what is new, not all the text so far again",
              together(_saying(lambda text, _: f"{text} 1 10 100 1000 10000 100000 1000000"), set_to(chunk_tokens=1))),
    Variation("model-repeats", "One word over and over.", "chunk.appends: what is new, not all the text so far again",
              together(_saying(lambda text, _: f"{text} " + "ha " * 12), set_to(chunk_tokens=1))),
    Variation("model-writes-much", "Three thousand words to everybody who sets no limit.", _WHIM,
              together(
                  _saying(lambda text, _: f"{text} " + " ".join(f"w{n}" for n in range(3_000))),
                  set_to(token_interval=0, chunk_tokens=8),
              ), _SHORT),
    Variation("model-replacement-characters", "U+FFFD in the middle of an answer.",
              "chunk.text-intact: on both sides of a border", _saying(lambda text, _: f"{text} \ufffd? a\ufffdb")),
    Variation("model-one-token-a-letter", "Each letter is a token.", "Not observable: token counts being true",
              together(_one_token_a_letter(), set_to(token_interval=0.002))),
    Variation("model-thinks-within-limit", "Thoughts count as output and may use up the limit.",
              "completion.content: null is allowed where the answer was cut", _thinking(20)),
    Variation("model-thinks-beside-limit", "Thoughts of hundreds of tokens, counted only where no limit is given.",
              "completion.output-limit: a breach is above 32 counted", _thinking(500)),
    Variation("model-overruns", "Limits are overrun by a dozen tokens.",
              "completion.output-limit: a breach is above 32", _loose(12)),
    Variation("model-brief-whatever-the-limit", "A sentence to everybody, with the word, whatever limit there is.",
              "completion.output-limit: a breach is above 32 counted",
              speaks(lambda incoming, answer: _unlimited(f"Here it is, as you wish: {_word(incoming)}.", answer)),
              _SHORT),
)  # fmt: skip
"""What a model says."""

VARIATIONS: tuple[Variation, ...] = (
    *_WORDS,
    Variation("model-slow", "Half a second before every answer.", _TIMES, set_to(latency=0.5)),
    Variation("model-slow-stream", "A tenth of a second for each token.", _TIMES, set_to(token_interval=0.1)),
    Variation("model-stutters", "Pauses of 0.7 s within streams.", _TIMES, transmits(_stutters, TEXT_STREAM)),
    Variation("model-head-at-once", "The head at once, the body 0.8 s later.", _TIMES,
              transmits(_head_at_once, SERVED)),
    Variation("model-fast", "No time at all.", "stream.incremental: of a long answer, a second or more in all",
              set_to(token_interval=0), _SHORT),
    Variation("model-queued", "One answer at a time, in the order of asking.",
              "isolation: serves N concurrent requests, one behind the other",
              together(_queued(1, 0.01), set_to(token_interval=0.002)), _SHORT),
    Variation("model-few-slots", "Three answers at a time, the others wait.", "isolation: serves N concurrent requests",
              _queued(3, 0.03)),
    Variation("model-uneven", "Answers overtake each other.", "isolation.answers", transmits(_uneven, SERVED)),
)  # fmt: skip
