"""The options of a run, as one frozen value. Nothing here reads a file.

`Options.checked` refuses what is wrong with one sentence that says what to do (`UsageError`, exit code 4), before
anything is sent. The token is never part of what is written: see `Options.recorded`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from conformance.settings.vector import Vector

MODES = ("auto", "normal", "orch", "synth")
MODEL = re.compile(r"group:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ENDPOINTS = ("/chat/completions", "/chat/resume")
SHORTEST_TOKEN = 6
"""The fewest characters of a token; shorter ones appear in ids by chance."""
PLAIN_TOKEN = 16
"""Characters from which a token may be letters alone (shorter: a word of some text), or digits of ids and times."""
_PLAIN = re.compile(r"[A-Za-z]+|[0-9A-Fa-f.,:_-]+")


class UsageError(ValueError):
    """Something that the user gave is wrong. The message is one sentence that says what to do."""


class Depth(StrEnum):
    """How much is sent."""

    QUICK = "quick"
    STANDARD = "standard"
    DEEP = "deep"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """All options of a run."""

    url: str | None = None
    """Base URL, with or without `/v1`; None: the embedded reference server."""
    embedded: bool = False
    """True: the URL is that of the embedded reference server, which was started for this run."""
    model: str | None = None
    token: str | None = field(default=None, repr=False)
    second_token: str | None = field(default=None, repr=False)
    approval_prompt: str | None = None
    """A prompt that makes the target ask for a tool approval; None: approvals are not exercised."""
    expiring_prompt: str | None = None
    """The same, for an approval that expires soon; None: the approval prompt."""
    approvals: bool = True
    """False: the target was declared to have no tool approvals."""
    execute: bool = True
    """False: no tool call is ever approved (`--no-execute`)."""
    modes: tuple[str, ...] = MODES
    depth: Depth = Depth.STANDARD
    examples: int | None = None
    """Generated bodies; None: what the depth says."""
    replay: str | None = None
    """A file of vectors, which are sent before all other bodies."""
    vectors: tuple[Vector, ...] = field(default=(), repr=False)
    """What that file holds (`vectors.replayed` reads it)."""
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    strict: bool = False
    concurrency: int = 8
    timeout: float = 120.0
    """Seconds to the first byte; between bytes it is half of it."""
    rate: float | None = None
    """The most requests per second; None: as many as the target accepts."""
    down_for: float = 10.0
    """Seconds for which the target may be down before the run ends."""
    max_minutes: float | None = None
    """Minutes after which the run stops; None: it does not."""
    max_requests: int | None = None
    max_credits: float | None = None
    wait_expiry: float = 0.0
    """Seconds that the run may wait for an approval to expire."""
    seed: int | None = None
    preflight: bool = True
    """False: whatever answers is judged, without asking first whether it is the API."""
    baseline: str | None = None
    """File of the known failures; None: there are none."""
    allow_stale: bool = False
    """True: entries of the baseline that no longer fail are reported, and the run may pass anyway."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """In addition to those of the suite; their values may be secrets."""
    ca_bundle: str | None = None
    bodies: bool = True
    """False: the content of requests and answers is left out of all reports (`--no-bodies`)."""

    def checked(self) -> Options:
        """These options, with the URL brought to its base form (no trailing slash, `/v1` where no path was given).

        Raises:
            UsageError: something is missing or wrong.
        """
        _check_numbers(self)
        _check_headers(self.headers)
        if unknown := [m for m in self.modes if m not in MODES]:
            raise UsageError(f"--modes knows {', '.join(MODES)}, but not {unknown[0]!r}; leave it out.")
        if self.url is None:
            return self
        url = base_url(self.url)
        if self.model is None:
            raise UsageError("Name the model to ask for: --model group:<uuid>, or set KITEMESH_MODEL.")
        if not MODEL.fullmatch(self.model):
            raise UsageError(f"The model {self.model!r} is not of the form group:<uuid>; copy it from your account.")
        check_token(self.token, "the token")
        if self.second_token is not None:
            check_token(self.second_token, "the second token")
            if self.second_token == self.token:
                raise UsageError("The second token equals the first; give one of another account.")
        told = replace(self, url=url)
        _check_apart(told)
        return told

    def recorded(self) -> dict[str, Any]:
        """What a transcript and the results keep of the options: JSON values, never a token or a header's value."""
        kept: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.name in {"token", "second_token", "vectors"}:
                continue
            if entry.name == "headers":
                value = [name for name, _ in value]
            kept[entry.name] = list(value) if isinstance(value, tuple) else value
        kept["second_token"] = self.second_token is not None
        return kept


