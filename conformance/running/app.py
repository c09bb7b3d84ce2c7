"""Judging an ASGI application in the process that holds it, for a Python server's own tests.

    from conformance import check_app

    def test_conformance():
        report = check_app(app, model="group:…", token="km_test", depth="quick")
        assert report.passed, str(report)

The application is served by uvicorn on a free port of loopback, in a thread with an event loop of its own, so that what
is judged are the bytes that a client would get. Its lifespan is run. It does not matter whether the caller's thread
has a running event loop, but that one stands still meanwhile; `await asyncio.to_thread(check_app, …)` lets it go on.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

from conformance.settings.options import Depth, Options, UsageError
from conformance.settings.vectors import replayed
from conformance.transcript.excerpt import excerpt

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from conformance.report.report import Report
    from conformance.wire.progress import Tell

PATH = "/v1"
"""Where the endpoints are, unless told otherwise: `/v1/chat/completions`."""
_START_WITHIN = 60.0
"""Seconds; an application may load much."""
_STOP_WITHIN = 10.0
_KEEP_ALIVE = 300
"""Seconds; longer than a run pauses, so that no request meets a connection that is being closed."""
_Given = TypeVar("_Given")


class AppOptions(TypedDict, total=False):
    """What `check_app` may be told beside model and token: members of `conformance.Options`, with their units."""

    second_token: str | None
    approval_prompt: str | None
    expiring_prompt: str | None
    approvals: bool
    execute: bool
    modes: Sequence[str]
    depth: str
    examples: int | None
    bodies: bool
    replay: str | os.PathLike[str] | None
    only: Sequence[str]
    skip: Sequence[str]
    strict: bool
    concurrency: int
    timeout: float
    rate: float | None
    down_for: float
    max_minutes: float | None
    max_failures: int | None
    max_requests: int | None
    max_credits: float | None
    wait_expiry: float
    seed: int | None
    preflight: bool
    baseline: str | os.PathLike[str] | None
    allow_stale: bool
    headers: Sequence[tuple[str, str]]


def check_app(
    app: ASGIApp | str,
    *,
    model: str,
    token: str,
    path: str = PATH,
    output: str | os.PathLike[str] | None = None,
    progress: Tell | None = None,
    **told: Unpack[AppOptions],
) -> Report:
    """Serve an ASGI application on loopback, record a run against it, and judge it.

    Neither the environment nor `conformance.toml` is read. Nothing is printed.

    Args:
        app: the application, or where it is: `package.module:app`, `package.module:create_app()`.
        model: to ask for: `group:<uuid>`.
        token: a bearer token that the application takes.
        path: where the endpoints are below the application's root.
        output: directory for report.html, results.json and the others; None: none are written.
        progress: called with a `Progress` as each exchange ends.
        told: as the options of the command line: `depth="quick"`, `only=["stream"]`, `approval_prompt="…"`, ….

    Returns:
        The run, judged: `.passed`, `["stream.done"]` (an outcome), `.verdict`, `.findings`, `.exit_code()` (with a
        `baseline` that of the gate), `.write("reports")`, `.to_dict()`, and as `str()` what a terminal shows.

    Raises:
        UsageError: an option is wrong, or the application is none or does not start; nothing was sent.
        OSError: the reports cannot be written.
    """
    from conformance.report import files
    from conformance.report.directory import prepare
    from conformance.running import run

    options = checked("check_app", AppOptions.__annotations__, told, url=base(path), model=model, token=token)
    found = load(app) if isinstance(app, str) else application(app, "It")
    if output is not None:
        prepare(Path(output))
    with serving(found, path) as url:
        report = _aside(lambda: run.run(replace(options, url=url), progress))
    if output is not None:
        files.write(report, Path(output))
    return report


def checked(function: str, known: Collection[str], told: Mapping[str, Any], **given: Any) -> Options:
    """Options from the keyword arguments of a function, checked in all that can be checked before anything is sent.

    Args:
        function: its name, for a message.
        known: names that it takes.
        told: what it was told by name.
        given: further members of `Options`, as they are.

    Raises:
        UsageError: one sentence, in which options are called as they are in Python; or an extension is wrong.
    """
    from conformance.running import discovery, run
    from conformance.wire.reach import route

    discovery.discover()
    if odd := [key for key in told if key not in known]:
        raise UsageError(f"{function}() knows no option {odd[0]!r}; it knows {', '.join(sorted(known))}.")
    values = {key: _value(key, value) for key, value in told.items()}
    for what in _SUCH_AS:
        if given.get("url") is not None and not isinstance(given.get(what), str):
            raise UsageError(f"{function}() needs a {what}; give {what}={_SUCH_AS[what]!r}.")
    for what in ("token", "second_token"):
        if {**given, **told}.get(what) == "":
            raise UsageError(f"{function}() was given an empty {what}; give one that the target takes.")
    try:
        options = replayed(Options(**values, **given)).checked()
        options.of_one_version()
        run.selected_ids(options)
        run.known_failures(options)
        route.of(options, os.environ)
    except UsageError as error:
        sentence = str(error).replace("by KITEMESH_TOKEN", "as token=")
        raise UsageError(_FLAG.sub(_as_in_python, sentence)) from None
    except (AttributeError, TypeError) as error:
        raise UsageError(f"{function}() was given a value of a wrong type ({_told(error)}); correct it.") from None
    return options


_SUCH_AS = {"model": "group:<uuid>", "token": "km_…"}
_SEVERAL = ("only", "skip", "modes", "headers", "resolve", "http")
_FILES = ("baseline", "replay", "ca_bundle", "client_cert", "client_key", "unix_socket")
_FLAG = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)")
_NAMES = {"header": "headers", "token-env": "token", "second-token-env": "second_token"}
"""Options of the command line that are called otherwise in Python."""


def _as_in_python(flag: re.Match[str]) -> str:
    name = flag[1]
    if name == "no-proxy":  # `proxy` names one
        return "environment_proxy=False"
    if name.startswith("no-"):
        return f"{name.removeprefix('no-').replace('-', '_')}=False"
    return _NAMES.get(name, name.replace("-", "_"))


def _value(key: str, value: Any) -> Any:
    """The value as `Options` has it."""
    if key in _SEVERAL:
        if isinstance(value, str):
            raise UsageError(f"{key} takes several, not one text; write {key}=[{value!r}].")
        return tuple(map(tuple, value)) if key == "headers" else tuple(value)
    if key in _FILES and value is not None:
        return os.fspath(value)
    if key == "depth":
        if value not in list(Depth):
            raise UsageError(f"depth must be {', '.join(Depth)}, not {value!r}.")
        return Depth(value)
    return value


def _aside(call: Callable[[], _Given]) -> _Given:
    """What the call gives; in another thread, where this one runs an event loop: there can only be one in a thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return call()
    given: list[_Given] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            given.append(call())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work, name="conformance", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return given[0]


