"""What holds for all tests of the suite."""

from __future__ import annotations

import os

from hypothesis import settings

# The same examples at every run: a failure is a failure for everybody. HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
