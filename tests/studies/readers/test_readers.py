"""Our reader never differs from the standard; where others do is written down, and the page says what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from .__main__ import main
from .cases import CASES, Case
from .comparing import Account, as_json, as_markdown, difference, from_json, in_python, standard
from .readers import OURS, PARSER_NAME, Outcome, Told, outcome

REPORTS = Path(__file__).parents[3] / "reports"
RECORDED = {account.name: account for account in from_json((REPORTS / "readers.json").read_text(encoding="utf-8"))}
CASE = next(case for case in CASES if case.name == "id-persists")


@pytest.fixture(scope="module")
def accounts() -> dict[str, Account]:
    return {account.name: account for account in in_python()}


def test_our_reader_never_differs(accounts: dict[str, Account]) -> None:
    assert accounts[OURS].differences == {}
    assert RECORDED[OURS].differences == {}


@pytest.mark.parametrize("name", ["httpx-sse", "sseclient-py", "openai"])
def test_readers_differ_where_it_is_written_down(name: str, accounts: dict[str, Account]) -> None:
    if accounts[name].version != RECORDED[name].version:
        pytest.skip(f"{name} {RECORDED[name].version} was measured, {accounts[name].version} is installed")
    assert accounts[name] == RECORDED[name]


def test_the_page_says_what_was_measured() -> None:
    recorded = list(RECORDED.values())
    assert (REPORTS / "readers.md").read_text(encoding="utf-8") == as_markdown(recorded)
    assert (REPORTS / "readers.json").read_text(encoding="utf-8") == as_json(recorded)
    assert PARSER_NAME in RECORDED
    assert {name for one in recorded for name in one.differences} <= {case.name for case in CASES}


def test_the_command_says_what_it_lacks(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--modules", str(tmp_path), "--output", str(tmp_path / "out")])
    assert result.exit_code == 4
    assert f"--modules holds no {PARSER_NAME}; install it with npm, or run `nox -s readers`." in result.output
    assert not (tmp_path / "out").exists()


def changed(number: int, **members: object) -> Outcome:
    """What the standard says of a stream, with one event otherwise."""
    told = list(standard(CASE).told)
    told[number] = told[number]._replace(**members)
    return Outcome(tuple(told))


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (Outcome(standard(CASE).told[:-1]), "4 events instead of 5"),
        (Outcome((*standard(CASE).told, Told("", "message", "", None))), "6 events instead of 5"),
        (changed(0, data="x"), "data 'x' instead of 'a'"),
        (changed(1, name="x"), "type 'x' instead of 'message' (event 1)"),
        (changed(4, last_id="1"), "last id '1' instead of '2' (event 4)"),
        (changed(0, reconnection=7), "retry 7 instead of None"),
        (standard(CASE)._replace(error="ValueError: no"), "raises ValueError: no"),
        (Outcome((), "ValueError: no"), "raises ValueError: no; 0 events instead of 5"),
    ],
)
def test_every_kind_of_difference_is_told(seen: Outcome, said: str) -> None:
    whole = difference(CASE, [seen, seen])
    assert whole is not None
    assert (whole.whole, whole.cut, whole.ways, whole.of) == (said, "", 1, 1)
    cut = difference(CASE, [standard(CASE), standard(CASE), seen])
    assert cut is not None
    assert (cut.whole, cut.cut, cut.ways, cut.of) == ("", said, 1, 2)


def test_what_agrees_is_no_difference() -> None:
    assert difference(CASE, [standard(CASE)] * 3) is None


def test_an_exception_ends_an_outcome_and_is_told() -> None:
    def reader():
        yield Told("a", "message", "", None)
        raise ValueError("no\nmore")

    assert outcome(reader()) == Outcome((Told("a", "message", "", None),), "ValueError: no")


def test_a_case_tells_what_the_standard_keeps() -> None:
    case = Case("x", "", b"", [{"data": "", "last_id": "1", "reconnection": 2, "name": ""}], None, [])
    assert standard(case) == Outcome((Told("", "message", "1", 2),))
