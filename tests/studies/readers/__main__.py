"""The command of the nox session `readers`: compares, writes `readers.md` and `readers.json`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from .cases import CASES
from .comparing import account, as_json, as_markdown, difference, in_python, ways
from .readers import OURS, PARSER_NAME, with_parser

USAGE = 4


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--modules", metavar="DIR", type=click.Path(path_type=Path), required=True, help="npm's node_modules.")
@click.option("--node", default="node", show_default=True, help="The program.")
@click.option("--output", metavar="DIR", default="reports", show_default=True, type=click.Path(path_type=Path))
def main(modules: Path, node: str, output: Path) -> None:
    """Hold readers of event streams against the standard."""
    if not (modules / PARSER_NAME / "package.json").is_file():
        click.echo(f"Error: --modules holds no {PARSER_NAME}; install it with npm, or run `nox -s readers`.", err=True)
        sys.exit(USAGE)
    accounts = in_python()
    try:
        version, outcomes = with_parser([ways(case.body) for case in CASES], modules, node)
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        click.echo(f"Error: {PARSER_NAME} could not be run with {node}: {error}", err=True)
        sys.exit(USAGE)
    found = {case.name: difference(case, ways_) for case, ways_ in zip(CASES, outcomes, strict=True)}
    accounts.append(account(PARSER_NAME, version, "npm", found))
    output.mkdir(parents=True, exist_ok=True)
    for name, text in (("readers.json", as_json(accounts)), ("readers.md", as_markdown(accounts))):
        (output / name).write_text(text, encoding="utf-8", newline="\n")
    for one in accounts:
        click.echo(f"{one.name} {one.version}: {len(one.differences)} of {len(CASES)} streams read otherwise")
    sys.exit(1 if any(one.name == OURS and one.differences for one in accounts) else 0)


if __name__ == "__main__":
    main()
