"""Streams that told of an error behind chunks: asked for again where that is safe, and no answer by themselves."""

from __future__ import annotations

import asyncio

import pytest

from conformance.evidence.evidence import Evidence
from conformance.judging import judge as judging
from conformance.judging.result import Result
from conformance.judging.verdict import Conclusion, State
from conformance.reference.app import create_app
from conformance.reference.behaviour import Behaviour
from conformance.reference.conditions import Object, When, any_stream, resumed_stream, text_stream
from conformance.reference.failing import FORMS
from conformance.reference.incoming import Incoming
from conformance.reference.making import shapes
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL, Settings
from conformance.running import run
from conformance.settings.options import Depth, Options

SETTINGS = Settings(token_interval=0.0)
OF_CHUNKS = ("chunk.schema", "chunk.content", "chunk.finish-once", "stream.done")


def fails(when: When, times: int | None = None) -> Behaviour:
    """A server whose streams end behind their first chunk in an error, each of them or so many."""
    left = [times]

    def shape(_: Incoming, objects: list[Object]) -> list[Object]:
        if left[0] == 0:
            return objects
        left[0] = left[0] and left[0] - 1
        return [objects[0], FORMS["empty-choices"](objects[-1])]

    return shapes(shape, when=when)


def recorded(behaviour: Behaviour) -> Result:
    """A quick run against such a server."""
    with in_thread(create_app(SETTINGS, behaviour)) as url:
        options = Options(
            url=f"{url}/v1",
            model=DEFAULT_MODEL,
            token=SETTINGS.tokens[0],
            approval_prompt=DEFAULT_APPROVAL_PROMPT,
            depth=Depth.QUICK,
        )
        return judging.judge(asyncio.run(run.record(options.checked(), 7, patience=0.01)))


def of_streams(report: Result, *, resumed: bool) -> list[tuple[int, int, bool]]:
    """(round, attempt, whether it failed within) of each stream of a chat, or of a resume, that failed at first."""
    readings = [r for r in Evidence(report.transcript).all if r.asked.stream and r.asked.resume is resumed]
    first = {r.note.probe for r in readings if r.failed_within and (r.note.round, r.note.attempt) == (1, 1)}
    return [(r.note.round, r.note.attempt, r.failed_within) for r in readings if r.note.probe in first]


def test_a_chat_that_failed_is_asked_again() -> None:
    report = recorded(fails(text_stream, 2))
    tries = of_streams(report, resumed=False)
    assert sum(failed for _, _, failed in tries) == 2
    assert {round_ for round_, _, _ in tries} == {1}
    assert max(attempt for _, attempt, _ in tries) > 1
    assert report.verdict.conclusion is Conclusion.CONFORMANT, report.verdict.sentence


def test_a_resume_that_failed_is_not_repeated_but_its_flow_is_recorded_anew() -> None:
    report = recorded(fails(resumed_stream, 1))
    assert of_streams(report, resumed=True) == [(1, 1, True), (2, 1, False)]
    assert report.verdict.conclusion is Conclusion.CONFORMANT, report.verdict.sentence
    assert report.excused == (1, len(Evidence(report.transcript).last))


@pytest.mark.parametrize(
    ("when", "open_"),
    [
        (text_stream, OF_CHUNKS),
        (any_stream, (*OF_CHUNKS, "approval.stream", "resume.stream")),
        (resumed_stream, ("resume.stream",)),
    ],
)
def test_what_never_succeeded_has_not_passed(when: When, open_: tuple[str, ...]) -> None:
    report = recorded(fails(when))
    assert report.verdict.conclusion is Conclusion.INCONCLUSIVE
    assert {id_: report.verdict[id_].state for id_ in open_} == dict.fromkeys(open_, State.NOT_EXERCISED)
    assert not report.findings
    assert report.excused[0] > 0
