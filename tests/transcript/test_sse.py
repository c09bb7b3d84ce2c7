"""The SSE reader against the fixtures, a slow reader written straight from the standard, and two readers in use."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import given, settings
from hypothesis import strategies as st
from sseclient import SSEClient
from studies.readers.cases import CASES, Case, places

from conformance.transcript.sse import BOM, NOTES_OF_A_KIND, Event, Note, Oddity, Reader, read

BODIES = [case.body for case in CASES]

WORDS = [
    b"data", b"data:", b"data: ", b"event", b"event: ", b"id", b"id: ", b"retry: ", b"12", b"foo", b"{}", b"[DONE]",
    b":", b" ", b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n", BOM, b"\0", "é".encode(), "🪁".encode(), b"\xff",
    b"\xe2\x82", "\u2028".encode(), b"\x0b", b"\x0c", "\u0085".encode(), "٣".encode(),
]  # fmt: skip
streams = st.lists(st.sampled_from(WORDS), max_size=40).map(b"".join)
bodies = streams | st.binary(max_size=60) | st.sampled_from([body for body in BODIES if len(body) < 1000])
limits = st.integers(min_value=3, max_value=40)


def cut(body: bytes, places: list[int]) -> list[bytes]:
    """The body in pieces, cut at the places (empty pieces too)."""
    borders = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[start:end] for start, end in pairwise(borders)]


def outcome(pieces: list[bytes], **limit: int) -> tuple[object, ...]:
    """All that a reader makes of the pieces but the times."""
    reader = Reader(**limit)
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events, reader.close(), reader.notes, reader.counts, reader.size, reader.stopped


def octets(body: bytes) -> list[bytes]:
    """The body in pieces of one octet."""
    return [body[place : place + 1] for place in range(len(body))]


def first_invalid(body: bytes) -> int | None:
    """Offset of the first octet that is not UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def oracle(body: bytes) -> list[tuple[str, str, str | None, int | None, str, int | None]]:
    """WHATWG HTML 9.2.6, word by word, on the whole decoded text.

    Gives (data, name, id, retry, last event ID, reconnection time) of each dispatched event.
    """
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    events = []
    data = name = ""
    ident: str | None = None
    retry: int | None = None
    last_id = ""
    reconnection: int | None = None
    for line in re.split("\r\n|\r|\n", text)[:-1]:
        if line == "":
            if data != "":
                events.append((data[:-1], name, ident, retry, last_id, reconnection))
            data, name, ident, retry = "", "", None, None
            continue
        if line[0] == ":":
            continue
        field, value = (line[: line.index(":")], line[line.index(":") + 1 :]) if ":" in line else (line, "")
        if value[:1] == " ":
            value = value[1:]
        if field == "event":
            name = value
        elif field == "data":
            data += value + "\n"
        elif field == "id" and "\0" not in value:
            ident = last_id = value
        elif field == "retry" and re.fullmatch("[0-9]+", value):
            retry = reconnection = int(value)
    return events


def told(body: bytes) -> list[tuple[object, ...]]:
    """What the oracle gives, of the reader."""
    return [(*event[:4], event.last_id, event.reconnection) for event in read(body).events]


def assert_event(event: Event, expected: dict[str, Any]) -> None:
    """The event has what the fixture says, and no name, id or retry that it does not mention."""
    wanted = {"name": "", "id": None, "retry": None} | expected
    if "raw" in wanted:
        wanted["raw_data"] = tuple(raw.encode("latin-1") for raw in wanted.pop("raw"))
    assert {key: getattr(event, key) for key in wanted} == wanted


def test_case_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(names) >= 60
    assert len(set(names)) == len(names)


def test_every_oddity_but_the_limit_has_a_case() -> None:
    noted = {note.partition("@")[0] for case in CASES for note in case.notes}
    assert noted == set(Oddity) - {Oddity.TOO_LONG}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case) -> None:
    stream = read(case.body)
    assert len(stream.events) == len(case.events)
    for number, (event, expected) in enumerate(zip(stream.events, case.events, strict=True)):
        assert_event(event, {"number": number} | expected)
    assert (stream.pending is None) == (case.pending is None)
    if stream.pending and case.pending:
        assert_event(stream.pending, case.pending)
    assert [f"{note.kind}@{note.offset}" for note in stream.notes] == case.notes
    assert (stream.size, stream.stopped, dict(stream.dropped)) == (len(case.body), False, {})


