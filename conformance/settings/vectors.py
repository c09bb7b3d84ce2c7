"""Vectors: bodies that failed in an earlier run, kept in a file, to be sent before all others (`--replay FILE`).

The file is JSON (format 1): `{"format": 1, "model": "group:…", "vectors": [{"breach": "role-enum", "endpoint":
"/chat/completions", "body": "…"}, …]}`; a body that is not UTF-8 is in `body_base64`. Every run writes one, as
`vectors.json`. The model of the run that reads it replaces that of the run that wrote it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.settings import files
from conformance.settings.options import Options, UsageError
from conformance.settings.vector import Vector

FORMAT = 1
ENDPOINT = "/chat/completions"
LARGEST = 16 * 2**20
"""Octets of a file that is read."""
MOST = 1_000
"""Vectors in a file."""
_MODEL = re.compile(r"group:[0-9a-fA-F-]{36}")
_BREACH = re.compile(r"[a-z0-9-]{1,60}")


class NotVectors(ValueError):
    """A file's content is not a list of vectors. The message is a clause that says why."""


def replayed(options: Options) -> Options:
    """The options with the content of their file of vectors (`--replay`).

    Raises:
        UsageError: the file cannot be read, or does not hold vectors.
    """
    if options.replay is None or options.vectors:
        return options
    return replace(options, vectors=load(files.named(options.replay)))


def load(path: Path) -> tuple[Vector, ...]:
    """Read a file of vectors.

    Raises:
        UsageError: it cannot be read, or does not hold vectors.
    """
    told = f"The vectors {str(path)!r}"
    try:
        return loads(files.read(path, LARGEST))
    except files.TooLarge as error:
        raise UsageError(f"{told} {error}; give a run's vectors.json.") from None
    except files.Unreadable as error:
        raise UsageError(f"{told} {error}; check --replay.") from None
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, NotVectors) else "it is not JSON"
        raise UsageError(f"{told} cannot be used: {why}; give a run's vectors.json.") from None


def loads(octets: bytes) -> tuple[Vector, ...]:
    """Vectors from a file's content.

    Raises:
        ValueError: it is not JSON (UTF-8).
        NotVectors: it is not a file of vectors.
    """
    document = json.loads(octets.decode("utf-8"))
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise NotVectors(f"it has no `format` {FORMAT}")
    found = document.get("vectors")
    if not isinstance(found, list) or len(found) > MOST:
        raise NotVectors(f"`vectors` must be a list of at most {MOST}")
    model = document.get("model", "")
    if not isinstance(model, str) or (model and not _MODEL.fullmatch(model)):
        raise NotVectors("`model` must be of the form group:<uuid>")
    return tuple(_vector(entry, number, model) for number, entry in enumerate(found))


def _vector(entry: Any, number: int, model: str) -> Vector:
    where = f"vector {number}"
    if not isinstance(entry, dict) or entry.get("endpoint", ENDPOINT) != ENDPOINT:
        raise NotVectors(f"{where} is not an object with the endpoint {ENDPOINT}")
    breach, text, coded = entry.get("breach"), entry.get("body"), entry.get("body_base64")
    if not isinstance(breach, str) or not _BREACH.fullmatch(breach):
        raise NotVectors(f"{where} has no `breach` of lower-case letters, digits and hyphens")
    if isinstance(text, str) and coded is None:
        return Vector(breach, text.encode("utf-8", "surrogatepass"), model)
    if isinstance(coded, str) and text is None:
        try:
            return Vector(breach, base64.b64decode(coded, validate=True), model)
        except binascii.Error:
            pass
    raise NotVectors(f"{where} needs one of `body` (text) and `body_base64`")


def dumps(model: str, vectors: list[dict[str, Any]]) -> bytes:
    """The content of a file.

    Args:
        model: the model in the bodies.
        vectors: objects with `breach` and further members to write; `body` in octets.
    """
    document = {"format": FORMAT, "model": model, "vectors": [_written(vector) for vector in vectors]}
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def _written(vector: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in vector.items() if key != "body"}
    try:
        return {**kept, "body": vector["body"].decode("utf-8")}
    except UnicodeDecodeError:
        return {**kept, "body_base64": base64.b64encode(vector["body"]).decode()}
