"""The baseline end to end: known failures pass the gate, new, stale and expired ones do not, the verdict stays true."""

import json
import re
from datetime import date
from pathlib import Path

import pytest
from made_up import MODEL, URL

from conformance.contract.catalogue import load
from conformance.judging import baseline
from conformance.judging.baseline import TODO, Entry

pytestmark = pytest.mark.usefixtures("bare")
TARGET = (URL, "--model", MODEL)
MADE_UP = "POST /chat/completions @ event"
"""Of a made-up finding: its exchange bears no probe note, so that method and path stand for it."""


def write(*entries, path="known.toml"):
    text = ""
    for entry in entries:
        text += "[[known]]\n" + "".join(f"{name} = {value}\n" for name, value in entry.items())
    Path(path).write_text(text, encoding="utf-8")


def on(requirement, **more):
    return {"requirement": f'"{requirement}"', "reason": '"TICKET-17"', **more}


def results(directory="reports"):
    return json.loads(Path(directory, "results.json").read_text(encoding="utf-8"))


# --- the gate ----------------------------------------------------------------------------------------------------


def test_a_known_failure_passes_the_gate_and_the_verdict_stays_true(world, command):
    world.broken = {"stream.done": 2}
    write(on("stream.done", owner='"chat team"', expires="2027-01-31"))
    code, out, _ = command("run", *TARGET, "--baseline", "known.toml")
    assert code == 0
    flat = " ".join(out.split())
    assert "NONCONFORMANT (full scope): The target breaks 1 MUST: stream.done." in flat
    assert "GATE PASSED (exit code 0): The gate passes: no new failure, 1 known failure set aside." in flat
    assert "stream.done: TICKET-17 (chat team)" in flat
    found = results()
    assert (found["verdict"], found["exit_code"]) == ("nonconformant", 0)
    assert found["gate"]["passed"] is True
    assert found["gate"]["known"] == [
        {
            "requirement": "stream.done",
            "reason": "TICKET-17",
            "owner": "chat team",
            "expires": "2027-01-31",
            "intermittent": False,
        }
    ]
    assert found["gate"]["new"] == found["gate"]["stale"] == found["gate"]["expired"] == []
    assert "Gate passed" in Path("reports/summary.md").read_text(encoding="utf-8")
    assert "The gate passes" in Path("reports/report.html").read_text(encoding="utf-8")
    assert 'failures="0"' in Path("reports/junit.xml").read_text(encoding="utf-8")


def test_a_new_failure_does_not_pass(world, command):
    world.broken = {"stream.done": 1, "http.json": 1}
    write(on("stream.done"))
    code, out, _ = command("run", *TARGET, "--baseline", "known.toml")
    assert code == 1
    assert f"http.json fails, and the baseline does not name it: {MADE_UP}." in " ".join(out.split())
    assert results()["gate"]["new"] == [{"requirement": "http.json", "findings": [MADE_UP]}]
    assert results()["gate"]["passed"] is False


def test_a_stale_entry_does_not_pass(world, command):
    write(on("stream.done"))
    code, out, _ = command("run", *TARGET, "--baseline", "known.toml")
    assert code == 1
    said = "The baseline says that stream.done fails, but it was judged and does not: remove the entry."
    assert said in " ".join(re.sub(r"\n +", " ", out).split())
    found = results()
    assert (found["verdict"], found["exit_code"]) == ("conformant", 1)
    assert [entry["sentence"] for entry in found["gate"]["stale"]] == [said]
    assert "remove the entry" in Path("reports/junit.xml").read_text(encoding="utf-8")


def test_an_intermittent_entry_is_never_stale(world, command):
    write(on("stream.done", intermittent="true"))
    assert command("run", *TARGET, "--baseline", "known.toml")[0] == 0


@pytest.mark.parametrize(("expires", "code"), [("2026-09-20", 1), ("2026-09-21", 0), ('"2026-09-20"', 1)])
def test_an_entry_excuses_until_the_end_of_its_last_day(world, command, expires, code):
    world.broken = {"stream.done": 1}
    write(on("stream.done", expires=expires))
    got, _, _ = command("run", *TARGET, "--baseline", "known.toml")
    assert got == code
    assert len(results()["gate"]["expired"]) == code
    assert results()["gate"]["new"] == []


