"""Locust as a library: its users, its master and its workers; here and in `bridge` alone gevent is imported.

Locust's command line is not used, so neither its configuration files and variables nor its web interface, logs, CSV
files or telemetry come into play: nothing but its runners, their messages between master and workers, and its
statistics. Its monkey patching is off (see the package's own words).

    master                                   worker
      |  <----------- client_ready -----------  |   Locust's
      |  ----- soak-plan (key, number, …) ----> |   ours: what to send, never where to: that stands on its own
      |  <------------ soak-ready ------------  |   ours         command line, and so does its token
      |  ------------- spawn -----------------> |   Locust's
      |  <----- stats, with soak's account ---  |   Locust's, every three seconds
      |  -------------- stop -----------------> |   Locust's
      |  <-- stats, with the final account ---  |
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"  # before Locust is imported

import gevent
import gevent.lock
import psutil
from locust import User, runners
from locust.env import Environment
from locust.stats import RequestStats

from conformance.settings.options import Options, UsageError
from conformance.soak.bridge import Bridge
from conformance.soak.gathering import Gathering, rows
from conformance.soak.load import Load
from conformance.soak.markers import Key
from conformance.soak.plan import Refused, orders, plans
from conformance.soak.station import ROWS, Orders, Station

FINISHING = 10.0
"""Seconds that a user has at the end to get the answer that he waits for; then it is left."""
HURRY = 1.0
"""The same where the soak is interrupted."""
TICK = 0.2
EVERY = 1.0
"""Seconds between two accounts where there is but one process; workers give theirs as often as Locust's."""
WORKERS_WITHIN = 120.0
"""Seconds in which the workers that are expected have to come."""
MASTER_WITHIN = 60.0
"""Seconds in which a worker has to find its master."""
ACCOUNTS_WITHIN = 90.0
"""Seconds in which the last accounts have to come, once everything was stopped."""
PLAN, READY = "soak-plan", "soak-ready"
ACCOUNT = "soak"
"""The member of Locust's report that holds ours."""

Tell = Callable[[Gathering, float], None]
"""Told now and then how far it is: what has been gathered, and the seconds since the start."""


# --- the three roles


def alone(options: Options, load: Load, tell: Tell) -> Gathering:
    """A soak in this one process."""
    gathered = Gathering(options, load)
    post = _Post(options)
    environment = _environment(post)
    runner = environment.create_local_runner()
    try:
        post.open(Orders(_key(), 0, load.users, options.max_requests, options.max_credits))
        with _ending() as ending:
            gathered.started, begun, told = time.time(), time.monotonic(), 0.0
            runner.start(load.users, load.rate)
            while not ending.asked and (passed := time.monotonic() - begun) < load.duration and not post.over:
                gevent.sleep(TICK)
                if passed - told >= EVERY:
                    gathered.take(post.account(), passed)
                    told = passed
                tell(gathered, passed)
            gathered.ended = time.time()
            environment.stop_timeout = HURRY if ending.asked else FINISHING
            runner.stop()
            gathered.interrupted = ending.asked
            for message in post.accounts():
                gathered.take(message, time.monotonic() - begun)
        _finish(gathered, environment)
    finally:
        runner.greenlet.kill(block=False)
        post.close()
    return gathered


