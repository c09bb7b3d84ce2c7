"""The rule for ids: each answer has its own, a stream keeps it, and answers of one execution may share it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from conformance.evidence.finding import Finding
from conformance.evidence.reading import Reading


def chain_of(reading: Reading) -> tuple[str, str | bytes | None]:
    """What may share an id: an execution that is paused and resumed (its requests have one prompt), and requests with
    the same body (a cache may answer the second).
    """
    if reading.waits or reading.asked.resume:
        return "prompt", reading.asked.prompt
    return "body", reading.exchange.request.body


def repeated(readings: list[Reading], value_of: dict[str, str]) -> Iterator[tuple[Reading, Reading]]:
    """Pairs (first, later) of readings with the same value that do not belong to one chain."""
    first: dict[str, dict[object, Reading]] = defaultdict(dict)
    """Value to the first reading of each chain that has it."""
    for reading in readings:
        bearing, chain = first[value_of[reading.name]], chain_of(reading)
        if earlier := next((r for other, r in bearing.items() if other != chain), None):
            yield earlier, reading
        bearing.setdefault(chain, reading)


def id_changes(reading: Reading) -> Iterator[Finding]:
    """The first chunk whose `id` differs from the stream's."""
    for chunk in reading.chunks:
        value = chunk.value.get("id")
        if isinstance(value, str) and value != reading.answer_id and not chunk.without_choices:
            yield reading.finding("the `id` changes within a stream", f'"{reading.answer_id}"', value, chunk.at("/id"))
            return
