"""Extensions that are installed: packages name theirs by an entry point, as plugins of pytest do.

    [project.entry-points."kitemesh_conformance.requirements"]
    acme = "acme_rules:ACME"

It stands apart from `conformance.running.extending`, so that looking costs little where nothing is found.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from conformance.settings.options import UsageError

GROUP = "kitemesh_conformance.requirements"


def discover() -> None:
    """Register what installed packages name.

    Raises:
        UsageError: one cannot be loaded, or is not an extension; the sentence names the package.
    """
    for point in entry_points(group=GROUP):
        _register(point)


def _register(point: EntryPoint) -> None:
    from conformance.running.extending import Extension, register
    from conformance.transcript.excerpt import excerpt

    package = f" of the package {point.dist.name}" if point.dist else ""
    named = f"The extension {point.name!r} ({point.value}){package}"
    try:
        found = point.load()
    except (Exception, SystemExit) as error:
        told = excerpt(f"{type(error).__name__}: {error}", 300)
        raise UsageError(f"{named} cannot be loaded ({told}); fix or uninstall it.") from error
    if not isinstance(found, Extension):
        raise UsageError(f"{named} is not a conformance.Extension but a {type(found).__name__}; fix or uninstall it.")
    register(found)
