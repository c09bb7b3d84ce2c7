"""Area accept: valid requests are served.

Which requirement a request belongs to is read off its body (`contract.classify.acceptance`); generated ones have
requirements of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from conformance.checks.check import each
from conformance.checks.rules.acceptance import UNLESS, accepted
from conformance.contract.catalogue import load
from conformance.contract.classify import CHAT, Due, classify, is_usual
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Unjudged
from conformance.evidence.json_values import get, objects
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


def _open_for_its_id(reading: Reading) -> bool:
    """True where nothing is unusual about a request but its `request_id`."""
    asked, evidence = reading.asked, reading.evidence
    if asked.due is not Due.OPEN or asked.resume or asked.request_id is None or is_usual(asked.request_id):
        return False
    plain = {**asked.body, "metadata": {**asked.metadata, "request_id": "plain"}}
    would_be = classify(
        "POST", CHAT, {"content-type": "application/json"}, json.dumps(plain).encode(),
        model=evidence.model, modes=evidence.modes, shape=evidence.shape,
    )  # fmt: skip
    return would_be.due is Due.ACCEPT and with_own_token(reading) and not reading.left


def _tells_the_form(reading: Reading) -> Unjudged | None:
    """A refusal that says of what form a `request_id` has to be: the documentation names none, so a server may."""
    told = " ".join(str(get(reading.error, member)) for member in ("code", "message"))
    told = told.replace(reading.asked.request_id or "\0", "")
    if not (reading.refused_status and _ID.search(told) and _FORM.search(told)):
        return None
    return reading.unjudged("the error says of what form a `request_id` has to be, which is open")


_ID = re.compile(r"request.?id|\bid\b|identifiant", re.IGNORECASE)
_FORM = re.compile(
    r"\d|charact|caract|length|long|short|court|empty|blank|vide|ascii|letters|lettres|printable|pattern|regex|match"
    r"|at (?:most|least)|max|min|uuid|header|unicode|utf|encod|space|espace",
    re.IGNORECASE,
)

_unusual_ids = last.where(_open_for_its_id).unless(excused, _tells_the_form, *UNLESS)


_OF_IDS = "accept.metadata"
"""Judges a `request_id` of unusual form, too, unless the error says what form it wants."""


def _named(requirement: str) -> Selection:
    """Valid requests that are this requirement's by their body, generated ones aside."""
    own = valid.among(lambda r: r.asked.requirement == requirement and not r.generated)
    return own | _unusual_ids if requirement == _OF_IDS else own


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
