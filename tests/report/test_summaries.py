"""The terminal's summary and summary.md: complete, 80 columns, and inert whatever the target sent."""

import io
import json
import re

import pytest
from made_up import NASTY, REPORTS, report

from conformance.contract.catalogue import load
from conformance.report import files, summary, tally, terminal


def shown(made, written=()):
    held = io.StringIO()
    terminal.show(made, terminal.console(held), written)
    return held.getvalue()


def test_the_summary_names_what_was_broken_and_how():
    text = shown(report(broken={"auth.challenge": 1, "stream.done": 5}, unseen={"resume.expired": "no leave to wait"}))
    assert text.index("stream.done (MUST)") < text.index("auth.challenge (SHOULD)")
    for words in ("expected", "an event [DONE]", "observed", "event 3, byte 812, in minimal", "and 2 more", "to do"):
        assert words in text
    assert "not-exercised: no leave to wait\n    resume.expired" in text
    assert "NONCONFORMANT (full scope, exit code 1): The target breaks 1 MUST: stream.done." in text.replace("\n", " ")


def test_it_fits_80_columns_but_for_the_commands():
    text = shown(report(broken=dict.fromkeys(("auth.challenge", "stream.done", "http.json"), 2)))
    long = [line for line in text.splitlines() if len(line) > 80]
    assert all(line.startswith("  again     curl ") for line in long)
    assert long


def test_a_command_stays_on_one_line():
    text = shown(report(broken={"stream.done": 1}))
    assert re.search(r"^  again     curl -i http\S+ -H .* --data-binary '\{\"model\":\"m\"\}'$", text, re.M)


def test_the_last_lines_say_what_to_mend_first():
    text = shown(report(broken=dict.fromkeys(("auth.challenge", "resume.deny", "stream.done", "completion.usage"), 1)))
    fix = load()["completion.usage"].fix
    step = f"Next: mend completion.usage (3 more after it). {fix} See: kitemesh-conformance explain completion.usage\n"
    assert re.sub(r"\s+", " ", text).endswith(re.sub(r"\s+", " ", step))
    assert text.index("completion.usage (MUST)") < text.index("stream.done (MUST)") < text.index("resume.deny (MUST)")


def test_where_nothing_is_broken_there_is_no_next_step():
    assert "Next:" not in shown(report(unseen={"resume.expired": "no leave to wait"}))


def test_the_areas_add_up():
    made = report(broken={"auth.challenge": 1, "stream.done": 1}, unseen={"resume.expired": "x"})
    total = tally.total(made.verdict)
    assert (total.failed, total.warned, total.open) == (1, 1, 1)
    assert sum(row.passed for row in tally.rows(made.verdict)) == total.passed == total.judged - 2


def test_a_whole_area_is_one_word():
    unseen = {r.id: "none came" for r in load() if r.area == "resume"} | {"stream.done": "none came"}
    assert "    stream.done, resume.* (17)\n" in shown(report(unseen=unseen))
    assert "| stream.done, resume.* (17) | not-exercised |" in summary.summary(report(unseen=unseen))


def test_no_line_ends_in_blanks():
    text = shown(report(broken={"chunk.id-stable": 1}, unseen={"resume.expired": "none came"}))
    assert not [line for line in text.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize("form", [shown, summary.summary])
def test_what_the_target_sent_is_inert(form):
    text = form(report(broken={"stream.done": 1}))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\x00" not in text
    text.encode("utf-8")
    assert "\\x1b[31mred" in text


def test_markdown_keeps_the_targets_text_in_code():
    text = summary.summary(report(broken={"stream.done": 1}))
    line = next(line for line in text.splitlines() if "alert(1)" in line)
    assert line.startswith("- observed: ``\\x1b")
    assert line.endswith("``")


@pytest.mark.parametrize("text", ["`", "``x``", "a|b", " ", "", "x`", NASTY])
def test_a_code_span_cannot_be_left(text):
    span = summary.code(text)
    fence = re.match("`+", span)[0]
    inner = span[len(fence) : -len(fence)]
    assert fence not in re.findall("`+", inner)
    assert "|" not in summary.cell(text).replace("\\|", "")


def test_no_colours_where_nobody_watches(monkeypatch):
    assert "\x1b" not in shown(report())
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in shown(report())


def test_files_are_whole(tmp_path):
    written = files.write(report(broken={"stream.done": 1}), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == REPORTS | {"badge.svg"}
    assert sorted(written) == sorted(tmp_path.iterdir())
    assert json.loads((tmp_path / "results.json").read_text())["format"] == 1
