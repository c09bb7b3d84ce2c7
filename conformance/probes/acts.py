"""Acts: what the suite does to a target to see what follows (a client that leaves, a hostile or large body, a race).

An act is done first as it comes. Where a server error, a reset or silence followed, it is done again in a calm
moment: nothing else is under way, and a minimal request right before it is served (contract, "Asking again washes
nothing out"). `conformance.evidence.acts` says what that shows.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from conformance.probes.flow import Answer, Compose, Send

SETTLES = 6.0
"""Seconds that a target has to come to itself again before it is asked whether it is calm for a second time."""

SETTLED = "-settled"
"""How the probe ends that asks so."""


def calm(compose: Compose, name: str) -> Generator[Send, Answer, bool]:
    """A minimal request, again later where it is not served; gives whether it was. Nothing in the first round."""
    if compose.round == 1:
        return True
    for suffix, delay in (("-before", 0.0), (SETTLED, SETTLES)):
        answer = yield replace(compose.chat(f"{name}{suffix}"), delay=delay)
        if answer.served:
            return True
    return False


def at_once(compose: Compose, name: str, turn: int) -> list[Send]:
    """What follows an act: a minimal request for JSON on a connection that is kept open, or for a stream on a new one.

    Of several acts, by `turn` and seed, in the first round one each; later both side by side.
    """
    both = [compose.chat(f"{name}-next"), replace(compose.chat(f"{name}-next-stream", stream=True), fresh=True)]
    return both if compose.round > 1 else [both[(turn + compose.plan.seed) % len(both)]]
