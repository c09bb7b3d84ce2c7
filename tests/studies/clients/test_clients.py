"""The kept measurement is in form and is what the page says; a client is judged by what its user gets."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from conformance.client import faces
from conformance.contract.catalogue import load as catalogue
from conformance.evidence.faces import FaceKind
from conformance.proving import clients
from conformance.proving.clients import Shortcoming
from conformance.reference.faults import by_id

from . import __main__ as command
from . import measuring
from .judging import Outcome, judged, worst
from .measuring import CONFORMING, Driver, Recorded, measured, openai_driver, record
from .scenarios import CALLS, CLIENTS, CODE, FAULTS, REASON, SCENARIOS, TROUBLES, VARIATIONS, WORDS
from .table import as_markdown, reviews

KEPT = clients.load()
TEXT, TOOLS, REFUSAL = SCENARIOS
IDS = ("47b438ed-e1b3-4fbb-b8a7-84de953688ef", "053b1491-7599-46cc-8008-4b3d7d36468b")
ANSWER: dict[str, Any] = {"role": "assistant", "content": WORDS, "finish": "stop", "calls": []}
CALLED: dict[str, Any] = {
    "content": None,
    "finish": "tool_calls",
    "calls": [
        {"id": id_, "name": name, "arguments": json.dumps(arguments)}
        for id_, (name, arguments) in zip(IDS, CALLS, strict=True)
    ],
}
REFUSED = {"raised": {"type": "Error", "line": f"422 {REASON}: minItems.", "status": 422, "code": CODE}}


# --- what is kept


def test_the_conforming_server_hurts_nobody() -> None:
    assert KEPT.conforming == ()
    assert [client.id for client in KEPT.clients] == list(CLIENTS)
    assert KEPT.scenarios == tuple(scenario.id for scenario in SCENARIOS)


def test_every_fault_and_requirement_in_it_exists() -> None:
    assert list(KEPT.faults) == list(FAULTS)
    assert len(KEPT.faults) >= 30
    for fault in KEPT.faults.values():
        assert fault.requirement == by_id(fault.id).requirement
        assert fault.requirement in catalogue()
    assert list(KEPT.variations) == list(VARIATIONS)
    assert list(KEPT.troubles) == list(TROUBLES)
    assert {faces.one(id_).kind for id_ in VARIATIONS} == {FaceKind.VARIATION}


def test_every_shortcoming_was_reviewed() -> None:
    words = reviews()
    broken = {(f"{one.package} ({one.registry})", one.requirement) for one in KEPT.shortcomings}
    assert broken == {(client, requirement) for client, known in words.items() for requirement in known}
    assert all(requirement in catalogue() for _, requirement in broken)
    for one in KEPT.shortcomings:
        assert set(one.faces) <= {CONFORMING, "plain-2", *VARIATIONS, *TROUBLES}
        assert not re.search(r"127\.0\.0\.1|localhost|/tmp/|/home/|km_", one.what)


def test_every_harm_is_in_form() -> None:
    servers = (*KEPT.faults.values(), *KEPT.variations.values(), *KEPT.troubles.values())
    harms = [harm for server in servers for harm in server.harms]
    assert {harm.outcome for harm in harms} == {"raises", "wrong", "hangs"}
    for harm in harms:
        assert harm.client in KEPT.clients
        assert harm.scenario in KEPT.scenarios
        assert bool(harm.what) == (harm.outcome != "hangs")
        assert len(harm.what) <= 130
        assert not re.search(r"127\.0\.0\.1|localhost|/tmp/|/home/|km_", harm.what)


def test_the_data_is_as_the_session_writes_it() -> None:
    text = clients.FILE.read_text(encoding="utf-8")
    assert clients.dumps(clients.loads(text)) == text


def test_the_page_says_what_was_measured() -> None:
    page = Path(__file__).parents[3] / "reports" / "clients.md"
    assert page.read_text(encoding="utf-8") == as_markdown(KEPT)


# --- driving


def test_the_openai_client_fares_as_is_kept() -> None:
    """A fault that deceives every client, whatever the version; with the version that was measured, exactly so."""
    servers = [faces.one("chunk-appends-not")]
    made = measured(record([openai_driver()], servers), servers)
    assert [client.id for client in made.clients] == [id_ for id_ in CLIENTS if id_.startswith("openai-python")]
    assert made.conforming == ()
    assert {harm.outcome for harm in made.faults["chunk-appends-not"].harms} == {"wrong"}
    if all(client in KEPT.clients for client in made.clients):
        kept = KEPT.faults["chunk-appends-not"].harms
        assert made.faults["chunk-appends-not"].harms == tuple(harm for harm in kept if harm.client in made.clients)


def test_a_client_is_judged_as_the_command_judges_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client without a limit of its own hangs, and so does not end; the one of the environment has one of minutes."""
    monkeypatch.setattr(measuring, "DEADLINE", 5.0)
    monkeypatch.setattr(measuring, "LIMIT", 20.0)
    servers = [faces.one("sse-crlf"), faces.one("hangs-before")]
    made = record([openai_driver()], servers)
    assert {one.requirement for one in made.shortcomings} == {"client.ends"}
    assert made.shortcomings[0].faces == ("hangs-before",)
    assert {o.outcome for by in made.outcomes["hangs-before"].values() for o in by.values()} == {"hangs"}
    assert {o.outcome for by in made.outcomes["sse-crlf"].values() for o in by.values()} == {"ok"}


