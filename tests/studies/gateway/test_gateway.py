"""The gateway: what it changes in somebody else's octets and what not, and what the suite says of it."""

from __future__ import annotations

import ast
import asyncio
import json
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from conformance.contract.catalogue import load
from conformance.judging import judge as judging
from conformance.judging.verdict import Conclusion, State, Verdict
from conformance.running import run
from conformance.settings.options import Depth, Options
from conformance.wire.limits import Limits
from tests.studies.interop import reviewing
from tests.studies.interop.judging import Run
from tests.studies.interop.servers import BY_NAME
from tests.studies.interop.servers import MODEL as THEIRS

from . import edit, judge, plain
from .__main__ import settings_of
from .app import TOKENS, Settings, create_app
from .approvals import Approvals
from .events import Passing
from .intake import Decision, Refusal
from .serving import in_thread

MODEL, PROMPT, BRIEF = judge.MODEL, judge.PROMPT, judge.BRIEF
HERE = Path(__file__).parent
STREAMS = {
    "vllm": plain.VLLM,
    "llama.cpp": plain.LLAMA_CPP,
    "sse-starlette": plain.SSE_STARLETTE,
    "no-done": plain.Habits(done=False),
    "cached": plain.Habits(headers=(("Cache-Control", "public, max-age=60"),)),
}
"""Upstreams that the suite is run at through the gateway: three that conform, two with a breach in their streams."""


# --- one object


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"id":"a","model":"m"}', '{"id":"a","model":"G"}'),
        ('{ "model" :\t"m" ,"x":[1, {"model":"m"}] }', '{ "model" :\t"G" ,"x":[1, {"model":"m"}] }'),
        ('{"model":null}', '{"model":"G"}'),
        ('{"mod\\u0065l":"\\"}","n":1e5}', '{"mod\\u0065l":"G","n":1e5}'),
        ('{"model":"m","model":"n"}', '{"model":"G","model":"G"}'),
        ('{"id":"a"}', '{"id":"a"}'),
        ("{}", "{}"),
    ],
)
def test_only_the_value_changes(before: str, after: str) -> None:
    assert edit.replaced(before, {"model": "G"}) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{"kitemesh":{"n":1}}'),
        ('{"a": 1}', '{"a": 1,"kitemesh":{"n":1}}'),
        ('\n{"a": [1 ] \n}\r\n', '\n{"a": [1 ],"kitemesh":{"n":1} \n}\r\n'),
        ('{"kitemesh": null, "b":2}', '{"kitemesh": {"n":1}, "b":2}'),
    ],
)
def test_a_member_is_added_behind_the_others(before: str, after: str) -> None:
    assert edit.added(before, "kitemesh", {"n": 1}) == after


