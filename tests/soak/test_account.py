"""What a worker tells, and how it is put together: bounded, distrusted, and judged as a run is."""

import json
import time

import pytest
from jsonschema import Draft202012Validator
from made_up import NASTY
from soak_answers import KEPT, MODEL, exchange, world

from conformance.contract import schemas
from conformance.judging.verdict import Exit
from conformance.report import terminal
from conformance.settings.options import Options
from conformance.soak import account, gathering, telling
from conformance.soak.account import Account, NotAnAccount, read
from conformance.soak.gathering import Gathering, KindTimes
from conformance.soak.load import Load, Role
from conformance.soak.markers import Key, Marker
from conformance.soak.window import JUDGED, BreachExample, Judge

KEY = Key("a key")
SCHEMA = Draft202012Validator(schemas.schema("soak"))


def told(*found, worker=0, **more):
    """The account of a worker who judged that."""
    made = Account(worker, requests=sum(f.exchanges for f in found), **more)
    for one in found:
        made.add(one)
    return made


def holding(worker=0, start=0, **changed):
    """What a judge finds in a world that holds, but for the last exchange."""
    judge = Judge(KEY, worker, KEPT)
    last = exchange(KEY, start + 20, worker=worker, **changed)
    return judge.judge([*world(KEY, range(start, start + 20), worker=worker), last])


def crosstalk(worker=0):
    return holding(worker, said=KEY.word(Marker(0, 4)))


def gathered(*accounts, users=10, **options):
    """A soak in which these accounts came."""
    chosen = Options(**{"url": "http://127.0.0.1:9/v1", "model": MODEL, "token": "km_secret", **options})
    made = Gathering(chosen, Load(users=users, role=Role.MASTER), started=time.time() - 9, ended=time.time())
    for number, one in enumerate(accounts):
        made.take(one.message(), float(number))
    made.rows = (KindTimes("JSON answer", 10, 1.0, 3.0, 5.0, 8.0, 9.5),)
    return made


def test_an_account_is_read_as_it_was_told():
    one = told(crosstalk(), credits=1.5, memory=2**27, stopped="enough", final=True)
    again = read(one.message())
    assert (again.requests, again.credits, again.stopped, again.memory) == (21, 1.5, "enough", 2**27)
    assert again.broken == {"isolation.content": 1}
    assert again.judged["stream.done"] == 10
    example = again.examples["isolation.content"]
    assert example.exchange == exchange(KEY, 20, said=KEY.word(Marker(0, 4)))
    assert "soak-0-4" in example.finding.message
    assert len(again.ids) == 38, "one of each answer, and one of each execution"
    assert not one.examples


def test_a_message_is_bounded():
    one = told(crosstalk(), final=True)
    example = one.examples["isolation.content"]
    one.examples = dict.fromkeys(JUDGED[:11], example)
    one.ids = one.ids * 2
    one.fates.update({f"fate {number}": 1 for number in range(200)})
    first = one.message()
    assert len(first["examples"]) == account.MOST_EXAMPLES
    assert first["final"] is False, "there is more to tell"
    assert len(first["fates"]) <= account.MOST_FATES
    second = one.message()
    assert len(second["examples"]) == 3
    assert second["final"] is True
    assert set(read(first).examples) | set(read(second).examples) == set(JUDGED[:11])


def test_ids_beyond_the_bound_are_counted(monkeypatch):
    monkeypatch.setattr(account, "MOST_IDS", 30)
    one = told(holding())
    assert len(one.ids) == 30
    assert one.untold == 8
    assert "8 ids were not compared" in " ".join(telling.notes(gathered(one)))


def test_what_cannot_be_encoded_travels():
    one = told(crosstalk())
    one.stopped = "\ud800"
    assert one.message()["stopped"].encode()


