"""What the pretended model says.

It reads the last user message, as the documentation asks (C), and nothing else, so that no conversation can leak into
another's answer. It heeds three instructions, which are the ones that a conformance run gives, asks for tools where the
prompt holds the configured phrase, and has something short to say about anything else.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.reference.decision import Call
from conformance.reference.identifiers import fresh_uuid

_WORD_ASKED_FOR = re.compile(r"reply with just this word:\s*(\S+)", re.IGNORECASE)
_WORDS_ASKED_FOR = re.compile(r"reply with just these words: *([^\n]+)", re.IGNORECASE)
_COUNT_ASKED_FOR = re.compile(r"count from 1 to (\d{1,6}), one number per line", re.IGNORECASE)
_WORD_BEHIND_EACH = re.compile(r"write the word (\S+) behind every number", re.IGNORECASE)
_TOKEN = re.compile(r"\s*\S+|\s+$")
_COUNT_AT_MOST = 10_000
_TITLE_AT_MOST = 80
_REMARKS = (
    "That can be done in a few steps.",
    "Here is a short answer: it depends on the details.",
    "Noted. There is nothing more to add.",
    "A good question, and one with a plain answer.",
    "Voilà, c'est fait.",
    "Understood — all is in order.",
)


@dataclass(frozen=True, slots=True)
class ModelTurn:
    """What the model comes back with: calls that have to be approved, else text."""

    text: str = ""
    calls: tuple[Call, ...] = ()


def begin(messages: Sequence[Mapping[str, Any]], phrase: str) -> ModelTurn:
    """The first turn of a new execution; `phrase` is the one that asks for tools."""
    prompt = last_prompt(messages)
    if phrase.casefold() in prompt.casefold():
        title = (prompt.split("\n")[-1].strip() or "A ticket")[:_TITLE_AT_MOST]
        return ModelTurn(
            calls=(
                _call("create_ticket", priority="high", title=title),
                _call("notify_team", channel="support", urgent=False),
            )
        )
    return ModelTurn(text=_reply(prompt))


def proceed(messages: Sequence[Mapping[str, Any]], approved: Sequence[Call]) -> ModelTurn:
    """The turn after a person has decided; `approved` are the calls that may run, all others were denied."""
    names = {call.name for call in approved}
    if "create_ticket" in names and "assign" in last_prompt(messages).casefold():
        return ModelTurn(calls=(_call("assign_ticket", assignee="support", ticket=1),))
    if not names:
        return ModelTurn(text="As you wish: nothing was run.")
    return ModelTurn(text=f"Done: {', '.join(sorted(names))}.")


def last_prompt(messages: Iterable[Mapping[str, Any]]) -> str:
    """The text of the last message whose role is `user` (C); empty where it has none."""
    prompts = [message for message in messages if message.get("role") == "user"]
    return text_of(prompts[-1]) if prompts else ""


def text_of(message: Mapping[str, Any]) -> str:
    """A message's text: its string content, or its text parts joined."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return "".join(text for part in parts if isinstance(text := part.get("text"), str))


def tokens(text: str) -> tuple[str, ...]:
    """The text in tokens: a word with the white space before it. Joined they are the text."""
    return tuple(_TOKEN.findall(text))


def count_tokens(messages: Iterable[Mapping[str, Any]]) -> int:
    """Tokens of a whole conversation."""
    return sum(len(text_of(message).split()) for message in messages)


def _reply(prompt: str) -> str:
    if word := _WORD_ASKED_FOR.search(prompt):
        return word[1]
    if words := _WORDS_ASKED_FOR.search(prompt):
        return words[1].strip()
    if last := _COUNT_ASKED_FOR.search(prompt):
        behind = f" {word[1]}" if (word := _WORD_BEHIND_EACH.search(prompt)) else ""
        return "".join(f"{number}{behind}\n" for number in range(1, min(int(last[1]), _COUNT_AT_MOST) + 1)) or "0\n"
    return _REMARKS[zlib.crc32(prompt.encode()) % len(_REMARKS)]


def _call(name: str, **arguments: object) -> Call:
    return Call(fresh_uuid(), name, json.dumps(arguments, ensure_ascii=False))
