"""At the command line: what must not be green by mistake, and which files are written of what never was the API."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judging.preflight.playing import Stage, closed_port
from judging.preflight.rows import NGINX_404, always, completion, only_at, page
from made_up import MODEL, URL
from wire.raw_server import RawServer

from conformance.report import terminal
from conformance.running import run
from conformance.running.run import Progress
from conformance.settings.flags import FLAGS

EMBEDDED = "the embedded reference server"


@pytest.fixture(autouse=True)
def _bare(bare: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the caller's directory or environment, the token too; waits as short as they can be."""
    monkeypatch.delenv("KITEMESH_TOKEN")
    monkeypatch.setattr(run, "record", functools.partial(run.record, patience=0.001))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


def refused(result: tuple[int, str, str], *words: str) -> None:
    code, _, err = result
    assert code == 4
    assert len(err.splitlines()) == 1
    for word in words:
        assert word in err


# --- nothing is green by mistake


VALUES = {
    "switch": "1",
    "header": "X-A: b",
    "integer": "3",
    "number": "3",
    "choice": "quick",
    "list": "auto",
    "file": "x",
}


def given(flag: Any) -> tuple[str, ...]:
    return (f"--{flag.name}",) if flag.kind == "switch" else (f"--{flag.name}", VALUES.get(flag.kind, "KITEMESH_X"))


@pytest.mark.parametrize("flag", [flag for flag in FLAGS if flag.points], ids=lambda flag: flag.name)
def test_what_points_to_a_target_needs_its_url(world, command, monkeypatch, flag) -> None:
    refused(
        command("run", *given(flag)), "The server's URL is missing", f"--{flag.name} points to a server", "KITEMESH_URL"
    )
    monkeypatch.setenv(flag.variable, VALUES.get(flag.kind, "KITEMESH_X"))
    refused(command("run"), f"{flag.variable} points to a server", "say reference")
    assert not world.asked


def test_what_points_nowhere_leaves_the_first_command_as_it_is(world, command) -> None:
    neutral = {flag.name for flag in FLAGS if not flag.points}
    assert neutral == {
        "depth", "examples", "only", "skip", "strict", "concurrency", "timeout", "seed", "no-bodies", "max-failures",
    }  # fmt: skip
    assert command("run")[0] == 0
    assert command("run", "--depth", "quick", "--strict", "--seed", "1", "--only", "stream", "--timeout", "3")[0] == 0
    assert [asked.url for asked in world.asked] == [None, None]


@pytest.mark.parametrize("name", ["KITEMESH_TOKEN", "KITEMESH_SECOND_TOKEN"])
def test_a_token_points_to_a_target(world, command, monkeypatch, name) -> None:
    monkeypatch.setenv(name, "km_secret_token")
    refused(command("run"), f"{name} points to a server")
    refused(command("run", "--plan"), f"{name} points to a server")
    assert command("run", "reference")[0] == 0
    monkeypatch.setenv("KITEMESH_URL", "reference")
    assert command("run")[0] == 0
    assert [asked.url for asked in world.asked] == [None, None]


def test_an_empty_url(world, command, monkeypatch) -> None:
    monkeypatch.setenv("KITEMESH_URL", "")
    assert command("run")[0] == 0  # as where it is not set
    monkeypatch.setenv("KITEMESH_MODEL", MODEL)
    refused(command("run"), "KITEMESH_URL is empty, and KITEMESH_MODEL points to a server")
    refused(command("run", ""), "The URL is empty")


def test_a_file_that_names_targets(world, command) -> None:
    Path("conformance.toml").write_text(
        f'[targets.staging]\nurl = "{URL}"\n[targets.live]\nurl = "{URL}"\n', encoding="utf-8"
    )
    refused(command("run"), "conformance.toml names targets", "(staging, live), or reference")
    assert command("run", "reference")[0] == 0
    Path("conformance.toml").write_text('baseline = "known.toml"\n', encoding="utf-8")
    refused(command("run"), "baseline in conformance.toml points to a server")
    Path("conformance.toml").write_text('depth = "quick"\n', encoding="utf-8")
    assert command("run")[0] == 0
    Path("conformance.toml").write_text(f'[targets.reference]\nurl = "{URL}"\n', encoding="utf-8")
    refused(command("run", "reference"), "'reference' is the embedded reference server; choose another name")


def test_every_report_says_that_it_was_the_embedded_server(command) -> None:
    code, out, err = command("run", "--only", "auth.missing-header", "--depth", "quick", "--pytest-html")
    assert code == 0
    assert f"Target {EMBEDDED}" in out
    assert err.startswith(f"Judging {EMBEDDED}\n")
    for name in ("report.html", "summary.md", "results.json", "junit.xml", "pytest.html"):
        assert EMBEDDED in Path("reports", name).read_text(encoding="utf-8"), name
    assert json.loads(Path("reports/results.json").read_text(encoding="utf-8"))["target"]["name"] == EMBEDDED
    _, again, _ = command("judge", "reports/transcript.har", "--write-baseline", "known.toml")
    assert f"Target {EMBEDDED}" in again
    assert not Path("known.toml").exists()


def test_no_badge_of_the_embedded_server(world, command) -> None:
    from made_up import report

    from conformance.report.badge import badge

    made = report()
    assert badge(made) is not None
    made.transcript.options["embedded"] = True  # type: ignore[index]
    assert badge(made) is None


