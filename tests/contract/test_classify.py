"""What a request deserves, read off its octets: accept, refuse (and by which requirement), 401, or open."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.contract import schemas
from conformance.contract.classify import CHAT, MODES, RESUME, Asked, Due, classify, endpoint_of
from conformance.settings.options import MODES as OPTIONS_MODES

UUID = "123e4567-e89b-42d3-a456-426614174000"
MODEL = f"group:{UUID}"
OTHER = "123e4567-e89b-42d3-a456-426614174001"
USER = {"role": "user", "content": "Hello"}
JSON_TYPE = {"content-type": "application/json"}
ABSENT = object()


def chat(**fields: Any) -> dict[str, Any]:
    body = {"model": MODEL, "messages": [USER], **fields}
    return {key: value for key, value in body.items() if value is not ABSENT}


def decision(**fields: Any) -> dict[str, Any]:
    return chat(**{"approval_id": UUID, "approved_tool_execution_ids": [OTHER], **fields})


def asked(body: Any, path: str = CHAT, method: str = "POST", credential: str = "own", **more: Any) -> Asked:
    octets = body if isinstance(body, bytes | None) else json.dumps(body, ensure_ascii=False).encode()
    headers = more.pop("headers", JSON_TYPE)
    return classify(method, f"/v1{path}", headers, octets, credential, **{"model": MODEL, **more})


def any_of(*values: Any) -> tuple[Any, ...]:
    return values


def said(*contents: Any) -> dict[str, Any]:
    return chat(messages=[{"role": "user", "content": content} for content in contents])


def message(**members: Any) -> dict[str, Any]:
    return chat(messages=[USER, {"role": "assistant", "content": "Hello"}, members])


SYSTEM, ASSISTANT = {"role": "system", "content": "Be brief."}, {"role": "assistant", "content": "Hello"}


# --- refuse ----------------------------------------------------------------------------------------------------------

REFUSED: dict[str, list[Any]] = {
    "reject.model": [
        chat(model=ABSENT), chat(model=None), chat(model=5), chat(model=[MODEL]), chat(model=""), chat(model=UUID),
        chat(model="gpt-4"), chat(model="group:"), chat(model=f"{MODEL}0"), chat(model=MODEL[:-1]),
        chat(model=f"GROUP:{UUID}"), chat(model=f"{MODEL[:-1]}g"), chat(model=f"{MODEL}."), chat(model=f"{MODEL},"),
    ],
    "reject.messages": [
        chat(messages=ABSENT), chat(messages=None), chat(messages="Hello"), chat(messages={}), chat(messages=5),
        chat(messages=[]), chat(messages=[USER] * 501),
    ],
    "reject.no-user-message": [
        chat(messages=[SYSTEM]), chat(messages=[ASSISTANT]), chat(messages=[{"role": "tool", "content": "x"}]),
    ],
    "reject.message-shape": [
        chat(messages=[USER, None]), chat(messages=["Hello", USER]), chat(messages=[USER, []]), message(content="x"),
        message(role=None, content="x"), message(role="robot", content="x"), message(role="User", content="x"),
        message(role="developer", content="x"), message(role=["user"], content="x"), said("x", 5), said("x", True),
        said("x", {}), said("x", {"type": "text", "text": "x"}), said("x", ["x"]), said("x", [None]), said("x", [[]]),
    ],
    "reject.stream-type": [chat(stream=value) for value in any_of("true", 1, 0, [], {}, "")],
    "reject.max-tokens": [chat(max_tokens=value) for value in any_of(0, -1, 200_001, 1.5, "16", True, [], 10**18)],
    "reject.max-completion-tokens": [chat(max_completion_tokens=value) for value in any_of(0, 200_001, 0.5, "16")],
    "reject.temperature": [
        *(chat(temperature=value) for value in any_of(-0.1, -0.0001, 2.0001, 2.1, 3, "1", True, [])),
        *(json.dumps(chat()).encode()[:-1] + f', "temperature": {literal}}}'.encode()
          for literal in ("NaN", "Infinity", "-Infinity")),
    ],
    "reject.metadata": [
        *(chat(metadata=value) for value in any_of("x", [], 5, True)),
        *(chat(metadata={"mode": value}) for value in any_of("turbo", "", "AUTO", 5, ["auto"])),
        *(chat(metadata={"request_id": value}) for value in any_of(5, {}, True, [])),
    ],
    "reject.body": [b"", b" \n", b"{", b'{"model":', b"null", b"5", b'"x"', b"[]", b"true", b"Hello",
                    json.dumps(chat()).encode() + b"{}", json.dumps(chat()).encode()[:-1] + b",}",
                    json.dumps(chat()).replace('"', "'").encode()],
}  # fmt: skip


@pytest.mark.parametrize(
    ("requirement", "body"), [(requirement, body) for requirement, bodies in REFUSED.items() for body in bodies]
)
def test_breach_is_refused_by_its_requirement(requirement: str, body: Any) -> None:
    found = asked(body)
    assert (found.due, found.requirement) == (Due.REFUSE, requirement), found.reason
    assert not found.edge


@pytest.mark.parametrize(
    ("requirement", "body"),
    [(requirement, body) for requirement, bodies in REFUSED.items() for body in bodies if not isinstance(body, bytes)],
)
def test_on_resume_by_a_requirement_of_its_own_and_in_a_stream_too(requirement: str, body: Any) -> None:
    resumed = asked({**body, "approval_id": UUID, "approved_tool_execution_ids": [OTHER]}, RESUME)
    assert (resumed.due, resumed.requirement) == (Due.REFUSE, "resume.request-fields")
    if requirement != "reject.stream-type":
        streamed = asked({**body, "stream": True})
        assert (streamed.due, streamed.requirement) == (Due.REFUSE, "stream.refusal-as-json")


@pytest.mark.parametrize(
    ("requirement", "body"),
    [
        *(("resume.approval-id", decision(approval_id=value)) for value in any_of(ABSENT, None, 5, "", "x", UUID[:-1])),
        *(("resume.decision-shape", decision(approved_tool_execution_ids=value))
          for value in any_of("x", {}, 5, ["x"], [5], [None], [[]])),
        *(("resume.decision-shape", decision(denied_tools=value)) for value in any_of(
            "x", {}, [5], [OTHER], [{}], [{"reason": "no"}], [{"tool_execution_id": "x"}],
            [{"tool_execution_id": None}], [{"tool_execution_id": OTHER, "reason": 5}])),
    ],
)  # fmt: skip
def test_breach_of_a_decision(requirement: str, body: Any) -> None:
    found = asked(body, RESUME)
    assert (found.due, found.requirement) == (Due.REFUSE, requirement), found.reason


@pytest.mark.parametrize(
    ("body", "requirement"),
    [
        (chat(model=5, messages=[], temperature=3), "reject.model"),
        (chat(messages=[None], temperature=3), "reject.message-shape"),
        (chat(temperature=3, metadata=[]), "reject.temperature"),
        (chat(temperature=None, metadata=[]), "reject.metadata"),
    ],
)
def test_of_several_breaches_the_most_fundamental_is_named(body: Any, requirement: str) -> None:
    assert asked(body).requirement == requirement


def test_other_methods_and_media_types() -> None:
    assert asked(chat(), method="PUT").requirement == "reject.method"
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
        found = asked(chat(), headers={"content-type": media_type})
        assert (found.due, found.requirement) == (Due.REFUSE, "reject.media-type")
    for media_type in ("application/json; charset=utf-8", "Application/JSON"):
        assert asked(chat(), headers={"content-type": media_type}).due is Due.ACCEPT


# --- accept ----------------------------------------------------------------------------------------------------------

ACCEPTED: dict[str, list[Any]] = {
    "accept.minimal": [chat(), said("a\nb\tc")],
    "accept.optional-fields": [chat(stream=True), chat(stream=False), chat(temperature=0.7), chat(max_tokens=16),
                               chat(max_completion_tokens=16), chat(temperature=1, metadata={"mode": "auto"})],
    "accept.limits": [chat(temperature=0), chat(temperature=2), chat(temperature=0.0), chat(temperature=2.0),
                      chat(max_tokens=1), chat(max_tokens=200_000), chat(max_completion_tokens=1),
                      chat(messages=[SYSTEM, *[USER, ASSISTANT] * 249, USER])],
    "accept.roles": [chat(messages=[SYSTEM, USER]), chat(messages=[USER, ASSISTANT, USER])],
    "accept.content-forms": [said([{"type": "text", "text": "x"}]), said([{"type": "text", "text": "x"}] * 2),
                             chat(messages=[USER, {"role": "assistant", "content": None}, USER])],
    "accept.metadata": [chat(metadata={}), chat(metadata={"mode": "synth"}), chat(metadata={"request_id": "x"})],
    "accept.unicode": [said("日本語"), said("שלום"), said("e\u0301"), said("👍"), said("Ж")],
    "accept.unicode-edges": [said("a\x01b"), said("a\u202eb"), said("a\ufffeb"), said("a\U0001ffffb"), said("\ufeffa"),
                             said("a\x7fb"), said("a\u2028b")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("requirement", "body"), [(requirement, body) for requirement, bodies in ACCEPTED.items() for body in bodies]
)
def test_valid_body_is_accepted(requirement: str, body: Any) -> None:
    found = asked(body)
    assert (found.due, found.requirement) == (Due.ACCEPT, requirement), found.reason
    assert schemas.is_valid("request", body)


@pytest.mark.parametrize(
    "body",
    [
        decision(),
        decision(approved_tool_execution_ids=ABSENT, denied_tools=[{"tool_execution_id": OTHER}]),
        decision(denied_tools=[{"tool_execution_id": UUID, "reason": ""}]),
        decision(denied_tools=[{"tool_execution_id": OTHER}]),
    ],
)
def test_valid_decision_is_accepted_by_its_body(body: Any) -> None:
    assert asked(body, RESUME).due is Due.ACCEPT


# --- open ------------------------------------------------------------------------------------------------------------

TOOL = {"role": "tool", "content": "sunny"}
OPEN: dict[str, list[Any]] = {
    "content may be absent": [chat(messages=[{"role": "user"}])],
    "blank text": [said(""), said("  \n"), said("\u3000"), said([{"type": "text", "text": " "}])],
    "the order of roles": [
        said("x", "y"), chat(messages=[USER, SYSTEM]), chat(messages=[ASSISTANT, USER]), chat(messages=[USER, SYSTEM,
        USER]),
    ],
    "an assistant message last": [chat(messages=[USER, ASSISTANT])],
    "a tool message without its call": [chat(messages=[USER, TOOL]), chat(messages=[USER, TOOL, USER])],
    "a tool message with its call": [chat(messages=[
        USER, {"role": "assistant", "content": None, "tool_calls": []}, {**TOOL, "tool_call_id": "x"}, USER])],
    "letter case and version of UUIDs": [chat(model=f"group:{UUID.upper()}"), chat(model=f"group:{'0' * 8}{UUID[8:]}")],
    "other spellings of UUIDs, and white space around": [
        *(chat(model=value) for value in any_of(
            f" {MODEL}", f"{MODEL}\n",
            f"group:{UUID.replace('-', '')}", f"group:{{{UUID}}}", f"group:urn:uuid:{UUID}")),
    ],
    "empty content arrays": [said([])],
    "parts without type or text": [said([{}]), said([{"type": "text"}]), said([{"text": "x"}]),
                                   said([{"type": "image_url", "image_url": {}}])],
    "null in an optional field": [
        *(chat(**{member: None}) for member in ("stream", "max_tokens", "max_completion_tokens", "temperature",
            "metadata")),
        chat(metadata={"mode": None}), chat(metadata={"request_id": None}),
    ],
    "null content of another role": [said(None)],
    "1.0 where an integer is asked for": [chat(max_tokens=16.0), chat(max_completion_tokens=16.0)],
    "unknown extra fields": [chat(top_p=1), chat(metadata={"tag": "x"}), message(role="user", content="x", name="x"),
                             said([{"type": "text", "text": "x", "cache": True}])],
    "groups other than the target's own": [chat(model=f"group:{OTHER}")],
    "an unusual request_id": [chat(metadata={"request_id": value}) for value in ("", " ", "é", "x" * 65)],
    "NaN outside temperature": [b'{"model":"x","messages":[],"extra":NaN}'],
}  # fmt: skip


@pytest.mark.parametrize("body", [body for bodies in OPEN.values() for body in bodies])
def test_left_open(body: Any) -> None:
    found = asked(body)
    assert (found.due, found.requirement) == (Due.OPEN, ""), found.reason
    assert found.reason


@pytest.mark.parametrize(
    "body",
    [
        decision(approved_tool_execution_ids=ABSENT),
        decision(approved_tool_execution_ids=[]),
        decision(denied_tools=[], approved_tool_execution_ids=[]),
        decision(approved_tool_execution_ids=[OTHER, OTHER]),
        decision(denied_tools=None),
        decision(approved_tool_execution_ids=None),
        decision(denied_tools=[{"tool_execution_id": UUID, "reason": None}]),
        decision(approval_id=f" {UUID}"),
        decision(approval_id=f"urn:uuid:{UUID}"),
        decision(approved_tool_execution_ids=[OTHER.replace("-", "")]),
        decision(denied_tools=[{"tool_execution_id": f"{{{UUID}}}"}]),
        decision(denied_tools=[{"tool_execution_id": UUID, "extra": 1}]),
        decision(extra=1),
    ],
)
def test_left_open_on_resume(body: Any) -> None:
    assert asked(body, RESUME).due is Due.OPEN


def test_open_for_what_is_not_known() -> None:
    assert asked(None).due is Due.OPEN
    assert asked(chat(), headers={}).due is Due.OPEN
    assert asked(chat(), headers={"content-type": "application/vnd.api+json"}).due is Due.OPEN
    assert asked(chat(), "/models").due is Due.OPEN
    assert asked(chat(), model=None, method="POST").due is Due.ACCEPT


def test_the_modes_that_a_user_may_name_are_those_of_the_schema() -> None:
    assert set(OPTIONS_MODES) == MODES


def test_modes_that_were_declared_absent_are_open() -> None:
    assert asked(chat(metadata={"mode": "orch"}), modes=["auto"]).due is Due.OPEN
    assert asked(chat(metadata={"mode": "auto"}), modes=["auto"]).due is Due.ACCEPT


def test_a_null_beside_a_breach_does_not_hide_it() -> None:
    assert asked(chat(temperature=None, stream="yes")).requirement == "reject.stream-type"
    assert asked(chat(model=None, temperature=None)).requirement == "reject.model"


# --- credentials -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credential", "path", "body", "requirement"),
    [
        ("none", CHAT, chat(), "auth.missing-header"),
        ("empty", CHAT, chat(), "auth.empty-bearer"),
        ("never-issued", CHAT, chat(), "auth.unknown-token"),
        ("nearly-own", CHAT, chat(), "auth.unknown-token"),
        ("nearly-own", RESUME, decision(), "resume.auth"),
        ("other-middle", CHAT, chat(), "auth.unknown-token"),
        ("other-scheme", CHAT, chat(), "auth.wrong-scheme"),
        ("none", CHAT, chat(stream=True), "auth.stream-refused-as-json"),
        ("none", RESUME, decision(), "resume.auth"),
        ("empty", RESUME, decision(), "resume.auth"),
        ("never-issued", RESUME, decision(stream=True), "resume.auth"),
        ("none", CHAT, chat(messages=[]), "auth.before-validation"),
        ("none", CHAT, chat(top_p=1), "auth.missing-header"),
    ],
)
def test_without_a_good_token(credential: str, path: str, body: Any, requirement: str) -> None:
    found = asked(body, path, credential=credential)
    assert (found.due, found.requirement) == (Due.AUTHENTICATE, requirement)


@pytest.mark.parametrize("body", [b"", b"{", b"Hello"])
def test_malformed_json_without_a_token_is_open(body: bytes) -> None:
    # "a body that breaks the schema (well-formed JSON), without a token, gets 401": of another body nothing is said.
    assert asked(body, credential="none").due is Due.OPEN


@pytest.mark.parametrize("credential", ["own", "second", "unstated"])
def test_good_or_unknown_tokens_leave_the_body_to_decide(credential: str) -> None:
    assert asked(chat(), credential=credential).due is Due.ACCEPT
    assert asked(chat(messages=[]), credential=credential).due is Due.REFUSE


# --- JSON that readers take differently ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "oddity"),
    [
        (b'{"model":"a","model":"b","messages":[]}', "duplicate-keys"),
        (b'{"x":NaN}', "nan"),
        (b'{"x":-Infinity}', "nan"),
        (b'{"x":"\\ud800"}', "surrogate"),
        (b'{"\\udc00":1}', "surrogate"),
        (b'{"x":"a\\u0000"}', "nul"),
        (b'{"x":' + b"9" * 30 + b"}", "huge-number"),
        (b'{"x":1e999}', "huge-number"),
        (b'{"x":' + b"[" * 200 + b"]" * 200 + b"}", "depth"),
        (b"\xef\xbb\xbf{}", "bom"),
        (b'{"x":"\xff"}', "encoding"),
        ("{}".encode("utf-16"), "encoding"),
    ],
)
def test_what_readers_of_json_differ_on_is_an_edge(body: bytes, oddity: str) -> None:
    found = asked(body)
    assert (found.due, found.edge) == (Due.OPEN, True)
    assert oddity in found.parsed.oddities


@pytest.mark.parametrize(
    "body", [b'{"x":"\\ud83d\\ude00"}', b'{"x":"[[[["}', b'{"x":"\\\\u0000"}', b'{"x":9007199254740993}', b'{"x":1e3}']
)
def test_what_they_agree_on_is_not(body: bytes) -> None:
    assert not asked(body).parsed.oddities


# --- the whole -------------------------------------------------------------------------------------------------------

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([MODEL, UUID, "user"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = ["model", "messages", "stream", "max_tokens", "max_completion_tokens", "temperature", "metadata",
"approval_id",
           "approved_tool_execution_ids", "denied_tools", "extra"]  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from(MEMBERS), json_values), st.sampled_from([CHAT, RESUME]))
def test_never_raises_and_agrees_with_the_schema(changes: dict[str, Any], path: str) -> None:
    body = {**(decision() if path == RESUME else chat()), **changes}
    found = asked(json.dumps(body).encode(), path)
    valid = schemas.is_valid("resume-request" if path == RESUME else "request", json.loads(json.dumps(body)))
    if found.due is Due.ACCEPT:
        assert valid
    if valid:
        assert found.due is not Due.REFUSE


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=60))
def test_never_raises_on_octets(body: bytes) -> None:
    assert asked(body).due in (Due.REFUSE, Due.OPEN)


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/v1/chat/completions", CHAT), ("https://x/v1/chat/resume?a=b", RESUME), ("/chat/completions/", CHAT),
        ("/v1/chat", ""), ("/v1/chat/completions/x", ""), ("/v1/models", ""),
    ],
)  # fmt: skip
def test_endpoints(path: str, endpoint: str) -> None:
    assert endpoint_of(path) == endpoint


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (chat(temperature=3), "/temperature"),
        (said(5), "/messages/0/content"),
        (chat(model=ABSENT), "/model"),
        (chat(metadata={"mode": "fast"}), "/metadata/mode"),
        (chat(), ""),
    ],
)
def test_the_member_that_breaks_the_schema_is_named(body: dict[str, Any], pointer: str) -> None:
    assert asked(body).pointer == pointer
