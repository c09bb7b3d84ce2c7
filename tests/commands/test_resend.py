"""`resend`: a recorded request again, against servers that fail and that do not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conformance.evidence.evidence import Evidence
from conformance.judging.judge import judge
from conformance.reference.app import create_app
from conformance.reference.faults import by_id
from conformance.reference.serving import in_thread
from conformance.reference.settings import FIRST_TOKEN, SECOND_TOKEN, Settings
from conformance.report.curl import again
from conformance.running import resending, run
from conformance.settings.options import Depth, Options
from conformance.transcript import har_writer
from conformance.transcript.exchange import Transcript

SETTINGS = Settings(token_interval=0.0)
AT_ONCE = 32
"""Requests: some faults make each answer take so long that others come meanwhile."""
OF_STANDARD = ("resume.race", "resume.foreign-call")
"""What a quick run does not show."""
Recording = Callable[[str, str], Transcript]


@pytest.fixture(scope="module")
def recorded() -> Iterator[Recording]:
    """Records a requirement on a server with a fault, once; the server goes on serving."""
    with ExitStack() as stack:

        @cache
        def record(fault: str, only: str) -> Transcript:
            url = stack.enter_context(in_thread(create_app(SETTINGS, by_id(fault).behaviour)))
            depth = Depth.STANDARD if only in OF_STANDARD else Depth.QUICK
            told = Options(only=(only,), depth=depth, concurrency=AT_ONCE)
            return asyncio.run(run.record(run.of_reference(f"{url}/v1", told), 3, patience=0.1))

        yield record


@pytest.fixture
def recording(recorded: Recording) -> Recording:
    """Gives such a recording, and puts it where `run` does."""

    def give(fault: str, only: str) -> Transcript:
        transcript = recorded(fault, only)
        Path("reports").mkdir()
        Path("reports/transcript.har").write_text("".join(har_writer.pieces(transcript)), encoding="utf-8")
        return transcript

    return give


def shown_by(transcript: Transcript, requirement: str) -> str:
    """The exchange of the first finding."""
    return judge(transcript, opinions=False).verdict[requirement].findings[0].exchange


@pytest.fixture(autouse=True)
def _bare(bare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITEMESH_TOKEN", FIRST_TOKEN)
    monkeypatch.setenv("KITEMESH_SECOND_TOKEN", SECOND_TOKEN)


@pytest.mark.parametrize(
    ("fault", "requirement"),
    [
        ("stream-done-absent", "stream.done"),
        ("race-serves-both", "resume.race"),
        ("foreign-call-served", "resume.foreign-call"),
        ("replay-runs-again", "resume.replay"),
    ],
)
def test_what_failed_fails_again(recording: Recording, command: Any, fault: str, requirement: str) -> None:
    transcript = recording(fault, requirement)
    name = shown_by(transcript, requirement)
    code, out, err = command("resend", name, "--times", "2")
    assert (code, err) == (1, "")
    assert f"{name} failed 2 of 2 times." in out
    assert f"{requirement}: " in out
    assert FIRST_TOKEN not in out


def test_what_is_mended_does_not_fail(recording: Recording, command: Any) -> None:
    transcript = recording("stream-done-absent", "stream.done")
    name = shown_by(transcript, "stream.done")
    with in_thread(create_app(SETTINGS)) as url:
        code, out, _ = command("resend", name, f"{url}/v1")
    assert code == 0
    assert f"{name} failed 0 of 1 time." in out


def test_the_finding_is_marked_where_it_is(recording: Recording, command: Any) -> None:
    transcript = recording("usage-negative", "completion.usage")
    name = shown_by(transcript, "completion.usage")
    _, out, _ = command("resend", name)
    assert "»" in out.split("< ", 1)[1]


def test_the_octets_are_those_that_were_recorded(recording: Recording) -> None:
    transcript = recording("stream-done-absent", "stream.done")
    options = run.of_reference(str(transcript.options["url"]), Options())
    exchange = transcript.exchanges[0]
    (made,) = resending.again(transcript, exchange, options, 1)
    sent, first = made.exchange.request, exchange.request
    assert (sent.method, sent.url, sent.headers, sent.body) == (first.method, first.url, first.headers, first.body)


def test_of_an_approval_the_ids_are_new_and_the_rest_is_not(recording: Recording) -> None:
    transcript = recording("foreign-call-served", "resume.deny")
    options = run.of_reference(str(transcript.options["url"]), Options())
    accepted = (r.exchange for r in Evidence(transcript).all if r.accepted)
    old = next(e for e in accepted if b"denied_tools" in (e.request.body or b""))
    (made,) = resending.again(transcript, old, options, 1)
    before, after = (json.loads(e.request.body or b"{}") for e in (old, made.exchange))
    assert before.pop("approval_id") != after.pop("approval_id")
    assert before.pop("denied_tools") != after.pop("denied_tools")
    assert before == after
    assert made.exchange.status == 200


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("resend", "accept-minimol"), "did you mean accept-minimal"),
        (("resend", "accept-minimal", "--times", "0"), "--times"),
        (("resend", "accept-minimal", "--from", "nothing.har"), "nothing.har"),
        (("resend", "accept-minimal", "--from", "afar.har"), "https://afar.example/v1"),
    ],
)
def test_what_cannot_be_sent_is_told(recording: Recording, command: Any, words: tuple[str, ...], said: str) -> None:
    transcript = recording("stream-done-absent", "stream.done")
    document = "".join(har_writer.pieces(transcript))
    Path("afar.har").write_text(document.replace(str(transcript.options["url"]), "https://afar.example/v1"))
    code, _, err = command(*words)
    assert code == 4
    assert said in err
    assert len(err.splitlines()) == 1


def test_reports_name_it_where_curl_does_not_do(recording: Recording) -> None:
    transcript = recording("race-serves-both", "resume.race")
    lines = {exchange.note.probe: again(exchange) for exchange in transcript}
    assert lines["accept-minimal"].startswith("curl ")
    assert lines["resume-race-a"].startswith("kitemesh-conformance resend ")