# --- what never was the API


def target(monkeypatch: pytest.MonkeyPatch, port: int) -> tuple[str, ...]:
    monkeypatch.setenv("KITEMESH_TOKEN", "km_secret_token")
    return (f"http://127.0.0.1:{port}", "--model", MODEL)


def test_neither_baseline_nor_badge_and_an_older_badge_goes(command, monkeypatch, stage) -> None:
    Path("reports").mkdir()
    Path("reports/badge.svg").touch()
    with stage.serving(RawServer(choose=_choose(always(page("200 OK", "Sign in"))))) as server:
        code, out, err = command("run", *target(monkeypatch, server.port), "--write-baseline", "known.toml")
        assert len(server.requests) == 2
    assert code == 6
    assert "INCONCLUSIVE (full scope, exit code 6): A login page answers" in " ".join(out.split())
    assert "No baseline was written: nothing could be judged" in err
    assert not Path("known.toml").exists()
    assert not Path("reports/badge.svg").exists()


def test_a_baseline_holds_nothing_up_where_nothing_was_judged(command, monkeypatch) -> None:
    Path("known.toml").write_text(
        '[[known]]\nrequirement = "stream.done"\nreason = "x"\nexpires = 2020-01-01\n', encoding="utf-8"
    )
    before = Path("known.toml").read_text(encoding="utf-8")
    words = ("--baseline", "known.toml", "--write-baseline", "known.toml")
    code, out, _ = command("run", *target(monkeypatch, closed_port()), *words)
    assert code == 6
    assert "GATE FAILED" in out
    assert Path("known.toml").read_text(encoding="utf-8") == before


def test_without_preflight_it_is_judged_all_the_same(command, monkeypatch, stage) -> None:
    few = ("--only", "auth.missing-header", "--depth", "quick")
    with stage.serving(RawServer(choose=_choose(always(page("200 OK", "Sign in"))))) as server:
        words = target(monkeypatch, server.port)
        assert command("run", *words, *few)[0] == 6
        code, out, _ = command("run", *words, *few, "--no-preflight")
    assert code == 1
    assert "auth.missing-header (MUST)" in out


def test_no_body_is_quoted_where_none_may_be(command, monkeypatch, stage) -> None:
    with stage.serving(RawServer(choose=_choose(always(page("403 Forbidden", "A secret title"))))) as server:
        code, out, _ = command("run", *target(monkeypatch, server.port), "--no-bodies")
    assert code == 6
    assert 'Every request is answered with 403 Forbidden, a page with the title "withheld"' in " ".join(out.split())
    for path in Path("reports").iterdir():
        assert "secret title" not in path.read_text(encoding="utf-8"), path
    code, again, _ = command("judge", "reports/transcript.har")
    assert code == 6
    assert 'a page with the title "withheld"' in " ".join(again.split())


def test_a_budget_binds_the_first_requests_too(command, monkeypatch, stage) -> None:
    with stage.serving(RawServer(choose=_choose(always(NGINX_404)))) as server:
        code, out, _ = command("run", *target(monkeypatch, server.port), "--max-requests", "1")
        assert len(server.requests) == 1
    assert code == 6
    assert "There is no API at" in out


def test_the_address_that_was_found_is_told(command, monkeypatch, stage) -> None:
    with stage.serving(RawServer(choose=_choose(only_at("")))) as server:
        words = (*target(monkeypatch, server.port), "--only", "auth.missing-header", "--depth", "quick")
        code, out, _ = command("run", *words)
        url = f"http://127.0.0.1:{server.port}"
    said = " ".join(out.split())
    assert code == 0
    assert f"Target {url} " in said
    assert f"The API is not at {url}/v1 (404 Not Found" in said
    assert f"but at {url}, which was judged." in said


def _choose(play: Any) -> Any:
    async def choose(request: bytes) -> Any:
        return play(request)

    return choose


def test_a_wrong_answer_of_the_api_is_judged(command, monkeypatch, stage) -> None:
    with stage.serving(RawServer(choose=_choose(always(completion())))) as server:
        words = (*target(monkeypatch, server.port), "--only", "auth.missing-header", "--depth", "quick")
        code, _, _ = command("run", *words, "--baseline", "known.toml", "--write-baseline", "known.toml")
        assert code == 1
        assert 'requirement = "auth.missing-header"' in Path("known.toml").read_text(encoding="utf-8")
        assert command("run", *words, "--baseline", "known.toml")[0] == 0


# --- progress


def test_a_log_gets_a_line_at_the_start_at_each_phase_and_now_and_then(capsys) -> None:
    told = []
    with terminal._lines(terminal.console(stderr=True), URL, every=0.02) as tell:
        tell(Progress("calm", 3, 9, 2.0))
        tell(Progress("calm", 4, 9, 2.0, "waiting 30.0 s: 429"))
        while len(told) < 4:
            told += capsys.readouterr().err.splitlines()
        tell(Progress("hostile", 5, 9, 2.0))
    told += capsys.readouterr().err.splitlines()
    assert told[0] == f"Judging {URL}"
    assert re.fullmatch(r" +0 s  calm, 3 of at most 9 requests, 2 credits", told[1])
    assert told[2].endswith("calm, 4 of at most 9 requests, 2 credits; waiting 30.0 s: 429")
    assert any("hostile, 5 of at most 9 requests" in line for line in told)
