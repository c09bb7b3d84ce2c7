"""Area client: what a client sends, and what it decides on an approval.

A finding's place is in the *request*. All this is read off any recording; what a client sends again is judged in
`client_retries`, how a command ends in `client_ends`. On a face of the server that breaks something, nothing is judged
that a client may have copied out of its answers.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

from conformance.checks.check import each, over_all
from conformance.checks.rules.sent import CLOCKS, field, lost, of_client, on_fault, posts
from conformance.contract.authority import PORTS
from conformance.contract.classify import Due
from conformance.evidence.answer import Words
from conformance.evidence.approvals import Given, expired, given
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item, Judged, Unjudged
from conformance.evidence.json_values import objects, utc
from conformance.evidence.place import URL, Place
from conformance.evidence.reading import Reading
from conformance.evidence.select import when
from conformance.transcript.exchange import Credential, Ending

# --- what is sent


def _of_another_type(reading: Reading) -> Unjudged | None:
    broken = of_client(reading).requirement == "reject.media-type"
    return reading.unjudged("the body is not called JSON", by="client.media-type") if broken else None


_bodies = posts.where(lambda r: not (r.asked.resume and on_fault(r))).unless(
    when(lambda r: r.exchange.request.body is None, "the transcript does not have the request's body"),
    when(lambda r: field(r, "content-encoding") not in (None, "identity"), "the request's body has a content coding"),
    _of_another_type,
)


@each("client.request-valid", _bodies)
def request_valid(reading: Reading) -> Iterator[Finding]:
    """Every body is one that the request schema allows; what the documentation leaves open holds."""
    asked = of_client(reading)
    if asked.due is not Due.REFUSE:
        return
    seen = asked.reason.removeprefix(f"{asked.pointer}: ") if asked.pointer else asked.reason
    yield reading.finding(
        "the request's body breaks the request schema" if asked.pointer else "the request's body is not what is asked",
        "a body that the schema of requests allows",
        Words(seen),
        Place(pointer=asked.pointer, words="" if asked.pointer else "body", request=True),
    )


@each("client.media-type", posts.unless(when(lambda r: not r.exchange.request.headers, "no header field is known")))
def media_type(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`Content-Type` says `application/json`; parameters and letter case do not matter (RFC 9110, section 8.3.1)."""
    told = field(reading, "content-type")
    if told is None and not reading.evidence.own:
        yield reading.unjudged("the transcript has no Content-Type of the request, and may have lost it")
    elif told is None or told.split(";")[0].strip().lower() != "application/json":
        expected = "Content-Type: application/json"
        observed = Words("no such field" if told is None else f"Content-Type: {told}"[:200])
        yield reading.finding("the request's body is not sent as JSON", expected, observed, _in_field("Content-Type"))


def _in_field(name: str) -> Place:
    return Place(header=name, request=True)


_NO_TOKEN = {
    Credential.NONE: "no Authorization field",
    Credential.EMPTY: "a scheme with nothing after it",
    Credential.OTHER_SCHEME: "another scheme than Bearer",
    Credential.NEVER_ISSUED: "another token than the one that it was given",
    Credential.NEARLY_OWN: "another token than the one that it was given",
}


_to_its_origin = posts.where(lambda r: _led_away(r) is None)


@each("client.token", _to_its_origin)
def token(reading: Reading) -> Iterator[Finding | Unjudged]:
    """The token comes as `Authorization: Bearer …`; the scheme's letter case does not matter."""
    told = field(reading, "authorization")
    observed = _NO_TOKEN.get(reading.whose)
    if observed is None and reading.whose is Credential.UNSTATED:
        if told is None:
            yield reading.unjudged("the transcript has no Authorization field, and may have lost it")
            return
        if not re.match(r"bearer[ \t]+\S", told.strip(), re.IGNORECASE):
            observed = _NO_TOKEN[Credential.OTHER_SCHEME]
    if observed is not None:
        yield reading.finding(
            "the request does not bear the token", "Authorization: Bearer <token>", Words(observed),
            _in_field("Authorization"),
        )  # fmt: skip


@over_all("client.token-nowhere-else")
def token_nowhere_else(evidence: Evidence) -> Iterator[Item]:
    """The token is in `Authorization` alone, and follows no redirect to another origin."""
    for reading in evidence.all:
        found = [*_held(reading), *_taken_along(reading)]
        yield from found
        if reading.exchange.request.held is None and not found:
            yield reading.unjudged("the transcript does not show the token, so nothing can be looked for")
        elif not found:
            yield Judged(reading.name)


