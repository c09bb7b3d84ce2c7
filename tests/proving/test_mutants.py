"""Mutants of the conforming server: what each operator changes, what is expected of the suite, and how it is told."""

import json
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import jsonschema
import made_up
import pytest

from conformance.contract.catalogue import load
from conformance.judging import judge as judging
from conformance.proving.mutants import answers, blame, pages, proving, reaction, recording, streams, transport
from conformance.proving.mutants.mutant import ONE_IN
from conformance.proving.mutants.octets import Out, Raw, dumps, events, with_events
from conformance.proving.mutants.pairs import Pair, try_pairs
from conformance.proving.mutants.scene import ALWAYS, Kind
from conformance.proving.mutants.score import Score, families, matrix, needless, tally
from conformance.proving.mutants.trial import Fate, Result, Stage, Trial, tried
from conformance.proving.mutants.values import ABSENT, at, operators, placed, places
from conformance.proving.mutants.workers import Work, try_all
from conformance.settings.options import Depth, UsageError
from conformance.transcript.exchange import Ending

CATALOGUE = load()
SAMPLE = 500
"""Mutants that are tried here; the nox session `proof` tries all."""


@pytest.fixture(scope="module")
def recordings():
    return recording.record([Depth.QUICK])


@pytest.fixture(scope="module")
def stage(recordings):
    return Stage.of(recordings)


@pytest.fixture(scope="module")
def scene(stage):
    return stage.scenes[Depth.QUICK]


@pytest.fixture(scope="module")
def every(stage):
    return list(stage.mutants())


def named(every, pattern):
    return [mutant for mutant in every if fnmatchcase(mutant.name, pattern)]


def body(exchange):
    return json.loads(exchange.response.body)


# --- what is enumerated


def test_names_are_unique(every):
    assert len(every) > 10_000
    assert len({mutant.name for mutant in every}) == len(every)


def test_names_do_not_depend_on_the_recording(stage, every):
    other = replace(stage, scenes={Depth.QUICK: stage.spare[Depth.QUICK][0]})
    assert [mutant.name for mutant in other.mutants()] == [mutant.name for mutant in every]


@pytest.mark.parametrize(
    "name",
    [
        "answer/completion/usage.total_tokens/null@resume",
        "answer/approval/choices.0.message.tool_calls.1.id/absent@always",
        "answer/stream/last:choices.0.finish_reason/other-eos@cut",
        "answer/error/error.code/number@always",
        "stream/stream/last-but-one/repeat@resume",
        "transport/error/WWW-Authenticate/absent@always",
        "request/chat//temperature:maximum/weaker-dropped@always",
    ],
)
def test_some_names(every, name):
    assert [mutant.name for mutant in every if mutant.name == name] == [name]


def test_a_rule_speaks_of_each(every):
    assert [mutant.name for mutant in every if blame.rule_of(mutant) is None] == []


def test_rules_name_requirements_that_there_are():
    ids = [requirement.id for requirement in CATALOGUE]
    for rule in blame.RULES:
        for pattern in (*rule.blamed.split(), *rule.also.split()):
            assert any(fnmatchcase(id_, pattern) for id_ in ids), pattern
        assert rule.blamed or rule.free
        assert not (rule.open and rule.unseen)


def test_each_rule_speaks_of_something(every):
    spoken = {id(blame.rule_of(mutant)) for mutant in every}
    idle = [rule for rule in blame.RULES if id(rule) not in spoken]
    assert not idle, "\n".join(f"{rule.what} | {rule.places} | {rule.operators}" for rule in idle)


# --- operators on values

DOCUMENT = {
    "id": "chatcmpl_1a", "created": 7, "object": "chat.completion", "empty": "", "none": None, "yes": True,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}, {}],
    "kitemesh": {"execution_id": "2966522b-d1a4-4fc7-82e9-231f00d332df", "expires_at": "2026-11-28T05:18:22.738Z"},
}  # fmt: skip


def plain(value):
    """As a client reads it."""
    return json.loads(dumps(value))


@pytest.mark.parametrize("path", list(places(DOCUMENT)), ids=lambda path: ".".join(map(str, path)))
def test_each_operator_changes_one_place(path):
    found = dict(operators(path, at(DOCUMENT, path)))
    assert len(found) > 3
    for name, value in found.items():
        made = placed(DOCUMENT, path, value)
        if dumps(made) == dumps(DOCUMENT):
            assert answers.changed(DOCUMENT, path, name, None) is DOCUMENT, name
            continue
        # With the old value put back, nothing else differs.
        if value is not ABSENT:
            assert placed(made, path, at(DOCUMENT, path)) == DOCUMENT, name
        else:
            assert at(made, path) is ABSENT


