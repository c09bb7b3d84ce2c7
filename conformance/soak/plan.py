"""What a master tells each worker before the users begin, and how a worker takes it.

A plan says how to make markers, how many users there will be, and what may be spent; never where to send anything, nor
with which token: that stands on each worker's own command line and in its own environment, because whoever can reach a
port could claim to be its master.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.settings.options import Options
from conformance.soak.load import USERS, Load, shares
from conformance.soak.markers import Key
from conformance.soak.station import Orders

_LONGEST_KEY = 64


class Refused(Exception):
    """A worker cannot do what its master wants. The message is one sentence."""


def plans(key: Key, options: Options, load: Load, workers: int) -> Iterator[dict[str, Any]]:
    """A plan for each of so many workers, as values that msgpack takes; budgets are shared out evenly."""
    credit = None if options.max_credits is None else options.max_credits / workers
    for number, requests in enumerate(shares(options.max_requests, workers)):
        yield {
            "key": key.text,
            "worker": number,
            "users": -(-load.users // workers),
            "duration": load.duration,
            "max_requests": requests,
            "max_credits": credit,
            "url": options.url,
            "model": options.model,
        }


def orders(plan: object, options: Options) -> tuple[Orders, float]:
    """What a worker with these options does by a plan, and for how many seconds.

    Raises:
        Refused: the plan speaks of another target, or is none.
    """
    unreadable = Refused("The master's plan cannot be read; use one version of the suite on all machines.")
    if not isinstance(plan, dict):
        raise unreadable
    if (plan.get("url"), plan.get("model")) != (options.url, options.model):
        raise Refused("The master has another target or model; give all processes one URL and one --model.")
    key, number, users = plan.get("key"), plan.get("worker"), plan.get("users")
    requests, credit, duration = plan.get("max_requests"), plan.get("max_credits"), plan.get("duration")
    if not isinstance(key, str) or not isinstance(number, int) or not isinstance(users, int):
        raise unreadable
    if not 0 < len(key) <= _LONGEST_KEY or not 0 <= number <= USERS or not 1 <= users <= USERS:
        raise unreadable
    if any(value is not None and not _positive(value) for value in (requests, credit)) or not _positive(duration):
        raise unreadable
    # What this worker was told itself binds too: the owner of its token may allow less than the master.
    most = [n for n in (requests, options.max_requests) if n is not None]
    charged = [n for n in (credit, options.max_credits) if n is not None]
    made = Orders(Key(key), number, users, min(most, default=None), min(charged, default=None))
    return made, float(duration or 0)


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 2**53
