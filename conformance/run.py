"""One run: record, judge, report. The only module that ties the line together.

Recording needs a judgement now and then (does this answer excuse itself, does it ask for an approval, is this whim to
be tried again); it is handed in from here as functions, so that no module imports against the flow.
"""

from __future__ import annotations

import asyncio
import io
import random
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import conformance
from conformance.checks import registry, second_opinion
from conformance.checks.blame import ABSORBED_BY
from conformance.checks.check import suspects
from conformance.checks.evidence import Evidence, Reading
from conformance.checks.finding import Finding, Item, Unjudged
from conformance.checks.member import moment, number, uuid
from conformance.checks.rounds import told_once
from conformance.contract.catalogue import Catalogue, UnknownRequirement, load
from conformance.contract.classify import Due
from conformance.gate import baseline, decision
from conformance.gate.baseline import Baseline
from conformance.gate.decision import Gate
from conformance.options import Depth, Options, UsageError
from conformance.probes.catalogue import QUICK_LEAVES_OUT, count, flows
from conformance.probes.flow import Answer, Approval, Phase
from conformance.probes.plan import Plan
from conformance.recheck import Judging, Recheck
from conformance.report import withheld
from conformance.verdict import Conclusion, Exit, Selection, State, Verdict, decide
from conformance.wire.client import Client
from conformance.wire.exchange import Ending, Exchange, Headers, Transcript
from conformance.wire.limits import Limits
from conformance.wire.patience import Patience
from conformance.wire.recorder import Budget, Judgement, Recorder, Slots
from conformance.wire.redaction import Redactor

CATALOGUE: Catalogue = load()
LONGEST_WAIT = 60.0
"""Seconds of `Retry-After` that are waited for; a longer wait leaves the exchange excused at once."""
REPLICAS = 2.0
"""Seconds after which a 404 to a waiting approval is asked once again (contract, "Left open …")."""
REFERENCE_WAIT = 10.0
"""Seconds that may be waited for an approval of the embedded reference server to expire."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    phase: str
    done: int
    planned: int
    credits: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A run, judged."""

    options: Options
    transcript: Transcript = field(repr=False)
    verdict: Verdict
    gate: Gate = field(repr=False)
    started: float
    """Unix seconds."""
    ended: float
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    """Things to tell: what a budget cut off, hints."""
    seed: int = 0
    excused: tuple[int, int] = (0, 0)
    """Excused exchanges, of how many."""
    credits: float = 0.0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that was found, of a SHOULD too, in the catalogue's order."""
        return tuple(finding for outcome in self.verdict.outcomes for finding in outcome.findings)

    def __str__(self) -> str:
        """What a terminal shows of it: the verdict, and what failed."""
        from conformance.report import terminal

        held = io.StringIO()
        terminal.show(self, terminal.console(held))
        return held.getvalue()

    def exit_code(self) -> Exit:
        """The command line's exit code: by the gate, which is the verdict where nothing is known."""
        if self.verdict.conclusion is Conclusion.ERROR:
            return Exit.SUITE_ERROR
        return Exit.INTERRUPTED if self.interrupted else self.gate.exit_code


Tell = Callable[[Progress], None]


def run(options: Options, progress: Tell | None = None) -> Report:
    """Record a run and judge it; without a URL against the reference server, which is started for it.

    Raises:
        UsageError: an option is wrong; nothing was sent.
    """
    options = options.checked()
    selected_ids(options)
    known = known_failures(options)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    started = time.time()
    if options.url is None:
        with reference(options) as told:
            transcript = asyncio.run(record(told, seed, progress))
    else:
        transcript = asyncio.run(record(options, seed, progress))
    if progress:
        progress(Progress("judging", len(transcript), len(transcript), 0.0))
    report = replace(judge(transcript, known=known), started=started, ended=time.time(), options=options)
    return report if options.bodies else without_bodies(report)


def without_bodies(report: Report) -> Report:
    """The report with the content of requests and answers left out of all that is written and shown."""
    options = report.options
    return replace(
        report,
        options=replace(
            options,
            approval_prompt=options.approval_prompt and withheld.WORD,
            expiring_prompt=options.expiring_prompt and withheld.WORD,
        ),
        transcript=withheld.transcript(report.transcript),
        verdict=withheld.verdict(report.verdict),
        notes=tuple(map(withheld.words, report.notes)),
    )


