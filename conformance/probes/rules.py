"""The rules: each breaks one keyword of the request schemas at one place, and nothing else.

They are derived from the schemas (`contract.schema.breaches`). A rule takes a valid body and gives a copy with a single
breach: what is bad is put among what is valid, which stays as it is. Hand-written is what no schema can say: that a
conversation goes by turns, that a denial names a call which waits, and bodies that are not JSON objects at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from conformance.contract.schema.breaches import Broken, broken
from conformance.contract.schema.operators import Schema
from conformance.contract.schema.samples import sample
from conformance.contract.schema.shape import CHAT, RESUME, Shape
from conformance.probes.flow import NEARLY
from conformance.probes.plan import Plan

Body = dict[str, Any]
Spot = int
"""Where in a list the bad item is put: before the item of this index, at the end where there are fewer."""


class _Missing:
    def __repr__(self) -> str:
        return "absent"


MISSING = _Missing()
"""The breach is that the member is absent."""


@dataclass(frozen=True, eq=False, repr=False)
class Rule:
    """One breach of one keyword at one place. Compared and hashed by identity."""

    broken: Broken
    schema: Schema
    """Of the whole body."""
    endpoint: str
    """`/chat/resume`: the rule breaks a member that only resume has."""

    def __repr__(self) -> str:
        return f"Rule({self.id})"

    @property
    def id(self) -> str:
        """What probes call it."""
        return self.broken.id

    @property
    def place(self) -> str:
        """JSON Pointer to where the schema error lies; `*` stands for an index."""
        return self.broken.place.pointer

    @property
    def keyword(self) -> str:
        """The keyword that the schema error names."""
        return self.broken.keyword

    @property
    def requirement(self) -> str:
        """Which requirement judges it on chat completions."""
        return self.broken.requirement

    @cached_property
    def values(self) -> tuple[Any, ...]:
        """Bad values, the plainest first."""
        return tuple(miss.value for miss in self.broken.misses) or (MISSING,)

    @property
    def certain(self) -> tuple[int, ...]:
        """Which of the values every run sends, by index: those that find every careless validator, the best first."""
        return self.broken.telling or (0,)

    @property
    def turns(self) -> int:
        """How many of the other values a run sends, by its seed."""
        return max(3, min(8, len(self.values) // 6))

    @property
    def in_a_list(self) -> bool:
        """Whether what is broken is an item, or in one."""
        return "*" in self.broken.place.path

    def apply(self, body: Body, value: Any, spot: Spot = 0) -> Body:
        """A copy of a valid body with the one breach.

        Args:
            body: valid; it is not changed.
            value: one of `values`, or another that breaks the keyword.
            spot: where in a list the bad item is put.
        """
        path = self.broken.place.path
        if self.keyword == "contains":
            return {**body, path[0]: _by_turns(self.broken.place.schema["contains"], body[path[0]], *value)}
        if path == ("messages",) and self.keyword == "maxItems":
            return {**body, "messages": many_messages(len(value), body["messages"][-1])}
        if path[:2] == ("denied_tools", "*"):
            return _with_bad_denial(self, body, path[2:], value)
        if self.broken.member:
            path, value = (*path, self.broken.member), MISSING
        made: Body = _put(self.schema, body, path, value, spot)
        return made


def _put(schema: Schema, node: Any, path: Sequence[str], value: Any, spot: Spot) -> Any:
    """A copy of what is there, with the value at the path; what is missing on the way is made, of the plainest."""
    if not path:
        return value
    step, *rest = path
    if step == "*":
        made = [] if node is None or not spot else sample(schema, "array")
        items = list(node) if isinstance(node, list) else made
        new = value if not rest else _put(schema["items"], sample(schema["items"]), rest, value, spot)
        items.insert(min(spot, len(items)), new)
        # A list that is as long as it may be would get a second breach by one more: another than the last gives way.
        if len(items) > schema.get("maxItems", len(items)):
            del items[0 if spot else 1]
        return items
    copy = dict(node) if isinstance(node, dict) else sample(schema, "object")
    if value is MISSING and not rest:
        copy.pop(step, None)
    else:
        copy[step] = _put(schema["properties"][step], copy.get(step), rest, value, spot)
    return copy


def _by_turns(wanted: Schema, items: list[Any], member: str, values: Sequence[Any]) -> list[Any]:
    """The items, those that are wanted with other values of the member; texts, count and the rest stay."""
    only = wanted["properties"][member].get("const")
    return [
        {**item, member: values[number % len(values)]} if item.get(member) == only else item
        for number, item in enumerate(items)
    ]


def _with_bad_denial(rule: Rule, body: Body, path: Sequence[str], value: Any) -> Body:
    """Breaks one denial: the last of those there are, or a new one of the waiting calls, so that it names one."""
    denied, approved = list(body.get("denied_tools", [])), list(body.get("approved_tool_execution_ids", []))
    schema = rule.schema["properties"]["denied_tools"]["items"]
    plain = sample(schema)
    call = denied.pop()["tool_execution_id"] if denied else approved.pop() if approved else plain["tool_execution_id"]
    valid = {"tool_execution_id": call, "reason": "no"}
    steps = (*path, rule.broken.member) if rule.broken.member else path
    bad = call if value == plain["tool_execution_id"] else value
    made = _put(schema, valid, steps, MISSING if rule.broken.member else bad, 0)
    kept = {"approved_tool_execution_ids": approved} if "approved_tool_execution_ids" in body else {}
    return {**body, **kept, "denied_tools": [*denied, made]}


def many_messages(count: int, last: Any) -> list[Any]:
    """So many short messages in natural order, the given one last; an even count opens with a system message."""
    system = [{"role": "system", "content": "Be brief."}] if count % 2 == 0 else []
    turns = count - len(system) - 1
    return system + [{"role": ("user", "assistant")[i % 2], "content": f"{i}"} for i in range(turns)] + [last]


def among_more(body: Body) -> Body:
    """A valid body with several messages, a limit, and no `request_id`: some servers judge only what comes alone."""
    *before, last = body["messages"]
    greeting = [{"role": "user", "content": "Good morning."}, {"role": "assistant", "content": "Good morning."}]
    rest = {member: value for member, value in body.items() if member != "metadata"}
    return {**rest, "messages": [*before, *greeting, last], "max_tokens": 1024}


class Rules:
    """The rules of a shape."""

    def __init__(self, shape: Shape) -> None:
        self.shared = tuple(Rule(one, shape[CHAT].schema, CHAT) for one in broken(shape[CHAT]))
        """Breaches of what both endpoints share."""
        known = {rule.id for rule in self.shared}
        own = (one for one in broken(shape[RESUME]) if one.id not in known)
        self.of_resume = tuple(Rule(one, shape[RESUME].schema, RESUME) for one in own)
        """Breaches of what resume adds."""
        self.by_id: Mapping[str, Rule] = {rule.id: rule for rule in self}

    def __iter__(self) -> Iterator[Rule]:
        return iter((*self.shared, *self.of_resume))


@cache
def rules_of(shape: Shape) -> Rules:
    """The rules of a shape."""
    return Rules(shape)


def sent(plan: Plan, rule: Rule, turns: int | None = None, *, where: str = "") -> list[int]:
    """Which of a rule's bad values a run sends, as indices: those that every run does, and some others.

    Args:
        plan: its seed decides whose turn it is.
        rule: of its shape.
        turns: how many of the others; None: `rule.turns`.
        where: other places get other turns.
    """
    others = [which for which in range(len(rule.values)) if which not in rule.certain]
    turns = min(rule.turns if turns is None else turns, len(others))
    return [*rule.certain, *sorted(plan.source("turns", rule.id, where).sample(others, turns))]


def quickly(plan: Plan, rule: Rule) -> int:
    """The one bad value that a quick run sends, as an index: one that finds much, by the seed another one."""
    telling = rule.certain[1:] or rule.certain
    return telling[(plan.seed - 1) % len(telling)]


def numbered(name: str, rule: Rule, which: int) -> str:
    """The name of a probe that sends a certain value or one whose turn it is; a finding's key knows the two apart."""
    between = "-" if which in rule.certain else NEARLY
    return f"{name}{between}{which + 1}" if which else name


@dataclass(frozen=True, slots=True)
class RawRule:
    """A body that is not a JSON object, made from a valid body's octets."""

    id: str
    make: Callable[[bytes], bytes]
    requirement: str = "reject.body"


RAW_RULES: tuple[RawRule, ...] = (
    RawRule("empty", lambda b: b""),
    RawRule("blank", lambda b: b"  \n"),
    RawRule("cut", lambda b: b[: len(b) // 2]),
    RawRule("cut-last", lambda b: b[:-1]),
    RawRule("array", lambda b: b"[" + b + b"]"),
    RawRule("string", lambda b: b'"Hello"'),
    RawRule("number", lambda b: b"5"),
    RawRule("null", lambda b: b"null"),
    RawRule("true", lambda b: b"true"),
    RawRule("trailing-text", lambda b: b + b" x"),
    RawRule("trailing-object", lambda b: b + b"{}"),
    RawRule("trailing-comma", lambda b: b[:-1] + b",}"),
    RawRule("single-quotes", lambda b: b.replace(b'"', b"'")),
    RawRule("bare-keys", lambda b: b.replace(b'"model"', b"model", 1)),
    RawRule("text", lambda b: b"Hello"),
    RawRule("form", lambda b: b"model=group&messages=Hello"),
)
