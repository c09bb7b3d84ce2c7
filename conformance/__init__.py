"""Conformance suite for servers that implement KiteMesh's OpenAI-compatible chat API.

Data flows one way: contract, probes, wire, checks, verdict, report. A run is recorded once and judged by pure
functions. `check` does both on a server, `check_app` on an ASGI application, `judge` judges a recording; see
`conformance.api`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from conformance.settings.version import VERSION as __version__

if TYPE_CHECKING:
    from conformance.api import (
        Conclusion,
        Depth,
        Exit,
        Extension,
        Finding,
        Level,
        Options,
        Outcome,
        Progress,
        Report,
        Requirement,
        State,
        UsageError,
        Verdict,
        check,
        check_app,
        check_async,
        judge,
        register,
    )

__all__ = [
    "Conclusion",
    "Depth",
    "Exit",
    "Extension",
    "Finding",
    "Level",
    "Options",
    "Outcome",
    "Progress",
    "Report",
    "Requirement",
    "State",
    "UsageError",
    "Verdict",
    "__version__",
    "check",
    "check_app",
    "check_async",
    "judge",
    "register",
]


def __getattr__(name: str) -> Any:
    """What `conformance.api` exports, imported only when asked for, because it loads much."""
    if name in __all__:
        return getattr(import_module("conformance.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
