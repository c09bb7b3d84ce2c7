"""The session on other people's servers, without installing any: its lists, its comparing, its table, its processes."""

from __future__ import annotations

import json
import re
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conformance.contract import catalogue

from . import __main__, reviewing, table
from .installing import Installed, reason
from .judging import Run
from .reviewing import Entry
from .running import NotStarted, running
from .servers import BY_NAME, SERVERS, Kind, Server

ENTRIES = reviewing.load()
IDS = {requirement.id for requirement in catalogue.load()}


# --- the lists


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_a_server_is_pinned_and_has_been_reviewed(server: Server) -> None:
    sign = "==" if server.kind is Kind.PIP else "@"
    pins = [one.rpartition(sign) for one in (*server.bare, *server.requirements)]
    (version,) = [pin for name, _, pin in pins if name.partition("[")[0] == server.package]
    assert {entry.version for entry in ENTRIES if entry.server == server.name} == {version}


def test_every_name_is_used_once() -> None:
    assert len(BY_NAME) == len(SERVERS)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.server}-{entry.requirement}")
def test_a_review_names_a_requirement_and_quotes_what_shows_it(entry: Entry) -> None:
    assert entry.server in BY_NAME
    assert entry.requirement in IDS
    assert entry.outcome == "failed"
    assert len(entry.why) > 10
    assert 3 < len(entry.bytes) <= 400
    assert not re.search(r"127\.0\.0\.1|localhost|/home/|/tmp/|/usr/|/root/", entry.bytes + entry.why)


def test_nothing_is_reviewed_twice() -> None:
    assert len({(entry.server, entry.requirement) for entry in ENTRIES}) == len(ENTRIES)


def test_what_the_readme_tells_is_of_these_servers_and_no_suite_error_is_among_it() -> None:
    told = json.loads(Path(__file__).with_name("measured.json").read_text(encoding="utf-8"))["servers"]
    assert {one["server"] for one in told} <= set(BY_NAME)
    assert not [one["server"] for one in told if one["suite_errors"] or one["new"] or one["problem"]]
    for one in told:
        reviewed = {entry.requirement for entry in ENTRIES if entry.server == one["server"]}
        assert set(one["failed"]) <= reviewed
        assert {entry.version for entry in ENTRIES if entry.server == one["server"]} == {one["version"]}


# --- comparing


def entry(requirement: str, **more: Any) -> Entry:
    return Entry("one", "1.0", requirement, "failed", "it does so", "{}", **more)


def run(exit_code: int = 1, **outcomes: str) -> Run:
    rows = [{"id": id_.replace("_", "."), "outcome": outcome.replace("_", "-")} for id_, outcome in outcomes.items()]
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["outcome"]] = counts.get(row["outcome"], 0) + 1
    totals = {"requests": 7, "seconds": 1.25, "by_outcome": counts}
    return Run({"verdict": "nonconformant", "totals": totals, "requirements": rows}, exit_code, "told")


def test_what_was_not_reviewed_is_new_and_what_is_passed_now_is_gone() -> None:
    known = [entry("a.one"), entry("a.two"), entry("a.three"), entry("a.four", intermittent=True)]
    seen = run(a_one="failed", a_two="passed", a_three="not_exercised", a_four="passed", a_five="failed")
    assert reviewing.compare("one", "1.0", seen, known) == reviewing.Compared(("a.five",), ("a.two",), None)
    assert reviewing.compare("one", "1.0", seen, known, whole=False).gone == ()
    assert reviewing.compare("one", "1.1", seen, known).version == "1.0"
    assert reviewing.compare("two", "1.0", seen, known) == reviewing.Compared(("a.one", "a.five"), (), None)


@pytest.mark.parametrize(
    ("made", "errors"),
    [
        (run(1, a_one="failed"), ()),
        (run(6, a_one="passed"), ()),
        (run(1, a_one="error"), ("a.one: error",)),
        (run(3), ("exit code 3",)),
        (Run(None, 4, "no token"), ("no results.json, exit code 4: no token",)),
    ],
)
def test_what_goes_wrong_in_the_suite_is_told(made: Run, errors: tuple[str, ...]) -> None:
    assert made.suite_errors == errors


# --- the table


