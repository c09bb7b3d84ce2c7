"""README.md and the pages that it leads to: short, pasted as they stand, and true of options, commands and files."""

import re
import shlex
from pathlib import Path

import click
import pytest

from conformance.commands import topics as pages
from conformance.commands.main import group
from conformance.commands.run import command as run

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"
PAGES = [ROOT / "conformance" / "commands" / "topics" / f"{topic}.md" for topic in pages.TOPICS]
TEXTS = [README, CONTRIBUTING, ROOT / "reports" / "README.md", ROOT / "reports" / "benchmarks.md", *PAGES]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
PROGRAM = "kitemesh-conformance"
ACTIVATE = ". .venv/bin/activate\n"


def read(path):
    return path.read_text(encoding="utf-8")


def blocks(path, *languages):
    return [block for language, block in FENCE.findall(read(path)) if language in languages]


def anchors(path):
    """Where a link into a page may lead, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", read(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def named(path):
    return str(path.relative_to(ROOT))


def test_it_is_short_and_leads_to_every_page():
    text = read(README)
    assert len(text.splitlines()) <= 250
    for page in PAGES:
        assert f"]({named(page)})" in text
    assert f"{PROGRAM} help" in text


@pytest.mark.parametrize("path", TEXTS, ids=named)
def test_its_links_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", read(path))):
        if not re.match(r"https?:", link):
            file, _, anchor = link.partition("#")
            there = (path.parent / file).resolve() if file else path
            assert there.exists(), link
            assert not anchor or anchor in anchors(there), link


def test_the_two_commands_come_first_one_line_each():
    first, second = blocks(README, "bash")
    assert [first, second] == blocks(README, "bash", "sh")[:2]
    assert first.count("\n") == second.count("\n") == 1
    assert first.startswith("echo 'Installing into .venv …' && ")
    assert first.rstrip().endswith(f"{PROGRAM} run && echo 'Now open reports/report.html'")
    assert "-m pytest" in second


def test_what_follows_can_be_pasted():
    assert blocks(README, "bash", "sh")[2] == blocks(CONTRIBUTING, "sh")[0] == ACTIVATE
    for path in (README, CONTRIBUTING, *PAGES):
        assert not re.search(r"[ =]group:<", "".join(blocks(path, "sh"))), "the shell takes < for a file"


def commands():
    """Each use of the program in a block of a shell, with the page that it stands on."""
    for path in (README, CONTRIBUTING, *PAGES):
        for block in blocks(path, "bash", "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                at = [place for place, word in enumerate(words) if Path(word).name == PROGRAM]
                if at:
                    yield pytest.param(words[at[0] + 1 :], id=f"{named(path)}: {line.strip()}"[:100])


@pytest.mark.parametrize("words", list(commands()))
def test_a_command_that_is_shown_is_one(words):
    command = group.get_command(click.Context(group), words[0])
    options = {name for parameter in command.params for name in parameter.opts}
    own = words[: words.index("--")] if "--" in words else words  # what follows is another program's
    assert {word for word in own if word.startswith("--")} <= options


def test_the_table_of_options_is_that_of_the_command():
    table = re.findall(r"^\| (`-.*?) \|", read(PAGES[pages.TOPICS.index("configuration")]), re.MULTILINE)
    told = [name for row in table for name in re.findall(r"`(--[a-z-]+)", row)]
    shown = {name for parameter in run.params if isinstance(parameter, click.Option) for name in parameter.opts}
    assert len(told) == len(set(told))
    assert set(told) == shown - {"--help-all"}


def test_every_command_is_named():
    told = read(PAGES[pages.TOPICS.index("configuration")]).partition("The other commands: ")[2]
    assert set(re.findall(r"`([a-z]+)", told)) == set(group.list_commands(click.Context(group))) - {"run"}, (
        "topics/configuration.md"
    )


def test_the_places_that_contributors_are_sent_to_are_there():
    text = FENCE.sub("", read(CONTRIBUTING))
    paths = set(re.findall(r"`([\w./-]+/[\w./-]*)`", text))
    assert not [path for path in paths if not (ROOT / path).exists()]
    rooms = {f"{named(path.parent)}/" for path in (ROOT / "conformance").glob("*/__init__.py")}
    assert rooms <= paths


def test_the_exit_codes_are_told_alike():
    def codes(path):
        return re.findall(r"^\| (\d) \| (.+) \|$", read(path), re.MULTILINE)

    page = codes(PAGES[pages.TOPICS.index("findings")])
    assert [code for code, _ in page] == ["0", "1", "2", "3", "4", "6"]
    told = codes(README)
    assert told[6:] == page
    assert [code for code, _ in told[:6]] == [code for code, _ in page]  # those in French
