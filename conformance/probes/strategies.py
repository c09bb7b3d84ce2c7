"""Hypothesis strategies of bodies: natural conversations, other valid bodies, and bodies with one breach.

They never draw what the documentation leaves open (contract, "Left open …"): a test holds each kind against
`contract.classify` and against the request schema. Imported only where bodies are generated, for Hypothesis is slow to
start.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from conformance.contract.classify import LONG_REQUEST_ID
from conformance.probes.plan import Plan
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

plain_words = st.text(_LATIN, min_size=1, max_size=60).filter(lambda text: bool(text.strip()))
foreign_words = st.one_of(
    *(st.text(script + " ", min_size=2, max_size=30).filter(lambda text: bool(text.strip())) for script in _SCRIPTS),
    st.lists(st.sampled_from(_EMOJI), min_size=1, max_size=4).map(lambda marks: "".join(marks)),
)
words = st.one_of(plain_words, foreign_words)


def _parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def _content(text: str, form: int) -> Any:
    """A text as a string, or as one part, or as two."""
    if form == 0:
        return text
    if form == 1 or len(text.strip()) < 2:
        return _parts(text)
    return _parts(text) + _parts("Thank you.")


def prompts(plan: Plan) -> st.SearchStrategy[str]:
    """A cheap prompt with a fresh word, and something natural behind it."""
    letters = st.integers(0, 2**32).map(lambda number: plan.word(f"generated-{number}"))
    return st.builds(lambda word, aside: f"Reply with just this word: {word}\n(Aside: {aside})", letters, words)


@st.composite
def options(draw: st.DrawFn, plan: Plan, *, stream: bool | None = None, full: bool = False) -> dict[str, Any]:
    """Any documented options, each there more often than not; `full`: all of them, `stream` aside.

    Token limits are mostly such that no model's own limit is met.
    """
    given = st.just(True) if full else st.sampled_from((True, True, False))
    tokens = st.one_of(st.integers(64, 1_024), st.integers(64, 4_096), st.integers(64, 200_000))
    made: dict[str, Any] = {}
    if stream or (stream is None and draw(st.booleans())):
        made["stream"] = stream or draw(st.booleans())
    for member in ("max_tokens", "max_completion_tokens"):
        if draw(given):
            made[member] = draw(tokens)
    if draw(given):
        made["temperature"] = draw(st.one_of(st.integers(0, 2), st.integers(0, 200).map(lambda n: n / 100)))
    if draw(given):
        metadata: dict[str, Any] = {}
        if draw(given):
            metadata["request_id"] = draw(st.text(_ID, min_size=1, max_size=LONG_REQUEST_ID // 2))
        if bool(plan.modes) and draw(given):
            metadata["mode"] = draw(st.sampled_from(list(plan.modes)))
        made["metadata"] = metadata
    return made


@st.composite
def natural_bodies(draw: st.DrawFn, plan: Plan) -> Body:
    """A natural conversation: non-blank text, roles by turns, a user message last, with any documented options.

    Traits are there more often than not, so that one that a server stumbles over only together with others is met.
    """
    often = st.sampled_from((True, True, False))
    messages: list[Any] = []
    if draw(often):
        messages.append({"role": "system", "content": draw(st.one_of(foreign_words, words))})
    for _ in range(draw(st.sampled_from((0, 1, 2, 3, 4)))):
        messages.append({"role": "user", "content": _content(draw(words), draw(st.integers(0, 2)))})
        messages.append({"role": "assistant", "content": draw(words)})
    messages.append({"role": "user", "content": _content(draw(prompts(plan)), draw(st.integers(0, 2)))})
    return {"model": plan.model, "messages": messages, **draw(options(plan))}


_unusual_words = st.one_of(
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co", "Cf")), min_size=1, max_size=80),
    st.integers(500, 4_000).map(lambda size: "abcdefghi " * (size // 10)),
    st.builds(
        lambda text, space: f"{space}{text}{space}",
        plain_words,
        st.sampled_from(("\n\n", "\t", "  ", "\r\n", "\u3000")),
    ),
    st.sampled_from(
        ("0", "null", "true", "{}", "[DONE]", "data: [DONE]", '{"role":"user"}', "</s>", "\\u0041 \\n", "''\"\"")
    ),
).filter(lambda text: bool(text.strip()))


@st.composite
def unusual_bodies(draw: st.DrawFn, plan: Plan) -> Body:
    """Valid bodies that are no everyday conversation: odd text, many parts, null answers, small limits, odd options."""
    messages: list[Any] = []
    if draw(st.booleans()):
        messages.append({"role": "system", "content": draw(_unusual_words)})
    for _ in range(draw(st.integers(0, 12))):
        texts = draw(st.lists(_unusual_words, min_size=1, max_size=4))
        content = texts[0] if len(texts) == 1 else [part for text in texts for part in _parts(text)]
        messages.append({"role": "user", "content": content})
        messages.append({"role": "assistant", "content": draw(st.one_of(st.none(), _unusual_words))})
    messages.append({"role": "user", "content": draw(prompts(plan))})
    made: Body = {"messages": messages, **draw(options(plan))}
    for member in ("max_tokens", "max_completion_tokens"):
        if member in made and draw(st.booleans()):
            made[member] = draw(st.integers(1, 64))
    if draw(st.booleans()):
        made["temperature"] = draw(st.floats(0, 2, allow_subnormal=False).filter(lambda n: n == 0 or n > 1e-6))
    made["model"] = plan.model
    return made


@st.composite
def rich_bodies(draw: st.DrawFn, plan: Plan, *, stream: bool) -> Body:
    """A valid body with the traits that a fixed probe has not: three messages, text that is not ASCII, and a stream.

    Without a stream it has every option instead.
    """
    forms = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    messages = [
        {"role": "user", "content": _content(draw(foreign_words), forms[0])},
        {"role": "assistant", "content": draw(words)},
        {"role": "user", "content": _content(draw(prompts(plan)), forms[1])},
    ]
    return {"model": plan.model, "messages": messages, **draw(options(plan, stream=stream, full=not stream))}


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
    fixed = st.sampled_from(rule.values)
    return st.one_of(fixed, _OTHER[rule.id]) if rule.id in _OTHER else fixed


@st.composite
def breaches(draw: st.DrawFn, rule: Rule, bodies: st.SearchStrategy[Body]) -> Body:
    """A valid body with one breach of the rule."""
    body = draw(bodies)
    spot = draw(st.integers(0, len(body["messages"]) - 1))
    return rule.apply(body, draw(bad_values(rule)), spot)


PLAIN_ONLY = frozenset({"model-missing", "messages-missing", "messages-type", "messages-empty"})
"""Rules that leave nothing of a body's traits to matter: a stream aside, the fixed probes say it all."""


