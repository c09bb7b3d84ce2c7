"""The table of clients and faults, as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from conformance.proving.clients import Harm, Measured, Server, said
from conformance.proving.proof import TargetKind
from conformance.proving.prove import targets

from .judging import OK, worst


def as_markdown(measured: Measured) -> str:
    """The page."""
    return "\n".join(_page(measured)) + "\n"


def _page(measured: Measured) -> Iterator[str]:
    hurting = sum(bool(one.harms) for one in measured.faults.values())
    yield "# Clients that people use, on a server's faults"
    yield ""
    yield f"Each client against the reference server, {len(measured.faults)} of its faults and"
    yield f"{len(measured.variations)} of its variations, in three scenarios: a text of several scripts, two tool calls"
    yield "that wait for approval, and a refusal. Written by `nox -s clients`, as the data is that"
    yield "`kitemesh-conformance explain` shows. The clients do not try again (`max_retries=0`)."
    yield ""
    yield "- **ok**: the client's user gets what was sent: content, tool calls, finish reason; of a refusal the"
    yield "  server's reason and code."
    yield "- **raises**: an exception where an answer was sent, or one without the server's reason where it refused."
    yield "- **wrong**: content or tool calls are lost, doubled or altered, or the finish reason or the error's code"
    yield "  is, and nobody is told."
    yield "- **hangs**: nothing within 5 s, twice."
    yield ""
    yield f"The reference server as it is: {'ok in all of them' if not measured.conforming else 'NOT ok'}."
    yield f"{hurting} of {len(measured.faults)} faults hurt somebody."
    for title, servers, summaries in (
        ("Faults", measured.faults, _summaries(TargetKind.FAULT, TargetKind.WARNED)),
        ("Variations", measured.variations, _summaries(TargetKind.VARIATION)),
    ):
        yield ""
        yield f"## {title}"
        yield ""
        if title == "Variations":
            yield "Nothing here breaks a requirement. Whoever runs a server may still want to know whom it hurts."
            yield ""
        yield from _table(measured, servers.values())
        yield ""
        yield "What happened:"
        yield ""
        for server in servers.values():
            if server.harms:
                yield f"- **{server.id}** ({_plain(summaries[server.id])})"
                yield from _details(server.harms)


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


def _summaries(*kinds: TargetKind) -> dict[str, str]:
    return {target.id: target.summary.rstrip(".") for target in targets() if target.kind in kinds}


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    for special in "\\`*_|<[]~&":
        text = text.replace(special, f"\\{special}")
    return text
