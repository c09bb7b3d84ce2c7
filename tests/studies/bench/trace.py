"""A recorded run and the structure of its chains, from which the same requests can be sent by anybody.

A transcript says what was sent and when, not what each request had to wait for. So each flow is wrapped while it is
recorded: what it yields is noted, which gives the chain (one step after the answers to the one before), what was in
flight together, and the waits and ways of reading that the probe asks for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

from conformance.probes.catalogue import flows, opening
from conformance.probes.flow import Flow, Phase, Send, Steps
from conformance.probes.plan import Plan
from conformance.running import run
from conformance.settings.options import Options
from conformance.transcript.exchange import Transcript


@dataclass(slots=True)
class Chain:
    """One flow of one round, as it went."""

    name: str
    phase: Phase
    round: int
    waits: bool
    """It mostly waits: later phases do not wait for it."""
    steps: list[tuple[Send, ...]] = field(default_factory=list)
    """What is in one step was in flight together."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording, its chains in the order in which they were begun, and how long it took."""

    options: Options
    transcript: Transcript
    chains: tuple[Chain, ...]
    seconds: float


def record(options: Options, seed: int) -> Recorded:
    """Record a run against `options.url`, as `run.run` does, and note its chains."""
    chains: list[Chain] = []

    def traced_flows(plan: Plan, selected: Collection[str] | None = None, **which: Any) -> list[Flow]:
        return [traced(flow, chains.append) for flow in flows(plan, selected, **which)]

    def traced_opening(plan: Plan) -> list[Flow]:
        return [traced(flow, chains.append) for flow in opening(plan)]

    with mock.patch.object(run, "flows", traced_flows), mock.patch.object(run, "opening", traced_opening):
        started = time.perf_counter()
        transcript = asyncio.run(run.record(options, seed))
        taken = time.perf_counter() - started
    return Recorded(options, transcript, tuple(chains), taken)


def traced(flow: Flow, begun: Callable[[Chain], None]) -> Flow:
    """The same flow, which tells of each chain that is begun and keeps what it sends."""

    def steps(round_: int) -> Steps:
        chain = Chain(flow.name, flow.phase, round_, flow.waits)
        begun(chain)
        inner = flow.steps(round_)
        try:
            wanted = next(inner)
            while True:
                chain.steps.append((wanted,) if isinstance(wanted, Send) else tuple(wanted))
                wanted = inner.send((yield wanted))
        except StopIteration:
            return

    return replace(flow, steps=steps)
