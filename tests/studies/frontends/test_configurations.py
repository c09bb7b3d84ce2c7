"""The table of configurations is sound in itself; `nox -s frontends` judges what it holds."""

import re

import pytest

from conformance.judging.selecting import CATALOGUE

from . import table
from .configurations import CONFIGURATIONS, Story
from .judging import Explained
from .programs import PROGRAMS, NotStarted, Program, free_port, running

NAMES = {"@port@", "@up@", "@up2@", "@up3@", "@folder@", "@pem@", "@user@", "@modules@", "@runs@", "@squid@"}


@pytest.mark.parametrize("one", CONFIGURATIONS, ids=lambda one: f"{one.program}: {one.name}")
def test_a_configuration_names_what_there_is(one):
    assert not one.program or one.program in PROGRAMS
    assert all(id_ in CATALOGUE for id_ in one.blamed)
    assert set(re.findall(r"@\w+@", one.text)) <= NAMES
    assert ("@up3@" in one.text) == (one.servers == 3)
    assert ("@folder@/maintenance" in one.text) == (one.story is Story.MAINTENANCE)


def test_each_configuration_has_a_name_of_its_own():
    names = [(one.program, one.name) for one in CONFIGURATIONS]
    assert len(set(names)) == len(names)


def test_a_program_that_does_not_start_says_why(tmp_path):
    program = Program("sh", ("sh",), ("-c", "echo first; echo no such directive >&2; exit 3"), ())
    with pytest.raises(NotStarted, match="no such directive"), running(program, "", tmp_path, free_port()):
        pass


def test_a_program_that_is_not_there_is_said_to_be_absent():
    assert Program("x", ("no-such-program-anywhere",), (), ()).path is None


SAID = (Explained("http.json", "a BOM", "Leave it out."),)


def test_the_table_has_one_line_for_all_seeds_of_a_configuration():
    runs = [
        table.Row(
            "nginx", "plain", "conformant", seed, seed != 2, verdict, 360 + seed, float(seed), "", ("http.json",), SAID
        )
        for seed, verdict in ((1, "conformant"), (2, "nonconformant"), (3, "conformant"))
    ]
    page = table.markdown(runs, 3, ["caddy"])
    assert "| nginx | plain | conformant | 2 of 3 | conformant, nonconformant | 362 | 2 |  | http.json |" in page
    assert "Not installed here, and left out: caddy." in page
    assert page.endswith("| http.json | nginx: plain | a BOM. Leave it out. |\n")


def test_whatever_is_broken_on_purpose_is_told_with_its_cause():
    assert [one.name for one in CONFIGURATIONS if one.blamed and not one.says] == []
