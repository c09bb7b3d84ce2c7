"""Fuzz the reader of event streams with atheris: no octets make it raise, and no cut changes what it reads.

Run by the nox session `fuzz`; arguments are libFuzzer's, such as `-max_total_time=60`. The corpus begins with the
streams of `fixtures/sse`. An input's first two octets say where it is cut, the rest is the body.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["conformance.transcript.sse"]):
    from conformance.transcript.sse import Reader

sys.path.insert(0, str(Path(__file__).parents[1]))
from studies.readers.cases import CASES


def outcome(pieces: list[bytes]) -> tuple[object, ...]:
    """All that a reader makes of the pieces but the times; small limits, so that they are met."""
    reader = Reader(max_line=200, max_event=400)
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events, reader.close(), reader.notes, reader.counts, reader.size, reader.stopped


def one_input(data: bytes) -> None:
    """One body, whole, cut in two, cut into short pieces, and octet by octet."""
    body = data[2:]
    place, length = (data[0] % (len(body) + 1), data[1] % 16 + 1) if len(data) >= 2 else (0, 1)
    whole = outcome([body])
    for pieces in (
        [body[:place], body[place:]],
        [body[at : at + length] for at in range(0, len(body), length)],
        [body[at : at + 1] for at in range(len(body))],
    ):
        if outcome(pieces) != whole:
            raise AssertionError(f"cut otherwise, it is read otherwise: {body!r}")


def main() -> None:
    """Fuzz."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, case in enumerate(CASES):
            (Path(corpus) / str(number)).write_bytes(bytes([number % 256, number % 16]) + case.body[:598])
        atheris.Setup([*sys.argv, "-max_len=600", corpus], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
