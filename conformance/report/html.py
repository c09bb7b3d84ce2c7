"""report.html: the verdict as one page for a person who has three minutes.

One file that needs nothing beside it: no script, no font, no image from elsewhere, and a policy that would forbid them.
Whatever is printed goes through `_inert` and through Jinja's escaping, the target's text and the suite's own alike, so
that no template has to remember it. What is shown is bounded; should a page become too large nevertheless, it is made
again with less of everything.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from conformance.contract.catalogue import SOURCES, Level, contract_hash, load
from conformance.evidence.finding import Finding
from conformance.evidence.reading import Reading
from conformance.judging import reaching
from conformance.judging.gate import Gate, expired_sentence, stale_sentence
from conformance.judging.key import steady
from conformance.judging.result import Result
from conformance.judging.verdict import Conclusion, Outcome, State, Verdict
from conformance.report import latency, octets, tally, timeline
from conformance.report.breach import named
from conformance.report.curl import again
from conformance.report.location import Location, member, offence
from conformance.report.octets import Part
from conformance.report.remedy import remedy
from conformance.report.target import exchanges_by_name, of_somebody_else, target_model, target_name
from conformance.report.way import Way, way_of
from conformance.settings.version import VERSION
from conformance.transcript.excerpt import excerpt
from conformance.transcript.exchange import Ending, Exchange, Headers, Response

LARGEST = 2_000_000
"""Octets that a page may have."""

_SAFE_FIELDS = frozenset(
    {"host", "user-agent", "accept", "accept-encoding", "accept-language", "connection", "content-length"}
    | {"content-type", "transfer-encoding", "date"}
)
"""Request fields whose values the suite or its client chose. Another one came from `--header` and may hold a secret."""


@dataclass(frozen=True, slots=True)
class PageBounds:
    """How much is shown."""

    findings: int
    """Of one requirement."""
    in_all: int
    """Findings of all requirements together, though of each at least one."""
    text: int
    """Characters of a message, of what was expected and of what was observed."""
    beside: int
    """Octets on each side of the offending ones."""
    marked: int
    """Offending octets."""
    bodies: int
    """Octets of all bodies of the whole exchanges together."""
    body: int
    """Octets of one such body."""
    command: int
    """Characters of a `curl` line."""
    streams: int


BOUNDS = (
    PageBounds(5, 100, 400, 160, 600, 300_000, 6_000, 4_000, timeline.SHOWN),
    PageBounds(2, 40, 200, 80, 200, 60_000, 1_000, 1_000, 6),
    PageBounds(1, 0, 80, 20, 40, 0, 0, 0, 3),
)
"""From ample to scant: the first that gives a page within `LARGEST` is taken."""


class Sign(NamedTuple):
    """How an outcome is shown: a word and a shape, so that nobody has to tell colours apart."""

    key: str
    """Its class in the style sheet, and its column in `tally.Row`."""
    word: str
    symbol: str


KNOWN = Sign("left_out", "known", "–")
NEW = Sign("failed", "new", "✕")
STALE = Sign("warned", "stale", "!")
EXPIRED = Sign("warned", "expired", "!")
_ROWS = 50
"""Of the gate's table."""
PASSED = Sign("passed", "passed", "✓")
FAILED = Sign("failed", "failed", "✕")
WARNED = Sign("warned", "warning", "!")
BLOCKED = Sign("blocked", "blocked", "⊘")
OPEN = Sign("open", "not exercised", "?")
LEFT_OUT = Sign("left_out", "left out", "–")
ERROR = Sign("errors", "suite error", "⚠")
SIGNS = (FAILED, WARNED, ERROR, BLOCKED, OPEN, LEFT_OUT, PASSED)
"""What asks for attention first."""
_NAMED = 8
"""Exchanges of further findings that are named."""

_MEANING = {
    PASSED: "judged, and no breach was seen",
    FAILED: "a MUST was broken",
    WARNED: "a SHOULD was broken",
    BLOCKED: "another failure made it impossible to judge",
    OPEN: "nothing that came back could show it",
    LEFT_OUT: "an option left it out, or the target does not have the capability",
    ERROR: "the suite itself went wrong",
}
_BY_STATE = {
    State.PASSED: PASSED,
    State.BLOCKED: BLOCKED,
    State.NOT_EXERCISED: OPEN,
    State.NOT_SELECTED: LEFT_OUT,
    State.NOT_APPLICABLE: LEFT_OUT,
    State.ERROR: ERROR,
}
_CONCLUSIONS = {
    Conclusion.CONFORMANT: PASSED,
    Conclusion.NONCONFORMANT: FAILED,
    Conclusion.INCONCLUSIVE: OPEN,
    Conclusion.ERROR: ERROR,
}


