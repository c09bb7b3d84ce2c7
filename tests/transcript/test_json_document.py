"""A document is read list by list, whatever the blocks in which it comes, and holds no more than it has to."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.transcript import json_document
from conformance.transcript.json_document import Document, Ended, Malformed

ENTRIES = ("log", "entries")
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def in_blocks(octets: bytes, size: int) -> Document:
    held = io.BytesIO(octets)
    return Document(lambda most: held.read(min(most, size)), [ENTRIES])


@settings(deadline=None)
@given(st.lists(values, max_size=5), values, st.integers(1, 30), st.booleans(), st.sampled_from([None, 1]))
def test_it_gives_what_json_gives(
    entries: list[Any], beside: Any, size: int, escaped: bool, indent: int | None
) -> None:
    whole = {"a": beside, "log": {"x": beside, "entries": entries, "y": [beside]}, "b": {"entries": entries}}
    document = in_blocks(json.dumps(whole, ensure_ascii=escaped, indent=indent).encode("utf-8", "surrogatepass"), size)
    given_ = [json.loads(element.octets.decode("utf-8", "surrogatepass")) for element in document]
    assert given_ == entries
    whole["log"]["entries"] = []
    assert json.loads(document.rest.decode("utf-8", "surrogatepass")) == whole


@settings(deadline=None)
@given(st.text('{}[]",:\\ \n1ae') | st.binary(max_size=30), st.integers(1, 9))
def test_whatever_it_is_given_it_ends_in_a_sentence(text: str | bytes, size: int) -> None:
    octets = text.encode() if isinstance(text, str) else text
    for begins in (b"", b'{"log": {"entries": ['):
        try:
            list(in_blocks(begins + octets, size))
        except Malformed as error:
            assert str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "octets", [b"", b"{", b'{"log"', b'{"log": {"entries": [{', b'{"log": {"entries": ["a', b'{"a": ']
)
def test_what_ends_too_early_is_told_apart(octets: bytes) -> None:
    with pytest.raises(Ended):
        list(in_blocks(octets, 3))


def test_what_is_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_document, "LONGEST", 100)
    monkeypatch.setattr(json_document, "MOST", 1000)
    entries = [{"text": "x" * 101, "b": 1}, {"text": "x" * 100}, [["y" * 90] * 20], 1]
    document = in_blocks(json.dumps({"log": {"entries": entries}}).encode(), 64)
    found = list(document)
    assert [element.shortened for element in found] == [True, False, True, False]
    assert json.loads(found[0].octets) == {"text": "", "b": 1}
    assert [element.octets for element in found[2:]] == [b"", b"1"]