@pytest.mark.parametrize("text", ["", "[]", "[DONE]", '{"a"}', '{"a":1', '{"a":1,}', '{"a":1} x', '{"a":}', "{a:1}"])
def test_what_is_no_object_is_told(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever the reader of JSON says
        edit.replaced(text, {"a": 2})


# --- one stream


def _passed(octets: bytes, size: int, edited: Any = lambda text: edit.replaced(text, {"model": "G"})) -> bytes:
    passing = Passing(edited)
    pieces = [octets[start : start + size] for start in range(0, len(octets), size)]
    return b"".join(map(passing.feed, pieces)) + passing.close()


EVENTS = {
    "plain": b'data: {"model":"m","a":1}\n\ndata: [DONE]\n\n',
    "crlf": b': ping\r\n\r\nid: 7\r\ndata:{"a": "\xc3\xa9", "model": "m"}\r\n\r\ndata: [DONE]\r\n\r\n',
    "cr": b'event: message\rdata: {"model":"m"}\r\rdata: [DONE]\r\r',
    "bom": b'\xef\xbb\xbfdata: {"model":"m"}\n\n',
    "several lines": b'data: {\ndata:   "model": "m",\nretry: 5\ndata:   "a": 1\ndata: }\n\n',
    "unended": b'data: {"model":"m"}',
    "empty lines": b'\n\n\ndata\n\ndata:\n\ndata: {"model":"m"}\n\n\n\n',
    "no object": b'data: oops "model":"m"\n\ndata: {"model":"m"\n\ndata: \xff{"model":"m"}\n\nmodel: "m"\n\n',
    "mixed": b'data: {"model":"m"}\r\n\rdata: {"model":"m"}\n\r\n\n: c\r\r\n',
}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("name", EVENTS)
def test_octets_pass_but_for_the_model(name: str, size: int) -> None:
    octets = EVENTS[name]
    wanted = octets if name == "no object" else octets.replace(b'"m"', b'"G"')
    assert _passed(octets, size) == wanted
    assert _passed(octets, size, lambda text: text) == octets


def test_an_event_leaves_as_soon_as_it_is_complete() -> None:
    passing = Passing(lambda text: text)
    assert passing.feed(b"data: a\n") == b""
    assert passing.feed(b"\ndata: b") == b"data: a\n\n"
    assert passing.feed(b"\r") == b""
    assert passing.feed(b"\r") == b"data: b\r\r"
    assert passing.feed(b"\n") + passing.feed(b"data") + passing.close() == b"\ndata"


def test_an_endless_event_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.gateway.events.MOST", 100)
    octets = b"data: " + b"x" * 300
    passing = Passing(lambda text: "changed")
    assert passing.feed(octets) == octets


# --- approvals


def test_an_approval_is_decided_on_once_in_time_by_its_caller() -> None:
    now = 1000.0
    approvals = Approvals(lambda: now)
    approval = approvals.pause("one", 60)
    right = Decision(approval.id, frozenset({approval.call_id}), frozenset())

    def status(caller: str, decision: Decision) -> int:
        with pytest.raises(Refusal) as caught:
            approvals.claim(caller, decision)
        return caught.value.status

    assert status("two", right) == 404
    assert status("one", Decision(str(uuid.uuid4()), frozenset(), frozenset())) == 404
    assert status("one", Decision(approval.id, frozenset({str(uuid.uuid4())}), frozenset())) == 400
    assert approvals.claim("one", right) is approval
    assert status("one", right) == 409
    approvals.release(approval)
    now = 1060.0
    assert status("one", right) == 410


def test_approvals_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.gateway.approvals.CAPACITY", 2)
    approvals = Approvals()
    first, _, last = (approvals.pause("one", 60) for _ in range(3))
    with pytest.raises(Refusal):
        approvals.claim("one", Decision(first.id, frozenset(), frozenset()))
    assert approvals.claim("one", Decision(last.id, frozenset(), frozenset())) is last


# --- in front of an upstream


def _post(
    url: str, prompt: str = "Reply with just this word: pear", path: str = "chat/completions", **more: Any
) -> Any:
    body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], **more}
    return httpx.post(f"{url}/v1/{path}", json=body, headers={"Authorization": f"Bearer {TOKENS[0]}"}, timeout=20)


def _canned(status: int, headers: dict[str, str], octets: bytes) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            while (await receive()).get("more_body"):
                pass
            told = [(name.encode(), value.encode()) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": status, "headers": told})
            await send({"type": "http.response.body", "body": octets})

    return app


def _through(upstream: Any, **more: Any) -> Any:
    with in_thread(upstream) as behind, in_thread(create_app(Settings(f"{behind}/v1", plain.MODEL))) as url:
        return _post(url, **more)


def test_a_stream_stays_the_upstreams() -> None:
    sent = (
        b": hello\r\n\r\nevent: message\r\n"
        b'data: {"choices": [{"delta": {"content": "a\\u00e9"}, "finish_reason": null}]'
        b', "model": "x", "id": 1.50}\r\n\r\ndata: {"model": "x", "choices": [{"finish_reason": "stop"}] }\r\n\r\n'
        b'data: {"choices": [{"finish_reason": "stop"}]}\r\n\r\ndata: [DONE]'
    )
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "X-Of-Theirs": "1", "Server": "theirs"}
    answer = _through(_canned(200, headers, sent), stream=True, metadata={"request_id": "req-7"})
    before, _, after = answer.content.partition(b',"kitemesh":')
    added, _, after = after.partition(b"}")
    assert before + after == sent.replace(b'"x"', json.dumps(MODEL).encode())
    kitemesh = json.loads(added + b"}")
    assert kitemesh == {"execution_id": str(uuid.UUID(kitemesh["execution_id"])), "request_id": "req-7"}
    assert answer.headers["content-type"] == headers["Content-Type"]
    assert answer.headers["x-of-theirs"] == "1"
    assert answer.headers["server"] != "theirs"


