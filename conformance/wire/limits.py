"""How long and how much the recording client takes before it stops reading.

A target may hang, trickle or never end; none of that may hold a run up for ever. Each limit that is reached has an
ending of its own (`exchange.Ending`), so that a report can say which. What all exchanges of a run may cost together is
the business of `patience`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

MEBIBYTE = 1024 * 1024
QUICK_SHARE = 1 / 3
"""Of the time to the first byte: what a quick run gives its first answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and octets for one exchange. The times are those of the contract ("Answers that excuse")."""

    connect: float = 10.0
    """Seconds for name resolution, the TCP connection and, after it, again for the TLS handshake."""
    first_byte: float = 120.0
    """Seconds from the end of the request to the first octet of the final answer; also for each part of the
    request to be taken."""
    idle: float = 60.0
    """Seconds between two reads that brought something, once the answer has begun."""
    total: float = 600.0
    """Seconds for the whole exchange."""
    behind_done: float = 4.0
    """Seconds in which a stream has to end after its `[DONE]`; then it is left."""
    waiting: float = 180.0
    """Seconds for which every request may be put off (429, 503 and the like) with nothing answered between."""
    body: int = 8 * MEBIBYTE
    """Octets of the answer's body; reading stops at the piece that passes it."""
    lines: int = 40_000
    """Line ends in the answer's body, and also pieces in which it comes (chunks of one octet): a million tiny ones
    would cost far more memory than their octets."""
    at_once: int = 32 * MEBIBYTE
    """Octets of all bodies that are being received at one time; the answer that passes it is given up."""
    kept: int = 32 * 1024
    """Octets that are kept of a body which passed one of these limits: enough to show what it was."""
    large_of_a_kind: int = 20 * MEBIBYTE
    """Weight (`patience`) that the large answers of a kind may have together, to be kept whole: plain ones, those that
    ask for an approval, those to a resume. With what is not large, a run stays below 300 MB."""
    header_section: int = 64 * 1024
    """Octets of the answer's header section, interim (1xx) answers included."""

    def __post_init__(self) -> None:
        """Refuse limits under which nothing could ever be received (ValueError)."""
        for entry in fields(self):
            if not getattr(self, entry.name) > 0:  # catches NaN too
                raise ValueError(f"the limit {entry.name} must be above 0")

    @classmethod
    def scaled(cls, timeout: float) -> Limits:
        """The limits for `timeout` seconds to the first byte: half of it when idle, five times in all.

        Connecting keeps its own limit, but never takes longer than `timeout`. Raises ValueError unless `timeout` > 0.
        """
        standard = cls()
        return cls(
            connect=min(standard.connect, timeout),
            first_byte=timeout,
            idle=timeout * standard.idle / standard.first_byte,
            total=timeout * standard.total / standard.first_byte,
            behind_done=min(standard.behind_done, timeout),
            waiting=timeout * standard.waiting / standard.first_byte,
        )

    @property
    def opening(self) -> float:
        """Seconds in which the first answer of a quick run has to begin, its header section complete: 40 by default.

        A quick run is to tell quickly that nobody answers. A target whose model takes longer than that is judged at
        another depth, or with a longer time-out; it is not failed for it. Later answers have the contract's time.
        """
        return self.first_byte * QUICK_SHARE

    @property
    def knock(self) -> float:
        """Seconds for a second request that needs no model, where the first one was left without an answer: 10."""
        return self.first_byte / 12
