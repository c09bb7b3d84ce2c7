"""What findings show of an answer, and why a requirement was not exercised: both are to be true."""

from __future__ import annotations

import pytest
from checks.exchanges import (
    RESUME,
    answer,
    chat,
    decision,
    exchange,
    judged,
    paused,
    refused,
    resumed,
    sent,
    transcript,
)

from conformance.evidence.evidence import Evidence
from conformance.evidence.json_values import ABSENT
from conformance.evidence.place import Place
from conformance.transcript.exchange import Credential


@pytest.mark.parametrize(
    ("body", "place", "shown"),
    [
        ({"error": {"code": None}}, "/error/code", "null"),
        ({"error": {}}, "/error/code", "absent"),
        ({"detail": "Not found"}, "/error", 'absent, in {"detail": "Not found"}'),
        ({"detail": "Not found"}, "/error/code", 'absent, in {"detail": "Not found"}'),
        ({"id": None}, "/id", "null"),
        ({}, "/id", "absent"),
        ([], "/id", "absent"),
        ({"choices": [{"index": 0}]}, "/choices/0/message", "absent"),
        ({"choices": [{"message": None}]}, "/choices/0/message", "null"),
    ],
)
def test_what_is_shown_is_what_came(body, place, shown):
    reading = Evidence(transcript(exchange("a", sent("a"), answer(body)))).all[0]
    assert reading.finding("m", "e", ABSENT, Place(place)).observed == shown


ASKED = sent("p", prompt="Please create a ticket.\n(Reference: x.)")
NO_TOKEN = {"second_token": False}


@pytest.mark.parametrize(
    ("requirement", "exchanges", "options", "reason"),
    [
        ("resume.deny", [chat("a", body=ASKED)], {}, "1 prompts asked for an approval, and none came"),
        ("resume.deny", [chat("a")], {"approval_prompt": None}, "no prompt that leads to an approval was given"),
        ("resume.deny", [chat("w"), refused("a", ASKED, 400)], {}, "none of 1 prompts that asked for an approval was"),
        ("resume.other-caller", [paused("a")], NO_TOKEN, "no second token was given"),
        ("resume.expired", [paused("a")], {"wait_expiry": 8.0}, "s, and only 8 s of waiting are allowed"),
        ("resume.expired", [paused("a")], {"wait_expiry": 0.0}, "and no waiting was allowed"),
        ("resume.further-round", [paused("a"), resumed("r", "a")], {}, "no resume led to another approval"),
        ("error.rate-limit", [chat("a")], {}, "no answer was a 429"),
        (
            "stream.done",
            [refused("a", sent("a"), 404)],
            {},
            "no request of this run was served: 1 of 1 valid ones got status 404",
        ),
        ("approval.only-when-waiting", [paused("a")], {}, "no exchange of this run shows it"),
    ],
)
def test_why_nothing_shows_it(requirement, exchanges, options, reason):
    assert reason in judged(*exchanges, options=options)[requirement].reason


def test_an_approval_that_another_breach_spent_is_told():
    conflict = {"approved_tool_execution_ids": [decision("x", "a")["denied_tools"][0]["tool_execution_id"]]}
    verdict = judged(
        paused("a"),
        resumed("r", "a", body=decision("r", "a", **conflict)),
        refused("o", decision("o", "a"), 404, endpoint=RESUME, credential=Credential.SECOND),
    )
    outcome = verdict["resume.other-caller"]
    assert outcome.blocked_by == ("resume.conflict",)
