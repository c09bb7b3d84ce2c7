"""The shape of a request: both schemas as one value, which is handed to whoever derives something from them.

So nothing reads the schema files behind anybody's back, and another shape can be put in their place (a test adds a
member to copies of the files and hands in what comes of them).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from conformance.contract import schemas
from conformance.contract.schema.operators import Schema
from conformance.contract.schema.references import Read, resolved
from conformance.contract.schema.validator import Validator

CHAT = "/chat/completions"
RESUME = "/chat/resume"
FILES = {CHAT: "request", RESUME: "resume-request"}
"""Endpoint to the name of the schema of its requests."""


@dataclass(frozen=True, eq=False)
class Shape:
    """The schemas of the requests to both endpoints, references followed. Compared and hashed by identity."""

    documents: dict[str, Schema]
    """Endpoint to its schema."""
    validators: dict[str, Validator] = field(init=False)

    def __post_init__(self) -> None:
        made = {endpoint: Validator(document) for endpoint, document in self.documents.items()}
        object.__setattr__(self, "validators", made)

    @classmethod
    def of(cls, read: Read) -> Shape:
        """The shape by these documents.

        Args:
            read: gives the documents `request`, `resume-request` and what they refer to, as the files have them.
        """
        return cls({endpoint: resolved(read(name), read) for endpoint, name in FILES.items()})


@cache
def documented() -> Shape:
    """The shape by the schema files of this suite."""
    return Shape.of(schemas.schema)