def _held(reading: Reading) -> Iterator[Finding]:
    held = reading.exchange.request.held
    message, expected = "the token stands outside of Authorization", "the token in Authorization, and nowhere else"
    if held is None:
        return
    if held.url:
        yield reading.finding(message, expected, Words("the token in the URL"), URL)
    for name in held.headers:
        yield reading.finding(message, expected, Words(f"the token in {name}"), _in_field(name))
    for at, length in held.body:
        place = Place(byte=at, request=True)
        yield reading.finding(message, expected, Words("the token in the body"), place, span=(at, length))


def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port (RFC 6454, section 4)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", url, None
    return parts.scheme, parts.hostname or "", port or PORTS.get(parts.scheme)


def _redirects(evidence: Evidence) -> dict[str, list[Reading]]:
    """The answers that point to another origin, by where they point to."""
    if "redirects" not in evidence.memo:
        found: dict[str, list[Reading]] = defaultdict(list)
        for reading in evidence.all:
            where = reading.response.header("location") if reading.response else None
            if where is None or reading.status is None or not 300 <= reading.status < 400:
                continue
            try:
                target = urljoin(reading.exchange.request.url, where)
            except ValueError:
                continue
            if not _same_or_safer(_origin(reading.exchange.request.url), _origin(target)):
                found[target].append(reading)
        evidence.memo["redirects"] = found
    return cast(dict[str, list[Reading]], evidence.memo["redirects"])


def _same_or_safer(one: tuple[str, str, int | None], other: tuple[str, str, int | None]) -> bool:
    """True for the same origin, and for the same host once it is reached by TLS at the usual port."""
    return one == other or (one[1] == other[1] and (one[0], other[0]) == ("http", "https") and other[2] == 443)


def _led_away(reading: Reading) -> Reading | None:
    """The answer that sent this request to another origin; None where none did."""
    before = _redirects(reading.evidence).get(reading.exchange.request.url, ())
    return next((r for r in before if r.ended <= reading.started and r.note.flow == reading.note.flow), None)


def _taken_along(reading: Reading) -> Iterator[Finding]:
    bearing = reading.whose is Credential.OWN or (
        reading.whose is Credential.UNSTATED and bool((field(reading, "authorization") or "").strip())
    )
    led = _led_away(reading)
    if led is not None and bearing:
        yield reading.finding(
            "the token follows a redirect to another origin",
            "no Authorization field in a request to another origin",
            Words(f"it is sent to where {led.name} was redirected"),
            _in_field("Authorization"),
        )


# --- what is decided on an approval

_resumes = posts.where(lambda r: r.asked.resume and not on_fault(r)).unless(
    when(lambda r: r.exchange.request.body is None, "the transcript does not have the request's body"),
    when(
        lambda r: of_client(r).due is Due.REFUSE, "the body breaks the request schema", by="client.request-valid"
    ),
)  # fmt: skip


def _bare(id_: Any) -> str:
    """An id without what libraries for UUIDs spell in their own ways (contract, "Left open")."""
    return re.sub(r"[-{}\s]", "", id_.lower().strip().removeprefix("urn:uuid:")) if isinstance(id_, str) else ""


def _approval(reading: Reading) -> str:
    """The approval that a resume names."""
    return _bare(reading.asked.body.get("approval_id"))


def _known(reading: Reading) -> Given | None:
    memo = reading.evidence.memo
    if "approvals by bare id" not in memo:
        memo["approvals by bare id"] = {_bare(id_): one for id_, one in given(reading.evidence).items()}
    return cast("dict[str, Given]", memo["approvals by bare id"]).get(_approval(reading))


def _unknown_here(reading: Reading) -> Unjudged | None:
    """An approval that came before the recording began, or in an answer that it does not have."""
    if _known(reading) is not None or reading.evidence.own:
        return None
    return reading.unjudged("the transcript does not have the answer that asked for the approval")


def _decisions(reading: Reading) -> Iterator[tuple[str, str]]:
    """JSON Pointer and id of each call that a resume decides on, the id as `_bare` gives it."""
    body = reading.asked.body
    approved = body.get("approved_tool_execution_ids")
    for number, id_ in enumerate(approved if isinstance(approved, list) else []):
        if isinstance(id_, str):
            yield f"/approved_tool_execution_ids/{number}", _bare(id_)
    for number, denied in objects(body.get("denied_tools")):
        if isinstance(id_ := denied.get("tool_execution_id"), str):
            yield f"/denied_tools/{number}/tool_execution_id", _bare(id_)


