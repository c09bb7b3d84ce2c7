"""What a run would be told, option by option, and where each value comes from; no token is ever shown."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.settings import config_file as config
from conformance.settings import files, flags
from conformance.settings.config_file import Target
from conformance.settings.flags import FLAGS, OUTPUT, Flag, Layer, Setting
from conformance.settings.options import Options, without_login
from conformance.transcript.excerpt import excerpt

_DEFAULT = "default"
_COLUMN = 44
"""Characters that a value may take before it shifts its origin to the right; a model has 42."""
_LONGEST = 120
"""Characters of a value that are shown to a person."""


@dataclass(frozen=True, slots=True)
class OptionRow:
    """An option as a run would take it."""

    name: str
    value: Any
    """A JSON value; of a header the name only, and never a token."""
    origin: str
    """`command line`, the name of a variable, `conformance.toml [targets.staging]`, `default`."""
    set: bool | None = None
    """Of what names a token: whether it is there; None: it names none."""


def rows(target: Target, given: Mapping[str, Any], environ: Mapping[str, str]) -> list[OptionRow]:
    """Every option, its value, and where it came from, in the table's order.

    Args:
        target: what is to be judged, and what the file says of it.
        given: as for `flags.settings`; `output` too.
        environ: the environment.

    Raises:
        UsageError: a variable is not a switch, or a layer contradicts itself.
    """
    url = target.url.value if target.url else None
    found = flags.settings(url, given, environ, target.layers)
    where = OptionRow("url", url, target.url.origin if target.url else _DEFAULT)
    kept = config.output(given.get(OUTPUT.key), environ, target)
    return [
        where,
        *(_row(flag, found, url, environ) for flag in FLAGS),
        OptionRow(OUTPUT.name, kept.value, kept.origin),
    ]


def _row(flag: Flag, found: Layer, url: str | None, environ: Mapping[str, str]) -> OptionRow:
    setting = found.get(flag.key)
    if url is None and flag.of_target:
        return OptionRow(flag.name, None, "the reference server's own")
    if flag.key in ("token_env", "second_token_env"):
        return _variable(flag, found, environ)
    if setting is None or setting.value == ():
        return OptionRow(flag.name, _default(flag), _DEFAULT)
    value = setting.value
    match flag.kind:
        case "header":
            value = [text.partition(":")[0].strip() for text in value]  # what follows may be a secret
        case "list":
            value = list(flags.names(value))
        case _ if flag.key == "proxy":
            value = without_login(value)
    there = os.access(files.named(value), os.R_OK) if flag.key == "token_file" else None
    return OptionRow(flag.name, value, setting.origin, there)


def _variable(flag: Flag, found: Layer, environ: Mapping[str, str]) -> OptionRow:
    if flag.key == "token_env" and flag.key not in found and "token_file" in found:
        return OptionRow(flag.name, None, _DEFAULT)
    default = flags.TOKEN_ENV if flag.key == "token_env" else flags.SECOND_TOKEN_ENV
    setting = found.get(flag.key, Setting(default, _DEFAULT))
    name = setting.value if flags.is_variable(setting.value) else None  # it may be a token, given by mistake
    return OptionRow(flag.name, name, setting.origin, bool(name and environ.get(name)))


def _default(flag: Flag) -> Any:
    if flag.kind == "switch":
        return False
    value = getattr(Options(), flag.key, None)
    return list(value) if isinstance(value, tuple) else value


def text(target: Target, shown: Sequence[OptionRow], file: config.Config) -> str:
    """One line an option: name, value, origin."""
    lines = [(row.name, _words(row), row.origin) for row in shown]
    widths = [max(len(line[column]) for line in lines if len(line[column]) <= _COLUMN) for column in (0, 1)]
    told = [f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}".rstrip() for name, value, origin in lines]
    head = f"Target: {target.name or (target.url.value if target.url else 'the embedded reference server')}"
    known = f"; it names {', '.join(file.urls)}" if file.urls else ""
    read = f"File: {file.path}{known}" if file.path else f"File: none (there is no {config.NAME} here)"
    return "\n".join([excerpt(head), excerpt(read), "", *told]) + "\n"


def _words(row: OptionRow) -> str:
    if row.value is None or row.value == []:
        told = "-"
    elif isinstance(row.value, bool):
        told = "yes" if row.value else "no"
    elif isinstance(row.value, list):
        told = ", ".join(row.value)
    else:
        told = f"{row.value:g}" if isinstance(row.value, float) else str(row.value)
    there = "" if row.set is None else " (set)" if row.set else " (not set)"
    return excerpt(told, _LONGEST) + there


def as_json(target: Target, shown: Sequence[OptionRow], file: config.Config) -> str:
    """The same for programs; `set` stands only with what names a token."""
    options = [
        {"name": row.name, "value": row.value, "origin": row.origin, **({} if row.set is None else {"set": row.set})}
        for row in shown
    ]
    document = {
        "target": target.name,
        "file": str(file.path) if file.path else None,
        "targets": list(file.urls),
        "options": options,
    }
    return json.dumps(document, indent=2) + "\n"


FORMS: Mapping[str, Callable[[Target, Sequence[OptionRow], config.Config], str]] = {"text": text, "json": as_json}
