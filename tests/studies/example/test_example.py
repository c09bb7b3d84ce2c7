"""reports/example: small, whole, from here, and named where people look for it."""

import re
import struct
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "reports" / "example"
PAGES = sorted(EXAMPLE.glob("*.html"))
PICTURES = sorted(EXAMPLE.glob("*.png"))


def test_there_is_a_failing_and_a_passing_one_with_pictures_of_each():
    assert {page.stem for page in PAGES} == {"failing", "passing"}
    assert {picture.stem.partition("-")[0] for picture in PICTURES} == {"failing", "passing"}
    assert "✕</span> Nonconformant" in (EXAMPLE / "failing.html").read_text(encoding="utf-8")
    assert "✓</span> Conformant" in (EXAMPLE / "passing.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_small_and_names_no_place_of_the_machine_it_was_made_on(page):
    text = page.read_text(encoding="utf-8")
    assert len(text.encode()) < 600_000
    assert not re.search(r"(?<![\w/])/(?:home|root|tmp|work|Users|var)/|[A-Z]:\\\\", text)
    assert "km_reference" not in text
    links = [link for link in re.findall(r'href="([^"#]+)"', text) if not link.startswith("data:")]
    assert links
    assert all((EXAMPLE / link).is_file() for link in links)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_is_small_and_of_a_desktop_or_a_phone(picture):
    octets = picture.read_bytes()
    assert octets.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(octets) < 300_000
    assert struct.unpack(">I", octets[16:20])[0] in (1280, 390)


def test_every_picture_that_a_text_shows_is_there_and_every_one_that_is_there_is_shown():
    shown = set()
    for text in (ROOT / "README.md", EXAMPLE / "README.md"):
        for link in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text.read_text(encoding="utf-8")):
            shown.add((text.parent / link).resolve())
            assert (text.parent / link).is_file(), link
    assert {picture.resolve() for picture in PICTURES} <= shown
