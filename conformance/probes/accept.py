"""Probes of what must be accepted, of the standard answer, and of streams of text.

Areas accept, completion, stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from conformance.probes.flow import Compose, Flow, Phase, Send, Steps, single
from conformance.probes.plan import Plan
from conformance.probes.rules import many_messages

MINIMAL = "accept-minimal"
MINIMAL_STREAM = "accept-stream"
LONG_TASK = "Count from 1 to 60, one number per line. Write every number and nothing else."
WORD = re.compile(r"Reply with just this word: (\S+)")
"""How a prompt asks for a word."""
ANSWERS = ("completion", "kitemesh", "http")
CHUNKS = ("stream", "chunk", "kitemesh", "http")

SCRIPTS = {
    "european": "Zdravo, žluťoučký kůň, Привет мир, Γειά σου Κόσμε, ßøåæ",
    "asian": "こんにちは世界, 你好, 안녕하세요, สวัสดี, नमस्ते",
    "right-to-left": "مرحبا بالعالم, שלום עולם, سلام",
    "marks-emoji": "e\u0301 n\u0303 Z\u0351\u036b\u0343, 👩‍👩‍👧‍👦 🏳️‍🌈 🇫🇷 👍🏽, 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠜎",
}
EDGES = {
    "control": "tab\there, bell\x07, escape\x1b[31m, delete\x7f, next line\x85",
    "bidirectional": "a\u202eb\u202cc \u2066d\u2069 \u200e\u200f \ufeff \uffff \ufdd0 \u2028\u2029",
}
PAIRED = "👍 𝔘 𠜎"
"""Characters that JSON's escapes write as pairs."""
UNUSUAL_IDS = {"foreign": "démarche-№-日本語-👍", "long": "0123456789abcdef" * 28}
"""What makes an id such that the documentation neither names nor bars it: a server may refuse it."""
ECHOED = ("søster-ćwierć", "日本語-тест", "👩‍👩‍👧-ñandú")
"""Parts of a word that is to come back: many characters of two, three and four octets."""


