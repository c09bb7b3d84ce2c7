"""Probes with exactly the header fields that the official `openai` client for Python sends (area sdk).

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
"""Of the client whose fields these are."""
FIELDS = (
    ("Accept-Encoding", "gzip, deflate"),
    ("Connection", "keep-alive"),
    ("Accept", "application/json"),
    ("Content-Type", "application/json"),
    ("User-Agent", f"OpenAI/Python {VERSION}"),
    ("X-Stainless-Lang", "python"),
    ("X-Stainless-Package-Version", VERSION),
    ("X-Stainless-OS", "Linux"),
    ("X-Stainless-Arch", "x64"),
    ("X-Stainless-Runtime", "CPython"),
    ("X-Stainless-Runtime-Version", "3.12.8"),
    ("X-Stainless-Async", "false"),
    ("x-stainless-retry-count", "0"),
    ("x-stainless-read-timeout", "600"),
)
"""All of them but Host, Authorization and Content-Length, which every request has."""
FURTHER = 3
"""The most rounds that the denial of an approval may bring."""


def flows(plan: Plan) -> Iterator[Flow]:
    """A JSON answer, a stream, and where there is a prompt for one an approval."""

    def minimal(name: str, twin: str, stream: bool) -> Flow:
        def send(round_: int) -> Send:
            made = Compose(plan, round_).chat(name, **({"stream": True} if stream else {}))
            return replace(made, headers=FIELDS, twin=twin)

        return single("sdk", Phase.CALM, name, send, quick=True)

    yield minimal("sdk-completion", MINIMAL, False)
    yield minimal("sdk-stream", MINIMAL_STREAM, True)
    if plan.approvals and plan.approval_prompt is not None:
        yield Flow("sdk-approval", "sdk", Phase.CALM, lambda r: _denied_at_once(plan, r), False, 2, 2)


def _denied_at_once(plan: Plan, round_: int) -> Steps:
    """An approval that is asked for with the client's fields, and denied with the suite's own."""
    compose = Compose(plan, round_)
    name = "sdk-approval"
    paused = compose.body(name, prompt=f"{plan.approval_prompt}\n(Reference: {compose.word(name)}.)")
    answer: Answer = yield Send(name, encode(paused), headers=FIELDS, twin="approval-json", served=True)
    for number in range(1, FURTHER + 1):
        if answer.approval is None:
            return
        denial = compose.resume(f"{name}-deny-{number}", paused, answer.approval, **deny(answer.approval))
        answer = yield Send(f"{name}-deny-{number}", encode(denial), RESUME, served=True)
