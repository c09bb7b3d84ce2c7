"""What clients refuse is refused, what they have to bear is borne, however the octets are cut."""

from __future__ import annotations

import pytest

from conformance.transcript.framing import AnswerReader, Head, Malformed, kept, read_head
from conformance.transcript.redaction import mask_head

LARGEST = 65536
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def fed(octets: bytes, *, step: int, closed: bool = True, method: str = "POST") -> tuple[AnswerReader, bytes]:
    """What is read of the octets, so many at a time, and the body."""
    answer = AnswerReader(method, LARGEST)
    body = b""
    for at in range(0, len(octets), step):
        body += b"".join(answer.feed(octets[at : at + step]))
    if closed:
        answer.close()
    return answer, body


READ: list[tuple[str, bytes, bytes]] = [
    ("a length", OK + b"Content-Length: 2\r\n\r\n{}", b"{}"),
    ("a length of nought", OK + b"Content-Length: 0\r\n\r\n", b""),
    ("one length twice", OK + b"Content-Length: 2\r\ncontent-length: 2\r\n\r\n{}", b"{}"),
    ("one length in a list", OK + b"Content-Length: 2, 2\r\n\r\n{}", b"{}"),
    ("chunks", CHUNKED + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", b"{}"),
    ("chunk sizes with zeros before, and in upper case", CHUNKED + b"000A\r\n0123456789\r\n000\r\n\r\n", b"0123456789"),
    ("chunk extensions", CHUNKED + b'2;a=b;c="d" ; e\r\n{}\r\n0 ;f\r\n\r\n', b"{}"),
    ("a trailer section", CHUNKED + b"2\r\n{}\r\n0\r\nX-A: b\r\n c\r\nX-B:\r\n\r\n", b"{}"),
    ("Chunked", OK + b"Transfer-Encoding: Chunked \r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"{}"),
    ("the end of the connection", OK + b"\r\n{}", b"{}"),
    ("HTTP/1.0", b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\n{}", b"{}"),
    ("no reason", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
    ("an empty reason", b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n{}", b"{}"),
    ("a reason beyond ASCII", b"HTTP/1.1 200 D\xe9j\xe0 vu\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
    ("a status that nobody knows", b"HTTP/1.1 999 Denied\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
    ("obsolete folding", OK + b"X-A: a\r\n\t b\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
    ("odd values", OK + b"X-A:\r\nX-B:  \tb\t \r\nX-C: d\xe9j\xe0\r\nContent-Length:2\r\n\r\n{}", b"{}"),
    ("an odd name", OK + b"!#$%&'*+-.^_`|~1: a\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
    ("interim answers",
     b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nA: b\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}", b"{}"),
    ("204 with a length", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", b""),
    ("304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", b""),
]  # fmt: skip


@pytest.mark.parametrize("step", [1, 3, 10**6])
@pytest.mark.parametrize(("octets", "body"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_what_is_read(octets: bytes, body: bytes, step: int) -> None:
    answer, came = fed(octets, step=step)
    assert answer.fault is None
    assert (answer.complete, came, answer.excess) == (True, body, 0)


def test_folding_and_white_space_are_taken_out_of_values() -> None:
    head = read_head(OK + b"X-A:  a \r\n\t b \r\nX-B:\r\n\r\n")
    assert isinstance(head, Head)
    assert head.fields == ((b"X-A", b"a b"), (b"X-B", b""))


REFUSED: list[tuple[str, bytes, bytes]] = [
    ("another protocol", b"SSH-2.0-OpenSSH_9.9\r\n", b"SSH-2.0-OpenSSH_9.9\r\n"),
    ("a body alone", b'{"id": 1}', b'{"id": 1}'),
    ("a line end before the status line", b"\r\n" + OK + b"\r\n", b"\r\n" + OK + b"\r\n"),
    ("lower case", b"http/1.1 200 OK\r\n\r\n", b"http/1.1 200 OK\r\n\r\n"),
    ("a status in words", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 OK\r\n"),
    ("two digits", b"HTTP/1.1 20 OK\r\n\r\n", b"HTTP/1.1 20 OK\r\n"),
    ("four digits", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 2000 OK\r\n"),
    ("below 100", b"HTTP/1.1 099 OK\r\n\r\n", b"HTTP/1.1 099 OK\r\n"),
    ("two spaces", b"HTTP/1.1  200 OK\r\n\r\n", b"HTTP/1.1  200 OK\r\n"),
    ("HTTP/2", b"HTTP/2 200\r\n\r\n", b"HTTP/2 200\r\n"),
    ("bare LF", b"HTTP/1.1 200 OK\nServer: x\n\n", b"HTTP/1.1 200 OK\n"),
    ("one bare LF", OK + b"Server: x\nContent-Length: 2\r\n\r\n", b"Server: x\n"),
    ("a space before the colon", OK + b"Server : x\r\n\r\n", b"Server : x\r\n"),
    ("a tab before the colon", OK + b"Server\t: x\r\n\r\n", b"Server\t: x\r\n"),
    ("no colon", OK + b"Server\r\n\r\n", b"Server\r\n"),
    ("no name", OK + b": x\r\n\r\n", b": x\r\n"),
    ("a space in a name", OK + b"My Server: x\r\n\r\n", b"My Server: x\r\n"),
    ("a name beyond ASCII", OK + b"X\xe9: x\r\n\r\n", b"X\xe9: x\r\n"),
    ("folding at once", OK + b" Server: x\r\n\r\n", b" Server: x\r\n"),
    ("NUL", OK + b"Server: a\0b\r\n\r\n", b"Server: a\0b\r\n"),
    ("CR", OK + b"Server: a\rb\r\n\r\n", b"Server: a\rb\r\n"),
    ("a control character", OK + b"Server: a\x01b\r\n\r\n", b"Server: a\x01b\r\n"),
    ("NUL in a folded line", OK + b"Server: a\r\n b\0\r\n\r\n", b"Server: a\r\n b\0\r\n"),
    ("in an interim answer", b"HTTP/1.1 103 Hints\r\nServer : x\r\n\r\n", b"Server : x\r\n"),
    ("a length beside chunked", OK + b"Content-Length: 2\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n",
     b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
    ("chunked twice", OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n", b"Transfer-Encoding: chunked, chunked\r\n"),
    ("chunked in two fields", OK + b"transfer-encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     b"transfer-encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    ("another coding beside a length", OK + b"Transfer-Encoding: foo\r\nContent-Length: 2\r\n\r\n",
     b"Transfer-Encoding: foo\r\nContent-Length: 2\r\n"),
    ("identity", OK + b"Transfer-Encoding: identity\r\n\r\n", b"Transfer-Encoding: identity\r\n"),
    ("gzip below chunked", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", b"Transfer-Encoding: gzip, chunked\r\n"),
    ("lengths that differ", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n",
     b"Content-Length: 2\r\nContent-Length: 3\r\n"),
    ("lengths that differ in a list", OK + b"Content-Length: 2, 3\r\n\r\n", b"Content-Length: 2, 3\r\n"),
    ("a length with a sign", OK + b"Content-Length: +2\r\n\r\n", b"Content-Length: +2\r\n"),
    ("a negative length", OK + b"Content-Length: -1\r\n\r\n", b"Content-Length: -1\r\n"),
    ("an empty length", OK + b"Content-Length:\r\n\r\n", b"Content-Length:\r\n"),
    ("chunked in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
     b"Transfer-Encoding: chunked\r\n"),
]  # fmt: skip


@pytest.mark.parametrize("step", [1, 10**6])
@pytest.mark.parametrize(("octets", "lines"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused(octets: bytes, lines: bytes, step: int) -> None:
    answer, body = fed(octets + b"{}" if octets.startswith(b"HTTP/") else octets, step=step)
    assert answer.refused
    assert (answer.head, body, answer.complete) == (None, b"", False)
    assert answer.fault is not None
    assert lines.startswith(answer.fault.lines)
    if octets.startswith(b"HTTP/"):
        assert answer.fault.lines == lines
        again = read_head(kept(answer.octets))
        assert again == answer.fault, "what is kept shows the same fault"


@pytest.mark.parametrize("wrong", [b"Server%s : x", b"Server%s", b"Server: %s\0x"])
def test_what_is_kept_of_a_long_line_is_short_and_refused_too(wrong: bytes) -> None:
    octets = OK + b"X-A: b\r\n" * 500 + wrong % (b"a" * 9000) + b"\r\n\r\n"
    assert isinstance(read_head(octets), Malformed)
    assert isinstance(read_head(kept(octets)), Malformed)
    assert len(kept(octets)) < 1000


@pytest.mark.parametrize(
    "line",
    [b"Set-Cookie: sid=SECRET\0", b"Set-Cookie : sid=SECRET", b"set-cookie: a\r\n SECRET\0", b"X-Api-Key: SECRET\x01"],
)
def test_secrets_in_a_refused_line_are_masked_and_the_fault_stays(line: bytes) -> None:
    octets = OK + line + b"\r\n\r\n"
    masked = mask_head(kept(octets))
    told, again = read_head(octets), read_head(masked)
    assert b"SECRET" not in masked
    assert isinstance(told, Malformed)
    assert isinstance(again, Malformed)
    assert again.why == told.why


BROKEN: list[tuple[str, bytes]] = [
    ("a prefix", b"0x2\r\n{}\r\n"),
    ("a sign", b"+2\r\n{}\r\n"),
    ("a space behind", b"2 \r\n{}\r\n"),
    ("a space before", b" 2\r\n{}\r\n"),
    ("no size", b"\r\n{}\r\n"),
    ("letters", b"zz\r\n{}\r\n"),
    ("bare LF", b"2\n{}\r\n"),
    ("a size too small", b"1\r\n{}\r\n0\r\n\r\n"),
    ("a size too large", b"3\r\n{}\r\n0\r\n\r\n"),
    ("no line end behind the data", b"2\r\n{}0\r\n\r\n"),
    ("a size without end", b"2" * 5000),
    ("a trailer without a colon", b"2\r\n{}\r\n0\r\nX-A\r\n\r\n"),
    ("a trailer with a space before the colon", b"0\r\nX-A : b\r\n\r\n"),
    ("folding at once in the trailer", b"0\r\n X-A: b\r\n\r\n"),
]


@pytest.mark.parametrize("step", [1, 10**6])
@pytest.mark.parametrize("octets", [row[1] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_chunks_that_are_refused(octets: bytes, step: int) -> None:
    answer, _ = fed(CHUNKED + octets, step=step)
    assert answer.head is not None
    assert answer.fault is not None
    assert not answer.complete


BEHIND: list[tuple[str, bytes, bytes, str]] = [
    ("the last chunk twice", CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", b"0\r\n\r\n", "POST"),
    ("a line end", OK + b"Content-Length: 2\r\n\r\n{}", b"\r\n", "POST"),
    ("an answer", OK + b"Content-Length: 2\r\n\r\n{}", OK + b"\r\n", "POST"),
    ("a body behind 204", b"HTTP/1.1 204 No Content\r\n\r\n", b"{}", "POST"),
    ("a body behind 304", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", b"{}", "POST"),
    ("a body behind HEAD", OK + b"Content-Length: 2\r\n\r\n", b"{}", "HEAD"),
    ("a body behind none", OK + b"Content-Length: 0\r\n\r\n", b"{}", "POST"),
]


@pytest.mark.parametrize("step", [1, 10**6])
@pytest.mark.parametrize(
    ("octets", "behind", "method"), [row[1:] for row in BEHIND], ids=[row[0] for row in BEHIND]
)  # fmt: skip
def test_what_lies_behind_the_end_is_counted(octets: bytes, behind: bytes, method: str, step: int) -> None:
    answer, _ = fed(octets + behind, step=step, method=method)
    assert answer.complete
    assert (answer.excess, answer.behind) == (len(behind), behind)


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nconnection: Keep-Alive\r\n\r\n", True),
        (b"HTTP/1.1 101 Switching\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\n\r\n", False),
    ],
)
def test_which_connections_are_kept(head: bytes, keeps: bool) -> None:
    assert fed(head, step=1, closed=False)[0].reusable is keeps


def test_a_header_section_without_end_is_given_up() -> None:
    for endless in (OK + b"X-A: b\r\n" * 20_000, b"HTTP/1.1 103 Hints\r\n\r\n" * 20_000):
        answer, _ = fed(endless, step=1000, closed=False)
        assert answer.too_large
        assert len(answer.octets) < LARGEST + 2000
