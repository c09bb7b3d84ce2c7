"""Generated probes: bodies that Hypothesis drew, sent like any other.

For accept.generated, accept.any-valid and reject.generated. What fails is shrunk by `conformance.probes.shrinking`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from conformance.contract.classify import text_of
from conformance.probes.flow import Compose, Flow, Phase, Send, encode, single
from conformance.probes.plan import Plan
from conformance.probes.rules import RAW_RULES, many_messages, rules_of
from conformance.settings.vector import NATURAL, UNUSUAL

if TYPE_CHECKING:  # Hypothesis is slow to start, and not needed where nothing is generated
    from conformance.probes.strategies import Breach, Draws

NAME = "generated-"
"""The names of all these probes begin with it."""
RAW_GENERATED = ("trailing-object",)
PLAIN_ONLY = frozenset({"model-missing", "messages-missing", "messages-type", "messages-empty"})
"""Rules that leave nothing of a body's traits to matter: a stream aside, the fixed probes say it all."""
STANDARD = (4, 3, 1)
"""Natural bodies, unusual ones, and rounds of breaches at standard depth."""
DEEP = (120, 60, 11)
LONG = (12, 500)
"""Messages of the conversations in whose last but one a message is broken: a server may look at the first few only."""
PARTS = 120
LONG_RULES = ("message-type", "role-enum", "content-type", "part-type")
SPOTS = {"first": 0.0, "middle": 0.5, "last": 1.0}
"""Where among many messages one is broken, or among many parts."""
TWINS = {500: "accept-500-messages"}
"""Fixed probes of the same lengths; where there is none, the first answer of all is the twin."""
STREAMS = 1
"""Valid streams in a round, on which the breaches are made; beside them is one body that is not a stream."""


def amounts(plan: Plan) -> tuple[int, int, int]:
    """How many natural bodies, unusual bodies and rounds of breaches the plan asks for."""
    if plan.quick:
        return 0, 0, 0
    natural, unusual, rounds = DEEP if plan.depth == "deep" else STANDARD
    if plan.examples is None:
        return natural, unusual, rounds
    # About a fifth of the examples are valid, as in a deep run.
    share = plan.examples // (3 * len(rules_of(plan.shape).shared))
    return (0, 0, 0) if plan.examples == 0 else (max(1, share * 6), max(1, share * 2), max(1, share))


BROKEN_COVERS = ("reject", "stream", "error", "http")
"""Areas that a broken body serves."""

Write = Callable[[Any, str], bytes]
"""Octets of a body, under the name of a probe."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One generated body, and what it was drawn from."""

    name: str
    breach: str
    """The rule that it breaks; `natural` or `unusual` of a valid one."""
    draws: Draws
    index: int
    """Which of the draws it is, or its valid twin."""
    body: Any
    """Without the breach."""
    write: Write
    twin: str | None = None
    """Name of the probe with the same body without the breach."""
    broken: Breach | None = None
    breaches: Draws | None = None
    """What its breach was drawn from, if it was."""
    number: int = 0
    """Which of them it is."""

    def octets(self, name: str) -> bytes:
        """The body, under a probe's name."""
        return self.write(self.broken.apply(self.body) if self.broken else self.body, name)


# --- how a body is written


def _named(plan: Plan, name: str, body: Any) -> Any:
    """The body with a `request_id` of its own, where it has one: no two requests may share it by chance."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("request_id"), str):
        return body
    return {**body, "metadata": {**metadata, "request_id": plan.request_id(name)}}


def _escaped(body: Any) -> bytes:
    """Every character beyond ASCII as an escape, those beyond the first plane as two; one is there in any case."""
    messages = [
        *body["messages"][:-1],
        {**body["messages"][-1], "content": f"{text_of(body['messages'][-1]['content'])} 👍"},
    ]
    return json.dumps({**body, "messages": messages}).encode()


def _pretty(body: Any) -> bytes:
    """Indented, members in another order."""
    return json.dumps(dict(reversed(body.items())), ensure_ascii=False, indent=2).encode()


def _spaced(body: Any) -> bytes:
    """With white space of every kind that JSON has, around the value too."""
    return b"\r\n\t " + json.dumps(body, ensure_ascii=False, separators=(" ,\t", " : ")).encode() + b"\n"


def _all_escaped(body: Any) -> bytes:
    """Every character of every string as an escape, of the members' names too."""
    return _STRING.sub(lambda found: _escapes(json.loads(found[0])), json.dumps(body)).encode()


def _escapes(text: str) -> str:
    units = text.encode("utf-16-be").hex()
    return '"' + "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4)) + '"'


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')

SPELLINGS: tuple[Callable[[Any], bytes], ...] = (_spaced, _escaped, _pretty, _all_escaped)
"""Ways to write the same JSON."""


def _written(plan: Plan, spelled: Callable[[Any], bytes] = encode, then: Callable[[bytes], bytes] = bytes) -> Write:
    return lambda body, name: then(spelled(_named(plan, name, body)))


# --- drawing


@lru_cache(maxsize=8)
def drawn(plan: Plan) -> tuple[Drawn, ...]:
    """The generated bodies of a plan. Cached: many targets may get the same."""
    if amounts(plan) == (0, 0, 0):
        return ()
    return (*_valid(plan), *_broken(plan))


