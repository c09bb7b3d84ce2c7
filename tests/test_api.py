"""What Python code gets from the package: the functions, the report, and the names that are exported."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import conformance
from conformance import UsageError, api, check, check_async, judge
from conformance.contract import schemas
from conformance.reference.app import create_app
from conformance.reference.faults import by_id
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_MODEL, Settings
from conformance.transcript import har_writer

ROOT = Path(__file__).parents[1]
TOKEN = Settings().tokens[0]
KNOWN = {"model": DEFAULT_MODEL, "token": TOKEN}
CHOSEN = {"only": ["http", "stream.done", "auth.missing-header"], "depth": "quick", "seed": 7}
GONE = "http://127.0.0.1:9"
"""Nobody listens there."""


@pytest.fixture(scope="module")
def faulty():
    """The URL of a server that never ends its streams as it should."""
    with in_thread(create_app(Settings(token_interval=0.0), by_id("stream-done-absent").behaviour)) as url:
        yield url


@pytest.fixture(scope="module")
def steps():
    """How far the recording of `report` said that it was."""
    return []


@pytest.fixture(scope="module")
def report(faulty, steps, tmp_path_factory):
    output = tmp_path_factory.mktemp("reports") / "made"
    made = check(faulty, output=output, progress=steps.append, headers=[("X-Key", "hush-hush-key")], **KNOWN, **CHOSEN)
    return made, output


# --- a run


def test_what_a_report_tells(report):
    made, _ = report
    assert not made.passed
    assert made.verdict.conclusion is conformance.Conclusion.NONCONFORMANT
    assert made["stream.done"].state is conformance.State.FAILED
    assert made["http.json"].state == "passed"
    assert made["chunk.id-stable"].state == "not-selected"
    (finding,) = {finding.requirement for finding in made["stream.done"].findings}
    assert finding == "stream.done"
    assert repr(made) == "<Report nonconformant: breaks 1 MUST: stream.done>"
    assert "NONCONFORMANT (partial scope, exit code 1)" in str(made)


def test_neither_token_nor_header_is_told(report):
    made, _ = report
    for text in (repr(made), str(made), repr(made.options), repr(made.verdict), json.dumps(made.to_dict())):
        assert TOKEN not in text
        assert "hush-hush-key" not in text


@pytest.mark.parametrize(
    ("id_", "words"), [("stream.don", "did you mean stream.done"), ("zzz", "the command `requirements` lists them")]
)
def test_an_id_that_is_none(report, id_, words):
    with pytest.raises(KeyError, match=f"no requirement is called '{id_}': {words}"):
        report[0][id_]


def test_the_document_is_that_of_the_file(report, tmp_path):
    made, output = report
    document = made.to_dict()
    assert not schemas.errors("results", document)
    assert document == json.loads((output / "results.json").read_text(encoding="utf-8"))
    written = made.write(tmp_path / "not" / "there")
    names = ["report.html", "transcript.har", "results.json", "summary.md", "vectors.json"]
    assert [path.name for path in written] == names
    assert all(path.is_file() for path in written)
    assert json.loads(written[2].read_text(encoding="utf-8")) == document


def test_progress_is_told(report, steps):
    assert all(isinstance(step, conformance.Progress) for step in steps)
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert steps[-1].phase == "judging"
    assert steps[-1].done == len(report[0].transcript)


def test_what_progress_raises_ends_the_run(faulty):
    def enough(how_far):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        check(faulty, progress=enough, **KNOWN, **CHOSEN)


def test_the_embedded_reference_server():
    report = check("reference", depth="quick", only=["auth"], seed=7)
    assert report.passed
    assert repr(report).startswith("<Report conformant: meets every MUST that was selected")
    assert report.to_dict()["target"]["name"] == "the embedded reference server"


def test_nobody_there_is_no_breach():
    """The first requests settle it, as on the command line: nothing else is sent, and nothing is blamed."""
    report = check(GONE, down_for=0, timeout=2, **KNOWN, **CHOSEN)
    assert (report.passed, report.exit_code(), report.findings) == (False, conformance.Exit.INCONCLUSIVE, ())
    assert repr(report).startswith("<Report inconclusive: ")
    assert len(report.transcript) <= 4


# --- beside an event loop


def test_a_running_loop_is_refused():
    async def body():
        return check(GONE, **KNOWN)

    with pytest.raises(UsageError, match=r"write: report = await conformance\.check_async"):
        asyncio.run(body())


def test_beside_a_running_loop(faulty):
    steps = []

    async def body():
        own = threading.get_ident()
        task = asyncio.create_task(
            check_async(faulty, progress=lambda how_far: steps.append(threading.get_ident() == own), **KNOWN, **CHOSEN)
        )
        turns = 0
        while not task.done():
            turns += 1
            await asyncio.sleep(0.01)
        assert turns > 2
        return await task

    report = asyncio.run(body())
    assert report["stream.done"].state == "failed"
    assert steps
    assert all(steps)


def test_two_at_once(faulty):
    async def body():
        return await asyncio.gather(*(check_async(faulty, **KNOWN, **CHOSEN) for _ in range(2)))

    assert {report["stream.done"].state for report in asyncio.run(body())} == {"failed"}


def test_cancelling_ends_the_recording(faulty):
    before = threading.active_count()
    steps = []

    async def body():
        begun = asyncio.Event()

        def told(how_far):
            steps.append(how_far)
            begun.set()

        task = asyncio.create_task(check_async(faulty, progress=told, rate=4, **KNOWN))
        await begun.wait()
        task.cancel()
        started = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - started, len(steps)

    seconds, sent = asyncio.run(body())
    assert seconds < 10
    assert sent < 20
    assert threading.active_count() == before


# --- a recording


def test_a_recording_is_judged_again(report):
    made, output = report
    path = output / "transcript.har"
    for recording in (path, str(path), path.read_bytes(), har_writer.dumps(made.transcript).encode()):
        again = judge(recording)
        assert {o.requirement.id: o.state for o in again.verdict.outcomes} == {
            o.requirement.id: o.state for o in made.verdict.outcomes
        }
    assert judge(path, only=["http.json"]).passed
    assert judge(path, skip=["stream"])["stream.done"].state == "not-selected"


def test_known_failures_pass(report, tmp_path):
    _, output = report
    entry = '[[known]]\nrequirement = "stream.done"\nreason = "of a test"\n'
    (tmp_path / "known.toml").write_text(entry, encoding="utf-8")
    again = judge(output / "transcript.har", baseline=tmp_path / "known.toml")
    assert again.verdict.conclusion == "nonconformant"
    assert again.passed


@pytest.mark.parametrize(
    ("recording", "told", "words"),
    [
        (b"x", {}, "The recording cannot be judged"),
        (b"{}", {}, "The recording cannot be judged"),
        ("no-such.har", {}, "'no-such.har' cannot be judged. The file cannot be read"),
        (b"x", {"only": "stream"}, r"only takes several, not one text; write only=\['stream'\]"),
        (b"x", {"only": ["streem"]}, "did you mean stream"),
        (b"x", {"baseline": "no-such.toml"}, "no-such.toml"),
    ],
)
def test_what_cannot_be_judged(recording, told, words):
    with pytest.raises(UsageError, match=words):
        judge(recording, **told)


# --- wrong use


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"url": ""}, r"check\(\) needs the server's URL"),
        ({"url": None}, r"check\(\) needs the server's URL"),
        ({"url": "ftp://x"}, "is not an http or https URL"),
        ({"url": "http://me:secret@x"}, "leave it out and give the token as token="),
        ({"model": None}, "needs a model; give model='group:<uuid>'"),
        ({"model": "gpt"}, "not of the form group:<uuid>"),
        ({"token": None}, "needs a token"),
        ({"token": ""}, "empty token"),
        ({"second_token": ""}, "empty second_token"),
        ({"second_token": TOKEN}, "equals the first"),
        ({"max_credits": -1}, "^max_credits must be above 0"),
        ({"timeout": "long"}, "was given a value of a wrong type"),
        ({"headers": [("Host", "x")]}, "^headers cannot set Host"),
        ({"ca_bundle": Path("no-such.pem")}, "CA bundle 'no-such.pem' cannot be read"),
        ({"replay": Path("no-such.json")}, "no-such.json"),
        ({"depth": "abyss"}, "depth must be quick, standard, deep"),
        ({"colour": "red"}, r"check\(\) knows no option 'colour'"),
        ({"embedded": True}, r"check\(\) knows no option 'embedded'"),
    ],
)
def test_what_check_refuses(told, words, monkeypatch):
    monkeypatch.setenv("KITEMESH_TOKEN", "km_of_the_environment")
    monkeypatch.setenv("KITEMESH_URL", GONE)
    with pytest.raises(UsageError, match=words) as raised:
        check(**({"url": GONE} | KNOWN | told))
    assert "--" not in str(raised.value)
    assert TOKEN not in str(raised.value)


# --- what is exported


def test_the_names_that_are_exported():
    assert set(conformance.__all__) - {"__version__"} == set(api.__all__) - {"REFERENCE", "CheckOptions"}
    for name in conformance.__all__:
        assert getattr(conformance, name) is (conformance.__version__ if name == "__version__" else getattr(api, name))
    assert set(conformance.__all__) <= set(dir(conformance))


def test_the_package_alone_is_cheap():
    script = "import sys, conformance; dir(conformance); print(sorted(m for m in sys.modules if 'conformance.' in m))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['conformance.settings', 'conformance.settings.version']"