def flows(plan: Plan) -> Iterator[Flow]:
    """The fixed probes of these areas."""

    def chat(
        name: str, *, area: str = "accept", quick: bool = False, covers: tuple[str, ...] = ANSWERS, **fields: Any
    ) -> Flow:
        return single(
            area, Phase.CALM, name, lambda r: Compose(plan, r).chat(name, **fields), quick=quick, covers=covers
        )

    def made(
        name: str, make: Callable[[Compose], dict[str, Any]], *, area: str = "accept", quick: bool = False
    ) -> Flow:
        def send(round_: int) -> Send:
            return Compose(plan, round_).chat(name, **make(Compose(plan, round_)))

        return single(area, Phase.CALM, name, send, quick=quick, covers=ANSWERS)

    yield from opening(plan)
    # optional fields
    yield chat("accept-stream-false", stream=False, request_id=False)
    yield chat("accept-max-tokens", max_tokens=1024, request_id=False)
    yield chat("accept-max-completion-tokens", max_completion_tokens=1024, request_id=False)
    yield chat("accept-temperature", temperature=0.7, request_id=False, quick=True)
    everything: dict[str, Any] = {"max_tokens": 2048, "max_completion_tokens": 1024, "temperature": 1}
    mode = {"mode": plan.modes[0]} if plan.modes else {}
    yield chat("accept-everything", stream=False, metadata=mode, quick=True, **everything)
    yield chat("accept-everything-stream", stream=True, metadata=mode, quick=True, covers=CHUNKS, **everything)
    # metadata
    yield chat("accept-metadata-request-id", quick=True)
    yield chat("accept-metadata-empty", request_id=False, metadata={})
    for mode_name in plan.modes:
        yield chat(f"accept-mode-{mode_name}", request_id=False, metadata={"mode": mode_name})
    # limits
    yield made("accept-500-messages", lambda c: {"messages": many_messages(500, _user(c.ask("accept-500-messages")))})
    yield chat("accept-temperature-0", temperature=0)
    yield chat("accept-temperature-2", temperature=2)
    # A long task, so that it shows whether so low a limit is heeded.
    yield made("accept-max-tokens-1", lambda c: {"prompt": _long(c, "accept-max-tokens-1"), "max_tokens": 1})
    yield chat("accept-max-completion-tokens-1", max_completion_tokens=1)
    yield chat("accept-max-tokens-200000", max_tokens=200_000)
    yield chat("accept-max-completion-tokens-200000", max_completion_tokens=200_000)
    # roles and content forms
    yield made("accept-system", lambda c: {"messages": [_system(), _user(c.ask("accept-system"))]}, quick=True)
    yield made(
        "accept-conversation",
        lambda c: {"messages": [_system(), _user("Good morning."), _assistant("Good morning, how can I help?"),
                                _user(c.ask("accept-conversation"))]},
    )  # fmt: skip
    yield tool_role(plan)
    yield made(
        "accept-null-content",
        lambda c: {"messages": [_user("Good morning."), _assistant(None), _user(c.ask("accept-null-content"))]},
    )
    yield made("accept-parts", lambda c: {"messages": [_user([_part(c.ask("accept-parts"))])]}, quick=True)
    yield made(
        "accept-several-parts",
        lambda c: {
            "messages": [
                {"role": "system", "content": [_part("You answer briefly.")]},
                _user([_part("Good "), _part("morning.")]),
                _assistant([_part("Good morning.")]),
                _user([_part("Now this. "), _part(c.ask("accept-several-parts"))]),
            ]
        },
    )
    # left open, but no reason for a server error, and what is taken has to come back
    for kind in UNUSUAL_IDS:
        name = f"accept-request-id-{kind}"
        yield chat(name, escaped=True, **with_unusual_id(plan, kind, name))
        name = f"{name}-stream"
        yield chat(name, stream=True, covers=CHUNKS, **with_unusual_id(plan, kind, name))
    yield _empty_ids(plan)
    yield made(
        "accept-escaped",
        lambda c: {
            "messages": [
                {"role": "system", "content": f"You answer briefly. {PAIRED}"},
                _user([_part(f"Good morning. {PAIRED}")]),
                _assistant(f"Good morning. {PAIRED}"),
                _user(f"{c.ask('accept-escaped')}\n(Aside: {PAIRED})"),
            ],
            "escaped": True,
        },
    )
    # text of every script
    for kind, text in {**SCRIPTS, **EDGES}.items():
        yield made(f"accept-{kind}", partial(_aside, f"accept-{kind}", text), quick=kind == "asian")
    yield from completions(plan)
    yield from streams(plan)


def with_unusual_id(plan: Plan, kind: str, name: str) -> dict[str, Any]:
    """The members that give a probe an unusual id of its own: as long as those of its kind, and unusual in one way."""
    own = plan.request_id(name).rpartition("-")[2]
    return {"metadata": {"request_id": f"{own}-{UNUSUAL_IDS[kind]}"}}


def _empty_ids(plan: Plan) -> Flow:
    """An empty id, one request after the other: at once they would share it."""
    name = "accept-request-id-empty"

    def steps(round_: int) -> Steps:
        compose = Compose(plan, round_)
        empty: dict[str, Any] = {"request_id": False, "metadata": {"request_id": ""}}
        yield compose.chat(name, **empty)
        yield compose.chat(f"{name}-stream", stream=True, **empty)

    return Flow(name, "accept", Phase.CALM, steps, at_most=2, served=2, covers=frozenset((*ANSWERS, *CHUNKS)))


def opening(plan: Plan) -> Iterator[Flow]:
    """The first requests of a run, of which the rest depends: a minimal one, and the same as a stream."""
    yield single(
        "accept", Phase.OPENING, MINIMAL, lambda r: Compose(plan, r).chat(MINIMAL, request_id=False),
        quick=True, covers=(*ANSWERS, "auth", "reject", "error", "robust"),
    )  # fmt: skip
    yield single(
        "accept", Phase.CALM, MINIMAL_STREAM,
        lambda r: Compose(plan, r).chat(MINIMAL_STREAM, request_id=False, stream=True),
        quick=True, covers=(*CHUNKS, "auth"),
    )  # fmt: skip


