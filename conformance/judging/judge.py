"""Judging a transcript: evidence, checks, blame, verdict, gate, in this order. Pure but for the clock of the gate."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from conformance.checks import registry, sdk
from conformance.checks.check import suspects
from conformance.contract.catalogue import CAPABILITIES, Catalogue, Level, Requirement, Side
from conformance.contract.classify import Due
from conformance.contract.schema.shape import Shape
from conformance.evidence import weather
from conformance.evidence.approvals import approval_of, given, spent_by, went_down
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Unjudged
from conformance.evidence.json_values import number
from conformance.evidence.reading import Reading
from conformance.judging import (
    blocking,
    client_side,
    preflight,
    reaching,
    second_opinion,
    steadiness,
    unexercised,
)
from conformance.judging import gate as decision
from conformance.judging.baseline import Baseline
from conformance.judging.repetitions import told_once
from conformance.judging.result import Result
from conformance.judging.selecting import CATALOGUE, selected_ids
from conformance.judging.verdict import RequirementSelection, Verdict, decide
from conformance.probes.flow import Phase
from conformance.settings.options import Depth, Options
from conformance.transcript import account
from conformance.transcript.account import RECORDING
from conformance.transcript.exchange import PROXY_STOPS, Credential, Ending, Transcript


def judge(
    transcript: Transcript,
    *,
    options: Options | None = None,
    chosen: Mapping[str, Any] | None = None,
    known: Baseline | None = None,
    opinions: bool = True,
    shape: Shape | None = None,
) -> Result:
    """Judge a transcript: pure, offline. Without options, as it was recorded.

    Args:
        transcript: a run's, or a foreign one.
        options: what to judge; None: as it was recorded.
        chosen: members of `Options` that replace those.
        known: the failures that the gate allows; the clock decides whether they have expired.
        opinions: whether Schemathesis is asked about the answers to its cases; its opinion changes no outcome.
        shape: of the requests; None: by the schema files of this suite.
    """
    recorded = transcript.options
    options = replace(options or _options_of(recorded), **(chosen or {}))
    evidence = Evidence(transcript, shape)
    if options.side is Side.CLIENT:
        verdict, notes = client_side.judged(CATALOGUE, evidence, selected_ids(options), options)
        suspects: tuple[str, ...] = ()
    else:
        verdict, notes, suspects = _of_server(evidence, options, opinions)
    times = [(e.started, e.started + e.finished) for e in transcript] or [(0.0, 0.0)]
    return Result(
        options=options,
        evidence=evidence,
        verdict=verdict,
        gate=decision.decide(
            verdict, transcript, known, today=datetime.now(UTC).date(), allow_stale=options.allow_stale
        ),
        started=min(t[0] for t in times),
        ended=max(t[1] for t in times),
        interrupted=bool(recorded.get("interrupted")),
        notes=notes,
        seed=int(recorded.get("seed") or 0),
        credits=_credits(evidence),
        suspects=suspects,
    )


def _of_server(
    evidence: Evidence, options: Options, opinions: bool
) -> tuple[Verdict, tuple[str, ...], tuple[str, ...]]:
    """The verdict on a server, the notes beside it, and the exchanges that may have brought it down."""
    transcript = evidence.transcript
    catalogue = CATALOGUE.of(Side.SERVER)
    selection = _selection(options, transcript.options, _replayed(evidence), evidence.profile)
    settled = preflight.settled(transcript)
    items, errors = ({}, {}) if settled else _check_all(catalogue, evidence, selection.selected, keep=not opinions)
    if settled or not evidence.heard:
        items = {requirement.id: [_SETTLED if settled else _UNHEARD] for requirement in catalogue}
    said = second_opinion.opinions(evidence) if opinions else {}
    told = second_opinion.told(told_once(evidence, blocking.accounted_for(evidence, items, _MUSTS)), said)
    verdict = decide(
        catalogue,
        told,
        selection,
        errors=errors,
        excused=evidence.excused,
        in_vain=evidence.in_vain,
        trouble=settled or _trouble(evidence),
        unseen=unexercised.reasons(catalogue, evidence),
    )
    notes = (*_notes(evidence, settled), *_objections(told, said), *_from_outside(verdict))
    return verdict, notes, weather.suspects(evidence.weather) if evidence.own and not settled else ()


OUTAGES_TOLD = 4
"""Outages that are reported one by one."""
_MUSTS = frozenset(requirement.id for requirement in CATALOGUE if requirement.level is Level.MUST)
_SETTLED = Unjudged("the first requests did not reach the API: see the verdict", excused=True)
_UNHEARD = Unjudged("no answer came to any request: the address may be wrong, or the target is down", excused=True)


def _check_all(
    catalogue: Catalogue, evidence: Evidence, selected: Collection[str] | None, *, keep: bool
) -> tuple[dict[str, list[Item]], dict[str, str]]:
    """The items of all checks, as blame needs them (of costly ones only if selected) and errors of selected ones."""
    ids = {requirement.id for requirement in catalogue}
    wanted = ids if selected is None else ids & set(selected)
    needed = [r.id for r in catalogue if r.id in wanted or not r.costly]
    items, errors = _LATEST.examined(evidence, needed, keep=keep)
    return items, {id_: error for id_, error in errors.items() if id_ in wanted}


class _Latest:
    """What the checks yielded when a recording asked for findings.

    A run is judged when everything was sent, to see what has to be sent again, and once more when that is over. Where
    nothing was sent again, the checks have said all there is to say: what became of the recording since they do not
    look at.
    """

    def __init__(self) -> None:
        self._kept: tuple[Evidence, list[str], _Yielded] | None = None

    def examined(self, evidence: Evidence, needed: list[str], *, keep: bool) -> _Yielded:
        """What the checks of these requirements yield; kept for the next time, or taken from the time before."""
        kept, self._kept = self._kept, None
        if kept is not None and kept[1] == needed and _alike(kept[0].transcript, evidence.transcript):
            return kept[2]
        yielded = registry.examine(CATALOGUE, evidence, needed)
        self._kept = (evidence, needed, yielded) if keep else None
        return yielded


def _alike(one: Transcript, other: Transcript) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


_Yielded = tuple[dict[str, list[Item]], dict[str, str]]
_LATEST = _Latest()


def _options_of(recorded: Mapping[str, Any]) -> Options:
    """The options that a transcript was recorded with, as far as it says; a foreign one says nothing."""

    def words(name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = recorded.get(name)
        return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else default

    default = Options()
    depth = recorded.get("depth")
    prompt = recorded.get("approval_prompt")
    side = recorded.get("side")
    return replace(
        default,
        side=Side(side) if side in list(Side) else Side.SERVER,
        url=recorded.get("url") if isinstance(recorded.get("url"), str) else None,
        model=recorded.get("model") if isinstance(recorded.get("model"), str) else None,
        approvals=recorded.get("approvals") is not False,
        approval_prompt=prompt if isinstance(prompt, str) else None,
        execute=recorded.get("execute") is not False,
        modes=words("modes", default.modes),
        depth=Depth(depth) if depth in list(Depth) else Depth.STANDARD,
        only=words("only", ()),
        skip=words("skip", ()),
        strict=recorded.get("strict") is True,
        concurrency=1 if recorded.get("concurrency") == 1 else default.concurrency,
        embedded=recorded.get("embedded") is True,
        allow_stale=recorded.get("allow_stale") is True,
    )


def _replayed(evidence: Evidence) -> frozenset[str]:
    """The requirements of the generated bodies that were sent because an earlier run failed on them."""
    breaches = {reading.note.breach for reading in evidence.all if reading.note.phase == Phase.REPLAY}
    valid = {"natural": "accept.generated", "unusual": "accept.any-valid"}
    return frozenset(valid.get(breach or "", "reject.generated") for breach in breaches)


def _selection(
    options: Options, recorded: Mapping[str, Any], replayed: Collection[str], profile: str
) -> RequirementSelection:
    why = "the target was declared to have no approvals (--no-approvals)"
    # A second caller and leave to wait serve approvals alone.
    absent = {} if options.approvals else dict.fromkeys(CAPABILITIES, why)
    quick = options.depth is Depth.QUICK

    def left_out(requirement: Requirement) -> str:
        if quick and not requirement.quick and requirement.id not in replayed:
            return "--depth quick leaves it out"
        if options.concurrency == 1 and requirement.concurrent:
            return "--concurrency 1: nothing is sent beside another request"
        return "--no-execute: nothing is ever approved" if requirement.executes and not options.execute else ""

    withheld = {requirement.id: why for requirement in CATALOGUE if (why := left_out(requirement))}
    narrowed = (
        quick or not options.execute or set(options.modes) < set(Options().modes) or bool(recorded.get("stopped"))
    )
    beyond = {r.id: f"the profile {profile} does not have it" for r in CATALOGUE if profile and not r.common}
    return RequirementSelection(
        options.strict, selected_ids(options), absent, withheld, bool(narrowed or profile), beyond
    )


def _trouble(evidence: Evidence) -> str:
    """Why the run as a whole says nothing, in a sentence that says what to do; empty where it does say something."""
    if not evidence.all:
        return "No request was recorded, so nothing is known about the target."
    stopped = evidence.options.get("stopped")
    if evidence.own and not evidence.heard:
        if told := preflight.unheard(evidence.transcript):
            return told
        first = evidence.all[0].exchange
        why = str(stopped or f"the target gave no answer ({first.error or first.ending})")[:300].rstrip(".")
        return f"{why[:1].upper()}{why[1:]}: correct the address, or start the server."
    if evidence.own and not evidence.admitted:
        statuses = {r.status for r in evidence.last if r.due is Due.ACCEPT}
        if statuses <= {401, 403}:
            return "The target refused the token in every request; check the token and that it may use the model."
        if statuses <= {401, 403, 404}:
            return "The target knows neither the address nor the model (every request got 404); check both."
    if evidence.own and str(stopped).startswith(PROXY_STOPS):
        return f"{str(stopped)[:1].upper()}{str(stopped)[1:300]}: {reaching.proxy_again(evidence.options)}."
    if evidence.own and stopped and (suspects := weather.suspects(evidence.weather)):
        return (
            f"{str(stopped)[:1].upper()}{str(stopped)[1:300].rstrip('.')}. One of the requests that were under way may "
            f"have brought it down: {', '.join(suspects)}. See its log."
        )
    return ""


def _notes(evidence: Evidence, settled: str) -> tuple[str, ...]:
    notes = list(_of_recording(evidence))
    if evidence.own and evidence.options.get("embedded") is True:
        notes.append("What was judged is the embedded reference server, not a server of yours: it earns no badge.")
    if moved := preflight.moved(evidence.options):
        notes.append(moved[:600])
    if evidence.own and evidence.all and not settled:
        notes += reaching.notes(evidence.options, evidence.all[0].exchange.started)
    if (stopped := evidence.options.get("stopped")) and not settled:  # that sentence says why
        notes.append(f"The recording ended early: {stopped}."[:400])
    answers = [reading.response for reading in evidence.all if reading.response is not None]
    if evidence.own and answers and not any(response.body_known for response in answers):
        notes.append("The transcript was written without bodies (--no-bodies): what needs them was not judged.")
    bad = [spell for spell in evidence.weather.spells if spell.lasts] if evidence.own else []
    notes += [f"{weather.told(spell, evidence.all[0].started)}." for spell in bad[:OUTAGES_TOLD]]
    if len(bad) > OUTAGES_TOLD:
        notes.append(f"{len(bad) - OUTAGES_TOLD} more outages were waited for.")
    if remark := evidence.options.get("remark"):
        notes.append(f"{remark}."[:600])
    if evidence.options.get("interrupted"):
        notes.append("The recording was interrupted; what had been recorded by then was judged.")
    notes += [f"{remark}." for remark in sdk.remarks(evidence)]
    if names := _cut_searches(evidence.options.get("shrinking")):
        notes.append(f"Shrinking reached its limits for {names}: the bodies shown may not be the smallest that fail.")
    if unsteady := steadiness.remark(evidence):
        notes.append(unsteady)
    left = sum(1 for r in evidence.all if r.exchange.ending is Ending.TOO_LARGE)
    if left:
        notes.append(
            f"{left} answer{'s' if left > 1 else ''} exceeded the suite's limit of size and were cut off there."
        )
    return tuple(notes)


def _of_recording(evidence: Evidence) -> Iterator[str]:
    """What a recording of somebody else's holds, which part of it was judged, and by what."""
    recorded = evidence.options.get(RECORDING)
    if isinstance(recorded, dict):
        yield f"{account.sentence(recorded, len(evidence.all))}."[:1000]
        if textless := [r.name for r in evidence.all if not r.body_is_there]:
            yield f"Of these, {len(textless)} without the text of the answer ({', '.join(textless[:5])})."
        if isinstance(others := recorded.get("others"), list) and others:
            yield f"Not judged, but also asked: {'; '.join(map(str, others))}."[:600]
    if evidence.profile:
        yield (
            f"Judged by the profile {evidence.profile}, not by KiteMesh's contract: what only that has is not "
            "applicable, requests are left open, and no badge is given."
        )