@pytest.mark.parametrize("body", BODIES, ids=[case.name for case in CASES])
def test_case_is_the_same_octet_by_octet_and_cut_in_two(body: bytes) -> None:
    whole = outcome([body])
    assert outcome(octets(body)) == whole
    for place in places(body):
        assert outcome([body[:place], body[place:]]) == whole


@pytest.mark.parametrize("body", BODIES, ids=[case.name for case in CASES])
def test_case_agrees_with_the_oracle(body: bytes) -> None:
    assert told(body) == oracle(body)


@given(bodies, st.lists(st.integers(min_value=0, max_value=1000), max_size=12))
def test_cuts_change_nothing(body: bytes, places: list[int]) -> None:
    whole = outcome([body])
    assert outcome(cut(body, places)) == whole
    assert outcome(octets(body)) == whole


@given(bodies, st.lists(st.integers(min_value=0, max_value=1000), max_size=12), limits, limits)
def test_cuts_change_nothing_at_the_limits(body: bytes, places: list[int], line: int, event: int) -> None:
    whole = outcome([body], max_line=line, max_event=event)
    assert outcome(cut(body, places), max_line=line, max_event=event) == whole
    assert outcome(octets(body), max_line=line, max_event=event) == whole


@given(streams)
@settings(max_examples=300)
def test_agrees_with_the_oracle(body: bytes) -> None:
    assert told(body) == oracle(body)


@given(st.binary(max_size=200))
def test_random_bytes_never_raise(body: bytes) -> None:
    stream = read(body)
    assert told(body) == oracle(body)
    places = [note.offset for note in stream.noted(Oddity.INVALID_UTF8, Oddity.CUT_CHARACTER)]
    assert (places[0] if places else None) == first_invalid(body)


@given(streams)
def test_places_hold(body: bytes) -> None:
    stream = read(body)
    end = 0
    for event in (*stream.events, *([stream.pending] if stream.pending else [])):
        assert end <= event.offset <= event.data_offset <= event.end <= len(body)
        end = event.end
        if event.raw_data:
            first = event.raw_data[0]
            value = first.removeprefix(b":").removeprefix(b" ")
            assert body[event.data_offset - len(first) + len(value) :].startswith(first)
            values = [raw.removeprefix(b":").removeprefix(b" ").decode(errors="replace") for raw in event.raw_data]
            assert event.data == "\n".join(values)
    assert [event.number for event in stream.events] == list(range(len(stream.events)))
    assert all(0 <= note.offset <= len(body) and len(note.detail) <= 120 for note in stream.notes)


plain_text = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
plain_events = st.lists(st.tuples(st.sampled_from(["", "update"]), st.lists(plain_text, min_size=1, max_size=3)))


@given(plain_events)
def test_agrees_with_httpx_sse_and_sseclient_on_plain_streams(events: list[tuple[str, list[str]]]) -> None:
    blocks = [
        (f"event: {name}\n" if name else "") + "".join(f"data: {line}\n" for line in lines) + "\n"
        for name, lines in events
    ]
    body = "".join(blocks).encode()
    ours = [(event.name or "message", event.data) for event in read(body).events]
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    assert [(event.event, event.data) for event in EventSource(response).iter_sse()] == ours
    source = (block.encode() for block in blocks)
    assert [(event.event, event.data) for event in SSEClient(source).events()] == ours
    assert ours == [(name or "message", "\n".join(lines)) for name, lines in events]


def test_a_lone_cr_dispatches_at_once_and_its_lf_ends_no_second_line() -> None:
    reader = Reader()
    assert [event.data for event in reader.feed(b"data: a\r\n\r", 1.0)] == ["a"]
    assert reader.feed(b"\n", 2.0) == []
    (event,) = reader.feed(b"data: b\r\n\r\n", 3.0)
    assert (event.data, event.offset, event.at, event.first_at) == ("b", 11, 3.0, 3.0)


