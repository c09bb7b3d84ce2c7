"""References between schema files, followed once and for all: on every validation it takes three times as long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SUFFIX = ".schema.json"
Read = Callable[[str], Any]
"""Takes the name of a schema, such as `request`, and gives its document as the file has it."""


def resolved(node: Any, read: Read) -> Any:
    """The schema with each reference replaced by what it refers to; what is next to a reference stays.

    References are `file#/$defs/name` or `file` and never run in a circle. A key on both sides is an annotation (the
    one beside the reference is nearer) and nothing that asserts: a test of the schemas holds that.
    """
    if isinstance(node, list):
        return [resolved(item, read) for item in node]
    if not isinstance(node, dict):
        return node
    beside = {key: resolved(value, read) for key, value in node.items() if key not in ("$ref", "$id", "$schema")}
    if "$ref" not in node:
        return beside
    file, _, place = node["$ref"].partition("#")
    target: Any = read(file.removesuffix(SUFFIX))
    for step in place.split("/")[1:]:
        target = target[step]
    return {**resolved(target, read), **beside}
