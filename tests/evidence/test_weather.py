"""The weather of a recording: what an outage brought about breaks nothing, what a request brings about does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from checks.exchanges import (
    RESUME,
    chat,
    chat_stream,
    decision,
    judged,
    paused,
    refused,
    resumed,
    sent,
    unanswered,
)

from conformance.evidence.evidence import Evidence
from conformance.evidence.weather import suspects, told
from conformance.judging import judge as judging
from conformance.judging.verdict import State
from conformance.transcript.exchange import Ending, Exchange, ProbeNote, Transcript

WEATHER = ProbeNote(phase="weather", probe="weather")


def at(one: Exchange, started: float, took: float = 0.1) -> Exchange:
    return replace(one, started=started, finished=took)


def foul(name: str, started: float, status: int | None = 503, *, took: float = 0.1, round: int = 1) -> Exchange:
    """A request that fell foul: by a status, or by a connection that broke (None)."""
    probe, _, attempt = name.partition("~")
    note = {"probe": probe, "attempt": int(attempt or 1), "round": round}
    if status is None:
        return at(unanswered(name, Ending.RESET, **note), started, took)
    return at(refused(name, sent(probe), status, **note), started, took)


def fine(name: str, started: float) -> Exchange:
    return at(chat(name), started)


def weather(*exchanges: Exchange) -> tuple[Evidence, dict[str, bool]]:
    evidence = Evidence(Transcript(exchanges, {"suite": "0"}))
    return evidence, {reading.name: reading.fell for reading in evidence.all if reading.foul}


def test_what_several_meet_with_nothing_served_in_between_is_the_weathers() -> None:
    _, fell = weather(fine("w", 0), foul("a", 1), foul("b", 1.05), foul("c", 2, None), fine("x", 3))
    assert fell == {"a": True, "b": True, "c": True}


def test_where_a_proxy_let_nothing_through_no_request_is_suspected() -> None:
    def story(error: str) -> Evidence:
        gone = [at(replace(unanswered(name, Ending.REFUSED), error=error), 2) for name in ("b", "c", "d")]
        return weather(fine("w", 0), foul("a", 1, None), *gone)[0]

    assert suspects(story("ConnectError: refused").weather) == ("a",)
    assert suspects(story("ProxyError: it cannot be connected to: refused").weather) == ()


def test_a_run_that_a_proxy_ended_says_so() -> None:
    lost = replace(unanswered("b", Ending.REFUSED), error="ProxyError: it fell")
    options = {
        "stopped": "the proxy let nothing through for 3 s (it fell)",
        "reach": {"proxy": "http://proxy:3128", "proxy_by": "HTTPS_PROXY"},
    }
    verdict = judged(chat("a"), lost, options=options)
    assert verdict.sentence == (
        "The proxy let nothing through for 3 s (it fell): start http://proxy:3128 again, or correct HTTPS_PROXY."
    )
    assert [outcome for outcome in verdict.outcomes if outcome.state is State.FAILED] == []


def test_streams_that_were_cut_are_told_as_cut_and_not_by_their_status() -> None:
    cut = [replace(at(chat_stream(name), 1), ending=Ending.CUT) for name in ("a", "b")]
    evidence, _ = weather(fine("w", 0), *cut, fine("x", 3))
    (spell,) = evidence.weather.spells
    assert "(answers cut off)" in told(spell, 0)


def test_what_one_meets_alone_is_not() -> None:
    _, fell = weather(fine("w", 0), foul("a", 1), fine("x", 2), foul("b", 3), fine("y", 4))
    assert fell == {"a": False, "b": False}


QUICK = [at(refused(f"q{n}", sent(f"q{n}"), 422), n / 10, 0.02) for n in range(5)]
"""What is refused at once in fine weather."""


def held(*names: str, until: float) -> list[Exchange]:
    """Refusals that were asked for at second 1, and came late."""
    return [at(refused(name, sent(name), 422), 1, until - 1) for name in names]


def test_a_connection_that_breaks_as_everybody_is_held_up_is_the_weathers() -> None:
    evidence, fell = weather(*QUICK, foul("a", 0.9, None), *held("b", "c", until=4), fine("x", 4.1))
    assert fell == {"a": True}
    (spell,) = evidence.weather.spells
    assert told(spell, 0).startswith("The target did not serve for 3.0 s from 00:00:01 UTC, 1.0 s into the run")


@pytest.mark.parametrize(
    "besides",
    [
        [*held("b", "c", until=4), at(chat("y"), 1.1)],  # somebody was answered meanwhile
        [*held("b", until=4)],  # one that waits may have its own reason
        [at(chat(name), 1, 3) for name in "bcde"],  # a model takes its time
        [*held("b", "c", until=1.3)],  # that is not an outage
    ],
)
def test_a_connection_that_breaks_is_not_while_others_are_served(besides: list[Exchange]) -> None:
    assert weather(*QUICK, foul("a", 0.9, None), *besides, fine("x", 4.1))[1] == {"a": False}


def test_who_makes_the_target_stand_still_whenever_it_is_sent_alone_recurs() -> None:
    seen = [*QUICK, foul("a", 0.9, None), *held("b", "c", until=4)]
    again = [foul("a~2", 5, None), fine("x", 8), foul("a~3", 9, None), fine("y", 12)]
    assert weather(*seen, *again)[1] == {"a": False, "a~2": False, "a~3": False}


def test_two_that_fall_foul_together_whenever_they_are_sent_show_nothing_until_they_are_alone() -> None:
    together = [fine("w", 0), foul("a", 1, None), foul("b", 1.05, None), fine("x", 2), foul("a~2", 3, None),
                foul("b~2", 3.05, None), fine("y", 4)]  # fmt: skip
    evidence, _ = weather(*together)
    assert not any(evidence.weather.recurs(reading) for reading in evidence.all if reading.foul)
    alone = [foul("a~3", 5, None), fine("z", 6), foul("a~4", 7, None), fine("end", 8)]
    evidence, _ = weather(*together, *alone)
    assert {r.note.probe for r in evidence.all if r.foul and evidence.weather.recurs(r)} == {"a"}


def test_one_that_brings_the_target_down_each_time_it_is_sent_alone_recurs() -> None:
    """Behind it no connection is taken for a while: that is its doing, and not the weather."""
    down = [foul("a", 1, None), at(unanswered("weather", Ending.REFUSED), 1.2), fine("w", 2), foul("a~2", 3, None),
            at(unanswered("weather~2", Ending.REFUSED), 3.2), fine("x", 4)]  # fmt: skip
    evidence, _ = weather(fine("before", 0), *down)
    assert evidence.weather.recurs(evidence.by_name["a"])
    assert not evidence.weather.recurs(evidence.by_name["weather"])


def test_a_request_that_found_no_connection_brought_nothing_about() -> None:
    first, second = (replace(foul(name, at_, None), ending=Ending.REFUSED) for name, at_ in (("a", 1), ("a~2", 3)))
    evidence, _ = weather(fine("w", 0), first, fine("x", 2), second, fine("y", 4))
    assert not any(evidence.weather.recurs(reading) for reading in evidence.all if reading.foul)


def test_one_that_was_served_in_a_calm_moment_does_not() -> None:
    evidence, _ = weather(fine("w", 0), foul("a", 1), fine("x", 2), foul("a~2", 3), fine("y", 4),
                          replace(fine("a~3", 5), note=replace(chat("a").note, probe="a", attempt=3)))  # fmt: skip
    assert not evidence.weather.recurs(evidence.by_name["a"])


@pytest.mark.parametrize("status", [502, 503, 504, 529])
def test_a_status_of_load_is_laid_to_a_body_only_in_calm_moments(status: int) -> None:
    tries = [fine("w", 0), foul("a", 1, status), fine("x", 2), foul("a~2", 3, status), fine("y", 4)]
    assert judged(*tries)["error.no-server-error"].state is State.FAILED
    beside = [at(chat("slow"), 0.5, 3.0)]
    assert judged(*tries, *beside)["error.no-server-error"].state is not State.FAILED


def test_streams_that_are_cut_together_break_nothing() -> None:
    cut = [at(replace(chat_stream(name), ending=Ending.CUT), 1, 0.5) for name in ("a", "b")]
    verdict = judged(fine("w", 0), *cut, fine("x", 2), at(chat_stream("c"), 3))
    assert verdict["http.complete"].state is State.PASSED
    alone = judged(fine("w", 0), cut[0], fine("x", 2), at(chat_stream("c"), 3))
    assert alone["http.complete"].state is State.FAILED


def test_a_stream_that_is_cut_as_the_target_goes_down_breaks_nothing() -> None:
    cut = at(replace(chat_stream("a"), ending=Ending.CUT), 1, 0.5)
    verdict = judged(fine("w", 0), cut, at(unanswered("b", Ending.REFUSED), 1.6), fine("x", 2), at(chat_stream("c"), 3))
    assert verdict["http.complete"].state is State.PASSED


def test_approvals_alone_do_not_make_fine_weather() -> None:
    _, fell = weather(foul("a", 1, 502), at(paused("p"), 2), foul("b", 3, 502))
    assert fell == {"a": True, "b": True}


def resume(name: str, started: float, status: int, *, fair: bool = True) -> Exchange:
    """A resume of the approval of `p` that is not served."""
    probe, _, attempt = name.partition("~")
    note = {"endpoint": RESUME, "probe": probe, "flow": probe, "attempt": int(attempt or 1)}
    body = decision(probe, "p", **({} if fair else {"temperature": 9}))
    return at(refused(name, body, status, **note), started)


def again(*exchanges: Exchange) -> set[str]:
    """The flows that are to be recorded once more."""
    return judging.unsettled(Transcript((fine("w", 0), at(paused("p"), 1), *exchanges, fine("x", 9)), {"suite": "0"}))


def test_a_decision_that_was_lost_is_recorded_once_more() -> None:
    assert again(resume("lost", 2, 503), resume("lost~2", 3, 409)) == {"lost"}


def test_a_resume_that_is_refused_as_it_ought_to_be_at_last_is_not() -> None:
    """It carries nothing out, so its first try lost nothing."""
    assert again(resume("bad", 2, 503, fair=False), resume("bad~2", 3, 400, fair=False)) == set()


def test_a_resume_of_what_had_been_decided_before_is_not() -> None:
    decided = at(resumed("first", "p"), 2)
    assert again(decided, resume("replay", 3, 503), resume("replay~2", 4, 409)) == set()
    assert again(decided, resume("replay", 3, 503)) == {"replay"}


@pytest.mark.parametrize(("others", "told"), [((), 0), ((foul("c", 1.2),), 1)])
def test_two_answers_in_a_row_are_told_as_no_outage(others: tuple[Exchange, ...], told: int) -> None:
    shed = (foul("a", 1), at(replace(refused("weather", sent("weather"), 503), note=WEATHER), 1.1), *others)
    notes = judging.judge(Transcript((fine("w", 0), *shed, fine("x", 3)), {"suite": "0"})).notes
    assert sum("did not serve" in note for note in notes) == told
    assert all("2 requests were asked again" in note for note in notes if "did not serve" in note)