@st.composite
def rounds_of_breaches(draw: st.DrawFn, plan: Plan) -> tuple[list[Body], list[tuple[Rule, int, Body]]]:
    """Rich valid bodies, and for each rule a stream's and another one's breach: (rule, which body, broken body)."""
    valid = [draw(rich_bodies(plan, stream=stream)) for stream in (True, True, False)]
    broken = []
    for rule in RULES:
        which = draw(st.integers(0, 1))
        broken.append((rule, which, draw(breaches(rule, st.just(valid[which])))))
        if rule.id not in PLAIN_ONLY:
            # The plainest bad value is the one that servers get wrong most; the stream's is any.
            broken.append((rule, 2, rule.apply(valid[2], rule.values[0], draw(st.integers(0, 2)))))
    return valid, broken


def drawn(strategy: st.SearchStrategy[Any], count: int, seed_: int, skip: int = 0) -> list[Any]:
    """So many examples of a strategy, the same for one seed. `skip` leaves out the first, which are the plainest.

    Nothing is kept between runs, and nothing judged here: the bodies are sent all at once later (see the design).
    """
    found: list[Any] = []
    if count <= 0:
        return found

    @seed(seed_)
    @settings(
        max_examples=count + skip,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example: Any) -> None:
        found.append(example)

    collect()
    return found[skip : skip + count] or found[:count]
