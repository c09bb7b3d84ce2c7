"""How far a recording has come, as whoever started it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    phase: str
    """A `probes.flow.Phase`, or `judging`."""
    done: int
    """Requests finished, or what `unit` counts."""
    planned: int
    """Those planned at most."""
    credits: float
    """Charged so far."""
    note: str = ""
    """What the run waits for, where it waits."""
    unit: str = "requests"


Tell = Callable[[Progress], None]
