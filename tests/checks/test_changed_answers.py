"""Each check is needed: with its body removed, or its findings, the table of breaches no longer holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from checks.case import Breaks
from checks.exchanges import failed, judged
from checks.test_requirements import BREACHES

from conformance.checks.check import CHECKS, Check
from conformance.contract.catalogue import load
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Item


def _emptied(_: Check) -> Check:
    def check(evidence: Evidence) -> Iterator[Item]:
        return iter(())

    return check


def _silenced(original: Check) -> Check:
    def check(evidence: Evidence) -> Iterator[Item]:
        return (item for item in original(evidence) if not isinstance(item, Finding))

    return check


def _rows(requirement: str) -> list[Breaks]:
    return [row for row in BREACHES if row.requirement == requirement and not row.wrong]


@pytest.mark.parametrize("mutate", [_emptied, _silenced])
@pytest.mark.parametrize("requirement", [requirement.id for requirement in load()])
def test_a_check_without_its_body_is_noticed(
    requirement: str, mutate: Callable[[Check], Check], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = _rows(requirement)[0]
    assert failed(judged(*row.exchanges, options=row.options)) == {row.requirement, *row.also}
    monkeypatch.setitem(CHECKS, requirement, mutate(CHECKS[requirement]))
    assert requirement not in failed(judged(*row.exchanges, options=row.options))
