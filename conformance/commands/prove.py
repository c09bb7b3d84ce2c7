"""`kitemesh-conformance prove`: the suite itself, tried on servers with known faults and on servers without any."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from conformance.commands.shell import completion, options, reports
from conformance.commands.shell.exits import FAILED, OK, unwritten
from conformance.settings.flags import names


@click.command("prove", short_help="Prove the suite on servers with known faults.")
@click.option(
    "--only",
    multiple=True,
    metavar="ID,…",
    shell_complete=completion.requirements,
    help="Only these faults, variations, requirements or areas.",
)
@click.option("--all", "everything", is_flag=True, help="Every fault and every variation, not a selection.")
@click.option("--mutants", is_flag=True, help="Thousands of mutants; --only: globs of names.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="With --mutants: so many of them by chance.")
@click.option("--kills", metavar="FILE", help="With --mutants: write which probe kills what.")
@click.option("--output", metavar="DIR", help="Write prove.json, prove.md (mutants: proof.*) here.")
@click.option("--seed", type=click.IntRange(0, 2**32), metavar="N", help="Seed of the random choices [1].")
@click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Servers judged at a time [16].")
@click.option("--write-examples", metavar="DIR", help="Write the examples of explain here, if missing.")
@options.debug
def command(
    only: Sequence[str],
    everything: bool,
    mutants: bool,
    sample: int | None,
    kills: str | None,
    output: str | None,
    seed: int | None,
    jobs: int | None,
    write_examples: str | None,
) -> int:
    """Run the suite on servers with known faults, and on servers without any.

    Each fault, of a server or a client, has to be blamed on what it breaks, each
    variation has to pass, else the exit code is 1. By default a selection that
    covers every requirement is run. --mutants tries enumerated faults instead.

    \b
    Example:
      kitemesh-conformance prove --only stream --output reports
    """
    if mutants:
        return _by_mutants(only, sample, kills, output, seed)
    from conformance.client import proof as clients
    from conformance.contract.catalogue import load
    from conformance.proving import pages as shown
    from conformance.proving import prove as prover
    from conformance.report import terminal

    known = [*prover.targets(), *clients.targets()]
    whole = everything or bool(names(only))
    wanted = prover.chosen(known, names(only)) if whole else prover.spread(known)
    for directory in filter(None, (output, write_examples)):
        reports.prepare(Path(directory))
    collected = prover.Examples()
    of_clients = [target for target in wanted if target in clients.targets()]
    of_servers = [target for target in wanted if target not in of_clients]
    if write_examples:
        of_servers = prover.with_conforming(of_servers) if of_servers else []
        of_clients = clients.with_good(of_clients) if of_clients else []
    with shown.meter(terminal.console(stderr=True), len(of_servers) + len(of_clients)) as advance:

        def told(found: prover.Trial) -> None:
            advance(found.case)
            collected.add(found)

        made = prover.prove(
            of_servers,
            seed=prover.SEED if seed is None else seed,
            jobs=jobs or prover.JOBS,
            with_examples=bool(write_examples),
            told=told,
        )
        made = clients.beside(made, of_clients, told, with_examples=bool(write_examples))
    shown.show(made, load(), terminal.console())
    code = OK if made.holds else FAILED
    try:
        if output:
            click.echo(f"Written: {', '.join(map(str, shown.write(made, load(), Path(output))))}")
        if write_examples:
            click.echo(collected.write(Path(write_examples)))
    except OSError as error:
        return unwritten("The proof", error, code)
    return code


def _by_mutants(
    only: Sequence[str], sample: int | None, kills: str | None, output: str | None, seed: int | None
) -> int:
    from conformance.contract.catalogue import load
    from conformance.proving.mutants import pages as shown
    from conformance.proving.mutants import proving

    if output:
        reports.prepare(Path(output))
    chosen = proving.Chosen(names(only), sample, proving.SEED if seed is None else seed, complete=kills is not None)
    made, probes = proving.prove(chosen)
    for line in shown.told(made):
        click.echo(line)
    code = OK if made.holds else FAILED
    try:
        if output:
            click.echo(f"Written: {', '.join(map(str, shown.write(made, load(), Path(output))))}")
        if kills:
            Path(kills).write_text(json.dumps(shown.kills(made, probes)) + "\n", encoding="utf-8")
    except OSError as error:
        return unwritten("The proof", error, code)
    return code
