"""Help that fits a screen: options below headings; what is rarely needed is named, and explained by `--help-all`."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any, TypeVar

import click

_ALL = "conformance.commands.help_text.all"
_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


class Option(click.Option):
    """An option with the heading that it stands below; without one it is among the rest."""

    def __init__(self, *declared: Any, topic: str = "", **rest: Any) -> None:
        """Take the topic, and what every option takes."""
        super().__init__(*declared, **rest)
        self.topic = topic


class Command(click.Command):
    """A command with many options, in the order of their declaration below each heading."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by topic, and the rest by name only unless all was asked for."""
        options = [parameter for parameter in self.get_params(ctx) if isinstance(parameter, click.Option)]
        shown = [(option, record) for option in options if (record := option.get_help_record(ctx))]
        width = max(len(term) for _, (term, _) in shown)
        topics: dict[str, list[tuple[str, str]]] = {}
        rest = []
        for option, (term, told) in shown:
            row = (term.ljust(width), told)  # so that the columns of all topics agree
            if topic := getattr(option, "topic", ""):
                topics.setdefault(topic, []).append(row)
            else:
                rest.append((option.opts[-1], row))
        if ctx.meta.get(_ALL):
            topics["More"] = [row for _, row in rest]
        for topic, rows in topics.items():
            with formatter.section(topic):
                formatter.write_dl(rows)
        if rest and not ctx.meta.get(_ALL):
            formatter.write_paragraph()
            names = (name for name, _ in rest if name not in ("--help-all", "--help"))
            told = f"More, explained by --help-all: {', '.join(names)}"
            # An option's name is not to be broken at its hyphens.
            formatter.write(textwrap.fill(told, formatter.width, break_on_hyphens=False) + "\n")


def _show_all(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        ctx.meta[_ALL] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


def help_all(command: _Decorated) -> _Decorated:
    """Add `--help-all`."""
    return click.option(
        "--help-all", is_flag=True, is_eager=True, expose_value=False, callback=_show_all, help="Explain every option."
    )(command)
