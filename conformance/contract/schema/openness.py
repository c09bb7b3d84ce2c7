"""What the documentation leaves open about a request, as far as a schema can say it.

Two annotations say it, each a mapping of words to a schema: `x-open`, of values that hold and that a server may refuse
all the same, and `x-tolerated`, of values that break the schema and that a server may take all the same. Three things
are open at every place without being said: members that are not documented, `null` in a member that need not be there,
and `1.0` where an integer is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.contract.schema.validator import Validator

NULL = "null in an optional field"
EXTRA = "unknown extra fields"
WHOLE = "1.0 where an integer is asked for"


class Openness:
    """What is open in an instance of one schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._open = [(words, Validator(of)) for words, of in schema.get("x-open", {}).items()]
        self._tolerated = [(words, Validator(of)) for words, of in schema.get("x-tolerated", {}).items()]
        self._validator = Validator(schema) if self._tolerated else None
        self._legal = next(iter(schema.get("examples", ())), None)
        self._whole = schema.get("type") == "integer"
        self._members = {name: Openness(inner) for name, inner in schema.get("properties", {}).items()}
        self._may_be_null = frozenset(
            name
            for name, inner in schema.get("properties", {}).items()
            if name not in schema.get("required", ()) and "null" not in inner.get("type", ())
        )
        self._items = Openness(schema["items"]) if "items" in schema else None
        self._says_anything: bool = bool(
            self._open
            or self._tolerated
            or self._whole
            or self._members
            or (self._items and self._items._says_anything)
        )

    def matters(self, instance: Any) -> Iterator[str]:
        """Each thing in a valid instance that a server may refuse, in words."""
        if not self._says_anything:
            return
        if self._whole and isinstance(instance, float):
            yield WHOLE
        for words, described in self._open:
            if described.is_valid(instance):
                yield words
        if isinstance(instance, dict) and self._members:
            if instance.keys() - self._members.keys():
                yield EXTRA
            for name, inner in self._members.items():
                if name in instance:
                    yield from inner.matters(instance[name])
        elif isinstance(instance, list) and self._items is not None:
            for item in instance:
                yield from self._items.matters(item)

    def without_tolerated(self, instance: Any, told: list[str]) -> Any:
        """The instance with a legal value where one breaks the schema and may be taken, and without open nulls.

        Args:
            instance: any JSON value. It is not changed.
            told: gets, for each such thing, what it is.
        """
        if not self._says_anything:
            return instance
        if self._validator is not None and not self._validator.is_valid(instance):
            for words, described in self._tolerated:
                if described.is_valid(instance) and isinstance(instance, str):
                    told.append(words)
                    return self._legal
        if isinstance(instance, dict) and self._members:
            kept = {}
            for name, value in instance.items():
                if value is None and name in self._may_be_null:
                    told.append(NULL)
                elif name in self._members:
                    kept[name] = self._members[name].without_tolerated(value, told)
                else:
                    kept[name] = value
            return kept
        if isinstance(instance, list) and self._items is not None and self._items._says_anything:
            return [self._items.without_tolerated(item, told) for item in instance]
        return instance