def test_an_operator_changes_the_form_of_a_number_alone():
    found = dict(operators(("created",), 7))
    assert plain(found["as-float"]) == plain(found["as-exponent"]) == 7
    assert dumps(placed(DOCUMENT, ("created",), found["as-float"])).count(b'"created":7.0,') == 1
    assert dumps({"a": [Raw("1e0"), "\ue000"]}) == '{"a":[1e0,"\ue000"]}'.encode()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("doubled-alike", b'"created":7,"created":7,'),
        ("doubled-before", b'"created":null,"created":7,'),
        ("doubled-behind", b'"created":7,"created":null,'),
    ],
)
def test_a_member_comes_twice(name, text):
    assert text in dumps(answers.changed(DOCUMENT, ("created",), name, None))


def test_an_operator_that_does_not_apply_changes_nothing():
    assert answers.changed(DOCUMENT, ("usage", "total_tokens"), "null", None) is DOCUMENT
    assert answers.changed(DOCUMENT, ("yes",), "as-float", None) is DOCUMENT
    assert answers.changed(DOCUMENT, ("created",), "anothers", {}) is DOCUMENT


# --- on answers


def test_an_answer_mutant_changes_its_kind_in_its_condition_alone(every, scene):
    (mutant,) = named(every, "answer/completion/usage.total_tokens/null@resume")
    touched = reaction.applied(mutant, scene)
    assert touched
    for subject in scene.subjects:
        meant = subject.kind is Kind.COMPLETION and "resume" in subject.traits
        assert (subject.exchange.name in touched) is meant
    for name, exchange in touched.items():
        before = next(one for one in scene.transcript if one.name == name)
        assert body(exchange) == placed(body(before), ("usage", "total_tokens"), None)
        assert exchange.response.header("content-length") == str(len(exchange.response.body))
        assert sum(piece.length for piece in exchange.response.pieces) == len(exchange.response.body)
        assert replace(exchange, response=before.response) == before


@pytest.mark.parametrize("position", list(answers.POSITIONS[Kind.STREAM]))
def test_a_chunk_mutant_changes_its_position_alone(every, scene, position):
    (mutant,) = named(every, f"answer/stream/{position}:model/number@always")
    for name, exchange in reaction.applied(mutant, scene).items():
        before = events(next(one for one in scene.transcript if one.name == name).response)
        after = events(exchange.response)
        assert [out.at for out in before] == [out.at for out in after]
        count = len(before) - 1
        for number, (was, is_) in enumerate(zip(before, after, strict=True)):
            holds = number < count and answers.POSITIONS[Kind.STREAM][position](number, count)
            assert (was != is_) is holds
            assert not holds or is_.value == {**was.value, "model": 7}


def test_another_answers_value_is_of_another_answer(every, scene):
    (mutant,) = named(every, "answer/completion/id/anothers@always")
    ids = {body(one.exchange)["id"] for one in scene.having(Kind.COMPLETION, ALWAYS)}
    for name, exchange in reaction.applied(mutant, scene).items():
        before = next(one for one in scene.transcript if one.name == name)
        assert body(exchange)["id"] in ids - {body(before)["id"]}


def test_narrow_conditions_get_a_share_of_the_operators(every):
    whole = len(named(every, "answer/completion/*@always"))
    narrow = len(named(every, "answer/completion/*@mode-orch"))
    assert whole / ONE_IN / 2 < narrow < whole / ONE_IN * 2


# --- on streams


def stream(scene):
    return next(one for one in scene.having(Kind.STREAM, ALWAYS) if len(events(one.exchange.response)) > 8).exchange


def test_events_are_read_and_written_as_they_were(scene):
    before = stream(scene)
    outs = events(before.response)
    assert outs[-1].data == b"data: [DONE]\n\n"
    assert outs[-1].value is None
    assert with_events(before, outs).response.body == before.response.body
    assert {out.at for out in outs} <= {piece.at for piece in before.response.pieces}


MOVES = {"swap", "late", "early", "cut-behind", "cut-inside"}


@pytest.mark.parametrize("position", list(streams.POSITIONS))
@pytest.mark.parametrize("name", [name for name in streams.ANYWHERE if name not in MOVES])
def test_a_stream_operator_changes_one_event(scene, position, name):
    outs = events(stream(scene).response)
    n = streams.POSITIONS[position](len(outs))
    made = streams.ANYWHERE[name](outs, n)
    if made is None:
        assert name == "on-two-lines"
        return
    assert made != outs
    assert list(made[:n]) == outs[:n]
    behind = outs[n + 1 :]
    assert not behind or list(made[-len(behind) :]) == behind


