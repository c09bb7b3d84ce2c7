"""results.json: it holds to its schema, and says what the verdict says."""

import hashlib
import json

import pytest
from made_up import MODEL, URL, report

from conformance.contract.schemas import errors
from conformance.report import files
from conformance.report.directory import RESULTS, TRANSCRIPT
from conformance.report.results import dumps, results

WORLDS = [
    {},
    {"broken": {"stream.done": 5, "auth.challenge": 1}},
    {"unseen": {"resume.expired": "no leave to wait"}},
    {"errors": {"chunk.schema": "KeyError: 'x'"}},
    {"broken": {"http.json": 1}, "interrupted": True},
]


@pytest.mark.parametrize("world", WORLDS)
def test_it_holds_to_the_schema(world):
    document = json.loads(dumps(results(report(**world), "0" * 64)))
    assert errors("results", document) == []


def test_it_says_what_the_verdict_says():
    made = report(broken={"stream.done": 5, "auth.challenge": 1})
    document = results(made, "0" * 64)
    assert document["verdict"] == "nonconformant"
    assert document["exit_code"] == 1
    assert document["target"] == {"url": URL, "model": MODEL, "name": URL}
    assert document["totals"]["by_outcome"]["failed"] == 2
    assert document["started"] == "2026-09-21T14:13:20.000Z"
    entry = next(r for r in document["requirements"] if r["id"] == "stream.done")
    assert len(entry["findings"]) == 5
    assert entry["findings"][0]["curl"].startswith("curl ")


def test_no_token_is_written():
    assert b"km_secret_token" not in dumps(results(report(broken={"stream.done": 1}), "0" * 64))


def test_the_hash_is_that_of_the_transcripts_file(tmp_path):
    files.write(report(broken={"stream.done": 1}), tmp_path)
    written = (tmp_path / TRANSCRIPT).read_bytes()
    told = json.loads((tmp_path / RESULTS).read_bytes())
    assert told["evidence"]["transcript_sha256"] == hashlib.sha256(written).hexdigest()