# --- finding it


def load(spec: str, directory: Path | None = None) -> ASGIApp:
    """The application that `package.module:app` names; with `()` after it, what calling it gives.

    Args:
        spec: a module, a colon, and an attribute, which may have dots.
        directory: put on Python's path first, as `python -m` does with the working directory; None: that one.

    Raises:
        UsageError: it cannot be imported, or is not an ASGI application. One sentence, with what the import raised.
    """
    matched = re.fullmatch(r"(?P<module>\w+(?:\.\w+)*):(?P<name>[^\W\d]\w*(?:\.\w+)*)(?P<call>\(\))?", spec.strip())
    if matched is None:
        raise UsageError(
            f"The application {spec!r} must be named as package.module:app, or package.module:create_app()."
        )
    place = str(directory or Path.cwd())
    if place not in sys.path:
        sys.path.insert(0, place)  # it stays: an application may import more when it is asked
    importlib.invalidate_caches()
    try:
        found: Any = importlib.import_module(matched["module"])
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"The module {matched['module']!r} cannot be imported ({_told(error)}); correct it."
        ) from error
    for name in matched["name"].split("."):
        if not hasattr(found, name):
            raise UsageError(f"The module {matched['module']!r} has no {matched['name']!r}; correct the name.")
        found = getattr(found, name)
    if matched["call"]:
        try:
            found = found()
        except (Exception, SystemExit) as error:
            raise UsageError(f"{spec} failed ({_told(error)}); correct it.") from error
    return application(found, f"{spec!r}")


