"""Which server a recording of others is about: the base URLs that were asked, and one transcript for each chosen one.

A server is taken for KiteMesh's, or one that means to be compatible, where a request asks it for a group or an answer
bears `kitemesh`; where neither is known, it may be. Others are found and told, and judged where somebody asks for it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from conformance.contract.classify import endpoint_of
from conformance.transcript.account import RECORDING, Why, added
from conformance.transcript.exchange import Exchange, Transcript
from conformance.transcript.har_nodes import HarError

OPENAI = "openai-compatible"
"""The profile of servers that implement the common part of the API alone."""
PROFILE = "profile"
"""The option of a transcript that names the profile it is judged by."""
_GROUP = re.compile(r"group:[0-9a-fA-F-]{36}")
_EXTENSION = re.compile(rb'"kitemesh"\s*:')
_NAMED = 6


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a recording is to be judged."""

    host: str | None = None
    """Host, with or without the port."""
    path: str | None = None
    """Path of the base URL: `/v1`."""
    model: str | None = None
    profile: str | None = None
    """`OPENAI`, or None: the whole contract."""


@dataclass(frozen=True, slots=True)
class Target:
    """A base URL that was asked, and what was asked there."""

    base: str
    host: str
    path: str
    models: tuple[str, ...]
    exchanges: tuple[Exchange, ...]
    likeness: int
    """How much speaks for KiteMesh: 2, a request asked for a group; 1, an answer bears `kitemesh`, or no request is
    known; 0, nothing."""

    def __str__(self) -> str:
        requests = f"{len(self.exchanges)} request{'s' if len(self.exchanges) > 1 else ''}"
        models = ", ".join(self.models[:_NAMED]) or "unknown"
        return f"{self.base} ({requests}; model{'s' if len(self.models) > 1 else ''} {models})"


def found(exchanges: Iterable[Exchange]) -> list[Target]:
    """The targets that were asked, the most asked first."""
    by_base: dict[str, list[Exchange]] = {}
    for exchange in exchanges:
        by_base.setdefault(_base(exchange.request.url), []).append(exchange)
    made = [_target(base, tuple(asked)) for base, asked in by_base.items()]
    return sorted(made, key=lambda target: -len(target.exchanges))


def chosen(transcript: Transcript, choice: Choice) -> list[Transcript]:
    """One transcript for each target that is to be judged; one of this suite's own as it is.

    Raises:
        HarError: nothing is left, or an option does not fit; with what is there instead.
    """
    recorded = transcript.options.get(RECORDING)
    if not isinstance(recorded, dict) or "target" in recorded:
        if any((choice.host, choice.path, choice.model, choice.profile)):
            raise HarError("It is a recording of this suite, of one target; leave out what chooses another.")
        return [transcript]
    there = found(transcript)
    fitting = [t for t in there if _fits(t, choice)]
    if not fitting:
        raise HarError(f"Nothing in it is asked for by --host, --path or --model; there are: {_listed(there)}.")
    named = any((choice.host, choice.path, choice.model, choice.profile))
    most = max(target.likeness for target in fitting)
    kept = fitting if named else [t for t in fitting if t.likeness == most > 0]
    if not kept:
        raise HarError(
            f"No request in it asks for a group (group:<uuid>); there are: {_listed(there)}. "
            "--any-model judges what they answered, or --host as KiteMesh's."
        )
    return [_of(transcript, recorded, target, there, choice) for target in kept]


def one(transcript: Transcript) -> Transcript:
    """The transcript of the only target that is to be judged. Raises HarError where there are several."""
    several = chosen(transcript, Choice())
    if len(several) > 1:
        raise HarError(f"It is about several targets: {_listed(found(transcript))}; judge them one at a time.")
    return several[0]


def _listed(targets: list[Target]) -> str:
    more = f" and {len(targets) - _NAMED} more" if len(targets) > _NAMED else ""
    return "; ".join(map(str, targets[:_NAMED])) + more


def _fits(target: Target, choice: Choice) -> bool:
    host = (choice.host or target.host).lower()
    path = (choice.path or target.path).rstrip("/")
    at_host = host in (target.host, target.host.rpartition(":")[0])
    return at_host and path == target.path and (choice.model is None or choice.model in target.models)


def _of(
    transcript: Transcript, recorded: Mapping[str, Any], target: Target, there: list[Target], choice: Choice
) -> Transcript:
    exchanges = target.exchanges
    if choice.model is not None:
        exchanges = tuple(e for e in exchanges if _model(e) in (choice.model, None))
    account = added(recorded, Why.OTHER_MODEL, len(target.exchanges) - len(exchanges))
    account = added(
        account,
        Why.OTHER_TARGET,
        sum(len(other.exchanges) for other in there if other is not target),
        host=target.host,
        target=target.base,
        others=[str(other) for other in there if other is not target][:_NAMED],
    )
    options = {**transcript.options, RECORDING: account}
    if choice.model is not None:
        options["model"] = choice.model
    if choice.profile is not None:
        options[PROFILE] = choice.profile
    return replace(transcript, exchanges=exchanges, options=options)


def _target(base: str, exchanges: tuple[Exchange, ...]) -> Target:
    models = Counter(model for exchange in exchanges if (model := _model(exchange)) is not None)
    unknown = all(exchange.request.body is None for exchange in exchanges)
    extended = any(e.response and _EXTENSION.search(e.response.body) for e in exchanges)
    grouped = any(_GROUP.fullmatch(model) for model in models)
    parts = urlsplit(base)
    names = tuple(model for model, _ in models.most_common())
    likeness = 2 if grouped else 1 if extended or unknown else 0
    return Target(base, parts.netloc, parts.path, names, exchanges, likeness)


def _base(url: str) -> str:
    """The base URL: scheme and host in lower case, and the path before the endpoint."""
    address = url.partition("?")[0].partition("#")[0].rstrip("/")
    scheme, _, rest = address.removesuffix(endpoint_of(address)).partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme.lower()}://{host.rpartition('@')[2].lower()}{slash}{path}"


def _model(exchange: Exchange) -> str | None:
    """The model that a request asks for; None where it is not known."""
    try:
        value = json.loads(exchange.request.body or b"")
    except (ValueError, RecursionError):
        return None
    model = value.get("model") if isinstance(value, dict) else None
    return model[:200] if isinstance(model, str) else None
