"""The plainest legal value of a schema."""

from __future__ import annotations

import copy
from typing import Any

from conformance.contract.schema.operators import Schema, types_of


def sample(schema: Schema, type_: str | None = None) -> Any:
    """A legal value: the first example where there is one, else one that the keywords allow.

    Args:
        schema: a schema without references.
        type_: which of the types that it allows; None: the first.

    Raises:
        ValueError: a text of a certain form is asked for, and there is no example of it.
    """
    wanted = types_of(schema)
    type_ = type_ or (wanted[0] if wanted else "string")
    for example in (*schema.get("examples", ()), *schema.get("x-natural", {}).get("examples", ())):
        if type_ in wanted or not wanted:
            return copy.deepcopy(example)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match type_:
        case "object":
            return {name: sample(schema["properties"][name]) for name in schema.get("required", ())}
        case "array":
            return [sample(schema.get("items", {}))] * max(1, schema.get("minItems", 0))
        case "integer" | "number":
            least = schema.get("minimum", 0)
            most = schema.get("maximum", least + 100)
            return (least + most) // 2 if type_ == "integer" else round((least + most) / 2, 6)
        case "boolean":
            return False
        case "null":
            return None
    if "pattern" in schema or "format" in schema:
        raise ValueError("a text of a certain form needs an example in the schema")
    return "Hello"
