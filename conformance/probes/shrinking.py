"""Shrinks a generated body that failed to the smallest one that still does.

The second of two passes (see the design): the first sent every drawn body, many at a time; here Hypothesis draws the
same ones again, and its shrinker asks for smaller ones, which are sent one after another. First the valid body is
shrunk with its breach in place, then the breach.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.probes.generated import Drawn
from conformance.probes.strategies import Breach

Fails = Callable[[str, bytes], bool]
"""Sends a body under a name, and says whether it fails as the first one did."""


class Enough(BaseException):
    """Nothing more may be sent. No `Exception`, so that Hypothesis does not take it for a failure of the body."""


def shrink(item: Drawn, fails: Fails) -> bool:
    """Ask for smaller bodies until none is found that fails; which one was the smallest, the recording shows.

    Args:
        item: a body that failed, twice.
        fails: called from the caller's thread; may raise `Enough`.

    Returns:
        False where `Enough` ended the search.
    """
    search = _Search(item, fails)
    try:
        search.run()
    except Enough:
        return False
    return True


class _Search:
    """One search, which never sends the same body twice."""

    def __init__(self, item: Drawn, fails: Fails) -> None:
        self._item = item
        self._fails = fails
        self._known = {item.octets(item.name): True}
        self._sent = 0

    def run(self) -> None:
        item = self._item
        body = item.draws.shrink(item.index, lambda body: self._asks(body, item.broken))
        if item.breaches is not None:
            item.breaches.shrink(item.number, lambda breach: self._asks(body, breach))

    def _asks(self, body: Any, breach: Breach | None) -> bool:
        write, name = self._item.write, self._item.name
        made = breach.apply(body) if breach is not None else body
        octets = write(made, name)
        if octets not in self._known:
            self._sent += 1
            anew = f"{name}-smaller-{self._sent}"
            self._known[octets] = self._fails(anew, write(made, anew))
        return self._known[octets]
