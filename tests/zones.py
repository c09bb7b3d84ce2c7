"""Zones that a judge may be in, as POSIX writes them, so that they hold where no table of zones is installed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

ZONES = ("EST5EDT,M3.2.0,M11.1.0", "IST-5:30", "<+13>-13")
"""New York, Kolkata and Apia."""


@contextmanager
def in_zone(zone: str) -> Iterator[None]:
    """Be in a zone meanwhile."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()
