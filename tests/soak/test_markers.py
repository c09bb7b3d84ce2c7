"""Markers: known by their form, whoever's they are, and never seen where there is none."""

import random

import pytest

from conformance.checks.isolation import WORDS
from conformance.soak.markers import MISSPELT, REQUESTS, WORKERS, Key, Marker

KEY = Key("one")
OWN = KEY.word(Marker(3, 70))


def foreign(text, key=KEY, own=OWN):
    return [owner for _, owner in key.foreign(text, own)]


@pytest.mark.parametrize(
    "marker", [Marker(0, 0), Marker(0, 1), Marker(1, 0), Marker(7, 12_345), Marker(WORKERS - 1, REQUESTS - 1)]
)
def test_a_word_says_whose_it_is(marker):
    word = KEY.word(marker)
    assert KEY.marker(word) == marker
    assert WORDS.match(f"Reply with just this word: {word}").group(1) == word, "the checks of a run know it too"
    assert foreign(f"So: {word}.") == [marker]
    assert foreign(f"So: {word.upper()}.") == [marker]


@pytest.mark.parametrize("marker", [Marker(WORKERS, 0), Marker(0, REQUESTS), Marker(-1, 0)])
def test_there_is_no_word_beyond_the_last(marker):
    with pytest.raises(ValueError, match="no word"):
        KEY.word(marker)


def test_neighbours_look_nothing_alike():
    words = [KEY.word(Marker(worker, request)) for worker in range(2) for request in range(150)]
    assert len(set(words)) == len(words)
    nearest = min(
        sum(a != b for a, b in zip(one, other, strict=True)) for n, one in enumerate(words) for other in words[:n]
    )
    assert nearest > MISSPELT


def test_ones_own_word_is_not_foreign():
    other = KEY.word(Marker(1, 2))
    assert foreign(f"{OWN} {OWN.upper()}{OWN}") == []
    assert foreign(f"{OWN}{other}") == [Marker(1, 2)]
    assert foreign(f"{other}{OWN}{other}") == [Marker(1, 2)] * 2
    assert foreign(f"conformance-soak-{other}") == [Marker(1, 2)]


def test_a_word_of_another_soak_is_none():
    assert foreign(f"So: {Key('two').word(Marker(1, 2))}.") == []


def test_a_word_that_a_model_spelled_wrongly_is_not_anothers():
    source = random.Random(1)
    for _ in range(3000):
        letters = list(OWN)
        for place in source.sample(range(16), source.randint(1, MISSPELT)):
            letters[place] = source.choice("aeioubcdfghklmnprstvz")
        assert foreign("".join(letters)) == []


def test_natural_text_holds_none():
    text = "A person of Takamatsunomiya, unimaginatively overgeneralized, recapitalized banana republics."
    assert foreign(text) == []
    source = random.Random(2)
    shape = ["".join(source.choice("bdfgklmnprstvz") + source.choice("aeiou") for _ in range(8)) for _ in range(20_000)]
    assert len(foreign(" ".join(shape))) <= 1, "one in a million of this form is taken for a marker"
