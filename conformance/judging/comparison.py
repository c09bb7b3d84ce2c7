"""Two runs compared: what broke, what was fixed, what is no longer exercised, and how the answers' shapes drifted.

Both are documents of the form of results.json, so that runs of different days and suites can be compared. Pure.

The new run is worse if a requirement fails that did not fail before, if a MUST is no longer judged (unless an option
left it out, or it covers what a correct target need never do), if the verdict is no longer conformant, or if the suite
itself failed. Drift alone is never worse: a server may add and leave out optional members.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.contract.catalogue import Catalogue

Document = Mapping[str, Any]
"""A results.json that follows its schema."""

_JUDGED = frozenset({"passed", "failed"})
_ABSENT: Mapping[str, Any] = {"outcome": "unknown", "findings": [], "reason": "the suite did not have it"}


@dataclass(frozen=True, slots=True)
class Change:
    """One requirement whose outcome changed."""

    requirement: str
    level: str
    old: str
    """The outcome before."""
    new: str
    why: str
    """The first finding's message, or why it was not judged."""
    worse: bool


@dataclass(frozen=True, slots=True)
class Further:
    """One requirement that failed before and now also fails at new places."""

    requirement: str
    findings: tuple[str, ...]
    """Keys."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One place in one kind of answer."""

    kind: str
    change: str
    """came, went, types."""
    place: str
    told: str
    """In how many answers it was, or the types before and after."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All changes."""

    old_verdict: str
    new_verdict: str
    failing: tuple[Change, ...]
    """Newly failing."""
    mended: tuple[Change, ...]
    lost: tuple[Change, ...]
    """No longer exercised."""
    gained: tuple[Change, ...]
    """Newly exercised, and passed."""
    further: tuple[Further, ...]
    drift: tuple[Drift, ...]
    notes: tuple[str, ...]
    """Why the two may not be comparable, or what could not be compared."""
    worse: bool

    @property
    def sentence(self) -> str:
        """The comparison in one sentence."""
        parts = [
            f"{len(self.failing)} newly failing",
            f"{len(self.mended)} fixed",
            f"{len(self.lost)} no longer exercised",
            f"{len(self.gained)} newly exercised",
            f"{len(self.drift)} drifted in shape",
        ]
        verdict = (
            f"the verdict is {self.new_verdict} as before"
            if self.old_verdict == self.new_verdict
            else f"the verdict was {self.old_verdict} and is {self.new_verdict}"
        )
        return f"{'Something got worse' if self.worse else 'Nothing got worse'}: {', '.join(parts)}; {verdict}."


def compare(old: Document, new: Document, catalogue: Catalogue) -> Comparison:
    """What changed from one run to another.

    Args:
        old: results of the earlier run.
        new: results of the later one.
        catalogue: says which requirements need not be exercised.
    """
    before, after = _by_id(old), _by_id(new)
    failing, mended, lost, gained, further = [], [], [], [], []
    for id_ in [*after, *(id_ for id_ in before if id_ not in after)]:
        was, is_ = before.get(id_, _ABSENT), after.get(id_, _ABSENT)
        change = _change(id_, was, is_, catalogue)
        match was["outcome"], is_["outcome"]:
            case "failed", "failed":
                if keys := _further(was, is_):
                    further.append(Further(id_, keys))
            case _, "failed":
                failing.append(change)
            case "failed", "passed":
                mended.append(change)
            case a, b if a in _JUDGED and b not in _JUDGED:
                lost.append(change)
            case a, b if b in _JUDGED and a not in _JUDGED:
                gained.append(change)
    verdicts = old["verdict"], new["verdict"]
    broke = verdicts[1] == "error" or (verdicts[0] == "conformant" and verdicts[1] != "conformant")
    return Comparison(
        *verdicts,
        failing=tuple(failing),
        mended=tuple(mended),
        lost=tuple(lost),
        gained=tuple(gained),
        further=tuple(further),
        drift=tuple(_drift(old, new)),
        notes=tuple(_notes(old, new)),
        worse=broke or any(change.worse for change in (*failing, *lost)),
    )


def _by_id(document: Document) -> dict[str, Mapping[str, Any]]:
    return {entry["id"]: entry for entry in document["requirements"]}


def _change(id_: str, was: Mapping[str, Any], is_: Mapping[str, Any], catalogue: Catalogue) -> Change:
    level = is_.get("level") or was.get("level") or ""
    needless = id_ in catalogue and catalogue[id_].conditional
    findings = is_["findings"] or was["findings"]
    why = findings[0]["message"] if is_["outcome"] in _JUDGED and findings else is_.get("reason", "")
    lost = level == "MUST" and is_["outcome"] not in {*_JUDGED, "not-selected", "unknown"} and not needless
    return Change(id_, level, was["outcome"], is_["outcome"], why, is_["outcome"] == "failed" or lost)


def _further(was: Mapping[str, Any], is_: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys of findings that are new; empty where one of the two was written before findings had keys."""
    known = {finding.get("key") for finding in was["findings"]}
    if None in known:
        return ()
    return tuple(dict.fromkeys(f["key"] for f in is_["findings"] if f.get("key") and f["key"] not in known))


def _notes(old: Document, new: Document) -> Iterator[str]:
    facts = [
        ("target", *(d["target"]["url"] for d in (old, new))),
        ("model", *(d["target"]["model"] for d in (old, new))),
        ("suite", *(d["suite"]["version"] for d in (old, new))),
        ("scope", *(d["scope"] for d in (old, new))),
        ("depth", *(d["options"].get("depth") for d in (old, new))),
    ]
    for name, *values in facts:
        was, is_ = (value if isinstance(value, str) and value else "unknown" for value in values)
        if was != is_:
            yield f"The {name} was {was} and is {is_}."
    if old["evidence"]["contract_sha256"] != new["evidence"]["contract_sha256"]:
        yield "The two were judged by different contracts (another version of the suite)."
    if missing := [name for name, d in (("OLD", old), ("NEW", new)) if "shapes" not in d]:
        yield f"{' and '.join(missing)} had no shapes of answers, so drift was not looked for; compare transcripts."


# --- shapes


def _drift(old: Document, new: Document) -> Iterator[Drift]:
    before, after = ({shape["kind"]: shape for shape in d.get("shapes", ())} for d in (old, new))
    for kind, is_ in after.items():
        if (was := before.get(kind)) is not None:
            yield from _drift_of(kind, was, is_)


def _drift_of(kind: str, was: Mapping[str, Any], is_: Mapping[str, Any]) -> Iterator[Drift]:
    then, now = ({m["place"]: m for m in shape["members"]} for shape in (was, is_))
    # Where places were left out, one that is not there may be among them.
    came = [place for place in now if place not in then] if not was["left"] else []
    went = [place for place in then if place not in now] if not is_["left"] else []
    for change, places, shape, members in (("came", came, is_, now), ("went", went, was, then)):
        for place in _outermost(places):
            told = f"in {members[place]['answers']} of {shape['answers']}"
            yield Drift(kind, change, place, told)
    for place in now:
        if place in then and (types := _types(then[place])) != _types(now[place]):
            yield Drift(kind, "types", place, f"{types} became {_types(now[place])}")


def _types(member: Mapping[str, Any]) -> str:
    return " or ".join(sorted(set(member["types"])))


def _outermost(places: Sequence[str]) -> list[str]:
    """The places that are not below another place in the list."""
    given = set(places)
    return [p for p in places if not any(p[:at] in given for at in range(1, len(p)) if p[at] == "/")]
