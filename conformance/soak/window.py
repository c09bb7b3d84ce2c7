"""Judging a window: some exchanges of one worker that ended one after another, by the checks of a run.

Two things reach beyond a window and are added here: markers, which show by their form that they are another request's,
and ids, which a ledger remembers. What they show is blamed on the requirements that a run would blame.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from conformance.checks import registry
from conformance.contract import classify
from conformance.contract.catalogue import Catalogue, Side, UnderLoad, load
from conformance.evidence.answer import Words
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item
from conformance.evidence.json_values import uuid
from conformance.evidence.place import NOWHERE, Place
from conformance.evidence.reading import Reading
from conformance.evidence.select import answers, readable_streams
from conformance.judging.verdict import RequirementSelection, State, decide
from conformance.report import without_bodies as withheld
from conformance.soak.ledger import Ledger, Sighting, digest
from conformance.soak.markers import Key, Marker
from conformance.transcript.exchange import TIMED_OUT, Ending, Exchange, Transcript

CATALOGUE: Catalogue = load()
CORE = tuple(r.id for r in CATALOGUE if r.under_load is UnderLoad.REQUIRED)
"""What a soak with two users or more has to have judged, or it says nothing."""
JUDGED = tuple(r.id for r in CATALOGUE if r.under_load in (UnderLoad.JUDGED, UnderLoad.REQUIRED))
"""What one answer among many can show, whatever the load does to its times."""

MOST_FINDINGS = 500
"""Findings of a window that are told one by one."""
LONGEST = 32 * 1024
"""Octets of an answer's body that are kept of an example."""
_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class BreachExample:
    """A breach, with the exchange that shows it."""

    finding: Finding
    exchange: Exchange


@dataclass(slots=True)
class WindowResult:
    """What a window, or several, showed: counts, and what is worth keeping."""

    exchanges: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    """What became of the requests: `served`, `refused, as it must be`, `excused: status 429`, `no answer in time`."""
    judged: Counter[str] = field(default_factory=Counter)
    """Requirement id to the exchanges that it was judged on."""
    broken: Counter[str] = field(default_factory=Counter)
    """Requirement id to the exchanges that break it."""
    examples: dict[str, BreachExample] = field(default_factory=dict)
    """Requirement id to the first breach."""
    findings: list[Finding] = field(default_factory=list)
    """The first `MOST_FINDINGS`."""
    errors: dict[str, str] = field(default_factory=dict)
    """Requirement id to what its check raised: the suite's own fault."""
    ids: list[tuple[str, int, int]] = field(default_factory=list)
    """(requirement for its uniqueness, digest, request) of each id that was new."""
    forgotten: int = 0
    """Ids that the ledgers no longer know."""


