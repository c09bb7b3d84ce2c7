"""Each part of the benchmarks runs, on something small, and measures what it says. No time is asserted."""

import asyncio
import json
import shutil
from dataclasses import replace

import pytest
from click.testing import CliRunner

from conformance.client import faces as every_face
from conformance.client.run import Trial
from conformance.judging.judge import judge
from conformance.probes.catalogue import flows
from conformance.probes.flow import Phase
from conformance.probes.plan import Plan
from conformance.reference.app import create_app
from conformance.reference.faults import by_id
from conformance.reference.serving import in_thread
from conformance.reference.settings import Settings
from conformance.running import run
from conformance.settings.options import Depth
from conformance.transcript.exchange import Ending, Transcript
from conformance.wire.limits import MEBIBYTE, Limits

from . import __main__ as command
from . import (
    faces,
    files,
    floor,
    generation,
    judging,
    memory,
    passing,
    reading,
    recording,
    server,
    startup,
    table,
    tools,
    trace,
)

OPTIONS = {"only": ("resume",), "wait_expiry": 0.0, "concurrency": 8, "examples": 0}


@pytest.fixture(scope="module")
def served():
    with server.served(0.0) as options:
        yield replace(options, **OPTIONS)


@pytest.fixture(scope="module")
def recorded(served):
    return trace.record(served, 7)


def test_a_trace_holds_every_request_of_the_recording(recorded):
    sent = {send.name for chain in recorded.chains for step in chain.steps for send in step}
    assert sent == {exchange.note.probe for exchange in recorded.transcript}
    race = next(chain for chain in recorded.chains if chain.name == "resume-race")
    assert [len(step) for step in race.steps[:2]] == [1, 3]


def test_recording_with_a_trace_leaves_the_run_as_it_was(recorded):
    assert run.flows.__module__ == "conformance.probes.catalogue"
    assert judge(recorded.transcript).verdict.conclusion.value in ("conformant", "inconclusive")


def test_the_floor_sends_what_was_recorded(served, recorded):
    script = floor.lines(recorded)
    by_name = {exchange.name: exchange for exchange in recorded.transcript}
    calls = [call for line in script for step in line.steps for call in step]
    assert {call.name: call.body for call in calls} == {name: e.request.body for name, e in by_name.items()}
    for call in calls:
        names = [name.lower() for name, _ in by_name[call.name].request.headers]
        assert [name.lower() for name, _ in call.headers] == [
            name for name in names if name not in ("host", "content-length")
        ]


def test_the_floor_is_answered_as_the_recording_was(served, recorded):
    replayed = floor.replay(floor.lines(recorded), served.url, served.concurrency)
    # Of the resumes that race, another one may win: those two differ then.
    assert recording.differences(recorded, replayed) <= 2
    assert any(name.startswith("resume-deny") for name in replayed.statuses)


def test_differences_count_other_statuses_and_absent_requests(recorded):
    statuses = {exchange.name: exchange.status for exchange in recorded.transcript}
    first, second, *_ = statuses
    assert recording.differences(recorded, floor.Replayed(1.0, statuses)) == 0
    changed = {**statuses, first: 599}
    del changed[second]
    assert recording.differences(recorded, floor.Replayed(1.0, changed)) == 2


def test_the_floor_keeps_the_ways_of_reading_and_waiting(served):
    chains = []
    plan = Plan(served.model, 1)
    for name in ("isolation-slow-reader", "robust-disconnect"):
        flow = next(flow for flow in flows(plan) if flow.name == name)
        steps = trace.traced(flow, chains.append).steps(1)
        next(steps)
        steps.close()
    script = floor.lines(trace.Recorded(served, Transcript(()), tuple(chains), 1.0))
    slow, meanwhile, left = (call for line in script for call in line.steps[0])
    assert slow.pause > 0
    assert meanwhile.delay > 0
    assert left.leave_after == 8
    assert [line.phase for line in script] == [Phase.CONCURRENT, Phase.LEAVING]


def test_generation_counts_bodies():
    assert generation.natural(1, 6) == 6
    assert generation.unusual(1, 3) == 3
    assert generation.invalid(1, 1) > 20
    assert generation.flows(1, "quick") == 0
    assert generation.flows(1, "standard") > generation.invalid(1, 1)


def test_both_readers_read_the_same():
    for end in (b"\n", b"\r\n"):
        pieces = reading.chat_stream(20, end)
        assert [e.data for e in reading.ours(pieces)] == [e.data for e in reading.theirs(pieces)]
        assert len(reading.ours(pieces)) == 21


def test_the_bare_loop_parses_every_text():
    stream = b"".join(reading.chat_stream(20))
    assert judging.bare([(stream, True), (b'{"a":1}', False), (b"no JSON", False)]) == 21


def test_long_streams_are_judged_and_conform(served):
    standard = replace(served, only=("stream",), depth=Depth.STANDARD)
    transcript = asyncio.run(run.record(standard, 3))
    long = judging.streams(transcript, 2, 30)
    assert len(long) == 2
    report = judge(long)
    failed = [o.requirement.id for o in report.verdict.outcomes if o.findings]
    assert not failed
    assert judging.judged("x", long, 1).repetitions == 1


