"""All flows of a run, as the plan asks for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import Final

from conformance.contract.catalogue import Exchanges, load
from conformance.probes import accept, approvals, concurrent, coverage, generated, hostile, refusals, replay, sdk
from conformance.probes.flow import Compose, Flow, Phase, Send
from conformance.probes.plan import Plan

Maker = Callable[[Plan], Iterable[Flow]]
FIXED: Final[tuple[Maker, ...]] = tuple(
    module.flows for module in (replay, accept, refusals, approvals, sdk, concurrent, hostile)
)
DRAWN: Final[tuple[Maker, ...]] = (generated.flows, coverage.flows)
"""Of generated bodies, which take their time to be drawn."""
_DRAWN_FOR = frozenset({"accept", "reject", *generated.BROKEN_COVERS})
"""Areas of which generated bodies show anything."""
_OF_STREAMS = frozenset({"stream", "chunk"})
_OF_ANSWERS = frozenset({"completion", "kitemesh", "approval"}) | _OF_STREAMS
"""Areas that speak of what is served."""
OUTSIDE: Final[dict[str, Maker]] = {}
"""Area of an extension to the flows that it has probes send; filled by `conformance.running.extending`."""


def opening(plan: Plan) -> list[Flow]:
    """The flows of the first requests, without making any others."""
    made = (flow for make in (accept.opening, refusals.credentials) for flow in make(plan))
    return [flow for flow in made if flow.phase is Phase.OPENING]


def flows(plan: Plan, selected: Collection[str] | None = None, *, drawn: bool | None = None) -> list[Flow]:
    """The flows of a run in the order of their phases, the calm ones of a quick run first: they find most.

    Args:
        plan: the run's frame.
        selected: ids of the requirements to judge, where not all are; flows that serve none of them are left out.
        drawn: whether to give those of generated bodies, or the others; None: both.
    """
    order = list(Phase)
    areas = {id_.partition(".")[0] for id_ in selected or ()}
    forms = _forms(selected or (), areas)
    if forms:
        return [] if drawn else sorted(_bringing(plan, forms), key=lambda flow: order.index(flow.phase))
    if areas and not areas & _DRAWN_FOR:
        if drawn:
            return []
        drawn = False
    made = (flow for flow in _made(plan, drawn) if _wanted(flow, plan))
    if areas:
        made = (flow for flow in made if flow.phase is Phase.OPENING or areas & {flow.area, *flow.covers})
    return sorted(made, key=lambda flow: (order.index(flow.phase), flow.phase is Phase.CALM and not flow.quick))


def _forms(selected: Collection[str], areas: Collection[str]) -> tuple[bool, ...]:
    """Whether streams show what is selected, or both forms; neither where more than what is served shows it."""
    if not areas or not _OF_ANSWERS.issuperset(areas):
        return ()
    shown_by = {load()[id_].shown_by for id_ in selected}
    if shown_by & {Exchanges.REFUSALS, Exchanges.REFUSED_STREAMS}:
        return ()
    return (True,) if _OF_STREAMS.issuperset(areas) or shown_by == {Exchanges.STREAMS} else (False, True)


def _bringing(plan: Plan, forms: tuple[bool, ...]) -> Iterator[Flow]:
    """The first requests, and the flows that bring answers of some forms, one by one.

    What comes at once, or beside what is refused, is another matter: it is of the same kinds.
    """
    plan = replace(plan, answers=True, forms=forms)
    yield from opening(plan)
    for flow in (flow for make in (accept.flows, approvals.flows) for flow in make(plan)):
        if flow.phase is Phase.CALM and flow.served and _wanted(flow, plan):
            first = next(flow.steps(1))
            sends = [first] if isinstance(first, Send) else first
            if any((json.loads(send.body).get("stream") is True) in forms for send in sends):
                yield flow


def _made(plan: Plan, drawn: bool | None) -> Iterator[Flow]:
    makers = ((*FIXED, *OUTSIDE.values()) if not drawn else ()) + (DRAWN if drawn is not False else ())
    return (flow for make in makers for flow in make(plan))


def _wanted(flow: Flow, plan: Plan) -> bool:
    if plan.quick:
        return flow.quick
    return flow.name not in ("isolation-quick", "approval-quick")


def scout(plan: Plan) -> Callable[[int], Send]:
    """Makes the n-th minimal request that asks whether the target serves: each with words of its own."""

    def make(number: int) -> Send:
        return replace(Compose(plan).chat(f"weather-{number}"), name=Phase.WEATHER)

    return make


def count(chosen: Collection[Flow]) -> tuple[int, int]:
    """The most requests, and how many of them a model answers, not counting repeats of excused answers."""
    return sum(flow.at_most for flow in chosen), sum(flow.served for flow in chosen)
