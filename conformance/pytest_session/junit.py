"""What junit.xml is told of a run, as properties of the whole suite of tests.

This is the only use of private interfaces of pytest: its public way to such a property, the fixture
`record_testsuite_property`, is for test functions, and items of another kind have no fixtures. Where a newer pytest
lacks them, `tests/test_private_interfaces.py` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from _pytest.junitxml import xml_key

from conformance.pytest_session.session import shown

if TYPE_CHECKING:
    from conformance.contract.catalogue import Requirement
    from conformance.report.report import Report


def tell(config: pytest.Config, report: Report, chosen: Sequence[Requirement]) -> None:
    """Give it the run's data and each requirement's level, where there is to be a junit.xml."""
    from conformance.report.target import target_model, target_name

    junit = config.stash.get(xml_key, None)
    if junit is None:
        return
    told = {
        "verdict": f"{report.verdict.conclusion.value} ({report.verdict.scope} scope)",
        "target": target_name(report) or "unknown",
        "model": target_model(report) or "unknown",
        "seed": str(report.seed),
        **{one.id: f"{one.level.value}, source {', '.join(one.sources)}" for one in chosen},
    }
    for name, value in told.items():
        junit.add_global_property(name, shown(value))
