"""The official client understands the conforming server, and fails at the faults of area sdk only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from conformance.probes.sdk import FIELDS
from conformance.reference.app import PREFIX, create_many
from conformance.reference.fault import Fault
from conformance.reference.faults import sdk
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, FIRST_TOKEN, Settings


@pytest.fixture(scope="module")
def broken_for_the_client() -> Iterator[str]:
    quick = Settings(token_interval=0.0, approval_ttl=600)
    with in_thread(create_many(quick, {fault.id: fault.behaviour for fault in sdk.FAULTS})) as url:
        yield url


def _heard(base: str, streamed: bool) -> str:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"{base}/v1", api_key=FIRST_TOKEN, max_retries=0)
    messages = [{"role": "user", "content": "Reply with just these words: one two three four"}]
    try:
        answer = client.chat.completions.create(model=DEFAULT_MODEL, messages=messages, stream=streamed)
        if streamed:
            return "".join(choice.delta.content or "" for piece in answer for choice in piece.choices)
        return str(answer.choices[0].message.content)
    except Exception as error:
        return repr(error)


@pytest.mark.parametrize("streamed", [False, True])
def test_the_client_understands_the_conforming_server(broken_for_the_client: str, streamed: bool) -> None:
    assert _heard(broken_for_the_client, streamed) == "one two three four"


def _called(base: str) -> list[str]:
    """The names of the calls that the client reads in an approval answer."""
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"{base}/v1", api_key=FIRST_TOKEN, max_retries=0)
    messages = [{"role": "user", "content": DEFAULT_APPROVAL_PROMPT}]
    try:
        answer = client.chat.completions.create(model=DEFAULT_MODEL, messages=messages)
        return [call.function.name for call in answer.choices[0].message.tool_calls]
    except Exception as error:
        return [repr(error)]


CALLED = ["create_ticket", "notify_team"]


OF_OTHER_CALLS = ("sdk-completion-raw-refused", "sdk-completion-async-refused", "sdk-completion-fetch-refused")
"""What the plain client does not meet: its raw answers show it, the asynchronous client, or the one for Node."""


@pytest.mark.parametrize(
    "fault", [fault for fault in sdk.FAULTS if fault.id not in OF_OTHER_CALLS], ids=lambda fault: fault.id
)
def test_the_client_fails_at_its_faults_only(broken_for_the_client: str, fault: Fault) -> None:
    base = f"{broken_for_the_client}{PREFIX}{fault.id}"
    well = {
        "sdk.openai-completion": _heard(base, False) == "one two three four",
        "sdk.openai-stream": _heard(base, True) == "one two three four",
        "sdk.openai-approval": _called(base) == CALLED,
    }
    assert [requirement for requirement, understood in well.items() if not understood] == [fault.requirement]


def test_the_probes_bear_the_fields_of_the_client_that_is_installed() -> None:
    openai = pytest.importorskip("openai")
    http = pytest.importorskip("httpx2" if int(openai.__version__.split(".")[0]) >= 3 else "httpx")
    sent: list[Any] = []

    def answer(request: Any) -> Any:
        sent.append(request)
        return http.Response(200, json={})

    client = openai.OpenAI(
        base_url="http://nowhere.invalid/v1",
        api_key="none",
        http_client=http.Client(transport=http.MockTransport(answer)),
    )
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "-"}], stream=True)
    theirs = {name.lower(): value for name, value in sent[0].headers.items()}
    ours = {name.lower(): value for name, value in FIELDS}
    assert set(theirs) - {"host", "authorization", "content-length"} == set(ours)
    for name in ("accept", "content-type", "x-stainless-lang", "x-stainless-async", "x-stainless-retry-count"):
        assert theirs[name] == ours[name], name
    assert theirs["user-agent"].startswith("OpenAI/Python ")
