"""Hypothesis strategies of bodies: natural conversations, other valid bodies, and bodies with one breach.

They never draw what the documentation leaves open (contract, "Left open …"): a test holds each kind against
`contract.classify` and against the request schema. Imported only where bodies are generated, for Hypothesis is slow to
start.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from conformance.contract.classify import LONG_REQUEST_ID
from conformance.contract.schema import values
from conformance.contract.schema.operators import Schema, types_of
from conformance.contract.schema.shape import CHAT, Shape
from conformance.probes.plan import Plan
from conformance.probes.provider import BACKEND
from conformance.probes.rules import Body, Rule

_LATIN = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 .,;:!?'-()\"/%&+*=<>#@_"
_SCRIPTS = (
    "äöüßéèêàçñøåæœþðđšžćłńőűğışě",
    "абвгдежзийклмнопрстуфхцчшщъыьэюяїєґ",
    "αβγδεζηθικλμνξοπρστυφχψωάέήίόύώ",
    "日本語中文漢字仮名ひらがなカタカナ한국어조선말",
    "أبجدهوزحطيكلمنسعفصقرشت",
    "אבגדהוזחטיכלמנסעפצקרשת",
    "नमस्तेहिन्दीभारत",
    "สวัสดีไทย",
)
_EMOJI = ("👍", "🎉", "👩‍👩‍👧", "🏳️‍🌈", "🇫🇷", "👍🏽", "☕", "𝔘𝔫𝔦", "e\u0301", "n\u0303")
_ID = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

_LATIN_TEXT = st.text(_LATIN, min_size=1, max_size=60)
_SCRIPT = st.sampled_from(
    (
        *(st.text(script, min_size=2, max_size=30) for script in _SCRIPTS),
        st.lists(st.sampled_from(_EMOJI), min_size=1, max_size=4).map("".join),
    )
)
# Strategies are made here, once: making one again for each draw costs more than the draw.
_COIN = st.booleans()
_FORM = st.integers(0, 2)
_NUMBER = st.integers(0, 2**32)
_OFTEN = st.sampled_from((False, True, True))
_ALWAYS = st.sampled_from((False, *(True,) * 255))
"""True but for one draw of some hundreds; shrinks to False: for a trait that a body has unless it is shrunk away."""
_TURNS = st.sampled_from((0, 1, 2, 3, 4))
_WORD = st.text(_ID, min_size=1, max_size=LONG_REQUEST_ID // 2)


@cache
def _everyday(shape: Shape, path: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """Values of a member that a caller would give every day: for the most part not near any limit."""
    return _natural(next(place.schema for place in shape[CHAT].places if place.path == path))


@cache
def _exact(shape: Shape, member: str) -> st.SearchStrategy[Any] | None:
    """Values of a member that nobody would think of: small limits, fractions with all their digits; None: of no use."""
    schema = shape[CHAT].members[member]
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None or most is None:
        return None
    if "number" in types_of(schema):
        return st.floats(least, most, allow_subnormal=False).filter(lambda n: n == least or n > least + 1e-6)
    return st.integers(least, min(most, least + _FEW))


_FEW = 63


def _natural(schema: Schema) -> st.SearchStrategy[Any]:
    types = types_of(schema)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "array" in types:
        items = _natural(schema.get("items", {}))
        return st.lists(items, min_size=max(1, schema.get("minItems", 0)), max_size=min(4, schema.get("maxItems", 4)))
    if "object" in types:
        needed = schema.get("required", ())
        made = {name: _natural(inner) for name, inner in schema.get("properties", {}).items()}
        return st.fixed_dictionaries(
            {name: made[name] for name in needed},
            optional={name: one for name, one in made.items() if name not in needed},
        )
    if types == ("boolean",):
        return _COIN
    if {"integer", "number"} & set(types):
        everyday = schema.get("x-natural", {})
        least = everyday.get("minimum", schema.get("minimum", 0))
        most = everyday.get("maximum", schema.get("maximum", 200_000))
        if "number" in types:
            hundredths = st.integers(math.ceil(least * 100), math.floor(most * 100)).map(lambda n: n / 100)
            return st.one_of(st.integers(math.ceil(least), math.floor(most)), hundredths)
        ends = sorted({min(most, 1_024), min(most, 4_096), most})
        return st.one_of(*(st.integers(least, end) for end in ends if end >= least))
    legal = [value for value in values.natural(schema) if isinstance(value, str)]
    return st.sampled_from(legal) if "pattern" in schema or "format" in schema else _WORD


def _plain(draw: st.DrawFn) -> str:
    text = draw(_LATIN_TEXT)
    return text if text.strip() else f"{text}a"


def _foreign(draw: st.DrawFn) -> str:
    return draw(draw(_SCRIPT))


def _words(draw: st.DrawFn) -> str:
    return _foreign(draw) if draw(_COIN) else _plain(draw)


def _parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def _content(text: str, form: int) -> Any:
    """A text as a string, or as one part, or as two."""
    if form == 0:
        return text
    if form == 1 or len(text.strip()) < 2:
        return _parts(text)
    return _parts(text) + _parts("Thank you.")


def _prompt(draw: st.DrawFn, plan: Plan) -> str:
    """A cheap prompt with a fresh word, and something natural after it."""
    word = plan.word(f"generated-{draw(_NUMBER)}")
    aside = f"\n(Aside: {_words(draw)})" if draw(_ALWAYS) else ""
    return f"Reply with just this word: {word}{aside}"


def _options(draw: st.DrawFn, plan: Plan, *, stream: bool | None = None, full: bool = False) -> dict[str, Any]:
    """Any documented options, each there more often than not; `full`: all of them, `stream` aside.

    Token limits are mostly such that no model's own limit is met.
    """
    given = _ALWAYS if full else _OFTEN
    made: dict[str, Any] = {}
    if draw(_ALWAYS) if stream else stream is None and draw(_COIN):
        made["stream"] = stream or draw(_COIN)
    for member in plan.shape[CHAT].optional:
        if member != "stream" and draw(given):
            made[member] = (
                _metadata(draw, plan, given) if member == "metadata" else draw(_everyday(plan.shape, (member,)))
            )
    return made


def _metadata(draw: st.DrawFn, plan: Plan, given: st.SearchStrategy[bool]) -> dict[str, Any]:
    """The metadata; of the modes only those that the target has."""
    made: dict[str, Any] = {}
    for name in plan.shape[CHAT].members["metadata"]["properties"]:
        if name == "mode":
            if bool(plan.modes) and draw(given):
                made[name] = plan.modes[draw(_NUMBER) % len(plan.modes)]
        elif draw(given):
            made[name] = draw(_everyday(plan.shape, ("metadata", name)))
    return made


@st.composite
def natural_bodies(draw: st.DrawFn, plan: Plan) -> Body:
    """A natural conversation: non-blank text, roles by turns, a user message last, with any documented options.

    Traits are there more often than not, so that one that a server stumbles over only together with others is met.
    """
    messages: list[Any] = []
    if draw(_OFTEN):
        messages.append({"role": "system", "content": _foreign(draw) if draw(_OFTEN) else _plain(draw)})
    for _ in range(draw(_TURNS)):
        messages.append({"role": "user", "content": _content(_words(draw), draw(_FORM))})
        messages.append({"role": "assistant", "content": _words(draw)})
    messages.append({"role": "user", "content": _content(_prompt(draw, plan), draw(_FORM))})
    return {"model": plan.model, "messages": messages, **_options(draw, plan)}


_UNUSUAL_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co", "Cf")), min_size=1, max_size=80)
_LENGTH = st.integers(50, 400)
_SPACE = st.sampled_from(("\n\n", "\t", "  ", "\r\n", "\u3000"))
_SYNTAX = st.sampled_from(
    ("0", "null", "true", "{}", "[DONE]", "data: [DONE]", '{"role":"user"}', "</s>", "\\u0041 \\n", "''\"\"")
)
_MANY_TURNS = st.sampled_from((0, 1, 2, 3, 12))
_PARTS = st.sampled_from((1, 1, 2, 4))


def _unusual(draw: st.DrawFn) -> str:
    """Text in any script, long text, text between white space, and text that is somebody's syntax."""
    match draw(_NUMBER) % 4:
        case 0:
            text = draw(_UNUSUAL_TEXT)
            return text if text.strip() else f"{text}a"
        case 1:
            return "abcdefghi " * draw(_LENGTH)
        case 2:
            space = draw(_SPACE)
            return f"{space}{_plain(draw)}{space}"
        case _:
            return draw(_SYNTAX)


