"""How often Python looks for cycles among objects, where a process is the suite's own."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

EVERY = 10_000
"""New objects after which Python looks. By default it does so for each 700, for a tenth of the whole time."""


@contextmanager
def looked_for_seldom() -> Iterator[None]:
    """Look for cycles seldom while the context lasts, and never among the objects that are there already."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(EVERY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
