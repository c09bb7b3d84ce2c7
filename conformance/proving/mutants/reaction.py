"""What a run does otherwise where an answer is not what it was: asks again, or cannot go on.

A mutant is applied to what was recorded of the conforming server. A run that met the mutant itself would have sent a
retry where an answer excuses itself, a second round of what a model's whim may have caused, and no resume of an
approval that it was not told of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from conformance.checks.check import suspects
from conformance.contract.classify import RESUME, endpoint_of
from conformance.evidence.evidence import Evidence
from conformance.probes.flow import WHIMS, Phase, WaitingApproval
from conformance.proving.mutants.mutant import Mutant
from conformance.proving.mutants.scene import Scene, Subject
from conformance.running.watching import Watch
from conformance.transcript.exchange import Exchange, Transcript
from conformance.wire.recorder import ATTEMPTS

ASKED_AGAIN = 12
"""The most requests that are asked again: a run whose every answer excuses itself shows no more by asking all."""
APART = 1.0
"""Seconds between what is sent behind the end of the recording."""


def applied(mutant: Mutant, scene: Scene) -> dict[str, Exchange]:
    """The exchanges that the mutant changes, by name."""
    made = {}
    for subject in scene.having(mutant.kind, mutant.trait):
        after = mutant.change(subject, scene)
        if after is not None and after != subject.exchange:
            made[after.name] = after
    return made


def transcript(mutant: Mutant, scene: Scene, touched: Mapping[str, Exchange], spare: Sequence[Scene]) -> Transcript:
    """The recording as it would have been of the mutant, but for second rounds."""
    exchanges = [touched.get(exchange.name, exchange) for exchange in scene.transcript]
    before = {exchange.name: exchange for exchange in scene.transcript}
    changed = [(before[name], after) for name, after in touched.items()]
    exchanges = _without_what_cannot_follow(exchanges, changed, scene)
    whole = replace(scene.transcript, exchanges=tuple(exchanges))
    if mutant.repeats:
        there = {exchange.name for exchange in whole}
        whole = _asked_again(mutant, whole, [after for _, after in changed if after.name in there], spare)
    return whole


def _without_what_cannot_follow(
    exchanges: list[Exchange], changed: list[tuple[Exchange, Exchange]], scene: Scene
) -> list[Exchange]:
    """The exchanges but those that decide on an approval, or a call, that the run was not told of."""
    unknown: set[bytes] = set()
    watch = Watch(scene.transcript.options, 1.0)
    for before, after in changed:
        was, is_ = watch.answer(before).approval, watch.answer(after).approval
        unknown |= _ids(was) - _ids(is_)
        if was is not None and is_ is not None and _is_waited_for(was, scene) and _expiry(was) != _expiry(is_):
            unknown.add(was.approval_id.encode())
    while unknown:
        lost = [e for e in exchanges if any(id_ in (e.request.body or b"") for id_ in unknown)]
        names = {exchange.name for exchange in lost}
        exchanges = [exchange for exchange in exchanges if exchange.name not in names]
        unknown = set().union(*(_ids(watch.answer(exchange).approval) for exchange in lost)) if lost else set()
    return exchanges


def _expiry(approval: WaitingApproval) -> int | None:
    return None if approval.expires_in is None else round(approval.expires_in)


def _is_waited_for(approval: WaitingApproval, scene: Scene) -> bool:
    """True for an approval that the run let expire: told of another time, it would have decided at another."""
    wait = scene.transcript.options.get("wait_expiry")
    return approval.expires_in is not None and isinstance(wait, int | float) and approval.expires_in <= wait


def _ids(approval: WaitingApproval | None) -> set[bytes]:
    ids = () if approval is None else (approval.approval_id, *approval.calls)
    return {id_.encode() for id_ in ids if id_}


# --- behind the end


def _end(whole: Transcript) -> float:
    return max(exchange.started + exchange.finished for exchange in whole) + APART


def _asked_again(mutant: Mutant, whole: Transcript, changed: Sequence[Exchange], spare: Sequence[Scene]) -> Transcript:
    """With the retries of answers that excuse themselves, each in a calm moment between two minimal requests."""
    watch = Watch(whole.options, 1.0)
    troubled = [exchange for exchange in changed if watch.trouble(exchange) is not None][:ASKED_AGAIN]
    more: list[Exchange] = []
    clock = _end(whole)
    for exchange in troubled:
        for attempt in range(exchange.note.attempt + 1, ATTEMPTS + 1):
            again = _again(mutant, exchange, spare[(attempt - 2) % len(spare)])
            if again is None:
                continue
            for one in (*_minimal(mutant, spare, len(more)), (again, f"~{attempt}")):
                made, suffix = one
                note = replace(made.note, attempt=attempt) if suffix else made.note
                name = exchange.note.probe + suffix if suffix else made.name
                more.append(replace(made, name=name, note=note, started=clock))
                clock += made.finished + APART
    if more:
        more += [replace(made, started=clock) for made, _ in _minimal(mutant, spare, len(more))]
    return replace(whole, exchanges=(*whole.exchanges, *more))


def _again(mutant: Mutant, exchange: Exchange, scene: Scene) -> Exchange | None:
    """What comes when the request is sent again. A resume's answer is repeated: no other has its approval."""
    if endpoint_of(exchange.request.url) == RESUME:
        return exchange
    found = _found(scene, exchange.note.probe)
    return None if found is None else _mutated(mutant, found[0], scene)


