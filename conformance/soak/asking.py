"""What a user asks: short questions, streamed and not, a long stream now and then, and a request that must be refused.

Each request has a word of its own (`markers`), in its prompt and in its `request_id`, so that an answer which holds
something of another request can be told. The refused one costs nothing and shows whether errors get mixed up as well.
"""

from __future__ import annotations

from conformance.contract.classify import RESUME
from conformance.probes.accept import LONG_TASK
from conformance.probes.flow import Answer, Flow, Phase, Send, Steps, deny, encode
from conformance.soak.markers import Key, Marker

PATTERN = ("json", "stream", "json", "stream", "json", "stream", "json", "stream", "long", "refused")
"""What the requests of a worker are, in turn."""
MOST_TOKENS = 512
"""Limit of each answer: enough for the long one, little enough for whoever pays."""
DENIALS = 3
"""Further approvals that are denied after one another, where a target asks for them though no tool was needed."""


def flow(key: Key, marker: Marker, model: str) -> Flow:
    """The requests that go with one marker: one, as a rule."""
    body = _body(PATTERN[marker.request % len(PATTERN)], key.word(marker), model)

    def steps(round_: int) -> Steps:
        answer: Answer = yield Send(marker.name, encode(body), served=True)
        # Nobody asked for tools; where one waits nevertheless, it is not left waiting.
        for number in range(DENIALS):
            if answer.approval is None:
                return
            kept = {member: body[member] for member in ("model", "messages", "metadata")}
            decided = {**kept, "approval_id": answer.approval.approval_id, **deny(answer.approval)}
            answer = yield Send(f"{marker.name}-deny-{number + 1}", encode(decided), endpoint=RESUME, served=True)

    return Flow(marker.name, "soak", Phase.CONCURRENT, steps)


def _body(kind: str, word: str, model: str) -> dict[str, object]:
    prompt = f"{LONG_TASK} (Reference: {word}.)" if kind == "long" else f"Reply with just this word: {word}"
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "metadata": {"request_id": f"conformance-soak-{word}"},
        "max_tokens": MOST_TOKENS,
    }
    if kind in ("stream", "long"):
        body["stream"] = True
    if kind == "refused":
        body["temperature"] = 2.1
    return body


__all__ = ["DENIALS", "MOST_TOKENS", "PATTERN", "flow"]
