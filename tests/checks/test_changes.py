"""Conforming answers, changed: what the contract calls a breach is found, what it does not is not, nothing raises.

The second opinion on a change is `oracle`. KITEMESH_HOSTILE_ANSWERS sets how many hostile answers are drawn for
`test_no_answer_makes_a_check_raise`, 200 by default; from 10,000 on, more values are put into every place, too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from checks import oracle
from checks.exchanges import (
    MISSING,
    MODEL,
    NOW,
    RESUME,
    body_of,
    chat,
    chat_stream,
    decision,
    denied,
    errors,
    events_of,
    failed,
    further,
    identifier,
    judged,
    limited,
    notable,
    octets,
    paused,
    paused_stream,
    placed,
    put,
    refused,
    resumed,
    resumed_stream,
    sent,
    with_body,
    with_events,
    with_header,
    with_response,
    with_status,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.contract.catalogue import Level, load
from conformance.judging.verdict import Conclusion, Verdict
from conformance.transcript.exchange import Ending, Exchange, Piece

MUSTS = {requirement.id for requirement in load() if requirement.level is Level.MUST}
HOSTILE_ANSWERS = int(os.environ.get("KITEMESH_HOSTILE_ANSWERS", "200"))
Opinion = Callable[[Any], str]


@dataclass(frozen=True)
class Kind:
    """A kind of answer, among the exchanges that it takes to judge it."""

    name: str
    before: tuple[Exchange, ...]
    exchange: Exchange
    opinion: Opinion
    """The level of the worst breach in a value: the JSON answer, or the list of a stream's events."""
    after: tuple[Exchange, ...] = ()

    @property
    def streams(self) -> bool:
        return json.loads(self.exchange.request.body or b"{}").get("stream") is True

    @property
    def value(self) -> Any:
        return events_of(self.exchange) if self.streams else json.loads(body_of(self.exchange))

    def answered(self, value: Any) -> Exchange:
        """The same exchange with another answer."""
        if not self.streams:
            return with_body(self.exchange, octets(value))
        return with_events(self.exchange, [e if e == "[DONE]" else octets_of_event(e) for e in value])

    def verdict(self, changed: Exchange) -> Verdict:
        return judged(*self.before, changed, *self.after)


def octets_of_event(value: Any) -> bytes:
    return b"data: " + octets(value) + b"\n\n"


def _json(value: Any) -> str:
    return oracle.answer(value, MODEL, "req-a", NOW)


def _approval(value: Any) -> str:
    return oracle.approval(value, MODEL, NOW)


def _stream(waits: bool) -> Opinion:
    return lambda events: oracle.stream(events, MODEL, "req-a", NOW, waits)


def _resume(value: Any) -> str:
    # Another execution's id is a breach of resume.execution-continues beside those of every answer.
    level = _json(value)
    return level if level == oracle.MUST else oracle.worst(iter((level, oracle.UNSURE)))


P, WELL = paused("p"), chat("well", request_id=False)
KINDS = (
    Kind("completion", (WELL,), chat("a"), _json),
    Kind("stream", (), chat_stream("a"), _stream(False)),
    Kind("approval", (), paused("a"), _approval),
    Kind("two-calls", (), paused("a", 2), _approval),
    Kind("approval-stream", (), paused_stream("a"), _stream(True)),
    Kind("error", (WELL,), refused("a", {**sent("a"), "messages": []}), lambda value: oracle.error(value, "req-a")),
    Kind("denial", (), denied("a"), lambda value: oracle.error(value, "", denies=True)),
)
MORE_KINDS = (
    *KINDS,
    Kind("resumed", (P,), resumed("a", "p"), _resume, (chat("b"),)),
    Kind("resumed-stream", (P,), resumed_stream("a", "p"), _stream(False), (chat_stream("b"),)),
    Kind(
        "further",
        (P,),
        further("a", "p"),
        _approval,
        (put(resumed("b", "a"), "/kitemesh/execution_id", identifier("p", "execution")),),
    ),
    Kind(
        "paused-and-resumed",
        (),
        paused("a"),
        _approval,
        (resumed("b", "a"), refused("c", decision("c", "a", approve=True), 409, endpoint=RESUME)),
    ),
    Kind("rate-limit", (WELL,), limited("a"), lambda value: oracle.UNSURE),
)
ONE_OF_A_TYPE: tuple[Any, ...] = (MISSING, None, True, -1, 1.5, "x", [], {})
VALUES = (*ONE_OF_A_TYPE, 0, "", [1], {"x": 1}) if HOSTILE_ANSWERS >= 10_000 else ONE_OF_A_TYPE


