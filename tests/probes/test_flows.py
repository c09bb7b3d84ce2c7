"""Which flows a plan brings."""

from conformance.options import Options
from conformance.probes import catalogue
from conformance.probes.flow import Flow
from conformance.run import plan_of

MODEL = "group:123e4567-e89b-42d3-a456-426614174000"


def flows(**options: object) -> list[Flow]:
    return catalogue.flows(plan_of(Options(url="http://127.0.0.1/v1", model=MODEL, **options), 1))  # type: ignore[arg-type]


def test_nothing_is_sent_to_resume_where_the_target_has_no_approvals() -> None:
    """Its answer would be that of any router to an unknown path, and error.schema would be blamed for it."""
    assert "resume-unknown" in {flow.name for flow in flows()}
    assert not [flow.name for flow in flows(approvals=False) if flow.area in ("approval", "resume")]
