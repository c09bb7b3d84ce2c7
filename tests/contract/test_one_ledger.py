"""What is known of a requirement stands in requirements.toml and nowhere else: no second list of ids in the package."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.contract.catalogue import load

PACKAGE = Path(__file__).parents[2] / "conformance"
IDS = {requirement.id for requirement in load()}
OF_SERVERS = "reference"
"""Says of each server what that server cannot show: nothing that is known of a requirement."""


def lists(source: str) -> Iterator[tuple[int, list[str]]]:
    """The line and the ids of each set, tuple, list or dictionary that holds two ids or more, as items or keys.

    Whom a single finding yields to (`yields_to=`) is said of that finding, and with it.
    """
    tree = ast.parse(source)
    of_findings = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "yields_to"
    }
    for node in ast.walk(tree):
        if id(node) in of_findings:
            continue
        match node:
            case ast.Set(elts=items) | ast.Tuple(elts=items) | ast.List(elts=items) | ast.Dict(keys=items):
                ids = [item.value for item in items if isinstance(item, ast.Constant) and item.value in IDS]
                if len(ids) > 1:
                    yield node.lineno, ids


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != OF_SERVERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_list_of_ids_beside_the_ledger(path: Path) -> None:
    found = [f"line {line}: {', '.join(ids)}" for line, ids in lists(path.read_text(encoding="utf-8"))]
    assert not found, "say it in requirements.toml, as a key of each of them, and read it from the catalogue"


def test_the_test_sees_every_form() -> None:
    for form in ("{{{}}}", "({})", "[{}]", "frozenset(({}))", "dict.fromkeys([{}], 1)", "f(*({}))"):
        assert len(list(lists(form.format('"stream.done", "stream.closes"')))) == 1, form
    assert list(lists('{"stream.done": 1, **x, "stream.closes": 2}')) == [(1, ["stream.done", "stream.closes"])]
    assert list(lists('a = ("stream.done",)\n\nb = {"stream.utf8",\n"stream.done", 1}')) == [
        (3, ["stream.utf8", "stream.done"])
    ]
    for fine in ('("stream.done", "stream")', 'f(yields_to=("stream.done", "stream.closes"))', '{1: "stream.done"}'):
        assert not list(lists(fine)), fine