def pointers(value: Any, place: str = "") -> Iterator[str]:
    """JSON Pointers to everything in a value, the whole first."""
    yield place
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from pointers(inner, f"{place}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from pointers(inner, f"{place}/{number}")


def at(value: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        value = value[int(step) if isinstance(value, list) else step]
    return value


def agree(verdict: Verdict, level: str) -> None:
    """The verdict says what the oracle says."""
    assert not errors(verdict)
    broken = failed(verdict)
    if level == oracle.MUST:
        assert broken & MUSTS, (verdict.sentence, notable(verdict))
        assert verdict.conclusion is Conclusion.NONCONFORMANT
    elif level == oracle.SHOULD:
        assert broken, verdict.sentence
        assert not broken & MUSTS, notable(verdict)
    elif level == oracle.FINE:
        assert not broken, notable(verdict)


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in KINDS])
def test_conforming_answers_are_fine_to_both(kind: Kind) -> None:
    assert kind.opinion(kind.value) == oracle.FINE
    agree(kind.verdict(kind.exchange), oracle.FINE)
    assert kind.answered(kind.value).response is not None
    agree(kind.verdict(kind.answered(kind.value)), oracle.FINE)


def _changes() -> list[Any]:
    """Every value at every place of every kind."""
    found = []
    for kind in KINDS:
        for pointer in pointers(kind.value):
            if kind.streams and pointer.count("/") < 2:
                continue
            for value in VALUES:
                if not (pointer == "" and value is MISSING) and value != at(kind.value, pointer):
                    found.append((kind, pointer, value))
    return found


CHANGES = _changes()


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in KINDS])
def test_every_type_at_every_place_is_judged_as_the_oracle_does(kind: Kind) -> None:
    wrong = []
    for _, pointer, value in (change for change in CHANGES if change[0] is kind):
        changed = placed(kind.value, pointer, value)
        level = kind.opinion(changed)
        try:
            agree(kind.verdict(kind.answered(changed)), level)
        except AssertionError as error:
            wrong.append(f"{pointer} = {'absent' if value is MISSING else json.dumps(value)}: {level}; {error}"[:300])
    assert not wrong, "\n".join(wrong)


# --- events and octets -----------------------------------------------------------------------------------------------

STREAMS = [kind for kind in MORE_KINDS if kind.streams]
SOME = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
kinds = st.sampled_from(MORE_KINDS)
streams = st.sampled_from(STREAMS)
simple_streams = st.sampled_from([kind for kind in KINDS if kind.streams])


@SOME
@given(simple_streams, st.data())
def test_events_in_another_order_or_number(kind: Kind, data: st.DataObject) -> None:
    events = kind.value
    order = data.draw(
        st.permutations(range(len(events))) | st.lists(st.integers(0, len(events) - 1), min_size=1, max_size=6)
    )
    changed = [events[number] for number in order]
    agree(kind.verdict(with_events(kind.exchange, changed)), kind.opinion(changed))


@SOME
@given(streams, st.data())
def test_stream_that_ends_before_its_end(kind: Kind, data: st.DataObject) -> None:
    whole = body_of(kind.exchange)
    cut = with_body(kind.exchange, whole[: data.draw(st.integers(0, len(whole) - 1))])
    # Ended as its framing says, it is the server that left something out …
    agree(kind.verdict(cut), oracle.MUST)
    # … and broken off, nothing else may be blamed on it.
    verdict = kind.verdict(replace(cut, ending=Ending.CUT))
    assert not errors(verdict)
    assert failed(verdict) - {"resume.execution-continues"} == {"http.complete"}, notable(verdict)


@SOME
@given(kinds, st.data())
def test_any_octet_changed_raises_nothing(kind: Kind, data: st.DataObject) -> None:
    body = bytearray(body_of(kind.exchange))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    assert not errors(kind.verdict(with_body(kind.exchange, bytes(body))))


@SOME
@given(st.sampled_from([kind for kind in KINDS if kind.name in ("completion", "stream")]), st.integers(100, 599))
def test_other_status(kind: Kind, status: int) -> None:
    verdict = kind.verdict(with_status(kind.exchange, status))
    assert not errors(verdict)
    # 401, 403 and 404 to the only request: the token or the model may be wrong, which is not a fault of the server.
    excuses = {401, 402, 403, 404, 408, 429, 451, 502, 503, 504, 529, *range(520, 528)}
    if status != 200 and status not in excuses and not status >= 500:
        assert failed(verdict) & MUSTS, verdict.sentence


FIELDS = ("Content-Type", "Content-Length", "Content-Encoding", "Date", "Retry-After", "WWW-Authenticate", "Allow",
          "Cache-Control", "Transfer-Encoding", "Location", "X-Request-Id")  # fmt: skip