@contextmanager
def reference(options: Options) -> Iterator[Options]:
    """The embedded reference server, and the options to run against it."""
    from conformance.reference.serving import in_process
    from conformance.reference.settings import (
        DEFAULT_APPROVAL_PROMPT,
        DEFAULT_EXPIRING_PROMPT,
        DEFAULT_MODEL,
        Settings,
    )

    settings = Settings(rate_limit_every=97)
    with in_process(settings) as url:
        yield replace(
            options,
            url=f"{url}/v1",
            model=DEFAULT_MODEL,
            token=settings.tokens[0],
            second_token=settings.tokens[1],
            approval_prompt=DEFAULT_APPROVAL_PROMPT if options.approvals else None,
            expiring_prompt=DEFAULT_EXPIRING_PROMPT,
            wait_expiry=max(options.wait_expiry, REFERENCE_WAIT),
        )


def plan_of(options: Options, seed: int) -> Plan:
    """The probes' frame, from the options."""
    return Plan(
        model=options.model or "",
        seed=seed,
        depth=str(options.depth),
        modes=options.modes,
        approval_prompt=options.approval_prompt if options.approvals else None,
        approvals=options.approvals,
        expiring_prompt=options.expiring_prompt,
        execute=options.execute,
        second_token=options.second_token is not None,
        wait_expiry=options.wait_expiry,
        examples=options.examples,
        replay=options.vectors,
        concurrency=options.concurrency,
    )


def selected_ids(options: Options) -> frozenset[str] | None:
    """The requirements that `--only` and `--skip` leave; None: all.

    Raises:
        UsageError: an id or area is unknown, or nothing is left.
    """
    if not options.only and not options.skip:
        return None
    try:
        ids = {r.id for r in (CATALOGUE.select(options.only) if options.only else CATALOGUE)}
        ids -= {r.id for r in CATALOGUE.select(options.skip)} if options.skip else set()
    except UnknownRequirement as error:
        raise UsageError(str(error)) from None
    if not ids:
        raise UsageError("--only and --skip leave no requirement to judge; name at least one.")
    return frozenset(ids)


def known_failures(options: Options) -> Baseline | None:
    """What `--baseline` names; None where it was not given.

    Raises:
        UsageError: the file is not what it should be.
    """
    if options.baseline is None:
        return None
    try:
        return baseline.load(Path(options.baseline).expanduser(), CATALOGUE)
    except baseline.BaselineError as error:
        raise UsageError(str(error)) from None


def plan(options: Options) -> tuple[int, int]:
    """Requests at the most, and how many of them a model answers, answers that excuse aside."""
    if options.url is None:
        from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT

        options = replace(
            options, approval_prompt=DEFAULT_APPROVAL_PROMPT, second_token="x", wait_expiry=REFERENCE_WAIT
        )
    requests, served = count(flows(plan_of(options, options.seed or 0), selected_ids(options)))
    return (min(requests, options.max_requests), served) if options.max_requests is not None else (requests, served)


# --- recording


async def record(
    options: Options,
    seed: int,
    progress: Tell | None = None,
    *,
    patience: float = 1.0,
    limits: Limits | None = None,
    again: bool = True,
) -> Transcript:
    """Record a run against `options.url`.

    Args:
        options: checked, with a URL, a model and a token.
        seed: of the words and the generated bodies.
        progress: told of each exchange.
        patience: factor on the waits before a request is sent again.
        limits: of time and size, where not those of `options.timeout`.
        again: whether what failed is recorded once more to tell intermittent breaches.
    """
    secrets = {"token": options.token or "", "second": options.second_token or ""}
    redactor = Redactor([s for s in secrets.values() if s])
    kept: dict[str, Any] = {**options.recorded(), "suite": conformance.__version__, "seed": seed}
    chosen = flows(plan_of(options, seed), selected_ids(options))
    planned = count(chosen)[0]
    watch = _Watch(kept, patience)
    budget = Budget(options.max_requests, options.max_credits)

    def told(exchange: Exchange, note: str) -> None:
        if progress:
            progress(
                Progress(exchange.note.phase, budget.requests, max(planned, budget.requests), budget.credits, note)
            )

    limits = limits or Limits.scaled(options.timeout)
    bearing = Patience(limits, options.concurrency)
    interrupted = False
    async with Client(
        options.url or "",
        concurrency=options.concurrency,
        limits=limits,
        redactor=redactor,
        verify=_verify(options),
        extra_headers=options.headers,
    ) as client:
        recorder = Recorder(
            client,
            Judgement(watch.answer, watch.ask_again, watch.credits),
            base_headers(),
            secrets,
            budget,
            Slots(options.concurrency),
            bearing,
            options.depth is Depth.QUICK,
            told,
        )
        recheck = Recheck(recorder, plan_of(options, seed), kept, Judging(_findings, _doubtful, _shows))
        try:
            await recorder.run(chosen)
            await recheck.whims(chosen)
            if again:
                await recheck.failures(chosen)
        except asyncio.CancelledError:
            interrupted = True
    kept.update(stopped=recorder.stopped, interrupted=interrupted, remark=bearing.remark())
    if recheck.requests:
        kept["shrinking"] = {"requests": recheck.requests, "cut": recheck.cut}
    exchanges = sorted(recorder.exchanges, key=lambda exchange: exchange.started)
    return Transcript(tuple(exchanges), kept, f"kitemesh-conformance {conformance.__version__}")


