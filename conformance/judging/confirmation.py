"""Results confirmed or denied: judging the same transcript again must give the same results.

Both sides are documents of the form of results.json: what was claimed, and what judging again gave. What differs is
reported in one sentence each. A different version of the suite or the contract alone denies nothing: if it gives the
same outcomes, they hold; if not, it may be the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.contract.catalogue import from_outside
from conformance.judging.comparison import Document

MOST = 20
"""The most sentences about requirements."""

_SAME_SUITE = ("message", "expected", "observed", "exchange", "place")


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The result."""

    denials: tuple[str, ...]
    """A sentence for each difference; none: confirmed."""
    notes: tuple[str, ...]
    """What may explain a difference, but denies nothing by itself."""
    verdict: str
    """As judged again."""

    @property
    def confirmed(self) -> bool:
        """True where no important difference was found."""
        return not self.denials

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        if self.confirmed:
            return f"Judged again, the transcript confirms the results: {self.verdict}."
        count = "1 difference" if len(self.denials) == 1 else f"{len(self.denials)} differences"
        return f"The results do not match: {count} from what the transcript shows when it is judged again."


def confirm(claimed: Document, found: Document) -> Confirmation:
    """Compare the claimed results with those of judging the transcript again."""
    notes = tuple(_notes(claimed, found))
    denials = [*_denials(claimed, found)]
    denials += _about_requirements(claimed, found, exact=not notes)
    return Confirmation(tuple(denials), notes, found["verdict"])


def _notes(claimed: Document, found: Document) -> Iterator[str]:
    was, is_ = claimed["suite"]["version"], found["suite"]["version"]
    if was != is_:
        yield f"The results were made by version {was} of the suite; this is version {is_}."
    if claimed["evidence"]["contract_sha256"] != found["evidence"]["contract_sha256"]:
        yield "The results were judged by another contract (requirements or schemas) than this suite's."


def _denials(claimed: Document, found: Document) -> Iterator[str]:
    was, is_ = claimed["evidence"]["transcript_sha256"], found["evidence"]["transcript_sha256"]
    if was != is_:
        yield f"The transcript is not the one that was judged: its SHA-256 is {is_}, the results name {was}."
    for name, told in (("verdict", "verdict"), ("scope", "scope")):
        if claimed[name] != found[name]:
            yield f"The {told} is {found[name]}, not {claimed[name]}."
    for name in ("url", "model"):
        if claimed["target"][name] != found["target"][name]:
            yield f"The target's {name} is {found['target'][name]}, not {claimed['target'][name]}."
    for name, told in (("requests", "number of requests"), ("credits_charged", "number of credits charged")):
        if claimed["totals"][name] != found["totals"][name]:
            yield f"The {told} is {_number(found['totals'][name])}, not {_number(claimed['totals'][name])}."
    if claimed.get("interrupted", False) != found["interrupted"]:
        yield f"The recording was {'' if found['interrupted'] else 'not '}interrupted, but the results say otherwise."
    counted = Counter(entry["outcome"] for entry in claimed["requirements"])
    if any(counted[state] != number for state, number in claimed["totals"]["by_outcome"].items()):
        yield "The results' totals by outcome do not add up to their own requirements."


def _about_requirements(claimed: Document, found: Document, *, exact: bool) -> list[str]:
    """Sentences on single requirements; findings must be equal where suite and contract are the same."""
    told: list[str] = []
    before, after = ({entry["id"]: entry for entry in d["requirements"]} for d in (claimed, found))
    if len(before) != len(claimed["requirements"]):
        told.append("The results name a requirement twice.")
    for id_, was in before.items():
        is_ = after.get(id_)
        if is_ is None:
            lacking = ": the extension that has it is not installed here" if from_outside(id_) else ""
            told.append(f"{id_} is not a requirement of this suite{lacking}.")
        elif was["outcome"] != is_["outcome"]:
            told.append(f"{id_} is {is_['outcome']}, not {was['outcome']}.")
        elif was["level"] != is_["level"]:
            told.append(f"{id_} is a {is_['level']}, not a {was['level']}.")
        elif exact and was["exchanges"] != is_["exchanges"]:
            told.append(f"{id_} was judged on {is_['exchanges']} exchanges, not on {was['exchanges']}.")
        elif exact and _findings(was) != _findings(is_):
            told.append(f"The findings on {id_} differ from those in the results.")
    if exact:
        told += [f"The results lack {id_}." for id_ in after if id_ not in before]
    return told if len(told) <= MOST else [*told[:MOST], f"And {len(told) - MOST} more requirements differ."]


def _number(value: float) -> str:
    """A number as text, whatever its size: an integer of JSON may be larger than any float."""
    return f"{value:g}" if abs(value) < 10**15 else str(value)[:40]


def _findings(entry: Mapping[str, Any]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(finding[name] for name in _SAME_SUITE) for finding in entry["findings"])