SOUND = told(crosstalk()).message()


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        "text",
        {},
        *({name: value for name, value in SOUND.items() if name != left} for left in SOUND),
        *({**SOUND, "requests": wrong} for wrong in (-1, True, "1", 2**60, 1.5, None)),
        *({**SOUND, "credits": wrong} for wrong in (-1.0, float("nan"), float("inf"), "1")),
        *({**SOUND, "judged": wrong} for wrong in ([], {"stream.done": -1}, {"stream.done": "x"})),
        *({**SOUND, "fates": wrong} for wrong in ({f"f{n}": 1 for n in range(500)}, {1: 1})),
        *({**SOUND, "ids": wrong} for wrong in ("x", b"x", b"x" * 13 * 20_001)),
        *({**SOUND, "examples": wrong} for wrong in ("x", [1], [{}], [SOUND["examples"]] * 9)),
        {**SOUND, "examples": [{**SOUND["examples"][0], "har": b"{}"}]},
        {**SOUND, "examples": [{**SOUND["examples"][0], "har": b"\xff"}]},
        {**SOUND, "errors": []},
        {**SOUND, "stopped": 1},
    ],
)
def test_a_message_that_is_no_account_is_left_out(message):
    with pytest.raises(NotAnAccount):
        read(message)
    made = Gathering(Options(), Load())
    made.take(message, 0.0)
    made.take(message, 1.0)
    assert made.requests == 0
    assert len(made.notes) == 1


def test_requirements_that_a_soak_does_not_judge_are_not_believed():
    assert "auth.challenge" not in read({**SOUND, "broken": {"auth.challenge": 3, "stream.done": 2}}).broken


# --- put together


@pytest.mark.parametrize(
    ("accounts", "options", "code"),
    [
        ((told(holding()),), {}, Exit.CONFORMANT),
        ((told(holding()), told(crosstalk(1), worker=1)), {}, Exit.NONCONFORMANT),
        ((told(holding(execution="123e4567-E89B-42d3-a456-42661417400x")),), {}, Exit.NONCONFORMANT),
        ((), {}, Exit.INCONCLUSIVE),
        ((told(stopped="the target cannot be reached"),), {}, Exit.INCONCLUSIVE),
    ],
)
def test_the_verdict(accounts, options, code):
    assert gathered(*accounts, **options).exit_code() is code


def test_a_broken_should_is_a_warning_unless_strict():
    same = "123e4567-e89b-42d3-a456-426614174999"
    judge = Judge(KEY, 0, KEPT)
    found = judge.judge([*world(KEY, range(20)), *world(KEY, (20, 22), execution=same)])
    assert found.broken == {"kitemesh.execution-unique": 1}
    assert gathered(told(found)).exit_code() is Exit.CONFORMANT
    assert gathered(told(found), strict=True).exit_code() is Exit.NONCONFORMANT


def test_many_excuses_say_nothing():
    judge = Judge(KEY, 0, KEPT)
    found = judge.judge([*world(KEY, range(20)), *world(KEY, range(20, 30), status=429)])
    assert found.broken == {}
    made = gathered(told(found))
    assert made.excused == (10, 30)
    assert made.exit_code() is Exit.INCONCLUSIVE
    assert "10 of 30" in made.verdict().sentence


def test_an_interrupted_soak_judges_what_there_is():
    made = gathered(told(crosstalk()))
    made.interrupted = True
    assert made.exit_code() is Exit.INTERRUPTED
    assert made.broken["isolation.content"] == 1


def test_the_suites_own_fault_is_no_breach():
    found = crosstalk()
    found.errors["stream.done"] = "the check raised ZeroDivisionError"
    assert gathered(told(found)).exit_code() is Exit.SUITE_ERROR


def test_nobody_beside_means_that_isolation_is_not_judged():
    judge = Judge(KEY, 0, KEPT)
    made = gathered(told(judge.judge([exchange(KEY, 0, at=0.0), exchange(KEY, 2, at=1.0)])), users=2)
    assert made.exit_code() is Exit.INCONCLUSIVE
    assert "isolation.answers" in made.verdict().sentence
    made = gathered(told(Judge(KEY, 0, KEPT).judge([exchange(KEY, 0)])), users=1)
    assert made.exit_code() is Exit.CONFORMANT
    assert "One user alone" in " ".join(telling.notes(made))


