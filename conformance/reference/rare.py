"""A server that conforms nearly always: the fault of one answer in thousands, which only a soak can find.

It stands outside the table of faults: a run sends some hundred requests, and would rightly call this server conformant.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from starlette.types import ASGIApp

from conformance.reference.app import create_app
from conformance.reference.behaviour import Behaviour
from conformance.reference.decision import Decision, Serve
from conformance.reference.incoming import Incoming
from conformance.reference.settings import Settings

BACK = 300
"""Answers between the one that is given away and the one that gets it, as a buffer that is used again would have it."""


def create(settings: Settings | None = None) -> ASGIApp:
    """The application (a factory of `process.in_process`)."""
    settings = settings or Settings()
    return (
        create_app(settings, crosstalk(settings.crosstalk_every)) if settings.crosstalk_every else create_app(settings)
    )


def crosstalk(every: int) -> Behaviour:
    """Every n-th answer has the text of one that was given long before."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if not isinstance(decision, Serve) or decision.approval or decision.resolution:
            return decision
        served = incoming.memory["served"] = incoming.memory.get("served", 0) + 1
        given: deque[tuple[str, ...]] = incoming.memory.setdefault("given", deque(maxlen=BACK))
        stale = given[0] if given else decision.tokens
        if len(decision.tokens) == 1:  # a word that was asked for, not a count
            given.append(decision.tokens)
        return replace(decision, tokens=stale) if served % every == 0 else decision

    return Behaviour(decide=decide)