def test_a_stream_that_breaks_off_breaks_off_here_too() -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        _through(plain.create_app(plain.Habits(cut_after=2)), stream=True)


@pytest.mark.parametrize(
    ("status", "octets", "seen", "message"),
    [
        (400, b'{"error": {"message": "too long", "code": 5}}', 400, "too long"),
        (422, b'{"detail": "no such field"}', 422, "no such field"),
        (500, b"Internal Server Error", 500, "Internal Server Error"),
        (401, b"{}", 502, "The upstream answered 401."),
        (302, b"", 502, "The upstream answered 302."),
        (429, b"", 429, "The upstream gave no reason."),
    ],
)
def test_an_error_takes_the_documented_form(status: int, octets: bytes, seen: int, message: str) -> None:
    answer = _through(_canned(status, {"Retry-After": "3"}, octets), metadata={"request_id": "r"}, stream=True)
    assert answer.status_code == seen
    error = answer.json()["error"]
    assert (error["message"], error["request_id"]) == (message, "r")
    assert set(error) == {"message", "type", "code", "request_id"}
    assert answer.headers.get("retry-after") == ("3" if seen == status else None)


def test_an_upstream_that_is_gone_leaves_the_approval_waiting() -> None:
    with in_thread(create_app(Settings("http://127.0.0.1:9/v1"))) as url:
        assert _post(url).status_code == 502
        waiting = _post(url, PROMPT).json()
        decision = {
            "approval_id": waiting["kitemesh"]["approval_id"],
            "denied_tools": [{"tool_execution_id": waiting["choices"][0]["message"]["tool_calls"][0]["id"]}],
        }
        assert [_post(url, PROMPT, "chat/resume", **decision).status_code for _ in range(2)] == [502, 502]


# --- what the suite says


async def _record(url: str, depth: Depth) -> Any:
    options = Options(
        url=f"{url}/v1",
        model=MODEL,
        token=TOKENS[0],
        second_token=TOKENS[1],
        approval_prompt=PROMPT,
        expiring_prompt=BRIEF,
        wait_expiry=8.0,
        depth=depth,
        examples=12 if depth is Depth.STANDARD else None,
    )
    return await run.record(options, 1, patience=0.2, limits=Limits.scaled(5), again=False)


@pytest.fixture(scope="module")
def judged() -> dict[str, Verdict]:
    """The verdict on the gateway in front of each of `STREAMS`; the first at depth standard."""

    async def all_of(urls: list[str]) -> list[Any]:
        depths = [Depth.STANDARD, *[Depth.QUICK] * (len(urls) - 1)]
        return await asyncio.gather(*map(_record, urls, depths))

    with ExitStack() as stack:
        upstreams = [stack.enter_context(in_thread(plain.create_app(habits))) for habits in STREAMS.values()]
        apps = [create_app(Settings(f"{url}/v1", plain.MODEL, brief_seconds=1.0)) for url in upstreams]
        transcripts = asyncio.run(all_of([stack.enter_context(in_thread(app)) for app in apps]))
    return {name: judging.judge(transcript).verdict for name, transcript in zip(STREAMS, transcripts, strict=True)}


def _failed(verdict: Verdict) -> dict[str, str]:
    return {o.requirement.id: str(o.findings[0]) for o in verdict.outcomes if o.state is State.FAILED}


@pytest.mark.parametrize("name", ["vllm", "llama.cpp", "sse-starlette"])
def test_the_gateway_conforms_in_front_of_a_plain_server(name: str, judged: dict[str, Verdict]) -> None:
    assert _failed(judged[name]) == {}
    assert judged[name].conclusion is Conclusion.CONFORMANT


def test_everything_is_exercised(judged: dict[str, Verdict]) -> None:
    idle = {o.requirement.id for o in judged["vllm"].outcomes if o.state is not State.PASSED}
    assert idle == {"error.rate-limit"}


