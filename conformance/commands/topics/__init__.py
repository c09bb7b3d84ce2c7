"""The pages of `kitemesh-conformance help TOPIC`: Markdown files beside this one, shown as text for a terminal.

A browser on the repository shows the same files, so their links lead to other files there. In a terminal such a link
leads nowhere: what it is called is kept, and a link to another page says how to show that one.
"""

from __future__ import annotations

import io
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from conformance.settings.options import UsageError

if TYPE_CHECKING:
    from rich.console import Console

TOPICS = (
    *("gate", "vendor", "developer", "client"),
    *("findings", "not-judged", "reports", "recordings", "costs", "bodies", "configuration", "reach", "python", "load"),
    "proof",
)
"""Names of the pages in the order of the list: what the four users do, and then what all of them may want to know."""

WIDTH = 80
"""Columns of a page: no line of code in one is longer, so that none is broken or cut."""
CODE = "cyan"
"""How code looks, where there are colours."""


def page(topic: str) -> str:
    """The page's Markdown.

    Raises:
        UsageError: there is no such page; the message names those that there are.
    """
    if topic not in TOPICS:
        raise UsageError(f"There is no page {topic!r}; the topics of help are {', '.join(TOPICS)}.")
    return files(__name__).joinpath(f"{topic}.md").read_text(encoding="utf-8")


def title(topic: str) -> str:
    """What a page is about, in a line: its heading."""
    return page(topic).partition("\n")[0].removeprefix("# ")


def listing() -> str:
    """Every topic with its title, as lines."""
    width = max(map(len, TOPICS))
    rows = (f"  {topic:{width}}  {title(topic)}" for topic in TOPICS)
    told = "Topics, each shown by `kitemesh-conformance help TOPIC`:"
    return "\n".join([told, "", *rows, "", "Each command tells of its options by --help."]) + "\n"


def text(topic: str, screen: Console) -> str:
    """A page as lines of 80 columns at most, in the colours that the screen takes, if any.

    Raises:
        UsageError: there is no such page.
    """
    from rich.console import Console
    from rich.theme import Theme

    markdown = _without_links(page(topic))
    if screen.color_system is None:
        markdown = _with_quotes(markdown)
    written = io.StringIO()
    console = Console(
        file=written,
        width=WIDTH,
        force_terminal=screen.is_terminal,
        color_system=screen.color_system,  # type: ignore[arg-type]  # the name that it takes
        emoji=False,
        highlight=False,
        legacy_windows=False,
        theme=Theme({"markdown.code": CODE, "markdown.item.number": "none", "markdown.item.bullet": "none"}),
    )
    console.print(_markdown()(markdown, hyperlinks=False))
    # What fills a line would follow its last backslash into the shell where somebody pastes it.
    lines = re.sub(
        r"(?:\x1b\[[\d;]*m| )+$", lambda end: end[0].replace(" ", ""), written.getvalue(), flags=re.MULTILINE
    )
    return re.sub(r"\n{3,}", "\n\n", lines).strip("\n") + "\n"


def _without_links(markdown: str) -> str:
    """Only links to the web are kept; a page is named by the command that shows it."""

    def plain(link: re.Match[str]) -> str:
        name, to = link.groups()
        if to.startswith("https:"):
            return link[0]
        return f"{name} (`help {to.removesuffix('.md')}`)" if to.removesuffix(".md") in TOPICS else name

    return re.sub(r"\[([^\]]+)\]\(([^)]+)\)", plain, markdown)


def _with_quotes(markdown: str) -> str:
    """Words of code keep their backticks, as no colour tells them from others; blocks of code stay as they are."""
    parts = re.split(r"(^ *```.*?^ *```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    parts[::2] = [re.sub(r"`([^`]+)`", r"`` `\1` ``", part) for part in parts[::2]]
    return "".join(parts)


def _markdown() -> Any:
    """Rich's Markdown with headings at the left, and with code as it stands, so that it can be pasted."""
    from rich.console import ConsoleOptions, RenderResult
    from rich.markdown import CodeBlock, Heading, Markdown
    from rich.text import Text

    class Left(Heading):
        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            yield self.text

    class Code(CodeBlock):
        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            lines = ("", *(f"  {line}" for line in str(self.text).rstrip().split("\n")), "")
            yield Text("\n".join(lines), CODE, no_wrap=True, overflow="ignore")

    class Page(Markdown):
        elements = Markdown.elements | {"heading_open": Left, "fence": Code, "code_block": Code}

    return Page
