"""What Schemathesis says about the answers to its coverage cases, in addition to our own findings.

Its failures fail nothing: a finding says whether it agrees, and its other objections are reported as a remark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item
from conformance.evidence.reading import Reading
from conformance.probes.coverage import COVERAGE

if TYPE_CHECKING:
    from schemathesis import Case

_URL = "http://target.invalid"


def opinions(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    """Titles of Schemathesis' failures, by the name of the exchange; empty where it finds nothing wrong.

    Only of complete answers to its cases. Pure: the cases are deterministic, and found again by their number.
    """
    found: dict[str, tuple[str, ...]] = {}
    for reading in evidence.all:
        if reading.note.breach == COVERAGE and reading.response is not None and reading.excuse is None:
            case = _case_of(reading, evidence.model)
            failures = _failures(case, reading) if case is not None else None
            if failures is not None:
                found[reading.name] = failures
    return found


def _case_of(reading: Reading, model: str | None) -> Case[Any] | None:
    from conformance.probes.coverage import cases, octets

    number = reading.note.probe.rpartition("-")[2]
    if not number.isdecimal() or not 0 < int(number) <= len(cases()):
        return None
    case = cases()[int(number) - 1]
    # Another version of Schemathesis may have other cases: of those nothing is said.
    return case if octets(case, model or "") == reading.exchange.request.body else None


def _failures(case: Case[Any], reading: Reading) -> tuple[str, ...] | None:
    import httpx
    from schemathesis.checks import load_all_checks
    from schemathesis.core.failures import Failure, FailureGroup
    from schemathesis.specs.openapi.checks import ignored_auth

    load_all_checks()
    response = reading.response
    assert response is not None
    answer = httpx.Response(
        response.status,
        headers=[(name, value) for name, value in response.headers if name.lower() not in _CODED],
        content=response.body,
        request=httpx.Request("POST", f"{_URL}{case.path}", content=reading.exchange.request.body),
    )
    answer.elapsed = timedelta(seconds=reading.exchange.finished)
    try:
        # What is recorded has no token in it, so that of tokens nothing can be said here.
        case.validate_response(answer, excluded_checks=[ignored_auth])
    except FailureGroup as group:
        return tuple(sorted({failure.title for failure in group.exceptions if isinstance(failure, Failure)}))
    except Failure as failure:
        return (failure.title,)
    except Exception:  # it could not read the answer: of that our own checks speak
        return None
    return ()


_CODED = frozenset({"content-encoding", "transfer-encoding", "content-length"})
"""Fields about how the body travelled; what was recorded is decoded."""


def told(items: Mapping[str, Sequence[Item]], said: Mapping[str, tuple[str, ...]]) -> dict[str, list[Item]]:
    """The items, in which findings on its cases say whether Schemathesis agrees."""
    return {id_: [_with(item, said) for item in found] for id_, found in items.items()}


def _with(item: Item, said: Mapping[str, tuple[str, ...]]) -> Item:
    if not isinstance(item, Finding) or item.exchange not in said:
        return item
    titles = said[item.exchange]
    agrees = f"Schemathesis fails it too: {', '.join(titles)}"
    return replace(item, second_opinion=agrees if titles else "Schemathesis finds nothing wrong with it")


def alone(items: Iterable[Item], said: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """(exchange, titles) of what Schemathesis objects to and no finding speaks of."""
    ours = {item.exchange for item in items if isinstance(item, Finding)}
    return [(name, ", ".join(titles)) for name, titles in said.items() if titles and name not in ours]