def master(options: Options, load: Load, tell: Tell, waiting: Callable[[int], None]) -> Gathering:
    """The master of several workers; it sends nothing to the target itself.

    Args:
        options: checked; the token is not used.
        load: checked.
        tell: told how far it is.
        waiting: told how many workers are there, each time that changes.

    Raises:
        UsageError: its port cannot be listened on, or the workers did not come.
    """
    gathered = Gathering(options, load)
    environment = _environment(None)
    runner = _listening(environment, load)
    begun = time.monotonic()

    def take(client_id: str, data: dict[str, Any]) -> None:
        if ACCOUNT in data:
            gathered.take(data[ACCOUNT], time.monotonic() - begun)

    ready: set[str] = set()

    def hear(environment: Any, msg: Any) -> None:
        ready.add(msg.node_id)
        if isinstance(msg.data, str) and msg.data:
            gathered.trouble = f"A worker cannot do what it should: {msg.data[:300]}"

    environment.events.worker_report.add_listener(take)
    runner.register_message(READY, hear)
    try:
        with _ending() as ending:
            _wait_for_workers(runner, load.expect_workers, waiting, ending)
            clients = sorted(runner.clients.keys())
            if options.max_requests is not None and options.max_requests < len(clients):
                raise UsageError(f"--max-requests must leave one for each of the {len(clients)} workers that joined.")
            for client, plan in zip(clients, plans(_key(), options, load, len(clients)), strict=True):
                runner.send_message(PLAN, plan, client)
            environment.events.worker_connect.add_listener(
                lambda client_id: runner.send_message("quit", None, client_id)
            )
            _wait_for_readiness(clients, ready, ending)
            if gathered.trouble:
                ending.asked = True
            gathered.started, begun = time.time(), time.monotonic()
            starting = gevent.spawn(runner.start, load.users, load.rate) if not ending.asked else None
            while not ending.asked and time.monotonic() - begun < load.duration:
                gevent.sleep(TICK)
                tell(gathered, time.monotonic() - begun)
                if gathered.stopped and len(gathered.workers) == len(clients):
                    break
                if not runner.clients.ready and not runner.clients.spawning and not runner.clients.running:
                    gathered.trouble = "All workers were lost before the end; their own output says why."
                    break
            gathered.ended = time.time()
            gathered.interrupted = ending.asked and not gathered.trouble
            _stop(runner, starting)
            if starting is not None:
                _wait_for_accounts(gathered, runner, len(clients))
        _finish(gathered, environment)
    finally:
        runner.greenlet.kill(block=False)
        runner.server.close(linger=0)
    return gathered


def worker(options: Options, load: Load) -> Gathering:
    """A worker: it does what its master says, and gives what it told him.

    Raises:
        UsageError: no master is there.
        Refused: the master speaks of another target.
    """
    gathered = Gathering(options, load)
    post = _Post(options)
    environment = _environment(post, Namespace(web_base_path="", stop_timeout=FINISHING))
    runner = _connected(environment, load)
    state = _State()
    begun = time.monotonic()

    def plan(environment: Any, msg: Any) -> None:
        try:
            told, duration = orders(msg.data, options)
            post.open(told)
            state.until = time.monotonic() + duration + WORKERS_WITHIN + ACCOUNTS_WITHIN
            gathered.started = time.time()
        except Exception as error:
            state.refused = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
        runner.send_message(READY, state.refused)

    def report(client_id: str, data: dict[str, Any]) -> None:
        if post.ready and not state.ending:
            data[ACCOUNT] = post.account()
            gathered.take(data[ACCOUNT], time.monotonic() - begun)

    def stopped(environment: Any) -> None:
        if state.ending:
            return
        state.ending = True
        try:
            for account in post.accounts() if post.ready else ():
                told: dict[str, Any] = {}
                environment.events.report_to_master.fire(client_id=runner.client_id, data=told)
                gathered.take(account, time.monotonic() - begun)
                runner.send_message("stats", {**told, ACCOUNT: account})
        finally:
            state.ended = True

    runner.register_message(PLAN, plan)
    environment.events.report_to_master.add_listener(report)
    environment.events.test_stop.add_listener(stopped)
    try:
        with _ending() as ending:
            while not state.ended and not state.refused and time.monotonic() < state.until:
                gevent.sleep(TICK)
                if not state.ending and (ending.asked or not runner.greenlet):
                    break
            gathered.ended = time.time()
            if not state.ending and not state.refused:
                post.interrupted = gathered.interrupted = True
                environment.stop_timeout = HURRY
                runner.stop()
                runner.send_message("quit")
        gevent.sleep(0.5)  # what Locust has to say goes out
        if state.refused:
            raise Refused(state.refused)
        _finish(gathered, environment)
    finally:
        runner.greenlet.kill(block=False)
        runner.client.close(linger=2000)
        post.close()
    return gathered