@pytest.mark.parametrize("name", ["swap", "late", "early"])
def test_a_moved_event_is_moved(scene, name):
    outs = events(stream(scene).response)
    made = streams.ANYWHERE[name](outs, 2)
    assert made != outs
    assert sorted(made, key=lambda out: out.data) == sorted(outs, key=lambda out: out.data)


def test_a_cut_leaves_what_was_before(scene):
    outs = events(stream(scene).response)
    whole = b"".join(out.data for out in outs)
    for name in ("cut-behind", "cut-inside"):
        left = b"".join(out.data for out in streams.ANYWHERE[name](outs, 3))
        assert whole.startswith(left)
        assert left != whole


@pytest.mark.parametrize("name", list(streams.WHOLE))
def test_an_operator_on_a_stream_changes_it(scene, name):
    before = stream(scene)
    after = streams.WHOLE[name](before, events(before.response))
    assert after is not None
    assert after != before
    assert sum(piece.length for piece in after.response.pieces) == len(after.response.body)


def test_an_event_that_comes_late_holds_up_those_behind():
    exchange = with_events(
        made_up.exchange(), [Out(b"data: 1\n\n", 0.1), Out(b"data: 2\n\n", 0.9), Out(b"data: 3\n\n", 0.2)]
    )
    assert [piece.at for piece in exchange.response.pieces] == [0.1, 0.9, 0.9]


# --- on the transport


def table(kind):
    return {
        **transport._FIELDS, **transport._CODINGS, **transport._FRAMING,
        **(transport.ERRORS if kind is Kind.ERROR else transport.SERVED),
        **(transport._STREAMED if kind.streamed else transport._JSON),
    }  # fmt: skip


def _operators_of_the_transport():
    kinds = (Kind.COMPLETION, Kind.STREAM, Kind.ERROR)
    return [pytest.param(kind, *key, id=f"{kind}-{'-'.join(key)}") for kind in kinds for key in table(kind)]


@pytest.mark.parametrize(("kind", "place", "name"), _operators_of_the_transport())
def test_a_transport_operator_changes_what_it_says(scene, kind, place, name):
    subjects = [one for one in scene.subjects if one.kind is kind]
    changed = 0
    for subject in subjects:
        before = subject.exchange
        after = table(kind)[place, name](before)
        if after is None or after == before:
            continue
        changed += 1
        assert after.request == before.request
        if after.response is None:
            assert after.head
            assert after.ending is Ending.GARBAGE
            continue
        was, is_ = before.response, after.response
        assert is_.status == (int(name) if place == "status" else was.status)
        assert (
            place in ("body", "token", "internals", "ending", "Content-Length")
            or name.endswith("applied")
            or (is_.body == was.body)
        )
        fields = {n.lower() for n, v in {*was.headers} ^ {*is_.headers}} - {"content-length"}
        assert fields <= {place.lower(), "x-token", "x-debug"}
    assert changed


# --- on requests


def test_a_weaker_validator_serves_what_has_to_be_refused(every, scene):
    (mutant,) = named(every, "request/chat//messages:minItems/weaker-dropped@always")
    (boundless,) = named(every, "request/chat//max_tokens:maximum/weaker-dropped@always")
    assert not reaction.applied(mutant, scene), "an empty list holds no user message anyway"
    for exchange in reaction.applied(boundless, scene).values():
        assert json.loads(exchange.request.body)["max_tokens"] > 200_000
        assert exchange.status == 200
        assert exchange.response.header("content-type") in ("application/json", "text/event-stream")
    assert reaction.applied(boundless, scene)


def test_a_stronger_validator_refuses_what_has_to_be_served(every, scene):
    (mutant,) = named(every, "request/chat//:properties/stronger-refuses-temperature@always")
    touched = reaction.applied(mutant, scene)
    assert touched
    for exchange in touched.values():
        asked = json.loads(exchange.request.body)
        assert "temperature" in asked
        assert exchange.status == 422
        error = body(exchange)["error"]
        assert all(isinstance(error[member], str) for member in ("message", "type", "code", "request_id"))
        assert error["request_id"] == asked.get("metadata", {}).get("request_id", error["request_id"])


