"""Why a requirement was not exercised where its check had nothing to look at, and what to do about it."""

from __future__ import annotations

from collections import Counter

from conformance.contract.catalogue import Catalogue, Requirement
from conformance.contract.classify import Due
from conformance.evidence.approvals import given
from conformance.evidence.evidence import Evidence
from conformance.evidence.json_values import number

SECOND_TOKEN, WAIT_EXPIRY = "second-token", "wait-expiry"


def reasons(catalogue: Catalogue, evidence: Evidence) -> dict[str, str]:
    """Requirement id to the reason; requirements without a known reason are missing."""
    found = {requirement.id: requirement.rare for requirement in catalogue if requirement.rare}
    barred = _never_served(evidence)
    bodiless = _without_bodies(evidence)
    for requirement in catalogue:
        if barred:
            found[requirement.id] = barred
        elif why := _of_capability(requirement, evidence):
            found[requirement.id] = why
        elif stopped := evidence.options.get("stopped"):
            found[requirement.id] = f"the recording ended before: {stopped}"[:300]
        elif bodiless:
            found[requirement.id] = bodiless
        elif not evidence.own:
            found[requirement.id] = "the transcript has no exchange that shows it"
    return found


def _never_served(evidence: Evidence) -> str:
    """A sentence that nothing was ever served, and what came instead; empty where something was."""
    if evidence.admitted or not evidence.own:
        return ""
    valid = [r for r in evidence.last if r.due is Due.ACCEPT]
    (status, count), *_ = Counter(r.status for r in valid).most_common(1) or [(None, 0)]
    came = f"status {status}" if status is not None else "no answer"
    return f"no request of this run was served: {count} of {len(valid)} valid ones got {came}" if valid else ""


def _without_bodies(evidence: Evidence) -> str:
    answers = [r.response for r in evidence.all if r.response is not None]
    lacking = sum(1 for response in answers if not response.body_known)
    if not lacking or lacking < len(answers) / 2:
        return ""
    return f"{lacking} of {len(answers)} answers in the transcript have no body recorded"


def _of_capability(requirement: Requirement, evidence: Evidence) -> str:
    capability = requirement.capability
    if capability is None or requirement.without_approval:
        return ""
    options = evidence.options
    if capability == SECOND_TOKEN and evidence.own and not options.get("second_token"):
        return "no second token was given (--second-token-env)"
    if why := _no_approval(evidence):
        return why
    return _not_waited(evidence) if capability == WAIT_EXPIRY else ""


def _no_approval(evidence: Evidence) -> str:
    """Why no approval waited in the run; empty where one did."""
    if given(evidence):
        return ""
    prompt = evidence.options.get("approval_prompt")
    if not evidence.own:
        return "no answer in the transcript asks for an approval"
    if not isinstance(prompt, str):
        return "no prompt that leads to an approval was given (--approval-prompt)"
    asked = [r for r in evidence.last if not r.asked.resume and prompt in r.asked.prompt]
    served = sum(1 for r in asked if r.accepted)
    if asked and not served:
        return f"none of {len(asked)} prompts that asked for an approval was served"
    return f"{served} prompts asked for an approval, and none came (--approval-prompt)" if asked else ""


def _not_waited(evidence: Evidence) -> str:
    """Why no approval was seen to expire."""
    allowed = number(evidence.options.get("wait_expiry")) or 0.0
    lasting = [one.expires - one.by.clock for one in given(evidence).values() if one.expires is not None]
    if not evidence.own or not lasting:
        return ""
    if not allowed:
        return f"approvals last {min(lasting):.0f} s, and no waiting was allowed (--wait-expiry)"
    return (
        f"approvals last at least {min(lasting):.0f} s, and only {allowed:g} s of waiting are allowed (--wait-expiry)"
    )
