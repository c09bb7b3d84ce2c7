"""GitHub Actions: annotations and the summary; whatever a target sends, the runner finds no command in it but ours."""

import re
from pathlib import Path

import pytest
from made_up import MODEL, NASTY, URL, World, finding

from conformance.contract.catalogue import load
from conformance.evidence.place import Place
from conformance.report import github

pytestmark = pytest.mark.usefixtures("bare")
TARGET = (URL, "--model", MODEL)
FORGED = (
    "\n::error title=forged::x\r\n  ::set-output name=a::b\n##[error]forged ##[add-mask]x\n"
    "::stop-commands::x\n%0A::warning::y " + NASTY + " :: ::notice::z " * 30
)


class Runner:
    """What the runner makes of a job's output: github.com/actions/runner, ActionCommand.cs and ActionCommandManager.cs.

    A line is a command where it begins, white space aside, with `::name …::`, or where it holds `##[name …]` anywhere,
    and `name` is one of those below; after stop-commands only the token's own command counts.
    """

    KNOWN = frozenset({"error", "warning", "notice", "debug", "add-mask", "group", "endgroup", "echo", "stop-commands"})
    KNOWN |= {"set-output", "save-state", "add-matcher", "remove-matcher", "add-path", "set-env"}

    def __init__(self, text):
        self.commands = []
        self.stopped = None
        for line in re.split(r"\r\n|\r|\n", text):
            self._read(line)

    def _read(self, line):
        known = self.KNOWN | ({self.stopped} if self.stopped else set())
        if line.lstrip().startswith("::") and "::" in line.lstrip()[2:]:
            head, _, data = line.lstrip()[2:].partition("::")
            name, _, properties = head.partition(" ")
            if name in known:
                return self._take(name, properties, data)
        if (found := re.search(r"##\[([^\]\s;]+)([^\]]*)\](.*)", line)) and found[1] in known:
            return self._take(found[1], found[2], found[3])
        return None

    def _take(self, name, properties, data):
        if self.stopped:
            if name == self.stopped:
                self.stopped = None
        elif name == "stop-commands":
            self.stopped = data
        else:
            for escaped, meant in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
                properties = properties.replace(escaped, meant)
            self.commands.append((name, properties.removeprefix("title="), data))


