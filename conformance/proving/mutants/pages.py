"""The score as people and programs read it: a page, JSON, and the mutation-testing report that Stryker publishes."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from conformance.contract.catalogue import Catalogue
from conformance.proving.mutants import curve_page
from conformance.proving.mutants.score import (
    KILLED,
    RIGHT,
    Family,
    Score,
    Tally,
    families,
    matrix,
    needless,
    operator,
    requirement,
    rows,
    tally,
)
from conformance.proving.mutants.trial import Fate, Result, Trial
from conformance.report.summary import plain
from conformance.settings.options import Depth

COMMAND = "kitemesh-conformance prove --mutants --output reports"
LISTED = 60
"""The most families of survivors that the page lists."""


def line(score: Score) -> str:
    """The score in a sentence."""
    parts = []
    for depth in Depth:
        one = tally(score.counted, depth)
        parts.append(f"{depth} kills {one.killed:.1%}")
    deep = tally(score.counted, Depth.DEEP)
    return (
        f"Of {len(score.counted):,} mutants that break a requirement, {', '.join(parts)}; {deep.rightly:.1%} of those "
        f"are blamed on what they break."
    )


def told(score: Score) -> Iterator[str]:
    """The score for the terminal."""
    count = f"{_tried(score)} in {score.seconds:.0f} s, seed {score.seed}"
    yield f"Proof of the suite {score.version} by {count}"
    yield ""
    for depth in Depth:
        one = tally(score.counted, depth)
        yield (
            f"{depth:<9} {one.right:>6,} blamed right, {one.wrong:>4,} blamed on something else, {one.through:>5,} let "
            f"through: {one.killed:.1%} killed"
        )
    yield ""
    yield f"Left open or unseen: {len(score.free):,}, of which {len(score.alarms)} with a false alarm."
    if score.pairs:
        caught = sum(pair.caught for pair in score.pairs)
        added = sum(bool(pair.added) for pair in score.pairs)
        yield f"Pairs: {caught} of {len(score.pairs)} caught, {added} with something falsely blamed."
    if score.errors:
        yield f"The suite itself failed on {len(score.errors)}, such as {score.errors[0].name}."
    yield "The proof holds." if score.holds else "The proof fails."


def _tried(score: Score) -> str:
    if score.whole:
        return f"{len(score.results):,} mutants"
    return f"{len(score.results):,} of {score.enumerated:,} mutants (a sample)"


# --- a page


def markdown(score: Score, catalogue: Catalogue, beside: Mapping[str, Any] | None = None) -> str:
    """The page; `beside`: what other tools make of the mutants (`curve_page.read`), where that was measured."""
    return "\n".join(_page(score, catalogue, beside)) + "\n"


def _page(score: Score, catalogue: Catalogue, beside: Mapping[str, Any] | None) -> Iterator[str]:
    yield "# The suite, proven by mutants"
    yield ""
    yield line(score)
    yield ""
    requests = ", ".join(f"{depth} {score.requests[depth]:,}" for depth in score.requests)
    yield (
        f"A mutant is a server that differs from the conforming one at one place, in one way, in one condition. "
        f"{_tried(score)} were judged in {score.seconds:.0f} s by suite {score.version} with seed {score.seed}, "
        f"on recordings of the reference server (exchanges: {requests}); those of a state were served and recorded. "
        f"`{COMMAND}` writes this page."
    )
    yield ""
    yield from _table("depth", {str(depth): {depth: tally(score.counted, depth)} for depth in Depth})
    yield ""
    targets = ", ".join(f"{depth} {share:.0%}" for depth, share in KILLED.items())
    yield f"To be reached: {targets} killed, {RIGHT:.0%} of the killed blamed right."
    yield ""
    yield (
        f"{len(score.free):,} mutants are not counted: the documentation leaves them open, or nobody can tell from "
        f"outside. Nothing may be blamed for them: {len(score.alarms)} false alarms. {score.alike:,} change no answer."
    )
    if score.pairs:
        caught = sum(pair.caught for pair in score.pairs)
        added = sum(bool(pair.added) for pair in score.pairs)
        yield ""
        yield (
            f"Two mutants at once, {len(score.pairs)} random pairs: {caught} caught, {added} with something blamed "
            f"that neither breaks."
        )
    yield ""
    yield from curve_page.lines(score, beside)
    yield "## By kind"
    yield ""
    yield from _by_depth("kind", rows(score.counted, lambda result: f"{result.group} of {result.kind}"))
    yield ""
    yield "## By requirement"
    yield ""
    by_requirement = rows(score.counted, requirement)
    order = [id_ for id_ in (one.id for one in catalogue) if id_ in by_requirement]
    order += [name for name in by_requirement if name not in order]
    yield from _by_depth("requirement", {name: by_requirement[name] for name in order})
    without = [one.id for one in catalogue if one.id not in by_requirement]
    if without:
        yield ""
        yield f"No mutant of these: {', '.join(without)}. `prove --all` breaks each by a server of its own."
    yield ""
    yield "## By operator"
    yield ""
    yield from _by_depth("operator", rows(score.counted, operator))
    yield from _survivors("Let through at depth deep", families(score.counted, Depth.DEEP, Fate.THROUGH))
    yield from _survivors("Blamed on something else", families(score.counted, Depth.DEEP, Fate.WRONG))
    yield from _survivors("False alarms", families(score.free, Depth.DEEP, Fate.FALSE_ALARM))
    yield ""
    yield "## Not counted, and why"
    yield ""
    yield "| mutants | reason |"
    yield "| ---: | --- |"
    for reason, count in Counter(result.free for result in score.free).most_common():
        yield f"| {count:,} | {plain(reason)} |"


def _cells(one: Tally) -> str:
    return f"{one.all:,} | {one.right:,} | {one.wrong:,} | {one.through:,} | {one.killed:.1%} | {one.rightly:.1%}"


def _table(head: str, found: Mapping[str, Mapping[Depth, Tally]]) -> Iterator[str]:
    yield f"| {head} | mutants | blamed right | blamed on something else | let through | killed | right of killed |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, tallies in found.items():
        yield f"| {name} | {_cells(next(iter(tallies.values())))} |"


def _by_depth(head: str, found: Mapping[str, Mapping[Depth, Tally]]) -> Iterator[str]:
    yield f"| {head} | mutants | {' | '.join(f'{depth} kills' for depth in Depth)} | blamed right |"
    yield f"| --- | ---: | {'---: | ' * len(Depth)}---: |"
    for name, tallies in found.items():
        killed = " | ".join(f"{tallies[depth].killed:.1%}" for depth in Depth)
        deep = tallies[Depth.DEEP]
        yield f"| {name} | {deep.all:,} | {killed} | {deep.rightly:.1%} |"


def _survivors(title: str, found: list[Family]) -> Iterator[str]:
    if not found:
        return
    yield ""
    yield f"## {title}"
    yield ""
    yield "| mutants | which | what failed | such as |"
    yield "| ---: | --- | --- | --- |"
    for family in found[:LISTED]:
        yield f"| {family.count} | {plain(family.what)} | {plain(family.told)} | `{family.examples[0]}` |"
    if len(found) > LISTED:
        rest = sum(family.count for family in found[LISTED:])
        yield f"| {rest} | {len(found) - LISTED} more families | | |"


# --- JSON


def document(score: Score) -> dict[str, Any]:
    """The score as JSON values (proof.json, format 1)."""
    return {
        "format": 1,
        "suite": {"version": score.version},
        "command": COMMAND,
        "seed": score.seed,
        "holds": score.holds,
        "requests": {str(depth): count for depth, count in score.requests.items()},
        "totals": {
            "enumerated": score.enumerated,
            "tried": len(score.results),
            "counted": len(score.counted),
            "not_counted": dict(Counter(result.free for result in score.free).most_common()),
            "changing_nothing": score.alike,
            "false_alarms": [result.name for result in score.alarms],
            "suite_errors": [result.name for result in score.errors],
        },
        "by_depth": {str(depth): _told(tally(score.counted, depth)) for depth in Depth},
        "curve": {str(depth): list(map(list, points)) for depth, points in score.curves.items()},
        "by_kind": _nested(rows(score.counted, lambda result: f"{result.group}/{result.kind}")),
        "by_requirement": _nested(rows(score.counted, requirement)),
        "by_operator": _nested(rows(score.counted, operator)),
        "pairs": {
            "tried": len(score.pairs),
            "caught": sum(pair.caught for pair in score.pairs),
            "with_false_blame": [list(pair.names) for pair in score.pairs if pair.added],
        },
        "survivors": {
            str(depth): [result.name for result in score.counted if result.trials[depth].fate is Fate.THROUGH]
            for depth in (Depth.STANDARD, Depth.DEEP)
        },
        "blamed_on_something_else": {
            result.name: list(result.trials[Depth.DEEP].failed)
            for result in score.counted
            if result.trials[Depth.DEEP].fate is Fate.WRONG
        },
    }


def _told(one: Tally) -> dict[str, Any]:
    shares = {"killed": round(one.killed, 4), "right_of_killed": round(one.rightly, 4)}
    return {"right": one.right, "wrong": one.wrong, "through": one.through, **shares}


def _nested(found: Mapping[str, Mapping[Depth, Tally]]) -> dict[str, Any]:
    return {name: {str(depth): _told(one) for depth, one in tallies.items()} for name, tallies in found.items()}


# --- the mutation-testing report


def mutation_report(score: Score, catalogue: Catalogue) -> dict[str, Any]:
    """The report in the schema `mutation-testing-report-schema`, version 2: a kind of answers is a file.

    A place is a line in it, and what kills a mutant is a requirement. Of the deepest depth that was judged.
    """
    files: dict[str, list[Result]] = defaultdict(list)
    for result in score.results:
        files[f"{result.group}/{result.kind}"].append(result)
    return {
        "schemaVersion": "2.0",
        "thresholds": {"high": round(KILLED[Depth.DEEP] * 100), "low": round(KILLED[Depth.QUICK] * 100)},
        "framework": {"name": "kitemesh-conformance", "version": score.version},
        "files": {name: _file(those) for name, those in files.items()},
        "testFiles": {
            area: {"tests": [{"id": one.id, "name": one.statement} for one in catalogue if one.area == area]}
            for area in catalogue.areas
        },
    }


def _file(results: list[Result]) -> dict[str, Any]:
    places = list(dict.fromkeys(_place(result) for result in results))
    lines = {place: number + 1 for number, place in enumerate(places)}
    mutants = [_mutant(result, lines[_place(result)], len(_place(result))) for result in results]
    return {"language": "text", "source": "\n".join(places), "mutants": mutants}


def _place(result: Result) -> str:
    return result.name.split("/", 2)[2].removesuffix(f"/{result.operator}@{result.name.rpartition('@')[2]}")


def _mutant(result: Result, number: int, width: int) -> dict[str, Any]:
    location = {"start": {"line": number, "column": 1}, "end": {"line": number, "column": max(2, width + 1)}}
    made: dict[str, Any] = {"id": result.name, "mutatorName": result.operator, "location": location}
    trial = result.trials.get(Depth.DEEP)
    if trial is None:
        return {**made, "status": "Ignored", "statusReason": "it changes no answer"}
    if result.free:
        return {**made, "status": "Ignored", "statusReason": result.free}
    made["status"] = _status(trial)
    if trial.failed:
        made["killedBy"] = list(trial.failed)
    if trial.fate is Fate.WRONG:
        made["statusReason"] = f"to be blamed: {result.requirements}"
    return made


def _status(trial: Trial) -> str:
    if trial.fate is Fate.BROKEN:
        return "RuntimeError"
    if trial.fate is Fate.THROUGH:
        return "Survived" if trial.reached else "NoCoverage"
    return "Killed"


# --- which requests are needed


def kills(score: Score, probes: Mapping[Depth, Iterable[str]]) -> dict[str, Any]:
    """The kill matrix as JSON values (format 1): for each probe the numbers of the mutants that it shows."""
    numbers = {result.name: number for number, result in enumerate(score.results)}
    by_depth: dict[str, Any] = {}
    for depth, names in probes.items():
        found = matrix(score.results, depth)
        by_depth[str(depth)] = {
            "kills": {probe: [numbers[name] for name in found.get(probe, ())] for probe in sorted(set(names))},
            "needless": needless(found, set(names)),
        }
    return {"format": 1, "mutants": list(numbers), "by_depth": by_depth}


# --- files


def write(score: Score, catalogue: Catalogue, directory: Path) -> list[Path]:
    """Write proof.md, proof.json and mutation.json; gives their paths. A curve.json that is there goes into the page.

    Raises:
        OSError: a file cannot be written.
    """
    contents = {
        "proof.md": markdown(score, catalogue, curve_page.read(directory)),
        "proof.json": json.dumps(document(score), indent=1, ensure_ascii=False) + "\n",
        "mutation.json": json.dumps(mutation_report(score, catalogue), separators=(",", ":"), ensure_ascii=False)
        + "\n",
    }
    for name, text in contents.items():
        (directory / name).write_bytes(text.encode("utf-8", "backslashreplace"))
    return [directory / name for name in contents]