def test_a_child_tells_its_peak_and_stops_at_the_limit():
    with in_thread(memory.app()) as url:
        small, ending, length = memory.peak(f"{url}/1")
        assert (ending, length) == (Ending.COMPLETE, MEBIBYTE)
        large, ending, length = memory.peak(f"{url}/40")
    assert ending is Ending.TOO_LARGE
    assert length == Limits().kept
    assert large > small


def test_record_is_measured_beside_the_server_itself():
    part = passing.measure(True)
    assert [row.repetitions for row in part.rows] == [20, 20, 20, 1, 1, 1]
    assert [len(part.data[name]) for name in ("straight_s", "through_s")] == [20, 20]
    assert part.rows[3].figure == "20 of 20"
    assert part.rows[2].what.startswith("time to the first event, 99% of streams: ")


def test_a_crowd_counts_what_ended_whole():
    with in_thread(create_app(Settings(token_interval=0), by_id("stream-done-absent").behaviour)) as url:
        assert asyncio.run(passing.crowd(f"{url}/v1", 3))[0] == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_faces_are_judged_and_a_client_that_fails_measures_nothing(monkeypatch):
    part = faces.measure(True)
    assert part.rows[0].what.startswith("10 faces")
    assert {len(times) for times in part.data.values()} == {1}
    words = (*faces.COMMAND[:2], faces.COMMAND[2].replace('"messages"', '"massages"').replace("-sSf", "-sS"))
    trial = Trial(command=words, faces=every_face.chosen(["json-pretty"]))
    with pytest.raises(RuntimeError, match=r"the client breaks client\.request-valid"):
        faces.judged(trial)


def test_the_first_request_is_waited_for():
    startup.show_help()
    assert startup.first_request(Depth.QUICK) > 0


def test_schemathesis_report_is_read():
    failure = {"operation": "POST /x", "type": "T", "message": "bad 5"}
    events = [
        {"Initialize": {}},
        {"ScenarioFinished": {"recorder": {
            "interactions": {"a": {}, "b": {}},
            "checks": {"a": [{"status": "success"}, {"status": "failure", "failure_info": {"failure": failure}}]},
        }}},
        {"ScenarioFinished": {"recorder": {"label": "nothing was sent"}}},
        {"NonFatalError": {}},
    ]  # fmt: skip
    said = tools.schemathesis_said(events, 2.0)
    assert said == tools.Said(2.0, 2, frozenset({"POST /x: T: bad <number>"}), 1)


def test_llm_comply_output_is_read():
    printed = {"results": [
        {"id": "a", "status": "passed"},
        {"id": "b", "status": "failed", "errors": ["no content"]},
        {"id": "c", "status": "skipped", "errors": ["not here"]},
    ]}  # fmt: skip
    assert tools.llm_comply_said(printed, 1.0) == tools.Said(1.0, 2, frozenset({"b: no content"}), tests=("a", "b"))


def test_a_tool_that_is_not_there_is_unusable(tmp_path):
    with pytest.raises(tools.Unusable, match="cannot be started"):
        tools.llm_comply(str(tmp_path / "nothing"), "http://127.0.0.1:9/v1", tmp_path, limit=5)


MEMORY = table.Part("memory", "Memory", (table.Row("one", "1 MiB"),))


def test_the_command_writes_table_and_document_and_a_page_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "parts", lambda llm_comply: {"memory": lambda fast: MEMORY, "run": pytest.fail})
    page = tmp_path / "page.md"
    done = CliRunner().invoke(
        command.main, ["--only", "memory", "--output", str(tmp_path / "out"), "--page", str(page)]
    )
    assert done.exit_code == 0, done.output
    assert "| one | 1 MiB |" in (tmp_path / "out" / "bench.md").read_text(encoding="utf-8")
    assert page.read_text(encoding="utf-8") == table.page([MEMORY], table.machine())
    assert json.loads((tmp_path / "out" / "bench.json").read_text(encoding="utf-8"))["parts"][0]["name"] == "memory"


@pytest.mark.parametrize(("arguments", "written"), [([], True), (["--fast"], False), (["--only", "memory"], False)])
def test_only_a_whole_measurement_writes_the_page_by_itself(tmp_path, monkeypatch, arguments, written):
    monkeypatch.chdir(tmp_path)
    command.PAGE.parent.mkdir()
    monkeypatch.setattr(command, "parts", lambda llm_comply: {"memory": lambda fast: MEMORY})
    done = CliRunner().invoke(command.main, arguments)
    assert done.exit_code == 0, done.output
    assert command.PAGE.exists() == written


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--only", "nothing"], "--only knows"), (["--only", "memory", "--page", "absent/page.md"], "absent")],
)
def test_the_command_refuses_bad_input_before_it_measures(tmp_path, monkeypatch, arguments, said):
    monkeypatch.setattr(command, "parts", lambda llm_comply: {"memory": pytest.fail})
    done = CliRunner().invoke(command.main, [*arguments, "--output", str(tmp_path / "out")])
    assert done.exit_code == 4
    assert said in done.output
    assert not (tmp_path / "out").exists()


def test_a_large_recording_is_judged_for_what_is_the_targets(tmp_path):
    part = files.measure(fast=True)
    assert [row.met for row in part.rows] == [True, True]
    with pytest.raises(RuntimeError, match="exit code 4"):
        files.judged(tmp_path / "none.har")
