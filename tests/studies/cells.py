"""Which kinds of answers a standard run exercises: a table of what was seen, and a list of what was not.

    python -m studies.cells TRANSCRIPT.har

A kind is what was answered (standard, cut by a limit, an approval of one call or of several, resumed, a further round,
an error), in JSON or as a stream; with a `request_id`, without one, with a long one or one beyond ASCII; and what came
before: nothing, others at the same time, a client that left, a refusal. Whether a connection was used before is not
recorded: resumes come on new ones, all else on such as were used, if there are any. Decisions on approvals are told by
the table of their states (`conformance.contract.approval_states`).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from conformance.checks.decisions import decision
from conformance.contract.approval_states import TRANSITIONS, Ask, State, Transition, ask, spent
from conformance.contract.classify import LONG_REQUEST_ID, Due
from conformance.evidence.approvals import Given, approval_of, expired, given, spent_by
from conformance.evidence.evidence import Evidence
from conformance.evidence.reading import Reading
from conformance.transcript import har_reader
from conformance.transcript.exchange import Credential

KINDS = ("standard", "cut", "approval of one", "approval of several", "resumed", "resumed, cut", "further", "error")
FORMS = ("JSON", "stream")
IDS = ("with an id", "without", "long id", "id beyond ASCII")
BEFORE = ("first", "with others", "after one that left", "after a refusal", "after an answer")


def kind(reading: Reading) -> str:
    """What was answered; empty for what is none of these."""
    if reading.refuses:
        return "error"
    if not reading.accepted:
        return ""
    if reading.waits:
        return "further" if reading.asked.resume else f"approval of {'one' if len(reading.calls) == 1 else 'several'}"
    cut = reading.cut_short
    return ("resumed, cut" if cut else "resumed") if reading.asked.resume else "cut" if cut else "standard"


def id_of(reading: Reading) -> str:
    """What kind of id the request has."""
    asked = reading.asked.request_id
    if asked is None:
        return "without"
    if not asked.isascii():
        return "id beyond ASCII"
    return "long id" if len(asked) > LONG_REQUEST_ID else "with an id"


def before(reading: Reading, earlier: Reading | None) -> str:
    """What came before a request."""
    if not reading.alone:
        return "with others"
    if earlier is None:
        return "first"
    if earlier.left:
        return "after one that left"
    return "after a refusal" if earlier.refuses else "after an answer"


def transition(reading: Reading) -> Transition | None:
    """The cell of the table of approvals that a resume is in; None for what is refused before that."""
    if not reading.asked.resume or reading.due not in (Due.ACCEPT, Due.OPEN):
        return None
    found = given(reading.evidence).get(approval_of(reading) or "")
    asked = _ask(reading, found)
    return TRANSITIONS[_state(reading, found), asked]


def _ask(reading: Reading, found: Given | None) -> Ask:
    decided = decision(reading)
    return ask(decided.approves, decided.denies, found.calls if found else None)


def _state(reading: Reading, found: Given | None) -> State:
    if found is None:
        return State.UNKNOWN
    if reading.whose is Credential.SECOND:
        return State.ANOTHERS
    if (before_it := spent_by(found, reading)) is not None and not before_it.overlaps(reading):
        return spent(_ask(before_it, found))
    if expired(found, reading):
        return State.EXPIRED
    return State.FURTHER if found.by.asked.resume else State.WAITING


def told(evidence: Evidence) -> Iterator[str]:
    """The tables."""
    ids: Counter[tuple[str, str, str]] = Counter()
    places: Counter[tuple[str, str, str]] = Counter()
    cells: Counter[tuple[Transition, bool]] = Counter()
    earlier: Reading | None = None
    for reading in sorted(evidence.last, key=lambda reading: reading.started):
        what, form = kind(reading), FORMS[reading.asked.stream]
        if what:
            ids[what, form, id_of(reading)] += 1
            places[what, form, before(reading, earlier)] += 1
        if (cell := transition(reading)) is not None:
            cells[cell, reading.asked.stream] += 1
        earlier = reading
    for columns, seen in ((IDS, ids), (BEFORE, places)):
        yield f"{'':28}" + "".join(f"{column:>20}" for column in columns)
        for what in KINDS:
            for form in FORMS:
                counts = "".join(f"{seen[what, form, column] or '-':>20}" for column in columns)
                yield f"{what + ', ' + form:28}{counts}"
        yield ""
    for cell in TRANSITIONS.values():
        if not cell.why_not:
            in_json, streamed = cells[cell, False], cells[cell, True]
            yield f"{cell.state + ', ' + cell.ask:28}{in_json or '-':>20}{streamed or '-':>20}"


if __name__ == "__main__":
    print("\n".join(told(Evidence(har_reader.load(Path(sys.argv[1]))))))
