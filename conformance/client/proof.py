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
from conformance.client.commanding import Stopper
from conformance.contract.catalogue import Side
from conformance.proving import examples
from conformance.proving.proof import Case, Proof, TargetKind, TrialServer, examined
from conformance.proving.prove import Trial
from conformance.reference.client_faults import CLIENT_FAULTS
from conformance.settings.options import Depth, Options
from conformance.transcript.exchange import Transcript

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


def with_good(wanted: Sequence[TrialServer]) -> list[TrialServer]:
    """These and the good client, whose recording holds what the others break."""
    return [GOOD, *(target for target in wanted if target != GOOD)]


def command(target: TrialServer) -> tuple[str, ...]:
    """What runs a client."""
    return (
        sys.executable,
        "-m",
        _MODULE if target is GOOD else f"{_MODULE}_faults",
        *(() if target is GOOD else (target.id,)),
    )


Told = Callable[[Trial], None]


def examine(
    wanted: Sequence[TrialServer], told: Told = lambda found: None, *, with_examples: bool = False
) -> list[Case]:
    """Judge each of these clients; gives what came of them in their order.

    Args:
        wanted: the clients.
        told: called in this thread as each is over.
        with_examples: whether to find the exchanges that show a breach, for `told`.
    """
    stopper = Stopper()
    with ThreadPoolExecutor(BESIDE) as places:
        cases = []
        try:
            for future in [places.submit(_examine, target, stopper, with_examples) for target in wanted]:
                found = future.result()
                cases.append(found.case)
                told(found)
        except BaseException:  # Ctrl-C is not to wait for them
            stopper.stop()
            places.shutdown(wait=False, cancel_futures=True)
            raise
    return cases


def beside(
    proof: Proof, wanted: Sequence[TrialServer], told: Told = lambda found: None, *, with_examples: bool = False
) -> Proof:
    """The proof, and what came of these clients; `told` is called in this thread as each is over."""
    if not wanted:
        return proof
    started = time.monotonic()
    cases = examine(wanted, told, with_examples=with_examples)
    return replace(proof, cases=(*proof.cases, *cases), seconds=proof.seconds + time.monotonic() - started)


def _examine(target: TrialServer, stopper: Stopper, with_examples: bool) -> Trial:
    started = time.monotonic()
    depth = Depth.DEEP if target is GOOD else Depth.QUICK
    trial = run.Trial(
        command=command(target), faces=faces.of_depth(depth), limit=LIMIT, same_output=True, every_face=True
    )
    try:
        report = run.run(trial, Options(side=Side.CLIENT, depth=depth), stopper=stopper)
    except Exception as error:
        what = ("", f"{type(error).__name__}: {error}")
        return Trial(Case(target, errors=(what,), seconds=time.monotonic() - started))
    case = examined(target, report.verdict, len(report.transcript), time.monotonic() - started)
    if not with_examples:
        return Trial(case)
    if target is GOOD:
        return Trial(case, transcript=_of_quick_faces(report.transcript))
    return Trial(case, examples.breaking(report.transcript, target.requirement or "") if case.caught else None)


def _of_quick_faces(transcript: Transcript) -> Transcript:
    """As much of it as a quick run would have: enough for examples."""
    quick = {face.id for face in faces.of_depth(Depth.QUICK)}
    return replace(transcript, exchanges=tuple(e for e in transcript if e.note.flow in quick))
