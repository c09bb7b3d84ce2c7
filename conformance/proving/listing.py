"""The catalogue as a list: for people, for programs, for a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from conformance.contract.catalogue import SOURCES, Catalogue, Requirement
from conformance.proving import handbook


def text(catalogue: Catalogue, requirements: Sequence[Requirement]) -> str:
    """One line a requirement, so that it can be searched line by line."""
    width = max(len(requirement.id) for requirement in requirements)
    lines = [f"{r.id:<{width}}  {r.level:<6}  {r.statement}" for r in requirements]
    return "\n".join(lines) + "\n"


def as_json(catalogue: Catalogue, requirements: Sequence[Requirement]) -> str:
    """Everything that the catalogue holds of them."""
    rows = list(map(asdict, requirements))
    document = {"version": catalogue.version, "sources": dict(SOURCES), "requirements": rows}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


FORMS: Mapping[str, Callable[[Catalogue, Sequence[Requirement]], str]] = {
    "text": text,
    "json": as_json,
    "markdown": handbook.markdown,
}
