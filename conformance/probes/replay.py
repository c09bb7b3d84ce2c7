"""Replay: bodies that failed in an earlier run are sent before all others."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.probes.flow import Flow, Phase, Send, single
from conformance.probes.plan import Plan


def flows(plan: Plan) -> Iterator[Flow]:
    """A flow for each vector, in the order of the file."""
    for number, vector in enumerate(plan.replay, 1):
        name = f"replay-{vector.breach}-{number}"
        send = Send(name, vector.octets(plan.model), breach=vector.breach, served=vector.valid)
        area = "accept" if vector.valid else "reject"
        covers = ("accept", "reject", "stream", "error", "http")
        yield single(area, Phase.REPLAY, name, lambda _, send=send: send, quick=True, covers=covers)  # type: ignore[misc]
