"""Requirements and probes of one's own, beside KiteMesh's.

The page `python` of `kitemesh-conformance help` shows one, with an id such as `x-acme.region-header`.

Whoever registers it in a program or in a `conftest.py`, or names it by an entry point of the group
`kitemesh_conformance.requirements` (see `conformance.running.discovery`), finds it wherever KiteMesh's are: in the
verdict, on the terminal, in every report, in the lists of `requirements` and `explain`, with `--only x-acme` and
`::x-acme`, in a baseline.

Ids begin with `x-` and the extension's name. No area of KiteMesh's contract has a dash in its name, nor will one ever
have, so neither can take a name of the other; and a reader sees at once who asks for it.

An extension's MUST counts in the verdict as any other. Such a verdict covers more than KiteMesh's contract: the
report says so, `results.json` names the extension, and no badge is written. `--skip x-acme` judges KiteMesh's contract
alone, in full scope.

A check is a pure function of what was recorded: it opens no socket and reads no clock. What an extension's probes send
is judged by KiteMesh's requirements too, as everything that travels is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypedDict, Unpack

from conformance.checks import check
from conformance.checks.check import Check, JudgeOne
from conformance.contract.catalogue import CatalogueError, Level, load
from conformance.evidence.answer import Words
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Judged, Unjudged
from conformance.evidence.place import NOWHERE, STATUS, Place
from conformance.evidence.reading import Reading
from conformance.evidence.select import Selected, Selection, served, served_json, served_streams
from conformance.probes.catalogue import OUTSIDE
from conformance.probes.flow import CHAT, RESUME, Answer, Compose, Flow, Phase, Send, Steps, encode, single
from conformance.probes.plan import Plan
from conformance.settings.options import UsageError

Probes = Callable[[Plan], Iterable[Flow]]
Select = Callable[[Evidence], Selected]
_PHASES = (Phase.CALM, Phase.CONCURRENT, Phase.HOSTILE)
"""Those that an extension's probes may be sent in; the others have an order of their own."""


@dataclass(frozen=True, slots=True)
class _Registration:
    """One requirement: its row in the catalogue, and how its check is registered."""

    row: dict[str, Any]
    put: Callable[[], object]


class Facts(TypedDict, total=False):
    """What else can be said of a requirement; what is not said is as it is with most."""

    conditional: bool
    """True: a sound server need never do what it speaks of: unexercised, it leaves nothing open."""
    capability: str
    """What judging it takes: `approvals`, `second-token`, `wait-expiry`."""
    quick: bool
    """False: `--depth quick` does not send what exercises it."""
    executes: bool
    """True: judging it executes a tool, so that `--no-execute` leaves it out."""
    concurrent: bool
    """True: it shows only while several requests are under way, so that `--concurrency 1` leaves it out."""
    costly: bool
    """True: its check takes long, so that it is judged only where it is wanted."""
    absorbed_by: list[str]
    """Requirements that speak of the same fault in general: where one of them failed, this one says nothing."""
    rare: str
    """What did not come about where a whole run does not show it: nothing that anybody has to mend."""