field_values = st.text(st.characters(max_codepoint=255), max_size=20) | st.sampled_from(
    ["gzip", "deflate", "br", "text/event-stream", "application/json", "0", "-1", "9" * 400, "chunked",
    "max-age=" + "9" * 99,
     "Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -2359", "Thu, 01 Jan 1970 00:00:00 +9999", "\x00"]
)  # fmt: skip


@SOME
@given(kinds, st.lists(st.tuples(st.sampled_from(FIELDS), field_values), min_size=1, max_size=3))
def test_any_header_field_raises_nothing(kind: Kind, fields: list[tuple[str, str]]) -> None:
    changed = kind.exchange
    for name, value in fields:
        changed = with_header(changed, name, value)
    assert not errors(kind.verdict(changed))


# --- nothing raises --------------------------------------------------------------------------------------------------


def _nested(levels: int) -> Any:
    value: Any = 1
    for number in range(levels):
        value = [value] if number % 2 else {"a": value}
    return value


SPECIAL: tuple[Any, ...] = (
    10**400, -(10**400), 10**22, 1e308, -0.0, 5e-324, 2**53 + 1, "\ud800", "\x00", "\u202e", "x" * 5_000, "[DONE]",
    _nested(60), [[]] * 50, {"": None}, {"__class__": 1}, "9999-12-31T23:59:60Z", "0000-01-01T00:00:00Z",
    "2027-01-15T08:00:00.1234567890123456789+23:59", "9999-12-31T23:59:59-23:59", "NaN", True, [None], MODEL,
    "assistant", "tool_calls", "stop", [{"id": None}], [{"function": []}], {"function": {"arguments": {}}},
)  # fmt: skip
anything: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(SPECIAL),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "index", "delta", "message", "error", "x", ""]), inner, max_size=3)
        ),
        max_leaves=5,
    ),
)
places = st.sampled_from([(kind, pointer) for kind in MORE_KINDS for pointer in pointers(kind.value)])


@settings(max_examples=HOSTILE_ANSWERS, deadline=None, suppress_health_check=list(HealthCheck))
@given(places, anything, st.data())
def test_no_answer_makes_a_check_raise(place: tuple[Kind, str], value: Any, data: st.DataObject) -> None:
    kind, pointer = place
    changed = placed(kind.value, pointer, value)
    if kind.streams and not isinstance(changed, list):
        changed = [changed]
    if data.draw(st.booleans()):
        second = data.draw(st.sampled_from(list(pointers(changed))))
        changed = placed(changed, second, data.draw(anything))
        changed = changed if isinstance(changed, list) or not kind.streams else [changed]
    assert not errors(kind.verdict(kind.answered(changed)))


RAW = (b"", b"\x00", b"\xff\xfe", b"[" * 5_000, b'{"a":' * 2_000, b"9" * 6_000, b'"\\ud800"', b"1e999", b"-", b"NaN",
       b'{"id":1,"id":2}', b"data", b"data:", b":\n\n", b"data: [DONE]", b"event: x\n\n", b"\xef\xbb\xbf", b"\r\r\r",
       b"data: " + b"[" * 5_000 + b"\n\n", b'{"error":{}}', b'{"created":1e999}', b'{"created":' + b"9" * 5_000 + b"}",
       b"\x1f\x8b\x08\x00", b"<html>", b"data: {}\n\n" * 50)  # fmt: skip


@pytest.mark.parametrize("body", RAW, ids=[repr(body[:12]) for body in RAW])
def test_no_body_makes_a_check_raise(body: bytes) -> None:
    for kind in MORE_KINDS:
        for media_type in ("application/json", "text/event-stream", None):
            changed = with_header(with_body(kind.exchange, body), "Content-Type", media_type)
            assert not errors(kind.verdict(changed)), kind.name
            assert not errors(kind.verdict(with_header(changed, "Content-Encoding", "gzip"))), kind.name


@pytest.mark.parametrize("ending", list(Ending))
def test_no_ending_makes_a_check_raise(ending: Ending) -> None:
    for kind in MORE_KINDS:
        assert not errors(kind.verdict(replace(kind.exchange, ending=ending)))
        assert not errors(kind.verdict(replace(kind.exchange, ending=ending, response=None)))
        assert not errors(kind.verdict(with_response(kind.exchange, pieces=None, headers_at=None)))
        assert not errors(kind.verdict(with_response(kind.exchange, body_known=False, body=b"", pieces=None)))


# --- what is harmless ------------------------------------------------------------------------------------------------

harmless_values = st.sampled_from([None, True, 0, -1, 1.5, "", "x", [], {}, [{"a": 1}], {"id": "x", "error": None}])


