"""What an answer shows as octets, as JSON and by its header fields."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from conformance.contract.excuses import is_page
from conformance.contract.http_date import read_http_date
from conformance.evidence.coding import CODINGS, MOST
from conformance.evidence.json_text import JsonText, read_json
from conformance.evidence.json_values import get
from conformance.evidence.request import RequestReading
from conformance.transcript.exchange import TIMED_OUT, Ending, Exchange, Response

if TYPE_CHECKING:
    from conformance.evidence.evidence import Evidence

_SSE_LINE = re.compile(rb"\A(?:\xef\xbb\xbf)?(?:[\r\n]*)(?:data|event|id|retry|error)?:", re.IGNORECASE)


class Words(str):
    """An observation that is already in words."""

    __slots__ = ()


class RetryAfter(NamedTuple):
    """How long an answer asks to wait."""

    seconds: float
    """Below zero where the moment is over."""
    by_date: bool
    """True where a date says so, which is as right as two clocks are."""


class AnswerReading(RequestReading):
    """The answer's part of a `Reading`: octets, JSON and header fields."""

    def __init__(self, exchange: Exchange, evidence: Evidence) -> None:
        super().__init__(exchange, evidence)
        self.response: Response | None = exchange.response
        """What came back, if anything."""
        self.status: int | None = exchange.status
        """The status code; None where no answer came."""
        self.accepted = self.status == 200
        """True for status 200; nothing else is checked (see design, "Outcomes")."""
        self.taken = self.status is not None and 200 <= self.status < 300
        """True for any 2xx."""
        self.ended = exchange.started + exchange.finished
        """Unix seconds when it ended."""

    # --- as octets

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
    def refused_status(self) -> bool:
        """True for a status that may refuse a body (contract, "Refused"), 404 aside."""
        return self.refuses and self.status not in (401, 402, 403, 405, 413, 429)

    @cached_property
    def media_type(self) -> str:
        """Lower case, no parameters; empty where there is none."""
        value = self.response.header("content-type") if self.response else None
        return (value or "").split(";")[0].strip().lower()

    @cached_property
    def body(self) -> bytes:
        """The body with its content codings removed; empty where that is impossible."""
        return self._undone or b""

    @cached_property
    def page(self) -> bool:
        """True for a page for people, which no endpoint of the API sends."""
        return self.response is not None and is_page(self.media_type, self.body)

    @property
    def body_is_there(self) -> bool:
        """False where a foreign transcript left the body out."""
        return self.response is not None and self.response.body_known

    @cached_property
    def known(self) -> bool:
        """False where a foreign transcript left the body out, or its content coding cannot be removed here."""
        return self.response is not None and self.response.body_known and self._undone is not None

    @property
    def transcoded(self) -> bool:
        """True where a foreign transcript has the body as text, whatever its octets were."""
        return self.response is not None and self.response.transcoded

    @property
    def fields_known(self) -> bool:
        """False where a foreign transcript left the header section out: no absent field says anything."""
        return self.response is None or self.response.headers_known

    @property
    def media_type_known(self) -> bool:
        """False where that section is missing, and nothing else says what the body is."""
        return self.fields_known or bool(self.media_type)

    @property
    def coded_away(self) -> bool:
        """True where there is a body whose content coding cannot be removed (http.encoding)."""
        return self.response is not None and self.response.body_known and self._undone is None

    @property
    def falsely_coded(self) -> bool:
        """True where the answer names a coding that is supported here, but the body does not have it."""
        named = self.response is not None and self.response.body_known and set(self.codings) <= set(CODINGS)
        return self.whole and named and self._undone is None and not self.evidence.coding.spent

    @cached_property
    def codings(self) -> tuple[str, ...]:
        """The content codings that the answer names, in the order in which they were applied; in lower case."""
        value = self.response.header("content-encoding") if self.response else None
        names = (name.strip().lower() for name in (value or "").split(","))
        return tuple(name for name in names if name not in ("", "identity"))

    @cached_property
    def _undone(self) -> bytes | None:
        """The body with its content codings removed; None where that is impossible."""
        if self.response is None:
            return None
        body = self.response.body
        if self.response.decoded or not body:
            return body
        if not set(self.codings) <= set(CODINGS) or len(self.codings) > MOST:
            return None
        for _ in self.codings:
            plain = self.evidence.coding.undone(body)
            if plain is None:
                return None
            body = plain
        return body

    @property
    def unreadable(self) -> bool:
        """True where octets came that no client can read as an answer (http.complete)."""
        return self.response is None and self.exchange.ending is Ending.GARBAGE

    @property
    def left(self) -> bool:
        """True where the suite left before the end, on purpose."""
        return self.exchange.ending is Ending.LEFT or self.note.left_after is not None

    @property
    def whole(self) -> bool:
        """True where the body ended as its framing says (or a foreign transcript does not say otherwise)."""
        return self.exchange.ending in (Ending.COMPLETE, Ending.UNSTATED)

    @property
    def cut_by_length(self) -> bool:
        """True where the body is longer than Content-Length says."""
        response = self.response
        return response is not None and bool(response.excess) and response.header("content-length") is not None

    @cached_property
    def looks_streamed(self) -> bool:
        """True where the bytes look like an event stream, whatever the media type."""
        return bool(_SSE_LINE.match(self.body[:64].lstrip(b" \t")))

    @cached_property
    def streamed(self) -> bool:
        """True where the answer must be read as an event stream."""
        called = self.media_type == "text/event-stream" and self.body.lstrip()[:1] != b"{"
        return called or self.looks_streamed

    # --- as JSON

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

    @property
    def retry_after(self) -> RetryAfter | None:
        """What `Retry-After` asks for (RFC 9110, section 10.2.3): a number, or a date by the server's own clock."""
        told = (self.response.header("retry-after") or "").strip() if self.response else ""
        if told.isascii() and told.isdigit():
            return RetryAfter(float(told), by_date=False)
        date = read_http_date(told)
        return None if date is None else RetryAfter(date - self.clock, by_date=True)

    @property
    def clock_known(self) -> bool:
        """False where a foreign transcript does not tell when the answer came, and it bears no `Date` either."""
        return self.exchange.timed or self.date is not None