@dataclass(frozen=True, slots=True)
class Whole:
    """One exchange, all of it as far as the bounds go."""

    request_line: str
    request_fields: Headers
    request_body: tuple[Part, ...]
    request_note: str
    status_line: str
    fields: Headers
    body: tuple[Part, ...]
    note: str
    """How it ended, and when."""


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """One finding, ready to be printed."""

    message: str
    intermittent: bool
    shrunk_from: str
    second_opinion: str
    expected: str
    observed: str
    place: str
    exchange: str
    lines: tuple[tuple[Part, ...], ...]
    """The part of the answer's header section that concerns the finding."""
    excerpt: tuple[Part, ...]
    """Of its body."""
    sent_lines: tuple[tuple[Part, ...], ...]
    """Of the request's header section, where the finding is in the request."""
    sent: tuple[Part, ...]
    """Of the request's body, where a member of it is the point, or ought to have been refused."""
    command: str
    whole: Whole | None


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken requirement."""

    outcome: Outcome
    sign: Sign
    shown: tuple[ShownFinding, ...]
    others: tuple[str, ...]
    """Exchanges that show it as well, the first of them."""
    left: int
    """Findings that are neither shown nor named."""
    accepted: str
    """Why the baseline accepts it; empty where it does not."""
    remedy: str
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class GateRow:
    """What the baseline says of one failure, or what it lacks."""

    sign: Sign
    requirement: str
    finding: str
    """Keys of the findings that are meant; empty: all of them."""
    told: str


@dataclass(frozen=True, slots=True)
class Area:
    """A row of the matrix, and the rows of the table below it."""

    row: tally.AreaTally
    title: str
    outcomes: tuple[tuple[Outcome, Sign], ...]
    broken: str
    """The area's first broken requirement, if any."""

    @property
    def strip(self) -> list[Sign]:
        """A sign for each requirement, what asks for attention first."""
        return sorted((sign for _, sign in self.outcomes), key=SIGNS.index)


def page(result: Result, files: Mapping[str, str] | None = None) -> str:
    """The whole page.

    Args:
        result: the run.
        files: what lies beside the page: relative URL to what it holds.
    """
    text = ""
    for bounds in BOUNDS:
        text = _render(result, bounds, files or {})
        if len(text.encode()) <= LARGEST:
            break
    return text


def sign_of(outcome: Outcome) -> Sign:
    """How an outcome is shown."""
    if outcome.state is State.FAILED:
        return FAILED if outcome.requirement.level is Level.MUST else WARNED
    return _BY_STATE[outcome.state]


def _render(result: Result, bounds: PageBounds, files: Mapping[str, str]) -> str:
    verdict = result.verdict
    areas, total = _areas(result), tally.total(verdict)
    failed = tally.broken(verdict)
    readings = timeline.streams(result.evidence)
    gate_rows = [*_gate_rows(result.gate)] if result.gate.baseline else []
    return _ENVIRONMENT.get_template("report.html.j2").render(
        result=result,
        verdict=verdict,
        target=target_name(result),
        model=target_model(result),
        sign=_CONCLUSIONS[verdict.conclusion],
        brief=_brief(result),
        total=total,
        areas=areas,
        columns=[s for s in (PASSED, *SIGNS[:-1]) if s in (PASSED, FAILED, WARNED) or getattr(total, s.key)],
        meaning=_MEANING,
        unjudged=[
            (_BY_STATE[state], state, why, [*_names(outcomes, verdict)])
            for (state, why), outcomes in tally.unjudged(verdict).items()
        ],
        errors=tally.errors(verdict),
        known=KNOWN,
        broken=_broken(failed, result, bounds),
        failed={outcome.requirement.id for outcome in failed},
        gate_rows=gate_rows[:_ROWS],
        more_gate_rows=len(gate_rows[_ROWS:]),
        sources=SOURCES,
        streams=len(readings),
        timelines=timeline.timelines(readings, (f for o in failed for f in o.findings), bounds.streams),
        distributions=latency.distributions(result.evidence),
        facts=_facts(result),
        files=files,
        version=VERSION,
    )


def _areas(result: Result) -> list[Area]:
    titles = load().areas
    by_area: dict[str, list[Outcome]] = {}
    for outcome in result.verdict.outcomes:
        by_area.setdefault(outcome.requirement.area, []).append(outcome)
    found = []
    for row in tally.rows(result.verdict):
        outcomes = by_area[row.area]
        broken = [outcome.requirement.id for outcome in outcomes if outcome.state is State.FAILED]
        signs = tuple((outcome, sign_of(outcome)) for outcome in outcomes)
        found.append(Area(row, titles.get(row.area, ""), signs, broken[0] if broken else ""))
    return found


