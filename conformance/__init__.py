"""Conformance suite for servers that implement KiteMesh's OpenAI-compatible chat API.

Data flows one way: contract, probes, wire, checks, verdict, report. A run is recorded once and judged by pure
functions. `check_app` does both on an ASGI application, for a Python server's own tests.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.app import check_app

__all__ = ["__version__", "check_app"]

try:
    __version__ = version("kitemesh-conformance")
except PackageNotFoundError:  # a source tree that nobody installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    """`check_app`, once it is asked for: it brings much with it."""
    if name == "check_app":
        from conformance.app import check_app

        return check_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