def _objections(items: Mapping[str, Iterable[Item]], said: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """What Schemathesis alone objects to, in a sentence."""
    alone = second_opinion.alone((item for found in items.values() for item in found), said)
    if alone:
        titles = "; ".join(sorted({titles for _, titles in alone}))
        names = ", ".join(name for name, _ in alone[:3])
        answers = "1 answer" if len(alone) == 1 else f"{len(alone)} answers"
        yield f"Schemathesis alone objects to {answers}, which no requirement covers: {titles} ({names})."


def _from_outside(verdict: Verdict) -> Iterator[str]:
    """A note that the verdict covers more than KiteMesh's contract, where it does."""
    areas = {r.area: CATALOGUE.areas[r.area] for r in verdict.from_outside()}
    if areas:
        told = "; ".join(f"{area}, {title}" for area, title in areas.items())
        yield (
            f"Requirements that are not KiteMesh's count in this verdict ({told}): it earns no badge. "
            f"--skip {','.join(areas)} judges KiteMesh's contract alone."
        )


def _cut_searches(told: Any) -> str:
    """The probes whose bodies were not shrunk to the end, according to the recording."""
    cut = told.get("cut") if isinstance(told, dict) else None
    return ", ".join(name for name in cut if isinstance(name, str))[:400] if isinstance(cut, list) else ""


def _credits(evidence: Evidence) -> float:
    charged = (number(r.kitemesh.get("credits_charged")) for r in evidence.all if r.accepted)
    return sum(c for c in charged if c is not None and 0 <= c < 1e12)


# --- what recording asks


def findings(transcript: Transcript) -> list[Finding]:
    """What the verdict on a transcript shows."""
    return [finding for outcome in judge(transcript, opinions=False).verdict.outcomes for finding in outcome.findings]


def failed(transcript: Transcript, known: Baseline | None = None) -> list[str]:
    """Ids of the requirements that a verdict on a transcript would count as failed, known failures aside."""
    result = judge(transcript, known=known, opinions=False)
    failures = [outcome.requirement.id for outcome in result.verdict.outcomes if result.verdict.counts(outcome)]
    return [id_ for id_ in failures if result.gate.reason(id_) is None]


def doubtful(transcript: Transcript) -> set[str]:
    return suspects(Evidence(transcript))


def unsettled(transcript: Transcript) -> set[str]:
    """Names of the flows with an answer in an outage, or whose approval may have been lost or decided on."""
    last = Evidence(transcript).last
    return {r.note.flow for r in last if (r.unsettled and (r.foul or not _was_decided(r))) or _may_be_forgotten(r)}


def _was_decided(reading: Reading) -> bool:
    """True for a resume of an approval that another resume had already decided on: nothing could be lost."""
    approval = given(reading.evidence).get(approval_of(reading) or "")
    return approval is not None and spent_by(approval, reading) is not None


def _may_be_forgotten(reading: Reading) -> bool:
    """True for a fair resume that was refused, of an approval that an outage may have cost the target."""
    approval = given(reading.evidence).get(approval_of(reading) or "") if reading.asked.resume else None
    fair = reading.due is Due.ACCEPT and reading.whose is Credential.OWN and reading.refused_status
    return approval is not None and fair and spent_by(approval, reading) is None and went_down(approval, reading)


def shows(transcript: Transcript, exchange: str, requirement: str) -> bool:
    """Whether an exchange breaks a requirement."""
    items = registry.checks(CATALOGUE)[requirement](Evidence(transcript))
    return any(isinstance(item, Finding) and item.exchange == exchange for item in items)
