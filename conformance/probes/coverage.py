"""Schemathesis' coverage cases: boundary values of the OpenAPI description, sent by our client (`--depth deep`).

They are deterministic; case N is the probe `coverage-N`. `conformance.judging.second_opinion` lets Schemathesis judge
the answers beside our own checks. Methods and missing tokens have fixed probes; only bodies are taken from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from conformance.contract.classify import CHAT, Due, classify
from conformance.contract.schemas import schema_dir
from conformance.probes.flow import Flow, Phase, Send, encode, single
from conformance.probes.plan import Plan

if TYPE_CHECKING:
    from schemathesis import Case

COVERAGE = "coverage"
"""The breach note of such a body, and how the name of its probe begins."""
_EXAMPLE = "group:123e4567-e89b-12d3-a456-426614174000"
_MODEL = re.compile(r"group:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@cache
def cases() -> tuple[Case[Any], ...]:
    """The cases of chat completions that are about the body, in Schemathesis' order.

    Resume is left out: what it is given has to name an approval that waits. So are bodies that the contract leaves
    open, such as `null` in an optional member, which Schemathesis takes for breaches.
    """
    import schemathesis
    from schemathesis.core.result import Ok
    from schemathesis.generation import GenerationMode

    schema = schemathesis.openapi.from_path(str(schema_dir() / "openapi.yaml"))
    operations = (result.ok() for result in schema.get_all_operations() if isinstance(result, Ok))
    operation = next(found for found in operations if found.path.endswith(CHAT))
    made = schema.iter_coverage_cases(
        operation,
        generation_modes=list(GenerationMode),
        generation_config=schema.config.generation_for(operation=operation),
    )
    return tuple(case for case in made if case.method == "POST" and isinstance(case.body, dict) and _is_settled(case))


def _is_settled(case: Case[Any]) -> bool:
    """Whether the contract says of the body what Schemathesis does: a case about a header has a valid one."""
    asked = classify("POST", CHAT, {"content-type": "application/json"}, octets(case, _EXAMPLE), model=_EXAMPLE)
    return asked.due is (Due.ACCEPT if is_positive(case) else Due.REFUSE)


def is_positive(case: Case[Any]) -> bool:
    """Whether Schemathesis means the case to be accepted."""
    from schemathesis.generation import GenerationMode

    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE


def octets(case: Case[Any], model: str) -> bytes:
    """A case's body; a well-formed model gives way to the target's own."""
    body: Any = case.body
    if isinstance(body.get("model"), str) and _MODEL.fullmatch(body["model"]):
        body = {**body, "model": model}
    return encode(body)


def flows(plan: Plan) -> Iterator[Flow]:
    """A flow for each case, at depth deep."""
    if plan.depth != "deep":
        return
    for number, case in enumerate(cases(), 1):
        body = octets(case, plan.model)
        send = Send(f"{COVERAGE}-{number}", body, breach=COVERAGE, served=is_positive(case))
        covers = ("accept", "reject", "error", "http")
        yield single("reject", Phase.GENERATED, send.name, lambda _, send=send: send, covers=covers)  # type: ignore[misc]
