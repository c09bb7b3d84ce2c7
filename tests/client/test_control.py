"""`serve --control`: tests in any language choose a face by HTTP, and fetch what was received and the verdict on it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
import yaml

from conformance.client import control, faces
from conformance.client.control import Control
from conformance.commands.main import main
from conformance.contract import schemas
from conformance.reference.serving import in_thread
from conformance.transcript import har_reader

DESCRIPTION: dict[str, Any] = yaml.safe_load((schemas.schema_dir() / "control.yaml").read_text(encoding="utf-8"))


@pytest.fixture(name="http", scope="module")
def _http() -> Iterator[httpx.Client]:
    with in_thread(Control()) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def described(path: str, method: str, answer: httpx.Response) -> Any:
    """The answer's JSON, held against what the description says of it."""
    operation = DESCRIPTION["paths"][path][method]
    told = operation["responses"][str(answer.status_code)]
    if "$ref" in told:
        told = DESCRIPTION["components"]["responses"][told["$ref"].rpartition("/")[2]]
    content = told.get("content")
    if content is None:
        assert not answer.content
        return None
    schema = content[answer.headers["content-type"].partition(";")[0]].get("schema")
    if schema is None:
        return yaml.safe_load(answer.text)
    name = schema["$ref"].rpartition("/")[2]
    own = DESCRIPTION["components"]["schemas"].get(name)
    value = answer.json()
    jsonschema_rs.validator_for(own or schemas.whole(name.removesuffix(".schema.json"))).validate(value)
    return value


def made(http: httpx.Client, *names: str) -> dict[str, Any]:
    answer = http.post("/servers", json={"faces": list(names)})
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/servers/{answer.json()['id']}"
    server: dict[str, Any] = described("/servers", "post", answer)
    return server


def ask(server: dict[str, Any], **more: Any) -> httpx.Response:
    body = {"model": server["model"], "messages": [{"role": "user", "content": "Reply with just this word: kite"}]}
    headers = {"Authorization": f"Bearer {server['token']}"}
    return httpx.post(f"{server['url']}/chat/completions", json={**body, **more}, headers=headers, timeout=10)


def failed(http: httpx.Client, server: dict[str, Any]) -> list[str]:
    found = described("/servers/{id}/verdict", "get", http.get(f"/servers/{server['id']}/verdict"))
    return [row["id"] for row in found["requirements"] if row["outcome"] == "failed"]


def test_it_describes_itself(http):
    assert described("/", "get", http.get("/")) == DESCRIPTION
    routes = {(path, method) for path, methods in DESCRIPTION["paths"].items() for method in methods} - {
        ("/servers/{id}", "parameters"), ("/servers/{id}/received", "parameters"),
        ("/servers/{id}/verdict", "parameters"),
    }  # fmt: skip
    served = {(r.path, m.lower()) for r in Control()._interface.routes for m in r.methods - {"HEAD"}}
    assert served == routes
    listed = described("/faces", "get", http.get("/faces"))
    assert [face["id"] for face in listed] == [face.id for face in faces.every()]


def test_what_was_received_and_the_verdict_on_it_can_be_fetched(http):
    server = made(http, "sse-crlf")
    assert (server["face"], server["kind"]) == ("sse-crlf", "variation")
    assert b"\r\n\r\n" in ask(server, stream=True).content
    assert described("/servers/{id}", "get", http.get(f"/servers/{server['id']}")) == server
    answer = http.get(f"/servers/{server['id']}/received")
    (entry,) = described("/servers/{id}/received", "get", answer)["log"]["entries"]
    assert json.loads(entry["request"]["postData"]["text"])["stream"] is True
    assert server["token"] not in answer.text
    assert har_reader.load(answer.text).options["faces"] == [{"face": "sse-crlf", "kind": "variation"}]
    assert failed(http, server) == []


def test_a_breach_is_in_the_verdict_of_its_own_server_alone(http):
    one, other = made(http), made(http, "plain")
    assert one["url"] != other["url"]
    assert ask(one, temperature=3).status_code == 422
    assert ask(other).status_code == 200
    assert failed(http, one) == ["client.request-valid"]
    assert failed(http, other) == []


