"""`conformance.toml`: options by their names, and targets that can be named on the command line.

    depth = "standard"                    # for every target, and for the reference server

    [targets.staging]
    url = "https://staging.example.com/v1"
    model = "group:…"
    token-env = "STAGING_TOKEN"           # the token itself is never in the file
    baseline = "known.toml"               # relative to this file

The keys are the names of `flags.FLAGS`, so that an option needs no second entry here. `load` refuses what is wrong in
one sentence that names the place; `schema` is the same rules as JSON Schema, for editors. What applies is decided by
`flags.settings`: the command line, then the environment, then the target's table, then the file's top.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.settings import files, flags
from conformance.settings.flags import FLAGS, OUTPUT, Flag, Layer, Setting
from conformance.settings.options import Options, UsageError

NAME = "conformance.toml"
VARIABLE = "KITEMESH_CONFIG"
URL = "KITEMESH_URL"
LARGEST = 2**20
"""Octets of a file."""
REFERENCE = "reference"
"""The target that always exists: the embedded reference server."""
TARGET = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
"""A target's name: nothing that could be a URL or a host, `localhost` aside."""

_KEYS: Mapping[str, Flag] = {flag.name: flag for flag in (*FLAGS, OUTPUT)}
_TOKENS = {"token": "token-env", "second-token": "second-token-env"}
"""Wrong keys that people may write, and the right ones."""
_MUST_BE = {
    "switch": ("true or false", "true"),
    "integer": ("a whole number", "8"),
    "number": ("a number", "30"),
    "list": ("an array of strings", '["…", "…"]'),
    "header": ("an array of strings 'Name: value'", '["X-Name: value"]'),
}
"""Kind to what its value is, and an example; the others take a string."""


@dataclass(frozen=True, slots=True)
class Target:
    """What to judge, and what the file says about it."""

    name: str | None = None
    """As the file names it, or `reference`; None: a URL was given, or nothing."""
    url: Setting | None = None
    """None: the embedded reference server."""
    layers: tuple[Layer, ...] = ()
    """Nearest first."""


@dataclass(frozen=True, slots=True)
class Config:
    """What a file says."""

    path: Path | None = None
    """None: there is no file."""
    defaults: Layer = field(default_factory=dict)
    """The options at the top of the file."""
    urls: Mapping[str, Setting] = field(default_factory=dict)
    """Target to its URL, in the file's order."""
    targets: Mapping[str, Layer] = field(default_factory=dict)
    """Target to the rest of its table."""

    def target(self, url: str | None, environ: Mapping[str, str]) -> Target:
        """The target that was asked for, by a URL or a name.

        Args:
            url: as given; None: what `KITEMESH_URL` says, else the reference server.
            environ: the environment.

        Raises:
            UsageError: no target has that name, or an empty one was given.
        """
        if url is not None and not url.strip():
            raise UsageError(
                "The URL is empty (a variable that is not set, perhaps); give the server's, or say reference for the "
                "embedded reference server."
            )
        given = Setting(url, flags.COMMAND_LINE) if url else Setting(environ.get(URL), URL)
        if not given.value:
            return Target(layers=(self.defaults,))
        if given.value == REFERENCE:
            return Target(REFERENCE, layers=(self.defaults,))
        if not TARGET.fullmatch(given.value):
            return Target(url=given, layers=(self.defaults,))
        if given.value not in self.urls:
            raise UsageError(self._unknown(given.value))
        return Target(given.value, self.urls[given.value], (self.targets[given.value], self.defaults))

    def _unknown(self, name: str) -> str:
        if self.path is None:
            return (
                f"There is no {NAME} here that could name a target {name!r}; give a URL such as "
                "https://api.example.com/v1, or name the file with --config."
            )
        if not self.urls:
            return f"{self.path} names no target; add [targets.{name}] with its url, or give a URL."
        return f"{self.path} names no target {name!r}; it knows {', '.join(self.urls)}."