class Extension:
    """Requirements from outside, in an area of their own. It is complete once it is registered."""

    def __init__(self, name: str, *, title: str, source: str) -> None:
        """Take what its reports say of it.

        Args:
            name: small letters and digits, a letter first: `acme` makes ids such as `x-acme.region-header`.
            title: what the requirements are about, in a few words.
            source: where they are documented.
        """
        self.area = f"x-{name}"
        """The area of its requirements."""
        self.title = title
        self.source = source
        self._rules: list[_Registration] = []
        self._probes: list[Probes] = []

    def __repr__(self) -> str:
        return f"<Extension {self.area}: {self.title}>"

    # --- requirements

    def each(
        self,
        name: str,
        *,
        level: Level | str,
        statement: str,
        why: str,
        fix: str,
        of: Select,
        whim: bool = False,
        **facts: Unpack[Facts],
    ) -> Callable[[JudgeOne], JudgeOne]:
        """A requirement on one exchange at a time; decorates the function that judges one.

        That function takes a `Reading` and yields a `breach` for each thing that is wrong with it, or
        `reading.unjudged("why")` where it cannot tell. Where it yields nothing, the exchange holds.

        Args:
            name: words with dashes, the part of the id after the stop.
            level: `MUST` or `SHOULD`.
            statement: a full sentence about the server.
            why: why it matters, and who gets hurt.
            fix: what a server's author should do, in one sentence.
            of: the exchanges to judge: `answered`, `served`, `served_json`, `served_streams`, or `Extension.sent(…)`.
            whim: True: a model's whim can break it, so it fails only where two of up to three tries show it.
            facts: what else is known of it, see `Facts`.
        """
        id_ = f"{self.area}.{name}"
        row = _row(id_, level, statement, why, fix, {"whim": whim, **facts})

        def decorate(judge: JudgeOne) -> JudgeOne:
            self._add(_Registration(row, lambda: check.each(id_, Selection(of))(judge)))
            return judge

        return decorate

    def over_all(
        self,
        name: str,
        *,
        level: Level | str,
        statement: str,
        why: str,
        fix: str,
        **facts: Unpack[Facts],
    ) -> Callable[[Check], Check]:
        """A requirement that compares exchanges; decorates the function that judges all of them.

        That function takes the `Evidence` and yields, for each exchange that it looks at, a `breach`, `Judged(name)`,
        or `reading.unjudged("why")`. The arguments are those of `each`.
        """
        id_ = f"{self.area}.{name}"
        row = _row(id_, level, statement, why, fix, facts)

        def decorate(judge: Check) -> Check:
            self._add(_Registration(row, lambda: check.over_all(id_)(judge)))
            return judge

        return decorate

    # --- probes

    def probes(self, make: Probes) -> Probes:
        """Decorates a function that takes the run's `Plan` and gives the flows to send beside KiteMesh's probes.

        Names of flows and requests get the extension's area in front (`x-acme-…`), and the flows its area. Requests go
        to the two documented endpoints, in the phases calm, concurrent or hostile.
        """
        self._hold_open()
        self._probes.append(make)
        return make

    def sent(self, *names: str, among: Select | None = None) -> Select:
        """Selects the exchanges of this extension's own probes.

        Args:
            names: of the requests, as the probe's author gave them; none: all.
            among: the selection to take them from; None: `answered`.
        """
        wanted = {self._named(name) for name in names}

        def chosen(evidence: Evidence) -> Selected:
            for item in (among or answered)(evidence):
                name = item.name if isinstance(item, Reading) else item.exchange
                note = evidence.by_name[name].note if name in evidence.by_name else None
                if note is not None and note.area == self.area and (not wanted or note.probe in wanted):
                    yield item

        return chosen

    def _flows(self, plan: Plan) -> Iterator[Flow]:
        for make in self._probes:
            for flow in make(plan):
                if flow.phase not in _PHASES:
                    raise UsageError(
                        f"The probe {flow.name!r} of {self.area} is of the phase {flow.phase}; it must be "
                        f"{', '.join(_PHASES)}."
                    )
                yield replace(flow, name=self._named(flow.name), area=self.area, steps=self._steps(flow))

    def _steps(self, flow: Flow) -> Callable[[int], Steps]:
        def steps(round_: int) -> Steps:
            inner = flow.steps(round_)
            try:
                asked = next(inner)
                while True:
                    sends = self._own(asked) if isinstance(asked, Send) else [self._own(send) for send in asked]
                    asked = inner.send((yield sends))
            except StopIteration:
                return
            finally:
                inner.close()

        return steps

    def _own(self, send: Send) -> Send:
        if send.endpoint not in (CHAT, RESUME):
            raise UsageError(f"A probe of {self.area} asks at {send.endpoint!r}; it must be {CHAT!r} or {RESUME!r}.")
        return replace(send, name=self._named(send.name))

    def _named(self, name: str) -> str:
        return name if name.startswith(f"{self.area}-") else f"{self.area}-{name}"

    # --- the registry

    def _add(self, rule: _Registration) -> None:
        self._hold_open()
        self._rules.append(rule)

    def _hold_open(self) -> None:
        if _REGISTERED.get(self.area) is self:
            raise UsageError(f"The extension {self.area} is registered already; say all of it before.")

    def _enter(self) -> None:
        load().extend(self.area, self.title, self.source, [rule.row for rule in self._rules])
        for rule in self._rules:
            rule.put()
        OUTSIDE[self.area] = self._flows

    def _leave(self) -> None:
        load().drop(self.area)
        for rule in self._rules:
            check.forget(rule.row["id"])
        del OUTSIDE[self.area]


_REGISTERED: dict[str, Extension] = {}
"""Area to the extension; the one owner of what `_enter` and `_leave` change."""
_LOCK = threading.Lock()


def register(extension: Extension) -> None:
    """Judge by an extension's requirements from now on, in this process. No run may be under way.

    Registering the same one again does nothing.

    Raises:
        UsageError: something about it is wrong, or another one has its name.
    """
    with _LOCK:
        if _REGISTERED.get(extension.area) is extension:
            return
        try:
            extension._enter()
        except CatalogueError as error:
            raise UsageError(f"The extension {extension.area} cannot be used: {error}.") from None
        _REGISTERED[extension.area] = extension


@contextmanager
def registered(extension: Extension) -> Iterator[None]:
    """Judge by them while the context lasts, for an extension's own tests.

    Raises:
        UsageError: see `register`.
    """
    register(extension)
    try:
        yield
    finally:
        with _LOCK:
            extension._leave()
            del _REGISTERED[extension.area]


# --- what checks are written with


def answered(evidence: Evidence) -> Selected:
    """Every answer, whatever its status; of a request that was sent again the last one.

    One that excuses itself (a rate limit, an intermediary, the network) is not judged.
    """
    for reading in evidence.last:
        if reading.response is None or reading.left:
            continue
        yield reading if reading.excuse is None else reading.unjudged(reading.excuse, excused=True)


def breach(reading: Reading, message: str, expected: str, observed: Any, place: Place = NOWHERE) -> Finding:
    """What is wrong with an exchange; which requirement it breaks is added by whoever runs the check.

    Args:
        reading: the exchange.
        message: one line, without the server's own text.
        expected: what the requirement asks for.
        observed: what came: a text as it is, any other value as JSON.
        place: where: `Place("/kitemesh/region")` is a JSON Pointer, `Place(header="X-Acme-Region")` a header field,
            `Place.of(event)` an event of a stream, `STATUS` the status line.
    """
    return reading.finding(message, expected, Words(observed) if isinstance(observed, str) else observed, place)


def _row(
    id_: str, level: Level | str, statement: str, why: str, fix: str, facts: Mapping[str, object]
) -> dict[str, Any]:
    return {"id": id_, "level": str(level), "statement": statement, "why": why, "fix": fix, **facts}


__all__ = [
    "STATUS", "Answer", "Compose", "Evidence", "Extension", "Finding", "Flow", "Judged", "Phase", "Place", "Plan",
    "Reading", "Send", "Steps", "Unjudged", "Words", "answered", "breach", "encode", "register", "registered", "served",
    "served_json", "served_streams", "single",
]  # fmt: skip