def _objects(value: Any) -> list[str]:
    """Pointers to the objects in a value."""
    return [pointer for pointer in pointers(value) if isinstance(at(value, pointer), dict)]


@SOME
@given(kinds, harmless_values, st.data())
def test_unknown_members_anywhere(kind: Kind, added: Any, data: st.DataObject) -> None:
    value = kind.value
    for pointer in data.draw(st.lists(st.sampled_from(_objects(value)), min_size=1, max_size=4, unique=True)):
        value = placed(value, f"{pointer}/x_added", added)
    agree(kind.verdict(kind.answered(value)), oracle.FINE)


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in MORE_KINDS])
def test_null_members_left_out(kind: Kind) -> None:
    value = kind.value
    for pointer in sorted(pointers(value), reverse=True):
        if pointer and at(kind.value, pointer) is None:
            value = placed(value, pointer, MISSING)
    agree(kind.verdict(kind.answered(value)), oracle.FINE)


def _shuffled(value: Any, data: st.DataObject) -> Any:
    """With the members of each object in another order."""
    if isinstance(value, dict):
        return {name: _shuffled(value[name], data) for name in data.draw(st.permutations(list(value)))}
    return [_shuffled(inner, data) for inner in value] if isinstance(value, list) else value


@SOME
@given(kinds, st.data())
def test_members_in_another_order(kind: Kind, data: st.DataObject) -> None:
    agree(kind.verdict(kind.answered(_shuffled(kind.value, data))), oracle.FINE)


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in MORE_KINDS if not kind.streams])
@pytest.mark.parametrize("style", [{"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": True}])
def test_json_spelled_otherwise(kind: Kind, style: dict[str, Any]) -> None:
    spelled = json.dumps(kind.value, **{"ensure_ascii": False, **style}).encode()
    for body in (spelled, b" \t\r\n" + spelled.replace(b"\n", b"\r\n") + b"\n"):
        agree(kind.verdict(with_body(kind.exchange, body)), oracle.FINE)


def _upper(value: Any) -> Any:
    """With every UUID in capitals."""
    if isinstance(value, dict):
        return {name: _upper(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_upper(inner) for inner in value]
    return value.upper() if isinstance(value, str) and len(value) == 36 and value.count("-") == 4 else value


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in MORE_KINDS])
def test_uuids_in_capitals(kind: Kind) -> None:
    agree(kind.verdict(kind.answered(_upper(kind.value))), oracle.FINE)


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.name) for kind in MORE_KINDS])
@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title])
def test_names_of_header_fields_in_any_case(kind: Kind, spelling: Callable[[str], str]) -> None:
    assert kind.exchange.response is not None
    headers = tuple((spelling(name), value) for name, value in kind.exchange.response.headers)
    agree(kind.verdict(with_response(kind.exchange, headers=headers)), oracle.FINE)


def _lines(body: bytes, data: st.DataObject) -> bytes:
    """A stream with the standard's own liberties: comments, line ends, spaces, ids."""
    made = []
    for block in body.split(b"\n\n")[:-1]:
        # Not in a block of its own: the openai client reads that as an empty event (sdk.openai-stream).
        before = data.draw(
            st.sampled_from([b"", b": ping\n\n", b":\n", b"id: 7\n", b"retry: 100\n", b"\n", b"event: message\n"])
        )
        made.append(before + block + b"\n\n")
    spelled = b"".join(made)
    end = data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    return spelled.replace(b"\n", end)


@SOME
@given(streams, st.data())
def test_liberties_of_the_standard(kind: Kind, data: st.DataObject) -> None:
    body = _lines(body_of(kind.exchange), data)
    agree(kind.verdict(with_body(kind.exchange, body)), oracle.FINE)


@SOME
@given(streams, st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_borders_of_pieces_moved(kind: Kind, lengths: list[int]) -> None:
    body, start = body_of(kind.exchange), 0
    pieces: list[Piece] = []
    while start < len(body):
        length = min(lengths[len(pieces) % len(lengths)], len(body) - start)
        pieces.append(Piece(0.05 + len(pieces) / 10_000, length))
        start += length
    agree(kind.verdict(with_response(kind.exchange, pieces=tuple(pieces))), oracle.FINE)


def test_answers_to_other_questions_are_told_apart() -> None:
    """One transcript of every kind is fine as a whole, in any order of the chains."""
    scene = (WELL, chat("c1"), chat_stream("c2"), P, resumed("c3", "p"), paused_stream("c4"), denied("c6"),
             resumed_stream("c5", "c4", approve=True), refused("c7", {**sent("c7"), "messages": []}),
             limited("c8"))  # fmt: skip
    agree(judged(*scene), oracle.FINE)