def test_one_id_on_two_workers():
    made = gathered(told(holding(0, id_="chatcmpl_1")), told(holding(1, id_="chatcmpl_1"), worker=1))
    assert made.broken == {"completion.id-unique": 1}
    message = made.finding("completion.id-unique").message
    assert "`id` of soak-0-20, which another worker received, is used again" in message
    assert "soak-1-20" in telling.page(made)
    SCHEMA.validate(telling.document(made))
    apart = gathered(told(holding(0)), told(holding(1), worker=1))
    assert apart.broken == {}


def test_samples_of_memory_are_thinned():
    made = gathered()
    for number in range(5000):
        made.take(told(memory=2**20 + number).message(), float(number))
    samples = made.workers[0].memory
    assert len(samples) <= gathering.SAMPLES
    assert samples[0][0] == 0.0
    assert samples[-1][0] > 4900
    assert [at for at, _ in samples] == sorted(at for at, _ in samples)


def test_fates_are_bounded():
    made = gathered()
    for turn in range(50):
        one = told()
        one.fates.update({f"excused: status {turn * 30 + n}": 1 for n in range(30)})
        made.take(one.message(), 0.0)
    assert len(made.fates) <= gathering.FATES + 1
    assert sum(made.fates.values()) == 1500


# --- told


def shown(made, capsys=None):
    import io

    held = io.StringIO()
    telling.show(made, terminal.console(held))
    return held.getvalue()


def test_what_is_told_fits_a_screen_and_its_schema(tmp_path):
    made = gathered(told(crosstalk(), memory=2**27), told(holding(1), worker=1, memory=2**26))
    text = shown(made)
    assert max(len(line) for line in text.splitlines() if "again" not in line) <= 80
    assert "isolation.content (MUST)" in text
    assert "1 of the 18" in text or "1 of the" in text
    assert "NONCONFORMANT under load (exit code 1)" in text
    written = telling.write(made, tmp_path)
    assert [path.name for path in written] == ["soak.json", "soak.md", "soak.har"]
    document = json.loads((tmp_path / "soak.json").read_text())
    SCHEMA.validate(document)
    (broken,) = [r for r in document["requirements"] if r["broken"]]
    assert broken["id"] == "isolation.content"
    assert broken["example"]["curl"].startswith("curl")
    assert document["workers"][0]["memory"] == [{"seconds": 0.0, "octets": 2**27}]
    assert "km_secret" not in text + "".join(path.read_text() for path in written)
    telling.write(gathered(told(holding())), tmp_path)
    assert not (tmp_path / "soak.har").exists(), "those of an earlier soak would speak of this one"


def test_the_examples_can_be_judged_again(tmp_path):
    from conformance.judging.judge import judge
    from conformance.transcript import har_reader

    made = gathered(told(Judge(KEY, 0, KEPT).judge([*world(KEY, range(20)), *_without_end()])))
    telling.write(made, tmp_path)
    report = judge(har_reader.load(tmp_path / "soak.har"))
    assert [o.requirement.id for o in report.verdict.outcomes if o.findings] == ["stream.done"]


def _without_end():
    from soak_answers import edited

    return [edited(exchange(KEY, 21), lambda body: body.replace(b"data: [DONE]\n\n", b""))]


def test_a_hostile_targets_text_is_shown_escaped(tmp_path):
    one = told(crosstalk())
    example = one.examples["isolation.content"]
    from dataclasses import replace

    one.examples["isolation.content"] = BreachExample(replace(example.finding, observed=NASTY), example.exchange)
    one.fates[f"excused: {NASTY}"] = 3
    made = gathered(one)
    telling.write(made, tmp_path)
    for text in (shown(made), (tmp_path / "soak.md").read_text()):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "\x00" not in text
    SCHEMA.validate(json.loads((tmp_path / "soak.json").read_text()))


@pytest.mark.parametrize("word", ["budgets", "judging to keep up", "forgotten", "sent nothing more: enough"])
def test_what_has_to_be_said(word):
    one = told(holding(), held=500.0, stopped="enough")
    one.forgotten = 3
    assert word in " ".join(telling.notes(gathered(one, max_requests=50)))
