"""The good client and the faulty ones: each requirement on clients is broken by two of them, and blamed alone.

All of them are judged by `kitemesh-conformance prove --only client`; here are two that take no time.
"""

from __future__ import annotations

from collections import Counter

import pytest

from conformance.client import proof
from conformance.contract.catalogue import Side, load
from conformance.proving.prove import chosen, targets
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


def test_the_good_client_is_judged_on_every_face(monkeypatch):
    asked = []
    monkeypatch.setattr(proof.faces, "of_depth", lambda depth: asked.append(depth) or proof.faces.chosen(["plain"]))
    (case,) = proof.examine([proof.GOOD])
    assert asked == [Depth.DEEP]
    assert not case.failures
    assert {id_ for id_, _ in case.open} >= {"client.variation", "client.ends"}  # what one face cannot show is told
