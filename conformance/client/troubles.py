"""Trouble that a client meets sooner or later: limits, outages, silence, streams that break off, lost answers.

A server in trouble is not a variation that a client has to bear: it need not succeed, but has to behave. Each trouble
names the requirement that shows on it. The reference server's faults break what *servers* owe; these do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from conformance.reference.behaviour import Behaviour, Headers
from conformance.reference.conditions import When, always, resume, streamed, unless
from conformance.reference.decision import Decision, Serve
from conformance.reference.incoming import Incoming
from conformance.reference.intake import BREACH, CRASH, UNAUTHENTICATED, UNKNOWN_MODEL, UNREADABLE, Refusal, refuse
from conformance.reference.making import (
    APPROVALS,
    DONE,
    SERVED,
    data_of,
    decides,
    event,
    heads,
    refuses,
    set_to,
    together,
    transmits,
    with_field,
)
from conformance.reference.transmission import Abort, Close, Hang, Out, Piece
from conformance.reference.variations.transport import imf_fixdate

LIMITED = Refusal(429, "rate_limit_error", "rate_limit_exceeded")
UNAVAILABLE = Refusal(503, "server_error", "upstream_unavailable")
FOR_GOOD = 3600.0
"""Seconds of silence: longer than any client is given."""
WAIT = 2
"""Seconds that `Retry-After` asks for: more than the first pause of those who do not read it."""
SOON = 3.0
"""The same as a date, which is rounded to seconds."""
BRIEF = 0.5
LATE = 3.0
"""An approval lasts for `BRIEF` seconds; the body of its answer comes `LATE` seconds after the head."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A server in trouble."""

    id: str
    summary: str
    shows: str
    """The requirement that a client can break on it."""
    behaviour: Behaviour
    hangs: bool = False
    """True where it falls silent for good."""


def _first(count: int, among: When = always) -> When:
    """The first sendings of each request, by its octets."""

    def holds(incoming: Incoming) -> bool:
        if not among(incoming):
            return False
        seen: dict[bytes, set[int]] = incoming.memory.setdefault(f"first-{id(holds)}", {})
        numbers = seen.setdefault(incoming.body, set())
        numbers.add(incoming.nth)  # a request may be asked about in several seams
        return len([nth for nth in numbers if nth <= incoming.nth]) <= count

    return holds


def _dated(incoming: Incoming, _: Serve) -> Decision:
    return refuse(incoming, LIMITED, "Slow down.", ("Retry-After", imf_fixdate(incoming.at + SOON)))


