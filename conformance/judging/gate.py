"""The gate: may a run pass, given the known failures? It reads the verdict and never changes it.

It passes if the verdict without the known failures is `conformant`, and no entry of the baseline is stale (unless that
is allowed) or expired. No baseline excuses an error, an interruption or an inconclusive run. A run that was cut off
calls nothing stale: what it did not reach may fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from conformance.judging.baseline import TODO, Baseline, Entry
from conformance.judging.key import key, probe
from conformance.judging.verdict import EXIT_OF, Conclusion, Exit, Outcome, State, Verdict
from conformance.transcript.exchange import Exchange, Transcript

MANY = 5
"""With more keys than this, a written baseline names the whole requirement."""


@dataclass(frozen=True, slots=True)
class New:
    """A failure that counts and that no entry covers."""

    requirement: str
    findings: tuple[str, ...]
    """Keys, each once."""

    @property
    def sentence(self) -> str:
        """What is wrong."""
        shown = ", ".join(self.findings[:3]) + (f" and {len(self.findings) - 3} more" if self.findings[3:] else "")
        return f"{self.requirement} fails, and the baseline does not name it: {shown}."


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a run may pass, and why."""

    passed: bool
    exit_code: Exit
    sentence: str
    baseline: str | None = None
    """The file; None: there is none, and the gate equals the verdict."""
    known: tuple[Entry, ...] = ()
    """Entries that excuse a failure of this run."""
    new: tuple[New, ...] = ()
    stale: tuple[Entry, ...] = ()
    expired: tuple[Entry, ...] = ()
    excused: frozenset[str] = frozenset()
    """Requirements that fail and of which every finding is known."""
    stale_allowed: bool = False
    """True: stale entries are reported, but do not fail the gate."""

    def reason(self, requirement: str) -> str | None:
        """Why a failure of this requirement is accepted; None where it is not."""
        if requirement not in self.excused:
            return None
        return "; ".join(dict.fromkeys(e.reason for e in self.known if e.requirement == requirement))

    def complaints(self, requirement: str | None = None) -> list[str]:
        """A sentence on each entry that fails the gate: stale and expired ones, on one requirement or all."""
        stale = () if self.stale_allowed else self.stale
        return [
            *(stale_sentence(e) for e in stale if requirement in (None, e.requirement)),
            *(expired_sentence(e) for e in self.expired if requirement in (None, e.requirement)),
        ]


def stale_sentence(entry: Entry) -> str:
    """What to do about an entry that no longer fails."""
    return f"The baseline says that {entry.named} fails, but it was judged and does not: remove the entry."


def expired_sentence(entry: Entry) -> str:
    """What to do about an entry whose last day is over."""
    owner = f", owner: {entry.owner}" if entry.owner else ""
    return f"The baseline's entry on {entry.named} expired after {entry.expires}{owner}: fix it, or renew the entry."


