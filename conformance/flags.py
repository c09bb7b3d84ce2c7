"""Every option of a run, once: its flag, its environment variable, its help, and how its text becomes a value.

The command line and the pytest plugin both build their flags from this table, so that they cannot drift apart. What was
given wins over the environment; the environment wins over the default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from conformance.options import Depth, Options, UsageError

Kind = Literal["text", "switch", "list", "header"]

TOKEN_ENV = "KITEMESH_TOKEN"
_APPROVALS = ("approval_prompt", "no_approvals")
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Flag:
    """One option."""

    name: str
    """`max-credits`: the command line's `--max-credits`, pytest's `--target-max-credits`."""
    help: str
    metavar: str = ""
    kind: Kind = "text"
    """`switch` takes no value; `list` takes names joined by commas, again and again; `header` may be repeated."""
    of_target: bool = False
    """True: only of use with a URL; the reference server has its own."""

    @property
    def key(self) -> str:
        """The name as an identifier: `max_credits`."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable: `KITEMESH_MAX_CREDITS`."""
        return f"KITEMESH_{self.key.upper()}"


FLAGS = (
    Flag("model", "Model to ask for: group:<uuid>.", "GROUP", of_target=True),
    Flag("token-env", f"Variable that holds the token [{TOKEN_ENV}].", "NAME", of_target=True),
    Flag("token-file", "File that holds the token.", "FILE", of_target=True),
    Flag("second-token-env", "Variable that holds another caller's token.", "NAME", of_target=True),
    Flag("approval-prompt", "Prompt that makes tools wait for approval.", "TEXT", of_target=True),
    Flag("expiring-prompt", "Likewise, where it expires soon.", "TEXT", of_target=True),
    Flag("no-approvals", "The target has no tool approvals.", kind="switch", of_target=True),
    Flag("no-execute", "Never approve a tool call.", kind="switch"),
    Flag("modes", "metadata.mode values that it has [all].", "LIST", "list"),
    Flag("depth", "quick, standard or deep [standard].", "DEPTH"),
    Flag("examples", "Generated bodies [by depth].", "N"),
    Flag("replay", "Send these vectors.json bodies first.", "FILE"),
    Flag("only", "Judge these ids or areas only.", "ID,…", "list"),
    Flag("skip", "Leave these ids or areas out.", "ID,…", "list"),
    Flag("strict", "A broken SHOULD fails the run too.", kind="switch"),
    Flag("baseline", "Known failures, which do not fail the run.", "FILE"),
    Flag("concurrency", "Requests at a time [8].", "N"),
    Flag("timeout", "To the first byte; half between bytes [120]; quick's first request: 3/8.", "SECONDS"),
    Flag("max-requests", "Send no more than this.", "N"),
    Flag("max-credits", "Stop once so much was charged.", "N"),
    Flag("wait-expiry", "Wait so long for an approval to expire [0].", "SECONDS"),
    Flag("seed", "Draw the same random choices again.", "N"),
    Flag("header", "Send this field too; repeatable.", "'N: V'", "header", of_target=True),
    Flag("ca-bundle", "Trust these certificates.", "FILE", of_target=True),
    Flag("no-bodies", "Leave bodies out of all reports.", kind="switch"),
)


def options(url: str | None, given: Mapping[str, Any], environ: Mapping[str, str]) -> Options:
    """Validated options.

    Args:
        url: as given; None: that of `KITEMESH_URL`, else the reference server.
        given: values by `Flag.key`: text, a bool for a switch, a sequence of texts for lists and headers. None, False
            and an empty sequence mean: not given.
        environ: the environment.

    Raises:
        UsageError: with one sentence that says what to do.
    """
    url = url or environ.get("KITEMESH_URL") or None
    values = _gather(url, given, environ)
    if all(key in values for key in _APPROVALS):
        raise UsageError("--approval-prompt and --no-approvals contradict each other; leave one of them out.")
    made: dict[str, Any] = {"url": url}
    for key, value in values.items():
        match key:
            case "no_approvals":
                made["approvals"] = False
            case "no_execute":
                made["execute"] = False
            case "no_bodies":
                made["bodies"] = False
            case "token_env" | "token_file" | "second_token_env":
                continue
            case _ if key in _PARSERS:
                made[key] = _PARSERS[key](key, value)
            case _:
                made[key] = value
    if url is not None:
        made["token"] = _token(values, environ)
        made["second_token"] = _second_token(values, environ)
    checked = Options(**made).checked()
    return checked


def _gather(url: str | None, given: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """What was given or is in the environment, by key; what was not is absent."""
    values: dict[str, Any] = {}
    for flag in FLAGS:
        value = given.get(flag.key)
        if value not in (None, False, (), []):
            if flag.of_target and url is None:
                raise UsageError(
                    f"--{flag.name} is about a target: give its URL too (without one the reference server runs)."
                )
            values[flag.key] = tuple(value) if flag.kind in ("list", "header") else value
        elif url is not None or not flag.of_target:
            found = _from_environment(flag, environ)
            if found is not None:
                values[flag.key] = found
    told = [key for key in _APPROVALS if given.get(key)]
    if len(told) == 1:  # it wins over what the environment says of the other
        values.pop(next(key for key in _APPROVALS if key not in told), None)
    for key in ("modes", "only", "skip"):
        if key in values:
            values[key] = names(values[key])
    if "header" in values:
        values["headers"] = _headers(values.pop("header"))
    return values


def _from_environment(flag: Flag, environ: Mapping[str, str]) -> Any:
    text = environ.get(flag.variable)
    if text is None or not text.strip():
        return None
    match flag.kind:
        case "switch":
            if text.strip().lower() not in _YES | _NO:
                raise UsageError(f"{flag.variable} must be 1 or 0, not {text!r}.")
            return True if text.strip().lower() in _YES else None
        case "list":
            return (text,)
        case "header":
            return tuple(line for line in text.splitlines() if line.strip())
        case "text":
            return text


def names(texts: Sequence[str]) -> tuple[str, ...]:
    """The names in texts that join some of them by commas."""
    return tuple(word.strip() for text in texts for word in text.split(",") if word.strip())


def _headers(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    fields = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon:
            raise UsageError("--header takes 'Name: value', but one of them has no colon; correct it.")
        fields.append((name.strip(), value.strip()))
    return tuple(fields)


def _token(values: Mapping[str, Any], environ: Mapping[str, str]) -> str | None:
    path = values.get("token_file")
    if path:
        try:
            return Path(path).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise UsageError(f"The token's file {path!r} cannot be read ({reason}); check --token-file.") from None
    name = values.get("token_env", TOKEN_ENV)
    return environ.get(name) if name == TOKEN_ENV else _variable("token-env", name, environ)


def _second_token(values: Mapping[str, Any], environ: Mapping[str, str]) -> str | None:
    name = values.get("second_token_env")
    if name is None:
        return environ.get("KITEMESH_SECOND_TOKEN") or None
    return _variable("second-token-env", name, environ)


def _variable(flag: str, name: str, environ: Mapping[str, str]) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name.startswith("km_"):
        raise UsageError(f"--{flag} takes the name of a variable that holds the token, never the token itself.")
    if not environ.get(name):
        raise UsageError(f"The variable {name}, which --{flag} names, is not set; set it to the token.")
    return environ[name]


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


_PARSERS: Mapping[str, Callable[[str, Any], Any]] = {
    "depth": _depth,
    **dict.fromkeys(("examples", "concurrency", "max_requests", "seed"), _integer),
    **dict.fromkeys(("timeout", "max_credits", "wait_expiry"), _number),
}
