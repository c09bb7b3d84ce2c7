"""Shows what a soak does: a master and two workers on one machine, memory over time, crosstalk in one of 10,000.

Started by `nox -s soak`. Prints two tables; its exit code is 1 where something is not as it should be: a breach at the
server that conforms, crosstalk that is not found, or memory that grows.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from conformance.reference.process import in_process
from conformance.reference.settings import Settings
from tests.soak.machines import RARE, Done, soak

WORKERS = 2
USERS = "60"
EVERY = 10_000
"""Of so many answers one is given the text of an earlier one."""
GROWTH = 1.15
"""The memory of a worker at the end, at the most, against that after a third of the time."""
MEBIBYTE = 2**20


def main(duration: str) -> int:
    """Both soaks; gives the exit code."""
    settings = Settings(token_interval=0.005)
    with tempfile.TemporaryDirectory() as place:
        with in_process(settings) as url:
            words = ("--users", USERS, "--duration", duration)
            sound = soak(url, Path(place, "sound"), words, workers=WORKERS, within=900)
        print(sound.said)
        with in_process(Settings(token_interval=0.005, crosstalk_every=EVERY), RARE) as url:
            # A tenth of what is sent has to be refused, and no answer is given to that.
            most = str(EVERY * 12 // 10)
            words = ("--users", USERS, "--duration", "15m", "--max-requests", most)
            unsound = soak(url, Path(place, "unsound"), words, workers=WORKERS, within=1800)
        print(unsound.said)
    _tell(sound, unsound)
    wrong = [*_of_sound(sound), *_of_unsound(unsound)]
    print(*wrong, sep="\n")
    return 1 if wrong else 0


def _of_sound(done: Done) -> list[str]:
    wrong = [] if done.codes == [0] * (WORKERS + 1) else [f"Exit codes {done.codes} at the server that conforms."]
    wrong += [f"{r['id']} is broken." for r in done.document.get("requirements", []) if r["broken"]]
    for worker in done.document.get("workers", []):
        early, late = _memory(worker)
        if late > GROWTH * early:
            wrong.append(f"The memory of worker {worker['number']} grows: {early:.0f} MiB, then {late:.0f}.")
    return wrong


def _of_unsound(done: Done) -> list[str]:
    broken = {r["id"]: r["broken"] for r in done.document.get("requirements", []) if r["broken"]}
    right = done.codes[0] == 1 and broken == {"isolation.content": 1}
    return [] if right else [f"Crosstalk in one of {EVERY} answers was not found as it is: {broken}, {done.codes}."]


def _memory(worker: dict[str, list[dict[str, float]]]) -> tuple[float, float]:
    """MiB after a third of the time, and at the end."""
    samples = worker["memory"]
    early = next(s["octets"] for s in samples if s["seconds"] >= samples[-1]["seconds"] / 3)
    return early / MEBIBYTE, samples[-1]["octets"] / MEBIBYTE


def _tell(*soaks: Done) -> None:
    print("\n| soak | users | workers | seconds | requests | a second | judged | broken |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, done in zip(("conforming", f"one of {EVERY} mixed up"), soaks, strict=True):
        load, totals = done.document["load"], done.document["totals"]
        rate = totals["requests"] / totals["seconds"]
        broken = sum(r["broken"] for r in done.document["requirements"])
        print(f"| {name} | {load['users']} | {load['workers']} | {totals['seconds']:.0f} | {totals['requests']} "
              f"| {rate:.0f} | {totals['judged']} | {broken} |")  # fmt: skip
    print("\n| memory in MiB | " + " | ".join(f"{tenth}0 %" for tenth in range(1, 11)) + " |")
    print("| --- |" + " ---: |" * 10)
    for name, done in zip(("conforming", "mixed up"), soaks, strict=True):
        for worker in done.document["workers"]:
            samples = worker["memory"]
            end = samples[-1]["seconds"]
            picked = [
                next(s["octets"] for s in samples if s["seconds"] >= end * tenth / 10) / MEBIBYTE
                for tenth in range(1, 11)
            ]
            print(f"| {name}, worker {worker['number']} | " + " | ".join(f"{octets:.0f}" for octets in picked) + " |")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "60s"))
