"""Secrets are replaced in every form, at the same length, however the octets are cut."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.transcript.redaction import BodyRedactor, Redactor, mask_credentials

TOKEN = "km_live-7f3a9/b+c=Zq"


def redact(redactor: BodyRedactor, *pieces: bytes) -> bytes:
    return b"".join([*(redactor.feed(piece) for piece in pieces), redactor.finish()])


def test_plain_token_keeps_its_length_and_leaves_a_mark() -> None:
    stream = Redactor([TOKEN]).stream()
    body = b"data: " + TOKEN.encode() + b"\n\n"
    assert redact(stream, body) == b"data: " + b"*" * len(TOKEN) + b"\n\n"
    assert stream.marks == [(6, len(TOKEN))]


@pytest.mark.parametrize("cut", range(1, 12 + len(TOKEN)))
def test_cut_token(cut: int) -> None:
    body = b"data: " + TOKEN.encode() + b" more\n"
    stream = Redactor([TOKEN]).stream()
    assert redact(stream, body[:cut], body[cut:]) == b"data: " + b"*" * len(TOKEN) + b" more\n"
    assert stream.marks == [(6, len(TOKEN))]


@pytest.mark.parametrize(
    "spelling",
    [
        json.dumps('km_"live"\\é/token')[1:-1],
        json.dumps('km_"live"\\é/token')[1:-1].replace("/", "\\/"),
        json.dumps('km_"live"\\é/token')[1:-1].replace("00e9", "00E9"),
        json.dumps('km_"live"\\é/token', ensure_ascii=False)[1:-1],
        quote('km_"live"\\é/token', safe=""),
        quote('km_"live"\\é/token', safe="").lower(),
        quote('km_"live"\\é/token', safe="/"),
    ],
)
def test_escaped_forms(spelling: str) -> None:
    redactor = Redactor(['km_"live"\\é/token'])
    text = f"<{spelling}>"
    assert redactor.text(text) == "<" + "*" * len(spelling.encode()) + ">"


@pytest.mark.parametrize("whole", [TOKEN, f":{TOKEN}", f"{TOKEN}:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_whole_base64(whole: str, encode: object) -> None:
    assert callable(encode)
    letters = encode(whole.encode()).decode()
    assert set(Redactor([TOKEN]).text(letters).rstrip("=")) == {"*"}


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "user:", "longer-user:"])
@pytest.mark.parametrize("behind", ["", ":", ":x", " and more"])
def test_base64_inside_a_longer_text(before: str, behind: str) -> None:
    letters = base64.b64encode(f"{before}{TOKEN}{behind}".encode()).decode()
    clean = Redactor([TOKEN]).text(letters)
    assert len(clean) == len(letters)
    # Both outermost letters share their bits with the neighbours; all others are the token's alone.
    assert clean.count("*") >= len(TOKEN) * 8 // 6 - 2
    assert TOKEN[2:-2].encode() not in base64.b64decode(clean.replace("*", "A"))


def test_short_secret_is_redacted_as_it_is_only() -> None:
    redactor = Redactor(["a/b", ""])
    assert redactor.text("a/b a%2Fb YS9i") == "*** a%2Fb YS9i"


def test_nothing_to_hide() -> None:
    redactor = Redactor(["", ""])
    stream = redactor.stream()
    assert stream.feed(b"abc") == b"abc"
    assert stream.finish() == b""
    assert redactor.text("abc") == "abc"


def test_no_more_is_held_back_than_a_beginning_of_a_secret() -> None:
    stream = Redactor(["secret-token"]).stream()
    assert stream.feed(b"words of secr") == b"words of "
    assert stream.feed(b"ets") == b"secret"
    assert stream.feed(b" se") == b"s "
    assert stream.finish() == b"se"


def test_overlapping_secrets_leave_nothing() -> None:
    stream = Redactor(["token-abc", "abc-more"]).stream()
    assert redact(stream, b"x token-a", b"bc-mo", b"re y") == b"x ************** y"
    assert stream.marks == [(2, 14)]


def test_headers_name_what_held_a_secret() -> None:
    headers, held = Redactor([TOKEN]).headers((("X-Echo", f"<{TOKEN}>"), ("Via", "1.1 \xe9"), ("x-echo", TOKEN)))
    assert headers == (("X-Echo", f"<{'*' * len(TOKEN)}>"), ("Via", "1.1 \xe9"), ("x-echo", "*" * len(TOKEN)))
    assert held == ("X-Echo", "x-echo")


@pytest.mark.parametrize(
    ("name", "value", "masked"),
    [
        ("Authorization", "Bearer km_abc", "Bearer ******"),
        ("authorization", "bearer  km_abc", "bearer  ******"),
        ("Authorization", "Bearer", "Bearer"),
        ("Authorization", "km_abcdef", "*********"),
        ("Authorization", "Basic dXNlcjpwYXNz", "Basic ************"),
        ("X-API-Key", "abc", "***"),
        ("Cookie", "a=1; session=xyz", "a=*; session=***"),
        ("Set-Cookie", "session=xyz; Path=/; HttpOnly", "session=***; Path=/; HttpOnly"),
        ("Set-Cookie", "nameless; Path=/", "********; Path=/"),
        ("Accept", "text/event-stream", "text/event-stream"),
    ],
)
def test_credentials_are_masked_without_knowing_them(name: str, value: str, masked: str) -> None:
    assert mask_credentials(((name, value),)) == ((name, masked),)
    assert mask_credentials(((name, masked),)) == ((name, masked),)


@settings(deadline=None)
@given(
    secrets=st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3),
    pieces=st.lists(st.text("abc", max_size=6).map(str.encode), max_size=8),
)
def test_cutting_changes_nothing(secrets: list[str], pieces: list[bytes]) -> None:
    redactor = Redactor(secrets)
    body = b"".join(pieces)
    stream = redactor.stream()
    clean = redact(stream, *pieces)
    assert clean == redactor.octets(body)
    covered = {place for offset, length in stream.marks for place in range(offset, offset + length)}
    assert {place for place, octet in enumerate(clean) if octet == ord("*")} == covered
    for secret in secrets:
        found = body.find(secret.encode())
        while found >= 0:
            assert set(range(found, found + len(secret))) <= covered
            found = body.find(secret.encode(), found + 1)
    ends = [0, *(offset + length for offset, length in stream.marks)]
    assert all(offset >= end for end, (offset, _) in zip(ends, stream.marks, strict=False))
