"""What was judged, as reports name it."""

from __future__ import annotations

from collections.abc import Mapping

from conformance.contract.catalogue import Side
from conformance.judging.result import Result
from conformance.transcript.exchange import Exchange, Transcript

EMBEDDED = "the embedded reference server"
"""What is judged where no target is named."""
_MODELS = 3
"""Models of a recording that are named."""
_ENDPOINTS = ("/chat/completions", "/chat/resume")


def suspected(result: Result) -> list[Exchange]:
    """The exchanges that were under way when the target went down, those that have to be looked into first."""
    known = exchanges_by_name(result.transcript)
    return [known[name] for name in result.suspects if name in known]


def of_somebody_else(result: Result) -> bool:
    """True where another client recorded it: then nothing was drawn by a seed, and no scope was aimed at."""
    return not result.transcript.own


def exchanges_by_name(transcript: Transcript) -> Mapping[str, Exchange]:
    """The exchanges that findings name."""
    return {exchange.name: exchange for exchange in transcript}


def target_url(result: Result) -> str:
    """The base URL that was judged: as told, else as the transcript's first request shows it, else empty."""
    for exchange in result.transcript:
        path = exchange.request.url.partition("?")[0]
        for endpoint in _ENDPOINTS:
            if path.endswith(endpoint):
                return path.removesuffix(endpoint)
    return result.options.url or ""


def target_model(result: Result) -> str | None:
    """The group that was asked for: as told, else as recorded (the reference server's own); None: not known."""
    recorded = result.transcript.options.get("model")
    told = result.options.model or (recorded if isinstance(recorded, str) else None)
    if told is None and of_somebody_else(result):
        served = sorted(result.evidence.groups)
        return ", ".join(served[:_MODELS]) + (f" and {len(served) - _MODELS} more" if served[_MODELS:] else "") or None
    return told


def embedded(result: Result) -> bool:
    """True where the embedded reference server was judged."""
    return (
        result.options.side is Side.SERVER
        and result.transcript.own
        and result.transcript.options.get("embedded") is True
    )


def target_name(result: Result) -> str:
    """What was judged, for a person: a base URL, the embedded reference server, a command, or a client of some server;
    empty where it is not known.
    """
    if result.options.side is Side.CLIENT:
        command, url = result.transcript.options.get("command"), target_url(result)
        return command if isinstance(command, str) else f"a client of {url}" if url else ""
    return EMBEDDED if embedded(result) else target_url(result)
