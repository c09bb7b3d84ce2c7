"""Proving the judge of clients: a client that behaves has to pass on every face, each faulty one has to be caught.

The cases are those of `proving.proof`, so that one table and one page tell of servers and clients. A faulty client
meets the faces of a quick run, the good one all of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from conformance.client import faces, run
from conformance.contract.catalogue import Side
from conformance.proving.proof import Case, Proof, TargetKind, TrialServer, examined
from conformance.reference.client_faults import CLIENT_FAULTS
from conformance.settings.options import Depth, Options

GOOD = TrialServer("client", TargetKind.CONFORMING, "The client that behaves, on every face.")
LIMIT = 30.0
"""Seconds on each face: the good client works through the slowest variation in a third of it, with others beside it."""
BESIDE = 6
"""Faulty clients at a time."""
_MODULE = "conformance.reference.client"


def targets() -> list[TrialServer]:
    """The good client, and the faulty ones."""
    faulty = [
        TrialServer(fault.id, TargetKind.FAULT, fault.summary, fault.requirement, "made up") for fault in CLIENT_FAULTS
    ]
    return [GOOD, *faulty]


def command(target: TrialServer) -> tuple[str, ...]:
    """What runs a client."""
    return (
        sys.executable,
        "-m",
        _MODULE if target is GOOD else f"{_MODULE}_faults",
        *(() if target is GOOD else (target.id,)),
    )


def examine(wanted: Sequence[TrialServer], told: Callable[[Case], None] = lambda case: None) -> list[Case]:
    """Judge each of these clients; gives what came of them in their order.

    `told`: called in this thread as each is over.
    """
    with ThreadPoolExecutor(BESIDE) as places:
        cases = []
        for future in [places.submit(_examine, target) for target in wanted]:
            cases.append(future.result())
            told(cases[-1])
    return cases


def beside(proof: Proof, wanted: Sequence[TrialServer], told: Callable[[Case], None] = lambda case: None) -> Proof:
    """The proof, and what came of these clients; `told` is called in this thread as each is over."""
    if not wanted:
        return proof
    started = time.monotonic()
    cases = examine(wanted, told)
    return replace(proof, cases=(*proof.cases, *cases), seconds=proof.seconds + time.monotonic() - started)


def _examine(target: TrialServer) -> Case:
    started = time.monotonic()
    depth = Depth.DEEP if target is GOOD else Depth.QUICK
    trial = run.Trial(
        command=command(target), faces=faces.of_depth(depth), limit=LIMIT, same_output=True, every_face=True
    )
    try:
        report = run.run(trial, Options(side=Side.CLIENT, depth=depth))
    except Exception as error:
        what = ("", f"{type(error).__name__}: {error}")
        return Case(target, errors=(what,), seconds=time.monotonic() - started)
    return examined(target, report.verdict, len(report.transcript), time.monotonic() - started)