def _calls(approval: Given) -> dict[str, str]:
    """The calls that wait: id as `_bare` gives it, to the id as it came; none where the answer does not tell all."""
    ids = [call.get("id") for call in approval.by.calls]
    if not all(isinstance(id_, str) for id_ in ids) or not approval.by.whole:
        return {}
    return {_bare(id_): str(id_) for id_ in ids}


@each("client.resume-matches", _resumes.unless(_unknown_here))
def resume_matches(reading: Reading) -> Iterator[Finding]:
    """A resume names an approval that was given, and of the calls only those that wait for it."""
    approval = _known(reading)
    if approval is None:
        yield reading.finding(
            "the resume names an approval that no answer gave",
            "the approval_id of an answer",
            reading.asked.body.get("approval_id"),
            Place(pointer="/approval_id", request=True),
        )
        return
    waiting = _calls(approval)
    for pointer, id_ in _decisions(reading):
        if waiting and id_ not in waiting:
            expected = f"an id of the calls in {approval.by.name}"
            message = "the resume decides on a call that does not wait for this approval"
            yield reading.finding(message, expected, id_, Place(pointer=pointer, request=True))


def _stranger(reading: Reading) -> Unjudged | None:
    return None if _known(reading) else reading.unjudged("no answer gave this approval", by="client.resume-matches")


_decided = _resumes.unless(_unknown_here, _stranger)


@each("client.resume-decides", _decided.where(lambda r: (known := _known(r)) is not None and _calls(known)))
def resume_decides(reading: Reading) -> Iterator[Finding]:
    """Each call that waits is named once, in one of the two lists."""
    approval = _known(reading)
    assert approval is not None  # says the selection
    places: dict[str, list[str]] = defaultdict(list)
    for pointer, id_ in _decisions(reading):
        places[id_].append(pointer)
    for id_, spelled in _calls(approval).items():
        found = places[id_]
        if len(found) > 1:
            lists = {pointer.split("/")[1] for pointer in found}
            message = "one call is both approved and denied" if len(lists) > 1 else "one call is named twice"
            yield reading.finding(
                message,
                "each call in one list, once",
                Words(" and ".join(found)),
                Place(pointer=found[1], request=True),
            )
        elif not found:
            yield reading.finding(
                "a call that waits is left undecided",
                f"{spelled} in approved_tool_execution_ids or denied_tools",
                Words("in neither"),
                Place(pointer="/approved_tool_execution_ids", request=True),
            )


def _no_end(reading: Reading) -> Unjudged | None:
    known = _known(reading)
    return (
        None if known and known.expires is not None else reading.unjudged("the approval does not say when it expires")
    )


@each("client.resume-in-time", _decided.unless(_no_end))
def resume_in_time(reading: Reading) -> Iterator[Finding]:
    """No resume is sent after `expires_at`, by the server's clock; the two clocks may differ by a second."""
    approval = _known(reading)
    if approval is not None and approval.expires is not None and expired(approval, reading, CLOCKS):
        observed = Words(f"sent at {utc(reading.started)}")
        place = Place(pointer="/approval_id", request=True)
        yield reading.finding("the approval had expired", f"a resume before {utc(approval.expires)}", observed, place)


@over_all("client.resume-once")
def resume_once(evidence: Evidence) -> Iterator[Item]:
    """No resume of an approval follows one whose answer was lost, or was 5xx: it may have been carried out."""
    resumes: dict[str, list[Reading]] = defaultdict(list)
    for reading in sorted(posts.readings(evidence), key=lambda r: r.started):
        if reading.asked.resume and _approval(reading):
            resumes[_approval(reading)].append(reading)
    for sent in resumes.values():
        for earlier in sent:
            if not _perhaps_carried_out(earlier):
                continue
            later = next((r for r in sent if r.started >= earlier.ended and r is not earlier), None)
            yield Judged(earlier.name)
            if later is not None:
                yield later.finding(
                    "the approval is resumed again, though it may have been carried out",
                    "no second resume where the outcome of the first is not known",
                    Words(f"{earlier.name} came to {earlier.told}"),
                    Place(pointer="/approval_id", request=True),
                )


def _perhaps_carried_out(reading: Reading) -> bool:
    if reading.exchange.ending in (Ending.REFUSED, Ending.TLS, Ending.TIMED_OUT_CONNECTING):
        return False
    if not reading.evidence.own and reading.response is None:
        return False  # another recorder may have lost the answer that the client got
    return lost(reading) or reading.failed_to_serve
