"""Markers: a word for each request, which is known by its form alone.

In a run, a foreign word in an answer is found by comparing it with the words of all other requests. Under load nobody
keeps those. So a soak's word says itself that it is one: eight syllables, of which five hold a number (the worker's and
the request's) and three a check over it, both made with the run's key. A word that any worker made is told from all
others of this form but one in a million, and a word that a model spelled wrongly is not taken for another's.

The number is scrambled (a Feistel network over five digits and five), so that the words of neighbours look nothing
alike; a server that mixes up the two is seen, and one letter's mistake leads nowhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

_CONSONANTS = "bcdfghjklmnpqrstvwxz"
_VOWELS = "aeiou"
_SYLLABLES = tuple(c + v for c in _CONSONANTS for v in _VOWELS)
"""A hundred: each is worth two digits."""
_VALUES = {syllable: value for value, syllable in enumerate(_SYLLABLES)}
_HALF = 100_000
_CHECKS = 1_000_000
_ROUNDS = 4
LENGTH = 16
"""Letters of a word; the checks of area isolation know words of so many."""
WORKERS, REQUESTS = 1_000, 10_000_000
"""So many workers, and so many requests of each, have words of their own."""
MISSPELT = 6
"""Letters by which a word may differ from the request's own and still be that, spelled wrongly."""

_LETTERS = re.compile(r"[a-z]{16,}")
_FORM = re.compile(rf"(?:[{_CONSONANTS}][{_VOWELS}]){{8}}")


@dataclass(frozen=True, slots=True)
class Marker:
    """Whose word it is."""

    worker: int
    request: int
    """Counts a worker's requests from 0."""

    @property
    def name(self) -> str:
        """The name of the exchange."""
        return f"soak-{self.worker}-{self.request}"


@dataclass(frozen=True, slots=True)
class Key:
    """What makes the words of one soak; all its workers have the same."""

    text: str

    def word(self, marker: Marker) -> str:
        """The word of a request, 16 small letters. Raises ValueError for a number that has none."""
        if not (0 <= marker.worker < WORKERS and 0 <= marker.request < REQUESTS):
            raise ValueError(f"there is no word for {marker}")
        number = marker.worker * REQUESTS + marker.request
        left, right = divmod(number, _HALF)
        for turn in range(_ROUNDS):
            left, right = right, (left + self._digits(turn, right, _HALF)) % _HALF
        return _spelled(left * _HALF + right, 5) + _spelled(self._digits("check", number, _CHECKS), 3)

    def marker(self, word: str) -> Marker | None:
        """Whose word it is; None where this key has not made it."""
        if not _FORM.fullmatch(word):
            return None
        left, right = divmod(_read(word[:10]), _HALF)
        for turn in reversed(range(_ROUNDS)):
            left, right = (right - self._digits(turn, left, _HALF)) % _HALF, left
        number = left * _HALF + right
        if self._digits("check", number, _CHECKS) != _read(word[10:]):
            return None
        return Marker(*divmod(number, REQUESTS))

    def foreign(self, text: str, own: str) -> Iterator[tuple[str, Marker]]:
        """The words of other requests in a text, each with whose it is; `own` is the request's own word."""
        for run in _LETTERS.findall(text.lower()):
            for part in run.split(own):
                # Words that follow each other without a space between are as long as so many words.
                if len(part) % LENGTH:
                    continue
                for start in range(0, len(part), LENGTH):
                    word = part[start : start + LENGTH]
                    if not _alike(word, own) and (marker := self.marker(word)) is not None:
                        yield word, marker

    def _digits(self, what: object, value: int, below: int) -> int:
        digest = hashlib.sha256(f"{self.text}/{what}/{value}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % below


def _alike(word: str, own: str) -> bool:
    return len(word) == len(own) and sum(a != b for a, b in zip(word, own, strict=True)) <= MISSPELT


def _spelled(number: int, syllables: int) -> str:
    return "".join(_SYLLABLES[number // 100**place % 100] for place in reversed(range(syllables)))


def _read(letters: str) -> int:
    number = 0
    for start in range(0, len(letters), 2):
        number = number * 100 + _VALUES[letters[start : start + 2]]
    return number
