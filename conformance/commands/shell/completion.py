"""What the shell completes: requirements, targets, faults. What cannot be known is completed by nothing, silently."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from click import Context, Parameter
from click.shell_completion import CompletionItem

from conformance.settings.options import UsageError

if TYPE_CHECKING:
    from conformance.contract.catalogue import Catalogue


def requirements(context: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids and areas, also after a comma: of `http.json,str` the last part."""
    catalogue = _catalogue()
    told = {**catalogue.areas, **{requirement.id: requirement.statement for requirement in catalogue}}
    before, comma, last = incomplete.rpartition(",")
    return [CompletionItem(before + comma + name, help=text) for name, text in told.items() if name.startswith(last)]


def _catalogue() -> Catalogue:
    from conformance.contract.catalogue import load
    from conformance.running import discovery

    with suppress(UsageError):
        discovery.discover()
    return load()


def targets(context: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """The names in `conformance.toml`, or in the file that `--config` names."""
    from conformance.settings import config_file as config

    try:
        known = config.find(context.params.get("config"), os.environ).urls
    except UsageError:
        return []
    return [CompletionItem(name, help=str(url.value)) for name, url in known.items() if name.startswith(incomplete)]


def words(choices: Iterable[str]) -> Callable[[Context, Parameter, str], list[CompletionItem]]:
    """What completes these words, also after a comma."""

    def complete(context: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        return [CompletionItem(before + comma + word) for word in choices if word.startswith(last)]

    return complete


def _starting(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def faults(context: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """The faults of the reference server, and the troubles."""
    from conformance.client.troubles import TROUBLES
    from conformance.reference.faults import FAULTS

    return _starting([*(fault.id for fault in FAULTS), *(trouble.id for trouble in TROUBLES)], incomplete)


def variations(context: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """The variations of the reference server."""
    from conformance.reference.variations import VARIATIONS

    return _starting((variation.id for variation in VARIATIONS), incomplete)


def faces(context: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """All faces that the reference server has for a client."""
    from conformance.client.faces import every

    before, comma, last = incomplete.rpartition(",")
    return [CompletionItem(before + comma + f.id, help=f.summary) for f in every() if f.id.startswith(last)]


def schemas(context: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """The schemas of what travels."""
    from conformance.contract.schemas import names

    return _starting(names(), incomplete)


def topics(context: Context, parameter: Parameter, incomplete: str) -> list[CompletionItem]:
    """The pages of `help`, with their titles."""
    from conformance.commands import topics as pages

    return [CompletionItem(topic, help=pages.title(topic)) for topic in pages.TOPICS if topic.startswith(incomplete)]
