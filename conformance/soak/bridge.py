"""Between gevent's thread and asyncio's: a greenlet hands a coroutine over and sleeps until it is done.

asyncio takes a coroutine from another thread by `run_coroutine_threadsafe`; gevent's hub is woken from another thread
by an `async` watcher, the only kind of watcher that may be touched from outside. Several wakings may come as one, so
what is done is in a queue, which is emptied each time.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

import gevent
import gevent.event

T = TypeVar("T")


class Bridge:
    """An asyncio loop in a thread of its own. To be used from the thread in which gevent's hub runs."""

    def __init__(self) -> None:
        self._done: deque[Any] = deque()
        """The gevent events of calls that are done and whose greenlets sleep still."""
        self._watcher = gevent.get_hub().loop.async_()
        self._watcher.start(self._wake)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="soak-recording", daemon=True)
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the coroutine gives or raises; meanwhile other greenlets run. Killed, it cancels the coroutine."""
        done = gevent.event.Event()
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        future.add_done_callback(lambda _: self._ring(done))
        try:
            done.wait()
            return future.result()
        finally:
            future.cancel()  # does nothing where it is done

    def close(self) -> None:
        """Stop the loop, once nothing is to be waited for."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        self._watcher.stop()
        self._watcher.close()

    def _ring(self, done: Any) -> None:
        """In whichever thread the call ended."""
        self._done.append(done)
        self._watcher.send()

    def _wake(self) -> None:
        while self._done:
            self._done.popleft().set()
