"""How long a run tolerates a target that hangs, sends too much or asks to wait: when to stop asking.

Each exchange has its own limits (`limits`). This bounds what all of them may cost together, so that a target which
hangs on everything costs a few times one limit and never the limit times the number of probes. It decides on the
outside of exchanges alone, their endings, times and sizes, and says in words why a run ends.

Who is stopped:

- a target that let the first two requests run into a time limit without an answer: a model answers the first, the
  second is refused, so that one who hangs on the first alone is told from one who is not there;
- one on which request after request runs into a time limit: `HUNG` of them or three times as many as are under way at
  once, or three or more that took `HUNG_FOR` times the limit to the first byte, whatever comes first;
- one that loses the run `LOST_FOR` times that limit in all, with answers between;
- one whose answers pass the limit of size again and again (`FLOODS`);
- one that puts off every request for `Limits.waiting` seconds, with nothing answered between.

Nobody is stopped for large answers below the limit of size: a model that thinks aloud may well send thousands of events
for each. Once they weigh `Limits.large_of_a_kind` together, only a part of each further one is kept; nobody is blamed.
The same holds of the many that are not large, once they weigh `SHARES` times as much.

A legitimate target with a slow model, a rate limit, or one request in which it blocks stays clear of all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from conformance.contract.classify import RESUME
from conformance.transcript.exchange import TIMED_OUT, Ending, Exchange, Response
from conformance.wire.limits import MEBIBYTE, Limits

KNOCKS = 2
"""Requests that a target may leave without any answer before it is taken to be dead."""
HUNG = 24
"""Requests in a row that ran into a time limit: more than are under way at once, for one that blocks may hold up all
of those."""
HUNG_FOR = 4.0
"""Times the limit to the first byte that three or more such requests in a row may take."""
LOST_FOR = 10.0
"""Times the limit to the first byte (or twice the limit in all, if that is more) that may be lost in all to requests
that ran into a time limit."""
FLOODS = 8
"""Answers that may pass the limit of size; two, where no answer came to an end so far."""
LARGE = MEBIBYTE
"""Weight of an answer from which on it counts as large: a stream of 350 events, or half a megabyte of text."""
SMALL = 16 * 1024
"""Weight of an answer up to which it is always kept whole: a usual one weighs 5,000, an error 2,000."""
SHARES = 3
"""Times `Limits.large_of_a_kind` that the answers which are not large may weigh together."""
PART, LEAST_PART = 128 * 1024, 4 * 1024
"""The most weight that is kept of an answer, and to what it falls where there are very many."""
OCTET, CODED = 2, 16
"""Octets that one octet of a body weighs, which is read into text, and one of a coded body: no probe offers a coding,
and it may stand for a thousand."""
LINE = 300
"""Octets that a line end, or a piece in which a body came, weighs: what reading an event takes in memory, which has two
line ends."""
VALUE = 180
"""Octets that a comma or an opening bracket weighs: what reading a value takes, with its name. The three were fitted to
streams of 5,000 chunks (2,900 octets each), of events without content (800), and to texts of 1 MB."""
WAITS_IN_ALL = 5.0
"""Times `Limits.waiting` that a run may wait in all because answers excuse themselves; then they stand as they are."""
_IN_PART = "only a part of it was kept: large answers had used up their share of memory"


@dataclass(slots=True)
class _Span:
    """Wall-clock time covered by intervals, which come in the order of their ends."""

    seconds: float = 0.0
    _until: float = float("-inf")

    def add(self, start: float, end: float) -> None:
        self.seconds += max(0.0, end - max(start, self._until))
        self._until = max(self._until, end)


class Patience:
    """Notes exchanges and waits, and says when it is enough. One owner: the recorder."""

    def __init__(self, limits: Limits, at_once: int) -> None:
        """Take the limits of each exchange, and how many requests are under way at once."""
        self._limits = limits
        self._most_hung = max(HUNG, 3 * at_once)
        self.heard = False
        """Some answer came, at least its header section."""
        self.answered = False
        """Some answer came to its end."""
        self._hung = 0
        self._hung_for = _Span()
        self._lost = _Span()
        self._floods = 0
        self._weights: Counter[str] = Counter()
        """Of the answers that were kept whole, by kind."""
        self._parts = 0
        """Weight of the parts that were kept of others."""
        self._vital = 0
        self.cut = 0
        """Large answers of which only a part was kept."""
        self._put_off = _Span()
        self._waited = _Span()
        self.spent = False
        """The waits of this run are used up."""

    def kept(self, exchange: Exchange, vital: Callable[[Exchange], bool]) -> Exchange:
        """The exchange as it is to be kept: cut, and blamed on nobody, where large answers have had their share.

        Args:
            exchange: all of it.
            vital: whether so much of it lacks what later exchanges build on, such as an approval that it asks for.
        """
        weight = _weight(exchange)
        if exchange.response is None:
            return exchange
        small = weight < LARGE and self._fits("small", weight, SHARES * self._limits.large_of_a_kind)
        if small or weight <= SMALL:
            return exchange
        part = self._part(exchange, exchange.response.first)
        lacks = part is None or vital(part)
        # A share for each kind: else plain answers would leave nothing for those of which a run has but a few.
        kind = "asking" if lacks else "resumed" if exchange.request.url.endswith(RESUME) else "plain"
        if weight >= LARGE and self._fits(kind, weight, self._limits.large_of_a_kind):
            return exchange
        if lacks:
            part = self._part(exchange, exchange.response.ends)
        if part is None or (lacks and vital(part)):
            self._vital += weight
            return exchange
        self.cut += 1
        self._parts += _weight(part)
        return part

    def _fits(self, kind: str, weight: int, share: int) -> bool:
        """Whether an answer of so much weight has room in the share of its kind, which it takes then."""
        if self._weights[kind] + weight > share:
            return False
        self._weights[kind] += weight
        return True

    def _part(self, exchange: Exchange, take: Callable[[int], Response]) -> Exchange | None:
        """So much of an exchange as there is room for; None where its answer cannot be taken apart."""
        room = max(LEAST_PART, min(PART, (self._limits.large_of_a_kind - self._parts) // 16))
        octets = self._limits.kept
        while octets:
            response = take(octets)
            if response is not exchange.response:
                part = replace(exchange, response=response, ending=Ending.LEFT, error=_IN_PART)
                if _weight(part) <= room:
                    return part
            octets //= 2
        return None

    def note(self, exchange: Exchange, marker: bytes) -> str:
        """Why nothing more should be sent after this exchange; empty where all is well.

        A stream that had its end (`marker` on a line's end) and stayed open did answer.
        """
        body = exchange.response.body if exchange.response else b""
        given_up = exchange.ending is Ending.LEFT and exchange.response is None
        if given_up and exchange.note.left_after is not None:
            return ""  # the suite did not wait for an answer
        hung = exchange.ending in TIMED_OUT and not (marker + b"\n" in body or marker + b"\r" in body)
        self.heard = self.heard or exchange.answered
        if hung or given_up:
            return self._hang(exchange)
        self._hung, self._hung_for = 0, _Span()
        if exchange.ending is Ending.TOO_LARGE:
            self._floods += 1
            if self._floods >= (FLOODS if self.answered else 2):
                return f"the target's answers are too large: {self._floods} exceeded the suite's size limit"
        elif exchange.response is not None and exchange.ending in (Ending.COMPLETE, Ending.LEFT):
            self.answered = True
        if self._vital > self._limits.large_of_a_kind // 2:
            return "the target's answers are too large: to keep what they build on would take more memory than there is"
        return ""

    def _hang(self, exchange: Exchange) -> str:
        times = exchange.started, exchange.started + exchange.finished
        self._hung += 1
        self._hung_for.add(*times)
        self._lost.add(*times)
        limit, seconds = self._limits.first_byte, self._hung_for.seconds
        how = exchange.error or str(exchange.ending)
        if not self.heard and self._hung < KNOCKS:
            return ""
        if not self.heard:
            often = _requests(self._hung)
            return f"the target does not answer: {often} ran into the time limit ({how}); --timeout sets it"
        if not self.answered and (self._hung >= 2 or seconds > 1.5 * limit):
            return (
                f"the target never ended an answer: {_requests(self._hung)} ran into the time limit (the last: {how})"
            )
        if self._hung >= self._most_hung or (self._hung >= 3 and seconds >= HUNG_FOR * limit):
            often = f"{_requests(self._hung)} in a row"
            return f"the target does not answer: {often} ran into the time limit (the last: {how})"
        if self._lost.seconds >= max(LOST_FOR * limit, 2 * self._limits.total):
            lost = f"{self._lost.seconds:.0f} s"
            return f"the target hangs again and again: {lost} were lost to time limits (the last: {how})"
        return ""

    def behind_done(self) -> float:
        """Seconds that a stream has to end after `[DONE]`."""
        return self._limits.behind_done

    def answer_within(self, quick: bool) -> float | None:
        """Seconds in which the next answer has to begin while none has come; None: what the limits say."""
        if self.heard:
            return None
        if self._hung:
            return self._limits.knock
        return self._limits.opening if quick else None

    def served(self) -> None:
        """An answer came that does not put the request off."""
        self._put_off = _Span()

    def wait(self, seconds: float, now: float, exchange: Exchange) -> tuple[bool, str]:
        """Whether to wait so long before asking again, and why nothing more should be sent (else empty)."""
        if self._put_off.seconds >= self._limits.waiting:
            said = exchange.status or exchange.ending
            return False, f"the target asks to wait at every request ({said}), for {self._put_off.seconds:.0f} s so far"
        if self._waited.seconds + seconds > WAITS_IN_ALL * self._limits.waiting:
            self.spent = True
            return False, ""
        self._put_off.add(now, now + seconds)
        self._waited.add(now, now + seconds)
        return True, ""

    def remark(self) -> str:
        """What a report should say of waits and of large answers; empty where both were within their budget."""
        said = []
        if self.spent:
            said.append(
                f"Answers that excuse themselves (429, 503 and the like) were waited for {self._waited.seconds:.0f} s "
                "in all, which is the budget; after that such answers were left as they are"
            )
        if self.cut:
            said.append(
                f"Of {self.cut} large answers only a part was judged: to keep them all would take more memory than a "
                "run may have"
            )
        return ". ".join(said)


def _weight(exchange: Exchange) -> int:
    """Octets of memory that the answer takes, roughly, once it is read."""
    if exchange.response is None:
        return 0
    body, pieces = exchange.response.body, exchange.response.pieces or ()
    coding = (exchange.response.header("content-encoding") or "identity").strip().lower()
    octets = len(body) * (OCTET if coding == "identity" else CODED)
    lines = max(body.count(b"\n") + body.count(b"\r"), len(pieces))
    return octets + LINE * lines + VALUE * sum(map(body.count, (b",", b"[", b"{")))


def _requests(count: int) -> str:
    return f"{count} request{'' if count == 1 else 's'}"
