"""What there is to judge, what of it the options select, and what is known to fail: known before anything is sent.

No check is needed for it, so that a run can begin before they are loaded.
"""

from __future__ import annotations

from collections.abc import Iterable

from conformance.contract.catalogue import Catalogue, Side, UnknownRequirement, load
from conformance.judging import baseline
from conformance.judging.baseline import Baseline
from conformance.settings import files
from conformance.settings.options import Options, UsageError

CATALOGUE: Catalogue = load()


def selected_ids(options: Options) -> frozenset[str] | None:
    """The requirements that `--only` and `--skip` leave; None: all.

    Raises:
        UsageError: an id or area is unknown, or nothing is left.
    """
    if not options.only and not options.skip:
        return None
    known = CATALOGUE.of(options.side)
    try:
        chosen = CATALOGUE.select(options.only) if options.only else known
        ids = {r.id for r in chosen} - ({r.id for r in CATALOGUE.select(options.skip)} if options.skip else set())
    except UnknownRequirement as error:
        raise UsageError(str(error)) from None
    if strangers := sorted(id_ for id_ in ids if id_ not in known):
        other = "a client: see client --help, and judge --side client" if options.side is Side.SERVER else "a server"
        raise UsageError(f"{strangers[0]} speaks of {other}; leave it out here.")
    if not ids:
        raise UsageError("--only and --skip leave no requirement to judge; name at least one.")
    return frozenset(ids)


def side_of(only: Iterable[str]) -> Side | None:
    """The side that all these ids and areas speak of; None where they name none, several, or what is unknown."""
    try:
        sides = {requirement.side for requirement in CATALOGUE.select(only)}
    except UnknownRequirement:
        return None
    return sides.pop() if len(sides) == 1 else None


def known_failures(options: Options) -> Baseline | None:
    """The baseline that `--baseline` names; None where it was not given.

    Raises:
        UsageError: the file is not what it should be.
    """
    if options.baseline is None:
        return None
    try:
        return baseline.load(files.named(options.baseline), CATALOGUE)
    except baseline.BaselineError as error:
        raise UsageError(str(error)) from None
