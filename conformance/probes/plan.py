"""What the probes depend on.

The target's model, what may be exercised, how much, and the words that make them new.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field

from conformance.contract.schema.shape import Shape, documented
from conformance.settings.vector import Vector

_ONSETS = (
    "b",
    "d",
    "f",
    "g",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "z",
    "br",
    "dr",
    "fl",
    "gr",
    "kl",
    "pr",
    "sk",
    "tr",
)
_VOWELS = ["a", "e", "i", "o", "u"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of the run that probes need."""

    model: str
    """`group:<uuid>`."""
    seed: int
    depth: str = "standard"
    """quick, standard or deep."""
    modes: tuple[str, ...] = ("auto", "normal", "orch", "synth")
    approval_prompt: str | None = None
    """A prompt that makes the target ask for approval; None: approvals are not exercised."""
    approvals: bool = True
    """False: the target was declared to have none, so nothing is sent to its resume endpoint."""
    expiring_prompt: str | None = None
    """The same, for an approval that expires soon; None: the approval prompt."""
    execute: bool = True
    """False: nothing is ever approved."""
    second_token: bool = False
    wait_expiry: float = 0.0
    """Seconds that the run may wait for an approval to expire."""
    examples: int | None = None
    """Generated bodies; None: what the depth says."""
    concurrency: int = 8
    answers: bool = False
    """True: nothing is wanted but what is served, so that of approvals no more is sent than asks for them and decides.
    """
    forms: tuple[bool, ...] = (False, True)
    """Whether the answers that are wanted are streams: some are (True), some are not (False)."""
    patience: float = 1.0
    """Factor on the time for which a waiting approval is left alone."""
    replay: tuple[Vector, ...] = ()
    """Bodies that failed in an earlier run."""
    shape: Shape = field(default_factory=documented)
    """Of the requests."""

    @property
    def quick(self) -> bool:
        """True where only some of the fixed probes are sent."""
        return self.depth == "quick"

    def source(self, *names: object) -> random.Random:
        """A random source that depends on nothing but the seed and the names."""
        digest = hashlib.sha256("\0".join(map(str, (self.seed, *names))).encode()).digest()
        return random.Random(digest)

    def word(self, name: str, round_: int = 1) -> str:
        """A fresh word, easy to repeat and found in no dictionary, such as `zofrabelu`."""
        source = self.source("word", name, round_)
        return "".join(source.choice(_ONSETS) + source.choice(_VOWELS) for _ in range(4)) + source.choice("lnrst")

    def request_id(self, name: str, round_: int = 1) -> str:
        """A request id of at most 64 characters, by which the target's owner finds the probe in the logs."""
        tag = hashlib.sha256(f"{self.seed}/{name}/{round_}".encode()).hexdigest()[:10]
        return f"conformance-{name[:34]}-{tag}"
