"""What a request asks for, read off its JSON object.

A document that keeps to the schema is read as it is. A server that is told to let breaches pass gets here too, so
nothing is taken for granted: what makes no sense counts as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.reference.decision import Resolution


@dataclass(frozen=True, slots=True)
class Task:
    """What is needed for an answer."""

    model: str
    messages: tuple[Mapping[str, Any], ...]
    stream: bool
    limit: int | None
    """Tokens of output, `max_completion_tokens` before `max_tokens` (S); None: no limit."""


def asked(document: Mapping[str, Any]) -> Task:
    """What a chat request, or the shared part of a resume request, asks for."""
    model = document.get("model")
    limit = document.get("max_completion_tokens", document.get("max_tokens"))
    return Task(
        model=model if isinstance(model, str) else "",
        messages=tuple(message for message in _items(document.get("messages")) if isinstance(message, dict)),
        stream=document.get("stream") is True,
        limit=max(0, int(limit)) if isinstance(limit, int | float) else None,
    )


def resolution(document: Mapping[str, Any]) -> Resolution:
    """What a resume request decides. Letter case of a UUID does not matter (RFC 9562, section 4)."""
    denials = [tool.get("tool_execution_id") for tool in _items(document.get("denied_tools")) if isinstance(tool, dict)]
    return Resolution(
        approval_id=str(document.get("approval_id")).lower(),
        approved=_ids(_items(document.get("approved_tool_execution_ids"))),
        denied=_ids(denials),
    )


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _ids(values: list[Any]) -> frozenset[str]:
    return frozenset(value.lower() for value in values if isinstance(value, str))
