"""Area robust: hostile input, and life after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from conformance.checks.check import REPEATED, each, judge_each, over_all
from conformance.checks.rules.acceptance import UNLESS, accepted
from conformance.contract.classify import Due
from conformance.evidence import acts
from conformance.evidence.acts import Act
from conformance.evidence.answer import Words
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.place import STATUS, Place
from conformance.evidence.reading import Reading
from conformance.evidence.residue import BROKEN, abandoned, residue
from conformance.evidence.select import excused, last
from conformance.probes.flow import Phase
from conformance.transcript.exchange import TIMED_OUT, Ending

LARGE = 1_000_000
"""Octets of a request's body that count as large."""
LASTS = 10.0
"""Seconds after hostile bodies in which trouble is looked for that one of them may have caused."""
SUSPICION = 0.1
"""Trouble after many bodies at once makes each a suspect where chance would cause it less often than this."""


def _unanswered(reading: Reading) -> bool:
    """True for a server error, silence and a dropped connection."""
    return reading.status is None or reading.failed_to_serve or not reading.whole


def _edge_untold(reading: Reading) -> Unjudged | None:
    """What is not answered, and not, as far as can be told, for its hostile JSON."""
    ending, silent = reading.exchange.ending, reading.exchange.ending in TIMED_OUT
    if not _unanswered(reading):
        return None
    if ending is Ending.CUT or not (silent or reading.status is None or reading.failed_to_serve):
        return reading.unjudged("the body is incomplete", by="http.complete")
    if not silent and not reading.evidence.served_meanwhile(reading.tries[0], reading):
        return reading.unjudged(f"{reading.told}, and nothing else was served either", excused=True)
    if any(tried.status is not None and not tried.failed_to_serve for tried in reading.tries):
        return reading.unjudged("answered differently in another try", excused=True)
    return None if silent else _by_accident(reading)


def _by_accident(reading: Reading) -> Unjudged | None:
    if not acts.by_accident(reading):
        return None
    return reading.unjudged(f"{reading.told}, which any request gets now and then")


_edges = last.where(lambda r: r.asked.edge and r.note.left_after is None).unless(_edge_untold)


def _edge(reading: Reading) -> Iterator[Finding]:
    """What is answered by a server error, by nothing or by hanging up, time after time."""
    if not _unanswered(reading):
        return
    if reading.failed_to_serve:
        message = "hostile JSON causes a server error"
    elif reading.exchange.ending in TIMED_OUT:
        message = "hostile JSON is not answered"
    else:
        message = "hostile JSON makes the server drop the connection"
    times = len(reading.tries)
    seen = Words(f"{reading.told}, {times} time{'s' if times > 1 else ''} out of {times}")
    yield reading.finding(f"{message} ({reading.asked.reason})", "an answer below 500", seen, STATUS)


@over_all("robust.json-edges")
def json_edges(evidence: Evidence) -> Iterator[Item]:
    """An answer (no 5xx, no hang, no dropped connection) to JSON that readers stumble over, and to what follows it."""
    items = list(judge_each(_edges(evidence), _edge))
    yield from items
    yield from acts.judged(
        evidence,
        _bodies(evidence, items, lambda reading: reading.asked.edge),
        lambda act: _told_of_body(act, f"hostile JSON ({act.did.asked.reason})"),
    )


def _bodies(evidence: Evidence, items: Iterable[Item], wanted: Callable[[Reading], bool]) -> Iterator[Act]:
    """The bodies that were sent as an act, each with what followed; not those that are found to break on their own."""
    broken = {item.exchange for item in items if isinstance(item, Finding)}
    probes = {evidence.by_name[name].note.probe for name in broken}
    for reading in evidence.all:
        if reading.note.area != "robust" or reading.note.attempt > 1 or not wanted(reading) or reading.left:
            continue
        if reading.note.probe not in probes and (reading.response is not None or acts.failed(reading)):
            yield acts.act(reading, reading)