@st.composite
def unusual_bodies(draw: st.DrawFn, plan: Plan) -> Body:
    """Valid bodies that are no everyday conversation: odd text, many parts, null answers, small limits, odd options."""
    messages: list[Any] = []
    if draw(_COIN):
        messages.append({"role": "system", "content": _unusual(draw)})
    for _ in range(draw(_MANY_TURNS)):
        texts = [_unusual(draw) for _ in range(draw(_PARTS))]
        content = texts[0] if len(texts) == 1 else [part for text in texts for part in _parts(text)]
        messages.append({"role": "user", "content": content})
        messages.append({"role": "assistant", "content": _unusual(draw) if draw(_COIN) else None})
    messages.append({"role": "user", "content": _prompt(draw, plan)})
    made: Body = {"messages": messages, **_options(draw, plan)}
    for member in plan.shape[CHAT].optional:
        exact = _exact(plan.shape, member)
        if exact is not None and draw(_COIN):
            made[member] = draw(exact)
    made["model"] = plan.model
    return made


@st.composite
def rich_bodies(draw: st.DrawFn, plan: Plan, *, stream: bool) -> Body:
    """A valid body with the traits that a fixed probe has not: several messages, text that is not ASCII, all options.

    A stream has a system message too. What a failure does not need of all that is shrunk away.
    """
    messages = [{"role": "user", "content": _content(_prompt(draw, plan), draw(_FORM))}]
    if draw(_ALWAYS):
        opening = _foreign(draw) if draw(_ALWAYS) else _plain(draw)
        messages = [
            {"role": "user", "content": _content(opening, draw(_FORM))},
            {"role": "assistant", "content": _words(draw)},
            *messages,
        ]
    if stream and draw(_ALWAYS):
        messages = [{"role": "system", "content": _plain(draw)}, *messages]
    return {"model": plan.model, "messages": messages, **_options(draw, plan, stream=stream, full=True)}


