"""The table of clients and faces, as a page of Markdown."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from conformance.client import faces
from conformance.contract.catalogue import Side, load
from conformance.proving.clients import Harm, Measured, Server, said

from .judging import OK, worst

REVIEWED = Path(__file__).with_name("reviewed.toml")


def as_markdown(measured: Measured) -> str:
    """The page."""
    return "\n".join(_page(measured)) + "\n"


def reviews() -> dict[str, dict[str, str]]:
    """What was seen in the bytes of each shortcoming: package and registry to requirement to words."""
    read: dict[str, dict[str, str]] = tomllib.loads(REVIEWED.read_text(encoding="utf-8"))
    return read


def _page(measured: Measured) -> Iterator[str]:
    hurting = sum(bool(one.harms) for one in measured.faults.values())
    yield "# Clients that people use, judged"
    yield ""
    yield from textwrap.wrap(
        "Each client was run as `kitemesh-conformance client` does it, with its own defaults (it tries again where it "
        f"does so by itself): on the plain reference server, on {len(measured.variations)} of its variations, in "
        f"{len(measured.troubles)} kinds of trouble, and on {len(measured.faults)} of its faults. It had to get a text "
        "of several scripts, two tool calls that wait for approval and, on faults, a refusal. Written by `nox -s "
        "clients`, as the data is that `kitemesh-conformance explain` shows.",
        118,
    )
    yield ""
    yield "- **ok**: the client's user gets what was sent: content, tool calls, finish reason; of a refusal the"
    yield "  server's reason and code."
    yield "- **raises**: an exception where an answer was sent, or one without the server's reason where it refused."
    yield "- **wrong**: content or tool calls are lost, doubled or altered, or the finish reason or the error's code"
    yield "  is, and nobody is told."
    yield "- **hangs**: nothing within 10 s."
    yield ""
    yield f"The reference server as it is: {'ok in all of them' if not measured.conforming else 'NOT ok'}."
    yield f"{hurting} of {len(measured.faults)} faults hurt somebody."
    yield ""
    yield "## What is asked of a client"
    yield ""
    yield "By the area `client`, on variations and in trouble; none of these clients resumes by itself. *Not broken* is"
    yield "said where nothing could show it, too: who never tries again breaks no rule about it."
    yield ""
    yield from _judged(measured)
    yield ""
    yield "What failed, and what its bytes show:"
    yield ""
    yield from _reviewed(measured)
    for title, servers, told in (
        ("Faults", measured.faults, ""),
        ("Variations", measured.variations, "Nothing here breaks a requirement, so a client has to bear it."),
        ("Trouble", measured.troubles, "Whoever gets no answer here has to be told: **raises** is as it should be."),
    ):
        yield ""
        yield f"## {title}"
        yield ""
        if told:
            yield told
            yield ""
        yield from _table(measured, servers.values())
        yield ""
        yield "What happened:"
        yield ""
        for server in servers.values():
            if server.harms:
                yield f"- **{server.id}** ({_plain(faces.one(server.id).summary.rstrip('.'))})"
                yield from _details(server.harms)


def _judged(measured: Measured) -> Iterator[str]:
    known = list(dict.fromkeys((c.package, c.version, c.registry) for c in measured.clients))
    broken = {(one.package, one.registry, one.requirement) for one in measured.shortcomings}
    yield f"| requirement | {' | '.join(f'{package} {version} ({registry})' for package, version, registry in known)} |"
    yield "| --- |" + " --- |" * len(known)
    for requirement in load().of(Side.CLIENT):
        if requirement.id.startswith("client.resume"):
            continue
        cells = [
            "**broken**" if (package, registry, requirement.id) in broken else "not broken"
            for package, _, registry in known
        ]
        yield f"| {requirement.id} ({requirement.level}) | {' | '.join(cells)} |"


def _reviewed(measured: Measured) -> Iterator[str]:
    words = reviews()
    for one in measured.shortcomings:
        review = words.get(f"{one.package} ({one.registry})", {}).get(one.requirement, "not reviewed yet")
        yield f"- **{one.package} {one.version} ({one.registry}), {one.requirement}**: {_plain(one.what)}"
        yield f"  - on {', '.join(one.faces)}"
        yield from textwrap.wrap(review, 118, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)
    if not measured.shortcomings:
        yield "- nothing"


def _table(measured: Measured, servers: Iterable[Server]) -> Iterator[str]:
    heads = [f"{c.package} {c.version} ({c.registry}) `{c.way}`" for c in measured.clients]
    yield f"| server | breaks | {' | '.join(heads)} |"
    yield "| --- | --- |" + " --- |" * len(heads)
    for server in servers:
        cells = [worst(harm.outcome for harm in server.harms if harm.client == one) for one in measured.clients]
        yield f"| {server.id} | {server.requirement or 'nothing'} | {' | '.join(map(_cell, cells))} |"


def _cell(outcome: str) -> str:
    return outcome if outcome == OK else f"**{outcome}**"


def _details(harms: Iterable[Harm]) -> Iterator[str]:
    alike: dict[tuple[str, str, str], list[str]] = {}
    for harm in harms:
        client = f"{harm.client.package} ({harm.client.registry}) `{harm.client.way}`"
        alike.setdefault((harm.scenario, harm.outcome, harm.what), []).append(client)
    for (scenario, outcome, what), clients in alike.items():
        yield f"  - {scenario}: {', '.join(clients)}: {_plain(said(outcome, what))}"


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    for special in "\\`*_|<[]~&":
        text = text.replace(special, f"\\{special}")
    return text
