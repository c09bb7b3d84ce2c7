"""What a run bears with: when it stops, and that a legitimate target stays clear of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.transcript.exchange import Credential, Ending, Exchange, Piece, ProbeNote, Request, Response
from conformance.wire.limits import MEBIBYTE, Limits
from conformance.wire.patience import FLOODS, HUNG, SHARES, Patience, _weight

REQUEST = Request("POST", "http://127.0.0.1:9/v1", (), b"{}", Credential.OWN)
DONE = b"[DONE]"
SILENT, STALLED, ENDED, FLOOD = Ending.TIMED_OUT_FIRST_BYTE, Ending.TIMED_OUT_IDLE, Ending.COMPLETE, Ending.TOO_LARGE


def exchange(ending: Ending, start: float = 0.0, seconds: float = 1.0, body: bytes | None = None) -> Exchange:
    answered = body is not None or ending in (ENDED, STALLED, FLOOD)
    body = body or b""
    response = Response(200, (), body, pieces=(Piece(0.1, len(body)),)) if answered else None
    return Exchange("x", REQUEST, response, ending, start, seconds)


def noted(patience: Patience, *exchanges: Exchange) -> list[str]:
    return [patience.note(item, DONE) for item in exchanges]


def answered(limits: Limits | None = None, at_once: int = 8) -> Patience:
    patience = Patience(limits or Limits(), at_once)
    assert noted(patience, exchange(ENDED)) == [""]
    return patience


def test_silence_twice_at_first_stops_at_once() -> None:
    first, second = noted(Patience(Limits(), 8), exchange(SILENT, 0, 120), exchange(SILENT, 120, 10))
    assert first == ""
    assert "does not answer: 2 requests" in second


def test_one_who_hangs_on_the_first_request_only_is_asked_on() -> None:
    patience = Patience(Limits(), 8)
    assert noted(patience, exchange(SILENT, 0, 120), exchange(ENDED)) == ["", ""]
    assert patience.heard


def test_the_first_answers_have_less_time_while_nobody_was_heard() -> None:
    patience = Patience(Limits(), 8)
    assert patience.answer_within(quick=True) == Limits().opening
    assert patience.answer_within(quick=False) is None
    noted(patience, exchange(SILENT, 0, 120))
    assert patience.answer_within(quick=True) == patience.answer_within(quick=False) == Limits().knock
    noted(patience, exchange(ENDED))
    assert patience.answer_within(quick=True) is None


def test_two_that_never_end_stop_before_any_answer() -> None:
    first, second = noted(Patience(Limits(), 8), exchange(STALLED, 0, 60), exchange(STALLED, 60, 60))
    assert first == ""
    assert "never ended an answer: 2 requests" in second


def test_hanging_on_everything_one_by_one_costs_a_few_limits() -> None:
    patience = answered()
    told = noted(patience, *(exchange(SILENT, n * 120, 120) for n in range(4)))
    assert told[:3] == ["", "", ""]
    assert "4 requests in a row" in told[3]


@pytest.mark.parametrize("at_once", [1, 8, 64])
def test_one_block_that_holds_up_all_at_once_is_borne(at_once: int) -> None:
    patience = answered(at_once=at_once)
    assert set(noted(patience, *(exchange(SILENT, 0, 120) for _ in range(at_once)))) == {""}
    assert noted(patience, exchange(ENDED, 120), *(exchange(SILENT, 130, 120) for _ in range(at_once)))[-1] == ""


def test_as_many_in_a_row_stop() -> None:
    told = noted(answered(), *(exchange(SILENT, 0, 1) for _ in range(HUNG)))
    assert set(told[:-1]) == {""}
    assert f"{HUNG} requests in a row" in told[-1]


def test_hanging_on_every_other_request_is_bounded_too() -> None:
    patience = answered()
    for n in range(100):
        if why := noted(patience, exchange(SILENT, n * 121, 120), exchange(ENDED, n * 121 + 120))[0]:
            assert "again and again" in why
            assert n == 9  # ten times the limit to the first byte
            return
    pytest.fail("it went on")


def test_a_stream_that_stays_open_behind_its_end_did_answer() -> None:
    body = b"data: [DONE]\n\n: ping\n\n"
    assert set(noted(Patience(Limits(), 8), *(exchange(STALLED, n, 4, body) for n in range(100)))) == {""}


def test_a_slow_model_is_borne() -> None:
    assert set(noted(Patience(Limits(), 8), *(exchange(ENDED, n * 100, 119) for n in range(300)))) == {""}


def test_floods() -> None:
    assert noted(Patience(Limits(), 8), exchange(FLOOD), exchange(FLOOD))[1] != ""
    told = noted(answered(), *(exchange(FLOOD) for _ in range(FLOODS)))
    assert set(told[:-1]) == {""}
    assert "too large" in told[-1]


def spared(exchange: Exchange) -> bool:
    """Nothing builds on it."""
    return False


def fill(patience: Patience, one: Exchange) -> Exchange:
    """The first of these answers of which only a part is kept."""
    for _ in range(1000):
        kept = patience.kept(one, spared)
        assert patience.note(one, DONE) == ""  # nobody is stopped for them
        if kept is not one:
            return kept
    raise AssertionError("all were kept")


def test_large_answers_have_a_share_and_are_cut_beyond_it() -> None:
    patience = answered()
    large = exchange(ENDED, body=b"x" * (2 * MEBIBYTE))
    kept = fill(patience, large)
    assert kept.response is not None
    assert len(kept.response.body) == Limits().kept
    assert kept.ending is Ending.LEFT
    assert patience.kept(exchange(ENDED, body=b"{}"), spared).ending is ENDED
    assert "Of 1 large answers only a part was judged" in patience.remark()


def test_what_others_build_on_stays() -> None:
    patience = answered()
    events = b"".join(b"data: %d\n\n" % n for n in range(19_000))
    stream = exchange(ENDED, body=events + b"data: approval\n\n")

    def lacks(part: Exchange) -> bool:
        return part.response is None or b"approval" not in part.response.body

    while (kept := patience.kept(stream, lacks)) is stream:
        assert noted(patience, stream) == [""]
    assert kept.response is not None
    body = kept.response.body
    assert body.startswith(b"data: 0\n\ndata: 1\n\n")
    assert body.endswith(b"data: 18999\n\ndata: approval\n\n")
    assert len(body) <= 2 * Limits().kept
    assert sum(piece.length for piece in kept.response.pieces or ()) == len(body)
    assert set(body.split(b"\n\n")) <= set(stream.response.body.split(b"\n\n")) if stream.response else False


def test_what_cannot_be_cut_ends_the_run_some_time() -> None:
    patience = answered()
    stream = exchange(ENDED, body=b"data: {}\n\n" * 5_000)
    told = []
    for _ in range(9):
        assert patience.kept(stream, lambda part: True) is stream
        told += noted(patience, stream)
    assert told[0] == ""
    assert "memory" in told[-1]


def test_small_answers_are_no_large_ones_and_have_a_share_of_their_own() -> None:
    patience = answered()
    fill(patience, exchange(ENDED, body=b"x" * (2 * MEBIBYTE)))
    events = exchange(ENDED, body=b"data: {}\n\n" * 200)
    assert all(patience.kept(events, spared) is events for _ in range(350))
    assert fill(patience, events).ending is Ending.LEFT


def test_what_is_tiny_is_always_kept_whole() -> None:
    patience = answered()
    tiny = exchange(ENDED, body=b'{"error":{"message":"no","type":"x","code":"y","request_id":"z"}}')
    assert all(patience.kept(tiny, spared) is tiny for _ in range(20_000))


@pytest.mark.parametrize(
    "body",
    [
        b"x" * 500_000,
        b"[" + b"1" + b"0" * 99_999 + b"]",
        b"[" * 8_000,
        b"data: {}\n\n" * 400,
        b"data: {}\n\n" * 19_000,
        b"data: {}\n\n" * 4_000 + b"x" * 600_000,  # the most of it is at its beginning, where parts are taken from
        b"x" * 600_000 + b"\n\n" + b"data: {}\n\n" * 4_000,
    ],
    ids=["text", "huge integers", "brackets", "few events", "many events", "dense in front", "dense behind"],
)
@pytest.mark.parametrize("lacking", [0, 1, 2])
def test_the_weight_of_hundreds_of_answers_is_bounded(body: bytes, lacking: int) -> None:
    patience, together = answered(), 0
    one = exchange(ENDED, body=body)
    for _ in range(400):
        lacks = iter([True] * lacking)  # what others build on is in the first part, in the last, or in none
        together += _weight(patience.kept(one, lambda part, lacks=lacks: next(lacks, False)))  # type: ignore[misc]
        if noted(patience, one)[0]:
            assert lacking
            break
    assert together < Limits().large_of_a_kind * (SHARES + 3)


def test_events_weigh_more_than_their_octets() -> None:
    patience = answered()
    body = b"data: {}\n\n" * 10_000
    many = [patience.kept(exchange(ENDED, body=body), spared).ending for _ in range(4)]
    assert many == [ENDED, ENDED, Ending.LEFT, Ending.LEFT]


def test_being_put_off_is_borne_for_a_while() -> None:
    patience = answered()
    busy = exchange(ENDED)
    assert [patience.wait(60, n * 60, busy)[0] for n in range(3)] == [True, True, True]
    worth, why = patience.wait(60, 180, busy)
    assert not worth
    assert "asks to wait at every request (200), for 180 s so far" in why


def test_a_rate_limit_between_answers_is_waited_for_within_a_budget() -> None:
    patience = answered()
    waits = 0
    for n in range(100):
        worth, why = patience.wait(60, n * 61, exchange(ENDED))
        assert why == ""
        waits += worth
        patience.served()
    assert waits == 15  # five times 180 s
    assert "waited for 900 s" in patience.remark()


def test_waits_side_by_side_count_once() -> None:
    patience = answered()
    assert all(patience.wait(60, 0, exchange(ENDED)) == (True, "") for _ in range(64))
    assert patience.remark() == ""


def test_a_coded_body_weighs_what_it_may_hide() -> None:
    coded = exchange(ENDED, body=b"x" * 900_000)
    assert coded.response is not None
    coded = replace(coded, response=replace(coded.response, headers=(("Content-Encoding", "gzip"),)))
    patience = answered()
    assert [patience.kept(coded, spared).ending for _ in range(4)] == [ENDED, Ending.LEFT, Ending.LEFT, Ending.LEFT]


def test_who_is_left_on_purpose_before_an_answer_does_not_hang() -> None:
    patience = answered()
    left = replace(exchange(Ending.LEFT), note=ProbeNote(left_after=-1))
    assert noted(patience, *[left] * 50) == [""] * 50
