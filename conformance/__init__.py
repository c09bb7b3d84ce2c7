"""Conformance suite for servers that implement KiteMesh's OpenAI-compatible chat API.

Data flows one way: contract, probes, wire, checks, verdict, report. A run is recorded once and judged by pure
functions.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("kitemesh-conformance")
except PackageNotFoundError:  # a source tree that nobody installed
    __version__ = "0+unknown"