@pytest.fixture
def job(monkeypatch, tmp_path):
    """A step on GitHub Actions; gives the file of its summary."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    page = tmp_path / "step-summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    return page


@pytest.fixture
def forging(monkeypatch):
    """A made-up target whose every text is an attempt."""
    from conformance.running import run

    made = World()
    monkeypatch.setattr(run, "run", lambda options, progress=None: made.run(options, progress))
    texts = {"message": FORGED, "expected": FORGED, "observed": FORGED, "place": Place(words=FORGED)}
    monkeypatch.setattr("made_up.finding", lambda id_, **more: finding(id_, **{**texts, **more}))
    return made


def test_what_fails_is_annotated_and_summarized(world, command, job):
    job.write_text("# Before\n", encoding="utf-8")
    world.broken = {"stream.done": 2, "auth.challenge": 1}
    code, out, _ = command("run", *TARGET)
    assert code == 1
    runner = Runner(out)
    assert runner.stopped is None
    assert [(kind, title) for kind, title, _ in runner.commands] == [
        ("error", "KiteMesh conformance: nonconformant"),
        ("error", "stream.done (MUST)"),
        ("warning", "auth.challenge (SHOULD)"),
    ]
    assert "the end is missing, in minimal, event 3, byte 812 (and 1 more). Expected an event [DONE]" in out
    page = job.read_text(encoding="utf-8")
    assert page.startswith("# Before\n# KiteMesh conformance: nonconformant\n")
    assert page.removeprefix("# Before\n") == Path("reports/summary.md").read_text(encoding="utf-8")


def test_the_baseline_is_annotated(world, command, job):
    world.broken = {"stream.done": 1}
    Path("known.toml").write_text(
        '[[known]]\nrequirement = "stream.done"\nreason = "TICKET-17"\n'
        '[[known]]\nrequirement = "http.json"\nreason = "x"\n'
        '[[known]]\nrequirement = "chunk.schema"\nreason = "x"\nexpires = 2020-01-01\nintermittent = true\n',
        encoding="utf-8",
    )
    _, out, _ = command("run", *TARGET, "--baseline", "known.toml")
    assert [(kind, title) for kind, title, _ in Runner(out).commands] == [
        ("error", "KiteMesh conformance: nonconformant"),
        ("error", "http.json: stale entry of the baseline"),
        ("error", "chunk.schema: expired entry of the baseline"),
        ("notice", "stream.done (MUST): known"),
    ]


def test_a_run_that_passes_says_nothing(world, command, job):
    _, out, _ = command("run", *TARGET)
    assert Runner(out).commands == []
    assert "conformant" in job.read_text(encoding="utf-8")


def test_there_are_so_many_of_each_at_most(world, command, job):
    world.broken = {requirement.id: 1 for requirement in load()}
    _, out, _ = command("run", *TARGET)
    kinds = [kind for kind, _, _ in Runner(out).commands]
    assert (kinds.count("error"), kinds.count("warning")) == (github.MOST, github.MOST)
    assert re.search(r"And \d+ more, in the job's summary.", out)


def test_elsewhere_nothing_of_it_is_printed(world, command, tmp_path):
    world.broken = {"stream.done": 1}
    _, out, _ = command("run", *TARGET)
    assert "::" not in out


def test_nothing_that_a_target_sends_is_a_command(forging, command, job):
    forging.broken = {"stream.done": 3, "auth.challenge": 1}
    forging.unseen = {"http.json": FORGED}
    code, out, err = command("run", *TARGET)
    assert code == 1
    titles = [(kind, title) for kind, title, _ in Runner(out + err).commands]
    assert titles == [
        ("error", "KiteMesh conformance: nonconformant"),
        ("error", "stream.done (MUST)"),
        ("warning", "auth.challenge (SHOULD)"),
    ]
    assert Runner(out.replace("::stop-commands::", "")).commands != Runner(out).commands  # the attempts are there
    command("judge", "reports/transcript.har")


def test_nothing_that_a_target_sends_is_a_command_of_pytests(forging, job, pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    forging.broken = {"stream.done": 3, "auth.challenge": 1}
    result = pytester.runpytest_inprocess(
        *("-p", "conformance.plugin", "--target-url", URL, "--target-model", MODEL, "-rA", "-v")
    )
    assert [title for _, title, _ in Runner(result.stdout.str() + result.stderr.str()).commands] == [
        "KiteMesh conformance: nonconformant",
        "stream.done (MUST)",
        "auth.challenge (SHOULD)",
    ]
    assert job.read_text(encoding="utf-8").count("# KiteMesh conformance") == 1


def test_nothing_in_a_file_is_a_command(command, job, transcript):
    import json

    command("judge", transcript("conforming"), "--output", ".")
    document = json.loads(Path("results.json").read_text(encoding="utf-8"))
    document["target"] = {"url": FORGED, "model": FORGED}
    document["shapes"][0]["members"] = [{"place": FORGED, "types": ["string"], "answers": 1}]
    for entry in document["requirements"]:
        if entry["outcome"] == "passed":
            entry |= {"outcome": "blocked", "blocked_by": ["x"], "reason": FORGED}
    Path("forged.json").write_text(json.dumps(document), encoding="utf-8")
    for form in ("terminal", "markdown", "json"):
        code, out, err = command("compare", "results.json", "forged.json", "--format", form)
        assert code == 1
        assert "forged" in out
        assert Runner(out + err).commands == []
    _, out, err = command("judge", transcript("conforming"), "--against", "forged.json")
    assert "DENIED" in out
    assert all("forged" not in title for _, title, _ in Runner(out + err).commands)
    _, out, err = command("judge", "\n::error::x ##[error]y")
    assert Runner(out + err).commands == []


def test_the_summary_of_a_step_keeps_githubs_limit(world, command, job):
    job.write_bytes(b"x" * (github.LARGEST - 300))
    world.broken = {"stream.done": 1}
    command("run", *TARGET)
    page = job.read_bytes()
    assert len(page) <= github.LARGEST
    assert page.endswith(github._CUT.encode())
    command("run", *TARGET)
    assert len(job.read_bytes()) <= github.LARGEST


def test_a_summary_that_cannot_be_written_changes_no_verdict(world, command, monkeypatch, tmp_path):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    code, out, _ = command("run", *TARGET)
    assert code == 0
    assert "The job's summary could not be written (Is a directory)." in out


def test_a_command_is_escaped():
    assert github.command("error", "a: b, c\n%", "x\r\n::error::y%0A") == (
        "::error title=a%3A b%2C c\\n%25::x\\r\\n::error::y%250A"
    )
