"""Proving the suite: what counts as a problem, what is told, and a small proof from end to end."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import World, finding

from conformance.client import proof as clients
from conformance.commands.main import main
from conformance.contract.catalogue import load
from conformance.proving import examples, explain, proof, prove
from conformance.proving import pages as shown
from conformance.proving.proof import Case, Failure, Problem, Proof, TargetKind, TrialServer, examined, tried_again
from conformance.reference.app import create_many
from conformance.reference.behaviour import Behaviour
from conformance.reference.serving import in_thread
from conformance.reference.settings import Settings
from conformance.report.terminal import console
from conformance.settings.options import Options, UsageError
from conformance.transcript import har_writer
from conformance.transcript.exchange import Piece, Transcript

CATALOGUE = load()
FAULT = TrialServer("done-missing", TargetKind.FAULT, "sends no `[DONE]`", "stream.done", "done-missing")
WARNED = TrialServer("no-challenge", TargetKind.WARNED, "sends no WWW-Authenticate", "auth.challenge", "made up")
VARIATION = TrialServer(
    "crlf", TargetKind.VARIATION, "ends lines with CRLF", source="line ends", unexercised={"error.rate-limit": "none"}
)


def failure(requirement, level="MUST"):
    return Failure(requirement, level, "the end is missing", "stream: event 3", "nothing")


def case(target, *failed, **more):
    return Case(target, tuple(failure(id_) for id_ in failed), requests=10, **more)


def proof_of(*cases):
    return Proof(cases, 1, 12.0, "0.1.0")


# --- what is a problem


@pytest.mark.parametrize(
    ("made", "problems"),
    [
        (case(FAULT, "stream.done"), ()),
        (case(FAULT), (Problem.MISSED,)),
        (case(FAULT, "chunk.schema"), (Problem.WRONGLY_BLAMED,)),
        (case(FAULT, "stream.done", "a.a", "a.b", "a.c"), ()),
        (case(FAULT, "stream.done", "a.a", "a.b", "a.c", "a.d"), (Problem.KNOCK_ONS,)),
        (case(replace(FAULT, knock_ons="it hangs"), "stream.done", "a.a", "a.b", "a.c", "a.d"), ()),
        (case(FAULT, "stream.done", errors=(("stream.json-data", "boom"),)), (Problem.SUITE_ERROR,)),
        (case(FAULT, "stream.done", hidden="1 MUST could not be judged"), (Problem.NOT_ACCOUNTED_FOR,)),
        (case(WARNED, "auth.challenge"), ()),
        (case(WARNED, "auth.challenge", "stream.done"), (Problem.FALSE_ALARM,)),
        (case(WARNED), (Problem.MISSED,)),
        (case(VARIATION), ()),
        (case(VARIATION, "stream.framing"), (Problem.FALSE_ALARM,)),
        (case(VARIATION, open=(("stream.done", "nothing came"),)), (Problem.NOT_EXERCISED,)),
        (case(prove.CONFORMING, "stream.framing"), (Problem.FALSE_ALARM,)),
    ],
)
def test_problems(made, problems):
    assert made.problems == problems
    assert proof_of(made).holds is not bool(problems)


def test_nothing_proved_does_not_hold():
    assert not proof_of().holds


def verdict(**world):
    return World(**world).run(Options()).verdict


def test_a_case_from_a_verdict():
    unseen = {"error.rate-limit": "no 429 came", "robust.recovers": "not reached"}
    seen = verdict(broken={"stream.done": 2}, unseen=unseen, errors={"http.json": "boom"})
    fault, variation = (examined(target, seen, 200, 1.5) for target in (FAULT, VARIATION))
    assert [f.requirement for f in fault.failures] == ["stream.done"]
    assert fault.failures[0].message == finding("stream.done").message
    assert fault.caught
    assert fault.open == ()
    assert variation.open == (("robust.recovers", "not reached"),)
    assert fault.errors == variation.errors == (("http.json", "boom"),)


def test_what_a_fault_hides_has_to_be_laid_to_it():
    seen = verdict(broken={"stream.media-type": 2}, unseen={"resume.stream": "no exchange of this run shows it"})
    assert "resume.stream" in examined(FAULT, seen, 200, 1.5).hidden
    assert examined(VARIATION, seen, 200, 1.5).hidden == ""
    assert examined(FAULT, verdict(broken={"stream.done": 2}), 200, 1.5).hidden == ""


def test_a_second_try_counts_and_the_first_is_told():
    first, second = case(VARIATION, "stream.incremental"), case(VARIATION)
    assert tried_again(first, second).passing == ("false alarm", "stream.incremental")
    assert not tried_again(first, second).problems
    assert tried_again(first, first) == first
    assert tried_again(second, first).problems == (Problem.FALSE_ALARM,)


def test_counts():
    other = replace(FAULT, id="done-twice", requirement="stream.done-once")
    made = proof_of(
        case(FAULT, "stream.done", "chunk.schema"), case(other), case(WARNED, "stream.done"), case(VARIATION)
    )
    rows = {row.area: row for row in proof.rows(made, CATALOGUE)}
    assert list(rows) == ["auth", "stream"]
    assert rows["stream"] == proof.AreaProof("stream", 2, 1, 1, 0, 1)
    assert proof.total(made) == proof.AreaProof("all", 3, 1, 1, 1, 1)
    assert proof.median_knock_ons(made) == proof.most_knock_ons(made) == 1
    assert "stream.done" not in proof.unproven(made, CATALOGUE)
    assert "stream.done-once" in proof.unproven(made, CATALOGUE)


# --- what is shown


EVERYTHING = proof_of(
    case(prove.CONFORMING, open=(("resume.expired", "no exchange of this run shows it"),)),
    case(FAULT, "stream.done", "a.a", "a.b", "a.c", "a.d"),
    case(replace(FAULT, id="a-fault-with-quite-a-long-name-that-goes-on-and-on", summary="| *x* <b> " * 9)),
    case(replace(FAULT, id="misjudged"), "chunk.schema", hidden="1 MUST could not be judged: resume.stream."),
    case(WARNED, "auth.challenge"),
    case(VARIATION, "stream.framing", errors=(("", "ValueError: boom"),)),
    case(replace(VARIATION, id="passing"), passing=("false alarm", "stream.incremental")),
)


def test_the_terminal_shows_every_problem_within_80_columns(capsys):
    screen = console()
    shown.show(EVERYTHING, CATALOGUE, screen)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    for said in (
        "Missed",
        "Wrongly blamed",
        "False alarms",
        "knock-ons",
        "ValueError: boom",
        "resume.expired: no exch",
    ):
        assert said in text
    assert "Not seen again at a second try of passing: false alarm, stream.incremental." in text
    assert lines[-1] == "The proof fails."


def test_files(tmp_path):
    paths = shown.write(EVERYTHING, CATALOGUE, tmp_path)
    assert [path.name for path in paths] == ["prove.json", "prove.md"]
    told = json.loads(paths[0].read_text(encoding="utf-8"))
    assert told["totals"]["faults"] == 4
    assert told["totals"]["false_alarms"] == 1
    assert not told["holds"]
    assert [target["id"] for target in told["targets"]] == [made.target.id for made in EVERYTHING.cases]
    page = paths[1].read_text(encoding="utf-8")
    assert page.startswith("# The suite, proved: it fails\n")
    assert "\\| \\*x\\* \\<b\\>" in page
    assert {line.count("|") - line.count("\\|") for line in page.splitlines() if line.startswith("| stream")} == {7}


def test_no_progress_where_nobody_watches(capsys):
    with shown.meter(console(), 3) as advance:
        advance(case(FAULT))
    assert capsys.readouterr().out == ""


# --- which targets


def test_every_target_is_served():
    targets = prove.targets()
    keys = [target.key for target in targets]
    assert len(set(keys)) == len(keys)
    assert set(keys) == set(prove.behaviours())
    assert {target.kind for target in targets} == set(TargetKind)


def test_reasons_belong_to_faults_and_requirements():
    assert set(prove.KNOCK_ONS) <= {target.id for target in prove.targets() if target.requirement}
    for reasons in (prove.UNPROVOKED, examples.TOO_LARGE):
        assert set(reasons) <= {requirement.id for requirement in CATALOGUE}


def test_choosing():
    known = [prove.CONFORMING, FAULT, WARNED, VARIATION]
    assert prove.chosen(known, []) == known
    assert prove.chosen(known, ["stream"]) == prove.chosen(known, ["stream.done"]) == [FAULT]
    assert prove.chosen(known, ["variation", "done-*"]) == [FAULT, VARIATION]
    assert prove.with_conforming([FAULT, prove.CONFORMING]) == [prove.CONFORMING, FAULT]
    with pytest.raises(UsageError, match="did you mean done-missing"):
        prove.chosen(known, ["done-mising"])
    with pytest.raises(UsageError, match="nothing proves its check"):
        prove.chosen(known, ["chunk"])


# --- a small proof


def _without_done(context, pieces):
    return pieces[:-1] if context.stream else pieces


def _crlf(context, pieces):
    return [replace(p, data=p.data.replace(b"\n", b"\r\n")) for p in pieces] if context.stream else pieces


SERVERS = {FAULT.key: Behaviour(emit=_without_done), VARIATION.key: Behaviour(emit=_crlf)}


@pytest.fixture(scope="module")
def found():
    """What comes of a fault and a variation, tried at once without waiting for an approval to expire."""
    kept = []
    with pytest.MonkeyPatch.context() as patch, in_thread(create_many(Settings(), SERVERS)) as url:
        real = prove.options
        patch.setattr(prove, "options", lambda url, target: replace(real(url, target), wait_expiry=0.0))
        patch.setattr(prove, "AGAIN", 0)
        work = prove.Work(url, with_examples=True)
        prove.examine([FAULT, replace(VARIATION, unexercised=prove.UNPROVOKED)], work, processes=1, told=kept.append)
    return {one.case.target.id: one for one in kept}


def test_a_fault_is_caught_and_a_variation_passes(found):
    fault, variation = found[FAULT.id].case, found[VARIATION.id].case
    assert fault.caught
    assert len(fault.knock_ons) <= proof.FREE_KNOCK_ONS
    assert not fault.errors
    assert variation.failures == ()
    assert [id_ for id_, _ in variation.open] == ["resume.expired"]


def test_the_example_is_one_exchange_without_the_machine(found):
    example = found[FAULT.id].example
    assert len(example) == 1
    assert examples.finding("stream.done", example).exchange == example.exchanges[0].name
    text = har_writer.dumps(example)
    assert len(text.encode()) <= examples.LARGEST
    assert "127.0.0.1" not in text
    assert "km_" not in text


def test_examples_are_written_once(found, tmp_path):
    example = found[FAULT.id].example
    cut, done = example.exchanges[0].response, b"data: [DONE]\n\n"
    pieces = (*cut.pieces, Piece(cut.pieces[-1].at, len(done)))
    whole = replace(example.exchanges[0], response=replace(cut, body=cut.body + done, pieces=pieces))
    collected = prove.Examples()
    collected.add(replace(found[FAULT.id], transcript=Transcript((whole,), example.options)))
    assert "1 examples were written" in collected.write(tmp_path)
    read = examples.read("stream.done", tmp_path)
    assert examples.settled(read)
    assert [exchange.name for exchange in read.holds] == [exchange.name for exchange in read.breaks]
    before = examples.path_of("stream.done", tmp_path).read_bytes()
    assert "0 examples were written" in collected.write(tmp_path)
    assert examples.path_of("stream.done", tmp_path).read_bytes() == before
    page = explain.text(CATALOGUE["stream.done"], [("a-fault", "ends early")], read)
    assert "  < data: [DONE]\n" in page
    assert "finding   " in page
    assert page.index("It holds here") < page.index("It is broken here")


def test_an_exception_is_told_as_the_suites_own_fault(monkeypatch):
    monkeypatch.setattr(prove, "options", lambda url, target: 1 / 0)
    found = asyncio.run(prove._examine(FAULT, prove.Work("http://127.0.0.1:9")))
    assert found.case.errors == (("", "ZeroDivisionError: division by zero"),)
    assert Problem.SUITE_ERROR in found.case.problems


# --- the examples that come with the suite


FILES = sorted(examples.directory().glob("*.har"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_kept_example_still_says_what_it_should(path):
    example = examples.read(path.stem)
    assert example.holds is not None
    assert example.breaks is not None
    assert examples.holds(path.stem, example.holds)
    assert examples.finding(path.stem, example.breaks) is not None
    assert examples.settled(example)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_kept_example_names_no_machine_and_no_secret(path):
    text = path.read_text(encoding="utf-8")
    assert path.stem in CATALOGUE
    for word in ("127.0.0.1", "localhost", "km_reference", "/home/", "/tmp/"):
        assert word not in text


# --- the command line


def command(capsys, *words):
    code = main(list(words))
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def test_explain_every_requirement():
    for requirement in CATALOGUE:
        page = explain.text(requirement, prove.faults_of(requirement.id), examples.read(requirement.id))
        assert page.startswith(f"{requirement.id} ({requirement.level})\n")
        assert "fix       " in page


def test_explain_on_the_command_line(capsys):
    code, out, _ = command(capsys, "explain", "auth.missing-header")
    assert code == 0
    assert 'source    A: KiteMesh public documentation, page "Authentication"' in out


def test_explain_tells_what_leaves_it_out(capsys):
    told = " ".join(command(capsys, "explain", "resume.conflict")[1].split())
    assert "quick A quick run (--depth quick) does not judge it." in told
    assert "executes Judging it executes a tool; --no-execute leaves it out." in told
    told = " ".join(command(capsys, "explain", "resume.race")[1].split())
    assert "several It takes several requests at once; --concurrency 1 leaves it out." in told
    told = command(capsys, "explain", "stream.done")[1]
    assert not any(option in told for option in ("--depth quick", "--no-execute", "--concurrency 1"))


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "stream.don"),
        ("prove", "--only", "no-such-thing"),
        ("serve", "--fault", "no-such-thing"),
        ("serve", "--variation", "no-such-thing"),
    ],
)
def test_names_that_nobody_bears(capsys, words):
    code, _, err = command(capsys, *words)
    assert code == 4
    assert err.startswith("Error: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(("made", "code"), [(case(FAULT, "stream.done"), 0), (case(FAULT), 1)])
def test_the_exit_code_of_a_proof(capsys, monkeypatch, tmp_path, made, code):
    def prove_nothing(wanted, *, told, **_):
        told(prove.Trial(made))
        return proof_of(made)

    monkeypatch.setattr(prove, "prove", prove_nothing)
    monkeypatch.setattr(clients, "examine", lambda wanted, told, **_: [])
    got, out, _ = command(capsys, "prove", "--output", str(tmp_path / "out"))
    assert got == code
    assert {path.name for path in Path(tmp_path / "out").iterdir()} == {"prove.json", "prove.md"}
    assert ("The proof holds." in out) is (code == 0)
