"""report.html: whole, well-formed, inert whatever the target sent, and small."""

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import date
from functools import cache
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import MODEL, NASTY, URL, exchange, finding, report

from conformance.contract.catalogue import Level, Side, load
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding, Judged
from conformance.evidence.place import NOWHERE, STATUS, Place
from conformance.judging import baseline
from conformance.judging.baseline import Entry
from conformance.judging.verdict import Outcome, RequirementSelection, State, decide
from conformance.report import files, html, latency, octets, timeline
from conformance.report.location import offence
from conformance.report.pointer import locate
from conformance.settings.options import Options
from conformance.transcript.exchange import Credential, Ending, Exchange, Piece, Request, Response, Transcript

VOID = {"meta", "link", "br", "hr", "img", "input"}
OTHER_NASTY = (
    "</pre></style><script>alert(2)</script><img src=x onerror=alert(3)>\"' {{ 7*7 }} {% raw %} <!-- ]]> &amp;"
)


class Page(HTMLParser):
    """The page as a browser's parser meets it: tags balanced, ids, attributes, text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.ids, self.attributes, self.headings = Counter(), [], [], []
        self.text, self.marked, self.problems = [], [], []
        self._open = []
        self.feed(text)
        self.close()
        self.problems += [f"<{tag}> is left open" for tag in self._open]
        self.problems += [f"the id {i} stands there {n} times" for i, n in Counter(self.ids).items() if n > 1]
        self.text = "".join(self.text)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.problems.append(f"<{tag}> has an attribute twice")
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()} closes another element")

    def handle_data(self, data):
        if self._open and self._open[-1] == "style":
            return
        self.text.append(data)
        if "mark" in self._open:
            self.marked.append(data)

    def handle_comment(self, data):
        self.problems.append("a comment")

    def values(self, name):
        return [value for _, key, value in self.attributes if key == name]


def shown(account, **more):
    return Page(html.page(account, **more))


@cache
def world(name):
    """The page of a world, as text and read."""
    text = html.page(WORLDS[name])
    return text, Page(text)


def streamed(body, pieces=None, name="stream", **more):
    """An answered stream; by default an event arrives each tenth of a second."""
    if pieces is None:
        parts = re.split(rb"(?<=\n\n)", body)
        pieces = [Piece(0.1 * n, len(part)) for n, part in enumerate(parts, 1) if part]
    response = Response(
        200, (("Content-Type", "text/event-stream"),), body, "OK", headers_at=0.05, pieces=tuple(pieces)
    )
    values = {"ending": Ending.COMPLETE, "started": 1_790_000_000.0, "finished": 1.0, **more}
    request = Request("POST", f"{URL}/chat/completions", (), b'{"stream":true}', Credential.OWN)
    return Exchange(name, request, response, **values)


def judged(exchanges, findings=(), **more):
    """A run of these exchanges, in which these findings were made and all else passed."""
    items = {r.id: [Judged("minimal")] for r in load()}
    for one in findings:
        items[one.requirement] = [*[i for i in items[one.requirement] if isinstance(i, Finding)], one]
    made = report()
    options = {"suite": "made up", "model": MODEL}
    verdict = decide(load(), items, RequirementSelection())
    return replace(made, verdict=verdict, evidence=Evidence(Transcript(tuple(exchanges), options, "made up")), **more)


EVENTS = b'data: {"id":"a","object":"chunk"}\n\ndata: {"id":"b"}\n\ndata: [DONE]\n\ndata: {"usage":{"total":\xff5}}\n\n'

WORLDS = {
    "conformant": report(),
    "nonconformant": report(broken={"stream.done": 5, "auth.challenge": 1, "chunk.schema": 2}),
    "inconclusive": report(unseen={"resume.approve": f"no approval came: {NASTY}"}),
    "suite-error": report(errors={"chunk.schema": f"KeyError: {NASTY}"}),
    "interrupted": report(broken={"http.json": 1}, interrupted=True),
    "partial": report(Options(url=URL, model=MODEL, token="km_t", only=("stream",))),
    "everything-broken": report(broken={r.id: 7 for r in load()}),
    "nothing-judged": report(unseen={r.id: "no request was recorded" for r in load()}),
    "nothing-recorded": replace(report(), evidence=Evidence(Transcript(())), notes=(NASTY,)),
    "no-target": replace(report(Options()), evidence=Evidence(Transcript(()))),
    "no-answer": judged([replace(exchange(), response=None, ending=Ending.RESET, error=NASTY)], [finding("http.json")]),
    "streams": judged(
        [streamed(EVENTS)], [finding("stream.done-last", exchange="stream", place=Place(event=4, byte=66))]
    ),
}
worlds = pytest.mark.parametrize("name", WORLDS)


@worlds
def test_it_is_well_formed(name):
    page = world(name)[1]
    assert page.problems == []
    assert page.tags["h1"] == page.tags["main"] == page.tags["header"] == page.tags["footer"] == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    assert set(page.tags) & {"script", "iframe", "object", "embed", "form", "base", "foreignobject", "img"} == set()


@worlds
def test_it_fetches_nothing(name):
    text, page = world(name)
    style = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    assert not re.search(r"url\(|@import|expression|https?:", style)
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name in ("src", "srcset", "style")]
    links = [href for href in page.values("href") if not href.startswith("#")]
    assert links == ["data:,"]
    policy = next(value for tag, name, value in page.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")


@worlds
def test_its_links_lead_somewhere(name):
    page = world(name)[1]
    ids = set(page.ids)
    assert {href[1:] for href in page.values("href") if href.startswith("#")} <= ids
    named = [i for name in ("aria-labelledby", "aria-describedby") for v in page.values(name) for i in v.split()]
    assert set(named) <= ids


@worlds
def test_it_says_what_the_verdict_says(name):
    page = world(name)[1]
    made = WORLDS[name]
    assert made.verdict.conclusion.capitalize() in page.text
    chosen = {o.requirement.area for o in made.verdict.outcomes if o.state is not State.NOT_SELECTED}
    for outcome in made.verdict.outcomes:
        assert (f"req-{outcome.requirement.id}" in page.ids) == (outcome.requirement.area in chosen)
        assert (f"broken-{outcome.requirement.id}" in page.ids) == (outcome.state == "failed")


@worlds
def test_it_is_small(name):
    assert len(world(name)[0].encode()) < html.LARGEST


@worlds
def test_tables_have_heads_with_a_scope(name):
    page = world(name)[1]
    assert page.tags["table"] == page.tags["caption"]
    assert page.tags["th"] == len(page.values("scope"))
    assert page.values("role") == ["img"] * len(page.values("role"))


def test_every_finding_is_told():
    made = WORLDS["nonconformant"]
    page = shown(made)
    for outcome in made.verdict.outcomes:
        if outcome.state != "failed":
            continue
        r = outcome.requirement
        for words in (r.statement, r.why, r.fix):
            assert words.replace("`", "") in page.text
        assert f"{len(outcome.findings)} finding" in page.text
    for words in ("The end is missing", "an event [DONE]", "event 3, byte 812", "curl -i http://", "\\x1b[31mred"):
        assert words in page.text
    assert page.ids.index("broken-stream.done") < page.ids.index("broken-auth.challenge")


def test_what_is_not_judged_has_its_reason():
    page = shown(WORLDS["inconclusive"])
    assert "no approval came: \\x1b[31mred" in page.text
    assert "not exercised" in page.text


def test_an_interruption_and_a_partial_scope_are_told():
    assert "The run was interrupted" in shown(WORLDS["interrupted"]).text
    assert "Partial scope" in shown(WORLDS["partial"]).text
    assert "Partial scope" not in shown(WORLDS["conformant"]).text


def test_findings_of_one_kind_are_counted():
    places = [finding("stream.done", exchange=f"e{n}", place=Place(event=n, byte=n * 9)) for n in range(40)]
    other = [finding("stream.done", exchange="other", message="quite another fault")]
    page = shown(judged([exchange()], [*places, *other]), files={"results.json": "all"})
    assert page.text.count("The end is missing") == 1
    assert "Quite another fault" in page.text
    assert "Also in e1, e2" in page.text
    assert "and 31 more: see results.json" in re.sub(r"\s+", " ", page.text)
    assert "results.json" in page.values("href")


# --- hostile content


def hostile():
    """Everywhere where a target can put words, these."""
    for nasty in (NASTY, OTHER_NASTY, NASTY.encode("utf-8", "backslashreplace").decode() + "\r\n\x85\u2028\x9b" * 9):
        octets_ = nasty.encode("utf-8", "surrogatepass")
        # What HTTP lets through as a header's value is Latin-1.
        header = octets_.decode("latin-1")
        response = Response(
            200, (("Content-Type", "text/event-stream"), (header, header)), octets_ * 40, header, header,
            headers_at=0.1, pieces=(Piece(0.1, len(octets_)), Piece(0.2, 39 * len(octets_))),
        )  # fmt: skip
        request = Request(nasty, f"{URL}/{nasty}", ((header, header),), octets_)
        made = Exchange(nasty, request, response, Ending.CUT, 1.0, 0.3, error=nasty)
        places = [
            Place("/" + nasty), Place(header=header), STATUS, Place(event=1, byte=3), Place(byte=9), Place(words=nasty),
            Place(character=5),
        ]  # fmt: skip
        found = [
            Finding("stream.done", nasty, nasty, nasty, nasty, place, span, intermittent=bool(n % 2))
            for n, place in enumerate(places)
            for span in (None, (3, 20), (10**9, 5), (0, 0))
        ]
        again = [replace(f, requirement="http.json", message=f"{nasty}{n}") for n, f in enumerate(found)]
        options = Options(url=URL, model=f"group:{nasty}", token="km_secret", only=(nasty,), approval_prompt=nasty)
        yield judged([made], [*found, *again], options=options, notes=(nasty,))


@pytest.mark.parametrize("made", [*hostile()])
def test_hostile_content_is_inert(made):
    text = html.page(made)
    text.encode("utf-8")
    page = Page(text)
    assert page.problems == []
    assert page.tags["script"] == page.tags["img"] == 0
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", text)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "km_secret" not in text
    assert len(text.encode()) < html.LARGEST


def test_a_flood_stays_small():
    flood = "\U000e0041'\"<&" * 2_000
    bodies = [streamed(b"data: " + flood.encode() + b"\n\n", name=f"e{n}") for n in range(40)]
    failed = [
        Outcome(
            r,
            State.FAILED,
            9,
            tuple(Finding(r.id, f"e{n}", flood, f"{flood}{n}", flood, Place(event=1, byte=0)) for n in range(9)),
        )
        for r in load()
    ]
    made = judged(bodies)
    made = replace(made, verdict=replace(made.verdict, outcomes=tuple(failed)))
    page = html.page(made)
    assert len(page.encode()) < html.LARGEST
    assert Page(page).problems == []
    assert {f"broken-{r.id}" for r in load()} <= set(Page(page).ids)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text(max_size=30), min_size=4, max_size=4), st.binary(max_size=80))
def test_whatever_comes_the_page_stands(words, body):
    message, expected, observed, place = words
    made = replace(streamed(body, [Piece(0.1, len(body))]), name=message or "x")
    found = [Finding("stream.done", made.name, message, expected, observed, Place(place), (len(place), 7))]
    text = html.page(judged([made], found))
    text.encode("utf-8")
    assert Page(text).problems == []


def test_credentials_and_a_users_own_fields_are_not_shown():
    fields = [("Authorization", "Bearer km_unredacted"), ("X-Gateway-Key", "hush"), ("Cookie", "sid=hush")]
    text = html.page(judged([exchange(headers=fields)], [finding("http.json")]))
    assert "km_unredacted" not in text
    assert "hush" not in text
    assert "X-Gateway-Key" in text
    assert "Bearer *************" in text


# --- where the offending octets are


def marked(one, body, answer="application/json"):
    made = exchange(answer=answer)
    made = replace(made, response=replace(made.response, body=body, pieces=(Piece(0.1, len(body)),)))
    return Page(html.page(judged([made], [one]))).marked


@pytest.mark.parametrize(
    ("place", "body", "seen"),
    [
        (Place("/usage/total_tokens"), b'{"usage": {"total_tokens": -1, "x": 2}}', "-1"),
        (Place("/choices/1/index"), b'{"choices":[{"index":0},{"index":"one"}]}', '"one"'),
        (Place("/usage"), b'{"id":"x","object":"y"}', "⟨usage is missing here⟩"),
        (STATUS, b"{}", "HTTP/1.1 200"),
        (Place(header="Content-Type"), b"{}", "Content-Type: application/json"),
        (Place(header="WWW-Authenticate"), b"{}", "⟨no WWW-Authenticate field here⟩"),
        (Place(byte=1), b"{\xff}", "\\xff"),
        (Place(byte=2), b"{}", "⟨the body ends here⟩"),
    ],
)
def test_the_offending_octets_of_json_are_marked(place, body, seen):
    assert set(marked(finding("completion.schema", place=place, observed="x"), body)) == {seen}


@pytest.mark.parametrize(
    ("place", "span", "seen"),
    [
        (Place("/id", 2, 35), None, '"b"'),
        (Place(event=2, byte=35), (35, 18), 'data: {"id":"b"}\n\n'),
        (Place(event=4, byte=67), None, 'data: {"usage":{"total":\\xff5}}\n\n'),
        (Place("/model", 2, 35), (35, 18), "⟨model is missing here⟩"),
        (Place("/object"), None, '"chunk"'),
    ],
)
def test_the_offending_octets_of_a_stream_are_marked(place, span, seen):
    one = finding("chunk.schema", place=place, span=span, exchange="minimal")
    assert set(marked(one, EVENTS, "text/event-stream")) == {seen}


def test_a_stack_trace_is_found_by_what_was_seen():
    body = json.dumps({"error": {"message": 'oh: File "/app/x.py", line 3'}}).encode()
    seen = 'File "/app/x.py", line 3'
    one = finding("error.no-internals", place=Place(character=30), observed=json.dumps(seen))
    assert set(marked(one, body)) == {json.dumps(seen)[1:-1]}


@pytest.mark.parametrize(
    ("text", "pointer", "value"),
    [
        (b' {"a": [1, {"b/c": "x\\"y"}]} trailing', "/a/1/b~1c", b'"x\\"y"'),
        (b'{"a":1,"a":2}', "/a", b"2"),
        ('{"é": "ü"}'.encode(), "/é", '"ü"'.encode()),
        (b'{"\\u00e9": NaN}', "/\u00e9", b"NaN"),
        (b"\xef\xbb\xbf[true]", "/0", b"true"),
        (b"[1,2]", "/", b"[1,2]"),
        (b"5", "", b"5"),
    ],
)
def test_a_pointer_finds_its_value(text, pointer, value):
    found = locate(text, pointer)
    assert text[found.start : found.end] == value
    assert found.missing == ""


@pytest.mark.parametrize(
    ("text", "pointer", "missing"), [(b'{"a":{}}', "/a/b/c", "b"), (b"[]", "/0", "0"), (b"1", "/x", "x")]
)
def test_a_pointer_tells_what_is_missing(text, pointer, missing):
    assert locate(text, pointer).missing == missing


@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:0a ', max_size=40).map(str.encode), st.text(max_size=10))
def test_a_pointer_never_raises(text, pointer):
    found = locate(text, "/" + pointer)
    assert found is None or 0 <= found.start <= found.end <= len(text)


def test_deep_nesting_is_no_trouble():
    assert locate(b"[" * 100_000, "/0/0") is None


@given(st.binary(max_size=60), st.integers(0, 70), st.integers(0, 70), st.integers(0, 30), st.integers(1, 30))
def test_a_window_shows_the_octets_as_they_are(body, start, length, beside, most):
    made = replace(exchange(), response=Response(200, (), body))
    reading = Evidence(Transcript((made,))).all[0]
    span = offence(finding("http.json", place=NOWHERE, span=(start, length)), reading).span
    if span is None:
        return
    parts = octets.around(body, span, "", beside, most)
    kept = [p.text for p in parts if p.kind == "mark"]
    assert len(kept) == (span[1] > 0)
    if span[1] and span[1] <= most:
        assert kept == [octets.readable(body[span[0] : sum(span)])]


def test_a_long_mark_is_cut():
    parts = octets.around(b"a" * 50 + b"b" * 1000 + b"c" * 50, (50, 1000), "", 10, 100)
    assert [p.text.strip() for p in parts] == [
        "… 40 octets before …", "a" * 10, "b" * 100, "… 900 octets more of it …", "… 50 octets more"
    ]  # fmt: skip


def test_characters_are_not_torn():
    body = "é".encode() * 100
    text = "".join(p.text for p in octets.around(body, (101, 1), "", 21, 9))
    assert text.count("\\x") == 2  # those of the character that the mark itself tears
    assert "".join(p.text for p in octets.whole(body, 7) if p.kind == "text") == "ééé"


# --- pictures


def test_a_stream_is_drawn_with_its_breaches():
    one = finding("stream.done-last", exchange="stream", place=Place(event=4, byte=67), span=(67, 28))
    line = timeline.timelines(timeline.streams(Evidence(Transcript((streamed(EVENTS),)))), [one])[0]
    assert line.events == 4
    assert (line.headers.at, line.first.at, line.done[0].at, line.end.at) == (0.05, 0.1, pytest.approx(0.3), 1.0)
    assert line.breaches[0].moment.x == pytest.approx(40)
    assert line.ticks == (10, 20, 30, 40)
    assert line.stairs[-1] == (100, 0)
    page = shown(WORLDS["streams"])
    assert page.tags["title"] == 2 + len(latency.distributions(Evidence(WORLDS["streams"].transcript)))
    assert "no [DONE]" not in page.text
    assert "4 events · first 100 ms · [DONE] 300 ms · end of body 1.00 s · 97 octets" in page.text


def test_streams_with_findings_come_first_and_few_are_drawn():
    evidence = Evidence(Transcript(tuple(streamed(EVENTS, name=f"s{n}") for n in range(30))))
    drawn = timeline.timelines(timeline.streams(evidence), [finding("stream.done", exchange="s29")])
    assert len(drawn) == timeline.SHOWN
    assert drawn[0].name == "s29"


def test_a_stream_of_many_events_stays_small():
    body = b"data: {}\n\n" * 20_000
    pieces = [Piece(n / 10_000, 10) for n in range(20_000)]
    line = timeline.timelines(timeline.streams(Evidence(Transcript((streamed(body, pieces, finished=2.0),)))), [])[0]
    assert line.events == 20_000
    assert len(line.ticks) <= 401


def test_a_stream_without_times_is_not_drawn():
    made = streamed(EVENTS)
    made = replace(made, response=replace(made.response, pieces=None), ending=Ending.UNSTATED)
    assert timeline.streams(Evidence(Transcript((made,)))) == []
    assert "Streams" not in shown(judged([made])).text


def test_latencies_have_their_percentiles():
    answers = tuple(replace(exchange(name=f"a{n}"), finished=n / 100) for n in range(1, 101))
    found = latency.distributions(Evidence(Transcript((*answers, streamed(EVENTS)))))
    assert [d.count for d in found] == [100, 1]
    assert (found[0].p50, found[0].p95, found[0].most) == (0.5, 0.95, 1.0)
    assert found[0].marks == found[1].marks
    assert max(bar.height for bar in found[0].bars) == 100
    assert all(0 <= bar.x <= 100 and 0 <= bar.y <= 100 for d in found for bar in d.bars)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0.0 ms"), (0.0042, "4.2 ms"), (0.042, "42 ms"), (0.9996, "1.00 s"), (12.34, "12.3 s"), (float("nan"), "?")],
)
def test_durations_are_for_people(seconds, words):
    assert timeline.duration(seconds) == words


# --- files


def test_it_links_what_lies_beside(tmp_path):
    paths = files.write(report(broken={"stream.done": 1}), tmp_path, tmp_path / "logs" / "my log#1.html")
    assert paths[0].name == "report.html"
    page = Page(paths[0].read_text(encoding="utf-8"))
    assert {"results.json", "summary.md", "transcript.har", "logs/my%20log%231.html"} <= set(page.values("href"))


def test_levels_and_colours_are_not_the_only_signs():
    page = shown(WORLDS["nonconformant"])
    for words in ("failed", "warning", "passed", *Level):
        assert words in page.text


def _luminance(colour):
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(c * w for c, w in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def test_text_has_contrast_in_light_and_dark():
    style = re.search(r"<style>(.*?)</style>", html.page(report()), re.S)[1]
    schemes = [
        dict(re.findall(r"--([\w-]+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    outcomes = ("passed", "failed", "warned", "blocked", "open", "left", "errors")
    pairs = [(c, f"{c}-bg") for c in outcomes] + [(c, "bg") for c in outcomes] + [("mark-fg", "mark")]
    pairs += [(fg, bg) for fg in ("fg", "muted", "link") for bg in ("bg", "soft")]
    pairs += [("fg", f"{c}-bg") for c in outcomes]
    assert len(schemes) == 3
    for scheme in (schemes[0], schemes[1], {**schemes[0], **schemes[2]}):
        for fg, bg in pairs:
            lighter, darker = sorted((_luminance(scheme[fg]), _luminance(scheme[bg])), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (fg, bg)


# --- the gate


def gated(tmp_path, *entries, **world):
    path = tmp_path / "known.toml"
    path.write_text(baseline.dumps(entries), encoding="utf-8")
    options = Options(url=URL, model=MODEL, token="km_t", baseline=str(path))
    text = html.page(report(options, **world))
    return text, Page(text)


def test_the_gate_tells_what_is_new_known_stale_and_expired(tmp_path):
    entries = (
        Entry("stream.done", "TICKET-17", owner="chat team", expires=date(2027, 1, 31)),
        Entry("http.json", "TICKET-18"),
        Entry("chunk.schema", "TICKET-19", expires=date(2026, 1, 31)),
    )
    broken = {"stream.done": 1, "chunk.schema": 1, "error.schema": 1}
    text, page = gated(tmp_path, *entries, broken=broken)
    assert page.problems == []
    table = re.search(r'<table class="gate">.*?</table>', text, re.S)[0]
    rows = [" ".join(Page(row).text.split()) for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)]
    assert [row.split()[1] for row in rows[1:]] == ["new", "expired", "stale", "known"]
    assert rows[1].startswith("✕ new error.schema")
    assert "chunk.schema expired after 2026-01-31" in rows[2]
    assert "http.json fails, but it was judged and does not: remove the entry" in rows[3]
    assert "TICKET-17; owner: chat team; accepted until 2027-01-31" in rows[4]
    assert 'href="#broken-stream.done">stream.done</a>' in table
    assert 'href="#req-http.json">http.json</a>' in table


def test_a_known_failure_is_marked_where_it_is_told(tmp_path):
    text, _ = gated(tmp_path, Entry("stream.done", "TICKET-17"), broken={"stream.done": 1, "http.json": 1})
    known = [
        re.search(r'id="broken-([^"]+)', part)[1] for part in text.split("<h3 ")[1:] if "known</span>" in part[:500]
    ]
    assert known == ["stream.done"]
    assert "<dt>Accepted</dt><dd>TICKET-17</dd>" in text


def test_a_hostile_baseline_is_inert_and_bounded(tmp_path):
    nasty = f"{OTHER_NASTY} {NASTY}".replace("\ud800", "")
    of_server = load().of(Side.SERVER)
    entries = [Entry(r.id, nasty, owner=nasty) for r in of_server]
    text, page = gated(tmp_path, *entries, broken={r.id: 1 for r in of_server})
    assert page.problems == []
    assert page.tags["script"] == page.tags["img"] == 0
    assert "7*7" in text  # no template was made of it
    assert len(text.encode()) < html.LARGEST


def test_without_a_baseline_there_is_no_gate():
    text, page = world("nonconformant")
    assert "gate" not in page.ids
    assert 'class="gate"' not in text


def test_the_sentence_leads_to_what_is_broken():
    text, _ = world("nonconformant")
    sentence = re.search(r'<p class="sentence">(.*?)</p>', text)[1]
    assert re.findall(r'<a href="#broken-([^"]+)">\1</a>', sentence) == ["stream.done", "chunk.schema"]


def test_the_smallest_body_is_shown_first():
    small = finding("reject.generated", place=STATUS, exchange="small", shrunk_from="larger")
    findings = [
        finding("reject.generated", place=STATUS, exchange="large"),
        replace(small, exchange="unsteady", intermittent=True),
        small,
    ]
    text = html.page(judged([], findings))
    places = re.findall(r'<dt>Place</dt><dd>status, in <span class="exchange">([^<]+)', text)
    assert places[:2] == ["small", "large"]
