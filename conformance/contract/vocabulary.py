"""The words of the API and of the suite: what is in the schemas, the documentation and what the suite sends.

A secret is masked wherever it occurs in what is recorded. One that is also a word of the trade (`finish_reason`,
`text/event-stream`) would be masked where it is meant, and the mask judged in its place.
"""

from __future__ import annotations

from functools import cache

from conformance.contract.schemas import fixture_dir, schema_dir


def holds(text: str) -> bool:
    """Whether the text is, or is part of, something that a request or a conforming answer may well say."""
    return text.encode("utf-8", "surrogatepass") in _corpus()


@cache
def _corpus() -> bytes:
    """The schemas, the documented examples, and for each requirement exchanges with requests of this suite: 1 MB."""
    folders = (schema_dir(), fixture_dir() / "documented", fixture_dir() / "examples")
    return b"\n".join(path.read_bytes() for folder in folders for path in sorted(folder.iterdir()) if path.is_file())
