"""The one schema registry: what is wrong with a JSON value, by the schema of its kind.

The schemas are files, so that anybody can use them with any validator. This module reads them once; how they are held
against a value, `schema.validator` says. They keep to keywords whose failure has one place (no `anyOf`, `oneOf`,
`not`), so that one fault is one error.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from conformance.contract.schema.formats import is_date_time, is_uuid
from conformance.contract.schema.references import SUFFIX, resolved
from conformance.contract.schema.validator import SchemaError, Validator

_NO_KIND = frozenset({"shared", "config", "soak"})
"""What others refer to, and what a file of the user's is checked by (in editors): nothing that travels is of them."""


def errors(name: str, instance: Any) -> list[SchemaError]:
    """What is wrong with the instance, ordered by place; empty where it is valid, the first thousand where it is not.

    Args:
        name: one of `names()`.
        instance: a JSON value as Python's `json` gives it.

    Raises:
        KeyError: there is no such schema.
    """
    return validator(name).errors(instance)


def is_valid(name: str, instance: Any) -> bool:
    """Whether the instance holds. Raises KeyError where there is no such schema."""
    return validator(name).is_valid(instance)


def schema(name: str) -> dict[str, Any]:
    """The schema as its file has it, references and all; a fresh copy. Raises KeyError where there is none."""
    if name not in names() and name not in _NO_KIND:
        raise KeyError(name)
    document: dict[str, Any] = json.loads((schema_dir() / f"{name}{SUFFIX}").read_text(encoding="utf-8"))
    return document


def whole(name: str) -> dict[str, Any]:
    """The schema with the shared definitions in place of references, so that it needs no other file.

    Raises KeyError where there is none.
    """
    document = schema(name)
    return {"$schema": document["$schema"], **resolved(document, schema)}


@cache
def names() -> tuple[str, ...]:
    """The names of the schemas, sorted: `approval`, `chunk`, `completion`, …"""
    found = (path.name.removesuffix(SUFFIX) for path in schema_dir().glob(f"*{SUFFIX}"))
    return tuple(sorted(name for name in found if name not in _NO_KIND))


def schema_dir() -> Path:
    """The folder of the schema files: inside the installed package, else beside it in a source tree."""
    return _data_dir("schemas")


def fixture_dir() -> Path:
    """The folder of the fixtures, too."""
    return _data_dir("fixtures")


def _data_dir(name: str) -> Path:
    package = Path(__file__).resolve().parent.parent
    inside = package / f"_{name}"
    return inside if inside.is_dir() else package.parent / name


@cache
def validator(name: str) -> Validator:
    """What holds by a schema. Raises KeyError where there is none."""
    return Validator(resolved(schema(name), schema))


__all__ = [
    "SchemaError",
    "errors",
    "fixture_dir",
    "is_date_time",
    "is_uuid",
    "is_valid",
    "names",
    "schema",
    "schema_dir",
    "validator",
    "whole",
]
