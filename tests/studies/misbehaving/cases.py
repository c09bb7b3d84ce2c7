"""The table of misbehaviours: what a target does, how long a run with it may take, and what has to come of it."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from wire.raw_server import Act, Script, answer, chunk

from conformance.wire.limits import Limits
from conformance.wire.patience import FLOODS

from .relay import Answer, Endless, Twist, after, always, dechunked, sometimes, unchanged

SHORT = Limits(connect=2, first_byte=2, idle=1, total=3.5, waiting=2)
"""For targets that never answer in time: every limit is reached quickly."""
SERVING = replace(SHORT, first_byte=4, total=8)
"""For targets that answer some requests and let others wait: the first are answered in time on a busy machine too."""
LONG = replace(Limits.scaled(20), behind_done=0.3)
"""For targets whose answers are to be judged: a busy machine does not reach it."""
GIGABYTE = 10**9
STANDARD = {"depth": "standard"}
FEW = {"only": ("auth", "sdk")}
"""A run of a dozen requests: enough to see that a target is served in this way at all."""
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PART = chunk(b"x" * 65_536)
JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

CONFORMANT, NONCONFORMANT, INCONCLUSIVE = 0, 1, 6


@dataclass(frozen=True, kw_only=True)
class Case:
    """One misbehaviour and what has to come of a run with it."""

    id: str
    does: str
    """What the target does, for the table."""
    twist: Twist
    """What it makes of a conforming answer."""
    limits: Limits = SHORT
    within: float
    """Seconds that the limits leave to the whole recording: the stated limit."""
    exit: int
    finds: frozenset[str] = frozenset()
    """Requirements that have to fail."""
    only: bool = False
    """No other requirement may fail."""
    says: tuple[str, ...] = ()
    """Words of the verdict, the notes or the findings."""
    options: dict[str, Any] = field(default_factory=dict)
    most_requests: int | None = None
    """Requests that the target may get at the most."""
    host: str = "127.0.0.1"
    base: str = "/v1"
    """The path that it serves."""
    given: str | None = None
    """The path that the user gives, where it is another one."""
    tls: bool = False
    big: bool = False
    """Too long or too large for the ordinary tests: the session `misbehaving` takes it."""
    backlog: bool = False
    """Nobody accepts connections."""

    @property
    def waits(self) -> float:
        """Seconds that it waits, roughly: the longest begin first."""
        return 0.0 if self.within == SERVED else self.within


def _finds(*ids: str) -> frozenset[str]:
    return frozenset(ids)


QUIET: Script = ()
DRIP = [
    (0.05, bytes([octet])) for octet in b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Pad: " + b"a" * 500
]
SERVED = 600.0
"""Seconds for a run that is not ended early: a stated bound that no machine should reach."""
NOT_ENDED = ("never ended an answer",)

TIME = (
    Case(
        id="silent", does="accepts the request and never answers", twist=always(QUIET),
        within=SHORT.opening + SHORT.knock, exit=INCONCLUSIVE, says=("does not answer", "no answer within"),
        most_requests=2,
    ),
    Case(
        id="silent-at-defaults", does="the same, with the default limits", twist=always(QUIET), big=True,
        limits=Limits(),
        within=60.0, exit=INCONCLUSIVE, says=("does not answer",), most_requests=2,
    ),
    Case(
        id="silent-standard", does="the same, at depth standard", twist=always(QUIET), options=STANDARD,
        within=SHORT.first_byte + SHORT.knock, exit=INCONCLUSIVE, says=("does not answer",), most_requests=2,
    ),
    Case(
        id="not-accepted", does="listens, and accepts no connection", twist=always(QUIET), backlog=True,
        options=STANDARD,
        within=2 * SHORT.connect, exit=INCONCLUSIVE, says=("does not answer",), most_requests=0,
    ),
    Case(
        id="header-drip", does="sends its header section octet by octet, with pauses", twist=always(DRIP),
        options=STANDARD,
        within=2 * SHORT.total, exit=INCONCLUSIVE, says=("does not answer",), most_requests=2,
    ),
    Case(
        id="endless-chunks", does="a stream of chunks that never ends",
        twist=always(Endless(STREAM, chunk(b'data: {"id":"x"}\n\n'), 0.02)), options=STANDARD,
        within=SHORT.total, exit=NONCONFORMANT, says=NOT_ENDED, most_requests=2,
    ),
    Case(
        id="endless-comments", does="a stream of comments that never ends",
        twist=always(Endless(STREAM, chunk(b": ping\n\n"), 0.02)), options=STANDARD,
        within=SHORT.total, exit=NONCONFORMANT, says=NOT_ENDED, most_requests=2,
    ),
    Case(
        id="endless-line", does="a stream of octets without a line end, slowly",
        twist=always(Endless(STREAM, chunk(b"data"), 0.02)), options=STANDARD,
        within=SHORT.total, exit=NONCONFORMANT, says=NOT_ENDED, most_requests=2,
    ),
    Case(
        id="stalls", does="stalls between chunks, for ever",
        twist=always([(0.0, STREAM + chunk(b"data: {}\n\n"))]), options=STANDARD,
        within=2 * SHORT.idle, exit=NONCONFORMANT, says=NOT_ENDED, most_requests=20,
    ),
    Case(
        id="open-behind-done", does="leaves each stream open behind [DONE], with comments",
        twist=lambda a: Endless(a.octets.removesuffix(b"0\r\n\r\n"), chunk(b": ping\n\n"), 0.2, 60)
        if a.streamed else unchanged(a),
        limits=LONG, options={"only": ("stream",)}, within=SERVED,
        exit=CONFORMANT, finds=_finds("stream.closes"), only=True,
    ),
    Case(
        id="hangs-later", does="serves three requests, then never answers again", twist=after(3, always(QUIET)),
        limits=SERVING, within=4 * SERVING.first_byte, exit=NONCONFORMANT, says=("in a row ran into the time limit",),
    ),
    Case(
        id="slow-model", does="answers late, but within the limit: a slow model",
        twist=lambda a: [(0.6 * 2, a.octets)], limits=Limits.scaled(2),
        options={"depth": "standard", "only": ("auth.challenge",)}, within=SERVED, exit=CONFORMANT,
        only=True,
    ),
    Case(
        id="slow-model-quick", does="the same at depth quick: later than a quick run waits, and not failed for it",
        twist=lambda a: [(0.6 * 2, a.octets)], limits=Limits.scaled(2),
        within=Limits.scaled(2).opening + Limits.scaled(2).knock, exit=INCONCLUSIVE, only=True,
        says=("does not answer",),
    ),
)  # fmt: skip


@cache
def _bomb(octets: int) -> bytes:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(octets // 1_000_000)) + packer.flush()
    return answer(packed, "Content-Type: application/json", "Content-Encoding: gzip")


FLOODED = FLOODS + 8 + 1
"""Requests until a target that floods is left: so many answers, what is under way then, and one that ended before."""
VERBOSE = b'{"index":0,"delta":{"content":"","reasoning":"%d thoughts"},"finish_reason":null}'


def _verbose(events: int) -> Twist:
    """Puts so many chunks of reasoning behind the first chunk of each stream, as a model that thinks aloud does."""

    def twist(a: Answer) -> Script:
        if not a.streamed or not a.head.startswith(b"HTTP/1.1 200"):
            return unchanged(a)
        body = dechunked(a.body)
        first, end, rest = body.partition(b"\n\n")
        told = re.search(rb'"choices": ?\[', first)
        if told is None:
            return unchanged(a)
        before = first[: told.end()]
        more = b"".join(before + VERBOSE % number + b"]}\n\n" for number in range(events))
        return [(0.0, a.head), (0.0, chunk(first + end + more) + chunk(rest) + b"0\r\n\r\n")]

    return twist


HUGE = b"1" + b"0" * 99_999


def _grown(a: Answer) -> Script:
    """Makes each integer of the JSON huge."""
    if a.streamed:
        return unchanged(a)
    body = re.sub(rb'(?<=":)\s*[0-9]+(?=[,}])', HUGE, a.body)
    return [(0.0, replace(a, octets=a.head + body).with_length(0))]


TOO_LARGE = ("limit of size",)
IN_PART = ("only a part was judged",)
SIZE = (
    Case(
        id="line-1-gb", does="one line of 1 GB in a stream",
        twist=always(Endless(STREAM + chunk(b"data: "), PART, steps=GIGABYTE // 65_536)),
        limits=LONG, within=LONG.total, exit=NONCONFORMANT, says=TOO_LARGE, most_requests=FLOODED,
    ),
    Case(
        id="body-1-gb", does="a JSON body of 1 GB, announced as such",
        twist=always(Endless(JSON_HEAD + b"Content-Length: %d\r\n\r\n" % GIGABYTE, b"[" * 65_536,
                             steps=GIGABYTE // 65_536)),
        limits=LONG, within=LONG.total, exit=NONCONFORMANT, says=TOO_LARGE, most_requests=FLOODED,
    ),
    Case(
        id="headers-10000", does="ten thousand header fields",
        twist=always([(0.0, b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(10_000)) + b"\r\n")]),
        limits=LONG, within=LONG.total, exit=INCONCLUSIVE, says=TOO_LARGE, most_requests=FLOODED,
    ),
    Case(
        id="gzip-bomb-1-gb", does="1 GB of white space in a gzip body of 1 MB", big=True,
        twist=lambda a: [(0.0, _bomb(GIGABYTE))],
        limits=Limits(), within=Limits().total, exit=NONCONFORMANT, finds=_finds("http.encoding"),
    ),
    Case(
        id="gzip-bomb", does="20 MB of white space in a gzip body of 20 KB, which nobody asked for",
        twist=lambda a: [(0.0, _bomb(20_000_000))], options={"only": ("auth", "http"), "max_requests": 12},
        limits=LONG, within=LONG.total, exit=NONCONFORMANT, finds=_finds("http.encoding"),
    ),
    Case(
        id="events-1000000", does="a stream of a million events, quickly",
        twist=always(Endless(STREAM, chunk(b"data: {}\n\n" * 1000), steps=1000)),
        limits=replace(LONG, kept=4_000), within=LONG.total, exit=NONCONFORMANT, says=TOO_LARGE, most_requests=FLOODED,
    ),
    Case(
        id="chunks-of-one-octet", does="a million chunks of one octet",
        twist=always(Endless(STREAM, chunk(b"x") * 1000, steps=1000)), big=True,
        limits=Limits(), within=Limits().total, exit=NONCONFORMANT, says=TOO_LARGE, most_requests=FLOODED,
    ),
    Case(
        id="chunks-of-one-octet-scaled", does="a million chunks of one octet, with a limit of 1,000 pieces",
        twist=always(Endless(STREAM, chunk(b"x") * 1000, steps=1000)),
        limits=replace(LONG, lines=1_000), within=LONG.total, exit=NONCONFORMANT, says=TOO_LARGE, most_requests=FLOODED,
    ),
    Case(
        id="events-below-the-limit", does="streams of 19,000 events, each below the limits", big=True,
        twist=always([(0.0, STREAM + chunk(b"data: {}\n\n" * 19_000) + b"0\r\n\r\n")]),
        limits=LONG, within=LONG.total, exit=NONCONFORMANT, says=IN_PART,
    ),
    Case(
        id="events-many", does="streams of 4,000 events, each below the limits",
        twist=always([(0.0, STREAM + chunk(b"data: {}\n\n" * 4_000) + b"0\r\n\r\n")]), big=True,
        limits=LONG, within=LONG.total, exit=NONCONFORMANT,
    ),
    Case(
        id="verbose", does="legitimate streams of 300 chunks of reasoning each, with a share for two of them",
        twist=_verbose(300), options={"only": ("stream", "chunk")}, limits=replace(LONG, large_of_a_kind=2_500_000),
        within=SERVED, exit=CONFORMANT, only=True, says=IN_PART,
    ),
    Case(
        id="verbose-standard", does="legitimate streams of 2,600 chunks of reasoning each", big=True,
        twist=_verbose(2_600),
        options=STANDARD, limits=LONG, within=SERVED, exit=CONFORMANT, only=True, says=IN_PART,
    ),
    Case(
        id="very-verbose-standard", does="legitimate streams of 5,000 chunks of reasoning each", big=True,
        twist=_verbose(5_000),
        options=STANDARD, limits=LONG, within=SERVED, exit=CONFORMANT, only=True, says=IN_PART,
    ),
    Case(
        id="values-below-the-limit", does="JSON of a million empty arrays, below the limits",
        twist=always([(0.0, answer(b"[" + b"[]," * 1_000_000 + b"[]]", "Content-Type: application/json"))]),
        limits=LONG, within=LONG.total, exit=NONCONFORMANT,
    ),
    Case(
        id="integers-of-100000-digits", does="JSON of nine integers of 100,000 digits, below the limits", big=True,
        twist=always([(0.0, answer(b"[" + b",".join([HUGE] * 9) + b"]", "Content-Type: application/json"))]),
        options=STANDARD, limits=LONG, within=LONG.total, exit=NONCONFORMANT, says=IN_PART,
    ),
    Case(
        id="integers-in-members", does="a `created` and counts of 100,000 digits", twist=_grown,
        options={"only": ("completion", "kitemesh")},
        limits=LONG, within=SERVED, exit=NONCONFORMANT, finds=_finds("completion.created"),
    ),
    Case(
        id="nesting", does="JSON nested a million levels deep",
        twist=always([(0.0, answer(b"[" * 1_000_000 + b"]" * 1_000_000, "Content-Type: application/json"))]),
        limits=LONG, within=LONG.total, exit=NONCONFORMANT,
    ),
)  # fmt: skip


def _refusal(status: str, *fields: str) -> Script:
    kind = "rate_limit_error" if status.startswith("429") else "server_error"
    code = "rate_limit_exceeded" if status.startswith("429") else "unavailable"
    body = b'{"error":{"message":"Later, please.","type":"%s","code":"%s","request_id":"r"}}'
    return [
        (0.0, answer(body % (kind.encode(), code.encode()), "Content-Type: application/json", *fields, status=status))
    ]


def _json_only(twist: Twist) -> Twist:
    return lambda a: unchanged(a) if a.streamed else twist(a)


def _cut(a: Answer) -> Script:
    return [(0.0, a.octets[: len(a.head) + len(a.body) // 2]), (0.0, Act.CLOSE)]


def _reset(a: Answer) -> Script:
    return [(0.0, a.octets[: len(a.head) + len(a.body) // 2]), (0.05, Act.RESET)]


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"

LIES = (
    Case(
        id="length-too-long", does="a Content-Length that is 10 too long, then closes",
        twist=_json_only(lambda a: [(0.0, a.with_length(10)), (0.0, Act.CLOSE)]),
        limits=LONG, within=SERVED, exit=NONCONFORMANT, finds=_finds("http.complete"), only=True,
    ),
    Case(
        id="length-too-long-open", does="a Content-Length that is 10 too long, and stays open",
        twist=_json_only(lambda a: [(0.0, a.with_length(10))]),
        limits=SERVING, within=4 * SERVING.first_byte, exit=NONCONFORMANT, finds=_finds("http.complete"),
    ),
    Case(
        id="length-too-short", does="a Content-Length that is 5 too short",
        twist=_json_only(lambda a: [(0.0, a.with_length(-5))]),
        limits=LONG, within=SERVED, exit=NONCONFORMANT, finds=_finds("http.complete"), only=True,
    ),
    Case(
        id="cut", does="closes in the middle of every body", twist=_cut,
        limits=LONG, within=SERVED, exit=NONCONFORMANT, finds=_finds("http.complete"), only=True,
    ),
    Case(
        id="reset", does="resets the connection in the middle of every body", twist=_reset,
        limits=LONG, within=SERVED, exit=NONCONFORMANT, finds=_finds("http.complete"),
    ),
    Case(
        id="garbage", does="answers in another protocol", twist=always([(0.0, b"SSH-2.0-OpenSSH_9.9\r\n\r\n")]),
        limits=LONG, within=SERVED, exit=INCONCLUSIVE, says=("SSH-2.0",),
    ),
    Case(
        id="interim", does="sends 103 and 100 before every answer", twist=lambda a: [(0.0, HINTS), (0.0, a.octets)],
        limits=LONG, within=SERVED, exit=CONFORMANT, only=True,
    ),
    Case(
        id="endless-interim", does="sends 103 for ever and never an answer",
        twist=always(Endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.02)),
        within=2 * SHORT.total, exit=INCONCLUSIVE, says=("does not answer",), most_requests=2,
    ),
    Case(
        id="answers-twice", does="sends every answer twice", twist=lambda a: [(0.0, a.octets * 2)],
        limits=LONG, within=SERVED, exit=NONCONFORMANT, finds=_finds("http.complete"), only=True,
    ),
    Case(
        id="redirect-to-itself", does="redirects every request to the same address",
        twist=lambda a: [(0.0, answer(b"", "Location: /v1/chat/completions", status="307 Temporary Redirect"))],
        limits=LONG, within=SERVED, exit=INCONCLUSIVE, only=True, says=("which is itself",), most_requests=2,
    ),
    Case(
        id="redirect-elsewhere", does="redirects every request to another origin, which must hear of nothing",
        twist=lambda a: [(0.0, answer(b"", "Location: {elsewhere}", status="308 Permanent Redirect"))],
        limits=LONG, within=SERVED, exit=INCONCLUSIVE, only=True, says=("if that is your server",), most_requests=2,
    ),
    Case(
        id="429-always", does="429 without Retry-After to every request",
        twist=always(_refusal("429 Too Many Requests")),
        limits=LONG, within=LONG.waiting, exit=INCONCLUSIVE,
    ),
    Case(
        id="429-retry-after", does="429 with Retry-After: 1 to every request",
        twist=always(_refusal("429 Too Many Requests", "Retry-After: 1")), options=STANDARD,
        within=2 * SHORT.waiting, exit=INCONCLUSIVE, says=("asks to wait at every request",),
    ),
    Case(
        id="429-retry-after-3600", does="429 with Retry-After: 3600 to every request",
        twist=always(_refusal("429 Too Many Requests", "Retry-After: 3600")),
        limits=LONG, within=LONG.waiting, exit=INCONCLUSIVE,
    ),
    Case(
        id="429-now-and-then", does="429 with Retry-After: 1 to every ninth request",
        twist=sometimes(9, _refusal("429 Too Many Requests", "Retry-After: 1")),
        limits=LONG, within=SERVED, exit=CONFORMANT, only=True,
    ),
    Case(
        id="503-now-and-then", does="503 to every seventh request",
        twist=sometimes(7, _refusal("503 Service Unavailable")),
        limits=LONG, within=SERVED, exit=CONFORMANT, only=True,
    ),
    Case(
        id="503-always", does="503 to every request", twist=always(_refusal("503 Service Unavailable")),
        limits=LONG, within=LONG.waiting, exit=INCONCLUSIVE,
    ),
    Case(
        id="resets-all", does="resets every connection without an answer", twist=always([(0.0, Act.RESET)]),
        limits=LONG, within=LONG.waiting, exit=INCONCLUSIVE,
    ),
)  # fmt: skip

WAYS = (
    Case(
        id="self-signed", does="a certificate that nobody trusts", twist=unchanged, tls=True,
        limits=LONG, within=LONG.connect, exit=INCONCLUSIVE, says=("--ca-bundle FILE",), most_requests=0,
    ),
    Case(
        id="ca-bundle", does="the same, with --ca-bundle", twist=unchanged, tls=True,
        options=FEW | {"ca_bundle": "{bundle}"},
        limits=LONG, within=SERVED, exit=CONFORMANT, only=True,
    ),
    Case(
        id="ipv6", does="is served at [::1]", twist=unchanged, host="::1", options=FEW,
        limits=LONG, within=SERVED, exit=CONFORMANT, only=True,
    ),
    Case(
        id="base-path", does="is served below a path", twist=unchanged, base="/gateway/kite/v1", options=FEW,
        limits=LONG, within=SERVED, exit=CONFORMANT, only=True,
    ),
    Case(
        id="base-path-without-v1", does="is served below a path without /v1", twist=unchanged, base="/kite",
        options=FEW,
        limits=LONG, within=SERVED, exit=CONFORMANT, only=True,
    ),
    Case(
        id="without-v1", does="is given without /v1", twist=unchanged, given="", options=FEW,
        limits=LONG, within=SERVED, exit=CONFORMANT, only=True,
    ),
)  # fmt: skip

CASES = (*TIME, *SIZE, *LIES, *WAYS)
