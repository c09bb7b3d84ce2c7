"""What is kept of the traffic, within bounds: the newest exchanges, and those that show a breach."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field

from conformance.transcript.exchange import Exchange

MOST = 64 * 2**20
"""Octets of bodies that are kept."""


def octets(exchange: Exchange) -> int:
    """About how much memory an exchange takes."""
    response = exchange.response
    pieces = len(response.pieces or ()) if response else 0
    return 4096 + len(exchange.request.body or b"") + (len(response.body) if response else 0) + 100 * pieces


@dataclass(slots=True)
class Kept:
    """Exchanges by name, in the order of their ends."""

    newest: int | None = None
    """How many are kept besides those that show a breach; None: as many as there is room for."""
    most: int = MOST
    dropped: int = 0
    _shown: OrderedDict[str, Exchange] = field(default_factory=OrderedDict)
    _others: OrderedDict[str, Exchange] = field(default_factory=OrderedDict)
    _octets: int = 0

    def add(self, exchanges: Collection[Exchange], broken: Collection[str]) -> None:
        """Take exchanges that were judged, and the names of those of them that show a breach."""
        for exchange in exchanges:
            (self._shown if exchange.name in broken else self._others)[exchange.name] = exchange
            self._octets += octets(exchange)
        while self._others and (self._octets > self.most or len(self._others) > self._newest):
            self._drop(self._others)
        while self._shown and self._octets > self.most:
            self._drop(self._shown)

    @property
    def _newest(self) -> float:
        return float("inf") if self.newest is None else self.newest

    def _drop(self, held: OrderedDict[str, Exchange]) -> None:
        _, exchange = held.popitem(last=False)
        self._octets -= octets(exchange)
        self.dropped += 1

    def exchanges(self) -> tuple[Exchange, ...]:
        """All that is kept, in the order of starting."""
        return tuple(sorted((*self._shown.values(), *self._others.values()), key=lambda exchange: exchange.started))