def test_what_was_not_exercised_makes_an_entry_neither_stale_nor_used(world, command):
    world.unseen = {"resume.expired": "no leave to wait"}  # conditional: nothing stays open
    write(on("resume.expired"))
    code, _, _ = command("run", *TARGET, "--baseline", "known.toml")
    gate = results()["gate"]
    assert gate["stale"] == gate["known"] == []
    world.unseen = {}
    assert code in (0, 6)
    command("run", *TARGET, "--baseline", "known.toml", "--only", "http")
    assert results()["gate"]["stale"] == []
    assert command("run", *TARGET, "--baseline", "known.toml")[0] == 1


def test_what_could_not_be_judged_is_not_excused(world, command):
    world.unseen = {"http.json": "none came"}
    write(on("http.json"))
    assert command("run", *TARGET, "--baseline", "known.toml")[0] == 6
    assert results()["gate"]["passed"] is False
    world.broken = {"stream.done": 1}
    write(on("stream.done"))
    code, out, _ = command("run", *TARGET, "--baseline", "known.toml")
    assert code == 6
    assert "GATE FAILED (exit code 6)" in out


def test_a_failure_of_the_suite_is_not_excused(world, command):
    world.errors = {"http.json": "KeyError: 'x'"}
    write(on("http.json"))
    assert command("run", *TARGET, "--baseline", "known.toml")[0] == 3
    assert results()["gate"]["passed"] is False


def test_an_interrupted_run_is_not_excused(world, command):
    world.interrupted, world.broken = True, {"stream.done": 1}
    write(on("stream.done"))
    assert command("run", *TARGET, "--baseline", "known.toml")[0] == 2


def test_a_warning_may_be_known_and_counts_when_strict(world, command):
    world.broken = {"auth.challenge": 1}
    write()
    assert command("run", *TARGET, "--baseline", "known.toml")[0] == 0
    assert command("run", *TARGET, "--baseline", "known.toml", "--strict")[0] == 1
    write(on("auth.challenge"))
    assert command("run", *TARGET, "--baseline", "known.toml", "--strict")[0] == 0


def test_without_a_baseline_the_gate_is_the_verdict(world, command):
    world.broken = {"stream.done": 1}
    assert command("run", *TARGET)[0] == 1
    gate = results()["gate"]
    assert (gate["passed"], gate["baseline"], gate["known"]) == (False, None, [])
    assert gate["new"] == [{"requirement": "stream.done", "findings": [MADE_UP]}]


# --- findings ----------------------------------------------------------------------------------------------------


def judge(command, path, *words):
    code, out, _ = command("judge", path, "--output", "out", *words)
    return code, out, results("out")


def keys(found, requirement):
    return [f["key"] for r in found["requirements"] if r["id"] == requirement for f in r["findings"]]


def test_an_entry_on_a_finding_excuses_that_one_only(command, transcript):
    path = transcript("delta-missing")
    _, _, found = judge(command, path)
    named = keys(found, "chunk.schema")
    assert named == [
        "accept-stream @ event, /choices/*/delta",
        "resume-decide-stream-further-1 @ event, /choices/*/delta",
    ]
    write(on("chunk.schema", finding=f'"{named[0]}"'))
    code, _, found = judge(command, path, "--baseline", "known.toml")
    assert code == 1
    assert found["gate"]["new"] == [{"requirement": "chunk.schema", "findings": [named[1]]}]
    write(*(on("chunk.schema", finding=f'"{name}"') for name in named))
    code, _, found = judge(command, path, "--baseline", "known.toml")
    assert found["gate"]["new"] == found["gate"]["stale"] == []
    assert len(found["gate"]["known"]) == 2


def test_an_entry_on_a_finding_that_is_mended_is_stale_only_where_its_probe_was_judged(command, transcript):
    gone = on("chunk.schema", finding='"approval-stream @ event, /choices/*/delta"')
    unsent = on("chunk.schema", finding='"stream-turns @ event, /choices/*/delta"')
    whole = on("chunk.schema")
    write(gone, unsent, whole)
    code, _, found = judge(command, transcript("delta-missing"), "--baseline", "known.toml")
    assert code == 1
    assert [entry["finding"] for entry in found["gate"]["stale"]] == ["approval-stream @ event, /choices/*/delta"]


def test_keys_are_the_same_when_ids_numbers_and_times_differ():
    from conformance.evidence.place import Place
    from conformance.judging.key import steady

    assert steady(Place("/choices/0/delta", 3, 812)) == steady(Place("/choices/1/delta", 12, 9))
    assert steady(Place("/choices/0/delta", 3, 812)) == "event, /choices/*/delta"
    assert steady(Place(event=3, byte=812)) == "event"
    assert steady(Place(byte=812)) == "byte"
    assert steady(Place("/x/123e4567-e89b-42d3-a456-426614174000")) == "/x/*"
    assert steady(Place(header="Content-Type")) == "header Content-Type"
    assert steady(Place("/a\x1b\u202e")) == "/a??"


