"""A run that never took place: what reports, the plugin and the command line are tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from conformance.contract.catalogue import Side, load
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.place import Place
from conformance.judging.gate import decide as decide_gate
from conformance.judging.selecting import known_failures
from conformance.judging.verdict import RequirementSelection, decide
from conformance.report.report import Report
from conformance.settings.options import Options
from conformance.transcript.exchange import (
    Credential,
    Ending,
    Exchange,
    Piece,
    ProbeNote,
    Request,
    Response,
    Transcript,
)

TODAY = date(2026, 9, 21)
"""The day on which every made-up run takes place."""
STARTED = 1_790_000_000.0
"""Unix seconds."""
URL = "http://127.0.0.1:9/v1"
MODEL = "group:123e4567-e89b-42d3-a456-426614174000"
NASTY = "\x1b[31mred\x1b[0m \u202etxt.exe\x00 | `tick` <script>alert(1)</script> [a](http://b) \ud800 _x_"
"""What a hostile target could send."""
REPORTS = {"report.html", "results.json", "summary.md", "transcript.har", "vectors.json"}
"""What is written of every run; of some, a badge too."""


def exchange(
    name: str = "minimal",
    body: bytes | None = b'{"model":"m"}',
    *,
    method: str = "POST",
    url: str = f"{URL}/chat/completions",
    headers: Sequence[tuple[str, str]] = (("Content-Type", "application/json"), ("Authorization", "Bearer ********")),
    credential: Credential = Credential.OWN,
    answer: str = "application/json",
    note: ProbeNote | None = None,
) -> Exchange:
    response = Response(200, (("Content-Type", answer),), b"{}", headers_at=0.1, pieces=(Piece(0.1, 2),))
    request = Request(method, url, tuple(headers), body, credential)
    return Exchange(name, request, response, Ending.COMPLETE, 1_790_000_000.25, 0.2, note=note or ProbeNote())


def finding(requirement: str, **more: object) -> Finding:
    values: dict[str, object] = {
        "exchange": "minimal",
        "message": "the end is missing",
        "expected": "an event [DONE]",
        "observed": NASTY,
        "place": Place(event=3, byte=812),
    }
    return Finding(requirement=requirement, **{**values, **more})  # type: ignore[arg-type]


@dataclass
class World:
    """How each requirement of a made-up run comes out; what is not named passes."""

    broken: Mapping[str, int] = field(default_factory=dict)
    """Id to its number of findings."""
    unseen: Mapping[str, str] = field(default_factory=dict)
    """Id to the reason for which it was not exercised."""
    errors: Mapping[str, str] = field(default_factory=dict)
    interrupted: bool = False
    asked: list[Options] = field(default_factory=list)
    """The options of each run."""

    def run(self, options: Options, progress: object = None) -> Report:
        self.asked.append(options)
        catalogue = load().of(Side.SERVER)
        items: dict[str, list[Item]] = {r.id: [Judged("minimal")] for r in catalogue}
        for id_, count in self.broken.items():
            items[id_] = [finding(id_) for _ in range(count)]
        for id_, reason in self.unseen.items():
            items[id_] = [Unjudged(reason)]
        chosen = {r.id for r in catalogue.select(options.only)} if options.only else {r.id for r in catalogue}
        chosen -= {r.id for r in catalogue.select(options.skip)}
        selected = frozenset(chosen) if len(chosen) < len(catalogue) else None
        verdict = decide(
            catalogue, items, RequirementSelection(options.strict, selected), errors=self.errors, excused=(0, 12)
        )
        transcript = Transcript((exchange(),), {"suite": "made up", "model": options.model}, "made up")
        gate = decide_gate(verdict, transcript, known_failures(options), today=TODAY, allow_stale=options.allow_stale)
        return Report(
            options=options,
            evidence=Evidence(transcript),
            verdict=verdict,
            gate=gate,
            started=STARTED,
            ended=STARTED + 1.9,
            interrupted=self.interrupted,
            seed=7,
            credits=12.0,
        )


def report(options: Options | None = None, **world: object) -> Report:
    return World(**world).run(options or Options(url=URL, model=MODEL, token="km_secret_token"))  # type: ignore[arg-type]
