"""A schema made into what tells whether a JSON value holds, and what is wrong with it.

jsonschema-rs says whether: nearly every instance holds, and it takes a microsecond. jsonschema says what is wrong and
where, for it lets the words of its errors be chosen. Three points are stricter or quieter than either does by itself:

- `format` asserts, for `uuid` and `date-time`.
- NaN and the infinities are not numbers: JSON has none (RFC 8259, section 6), but Python's reader lets them in, and NaN
  passes every comparison with a bound.
- Messages hold no value from the instance. It may be huge, hostile or nested so deeply that printing it fails.

A test holds both to the same verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import jsonschema_rs

from conformance.contract.schema.formats import is_date_time

_MOST_ERRORS = 1000
"""More than a request's 500 messages can have one each; a hostile answer may hold a million broken items."""


@dataclass(frozen=True, slots=True)
class SchemaError:
    """One breach of a schema at one place of the instance."""

    pointer: str
    """JSON Pointer (RFC 6901) to the value; for `required`, to the object that lacks the member."""
    keyword: str
    """The schema keyword that the value breaks."""
    message: str
    """What is asked for, without the value itself."""
    schema_pointer: str
    """Where the keyword is in the schema, with shared definitions in place of the references to them."""
    missing: str = ""
    """For `required`: the name of the absent member."""


class Validator:
    """What holds by one schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Take a schema without references, of keywords that jsonschema and jsonschema-rs both know."""
        self._schema = schema
        self._quick = quick(schema)

    @cached_property
    def _stock(self) -> Any:
        from conformance.contract.schema import wording  # slow to load, and most of what comes holds

        return wording.validator(self._schema)

    def is_valid(self, instance: Any) -> bool:
        """Whether the instance, a JSON value as Python's `json` gives it, holds."""
        return holds(self._quick, lambda: self._stock, instance)

    def errors(self, instance: Any) -> list[SchemaError]:
        """What is wrong with the instance, ordered by place: the first thousand errors; empty where it holds."""
        if self.is_valid(instance):
            return []
        found = [
            SchemaError(
                pointer=pointer(error.absolute_path),
                keyword=str(error.validator),
                message=error.message,
                schema_pointer=pointer(error.absolute_schema_path),
                missing=getattr(error, "missing", ""),
            )
            for error in islice(self._stock.iter_errors(instance), _MOST_ERRORS)
        ]
        return sorted(found, key=lambda error: (error.pointer, error.schema_pointer, error.missing))


def pointer(path: Iterable[str | int]) -> str:
    """The JSON Pointer (RFC 6901) of a path."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def quick(schema: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """What tells whether an instance holds by a schema."""
    # Its own date-time takes "2-26-06-08T16:20:00Z"; its uuid is as ours, and thirty times as fast.
    return jsonschema_rs.Draft202012Validator(dict(schema), validate_formats=True, formats={"date-time": is_date_time})


def holds(quickly: jsonschema_rs.Draft202012Validator, stock: Callable[[], Any], instance: Any) -> bool:
    """Whether an instance holds; where `quickly` cannot read it, by jsonschema's validator."""
    try:
        return quickly.is_valid(instance)
    except ValueError:  # a lone surrogate, or a number of thousands of digits
        return bool(stock().is_valid(instance))
