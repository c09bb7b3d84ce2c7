"""The rooms of the package stand in a line, and nothing imports from its right.

Imports are read off the source, those in functions and those for type checkers too.
"""

import ast
from pathlib import Path

import pytest

from conformance.checks.registry import AREAS

PACKAGE = Path(__file__).parents[1] / "conformance"
LINE = (
    *("contract", "settings", "transcript", "probes", "wire", "evidence", "checks", "judging", "report"),
    *("running", "proving", "client", "soak", "recording", "api", "pytest_session", "plugin", "commands"),
)
"""The rooms from left to right. What stands from `running` on ties the line together."""


def part(module: str) -> str:
    """`conformance.transcript.har_writer` is of the part `wire`; the package itself of none."""
    return module.removeprefix("conformance").lstrip(".").partition(".")[0]


def imports(path: Path) -> set[str]:
    """The modules of the package that a file imports."""
    package = ["conformance", *path.relative_to(PACKAGE).parts[:-1]]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "conformance"}


def parts(path: Path) -> set[str]:
    """The parts that a file imports from, its own left out."""
    known = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or p.is_dir()}
    own = part(".".join(["conformance", *path.relative_to(PACKAGE).with_suffix("").parts]))
    return {part(name) for name in imports(path)} & known - {own, "", "__init__"}


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_imports_from_its_right(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if own == "reference":
        assert parts(path) <= {"contract"}
        return
    assert own in LINE, f"{own} has no place in the line: give it one here"
    place = LINE.index(own)
    allowed = set(LINE[:place]) | ({"reference"} if place >= LINE.index("running") else set())
    assert parts(path) <= allowed


@pytest.mark.parametrize("room", ["evidence", "checks"])
def test_what_judges_knows_nothing_of_the_wire(room):
    assert not [path for path in (PACKAGE / room).rglob("*.py") if "wire" in parts(path)]


def test_no_module_lies_outside_a_room():
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", "api", "plugin"}


def test_the_test_sees_every_form_of_import(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "wire").mkdir()
    for name in ("run", "cli", "plugin", "verdict"):
        (tmp_path / f"{name}.py").touch()
    path = tmp_path / "wire" / "x.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "import conformance.run\n"
        "from ..verdict import decide\n"
        "from . import har\n"
        "if TYPE_CHECKING:\n    from conformance import cli\n"
        "def f():\n    from conformance.plugin import g\n",
        encoding="utf-8",
    )
    assert parts(path) == {"run", "cli", "plugin", "verdict"}


@pytest.mark.parametrize("area", AREAS, ids=lambda area: area.__name__.rpartition(".")[2])
def test_no_area_takes_a_rule_from_another(area):
    others = {other.__name__ for other in AREAS if other is not area}
    assert not imports(Path(area.__file__)) & others
