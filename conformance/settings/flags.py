"""Every option of a run, once: its flag, its environment variable, its help, and how its text becomes a value.

The command line, the pytest plugin and `conformance.toml` all build on this table, so that they cannot drift apart. A
value comes from the first layer that has it: what was given, the environment, then whatever layers a file adds; where
none has, from the default in `Options`. Each value knows where it came from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from conformance.settings import files
from conformance.settings.options import HTTP, MODES, Depth, Options, UsageError, has_login
from conformance.settings.vectors import replayed

Kind = Literal["text", "switch", "list", "header", "integer", "number", "file", "choice"]

TOKEN_ENV = "KITEMESH_TOKEN"
SECOND_TOKEN_ENV = "KITEMESH_SECOND_TOKEN"
CLIENT_KEY_PASSWORD = "KITEMESH_CLIENT_KEY_PASSWORD"
PROXY = "KITEMESH_PROXY"
"""The only place, beside the variables that other programs read, for the password of a proxy."""
LARGEST_TOKEN = 2**20
"""Octets of a token's file."""
COMMAND_LINE = "command line"
_RIVALS = (("approval_prompt", "no_approvals"), ("token_env", "token_file"), ("proxy", "no_proxy"))
"""Pairs of which only one can apply: the one in the nearer layer."""
_DENIALS = {
    "no_approvals": "approvals",
    "no_execute": "execute",
    "no_bodies": "bodies",
    "no_preflight": "preflight",
    "no_proxy": "environment_proxy",
}
"""Switch to the member of `Options` that it makes False."""
_NAMED = {"header": "headers"}
"""Key to the member of `Options`, where they differ."""
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Flag:
    """One option."""

    name: str
    """`max-credits`: the command line's `--max-credits`, pytest's `--target-max-credits`, the key in the file."""
    help: str
    metavar: str = ""
    kind: Kind = "text"
    """`switch` takes no value; `list` takes names joined by commas, again and again; `header` may be repeated."""
    of_target: bool = False
    """True: only of use with a URL; the reference server has its own."""
    means_target: bool = False
    """True: the reference server accepts it, but whoever sets it means a real server."""
    topic: str = ""
    """The heading below which `run --help` shows it; empty: only `run --help-all` does."""
    choices: tuple[str, ...] = ()
    """The allowed values of a `choice`, or names in a `list`; empty: not known here."""

    @property
    def key(self) -> str:
        """The name as an identifier: `max_credits`."""
        return self.name.replace("-", "_")

    @property
    def points(self) -> bool:
        """True where it points to a target, so that without a URL something was forgotten."""
        return self.of_target or self.means_target

    @property
    def variable(self) -> str:
        """The environment variable: `KITEMESH_MAX_CREDITS`."""
        return f"KITEMESH_{self.key.upper()}"


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, and where it came from."""

    value: Any
    """Text or a number, a bool for a switch, a tuple of texts for lists and headers."""
    origin: str
    """`command line`, the name of a variable, or `conformance.toml [targets.staging]`."""


Layer = Mapping[str, Setting]
"""What one place says, by `Flag.key`; what it does not set is absent."""

FLAGS = (
    Flag("model", "Model to ask for: group:<uuid>.", "GROUP", of_target=True, topic="Target"),
    Flag("token-env", f"Variable that holds the token [{TOKEN_ENV}].", "NAME", of_target=True),
    Flag("token-file", "File that holds the token.", "FILE", "file", of_target=True),
    Flag("second-token-env", "Variable that holds another caller's token.", "NAME", of_target=True),
    Flag("approval-prompt", "Prompt that makes tools wait for approval.", "TEXT", of_target=True, topic="Target"),
    Flag("expiring-prompt", "Prompt for an approval that expires soon.", "TEXT", of_target=True),
    Flag("no-approvals", "The target has no tool approvals.", kind="switch", of_target=True, topic="Target"),
    Flag("no-execute", "Never approve a tool call.", kind="switch", means_target=True, topic="Target"),
    Flag("modes", "metadata.mode values that the target has [all].", "LIST", "list", means_target=True, choices=MODES),
    Flag(
        "depth", "quick, standard or deep [standard].", "DEPTH", "choice", topic="What is judged", choices=tuple(Depth)
    ),
    Flag("examples", "Number of generated bodies [by depth].", "N", "integer"),
    Flag("replay", "Send the bodies of this vectors.json first.", "FILE", "file", means_target=True),
    Flag("only", "Judge only these ids or areas.", "ID,…", "list", topic="What is judged"),
    Flag("skip", "Leave out these ids or areas.", "ID,…", "list", topic="What is judged"),
    Flag("strict", "A broken SHOULD also fails the run.", kind="switch", topic="What is judged"),
    Flag(
        "baseline",
        "Known failures, which do not fail the run.",
        "FILE",
        "file",
        means_target=True,
        topic="What is judged",
    ),
    Flag("allow-stale", "Pass even if a known failure no longer fails.", kind="switch", means_target=True),
    Flag("no-preflight", "Judge whatever answers, even if it is not the API.", kind="switch", means_target=True),
    Flag("concurrency", "Requests at a time [8].", "N", "integer"),
    Flag(
        "timeout",
        "Limit to the first byte [120]; half of it between bytes; a third for quick's first request.",
        "SECONDS",
        "number",
    ),
    Flag("rate", "Start at most this many requests per second.", "N", "number", means_target=True),
    Flag("down-for", "Wait this long if the target goes down [10].", "SECONDS", "number", means_target=True),
    Flag("max-minutes", "Stop after this many minutes.", "N", "number", means_target=True),
    Flag("max-failures", "Stop soon after this many requirements failed.", "N", "integer"),
    Flag(
        "max-requests",
        "Send at most this many requests.",
        "N",
        "integer",
        means_target=True,
        topic="Limits and reports",
    ),
    Flag(
        "max-credits", "Stop once this much was charged.", "N", "number", means_target=True, topic="Limits and reports"
    ),
    Flag("wait-expiry", "Wait this long for an approval to expire [0].", "SECONDS", "number", means_target=True),
    Flag("seed", "Make the same random choices again.", "N", "integer"),
    Flag("header", "Also send this header field; repeatable.", "'N: V'", "header", of_target=True),
    Flag("ca-bundle", "Trust these certificates.", "FILE", "file", of_target=True),
    Flag("client-cert", "Show this certificate to the target.", "FILE", "file", of_target=True),
    Flag(
        "client-key",
        f"Its key, if in another file; {CLIENT_KEY_PASSWORD} holds the password.",
        "FILE",
        "file",
        of_target=True,
    ),
    Flag("server-name", "Name in the target's certificate, if not the URL's.", "NAME", of_target=True),
    Flag("insecure", "Do not verify the certificate (loopback only).", kind="switch", of_target=True),
    Flag("insecure-host", "Host for which --insecure may be, too.", "HOST", of_target=True),
    Flag(
        "proxy",
        "Go through this proxy (http, https, socks5) instead of the environment's; a password by KITEMESH_PROXY only.",
        "URL",
        of_target=True,
    ),
    Flag("no-proxy", "Ignore the environment's proxies.", kind="switch", of_target=True),
    Flag("resolve", "Connect to this address: HOST:PORT:ADDRESS.", "H:P:A", "list", of_target=True),
    Flag("unix-socket", "Connect to this Unix socket.", "PATH", "file", of_target=True),
    Flag("http", "Versions of HTTP to judge: 1.1, 2 or 1.1,2 [1.1].", "LIST", "list", of_target=True, choices=HTTP),
    Flag("no-bodies", "Leave bodies out of all reports.", kind="switch"),
)

OUTPUT = Flag("output", "Directory for the reports [reports].", "DIR", "file", topic="Limits and reports")
"""An option of the command line that writes the reports, not of the run itself."""


def settings(
    url: str | None, given: Mapping[str, Any], environ: Mapping[str, str], below: Sequence[Layer] = ()
) -> dict[str, Setting]:
    """The setting of each option, by key, each from the nearest layer; what no layer sets is absent.

    Args:
        url: the target's; None: the reference server, to which target options do not apply.
        given: values by `Flag.key`: text, a bool for a switch, a sequence of texts for lists and headers. None, False
            and an empty sequence mean: not given.
        environ: the environment.
        below: what a file says, nearest first.

    Raises:
        UsageError: a variable is not a switch, one layer contradicts itself, or there is no target for what was given.
    """
    told = _given(given)
    of_target = {flag.key: flag.name for flag in FLAGS if flag.of_target}
    if url is None:
        for key in (key for key in of_target if key in told):
            raise UsageError(
                f"--{of_target[key]} is for a target, and the embedded reference server has its own: give a URL "
                "too, or leave that out."
            )
    found: dict[str, Setting] = {}
    for layer in (told, _environment(environ), *below):
        fresh = {key: setting for key, setting in layer.items() if key not in found}
        for pair in _RIVALS:
            if all(key in layer and layer[key].value is not False for key in pair):
                one, other = (f"--{key.replace('_', '-')}" for key in pair)
                message = f"{one} and {other} contradict each other; leave one of them out."
                raise UsageError(placed(message, layer))
            if any(key in found and found[key].value is not False for key in pair):
                fresh = {key: setting for key, setting in fresh.items() if key not in pair}
        found |= fresh
    return {key: setting for key, setting in found.items() if url is not None or key not in of_target}


def pointers(given: Mapping[str, Any], environ: Mapping[str, str], below: Sequence[Layer] = ()) -> list[str]:
    """What points to a target, for a run that is given no URL: options, variables, and lines of a file.

    Raises:
        UsageError: a variable is not a switch.
    """
    found = []
    for layer in (_given(given), _environment(environ), *below):
        for flag in FLAGS:
            if flag.points and flag.key in layer and layer[flag.key].value not in (False, ()):
                origin = layer[flag.key].origin
                found.append(
                    {COMMAND_LINE: f"--{flag.name}", flag.variable: origin}.get(origin, f"{flag.name} in {origin}")
                )
    return found + [name for name in (TOKEN_ENV, SECOND_TOKEN_ENV) if environ.get(name)]


def made(url: str | None, found: Mapping[str, Setting], environ: Mapping[str, str]) -> Options:
    """Validated options from the settings.

    Raises:
        UsageError: with one sentence that says what to do, and where the value was set.
    """
    try:
        return _made(url, {key: setting.value for key, setting in found.items() if setting.value != ()}, environ)
    except UsageError as error:
        raise UsageError(placed(str(error), found)) from None


def placed(message: str, found: Layer) -> str:
    """The message with each `--name` whose value was not given on the command line followed by where it was set."""

    def place(match: re.Match[str]) -> str:
        setting = found.get(match[1].replace("-", "_"))
        return match[0] if setting is None or setting.origin == COMMAND_LINE else f"{match[0]} ({setting.origin})"

    return re.sub(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)", place, message, count=1)


def _made(url: str | None, values: Mapping[str, Any], environ: Mapping[str, str]) -> Options:
    told: dict[str, Any] = {"url": url}
    for flag in FLAGS:
        if flag.key not in values or flag.key in ("token_env", "token_file", "second_token_env"):
            continue
        value = values[flag.key]
        if flag.key in _DENIALS:
            told[_DENIALS[flag.key]] = not value
        else:
            told[_NAMED.get(flag.key, flag.key)] = _PARSERS.get(flag.kind, _as_it_is)(flag.key, value)
    if url is not None:
        told["token"] = _token(values, environ)
        told["second_token"] = _second_token(values, environ)
        told["client_key_password"] = environ.get(CLIENT_KEY_PASSWORD) or None
    return replayed(Options(**told)).checked()


def refuse_login(name: str, value: Any) -> None:
    """Refuse a proxy's password where it can be read by others: in a list of processes, or in a file that is shared.

    Raises:
        UsageError: with a sentence that never repeats it.
    """
    if isinstance(value, str) and has_login(value):
        raise UsageError(f"{name} holds a user or password that others could read; put that URL into {PROXY} instead.")


def _given(given: Mapping[str, Any]) -> dict[str, Setting]:
    found = {}
    for flag in FLAGS:
        value = given.get(flag.key)
        if flag.key == "proxy":
            refuse_login("--proxy", value)
        if value not in (None, False, (), []):
            value = tuple(value) if flag.kind in ("list", "header") else value
            found[flag.key] = Setting(value, COMMAND_LINE)
    return found


def _environment(environ: Mapping[str, str]) -> dict[str, Setting]:
    found = {flag: _from_environment(flag, environ) for flag in FLAGS}
    return {flag.key: Setting(value, flag.variable) for flag, value in found.items() if value is not None}


def _from_environment(flag: Flag, environ: Mapping[str, str]) -> Any:
    text = environ.get(flag.variable)
    if text is None or not text.strip():
        return None
    match flag.kind:
        case "switch":
            if text.strip().lower() not in _YES | _NO:
                raise UsageError(f"{flag.variable} must be 1 or 0, not {text!r}.")
            return text.strip().lower() in _YES
        case "list":
            return (text,)
        case "header":
            return tuple(line for line in text.splitlines() if line.strip())
        case _:
            return text


def names(texts: Sequence[str]) -> tuple[str, ...]:
    """The names in texts that join some of them by commas."""
    return tuple(word.strip() for text in texts for word in text.split(",") if word.strip())


def _headers(key: str, texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    fields = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon:
            raise UsageError(f"--{key} takes 'Name: value', but one of them has no colon; correct it.")
        fields.append((name.strip(), value.strip()))
    return tuple(fields)


def _token(values: Mapping[str, Any], environ: Mapping[str, str]) -> str | None:
    path = values.get("token_file")
    if path:
        told = f"The token's file {path!r}"
        try:
            return files.read(files.named(path), LARGEST_TOKEN).decode("utf-8").strip()
        except UnicodeDecodeError:
            raise UsageError(f"{told} cannot be read (it is not text); check --token-file.") from None
        except files.Unusable as error:
            raise UsageError(f"{told} {error}; check --token-file.") from None
    name = values.get("token_env", TOKEN_ENV)
    return environ.get(name) if name == TOKEN_ENV else _variable("token-env", name, environ)


def _second_token(values: Mapping[str, Any], environ: Mapping[str, str]) -> str | None:
    name = values.get("second_token_env")
    if name is None:
        return environ.get(SECOND_TOKEN_ENV) or None
    return _variable("second-token-env", name, environ)


def _variable(flag: str, name: str, environ: Mapping[str, str]) -> str:
    if not is_variable(name):
        raise UsageError(f"--{flag} takes the name of a variable that holds the token, never the token itself.")
    if not environ.get(name):
        raise UsageError(f"The variable {name}, which --{flag} names, is not set; set it to the token.")
    return environ[name]


def is_variable(name: str) -> bool:
    """Whether a text may be a variable's name; a token, given by mistake, is not."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None and not name.startswith("km_")


def _integer(key: str, value: Any) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise UsageError(f"--{key.replace('_', '-')} must be a whole number, not {value!r}.") from None


def _number(key: str, value: Any) -> float:
    try:
        return float(str(value))
    except ValueError:
        raise UsageError(f"--{key.replace('_', '-')} must be a number, not {value!r}.") from None


def _depth(key: str, value: Any) -> Depth:
    try:
        return Depth(str(value).lower())
    except ValueError:
        raise UsageError(f"--{key} must be {', '.join(Depth)}, not {value!r}.") from None


def _as_it_is(key: str, value: Any) -> Any:
    return value


_PARSERS: Mapping[str, Callable[[str, Any], Any]] = {
    "choice": _depth,
    "integer": _integer,
    "number": _number,
    "list": lambda key, value: names(value),
    "header": _headers,
}
"""By kind: key and value to what `Options` takes."""