def test_a_key_is_printable_whatever_a_transcript_calls_its_probes():
    from made_up import exchange, finding

    from conformance.judging.key import LONGEST, key
    from conformance.transcript.exchange import ProbeNote

    made = key(finding("stream.done"), exchange(note=ProbeNote(probe="\x1b[31m\ud800\n" + "x" * 999)))
    assert made.startswith("?[31m??xxx")
    assert len(made) == LONGEST


def test_the_keys_of_a_generated_body_name_its_rule():
    from made_up import exchange, finding

    from conformance.evidence.place import STATUS
    from conformance.judging.key import key
    from conformance.transcript.exchange import ProbeNote

    made = [
        exchange(name, note=ProbeNote(phase="generated", probe=name, breach="role-enum"))
        for name in ("generated-role-enum-json-3", "generated-role-enum-stream-7")
    ]
    assert {key(finding("reject.generated", place=STATUS), one) for one in made} == {"generated-role-enum @ status"}


def test_the_keys_of_bad_values_that_take_turns_are_one():
    from made_up import exchange, finding

    from conformance.evidence.place import STATUS
    from conformance.judging.key import key
    from conformance.transcript.exchange import ProbeNote

    def of(name: str) -> str:
        note = ProbeNote(phase="calm", probe=name, breach="role-enum")
        return key(finding("reject.message-shape", place=STATUS), exchange(name, note=note))

    assert of("reject-role-enum-near-9") == of("reject-role-enum-near-31") == "reject-role-enum-near @ status"
    assert of("reject-role-enum-2") == "reject-role-enum-2 @ status"


# --- writing -----------------------------------------------------------------------------------------------------


def test_what_is_written_lets_the_same_run_pass(command, transcript):
    path = transcript("id-varies")
    code, out, _ = command("judge", path, "--write-baseline", "known.toml")
    assert code == 1
    assert "known.toml written: 4 entries, 4 of them new." in " ".join(out.split())
    entries = baseline.load(Path("known.toml"), load()).entries
    assert {entry.reason for entry in entries} == {TODO}
    assert {entry.requirement for entry in entries} == {"chunk.id-stable"}
    _, _, found = judge(command, path, "--baseline", "known.toml")
    assert found["gate"]["new"] == found["gate"]["stale"] == []
    assert judge(command, transcript("conforming"), "--baseline", "known.toml")[2]["gate"]["stale"]


def test_many_findings_are_written_as_one(world, command, transcript):
    world.broken = {"stream.done": 9, "http.json": 1, "auth.challenge": 1}
    assert command("run", *TARGET, "--write-baseline", "known.toml")[0] == 1
    text = Path("known.toml").read_text(encoding="utf-8")
    assert "auth.challenge" not in text  # a warning does not fail the gate
    assert command("run", *TARGET, "--baseline", "known.toml")[0] == 0


def test_a_baseline_is_written_over_itself_alone_and_keeps_its_reasons(world, command, refused):
    world.broken = {"stream.done": 1, "http.json": 1}
    write(on("stream.done", owner='"chat team"'), on("chunk.schema"))
    before = Path("known.toml").read_bytes()
    refused("run", *TARGET, "--write-baseline", "known.toml", said="give it as --baseline too")
    write(on("stream.done"), path="other.toml")
    refused("run", *TARGET, "--baseline", "other.toml", "--write-baseline", "known.toml", said="exists")
    assert not world.asked
    assert Path("known.toml").read_bytes() == before
    code, out, _ = command("run", *TARGET, "--baseline", "known.toml", "--write-baseline", "known.toml")
    assert code == 1
    assert "2 entries, 1 of them new, 1 removed (no longer failing)." in " ".join(out.split())
    entries = baseline.load(Path("known.toml"), load()).entries
    assert entries == (
        Entry("stream.done", "TICKET-17", owner="chat team"),
        Entry("http.json", TODO, finding=MADE_UP),
    )
    code, out, _ = command("run", *TARGET, "--baseline", "known.toml", "--write-baseline", "known.toml")
    assert code == 0
    assert "known.toml is up to date." in out


def test_nothing_is_written_of_a_run_that_did_not_end(world, command):
    world.interrupted = True
    code, _, err = command("run", *TARGET, "--write-baseline", "known.toml")
    assert code == 2
    assert "No baseline was written" in err
    assert not Path("known.toml").exists()


