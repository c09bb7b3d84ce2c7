"""What the checks look at: each exchange read once, with what its request deserves and what its answer is.

A `Reading` is one exchange, parsed lazily and once. `Evidence` is all of them, with the relations that checks need:
which attempt is the last, which exchange is another's twin, which approval a resume continues.
"""

from __future__ import annotations

import math
import re
import statistics
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from typing import Any

from conformance.contract.classify import MODES, Asked, Due, classify
from conformance.contract.excuses import EXCUSING, OUTAGES, excuse, is_page, names_the_model
from conformance.contract.http_date import read_http_date
from conformance.evidence.finding import Finding, Unjudged
from conformance.evidence.json_text import JsonText, read_json
from conformance.evidence.json_values import ABSENT, get, objects, optional, show, text
from conformance.evidence.place import NOWHERE, STATUS, Place
from conformance.evidence.timeline import Timeline
from conformance.evidence.weather import Weather
from conformance.probes.flow import Phase
from conformance.transcript import sse
from conformance.transcript.exchange import TIMED_OUT, Credential, Ending, Exchange, Response, Transcript

DECODED_LIMIT = 2**20
"""Octets that a content coding may be undone to: no probe offers one, and few octets may stand for a great many."""
DECODED_IN_ALL = 16 * 2**20
"""Octets that content codings may be undone to in a whole transcript; the bodies behind them are read as empty."""
_BROKEN = frozenset({Ending.RESET, Ending.REFUSED, Ending.CUT, Ending.TIMED_OUT_CONNECTING})
KNOWN_TOKEN = "auth.known-token"
"""The requirement that speaks of a good token which is refused now and then."""
LOCKED_OUT = 3
"""Kinds of requests in a row, by what they deserve, whose refusal by 401 or 403 is no matter of any one of them."""
_SSE_LINE = re.compile(rb"\A(?:\xef\xbb\xbf)?(?:[\r\n]*)(?:data|event|id|retry|error)?:", re.IGNORECASE)
_CODINGS = ("gzip", "x-gzip", "deflate")
MOST_CODINGS = 3
"""Content codings of one answer that are undone, one after the other."""
DONE = "[DONE]"
_DONE_LIKE = re.compile(r"[\s\"']*\[?\s*done\s*\]?[\s\"';.]*", re.IGNORECASE)


def tells_of_error(value: Any) -> bool:
    """True for an object with an `error`; beside `choices` an empty one (`""`, `{}`, false) is an extra member."""
    told = optional(value, "error")
    return told is not ABSENT and (bool(told) or not isinstance(get(value, "choices"), list))


class Chunk:
    """One event of a stream that holds a JSON object."""

    def __init__(self, event: sse.Event, value: dict[str, Any]) -> None:
        self.event = event
        self.value = value

    @cached_property
    def choices(self) -> tuple[tuple[int, dict[str, Any]], ...]:
        """The choices that are objects, each with the choice index that it names (0 where it names none)."""
        found = []
        for _, choice in objects(get(self.value, "choices")):
            index = choice.get("index")
            found.append((index if isinstance(index, int) and not isinstance(index, bool) else 0, choice))
        return tuple(found)

    @property
    def without_choices(self) -> bool:
        """True for a chunk with empty `choices`: usage or annotations, judged by stream.json-data alone."""
        return bool(get(self.value, "choices") == [])

    @cached_property
    def error(self) -> bool:
        """True where the event tells of an error, whatever `choices` it bears (contract, "Failed answers")."""
        return tells_of_error(self.value) or any(tells_of_error(choice) for _, choice in self.choices)

    def contents(self) -> Iterator[tuple[int, str]]:
        """Choice index and text of each piece of content."""
        for index, choice in self.choices:
            if content := text(choice, "delta", "content"):
                yield index, content

    def finishes(self) -> Iterator[tuple[int, Any]]:
        """Choice index and `finish_reason` where it is not null."""
        for index, choice in self.choices:
            if (reason := optional(choice, "finish_reason")) is not ABSENT:
                yield index, reason

    @property
    def brings_calls(self) -> bool:
        """True where `delta.tool_calls` holds anything, whatever it is."""
        return any(get(choice, "delta", "tool_calls") for _, choice in self.choices)

    def calls(self) -> Iterator[dict[str, Any]]:
        """The tool calls, or fragments of them."""
        for _, choice in self.choices:
            for _, call in objects(get(choice, "delta", "tool_calls")):
                yield call

    @property
    def approves(self) -> bool:
        """True where it tells of an approval that waits."""
        return optional(self.value, "kitemesh", "approval_id") is not ABSENT

    @property
    def place(self) -> Place:
        """Where the event stands."""
        return Place.of(self.event)

    def at(self, pointer: str) -> Place:
        """Where a value in it stands."""
        return Place.of(self.event, pointer)

    @property
    def span(self) -> tuple[int, int]:
        """(offset, length) of the event in the body."""
        return self.event.offset, self.event.end - self.event.offset


