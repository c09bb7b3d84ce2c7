"""The shape of a request: both schemas as one value, which is handed to whoever derives something from them.

So nothing reads the schema files behind anybody's back, and another shape can be put in their place (a test adds a
member to copies of the files and hands in what comes of them).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from conformance.contract import schemas
from conformance.contract.schema.openness import Openness
from conformance.contract.schema.operators import Schema
from conformance.contract.schema.references import Read, resolved
from conformance.contract.schema.validator import SchemaError, Validator

CHAT = "/chat/completions"
RESUME = "/chat/resume"
FILES = {CHAT: "request", RESUME: "resume-request"}
"""Endpoint to the name of the schema of its requests."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a request, and what the schema says of it."""

    path: tuple[str, ...]
    """Names of members; `*` stands for any item of a list."""
    schema: Schema
    requirement: str
    """Which requirement judges a breach here."""
    name: str
    """What probes call it."""
    required: bool
    """Whether what holds it must have it."""

    @property
    def pointer(self) -> str:
        """JSON Pointer; `*` stands for an index."""
        return "".join(f"/{step}" for step in self.path)


class Endpoint:
    """What one endpoint's schema says of a request."""

    def __init__(self, document: Schema) -> None:
        self.schema = merged(document)
        self.validator = Validator(self.schema)
        self.openness = Openness(self.schema)
        self.places = tuple(_places(self.schema, (), self.schema["x-requirement"], "body", True))

    @property
    def members(self) -> Mapping[str, Schema]:
        """The documented members."""
        members: Mapping[str, Schema] = self.schema["properties"]
        return members

    @cached_property
    def optional(self) -> tuple[str, ...]:
        """The members that a request may do without, in the schema's order."""
        return tuple(member for member in self.members if member not in self.schema["required"])

    def errors(self, body: Any) -> list[SchemaError]:
        """What is wrong with a body."""
        return self.validator.errors(body)

    def blamed(self, error: SchemaError) -> str:
        """The requirement that speaks of an error: the nearest `x-requirement` on the way to the keyword."""
        node: Any = self.schema
        found: str = node["x-requirement"]
        *steps, keyword = error.schema_pointer.split("/")[1:]
        for step in (*steps, *(("properties", error.missing) if keyword == "required" else (keyword,))):
            node = node[int(step)] if isinstance(node, list) else node.get(step.replace("~1", "/").replace("~0", "~"))
            if not isinstance(node, dict | list):
                break
            if isinstance(node, dict):
                found = node.get("x-requirement", found)
        return found


class Shape:
    """The schemas of the requests to both endpoints. Compared and hashed by identity."""

    def __init__(self, documents: Mapping[str, Schema]) -> None:
        self.documents = documents
        """Endpoint to its schema, references followed."""
        self._endpoints: dict[str, Endpoint] = {}

    @classmethod
    def of(cls, read: Read) -> Shape:
        """The shape by these documents.

        Args:
            read: gives the documents `request`, `resume-request` and what they refer to, as the files have them.
        """
        return cls({endpoint: resolved(read(name), read) for endpoint, name in FILES.items()})

    def __getitem__(self, endpoint: str) -> Endpoint:
        """What the schema of an endpoint says. Raises KeyError for another path."""
        if endpoint not in self._endpoints:
            self._endpoints[endpoint] = Endpoint(self.documents[endpoint])
        return self._endpoints[endpoint]


@cache
def documented() -> Shape:
    """The shape by the schema files of this suite."""
    return Shape.of(schemas.schema)


def merged(document: Schema) -> Schema:
    """The schema with what `allOf` brings as if it stood in it; on both sides stand members and lists of names only."""
    whole = {key: value for key, value in document.items() if key != "allOf"}
    for part in document.get("allOf", ()):
        other = merged(part)
        for key in ("properties", "x-open"):
            if both := {**other.get(key, {}), **whole.get(key, {})}:
                whole[key] = both
        whole["required"] = [*other.get("required", ()), *whole.get("required", ())]
        whole = {**other, **whole}
    return whole


def _places(schema: Schema, path: tuple[str, ...], requirement: str, name: str, required: bool) -> Iterator[Place]:
    yield Place(path, schema, requirement, name, required)
    for member, inner in schema.get("properties", {}).items():
        own = inner.get("x-requirement", requirement)
        plain = member.replace("_", "-")
        called = inner.get("x-name", f"{name}-{plain}" if path else plain)
        yield from _places(inner, (*path, member), own, called, member in schema.get("required", ()))
    if "items" in schema:
        inner = schema["items"]
        called = inner.get("x-name", f"{name}-item")
        yield from _places(inner, (*path, "*"), inner.get("x-requirement", requirement), called, True)