def _names(outcomes: Sequence[Outcome], verdict: Verdict) -> Iterator[tuple[str, str]]:
    """What is to be read, and the id of the place in the page that it leads to; whole areas in one word.

    Of one that was not selected nothing else is listed: there is no such place.
    """
    for name in tally.names(outcomes, verdict).split(", "):
        area, whole, _ = name.partition(".* (")
        shown = any(o.state is not State.NOT_SELECTED for o in verdict.outcomes if o.requirement.area == area)
        yield name, (f"area-{area}" if shown else "") if whole else f"req-{name}"


def _brief(result: Result) -> list[str]:
    """What a reader asks first of a page: when, by what, how thoroughly, of what."""
    told = [_moment(result.started), f"kitemesh-conformance {VERSION}"]
    told += [] if of_somebody_else(result) else [f"depth {result.options.depth}"]
    return [*told, excerpt(target_name(result) or "unknown target", 200)]


def _facts(result: Result) -> list[tuple[str, str]]:
    excused, judged = result.excused
    recorded = of_somebody_else(result)
    options = {} if recorded else result.options.recorded()
    told = [f"{key.replace('_', ' ')}: {_said(value)}" for key, value in options.items() if key not in _TOLD_APART]
    return [
        ("Target", target_name(result) or "unknown"),
        ("Model", target_model(result) or "unknown"),
        ("Verdict", f"{result.verdict.conclusion}, exit code {int(result.exit_code())}"),
        *([] if recorded else [("Scope", result.verdict.scope)]),
        *([("Gate", f"{result.gate.sentence} Baseline: {result.gate.baseline}")] if result.gate.baseline else []),
        *([("Reached", reached)] if (reached := reaching.line(result.transcript.options)) else []),
        *([] if recorded else [("Depth", str(result.options.depth)), ("Seed", str(result.seed))]),
        ("Requests", f"{len(result.transcript):,}"),
        ("Excused", f"{excused:,} of {judged:,}"),
        ("Credits charged", f"{result.credits:g}"),
        ("Started", _moment(result.started)),
        ("Ended", f"{_moment(result.ended)}, after {timeline.duration(max(0.0, result.ended - result.started))}"),
        ("Suite", f"kitemesh-conformance {VERSION}"),
        ("Recorded by", result.transcript.creator or "unknown"),
        ("Contract", f"version {load().version}, SHA-256 {contract_hash()}"),
        *([("Options", "; ".join(told))] if told else []),
    ]


def _gate_rows(gate: Gate) -> Iterator[GateRow]:
    """What asks for something first."""
    for failure in gate.new:
        yield GateRow(
            NEW, failure.requirement, "; ".join(failure.findings[:3]), "The baseline does not name it: fix it."
        )
    for entry in gate.expired:
        yield GateRow(EXPIRED, entry.requirement, entry.finding or "", expired_sentence(entry))
    for entry in gate.stale:
        yield GateRow(STALE, entry.requirement, entry.finding or "", stale_sentence(entry))
    for entry in gate.known:
        told = [entry.reason, *([f"owner: {entry.owner}"] if entry.owner else [])]
        told += [f"accepted until {entry.expires}"] if entry.expires else []
        yield GateRow(KNOWN, entry.requirement, entry.finding or "", "; ".join(told))


_TOLD_APART = frozenset({"url", "model", "depth", "seed"})


