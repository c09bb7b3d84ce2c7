"""How long and how much the recording client takes before it stops reading.

A target may hang, trickle or never end; none of that may hold a run up for ever. Each limit that is reached has an
ending of its own (`exchange.Ending`), so that a report can say which.
"""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and octets for one exchange. The times are those of the contract ("Answers that excuse")."""

    connect: float = 10.0
    """Seconds for name resolution, the TCP connection and, after it, again for the TLS handshake."""
    first_byte: float = 120.0
    """Seconds from the end of the request to the first octet of the final answer; also for each blocked write."""
    idle: float = 60.0
    """Seconds between two reads that brought something, once the answer has begun."""
    total: float = 600.0
    """Seconds for the whole exchange."""
    body: int = 32 * MEBIBYTE
    """Octets of the answer's body; the piece that passes it is the last one kept."""
    header_section: int = 64 * 1024
    """Octets of the answer's header section, interim (1xx) answers included. httpcore gives up at 100 KiB by itself."""

    def __post_init__(self) -> None:
        """Refuse limits under which nothing could ever be received (ValueError)."""
        for name in ("connect", "first_byte", "idle", "total", "body", "header_section"):
            if not getattr(self, name) > 0:  # catches NaN too
                raise ValueError(f"the limit {name} must be above 0")

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
        )