def test_what_a_client_copies_from_a_fault_is_not_laid_to_it(http):
    server = made(http, "call-id-of-openai")
    body = {"messages": [{"role": "user", "content": server["approval_prompt"]}]}
    paused = ask(server, **body).json()
    decision = {
        "approval_id": paused["kitemesh"]["approval_id"],
        "approved_tool_execution_ids": [call["id"] for call in paused["choices"][0]["message"]["tool_calls"]],
    }
    httpx.post(
        f"{server['url']}/chat/resume",
        json={"model": server["model"], **body, **decision},
        headers={"Authorization": f"Bearer {server['token']}"},
    )
    assert failed(http, server) == []


def test_several_faces_are_one_server(http):
    server = made(http, "sse-crlf", "stream-done-absent", "plain", "sse-crlf")
    assert (server["face"], server["kind"]) == ("sse-crlf+stream-done-absent", "fault")
    answer = ask(server, stream=True)
    assert b"\r\n\r\n" in answer.content
    assert b"[DONE]" not in answer.content


def test_what_goes_past_the_framework_works_here_too(http):
    cut = made(http, "stream-cut")
    with pytest.raises(httpx.RemoteProtocolError):
        ask(cut, stream=True)
    assert ask(made(http, "http-1-0")).http_version == "HTTP/1.0"
    led = httpx.Client(follow_redirects=True).post(
        f"{(server := made(http, 'redirects-elsewhere'))['url']}/chat/completions", json={}
    )
    assert led.url.host == "localhost"
    assert str(led.url.path) == f"/servers/{server['id']}/v1/chat/completions"


def test_a_server_can_be_forgotten(http):
    server = made(http)
    assert described("/servers/{id}", "delete", http.delete(f"/servers/{server['id']}")) is None
    for path, method in (("", "get"), ("/received", "get"), ("/verdict", "get"), ("", "delete")):
        answer = http.request(method, f"/servers/{server['id']}{path}")
        assert answer.status_code == 404
        told = described(f"/servers/{{id}}{path}", method, answer)
        assert told["error"]["message"].startswith("There is no such server")
    assert ask(server).status_code == 404


def test_the_oldest_server_makes_room(monkeypatch):
    monkeypatch.setattr(control, "MOST_SERVERS", 2)
    with in_thread(Control()) as url, httpx.Client(base_url=url) as http:
        first, *others = [made(http) for _ in range(3)]
        assert http.get(f"/servers/{first['id']}").status_code == 404
        assert [ask(server).status_code for server in others] == [200, 200]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b'{"faces": ["sse-crfl"]}', 422, "faces knows nothing called 'sse-crfl': did you mean sse-crlf"),
        (b'{"faces": ["expired-served", "replay-repeats"]}', 422, "cannot be combined"),
        (b'{"faces": "sse-crlf"}', 422, "The body has to be an object such as"),
        (b"[]", 422, "The body has to be an object such as"),
        (b"{", 400, "The body is not JSON."),
        (b"\xff", 400, "The body is not JSON."),
        (b"[" * 60000, 400, "The body is not JSON."),
        (b" " * 70000, 413, "The body is larger than 65536 octets."),
    ],
)
def test_a_bad_order_is_told_in_a_sentence(http, body, status, says):
    answer = http.post("/servers", content=body)
    assert answer.status_code == status
    assert says in described("/servers", "post", answer)["error"]["message"]


def test_elsewhere_it_says_where_to_look(http):
    for answer in (http.get("/server"), http.put("/servers", json={}), http.get("/servers/1/2/3")):
        assert answer.status_code in (404, 405)
        assert answer.json()["error"]["message"] == "There is nothing like that here; GET / describes what there is."


# --- the command


@pytest.mark.skipif(os.name == "nt", reason="there is no such signal")
def test_the_command_says_where_it_is_and_ends_by_ctrl_c():
    code = "import sys; from conformance.commands.main import main; sys.exit(main())"
    words = (sys.executable, "-u", "-c", code, "serve", "--control")
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    found = re.match(r"Tests choose faces at (\S+) \(Ctrl-C stops it\)", running.stdout.readline())
    assert found
    curl = running.stdout.readline()
    assert json.loads(curl.partition("-d '")[2].rstrip("'\n")) == {"faces": ["sse-crlf"]}
    with httpx.Client(base_url=found[1]) as http:
        assert ask(made(http)).status_code == 200
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (0, "")


@pytest.mark.parametrize("words", [("--fault", "stream-done-absent"), ("--variation", "sse-crlf"),
                                   ("--crosstalk-every", "9")])  # fmt: skip
def test_tests_choose_and_the_command_line_does_not(capsys, words):
    assert main(["serve", "--control", *words]) == 4
    assert "With --control tests choose; leave out" in capsys.readouterr().err
