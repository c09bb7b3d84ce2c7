"""What a soak was told beyond what a run is told: how many users, for how long, and who drives whom."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from conformance.settings.options import Options, UsageError
from conformance.soak.markers import WORKERS

CONSENT = "--i-may-load-this-server"
USERS = 10_000
LONGEST = 7 * 24 * 3600.0
"""Seconds."""
PORT = 5557
"""Locust's own."""
HOW_TO_INSTALL = "A soak needs Locust, which is not installed; pip install 'kitemesh-conformance[soak]' installs it."

_DURATION = re.compile(r"(?=.)(?:(\d{1,4})h)?(?:(\d{1,6})m)?(?:(\d{1,7})s?)?")


class Role(StrEnum):
    """What this process does."""

    ALONE = "alone"
    MASTER = "master"
    WORKER = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much, for how long, and from where."""

    users: int = 10
    duration: float = 60.0
    """Seconds, from the first user on."""
    spawn_rate: float | None = None
    """Users started per second; None: all within ten seconds."""
    role: Role = Role.ALONE
    expect_workers: int = 1
    """Of a master: it begins when this many are there."""
    master_host: str = "127.0.0.1"
    """Of a worker: where its master is. Of a master: where it listens for workers."""
    master_port: int = PORT
    consent: bool = False
    """The user says that the target may be loaded."""

    @property
    def rate(self) -> float:
        """Users started per second."""
        return self.spawn_rate if self.spawn_rate is not None else max(1.0, self.users / 10)

    def checked(self, options: Options) -> Load:
        """This, where it can be done with these options.

        Raises:
            UsageError: a number is out of range, or the target may not be loaded.
        """
        if not 1 <= self.users <= USERS:
            raise UsageError(f"--users must be 1 to {USERS}, not {self.users}.")
        if not 1 <= self.duration <= LONGEST:
            raise UsageError("--duration must be one second to seven days; give it as 90s, 5m or 1h30m.")
        if self.spawn_rate is not None and not 0 < self.spawn_rate <= USERS:
            raise UsageError(f"--spawn-rate must be above 0 and at most {USERS}, not {self.spawn_rate:g}.")
        if not 1 <= self.expect_workers < WORKERS:
            raise UsageError(f"--expect-workers must be 1 to {WORKERS - 1}, not {self.expect_workers}.")
        if not 1 <= self.master_port <= 65535:
            raise UsageError(f"--master-port must be 1 to 65535, not {self.master_port}.")
        if options.max_requests is not None and options.max_requests < self.expect_workers:
            raise UsageError("--max-requests must leave one for each worker; raise it, or expect fewer workers.")
        reachable(self.role, options.url)
        if options.url is not None and not self.consent and not is_loopback(options.url):
            raise UsageError(
                f"A soak puts {urlsplit(options.url).hostname} under full load and may cost credits; if you are "
                f"allowed to do that to this server, add {CONSENT}."
            )
        return self


def reachable(role: Role, url: str | None) -> None:
    """Refuse to drive workers, or to be one, without a target: raises UsageError."""
    if role is not Role.ALONE and url is None:
        raise UsageError(f"--{role} needs the URL of a target, which all workers can reach; give it.")


def role(master: bool, worker: bool) -> Role:
    """The role by the command line's switches. Raises UsageError for both."""
    if master and worker:
        raise UsageError("--master and --worker contradict each other; start one process for each.")
    return Role.MASTER if master else Role.WORKER if worker else Role.ALONE


_OF_WORKERS = ("master_host", "master_port")
_OF_ALONE = ("users", "duration", "spawn_rate")


def fitting(role: Role, told: Iterable[str]) -> None:
    """Refuse what a role has no use for. Raises UsageError with a sentence that says where it belongs."""
    for name in told:
        flag = f"--{name.replace('_', '-')}"
        if role is Role.WORKER and name not in _OF_WORKERS:
            raise UsageError(f"{flag} is an option of the master; leave it out for a worker.")
        if role is Role.ALONE and name not in _OF_ALONE:
            raise UsageError(f"{flag} is for several processes; give --master or --worker too.")


def seconds(text: str) -> float:
    """The seconds in `90`, `90s`, `5m`, `1h30m`. Raises UsageError for anything else."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--duration takes a time such as 90s, 5m or 1h30m, not {text!r}.")
    hours, minutes, rest = (int(part or 0) for part in found.groups())
    return float(3600 * hours + 60 * minutes + rest)


def is_loopback(url: str) -> bool:
    """True where the host is this machine by its name or address; no name is looked up."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def share(whole: float, workers: int) -> float:
    """What one of so many workers may spend."""
    return whole / workers


def shares(whole: int | None, workers: int) -> list[int | None]:
    """A whole number, shared out as evenly as can be; None stays None for each."""
    if whole is None:
        return [None] * workers
    each, more = divmod(whole, workers)
    return [each + (number < more) for number in range(workers)]
