"""Ends a recording once enough requirements have failed (`--max-failures`).

What has been recorded is judged in a thread while the rest is being recorded. Only flows that have ended are looked at:
half of one may look like a breach, such as the first of two requests of which one has to be served. The more such a
judgement takes, the less often it is made.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.transcript.exchange import Transcript
from conformance.wire.recorder import Recorder

EVERY = 0.25
"""Seconds between two judgements at least."""
SHARE = 4.0
"""Times as long as a judgement takes is waited before the next one."""


@dataclass(slots=True)
class Enough:
    """Looks for failures while a recorder records."""

    recorder: Recorder
    kept: Mapping[str, Any]
    """The run's options, as a transcript keeps them."""
    most: int
    """Failures after which nothing more is sent."""
    failed: Callable[[Transcript], Collection[str]]
    """Ids of the requirements whose failure counts."""

    async def stop(self) -> None:
        """Stop the recorder when it is time; to be cancelled when the recording is over."""
        seen, pause = 0, EVERY
        while not self.recorder.stopped:
            await asyncio.sleep(pause)
            ended = self.recorder.ended()
            if len(ended) == seen:
                continue
            seen, begun = len(ended), time.monotonic()
            failed = await asyncio.to_thread(self.failed, Transcript(tuple(ended), dict(self.kept)))
            pause = max(EVERY, SHARE * (time.monotonic() - begun))
            if len(failed) >= self.most:
                count = "1 failure" if len(failed) == 1 else f"{len(failed)} failures"
                self.recorder.stop(f"stopped after {count}, as --max-failures says")
