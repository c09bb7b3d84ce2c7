"""The suite on a server that shares no code with it: what it lets through, and what it finds.

The ordinary tests take the server as it is at depth standard, some variations at quick, and a choice of faults; with
`KITEMESH_INDEPENDENT=all` (the nox session `independent`) every variation and every fault, all at standard.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack

import pytest

from conformance.judging import judge as judging
from conformance.judging.verdict import Conclusion, State, Verdict
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL
from conformance.running import run
from conformance.settings.options import Depth, Options
from conformance.transcript.exchange import Transcript
from conformance.wire.limits import Limits

from . import faults, server

TOKENS = ("km_independent_first_token", "km_independent_second_token")
EVERYTHING = os.environ.get("KITEMESH_INDEPENDENT") == "all"
CHOSEN_FAULTS = ("temperature-tolerance", "code-integer-404", "last-chunk-id", "calls-share-id", "refusal-spends",
                 "streams-mixed")  # fmt: skip
CHOSEN_VARIATIONS = ("approval-fragments", "cr-lines", "close-delimited")
FAULTS = [fault for fault in faults.FAULTS if EVERYTHING or fault.id in CHOSEN_FAULTS]
VARIATIONS = [variation for variation in faults.VARIATIONS if EVERYTHING or variation.id in CHOSEN_VARIATIONS]
AT_ONCE = 4
CLEAN = ""

Judged = dict[str, Verdict]


async def _record(url: str, depth: Depth, only: tuple[str, ...], slots: asyncio.Semaphore) -> Transcript:
    options = Options(
        url=url,
        depth=depth,
        only=only,
        model=DEFAULT_MODEL,
        token=TOKENS[0],
        second_token=TOKENS[1],
        approval_prompt=DEFAULT_APPROVAL_PROMPT,
    )
    async with slots:
        return await run.record(options, 1, patience=0.2, limits=Limits.scaled(5), again=False)


async def _record_all(servers: list[tuple[str, Depth, tuple[str, ...]]]) -> list[Transcript]:
    slots = asyncio.Semaphore(AT_ONCE)
    return await asyncio.gather(*(_record(*server, slots) for server in servers))


@pytest.fixture(scope="module")
def judged() -> Judged:
    """Fault or variation id (empty: neither) to the verdict on the server that has it."""
    with ExitStack() as stack:
        urls = {CLEAN: stack.enter_context(server.start(tokens=TOKENS)).url}
        for fault in FAULTS:
            urls[fault.id] = stack.enter_context(server.start(tokens=TOKENS, fault=fault.id)).url
        for variation in VARIATIONS:
            chosen = frozenset({variation.id})
            urls[variation.id] = stack.enter_context(server.start(tokens=TOKENS, variations=chosen)).url
        # Its own area shows that a fault is found; where time plays no part, the other areas are recorded too.
        areas = {} if EVERYTHING else {fault.id: (fault.requirement.partition(".")[0],) for fault in FAULTS}
        quick = () if EVERYTHING else [variation.id for variation in VARIATIONS]
        depths = {id_: Depth.QUICK if id_ in quick else Depth.STANDARD for id_ in urls}
        servers = [(url, depths[id_], areas.get(id_, ())) for id_, url in urls.items()]
        transcripts = asyncio.run(_record_all(servers))
    return {id_: judging.judge(transcript).verdict for id_, transcript in zip(urls, transcripts, strict=True)}


def _told(verdict: Verdict) -> dict[str, str]:
    return {
        o.requirement.id: f"{o.findings[0].exchange}: {o.findings[0].message}; {o.findings[0].observed}"
        for o in verdict.outcomes
        if o.state is State.FAILED
    }


def test_the_server_as_it_is_conforms(judged: Judged) -> None:
    verdict = judged[CLEAN]
    assert _told(verdict) == {}
    assert verdict.conclusion is Conclusion.CONFORMANT
    idle = {o.requirement.id for o in verdict.outcomes if o.state is not State.PASSED}
    assert idle <= {"error.rate-limit", "resume.expired"}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_a_fault_is_found_and_blamed(fault: faults.Fault, judged: Judged) -> None:
    assert fault.requirement in _told(judged[fault.id])


@pytest.mark.parametrize("variation", VARIATIONS, ids=lambda variation: variation.id)
def test_a_variation_is_let_through(variation: faults.Variation, judged: Judged) -> None:
    told = _told(judged[variation.id])
    assert set(told) <= variation.warns, told