def completions(plan: Plan) -> Iterator[Flow]:
    """Probes that the standard answer's own requirements need."""

    def limited(name: str, quick: bool = True, **fields: Any) -> Flow:
        def send(round_: int) -> Send:
            compose = Compose(plan, round_)
            return compose.chat(name, prompt=_long(compose, name), **fields)

        return single("completion", Phase.CALM, name, send, quick=quick)

    yield limited("completion-output-limit", max_tokens=16)
    yield limited("completion-limit-priority", max_tokens=1024, max_completion_tokens=16)
    yield limited("completion-limit-priority-low", quick=False, max_tokens=1024, max_completion_tokens=2)
    name = "completion-uses-prompt"

    def two_turns(round_: int) -> Send:
        compose = Compose(plan, round_)
        earlier = compose.word(f"{name}-earlier")
        return compose.chat(
            name,
            messages=[_user(f"Reply with just this word: {earlier}"), _assistant(earlier), _user(compose.ask(name))],
        )

    yield single("completion", Phase.CALM, name, two_turns, quick=True)


def streams(plan: Plan) -> Iterator[Flow]:
    """Streams of text: a long one, for what needs length, one that a limit cuts, and one of many scripts."""

    def long(round_: int) -> Send:
        compose = Compose(plan, round_)
        return compose.chat("stream-long", prompt=_long(compose, "stream-long"), stream=True, max_tokens=1024)

    yield single("stream", Phase.CALM, "stream-long", long, quick=True, covers=CHUNKS)

    def cut(round_: int) -> Send:
        compose = Compose(plan, round_)
        return compose.chat("stream-cut", prompt=_long(compose, "stream-cut"), stream=True, max_tokens=16)

    yield single("stream", Phase.CALM, "stream-cut", cut, covers=CHUNKS)

    def scripts(round_: int) -> Send:
        compose = Compose(plan, round_)
        word = "-".join((*ECHOED, compose.word("stream-scripts")))
        return compose.chat("stream-scripts", prompt=f"Reply with just this word: {word}", stream=True)

    yield single("stream", Phase.CALM, "stream-scripts", scripts, quick=True, covers=CHUNKS)

    def conversation(round_: int) -> Send:
        compose = Compose(plan, round_)
        greeting = f"Good morning. {PAIRED}"
        messages = [_system(), _user(greeting), _assistant(greeting), _user(compose.ask("stream-turns"))]
        return compose.chat("stream-turns", messages=messages, stream=True, escaped=True)

    yield single("stream", Phase.CALM, "stream-turns", conversation, covers=CHUNKS)


def tool_role(plan: Plan) -> Flow:
    """The role `tool`: a bare message, and where that is not taken a well-formed history (contract, accept.roles)."""
    bare, history = "accept-tool-bare", "accept-tool-history"

    def steps(round_: int) -> Any:
        compose = Compose(plan, round_)
        answer = yield compose.chat(
            bare,
            messages=[_user("What is the weather in Paris?"), {"role": "tool", "content": "Sunny, 21 degrees."},
                      _user(compose.ask(bare))],
        )  # fmt: skip
        if answer.served:
            return
        call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
        yield compose.chat(
            history,
            messages=[
                _user("What is the weather in Paris?"),
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "call_1", "content": "Sunny, 21 degrees."},
                _user(compose.ask(history)),
            ],
        )

    return Flow(bare, "accept", Phase.CALM, steps, at_most=2, served=1)


def _aside(name: str, text: str, compose: Compose) -> dict[str, Any]:
    """The cheap prompt with a text after it."""
    return {"prompt": f"{compose.ask(name)}\n(Aside: {text})"}


def _long(compose: Compose, name: str) -> str:
    return f"{LONG_TASK} (Reference: {compose.word(name)}.)"


def _user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def _assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def _system() -> dict[str, Any]:
    return {"role": "system", "content": "You answer briefly."}


def _part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
