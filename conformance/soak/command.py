"""One soak from what was asked for to what came of it. What needs Locust is imported after `locust_is_there`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec

from conformance.running import run
from conformance.settings.options import Options, UsageError
from conformance.soak.gathering import Gathering
from conformance.soak.load import HOW_TO_INSTALL, Load, Role
from conformance.wire.reach import route

TOKEN_ENV = "KITEMESH_TOKEN"
Tell = Callable[[Gathering, float], None]


def locust_is_there() -> None:
    """Raises UsageError, which says how to install it, where Locust is not."""
    if find_spec("locust") is None or find_spec("gevent") is None:
        raise UsageError(HOW_TO_INSTALL)


def environment(role: Role, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment that options are read from. A master sends nothing to the target and needs no token."""
    return {TOKEN_ENV: "the-master-has-none", **environ} if role is Role.MASTER else environ


def soak(options: Options, load: Load, tell: Tell, waiting: Callable[[int], None]) -> Gathering:
    """Do what the role says; without a URL the reference server is started, on loopback.

    Args:
        options: how to ask the target; checked here.
        load: how much; checked here.
        tell: told now and then how far it is.
        waiting: of a master: told how many workers are there.

    Raises:
        UsageError: Locust is not installed, or an option is wrong; nothing was sent.
    """
    locust_is_there()
    options = options.checked()
    load = load.checked(options)
    options.of_one_version()
    run.selected_ids(options)
    route.of(options, os.environ)
    from conformance.soak import driving
    from conformance.soak.plan import Refused

    try:
        if load.role is Role.MASTER:
            return driving.master(options, load, tell, waiting)
        if load.role is Role.WORKER:
            return driving.worker(options, load)
        if options.url is not None:
            return driving.alone(options, load, tell)
        with run.reference(options) as told:
            return driving.alone(told, load, tell)
    except Refused as error:
        raise UsageError(str(error)) from None
