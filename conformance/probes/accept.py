"""Probes of what must be accepted, of the standard answer, and of streams of text.

Areas accept, completion, stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from conformance.contract.classify import LONG_REQUEST_ID
from conformance.contract.schema import values
from conformance.contract.schema.operators import types_of
from conformance.contract.schema.shape import CHAT, Place
from conformance.probes.flow import Compose, Flow, Phase, Send, single
from conformance.probes.plan import Plan
from conformance.probes.rules import many_messages

MINIMAL = "accept-minimal"
MINIMAL_STREAM = "accept-stream"
STREAM_OF_TURNS = "stream-turns"
LONG_TASK = "Count from 1 to 60, one number per line. Write every number and nothing else."
WORD = re.compile(r"Reply with just this word: (\S+)")
"""How a prompt asks for a word."""
ANSWERS = ("completion", "kitemesh", "http")
CHUNKS = ("stream", "chunk", "kitemesh", "http")

SCRIPTS = {
    "european-asian": "Zdravo, žluťoučký kůň, Привет мир, Γειά σου Κόσμε, ßøåæ, "
    "こんにちは世界, 你好, 안녕하세요, สวัสดี, नमस्ते",
    "right-to-left-emoji": "مرحبا بالعالم, שלום עולם, سلام, e\u0301 n\u0303 Z\u0351\u036b\u0343, "
    "👩‍👩‍👧‍👦 🏳️‍🌈 🇫🇷 👍🏽, 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠜎",
}
EDGES = (
    "tab\there, bell\x07, escape\x1b[31m, delete\x7f, next line\x85, "
    "a\u202eb\u202cc \u2066d\u2069 \u200e\u200f \ufeff \uffff \ufdd0 \u2028\u2029"
)
"""Code points that control, that turn the direction of text, and that are not characters."""
MANY_WORDS = "Good morning, and thank you for all that you have told me about the weather of the coming days in Paris."
"""To be sent word by word."""
SIGNS = 'Good morning.\n"Never" \\ <b>say</b> {"never": [1]} & 100 % ~ \'so\' it `is` $5.'
"""Text with every sign that one syntax or another gives a meaning."""
PAIRED = "👍 𝔘 𠜎"
"""Characters that JSON's escapes write as pairs."""
GREETING = f"{SIGNS} {PAIRED}"
"""What stands before a prompt."""
ID_SIGNS = "-._~:@+/=,#!$*()|"
ESCAPED = '"\\<'
"""Signs that end an id, of which JSON escapes some."""
UNUSUAL_IDS = {"foreign": "démarche-№-日本語-👍", "long": "0123456789abcdef" * 28}
"""What makes an id such that the documentation neither names nor bars it: a server may refuse it if it says why."""
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
    yield from _options(plan)
    for suffix, stream, covers in (("", False, ANSWERS), ("-stream", True, CHUNKS)):
        name = f"accept-everything{suffix}"
        together = {member: _everyday(plan, name, place, stream) for member, place in _scalars(plan).items()}
        yield _valued(plan, name, stream=stream, metadata=mode(plan, 0), quick=not stream, covers=covers, **together)
    # metadata
    yield _long_id(plan)
    yield chat("accept-metadata-empty", request_id=False, metadata={})
    for mode_name in plan.modes:
        yield chat(f"accept-mode-{mode_name}", request_id=False, metadata={"mode": mode_name})
    # limits
    yield made("accept-500-messages", lambda c: {"messages": many_messages(500, _user(c.ask("accept-500-messages")))})
    yield from _limits(plan)
    # roles and content forms
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
    yield made(
        "accept-parts",
        lambda c: {
            "messages": [
                {"role": "system", "content": [_part("You answer briefly.")]},
                _user([_part(f"{word} ") for word in MANY_WORDS.split()]),
                _assistant([_part(SIGNS)]),
                _user([_part("Now this. "), _part(c.ask("accept-parts"))]),
            ]
        },
        quick=True,
    )
    # not a reason to fail, nor to refuse without a word about the form; and what is taken has to come back
    for kind in UNUSUAL_IDS:
        name = f"accept-request-id-{kind}"
        yield chat(name, escaped=True, **with_unusual_id(plan, kind, name))
        name = f"accept-request-id-{kind}-stream"
        yield chat(name, stream=True, quick=kind == "foreign", covers=CHUNKS, **with_unusual_id(plan, kind, name))
    yield chat("accept-request-id-empty", quick=True, request_id=False, metadata={"request_id": ""})
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
    for kind, text in {**SCRIPTS, "edges": EDGES}.items():
        yield made(f"accept-{kind}", partial(_aside, f"accept-{kind}", text))
    yield from completions(plan)
    yield from streams(plan)


def mode(plan: Plan, turn: int) -> dict[str, str]:
    """The metadata of one of several probes, so that every mode is asked for; by the seed others of each."""
    return {"mode": plan.modes[(plan.seed + turn) % len(plan.modes)]} if plan.modes else {}


def _scalars(plan: Plan) -> dict[str, Place]:
    """The optional members that have no probes of their own, by their names."""
    schema = plan.shape[CHAT]
    places = {place.path[0]: place for place in schema.places if len(place.path) == 1}
    return {member: places[member] for member in schema.optional if member not in ("stream", "metadata")}


def _chosen(plan: Plan, name: str, place: Place, among: list[Any]) -> Any:
    """One of the values, by the seed: what one run does not send, the next one may."""
    return plan.source("value", name, place.pointer).choice(among)


