"""The score of the suite: what it made of all mutants, by depth, by group, by operator and by requirement."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from conformance.proving.mutants import curve
from conformance.proving.mutants.pairs import Pair
from conformance.proving.mutants.trial import Fate, Result
from conformance.settings.options import Depth

KILLED: Mapping[Depth, float] = {Depth.QUICK: 0.85, Depth.STANDARD: 0.97, Depth.DEEP: 0.99}
"""The share of mutants that each depth has to kill."""
RIGHT = 0.97
"""The share of killed mutants that have to be blamed on what they break."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of some mutants at one depth."""

    right: int
    wrong: int
    through: int

    @property
    def all(self) -> int:
        """How many there are."""
        return self.right + self.wrong + self.through

    @property
    def killed(self) -> float:
        """The share that was blamed on anything."""
        return (self.right + self.wrong) / self.all if self.all else 1.0

    @property
    def rightly(self) -> float:
        """The share of the killed that was blamed right."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0


@dataclass(frozen=True, slots=True)
class Score:
    """What the suite made of them."""

    results: tuple[Result, ...]
    pairs: tuple[Pair, ...]
    requests: Mapping[Depth, int]
    """Exchanges of each recording."""
    seed: int
    seconds: float
    version: str
    """Of the suite."""
    enumerated: int
    """How many mutants there are. Where not all were tried, nothing is said of what has to be reached."""
    orders: Mapping[Depth, curve.Order] = field(default_factory=dict)
    """In which order each depth sends its requests."""

    @property
    def whole(self) -> bool:
        """Whether all were tried."""
        return len(self.results) == self.enumerated

    @property
    def counted(self) -> list[Result]:
        """Those that something has to be blamed for."""
        return [result for result in self.results if result.trials and not result.free]

    @property
    def free(self) -> list[Result]:
        """Those that the documentation leaves open, or that nobody can see."""
        return [result for result in self.results if result.trials and result.free]

    @property
    def alike(self) -> int:
        """How many change nothing in any recording: they are the conforming server."""
        return sum(1 for result in self.results if not result.trials)

    @property
    def alarms(self) -> list[Result]:
        """Those that break nothing, and were blamed."""
        return [result for result in self.free if fate(result, Fate.FALSE_ALARM)]

    @property
    def errors(self) -> list[Result]:
        """Those that the suite itself failed on."""
        return [result for result in self.results if fate(result, Fate.BROKEN)]

    @property
    def curves(self) -> dict[Depth, curve.Curve]:
        """For each depth how many of those that count are blamed right after how many requests."""
        return {
            depth: curve.of([places(result, depth, order) for result in self.counted], len(order))
            for depth, order in self.orders.items()
        }

    @property
    def reached(self) -> bool:
        """Whether each depth kills as many as it has to, and blames them right."""
        tallies = {depth: tally(self.counted, depth) for depth in Depth}
        return all(one.killed >= KILLED[depth] and one.rightly >= RIGHT for depth, one in tallies.items())

    @property
    def holds(self) -> bool:
        """True where the suite got everything right that it has to."""
        sound = not self.alarms and not self.errors and all(pair.caught and not pair.added for pair in self.pairs)
        return bool(self.results) and sound and (self.reached or not self.whole)


def fate(result: Result, wanted: Fate) -> bool:
    """Whether any depth made this of it."""
    return any(trial.fate is wanted for trial in result.trials.values())


def places(result: Result, depth: Depth, order: curve.Order) -> int | None:
    """After how many requests it is blamed right at a depth; None: it is not."""
    trial = result.trials.get(depth)
    return curve.place(trial.shown, order) if trial is not None and trial.fate is Fate.RIGHT else None


def tally(results: Iterable[Result], depth: Depth) -> Tally:
    """What came of these at a depth."""
    counts = Counter(result.trials[depth].fate for result in results if depth in result.trials)
    return Tally(counts[Fate.RIGHT], counts[Fate.WRONG], counts[Fate.THROUGH])


def rows(results: Iterable[Result], by: Callable[[Result], str]) -> dict[str, dict[Depth, Tally]]:
    """The tallies of each class of mutants, at every depth, in the order in which the classes come."""
    classes: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        classes[by(result)].append(result)
    return {name: {depth: tally(those, depth) for depth in Depth} for name, those in classes.items()}


def operator(result: Result) -> str:
    """Its group and operator, without where in a schema it was applied."""
    return f"{result.group}: {result.operator.partition('(')[0]}"


def requirement(result: Result) -> str:
    """The requirement that it was blamed on, or has to be: the first of those that its rule names."""
    named = result.requirements.split()
    failed = [id_ for depth in Depth for id_ in result.trials[depth].failed]
    return next((id_ for id_ in failed if id_ in named), named[0] if named else "")


@dataclass(frozen=True, slots=True)
class Family:
    """Mutants of one kind and operator, or place, that went the same way."""

    what: str
    count: int
    told: str
    examples: tuple[str, ...]


def families(results: Sequence[Result], depth: Depth, wanted: Fate) -> list[Family]:
    """Those of this fate, gathered by kind, operator and what failed; the largest first."""
    found: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        trial = result.trials.get(depth)
        if trial is not None and trial.fate is wanted:
            what = f"{result.group} of {result.kind}, {result.operator.partition('(')[0]}"
            failed = ", ".join(trial.failed)
            told = failed or ("no answer shows it" if not trial.reached else "nothing failed")
            found[what, told].append(result)
    made = [
        Family(what, len(those), told, tuple(result.name for result in those[:3]))
        for (what, told), those in found.items()
    ]
    return sorted(made, key=lambda family: (-family.count, family.what))


def matrix(results: Iterable[Result], depth: Depth) -> dict[str, list[str]]:
    """Probe to the mutants that its answers show, at a depth."""
    found: dict[str, list[str]] = defaultdict(list)
    for result in results:
        trial = result.trials.get(depth)
        if trial is not None and trial.fate in (Fate.RIGHT, Fate.WRONG):
            for probe in trial.killers:
                found[probe].append(result.name)
    return dict(found)


def needless(kills: Mapping[str, Sequence[str]], probes: Iterable[str]) -> list[str]:
    """Probes that kill nothing that no other does, found one after the other, the ones that kill least first."""
    left = Counter(name for names in kills.values() for name in names)
    found = []
    for probe in sorted(probes, key=lambda probe: (len(kills.get(probe, ())), probe)):
        if all(left[name] > 1 for name in kills.get(probe, ())):
            found.append(probe)
            left.subtract(kills.get(probe, ()))
    return found
