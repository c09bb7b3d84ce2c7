"""The ways are sound in themselves, and the page has a row for each; `nox -s reach` goes them."""

import re
from pathlib import Path

import pytest

from .__main__ import markdown
from .ways import WAYS

ROOT = Path(__file__).parents[3]
NAMES = {"@port@", "@port2@", "@up@", "@own@", "@folder@", "@user@", "@modules@", "@runs@", "@squid@", "@tinyproxy@"}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_way_names_what_there_is(way):
    texts = [way.url, *(text for _, text in way.programs), *map(str, way.options.values()), *way.environ.values()]
    assert {name for text in texts for name in re.findall(r"@[a-z]\w*@", text)} - NAMES <= {"@127"}
    assert len(way.programs) <= 2


def test_each_way_has_a_name_of_its_own():
    assert len({way.name for way in WAYS}) == len(WAYS)


def test_the_page_has_a_row_for_each_and_each_is_as_expected():
    page = (ROOT / "reports" / "reach.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+) \| (yes|no) \| conformant \|", page, re.MULTILINE))
    assert rows == {way.name: "yes" for way in WAYS}


def test_what_is_not_installed_is_said():
    page = markdown([["directly", "yes", "conformant", "1", "1", "", ""]], ["squid"])
    assert "Not here, and left out: squid." in page
    assert page.endswith("| directly | yes | conformant | 1 | 1 |  |  |\n")