def _behind_half(*rest: Piece) -> Behaviour:
    """The first half of an answer, and then something else."""

    def cut(_: Incoming, pieces: list[Piece]) -> list[Piece]:
        outs = [piece for piece in pieces if isinstance(piece, Out)]
        if len(outs) > 1:
            return [*outs[: max(1, len(outs) // 2)], *rest]
        data = data_of(outs)
        return [Out(data[: len(data) // 2]), *rest]

    return together(transmits(cut, SERVED), _unmeasured)


_unmeasured = with_field("content-length", None, SERVED)
"""Without a length the body is chunked, and its end may stay away."""


def _streams(change: Callable[[Sequence[Out]], list[Piece]]) -> Behaviour:
    def cut(_: Incoming, pieces: list[Piece]) -> list[Piece]:
        return change([piece for piece in pieces if isinstance(piece, Out)])

    return transmits(cut, SERVED, streamed)


def _half(outs: Sequence[Out]) -> list[Piece]:
    return list(outs[: max(1, len(outs) // 2)])


def _within(outs: Sequence[Out]) -> list[Piece]:
    """As many events, and the beginning of one more."""
    kept = _half(outs)
    more = outs[len(kept)].data
    return [*kept, Out(more[: len(more) // 2])]


_FAILURE = event({"error": {"message": "The model went away.", "type": "server_error", "code": "server_error"}})


def _elsewhere(incoming: Incoming, status: int, headers: Headers) -> tuple[int, Headers]:
    """The same server by another name: loopback's name is another origin than its address (RFC 6454, section 4)."""
    host, _, port = (incoming.header("host") or "").partition(":")
    if host == "localhost":
        return status, headers
    return 307, [*headers, ("Location", f"http://localhost:{port}{incoming.path}")]


def _late(_: Incoming, pieces: list[Piece]) -> list[Piece]:
    """The head at once, whatever follows later."""
    first, *rest = pieces
    return [Out(b""), replace(first, delay=LATE), *rest]


_BREAKS_OFF = "client.notices-truncation"
_TELLS_NOT = "client.retry-bounded"

TROUBLES: tuple[Trouble, ...] = (
    Trouble("stream-cut", "Streams are cut off in their midst, with the connection.", _BREAKS_OFF,
            _streams(lambda outs: [*_half(outs), Close(0.02)])),
    Trouble("stream-ends-early", "Streams end in their midst, as a body that is complete.", _BREAKS_OFF,
            _streams(_half)),
    Trouble("stream-ends-within-event", "Streams end within an event, as a body that is complete.", _BREAKS_OFF,
            _streams(_within)),
    Trouble("stream-tells-error", "Streams tell of an error in their midst, then end by `[DONE]`.", _BREAKS_OFF,
            _streams(lambda outs: [*_half(outs), Out(_FAILURE), Out(DONE)])),
    Trouble("stream-tells-error-and-ends", "Streams tell of an error in their midst, and end.", _BREAKS_OFF,
            _streams(lambda outs: [*_half(outs), Out(_FAILURE)])),
    Trouble("hangs-before", "No request is answered.", "client.ends",
            transmits(lambda _, pieces: [Hang(FOR_GOOD), *pieces]), hangs=True),
    Trouble("hangs-within", "Answers stop in their midst.", "client.ends", _behind_half(Hang(FOR_GOOD)), hangs=True),
    Trouble("hangs-after", "Answers are whole, but their bodies do not end.", "client.ends",
            together(transmits(lambda _, pieces: [*pieces, Hang(FOR_GOOD)], SERVED), _unmeasured), hangs=True),
    *(
        Trouble(f"refuses-all-by-{refusal.status}", f"Every request is refused by {refusal.status}.",
                "client.no-retry-on-refusal", refuses(always, refusal, "This is not served."))
        for refusal in (UNREADABLE, UNAUTHENTICATED, UNKNOWN_MODEL, BREACH)
    ),
    Trouble("limited-for-seconds", f"429 to each request once, with `Retry-After: {WAIT}`.", "client.retry-after",
            refuses(_first(1), LIMITED, "Slow down.", ("Retry-After", str(WAIT)))),
    Trouble("limited-until-date", "429 to each request once, with a date in `Retry-After`.", "client.retry-after",
            decides(_dated, _first(1))),
    Trouble("unavailable-for-seconds", f"503 to each request once, with `Retry-After: {WAIT}`.", "client.retry-after",
            refuses(_first(1), UNAVAILABLE, "Come back later.", ("Retry-After", str(WAIT)))),
    Trouble("unavailable", "503 to every request.", _TELLS_NOT, refuses(always, UNAVAILABLE, "Come back later.")),
    Trouble("fails", "500 to every request.", _TELLS_NOT, refuses(always, CRASH, "The server failed.")),
    Trouble("limited", "429 to every request, without `Retry-After`.", _TELLS_NOT,
            refuses(always, LIMITED, "Slow down.")),
    Trouble("drops", "The connection breaks before every answer.", _TELLS_NOT,
            transmits(lambda _, pieces: [Abort()])),
    Trouble("fails-once", "500 to each request once.", _TELLS_NOT, refuses(_first(1), CRASH, "The server failed.")),
    Trouble("redirects-elsewhere", "307 to another origin.", "client.token-nowhere-else", heads(_elsewhere)),
    Trouble("resume-lost", "The answer to each resume is lost, though it was carried out.", "client.resume-once",
            transmits(lambda _, pieces: [Abort()], SERVED, resume)),
    Trouble("resume-answers-500", "500 to each resume, as if it had not been carried out.", "client.resume-once",
            refuses(resume, CRASH, "The server failed.")),
    Trouble("approval-too-late", "Approvals have expired when the last octet of their answer arrives.",
            "client.resume-in-time",
            together(set_to(approval_ttl=BRIEF, brief_ttl=BRIEF), transmits(_late, APPROVALS, unless(resume)))),
)  # fmt: skip
"""In the order of the requirements that they show."""