def _everyday(plan: Plan, name: str, place: Place, stream: bool) -> Any:
    """What goes with all other options: a fraction in any spelling, of a stream an end of the range."""
    fractions = "number" in types_of(place.schema)
    special = values.borders(place.schema) if fractions and stream else values.inside(place.schema) if fractions else []
    return _chosen(plan, name, place, special or values.natural(place.schema))


def _options(plan: Plan) -> Iterator[Flow]:
    """Each optional member alone, and those of the metadata that have no probes of their own.

    Numbers of a range come alone with both its ends (`_limits`).
    """
    alone: list[tuple[Place, tuple[str, ...]]] = [
        (place, (member,)) for member, place in _scalars(plan).items() if not values.borders(place.schema)
    ]
    alone += [
        (place, place.path)
        for place in plan.shape[CHAT].places
        if len(place.path) == 2 and place.path[0] == "metadata" and place.path[1] not in ("request_id", "mode")
    ]
    for place, path in alone:
        legal = values.inside(place.schema)
        # What is made of several things has more to it than one request can show.
        for number in (1, 2, 3) if isinstance(legal[0], dict | list) else (1,):
            name = f"accept-{place.name}" + (f"-{number}" if number > 1 else "")
            value = _chosen(plan, name, place, legal)
            fields = {path[0]: value} if len(path) == 1 else {path[0]: {path[1]: value}}
            yield _valued(plan, name, request_id=False, **fields)


def _limits(plan: Plan) -> Iterator[Flow]:
    """Both ends of every range, each alone."""
    for member, place in _scalars(plan).items():
        for number, value in enumerate(values.borders(place.schema), 1):
            name = f"accept-{place.name}-{value if isinstance(value, int) else number}"
            # A long task, so that it shows whether so low a limit is heeded.
            yield _valued(plan, name, long=(member, value) == ("max_tokens", 1), **{member: value})


def _valued(
    plan: Plan, name: str, *, quick: bool = False, long: bool = False, covers: tuple[str, ...] = ANSWERS, **fields: Any
) -> Flow:
    def send(round_: int) -> Send:
        compose = Compose(plan, round_)
        made = compose.chat(name, prompt=_long(compose, name) if long else None, **fields)
        return replace(made, body=values.written(made.body))

    return single("accept", Phase.CALM, name, send, quick=quick, covers=covers)


def with_unusual_id(plan: Plan, kind: str, name: str) -> dict[str, Any]:
    """The members that give a probe an unusual id of its own: as long as those of its kind, and unusual in one way."""
    own = plan.request_id(name).rpartition("-")[2]
    return {"metadata": {"request_id": f"{own}-{UNUSUAL_IDS[kind]}"}}


def _long_id(plan: Plan) -> Flow:
    """An id as long as an ordinary one may be, with signs in it, of which JSON escapes some."""
    name = "accept-metadata-request-id"

    def send(round_: int) -> Send:
        id_ = plan.request_id(name, round_)
        signs = plan.source("signs", round_).choices(ID_SIGNS, k=LONG_REQUEST_ID - len(id_))
        id_ = "".join((id_, *signs))
        return Compose(plan, round_).chat(name, metadata={"request_id": id_[: -len(ESCAPED)] + ESCAPED})

    return single("accept", Phase.CALM, name, send, covers=ANSWERS)


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

    def limited(name: str, quick: bool = False, **fields: Any) -> Flow:
        def send(round_: int) -> Send:
            compose = Compose(plan, round_)
            return compose.chat(name, prompt=_long(compose, name), **fields)

        return single("completion", Phase.CALM, name, send, quick=quick)

    yield limited("completion-output-limit", quick=True, max_tokens=16, metadata=mode(plan, 1))
    name = "completion-limit-priority"
    yield limited(name, quick=True, max_tokens=1024, max_completion_tokens=16, metadata=mode(plan, 2))
    yield limited("completion-limit-priority-low", max_tokens=1024, max_completion_tokens=2)
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

    yield replace(single("stream", Phase.CALM, "stream-long", long, covers=CHUNKS), waits=True)

    def cut(round_: int) -> Send:
        compose = Compose(plan, round_)
        return compose.chat("stream-cut", prompt=_long(compose, "stream-cut"), stream=True, max_tokens=16,
                            metadata=mode(plan, 1))  # fmt: skip

    yield single("stream", Phase.CALM, "stream-cut", cut, quick=True, covers=CHUNKS)

    def scripts(round_: int) -> Send:
        compose = Compose(plan, round_)
        word = "-".join((*ECHOED, compose.word("stream-scripts")))
        messages = [_user(GREETING), _assistant(GREETING), _user(f"Reply with just this word: {word}")]
        return compose.chat("stream-scripts", messages=messages, stream=True, metadata=mode(plan, 2))

    yield single("stream", Phase.CALM, "stream-scripts", scripts, quick=True, covers=CHUNKS)

    def conversation(round_: int) -> Send:
        compose = Compose(plan, round_)
        messages = [_system(), _user(GREETING), _assistant(GREETING), _user(compose.ask(STREAM_OF_TURNS))]
        return compose.chat(STREAM_OF_TURNS, messages=messages, stream=True, escaped=True, max_tokens=1024,
                            metadata=mode(plan, 3))  # fmt: skip

    yield single("stream", Phase.CALM, STREAM_OF_TURNS, conversation, covers=CHUNKS)


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