def _told(error: BaseException) -> str:
    return excerpt(f"{type(error).__name__}: {error}", 300)


def application(found: Any, named: str) -> ASGIApp:
    """What was found, where it is an ASGI application (version 3: scope, receive, send).

    Raises:
        UsageError: it is none.
    """
    kind = f"{named} is not an ASGI application but a {type(found).__name__}"
    if not callable(found) or inspect.isclass(found):
        raise UsageError(f"{kind}; name one that takes scope, receive and send.")
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # compiled code tells nothing of itself: it will show
        return found  # type: ignore[no-any-return]
    try:
        signature.bind({}, None, None)
    except TypeError:
        pass
    else:
        return found  # type: ignore[no-any-return]
    try:
        signature.bind()
    except TypeError:
        raise UsageError(f"{kind} that takes other arguments than scope, receive and send.") from None
    raise UsageError(f"{kind}; if it makes one, name it with () after it, or give what it makes.")


# --- serving it


@contextmanager
def serving(app: ASGIApp, path: str = PATH) -> Iterator[str]:
    """Serve an application on a free port of loopback while the context lasts; gives the base URL.

    Raises:
        UsageError: it did not start; the sentence has what its lifespan said.
    """
    import uvicorn

    from conformance.reference.serving import ServedConnection, listener, url_of

    watched = _Watched(app)
    server = uvicorn.Server(
        uvicorn.Config(
            watched,
            http=ServedConnection,  # what uvicorn answers to bytes that are not HTTP is not the application's doing
            lifespan="auto",
            ws="none",
            log_config=None,
            access_log=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=2,
        )
    )
    with listener(0) as bound:
        thread = threading.Thread(target=_serve, args=(server, bound), name="application", daemon=True)
        thread.start()
        try:
            _wait(server, thread, watched)
            yield base(path, url_of(bound))
        finally:
            server.should_exit = True
            thread.join(_STOP_WITHIN)
            if thread.is_alive():
                server.force_exit = True  # its lifespan does not end
                thread.join(1.0)


def _serve(server: uvicorn.Server, bound: socket.socket) -> None:
    with suppress(SystemExit):  # uvicorn's word for a lifespan that failed; `_wait` tells of it
        server.run([bound])


def base(path: str, origin: str = "http://127.0.0.1") -> str:
    """The base URL of what an origin serves at a path."""
    return f"{origin}/{path.strip().strip('/')}"


def _wait(server: uvicorn.Server, thread: threading.Thread, watched: _Watched) -> None:
    deadline = time.monotonic() + _START_WITHIN
    while not server.started:
        if not thread.is_alive():
            raise UsageError(
                f"The application does not start ({watched.complaint or 'it says no reason'}); correct it."
            )
        if time.monotonic() > deadline:
            raise UsageError(f"The application did not start within {_START_WITHIN:g} s; correct its lifespan.")
        time.sleep(0.005)


class _Watched:
    """The application, and what its lifespan complained of."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.complaint = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def heard(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                self.complaint = _last_line(message)
            await send(message)

        await self._app(scope, receive, heard)


def _last_line(message: MutableMapping[str, Any]) -> str:
    """Of a traceback, which is what Starlette says, the exception."""
    lines = str(message.get("message", "")).strip().splitlines()
    return excerpt(lines[-1], 300) if lines else ""
