"""A worked example: the rules that Acme, a vendor, has beside KiteMesh's, and what Acme sends to show them.

Acme serves from several regions. Its guide says that every answer names its region, and that a client may ask for one.
"""

from collections.abc import Iterator
from dataclasses import replace

from conformance.running.extending import (
    Compose,
    Evidence,
    Extension,
    Finding,
    Flow,
    Judged,
    Phase,
    Place,
    Plan,
    Reading,
    Send,
    answered,
    breach,
    served,
    single,
)

FIELD = "X-Acme-Region"
WISHES = ("eu", "us")
ACME = Extension("acme", title="Acme's own rules", source="Acme API guide, edition 3, chapter 2")


@ACME.each(
    "region-header",
    level="MUST",
    statement="Every answer names the region that served it in `X-Acme-Region`.",
    why="A client that has to stay in one region cannot tell otherwise whether it did.",
    fix="Set the field where all answers pass.",
    of=answered,
)
def region_header(reading: Reading) -> Iterator[Finding]:
    if not region(reading):
        yield breach(reading, "no region is named", f"a field {FIELD}", "none", Place(header=FIELD))


@ACME.each(
    "region-asked",
    level="SHOULD",
    statement="A request that asks for a region in `X-Acme-Region` is served there.",
    why="Who asks for a region may be bound to it by law.",
    fix="Route by the field of the request.",
    of=ACME.sent("asks-eu", "asks-us", among=served),
)
def region_asked(reading: Reading) -> Iterator[Finding]:
    wish = reading.note.probe.rpartition("-")[2]
    if region(reading) not in (wish, None):  # of an answer without one, region-header speaks
        yield breach(reading, "another region served it", wish, region(reading), Place(header=FIELD))


@ACME.over_all(
    "one-region",
    level="MUST",
    statement="Requests that ask for no region are all served in the same one.",
    why="A conversation whose turns are served in several regions loses what each of them caches.",
    fix="Bind a token to its region.",
)
def one_region(evidence: Evidence) -> Iterator[Finding | Judged]:
    free = [item for item in answered(evidence) if isinstance(item, Reading) and item.note.area != ACME.area]
    named = [reading for reading in free if region(reading)]
    for reading in named:
        yield Judged(reading.name)
        if region(reading) != region(named[0]):
            yield breach(reading, "the region changed", region(named[0]) or "", region(reading), Place(header=FIELD))


@ACME.probes
def wishes(plan: Plan) -> Iterator[Flow]:
    """One minimal request for each region; each is sent in `--depth quick` too."""
    for wish in WISHES:

        def make(round_: int, wish: str = wish) -> Send:
            send = Compose(plan, round_).chat(f"asks-{wish}")
            return replace(send, headers=(*send.headers, (FIELD, wish)))

        yield single(ACME.area, Phase.CALM, f"asks-{wish}", make, quick=True)


def region(reading: Reading) -> str | None:
    """The region that an answer names; None where it names none."""
    return reading.response.header(FIELD.lower()) if reading.response is not None else None