class Reading:
    """One exchange, read."""

    def __init__(self, exchange: Exchange, evidence: Evidence) -> None:
        self.exchange = exchange
        self.evidence = evidence
        self.name = exchange.name
        self.note = exchange.note
        self.response: Response | None = exchange.response
        """What came back, if anything."""
        self.status: int | None = exchange.status
        """The status code; None where no answer came."""
        self.accepted = self.status == 200
        """True for status 200 and no more (see design, "Outcomes")."""
        self.taken = self.status is not None and 200 <= self.status < 300
        """True for any 2xx."""
        self.started = exchange.started
        """Unix seconds."""
        self.ended = exchange.started + exchange.finished
        """Unix seconds when it was over."""

    # --- the request

    @cached_property
    def asked(self) -> Asked:
        """What the request deserves."""
        request = self.exchange.request
        return classify(
            request.method,
            request.url,
            {k.lower(): v for k, v in request.headers},
            request.body,
            str(request.credential),
            model=self.evidence.model,
            modes=self.evidence.modes,
        )

    @cached_property
    def due(self) -> Due:
        """What a conforming server does with it."""
        return self.asked.due

    @property
    def generated(self) -> bool:
        """True where the body was generated, now or, when it is replayed, by an earlier run."""
        return self.note.phase in (Phase.GENERATED, Phase.REPLAY)

    @property
    def as_client(self) -> bool:
        """True where it was sent with a client's own header fields: whether that is served, area sdk tells."""
        return self.note.area == "sdk" and not self.asked.resume

    @property
    def odd_scheme(self) -> bool:
        """True where the good token came with another spelling of `Bearer`."""
        if self.exchange.request.credential is not Credential.OWN:
            return False
        value = next((v for k, v in self.exchange.request.headers if k.lower() == "authorization"), "Bearer ")
        return not value.startswith("Bearer ")

    @property
    def whose(self) -> Credential:
        """Whose token it bore."""
        return self.exchange.request.credential

    # --- the answer as bytes

    @property
    def failed_to_serve(self) -> bool:
        """True for a 5xx."""
        return self.status is not None and self.status >= 500

    @property
    def refuses(self) -> bool:
        """True for a 4xx."""
        return self.status is not None and 400 <= self.status < 500

    @property
    def told(self) -> Words:
        """The status, or what came instead of an answer, in words."""
        if self.status is not None:
            return Words(f"status {self.status}{f' ({self.media_type})' if self.media_type else ''}")
        if self.exchange.ending in TIMED_OUT:
            seconds = self.exchange.finished
            return Words(f"no answer within {seconds:.{0 if seconds >= 1 else 2}f} s")
        return Words(f"no answer: {self.exchange.error or self.exchange.ending}")

    @property
    def body_is_there(self) -> bool:
        """False where a foreign transcript left the body out."""
        return self.response is not None and self.response.body_known

    @property
    def refused_status(self) -> bool:
        """True for a status that may refuse a body (contract, "Refused"), 404 aside."""
        return (
            self.status is not None and 400 <= self.status < 500 and self.status not in (401, 402, 403, 405, 413, 429)
        )

    @cached_property
    def media_type(self) -> str:
        """Lower case, no parameters; empty where there is none."""
        value = self.response.header("content-type") if self.response else None
        return (value or "").split(";")[0].strip().lower()

    @cached_property
    def body(self) -> bytes:
        """The body with its content codings undone; empty where they cannot be."""
        return self._undone or b""

    @cached_property
    def page(self) -> bool:
        """True for a page for people, which no endpoint of the API sends."""
        return self.response is not None and is_page(self.media_type, self.body)

    @cached_property
    def known(self) -> bool:
        """False where a foreign transcript left the body out, or it is coded in a way that is not undone here."""
        return self.response is not None and self.response.body_known and self._undone is not None

    @property
    def coded_away(self) -> bool:
        """True where the body is there, and cannot be read for its content coding (http.encoding)."""
        return self.response is not None and self.response.body_known and self._undone is None

    @property
    def falsely_coded(self) -> bool:
        """True where the body is not in the coding that the answer names, which is one that is undone here."""
        named = self.response is not None and self.response.body_known and set(self.codings) <= set(_CODINGS)
        return self.whole and named and self._undone is None and not self.evidence.too_much_coded

    @cached_property
    def codings(self) -> tuple[str, ...]:
        """The content codings that the answer names, in the order in which they were applied; in lower case."""
        value = self.response.header("content-encoding") if self.response else None
        names = (name.strip().lower() for name in (value or "").split(","))
        return tuple(name for name in names if name not in ("", "identity"))

    @cached_property
    def _undone(self) -> bytes | None:
        """The body with its content codings undone; None where they cannot be."""
        if self.response is None:
            return None
        body = self.response.body
        if self.response.decoded or not body:
            return body
        if not set(self.codings) <= set(_CODINGS) or len(self.codings) > MOST_CODINGS:
            return None
        for _ in self.codings:
            plain = self.evidence.inflated(body)
            if plain is None:
                return None
            body = plain
        return body

    @property
    def unreadable(self) -> bool:
        """True where something came, and no client can read it as an answer (http.complete)."""
        return self.response is None and self.exchange.ending is Ending.GARBAGE

    @property
    def left(self) -> bool:
        """True where the suite went away before the end, on purpose."""
        return self.exchange.ending is Ending.LEFT or self.note.left_after is not None

    @property
    def whole(self) -> bool:
        """True where the body ended as its framing says (or a foreign transcript does not tell otherwise)."""
        return self.exchange.ending in (Ending.COMPLETE, Ending.UNSTATED)

    @property
    def cut_by_length(self) -> bool:
        """True where the body went on behind the length that Content-Length says."""
        response = self.response
        return response is not None and bool(response.excess) and response.header("content-length") is not None

    @cached_property
    def looks_streamed(self) -> bool:
        """True where the bytes look like an event stream, whatever they are called."""
        return bool(_SSE_LINE.match(self.body[:64].lstrip(b" \t")))

    @cached_property
    def streamed(self) -> bool:
        """True where the answer is to be read as an event stream."""
        called = self.media_type == "text/event-stream" and self.body.lstrip()[:1] != b"{"
        return called or self.looks_streamed

    # --- the answer as JSON

    @cached_property
    def json(self) -> JsonText:
        """The body read as strict JSON."""
        return read_json(self.body)

    @cached_property
    def object(self) -> dict[str, Any] | None:
        """The body where it is a JSON object."""
        return self.json.value if self.json.ok and isinstance(self.json.value, dict) else None

    @property
    def error(self) -> dict[str, Any] | None:
        """The body's `error` where it is an object."""
        found = get(self.object, "error")
        return found if isinstance(found, dict) else None

    @cached_property
    def waits(self) -> bool:
        """True where the answer, JSON or stream, asks for an approval: tool calls are there, or all else tells so."""
        if self.asked.stream:
            calls = any(chunk.brings_calls for chunk in self.chunks)
            told = any(chunk.approves for chunk in self.chunks)
            reasons = {reason for chunk in self.chunks for _, reason in chunk.finishes() if isinstance(reason, str)}
            texts = any(True for chunk in self.chunks for _ in chunk.contents())
            return calls or (told and (not texts or "tool_calls" in reasons))
        message = get(self.object, "choices", 0, "message")
        calls = bool(get(message, "tool_calls"))
        told = optional(self.object, "kitemesh", "approval_id") is not ABSENT
        reason = get(self.object, "choices", 0, "finish_reason")
        return calls or (told and (reason == "tool_calls" or not optional(message, "content")))

    # --- the answer as a stream

    @cached_property
    def stream(self) -> sse.Stream:
        """The body read as an event stream, with arrival times where they are known."""
        response = self.response
        pieces = response.pieces if response and self.body is response.body else None
        return sse.read(self.body, pieces)

    @cached_property
    def events(self) -> tuple[sse.Event, ...]:
        """All events, also an unterminated one where the body ended by itself (stream.framing speaks of that)."""
        pending = self.stream.pending
        extra = (pending,) if pending is not None and pending.raw_data and self.whole else ()
        return (*self.stream.events, *extra)

    @cached_property
    def done(self) -> tuple[sse.Event, ...]:
        """The `[DONE]` events."""
        return tuple(event for event in self.events if event.data == DONE)

    @cached_property
    def done_like(self) -> tuple[sse.Event, ...]:
        """Events that were meant to be `[DONE]` and are not."""
        return tuple(e for e in self.events if e.data != DONE and len(e.data) < 32 and _DONE_LIKE.fullmatch(e.data))

    @cached_property
    def data_events(self) -> tuple[tuple[sse.Event, JsonText], ...]:
        """The events that ought to hold a JSON object, each with what it holds."""
        meant = {event.number for event in (*self.done, *self.done_like)}
        return tuple(
            (event, read_json(event.data.encode("utf-8", "surrogatepass")))
            for event in self.events
            if event.number not in meant
        )

    @cached_property
    def chunks(self) -> tuple[Chunk, ...]:
        """The events that hold a JSON object."""
        return tuple(Chunk(e, j.value) for e, j in self.data_events if j.ok and isinstance(j.value, dict))

    @cached_property
    def opens_with_error(self) -> bool:
        """True where the first event of a stream tells of an error, or an answer in JSON does; of a 2xx no answer."""
        return bool(self.chunks) and self.chunks[0].error if self.streamed else tells_of_error(self.object)

    @cached_property
    def failed_within(self) -> bool:
        """True where the stream told of an error behind chunks and before `[DONE]`: a failed answer, no breach."""
        end = self.done[0].number if self.done else math.inf
        if not (self.asked.stream and self.taken and self.streamed) or self.opens_with_error:
            return False
        return any(chunk.error and chunk.event.number < end for chunk in self.chunks)

    @property
    def failed_alone(self) -> bool:
        """True for a failed answer whose request may go again as it is: it resumed nothing, and nothing waits."""
        return self.due in (Due.ACCEPT, Due.OPEN) and self.failed_within and not (self.asked.resume or self.waits)

    @property
    def failed_in_chain(self) -> bool:
        """True for a failed answer that only its whole flow, recorded anew, can make good, and has not yet."""
        chained = self.asked.resume or self.waits
        return self.due in (Due.ACCEPT, Due.OPEN) and self.failed_within and chained and not self.made_good

    @cached_property
    def made_good(self) -> bool:
        """True for a failed answer whose probe was answered without failing when its flow was recorded anew."""
        anew = self.evidence.by_probe.get(self.note.probe, ()) if self.failed_within else ()
        return any(r.note.round != self.note.round and r.accepted and not r.failed_within for r in anew)

    @cached_property
    def cut_short(self) -> bool:
        """True where `finish_reason` is `length` or `content_filter`."""
        if self.asked.stream:
            reasons = [reason for chunk in self.chunks for _, reason in chunk.finishes()]
        else:
            reasons = [choice.get("finish_reason") for _, choice in objects(get(self.object, "choices"))]
        return any(reason in ("length", "content_filter") for reason in reasons if isinstance(reason, str))

    @cached_property
    def said(self) -> str:
        """The text of the answer's first choice."""
        if self.asked.stream:
            return "".join(content for chunk in self.chunks for index, content in chunk.contents() if index == 0)
        return text(self.object, "choices", 0, "message", "content") or ""

    @cached_property
    def answer_id(self) -> str | None:
        """The `id` of the answer, of a stream that which most of its chunks bear (the first of those).

        Chunks with empty `choices` have no say: some servers leave theirs blank.
        """
        if self.asked.stream:
            named = [c for c in self.chunks if isinstance(c.value.get("id"), str) and not c.error]
            telling = [c for c in named if not c.without_choices] or [c for c in named if c.value["id"]]
            ids = Counter(c.value["id"] for c in telling)
            return ids.most_common(1)[0][0] if ids else None
        return text(self.object, "id")

    @cached_property
    def mixed_with(self) -> Reading | None:
        """The other stream of which a chunk came in this one, if any."""
        for chunk in self.chunks:
            id_ = chunk.value.get("id")
            if isinstance(id_, str) and id_ != self.answer_id and not chunk.error:
                for owner in self.evidence.streams_by_id.get(id_, ()):
                    if owner is not self and owner.answer_id != self.answer_id:
                        return owner
        return None

    @property
    def alone(self) -> bool:
        """True where nothing else was under way at the same time."""
        return not self.evidence.timeline.beside(self)

    def overlaps(self, other: Reading) -> bool:
        """True where both were under way at the same time."""
        return other.started < self.ended and self.started < other.ended

    def beside(self, other: Reading) -> bool:
        """True for another request that was sent together with this one, or was under way at the same time."""
        group = self.note.group
        together = self.overlaps(other) or (group is not None and group == other.note.group)
        return together and self.exchange.request.body != other.exchange.request.body

    def shares_request_id(self, other: Reading) -> bool:
        """True for one beside it that bore the same `request_id`."""
        asked = self.asked.request_id
        return self is not other and asked is not None and asked == other.asked.request_id and self.beside(other)

    @cached_property
    def sharing_request_id(self) -> tuple[Reading, ...]:
        """All that share its `request_id`, in that sense."""
        bearing = self.evidence.by_request_id.get(self.asked.request_id or "", ())
        return tuple(other for other in bearing if self.shares_request_id(other))

    @cached_property
    def kitemesh(self) -> dict[str, Any]:
        """The answer's `kitemesh` members; of a stream all chunks' together. Empty where there is none."""
        sources = [c.value for c in self.chunks] if self.asked.stream else [self.object]
        found: dict[str, Any] = {}
        for source in sources:
            extension = get(source, "kitemesh")
            if isinstance(extension, dict):
                found.update((k, v) for k, v in extension.items() if v is not None)
        return found

    @cached_property
    def calls(self) -> tuple[dict[str, Any], ...]:
        """The tool calls, of a stream joined from their fragments."""
        if not self.asked.stream:
            return tuple(call for _, call in objects(get(self.object, "choices", 0, "message", "tool_calls")))
        return tuple(_joined([call for chunk in self.chunks for call in chunk.calls()]))

    @property
    def said_at(self) -> Place:
        """Where the text of the first choice stands."""
        return Place(words="delta.content") if self.asked.stream else Place("/choices/0/message/content")

    @property
    def tries(self) -> list[Reading]:
        """All attempts at its request in the same round, in order; of one at no documented endpoint this alone."""
        return self.evidence.attempts.get((self.note.probe or self.name, self.note.round), [self])

    # --- times

    @cached_property
    def date(self) -> float | None:
        """The answer's `Date`, Unix seconds; None where it has none that can be read."""
        value = self.response.header("date") if self.response else None
        return None if value is None else read_http_date(value)

    @property
    def clock(self) -> float:
        """The server's clock at the answer, Unix seconds: its `Date`, else the suite's own clock."""
        return self.ended if self.date is None else self.date

    # --- judging

    @property
    def foul(self) -> bool:
        """True where an outage may have brought this answer about (contract, "Weather")."""
        if self.left:
            return False
        return self.exchange.ending in _BROKEN or self.status in OUTAGES

    @cached_property
    def fell(self) -> bool:
        """True where an outage or a limit did bring it about: other requests met it at the same time."""
        return self.foul and self.evidence.weather.fell_on(self)

    @property
    def unsettled(self) -> bool:
        """True where nothing is known of its request: the last try fell foul, or followed one that may have counted."""
        if self.note.phase == Phase.WEATHER:
            return False
        if self.whose is not Credential.OWN or self.due is Due.AUTHENTICATE:
            return self.foul
        tries = self.evidence.attempts[self.note.probe or self.name, self.note.round]
        # What has to be refused carries nothing out, whatever came of its first try.
        carries_out = self.asked.resume and self.due is not Due.REFUSE
        lost = carries_out and not self.taken and any(r.foul or (r.status or 0) >= 500 for r in tries[:-1])
        return self.foul or lost

    @cached_property
    def excuse(self) -> str | None:
        """Why this answer is neither acceptance nor refusal; None where it is one of the two."""
        if self.unreadable:
            return "the answer is framed in a way that clients refuse"
        ending = self.exchange.ending
        if self.exchange.response is None or (ending is Ending.RESET and not self.stream.events):
            if ending in (Ending.RESET, Ending.REFUSED) and not self.evidence.weather.recurs(self):
                return f"the connection was {ending}"
            return None
        if ending in _BROKEN and self.fell:
            return f"the connection was {ending}, and others met an outage at the same time"
        if self.whose is Credential.UNSTATED and self.status in (401, 403):
            # Browsers strip the header, and a proxy's user may have sent a token that is no good.
            return f"status {self.status}, and the transcript does not tell whether the request bore a good token"
        if self.status != 413 and (page := self._foreign_page):
            return page
        if self.name in self.evidence.turned_away:
            return f"status {self.status} to a token that passes elsewhere"
        return excuse(self.exchange.response.status, self.media_type, self.body)

    @property
    def _foreign_page(self) -> str | None:
        """An intermediary's page, in words. A 413 excuses no refusal of what is documented: it speaks of a limit."""
        if self.page and self.evidence.passes_elsewhere(self):
            return f"status {self.status} with an HTML page of an intermediary, on a request that passes elsewhere"
        return None

    @cached_property
    def refuses_token(self) -> bool:
        """True for a 401 or 403 to the caller's own token that no words and no page explain."""
        if self.status not in (401, 403) or self.whose is not Credential.OWN or not self.asked.endpoint or self.page:
            return False
        return excuse(self.status, self.media_type, self.body) is None

    @property
    def excuses_refusal(self) -> str | None:
        """The same for a request that must be refused: a 4xx that refuses does so whatever its words."""
        refuses = (self.refused_status or self.status == 405) and self.status not in EXCUSING
        foreign = self.page and (self.status in (406, 418) or self.evidence.passes_elsewhere(self))
        return None if refuses and not foreign else self.excuse or self._foreign_page

    def finding(
        self,
        message: str,
        expected: str,
        observed: Any,
        place: Place = NOWHERE,
        *,
        span: tuple[int, int] | None = None,
        yields_to: tuple[str, ...] = (),
    ) -> Finding:
        """A finding on this exchange, to be stamped by whoever runs the check; `observed` is shown as JSON unless it is
        a `Words`.
        """
        seen = str(observed) if isinstance(observed, Words) else self._shown(observed, place)
        asked = self.asked.pointer if self.due is Due.REFUSE and place == STATUS else ""
        return Finding("", self.name, message, expected, seen, place, span, yields_to, asked)

    def _shown(self, observed: Any, place: Place) -> str:
        """A value as it came: `null` where a member is null rather than absent, and what came in place of one."""
        if observed is not ABSENT or not place.pointer or place.event is not None or self.object is None:
            return show(observed)
        steps = [int(step) if step.isdigit() else step for step in place.pointer[1:].split("/")]
        if get(self.object, *steps) is None:
            return show(None)
        if get(self.object, steps[0]) is ABSENT and (len(steps) > 1 or steps == ["error"]):
            return f"absent, in {show(self.object, 120)}"
        return show(observed)

    def unjudged(self, reason: str, *, by: str | None = None, excused: bool = False) -> Unjudged:
        """Says that this exchange cannot be judged."""
        if excused and self.name in self.evidence.turned_away:
            return Unjudged(reason, self.name, KNOWN_TOKEN)
        return Unjudged(reason, self.name, by, excused)


