"""Whoever adds a documented member edits the schemas and nothing else: here, copies of them.

`top_p` is a number, `tools` a list of objects; both are given to the suite as another shape of the requests.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from conformance.contract import schemas
from conformance.contract.classify import CHAT, RESUME, Asked, Due, classify
from conformance.contract.schema.mutants import Effect, mutants
from conformance.contract.schema.shape import Shape, documented
from conformance.contract.schema.validator import Validator
from conformance.judging import judge as judging
from conformance.probes import catalogue
from conformance.probes.flow import Answer, Send, WaitingApproval
from conformance.probes.plan import Plan
from conformance.probes.rules import rules_of
from tests.checks.exchanges import chat, chat_stream, failed, refused, transcript

MODEL = "group:123e4567-e89b-42d3-a456-426614174000"
CALL = "8f14e45f-ceea-467f-a8b1-1d7a7c3c0001"
ADDED = {
    "top_p": {
        "description": "Share of the probability that is sampled from.",
        "x-requirement": "reject.temperature",
        "type": "number",
        "minimum": 0,
        "maximum": 1,
    },
    "tools": {
        "description": "The tools that the model may call.",
        "x-requirement": "reject.metadata",
        "type": "array",
        "maxItems": 8,
        "items": {
            "x-name": "tool",
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "weight": {"type": "integer", "minimum": 1, "maximum": 10},
                "kind": {"enum": ["search", "files"], "x-near": ["browser"]},
            },
        },
    },
}


def read(name: str) -> Any:
    document = schemas.schema(name)
    if name == "request":
        document["properties"] |= ADDED
    return document


SHAPE = Shape.of(read)
SEEDS = range(6)


@cache
def sent(depth: str = "standard") -> tuple[tuple[str, str, Any, Asked], ...]:
    """(probe, endpoint, body, what it deserves) of all that runs of a few seeds send to a waiting approval, too."""
    found = []
    for seed in SEEDS:
        plan = Plan(model=MODEL, seed=seed, depth=depth, shape=SHAPE, approval_prompt="Create a ticket.")
        for flow in catalogue.flows(plan):
            for send in driven(flow.steps(1)):
                if not send.body or send.headers[0][1] != "application/json" or send.method != "POST":
                    continue
                asked = classify("POST", send.endpoint, {"content-type": "application/json"}, send.body, model=MODEL,
                                 shape=SHAPE)  # fmt: skip
                found.append((send.name, send.endpoint, asked.parsed.value, asked))
    return tuple(found)


def driven(steps: Any) -> Iterator[Send]:
    """What a chain sends where every decision is refused and every request for an approval gets one."""
    answers: Any = None
    for _ in range(200):
        try:
            asked = steps.send(answers)
        except StopIteration:
            return
        sends = [asked] if isinstance(asked, Send) else list(asked)
        yield from sends
        got = [
            Answer(s.name, 200 if s.endpoint == CHAT else 400,
                   approval=WaitingApproval(CALL, (CALL,)) if s.endpoint == CHAT else None) for s in sends
        ]  # fmt: skip
        answers = got[0] if isinstance(asked, Send) else got


def of(member: str) -> list[tuple[str, str, Any, Asked]]:
    return [one for one in sent() if isinstance(one[2], dict) and member in one[2]]


@pytest.mark.parametrize("member", ADDED)
def test_it_is_sent_legal_and_broken_to_both_endpoints_and_nothing_of_it_is_open(member: str) -> None:
    kinds = {(endpoint, asked.due) for _, endpoint, _, asked in of(member)}
    assert kinds >= {(CHAT, Due.ACCEPT), (CHAT, Due.REFUSE), (RESUME, Due.REFUSE)}
    assert [name for name, _, _, asked in of(member) if asked.due is Due.OPEN] == []


def values(member: str, due: Due) -> list[Any]:
    return [body[member] for _, _, body, asked in of(member) if asked.due is due]


def test_values_at_the_borders_inside_and_just_beyond() -> None:
    legal, bad = values("top_p", Due.ACCEPT), values("top_p", Due.REFUSE)
    assert {0, 1} <= {value for value in legal if isinstance(value, int)}
    assert any(0 < value < 1e-3 for value in legal)
    assert any(len(str(value)) > 12 for value in legal), "a fraction of many digits"
    numbers = [value for value in bad if isinstance(value, int | float) and not isinstance(value, bool)]
    assert any(1 < value < 1.001 for value in numbers)
    assert any(-0.001 < value < 0 for value in numbers)
    assert True in [value for value in bad if isinstance(value, bool)]
    assert any(isinstance(value, str) for value in bad)
    assert any(isinstance(value, list) for value in bad)


def test_lists_of_objects_are_broken_at_every_keyword_and_in_every_position() -> None:
    weights = [tool["weight"] for value in values("tools", Due.ACCEPT) for tool in value if "weight" in tool]
    assert {1, 10} <= set(weights)
    assert any(len(value) == 8 for value in values("tools", Due.ACCEPT))
    places = defaultdict(set)
    for _, _, body, asked in of("tools"):
        if asked.due is Due.REFUSE and asked.pointer.startswith("/tools/"):
            error = SHAPE[CHAT].errors({**body, "approval_id": CALL})[0]
            _, _, index, *rest = error.pointer.split("/")
            places["/".join(rest), error.keyword].add(int(index) / max(1, len(body["tools"]) - 1))
    assert places.keys() >= {
        ("", "type"), ("", "required"), ("name", "type"), ("weight", "type"), ("weight", "minimum"),
        ("weight", "maximum"), ("kind", "enum"),
    }  # fmt: skip
    assert {0.0, 1.0} <= set().union(*places.values())
    assert any(0 < where < 1 for where in set().union(*places.values()))
    kinds = {tool.get("kind") for value in values("tools", Due.REFUSE) if isinstance(value, list)
             for tool in value if isinstance(tool, dict) and isinstance(tool.get("kind"), str)}  # fmt: skip
    assert kinds >= {"browser", "Files"}


@pytest.mark.parametrize(("member", "requirement"), [("top_p", "reject.temperature"), ("tools", "reject.metadata")])
def test_a_breach_is_blamed_on_the_requirement_that_the_schema_names(member: str, requirement: str) -> None:
    blamed = {
        (endpoint, bool(body.get("stream")), asked.requirement)
        for _, endpoint, body, asked in of(member)
        if asked.due is Due.REFUSE and asked.pointer.startswith(f"/{member}")
    }
    assert blamed == {
        (CHAT, False, requirement), (CHAT, True, "stream.refusal-as-json"),
        (RESUME, False, "resume.request-fields"), (RESUME, True, "resume.request-fields"),
    }  # fmt: skip


def test_acceptance_is_judged_as_that_of_any_optional_member() -> None:
    alone = {name: asked for name, _, body, asked in of("top_p") if body.keys() - {"metadata"} == {
        "model", "messages", "top_p"} and name.startswith("accept-")}  # fmt: skip
    assert alone["accept-top-p-0"].requirement == alone["accept-top-p-1"].requirement == "accept.limits"


def test_what_the_documentation_leaves_open_is_left_open_of_it() -> None:
    for body in ({"top_p": None}, {"tools": [{"name": "x", "weight": None}]}, {"tools": [{"name": "x", "extra": 1}]},
                 {"tools": [{"name": "x", "weight": 5.0}]}):  # fmt: skip
        made = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], **body}).encode()
        asked = classify("POST", CHAT, {"content-type": "application/json"}, made, model=MODEL, shape=SHAPE)
        assert asked.due is Due.OPEN, body


@pytest.mark.parametrize("member", ADDED)
def test_its_mutants_are_killed_by_what_is_sent(member: str) -> None:
    """A validator that is wrong about it answers one of the requests of a few runs other than it deserves."""
    bodies = [(body, asked.due) for _, endpoint, body, asked in of(member) if endpoint == CHAT]
    bodies += [(body, asked.due) for _, endpoint, body, asked in sent() if endpoint == CHAT and asked.due is Due.ACCEPT]
    alive = [
        mutant.name
        for mutant in mutants(SHAPE.documents[CHAT])
        if mutant.pointer.startswith(f"/properties/{member}") and not killed(mutant.schema, mutant.effect, bodies)
    ]
    assert [name for name in alive if not any(unobservable in name for unobservable in UNOBSERVABLE)] == []


UNOBSERVABLE = (
    "takes-null",  # open in an optional member
    "refuses-others",  # open: members that are not documented
)


def killed(schema: Any, effect: Effect, bodies: list[tuple[Any, Due]]) -> bool:
    validator = Validator(schema)
    due = Due.REFUSE if effect is Effect.WEAKER else Due.ACCEPT
    return any(validator.is_valid(body) is (due is Due.REFUSE) for body, deserved in bodies if deserved is due)


def test_the_suite_itself_knows_nothing_of_it() -> None:
    assert not {"top-p-type", "tool-type"} & rules_of(Plan(model=MODEL, seed=1).shape).by_id.keys()
    assert {"top-p-type", "tool-type"} <= rules_of(SHAPE).by_id.keys()


def failing(validator: Validator) -> set[str]:
    """What a run blames on a server that judges requests by this validator."""
    made = [chat("minimal")]
    for number, (_, _, body, _) in enumerate(one for member in ADDED for one in of(member) if one[1] == CHAT):
        name = f"sent-{number}"
        if not validator.is_valid(body):
            made.append(refused(name, body, 422))
        elif body.get("stream") is True:
            made.append(chat_stream(name, body=body))
        else:
            made.append(chat(name, body=body))
    verdict = judging.judge(transcript(*made), shape=SHAPE).verdict
    return {id_ for id_ in failed(verdict) if id_.partition(".")[0] in ("accept", "reject", "stream")}


def test_answers_are_judged_by_it() -> None:
    """A server that heeds it, one that does not know its members, and such as are wrong about one keyword of them."""
    assert failing(SHAPE[CHAT].validator) == set()
    assert failing(documented()[CHAT].validator) == {"reject.temperature", "reject.metadata"}
    wrong = {
        mutant.name: failing(Validator(mutant.schema))
        for mutant in mutants(SHAPE.documents[CHAT])
        if mutant.pointer == "/properties/top_p" and mutant.operator in ("dropped", "exclusive", "takes-number-as-text")
    }
    assert {ids >= {"accept.limits"} or ids == {"reject.temperature"} for ids in wrong.values()} == {True}
    assert len(wrong) == 6