def test_where_nothing_can_be_written_nothing_is_sent(world, refused):
    refused("run", *TARGET, "--write-baseline", "no/such/known.toml", said="Nothing can be written")
    assert not world.asked


def test_every_entry_is_read_as_it_was_written():
    entries = (
        Entry("stream.done", 'a "quoted" \\ reason\nof two lines \x7f \t é'),
        Entry("http.json", "x", "a @ /b", "me", date(2026, 12, 31), True),
    )
    Path("x.toml").write_text(baseline.dumps(entries), encoding="utf-8")
    assert baseline.load(Path("x.toml"), load()).entries == entries


# --- bad files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"\xff", "is not UTF-8"),
        (b"[[known]", "is not TOML"),
        (b"a = " + b"[" * 5000, "is not TOML"),
        (b"known = 1", "[[known]]"),
        (b"known = [1]", "is not a table"),
        (b'[known]\nrequirement = "stream.done"', "[[known]]"),
        (b"[[unknown]]\n", "unknown member 'unknown'"),
        (b'[[known]]\nreason = "x"', "lacks 'requirement'"),
        (b'[[known]]\nrequirement = "stream.done"', "lacks 'reason'"),
        (b'[[known]]\nrequirement = "stream.done"\nreason = " "', "some text as 'reason'"),
        (b'[[known]]\nrequirement = "stream.done"\nreason = 1', "some text as 'reason'"),
        (b'[[known]]\nrequirement = "stream.dnoe"\nreason = "x"', "did you mean stream.done"),
        (b'[[known]]\nrequirement = "stream"\nreason = "x"', "no requirement is called 'stream'"),
        (b'[[known]]\nrequirement = "stream.done"\nreason = "x"\nexpiry = 1', "unknown member 'expiry'"),
        (b'[[known]]\nrequirement = "stream.done"\nreason = "x"\nexpires = "soon"', "a day as 'expires'"),
        (b'[[known]]\nrequirement = "stream.done"\nreason = "x"\nexpires = "2026-02-30"', "a day as 'expires'"),
        (b'[[known]]\nrequirement = "stream.done"\nreason = "x"\nexpires = 2026-01-01T00:00:00', "a day as 'expires'"),
        (b'[[known]]\nrequirement = "stream.done"\nreason = "x"\nintermittent = "no"', "true or false"),
        (b'[[known]]\nrequirement = "stream.done"\nreason = "x"\n' * 2, "says the same as an earlier one"),
        (b"#" * (2**20 + 1), "larger than 1 MiB"),
    ],
)
def test_a_bad_file_is_refused_before_anything_is_sent(world, refused, transcript, text, said):
    Path("known.toml").write_bytes(text)
    refused("run", *TARGET, "--baseline", "known.toml", said=said)
    assert not world.asked
    assert not Path("reports").exists()
    refused("judge", transcript("conforming"), "--baseline", "known.toml", said=said)


def test_a_file_that_is_not_there(world, refused):
    refused("run", *TARGET, "--baseline", "none.toml", said="cannot be read (No such file or directory)")
    refused("run", *TARGET, "--baseline", ".", said="cannot be read (Is a directory)")
    assert not world.asked


# --- stale entries that hold nothing up


def test_a_stale_entry_may_be_allowed(world, command):
    Path("known.toml").write_text('[[known]]\nrequirement = "stream.done"\nreason = "x"\n', encoding="utf-8")
    assert command("run", *TARGET, "--baseline", "known.toml")[0] == 1
    code, out, _ = command("run", *TARGET, "--baseline", "known.toml", "--allow-stale")
    assert code == 0
    assert "remove the entry" in " ".join(out.split())
    assert "GATE PASSED" in out


def test_a_run_that_was_cut_off_calls_nothing_stale(world):
    made = report(baseline_of("stream.done"), stopped="stopped after 5 requests, as --max-requests says")
    assert made.stale == ()
    assert report(baseline_of("stream.done")).stale[0].requirement == "stream.done"


def baseline_of(requirement):
    from conformance.judging.baseline import Baseline, Entry

    return Baseline("known.toml", (Entry(requirement, "x"),))


def report(known, **recorded):
    """The gate of a made-up run in which nothing fails."""
    from dataclasses import replace

    from made_up import TODAY, World

    from conformance.judging.gate import decide
    from conformance.settings.options import Options

    made = World().run(Options())
    transcript = replace(made.transcript, options={**made.transcript.options, **recorded})
    return decide(made.verdict, transcript, known, today=TODAY)
