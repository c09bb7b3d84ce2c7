"""results.json, format 1: what a run came to, for programs. Its schema is `schemas/results.schema.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance.contract.catalogue import SOURCES, contract_hash
from conformance.contract.schemas import errors
from conformance.evidence.json_text import read_json
from conformance.judging import reaching
from conformance.judging.baseline import Entry
from conformance.judging.gate import Gate, expired_sentence, stale_sentence
from conformance.judging.key import key
from conformance.judging.result import Result
from conformance.judging.shapes import Shape, shapes
from conformance.judging.verdict import Outcome, Verdict
from conformance.report.curl import curl
from conformance.report.target import exchanges_by_name, target_model, target_name, target_url
from conformance.report.way import Way, way_of
from conformance.settings import files
from conformance.settings.version import VERSION
from conformance.transcript.exchange import Exchange

FORMAT = 1


def results(result: Result, transcript_sha256: str) -> dict[str, Any]:
    """The document as JSON values.

    Args:
        result: the run.
        transcript_sha256: of the transcript's file that is kept beside it, in hexadecimal.
    """
    verdict = result.verdict
    exchanges, way = exchanges_by_name(result.transcript), way_of(result.transcript)
    return {
        "format": FORMAT,
        "suite": {"name": "kitemesh-conformance", "version": VERSION},
        "target": {
            "url": target_url(result),
            "model": target_model(result),
            "name": target_name(result) or None,
        },
        "verdict": verdict.conclusion.value,
        "sentence": verdict.sentence,
        "scope": verdict.scope,
        "gate": _gate(result.gate),
        "exit_code": int(result.exit_code()),
        "interrupted": result.interrupted,
        "started": _rfc3339(result.started),
        "ended": _rfc3339(result.ended),
        "totals": {
            "requests": len(result.transcript),
            "credits_charged": result.credits,
            "seconds": round(max(0.0, result.ended - result.started), 3),
            "excused": result.excused[0],
            "by_outcome": {state.value: count for state, count in verdict.by_state().items()},
        },
        **({"reach": reached} if (reached := reaching.facts(result.transcript.options)) else {}),
        "seed": result.seed,
        "options": result.options.recorded(),
        "evidence": {"contract_sha256": contract_hash(), "transcript_sha256": transcript_sha256},
        "notes": list(result.notes),
        **({"extensions": told} if (told := _extensions(verdict)) else {}),
        "shapes": [_shape(shape) for shape in shapes(result.evidence)],
        "requirements": [_requirement(outcome, exchanges, way) for outcome in verdict.outcomes],
    }


class ResultsError(ValueError):
    """A file is not a results.json. The message is one sentence."""


LARGEST = 128 * 2**20
"""Octets of a results.json that is read."""


def load(path: Path) -> dict[str, Any]:
    """The document from a file, held to its schema.

    Raises:
        ResultsError: it cannot be read, or is not a results.json of this format.
    """
    return loads(read(path, LARGEST))


def read(path: Path, most: int) -> bytes:
    """The octets of a file that has `most` of them at most; raises ResultsError where it cannot be read."""
    try:
        return files.read(path, most)
    except files.Unusable as error:
        raise ResultsError(f"The file {error}.") from None


def loads(octets: bytes) -> dict[str, Any]:
    """The same from its octets."""
    read = read_json(octets)
    if not read.ok:
        raise ResultsError("The file is not JSON.")
    document = read.value
    if isinstance(document, dict) and isinstance(document.get("format"), int) and document["format"] > FORMAT:
        raise ResultsError(f"The file is of format {document['format']}, which a newer suite wrote; update this one.")
    if found := errors("results", document):
        raise ResultsError(f"The file is not a results.json: at {found[0].pointer or 'its top'} {found[0].message}.")
    assert isinstance(document, dict)  # says the schema
    return document


def dumps(document: Mapping[str, Any]) -> bytes:
    """The document as UTF-8; what cannot be encoded (a lone surrogate) is escaped, as JSON allows."""
    return (json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode("ascii")


def _gate(gate: Gate) -> dict[str, Any]:
    return {
        "passed": gate.passed,
        "sentence": gate.sentence,
        "baseline": gate.baseline,
        "known": [_entry(entry) for entry in gate.known],
        "new": [{"requirement": failure.requirement, "findings": list(failure.findings)} for failure in gate.new],
        "stale": [_entry(entry, stale_sentence(entry)) for entry in gate.stale],
        "expired": [_entry(entry, expired_sentence(entry)) for entry in gate.expired],
    }


def _entry(entry: Entry, sentence: str | None = None) -> dict[str, Any]:
    told: dict[str, Any] = {"requirement": entry.requirement, "finding": entry.finding, "reason": entry.reason}
    told |= {"owner": entry.owner, "expires": entry.expires.isoformat() if entry.expires else None}
    told |= {"intermittent": entry.intermittent, "sentence": sentence}
    return {name: value for name, value in told.items() if value is not None}


def _extensions(verdict: Verdict) -> list[dict[str, str]]:
    areas = dict.fromkeys(requirement.area for requirement in verdict.from_outside())
    return [{"area": area, "source": SOURCES[area]} for area in areas]


def _shape(shape: Shape) -> dict[str, Any]:
    members = [{"place": m.place, "types": list(m.types), "answers": m.answers} for m in shape.members]
    return {"kind": shape.kind, "answers": shape.answers, "members": members, "left": shape.left}


def _requirement(outcome: Outcome, exchanges: Mapping[str, Exchange], way: Way) -> dict[str, Any]:
    requirement = outcome.requirement
    entry: dict[str, Any] = {
        "id": requirement.id,
        "area": requirement.area,
        "level": requirement.level.value,
        "statement": requirement.statement,
        "sources": list(requirement.sources),
        "outcome": outcome.state.value,
        "exchanges": outcome.exchanges,
        "findings": [],
    }
    if outcome.reason:
        entry["reason"] = outcome.reason
    if outcome.blocked_by:
        entry["blocked_by"] = list(outcome.blocked_by)
    if outcome.findings:
        entry["intermittent"] = all(finding.intermittent for finding in outcome.findings)
    for finding in outcome.findings:
        exchange = exchanges.get(finding.exchange)
        entry["findings"].append(
            {
                "key": key(finding, exchange),
                "message": finding.message,
                "expected": finding.expected,
                "observed": finding.observed,
                "exchange": finding.exchange,
                "place": str(finding.place),
                "intermittent": finding.intermittent,
                **({"second_opinion": finding.second_opinion} if finding.second_opinion else {}),
                **({"shrunk_from": finding.shrunk_from} if finding.shrunk_from else {}),
                **({"span": list(finding.span)} if finding.span else {}),
                **({"curl": curl(exchange, way)} if exchange else {}),
            }
        )
    return entry


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
