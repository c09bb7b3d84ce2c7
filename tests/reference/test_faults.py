"""Every fault is well-formed, and shows: its server answers something otherwise than the conforming one."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

import pytest
from reference.showing import Tour, differing
from reference.tours import ALL_TOURS, APPROVAL_TTL, expired, tour_of

import conformance.contract.schema.wording  # noqa: F401  # else the first refusal loads it, and is late
from conformance.contract import catalogue
from conformance.reference.app import PREFIX, create_many
from conformance.reference.behaviour import CONFORMING
from conformance.reference.fault import Fault, assembled
from conformance.reference.faults import FAULTS, by_id
from conformance.reference.serving import in_thread
from conformance.reference.settings import Settings

AREAS = ("auth", "accept", "reject", "error", "http", "completion", "kitemesh", "robust", "isolation")
AREAS_OF_STREAMS = ("stream", "chunk", "approval", "resume", "sdk")
SETTINGS = Settings(token_interval=0.01, approval_ttl=600)
SHORT_LIVED = Settings(token_interval=0.001, approval_ttl=APPROVAL_TTL)
PLAIN, AGAIN = "plain", ("plain-again", "plain-once-more")
OWN = [fault for fault in FAULTS if fault.requirement.split(".")[0] in AREAS]


def test_each_is_well_formed() -> None:
    for fault in FAULTS:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", fault.id), fault.id
        assert fault.summary == fault.summary.strip(), fault.id
        assert "\n" not in fault.summary, fault.id
        assert not fault.summary.endswith("."), fault.id
        assert fault.behaviour != CONFORMING, fault.id


def test_each_requirement_of_these_areas_is_broken_by_some_fault() -> None:
    blamed = Counter(fault.requirement for fault in OWN)
    wanted = [r.id for r in catalogue.load() if r.area in AREAS]
    assert [id_ for id_ in wanted if not blamed[id_]] == []
    assert len(OWN) >= 130


def test_by_id() -> None:
    assert by_id(FAULTS[-1].id) is FAULTS[-1]
    with pytest.raises(KeyError):
        by_id("no-such-fault")


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (Fault("one-fault", "", CONFORMING, requirement="http.json"), "two faults are called one-fault"),
        (Fault("another-fault", "", CONFORMING, requirement="http.jsonn"), "http.jsonn"),
    ],
)
def test_a_wrong_table_is_refused(second: Fault, told: str) -> None:
    first = Fault("one-fault", "", CONFORMING, requirement="http.json")
    with pytest.raises(ValueError, match=told):
        assembled([(first,), (second,)])


def test_every_requirement_of_streams_has_faults() -> None:
    blamed = Counter(fault.requirement for fault in FAULTS)
    wanted = {each.id for each in catalogue.load() if each.id.partition(".")[0] in AREAS_OF_STREAMS}
    assert [id_ for id_ in sorted(wanted) if blamed[id_] < 3] == []


@pytest.fixture(scope="module")
def shows() -> dict[tuple[str, Tour], bool]:
    """By server and tour, whether anything is seen on the tour that the conforming server does not show."""
    behaviours = {fault.id: fault.behaviour for fault in FAULTS} | dict.fromkeys((PLAIN, *AGAIN), CONFORMING)
    jobs = [(fault.id, tour_of(fault)) for fault in FAULTS] + [(name, tour) for name in AGAIN for tour in ALL_TOURS]
    with in_thread(create_many(SETTINGS, behaviours)) as url, in_thread(create_many(SHORT_LIVED, behaviours)) as brief:

        def at(name: str, tour: Tour) -> str:
            return f"{brief if tour is expired else url}{PREFIX}{name}"

        seen = asyncio.run(differing(lambda tour: at(PLAIN, tour), [(at(*job), job[1]) for job in jobs]))
    return dict(zip(jobs, seen, strict=True))


@pytest.mark.parametrize("tour", ALL_TOURS, ids=[f"{tour.__name__}-{n}" for n, tour in enumerate(ALL_TOURS)])
def test_the_conforming_server_shows_the_same_twice(shows: dict[tuple[str, Tour], bool], tour: Tour) -> None:
    # Once, at least: on a busy machine a connection may break, or of two that race another one may come first.
    assert not all(shows[name, tour] for name in AGAIN)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_each_fault_shows(shows: dict[tuple[str, Tour], bool], fault: Fault) -> None:
    assert shows[fault.id, tour_of(fault)]