class Words(str):
    """What was observed, in words already."""

    __slots__ = ()


class Evidence:
    """A transcript, read."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.options = transcript.options
        self.own = transcript.own
        model = self.options.get("model")
        self.model: str | None = model if isinstance(model, str) else None
        modes = self.options.get("modes")
        self.modes: Collection[str] = frozenset(modes) & MODES if isinstance(modes, list) else MODES
        self.memo: dict[Any, Any] = {}
        """What checks worked out and others may use."""
        self._undone = 0
        self.all = tuple(Reading(exchange, self) for exchange in transcript)
        self.by_name = {reading.name: reading for reading in self.all}

    @property
    def too_much_coded(self) -> bool:
        """True once the transcript's budget for undoing content codings is spent."""
        return self._undone >= DECODED_IN_ALL

    def inflated(self, body: bytes) -> bytes | None:
        """A body with gzip or deflate undone, as long as the transcript's budget lasts; None where it cannot be."""
        if self.too_much_coded:
            return None
        plain = _inflate(body)
        self._undone += len(plain or b"")
        return plain

    @cached_property
    def last(self) -> tuple[Reading, ...]:
        """The last attempt of each request, to a documented endpoint: what most checks judge."""
        final: dict[tuple[str, int], Reading] = {}
        others = []
        for reading in self.all:
            if not reading.asked.endpoint:
                continue
            if reading.note.probe:
                key = (reading.note.probe, reading.note.round)
                if key not in final or _supersedes(reading, final[key]):
                    final[key] = reading
            else:
                others.append(reading)
        return tuple(sorted((*final.values(), *others), key=lambda r: r.exchange.started))

    @cached_property
    def failed_before(self) -> tuple[Reading, ...]:
        """Failed answers that were asked for again: of no account but for their bytes."""
        last = {reading.name for reading in self.last}
        return tuple(r for r in self.all if r.asked.endpoint and r.name not in last and r.failed_alone)

    @cached_property
    def attempts(self) -> dict[tuple[str, int], list[Reading]]:
        """(probe, round) to all attempts, in order; an exchange without a probe note stands alone."""
        grouped: dict[tuple[str, int], list[Reading]] = defaultdict(list)
        for reading in self.all:
            if reading.asked.endpoint:
                grouped[(reading.note.probe or reading.name, reading.note.round)].append(reading)
        for readings in grouped.values():
            readings.sort(key=lambda r: r.note.attempt)
        return dict(grouped)

    @cached_property
    def excused(self) -> tuple[int, int]:
        """How many of the last attempts were excused or failed within, of how many."""
        answered = [r for r in self.last if not r.unreadable]
        count = sum(1 for r in answered if (r.excuses_refusal if r.due is Due.REFUSE else r.excuse or r.failed_within))
        return count, len(self.last)

    @cached_property
    def in_vain(self) -> frozenset[str]:
        """Names of the plain chats of a mode, JSON or stream, in which none was ever answered without failing.

        Plain: no resume, and nothing waits. What speaks of all answers was then not shown on those.
        """
        plain = [r for r in self.last if r.due in (Due.ACCEPT, Due.OPEN) and not r.asked.resume and not r.waits]
        answered = {r.asked.stream for r in plain if r.accepted and not r.failed_within}
        return frozenset(r.name for r in plain if r.asked.stream not in answered)

    @cached_property
    def heard(self) -> bool:
        """True where any answer came at all, a suite's own recording; others' tell too little to say no."""
        return not self.own or any(r.exchange.answered for r in self.all)

    @cached_property
    def admitted(self) -> bool:
        """True where any request with the good token was taken: the token and the address are right."""
        return any(r.accepted and not r.page and r.whose in (Credential.OWN, Credential.UNSTATED) for r in self.all)

    def passes_elsewhere(self, page: Reading) -> bool:
        """True where a twin of a request that was answered by a page came past whatever sent it.

        The twin of a valid chat is any that was served, for a stream or not. Of a request that is to be refused, and of
        a resume, which may be for the state of its approval, it is the same request, sent another time: a server may
        have pages of its own for such requests, and then it sends one each time.
        """
        if page.due in (Due.ACCEPT, Due.OPEN) and not page.asked.resume:
            return (page.asked.endpoint, page.asked.stream) in self._first_served
        return any(not r.page and r.response is not None for r in self._sent_again.get(_identity(page), ()))

    @cached_property
    def turned_away(self) -> frozenset[str]:
        """The exchanges whose token was refused though it passes elsewhere; auth.known-token speaks of all of them.

        A 401 or 403 may also be a poor way to refuse one kind of body. It is the token's where the same request passed
        another time, where a 401 came to a valid request, or where nothing else passed for a while, whatever was asked.
        """
        refused = [reading for reading in self.all if reading.refuses_token]
        if not refused or not self.admitted:
            return frozenset()
        passed = {
            _attempt(reading)
            for reading in self.all
            if reading.status is not None and reading.status < 500 and not reading.page
            if reading.status not in (401, 403) and reading.status not in EXCUSING
        }
        surely = any(
            _attempt(reading) in passed
            or (reading.status == 401 and reading.due is Due.ACCEPT and not reading.odd_scheme)
            for reading in refused
        )
        return frozenset(reading.name for reading in refused) if surely or self._locked_out() else frozenset()

    def _locked_out(self) -> bool:
        """True where requests of `LOCKED_OUT` kinds in a row, valid ones among them, had their token refused."""
        kinds: set[tuple[Due, str]] = set()
        own = (reading for reading in self.all if reading.whose is Credential.OWN and reading.asked.endpoint)
        for reading in sorted(own, key=lambda reading: reading.started):
            if reading.refuses_token:
                kinds.add((reading.due, reading.asked.requirement))
                if len(kinds) >= LOCKED_OUT and any(due is Due.ACCEPT for due, _ in kinds):
                    return True
            elif reading.status is not None:
                kinds.clear()
        return False

    @cached_property
    def _sent_again(self) -> dict[Any, list[Reading]]:
        """The exchanges of each request, sent once or more."""
        found: dict[Any, list[Reading]] = defaultdict(list)
        for reading in self.all:
            found[_identity(reading)].append(reading)
        return dict(found)

    @cached_property
    def streams_by_id(self) -> dict[str, list[Reading]]:
        """The streams of chunks, by the `id` that most of their chunks bear."""
        found: dict[str, list[Reading]] = defaultdict(list)
        for reading in self.all:
            if reading.asked.stream and reading.taken and reading.answer_id is not None:
                found[reading.answer_id].append(reading)
        return dict(found)

    @cached_property
    def by_request_id(self) -> dict[str, list[Reading]]:
        """The readings that asked with each `request_id`."""
        found: dict[str, list[Reading]] = defaultdict(list)
        for reading in self.all:
            if reading.asked.request_id is not None:
                found[reading.asked.request_id].append(reading)
        return dict(found)

    @cached_property
    def by_probe(self) -> dict[str, list[Reading]]:
        """The last attempts of each probe, of one round or more."""
        found: dict[str, list[Reading]] = defaultdict(list)
        for reading in self.last:
            if reading.note.probe:
                found[reading.note.probe].append(reading)
        return dict(found)

    @cached_property
    def by_due(self) -> dict[tuple[Due, str], list[Reading]]:
        """The last attempts by what they deserve and the requirement that says so."""
        found: dict[tuple[Due, str], list[Reading]] = defaultdict(list)
        for reading in self.last:
            found[reading.due, reading.asked.requirement].append(reading)
        return dict(found)

    @cached_property
    def timeline(self) -> Timeline[Reading]:
        """When the documented endpoints were asked."""
        return Timeline(reading for reading in self.all if reading.asked.endpoint)

    @cached_property
    def weather(self) -> Weather:
        """Which answers are an outage's."""
        return Weather(reading for reading in self.all if reading.asked.endpoint)

    @cached_property
    def _served_until(self) -> list[tuple[float, str]]:
        """When each probe was answered 200 for the last time, the latest first."""
        return self._until(lambda reading: reading.accepted)

    @cached_property
    def _answered_until(self) -> list[tuple[float, str]]:
        """The same by an answer that waits for nothing: what lies behind the server was there."""
        return self._until(lambda reading: reading.accepted and not reading.waits)

    @property
    def never_answered(self) -> tuple[str, ...]:
        """Who speaks of server errors where the model was never reached: nothing was lost since."""
        return () if self._answered_until else ("error.no-server-error",)

    def _until(self, served: Callable[[Reading], bool]) -> list[tuple[float, str]]:
        until: dict[str, float] = {}
        for reading in filter(served, self.all):
            probe = reading.note.probe or reading.name
            until[probe] = max(reading.ended, until.get(probe, reading.ended))
        return sorted(((ended, probe) for probe, ended in until.items()), reverse=True)

    def served_meanwhile(self, first: Reading, last: Reading) -> bool:
        """True where some other request was answered 200 after the first try of one and before or after its last.

        A status that tells of what lies behind the server (502, say) is not belied by approvals: a gateway asks for
        those itself, whether its model can be reached or not. Nor by what was served before the last try: it may have
        gone out of reach in between, to the end of the run.
        """
        probe = first.note.probe or first.name
        if last.status in EXCUSING:
            return any(ended >= last.started and other != probe for ended, other in self._answered_until)
        latest = next((ended for ended, other in self._served_until if other != probe), None)
        # What is recorded anew at the end has nothing behind it.
        return latest is not None and (latest >= first.started or first.note.round > 1)

    def twin_of(self, reading: Reading) -> Reading | None:
        """The exchange with the same body without the breach: as noted, else any that was accepted alike."""
        if reading.note.twin:
            candidates = self.by_probe.get(reading.note.twin, [])
            noted = next((r for r in candidates if r.accepted), candidates[-1] if candidates else None)
            limited = noted is not None and not noted.accepted and names_the_model(noted.object) is not None
            if noted is None or noted.accepted or not (limited or noted.excuse):
                return noted
            # It was excused: another one tells that such requests are served, if not that this one is.
        return self._first_served.get((reading.asked.endpoint, reading.asked.stream))

    @cached_property
    def _first_served(self) -> dict[tuple[str, bool], Reading]:
        """The first request to each endpoint, for a stream or not, that might be served and was."""
        found: dict[tuple[str, bool], Reading] = {}
        for reading in self.last:
            if reading.accepted and not reading.page and reading.due in (Due.ACCEPT, Due.OPEN):
                found.setdefault((reading.asked.endpoint, reading.asked.stream), reading)
        return found

    @cached_property
    def usual_seconds(self) -> float:
        """The median time of an accepted JSON answer; 0 where there is none."""
        slow = {r.note.flow for r in self.all if r.note.slow}
        answered = [r for r in self.last if r.accepted and not r.asked.stream and r.note.flow not in slow]
        times = [r.exchange.finished for r in answered]
        return statistics.median(times) if times else 0.0