def _told_of_body(act: Act, what: str) -> Finding:
    seen = act.troubled[0]
    own = seen is act.did
    message = (
        f"{what} is not answered at first, each time that it is sent"
        if own
        else f"a minimal request right after {what} is not served, each time that it is sent"
    )
    expected = "an answer below 500" if own else "status 200"
    observed = Words(f"{seen.told}{'' if own else f' to {seen.name}'}")
    return act.did.finding(message, expected, observed, STATUS, yields_to=("accept.minimal",))


def _is_large(reading: Reading) -> bool:
    return len(reading.exchange.request.body or b"") >= LARGE and not reading.asked.edge


def _served_or_refused(reading: Reading) -> bool:
    return reading.accepted or reading.refuses


def _large_untold(reading: Reading) -> Unjudged | None:
    """What is neither served nor refused, and not, as far as can be told, for its size."""
    if _served_or_refused(reading):
        return None
    others_served = reading.evidence.served_meanwhile(reading.tries[0], reading)
    if reading.exchange.ending is Ending.RESET:
        if len(reading.tries) < 2 or not others_served:
            return reading.unjudged("the connection was reset", excused=True)
    elif reading.excuse is not None and not (reading.status in (502, 503, 504) and others_served):
        return excused(reading)
    return None if reading.exchange.ending in TIMED_OUT else _by_accident(reading)


_large = last.where(lambda r: _is_large(r) and not r.left).unless(_large_untold)


def _large_one(reading: Reading) -> Iterator[Finding]:
    """What a large body is answered by, other than 200 or a 4xx."""
    if not _served_or_refused(reading):
        yield reading.finding(
            "a large body is not answered with 200 or a 4xx",
            "200 or a 4xx",
            reading.told,
            STATUS,
            yields_to=reading.evidence.never_answered,
        )


@over_all("robust.large-body")
def large_body(evidence: Evidence) -> Iterator[Item]:
    """A body of 1 MiB is answered by 200 or a 4xx, and so is what follows it."""
    items = list(judge_each(_large(evidence), _large_one))
    yield from items
    yield from acts.judged(
        evidence,
        _bodies(evidence, items, _is_large),
        lambda act: _told_of_body(act, "a large body"),
    )


def _departures(evidence: Evidence) -> Iterator[Act]:
    """The client's leaving in the midst of streams, with what was asked right after."""
    return (acts.act(gone) for gone in abandoned(evidence) if len(acts.kin(gone)) > 1)


@over_all(BROKEN)
def disconnect(evidence: Evidence) -> Iterator[Item]:
    """The server keeps serving after a client leaves mid-stream, and gives each request its own answer."""
    for gone in abandoned(evidence):
        if not any(r.started >= gone.ended for r in acts.kin(gone)):
            yield gone.unjudged("no request was sent after the client had left")
    yield from acts.judged(evidence, _departures(evidence), _told_of_leaving)
    for reading in evidence.all:
        if (borne := residue(reading)) is not None:
            gone, mark = borne
            yield Judged(reading.name)
            yield reading.finding(
                f"the answer contains a part of the answer to {gone.name}, whose client had left",
                "an answer of its own",
                Words(mark),
                Place(words="body"),
                # Requests under way together that get each other's answers may do so with one that was left, too.
                yields_to=("isolation.answers", "isolation.streams", "isolation.content"),
            )


def _told_of_leaving(act: Act) -> Finding:
    seen = act.troubled[0]
    return seen.finding(
        f"a request after a client left mid-stream is not served ({act.did.name}), each time",
        "status 200",
        seen.told,
        STATUS,
        yields_to=("accept.minimal",),
    )


def _hostile_acts(evidence: Evidence) -> list[Act]:
    found = list(judge_each(_edges(evidence), _edge)) + list(judge_each(_large(evidence), _large_one))
    return list(_bodies(evidence, found, lambda reading: reading.asked.edge or _is_large(reading)))


