"""excerpt: nothing that a target sends can move a cursor, hide or reorder what is shown."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.transcript.excerpt import excerpt, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x00\x7f\x9b", "\\x00\\x7f\\x9b"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066\u2069\u200f\u061c", "\\u2066\\u2069\\u200f\\u061c"),
        ("\ud800x", "\\ud800x"),
        ("\u2028\ufeff\uffff", "\\u2028\\ufeff\\uffff"),
        ("\U000e0041", "\\U000e0041"),
        ("Voilà 你好 🙂 é", "Voilà 你好 🙂 é"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_is_escaped(text, shown):
    assert excerpt(text) == shown


def test_what_is_too_long_says_how_much_is_missing():
    assert excerpt("x" * 400) == "x" * 400
    assert excerpt("x" * 1400) == "x" * 400 + "… (1,000 more)"
    assert excerpt("abc", most=1) == "a… (2 more)"


@given(st.text(alphabet=st.characters(), max_size=60))
def test_the_result_can_always_be_printed_and_encoded(text):
    shown = visible(text)
    shown.encode("utf-8")
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
