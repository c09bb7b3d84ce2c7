"""The generators and the rules draw what they say: valid bodies that must be accepted, and single breaches.

Held against `contract.classify`, against the suite's own schema registry, and against jsonschema as anybody would
use it with the schema files alone.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from conformance.contract import schemas
from conformance.contract.classify import CHAT, RESUME, Asked, Due, classify
from conformance.contract.schema.mutants import Effect, mutants
from conformance.contract.schema.validator import Validator
from conformance.probes import accept, generated, refusals, strategies
from conformance.probes.flow import Send, encode
from conformance.probes.hostile import edges
from conformance.probes.plan import Plan
from conformance.probes.rules import MISSING, RAW_RULES, Rule, rules_of

MODEL = "group:123e4567-e89b-42d3-a456-426614174000"
PLAN = Plan(model=MODEL, seed=1)
RULES, RESUME_RULES = rules_of(PLAN.shape).shared, rules_of(PLAN.shape).of_resume
BY_ID = rules_of(PLAN.shape).by_id
CALLS = ("8f14e45f-ceea-467f-a8b1-1d7a7c3c0001", "8f14e45f-ceea-467f-a8b1-1d7a7c3c0002")
OPTIONS = {
    "stream": False, "max_tokens": 64, "max_completion_tokens": 64, "temperature": 0.5,
    "metadata": {"request_id": "req-1", "mode": "auto"},
}  # fmt: skip
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
]
BASES: tuple[dict[str, Any], ...] = (
    {"model": MODEL, "messages": TURNS[1:2]},
    {"model": MODEL, "messages": TURNS, **OPTIONS},
    {"model": MODEL, "messages": [TURNS[0], *[TURNS[1], TURNS[2]] * 249, TURNS[3]]},
)
DECISIONS: tuple[dict[str, Any], ...] = (
    {"approved_tool_execution_ids": [CALLS[0]]},
    {"denied_tools": [{"tool_execution_id": CALLS[0], "reason": "no"}]},
    {"approved_tool_execution_ids": [CALLS[0]], "denied_tools": [{"tool_execution_id": CALLS[1]}]},
)
# Some shrinking shows bodies of four thousand characters: as slow as drawing them is.
SOME = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@cache
def plain(name: str) -> Any:
    """A validator of the schema files with jsonschema alone, formats asserted."""
    documents = {n: schemas.schema(n) for n in (*schemas.names(), "shared")}
    registry: Registry[Any] = Registry().with_resources(
        [(document["$id"], Resource.from_contents(document)) for document in documents.values()]
    )
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(documents[name], registry=registry, format_checker=checker)


def schema_of(endpoint: str) -> str:
    return "resume-request" if endpoint == RESUME else "request"


def asked(body: Any, endpoint: str = CHAT) -> Asked:
    octets = body if isinstance(body, bytes) else encode(body)
    return classify("POST", endpoint, {"content-type": "application/json"}, octets, model=MODEL)


# --- valid bodies ----------------------------------------------------------------------------------------------------


def assert_must_be_accepted(body: Any) -> None:
    found = asked(body)
    assert found.due is Due.ACCEPT, found.reason
    assert plain("request").is_valid(json.loads(encode(body)))


@SOME
@given(strategies.natural_bodies(PLAN))
def test_natural_bodies_must_be_accepted(body: Any) -> None:
    assert_must_be_accepted(body)
    # A natural conversation holds nothing odd, and leaves an answer room.
    assert asked(body).requirement != "accept.unicode-edges"
    assert min(body.get("max_tokens", 64), body.get("max_completion_tokens", 64)) >= 64


@SOME
@given(strategies.unusual_bodies(PLAN))
def test_unusual_bodies_must_be_accepted(body: Any) -> None:
    assert_must_be_accepted(body)


@SOME
@given(st.one_of(strategies.rich_bodies(PLAN, stream=True), strategies.rich_bodies(PLAN, stream=False)))
def test_rich_bodies_must_be_accepted(body: Any) -> None:
    assert_must_be_accepted(body)


def traits(body: Any) -> Iterator[tuple[str, Any]]:
    """What of the schema a valid body reaches: members, values of enums, forms of content, borders."""
    for member, value in {**body, **body.get("metadata", {})}.items():
        yield member, type(value).__name__
    yield "stream", body.get("stream")
    yield "mode", body.get("metadata", {}).get("mode")
    for message in body["messages"]:
        content = message["content"]
        yield message["role"], type(content).__name__
        yield "parts", len(content) if isinstance(content, list) else 0


def test_valid_bodies_reach_every_member_and_form_of_the_schema() -> None:
    bodies = [
        *strategies.Draws(strategies.natural_bodies(PLAN), 150, 1).collect(),
        *strategies.Draws(strategies.unusual_bodies(PLAN), 150, 1).collect(),
    ]
    seen = {trait for body in bodies for trait in traits(body)}
    members = set(schemas.schema("request")["properties"]) | {"mode", "request_id"}
    assert {member for member, _ in seen} >= members
    assert seen >= {("stream", True), ("stream", False), *(("mode", mode) for mode in PLAN.modes)}
    assert seen >= {("temperature", "int"), ("temperature", "float"), ("parts", 1), ("parts", 2), ("parts", 4)}
    assert seen >= {
        ("system", "str"), ("user", "str"), ("user", "list"), ("assistant", "str"), ("assistant", "NoneType")
    }  # fmt: skip


@pytest.mark.parametrize("modes", [("auto",), ()])
def test_only_modes_that_were_not_declared_absent_are_drawn(modes: tuple[str, ...]) -> None:
    bodies = strategies.Draws(strategies.natural_bodies(Plan(model=MODEL, seed=1, modes=modes)), 40, 1).collect()
    assert {body["metadata"]["mode"] for body in bodies if "mode" in body.get("metadata", {})} <= set(modes)


def test_drawing_depends_on_the_seed_alone_and_on_no_module_that_was_loaded(tmp_path, monkeypatch) -> None:
    before = strategies.Draws(strategies.unusual_bodies(PLAN), 40, 5).collect()
    one, two, other = (strategies.Draws(strategies.natural_bodies(PLAN), 8, seed).collect() for seed in (5, 5, 6))
    assert one == two != other
    # Hypothesis takes constants from the source of loaded modules, unless it is told not to.
    (tmp_path / "full_of_constants.py").write_text(f"{[f'constant {n}' for n in range(500)]}\n{[*range(1000, 1500)]}\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("full_of_constants")
    assert strategies.Draws(strategies.unusual_bodies(PLAN), 40, 5).collect() == before


# --- single breaches -------------------------------------------------------------------------------------------------


def bases(endpoint: str) -> list[dict[str, Any]]:
    if endpoint == CHAT:
        return list(BASES)
    return [{**BASES[1], "approval_id": CALLS[0], **decision} for decision in DECISIONS]


def at(pointer: str, place: str) -> bool:
    """True where the pointer is the place, in which `*` stands for an index."""
    steps, wanted = pointer.split("/"), place.split("/")
    return len(steps) == len(wanted) and all(
        w == s or (w == "*" and s.isdigit()) for s, w in zip(steps, wanted, strict=True)
    )


def assert_single_breach(rule: Rule, body: Any, endpoint: str) -> None:
    found = asked(body, endpoint)
    on_resume = endpoint == RESUME and rule.endpoint == CHAT
    requirement = "resume.request-fields" if on_resume else rule.requirement
    if body.get("stream") is True and endpoint == CHAT:
        requirement = "stream.refusal-as-json"
    assert (found.due, found.requirement) == (Due.REFUSE, requirement), found.reason
    value = json.loads(encode(body))
    errors = schemas.errors(schema_of(endpoint), value)
    assert len(errors) == 1, errors
    assert at(errors[0].pointer, rule.place), errors
    assert errors[0].keyword == rule.keyword, errors
    # An empty array breaks `contains` beside `minItems` for jsonschema; the registry tells of that once.
    assert len(list(plain(schema_of(endpoint)).iter_errors(value))) == (2 if rule.id == "messages-empty" else 1)


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in (*RULES, *RESUME_RULES)])
def test_rule_breaks_one_thing(rule: Rule) -> None:
    """With all its values, at spots of all valid bodies, on both endpoints."""
    for endpoint in {rule.endpoint, RESUME}:
        for valid in bases(endpoint):
            kept = json.dumps(valid)
            short = len(valid["messages"]) < 10
            for value in rule.values if short else rule.values[:1]:
                for spot in {0, 1, len(valid["messages"]) - 1} if short else {1}:
                    assert_single_breach(rule, rule.apply(valid, value, spot), endpoint)
            assert json.dumps(valid) == kept


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(RULES), st.data())
def test_drawn_breach_breaks_one_thing(rule: Rule, data: st.DataObject) -> None:
    base = data.draw(st.sampled_from(["natural", "rich"]))
    bodies = strategies.natural_bodies(PLAN) if base == "natural" else strategies.rich_bodies(PLAN, stream=True)
    assert_single_breach(rule, data.draw(strategies.breaches(rule)).apply(data.draw(bodies)), CHAT)


@pytest.mark.parametrize("seed", range(4))
def test_what_a_run_sends_to_be_refused_has_one_breach_and_what_it_sends_of_an_option_is_legal(seed: int) -> None:
    plan = Plan(model=MODEL, seed=seed)
    refused: set[str] = set()
    for flow in (*refusals.flows(plan), *accept.flows(plan)):
        send = next(flow.steps(1))
        if isinstance(send, Send) and send.breach in BY_ID:
            assert_single_breach(BY_ID[send.breach], json.loads(send.body), CHAT)
            refused.add(send.breach)
        elif isinstance(send, Send) and flow.area == "accept" and "request-id" not in flow.name:
            open_ = ("accept-tool-bare",)
            assert asked(send.body).due is (Due.OPEN if flow.name in open_ else Due.ACCEPT), flow.name
    assert refused == {rule.id for rule in RULES}


def test_telling_bad_values_are_sent_by_every_run_and_the_others_take_turns() -> None:
    every = [{send.name for flow in refusals.flows(Plan(model=MODEL, seed=seed)) for send in flow.steps(1)
              if isinstance(send, Send)} for seed in range(12)]  # fmt: skip
    turns = set().union(*every) - set.intersection(*every)
    role = rules_of(PLAN.shape).by_id["role-enum"]
    assert {name for name in set.intersection(*every) if name.startswith("reject-role-enum")} == {
        "reject-role-enum" + (f"-{which + 1}" if which else "") for which in role.certain
    }  # fmt: skip
    assert len({name for name in turns if name.startswith("reject-role-enum-near-")}) > 20
    assert all("-near-" in name for name in turns)
    assert max(map(len, every)) - min(map(len, every)) <= 2


def test_the_telling_values_find_every_careless_validator_that_any_value_finds() -> None:
    careless = [Validator(each.schema) for each in mutants(PLAN.shape[CHAT].schema) if each.effect is Effect.WEAKER]
    valid = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}

    def found(which: Callable[[Rule], Iterable[int]]) -> set[int]:
        bodies = [rule.apply(valid, rule.values[number]) for rule in RULES for number in which(rule)]
        return {number for number, each in enumerate(careless) if any(map(each.is_valid, bodies))}

    telling = found(lambda rule: rule.certain)
    assert len(telling) > 150
    assert telling == found(lambda rule: range(len(rule.values)))
    assert telling > found(lambda rule: [0])
    assert sum(len(rule.certain) for rule in RULES) < sum(len(rule.values) for rule in RULES) / 2


def test_breaches_far_down_break_one_thing() -> None:
    made = {flow.name: next(flow.steps(1)) for flow in generated.long_conversations(PLAN)}
    assert len(made) == (len(generated.LONG) * len(generated.LONG_RULES) + 1) * len(generated.SPOTS)
    for name, send in made.items():
        assert isinstance(send, Send)
        body = json.loads(send.body)
        among_parts = name.endswith("-parts")
        length = int(name.removesuffix("-parts").rpartition("-")[2])
        assert len(body["messages"][0]["content"] if among_parts else body["messages"]) == length
        found = schemas.errors("request", body)
        assert len(found) == 1
        last = length - (1 if among_parts else 2)  # the prompt stays behind what is broken among messages
        where = {"first": 0, "middle": last // 2, "last": last}[name.rpartition("-of-")[0].rpartition("-")[2]]
        assert found[0].pointer.startswith(f"/messages/0/content/{where}" if among_parts else f"/messages/{where}")
        assert_single_breach(BY_ID[send.breach or ""], body, CHAT)


def keywords(node: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """(place, keyword) of everything in a schema that asserts, with its references followed."""
    for keyword, value in node.items():
        if keyword == "allOf":
            for part in value:
                yield from keywords(part, place)
        elif keyword == "$ref":
            yield from keywords(referred(value), place)
        elif keyword == "properties":
            for member, inner in value.items():
                yield from keywords(inner, f"{place}/{member}")
        elif keyword == "items":
            yield from keywords(value, f"{place}/*")
        elif keyword == "required":
            yield from ((place, f"required {member}") for member in value)
        elif keyword not in ("$schema", "$id", "$comment", "title", "description", "examples"):
            if not keyword.startswith("x-"):
                yield place, keyword


def referred(reference: str) -> Any:
    file, _, pointer = reference.partition("#")
    target: Any = schemas.schema(file.removesuffix(".schema.json"))
    for step in pointer.split("/")[1:]:
        target = target[step]
    return target


def spoken_of(rule: Rule) -> tuple[str, str]:
    if rule.keyword == "required":
        return rule.place, f"required {rule.broken.member}"
    return rule.place, rule.keyword


WITHOUT_RULE = {
    # The body's own type is broken by octets: RAW_RULES.
    ("", "type"),
    # Parts may have members of many kinds; the documentation tells of `type` and `text` "such as".
    ("/messages/*/content/*/type", "type"),
    ("/messages/*/content/*/text", "type"),
}


@pytest.mark.parametrize(("name", "rules"), [("request", RULES), ("resume-request", (*RULES, *RESUME_RULES))])
def test_every_keyword_of_the_schema_has_a_rule(name: str, rules: tuple[Rule, ...]) -> None:
    asserted = set(keywords(schemas.schema(name)))
    ruled = {spoken_of(rule) for rule in rules}
    assert ruled <= asserted
    assert asserted - ruled == WITHOUT_RULE & asserted


def test_ids_of_rules_are_unique_and_their_requirements_known() -> None:
    ids = [rule.id for rule in (*RULES, *RESUME_RULES)] + [f"body-{rule.id}" for rule in RAW_RULES]
    assert len(set(ids)) == len(ids)
    assert repr(MISSING) == "absent"


@pytest.mark.parametrize("raw", [pytest.param(raw, id=raw.id) for raw in RAW_RULES])
def test_raw_rules_are_refused_as_no_json_object(raw: Any) -> None:
    for base in BASES[:2]:
        found = asked(raw.make(encode(base)))
        assert (found.due, found.requirement, found.edge) == (Due.REFUSE, "reject.body", False), found.reason
    assert asked(raw.make(encode(bases(RESUME)[0])), RESUME).requirement == "resume.request-fields"


@pytest.mark.parametrize("name", edges(b'{"content":"Reply"}'))
def test_hostile_bodies_are_edges(name: str) -> None:
    body = edges(encode({"model": MODEL, "messages": [{"role": "user", "content": "Reply: x"}]}))[name]
    found = asked(body)
    assert found.edge, found.reason
    assert found.due is Due.OPEN


@pytest.mark.parametrize("spelled", generated.SPELLINGS)
def test_the_same_json_in_every_spelling(spelled: Any) -> None:
    body = {**BASES[1], "messages": [{"role": "user", "content": 'Hello "you" \\ \n é 日本 👍'}]}
    octets = spelled(body)
    assert octets != encode(body)
    assert asked(octets).due is Due.ACCEPT
    value = json.loads(octets)
    assert {**value, "messages": None} == {**body, "messages": None}
    assert value["messages"][-1]["content"].startswith(body["messages"][-1]["content"])


def test_every_character_is_escaped_in_one_of_them() -> None:
    octets = generated.SPELLINGS[-1]({"model": "a👍", "stream": True})
    assert (
        octets
        == rb'{"\u006d\u006f\u0064\u0065\u006c": "\u0061\ud83d\udc4d", "\u0073\u0074\u0072\u0065\u0061\u006d": true}'
    )
