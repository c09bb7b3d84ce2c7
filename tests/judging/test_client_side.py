"""The client's side of a recording: verdict, scope and reports; a server's verdict knows nothing of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from checks.exchanges import MODEL, chat, denied, sent, transcript
from checks.rows.client import PLAIN, course, held, on

from conformance.commands.main import main
from conformance.contract.catalogue import Side, load
from conformance.contract.schemas import errors
from conformance.evidence.reading import Reading
from conformance.judging import judge as judging
from conformance.judging.result import Result
from conformance.judging.selecting import selected_ids
from conformance.judging.verdict import Conclusion, State
from conformance.report import files, html, terminal
from conformance.report.badge import badge
from conformance.report.location import offence
from conformance.report.report import Report
from conformance.settings.options import Options, UsageError
from conformance.transcript import har_reader, har_writer
from conformance.transcript.exchange import Credential, Exchange, Transcript

FACES = [PLAIN, course("v", "variation")]
TOKEN = "km_a-token-of-somebody"


def judged(*exchanges: Exchange, **options: Any) -> Result:
    return judging.judge(transcript(*exchanges, options={"side": "client", **options}))


def har(*requests: dict[str, Any]) -> bytes:
    """A recording of another program."""
    entries = [
        {
            "startedDateTime": f"2026-09-21T14:13:{number:02}Z", "time": 100,
            "request": {"method": "POST", "url": "https://api.example.com/v1/chat/completions", **request},
            "response": {"status": 200, "headers": [], "content": {"text": "{}"}},
        }
        for number, request in enumerate(requests)
    ]  # fmt: skip
    return json.dumps({"log": {"version": "1.2", "creator": {"name": "mitmproxy"}, "entries": entries}}).encode()


def request(token: str = TOKEN, body: Any = None, *more: tuple[str, str], **rest: Any) -> dict[str, Any]:
    fields = [("Authorization", f"Bearer {token}"), ("Content-Type", "application/json"), *more]
    text = json.dumps(sent("a") if body is None else body)
    headers = [{"name": name, "value": value} for name, value in fields]
    return {"headers": headers, "postData": {"mimeType": "application/json", "text": text}, **rest}


def states(result: Result) -> dict[str, State]:
    return {outcome.requirement.id.removeprefix("client."): outcome.state for outcome in result.verdict.outcomes}


# --- one side at a time


def test_a_server_is_judged_by_nothing_of_a_client():
    result = judging.judge(transcript(chat("a")))
    assert not [o for o in result.verdict.outcomes if o.requirement.area == "client"]
    assert len(result.verdict.outcomes) == len(load().of(Side.SERVER))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options(only=("client",)), "client.ends speaks of a client"),
        (Options(only=("stream", "client.token")), "client.token speaks of a client"),
        (Options(only=("stream.done",), side=Side.CLIENT), "stream.done speaks of a server"),
    ],
)
def test_the_other_sides_requirements_are_refused(options, says):
    with pytest.raises(UsageError, match=says):
        selected_ids(options)


def test_what_is_skipped_may_be_of_the_other_side():
    assert selected_ids(Options(skip=("client", "sdk"))) == {r.id for r in load().of(Side.SERVER) if r.area != "sdk"}


def test_a_recording_of_a_client_has_no_faces_and_a_partial_scope():
    result = judged(chat("a"))
    assert result.verdict.conclusion is Conclusion.CONFORMANT
    assert result.verdict.sentence == "The client meets every MUST that was selected."
    assert result.verdict.scope == "partial"
    assert result.verdict["client.variation"].state is State.NOT_APPLICABLE


def test_every_face_makes_the_scope_full_and_earns_a_client_no_badge():
    result = judged(chat("plain", flow="plain"), chat("v", flow="v"), faces=FACES, every_face=True)
    assert (result.verdict.conclusion, result.verdict.scope) == (Conclusion.CONFORMANT, "full")
    assert badge(result) is None


def test_without_variations_the_verdict_does_not_hang_on_them():
    result = judged(chat("plain", flow="plain"), faces=[PLAIN])
    assert result.verdict["client.variation"].state is State.NOT_SELECTED
    assert (result.verdict.conclusion, result.verdict.scope) == (Conclusion.CONFORMANT, "partial")


def test_a_warning_fails_a_strict_verdict_alone():
    exchanges = held(chat("a"), url=True)
    assert judged(exchanges).verdict.conclusion is Conclusion.CONFORMANT
    assert judged(exchanges, strict=True).verdict.conclusion is Conclusion.NONCONFORMANT


@pytest.mark.parametrize(
    ("exchanges", "options", "says"),
    [
        ([], {}, "No request was recorded to a documented endpoint"),
        ([chat("a")], {"side": "server", "judge": True}, "a recording of the suite's own requests"),
        ([], {"faces": [PLAIN]}, "The command sent no request to the documented endpoints"),
        (
            [chat("plain", flow="plain")],
            {"faces": [course("plain", "plain", 2, said="no such file")]},
            "The command does not succeed on the plain server: exit status 2 (no such file)",
        ),
        (
            [chat("plain", flow="plain")],
            {"faces": [course("plain", "plain", None)]},
            "The command does not succeed on the plain server: still running after 20 s.",
        ),
    ],
)
def test_what_says_nothing_of_a_client_is_inconclusive(exchanges, options, says):
    made = transcript(*exchanges, options={"side": "client", **options})
    verdict = judging.judge(made, chosen={"side": Side.CLIENT}).verdict
    assert verdict.conclusion is Conclusion.INCONCLUSIVE
    assert says in verdict.sentence


def test_a_client_without_its_token_is_told_so_before_that_it_fails():
    result = judged(on(denied("plain"), "plain"), faces=[course("plain", "plain", 1)])
    assert result.verdict.sentence == "The client breaks 1 MUST: client.token."


# --- recordings of others


def loaded(*requests: dict[str, Any]) -> Result:
    return judging.judge(har_reader.load(har(*requests)), chosen={"side": Side.CLIENT})


def test_a_token_that_a_recording_kept_is_looked_for_elsewhere():
    clean = states(loaded(request()))
    assert (clean["token"], clean["token-nowhere-else"]) == (State.PASSED, State.PASSED)
    for found in (
        request(url=f"https://api.example.com/v1/chat/completions?key={TOKEN}"),
        request(TOKEN, sent("a", user=TOKEN)),
        request(TOKEN, None, ("X-Api-Key", TOKEN)),
    ):
        result = loaded(found)
        assert states(result)["token-nowhere-else"] is State.FAILED
        assert TOKEN not in str(Report.of(result))


def test_a_gateways_own_key_beside_the_token_is_none_of_it():
    assert (
        states(loaded(request(TOKEN, None, ("X-Api-Key", "gw_of-the-gateway"))))["token-nowhere-else"] is State.PASSED
    )


def test_where_a_token_stood_survives_the_file():
    made = Transcript((held(chat("a"), url=True, headers=("X-Key",), body=((3, 9),)), chat("b")), {"suite": "0"})
    again = har_reader.load(har_writer.dumps(made))
    assert [exchange.request.held for exchange in again] == [exchange.request.held for exchange in made]


# --- reports


def located(result: Result) -> tuple[Any, Reading]:
    (finding,) = result.findings
    reading = result.evidence.by_name[finding.exchange]
    return offence(finding, reading), reading


@pytest.mark.parametrize(
    ("body", "marked", "missing"),
    [
        (sent("a", temperature=3), b"3", ""),
        ({k: v for k, v in sent("a").items() if k != "model"}, b"", "model"),
        (b"model=x", b"model=x", ""),
    ],
)
def test_the_offending_octets_of_the_request_are_marked(body, marked, missing):
    result = judged(chat("a", body=body))
    where, reading = located(result)
    assert where.request
    assert where.missing == missing
    at, length = where.span
    assert reading.exchange.request.body[at : at + length] == marked
    page = html.page(result)
    assert f"<mark>{marked.decode()}</mark>" in page or "model is missing here" in page
    assert "of the request" in page


def test_a_field_of_the_request_is_marked_and_its_secret_is_not_shown():
    result = judged(held(chat("a"), headers=("X-Api-Key",)))
    where, _ = located(result)
    assert (where.request, where.field) == (True, "X-Api-Key")
    assert "no X-Api-Key field here" in html.page(result)


def test_the_terminal_says_what_was_sent():
    text = str(Report.of(judged(chat("a", body=sent("a", temperature=3)))))
    assert "place     /temperature of the request, in a" in text
    assert "sent      /temperature: 3" in text
    assert "Target a client of https://api.example.com/v1" in text
    assert terminal.text(judged(chat("a"))).count("client") > 1


def test_the_results_hold_to_their_schema_and_can_be_confirmed(tmp_path, capsys):
    made = Report.of(judged(chat("a", body=sent("a", temperature=3)), model=MODEL))
    assert not errors("results", made.to_dict())
    assert made.to_dict()["options"]["side"] == "client"
    files.write(made, tmp_path)
    har_file, results = str(tmp_path / "transcript.har"), str(tmp_path / "results.json")
    assert main(["judge", har_file]) == 1
    assert main(["judge", har_file, "--against", results]) == 1
    assert "CONFIRMED" in capsys.readouterr().out
    assert main(["judge", har_file, "--side", "server"]) == 1
    assert "reject.temperature" in capsys.readouterr().out
    assert main(["judge", har_file, "--only", "client.token"]) == 0


def test_a_known_failure_passes_the_gate(tmp_path, capsys):
    path = tmp_path / "client.har"
    path.write_bytes(har(request(TOKEN, sent("a", temperature=3))))
    known = tmp_path / "known.toml"
    common = ["judge", str(path), "--side", "client"]
    assert main([*common, "--write-baseline", str(known)]) == 1
    assert main([*common, "--baseline", str(known)]) == 0
    assert "client.request-valid" in capsys.readouterr().out


def test_a_request_that_another_program_sent_without_a_token_leaves_it_open():
    made = replace(chat("a"), request=replace(chat("a").request, headers=(), credential=Credential.UNSTATED))
    assert judged(made, suite="").verdict.conclusion is Conclusion.INCONCLUSIVE
