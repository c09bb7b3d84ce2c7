"""What `explain` tells of the clients that a breach hurts: little, escaped, and never of what was not tried."""

import textwrap

from conformance.commands.main import main
from conformance.contract.catalogue import load
from conformance.proving import clients, examples, explain
from conformance.proving.clients import ClientProgram, Harm, Measured, Server

ONE = ClientProgram("one-a", "one", "PyPI", "1.0", "create()")
OTHER = ClientProgram("one-b", "one", "PyPI", "1.0", ".stream()")
THIRD = ClientProgram("third", "third", "npm", "2.0", "fetch")


def measured(**harms):
    """A measurement of faults by their ids."""
    servers = {id_: Server(id_, "stream.done", tuple(found)) for id_, found in harms.items()}
    return Measured((ONE, OTHER, THIRD), ("text",), (), servers)


def test_ways_that_fare_alike_share_a_line():
    told = clients.told(
        "stream.done",
        measured(
            f=[
                Harm(ONE, "text", "raises", "E: no"),
                Harm(THIRD, "text", "hangs", ""),
                Harm(OTHER, "text", "raises", "E: no"),
            ]
        ),
    )
    assert told == [("f", ["one 1.0 (PyPI) create(), .stream(): raises E: no", "third 2.0 (npm) fetch: hangs"])]


def test_the_worst_two_faults_are_told_and_the_others_named():
    harm, more = Harm(ONE, "text", "hangs", ""), Harm(THIRD, "text", "wrong", "the content is lost")
    told = clients.told("stream.done", measured(a=[harm], b=[harm, more], c=[], d=[harm], e=[harm]))
    assert [heading for heading, _ in told] == ["b", "a", "others that hurt somebody", "c"]
    assert told[0][1][1] == "third 2.0 (npm) fetch: silently wrong: the content is lost"
    assert told[2][1] == ["d, e"]
    assert told[3][1] == ["none of these: one 1.0 (PyPI), third 2.0 (npm)"]


def test_nothing_is_told_of_what_was_not_tried():
    assert clients.told("chunk.opens", measured(a=[])) == []
    requirement = load()["stream.done"]
    page = explain.text(requirement, [], examples.read("stream.done"))
    assert "Who is affected" not in page


def test_what_a_server_wrote_is_escaped():
    told = clients.told("stream.done", measured(f=[Harm(ONE, "text", "raises", "E: \x1b[31m\u202e\n" + "x" * 900)]))
    line = told[0][1][0]
    assert line.isprintable()
    assert "\\x1b[31m\\u202e\\n" in line
    assert len(line) < 600


def test_explain_shows_it_within_its_width(capsys):
    assert main(["explain", "chunk.opens"]) == 0
    out = capsys.readouterr().out
    section = out[out.index("Who is affected") : out.index("It holds here")]
    assert "chunk-role-never" in section
    assert "openai 6.49.0 (npm) .stream(): raises OpenAIError: missing role for choice 0" in " ".join(section.split())
    assert max(map(len, section.splitlines())) <= explain.WIDTH


def test_it_is_small_for_every_requirement():
    for requirement in load():
        told = clients.told(requirement.id)
        lines = [row for _, rows in told for line in rows for row in textwrap.wrap(line, explain.WIDTH - 8)]
        assert len(lines) <= 32, requirement.id