def test_the_table_has_a_line_for_each_server_those_that_were_not_judged_too() -> None:
    compared = reviewing.Compared(("a.one",), ("b.three",), "0.9")
    judged = table.row("one", "1.0", run(a_one="failed", a_two="failed", b_one="failed", b_three="passed"), compared)
    absent = table.Row("two", problem="not installed: no | such package")
    shown = table.markdown([judged, absent], "quick")
    assert "| one | 1.0 | 7 | 1.2 | nonconformant | 1 | 3 | 0 | 0 | 0 | 0 | 0 | a: one, two; b: one |" in shown
    assert "not installed: no \\| such package" in shown
    assert "- one: fails and was not reviewed: a.one" in shown
    assert "- one: was reviewed and is passed now: b.three" in shown
    assert "- one: reviewed at version 0.9" in shown
    heads, rule, *lines = [line for line in shown.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in (heads, rule, *lines)}
    assert len(widths) == 1
    assert [one["server"] for one in table.document([judged, absent], "quick")["servers"]] == ["one", "two"]


def test_a_row_is_good_unless_something_is_to_be_looked_at() -> None:
    fine = table.row("one", "1.0", run(a_one="failed"), reviewing.Compared((), ("a.two",), None))
    assert fine.good
    assert not replace(fine, new=("a.one",)).good
    assert not replace(fine, suite_errors=("exit code 3",)).good


# --- installing and running


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("WARNING: x\nERROR: No matching distribution found for y==9\n", "No matching distribution found for y==9"),
        ("npm error code E404\nnpm error 404 Not Found - GET https://a.example/x\n", "404 Not Found - GET (address)"),
        ("npm error code E1\n", "code E1"),
        ("ERROR: Could not fetch https://a.example/simple/x: no route", "Could not fetch (address) no route"),
        ("Traceback\nValueError: bad\n", "ValueError: bad"),
        ("", "the installer said nothing"),
    ],
)
def test_the_reason_is_the_installers_own_without_addresses(told: str, why: str) -> None:
    assert reason(told) == why


SERVE = """
import http.server, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open("child", "w").write(str(child.pid))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(open("told").read().encode())
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
TINY = Server(
    "tiny", Kind.PIP, "tiny", ("tiny==1",), (sys.executable, "serve.py", "$port"),
    files={"serve.py": SERVE, "told": "$model $token"},
)  # fmt: skip


def _open(url: str) -> str:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
        return str(answer.read(), "utf-8")


def test_a_server_answers_while_it_runs_and_is_ended_with_its_children(tmp_path: Path) -> None:
    with running(TINY, Installed("1", tmp_path), tmp_path) as url:
        assert url.endswith("/v1")
        assert _open(url) == f"{TINY.model} {TINY.token}"
    with pytest.raises(urllib.error.URLError):
        _open(url)
    child = Path("/proc") / (tmp_path / "child").read_text() / "stat"
    # Whoever is killed is gone a moment later; where nobody reaps him, he stays as a zombie.
    assert any(_gone(child) or time.sleep(0.05) for _ in range(200))


def _gone(stat: Path) -> bool:
    try:
        return " Z " in stat.read_text()
    except OSError:
        return True


def test_a_server_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    ending = replace(TINY, command=(sys.executable, "-c", "raise SystemExit('no model')"))
    with (
        pytest.raises(NotStarted, match="it ended with code 1: no model"),
        running(ending, Installed("1", tmp_path), tmp_path),
    ):
        pass


def test_a_server_that_never_answers_is_ended(tmp_path: Path) -> None:
    silent = replace(TINY, command=(sys.executable, "-c", "import time; time.sleep(600)"), start_within=0.5)
    with (
        pytest.raises(NotStarted, match=r"it did not answer within 0\.5 s"),
        running(silent, Installed("1", tmp_path), tmp_path),
    ):
        pass


def test_a_server_whose_preparation_fails_is_not_started(tmp_path: Path) -> None:
    broken = replace(TINY, prepare=((sys.executable, "-c", "raise SystemExit('no weights')"),))
    with (
        pytest.raises(NotStarted, match="its preparation failed: no weights"),
        running(broken, Installed("1", tmp_path), tmp_path),
    ):
        pass


def test_an_unknown_name_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    done = CliRunner().invoke(__main__.main, ["nosuch", "--output", str(tmp_path / "out")])
    assert done.exit_code == 4
    assert "no server 'nosuch'" in done.output
    assert not (tmp_path / "out").exists()
