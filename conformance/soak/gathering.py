"""All workers' accounts, put together: one owner, at the master, or in the one process there is.

Bounded: counts by requirement, one example of each, one series of memory for each worker, and the ids of the last
answers, which show where two workers got the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from conformance.contract.catalogue import Side
from conformance.evidence.finding import Finding, Item, Judged
from conformance.evidence.place import Place
from conformance.judging.verdict import Exit, RequirementSelection, Verdict, decide
from conformance.settings.options import Options
from conformance.soak.account import Account, NotAnAccount, read
from conformance.soak.ledger import Ledger, Sighting
from conformance.soak.load import Load, Role
from conformance.soak.window import CATALOGUE, CORE, JUDGED, BreachExample

SAMPLES = 240
"""Samples of memory that are kept of a worker; of more, every other one."""
IDS = 2**18
"""Ids of all workers, and executions, that there is room for: 8 MB each."""
MOST_NOTES = 12
FATES = 60


@dataclass(slots=True)
class Worker:
    """What is known of one worker."""

    number: int
    requests: int = 0
    exchanges: int = 0
    final: bool = False
    interrupted: bool = False
    stopped: str = ""
    memory: list[tuple[float, int]] = field(default_factory=list)
    """(seconds since the start, octets)."""

    def sample(self, at: float, octets: int) -> None:
        """Keep a sample, thinning the series where it grows long."""
        if octets:
            self.memory.append((round(at, 1), octets))
            if len(self.memory) > SAMPLES:
                del self.memory[1::2]


@dataclass(frozen=True, slots=True)
class KindTimes:
    """The times of one kind of answer; milliseconds."""

    name: str
    count: int
    per_second: float
    p50: float
    p95: float
    p99: float
    most: float


@dataclass(slots=True)
class Gathering:
    """What a soak has come to so far."""

    options: Options
    load: Load
    workers: dict[int, Worker] = field(default_factory=dict)
    requests: int = 0
    credits: float = 0.0
    exchanges: int = 0
    windows: int = 0
    held: float = 0.0
    fates: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    examples: dict[str, BreachExample] = field(default_factory=dict)
    across: dict[str, Finding] = field(default_factory=dict)
    """Requirement id to what two workers' answers show together; no exchange of it was kept."""
    errors: dict[str, str] = field(default_factory=dict)
    untold: int = 0
    forgotten: Counter[int] = field(default_factory=Counter)
    rows: tuple[KindTimes, ...] = ()
    started: float = 0.0
    """Unix seconds."""
    ended: float = 0.0
    interrupted: bool = False
    notes: list[str] = field(default_factory=list)
    trouble: str = ""
    """Why it says nothing as a whole, where it does."""
    _ids: Ledger = field(init=False)
    _executions: Ledger = field(init=False)

    def __post_init__(self) -> None:
        """Make room for ids where several workers tell theirs."""
        room = IDS if self.load.role is Role.MASTER else 1
        self._ids, self._executions = Ledger(room), Ledger(room)

    def take(self, message: object, at: float) -> None:
        """Take in a worker's account; `at` is in seconds since the start."""
        try:
            told = read(message)
        except NotAnAccount:
            self.note(
                "A message that is not a worker's account was ignored; "
                "anybody who can reach the master's port can send to it."
            )
            return
        worker = self.workers.setdefault(told.worker, Worker(told.worker))
        worker.requests += told.requests
        worker.exchanges += told.exchanges
        worker.final = worker.final or told.final
        worker.interrupted = worker.interrupted or told.interrupted
        worker.stopped = worker.stopped or told.stopped
        worker.sample(at, told.memory)
        self.requests += told.requests
        self.credits += told.credits
        self.exchanges += told.exchanges
        self.windows += told.windows
        self.held += told.held
        self.judged.update(told.judged)
        self.broken.update(told.broken)
        self.untold += told.untold
        self.forgotten[told.worker] = told.forgotten
        for name, count in told.fates.items():
            self.fates[name if name in self.fates or len(self.fates) < FATES else "others"] += count
        for id_, example in told.examples.items():
            self.examples.setdefault(id_, example)
        self.errors.update({id_: error for id_, error in told.errors.items() if id_ not in self.errors})
        if told.remark:
            self.note(f"Worker {told.worker}: {told.remark}.")
        if self.load.role is Role.MASTER:
            self._compare(told)

    def _compare(self, told: Account) -> None:
        """Find ids that two workers got."""
        for kind, value, request in told.ids:
            # JSON answers and streams have their ids from one source; executions have another.
            ledger = self._executions if kind.startswith("kitemesh") else self._ids
            here = Sighting(told.worker, request)
            before = ledger.first(value, here)
            if before is None or before.worker == told.worker:
                continue
            self.broken[kind] += 1
            what = "execution_id" if kind.startswith("kitemesh") else "id"
            self.across.setdefault(
                kind,
                Finding(
                    kind,
                    here.name,
                    f"the `{what}` of {before.name}, which another worker received, is used again",
                    f"an `{what}` of its own",
                    f"the same in both (64 bits of its hash: {value:016x})",
                    Place("/kitemesh/execution_id" if what == "execution_id" else "/id"),
                ),
            )

    def note(self, words: str) -> None:
        """Tell something once, and not too much."""
        if words not in self.notes and len(self.notes) < MOST_NOTES:
            self.notes.append(words)

    @property
    def stopped(self) -> bool:
        """True where no worker sends any more."""
        return bool(self.workers) and all(worker.stopped for worker in self.workers.values())

    @property
    def excused(self) -> tuple[int, int]:
        """How many requests got an answer that excuses itself or none in time, of how many."""
        count = sum(n for name, n in self.fates.items() if name.startswith(("excused", "no answer")))
        return count, sum(self.fates.values())

    def finding(self, id_: str) -> Finding | None:
        """The breach that is shown of a requirement."""
        example = self.examples.get(id_)
        return example.finding if example else self.across.get(id_)

    def verdict(self) -> Verdict:
        """The verdict, by the function that decides of a run too: on what was judged and on what has to be."""
        items: dict[str, list[Item]] = {}
        for id_, count in self.judged.items():
            items[id_] = [Judged(f"{count} exchanges")] if count else []
        for id_ in self.broken:
            found = self.finding(id_)
            items[id_] = [found or Finding(id_, "", "a breach without an example", "", "")]
        selected = {id_ for id_, found in items.items() if found} | (set(CORE) if self.load.users > 1 else set())
        if self.options.only or self.options.skip:
            selected &= self._wanted()
        return decide(
            CATALOGUE.of(Side.SERVER),
            items,
            RequirementSelection(strict=self.options.strict, selected=frozenset(selected), partial=True),
            errors={id_: error for id_, error in self.errors.items() if id_ in JUDGED},
            excused=self.excused,
            trouble=self.trouble or self._nothing(),
        )

    def _wanted(self) -> set[str]:
        only, skip = self.options.only, self.options.skip
        ids = {r.id for r in (CATALOGUE.select(only) if only else CATALOGUE)}
        return ids - ({r.id for r in CATALOGUE.select(skip)} if skip else set())

    def _nothing(self) -> str:
        """Why nothing is known, where no request was served."""
        if self.fates["served"]:
            return ""
        stopped = next((worker.stopped for worker in self.workers.values() if worker.stopped), "")
        if stopped:
            return f"No request was served: {stopped}."
        if self.fates:
            return (
                f"No request was served; most came to: {self.fates.most_common(1)[0][0]}. Check the token, the model "
                "and the address; run says more."
            )
        return "No request was sent, so nothing is known about the target."

    def exit_code(self) -> Exit:
        """The command line's exit code, as of a run: 3 suite error, 2 interrupted, 1 breached, 6 inconclusive, 0."""
        code = self.verdict().exit_code
        return code if code is Exit.SUITE_ERROR or not self.interrupted else Exit.INTERRUPTED

    def memory(self) -> Mapping[int, tuple[int, int, int]]:
        """Worker to its memory in octets: after a third of the time, at the end, and the maximum."""
        told = {}
        for number, worker in sorted(self.workers.items()):
            if worker.memory:
                warm = [octets for at, octets in worker.memory if at >= worker.memory[-1][0] / 3]
                told[number] = warm[0], warm[-1], max(octets for _, octets in worker.memory)
        return told


def rows(stats: Mapping[str, Any]) -> tuple[KindTimes, ...]:
    """The table of times from Locust's entries, by name, in the order given; those without a request are left out."""
    made = []
    for name, entry in stats.items():
        if entry.num_requests:
            times = [float(entry.get_response_time_percentile(share)) for share in (0.50, 0.95, 0.99, 1.0)]
            for low, high in pairwise(range(len(times))):  # Locust rounds the percentiles, and the maximum not
                times[high] = max(times[low], times[high])
            made.append(KindTimes(name, entry.num_requests, float(entry.total_rps), *times))
    return tuple(made)
