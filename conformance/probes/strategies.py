"""Hypothesis strategies of bodies: natural conversations, other valid bodies, and bodies with one breach.

They never draw what the documentation leaves open (contract, "Left open …"): a test holds each kind against
`contract.classify` and against the request schema. Imported only where bodies are generated, for Hypothesis is slow to
start.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from conformance.contract.classify import LONG_REQUEST_ID
from conformance.probes.plan import Plan
from conformance.probes.provider import BACKEND
from conformance.probes.rules import RULES, Body, Rule

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
_TOKENS = st.one_of(st.integers(64, 1_024), st.integers(64, 4_096), st.integers(64, 200_000))
_FEW_TOKENS = st.integers(1, 64)
_TEMPERATURE = st.one_of(st.integers(0, 2), st.integers(0, 200).map(lambda n: n / 100))
_EXACT_TEMPERATURE = st.floats(0, 2, allow_subnormal=False).filter(lambda n: n == 0 or n > 1e-6)
_REQUEST_ID = st.text(_ID, min_size=1, max_size=LONG_REQUEST_ID // 2)


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
    for member in ("max_tokens", "max_completion_tokens"):
        if draw(given):
            made[member] = draw(_TOKENS)
    if draw(given):
        made["temperature"] = draw(_TEMPERATURE)
    if draw(given):
        metadata: dict[str, Any] = {}
        if draw(given):
            metadata["request_id"] = draw(_REQUEST_ID)
        if bool(plan.modes) and draw(given):
            metadata["mode"] = plan.modes[draw(_NUMBER) % len(plan.modes)]
        made["metadata"] = metadata
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
    for member in ("max_tokens", "max_completion_tokens"):
        if member in made and draw(_COIN):
            made[member] = draw(_FEW_TOKENS)
    if draw(_COIN):
        made["temperature"] = draw(_EXACT_TEMPERATURE)
    made["model"] = plan.model
    return made


@st.composite
def rich_bodies(draw: st.DrawFn, plan: Plan, *, stream: bool) -> Body:
    """A valid body with the traits that a fixed probe has not: three messages, text that is not ASCII, and a stream.

    Without a stream it has every option instead. What a failure does not need of all that is shrunk away.
    """
    messages = [{"role": "user", "content": _content(_prompt(draw, plan), draw(_FORM))}]
    if draw(_ALWAYS):
        opening = _foreign(draw) if draw(_ALWAYS) else _plain(draw)
        messages = [
            {"role": "user", "content": _content(opening, draw(_FORM))},
            {"role": "assistant", "content": _words(draw)},
            *messages,
        ]
    return {"model": plan.model, "messages": messages, **_options(draw, plan, stream=stream, full=not stream)}


_OTHER = {
    "max-tokens-maximum": st.integers(200_001, 2**40),
    "max-completion-tokens-maximum": st.integers(200_001, 2**40),
    "max-tokens-minimum": st.integers(-(2**31), 0),
    "max-completion-tokens-minimum": st.integers(-(2**31), 0),
    "temperature-maximum": st.one_of(st.integers(201, 10_000).map(lambda n: n / 100), st.integers(3, 1_000)),
    "temperature-minimum": st.one_of(st.integers(-10_000, -1).map(lambda n: n / 100), st.integers(-1_000, -1)),
    "messages-many": st.integers(501, 520),
    "role-enum": st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=9).filter(
        lambda role: (
            role not in ("system", "user", "assistant", "tool", "developer", "function", "model", "human", "bot")
        )
    ),
    "mode-enum": st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=9).filter(
        lambda mode: mode not in ("auto", "normal", "orch", "synth")
    ),
    "model-pattern": st.one_of(
        st.text("abcdefghijklmnopqrstuvwxyz0123456789-.", min_size=1, max_size=24),
        st.text("ghijklmnopqrstuvwxyz", min_size=4, max_size=36).map("group:{}".format),
    ),
}
"""Bad values beyond the rule's own list."""


def bad_values(rule: Rule) -> st.SearchStrategy[Any]:
    """Values that break the rule and nothing else."""
    return _BAD_VALUES[rule.id]


_BAD_VALUES: dict[str, st.SearchStrategy[Any]] = {
    rule.id: st.one_of(st.sampled_from(rule.values), _OTHER[rule.id])
    if rule.id in _OTHER
    else st.sampled_from(rule.values)
    for rule in RULES
}


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
