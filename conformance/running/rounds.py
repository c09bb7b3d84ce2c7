"""Judging again and again while somebody mends a server (`watch`).

One thread decides and holds all that changes; others only tell it something: a recording that goes on, the files that
are watched, the port of the target, the keys. A round sends first what showed what fails, and then everything: only
then it is known that something is mended. One that is overtaken by another is given up.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from conformance.judging.verdict import State
from conformance.probes.flow import Phase
from conformance.report.report import Report
from conformance.report.rounds import Doing, Seen
from conformance.running import started
from conformance.running.run import Stop, run
from conformance.running.started import Started
from conformance.settings.options import Options, UsageError
from conformance.transcript.exchange import Ending

LOOK = 0.2
"""Seconds between two looks at the port."""
SHOWN_BY = 2
"""The most flows that are sent first to see whether a requirement still fails."""
ASKED = "you asked for it"
_AT_WORK = (Doing.FAILED, Doing.ALL)


@dataclass(slots=True)
class Rounds:
    """The rounds; one owner of the server and of what is known."""

    options: Options
    show: Callable[[Seen], None]
    keep: Callable[[Report], None]
    """Keeps the report of a whole round."""
    server: Started | None = None
    seen: Seen = field(default_factory=Seen)
    events: queue.SimpleQueue[tuple[str, Any]] = field(default_factory=queue.SimpleQueue)
    _stop: Stop | None = None
    _before: frozenset[str] = frozenset()
    """What failed when this round began."""
    _due: str = ""
    """Why there will be a round as soon as somebody listens; empty: there is no reason to."""
    _showing: dict[str, frozenset[str]] = field(default_factory=dict)
    """Id of a requirement to the names of the flows that showed last that it fails, where fixed ones did."""
    _serial: int = 0
    """Of the recording under way; what an older one tells is not heard."""

    def follow(self, failing: Iterable[str] = (), rounds: int | None = None) -> None:
        """Judge, and again for each reason to, until somebody ends it (a `quit` event, KeyboardInterrupt).

        Args:
            failing: what failed before.
            rounds: whole rounds after which to end; None: never.
        """
        self.seen = replace(self.seen, failing=tuple(failing))
        looking = threading.Event()
        threading.Thread(target=self._look, args=(looking,), name="port", daemon=True).start()
        try:
            self._restart("the start")
            while rounds is None or self.seen.number < rounds or self.seen.doing is not Doing.RESTING:
                kind, told = self.events.get()
                if kind == "quit":
                    break
                self._hear(kind, told)
        finally:
            looking.set()
            self._give_up()
            if self.server is not None:
                self.server.stop()

    def _look(self, ended: threading.Event) -> None:
        """Tell when the port comes back, or goes away. Whether somebody listens while recording, the recording sees."""
        there: bool | None = None
        while not ended.wait(LOOK):
            if self.seen.doing in _AT_WORK:
                there = None
                continue
            now = self._listens()
            if now and (self._due or there is False):
                self.events.put(("back", None))
            elif not now:
                self.events.put(("away", None))
            there = now

    def _listens(self) -> bool:
        return started.listens(self.options.url or "", self.options.unix_socket)

    def _hear(self, kind: str, told: Any) -> None:
        working = self.seen.doing in _AT_WORK
        match kind:
            case "files":
                self._restart(f"{told} changed")
            case "back" if not working and self._listens():  # it may have been restarted since
                self._begin(self._due or "the server is back")
            case "away" if not working:
                self._miss()
            case "all" | "failed" if not working and not self._listens():
                if self.server is None or self.server.ended is not None:  # else it is on its way
                    self._restart(ASKED)
            case "all":
                self._begin(ASKED, everything=True)
            case "failed":
                self._begin(ASKED, rest=False)
            case "progress" if told[0] == self._serial:
                self._tell(progress=told[1])
            case "judged" if told[0] == self._serial:
                self._take(*told[1:])
            case "problem" if told[0] == self._serial:
                self._tell(doing=Doing.RESTING, problem=told[1], progress=None)

    def _miss(self) -> None:
        """Nobody listens."""
        server = self.server
        if server is None or server.ended is None:
            if self.seen.doing is not Doing.WAITING:
                self._tell(doing=Doing.WAITING, progress=None)
        elif self.seen.doing is not Doing.GONE:
            told = f"Its exit status is {server.ended}; what it wrote is in {server.log}."
            self._tell(doing=Doing.GONE, problem=told, progress=None)

    def _restart(self, why: str) -> None:
        """Have a round as soon as the server listens, which is started anew where it is ours to start."""
        self._give_up()
        self._due = why
        self._tell(doing=Doing.WAITING, why=why, problem="", progress=None)
        if self.server is not None:
            self.server.start()

    def _begin(self, why: str, *, everything: bool = False, rest: bool = True) -> None:
        self._give_up()
        self._due = ""
        self._before = frozenset(self.seen.failing)
        self.seen = replace(self.seen, why=why, number=self.seen.number + 1, newly=(), mended=(), problem="")
        self._record(alone=bool(self._before) and not everything, rest=rest)

    def _record(self, *, alone: bool, rest: bool) -> None:
        ids = self._before if alone else frozenset[str]()
        named = None
        if alone and rest and (quick := ids & self._showing.keys()):  # what else fails shows in the rest
            ids, named = quick, frozenset().union(*(self._showing[id_] for id_ in quick))
        options = replace(self.options, only=tuple(sorted(ids)), skip=()) if alone else self.options
        self._serial += 1
        serial, stop = self._serial, Stop()
        self._stop = stop

        def work() -> None:
            try:
                made = run(options, lambda at: self.events.put(("progress", (serial, at))), stop, named=named)
            except Exception as error:
                said = str(error) if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
                self.events.put(("problem", (serial, said)))
            else:
                self.events.put(("judged", (serial, made, alone and rest)))

        self._tell(doing=Doing.FAILED if alone else Doing.ALL, progress=None)
        threading.Thread(target=work, name="round", daemon=True).start()

    def _take(self, report: Report, rest: bool) -> None:
        """Take in what was judged, and go on with everything where that is still to come."""
        if any(exchange.ending is Ending.REFUSED for exchange in report.transcript):
            self._restart_later()
            return
        self._showing |= showing(report)
        judged = {o.requirement.id: o.state for o in report.verdict.outcomes if o.state is not State.NOT_SELECTED}
        failing = [id_ for id_ in self.seen.failing if id_ not in judged]
        failing += [id_ for id_, state in judged.items() if state is State.FAILED]
        passed = {id_ for id_, state in judged.items() if state is State.PASSED}
        order = [o.requirement.id for o in report.verdict.outcomes if o.requirement.id in set(failing)]
        self._tell(
            report=report,
            failing=tuple(order),
            newly=tuple(id_ for id_ in order if id_ not in self._before),
            mended=tuple(sorted(self._before & passed)),
            progress=None,
        )
        if rest:
            self._record(alone=False, rest=False)
            return
        if len(judged) > len(self._before):
            self.keep(report)
        self._tell(doing=Doing.RESTING)

    def _restart_later(self) -> None:
        """Nobody listened for a while: what came before was of another server than what came after."""
        self._due = "the server went away meanwhile"
        self._tell(doing=Doing.WAITING, progress=None)

    def _give_up(self) -> None:
        """End a recording that is under way; nobody hears it any more."""
        self._serial += 1
        if self._stop is not None:
            self._stop.ask()
            self._stop = None

    def _tell(self, **changed: Any) -> None:
        self.seen = replace(self.seen, **changed)
        self.show(self.seen)


def showing(report: Report) -> Mapping[str, frozenset[str]]:
    """Ids of what fails to the names of a few flows that show it, the shortest ones, with those of their twins.

    What only generated bodies show is left out: no other run draws the same.
    """
    notes = {exchange.name: exchange.note for exchange in report.transcript}
    flow_of = {note.probe: note.flow for note in notes.values() if note.phase not in (Phase.GENERATED, Phase.REPLAY)}
    length = Counter(note.flow for note in notes.values())
    twins: dict[str, set[str]] = {}
    for note in notes.values():
        if note.twin in flow_of:
            twins.setdefault(note.flow, set()).add(flow_of[note.twin])
    found = {}
    for outcome in report.verdict.outcomes:
        probes = (notes[finding.exchange].probe for finding in outcome.findings if finding.exchange in notes)
        names = sorted({flow_of[probe] for probe in probes if probe in flow_of}, key=lambda name: (length[name], name))
        if chosen := names[:SHOWN_BY]:
            found[outcome.requirement.id] = frozenset(chosen).union(*(twins.get(name, ()) for name in chosen))
    return found


def watch_files(paths: Iterable[Path], tell: Callable[[str], None], ended: threading.Event) -> None:
    """Tell the name of a file that changed, each time that some did, until it is ended."""
    import watchfiles

    for changes in watchfiles.watch(*paths, stop_event=ended, debounce=400, rust_timeout=200, yield_on_timeout=False):
        names = sorted({Path(path).name for _, path in changes})
        tell(names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more")
