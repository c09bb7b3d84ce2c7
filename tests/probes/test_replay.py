"""Vectors: what a run writes, the next one reads; and what is wrong with a file is said in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conformance.probes import catalogue
from conformance.probes.flow import Phase, Send
from conformance.probes.plan import Plan
from conformance.settings.options import UsageError
from conformance.settings.vector import Vector
from conformance.settings.vectors import MOST, dumps, load, loads

MODEL = "group:123e4567-e89b-42d3-a456-426614174000"
OTHER = "group:00000000-0000-4000-8000-000000000001"


def test_what_is_written_is_read_again() -> None:
    bodies = [f'{{"model":"{MODEL}","é":1}}'.encode(), b"\xff\xfe", '"\ud800"'.encode("utf-8", "surrogatepass"), b""]
    octets = dumps(MODEL, [{"breach": "role-enum", "requirements": ["x"], "body": body} for body in bodies])
    assert loads(octets) == tuple(Vector("role-enum", body, MODEL) for body in bodies)


def test_vectors_are_sent_right_behind_the_opening_with_the_target_s_own_model() -> None:
    vectors = (
        Vector("role-enum", f'{{"model":"{MODEL}"}}'.encode(), MODEL),
        Vector("natural", b"{}"),
    )
    for depth in ("quick", "standard"):
        flows = catalogue.flows(Plan(model=OTHER, seed=1, depth=depth, replay=vectors))
        replayed = [flow for flow in flows if flow.phase is Phase.REPLAY]
        opening = [flow for flow in flows if flow.phase is Phase.OPENING]
        assert flows[: len(opening) + 2] == [*opening, *replayed]
        sends = [next(flow.steps(1)) for flow in replayed]
        assert all(isinstance(send, Send) for send in sends)
        assert [send.body for send in sends if isinstance(send, Send)] == [f'{{"model":"{OTHER}"}}'.encode(), b"{}"]
        assert [flow.area for flow in replayed] == ["reject", "accept"]
        assert [flow.served for flow in replayed] == [0, 1]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is not JSON"),
        (b"\xff", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "format"),
        (b'{"format":2}', "format"),
        (b'{"format":1}', "vectors"),
        (b'{"format":1,"vectors":{}}', "vectors"),
        (json.dumps({"format": 1, "vectors": [{}] * (MOST + 1)}).encode(), f"at most {MOST}"),
        (b'{"format":1,"model":"gpt-4","vectors":[]}', "group:<uuid>"),
        (b'{"format":1,"vectors":[5]}', "vector 0"),
        (b'{"format":1,"vectors":[{"breach":"natural","body":"{}","endpoint":"/etc"}]}', "endpoint"),
        (b'{"format":1,"vectors":[{"breach":"natural","body":"{}"},{"breach":"../x","body":"{}"}]}', "vector 1"),
        (b'{"format":1,"vectors":[{"breach":"natural"}]}', "one of `body`"),
        (b'{"format":1,"vectors":[{"breach":"natural","body":"{}","body_base64":"e30="}]}', "one of `body`"),
        (b'{"format":1,"vectors":[{"breach":"natural","body_base64":"?"}]}', "one of `body`"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_sentence(tmp_path, content: bytes, why: str) -> None:
    path = tmp_path / "vectors.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=why) as raised:
        load(path)
    assert str(raised.value).count(". ") == 0
    assert "vectors.json" in str(raised.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path) -> None:
    for path in (tmp_path / "absent", tmp_path, Path("\0")):
        with pytest.raises(UsageError, match="--replay"):
            load(path)


@pytest.mark.parametrize("depth", ["quick", "standard"])
def test_every_twin_is_a_probe_of_the_same_plan(depth: str) -> None:
    flows = catalogue.flows(Plan(model=MODEL, seed=1, depth=depth))
    first = [next(flow.steps(1), None) for flow in flows]
    sends = [send for send in first if isinstance(send, Send)]
    names = {send.name for send in sends}
    twins = {send.twin for send in sends if send.twin}
    assert twins
    assert twins <= names
