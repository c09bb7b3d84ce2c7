"""Probes with exactly the header fields that the official `openai` clients send, for Python and for Node (area sdk).

A server may take a request by itself and refuse it with a client's fields beside it, which its author never sees who
tries his server with curl. What the client sends does not depend on whether it is installed here: the fields stand
below, as the client's version of that name sends them, for a stream too (`Accept` names no event stream).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance.probes.accept import MINIMAL, MINIMAL_STREAM
from conformance.probes.flow import RESUME, Answer, Compose, Flow, Phase, Send, Steps, deny, encode, single
from conformance.probes.plan import Plan

VERSION = "3.57.0"
"""Of the client for Python whose fields these are, as a loopback socket received them."""
FIELDS = (
    ("Accept-Encoding", "gzip, deflate"),
    ("Connection", "keep-alive"),
    ("accept", "application/json"),
    ("content-type", "application/json"),
    ("user-agent", f"OpenAI/Python {VERSION}"),
    ("x-stainless-lang", "python"),
    ("x-stainless-package-version", VERSION),
    ("x-stainless-os", "Linux"),
    ("x-stainless-arch", "x64"),
    ("x-stainless-runtime", "CPython"),
    ("x-stainless-runtime-version", "3.12.8"),
    ("x-stainless-async", "false"),
    ("x-stainless-retry-count", "0"),
    ("x-stainless-read-timeout", "600"),
)
"""All of them but Host, Authorization and Content-Length, which every request has."""
_OTHERWISE = {"user-agent": f"AsyncOpenAI/Python {VERSION}", "x-stainless-async": "async:asyncio"}
ASYNC_FIELDS = (
    *((name, _OTHERWISE.get(name, value)) for name, value in FIELDS),
    ("x-stainless-raw-response", "true"),
)
"""Those of its asynchronous client, called by `with_raw_response`, as frameworks call it."""
NODE_VERSION = "6.49.0"
NODE_FIELDS = (
    ("connection", "keep-alive"),
    ("accept", "application/json"),
    ("user-agent", f"OpenAI/JS {NODE_VERSION}"),
    ("x-stainless-retry-count", "0"),
    ("x-stainless-lang", "js"),
    ("x-stainless-package-version", NODE_VERSION),
    ("x-stainless-os", "Linux"),
    ("x-stainless-arch", "x64"),
    ("x-stainless-runtime", "node"),
    ("x-stainless-runtime-version", "v20.20.2"),
    ("content-type", "application/json"),
    ("accept-language", "*"),
    ("sec-fetch-mode", "cors"),
    ("accept-encoding", "gzip, deflate"),
)
"""Those of the client for Node of that version, with what Node's own `fetch` adds; received likewise."""
FURTHER = 3
"""The most rounds that the denial of an approval may bring."""


def flows(plan: Plan) -> Iterator[Flow]:
    """A JSON answer, a stream, and where there is a prompt for one an approval."""

    def minimal(
        name: str,
        fields: tuple[tuple[str, str], ...] = FIELDS,
        *,
        stream: bool = False,
        quick: bool = False,
    ) -> Flow:
        def send(round_: int) -> Send:
            fields_ = {"stream": True} if stream else {}
            made = Compose(plan, round_).chat(name, **fields_)
            return replace(made, headers=fields, twin=MINIMAL_STREAM if stream else MINIMAL)

        return single("sdk", Phase.CALM, name, send, quick=quick)

    yield minimal("sdk-completion", quick=True)
    yield minimal("sdk-stream", stream=True, quick=True)
    yield minimal("sdk-completion-async", ASYNC_FIELDS)
    yield minimal("sdk-completion-node", NODE_FIELDS)
    if plan.approvals and plan.approval_prompt is not None:
        yield Flow("sdk-approval", "sdk", Phase.CALM, lambda r: _denied_at_once(plan, r), False, 3, 2)


def _denied_at_once(plan: Plan, round_: int) -> Steps:
    """An approval, asked for and denied with the client's fields; with the suite's own where those are refused."""
    compose = Compose(plan, round_)
    name = "sdk-approval"
    paused = compose.body(name, prompt=f"{plan.approval_prompt}\n(Reference: {compose.word(name)}.)")
    answer: Answer = yield Send(name, encode(paused), headers=FIELDS, twin="approval-json", served=True)
    for number in range(1, FURTHER + 1):
        if answer.approval is None:
            return
        denial = compose.resume(f"{name}-deny-{number}", paused, answer.approval, **deny(answer.approval))
        waits = answer.approval
        send = Send(f"{name}-deny-{number}", encode(denial), RESUME, headers=FIELDS, served=True)
        answer = yield send
        if answer.refused:
            bare = f"{name}-deny-{number}-bare"
            denial = compose.resume(bare, paused, waits, **deny(waits))
            answer = yield Send(bare, encode(denial), RESUME, served=True)