def find(given: str | None, environ: Mapping[str, str]) -> Config:
    """The file that was given, else that of `KITEMESH_CONFIG`, else `conformance.toml` here, else none.

    Raises:
        UsageError: it cannot be read, or something in it is wrong.
    """
    named = given or environ.get(VARIABLE)
    if not named and not Path(NAME).is_file():
        return Config()
    return load(files.named(named or NAME))


def options(url: str | None, given: Mapping[str, Any], environ: Mapping[str, str], config: Config) -> Options:
    """Validated options for a target, from all four places.

    Args:
        url: a URL or the name of a target in the file, as given; None: that of `KITEMESH_URL`, else the reference
            server.
        given: as for `flags.settings`.
        environ: the environment.
        config: what the file says.

    Raises:
        UsageError: with one sentence that says what to do.
    """
    target = config.target(url, environ)
    address = target.url.value if target.url else None
    if address is None and target.name is None:
        _refuse_false_green(given, environ, config)
    return flags.made(address, flags.settings(address, given, environ, target.layers), environ)


def _refuse_false_green(given: Mapping[str, Any], environ: Mapping[str, str], config: Config) -> None:
    """Refuse to judge the embedded reference server where anything points to another one: it would always pass."""
    reference = f"{REFERENCE} for the embedded reference server"
    if config.urls:
        raise UsageError(
            f"{config.path} names targets: say which one to judge ({', '.join(config.urls)}), or {reference}."
        )
    pointing = flags.pointers(given, environ, (config.defaults,))
    if not pointing:
        return
    shown = ", ".join(pointing[:3]) + (f" and {len(pointing) - 3} more" if pointing[3:] else "")
    what = f"{URL} is empty" if environ.get(URL) is not None else "The server's URL is missing"
    verb = "point" if len(pointing) > 1 else "points"
    raise UsageError(f"{what}, and {shown} {verb} to a server: give its URL (or {URL}), or say {reference}.")


def output(given: str | None, environ: Mapping[str, str], target: Target) -> Setting:
    """Where the reports go."""
    if given:
        return Setting(given, flags.COMMAND_LINE)
    if environ.get(OUTPUT.variable):
        return Setting(environ[OUTPUT.variable], OUTPUT.variable)
    for layer in target.layers:
        if OUTPUT.key in layer:
            return layer[OUTPUT.key]
    return Setting("reports", "default")


def load(path: Path) -> Config:
    """What a file says.

    Raises:
        UsageError: it cannot be read, is not TOML, or sets something that is not an option; never shows a token.
    """
    told = f"The configuration {str(path)!r}"
    try:
        document = files.toml(files.read(path, LARGEST))
    except (files.TooLarge, files.Unreadable) as error:
        raise UsageError(f"{told} {error}; check --config.") from None
    except files.Unusable as error:
        raise UsageError(f"{told} {error}.") from None
    tables = document.pop("targets", {})
    if not isinstance(tables, dict):
        raise UsageError(f"{path}: targets must be tables; write [targets.staging] above the keys of each.")
    defaults = dict(_layer(document, f"{path}", "at the top", path))
    urls: dict[str, Setting] = {}
    targets: dict[str, Layer] = {}
    for name, table in tables.items():
        place = f"in [targets.{name}]"
        if not TARGET.fullmatch(name):
            raise UsageError(f"{path}: the target {name!r} must be named by letters, digits, - and _, a letter first.")
        if name == REFERENCE:
            raise UsageError(f"{path}: the target {name!r} is the embedded reference server; choose another name.")
        if not isinstance(table, dict):
            raise UsageError(f"{path}: the target {name!r} must be a table; write [targets.{name}] above its keys.")
        url = table.pop("url", None)
        if not isinstance(url, str) or "://" not in url:
            raise UsageError(f'{path}: {place} the base URL is missing; write url = "https://…".')
        urls[name] = Setting(url, f"{path} [targets.{name}]")
        targets[name] = dict(_layer(table, f"{path} [targets.{name}]", place, path))
    return Config(path, defaults, urls, targets)


