"""Options of the commands, and help that fits a screen: options below headings, the rest explained by `--help-all`."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from conformance.commands.shell import completion
from conformance.settings.flags import FLAGS, OUTPUT, Flag

_ALL = "conformance.commands.help-all"
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


def option(name: str, help: str, *, topic: str = "", **rest: Any) -> Callable[[_Decorated], _Decorated]:
    """An option below a heading of `--help`."""
    return click.option(name, cls=Option, topic=topic, help=help, **rest)


def _of_flag(flag: Flag, *, hidden: bool, brief: bool) -> Callable[[_Decorated], _Decorated]:
    topic = "" if brief else flag.topic
    declared: dict[str, Any] = {"help": flag.help, "hidden": hidden, "cls": Option, "topic": topic}
    match flag.kind:
        case "switch":
            declared["is_flag"] = True
        case "list" | "header":
            declared |= {"multiple": True, "metavar": flag.metavar}
        case "file":  # the type is for the shell's completion; nothing is checked
            declared |= {"type": click.Path(), "metavar": flag.metavar}
        case _:
            declared["metavar"] = flag.metavar
    if flag.choices:
        declared["shell_complete"] = completion.words(flag.choices)
    elif flag.kind == "list":
        declared["shell_complete"] = completion.requirements
    return click.option(f"--{flag.name}", flag.key, **declared)


def of_run(
    wanted: Sequence[str] | None = None, *, hidden: bool = False, brief: bool = False
) -> Callable[[_Decorated], _Decorated]:
    """The options of a run, those with the given names or all, in the table's order.

    Args:
        wanted: their names; None: all.
        hidden: `--help` does not name them.
        brief: `--help` names them, and `--help-all` explains them.
    """

    def decorate(command: _Decorated) -> _Decorated:
        for flag in reversed(FLAGS):
            if wanted is None or flag.name in wanted:
                command = _of_flag(flag, hidden=hidden, brief=brief)(command)
        return command

    return decorate


def output(*, hidden: bool = False, brief: bool = False) -> Callable[[_Decorated], _Decorated]:
    """Where the reports are written."""
    return _of_flag(OUTPUT, hidden=hidden, brief=brief)


def config(topic: str = "Target") -> Callable[[_Decorated], _Decorated]:
    """Another conformance.toml."""
    told = "Read this file instead of conformance.toml."
    return option("--config", told, topic=topic, metavar="FILE", type=click.Path())


target = click.argument("url", required=False, metavar="[URL|TARGET]", shell_complete=completion.targets)
write_baseline = option(
    "--write-baseline", "Write the failures as a baseline.", topic="What is judged", metavar="FILE", type=click.Path()
)
help_all = click.option(
    "--help-all", is_flag=True, is_eager=True, expose_value=False, callback=_show_all, help="Explain every option."
)
debug = click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback if the suite fails.")
