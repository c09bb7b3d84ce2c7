"""The schemas: the documented examples hold, and every keyword can fail, with one error at its place."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from conformance.contract import schemas
from conformance.contract.schema.references import resolved
from conformance.contract.schema.validator import pointer as pointer_of
from conformance.contract.schema.wording import _FORMATS
from conformance.contract.schemas import SchemaError, errors, is_date_time, is_uuid, is_valid

ANSWERS = ("approval", "approval-chunk", "chunk", "completion", "error")
REQUESTS = ("request", "resume-request")
SHA = "0" * 64

DOCUMENTED = [
    ("request", "chat-request-minimal.json"),
    ("request", "resume-request.json"),
    ("resume-request", "resume-request.json"),
    ("completion", "completion.json"),
    ("approval", "approval.json"),
    ("chunk", "chunk-text.json"),
    ("chunk", "chunk-approval.json"),
    ("approval-chunk", "chunk-approval.json"),
    ("error", "error-authentication.json"),
]


def documented(file: str) -> Any:
    return json.loads((schemas.fixture_dir() / "documented" / file).read_text(encoding="utf-8"))


ENTRY = {
    "requirement": "stream.done",
    "finding": "accept-stream @ event",
    "reason": "TICKET-17",
    "owner": "chat team",
    "expires": "2026-12-31",
    "intermittent": False,
    "sentence": "Remove the entry.",
}


def results() -> dict[str, Any]:
    outcomes = ("passed", "failed", "blocked", "not-exercised", "not-selected", "not-applicable", "error")
    return {
        "format": 1,
        "suite": {"version": "0.1.0"},
        "target": {
            "url": "http://127.0.0.1:8000",
            "name": "staging",
            "model": "group:123e4567-e89b-12d3-a456-426614174000",
        },
        "verdict": "nonconformant",
        "sentence": "The target breaks 1 MUST: stream.done.",
        "gate": {
            "passed": False,
            "sentence": "The gate does not pass: 1 new failure; 1 known failure set aside.",
            "baseline": "baseline.toml",
            "known": [dict(ENTRY)],
            "new": [{"requirement": "stream.done", "findings": ["accept-stream @ event"]}],
            "stale": [dict(ENTRY)],
            "expired": [dict(ENTRY)],
        },
        "extensions": [{"area": "x-acme", "source": "Acme API guide, chapter 2"}],
        "shapes": [
            {
                "kind": "error",
                "answers": 2,
                "members": [{"place": "/error/code", "types": ["null", "string"], "answers": 2}],
                "left": 0,
            }
        ],
        "scope": "full",
        "started": "2026-06-08T16:20:00.000Z",
        "ended": "2026-06-08T16:20:02.000Z",
        "totals": {
            "requests": 61,
            "credits_charged": 122,
            "seconds": 1.9,
            "by_outcome": dict.fromkeys(outcomes, 0) | {"failed": 1},
        },
        "evidence": {"contract_sha256": SHA, "transcript_sha256": SHA},
        "reach": {
            "http": "1.1",
            "proxy": "http://proxy:3128",
            "address": "10.0.0.7",
            "unix_socket": "/tmp/s",
            "server_name": "api.example.com",
            "told": "--proxy is set and was used",
            "tls": {
                "version": "TLSv1.3",
                "subject": "commonName=api.example.com",
                "issuer": "commonName=ca",
                "expires": "2027-01-01T00:00:00Z",
                "verified": True,
            },
        },
        "options": {"seed": 7},
        "requirements": [
            {
                "id": "stream.done",
                "area": "stream",
                "level": "MUST",
                "outcome": "failed",
                "exchanges": 9,
                "findings": [
                    {
                        "key": "approval-stream @ event",
                        "message": "the stream ends without [DONE]",
                        "expected": "data: [DONE]",
                        "observed": "the body ended",
                        "exchange": "approval-stream",
                        "place": "event 3, byte 812",
                        "curl": "curl http://127.0.0.1:8000",
                        "intermittent": False,
                        "second_opinion": "Schemathesis finds nothing wrong with it",
                        "shrunk_from": "generated-role-enum-stream-1",
                    }
                ],
                "reason": "it failed",
                "blocked_by": ["http.complete"],
                "intermittent": False,
            }
        ],
    }


def full(name: str) -> Any:
    """A valid instance that has every member which the schema names, so that every keyword is reached."""
    if name == "results":
        return results()
    if name in REQUESTS:
        body = documented("resume-request.json")
        body["messages"].append({"role": "assistant", "content": [{"type": "text", "text": "Oui."}]})
        body |= {"stream": False, "max_tokens": 1, "max_completion_tokens": 200000, "temperature": 0.5}
        body["metadata"] = {"request_id": "req_demo_001", "mode": "auto"}
        return body
    if name == "error":
        return documented("error-authentication.json")
    instance = documented(
        {
            "approval": "approval.json",
            "approval-chunk": "chunk-approval.json",
            "chunk": "chunk-text.json",
            "completion": "completion.json",
        }[name]
    )
    instance.setdefault("usage", {})
    instance.setdefault("kitemesh", {}).setdefault("request_id", "req_demo_001")
    choice = instance["choices"][0]
    said = choice.get("message") or choice["delta"]
    said |= {"role": "assistant", "content": said.get("content")}
    said.setdefault("tool_calls", [{}])
    said["tool_calls"][0]["index"] = 0
    return instance


# --- the documentation's examples --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "file"), DOCUMENTED)
def test_documented_example_holds(name: str, file: str) -> None:
    assert errors(name, documented(file)) == []
    assert is_valid(name, documented(file))


def test_every_documented_file_is_held_to_a_schema() -> None:
    files = {path.name for path in (schemas.fixture_dir() / "documented").glob("*.json")}
    assert files == {file for _, file in DOCUMENTED}
    assert (schemas.fixture_dir() / "documented" / "stream-end.txt").read_bytes() == b"data: [DONE]\n"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("completion", "approval.json"),
        ("approval", "completion.json"),
        ("approval-chunk", "chunk-text.json"),
        ("chunk", "completion.json"),
        ("resume-request", "chat-request-minimal.json"),
        ("error", "completion.json"),
    ],
)
def test_one_kind_is_not_taken_for_another(name: str, file: str) -> None:
    assert not is_valid(name, documented(file))


# --- every keyword can fail --------------------------------------------------------------------------------------


class Place(NamedTuple):
    """A subschema and a place of the full instance that it speaks of."""

    path: tuple[str | int, ...]
    subschema: dict[str, Any]


class Breach(NamedTuple):
    """The full instance with one place changed, and the one error that this must give."""

    name: str
    keyword: str
    pointer: str
    instance: Any
    missing: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.pointer}:{self.keyword}:{self.missing}"


ANNOTATIONS = {"title", "description", "examples", "$comment", "$defs"}
STRUCTURE = {"properties", "items", "allOf", "if", "then"}
OF_TYPE: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "integer": 7,
    "number": 1.5,
    "string": "\ud800",
    "array": [[]],
    "object": {},
}


def places(subschema: dict[str, Any], instance: Any, path: tuple[str | int, ...] = ()) -> Iterator[Place]:
    yield Place(path, subschema)
    for inner in subschema.get("allOf", ()):
        if "if" not in inner:  # conditions have a test of their own
            yield from places(inner, instance, path)
    if isinstance(instance, dict):
        for member, inner in subschema.get("properties", {}).items():
            assert member in instance, f"the full instance lacks {member} at {path}"
            yield from places(inner, instance[member], (*path, member))
    if "items" in subschema and isinstance(instance, list):
        number = max(range(len(instance)), key=lambda index: len(json.dumps(instance[index])))  # the fullest item
        yield from places(subschema["items"], instance[number], (*path, number))


def at(instance: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        instance = instance[step]
    return instance


def with_value(instance: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(instance)
    at(changed, path[:-1])[path[-1]] = value
    return changed


def without(instance: Any, path: tuple[str | int, ...]) -> Any:
    changed = copy.deepcopy(instance)
    del at(changed, path[:-1])[path[-1]]
    return changed


def wrong_values(keyword: str, asked: Any, current: Any) -> list[Any]:
    """Values that break this keyword and no other that may stand beside it."""
    match keyword:
        case "type":
            allowed = {asked} if isinstance(asked, str) else set(asked)
            allowed |= {"integer"} if "number" in allowed else set()
            return [value for type_, value in OF_TYPE.items() if type_ not in allowed] + (
                [math.nan, math.inf, -math.inf] if allowed & {"integer", "number"} else []
            )
        case "enum" | "const":
            values = asked if keyword == "enum" else [asked]
            wrong: list[Any] = ["", "other", True, 2, [], {}, *(f"{v}\n" for v in values), *(f"{v}x" for v in values)]
            return wrong if None in values else [*wrong, None]
        case "pattern":
            return ["", f"{current}\n", f" {current}", f"{current} ", f"{current}\r", current[:3], f"x\n{current}"]
        case "format":
            return ["", f"{current}\n", f" {current}", current[:-1], current.replace("-", ""), "now"]
        case "minimum":
            return [asked - 1, -(10**30)]
        case "maximum":
            return [asked + 1, 10**30]
        case "minLength":
            return [""]
        case "minItems":
            return [[]]
        case "maxItems":
            return [[current[0]] * (asked + 1)]
        case "contains":
            return [[{"role": "assistant", "content": "x"}], [{"role": "system"}, {"role": "tool"}]]
    raise AssertionError(f"no breach is known for the keyword {keyword}")


def breaches(name: str) -> Iterator[Breach]:
    instance = full(name)
    for path, subschema in places(resolved(schemas.schema(name), schemas.schema), instance):
        pointer = pointer_of(path)
        for keyword, asked in subschema.items():
            if keyword == "required":
                for member in asked:
                    yield Breach(name, keyword, pointer, without(instance, (*path, member)), member)
            elif keyword not in ANNOTATIONS | STRUCTURE and not keyword.startswith("x-"):
                for value in wrong_values(keyword, asked, at(instance, path)):
                    yield Breach(name, keyword, pointer, with_value(instance, path, value))


EVERY = [breach for name in schemas.names() for breach in breaches(name)]
BY_KEYWORD = {name: {b.keyword for b in EVERY if b.name == name} for name in schemas.names()}


@pytest.mark.parametrize("name", schemas.names())
def test_full_instance_holds(name: str) -> None:
    assert errors(name, full(name)) == []


@pytest.mark.parametrize("name", schemas.names())
def test_each_single_breach_gives_one_error_at_its_place(name: str) -> None:
    for breach in (b for b in EVERY if b.name == name):
        found = errors(name, breach.instance)
        # a whole resume request of another type breaks the chat request inside it as well
        if name == "resume-request" and breach.pointer == "" and breach.keyword == "type":
            assert {error.keyword for error in found} == {"type"}, breach
            found = found[:1]
        assert [(e.keyword, e.pointer, e.missing) for e in found] == [
            (breach.keyword, breach.pointer, breach.missing)
        ], str(breach)
        assert not is_valid(name, breach.instance)


def test_breaches_reach_every_keyword_of_the_request() -> None:
    assert BY_KEYWORD["resume-request"] >= {
        "type", "required", "enum", "pattern", "format", "minimum", "maximum", "minItems", "maxItems", "contains",
    }  # fmt: skip
    assert BY_KEYWORD["approval"] >= {"type", "required", "const", "format", "minLength", "minItems", "minimum"}


@cache
def jsonschema_itself(name: str) -> Draft202012Validator:
    """Without our keywords, resolved references and caches."""
    every = [
        (schema["$id"], Resource.from_contents(schema)) for schema in map(schemas.schema, (*schemas.names(), "shared"))
    ]
    registry: Registry[Any] = Registry().with_resources(every)
    return Draft202012Validator(schemas.schema(name), registry=registry, format_checker=_FORMATS)


@pytest.mark.parametrize("name", [*ANSWERS, *REQUESTS])
def test_jsonschema_itself_agrees(name: str) -> None:
    stock = jsonschema_itself(name)
    assert stock.is_valid(full(name))
    for breach in (b for b in EVERY if b.name == name):
        if not re.search("NaN|Infinity", json.dumps(breach.instance)):  # which jsonschema takes for numbers
            assert not stock.is_valid(breach.instance), str(breach)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "x", "user", "stop", "text"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "id", "type", "index"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("name", schemas.names())
@given(data=st.data())
@settings(max_examples=60)
def test_jsonschema_itself_agrees_where_several_things_are_changed(name: str, data: st.DataObject) -> None:
    instance = full(name)
    every = [place.path for place in places(resolved(schemas.schema(name), schemas.schema), instance)]
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(every))
        with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier change took the place away
            instance = with_value(instance, path, data.draw(JSON))
    assert is_valid(name, instance) is jsonschema_itself(name).is_valid(instance)
    assert bool(errors(name, instance)) is not is_valid(name, instance)


# --- what is left free -------------------------------------------------------------------------------------------


def optional_members(name: str) -> Iterator[tuple[str | int, ...]]:
    for path, subschema in places(resolved(schemas.schema(name), schemas.schema), full(name)):
        for member in subschema.get("properties", {}):
            if member not in subschema.get("required", ()):
                yield (*path, member)


@pytest.mark.parametrize("name", ANSWERS)
def test_null_equals_absent_in_answers(name: str) -> None:
    for path in optional_members(name):
        assert errors(name, with_value(full(name), path, None)) == [], path
        assert errors(name, without(full(name), path)) == [], path


@pytest.mark.parametrize("name", REQUESTS)
def test_optional_members_of_requests_may_be_absent_but_not_null(name: str) -> None:
    for path in optional_members(name):
        assert errors(name, without(full(name), path)) == [], path
        if path[-1] != "content" and "content" not in path[:-1]:  # the members of a part are left open
            assert not is_valid(name, with_value(full(name), path, None)), path


@pytest.mark.parametrize("name", schemas.names())
def test_unknown_members_are_allowed_everywhere(name: str) -> None:
    for path, subschema in places(resolved(schemas.schema(name), schemas.schema), full(name)):
        if isinstance(at(full(name), path), dict):
            assert errors(name, with_value(full(name), (*path, "x-new"), {"any": [1, None]})) == [], path
        assert "additionalProperties" not in subschema


def message(role: str = "user", **members: Any) -> dict[str, Any]:
    return {"role": role, "content": "x", **members}


@pytest.mark.parametrize(
    "change",
    [
        {"messages": [message()] * 500},
        {"messages": [message("system"), message("tool"), message()]},
        {"messages": [message(content=None)]},
        {"messages": [{"role": "user"}]},
        {"messages": [message(content=[])]},
        {"messages": [message(content=[{}, {"type": "image", "url": "x"}])]},
        {"model": "group:123E4567-E89B-F2D3-0456-426614174000"},
        {"max_tokens": 1},
        {"max_tokens": 200000},
        {"max_tokens": 1.0},
        {"temperature": 0},
        {"temperature": 2},
        {"temperature": 1.5},
        {"metadata": {}},
        {"metadata": {"request_id": "", "team": 7}},
        *({"metadata": {"mode": mode}} for mode in ("auto", "normal", "orch", "synth")),
    ],
)
def test_request_that_the_documentation_allows(change: dict[str, Any]) -> None:
    assert errors("request", documented("chat-request-minimal.json") | change) == []


@pytest.mark.parametrize(
    ("change", "pointer", "keyword"),
    [
        ({"messages": []}, "/messages", "minItems"),
        ({"messages": [message()] * 501}, "/messages", "maxItems"),
        ({"messages": [message(), None]}, "/messages/1", "type"),
        ({"messages": [message(), message(content=[{}, "x"])]}, "/messages/1/content/1", "type"),
        ({"messages": [message("User"), message()]}, "/messages/0/role", "enum"),
        ({"model": "group:123e4567e89b12d3a456426614174000"}, "/model", "pattern"),
        ({"model": "Group:123e4567-e89b-12d3-a456-426614174000"}, "/model", "pattern"),
        ({"model": "group:١23e4567-e89b-12d3-a456-426614174000"}, "/model", "pattern"),
        ({"stream": 1}, "/stream", "type"),
        ({"stream": "true"}, "/stream", "type"),
        ({"max_tokens": True}, "/max_tokens", "type"),
        ({"max_tokens": 1.5}, "/max_tokens", "type"),
        ({"temperature": math.nan}, "/temperature", "type"),
        ({"temperature": True}, "/temperature", "type"),
        ({"temperature": 2.0000001}, "/temperature", "maximum"),
        ({"metadata": {"mode": "Auto"}}, "/metadata/mode", "enum"),
    ],
)
def test_request_that_the_documentation_forbids(change: dict[str, Any], pointer: str, keyword: str) -> None:
    found = errors("request", documented("chat-request-minimal.json") | change)
    assert [(error.pointer, error.keyword) for error in found] == [(pointer, keyword)]


def test_chunk_without_choices_holds() -> None:
    assert is_valid("chunk", documented("chunk-text.json") | {"choices": []})


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter"])
def test_documented_finish_reasons_hold(reason: str) -> None:
    assert is_valid("completion", with_value(full("completion"), ("choices", 0, "finish_reason"), reason))
    assert is_valid("chunk", with_value(full("chunk"), ("choices", 0, "finish_reason"), reason))


# --- results -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "keywords"),
    [
        ({"outcome": "failed", "findings": []}, ["minItems"]),
        ({"outcome": "passed", "findings": []}, []),
        ({"outcome": "passed", "findings": [], "exchanges": 0}, ["minimum"]),
        ({"outcome": "passed"}, ["maxItems"]),
        ({"outcome": "blocked", "findings": []}, []),
        ({"outcome": "blocked", "findings": [], "blocked_by": []}, ["minItems"]),
        ({"outcome": "not-exercised", "findings": [], "exchanges": 0}, []),
        ({"outcome": "not-exercised", "findings": [], "exchanges": 0, "reason": ""}, ["minLength"]),
    ],
)
def test_outcome_of_results_bears_its_reason(change: dict[str, Any], keywords: list[str]) -> None:
    instance = results()
    instance["requirements"][0] |= change
    assert [error.keyword for error in errors("results", instance)] == keywords


@pytest.mark.parametrize(
    ("outcome", "member"),
    [("blocked", "blocked_by"), *((o, "reason") for o in ("not-exercised", "not-selected", "not-applicable", "error"))],
)
def test_outcome_of_results_needs_its_reason(outcome: str, member: str) -> None:
    instance = results()
    instance["requirements"][0] |= {"outcome": outcome, "findings": []}
    assert is_valid("results", instance)
    del instance["requirements"][0][member]
    assert [error.missing for error in errors("results", instance)] == [member]


# --- formats -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-08T16:20:00.000Z",
        "2026-06-08T16:20:00Z",
        "2026-06-08t16:20:00z",
        "2026-06-08T16:20:00+02:00",
        "2026-06-08T16:20:00.1-23:59",
        "2026-06-08T16:20:00-00:00",
        "2024-02-29T00:00:00Z",
        "2000-02-29T00:00:00Z",
        "0000-02-29T00:00:00Z",
        "9999-12-31T23:59:59.999999999999Z",
        "2016-12-31T23:59:60Z",
        "2017-01-01T01:59:60+02:00",
        "2016-12-31T15:59:60.5-08:00",
    ],
)
def test_date_time(text: str) -> None:
    assert is_date_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-06-08",
        "2026-06-08T16:20:00",
        "2026-06-08 16:20:00Z",
        "2026-06-08T16:20Z",
        "2026-06-08T16:20:00.Z",
        "2026-06-08T16:20:00,5Z",
        "2026-06-08T16:20:00+0200",
        "2026-06-08T16:20:00+02",
        "2026-06-08T16:20:00+24:00",
        "2026-06-08T16:20:00+02:60",
        "2026-06-08T16:20:00Z\n",
        " 2026-06-08T16:20:00Z",
        "2026-00-08T16:20:00Z",
        "2026-13-08T16:20:00Z",
        "2026-06-00T16:20:00Z",
        "2026-06-31T16:20:00Z",
        "2025-02-29T16:20:00Z",
        "1900-02-29T16:20:00Z",
        "2026-06-08T24:00:00Z",
        "2026-06-08T16:60:00Z",
        "2026-06-08T16:20:60Z",
        "2026-06-08T16:20:61Z",
        "2016-12-31T23:59:60+02:00",
        "2016-12-31T23:59:61Z",
        "+2026-06-08T16:20:00Z",
        "20260608T162000Z",
        "２026-06-08T16:20:00Z",
        "1780935600",
    ],
)
def test_no_date_time(text: str) -> None:
    assert not is_date_time(text)


@settings(max_examples=50, database=None, deadline=None)
@given(st.datetimes(timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))) | st.just(UTC)))
def test_every_time_that_python_writes_is_a_date_time(time: datetime) -> None:
    assert is_date_time(time.isoformat())


@settings(max_examples=50, database=None, deadline=None)
@given(st.uuids(), st.booleans())
def test_every_uuid_in_its_text_form_is_one(uuid: UUID, upper: bool) -> None:
    assert is_uuid(str(uuid).upper() if upper else str(uuid))
    assert not is_uuid(uuid.hex)
    assert not is_uuid(f"{{{uuid}}}")
    assert not is_uuid(uuid.urn)


# --- hostile values ----------------------------------------------------------------------------------------------


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("name", [*ANSWERS, *REQUESTS])
@pytest.mark.parametrize(
    "value",
    [nested(50_000), "x" * 10_000_000, 10**5000, "\ud800\x00", [{}] * 100_000],
    ids=["nested", "long", "huge", "surrogate", "many"],
)
def test_hostile_values_are_told_in_few_words(name: str, value: Any) -> None:
    instance = dict.fromkeys(full(name), value)
    for found in (errors(name, instance), errors(name, value)):
        assert found
        assert all(len(error.message) < 200 for error in found)


def test_no_answer_makes_a_flood_of_errors() -> None:
    flood = documented("chunk-text.json") | {"choices": [None] * 100_000}
    assert len(errors("chunk", flood)) == 1000


def test_errors_come_in_the_order_of_their_places() -> None:
    found = errors("request", {"model": 1, "messages": [{}, {"role": "x"}], "stream": 1})
    assert [error.pointer for error in found] == sorted(error.pointer for error in found)
    assert len(found) == 5


def test_pointers_are_escaped() -> None:
    assert pointer_of(["a/b", 0, "c~d"]) == "/a~1b/0/c~0d"


def test_error_says_what_is_asked_for_and_where_the_schema_says_so() -> None:
    body = documented("chat-request-minimal.json")
    assert errors("request", body | {"max_tokens": 0}) == [
        SchemaError("/max_tokens", "minimum", "must be at least 1", "/properties/max_tokens/minimum")
    ]
    assert errors("request", {"model": body["model"]}) == [
        SchemaError("", "required", "must have the member 'messages'", "/required", "messages")
    ]
    assert [error.message for error in errors("request", body | {"model": "gpt-4"})] == [
        'must be of the form of "group:123e4567-e89b-12d3-a456-426614174000"'
    ]
    nobody = [{"role": "system", "content": "Be brief."}]
    assert [error.message for error in errors("request", body | {"messages": nobody})] == [
        'must contain an item with the role "user"'
    ]


# --- the registry ------------------------------------------------------------------------------------------------


def test_names() -> None:
    assert schemas.names() == tuple(sorted([*ANSWERS, *REQUESTS, "results"]))


@pytest.mark.parametrize("name", ["", "shared.schema", "../schemas/chunk", "nothing"])
def test_unknown_schema_is_a_key_error(name: str) -> None:
    for ask in (schemas.schema, lambda n: errors(n, {}), lambda n: is_valid(n, {})):
        with pytest.raises(KeyError):
            ask(name)


def test_schema_is_a_fresh_copy() -> None:
    schemas.schema("chunk")["required"].clear()
    assert schemas.schema("chunk")["required"]
    assert not is_valid("chunk", {})


@pytest.mark.parametrize("ask", [schemas.schema_dir, schemas.fixture_dir])
def test_data_is_looked_for_in_the_package_first(
    ask: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = ask().name
    package = tmp_path / "conformance"
    (package / "contract").mkdir(parents=True)
    monkeypatch.setattr(schemas, "__file__", str(package / "contract" / "schemas.py"))
    assert ask() == tmp_path / kind
    (package / f"_{kind}").mkdir()
    assert ask() == package / f"_{kind}"


# --- the schema files themselves ---------------------------------------------------------------------------------


def nodes(node: Any, pointer: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield pointer, node
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if not str(key).startswith("x-"):  # annotations, whose schemas may be of any form
            yield from nodes(value, f"{pointer}/{key}")


@pytest.mark.parametrize("name", [*schemas.names(), "shared"])
def test_schema_file(name: str) -> None:
    schema = schemas.schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"https://kitemesh-conformance.invalid/schemas/{name}.schema.json"
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    for pointer, node in nodes(schema):
        if pointer.endswith("/properties"):
            continue
        assert not {"anyOf", "oneOf", "not", "additionalProperties"} & node.keys(), pointer
        if "$ref" in node:
            asserting = {key for key in node if not key.startswith("x-")} - {"description"}
            assert asserting == {"$ref"}, f"{pointer}: what stands beside a reference asserts nothing"
        if "pattern" in node:
            assert node["pattern"].startswith("^"), pointer
            assert node["pattern"].endswith(r"(?!\n)$"), pointer


@pytest.mark.parametrize("name", [*ANSWERS, *REQUESTS])
def test_every_member_says_what_it_is_and_which_page_says_so(name: str) -> None:
    for path, subschema in places(resolved(schemas.schema(name), schemas.schema), full(name)):
        if path and not (path[-2:-1] == ("tool_calls",) and subschema == {"type": "object"}):
            assert re.search(r" \[[SCAROEWHP](, [SCAROEWHP])*\]$", subschema["description"]), path


def test_examples_in_schemas_hold() -> None:
    for name in schemas.names():
        for path, subschema in places(resolved(schemas.schema(name), schemas.schema), full(name)):
            for example in subschema.get("examples", ()):
                assert errors(name, with_value(full(name), path, example)) == [], path


# --- OpenAPI -----------------------------------------------------------------------------------------------------


def description() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((schemas.schema_dir() / "openapi.yaml").read_text(encoding="utf-8"))
    return loaded


def test_openapi_refers_to_files_that_exist() -> None:
    references = {node["$ref"] for _, node in nodes(description()) if "$ref" in node}
    files = {reference for reference in references if not reference.startswith("#")}
    assert files == {f"{name}.schema.json" for name in (*ANSWERS, *REQUESTS)}


@pytest.mark.parametrize(
    ("example", "file"),
    [
        ("minimal", "chat-request-minimal.json"),
        ("decision", "resume-request.json"),
        ("completion", "completion.json"),
        ("approval", "approval.json"),
        ("authentication", "error-authentication.json"),
    ],
)
def test_openapi_examples_are_the_documented_ones(example: str, file: str) -> None:
    found = [
        node[example]["value"]
        for pointer, node in nodes(description())
        if pointer.endswith("/examples") and example in node
    ]
    assert found == [documented(file)]


def test_openapi_names_the_answers_of_both_endpoints() -> None:
    for path in ("/v1/chat/completions", "/v1/chat/resume"):
        responses = description()["paths"][path]["post"]["responses"]
        assert list(responses) == ["200", "400", "401", "404", "409", "422", "429", "default"]


@pytest.mark.parametrize(("path", "name"), [("/v1/chat/completions", "request"), ("/v1/chat/resume", "resume-request")])
def test_schemathesis_reads_openapi_and_draws_valid_bodies(path: str, name: str) -> None:
    schemathesis_openapi = pytest.importorskip("schemathesis.openapi")
    loaded = schemathesis_openapi.from_path(str(schemas.schema_dir() / "openapi.yaml"))
    operation = loaded[path]["POST"]
    drawn = []

    @settings(max_examples=5, database=None, deadline=None)
    @given(operation.as_strategy())
    def draw(case: Any) -> None:
        drawn.append(case.body)
        assert errors(name, case.body) == []

    draw()
    assert drawn


@pytest.mark.parametrize(
    ("events", "holds"),
    [
        (["chunk-text.json", "chunk-approval.json", "[DONE]"], True),
        (["chunk-text.json", '"[DONE]"'], False),
        (['{"id": 1}', "[DONE]"], False),
        (['{"id": ', "[DONE]"], False),
        (["hello", "[DONE]"], False),
    ],
)
def test_schemathesis_reads_the_events_of_a_stream(events: list[str], holds: bool) -> None:
    schemathesis_openapi = pytest.importorskip("schemathesis.openapi")
    requests = pytest.importorskip("requests")
    urllib3 = pytest.importorskip("urllib3")
    loaded = schemathesis_openapi.from_path(str(schemas.schema_dir() / "openapi.yaml"))
    data = [json.dumps(documented(event)) if event.endswith(".json") else event for event in events]
    headers = {"Content-Type": "text/event-stream"}
    response = requests.Response()
    response.status_code = 200
    response.headers.update(headers)
    response._content = "".join(f"data: {text}\n\n" for text in data).encode()
    response.raw = urllib3.HTTPResponse(headers=headers, status=200)
    response.request = requests.Request("POST", "http://127.0.0.1/v1/chat/completions").prepare()
    operation = loaded["/v1/chat/completions"]["POST"]
    if holds:
        operation.validate_response(response)
    else:
        with pytest.raises(AssertionError, match="SSE event violates schema"):
            operation.validate_response(response)