_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _others(rule: Rule) -> st.SearchStrategy[Any] | None:
    """Bad values beyond the rule's own list."""
    schema = rule.broken.place.schema
    match rule.keyword:
        case "maximum" | "minimum":
            most, whole = schema[rule.keyword], "number" not in types_of(schema)
            step = 1 if rule.keyword == "maximum" else -1
            if whole:
                far = 2**40 if step > 0 else -(2**31)
                return st.integers(min(most + step, far), max(most + step, far))
            return st.one_of(
                st.integers(1, 10_000).map(lambda n: most + step * n / 100),
                st.integers(1, 1_000).map(lambda n: most + step * n),
            )
        case "maxItems":
            return st.integers(schema["maxItems"] + 1, schema["maxItems"] + 20).map(lambda n: [rule.values[0][0]] * n)
        case "enum" if rule.id.endswith("-enum"):
            taken = {*schema["enum"], *schema.get("x-near", ())}
            return st.text(_LETTERS, min_size=3, max_size=9).filter(lambda word: word not in taken)
        case "pattern" | "format":
            words = st.text(f"{_LETTERS}0123456789-.", min_size=1, max_size=24)
            prefix, colon, _ = str(schema.get("examples", [""])[0]).rpartition(":")
            other = st.text(_LETTERS[6:], min_size=4, max_size=36).map(f"{prefix}{colon}{{}}".format)
            return st.one_of(words, other) if colon else other
    return None


@cache
def bad_values(rule: Rule) -> st.SearchStrategy[Any]:
    """Values that break the rule and nothing else."""
    own, others = st.sampled_from(rule.values), _others(rule)
    return own if others is None else st.one_of(own, others)


@dataclass(frozen=True, slots=True)
class Breach:
    """How a valid body is broken."""

    rule: Rule
    value: Any
    spot: int
    """Index of the message that is broken, or of the last one."""

    def apply(self, body: Body) -> Body:
        """The broken body."""
        return self.rule.apply(body, self.value, min(self.spot, len(body["messages"]) - 1))


def breaches(rule: Rule) -> st.SearchStrategy[Breach]:
    """Breaches of one rule, drawn apart from the bodies, so that either can be shrunk while the other stays."""
    return st.builds(Breach, st.just(rule), bad_values(rule), _FORM)


@dataclass(frozen=True, slots=True)
class Draws:
    """A number of examples of a strategy, the same for one seed.

    Two passes over them (see the design): the first collects the examples, which are sent all at once; the second draws
    the very same ones and shrinks one of them.
    """

    strategy: st.SearchStrategy[Any]
    count: int
    seed: int
    skip: int = 1
    """Examples that are left out at the beginning: the first ones are the plainest."""

    def collect(self) -> list[Any]:
        """The examples. Nothing is kept between runs, and nothing judged here."""
        found: list[Any] = []
        if self.count > 0:
            self._run(found.append, Phase.generate)
        return found[self.skip : self.skip + self.count] or found[: self.count]

    def shrink(self, index: int, fails: Callable[[Any], bool]) -> Any:
        """The smallest example found that fails.

        Args:
            index: of the example that failed, in what `collect` gives; none before it did.
            fails: asked for examples that are smaller than those known to fail, until none is found.

        Raises:
            Whatever `fails` raises that is not an `Exception`: that ends the search.
        """
        seen = 0
        plainest: Any = None
        smallest: Any = None
        settled = False

        def bad(example: Any) -> bool:
            nonlocal seen, plainest, settled
            seen += 1
            if seen == 1:
                plainest = example
            if seen == index + self.skip + 1:
                # The plainest one passed for Hypothesis, as it was not sent: it would not come back to it.
                settled = self.skip > 0 and fails(plainest)
                return not settled
            return smallest is not None and fails(example)

        def look(example: Any) -> None:
            nonlocal smallest
            if settled or not bad(example):
                return
            smallest = example
            raise _Fails  # always from this line: another one would be another failure

        with suppress(_Fails):
            self._run(look, Phase.generate, Phase.shrink)
        return plainest if settled else smallest

    def _run(self, told: Callable[[Any], None], *phases: Phase) -> None:
        @seed(self.seed)
        @settings(
            max_examples=self.count + self.skip,
            backend=BACKEND,
            database=None,
            deadline=None,
            phases=phases,
            report_multiple_bugs=False,
            print_blob=False,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        @given(self.strategy)
        def run(example: Any) -> None:
            told(example)

        run()


class _Fails(Exception):
    """An example fails: what Hypothesis shrinks."""