def _said(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "not given" if value is None else "yes" if value else "no"
    return (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):  # a foreign transcript may claim any time
        return "unknown"


# --- findings


def _broken(failed: Sequence[Outcome], result: Result, bounds: PageBounds) -> list[Broken]:
    secret = set(result.options.recorded().get("headers", ()))
    way, exchanges = way_of(result.transcript), exchanges_by_name(result.transcript)
    each = max(1, min(bounds.findings, bounds.in_all // max(len(failed), 1)))
    body = min(bounds.body, bounds.bodies // max(2 * each * len(failed), 1))
    broken = []
    for outcome in failed:
        chosen, rest = _chosen(outcome.findings, each)
        shown = tuple(_shown(f, result.evidence.by_name.get(f.exchange), bounds, body, secret, way) for f in chosen)
        others = tuple(dict.fromkeys(excerpt(f.exchange, 80) for f in rest[:_NAMED]))
        accepted = result.gate.reason(outcome.requirement.id) or ""
        broken.append(
            Broken(outcome, sign_of(outcome), shown, others, len(rest[_NAMED:]), accepted, remedy(outcome, exchanges))
        )
    return broken


def _chosen(findings: Sequence[Finding], most: int) -> tuple[list[Finding], list[Finding]]:
    """The findings to show, and the rest: one of each kind, and two where there is but one kind.

    Steady ones come first, and of these the ones with the smallest bodies.

    What differs in numbers only, such as the event in which it was seen, is of one kind.
    """
    ordered = sorted(findings, key=lambda finding: (finding.intermittent, not finding.shrunk_from))
    kinds: dict[tuple[str, str, str], int] = {}
    for index, finding in enumerate(ordered):
        kinds.setdefault((finding.message, finding.expected, steady(finding.place)), index)
    chosen = [*kinds.values()]
    if len(chosen) == 1 and len(ordered) > 1:
        chosen.append(1)
    chosen = sorted(chosen[:most])
    return [ordered[n] for n in chosen], [f for n, f in enumerate(ordered) if n not in set(chosen)]


def _shown(
    finding: Finding, reading: Reading | None, bounds: PageBounds, body: int, secret: set[str], way: Way
) -> ShownFinding:
    where = offence(finding, reading) if reading else Location()
    answered = reading if reading and not where.request else None
    command = again(reading.exchange, way) if reading else ""
    return ShownFinding(
        message=_sentence(excerpt(finding.message, bounds.text)),
        intermittent=finding.intermittent,
        shrunk_from=excerpt(finding.shrunk_from, 120),
        second_opinion=excerpt(finding.second_opinion, bounds.text),
        expected=excerpt(finding.expected, bounds.text),
        observed=excerpt(finding.observed, bounds.text),
        place=excerpt(str(finding.place), bounds.text),
        exchange=excerpt(named(finding.exchange, reading.exchange if reading else None), 300),
        lines=_head(answered, where) if answered else (),
        excerpt=_excerpt(answered, where, bounds) if answered else (),
        sent_lines=_sent_head(reading.exchange, where, secret) if reading and where.request else (),
        sent=_sent(reading.exchange, finding, where, bounds) if reading else (),
        command=command if len(command) <= bounds.command else "",
        whole=_whole(reading, where, body, secret) if reading and body else None,
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _head(reading: Reading, where: Location) -> tuple[tuple[Part, ...], ...]:
    """The status line, and the header field where one is the point."""
    response = reading.response
    if response is None:
        return ((Part("lack", f"no answer: {_ending(reading.exchange)}"),),)
    lines: list[tuple[Part, ...]] = [(Part("mark" if where.status else "text", _status_line(response)),)]
    if where.field:
        fields = [(k, v) for k, v in response.headers if k.lower() == where.field.lower()]
        lines += [(Part("mark", excerpt(f"{name}: {value}")),) for name, value in fields[:3]]
        if not fields:
            lines.append((Part("lack", f"no {excerpt(where.field, 80)} field here"),))
    return tuple(lines)


def _excerpt(reading: Reading, where: Location, bounds: PageBounds) -> tuple[Part, ...]:
    """The offending octets and what is around them; of other answers the beginning."""
    body = _body(reading)
    if not body:
        return (Part("left", "an empty body"),) if reading.response and reading.response.body_known else ()
    if where.span is None:
        return octets.whole(body, 2 * bounds.beside)
    return octets.around(body, where.span, where.missing, bounds.beside, bounds.marked)


def _sent_head(exchange: Exchange, where: Location, secret: set[str]) -> tuple[tuple[Part, ...], ...]:
    """The request line, and the header field where one is the point."""
    request = exchange.request
    line = excerpt(f"{request.method} {request.url}", 1000)
    lines: list[tuple[Part, ...]] = [(Part("mark" if where.line else "text", line),)]
    if where.field:
        fields = [_field_sent(k, v, secret) for k, v in request.headers if k.lower() == where.field.lower()]
        lines += [(Part("mark", f"{name}: {value}"),) for name, value in fields[:3]]
        if not fields:
            lines.append((Part("lack", f"no {excerpt(where.field, 80)} field here"),))
    return tuple(lines)


def _sent(exchange: Exchange, finding: Finding, where: Location, bounds: PageBounds) -> tuple[Part, ...]:
    """The member of the request that breaks the schema, marked, and what is around it."""
    body = exchange.request.body or b""
    span, missing = (where.span, where.missing) if where.request else member(body, finding.asked)
    if span is None or not (where.request or finding.asked):
        return ()
    return octets.around(body, span, missing, bounds.beside, bounds.marked)


def _body(reading: Reading) -> bytes:
    """The answer's body; where its content coding cannot be undone, as it came."""
    return reading.body or (reading.response.body if reading.response else b"")


def _whole(reading: Reading, where: Location, most: int, secret: set[str]) -> Whole:
    request, response = reading.exchange.request, reading.response
    sent = request.body
    return Whole(
        request_line=f"{excerpt(request.method, 40)} {excerpt(request.url, 1000)}",
        request_fields=tuple(_field_sent(name, value, secret) for name, value in request.headers),
        request_body=octets.whole(sent, most, *((where.span, where.missing) if where.request else ())) if sent else (),
        request_note="" if sent else "not recorded" if sent is None else "empty",
        status_line=_status_line(response) if response else "",
        fields=tuple((excerpt(k, 120), excerpt(v, 1000)) for k, v in response.headers) if response else (),
        body=octets.whole(_body(reading), most, *(() if where.request else (where.span, where.missing))),
        note=_ending(reading.exchange),
    )


def _field_sent(name: str, value: str, secret: set[str]) -> tuple[str, str]:
    """A request's field as it is shown: a credential only ever as asterisks, a user's own field by name."""
    key = name.lower()
    if key == "authorization":
        scheme, blank, rest = value.partition(" ")
        return excerpt(name, 120), excerpt(f"{scheme}{blank}{'*' * len(rest)}" if blank else "*" * len(value), 200)
    if key not in _SAFE_FIELDS or name in secret:
        return excerpt(name, 120), "(not shown: it may hold a secret)"
    return excerpt(name, 120), excerpt(value, 1000)


def _status_line(response: Response) -> str:
    return excerpt(f"{response.http_version} {response.status} {response.reason}".rstrip(), 200)


_ENDINGS = {
    Ending.COMPLETE: "The body ended as its framing says.",
    Ending.CUT: "The connection was closed before the end that the framing announced.",
    Ending.RESET: "The connection was reset.",
    Ending.REFUSED: "No connection could be made.",
    Ending.TLS: "The TLS handshake failed.",
    Ending.GARBAGE: "The answer is not HTTP, or is framed in a way that clients refuse.",
    Ending.TIMED_OUT_CONNECTING: "No connection within the time allowed.",
    Ending.TIMED_OUT_FIRST_BYTE: "No first byte within the time allowed.",
    Ending.TIMED_OUT_IDLE: "No further byte within the time allowed.",
    Ending.TIMED_OUT_TOTAL: "No end within the time allowed.",
    Ending.TOO_LARGE: "The suite stopped reading at its size limit.",
    Ending.LEFT: "The suite left on purpose.",
    Ending.UNSTATED: "The transcript does not say how it ended.",
}


def _ending(exchange: Exchange) -> str:
    said = f" ({excerpt(exchange.error, 200)})" if exchange.error else ""
    took = f" It took {timeline.duration(exchange.finished)}." if exchange.finished > 0 else ""
    return f"{_ENDINGS[exchange.ending]}{said}{took}"


# --- printing


def _inert(value: object) -> object:
    """Whatever a template prints, so that nothing can be hidden or moved; markup that was made here stays."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return "?"
    return octets.lines(value) if isinstance(value, str) else value


def _prose(text: str) -> Markup:
    """The suite's own words, with what stands between backticks as code."""
    spans = octets.lines(text).split("`")
    if len(spans) % 2 == 0:  # one of them is not a delimiter
        return Markup("{}").format("`".join(spans))
    return Markup("").join(Markup("<code>{}</code>").format(s) if n % 2 else s for n, s in enumerate(spans))


def _linked(text: str, ids: Collection[str]) -> Markup:
    """A sentence in which the names of broken requirements lead to their findings."""
    words = re.split(r"((?:x-)?[a-z][a-z0-9]*\.[a-z0-9-]+)", octets.lines(text))
    link = Markup('<a href="#broken-{0}">{0}</a>')
    return Markup("").join(link.format(word) if word in ids else word for word in words)


def _scale(seconds: float) -> str:
    """A time on a scale: `20 ms`, `2 s`."""
    return f"{seconds * 1000:g} ms" if seconds < 0.999 else f"{seconds:g} s"


_ENVIRONMENT = Environment(
    loader=PackageLoader("conformance.report"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_inert,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["prose"] = _prose
_ENVIRONMENT.filters["linked"] = _linked
_ENVIRONMENT.filters["duration"] = timeline.duration
_ENVIRONMENT.filters["excerpt"] = excerpt
_ENVIRONMENT.filters["scale"] = _scale
_ENVIRONMENT.filters["sign"] = sign_of
