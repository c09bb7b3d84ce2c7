"""The ways are sound in themselves, and the page has a row for each; `nox -s reach` goes them."""

import re
import shutil
from pathlib import Path

import pytest

from conformance.settings.options import Depth

from . import judging
from .__main__ import markdown
from .ways import WAYS

ROOT = Path(__file__).parents[3]
NAMES = {"@port@", "@port2@", "@up@", "@own@", "@folder@", "@user@", "@modules@", "@runs@", "@squid@", "@tinyproxy@"}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_way_names_what_there_is(way):
    texts = [way.url, *(text for _, text in way.programs), *map(str, way.options.values()), *way.environ.values()]
    assert {name for text in texts for name in re.findall(r"@[a-z]\w*@", text)} - NAMES <= {"@127"}
    assert len(way.programs) <= 2


SOME = (
    "a Unix socket",
    "squid with a login, http",
    "squid with a login, CONNECT, by HTTPS_PROXY",
    "tinyproxy, CONNECT",
    "microsocks with a login, SOCKS5",
    "HTTP/2, nginx, a client certificate",
)
"""What is tried with the real programs each time, in a small run, where they are installed."""


@pytest.mark.parametrize("name", SOME)
def test_a_small_run_by_the_real_thing(name):
    way = next(way for way in WAYS if way.name == name)
    if way.lacks or shutil.which("openssl") is None:
        pytest.skip(f"not installed: {', '.join(way.lacks) or 'openssl'}")
    if way.needs_own_address and not judging.own_address():
        pytest.skip("this machine has no address but loopback")
    done = judging.judge(way, 1, depth=Depth.QUICK, only=("auth.missing-header", "http.complete"), max_requests=15)
    assert done.right, (done.report.verdict.sentence, done.failed)


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