def _findings(transcript: Transcript) -> list[Finding]:
    """What the verdict on a transcript shows."""
    return [finding for outcome in judge(transcript, opinions=False).verdict.outcomes for finding in outcome.findings]


def _doubtful(transcript: Transcript) -> set[str]:
    return suspects(Evidence(transcript))


def _shows(transcript: Transcript, exchange: str, requirement: str) -> bool:
    """Whether an exchange breaks a requirement."""
    items = registry.checks(CATALOGUE)[requirement](Evidence(transcript))
    return any(isinstance(item, Finding) and item.exchange == exchange for item in items)


def base_headers() -> Headers:
    """What every request bears. No content coding is asked for, so that arrival times are those of the events."""
    return (
        ("User-Agent", f"kitemesh-conformance/{conformance.__version__}"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
    )


def _verify(options: Options) -> ssl.SSLContext | bool:
    if options.ca_bundle is None:
        return True
    try:
        return ssl.create_default_context(cafile=options.ca_bundle)
    except (OSError, ssl.SSLError):
        raise UsageError(
            f"The CA bundle {options.ca_bundle!r} cannot be read; give a file of PEM certificates."
        ) from None


class _Watch:
    """What recording needs to know of an exchange, and which approvals wait."""

    def __init__(self, options: Mapping[str, Any], patience: float) -> None:
        self._options = options
        self._patience = patience
        self._latest: Reading | None = None
        """An exchange is asked about several times in a row."""
        self._waiting: dict[str, frozenset[str]] = {}
        """Approval id to the ids of its calls, all in lower case."""

    def _read(self, exchange: Exchange) -> Reading:
        if self._latest is None or self._latest.exchange is not exchange:
            self._latest = Evidence(Transcript((exchange,), self._options)).all[0]
        return self._latest

    def answer(self, exchange: Exchange) -> Answer:
        """What a flow gets to know."""
        reading = self._read(exchange)
        approval = None
        if reading.taken and reading.waits:
            approval = self._approval(reading)
        if reading.taken and reading.asked.resume:
            self._waiting.pop(uuid(reading.asked.body.get("approval_id")) or "", None)
        return Answer(exchange.name, exchange.status, reading.excuse is not None, approval)

    def _approval(self, reading: Reading) -> Approval | None:
        approval_id = reading.kitemesh.get("approval_id")
        if not isinstance(approval_id, str):
            return None
        calls = tuple(call["id"] for call in reading.calls if isinstance(call.get("id"), str))
        expires = moment(reading.kitemesh.get("expires_at"))
        execution = reading.kitemesh.get("execution_id")
        self._waiting[approval_id.lower()] = frozenset(call.lower() for call in calls)
        return Approval(
            approval_id,
            calls,
            execution if isinstance(execution, str) else None,
            None if expires is None else expires - reading.clock,
        )

    def ask_again(self, exchange: Exchange) -> float | None:
        """Seconds to wait before asking again, where the answer excuses itself or may be a passing trouble."""
        if exchange.note.left_after is not None and exchange.response is not None:
            return None
        reading = self._read(exchange)
        if exchange.status == 404 and self._waits_for(reading):
            return REPLICAS * self._patience if exchange.note.attempt == 1 else None
        passing = exchange.status is not None and exchange.status >= 500
        excuse = reading.excuses_refusal if reading.due is Due.REFUSE else reading.excuse
        if excuse is None and not passing:
            return None
        if exchange.status is not None and exchange.status not in (408, 429) and 400 <= exchange.status < 500:
            # A quota, a filter or a model's limit does not pass within seconds.
            return None
        asked = _retry_after(exchange)
        if asked is not None:
            return asked if asked <= LONGEST_WAIT else None
        return 0.4 * self._patience * 2.0 ** (exchange.note.attempt - 1)

    def _waits_for(self, reading: Reading) -> bool:
        """True for a fair decision on an approval that waits, by the caller whose it is."""
        if not reading.asked.resume or reading.due is not Due.ACCEPT or str(reading.whose) != "own":
            return False
        calls = self._waiting.get(uuid(reading.asked.body.get("approval_id")) or "")
        if calls is None:
            return False
        approved = [str(call).lower() for call in reading.asked.body.get("approved_tool_execution_ids", [])]
        denied = [str(item["tool_execution_id"]).lower() for item in reading.asked.body.get("denied_tools", [])]
        return not set(approved) & set(denied) and calls >= {*approved, *denied}

    def credits(self, exchange: Exchange) -> float:
        """Credits that the answer says were charged."""
        if exchange.status != 200:
            return 0.0
        charged = number(self._read(exchange).kitemesh.get("credits_charged"))
        return charged if charged is not None and 0 <= charged < 1e12 else 0.0


def _retry_after(exchange: Exchange) -> float | None:
    """Seconds that `Retry-After` asks for (RFC 9110, section 10.2.3): a number, or a date."""
    value = (exchange.response.header("retry-after") or "").strip() if exchange.response else ""
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        date = parsedate_to_datetime(value)
        return max(0.0, date.timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


# --- judging


def judge(
    transcript: Transcript,
    *,
    options: Options | None = None,
    known: Baseline | None = None,
    opinions: bool = True,
) -> Report:
    """Judge a transcript: pure, offline. Without options, as it was recorded.

    Args:
        transcript: a run's, or a foreign one.
        options: what to judge; None: as it was recorded.
        known: the failures that the gate is to let pass; whether they have expired is asked of the clock.
        opinions: whether Schemathesis is asked about the answers to its cases; its opinion changes no outcome.
    """
    recorded = transcript.options
    options = options or _options_of(recorded)
    evidence = Evidence(transcript)
    selection = _selection(options, recorded, _replayed(evidence))
    items, errors = _check_all(evidence, selection.selected)
    if not evidence.heard:
        items = {id_: [_UNHEARD] for id_ in items}
    said = second_opinion.opinions(evidence) if opinions else {}
    told = second_opinion.told(told_once(evidence, items), said)
    verdict = decide(
        CATALOGUE,
        told,
        selection,
        errors=errors,
        absorbed_by=ABSORBED_BY,
        excused=evidence.excused,
        trouble=_trouble(evidence),
    )
    times = [(e.started, e.started + e.finished) for e in transcript] or [(0.0, 0.0)]
    return Report(
        options=options,
        transcript=transcript,
        verdict=verdict,
        gate=decision.decide(verdict, transcript, known, today=datetime.now(UTC).date()),
        started=min(t[0] for t in times),
        ended=max(t[1] for t in times),
        interrupted=bool(recorded.get("interrupted")),
        notes=(*_notes(evidence), *_objections(told, said)),
        seed=int(recorded.get("seed") or 0),
        excused=evidence.excused,
        credits=_credits(evidence),
    )


_UNHEARD = Unjudged("no answer came to any request: the address may be wrong, or the target is down", excused=True)


def _check_all(evidence: Evidence, selected: Collection[str] | None) -> tuple[dict[str, list[Item]], dict[str, str]]:
    """Every check's items, and what an exception of a check says: the suite's own fault, never the target's."""
    items: dict[str, list[Item]] = {}
    errors: dict[str, str] = {}
    for id_, check in registry.checks(CATALOGUE).items():
        try:
            items[id_] = list(check(evidence))
        except Exception as error:
            if selected is None or id_ in selected:
                errors[id_] = f"the check raised {type(error).__name__}: {error}"
    return items, errors


def _options_of(recorded: Mapping[str, Any]) -> Options:
    """The options that a transcript was recorded with, as far as it tells; a foreign one tells nothing."""

    def words(name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = recorded.get(name)
        return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else default

    default = Options()
    depth = recorded.get("depth")
    prompt = recorded.get("approval_prompt")
    return replace(
        default,
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
    )


def _replayed(evidence: Evidence) -> frozenset[str]:
    """The requirements of the generated bodies that were sent because an earlier run failed on them."""
    breaches = {reading.note.breach for reading in evidence.all if reading.note.phase == Phase.REPLAY}
    valid = {"natural": "accept.generated", "unusual": "accept.any-valid"}
    return frozenset(valid.get(breach or "", "reject.generated") for breach in breaches)


def _selection(options: Options, recorded: Mapping[str, Any], replayed: Collection[str]) -> Selection:
    why = "the target was declared to have no approvals (--no-approvals)"
    # A second caller and leave to wait serve approvals alone.
    absent = {} if options.approvals else dict.fromkeys(("approvals", "second-token", "wait-expiry"), why)
    withheld: dict[str, str] = {}
    if not options.execute:
        withheld["resume.approve"] = withheld["resume.conflict"] = "--no-execute: nothing is ever approved"
        withheld["resume.further-round"] = "--no-execute: nothing is ever approved"
    quick = options.depth is Depth.QUICK
    if quick:
        withheld.update(dict.fromkeys(QUICK_LEAVES_OUT - set(replayed), "--depth quick leaves it out"))
    narrowed = (
        quick or not options.execute or set(options.modes) < set(Options().modes) or bool(recorded.get("stopped"))
    )
    return Selection(options.strict, selected_ids(options), absent, withheld, narrowed)


def _trouble(evidence: Evidence) -> str:
    """Why the run as a whole says nothing, in a sentence that says what to do; empty where it does say something."""
    if not evidence.all:
        return "No request was recorded, so nothing is known of the target."
    stopped = evidence.options.get("stopped")
    if evidence.own and not any(r.response is not None for r in evidence.all):
        first = evidence.all[0].exchange
        why = str(stopped or f"the target gave no answer ({first.error or first.ending})")[:300].rstrip(".")
        return f"{why[:1].upper()}{why[1:]}. Check the address and that it is up."
    if evidence.own and not evidence.admitted:
        statuses = {r.status for r in evidence.last if r.due is Due.ACCEPT}
        if statuses <= {401, 403}:
            return "The target refused the token in every request; check the token and that it may use the model."
        if statuses <= {401, 403, 404}:
            return "The target knows neither the address nor the model (404 throughout); check the URL and the model."
    return ""


def _notes(evidence: Evidence) -> tuple[str, ...]:
    notes = []
    if stopped := evidence.options.get("stopped"):
        notes.append(f"The recording ended early: {stopped}."[:400])
    answers = [reading.response for reading in evidence.all if reading.response is not None]
    if evidence.own and answers and not any(response.body_known for response in answers):
        notes.append("The transcript was written without bodies (--no-bodies): what needs them was not judged.")
    if remark := evidence.options.get("remark"):
        notes.append(f"{remark}."[:600])
    if evidence.options.get("interrupted"):
        notes.append("The recording was interrupted; what had been recorded by then was judged.")
    if names := _cut_searches(evidence.options.get("shrinking")):
        notes.append(f"Shrinking met its limits for {names}: the bodies shown may not be the smallest that fail.")
    left = sum(1 for r in evidence.all if r.exchange.ending is Ending.TOO_LARGE)
    if left:
        notes.append(
            f"{left} answer{'s' if left > 1 else ''} exceeded the suite's limit of size and were cut off there."
        )
    return tuple(notes)


def _objections(items: Mapping[str, Iterable[Item]], said: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """What Schemathesis alone objects to, in a sentence."""
    alone = second_opinion.alone((item for found in items.values() for item in found), said)
    if alone:
        titles = "; ".join(sorted({titles for _, titles in alone}))
        names = ", ".join(name for name, _ in alone[:3])
        answers = "1 answer" if len(alone) == 1 else f"{len(alone)} answers"
        yield f"Schemathesis alone objects to {answers}, to which no requirement speaks: {titles} ({names})."


def _cut_searches(told: Any) -> str:
    """The probes whose bodies were not shrunk to the end, as a recording tells them."""
    cut = told.get("cut") if isinstance(told, dict) else None
    return ", ".join(name for name in cut if isinstance(name, str))[:400] if isinstance(cut, list) else ""


def _credits(evidence: Evidence) -> float:
    charged = (number(r.kitemesh.get("credits_charged")) for r in evidence.all if r.accepted)
    return sum(c for c in charged if c is not None and 0 <= c < 1e12)


__all__ = [
    "CATALOGUE",
    "Approval",
    "Progress",
    "Report",
    "State",
    "judge",
    "known_failures",
    "plan",
    "record",
    "reference",
    "run",
    "selected_ids",
]