def _doubts(evidence: Evidence) -> set[str]:
    """The flows of acts that are to be done again."""
    bodies = _hostile_acts(evidence)
    return acts.doubts(_departures(evidence)) | acts.doubts(bodies) | _suspects(evidence, bodies)


def _suspects(evidence: Evidence, bodies: list[Act]) -> set[str]:
    """The hostile bodies that were sent side by side, where trouble came among or soon after them."""
    first = [one.did for one in bodies if one.did.note.round == 1]
    if not first:
        return set()
    begun, over = min(r.started for r in first), max(r.ended for r in first) + LASTS
    among = [
        r
        for r in evidence.all
        if r.note.phase == "hostile"
        and (r.note.attempt, r.note.round) == (1, 1)
        and r.ended >= begun
        and r.started <= over
    ]
    met = [r for r in among if (acts.unserved(r) if r.due is Due.ACCEPT else acts.failed(r)) and not _fails_alone(r)]
    if not met or acts.tail(len(met), len(among), acts.accidents(evidence)) >= SUSPICION:
        return set()
    latest = max(r.ended for r in met)
    anew = {one.did.note.flow for one in bodies if one.did.note.round > 1}
    return {r.note.flow for r in first if r.started <= latest} - anew


def _fails_alone(reading: Reading) -> bool:
    """True for a hostile body that was never answered well: it may be the only one that suffers."""
    tries = reading.tries
    return reading.due is not Due.ACCEPT and all(acts.failed(r) for r in tries)


REPEATED.append(_doubts)


def _afterwards(reading: Reading) -> bool:
    """True for a minimal request of the last phase, but for one that was asked again when the target had recovered."""
    if reading.note.phase != Phase.RECOVER or reading.due is not Due.ACCEPT:
        return False
    asked = (reading.note.flow, reading.note.round)
    later = (r for r in reading.evidence.last if (r.note.flow, r.note.round) == asked and r.started > reading.started)
    return reading.taken or not any(later)


def _weather(reading: Reading) -> Unjudged | None:
    return None if reading.exchange.ending is Ending.REFUSED else excused(reading)


def _otherwise(reading: Reading) -> Unjudged | None:
    """What tells nothing of life after hostile input, where it does not tell of death."""
    if _no_longer_served(reading):
        return None
    return next((told for why in UNLESS if (told := why(reading)) is not None), None)


def _no_longer_served(reading: Reading) -> str:
    """What came of it all: server errors, or no connection; empty where neither did."""
    if reading.failed_to_serve and reading.evidence.admitted:
        return "a minimal request is no longer served"
    if reading.exchange.ending is Ending.REFUSED and (last_ := _under_way_at_the_end(reading.evidence)):
        return f"no connection has been accepted since {last_} got no answer"
    return ""


@each("robust.recovers", last.where(_afterwards).unless(_weather, _otherwise))
def recovers(reading: Reading) -> Iterator[Finding]:
    """A minimal request is served after all of the above."""
    if message := _no_longer_served(reading):
        general = reading.evidence.never_answered if reading.failed_to_serve else ()
        yield reading.finding(message, "status 200", reading.told, STATUS, yields_to=general)
    else:
        yield from accepted(reading)


def _under_way_at_the_end(evidence: Evidence) -> str:
    """The requests whose connections broke when the target stopped to listen: one of them may have brought it down."""
    refused = [r.exchange.started for r in evidence.all if r.exchange.ending is Ending.REFUSED]
    served = max((r.ended for r in evidence.all if r.status is not None), default=0.0)
    if not refused or served > max(refused):
        return ""
    since = min(started for started in refused if started >= served)
    broken = (r for r in evidence.all if r.exchange.ending is Ending.RESET and r.exchange.started <= since)
    return " and ".join(r.name for r in list(broken)[-3:] if r.ended >= served)
