"""What is set for a run of our own is set back behind it."""

import gc

import pytest

from conformance.running import garbage as cycles


def test_all_is_as_it_was_behind_it() -> None:
    before = gc.get_threshold()

    def stop() -> None:
        with cycles.looked_for_seldom():
            assert gc.get_threshold()[0] == cycles.EVERY > before[0]
            assert gc.get_freeze_count()
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        stop()
    assert gc.get_threshold() == before
    assert not gc.get_freeze_count()
