"""vectors.json: the generated bodies that failed, each as small as it was shrunk, for `--replay`."""

from __future__ import annotations

from typing import Any

from conformance.judging.result import Result
from conformance.probes.flow import Phase
from conformance.settings.vectors import dumps

_PHASES = frozenset({Phase.GENERATED, Phase.REPLAY})


def vectors(result: Result) -> bytes:
    """The file's content; without a failing body an empty list."""
    exchanges = {exchange.name: exchange for exchange in result.transcript}
    found: dict[bytes, dict[str, Any]] = {}
    for outcome in result.verdict.outcomes:
        for finding in outcome.findings:
            exchange = exchanges.get(finding.exchange)
            if exchange is None or exchange.note.phase not in _PHASES or exchange.request.body is None:
                continue
            entry = {"breach": exchange.note.breach or "natural", "body": exchange.request.body}
            entry["requirements"] = []
            entry["exchange"] = exchange.name
            told = found.setdefault(exchange.request.body, entry)["requirements"]
            if outcome.requirement.id not in told:
                told.append(outcome.requirement.id)
    return dumps(result.options.model or "", list(found.values()))
