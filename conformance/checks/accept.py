"""Area accept: valid requests are served.

Which requirement a request belongs to is read off its body (`contract.classify.acceptance`); generated ones have
requirements of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.check import each
from conformance.checks.rules.acceptance import UNLESS, accepted
from conformance.contract.catalogue import load
from conformance.contract.classify import Due
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding
from conformance.evidence.json_values import objects
from conformance.evidence.reading import Reading
from conformance.evidence.select import Selected, Selection, excused, last, when, with_own_token
from conformance.settings.vector import NATURAL


def _is_valid(reading: Reading) -> bool:
    """True for what chat completions must accept, under the good token as documented."""
    documented = with_own_token(reading) and not (reading.odd_scheme or reading.asked.resume)
    elsewhere = reading.note.area == "robust" or reading.as_client or reading.left
    return reading.due is Due.ACCEPT and documented and not elsewhere


valid = last.where(_is_valid).unless(
    excused,
    when(
        lambda r: not r.accepted and r.sharing_request_id,
        "another request had the same `request_id`",
        by="isolation.same-request-id",
    ),
    *UNLESS,
)


def _named(requirement: str) -> Selection:
    """Valid requests that are this requirement's by their body, generated ones aside."""
    return valid.among(lambda r: r.asked.requirement == requirement and not r.generated)


for _id in (*load().basic("accept"), "accept.unicode-edges"):
    if _id != "accept.roles":
        each(_id, _named(_id))(accepted)


def _with_tool_role(reading: Reading) -> bool:
    """True for a valid request with a message of the role `tool`, which a server may demand a history for."""
    open_ = reading.due is Due.OPEN and with_own_token(reading)
    return open_ and not (reading.asked.resume or reading.asked.edge or reading.generated) and "tool" in _roles(reading)


def _roles(reading: Reading) -> set[str]:
    return {str(message.get("role")) for _, message in objects(reading.asked.body.get("messages"))}


def _has_history(reading: Reading) -> bool:
    return any(message.get("tool_calls") for _, message in objects(reading.asked.body.get("messages")))


_tool_tries = last.where(_with_tool_role).unless(excused)


@Selection
def _of_tool_role(evidence: Evidence) -> Selected:
    """What was taken, a bare message or a well-formed history; where both were refused, the history stands for them."""
    tried: dict[bool, Reading] = {}
    for one in _tool_tries(evidence):
        if not isinstance(one, Reading):
            return (one,)
        if _has_history(one) not in tried or one.accepted:
            tried[_has_history(one)] = one
    taken = [reading for reading in tried.values() if reading.accepted]
    return taken or ([tried[True]] if len(tried) == 2 else [])


@each("accept.roles", _named("accept.roles") | _of_tool_role.unless(*UNLESS))
def roles(reading: Reading) -> Iterator[Finding]:
    """All four roles; for `tool` a bare message or a well-formed history, whichever the server takes."""
    yield from accepted(reading)


each("accept.generated", valid.among(lambda r: r.generated and r.note.breach == NATURAL))(accepted)
each("accept.any-valid", valid.among(lambda r: r.generated and r.note.breach != NATURAL))(accepted)