def _valid(plan: Plan) -> Iterator[Drawn]:
    """Natural and unusual conversations."""
    from conformance.probes import strategies

    natural, unusual, _ = amounts(plan)
    plain = _written(plan)
    draws = strategies.Draws(strategies.natural_bodies(plan), natural, _seed(plan, NATURAL))
    for index, body in enumerate(draws.collect()):
        yield Drawn(f"generated-natural-{index + 1}", NATURAL, draws, index, body, plain)
    draws = strategies.Draws(strategies.unusual_bodies(plan), unusual, _seed(plan, UNUSUAL))
    for index, body in enumerate(draws.collect()):
        write = _written(plan, SPELLINGS[index % len(SPELLINGS)])
        yield Drawn(f"generated-unusual-{index + 1}", UNUSUAL, draws, index, body, write)


def _broken(plan: Plan) -> Iterator[Drawn]:
    """Rounds of breaches, each rule's on a stream and twice on another body; first the valid bodies that they break."""
    from conformance.probes import strategies
    from conformance.probes.strategies import Breach, Draws

    rounds = amounts(plan)[2]
    plain = _written(plan)
    streams = Draws(strategies.rich_bodies(plan, stream=True), STREAMS * rounds, _seed(plan, "stream"), skip=2)
    others = Draws(strategies.rich_bodies(plan, stream=False), rounds, _seed(plan, "json"), skip=2)
    bases = {
        kind: [Drawn(f"generated-{kind}-{i + 1}", NATURAL, draws, i, body, plain) for i, body in enumerate(found)]
        for kind, draws, found in (("stream", streams, streams.collect()), ("json", others, others.collect()))
    }
    yield from (*bases["stream"], *bases["json"])
    for rule in rules_of(plan.shape).shared:
        plain_only = rule.id in PLAIN_ONLY
        breaches = Draws(strategies.breaches(rule), rounds if plain_only else 2 * rounds, _seed(plan, rule.id))
        dice = plan.source("breach", rule.id)
        for index, breach in enumerate(breaches.collect()):
            number, other = divmod(index, 1 if plain_only else 2)
            base = bases["json"][number] if other else bases["stream"][STREAMS * number + dice.randrange(STREAMS)]
            yield _breaking(base, rule.id, "json" if other else "stream", breach, breaches, index)
        for number in range(0 if plain_only else rounds):
            # The plainest bad value is the one that servers get wrong most; the others are any.
            breach = Breach(rule, rule.values[0], dice.randrange(3))
            yield _breaking(bases["json"][number], rule.id, "plain", breach, None, number)
    for raw in RAW_RULES:
        for number in range(rounds if raw.id in RAW_GENERATED else 0):
            base = bases["stream"][STREAMS * number]
            name = f"generated-body-{raw.id}-{number + 1}"
            write = _written(plan, then=raw.make)
            yield Drawn(name, f"body-{raw.id}", base.draws, base.index, base.body, write, twin=base.name)


def _breaking(base: Drawn, rule: str, kind: str, breach: Breach, breaches: Draws | None, number: int) -> Drawn:
    """A body that is broken; `number` is that of the breach among its draws."""
    name = f"generated-{rule}-{kind}-{base.index // (STREAMS if kind == 'stream' else 1) + 1}"
    return Drawn(name, rule, base.draws, base.index, base.body, base.write, base.name, breach, breaches, number)


def _seed(plan: Plan, kind: str) -> int:
    return plan.source("generated", kind).getrandbits(64)


def flows(plan: Plan) -> Iterator[Flow]:
    """One flow for each generated body."""
    for item in drawn(plan):
        yield flow(item, item.name)
    if drawn(plan):
        yield from long_conversations(plan)


def long_conversations(plan: Plan) -> Iterator[Flow]:
    """Breaches among many messages, and among many parts. There is nothing in them to shrink."""
    for length in LONG:
        for id_ in LONG_RULES:
            for where, share in SPOTS.items():
                name = f"generated-{id_}-{where}-of-{length}"
                valid = Compose(plan).body(name, messages=many_messages(length - 1, _last(plan, name)))
                yield _far_down(plan, name, id_, valid, int(share * (length - 2)), TWINS.get(length))
    for where, share in SPOTS.items():
        name = f"generated-part-type-{where}-of-{PARTS}-parts"
        parts: list[Any] = [{"type": "text", "text": f"{number} "} for number in range(PARTS - 2)]
        parts.append({"type": "text", "text": Compose(plan).ask(name)})
        bad = _bad_value(plan, name, "part-type")
        parts.insert(int(share * len(parts)), bad)
        broken = Compose(plan).body(name, messages=[{"role": "user", "content": parts}])
        yield _refused(name, "part-type", broken, None)


def _far_down(plan: Plan, name: str, id_: str, valid: Any, spot: int, twin: str | None) -> Flow:
    rule = rules_of(plan.shape).by_id[id_]
    return _refused(name, id_, rule.apply(valid, _bad_value(plan, name, id_), spot), twin)


def _bad_value(plan: Plan, name: str, id_: str) -> Any:
    bad = rules_of(plan.shape).by_id[id_].values
    return bad[plan.source(name).randrange(len(bad))]


def _refused(name: str, breach: str, body: Any, twin: str | None) -> Flow:
    send = Send(name, encode(body), twin=twin, breach=breach)
    return single("reject", Phase.GENERATED, name, lambda _: send, covers=BROKEN_COVERS)


def _last(plan: Plan, name: str) -> Any:
    return {"role": "user", "content": Compose(plan).ask(name)}


def flow(item: Drawn, name: str, octets: bytes | None = None) -> Flow:
    """One generated body, or another one in its place, as a flow under a name."""
    served = item.twin is None
    send = Send(
        name, item.octets(name) if octets is None else octets, twin=item.twin, breach=item.breach, served=served
    )
    covers = ("accept", "error", "http") if served else BROKEN_COVERS
    area = "accept" if served else "reject"
    return single(area, Phase.GENERATED, item.name, lambda _: send, covers=covers, served=served)