def test_what_was_not_tried_is_not_kept_as_harmless() -> None:
    server = faces.one(FAULTS[0])
    outcomes = {scenario.id: Outcome("ok") for scenario in SCENARIOS}
    whole = {CONFORMING: {"parser-fetch": outcomes}, server.id: {"parser-fetch": outcomes}}
    assert measured(Recorded({"parser-fetch": "1"}, whole), [server]).faults[server.id].harms == ()
    for missing in SCENARIOS:
        less = {id_: outcome for id_, outcome in outcomes.items() if id_ != missing.id}
        with pytest.raises(KeyError):
            measured(Recorded({"parser-fetch": "1"}, whole | {server.id: {"parser-fetch": less}}), [server])


# --- the command


def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recorded: Any) -> Result:
    """The command, with a measurement that was made up."""
    monkeypatch.setattr(command, "record", recorded)
    monkeypatch.setattr(command, "FAULTS", FAULTS[:1])
    monkeypatch.setattr(command, "VARIATIONS", ())
    monkeypatch.setattr(command, "TROUBLES", ())
    paths = {"--modules": tmp_path, "--python": tmp_path, "--page": tmp_path / "p.md", "--data": tmp_path / "d.json"}
    return CliRunner().invoke(command.main, [str(word) for pair in paths.items() for word in pair])


def made_up(conforming: Outcome) -> Recorded:
    """One client, which the fault does no harm."""
    server = faces.one(FAULTS[0])
    fine = {scenario.id: Outcome("ok") for scenario in SCENARIOS}
    at = {CONFORMING: {"parser-fetch": fine | {"text": conforming}}, server.id: {"parser-fetch": fine}}
    short = Shortcoming("eventsource-parser", "npm", "1", "client.ends", "it does not end", ("hangs-before",))
    return Recorded({"parser-fetch": "1"}, at, [short])


def test_it_writes_the_data_and_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = run(monkeypatch, tmp_path, lambda *given: made_up(Outcome("ok")))
    assert result.exit_code == 0, result.output
    kept = clients.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    assert [client.id for client in kept.clients] == ["parser-fetch"]
    assert "eventsource-parser (npm) breaks client.ends: it does not end" in result.output
    assert "| client.ends (SHOULD) | **broken** |" in (tmp_path / "p.md").read_text(encoding="utf-8")
    assert (tmp_path / "p.md").read_text(encoding="utf-8") == as_markdown(kept)


