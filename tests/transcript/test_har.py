"""Transcripts survive HAR unchanged, and what other clients write is read for what it says, no more."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.transcript import har_reader, har_writer
from conformance.transcript.exchange import (
    Credential,
    Ending,
    Exchange,
    Headers,
    Piece,
    ProbeNote,
    Request,
    Response,
    Transcript,
)
from conformance.transcript.har_nodes import HarError
from conformance.transcript.redaction import mask_credentials, mask_head

TOKEN = "km_live_0123456789abcdef"

naturals = st.integers(0, 2**40)
seconds = st.integers(0, 10**10).map(lambda micros: micros / 1_000_000)
latin1 = st.text(st.characters(max_codepoint=255), max_size=12)
words = st.text(max_size=12)
optional_words = st.none() | words
headers = st.lists(
    st.tuples(latin1.filter(lambda name: not name.startswith(":")) | st.just("Authorization"), latin1), max_size=4
).map(lambda fields: mask_credentials(tuple(fields)))
octets = st.binary(max_size=40) | st.text(max_size=20).map(str.encode) | st.just(b"\xef\xbb\xbf{}")
marks = st.lists(st.tuples(naturals, naturals), max_size=3).map(tuple)


@st.composite
def responses(draw: st.DrawFn) -> Response:
    known = draw(st.booleans())
    body = draw(octets) if known else b""
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4)))
    lengths = [end - start for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    pieces = tuple(Piece(draw(seconds), length) for length in lengths)
    return Response(
        status=draw(st.integers(100, 999)),
        headers=draw(headers),
        body=body,
        reason=draw(latin1),
        http_version=draw(st.sampled_from(["HTTP/1.1", "HTTP/1.0", "h2", ""])),
        headers_at=draw(st.none() | seconds),
        pieces=draw(st.sampled_from([None, pieces])),
        excess=draw(naturals),
        redacted=draw(marks),
        redacted_headers=draw(st.lists(latin1, max_size=2).map(tuple)),
        decoded=draw(st.booleans()),
        body_known=known,
        transcoded=draw(st.booleans()),
        headers_known=draw(st.booleans()),
    )


exchanges = st.builds(
    Exchange,
    name=words,
    request=st.builds(
        Request,
        method=st.sampled_from(["POST", "GET", "PUT"]),
        url=words | st.just("http://127.0.0.1:1/v1/chat/completions?a=b&a="),
        headers=headers,
        body=st.none() | octets,
        credential=st.sampled_from(Credential),
    ),
    response=st.none() | responses(),
    ending=st.sampled_from(Ending),
    started=st.integers(0, 4 * 10**15).map(lambda micros: micros / 1_000_000),
    finished=seconds,
    error=words,
    head=octets.map(mask_head),
    note=st.builds(
        ProbeNote,
        area=words,
        phase=words,
        flow=words,
        twin=optional_words,
        group=optional_words,
        attempt=naturals,
        round=naturals,
        probe=words,
        breach=optional_words,
        left_after=st.none() | naturals,
        slow=st.booleans(),
    ),
    server_ip=words,
    timed=st.booleans(),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
transcripts = st.builds(
    Transcript,
    exchanges=st.lists(exchanges, min_size=1, max_size=3, unique_by=lambda exchange: exchange.name).map(tuple),
    options=st.dictionaries(words, json_values, max_size=3),
    creator=words,
)


@settings(max_examples=50, deadline=None)
@given(transcripts)
def test_reading_back_loses_nothing(transcript: Transcript) -> None:
    assert har_reader.load(har_writer.dumps(transcript)) == transcript


@settings(max_examples=50, deadline=None)
@given(transcripts)
def test_it_is_har(transcript: Transcript) -> None:
    log = json.loads(har_writer.dumps(transcript))["log"]
    assert {"log": log} == har_writer.dump(transcript)
    assert log["version"] == "1.2"
    assert set(log["creator"]) == {"name", "version"}
    for entry in log["entries"]:
        assert {"startedDateTime", "time", "request", "response", "cache", "timings"} <= set(entry)
        assert {
            "method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize",
        } <= set(entry["request"])  # fmt: skip
        assert {
            "status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL", "headersSize",
            "bodySize",
        } <= set(entry["response"])  # fmt: skip
        assert {"size", "mimeType"} <= set(entry["response"]["content"])
        assert all(entry["timings"][part] >= 0 for part in ("send", "wait", "receive"))
        unknown = {"startedDateTime", "time", "request", "response", "cache", "timings", "serverIPAddress"}
        assert all(name.startswith("_") for name in set(entry) - unknown)


def exchange(name: str = "one", headers: Headers = (), response_headers: Headers = ()) -> Exchange:
    return Exchange(
        name=name,
        request=Request("POST", "http://localhost/v1/chat/completions", headers, b"{}", Credential.OWN),
        response=Response(200, response_headers, b"{}", headers_at=0.25, pieces=(Piece(0.5, 2),)),
        ending=Ending.COMPLETE,
        started=1_712_345_678.123457,
        finished=0.500001,
    )


def test_members_as_documented() -> None:
    entry = har_writer.dump(Transcript((exchange(),)))["log"]["entries"][0]
    assert entry["startedDateTime"] == "2024-04-05T19:34:38.123457+00:00"
    assert entry["time"] == 500.001
    assert entry["timings"] == {"send": 0, "wait": 250.0, "receive": 250.001}
    assert entry["response"]["_chunks"] == [[500.0, 2]]
    assert entry["response"]["_headersAt"] == 250.0
    assert entry["_ending"] == "complete"
    assert entry["_probe"] == {}


def test_one_line_for_each_entry() -> None:
    text = har_writer.dumps(Transcript((exchange("one"), exchange("two"))))
    assert len(text.splitlines()) == 4


def test_credentials_are_masked_when_written() -> None:
    sent = (("Authorization", f"Bearer {TOKEN}"), ("Cookie", "session=abcdef"))
    got = (("Set-Cookie", "session=abcdef; Path=/"),)
    text = har_writer.dumps(Transcript((exchange(headers=sent, response_headers=got),)))
    assert TOKEN not in text
    assert "abcdef" not in text
    loaded = har_reader.load(text).exchanges[0]
    assert loaded.request.headers == (("Authorization", f"Bearer {'*' * len(TOKEN)}"), ("Cookie", "session=******"))
    assert har_writer.dumps(har_reader.load(text)) == text


def test_from_files(tmp_path: Path) -> None:
    transcript = Transcript((exchange(),), {"suite": "1"}, "kitemesh-conformance 1")
    file = tmp_path / "transcript.har"
    file.write_text("\ufeff" + har_writer.dumps(transcript), encoding="utf-8")
    assert har_reader.load(file) == har_reader.load(str(file)) == har_reader.load(file.read_bytes()) == transcript
    assert transcript.own


# What others write ---------------------------------------------------------------------------------------------------


def foreign(*entries: dict[str, Any], name: str = "WebInspector") -> str:
    return json.dumps({"log": {"version": "1.2", "creator": {"name": name, "version": "537.36"}, "entries": entries}})


def chrome(**changes: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "_initiator": {"type": "script"},
        "_priority": "High",
        "_resourceType": "fetch",
        "cache": {},
        "connection": "443",
        "request": {
            "method": "POST",
            "url": "https://api.example.test/v1/chat/completions",
            "httpVersion": "http/2.0",
            "headers": [
                {"name": ":authority", "value": "api.example.test"},
                {"name": "content-type", "value": "application/json"},
            ],
            "queryString": [],
            "cookies": [],
            "headersSize": -1,
            "bodySize": 15,
            "postData": {"mimeType": "application/json", "text": '{"stream":true}'},
        },
        "response": {
            "status": 200,
            "statusText": "",
            "httpVersion": "http/2.0",
            "headers": [
                {"name": "content-type", "value": "text/event-stream"},
                {"name": "content-encoding", "value": "gzip"},
            ],
            "cookies": [],
            "content": {"size": 14, "mimeType": "text/event-stream", "text": "data: [DONE]\n\n"},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
            "_transferSize": 210,
            "_error": None,
        },
        "serverIPAddress": "[2001:db8::1]",
        "startedDateTime": "2026-06-08T16:20:00.123Z",
        "time": 812.4099999200553,
        "timings": {"blocked": 3.1, "dns": -1, "ssl": -1, "connect": -1, "send": 0.2, "wait": 700, "receive": 109},
    }
    return {**entry, **changes}


def test_chrome() -> None:
    transcript = har_reader.load(foreign(chrome()))
    assert transcript.creator == "WebInspector 537.36"
    assert not transcript.own
    (read,) = transcript
    assert read == Exchange(
        name="entry-1",
        request=Request(
            "POST",
            "https://api.example.test/v1/chat/completions",
            (("content-type", "application/json"),),
            b'{"stream":true}',
            Credential.UNSTATED,
        ),
        response=Response(
            200,
            (("content-type", "text/event-stream"), ("content-encoding", "gzip")),
            b"data: [DONE]\n\n",
            http_version="http/2.0",
            decoded=True,
            transcoded=True,
        ),
        ending=Ending.UNSTATED,
        started=1_780_935_600.123,
        finished=0.81241,
        server_ip="[2001:db8::1]",
    )
    assert har_reader.load(har_writer.dumps(transcript)) == transcript


def test_chrome_without_answer_and_without_texts() -> None:
    request = {name: value for name, value in chrome()["request"].items() if name != "postData"}
    response = chrome()["response"]
    transcript = har_reader.load(
        foreign(
            chrome(request=request, response={**response, "content": {"size": 14, "mimeType": "text/event-stream"}}),
            chrome(response={**response, "status": 0, "_error": "net::ERR_CONNECTION_RESET"}),
            chrome(response={**response, "content": {"size": 0, "mimeType": "x-unknown"}}),
            chrome(response={**response, "bodySize": 14, "content": {"size": 0, "mimeType": "x-unknown"}}),
            chrome(request={**request, "method": "GET"}),
        )
    )
    unknown, empty, lost, get = transcript
    assert transcript.options["recording"]["left_out"] == {
        "without an answer": {"count": 1, "told": ["entry-2: net::ERR_CONNECTION_RESET"]}
    }
    assert unknown.request.body is None
    assert unknown.response is not None
    assert (unknown.response.body, unknown.response.body_known) == (b"", False)
    assert empty.response is not None
    assert empty.response.body_known
    assert lost.response is not None
    assert not lost.response.body_known
    assert get.request.body == b""


def test_order_is_that_of_starting() -> None:
    later, earlier = chrome(), chrome(startedDateTime="2026-06-08T18:19:59+02:00")
    assert [read.name for read in har_reader.load(foreign(later, earlier))] == ["entry-2", "entry-1"]


def test_firefox() -> None:
    entry = {
        "startedDateTime": "2026-06-08T18:20:00.123+02:00",
        "request": {
            "bodySize": 2,
            "method": "POST",
            "url": "http://localhost:8000/v1/chat/completions",
            "httpVersion": "HTTP/1.1",
            "headers": [{"name": "Authorization", "value": f"Bearer {TOKEN}"}, {"name": "X-Word", "value": "\u20ac"}],
            "cookies": [],
            "queryString": [],
            "headersSize": 511,
            "postData": {"mimeType": "application/json", "params": [], "text": "{}"},
        },
        "response": {
            "status": 401,
            "statusText": "Unauthorized",
            "httpVersion": "HTTP/1.1",
            "headers": [{"name": "X-Echo", "value": TOKEN}],
            "cookies": [],
            "content": {"mimeType": "application/json", "size": 44, "text": f'{{"error":"{TOKEN}"}}'},
            "redirectURL": "",
            "headersSize": 120,
            "bodySize": 164,
        },
        "cache": {},
        "timings": {"blocked": 0, "dns": 0, "connect": 0, "ssl": 0, "send": 0, "wait": 12, "receive": 0},
        "time": 12,
        "_securityState": "insecure",
        "serverIPAddress": "127.0.0.1",
        "connection": "8000",
        "pageref": "page_1",
    }
    transcript = har_reader.load(foreign(entry, name="Firefox"))
    assert TOKEN not in repr(transcript)
    (read,) = transcript
    assert read.started == 1_780_935_600.123
    assert read.request.headers == (("Authorization", f"Bearer {'*' * len(TOKEN)}"), ("X-Word", "\xe2\x82\xac"))
    assert read.request.credential is Credential.UNSTATED
    assert read.response is not None
    assert read.response.redacted == ((10, len(TOKEN)),)
    assert read.response.redacted_headers == ("X-Echo",)


def test_mitmproxy() -> None:
    body = b"data: \xff\n\n"
    entry = {
        "startedDateTime": "2026-06-08T16:20:00.123456+00:00",
        "time": 15.2,
        "request": {
            "method": "POST",
            "url": "https://api.example.test/v1/chat/completions",
            "httpVersion": "HTTP/1.1",
            "cookies": [{"name": "session", "value": "abcdef"}],
            "headers": [{"name": "authorization", "value": "Bearer"}, {"name": "cookie", "value": "session=abcdef"}],
            "queryString": [],
            "headersSize": 310,
            "bodySize": 2,
            "postData": {"mimeType": "application/json", "text": "{}", "params": []},
        },
        "response": {
            "status": 200,
            "statusText": "OK",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [],
            "content": {
                "size": 9,
                "compression": 0,
                "mimeType": "text/event-stream",
                "text": base64.b64encode(body).decode(),
                "encoding": "base64",
            },
            "redirectURL": "",
            "headersSize": 160,
            "bodySize": 9,
        },
        "cache": {},
        "timings": {"connect": 1.0, "ssl": 2.0, "send": 0.1, "receive": 2.0, "wait": 10.0},
    }
    transcript = har_reader.load(foreign(entry, name="mitmproxy"))
    assert "abcdef" not in repr(transcript)
    (read,) = transcript
    assert read.request.credential is Credential.EMPTY
    assert read.response is not None
    assert read.response.body == body
    assert read.response.pieces is None
    assert read.started == 1_780_935_600.123456


def test_somebody_elses_asterisks_are_no_secret() -> None:
    request = {**chrome()["request"], "headers": [{"name": "Authorization", "value": "Bearer ********"}]}
    response = {**chrome()["response"], "content": {"size": 8, "mimeType": "", "text": "********"}}
    (read,) = har_reader.load(foreign(chrome(request=request, response=response)))
    assert read.response is not None
    assert read.response.redacted == ()


def test_somebody_elses_token_that_is_a_word_of_the_api_is_masked_in_its_own_field_alone() -> None:
    request = {**chrome()["request"], "headers": [{"name": "Authorization", "value": "Bearer finish_reason"}]}
    body = '{"choices": [{"finish_reason": "stop"}]}'
    response = {**chrome()["response"], "content": {"size": len(body), "mimeType": "", "text": body}}
    (read,) = har_reader.load(foreign(chrome(request=request, response=response)))
    assert read.request.headers == (("Authorization", "Bearer *************"),)
    assert read.response is not None
    assert (read.response.body, read.response.redacted) == (body.encode(), ())


# What cannot be read -------------------------------------------------------------------------------------------------


def ours(**changes: Any) -> str:
    """A transcript of ours with one entry, whose members are changed: `response__status=1`."""
    document = har_writer.dump(Transcript((exchange(),)))
    for path, value in changes.items():
        *way, last = path.split("__")
        place = document["log"]["entries"][0]
        for step in way:
            place = place[step]
        place[last] = value
    return json.dumps(document)


UNREADABLE: list[tuple[str, str]] = [
    ("{", "not JSON"),
    ('{"log": NaN}', "not a JSON number"),
    ('{"a":' * 100_000, "nested too deeply"),
    ("{}", "no member `log`"),
    ('{"log": 1}', "`log` .* must be an object"),
    ('{"log": {}}', "no member `entries`"),
    ('{"log": {"entries": {}}}', "`log.entries` .* must be an array"),
    ('{"log": {"entries": []}}', "has no entries"),
    ('{"log": {"entries": [1]}}', r"`log.entries\[0\]` .* must be an object"),
    ('{"log": {"entries": [{}]}}', "no member `request`"),
    (foreign(chrome(request=[])), "must be an object"),
    (foreign(chrome(response={"status": "two"})), "must be an integer"),
    (foreign(chrome(response={"status": 200, "headers": [1]})), "must be an object"),
    (
        foreign(chrome(response={"status": 200, "headers": [], "content": {"text": "x", "encoding": "rot13"}})),
        "unknown: 'rot13'",
    ),
    (
        foreign(chrome(response={"status": 200, "headers": [], "content": {"text": "x", "encoding": "base64"}})),
        "not base64",
    ),
    (ours(_ending="tired"), "unknown value: 'tired'"),
    (ours(_credential=1), "must be a string"),
    (ours(_probe={"attempt": True}), "must be an integer"),
    (ours(time=-1), "0 or more"),
    (ours(time=10**400), "0 or more"),
    (ours(startedDateTime="2026-13-01T00:00:00Z"), "not an ISO 8601 time"),
    (ours(response___chunks=[[1]]), "array of pairs"),
    (ours(response___chunks=[[1, 99]]), "do not add up"),
    (ours(response___chunks=[[1, -2]]), "must not be negative"),
    (ours(response__content={"size": 2}), "no member `text`"),
    (ours(response___decoded="yes"), "must be true or false"),
    (har_writer.dumps(Transcript((exchange(), exchange()))), "Two entries .* named 'one'"),
]


ODD_BUT_READ: list[dict[str, Any]] = [
    {"startedDateTime": "yesterday", "timed": False},
    {"startedDateTime": None, "timed": False},
    {"startedDateTime": 1_780_935_600_123},
    {"startedDateTime": 1_780_935_600.123},
    {"startedDateTime": "Mon, 08 Jun 2026 16:20:00 GMT", "started": 1_780_935_600.0},
    {"time": "long", "finished": 0.0},
    {"time": -1, "finished": 0.0},
    {"time": "812.41"},
    {"response": {"status": "200"}, "headers_known": False},
    {"response": {"status": 200, "headers": None}, "headers_known": False},
    {"response": {"status": 200, "headers": [{"name": "Age", "value": 1}]}, "headers": (("Age", "1"),)},
    {"response": {"status": 200, "headers": {"Vary": ["a", "b"]}}, "headers": (("Vary", "a"), ("Vary", "b"))},
    {"response": {"status": 200, "headers": [["age", "1"]]}, "headers": (("age", "1"),)},
]


@pytest.mark.parametrize("odd", ODD_BUT_READ, ids=json.dumps)
def test_what_is_read_in_spite_of_its_form(odd: dict[str, Any]) -> None:
    entry = {name: value for name, value in odd.items() if name in chrome()}
    (read,) = har_reader.load(foreign(chrome(**entry)))
    assert read.timed is odd.get("timed", True)
    assert read.started == odd.get("started", 1_780_935_600.123 if read.timed else 0.0)
    assert read.finished == odd.get("finished", 0.81241 if read.timed else 0.0)
    assert read.response is not None
    assert read.response.headers == odd.get("headers", read.response.headers)
    assert read.response.headers_known is odd.get("headers_known", True)


@pytest.mark.parametrize(("text", "message"), UNREADABLE, ids=[message for _, message in UNREADABLE])
def test_unreadable(text: str, message: str) -> None:
    with pytest.raises(HarError, match=message) as caught:
        har_reader.load(text)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_unreadable_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in (tmp_path, tmp_path / "absent.har", str(tmp_path / "absent.har"), "", "\x00"):
        with pytest.raises(HarError, match="cannot be read"):
            har_reader.load(source)
    with pytest.raises(HarError, match="not UTF-8"):
        har_reader.load(b"{\xff")
    file = tmp_path / "large.har"
    file.write_text(har_writer.dumps(Transcript((exchange(),))))
    monkeypatch.setattr(har_reader, "LARGEST", 100)
    with pytest.raises(HarError, match="is larger than"):
        har_reader.load(file)
    with pytest.raises(HarError, match="is larger than"):
        har_reader.load(str(file))
    with pytest.raises(HarError, match="too large"):
        har_reader.load(file.read_bytes())


@settings(max_examples=50, deadline=None)
@given(json_values)
def test_nothing_but_har_errors(value: object) -> None:
    for text in (
        json.dumps({"log": {"entries": [value]}}),
        json.dumps({"log": {"entries": [{**chrome(), "response": value}]}}),
        json.dumps({"log": {"entries": [{**chrome(), "request": value}]}}),
        ours(response=value),
        ours(_probe=value),
        ours(response___chunks=value),
        ours(response__content=value),
    ):
        try:
            har_reader.load(text)
        except HarError:
            pass