@pytest.mark.parametrize(("name", "breaches"), [("no-done", {"stream.done"}), ("cached", {"stream.not-cached"})])
def test_a_breach_of_the_stream_shows_through(name: str, breaches: set[str], judged: dict[str, Verdict]) -> None:
    assert set(_failed(judged[name])) == breaches


# --- in front of other people's servers


REVIEWED = reviewing.load(judge.REVIEWED)
IDS = {requirement.id for requirement in load()}


@pytest.mark.parametrize("entry", REVIEWED, ids=lambda entry: f"{entry.server}-{entry.requirement}")
def test_a_review_names_what_it_is_about(entry: reviewing.Entry) -> None:
    assert entry.server in BY_NAME
    assert any(entry.version in requirement for requirement in
               (*BY_NAME[entry.server].requirements, *BY_NAME[entry.server].bare))  # fmt: skip
    assert entry.requirement in IDS
    assert entry.outcome == "failed"
    assert min(len(entry.why), len(entry.bytes)) > 20


def test_no_breach_is_reviewed_twice_or_is_the_gateways_own() -> None:
    named = [(entry.server, entry.requirement) for entry in REVIEWED]
    assert len(named) == len(set(named))
    areas = {requirement.partition(".")[0] for _, requirement in named}
    assert not areas & {"auth", "reject", "kitemesh", "approval", "resume"}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the suite is called with; it tells of one failure."""
    calls: list[tuple[Any, ...]] = []

    def fake(*arguments: Any) -> Run:
        calls.append(arguments)
        answer = _post(arguments[1].removesuffix("/v1"))
        assert answer.json()["model"] == MODEL
        requirements = [{"id": "chunk.id-stable", "outcome": "failed"}]
        return Run({"requirements": requirements, "totals": {"requests": 1}, "verdict": "nonconformant"}, 1, "")

    monkeypatch.setattr(judge, "judge", fake)
    return calls


def test_what_nobody_reviewed_fails_the_session(ran: list[tuple[Any, ...]], tmp_path: Path) -> None:
    with in_thread(plain.create_app(plain.Habits(), THEIRS)) as behind:
        result = CliRunner().invoke(judge.main, [f"mine={behind}/v1", "--output", str(tmp_path / "out"),
                                                 "--environments", str(tmp_path / "made")])  # fmt: skip
    assert result.exit_code == 1, result.output
    assert "mine: fails and was not reviewed: chunk.id-stable" in result.output
    assert (tmp_path / "out" / "gateway.md").read_text(encoding="utf-8") in result.output
    target, _, depth, folder, options, variables = ran[0]
    assert (target.model, target.token, depth, folder) == (judge.MODEL, TOKENS[0], "standard", tmp_path / "out/mine")
    assert judge.PROMPT in options
    assert variables == {"KITEMESH_SECOND_TOKEN": TOKENS[1]}


def test_what_was_reviewed_passes(ran: list[tuple[Any, ...]], tmp_path: Path) -> None:
    with in_thread(plain.create_app(plain.Habits(), THEIRS)) as behind:
        result = CliRunner().invoke(judge.main, [f"mockllm={behind}/v1", "--output", str(tmp_path / "out"),
                                                 "--environments", str(tmp_path / "made")])  # fmt: skip
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", ["nobody", "mine=ftp://127.0.0.1", "../mine=http://127.0.0.1:1"])
def test_a_server_that_cannot_be_is_told(name: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(judge.main, [name, "--output", str(tmp_path / "out")])
    assert result.exit_code == 4
    assert not (tmp_path / "out").exists()


# --- apart from the suite


@pytest.mark.parametrize("path", [HERE / f"{n}.py" for n in ("app", "approvals", "edit", "events", "intake", "plain")],
                         ids=lambda path: path.stem)  # fmt: skip
def test_it_shares_no_code_with_the_suite(path: Path) -> None:
    named: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            named.append(node.module or "")
    assert named
    assert not [name for name in named if name.split(".")[0] == "conformance"]


def test_a_bad_command_line_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["nowhere"], ["http://127.0.0.1:1", "--port", "99999"]):
        with pytest.raises(SystemExit) as caught:
            settings_of(arguments)
        assert caught.value.code == 4
    assert "give one such as http://127.0.0.1:8000/v1" in capsys.readouterr().err