def test_what_such_servers_send_breaks_nothing_else(every, stage):
    """But for the one thing that is wrong, the answers that are made up are conforming ones."""
    for pattern in ("request/chat//max_tokens:maximum/weaker-dropped@always",
                    "request/chat//messages:contains/weaker-dropped@always"):  # fmt: skip
        (mutant,) = named(every, pattern)
        trial = tried(mutant, stage).trials[Depth.QUICK]
        assert trial.fate is Fate.RIGHT
        assert not [id_ for id_ in trial.failed if id_.startswith(("completion.", "kitemesh.", "http.", "chunk."))]


# --- what a run does otherwise


def test_an_approval_that_was_not_told_is_not_resumed(every, scene):
    (mutant,) = named(every, "answer/approval/kitemesh.approval_id/absent@always")
    touched = reaction.applied(mutant, scene)
    whole = reaction.transcript(mutant, scene, touched, ())
    gone = {one.name for one in scene.transcript} - {one.name for one in whole}
    assert gone
    for exchange in scene.transcript:
        if exchange.name in gone:
            assert exchange.request.url.endswith("/chat/resume")
    ids = {body(one.exchange)["kitemesh"]["approval_id"] for one in scene.having(Kind.APPROVAL, ALWAYS)}
    assert not [one for one in whole if any(id_.encode() in (one.request.body or b"") for id_ in ids)]


def test_an_answer_that_excuses_itself_is_asked_again(every, stage, scene):
    (mutant,) = named(every, "transport/error/status/500@always")
    touched = reaction.applied(mutant, scene)
    whole = reaction.transcript(mutant, scene, touched, stage.spare[Depth.QUICK])
    tries = [one for one in whole if one.note.probe == "auth-missing-header"]
    assert [one.note.attempt for one in tries] == [1, 2, 3]
    assert [one.status for one in tries] == [500, 500, 500]
    assert len({one.name for one in whole}) == len(whole)


def test_what_a_whim_may_cause_is_asked_once_more(every, stage):
    (mutant,) = named(every, "answer/approval/choices.0.message.tool_calls.0.function.arguments/broken@always")
    assert tried(mutant, stage).trials[Depth.QUICK].failed == ("approval.arguments",)


def test_recordings_of_the_conforming_server_pass(recordings):
    for transcript in (*recordings.of.values(), *recordings.again[Depth.QUICK]):
        verdict = judging.judge(transcript, opinions=False).verdict
        assert not [outcome.requirement.id for outcome in verdict.outcomes if outcome.state == "failed"]


# --- what comes of a sample


@pytest.fixture(scope="module")
def sample(recordings, every):
    chosen = proving.Chosen(sample=SAMPLE)
    wanted = chosen.of([mutant.name for mutant in every])
    numbers = [number for number, mutant in enumerate(every) if mutant.name in wanted]
    return try_all(recordings, Work(numbers), processes=1)[0]


def test_a_sample_is_blamed_right(sample):
    assert len(sample) == SAMPLE
    shown = [result.trials[Depth.QUICK] for result in sample if result.trials and not result.free]
    shown = [trial for trial in shown if trial.reached]
    right = [trial for trial in shown if trial.fate is Fate.RIGHT]
    assert len(right) >= 0.97 * len(shown), [trial for trial in shown if trial.fate is not Fate.RIGHT]


def test_what_no_answer_of_any_depth_could_show_is_let_through(every, stage):
    (of_all,) = named(every, "stream/stream/whole/growing@after-abort")
    nobody = replace(of_all, trait="role-tool")
    assert not stage.scenes[Depth.QUICK].having(nobody.kind, nobody.trait)
    trial = tried(nobody, stage).trials[Depth.QUICK]
    assert (trial.fate, trial.reached) == (Fate.THROUGH, False)
    (alike,) = named(every, "answer/completion/object/anothers@always")
    assert not tried(alike, stage).trials, "every answer has the same"


def test_a_sample_raises_no_false_alarm_and_no_error(sample):
    unsound = (Fate.FALSE_ALARM, Fate.BROKEN)
    assert not [result for result in sample for trial in result.trials.values() if trial.fate in unsound]


def test_pairs(stage, every):
    found = try_pairs(stage, every, seed=1, count=10, depth=Depth.QUICK)
    assert len({pair.names for pair in found}) == 10
    assert not [pair for pair in found if not pair.caught or pair.added]


# --- the score


def result(name, fate, *, free="", failed=("stream.done",), killers=("stream-long",), reached=True):
    group, kind, _, rest = name.split("/")
    operator = rest.partition("@")[0]
    trial = Trial(fate, failed if fate in (Fate.RIGHT, Fate.WRONG) else (), killers, reached)
    return Result(name, group, kind, operator, "stream.done", free, dict.fromkeys(Depth, trial))