def test_times_are_those_of_the_octets() -> None:
    body = BOM + b"data: a\n\ndata: b\ndata: c\n\ndata: d"
    stream = read(body, [(1.0, 3), (2.0, 4), (3.0, 5), (4.0, 4), (5.0, 14), (6.0, 3)])
    assert [(event.data, event.first_at, event.at) for event in stream.events] == [("a", 2.0, 3.0), ("b\nc", 4.0, 5.0)]
    assert stream.pending is not None
    assert (stream.pending.data, stream.pending.first_at, stream.pending.at) == ("d", 5.0, 6.0)


def test_pieces_that_do_not_cover_the_body_lose_nothing() -> None:
    assert [event.at for event in read(b"data: a\n\ndata: b\n\n", [(1.0, 9), (2.0, 3)]).events] == [1.0, 2.0]
    assert [event.at for event in read(b"data: a\n\n", [(1.0, 9), (2.0, 30)]).events] == [1.0]


def test_feeding_nothing_changes_nothing() -> None:
    reader = Reader()
    assert reader.feed(b"", 9.0) == []
    assert reader.close() is None
    assert reader.close() is None
    assert (reader.notes, reader.size) == ([], 0)


def test_a_long_line_stops_the_reader() -> None:
    reader = Reader(max_line=10)
    assert [event.data for event in reader.feed(b"data: 1234\n\ndata: 12345\n\ndata: b\n\n")] == ["1234"]
    assert reader.stopped
    assert reader.notes == [Note(Oddity.TOO_LONG, 12, "'data: 1234'")]
    assert reader.feed(b"data: c\n\n") == []
    assert reader.close() is None
    assert reader.size == 43


def test_a_line_without_end_stops_the_reader_and_frees_it() -> None:
    reader = Reader(max_line=1000)
    for _ in range(200):
        reader.feed(b"x" * 10)
    assert reader.stopped
    assert [note.kind for note in reader.notes] == [Oddity.TOO_LONG]
    assert reader.size == 2000


def test_a_long_event_stops_the_reader() -> None:
    reader = Reader(max_event=20)
    assert reader.feed(b"data: 1234\ndata: 1234\n") == []
    assert not reader.stopped
    assert [event.data for event in reader.feed(b"\ndata: 1234\n: any length of comment\n\n")] == ["1234\n1234", "1234"]
    reader.feed(b"data: 1234\ndata: 12345\ndata: 1\n\n")
    assert reader.stopped
    assert reader.notes[-1] == Note(Oddity.TOO_LONG, 70, "'data: 12345'")


def test_notes_are_bounded_by_kind_and_the_rest_is_counted() -> None:
    stream = read(b": ping\n" * (NOTES_OF_A_KIND + 50) + b"data: \xff\n\n")
    assert len(stream.noted(Oddity.COMMENT)) == NOTES_OF_A_KIND
    assert stream.dropped == {Oddity.COMMENT: 50}
    assert len(stream.noted(Oddity.INVALID_UTF8)) == 1


def test_retry_of_any_length_never_raises() -> None:
    assert read(b"retry: " + b"9" * 640 + b"\ndata: a\n\n").events[0].retry == 10**640 - 1
    stream = read(b"retry: " + b"9" * 10_000 + b"\ndata: a\n\n")
    assert stream.events[0].retry is None
    assert [note.kind for note in stream.notes] == [Oddity.BAD_RETRY]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b": ping\n", "': ping'"),
        (b": it's\t\x00\n", '": it\'s\\t\\x00"'),
        (": é\n".encode(), "': é'"),
        (b":" + b"x" * 200 + b"\n", "':" + "x" * 117 + "…"),
        (b":" + "🪁".encode() * 200 + b"\n", "':" + "🪁" * 117 + "…"),
    ],
)
def test_detail_shows_the_line(body: bytes, detail: str) -> None:
    assert read(body).notes[0].detail == detail


def test_detail_of_invalid_utf8_shows_the_octets_around_the_place() -> None:
    (note,) = read(b"data: " + b"x" * 500 + b"\xff!\n\n").notes
    assert note == Note(Oddity.INVALID_UTF8, 506, repr(b"x" * 20 + b"\xff!"))
