"""The judge in a process of its own: judging computes, and would hold up whoever measures times beside it.

The process lives as long as the soak. It is given windows, keeps the ledgers, and gives back what each window showed.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from conformance.soak.markers import Key
from conformance.soak.window import JUDGED, Judge, WindowResult
from conformance.transcript.exchange import Exchange


class Apart:
    """Starts the process, asks it, and ends it. One owner: a worker's `station`."""

    def __init__(self, key: Key, worker: int, kept: Mapping[str, Any], ids: tuple[str, ...] = JUDGED) -> None:
        # Spawned, not forked: a fork of a process with threads, and with gevent's hub in it, has half of each.
        self._pool = ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(key, worker, dict(kept), ids)
        )
        self.pid: int | None = None
        """Of the process, once it is there."""

    async def start(self) -> None:
        """Have the process there before anybody waits for it."""
        self.pid = await self._ask(os.getpid)

    async def judge(self, exchanges: Sequence[Exchange]) -> WindowResult:
        """What the exchanges show. Raises RuntimeError where the process ended early."""
        made = []
        for exchange in exchanges:  # one by one: whoever is under way is not to wait until all are written
            made.append(pickle.dumps(exchange))
            await asyncio.sleep(0)
        found: WindowResult = await self._ask(_judge, made)
        return found

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _ask(self, function: Any, *arguments: Any) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)
        except BrokenProcessPool:
            raise RuntimeError("the process that judges ended early; its standard error says why") from None


_judges: list[Judge] = []
"""The one of this process, once it has begun."""


def _begin(key: Key, worker: int, kept: Mapping[str, Any], ids: tuple[str, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says when to stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _judges.append(Judge(key, worker, kept, ids))
    gc.collect()
    gc.freeze()


def _end_with_parent() -> None:
    """A parent that is killed tells nobody, and the pipe between the two stays open at this end."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _judge(exchanges: Sequence[bytes]) -> WindowResult:
    try:
        return _judges[0].judge([pickle.loads(exchange) for exchange in exchanges])
    finally:
        # What a window was read into refers to itself. Python would look for that only now and then, the more seldom
        # the more there is; what was there before the first window is frozen, so that looking takes a millisecond.
        gc.collect()
