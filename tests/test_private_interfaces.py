"""What the package uses of other packages without being invited to: in one place each, and still there."""

import ast
import inspect
from pathlib import Path

import pytest
from _pytest import junitxml
from hypothesis import given, settings, strategies
from hypothesis.internal.conjecture import providers

from conformance.probes import generated
from conformance.probes.plan import Plan

PACKAGE = Path(__file__).parents[1] / "conformance"
ALLOWED = {
    "pytest_session/junit.py": {"_pytest.junitxml"},
    "probes/provider.py": {"hypothesis.internal.conjecture.providers"},
}
"""Modules that may import what is private, each of which says why it has to."""


def private(path):
    """What a module imports of other packages although its name says that it is private."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        else:
            continue
        found |= {name for name in names if {"internal", "vendor", "_internal"} & set(name.split("."))}
        found |= {name for name in names if name.startswith("_") and name not in ("__future__", "_typeshed")}
    return found


def test_what_is_private_is_imported_in_one_place_each():
    found = {str(path.relative_to(PACKAGE)): private(path) for path in PACKAGE.rglob("*.py")}
    assert {name: modules for name, modules in found.items() if modules} == ALLOWED


@pytest.mark.parametrize(
    ("place", "owner", "name", "parameters"),
    [
        ("pytest_session/junit.py", junitxml, "xml_key", None),
        ("pytest_session/junit.py", junitxml.LogXML, "add_global_property", ["self", "name", "value"]),
        ("probes/provider.py", providers, "AVAILABLE_PROVIDERS", None),
        ("probes/provider.py", providers, "HypothesisProvider", None),
        (
            "probes/provider.py",
            providers.HypothesisProvider,
            "_maybe_draw_constant",
            ["self", "choice_type", "constraints"],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_private_is_still_there(place, owner, name, parameters):
    told = f"This version has no {owner.__name__}.{name} as conformance/{place} needs it: adapt that module"
    assert hasattr(owner, name), told
    if parameters:
        assert list(inspect.signature(getattr(owner, name)).parameters)[: len(parameters)] == parameters, told


def test_a_seed_gives_the_same_bodies_whatever_modules_are_loaded(monkeypatch):
    looked, look = [], providers._get_local_constants

    def noted():
        looked.append(True)
        return look()

    monkeypatch.setattr(providers, "_get_local_constants", noted)

    @settings(max_examples=50, database=None)
    @given(strategies.text())
    def theirs(text):
        pass

    theirs()
    assert looked, "Hypothesis looks for constants in another way: adapt this test, and conformance/probes/provider.py"
    looked.clear()
    assert generated.drawn(Plan(model="group:123e4567-e89b-42d3-a456-426614174000", seed=1))
    assert not looked, "Hypothesis draws constants in another way: adapt conformance/probes/provider.py"