@dataclass(slots=True)
class Judge:
    """Judges one worker's windows, one after another. It keeps no exchange."""

    key: Key
    worker: int
    kept: Mapping[str, Any]
    """The run's options, as a transcript keeps them."""
    ids: tuple[str, ...] = JUDGED
    """The requirements that are judged."""
    answers: Ledger = field(default_factory=Ledger)
    executions: Ledger = field(default_factory=Ledger)
    _shown: set[str] = field(default_factory=set)

    def judge(self, exchanges: Sequence[Exchange]) -> WindowResult:
        """What the exchanges show."""
        found = WindowResult(exchanges=len(exchanges))
        late = [exchange for exchange in exchanges if exchange.ending in TIMED_OUT]
        rest = sorted((e for e in exchanges if e.ending not in TIMED_OUT), key=lambda exchange: exchange.started)
        evidence = Evidence(Transcript(tuple(rest), self.kept))
        found.fates.update(["no answer in time"] * len(late))
        found.fates.update(map(_fate, evidence.last))
        items, errors = registry.examine(CATALOGUE, evidence, self.ids)
        found.errors.update({id_: error[:400] for id_, error in errors.items()})
        for finding in (*self._strangers(evidence), *self._repeated(evidence, found)):
            if not any(_same(item, finding) for item in items.get(finding.requirement, ())):
                items.setdefault(finding.requirement, []).append(finding)
        selection = RequirementSelection(selected=frozenset(self.ids))
        verdicts = [decide(CATALOGUE.of(side), items, selection, errors=found.errors) for side in Side]
        for outcome in (outcome for verdict in verdicts for outcome in verdict.outcomes):
            id_ = outcome.requirement.id
            if outcome.state in (State.PASSED, State.FAILED):
                found.judged[id_] += len(outcome.judged)
            if outcome.state is State.FAILED:
                found.broken[id_] += len({finding.exchange for finding in outcome.findings})
                found.findings += outcome.findings[: MOST_FINDINGS - len(found.findings)]
                self._show(id_, outcome.findings, evidence, found)
        found.forgotten = self.answers.forgotten + self.executions.forgotten
        # What a run is spared by remembering grows in a soak, and is of no use: no word comes again.
        classify.forget()
        re.purge()
        return found

    def _show(self, id_: str, findings: Sequence[Finding], evidence: Evidence, found: WindowResult) -> None:
        if id_ in self._shown:
            return
        shown = next((f for f in findings if f.exchange in evidence.by_name), None)
        if shown is not None:
            self._shown.add(id_)
            example = BreachExample(replace(shown, yields_to=()), bounded(evidence.by_name[shown.exchange].exchange))
            found.examples[id_] = example if self.kept.get("bodies", True) else without_bodies(example)

    # --- markers

    def _strangers(self, evidence: Evidence) -> Iterator[Finding]:
        """Words of other requests, in what is said and anywhere else in an answer."""
        for reading in evidence.all:
            own = self._of(reading)
            if own is None or reading.response is None:
                continue
            word = self.key.word(own)
            for foreign, owner in self.key.foreign(reading.said, word):
                yield reading.finding(
                    f"the answer contains the word that {owner.name} asked for",
                    "nothing from another request",
                    Words(f"{foreign!r} in {reading.said[:100]!r}"),
                    reading.said_at,
                ).breaking("isolation.content")
                break
            else:
                yield from self._elsewhere(reading, word)

    def _elsewhere(self, reading: Reading, word: str) -> Iterator[Finding]:
        assert reading.response is not None  # says whoever calls
        fields = "\n".join(f"{name}: {value}" for name, value in reading.response.headers)
        body = _ESCAPE.sub(b" ", reading.body).decode("utf-8", "replace")
        for place, text in ((NOWHERE, body), (Place(words="header section"), fields)):
            for foreign, owner in self.key.foreign(text, word):
                yield reading.finding(
                    f"the answer has the mark of {owner.name}",
                    f"nothing but its own, {word!r}",
                    Words(repr(foreign)),
                    place,
                ).breaking("isolation.answers")
                return

    def _of(self, reading: Reading) -> Marker | None:
        """Whose request it is, by its `request_id`."""
        return self.key.marker((reading.asked.request_id or "").rpartition("-")[2])

    # --- ids

    def _repeated(self, evidence: Evidence, found: WindowResult) -> Iterator[Finding]:
        """Ids that an earlier window knows as another request's, and chunks that bear such an id."""
        for reading in (*answers(evidence), *readable_streams(evidence)):
            if not isinstance(reading, Reading) or reading.asked.resume or reading.waits:
                continue
            own = self._of(reading)
            if own is None:
                continue
            seen = Sighting(own.worker, own.request, reading.started, reading.ended)
            if reading.answer_id is not None:
                yield from self._id_again(reading, reading.answer_id, seen, found)
                yield from self._chunk_of_another(reading, seen)
            if execution := uuid(reading.kitemesh.get("execution_id")):
                yield from self._execution_again(reading, execution, seen, found)

    def _id_again(self, reading: Reading, id_: str, seen: Sighting, found: WindowResult) -> Iterator[Finding]:
        alone = "chunk.id-stable" if reading.asked.stream else "completion.id-unique"
        value = digest(id_)
        before = self.answers.first(value, seen)
        if before is None:
            found.ids.append((alone, value, seen.request))
        elif before[:2] != seen[:2]:
            together = before.beside(seen)
            yield reading.finding(
                f"the `id` of {before.name} is used again{', while both were under way' if together else ''}",
                "an `id` of its own",
                id_,
                reading.chunks[0].at("/id") if reading.asked.stream else Place("/id"),
            ).breaking("isolation.answers" if together else alone)

    def _chunk_of_another(self, reading: Reading, seen: Sighting) -> Iterator[Finding]:
        if not reading.asked.stream:
            return
        for chunk in reading.chunks:
            id_ = chunk.value.get("id")
            if not isinstance(id_, str) or id_ == reading.answer_id:
                continue
            owner = self.answers.find(digest(id_))
            if owner is not None and owner[:2] != seen[:2]:
                yield reading.finding(
                    f"a chunk of {owner.name} came in another stream",
                    f"chunks of id {reading.answer_id!r}",
                    id_,
                    chunk.place,
                    span=chunk.span,
                ).breaking("isolation.streams")
                return

    def _execution_again(
        self, reading: Reading, execution: str, seen: Sighting, found: WindowResult
    ) -> Iterator[Finding]:
        value = digest(f"execution {execution}")
        before = self.executions.first(value, seen)
        if before is None:
            found.ids.append(("kitemesh.execution-unique", value, seen.request))
        elif before[:2] != seen[:2]:
            yield reading.finding(
                f"the `execution_id` of {before.name} is used again",
                "an execution of its own",
                execution,
                Place("/kitemesh/execution_id"),
            ).breaking("kitemesh.execution-unique")


def bounded(exchange: Exchange) -> Exchange:
    """The exchange with no more than `LONGEST` octets of its answer."""
    if exchange.response is None or len(exchange.response.body) <= LONGEST:
        return exchange
    return replace(
        exchange,
        response=exchange.response.first(LONGEST),
        ending=Ending.LEFT,
        error=f"only the first {LONGEST} octets of the answer were kept",
    )


def without_bodies(example: BreachExample) -> BreachExample:
    """The example without the content of its request and answer (`--no-bodies`)."""
    finding = example.finding
    (exchange,) = withheld.transcript(Transcript((example.exchange,))).exchanges
    seen = withheld.observed(finding.observed)
    return BreachExample(replace(finding, message=withheld.words(finding.message), observed=seen, span=None), exchange)


def left_out() -> dict[str, tuple[str, ...]]:
    """Why requirements are not judged under load, to their ids in the catalogue's order."""
    others = [r for r in CATALOGUE.of(Side.SERVER) if r.id not in JUDGED]
    timed = [r for r in others if r.under_load is UnderLoad.TIMES]
    whims = [r for r in others if r not in timed and r.whim and r.capability is None]
    return {
        "times, which a loaded server may stretch": tuple(r.id for r in timed),
        "a model may differ by chance, so one try says nothing": tuple(r.id for r in whims),
        "requests that a soak does not send: run judges them": tuple(
            r.id for r in others if r not in timed and r not in whims
        ),
    }


def _fate(reading: Reading) -> str:
    if reading.failed_within:
        return "excused: a stream that reported an error"
    if (reason := reading.excuse) is not None:
        return f"excused: {reason.partition(',')[0]}"[:60]
    if reading.response is None:
        return f"no answer: {reading.exchange.ending}"
    if reading.accepted:
        return "served"
    return f"refused: status {reading.status}"


def _same(item: Item, finding: Finding) -> bool:
    return isinstance(item, Finding) and item.exchange == finding.exchange
