"""A source of choices for Hypothesis that depends on the seed and on nothing else.

Hypothesis' own one draws now and then a constant that it finds in the source of the modules loaded so far. That finds
more in a project's own tests; but here one seed has to give the same bodies at every start of the suite, from a wheel
or a working copy, in a user's pytest or alone.

This is the only use of private interfaces of Hypothesis: it has no setting for it. Where a newer Hypothesis lacks them,
`tests/test_private_interfaces.py` says so.
"""

from __future__ import annotations

from typing import Any

from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

BACKEND = "kitemesh-conformance"
"""Its name for `settings(backend=…)`."""


class SeededProvider(HypothesisProvider):
    """Hypothesis' own source without the constants of loaded modules."""

    def _maybe_draw_constant(self, *_: Any, **__: Any) -> None:
        return None


AVAILABLE_PROVIDERS[BACKEND] = f"{__name__}.{SeededProvider.__name__}"