RIGHT = result("answer/stream/id/null@always", Fate.RIGHT)
WRONG = result("answer/stream/id/absent@cut", Fate.WRONG, killers=("accept-stream", "stream-long"))
THROUGH = result("answer/stream/model/null@always", Fate.THROUGH, reached=False)
OPEN = result("answer/stream/id/case@always", Fate.FREE, free="an `id` is any string")
ALIKE = replace(RIGHT, name="answer/stream/x/null@always", trials={})


def score(*results, pairs=(), whole=True):
    return Score(results, pairs, dict.fromkeys(Depth, 60), 1, 12.0, "0.1.0", len(results) if whole else 17_000)


def test_the_tally():
    one = tally(score(RIGHT, WRONG, THROUGH, OPEN, ALIKE).counted, Depth.DEEP)
    assert (one.right, one.wrong, one.through, one.all) == (1, 1, 1, 3)
    assert one.killed == pytest.approx(2 / 3)
    assert one.rightly == 0.5


PAIR = Pair(("a", "b"), ("stream.done",), True, ())


@pytest.mark.parametrize(
    ("made", "holds"),
    [
        (score(RIGHT), True),
        (score(RIGHT, OPEN, ALIKE, pairs=(PAIR,)), True),
        (score(), False),
        (score(RIGHT, WRONG), False),
        (score(RIGHT, THROUGH), False),
        (score(RIGHT, THROUGH, whole=False), True),
        (score(RIGHT, replace(OPEN, trials={Depth.QUICK: Trial(Fate.FALSE_ALARM)})), False),
        (score(RIGHT, replace(RIGHT, trials={**RIGHT.trials, Depth.QUICK: Trial(Fate.BROKEN)}), whole=False), False),
        (score(RIGHT, pairs=(replace(PAIR, caught=False),)), False),
        (score(RIGHT, pairs=(replace(PAIR, added=("http.json",)),)), False),
    ],
)
def test_what_holds(made, holds):
    assert made.holds is holds


def test_survivors_are_told_in_families():
    (family,) = families([THROUGH, replace(THROUGH, name="answer/stream/id/null@cut")], Depth.DEEP, Fate.THROUGH)
    assert (family.what, family.count, family.told) == ("answer of stream, null", 2, "no answer shows it")


def test_the_kill_matrix():
    kills = matrix([RIGHT, WRONG, THROUGH, OPEN], Depth.DEEP)
    assert kills == {"stream-long": [RIGHT.name, WRONG.name], "accept-stream": [WRONG.name]}
    assert needless(kills, ["stream-long", "accept-stream", "accept-minimal"]) == ["accept-minimal", "accept-stream"]


ALL = score(RIGHT, WRONG, THROUGH, OPEN, ALIKE, pairs=(PAIR,))


def test_the_page():
    page = pages.markdown(ALL, CATALOGUE)
    assert "| deep | 3 | 1 | 1 | 1 | 66.7% | 50.0% |" in page
    assert "## Let through at depth deep" in page
    assert "| 1 | an \\`id\\` is any string |" in page or "| 1 | an `id` is any string |" in page
    assert list(pages.told(ALL))[-1] == "The proof fails."


def test_the_document():
    made = pages.document(ALL)
    assert made["by_depth"]["deep"] == {"right": 1, "wrong": 1, "through": 1, "killed": 0.6667, "right_of_killed": 0.5}
    assert made["survivors"]["deep"] == [THROUGH.name]
    assert made["totals"]["not_counted"] == {OPEN.free: 1}
    assert json.loads(json.dumps(made)) == made


def test_the_mutation_report_keeps_to_the_published_schema():
    schema = json.loads((Path(__file__).parent / "mutation-testing-report.schema.json").read_text(encoding="utf-8"))
    made = pages.mutation_report(ALL, CATALOGUE)
    jsonschema.validate(made, schema)
    states = {mutant["id"]: mutant["status"] for mutant in made["files"]["answer/stream"]["mutants"]}
    assert states == {
        RIGHT.name: "Killed", WRONG.name: "Killed", THROUGH.name: "NoCoverage", OPEN.name: "Ignored",
        ALIKE.name: "Ignored",
    }  # fmt: skip
    ids = {test["id"] for area in made["testFiles"].values() for test in area["tests"]}
    assert ids == {requirement.id for requirement in CATALOGUE}


def test_a_pattern_that_names_none_is_told():
    with pytest.raises(UsageError, match="no mutant is called"):
        proving.Chosen(["answer/nothing/*"]).of(["answer/completion/id/null@always"])
