"""The good client and the faulty ones: each requirement on clients is broken by two of them, and blamed alone.

All of them are judged by `kitemesh-conformance prove --only client`; here are two that take no time.
"""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from conformance.client import proof
from conformance.commands.main import main
from conformance.contract.catalogue import Side, load
from conformance.proving import examples, explain
from conformance.proving.prove import chosen, faults_of, targets
from conformance.settings.options import Depth


def test_two_clients_break_each_requirement():
    broken = Counter(target.requirement for target in proof.targets() if target.requirement)
    assert set(broken) == {requirement.id for requirement in load().of(Side.CLIENT)}
    assert min(broken.values()) >= 2


def test_their_names_are_their_own():
    known = [*targets(), *proof.targets()]
    assert len({target.key for target in known}) == len(known)
    assert chosen(known, ["client"]) == proof.targets()


@pytest.mark.parametrize("id_", ["client-token-in-url", "client-literal"])
def test_a_faulty_client_is_caught_and_nothing_else_is_blamed(id_, monkeypatch):
    brief = proof.faces.chosen(["sse-no-space", "json-pretty"])
    monkeypatch.setattr(proof.faces, "of_depth", lambda depth: brief)
    (target,) = [target for target in proof.targets() if target.id == id_]
    (case,) = proof.examine([target])
    assert [failure.requirement for failure in case.failures] == [target.requirement]
    assert not case.problems


def test_both_sides_of_a_requirement_are_kept_as_an_example(monkeypatch, tmp_path):
    brief = proof.faces.chosen(["sse-no-space", "hangs-before"])
    monkeypatch.setattr(proof.faces, "of_depth", lambda depth: brief)
    words = ("prove", "--only", "client-literal,client-waiting", "--write-examples", str(tmp_path))
    assert main(list(words)) == 1  # two faces do not show all that the good client has to show
    assert {path.stem for path in tmp_path.iterdir()} == {"client.variation", "client.ends"}
    for id_, status, ending in (("client.variation", 1, "exit status 1"), ("client.ends", None, "still running after")):
        read = examples.read(id_, tmp_path)
        assert examples.settled(read)
        rows = {row["face"]: row for row in read.breaks.options["faces"]}
        assert rows[read.breaks.exchanges[-1].note.flow]["status"] == status
        assert {row["status"] for row in read.holds.options["faces"]} <= {0, 1}
        text = explain.text(load()[id_], faults_of(id_), read)
        assert f"the client ended so: {ending}" in text
        assert "python -m conformance.reference.client_faults ID" in text
        assert "127.0.0.1" not in examples.path_of(id_, tmp_path).read_text(encoding="utf-8")


def test_ctrl_c_ends_all_of_it(monkeypatch):
    brief = proof.faces.chosen(["hangs-before", "hangs-within", "hangs-after"])
    monkeypatch.setattr(proof.faces, "of_depth", lambda depth: brief)
    waiting = [target for target in proof.targets() if target.id in ("client-waiting", "client-to-the-end")]
    stopper = proof.Stopper()
    monkeypatch.setattr(proof, "Stopper", lambda: stopper)

    def interrupted(found):
        raise KeyboardInterrupt

    threading.Timer(4.0, stopper.stop).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        proof.examine([*waiting, *proof.targets()], interrupted)
    assert stopper.stopped
    assert time.monotonic() - started < proof.LIMIT


def test_the_good_client_is_judged_on_every_face(monkeypatch):
    asked = []
    monkeypatch.setattr(proof.faces, "of_depth", lambda depth: asked.append(depth) or proof.faces.chosen(["plain"]))
    (case,) = proof.examine([proof.GOOD])
    assert asked == [Depth.DEEP]
    assert not case.failures
    assert {id_ for id_, _ in case.open} >= {"client.variation", "client.ends"}  # what one face cannot show is told
