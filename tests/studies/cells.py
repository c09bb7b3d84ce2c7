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

from conformance.contract.approval_states import TRANSITIONS, Transition
from conformance.contract.classify import LONG_REQUEST_ID
from conformance.evidence.decisions import transition
from conformance.evidence.evidence import Evidence
from conformance.evidence.reading import Reading
from conformance.transcript import har_reader

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