def _layer(table: Mapping[str, Any], origin: str, place: str, path: Path) -> Iterator[tuple[str, Setting]]:
    """The settings of a table; raises UsageError for a wrong one."""
    for name, value in table.items():
        if name in _TOKENS or name.replace("_", "-") in _TOKENS:
            wanted = _TOKENS[name.replace("_", "-")]
            raise UsageError(
                f"{path}: {name!r} {place} would keep a token in the file; put it into a variable and name that by "
                f"{wanted}{' (or a file, by token-file)' if wanted == 'token-env' else ''}."
            )
        flag = _KEYS.get(name)
        if flag is None:
            raise UsageError(f"{path}: {name!r} {place} is not an option; {_hint(name, place)}.")
        yield flag.key, Setting(_value(flag, value, f"{path}: {name!r} {place}", path), origin)


def _hint(name: str, place: str) -> str:
    if name == "url":
        return "write it below the name of a target, such as [targets.staging]"
    near = difflib.get_close_matches(name.replace("_", "-"), _KEYS, n=1)
    return f"did you mean {near[0]!r}" if near else "see: kitemesh-conformance config show"


def _value(flag: Flag, value: Any, place: str, path: Path) -> Any:
    if not _is_of(flag, value):
        words, example = _MUST_BE.get(flag.kind, ("a string that is not empty", '"…"'))
        if flag.choices and flag.kind == "choice":
            words, example = f"one of {', '.join(flag.choices)}", json.dumps(flag.choices[0])
        elif flag.choices:
            words = f"an array of {', '.join(flag.choices)}"
        raise UsageError(f"{place} must be {words}; write {flag.name} = {example}.")
    if flag.name.endswith("token-env") and not flags.is_variable(value):
        raise UsageError(f"{place} must be the name of a variable that holds the token, never the token itself.")
    if flag.key == "proxy":
        flags.refuse_login(place, value)
    if flag.kind == "file":
        return str(path.parent / files.named(value))
    return tuple(value) if isinstance(value, list) else value


def _is_of(flag: Flag, value: Any) -> bool:
    match flag.kind:
        case "switch":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "list" | "header":
            known = flag.choices or None
            return isinstance(value, list) and all(_is_text(v) and (known is None or v in known) for v in value)
        case "choice":
            return value in flag.choices if isinstance(value, str) else False
        case _:
            return _is_text(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


# --- the same as JSON Schema


def schema() -> dict[str, Any]:
    """The rules of `load` as JSON Schema 2020-12; `schemas/config.schema.json` is a copy of it."""
    shared = {name: _property(flag) for name, flag in _KEYS.items()}
    url = {"description": "Base URL of the server, with or without /v1.", "type": "string", "pattern": "://"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://kitemesh-conformance.invalid/schemas/config.schema.json",
        "title": "Configuration of kitemesh-conformance",
        "description": "conformance.toml, as JSON has it. Paths are relative to the file. It never holds a token.",
        "type": "object",
        "properties": {
            **shared,
            "targets": {
                "description": "Servers by name: kitemesh-conformance run NAME.",
                "type": "object",
                "propertyNames": {"pattern": f"^(?!{REFERENCE}$){TARGET.pattern}(?!\\n)$"},
                "additionalProperties": {
                    "description": "A server; its keys win over those at the top of the file.",
                    "type": "object",
                    "required": ["url"],
                    "properties": {"url": url, **shared},
                    "additionalProperties": False,
                },
            },
        },
        "additionalProperties": False,
    }


def _property(flag: Flag) -> dict[str, Any]:
    said: dict[str, Any] = {"description": flag.help}
    text: dict[str, Any] = {"type": "string", "pattern": r"\S"}
    match flag.kind:
        case "switch":
            return said | {"type": "boolean"}
        case "integer" | "number":
            return said | {"type": flag.kind}
        case "list" | "header":
            return said | {"type": "array", "items": {"enum": list(flag.choices)} if flag.choices else text}
        case "choice":
            return said | {"enum": list(flag.choices)}
        case _ if flag.name == "proxy":
            return said | {"type": "string", "pattern": r"^[^@\s]+$"}
        case _ if flag.name.endswith("token-env"):
            return said | {"type": "string", "pattern": r"^(?!km_)[A-Za-z_][A-Za-z0-9_]*(?!\n)$"}
        case _:
            return said | text