def _supersedes(later: Reading, earlier: Reading) -> bool:
    """True where a try stands for an earlier one: whoever failed within may well refuse to serve a request twice."""
    refused = later.status is not None and 400 <= later.status < 500
    return later.note.attempt >= earlier.note.attempt and not (refused and earlier.failed_within)


def _identity(reading: Reading) -> Any:
    """What two sendings of one request have in common: the probe, or in a foreign transcript what was sent."""
    request = reading.exchange.request
    return reading.note.probe or (request.method, request.url, request.body, request.credential)


def _attempt(reading: Reading) -> tuple[str, int]:
    return reading.note.probe or reading.name, reading.note.round


def _inflate(body: bytes) -> bytes | None:
    """Undoes gzip or deflate, up to the limit of size; None where the body is in neither."""
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        machine = zlib.decompressobj(window)
        try:
            plain = machine.decompress(body, DECODED_LIMIT)
        except zlib.error:
            continue
        # Without a header, anything may look like the beginning of it.
        if window > 0 or machine.eof or machine.unconsumed_tail:
            return plain
    return None


def _joined(fragments: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Tool calls from their fragments, as a client joins them: by `index`, else by a new `id`, else to the last one."""
    slots: dict[Any, dict[str, Any]] = {}
    latest: Any = None
    for number, fragment in enumerate(fragments):
        index, id_ = fragment.get("index"), fragment.get("id")
        if isinstance(index, int) and not isinstance(index, bool):
            key: Any = ("index", index)
        elif id_ is not None or latest is None:
            key = ("id", id_) if isinstance(id_, str) else ("number", number)
        else:
            key = latest
        latest = key
        call = slots.setdefault(key, {})
        for member, value in fragment.items():
            if member == "function" and isinstance(value, dict):
                function = call.setdefault("function", {})
                if not isinstance(function, dict):
                    continue
                for name, part in value.items():
                    before = function.get(name)
                    if name == "arguments" and isinstance(before, str) and isinstance(part, str):
                        function[name] = before + part
                    elif before is None or before == "":
                        function[name] = part
            elif call.get(member) is None:
                call[member] = value
    yield from slots.values()


__all__ = ["DONE", "EXCUSING", "Chunk", "Evidence", "Reading", "Words", "tells_of_error"]
