"""`help`: the package carries its pages, and shows each as text that fits a screen and can be pasted."""

import re
import unicodedata
from importlib import resources

import pytest
from rich.console import Console

from conformance.commands import topics as pages


@pytest.fixture(autouse=True)
def _bare(bare):
    """Nothing of the caller's directory or environment."""


def code_lines(topic):
    """The lines in a page's blocks of code, without the space in front."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```$", pages.page(topic), re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_the_package_carries_every_page_and_no_other():
    found = {
        file.name for file in resources.files("conformance.commands.topics").iterdir() if file.name.endswith(".md")
    }
    assert found == {f"{topic}.md" for topic in pages.TOPICS}


def test_without_a_topic_they_are_listed_with_a_line_each(command):
    code, out, _ = command("help")
    assert code == 0
    for topic in pages.TOPICS:
        assert re.search(rf"^  {topic} +{re.escape(pages.title(topic))}$", out, re.MULTILINE)
    assert len(out.splitlines()) <= 24
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("topic", pages.TOPICS)
def test_a_page_is_plain_text_of_80_columns_whose_code_can_be_pasted(command, topic):
    code, out, _ = command("help", topic)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == pages.title(topic)
    assert max(map(len, lines)) <= 80
    assert not {char for char in out if unicodedata.category(char) == "Cc"} - {"\n"}
    assert [line for line in lines if line != line.rstrip()] == []
    assert "```" not in out
    assert "](" not in out
    assert set(code_lines(topic)) <= {line.strip() for line in lines}


@pytest.mark.parametrize("topic", pages.TOPICS)
def test_in_colours_it_says_the_same(monkeypatch, topic):
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = pages.text(topic, Console(force_terminal=True, color_system="standard"))
    bare = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert bare != shown
    assert [line for line in bare.splitlines() if line != line.rstrip()] == []
    assert set(code_lines(topic)) <= {line.strip() for line in bare.splitlines()}

    def words(text):
        return re.sub(r"[`\s]+|─+", "", text)

    if "|" not in pages.page(topic):  # the words of a table stand in lines of other lengths
        assert words(bare) == words(pages.text(topic, Console(color_system=None)))


def test_an_unknown_topic_is_one_sentence_that_names_those_there_are(command):
    code, out, err = command("help", "gates")
    assert (code, out) == (4, "")
    assert len(err.splitlines()) == 1
    assert "'gates'" in err
    assert ", ".join(pages.TOPICS) in err


def test_a_link_to_a_page_says_how_to_show_it_and_one_to_a_file_is_its_name(command):
    assert "(`help costs`)" in " ".join(command("help", "gate")[1].split())
    assert "reports/requirements.md lists" in " ".join(command("help", "vendor")[1].split())


def test_topics_complete():
    from conformance.commands.shell.completion import topics

    found = {item.value: item.help for item in topics(None, None, "co")}
    assert found == {topic: pages.title(topic) for topic in ("costs", "configuration")}