def decide(
    verdict: Verdict, transcript: Transcript, baseline: Baseline | None, *, today: date, allow_stale: bool = False
) -> Gate:
    """The gate's decision.

    Args:
        verdict: of the run.
        transcript: what was judged.
        baseline: the known failures; None: there are none.
        today: the day, in UTC.
        allow_stale: whether the run may pass in spite of stale entries.
    """
    exchanges = {exchange.name: exchange for exchange in transcript}
    entries = baseline.entries if baseline else ()
    cut_off = bool(transcript.options.get("stopped") or transcript.options.get("interrupted"))
    stale = tuple(e for e in entries if not cut_off and _stale(e, verdict[e.requirement], exchanges))
    expired = tuple(entry for entry in entries if entry.expired(today) and entry not in stale)
    used: dict[Entry, None] = {}
    excused: set[str] = set()
    new: list[New] = []
    for outcome in verdict.outcomes:
        if outcome.state is not State.FAILED:
            continue
        keys = keys_of(outcome, exchanges)
        mine = [entry for entry in entries if entry.requirement == outcome.requirement.id]
        valid = [entry for entry in mine if entry not in expired]
        used.update((entry, None) for entry in valid if any(_names(entry, k) for k in keys))
        if all(any(_names(entry, k) for entry in valid) for k in keys):
            excused.add(outcome.requirement.id)
        unnamed = tuple(k for k in keys if not any(_names(entry, k) for entry in mine))
        if unnamed and verdict.counts(outcome):
            new.append(New(outcome.requirement.id, unnamed))
    conclusion, sentence = verdict.setting_aside(excused)
    code = EXIT_OF[conclusion]
    held_up = (stale and not allow_stale) or expired
    if held_up and code in (Exit.CONFORMANT, Exit.INCONCLUSIVE) and not verdict.trouble:
        code = Exit.NONCONFORMANT
    counted = 0 if allow_stale else len(stale)
    told = _sentence(conclusion, sentence, len(used), len(new), counted, len(expired)) if baseline else sentence
    return Gate(
        passed=code is Exit.CONFORMANT,
        exit_code=code,
        sentence=told,
        baseline=baseline.path if baseline else None,
        known=tuple(used),
        new=tuple(new),
        stale=stale,
        expired=expired,
        excused=frozenset(excused),
        stale_allowed=allow_stale,
    )


def keys_of(outcome: Outcome, exchanges: Mapping[str, Exchange]) -> tuple[str, ...]:
    """The keys of an outcome's findings, each once, in their order."""
    return tuple(dict.fromkeys(key(finding, exchanges.get(finding.exchange)) for finding in outcome.findings))


def present(verdict: Verdict, transcript: Transcript, gate: Gate) -> list[Entry]:
    """Entries for the failures that count and that no entry covers, with a reason still to be written.

    Findings are named one by one; the whole requirement where there are more than `MANY`, or where they come and go.
    """
    exchanges = {exchange.name: exchange for exchange in transcript}
    made: list[Entry] = []
    for failure in gate.new:
        outcome = verdict[failure.requirement]
        doubtful = outcome.requirement.whim or any(finding.intermittent for finding in outcome.findings)
        if doubtful or len(keys_of(outcome, exchanges)) > MANY:
            made.append(Entry(failure.requirement, TODO, intermittent=doubtful))
        else:
            made.extend(Entry(failure.requirement, TODO, finding=k) for k in failure.findings)
    return made


def _names(entry: Entry, key_: str) -> bool:
    return entry.finding is None or entry.finding == key_


def _stale(entry: Entry, outcome: Outcome, exchanges: Mapping[str, Exchange]) -> bool:
    """True where what it names was judged and did not fail."""
    if entry.intermittent or outcome.state not in (State.PASSED, State.FAILED):
        return False
    if entry.finding is None:
        return outcome.state is State.PASSED
    if entry.finding in keys_of(outcome, exchanges):
        return False
    asked = entry.finding.partition(" @ ")[0]
    return any(probe(exchanges[name]) == asked for name in outcome.judged if name in exchanges)


def _sentence(conclusion: Conclusion, sentence: str, known: int, new: int, stale: int, expired: int) -> str:
    counted = [(new, "new failure"), (stale, "stale entry"), (expired, "expired entry")]
    wrong = [_count(number, words) for number, words in counted if number]
    beside = f"{_count(known, 'known failure')} set aside"
    if conclusion in (Conclusion.ERROR, Conclusion.INCONCLUSIVE):
        return f"The gate fails: {', '.join([*wrong, str(conclusion)])}, {beside}. {sentence}"
    if wrong:
        return f"The gate fails: {', '.join(wrong)}; {beside}."
    return f"The gate passes: no new failure, {beside}."


def _count(number: int, words: str) -> str:
    if number == 1:
        return f"1 {words}"
    return f"{number} {words[:-1]}ies" if words.endswith("y") else f"{number} {words}s"


__all__: Sequence[str] = ["Gate", "New", "decide", "expired_sentence", "keys_of", "present", "stale_sentence"]