@dataclass(slots=True)
class _State:
    """Where a worker is."""

    refused: str = ""
    """Why it does not do what its master wants."""
    ending: bool = False
    """Its users have stopped, and it gives its last account."""
    ended: bool = False
    until: float = float("inf")
    """When it ends by itself (of `time.monotonic`)."""


# --- users


class _Post:
    """What the users of this process share: the recording, and whether it goes on."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._bridge = Bridge()
        self._station: Station | None = None
        self._telling = gevent.lock.Semaphore()
        """One account is given at a time, so that none is on its way while the last one is."""
        self.over = False
        self.interrupted = False

    @property
    def ready(self) -> bool:
        """True where there is something to give account of."""
        return self._station is not None

    def open(self, orders: Orders) -> None:
        """Get ready to send, as ordered."""
        station = Station(self._options, orders, _memory)
        self._bridge.call(station.open())
        self._station = station
        # Python looks for cycles the more seldom the more objects there are. Those of this process are there for good
        # by now; set aside, they do not keep it from finding what is left of answers that were read.
        gc.collect()
        gc.freeze()

    def turn(self, environment: Any) -> None:
        """One turn of a user, whose times go to Locust's statistics."""
        if self._station is None or self.over:
            gevent.sleep(TICK)
            return
        turn = self._bridge.call(self._station.turn())
        for told in turn.times:
            environment.events.request.fire(
                request_type="POST",
                name=told.row,
                response_time=1000 * told.seconds,
                response_length=told.octets,
                exception=None,
                context={},
            )
        self.over = self.over or turn.over

    def account(self, *, final: bool = False) -> dict[str, Any]:
        """What is new since the last account."""
        assert self._station is not None  # says whoever calls: see `ready`
        with self._telling:
            told = self._bridge.call(self._station.account(final=final))
        return {**told, "interrupted": self.interrupted}

    def accounts(self) -> Iterator[dict[str, Any]]:
        """The last accounts: one, or more where examples of many breaches are to be told."""
        while not (told := self.account(final=True))["final"]:
            yield told
        yield told

    def close(self) -> None:
        """Close the connections, and end the judge."""
        if self._station is not None:
            self._bridge.call(self._station.close())
        self._bridge.close()


def _environment(post: _Post | None, parsed: Namespace | None = None) -> Any:
    """Locust's environment, with a user that asks through the post; a master needs only the user's name."""

    def ask(user: Any) -> None:
        assert post is not None  # a master has no users
        post.turn(user.environment)

    heard = _silence()
    asker = type("Asker", (User,), {"tasks": [ask], "abstract": False})
    environment = Environment(user_classes=[asker], stop_timeout=FINISHING, parsed_options=parsed)
    # What the last seconds were like is for Locust's web interface only.
    environment.stats = RequestStats(use_response_times_cache=False)
    environment.heard = heard.errors
    return environment


class _Heard(logging.Handler):
    """Keeps the first errors that Locust writes into its log: what it cannot do, its users do not do."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's first line."""
        said = record.getMessage().partition("\n")[0][:200]
        if record.exc_info and record.exc_info[0] is not None:
            said = f"{said} ({record.exc_info[0].__name__}: {record.exc_info[1]})"[:300]
        if len(self.errors) < 3 and said not in self.errors:
            self.errors.append(said)


def _silence() -> _Heard:
    """Locust's log goes nowhere, to the terminal as little as to the master; its errors are told in notes."""
    runners.WORKER_LOG_REPORT_INTERVAL = -1
    runners.CONNECT_RETRY_COUNT = int(MASTER_WITHIN / runners.CONNECT_TIMEOUT)
    heard = _Heard()
    logging.getLogger().addHandler(heard)  # also, Locust logs to the root at times, which would print otherwise
    logging.getLogger("locust").addHandler(heard)
    logging.getLogger("locust").propagate = False
    return heard