def _found(scene: Scene, probe: str) -> tuple[Subject, Scene] | None:
    fair = (one for one in scene.subjects if one.exchange.note.probe == probe and one.exchange.status != 429)
    found = next(fair, None)
    return None if found is None else (found, scene)


def _mutated(mutant: Mutant, subject: Subject, scene: Scene) -> Exchange:
    holds = subject in scene.having(mutant.kind, mutant.trait) and mutant.trait != "first"
    return (mutant.change(subject, scene) if holds else None) or subject.exchange


def _minimal(mutant: Mutant, spare: Sequence[Scene], number: int) -> Iterator[tuple[Exchange, str]]:
    """A minimal request that asks whether the target serves, with an answer of its own."""
    found = _found(spare[0], "accept-minimal")
    if found is None:
        return
    subject, scene = found
    exchange = _mutated(mutant, subject, scene)
    name = f"{Phase.WEATHER}-{number + 1}"
    note = replace(exchange.note, area=Phase.WEATHER, phase=Phase.WEATHER, flow=name, probe=name)
    yield replace(_renamed(exchange, number), name=name, note=note), ""


def _renamed(exchange: Exchange, number: int) -> Exchange:
    """The same answer with ids of its own: the last digits of each are another number."""
    assert exchange.response is not None  # it was answered
    body = _OWN.sub(lambda found: found[1] + f"{number:04x}".encode(), exchange.response.body)
    return replace(exchange, response=replace(exchange.response, body=body))


_OWN = re.compile(rb'("(?:id|execution_id|request_id)":"[^"]*)[0-9a-f]{4}(?=")')


def further_round(mutant: Mutant, judged: Evidence, scene: Scene, spare: Sequence[Scene]) -> Transcript | None:
    """With one more round of the flows that chance may explain; None where there is none to try again.

    A flow that the recordings with other seeds do not have (a generated body) gets its own answer once more, with new
    ids.
    """
    whole = judged.transcript
    more: list[Exchange] = []
    clock = _end(whole)
    for flow in sorted(suspects(judged)):
        tried = max((exchange.note.round for exchange in whole if exchange.note.flow == flow), default=1)
        if tried >= max(WHIMS):
            continue
        other = spare[(tried - 1) % len(spare)]
        there = any(exchange.note.flow == flow for exchange in other.transcript)
        made = _flow_again(mutant, flow, other if there else scene, tried + 1, own=not there)
        since = made[0].started if made else 0.0
        more += [replace(exchange, started=clock + exchange.started - since) for exchange in made]
        clock = max((clock + e.started - since + e.finished for e in made), default=clock) + APART
    return replace(whole, exchanges=(*whole.exchanges, *more)) if more else None


def _flow_again(mutant: Mutant, flow: str, scene: Scene, round_: int, *, own: bool) -> list[Exchange]:
    by_name = {one.exchange.name: one for one in scene.subjects}
    made: list[Exchange] = []
    changed: list[tuple[Exchange, Exchange]] = []
    for exchange in scene.transcript:
        if exchange.note.flow != flow or exchange.note.round > 1:
            continue
        subject = by_name.get(exchange.name)
        again = exchange if subject is None else _mutated(mutant, subject, scene)
        changed.append((exchange, again))
        made.append(_renamed(again, round_) if own and again.response is not None else again)
    made = _without_what_cannot_follow(made, changed, scene)
    return [replace(one, name=f"{one.name}#{round_}", note=replace(one.note, round=round_)) for one in made]
