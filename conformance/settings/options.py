"""The options of a run, as one frozen value. Nothing here reads a file.

`Options.checked` refuses what is wrong with one sentence that says what to do (`UsageError`, exit code 4), before
anything is sent. The token is never part of what is written: see `Options.recorded`.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from conformance.contract.catalogue import Side
from conformance.settings.vector import Vector

MODES = ("auto", "normal", "orch", "synth")
MODEL = re.compile(r"group:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
HTTP = ("1.1", "2")
"""Versions of HTTP that can be spoken."""
LONGEST_SOCKET = 107
"""Octets of a Unix socket's path that systems take (`sun_path`)."""
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

    side: Side = Side.SERVER
    """Whom the verdict is on."""
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
    first: tuple[str, ...] = ()
    """Ids of the requirements whose probes are sent before all others (`--failed-first`)."""
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
    max_failures: int | None = None
    """Requirements that may fail before the run stops; None: it does not."""
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
    client_cert: str | None = None
    """File of the certificate that is shown to the target, with its key unless `client_key` names that."""
    client_key: str | None = None
    client_key_password: str | None = field(default=None, repr=False)
    server_name: str | None = None
    """What the target's certificate has to name, instead of the URL's host."""
    insecure: bool = False
    """True: the target's certificate is not verified."""
    insecure_host: str | None = None
    """The host other than loopback for which that may be."""
    proxy: str | None = field(default=None, repr=False)
    """URL of the proxy; it may hold a password. None: what the environment says."""
    environment_proxy: bool = True
    """False: the environment's proxies are not used (`--no-proxy`)."""
    resolve: tuple[str, ...] = ()
    """`HOST:PORT:ADDRESS`: connect to this address instead."""
    unix_socket: str | None = None
    """Path of the Unix socket to connect to."""
    http: tuple[str, ...] = ("1.1",)
    """Versions of HTTP, each of which is recorded on its own."""
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
        _check_reach(self, urlsplit(url).hostname or "")
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

    def of_one_version(self) -> None:
        """Refuse to record two versions of HTTP in one run. Raises UsageError."""
        if len(self.http) > 1:
            raise UsageError("--http with two versions is for the command run alone, which makes two runs: give one.")

    def recorded(self) -> dict[str, Any]:
        """What a transcript and the results keep of the options: JSON values, never a token or a header's value."""
        kept: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.name in {"token", "second_token", "vectors", "client_key_password"}:
                continue
            if entry.name == "proxy" and value is not None:
                value = without_login(value)
            if entry.name == "headers":
                value = [name for name, _ in value]
            kept[entry.name] = list(value) if isinstance(value, tuple) else value
        kept["second_token"] = self.second_token is not None
        return kept


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    name = host.lower().strip("[]").rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def has_login(url: str) -> bool:
    """Whether the URL of a proxy holds a user or a password."""
    return "@" in url


def without_login(url: str) -> str:
    """The URL of a proxy without user and password."""
    scheme, colon, rest = url.rpartition("://")
    return f"{scheme}{colon}{rest.rpartition('@')[2]}"


def addresses(resolve: Iterable[str]) -> dict[tuple[str, int], str]:
    """Host and port to the address that stands for them, from texts `HOST:PORT:ADDRESS`.

    Raises:
        UsageError: a text is not of that form.
    """
    found = {}
    for text in resolve:
        matched = re.fullmatch(r"(\[[^\]]+\]|[^:\[\]]+):(\d{1,5}):(.+)", text.strip())
        try:
            if matched is None or not 0 < int(matched[2]) < 2**16:
                raise ValueError
            address = str(ipaddress.ip_address(matched[3].strip("[]")))
        except ValueError:
            raise UsageError(
                f"--resolve takes HOST:PORT:ADDRESS such as api.example.com:443:10.0.0.7, not {text!r}."
            ) from None
        found[matched[1].strip("[]").lower(), int(matched[2])] = address
    return found


def _check_reach(options: Options, host: str) -> None:
    """Refuse what says two things about the way to the target, or none. Raises UsageError."""
    addresses(options.resolve)
    if unknown := [version for version in options.http if version not in HTTP]:
        raise UsageError(f"--http must be {' or '.join(HTTP)} or both, not {unknown[0]!r}.")
    if options.proxy and not options.environment_proxy:
        raise UsageError("--proxy and --no-proxy contradict each other; leave one of them out.")
    if options.proxy and options.unix_socket:
        raise UsageError("--proxy and --unix-socket contradict each other; leave one of them out.")
    if options.unix_socket and not hasattr(socket, "AF_UNIX"):
        raise UsageError("--unix-socket needs Unix sockets, which Python has not on this system; give a URL alone.")
    if options.unix_socket and len(os.fsencode(options.unix_socket)) > LONGEST_SOCKET:
        raise UsageError(f"--unix-socket may name a path of {LONGEST_SOCKET} octets at most; use a shorter one.")
    if options.client_key and not options.client_cert:
        raise UsageError("--client-key needs --client-cert, which names the certificate of the key.")
    if options.insecure and options.ca_bundle:
        raise UsageError("--insecure and --ca-bundle contradict each other; leave one of them out.")
    if options.insecure and not is_loopback(host) and (options.insecure_host or "").lower() != host.lower():
        raise UsageError(
            f"--insecure would send the token to whoever answers for {host}: name its certificate by --ca-bundle, or "
            f"say --insecure-host {host} too."
        )


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
    least: Mapping[str, float] = {
        "concurrency": 1,
        "max_failures": 1,
        "max_requests": 1,
        "examples": 0,
        "wait_expiry": 0,
        "seed": 0,
    }
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