def test_nothing_is_written_where_the_conforming_server_hurts_a_client(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result = run(monkeypatch, tmp_path, lambda *given: made_up(Outcome("raises", "E: no")))
    assert result.exit_code == 1
    assert "parser-fetch, text, on the conforming server: raises E: no" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_driver_that_fails_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = Driver((sys.executable, "-c", "raise SystemExit('no such module')"), "eventsource-parser", "npm")
    result = run(monkeypatch, tmp_path, lambda *given: record([broken], [faces.one(FAULTS[0])]))
    assert result.exit_code == 4
    assert "no such module" in result.output
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


# --- judging


def changed(told: dict[str, Any], call: int, **members: Any) -> dict[str, Any]:
    """What was told, with one call otherwise."""
    calls = [one | members if number == call else one for number, one in enumerate(told["calls"])]
    return told | {"calls": calls}


@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        (TEXT, ANSWER),
        (TOOLS, CALLED),
        (TOOLS, CALLED | {"content": ""}),
        (TOOLS, changed(CALLED, 0, arguments=dict(CALLS[0][1]))),
        (REFUSAL, REFUSED),
    ],
)
def test_what_is_right_is_ok(scenario: Any, told: dict[str, Any]) -> None:
    assert judged(scenario, told) == Outcome("ok")


@pytest.mark.parametrize(
    ("scenario", "told", "outcome", "what"),
    [
        (TEXT, {"hangs": True}, "hangs", ""),
        (REFUSAL, {"hangs": True}, "hangs", ""),
        (TEXT, {"raised": {"type": "E", "line": "no", "status": None, "code": None}}, "raises", "E: no"),
        (TEXT, {"raised": {"type": "E", "line": "", "status": None, "code": None}}, "raises", "E"),
        (TEXT, ANSWER | {"role": None}, "wrong", "the role is None"),
        (TEXT, ANSWER | {"content": None}, "wrong", "the content is lost"),
        (TEXT, ANSWER | {"content": WORDS[:9]}, "wrong", f"the content is cut after 9 of {len(WORDS)} characters"),
        (TEXT, ANSWER | {"content": WORDS * 2}, "wrong", f"the content has {2 * len(WORDS)} characters instead of"),
        (TEXT, ANSWER | {"content": WORDS.replace("é", "?")}, "wrong", "the content is altered from character 17 on"),
        (TEXT, ANSWER | {"content": WORDS + "!"}, "wrong", f"the content is altered from character {len(WORDS)} on"),
        (TEXT, ANSWER | {"finish": None}, "wrong", "the finish reason is None instead of 'stop'"),
        (TEXT, ANSWER | {"calls": CALLED["calls"]}, "wrong", "2 tool calls instead of 0"),
        (TOOLS, CALLED | {"content": "x"}, "wrong", "there is content: 'x'"),
        (TOOLS, CALLED | {"calls": CALLED["calls"][:1]}, "wrong", "1 tool calls instead of 2"),
        (TOOLS, CALLED | {"calls": CALLED["calls"][::-1]}, "wrong", "tool call 0 is named 'notify_team'"),
        (TOOLS, CALLED | {"finish": "stop"}, "wrong", "the finish reason is 'stop' instead of 'tool_calls'"),
        (TOOLS, changed(CALLED, 1, arguments="{"), "wrong", "the arguments of tool call 1 are not JSON: '{'"),
        (TOOLS, changed(CALLED, 1, arguments={}), "wrong", "the arguments of tool call 1 are {}"),
        (TOOLS, changed(CALLED, 1, id=None), "wrong", "a tool call has no id"),
        (TOOLS, changed(CALLED, 1, id="call_1"), "wrong", "a tool call has an id that the server never gave"),
        (TOOLS, changed(CALLED, 1, id=IDS[0]), "wrong", "tool calls share an id"),
        (REFUSAL, ANSWER, "wrong", "the refusal is taken for an answer"),
        (REFUSAL, {"raised": REFUSED["raised"] | {"code": 422}}, "wrong", "the error's code is 422 instead of"),
        (
            REFUSAL,
            {"raised": REFUSED["raised"] | {"line": "422"}},
            "raises",
            "Error: 422 (without the server's reason)",
        ),
    ],
)
def test_what_is_not_right_is_told(scenario: Any, told: dict[str, Any], outcome: str, what: str) -> None:
    seen = judged(scenario, told)
    assert seen.outcome == outcome
    assert seen.what.startswith(what)
    assert bool(seen.what) == bool(what)


def test_deceived_is_worse_than_waiting_is_worse_than_told() -> None:
    assert worst([]) == "ok"
    assert worst(["raises", "ok"]) == "raises"
    assert worst(["raises", "hangs"]) == "hangs"
    assert worst(["hangs", "wrong", "raises"]) == "wrong"