def _key() -> Key:
    return Key(token_hex(8))


def _memory(judge: int | None) -> int:
    """Octets of memory, resident, of this process and of the one that judges."""
    octets = 0
    for pid in (os.getpid(), judge):
        try:
            octets += psutil.Process(pid).memory_info().rss if pid else 0
        except psutil.Error:
            pass
    return octets


def _finish(gathered: Gathering, environment: Any) -> None:
    """Take in what Locust has counted, and what went wrong in it."""
    gathered.rows = rows({name: environment.stats.get(name, "POST") for name in ROWS})
    for said in environment.heard:
        gathered.note(f"Locust says: {said}")


# --- master and workers


def _listening(environment: Any, load: Load) -> Any:
    message = f"Cannot listen on port {load.master_port} of {load.master_host}; choose another --master-port."
    try:
        family = socket.getaddrinfo(load.master_host, load.master_port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family[0], family[1]) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(family[4])
        return environment.create_master_runner(load.master_host, load.master_port)
    except (OSError, SystemExit, runners.RPCError):
        raise UsageError(message) from None


def _connected(environment: Any, load: Load) -> Any:
    try:
        return environment.create_worker_runner(load.master_host, load.master_port)
    except (ConnectionError, runners.RPCError):
        where = f"{load.master_host}, port {load.master_port}"
        raise UsageError(f"No master answers at {where}; start it first, and check --master-host.") from None


def _wait_for_workers(runner: Any, wanted: int, waiting: Callable[[int], None], ending: _Ending) -> None:
    until, known = time.monotonic() + WORKERS_WITHIN, -1
    while (there := len(runner.clients.ready)) < wanted and not ending.asked:
        if there != known:
            known = there
            waiting(there)
        if time.monotonic() > until:
            raise UsageError(
                f"{there} of {wanted} workers joined within {WORKERS_WITHIN:.0f} s; start the others, "
                f"or --expect-workers {max(1, there)}."
            )
        gevent.sleep(TICK)


def _wait_for_readiness(clients: list[str], ready: set[str], ending: _Ending) -> None:
    until = time.monotonic() + WORKERS_WITHIN
    while not ready.issuperset(clients) and not ending.asked:
        if time.monotonic() > until:
            raise UsageError("A worker that had joined did not get ready; its own output says why.")
        gevent.sleep(TICK)


def _stop(runner: Any, starting: Any) -> None:
    """Tell all workers to stop, and do not wait: their final accounts say when they have."""
    if starting is None:
        for client in list(runner.clients.keys()):
            runner.send_message("quit", None, client)
    else:
        starting.kill()  # it may be at sending more users out
        gevent.spawn(runner.stop)


def _wait_for_accounts(gathered: Gathering, runner: Any, workers: int) -> None:
    until = time.monotonic() + ACCOUNTS_WITHIN
    while (final := sum(worker.final for worker in gathered.workers.values())) < workers:
        if time.monotonic() > until or final + len(runner.clients.missing) >= workers:
            gathered.trouble = (
                "A worker was lost: its last account never came. What it had reported until then was judged."
            )
            return
        gevent.sleep(TICK)


# --- signals


class _Ending:
    """Whether somebody asked to end."""

    asked = False


@contextmanager
def _ending() -> Iterator[_Ending]:
    """Ctrl-C and SIGTERM ask to end while the context lasts; a second Ctrl-C ends at once."""
    ending = _Ending()
    watchers: list[Any] = []

    def ask() -> None:
        ending.asked = True
        for watcher in watchers:
            watcher.cancel()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    watchers += [gevent.signal_handler(number, ask) for number in before]
    try:
        yield ending
    finally:
        for watcher in watchers:
            watcher.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
