"""What the command line of pytest says of a run: options after `--target-`, and arguments that name requirements."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance.pytest_session.items import REQUIREMENTS

if TYPE_CHECKING:
    from conformance.pytest_session.session import Host, Session
    from conformance.settings.options import Options

_TARGETS = ("target_url", "target_app", "target_reference")


def add_options(parser: pytest.Parser) -> None:
    """Add the options of a run."""
    from conformance.settings.flags import FLAGS

    group = parser.getgroup("kitemesh-conformance", "conformance of a KiteMesh-compatible server")
    group.addoption(
        "--target-url",
        metavar="URL-or-NAME",
        help="Judge the server at this base URL, or the target of this name in conformance.toml.",
    )
    group.addoption(
        "--target-app",
        metavar="MODULE:APP",
        help="Judge this ASGI application, package.module:app or package.module:create_app(), served on loopback.",
    )
    group.addoption("--target-app-path", metavar="PATH", help="Path of its endpoints [/v1].")
    group.addoption("--target-reference", action="store_true", help="Judge the embedded reference server.")
    for flag in FLAGS:
        text = f"{flag.help.replace('%', '%%')} Or {flag.variable}."
        name = f"--target-{flag.name}"
        match flag.kind:
            case "switch":
                group.addoption(name, action="store_true", help=text)
            case "list" | "header":
                group.addoption(name, action="append", metavar=flag.metavar, default=[], help=text)
            case _:
                group.addoption(name, metavar=flag.metavar, help=text)
    group.addoption("--target-config", metavar="FILE", help="Read this file instead of conformance.toml.")
    group.addoption(
        "--conformance-output",
        metavar="DIR",
        help="Write report.html, transcript.har and the other reports into this directory.",
    )


def asked(config: pytest.Config) -> list[str]:
    """Those of the three options that ask for a run; none: the plugin does nothing."""
    return [name for name in _TARGETS if config.getoption(name) not in (None, False)]


def session(config: pytest.Config) -> Session:
    """The session that the options ask for.

    Raises:
        pytest.UsageError: an option is wrong; nothing was sent.
    """
    from conformance.judging.selecting import known_failures, selected_ids
    from conformance.pytest_session.session import Session
    from conformance.report.directory import prepare
    from conformance.running import discovery
    from conformance.settings.options import UsageError

    if len(given := asked(config)) > 1:
        one, other = (f"--{name.replace('_', '-')}" for name in given[:2])
        raise pytest.UsageError(f"{one} and {other} contradict each other; leave one of them out.")
    _refuse_xdist(config)
    output = config.getoption("conformance_output")
    try:
        discovery.discover()
        options = _options(config)
        options.of_one_version()
        selected_ids(options)
        known_failures(options)
        host = _host(config)
        if output:
            prepare(Path(output))
    except UsageError as error:
        raise pytest.UsageError(re.sub(r"(?<![\w-])--(?=[a-z])", "--target-", str(error))) from None
    except OSError as error:
        raise pytest.UsageError(f"Nothing can be written to {output!r} ({error.strerror}).") from None
    return Session(options, Path(output) if output else None, host=host)


def _options(config: pytest.Config) -> Options:
    """What the run is told. Of an application the port is not known yet."""
    from conformance.running import app
    from conformance.settings import config_file, flags

    given = {flag.key: config.getoption(f"target_{flag.key}") for flag in flags.FLAGS}
    environ = dict(os.environ)
    url = config.getoption("target_url")
    if config.getoption("target_app"):
        url = app.base(config.getoption("target_app_path") or app.PATH)
    elif config.getoption("target_reference"):
        url = config_file.REFERENCE
    return config_file.options(url, given, environ, config_file.find(config.getoption("target_config"), environ))


def _host(config: pytest.Config) -> Host | None:
    """What serves the application; None: the target runs by itself."""
    from conformance.running import app

    if not (spec := config.getoption("target_app")):
        return None
    found = app.load(spec, config.invocation_params.dir)
    return lambda: app.serving(found, config.getoption("target_app_path") or app.PATH)


def _refuse_xdist(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None) or config.getoption("dist", "no") != "no" or config.getoption("tx", None):
        raise pytest.UsageError(
            "The conformance suite already sends many requests at a time: leave out -n (and --dist, --tx)."
        )


def take_patterns(config: pytest.Config) -> list[str]:
    """Take those arguments that name requirements away from pytest; without any argument, all of them are meant.

    Raises:
        pytest.UsageError: such an argument does not name a requirement.
    """
    from conformance.contract.catalogue import Side, UnknownRequirement, load

    theirs: list[str] = []
    patterns: list[str] = []
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        for argument in config.args:
            path, _, name = argument.partition("::")
            if not _is_catalogue(path, config):
                theirs.append(argument)
            elif name:
                patterns.append(name)
    try:
        load().of(Side.SERVER).select(patterns)
    except UnknownRequirement as error:
        raise pytest.UsageError(str(error)) from None
    config.args[:] = theirs
    config.args_source = pytest.Config.ArgsSource.ARGS
    return patterns


def _is_catalogue(path: str, config: pytest.Config) -> bool:
    """Whether an argument's path means our catalogue: nothing before `::`, its path, or its name as in the node ids."""
    if not path:
        return True
    given = config.invocation_params.dir / path
    return given.resolve() == REQUIREMENTS.resolve() if given.exists() else path == REQUIREMENTS.name