def base_url(text: str) -> str:
    """The base URL that the endpoints are joined to.

    `https://host` becomes `https://host/v1`; a path that is given is kept; a trailing slash or one of the endpoints'
    paths (pasted from the documentation) is cut off.

    Raises:
        UsageError: not an absolute http or https URL, or one with user information, a query or a fragment.
    """
    given = text.strip()
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        raise UsageError(f"The URL {given!r} cannot be read; give one such as https://api.example.com/v1.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or any(c.isspace() for c in given) or port == 0:
        raise UsageError(f"The URL {given!r} is not an http or https URL; give one such as https://api.example.com/v1.")
    if parts.username is not None or parts.password is not None:
        raise UsageError("The URL holds user information; leave it out and give the token by KITEMESH_TOKEN.")
    if parts.query or parts.fragment:
        raise UsageError(f"The URL {given!r} has a query or a fragment; give the base URL alone.")
    try:
        parts.hostname.encode("idna")
    except UnicodeError:
        raise UsageError(f"The host name in {given!r} is not valid; check the spelling.") from None
    path = parts.path.rstrip("/")
    for endpoint in ENDPOINTS:
        path = path.removesuffix(endpoint)
    return f"{parts.scheme}://{parts.netloc}{path or '/v1'}"


def check_token(token: str | None, what: str) -> None:
    """Refuse a token that is missing, cannot travel in a header, or cannot be masked without masking other things.

    Raises:
        UsageError: with a sentence that never repeats the token.
    """
    if not token:
        raise UsageError(f"There is no token: set KITEMESH_TOKEN (or name a variable by --token-env) to {what}.")
    what = what.capitalize()
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise UsageError(f"{what} contains white space or characters that no header can carry; copy it again.")
    if len(token) < SHORTEST_TOKEN:
        raise UsageError(
            f"{what} has fewer than {SHORTEST_TOKEN} characters, so masking it would also mask other text; "
            "use a longer one."
        )
    if not re.search("[0-9A-Za-z]", token) or (len(token) < PLAIN_TOKEN and _PLAIN.fullmatch(token)):
        raise UsageError(
            f"{what} looks like a word or a number, so masking it would also mask other text; use one that "
            f"mixes letters with other characters, or has {PLAIN_TOKEN} of them or more."
        )
    from conformance.contract import vocabulary  # it brings the schemas, which `--help` does without

    if vocabulary.holds(token):
        raise UsageError(
            f"{what} is a word that requests or answers of the API hold, so masking it would mask these too; "
            "use another one."
        )


def _check_apart(options: Options) -> None:
    """Refuse a token that is part of another value that the user gave. Raises UsageError."""
    beside = {
        "the URL": options.url,
        "the model": options.model,
        "--approval-prompt": options.approval_prompt,
        "--expiring-prompt": options.expiring_prompt,
    }
    for what, token in (("The token", options.token), ("The second token", options.second_token)):
        for place, text in beside.items():
            if token and text and token in text:
                raise UsageError(f"{what} is part of {place}, so masking it would mask that too; use another one.")
        if token and any(token.encode() in vector.body for vector in options.vectors):
            raise UsageError(f"{what} is part of a body in --replay; use another one.")


def _check_numbers(options: Options) -> None:
    least: Mapping[str, float] = {"concurrency": 1, "max_requests": 1, "examples": 0, "wait_expiry": 0, "seed": 0}
    for name, low in least.items():
        value = getattr(options, name)
        if value is not None and not low <= value < 2**63:
            raise UsageError(f"--{name.replace('_', '-')} must be {low:g} or more, not {value:g}.")
    if options.concurrency > 64:
        raise UsageError(f"--concurrency may be 64 at most, not {options.concurrency}.")
    if not 0 < options.timeout <= 3600:
        raise UsageError(f"--timeout must be above 0 and at most 3600 seconds, not {options.timeout:g}.")
    for name in ("rate", "max_minutes"):
        value = getattr(options, name)
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"--{name.replace('_', '-')} must be above 0, not {value:g}.")
    if not 0 <= options.down_for <= 3600:
        raise UsageError(f"--down-for must be 0 to 3600 seconds, not {options.down_for:g}.")
    if options.max_credits is not None and not 0 < options.max_credits < float("inf"):
        raise UsageError(f"--max-credits must be above 0, not {options.max_credits:g}.")


def _check_headers(headers: Iterable[tuple[str, str]]) -> None:
    for name, value in headers:
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not re.fullmatch(
            r"[\x20-\x7e\t\x80-\xff]*", value
        ):
            raise UsageError(f"--header takes 'Name: value', but {name!r} is not a header field; correct it.")
        if name.lower() in {
            "authorization",
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
            "content-type",
        }:
            raise UsageError(f"--header cannot set {name}: the suite sets it itself; leave it out.")
